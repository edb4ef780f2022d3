#include "model/hook.h"

#include "model/json.h"
#include "model/verdict.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECRET       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET_2     "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static struct types types;
static struct err last;

static int setup(void **state)
{
	(void)state;
	json_init();
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

/* ---- helpers */

static const struct setting *row(const char *name)
{
	return setting_find(hook_settings, hook_settings_count, name);
}

static int store(struct hook *h, const char *name, const char *text)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1); /* no NUL behind it */
	int rc;

	assert_non_null(exact);
	memcpy(exact, text, len);
	last = (struct err){ 0 };
	rc = hook_store(h, row(name), exact, len, &last);
	assert_int_equal(rc, -last.code);
	free(exact);
	return rc;
}

static void shows(const struct hook *h, const char *name, const char *text)
{
	struct buf out = BUF(HOOK_JSON_MAX);

	hook_show(h, row(name), &out);
	assert_string_equal(buf_str(&out), text);
	buf_release(&out);
}

static void says(const char *part)
{
	if (!strstr(last.sentence, part))
		fail_msg("no \"%s\" in: %s", part, last.sentence);
}

static void takes(struct hook *h, const char *name, const char *text, const char *shown)
{
	if (store(h, name, text) < 0)
		fail_msg("%s: \"%s\": %s", name, text, last.sentence);
	shows(h, name, shown);
}

static void refuses(struct hook *h, const char *name, const char *text, int code, size_t column)
{
	struct buf before = BUF(HOOK_JSON_MAX), after = BUF(HOOK_JSON_MAX);

	setting_show(row(name), h, &before);
	if (store(h, name, text) != -code || last.column != column)
		fail_msg("%s: \"%s\": %d, column %zu: %s", name, text, last.code, last.column,
			last.sentence);
	setting_show(row(name), h, &after);
	assert_string_equal(buf_str(&after), buf_str(&before));
	buf_release(&before);
	buf_release(&after);
}

/* ---- retry */

static void retry_has_three_forms(void **state)
{
	struct hook *h = hook_new("h", &types);
	const struct schedule *s;

	(void)state;
	assert_ptr_equal(hook_schedule(h), &schedule_standard);
	takes(h, "retry", "0", "0");
	assert_int_equal(hook_schedule(h)->count, 0);
	takes(h, "retry", "5s 300\n 30m \t 0.5h\r\n1d", "5s 5m 30m 30m 1d");
	s = hook_schedule(h);
	assert_int_equal(s->count, 5);
	assert_int_equal(s->delay_ms[1], 300000);
	assert_int_equal(s->delay_ms[4], 86400000);
	takes(h, "retry", "Yes", "1");
	assert_ptr_equal(hook_schedule(h), &schedule_standard);
	takes(h, "retry", "1s", "1s");
	assert_int_equal(hook_schedule(h)->count, 1);
	takes(h, "retry", "off", "0");
	takes(h, "retry", "90s", "90s");
	takes(h, "retry", "", "1");
	assert_ptr_equal(hook_schedule(h), &schedule_standard);
	hook_free(h);
}

static void retry_refuses(void **state)
{
	static const struct {
		const char *text;
		int code;
		size_t column;
		const char *sentence;
	} rows[] = {
		{ "3", EINVAL, 0, "not their number: write 5s 5m 30m" },
		{ "never", EINVAL, 0, "write 1 for the standard schedule, 0 for one attempt" },
		{ "5s, 5m", EINVAL, 0, "\"5s,\" is no delay" },
		{ "5s  5x", EINVAL, 4, "\"5x\" is no delay" },
		{ "5s\nyes", EINVAL, 3, "\"yes\" is no delay" },
		{ "5s 0", ERANGE, 3, "a delay is 1s to 1d" },
		{ "999ms", ERANGE, 0, "a delay is 1s to 1d" },
		{ "5s 86400001ms", ERANGE, 3, "a delay is 1s to 1d" },
		{ "5s 99999d", ERANGE, 3, "a delay is 1s to 1d" },
	};
	struct hook *h = hook_new("h", &types);

	(void)state;
	takes(h, "retry", "7s 8s", "7s 8s");
	for (size_t i = 0; i < COUNT(rows); i++) {
		refuses(h, "retry", rows[i].text, rows[i].code, rows[i].column);
		says(rows[i].sentence);
	}
	hook_free(h);
}

static void retry_takes_as_many_as_fit(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct buf text = BUF(1000);

	(void)state;
	for (unsigned i = 0; i < SCHEDULE_MAX; i++)
		buf_adds(&text, i ? " 1d" : "1d");
	takes(h, "retry", buf_str(&text), buf_str(&text));
	assert_int_equal(hook_schedule(h)->count, SCHEDULE_MAX);
	assert_int_equal(hook_schedule(h)->delay_ms[SCHEDULE_MAX - 1], 86400000);
	buf_adds(&text, " 1s");
	refuses(h, "retry", buf_str(&text), E2BIG, 3 * SCHEDULE_MAX);
	buf_release(&text);
	hook_free(h);
}

