/*
 * libcrypto reads the blocks; what they are is a row of `labels`. Its queue of errors is emptied
 * behind each failure, since libcurl shares it.
 */
#include "model/pem.h"

#include "util/err.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define BEGIN "-----BEGIN "
#define END   "-----END "
#define DASH  "-----"

/* ---- lines */

static bool starts_with(const char *text, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && !memcmp(text, prefix, n);
}

static bool is_end(const char *line, size_t len)
{
	size_t n = strlen(END), dash = strlen(DASH);

	return starts_with(line, len, END) && len > n + dash &&
		!memcmp(line + len - dash, DASH, dash);
}

static size_t trimmed(const char *line, size_t len)
{
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	return len;
}

/* True for what becomes a BEGIN line when there is more of it. */
static bool may_begin(const char *line, size_t len)
{
	return len < strlen(BEGIN) && !memcmp(line, BEGIN, len);
}

bool pem_whole(const char *text, size_t len)
{
	bool inside = false, ended = false, begun = false;
	size_t words = 0, begins = 0;

	for (size_t pos = 0, n; pos < len; pos += n + 1) {
		const char *line = text + pos;
		const char *newline = memchr(line, '\n', len - pos);
		size_t line_len;

		n = newline ? (size_t)(newline - line) : len - pos;
		line_len = trimmed(line, n);
		if (starts_with(line, line_len, BEGIN)) {
			inside = begun = true;
		} else if (inside) {
			inside = !is_end(line, line_len);
			/* openssl ecparam -genkey writes these in front of the key */
			ended = !inside && !memmem(line, line_len, "PARAMETERS", 10);
		} else if (line_len) {
			ended = false;
			words++;
			begins += !newline && may_begin(line, line_len);
		}
	}
	return !inside && (begun ? ended : words <= 1 && !begins);
}

/* ---- blocks */

enum label_kind { LABEL_CERTIFICATE, LABEL_KEY, LABEL_PARAMETERS, LABEL_OTHER };

struct label {
	const char *label;
	enum label_kind kind;
	const char *noun;
};

static const struct label labels[] = {
	{ PEM_STRING_X509, LABEL_CERTIFICATE, "a certificate" },
	{ PEM_STRING_X509_OLD, LABEL_CERTIFICATE, "a certificate" },
	{ PEM_STRING_X509_TRUSTED, LABEL_CERTIFICATE, "a certificate" },
	{ PEM_STRING_PKCS8INF, LABEL_KEY, "a private key" },
	{ PEM_STRING_RSA, LABEL_KEY, "a private key" },
	{ PEM_STRING_ECPRIVATEKEY, LABEL_KEY, "a private key" },
	{ PEM_STRING_PKCS8, LABEL_OTHER, "an encrypted private key" },
	{ "OPENSSH PRIVATE KEY", LABEL_OTHER, "a key of OpenSSH" },
	{ PEM_STRING_ECPARAMETERS, LABEL_PARAMETERS, "parameters of a key" },
	{ PEM_STRING_PUBLIC, LABEL_OTHER, "a public key" },
	{ PEM_STRING_RSA_PUBLIC, LABEL_OTHER, "a public key" },
	{ PEM_STRING_X509_REQ, LABEL_OTHER, "a request for a certificate" },
	{ PEM_STRING_X509_REQ_OLD, LABEL_OTHER, "a request for a certificate" },
	{ PEM_STRING_X509_CRL, LABEL_OTHER, "a list of revoked certificates" },
	{ PEM_STRING_PKCS7, LABEL_OTHER, "a PKCS#7 bundle" },
	{ PEM_STRING_CMS, LABEL_OTHER, "a CMS bundle" },
};
static const struct label label_unknown = { "", LABEL_OTHER, "a block of another kind" };

static const struct label *label_find(const char *name)
{
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (!strcmp(labels[i].label, name))
			return &labels[i];
	return &label_unknown;
}

struct block {
	const struct label *label;
	bool encrypted;
	unsigned char *data;
	long len;
};

