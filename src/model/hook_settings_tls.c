/*
 * The rows of the directory tls: by which certificates a receiver is known to the hook, and the hook to
 * its receiver. Chain and key are written one after the other, so whether they belong together is
 * no question at a write: hook_tls_show answers it, and each attempt.
 */
#include "model/hook_internal.h"
#include "model/pem.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>

static int judge(
	enum pem_kind kind, const struct setting *s, const char *text, size_t len, struct err *err)
{
	int rc;

	if (text_is_mask(text, len))
		return err_set(err, EINVAL, 0, "this is the mask, not the value");
	rc = pem_check(kind, text, len, err);
	return rc == -ENOMEM ? row_memory_error(s, err) : rc;
}

int ca_judge(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)obj;
	return judge(PEM_CERTIFICATES, s, text, len, err);
}

int cert_judge(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)obj;
	return judge(PEM_CHAIN, s, text, len, err);
}

int key_judge(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)obj;
	return judge(PEM_KEY, s, text, len, err);
}

/* ---- shown */

static void add_time(struct buf *out, const char *words, int64_t seconds)
{
	buf_adds(out, words);
	text_add_time(out, seconds * 1000);
}

/* True if it has said what is wrong with the dates. */
static bool show_dates(
	struct buf *out, const char *file, int64_t from_s, int64_t until_s, int64_t now_s)
{
	if (now_s >= from_s && now_s <= until_s)
		return false;
	buf_adds(out, file);
	if (now_s > until_s)
		add_time(out, " has expired: it was good until ", until_s);
	else
		add_time(out, " is not good before ", from_s);
	return true;
}

void hook_tls_show(const struct hook *h, int64_t now_s, struct buf *out)
{
	struct pem_dates ca, cert;
	struct err err;
	bool has_ca = h->tls_ca && pem_dates(h->tls_ca, &ca) == 0;
	bool has_cert = h->tls_cert && pem_dates(h->tls_cert, &cert) == 0;

	if (pem_pair(h->tls_cert, h->tls_key, &err) < 0)
		buf_adds(out, err.sentence);
	else if (has_cert &&
		show_dates(out, FILE_TLS_CERT, cert.all_from_s, cert.all_until_s, now_s))
		return;
	else if (has_ca && show_dates(out, FILE_TLS_CA, ca.any_from_s, ca.any_until_s, now_s))
		return;
	else if (has_cert)
		add_time(out, "good until ", cert.all_until_s);
	else if (has_ca)
		add_time(out, "good until ", ca.any_until_s);
	else
		buf_adds(out, "none");
}