/* ---- limits */

/* Each is shown as it is without any value, and means that. */
static void empty_lines_are_no_value(void **state)
{
	struct hook *h = hook_new("h", &types), *plain = hook_new("p", &types);

	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		struct buf shown = BUF(HOOK_JSON_MAX);

		hook_show(plain, s, &shown);
		assert_int_equal(store(h, s->name, "\n"), 0);
		shows(h, s->name, buf_str(&shown));
		assert_int_equal(store(h, s->name, " \r\n\n \t"), 0);
		shows(h, s->name, buf_str(&shown));
		buf_release(&shown);
	}
	assert_ptr_equal(hook_schedule(h), &schedule_standard);
	hook_free(h);
	hook_free(plain);
}

static void no_limits_by_default(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	assert_int_equal(h->max_age_ms, 0);
	assert_int_equal(h->max_inflight, 0);
	assert_int_equal(h->rate, 0);
	assert_false(h->ordered);
	takes(h, "max_age", "36h", "36h");
	assert_int_equal(h->max_age_ms, 36 * 3600 * 1000);
	takes(h, "max_age", "", "");
	assert_int_equal(h->max_age_ms, 0);
	takes(h, "max_inflight", "3", "3");
	assert_int_equal(h->max_inflight, 3);
	takes(h, "max_inflight", "0", "0");
	takes(h, "ordered", "yes", "1");
	assert_true(h->ordered);
	hook_free(h);
}

static void rates(void **state)
{
	static const struct {
		const char *text, *shown;
		unsigned rate;
		int64_t ms;
	} good[] = {
		{ "10/s", "10/s", 10, 1000 },
		{ "600/m", "600/m", 600, 60000 },
		{ "600/min", "600/m", 600, 60000 },
		{ "1/h", "1/h", 1, 3600000 },
		{ "1000000/s", "1000000/s", 1000000, 1000 },
	};
	static const struct {
		const char *text;
		int code;
		size_t column;
	} bad[] = {
		{ "10", EINVAL, 2 },
		{ "/s", EINVAL, 0 },
		{ "ten/s", EINVAL, 0 },
		{ "10/", EINVAL, 3 },
		{ "10/d", EINVAL, 3 },
		{ "10/mi", EINVAL, 3 },
		{ "10/s/s", EINVAL, 3 },
		{ "1.5/s", EINVAL, 0 },
		{ "-1/s", EINVAL, 0 },
		{ "0/s", ERANGE, 0 },
		{ "1000001/s", ERANGE, 0 },
		{ "99999999999999999999/s", ERANGE, 0 },
	};
	struct hook *h = hook_new("h", &types);

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		takes(h, "rate", good[i].text, good[i].shown);
		assert_int_equal(h->rate, good[i].rate);
		assert_int_equal(h->rate_ms, good[i].ms);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		refuses(h, "rate", bad[i].text, bad[i].code, bad[i].column);
	takes(h, "rate", "", "");
	assert_int_equal(h->rate, 0);
	hook_free(h);
}

/* ---- secret and signature */

static void a_secret_is_never_shown(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	assert_true(hook_protected(h, "secret"));
	shows(h, "secret", "");
	takes(h, "secret", SECRET, MASK);
	assert_string_equal(h->secret, SECRET);
	takes(h, "secret", " " SECRET "\n" SECRET_2 " ", MASK);
	assert_string_equal(h->secret, SECRET "\n" SECRET_2);
	takes(h, "secret", "", "");
	assert_null(h->secret);
	assert_true(hook_protected(h, "secret"));
	hook_free(h);
}