/* 1 and a block, 0 at the end, -EINVAL for one that breaks off or is damaged, -ENOMEM. */
static int block_read(BIO *bio, struct block *out)
{
	char *name = NULL, *header = NULL;
	unsigned flags = PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE;
	int reason;

	if (PEM_read_bio_ex(bio, &name, &header, &out->data, &out->len, flags)) {
		out->label = label_find(name);
		out->encrypted = strstr(header, "ENCRYPTED") != NULL;
		OPENSSL_secure_free(name);
		OPENSSL_secure_free(header);
		return 1;
	}
	reason = ERR_GET_REASON(ERR_peek_last_error());
	ERR_clear_error();
	return reason == PEM_R_NO_START_LINE     ? 0
		: reason == ERR_R_MALLOC_FAILURE ? -ENOMEM
						 : -EINVAL;
}

static void block_release(struct block *b)
{
	OPENSSL_secure_clear_free(b->data, (size_t)b->len);
}

static X509 *block_certificate(const struct block *b)
{
	const unsigned char *end = b->data;
	X509 *x = strcmp(b->label->label, PEM_STRING_X509_TRUSTED)
		? d2i_X509(NULL, &end, b->len)
		: d2i_X509_AUX(NULL, &end, b->len);

	ERR_clear_error();
	if (x && end == b->data + b->len)
		return x;
	X509_free(x);
	return NULL;
}

static int no_passphrase(char *out, int size, int writing, void *ctx)
{
	(void)out, (void)size, (void)writing, (void)ctx;
	return -1; /* else libcrypto would ask at the terminal */
}

static EVP_PKEY *key_read(const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

/* ---- what a text is to be */

static const struct {
	enum label_kind label;
	const char *expected, *nothing;
} kinds[] = {
	[PEM_CERTIFICATES] = { LABEL_CERTIFICATE, "certificates are",
		.nothing =
			"there is no certificate in PEM form: it would begin with -----BEGIN CERTIFICATE-----" },
	[PEM_CHAIN] = { LABEL_CERTIFICATE, "certificates are",
		.nothing =
			"there is no certificate in PEM form: it would begin with -----BEGIN CERTIFICATE-----" },
	[PEM_KEY] = { LABEL_KEY, "a private key is",
		.nothing =
			"there is no private key in PEM form: it would begin with -----BEGIN PRIVATE KEY-----" },
};

/* What has been read so far. */
struct reading {
	enum pem_kind kind;
	unsigned count; /* of what is expected */
	X509 *last;     /* the certificate before, where the order counts */
	size_t at;      /* offset of the block */
	struct err *err;
};

/* A certificate of its own authority is the issuer of itself, twice in a chain too. */
static bool is_upside_down(X509 *before, X509 *x)
{
	return X509_check_issued(before, x) == X509_V_OK &&
		X509_check_issued(x, before) != X509_V_OK;
}

static int take_certificate(struct reading *r, const struct block *b)
{
	X509 *x = block_certificate(b);
	bool wrong;

	if (!x)
		return err_set(r->err, EINVAL, r->at, "the certificate is damaged");
	wrong = r->kind == PEM_CHAIN && r->last && is_upside_down(r->last, x);
	X509_free(r->last);
	r->last = x;
	if (wrong)
		return err_set(r->err, EINVAL, r->at,
			"the chain is upside down: a certificate stands before the one of its issuer");
	return 0;
}

static int take_block(struct reading *r, const struct block *b)
{
	if (b->label->kind == LABEL_PARAMETERS && r->kind == PEM_KEY)
		return 0;
	if (r->kind == PEM_KEY && (b->encrypted || !strcmp(b->label->label, PEM_STRING_PKCS8)))
		return err_set(r->err, EINVAL, r->at,
			"the key is encrypted, and there is nobody to ask for its passphrase: "
			"`openssl pkey -in FILE` writes it in the open");
	if (b->label->kind != kinds[r->kind].label)
		return err_set(r->err, EINVAL, r->at, "%s stands where %s expected", b->label->noun,
			kinds[r->kind].expected);
	if (r->count++ && r->kind == PEM_KEY)
		return err_set(r->err, EINVAL, r->at, "there is more than one private key");
	return r->kind == PEM_KEY ? 0 : take_certificate(r, b);
}

static int read_blocks(struct reading *r, BIO *bio, const char *text, size_t len)
{
	int rc;

	do {
		struct block b = { 0 };
		size_t from = len - BIO_pending(bio);
		const char *begin = memmem(text + from, len - from, BEGIN, strlen(BEGIN));

		r->at = begin ? (size_t)(begin - text) : len;
		rc = block_read(bio, &b);
		if (rc == -EINVAL)
			return err_set(r->err, EINVAL, r->at,
				"what begins here breaks off or is damaged: is the file whole?");
		if (rc == 1) {
			int taken = take_block(r, &b);

			rc = taken < 0 ? taken : 1;
		}
		block_release(&b);
	} while (rc == 1);
	return rc;
}

int pem_check(enum pem_kind kind, const char *text, size_t len, struct err *err)
{
	struct reading r = { .kind = kind, .err = err };
	BIO *bio = len <= PEM_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	int rc;

	if (!bio)
		return len <= PEM_MAX ? -ENOMEM : -E2BIG;
	rc = read_blocks(&r, bio, text, len);
	X509_free(r.last);
	BIO_free(bio);
	if (rc == 0 && !r.count)
		return err_set(err, EINVAL, 0, "%s", kinds[kind].nothing);
	if (rc == 0 && kind == PEM_KEY) {
		EVP_PKEY *key = key_read(text, len);

		if (!key)
			return err_set(err, EINVAL, 0, "the private key is damaged");
		EVP_PKEY_free(key);
	}
	return rc;
}

/* ---- what was checked before */

/* The next certificate of a text that pem_check took; NULL: that was all, or no memory. */
static X509 *next_certificate(BIO *bio)
{
	X509 *x = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);

	ERR_clear_error();
	return x;
}

