#include "model/pem.h"

#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NO_CERTIFICATE "there is no certificate in PEM form: "
#define NO_KEY         "there is no private key in PEM form: "
#define DAMAGED        "what begins here breaks off or is damaged: "
#define ENCRYPTED      "the key is encrypted, "

/* Without a NUL behind it. */
static int check(enum pem_kind kind, const char *text, struct err *err)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1);
	int rc;

	assert_non_null(exact);
	memcpy(exact, text, len);
	*err = (struct err){ 0 };
	rc = pem_check(kind, exact, len, err);
	assert_int_equal(rc, -err->code);
	free(exact);
	return rc;
}

static char *joined(const char *a, const char *b, const char *c)
{
	char *text;

	assert_true(asprintf(&text, "%s%s%s", a, b, c) >= 0);
	return text;
}

static void what_is_taken(void **state)
{
	static const struct {
		enum pem_kind kind;
		const char *parts[3];
	} good[] = {
		{ PEM_CERTIFICATES, { PEM_ROOT, "", "" } },
		{ PEM_CERTIFICATES, { PEM_ROOT, PEM_MID, PEM_LEAF } },
		{ PEM_CERTIFICATES, { "Bag Attributes\n\n", PEM_ROOT, "and words behind" } },
		{ PEM_CHAIN, { PEM_LEAF, "", "" } },
		{ PEM_CHAIN, { PEM_LEAF, PEM_MID, PEM_ROOT } },
		{ PEM_CHAIN, { PEM_LEAF, PEM_ROOT, "" } }, /* a gap: not ours to judge */
		{ PEM_CHAIN, { PEM_ROOT, PEM_ROOT, "" } },
		{ PEM_KEY, { PEM_LEAF_KEY, "", "" } },
		{ PEM_KEY, { PEM_EC_KEY, "", "" } }, /* its parameters in front */
		{ PEM_KEY, { "Key Attributes\n", PEM_LEAF_KEY, "\n\n" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		char *text = joined(good[i].parts[0], good[i].parts[1], good[i].parts[2]);
		struct err err;

		if (check(good[i].kind, text, &err) < 0)
			fail_msg("%zu: %s", i, err.sentence);
		free(text);
	}
}

static void lines_may_end_as_on_other_systems(void **state)
{
	static const char *const texts[] = { PEM_LEAF, PEM_LEAF_KEY };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char *text = calloc(1, 2 * strlen(texts[i]) + 1), *to = text;
		struct err err;

		for (const char *from = texts[i]; *from; from++) {
			if (*from == '\n')
				*to++ = '\r';
			*to++ = *from;
		}
		assert_int_equal(check(i ? PEM_KEY : PEM_CHAIN, text, &err), 0);
		assert_true(pem_whole(text, strlen(text)));
		free(text);
	}
}

static const struct {
	enum pem_kind kind;
	const char *first, *second, *sentence;
} bad[] = {
	{ PEM_CERTIFICATES, "", "", NO_CERTIFICATE },
	{ PEM_CHAIN, "nonsense", "", NO_CERTIFICATE },
	{ PEM_KEY, "nonsense\nof two lines", "", NO_KEY },
	{ PEM_CERTIFICATES, PEM_LEAF_KEY, "",
		"a private key stands where certificates are expected" },
	{ PEM_CERTIFICATES, PEM_ROOT, PEM_LEAF_KEY,
		"a private key stands where certificates are expected" },
	{ PEM_CHAIN, PEM_LEAF, PEM_EC_KEY, "parameters of a key stands where" },
	{ PEM_KEY, PEM_LEAF, "", "a certificate stands where a private key is expected" },
	{ PEM_KEY, PEM_LEAF_KEY, PEM_LEAF, "a certificate stands where a private key is" },
	{ PEM_KEY, PEM_LEAF_KEY, PEM_OTHER_KEY, "there is more than one private key" },
	{ PEM_KEY, PEM_ENCRYPTED_KEY, "", ENCRYPTED },
	{ PEM_KEY, PEM_ENCRYPTED_OLD_KEY, "", ENCRYPTED },
	{ PEM_CHAIN, PEM_ENCRYPTED_KEY, "", "an encrypted private key stands where" },
	{ PEM_KEY, PEM_OPENSSH_KEY, "", "a key of OpenSSH stands where" },
	{ PEM_KEY, "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
		"", NO_KEY },
	{ PEM_CHAIN, PEM_MID, PEM_LEAF, "the chain is upside down: " },
	{ PEM_CHAIN, PEM_LEAF PEM_ROOT, PEM_MID, "the chain is upside down: " },
	{ PEM_CHAIN, PEM_LEAF, "-----BEGIN CERTIFICATE-----\nMIIBFTCB\n", DAMAGED },
	{ PEM_CHAIN, "-----BEGIN CERTIFICATE-----\nMIIB!TCB\n-----END CERTIFICATE-----\n", "",
		DAMAGED },
	{ PEM_CHAIN, "-----BEGIN CERTIFICATE-----\nMIIBFTCB\n-----END CERTIFICATE-----\n", "",
		"the certificate is damaged" },
	{ PEM_KEY, "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIE\n-----END PRIVATE KEY-----\n",
		"", "the private key is damaged" },
	{ PEM_CHAIN, "-----BEGIN SECRET-----\nMIIBFTCB\n-----END SECRET-----\n", "",
		"a block of another kind stands where certificates are expected" },
};

static void what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *text = joined(bad[i].first, bad[i].second, "");
		struct err err;

		assert_int_equal(check(bad[i].kind, text, &err), -EINVAL);
		if (strncmp(err.sentence, bad[i].sentence, strlen(bad[i].sentence)) != 0)
			fail_msg("%zu: %s", i, err.sentence);
		/* where the block begins */
		assert_int_equal(err.column, *bad[i].second ? strlen(bad[i].first) : 0);
		assert_null(strstr(err.sentence, "SECRET"));
		free(text);
	}
}