static void secrets_that_are_none(void **state)
{
	static const struct {
		const char *style, *text;
		int code;
		size_t column;
		const char *sentence;
	} rows[] = {
		{ "standard", "my-secret", EINVAL, 0, "github and stripe take other texts" },
		{ "standard", MASK, EINVAL, 0, "this is the mask, not the value" },
		{ "standard", SECRET "\n" MASK, EINVAL, 39, "this is the mask, not the value" },
		{ "standard", SECRET "\nnonsense", EINVAL, 39, "line 2: a secret begins with" },
		{ "standard", "generate", EINVAL, 0, "stands alone" },
		{ "standard", "whsec_MfKQ9r8GKYqr", ERANGE, 6, "24 to 64 bytes" },
		{ "github", MASK, EINVAL, 0, "this is the mask, not the value" },
		{ "github", "generate", EINVAL, 0, "stands alone" },
		{ "github", "my-secret\ngenerate", EINVAL, 10, "stands alone" },
		{ "github", "1234567", ERANGE, 0, "at least 8 bytes" },
		{ "stripe", "12345678\nabc", ERANGE, 9, "at least 8 bytes" },
		{ "stripe", "12345678\n\n12345678", EINVAL, 9, "empty" },
		{ "stripe", "a\tsecret", EINVAL, 1, "control characters" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct hook *h = hook_new("h", &types);

		takes(h, "signature", rows[i].style, rows[i].style);
		refuses(h, "secret", rows[i].text, rows[i].code, rows[i].column);
		says(rows[i].sentence);
		assert_null(strstr(last.sentence, "my-secret"));
		assert_null(strstr(last.sentence, "nonsense"));
		assert_null(h->secret);
		hook_free(h);
	}
}

static void secret_and_signature_fit(void **state)
{
	static const char advice[] = "none for standard: remove secret first";
	struct hook *h = hook_new("h", &types);

	(void)state;
	shows(h, "signature", "standard");
	refuses(h, "signature", "hmac", EINVAL, 0);
	takes(h, "signature", "stripe", "stripe");
	assert_int_equal(h->signature, SIGN_STRIPE);
	takes(h, "secret", "my-secret", MASK);
	takes(h, "signature", "github", "github");
	refuses(h, "signature", "standard", EINVAL, 0);
	says(advice);
	refuses(h, "signature", "", EINVAL, 0); /* the default is judged, too */
	says(advice);
	assert_null(strstr(last.sentence, "my-secret"));
	takes(h, "secret", "", "");
	takes(h, "signature", "", "standard");
	takes(h, "secret", SECRET, MASK);
	takes(h, "signature", "github", "github"); /* any text is good for it */
	takes(h, "signature", "standard", "standard");
	hook_free(h);
}

static void secrets_are_made(void **state)
{
	static const char *const styles[] = { "standard", "github", "stripe" };

	(void)state;
	for (size_t i = 0; i < COUNT(styles); i++) {
		struct hook *h = hook_new("h", &types);
		struct buf first = BUF_SECRET(100), second = BUF_SECRET(100);

		takes(h, "signature", styles[i], styles[i]);
		assert_int_equal(hook_secret_generate(h, &first), 0);
		assert_string_equal(h->secret, buf_str(&first));
		buf_adds(&second, "-");
		assert_int_equal(hook_secret_generate(h, &second), 0);
		assert_string_equal(h->secret, buf_str(&second) + 1);
		assert_string_not_equal(buf_str(&first), buf_str(&second) + 1);
		shows(h, "secret", MASK);
		buf_release(&first);
		buf_release(&second);
		hook_free(h);
	}
}

static void a_secret_that_cannot_be_shown_is_not_made(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct buf small = BUF_SECRET(10);

	(void)state;
	takes(h, "secret", SECRET, MASK);
	buf_adds(&small, "-");
	assert_int_equal(hook_secret_generate(h, &small), -E2BIG);
	assert_string_equal(h->secret, SECRET);
	assert_string_equal(buf_str(&small), "-");
	buf_release(&small);
	hook_free(h);
}

/* The signature of the specification's own example. */
static void keys_sign_in_the_hooks_style(void **state)
{
	static const char body[] = "{\"test\": 2432232314}";
	static const struct {
		const char *style, *value;
	} rows[] = {
		{ "standard", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
		{ "github", "sha256=" },
		{ "stripe", "t=1614265330,v1=" },
	};
	struct hook *h = hook_new("h", &types);
	struct sign_keys *keys = NULL;

	(void)state;
	assert_int_equal(hook_sign_keys(h, &keys), 0);
	assert_null(keys);
	takes(h, "secret", SECRET, MASK);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf value = BUF(SIGN_VALUE_MAX);

		takes(h, "signature", rows[i].style, rows[i].style);
		assert_int_equal(hook_sign_keys(h, &keys), 0);
		assert_int_equal(sign_value(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
					 strlen(body), &value),
			0);
		assert_memory_equal(buf_str(&value), rows[i].value, strlen(rows[i].value));
		sign_keys_free(keys);
		buf_release(&value);
	}
	hook_free(h);
}

static void a_secrets_file_is_not_opened_up(void **state)
{
	static const mode_t open[] = { 0644, 0640, 0604, 0666, 0755 };
	static const struct {
		mode_t mode, kept;
	} narrow[] = { { 0600, 0600 }, { 0400, 0400 }, { 0, 0 }, { 0622, 0600 }, { 0700, 0600 } };
	struct hook *h = hook_new("h", &types);

	(void)state;
	for (int set = 0; set < 2; set++) {
		for (size_t i = 0; i < COUNT(open); i++) {
			for (int young = 0; young < 2; young++)
				assert_int_equal(
					hook_chmod(h, "secret", open[i], young, &last), -EPERM);
			says("secret is always protected");
			assert_null(hook_file_find(h, "secret"));
		}
		takes(h, "secret", SECRET, MASK);
	}
	for (size_t i = 0; i < COUNT(narrow); i++) {
		assert_int_equal(hook_chmod(h, "secret", narrow[i].mode, false, NULL), 0);
		assert_int_equal(hook_file_find(h, "secret")->mode, narrow[i].kept);
		assert_true(hook_protected(h, "secret"));
	}
	hook_free(h);
}

/* ---- in config.json */

static struct hook *from_json(const char *text, const struct hook *old)
{
	struct hook *h = NULL;

	last = (struct err){ 0 };
	(void)hook_from_json("h", &types, old, text, strlen(text), &last, &h);
	return h;
}

static struct hook *signed_hook(const char *signature, const char *secret)
{
	struct hook *h = hook_new("h", &types);

	takes(h, "signature", signature, signature);
	takes(h, "secret", secret, MASK);
	return h;
}

static void a_secret_stays_unless_another_comes(void **state)
{
	static const struct {
		const char *json, *secret, *signature;
	} rows[] = {
		{ "{}", "raw secret\nanother secret", "github" },
		{ "{\"signature\":null,\"secret\":null}", "raw secret\nanother secret", "github" },
		{ "{\"signature\":\"stripe\"}", "raw secret\nanother secret", "stripe" },
		{ "{\"secret\":null,\"secret_protected\":true}", "raw secret\nanother secret",
			"github" },
		{ "{\"secret\":\"\"}", NULL, "standard" },
		{ "{\"secret\":\"\",\"signature\":\"stripe\"}", NULL, "stripe" },
		{ "{\"secret\":\"" SECRET "\"}", SECRET, "standard" },
		{ "{\"secret\":[\"new secret\",\"a third one\"],\"signature\":\"github\"}",
			"new secret\na third one", "github" },
	};
	struct hook *old = signed_hook("github", "raw secret\nanother secret");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct hook *h = from_json(rows[i].json, old);

		if (!h)
			fail_msg("%s: %s", rows[i].json, last.sentence);
		if (rows[i].secret)
			assert_string_equal(h->secret, rows[i].secret);
		else
			assert_null(h->secret);
		shows(h, "signature", rows[i].signature);
		hook_free(h);
	}
	assert_null(from_json("{\"signature\":\"standard\"}", old));
	assert_int_equal(last.code, EINVAL);
	says("secret: ");
	assert_null(strstr(last.sentence, "raw"));
	hook_free(old);
}