static bool fits(const char *chain, const char *key)
{
	BIO *bio = BIO_new_mem_buf(chain, -1);
	X509 *leaf = bio ? next_certificate(bio) : NULL;
	EVP_PKEY *pkey = key_read(key, strlen(key));
	bool good = leaf && pkey && X509_check_private_key(leaf, pkey) == 1;

	ERR_clear_error();
	EVP_PKEY_free(pkey);
	X509_free(leaf);
	BIO_free(bio);
	return good;
}

int pem_pair(const char *chain, const char *key, struct err *err)
{
	if (!chain && !key)
		return 0;
	if (!key)
		return err_set(err, EINVAL, ERR_NO_COLUMN, "the certificate lacks its private key");
	if (!chain)
		return err_set(err, EINVAL, ERR_NO_COLUMN, "the private key lacks its certificate");
	if (!fits(chain, key))
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"the private key is not the one of the certificate");
	return 0;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void widen(struct pem_dates *d, int64_t from_s, int64_t until_s)
{
	d->all_from_s = from_s > d->all_from_s ? from_s : d->all_from_s;
	d->all_until_s = until_s < d->all_until_s ? until_s : d->all_until_s;
	d->any_from_s = from_s < d->any_from_s ? from_s : d->any_from_s;
	d->any_until_s = until_s > d->any_until_s ? until_s : d->any_until_s;
}

int pem_dates(const char *certificates, struct pem_dates *out)
{
	BIO *bio = BIO_new_mem_buf(certificates, -1);
	struct pem_dates d = { INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN };
	bool found = false;
	X509 *x;

	while (bio && (x = next_certificate(bio))) {
		found = true;
		widen(&d, seconds_of(X509_get0_notBefore(x)), seconds_of(X509_get0_notAfter(x)));
		X509_free(x);
	}
	BIO_free(bio);
	if (!found)
		return -ENOMEM;
	*out = d;
	return 0;
}
