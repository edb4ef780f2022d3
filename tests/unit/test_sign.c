#include "model/sign.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The vectors of the official libraries, Svix, GitHub's documentation. */
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME   1614265330
#define BODY   "{\"test\": 2432232314}"
#define FIRST  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECOND "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
#define SEED   "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
#define PAIR                                                               \
	"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioL" \
	"lX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define PUBLIC    "1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
#define BY_FIRST  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BY_SECOND "v1,78nXHjpFP0tVJQW5D0SBwmVyyW87BV/rL6MgfM/Bw44="
#define BY_PAIR                                                            \
	"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJa" \
	"A7AZdpXwVLPo3mNl8EM+m7TBAg=="
/* The bytes 0, 1, 2, …: 64 and 65 of them. */
#define BYTES_63 \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+"
#define BYTES_64 BYTES_63 "Pw=="
#define BYTES_65 BYTES_63 "P0A="

/* A copy without a NUL behind it: reading further is an error that the sanitizer sees. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static struct sign_keys *keys_of(enum sign_style style, const char *text)
{
	size_t len = strlen(text);
	char *copy = exact(text, len);
	struct sign_keys *keys = NULL;
	struct err err = { 0 };

	if (sign_keys_parse(style, copy, len, &err, &keys) < 0)
		fail_msg("%s: column %zu: %s", text, err.column, err.sentence);
	free(copy);
	return keys;
}

struct message {
	const char *id;
	int64_t timestamp_s;
	const char *body;
};

static const struct message message = { ID, TIME, BODY };

/* The value that these secrets give; the caller frees. */
static char *value_of(enum sign_style style, const char *secrets, const struct message *m)
{
	struct sign_keys *keys = keys_of(style, secrets);
	struct buf out = BUF(SIGN_VALUE_MAX);
	size_t len = strlen(m->body);
	char *body = exact(m->body, len);

	assert_int_equal(sign_value(keys, m->id, m->timestamp_s, body, len, &out), 0);
	free(body);
	sign_keys_free(keys);
	return buf_detach(&out);
}

