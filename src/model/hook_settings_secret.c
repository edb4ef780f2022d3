/*
 * The rows secret and signature. The secret is kept as text and read by the rules of the signature's
 * style; each of the two is judged against the other, whichever is written second. No sentence in
 * this file quotes a secret.
 */
#include "model/hook_internal.h"
#include "util/buf.h"
#include "util/err.h"

#include <assert.h>
#include <errno.h>

/* A word that people can guess signs nothing. The standard style asks for more by itself. */
#define SECRET_LINE_MIN 8

static int line_check(enum sign_style style, const char *line, size_t len, struct err *err)
{
	if (text_has_mask(line, len))
		return err_set(err, EINVAL, 0, "this is the mask, not the value");
	if (len == strlen(SECRET_GENERATE) && !memcmp(line, SECRET_GENERATE, len))
		return err_set(err, EINVAL, 0,
			"`" SECRET_GENERATE
			"` stands alone, and is written to the file secret only");
	if (style != SIGN_STANDARD && len && len < SECRET_LINE_MIN)
		return err_set(err, ERANGE, 0, "a secret has at least %d bytes, this one has %zu",
			SECRET_LINE_MIN, len);
	return 0;
}

static int secret_check(enum sign_style style, const char *text, size_t len, struct err *err)
{
	struct sign_keys *keys;
	int rc;

	for (size_t pos = 0, n; pos < len; pos += n + 1) {
		n = text_span(text + pos, len - pos, "\n");
		rc = line_check(style, text + pos, n, err);
		if (rc < 0) {
			err_shift(err, pos);
			return rc;
		}
	}
	rc = sign_keys_parse(style, text, len, err, &keys);
	if (rc == -EINVAL && err && style == SIGN_STANDARD)
		return err_set(err, EINVAL, err->column,
			"%s (for signature standard; github and stripe take other texts)",
			err->sentence);
	if (rc < 0)
		return rc;
	sign_keys_free(keys);
	return 0;
}

int secret_judge(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)s;
	return secret_check(((const struct hook *)obj)->signature, text, len, err);
}

int signature_store(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	enum sign_style style;
	int rc = sign_style_parse(text, len, err, &style);

	if (rc < 0)
		return rc;
	rc = h->secret ? secret_check(style, h->secret, strlen(h->secret), NULL) : 0;
	if (rc == -ENOMEM)
		return row_memory_error(s, err);
	if (rc < 0)
		return err_set(err, EINVAL, 0,
			"the secret that is there is none for %s: remove secret first and write it "
			"anew, or write both at once with config.json",
			sign_style_name(style));
	h->signature = style;
	return 0;
}

void signature_show(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	buf_adds(out, sign_style_name(((const struct hook *)obj)->signature));
}

void signature_reset(const struct setting *s, void *obj)
{
	(void)s;
	((struct hook *)obj)->signature = SIGN_STANDARD;
}

int hook_sign_keys(const struct hook *h, struct sign_keys **out)
{
	struct sign_keys *keys = NULL;
	int rc = 0;

	if (h->secret)
		rc = sign_keys_parse(h->signature, h->secret, strlen(h->secret), NULL, &keys);
	assert(rc == 0 || rc == -ENOMEM); /* it was judged when it was stored */
	if (rc == 0)
		*out = keys;
	return rc;
}

/* What sign_generate makes is good in every style: for github and stripe it is any other text. */
int hook_secret_generate(struct hook *h, struct buf *shown)
{
	struct buf secret = BUF_SECRET(SIGN_SECRET_MAX);
	size_t before = shown->len;
	int rc = sign_generate(&secret);

	assert(shown->wipe);
	if (rc == 0) {
		buf_add(shown, secret.data, secret.len);
		rc = buf_error(shown);
	}
	if (rc == 0)
		rc = hook_store(h, hook_setting(FILE_SECRET), secret.data, secret.len, NULL);
	if (rc < 0)
		buf_cut(shown, before);
	buf_release(&secret);
	return rc;
}
