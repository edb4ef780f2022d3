/*
 * hook: the settings of the directory tls, in their files, in JSON, and what is said of them.
 */
#include "model/hook.h"

#include "model/json.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct types types;

static int setup(void **state)
{
	(void)state;
	json_init();
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

static const struct setting *row(const char *name)
{
	return setting_find(hook_settings, hook_settings_count, name);
}

static void store(struct hook *h, const char *name, const char *text)
{
	struct err err = { 0 };

	if (hook_store(h, row(name), text, strlen(text), &err) < 0)
		fail_msg("%s: %s", name, err.sentence);
}

/* With chain, key and authority. */
static struct hook *full(void)
{
	struct hook *h = hook_new("h", &types);

	store(h, "tls/ca", PEM_ROOT);
	store(h, "tls/cert", PEM_LEAF PEM_MID);
	store(h, "tls/key", PEM_LEAF_KEY);
	return h;
}

static void refuses(const char *name, const char *text, const char *sentence)
{
	struct hook *h = full();
	struct err err = { 0 };

	assert_int_equal(hook_store(h, row(name), text, strlen(text), &err), -EINVAL);
	assert_string_equal(err.sentence, sentence);
	assert_non_null(strstr(PEM_LEAF_KEY, h->tls_key)); /* but for its last newline */
	hook_free(h);
}

static void each_takes_its_own(void **state)
{
	(void)state;
	hook_free(full());
	refuses("tls/ca", PEM_LEAF_KEY, "a private key stands where certificates are expected");
	refuses("tls/cert", PEM_LEAF_KEY, "a private key stands where certificates are expected");
	refuses("tls/key", PEM_LEAF, "a certificate stands where a private key is expected");
	refuses("tls/cert", PEM_MID PEM_LEAF,
		"the chain is upside down: a certificate stands before the one of its issuer");
	refuses("tls/key", MASK, "this is the mask, not the value");
}

static void texts_are_not_quoted(void **state)
{
	static const char *const files[] = { "tls/ca", "tls/cert", "tls/key" };
	struct hook *h = full();

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		assert_false(hook_quotable(h, files[i], PEM_LEAF_KEY, strlen(PEM_LEAF_KEY)));
	assert_true(hook_protected(h, "tls/key"));
	assert_false(hook_protected(h, "tls/cert"));
	assert_int_equal(hook_chmod(h, "tls/key", 0644, true, NULL), -EPERM);
	hook_free(h);
}

static void a_clone_owns_its_own(void **state)
{
	struct hook *h = full(), *c = hook_clone(h);

	(void)state;
	store(h, "tls/cert", "");
	hook_free(h);
	assert_non_null(strstr(c->tls_cert, "BEGIN CERTIFICATE"));
	hook_free(c);
}

/* ---- JSON */

static json_t *json_of(const struct hook *h, enum hook_json form)
{
	struct buf text = BUF_SECRET(HOOK_JSON_MAX);
	json_t *json;

	hook_json(h, form, &text);
	if (form == HOOK_JSON_SHOWN)
		assert_null(strstr(buf_str(&text), PEM_LEAF_KEY_LINE));
	json = json_loads(buf_str(&text), 0, NULL);
	assert_non_null(json);
	buf_release(&text);
	return json;
}

static const char *tls_text(json_t *json, const char *name)
{
	return json_string_value(json_object_get(json_object_get(json, "tls"), name));
}

static void in_json_they_stand_together(void **state)
{
	struct hook *h = full();
	json_t *shown = json_of(h, HOOK_JSON_SHOWN), *stored = json_of(h, HOOK_JSON_STORED);

	(void)state;
	assert_string_equal(tls_text(shown, "cert"), h->tls_cert);
	assert_string_equal(tls_text(stored, "cert"), h->tls_cert);
	assert_true(json_is_null(json_object_get(json_object_get(shown, "tls"), "key")));
	assert_true(json_is_true(json_object_get(json_object_get(shown, "tls"), "key_protected")));
	assert_string_equal(tls_text(stored, "key"), h->tls_key);
	assert_null(json_object_get(json_object_get(stored, "tls"), "key_protected"));
	json_decref(shown);
	json_decref(stored);
	hook_free(h);
}

/* What is left of a full hook when this is written to its config.json. */
static struct hook *written(const char *text, struct err *err)
{
	struct hook *h = full(), *made = NULL;

	int rc;

	*err = (struct err){ 0 };
	rc = hook_from_json("h", &types, h, text, strlen(text), err, &made);
	assert_int_equal(rc, -err->code);
	hook_free(h);
	return made;
}

static void a_key_stays_with_its_certificate(void **state)
{
	static const struct {
		const char *text;
		bool cert, key;
	} cases[] = {
		{ "{}", true, true },
		{ "{\"tls\":null}", true, true },
		{ "{\"tls\":{\"key\":null,\"key_protected\":true}}", true, true },
		{ "{\"tls\":{\"cert\":\"\"}}", false, true },
		{ "{\"tls\":{\"key\":\"\"}}", false, false },
		{ "{\"tls\":{\"cert\":\"\",\"key\":\"\"}}", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err;
		struct hook *h = written(cases[i].text, &err);

		if (!h)
			fail_msg("%s: %s", cases[i].text, err.sentence);
		assert_int_equal(h->tls_cert != NULL, cases[i].cert);
		assert_int_equal(h->tls_key != NULL, cases[i].key);
		assert_null(h->tls_ca); /* as any setting that is not given */
		hook_free(h);
	}
}

static void what_json_is_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *sentence;
	} cases[] = {
		{ "{\"tls\":\"x\"}", EINVAL, "tls: an object, { ... }, is needed here" },
		{ "{\"tls\":{\"pin\":\"x\"}}", EINVAL, "tls: unknown field pin" },
		{ "{\"tls\":{\"cert_protected\":true}}", EINVAL, "tls: unknown field" },
		{ "{\"ca\":\"\"}", EINVAL, "unknown field" },
		{ "{\"tls/ca\":\"\"}", EINVAL, "unknown field" },
		{ "{\"tls\":{\"key\":\"" MASK "\"}}", EINVAL, "tls/key: this is the mask" },
		{ "{\"tls\":{\"key_protected\":false}}", EPERM, "key_protected: " },
		{ "{\"tls\":{\"ca\":5}}", EINVAL, "tls/ca: a string, or an array of strings" },
		{ "{\"tls\":{\"ca\":\"x\"}}", EINVAL, "tls/ca: there is no certificate" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err;

		assert_null(written(cases[i].text, &err));
		assert_int_equal(err.code, cases[i].code);
		if (!strstr(err.sentence, cases[i].sentence))
			fail_msg("%s: %s", cases[i].text, err.sentence);
	}
}

/* ---- what is said of them */

static void says(const struct hook *h, int64_t now_s, const char *words)
{
	struct buf out = BUF(1000);

	hook_tls_show(h, now_s, &out);
	assert_string_equal(buf_str(&out), words);
	buf_release(&out);
}

static void the_line_in_status(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	says(h, PEM_FROM_S, "none");
	store(h, "tls/ca", PEM_OLD PEM_ROOT);
	says(h, PEM_FROM_S, "good until 2126-10-30T13:43:02.000Z");
	says(h, PEM_UNTIL_S + 1, "tls/ca has expired: it was good until 2126-10-30T13:43:02.000Z");
	store(h, "tls/cert", PEM_LEAF);
	says(h, PEM_FROM_S, "the certificate lacks its private key");
	store(h, "tls/key", PEM_OTHER_KEY);
	says(h, PEM_FROM_S, "the private key is not the one of the certificate");
	store(h, "tls/key", PEM_LEAF_KEY);
	says(h, PEM_FROM_S, "good until 2126-10-30T13:43:02.000Z");
	says(h, PEM_FROM_S - 1, "tls/cert is not good before 2026-11-23T13:43:02.000Z");
	store(h, "tls/cert", PEM_OLD PEM_MID);
	says(h, PEM_FROM_S, "tls/cert has expired: it was good until 2020-01-02T00:00:00.000Z");
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_takes_its_own),
		cmocka_unit_test(texts_are_not_quoted),
		cmocka_unit_test(a_clone_owns_its_own),
		cmocka_unit_test(in_json_they_stand_together),
		cmocka_unit_test(a_key_stays_with_its_certificate),
		cmocka_unit_test(what_json_is_refused),
		cmocka_unit_test(the_line_in_status),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