/* However a text is cut, it is not judged before it is whole. */
static void a_text_that_breaks_off(void **state)
{
	static const char *const texts[] = { PEM_LEAF, PEM_LEAF_KEY, PEM_EC_KEY,
		PEM_ENCRYPTED_OLD_KEY, "Certificate:\n  words of openssl x509 -text\n" PEM_LEAF };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		size_t len = strlen(texts[i]), words = strcspn(texts[i], "-");

		for (size_t n = 1; n + 1 < len; n++)
			if (pem_whole(texts[i], n) && n > words)
				fail_msg("%zu is whole after %zu bytes", i, n);
		assert_true(pem_whole(texts[i], len));
		assert_true(pem_whole(texts[i], len - 1)); /* but its last newline */
	}
}

static void wholes(void **state)
{
	static const struct {
		const char *text;
		bool whole;
	} cases[] = {
		{ "", true }, /* puts the default back */
		{ "nonsense", true },
		{ "nonsense\n", true },
		{ "\nnonsense", true },
		{ "********\n", true },
		{ "subject=CN = x\nissuer=CN = y\n", false },
		{ "-----", false },
		{ "-----BEGIN CERT", false },
		{ "-----\n", true },
		{ PEM_LEAF PEM_MID, true },
		{ PEM_LEAF "\n\n", true },
		{ PEM_LEAF "words\n", false },
		{ PEM_LEAF "-----BEGIN CERTIFICATE-----\n", false },
		{ "-----END CERTIFICATE-----\n", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (pem_whole(cases[i].text, strlen(cases[i].text)) != cases[i].whole)
			fail_msg("%s", cases[i].text);
}

static void pairs(void **state)
{
	static const struct {
		const char *chain, *key, *sentence;
	} cases[] = {
		{ NULL, NULL, NULL },
		{ PEM_LEAF, PEM_LEAF_KEY, NULL },
		{ PEM_LEAF PEM_MID, PEM_LEAF_KEY, NULL },
		{ PEM_LEAF, NULL, "the certificate lacks its private key" },
		{ NULL, PEM_LEAF_KEY, "the private key lacks its certificate" },
		{ PEM_LEAF, PEM_OTHER_KEY, "the private key is not the one of the certificate" },
		{ PEM_LEAF, PEM_EC_KEY, "the private key is not the one of the certificate" },
		{ PEM_ROOT PEM_LEAF, PEM_LEAF_KEY,
			"the private key is not the one of the certificate" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };

		assert_int_equal(pem_pair(cases[i].chain, cases[i].key, &err),
			cases[i].sentence ? -EINVAL : 0);
		assert_string_equal(err.sentence, cases[i].sentence ? cases[i].sentence : "");
	}
}

static void dates(void **state)
{
	struct pem_dates d;

	(void)state;
	assert_int_equal(pem_dates(PEM_LEAF PEM_OLD, &d), 0);
	assert_int_equal(d.all_from_s, PEM_FROM_S);
	assert_int_equal(d.all_until_s, PEM_OLD_UNTIL_S);
	assert_int_equal(d.any_from_s, PEM_OLD_FROM_S);
	assert_int_equal(d.any_until_s, PEM_UNTIL_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken),
		cmocka_unit_test(lines_may_end_as_on_other_systems),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_text_that_breaks_off),
		cmocka_unit_test(wholes),
		cmocka_unit_test(pairs),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
