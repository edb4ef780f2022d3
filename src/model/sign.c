/*
 * A style is one row of `styles`: its names, how a line becomes a key, what of id and time is
 * signed before the body, and how the signatures are written down.
 *
 * HMAC keys are kept as bytes, not as a prepared context: a signature takes 1.6 us instead of 0.8,
 * and a key a third of the memory. An ed25519 key is kept prepared: preparing it takes as long as
 * signing.
 */
#include "model/sign.h"

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HMAC_SIZE      32 /* SHA-256's */
#define SEED_SIZE      32
#define PUBLIC_SIZE    32
#define SIGNATURE_SIZE 64
#define GENERATED_SIZE 24 /* divisible by three: no padding, which some receivers mishandle */
/* EVP_EncodeBlock's output with its NUL, EVP_DecodeBlock's with the bytes of the padding */
#define ENCODED_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define DECODED_SIZE(n) (((n) + 2) / 3 * 3)

struct sign_key {
	EVP_PKEY *ed25519; /* NULL: an HMAC key */
	size_t len;
	unsigned char bytes[SIGN_RAW_MAX];
};

struct sign_keys {
	enum sign_style style;
	size_t count;
	struct sign_key key[];
};

static_assert(SIGN_RAW_MAX >= DECODED_SIZE(SIGN_HMAC_MAX) &&
		SIGN_RAW_MAX >= DECODED_SIZE(SEED_SIZE + PUBLIC_SIZE),
	"secrets are decoded in place");

static bool starts_with(const char *text, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && !memcmp(text, prefix, n);
}

/* ---- from a line to a key */

/* How many bytes the base64 stands for; it is then what base64_decode takes. */
static int base64_measure(const char *text, size_t len, struct err *err, size_t *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	size_t n = 0, pads = 0;

	while (n < len && memchr(alphabet, text[n], sizeof(alphabet) - 1))
		n++;
	while (n + pads < len && pads < 2 && text[n + pads] == '=')
		pads++;
	if (n + pads < len && (text[n + pads] == '-' || text[n + pads] == '_'))
		return err_set(err, EINVAL, n + pads,
			"this is the url-safe base64: write + for each - and / for each _");
	if (n + pads < len)
		return err_set(err, EINVAL, n + pads,
			"a character that cannot stand here in base64: is the secret whole?");
	if (len % 4)
		return err_set(err, EINVAL, len,
			"the base64 breaks off: with the = at its end it has a multiple of 4 "
			"characters");
	*out = len / 4 * 3 - pads;
	return 0;
}

static void base64_decode(const char *text, size_t len, unsigned char *out)
{
	(void)EVP_DecodeBlock(out, (const unsigned char *)text, (int)len); /* measured before */
}

static int hmac_read(struct sign_key *k, const char *text, size_t len, struct err *err)
{
	size_t bytes;
	int rc = base64_measure(text, len, err, &bytes);

	if (rc < 0)
		return rc;
	if (bytes < SIGN_HMAC_MIN || bytes > SIGN_HMAC_MAX)
		return err_set(err, ERANGE, 0,
			"a whsec_ secret has %d to %d bytes behind its base64, this one has %zu",
			SIGN_HMAC_MIN, SIGN_HMAC_MAX, bytes);
	base64_decode(text, len, k->bytes);
	k->len = bytes;
	return 0;
}

/* True if `public` follows from the seed of the key. */
static bool public_fits(const EVP_PKEY *key, const unsigned char public[PUBLIC_SIZE])
{
	unsigned char derived[PUBLIC_SIZE];
	size_t n = sizeof(derived);

	return EVP_PKEY_get_raw_public_key(key, derived, &n) == 1 && n == PUBLIC_SIZE &&
		!memcmp(derived, public, PUBLIC_SIZE);
}

static int ed25519_read(struct sign_key *k, const char *text, size_t len, struct err *err)
{
	size_t bytes;
	int rc = base64_measure(text, len, err, &bytes);

	if (rc < 0)
		return rc;
	if (bytes != SEED_SIZE && bytes != SEED_SIZE + PUBLIC_SIZE)
		return err_set(err, ERANGE, 0,
			"a whsk_ key has %d or %d bytes behind its base64, this one has %zu",
			SEED_SIZE, SEED_SIZE + PUBLIC_SIZE, bytes);
	base64_decode(text, len, k->bytes);
	k->ed25519 = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->bytes, SEED_SIZE);
	if (!k->ed25519)
		rc = err_set(err, ENOMEM, ERR_NO_COLUMN, "libcrypto makes no ed25519 key here");
	else if (bytes > SEED_SIZE && !public_fits(k->ed25519, k->bytes + SEED_SIZE))
		rc = err_set(err, EINVAL, 0,
			"the second half of this whsk_ key is not the public key of its first "
			"half: copy it again, whole");
	explicit_bzero(k->bytes, sizeof(k->bytes));
	return rc;
}