static void a_secret_does_not_go_along_with_a_copy(void **state)
{
	struct hook *from = signed_hook("standard", SECRET);
	struct buf json = BUF(HOOK_JSON_MAX);
	struct hook *h;

	(void)state;
	hook_json(from, HOOK_JSON_SHOWN, &json);
	assert_null(strstr(buf_str(&json), "whsec_"));
	h = from_json(buf_str(&json), NULL);
	assert_non_null(h);
	assert_null(h->secret);
	hook_free(h);
	hook_free(from);
	buf_release(&json);
}

static void a_secrets_mode_stays_closed(void **state)
{
	struct hook *h = from_json("{\"files\":{\"secret\":{\"mode\":\"0644\",\"uid\":5}}}", NULL);

	(void)state;
	assert_non_null(h);
	assert_int_equal(hook_file_find(h, "secret")->mode, HOOK_MODE_UNSET);
	assert_int_equal(hook_file_find(h, "secret")->uid, 5);
	hook_free(h);
	h = from_json("{\"files\":{\"secret\":{\"mode\":\"0400\"}}}", NULL);
	assert_non_null(h);
	assert_int_equal(hook_file_find(h, "secret")->mode, 0400);
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_has_three_forms),
		cmocka_unit_test(retry_refuses),
		cmocka_unit_test(retry_takes_as_many_as_fit),
		cmocka_unit_test(empty_lines_are_no_value),
		cmocka_unit_test(no_limits_by_default),
		cmocka_unit_test(rates),
		cmocka_unit_test(a_secret_is_never_shown),
		cmocka_unit_test(secrets_that_are_none),
		cmocka_unit_test(secret_and_signature_fit),
		cmocka_unit_test(secrets_are_made),
		cmocka_unit_test(a_secret_that_cannot_be_shown_is_not_made),
		cmocka_unit_test(keys_sign_in_the_hooks_style),
		cmocka_unit_test(a_secrets_file_is_not_opened_up),
		cmocka_unit_test(a_secret_stays_unless_another_comes),
		cmocka_unit_test(a_secret_does_not_go_along_with_a_copy),
		cmocka_unit_test(a_secrets_mode_stays_closed),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