static void signs_as_others_do(void **state)
{
	static const struct {
		enum sign_style style;
		const char *secrets;
		struct message message;
		const char *value;
	} rows[] = {
		{ SIGN_STANDARD, FIRST, { ID, TIME, BODY }, BY_FIRST },
		{ SIGN_STANDARD, SECOND,
			{ "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1649367553,
				"{\"email\":\"test@example.com\",\"username\":\"test_user\"}" },
			"v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=" },
		{ SIGN_STANDARD, PAIR, { ID, TIME, BODY }, BY_PAIR },
		{ SIGN_STANDARD, SEED, { ID, TIME, BODY }, BY_PAIR },
		{ SIGN_GITHUB, "It's a Secret to Everybody", { ID, TIME, "Hello, World!" },
			"sha256="
			"757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
		/* Computed with Python's hmac. The prefix is a part of a Stripe secret. */
		{ SIGN_STRIPE, "whsec_first", { ID, TIME, BODY },
			"t=1614265330,v1="
			"6fcb1801847448e6269c5b8ca225eae64151e718c790ccb385f3ce0eb851d480" },
		{ SIGN_GITHUB, "p\xc3\xa4sswort", { ID, TIME, BODY },
			"sha256="
			"fd76091fdfd101d4ac67bf445b034831049cd7270794351bd643936d977468b0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = value_of(rows[i].style, rows[i].secrets, &rows[i].message);

		assert_string_equal(value, rows[i].value);
		free(value);
	}
}

/* All of secret, id, time and body count, and the official wrong signature is not ours. */
static void signs_nothing_else_alike(void **state)
{
	static const struct {
		const char *secret;
		struct message message;
	} rows[] = {
		{ SECOND, { ID, TIME, BODY } },
		{ FIRST, { ID "x", TIME, BODY } },
		{ FIRST, { ID, TIME + 1, BODY } },
		{ FIRST, { ID, TIME, BODY " " } },
		{ FIRST, { ID, TIME, "" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = value_of(SIGN_STANDARD, rows[i].secret, &rows[i].message);

		assert_int_equal(strlen(value), strlen(BY_FIRST));
		assert_string_not_equal(value, BY_FIRST);
		assert_string_not_equal(value, "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=");
		free(value);
	}
}

static void rotates(void **state)
{
	static const struct {
		enum sign_style style;
		const char *secrets, *value;
	} rows[] = {
		{ SIGN_STANDARD, FIRST "\n" SECOND, BY_FIRST " " BY_SECOND },
		{ SIGN_STANDARD, SECOND "\n" FIRST, BY_SECOND " " BY_FIRST },
		{ SIGN_STANDARD, PAIR "\n" FIRST, BY_FIRST " " BY_PAIR },
		{ SIGN_STANDARD, SEED "\n" SECOND "\n" PAIR "\n" FIRST,
			BY_SECOND " " BY_FIRST " " BY_PAIR " " BY_PAIR },
		{ SIGN_GITHUB, "whsec_first\np\xc3\xa4sswort",
			"sha256="
			"24ebd37ceff9eb11dc2328ae4066fcd606a01b0e0acce2282961d0310580b227" },
		{ SIGN_STRIPE, "whsec_first\np\xc3\xa4sswort",
			"t=1614265330"
			",v1=6fcb1801847448e6269c5b8ca225eae64151e718c790ccb385f3ce0eb851d480"
			",v1=5ea00926af8f0d5e1062ac57f9ba45b11fa312d5c10387d28a13447dcf3fac10" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *value = value_of(rows[i].style, rows[i].secrets, &message);

		assert_string_equal(value, rows[i].value);
		free(value);
	}
}

/* A receiver that has nothing but the public key. */
static bool public_verifies(const char *token, const char *content)
{
	unsigned char key[33], signature[66];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *public;
	bool good;

	assert_int_equal(EVP_DecodeBlock(key, (const unsigned char *)PUBLIC, 44), 33);
	assert_memory_equal(token, "v1a,", 4);
	assert_int_equal(EVP_DecodeBlock(signature, (const unsigned char *)token + 4, 88), 66);
	public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
	assert_non_null(public);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public), 1);
	good = EVP_DigestVerify(
		       ctx, signature, 64, (const unsigned char *)content, strlen(content)) == 1;
	EVP_PKEY_free(public);
	EVP_MD_CTX_free(ctx);
	return good;
}

static void public_key_verifies(void **state)
{
	struct message m = { "msg_1", 1700000000, "{}" };
	char *value = value_of(SIGN_STANDARD, FIRST "\n" PAIR, &m);
	const char *token = strchr(value, ' ') + 1;

	(void)state;
	assert_int_equal(strlen(token), 4 + 88);
	assert_true(public_verifies(token, "msg_1.1700000000.{}"));
	assert_false(public_verifies(token, "msg_1.1700000001.{}"));
	assert_false(public_verifies(token, "msg_2.1700000000.{}"));
	assert_false(public_verifies(token, "msg_1.1700000000.{ }"));
	free(value);
}

/* What follows the prefix of each line of a secret may stand in no sentence, not even in part. */
static void assert_says_nothing_of(const char *sentence, const char *text, size_t len)
{
	static const size_t window = 5;
	const char *line = text;

	while (line < text + len) {
		const char *newline = memchr(line, '\n', (size_t)(text + len - line));
		const char *end = newline ? newline : text + len;
		const char *prefix = memchr(line, '_', (size_t)(end - line));

		for (const char *p = prefix ? prefix + 1 : line; p + window <= end; p++)
			if (memmem(sentence, strlen(sentence), p, window))
				fail_msg("part of the secret is in: %s", sentence);
		line = end + 1;
	}
}

struct refusal {
	const char *text;
	int code;
	size_t column;
	const char *says;
};

static void assert_refused(enum sign_style style, const struct refusal *row)
{
	size_t len = strlen(row->text);
	char *text = exact(row->text, len);
	struct sign_keys *keys = NULL;
	struct err err = { 0 };

	if (sign_keys_parse(style, text, len, &err, &keys) != -row->code || err.code != row->code ||
		err.column != row->column || !strstr(err.sentence, row->says))
		fail_msg("%s: code %d, column %zu: %s", row->text, err.code, err.column,
			err.sentence);
	assert_null(keys);
	assert_says_nothing_of(err.sentence, text, len);
	assert_int_equal(sign_keys_parse(style, text, len, NULL, &keys), -row->code);
	free(text);
}

static void refuses_standard(void **state)
{
	static const struct refusal rows[] = {
		{ "", EINVAL, 0, "missing" },
		{ "hunter2hunter2", EINVAL, 0, "begins with whsec_" },
		{ "Whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 0, "begins with whsec_" },
		{ " " FIRST, EINVAL, 0, "begins with whsec_" },
		{ "whsk", EINVAL, 0, "begins with whsec_" },
		{ "v1," FIRST, EINVAL, 0, "leave out the `v1,`" },
		{ "v1a," PAIR, EINVAL, 0, "leave out the `v1a,`" },
		{ "whpk_" PUBLIC, EINVAL, 0, "write the private one" },

		{ "whsec_", ERANGE, 6, "24 to 64 bytes" },
		/* An example of the documentation, shorter than the specification has it. */
		{ "whsec_plJ3nmyCDGBKInavdOK15jsl", ERANGE, 6, "has 18" },
		{ "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=", ERANGE, 6, "has 23" },
		{ "whsec_" BYTES_65, ERANGE, 6, "has 65" },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa w", EINVAL, 36, "base64" },
		{ FIRST " ", EINVAL, 38, "base64" },
		{ FIRST "\r", EINVAL, 38, "base64" },
		{ "whsec_MfKQ9r8G!YqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 14, "base64" },
		{ "whsec_MfKQ9r8G-YqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 14, "url-safe" },
		{ "whsec_MfKQ9r8G_YqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 14, "url-safe" },
		{ "whsec_MfKQ9r8G=YqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 15, "base64" },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw====", EINVAL, 40, "base64" },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", EINVAL, 37, "breaks off" },
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA", EINVAL, 39, "breaks off" },

		{ "whsk_", ERANGE, 5, "32 or 64 bytes" },
		{ "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ERANGE, 5, "has 24" },
		{ "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", ERANGE, 5, "has 31" },
		{ "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", ERANGE, 5, "has 33" },
		{ "whsk_" BYTES_65, ERANGE, 5, "has 65" },
		{ "whsk_" BYTES_64, EINVAL, 5, "not the public key" },
		{ "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc", EINVAL, 48, "breaks off" },

		{ FIRST "\n", EINVAL, 39, "line 2: a secret is missing" },
		{ "\n" FIRST, EINVAL, 0, "line 1: a secret is missing" },
		{ FIRST "\n\n" SECOND, EINVAL, 39, "line 2: a secret is missing" },
		{ FIRST "\n" PAIR "\nhunter2", EINVAL, 133, "line 3: a secret begins" },
		{ FIRST "\nwhsec_MfKQ9r8G!YqrTwjUPD8ILPZIo2LaLaSw", EINVAL, 53, "line 2: " },
		{ "a\nb\nc\nd\ne\nf\ng\nh\ni", E2BIG, ERR_NO_COLUMN, "at most 8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(SIGN_STANDARD, &rows[i]);
	assert_int_equal(
		sign_keys_parse(SIGN_STANDARD, FIRST "\0", sizeof(FIRST), NULL, NULL), -EINVAL);
}

static void refuses_raw(void **state)
{
	static const struct refusal rows[] = {
		{ "", EINVAL, 0, "missing" },
		{ "hunter2\thunter2", EINVAL, 7, "control" },
		{ "hunter2hunter2\r", EINVAL, 14, "control" },
		{ "hunter2\x7f", EINVAL, 7, "control" },
		{ "hunter2\xff", EINVAL, 7, "UTF-8" },
		{ "hunter2\n\nhunter3", EINVAL, 8, "line 2: a secret is missing" },
		{ "hunter2\nhunter\x01", EINVAL, 14, "line 2: a secret takes no control" },
		{ "a\nb\nc\nd\ne\nf\ng\nh\ni", E2BIG, ERR_NO_COLUMN, "at most 8" },
	};
	char longest[SIGN_RAW_MAX + 2] = { 0 };
	struct refusal too_long = { longest, ERANGE, SIGN_RAW_MAX, "at most 256 bytes" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_refused(SIGN_GITHUB, &rows[i]);
		assert_refused(SIGN_STRIPE, &rows[i]);
	}
	memset(longest, 'x', SIGN_RAW_MAX);
	sign_keys_free(keys_of(SIGN_GITHUB, longest));
	longest[SIGN_RAW_MAX] = 'x';
	assert_refused(SIGN_GITHUB, &too_long);
}

static void takes_what_is_at_the_limits(void **state)
{
	static const char *const texts[] = {
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==",
		"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=",
		"whsec_" BYTES_64,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		sign_keys_free(keys_of(SIGN_STANDARD, texts[i]));
	sign_keys_free(NULL);
}

/* The longest value fits SIGN_VALUE_MAX; in less room nothing is added. */
static void value_is_whole_or_absent(void **state)
{
	struct sign_keys *keys = keys_of(SIGN_STANDARD,
		PAIR "\n" PAIR "\n" PAIR "\n" PAIR "\n" PAIR "\n" PAIR "\n" PAIR "\n" PAIR);
	struct buf out = BUF(SIGN_VALUE_MAX), small = BUF(100);

	(void)state;
	assert_int_equal(sign_value(keys, ID, TIME, BODY, strlen(BODY), &out), 0);
	assert_int_equal(out.len, SIGN_KEYS_MAX * (strlen(BY_PAIR) + 1) - 1);
	assert_memory_equal(out.data, BY_PAIR " v1a,", strlen(BY_PAIR " v1a,"));

	buf_adds(&small, "before");
	assert_int_equal(sign_value(keys, ID, TIME, BODY, strlen(BODY), &small), -E2BIG);
	assert_string_equal(buf_str(&small), "before");
	buf_release(&small);
	buf_release(&out);
	sign_keys_free(keys);
}

/* Bytes of every kind, none at all, and times before and far behind ours. */
static void signs_any_body(void **state)
{
	static const char zeros[] = { 0, '\n', (char)0xff, 0 };
	struct sign_keys *keys = keys_of(SIGN_STRIPE, "hunter2");
	struct buf whole = BUF(SIGN_VALUE_MAX), cut = BUF(SIGN_VALUE_MAX);

	(void)state;
	assert_int_equal(sign_value(keys, "", INT64_MIN, zeros, sizeof(zeros), &whole), 0);
	assert_int_equal(sign_value(keys, "", INT64_MIN, zeros, 1, &cut), 0);
	assert_memory_equal(whole.data, "t=-9223372036854775808,v1=", 26);
	assert_string_not_equal(buf_str(&whole), buf_str(&cut));
	assert_int_equal(sign_value(keys, "", INT64_MAX, NULL, 0, &cut), 0);
	buf_release(&whole);
	buf_release(&cut);
	sign_keys_free(keys);
}

static void generates(void **state)
{
	struct buf secrets = BUF_SECRET(SIGN_SECRET_MAX), small = BUF_SECRET(20);

	(void)state;
	for (size_t i = 0; i < SIGN_KEYS_MAX; i++) {
		const char *fresh;

		if (i)
			buf_addc(&secrets, '\n');
		assert_int_equal(sign_generate(&secrets), 0);
		assert_int_equal(secrets.len, (i + 1) * 39 - 1);
		fresh = secrets.data + i * 39;
		assert_memory_equal(fresh, "whsec_", 6);
		assert_ptr_equal(strstr(secrets.data, fresh), fresh); /* not there before */
		assert_null(strchr(fresh, '='));
	}
	sign_keys_free(keys_of(SIGN_STANDARD, buf_str(&secrets)));
	buf_release(&secrets);

	assert_int_equal(sign_generate(&small), -E2BIG);
	assert_int_equal(small.len, 0);
	buf_release(&small);
}

static void styles_have_names(void **state)
{
	static const char *const headers[SIGN_STYLE_COUNT] = {
		[SIGN_STANDARD] = "webhook-signature",
		[SIGN_GITHUB] = "X-Hub-Signature-256",
		[SIGN_STRIPE] = "Stripe-Signature",
	};
	static const char *const bad[] = { "", "Standard", "git", "github ", "stripes", "svix" };
	enum sign_style style = SIGN_STYLE_COUNT;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(sign_style_parse(bad[i], strlen(bad[i]), &err, &style), -EINVAL);
		assert_int_equal(style, SIGN_STYLE_COUNT);
		assert_non_null(strstr(err.sentence, "standard, github or stripe"));
	}
	for (enum sign_style i = 0; i < SIGN_STYLE_COUNT; i++) {
		const char *name = sign_style_name(i);

		assert_int_equal(sign_style_parse(name, strlen(name), NULL, &style), 0);
		assert_int_equal(style, i);
		assert_string_equal(sign_style_header(i), headers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_others_do),
		cmocka_unit_test(signs_nothing_else_alike),
		cmocka_unit_test(rotates),
		cmocka_unit_test(public_key_verifies),
		cmocka_unit_test(refuses_standard),
		cmocka_unit_test(refuses_raw),
		cmocka_unit_test(takes_what_is_at_the_limits),
		cmocka_unit_test(value_is_whole_or_absent),
		cmocka_unit_test(signs_any_body),
		cmocka_unit_test(generates),
		cmocka_unit_test(styles_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