static int standard_read(struct sign_key *k, const char *text, size_t len, struct err *err)
{
	static const struct {
		const char *prefix;
		int (*read)(struct sign_key *k, const char *text, size_t len, struct err *err);
		const char *advice; /* where it is a mistake */
	} rows[] = {
		{ .prefix = "whsec_", .read = hmac_read },
		{ .prefix = "whsk_", .read = ed25519_read },
		{ .prefix = "v1,", .advice = "leave out the `v1,`: the secret begins at whsec_" },
		{ .prefix = "v1a,", .advice = "leave out the `v1a,`: the key begins at whsk_" },
		{ .prefix = "whpk_",
			.advice = "whpk_ is the public key, for the receiver to check with: "
				  "write the private one, whsk_" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].prefix);
		int rc;

		if (!starts_with(text, len, rows[i].prefix))
			continue;
		if (!rows[i].read)
			return err_set(err, EINVAL, 0, "%s", rows[i].advice);
		rc = rows[i].read(k, text + n, len - n, err);
		if (rc < 0)
			err_shift(err, n);
		return rc;
	}
	return err_set(err, EINVAL, 0,
		"a secret begins with whsec_ (HMAC-SHA256) or whsk_ (ed25519); "
		"write `generate` for a new one");
}

static int raw_read(struct sign_key *k, const char *text, size_t len, struct err *err)
{
	size_t good = text_utf8_check(text, len);

	if (len > SIGN_RAW_MAX)
		return err_set(err, ERANGE, SIGN_RAW_MAX,
			"a secret has at most %d bytes, this one has %zu", SIGN_RAW_MAX, len);
	for (size_t i = 0; i < good; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return err_set(err, EINVAL, i, "a secret takes no control characters");
	if (good < len)
		return err_set(err, EINVAL, good, "a secret takes UTF-8 only");
	memcpy(k->bytes, text, len);
	k->len = len;
	return 0;
}

/* ---- from a key to a signature */

static int hmac_make(
	const struct sign_key *k, const struct buf *content, unsigned char out[HMAC_SIZE])
{
	size_t n = 0;

	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, k->bytes, k->len,
		    (const unsigned char *)buf_str(content), content->len, out, HMAC_SIZE, &n) ||
		n != HMAC_SIZE)
		return -ENOMEM; /* nothing else is left to fail */
	return 0;
}

static int ed25519_make(
	const struct sign_key *k, const struct buf *content, unsigned char out[SIGNATURE_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = SIGNATURE_SIZE;
	bool made = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->ed25519) == 1 &&
		EVP_DigestSign(
			ctx, out, &n, (const unsigned char *)buf_str(content), content->len) == 1 &&
		n == SIGNATURE_SIZE;

	EVP_MD_CTX_free(ctx);
	return made ? 0 : -ENOMEM;
}

static void add_base64(struct buf *out, const unsigned char *bytes, size_t len)
{
	unsigned char text[ENCODED_SIZE(SIGNATURE_SIZE)];

	buf_add(out, text, (size_t)EVP_EncodeBlock(text, bytes, (int)len));
	explicit_bzero(text, sizeof(text)); /* a new secret passes here too */
}

/* Appends the name and the HMAC in hexadecimal. */
static int add_hex_hmac(
	struct buf *out, const char *name, const struct sign_key *k, const struct buf *content)
{
	unsigned char mac[HMAC_SIZE];
	int rc = hmac_make(k, content, mac);

	if (rc < 0)
		return rc;
	buf_adds(out, name);
	buf_add_hex(out, mac, sizeof(mac));
	return 0;
}

/* v1 before v1a, for receivers that know v1 only; one blank between, for some break at two. */
static int standard_sign(const struct sign_keys *keys, int64_t timestamp_s,
	const struct buf *content, struct buf *out)
{
	static const struct {
		const char *version;
		size_t size;
		int (*make)(
			const struct sign_key *k, const struct buf *content, unsigned char *out);
	} kinds[] = {
		{ "v1,", HMAC_SIZE, hmac_make },
		{ "v1a,", SIGNATURE_SIZE, ed25519_make },
	};
	const char *blank = "";

	(void)timestamp_s; /* has a header of its own */
	for (size_t kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < keys->count; i++) {
			unsigned char signature[SIGNATURE_SIZE];
			int rc;

			if ((keys->key[i].ed25519 != NULL) != (kind == 1))
				continue;
			rc = kinds[kind].make(&keys->key[i], content, signature);
			if (rc < 0)
				return rc;
			buf_adds(out, blank);
			buf_adds(out, kinds[kind].version);
			add_base64(out, signature, kinds[kind].size);
			blank = " ";
		}
	}
	return 0;
}

static int github_sign(const struct sign_keys *keys, int64_t timestamp_s, const struct buf *content,
	struct buf *out)
{
	(void)timestamp_s; /* not a part of this style */
	return add_hex_hmac(out, "sha256=", &keys->key[0], content);
}

static int stripe_sign(const struct sign_keys *keys, int64_t timestamp_s, const struct buf *content,
	struct buf *out)
{
	int rc = 0;

	buf_adds(out, "t=");
	buf_addi(out, timestamp_s);
	for (size_t i = 0; i < keys->count && rc == 0; i++)
		rc = add_hex_hmac(out, ",v1=", &keys->key[i], content);
	return rc;
}

/* ---- the styles */

static const struct style {
	const char *name, *header;
	bool id, timestamp; /* each stands in the content, with a dot behind it */
	int (*read)(struct sign_key *k, const char *text, size_t len, struct err *err);
	int (*sign)(const struct sign_keys *keys, int64_t timestamp_s, const struct buf *content,
		struct buf *out);
} styles[SIGN_STYLE_COUNT] = {
	[SIGN_STANDARD] = { .name = "standard",
		.header = "webhook-signature",
		.id = true,
		.timestamp = true,
		.read = standard_read,
		.sign = standard_sign },
	[SIGN_GITHUB] = { .name = "github",
		.header = "X-Hub-Signature-256",
		.read = raw_read,
		.sign = github_sign },
	[SIGN_STRIPE] = { .name = "stripe",
		.header = "Stripe-Signature",
		.timestamp = true,
		.read = raw_read,
		.sign = stripe_sign },
};

const char *sign_style_name(enum sign_style style)
{
	return styles[style].name;
}

const char *sign_style_header(enum sign_style style)
{
	return styles[style].header;
}

int sign_style_parse(const char *text, size_t len, struct err *err, enum sign_style *out)
{
	char quote[TEXT_QUOTE_SIZE];

	for (size_t i = 0; i < SIGN_STYLE_COUNT; i++) {
		if (len == strlen(styles[i].name) && !memcmp(text, styles[i].name, len)) {
			*out = (enum sign_style)i;
			return 0;
		}
	}
	return err_set(err, EINVAL, 0, "\"%s\" is no signature: it is %s, %s or %s",
		text_quote(text, len, quote), styles[0].name, styles[1].name, styles[2].name);
}

/* ---- the keys */

static size_t line_count(const char *text, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

int sign_keys_parse(enum sign_style style, const char *text, size_t len, struct err *err,
	struct sign_keys **out)
{
	size_t lines = line_count(text, len), start = 0;
	struct sign_keys *keys;

	if (lines > SIGN_KEYS_MAX)
		return err_set(err, E2BIG, ERR_NO_COLUMN,
			"at most %d secrets, one a line, are taken: these are %zu", SIGN_KEYS_MAX,
			lines);
	keys = calloc(1, sizeof(*keys) + lines * sizeof(keys->key[0]));
	if (!keys)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for a secret");
	keys->style = style;
	keys->count = lines;

	for (size_t i = 0; i < lines; i++) {
		const char *line = text + start;
		const char *newline = i + 1 < lines ? memchr(line, '\n', len - start) : NULL;
		size_t line_len = newline ? (size_t)(newline - line) : len - start;
		int rc = line_len
			? styles[style].read(&keys->key[i], line, line_len, err)
			: err_set(err, EINVAL, 0, "a secret is missing: the line is empty");

		if (rc < 0) {
			err_shift(err, start);
			/* The text is not shown, so that a column alone says little. */
			if (err && lines > 1)
				(void)err_set(err, err->code, err->column, "line %zu: %s", i + 1,
					err->sentence);
			sign_keys_free(keys);
			return rc;
		}
		start += line_len + 1;
	}
	*out = keys;
	return 0;
}

void sign_keys_free(struct sign_keys *keys)
{
	if (!keys)
		return;
	for (size_t i = 0; i < keys->count; i++)
		EVP_PKEY_free(keys->key[i].ed25519); /* clears the key itself */
	explicit_bzero(keys, sizeof(*keys) + keys->count * sizeof(keys->key[0]));
	free(keys);
}

int sign_value(const struct sign_keys *keys, const char *id, int64_t timestamp_s, const void *body,
	size_t len, struct buf *out)
{
	const struct style *s = &styles[keys->style];
	struct buf content = BUF(strlen(id) + sizeof(".-9223372036854775808.") + len);
	size_t before = out->len;
	int rc;

	buf_expect(&content, content.max); /* no copy of the body is left behind by growing */
	if (s->id) {
		buf_adds(&content, id);
		buf_addc(&content, '.');
	}
	if (s->timestamp) {
		buf_addi(&content, timestamp_s);
		buf_addc(&content, '.');
	}
	buf_add(&content, body, len);

	rc = buf_error(&content);
	if (rc == 0)
		rc = s->sign(keys, timestamp_s, &content, out);
	if (rc == 0)
		rc = buf_error(out);
	if (rc < 0)
		buf_cut(out, before);
	buf_release(&content);
	return rc;
}

int sign_generate(struct buf *out)
{
	unsigned char key[GENERATED_SIZE];
	size_t before = out->len;

	assert(out->wipe);
	/* Small requests are answered whole; a signal interrupts only early in the boot. */
	while (getrandom(key, sizeof(key), 0) < 0)
		if (errno != EINTR)
			return -errno;
	buf_adds(out, "whsec_");
	add_base64(out, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	if (buf_error(out))
		buf_cut(out, before);
	return buf_error(out);
}
