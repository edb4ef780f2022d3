#include "model/verdict.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define NOW_REAL 1790000000000 /* 2026-09-21T14:13:20Z */
#define NOW_DUE  5000000000    /* the clock of due times is another one */
#define HOUR_MS  (60 * 60 * 1000)
#define DAY_MS   (24 * HOUR_MS)

static const struct expectation {
	enum outcome_kind kind;
	int status;
	enum verdict_action action;
	enum verdict_feedback feedback;
} expectations[] = {
	{ OUTCOME_RESPONSE, 200, VERDICT_DELIVERED, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 202, VERDICT_DELIVERED, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 299, VERDICT_DELIVERED, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 410, VERDICT_GONE, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 429, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_RESPONSE, 503, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_RESPONSE, 502, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_RESPONSE, 504, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_RESPONSE, 408, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 425, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 500, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 501, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 505, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 599, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_RESPONSE, 400, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 404, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 409, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 499, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 300, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 302, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 399, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 0, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 101, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 199, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_RESPONSE, 600, VERDICT_RETRY_SHORT, FEEDBACK_GOOD },
	{ OUTCOME_DNS, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_REFUSED, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_CONNECT, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_CONNECT_TIMEOUT, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_TLS, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_CERTIFICATE, 0, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_TIMEOUT, 0, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_BODY_TIMEOUT, 200, VERDICT_RETRY, FEEDBACK_NONE }, /* a 2xx that never ended */
	{ OUTCOME_BROKEN, 200, VERDICT_RETRY, FEEDBACK_BAD },
	{ OUTCOME_DENIED, 0, VERDICT_RETRY_SHORT, FEEDBACK_NONE },
	{ OUTCOME_LOCAL, 0, VERDICT_RETRY, FEEDBACK_NONE },
	{ OUTCOME_MEMORY, 0, VERDICT_AGAIN, FEEDBACK_NONE },
	{ OUTCOME_ABORTED, 0, VERDICT_AGAIN, FEEDBACK_NONE },
};

static void every_outcome_has_its_row(void **state)
{
	unsigned kinds = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expectation *e = &expectations[i];
		struct outcome o = { .kind = e->kind, .http_status = e->status };
		struct verdict v = verdict_of(&o);

		if (v.action != e->action || v.feedback != e->feedback)
			fail_msg("%s %d: action %d, feedback %d", outcome_name(e->kind), e->status,
				v.action, v.feedback);
		assert_true(v.reason && v.reason[0] != '\0');
		kinds |= 1u << e->kind;
	}
	assert_int_equal(kinds, (1u << OUTCOME_KIND_COUNT) - 1);
}

static struct outcome answer(int status, const char *retry_after)
{
	struct outcome o = { .kind = OUTCOME_RESPONSE, .http_status = status };

	(void)snprintf(o.retry_after, sizeof(o.retry_after), "%s", retry_after);
	return o;
}

/* From acceptance `age_ms` ago to the delay until the next attempt; -1: failed. */
static int64_t delay_of(int status, const char *retry_after, const struct schedule *s,
	unsigned attempts, int64_t age_ms, uint32_t random)
{
	struct outcome o = answer(status, retry_after);
	struct verdict v = verdict_of(&o);
	int64_t due = verdict_next(&v, &o, s, attempts, age_ms, NOW_DUE, NOW_REAL, random);

	return due < 0 ? due : due - NOW_DUE;
}

static void assert_between(int64_t value, int64_t low, int64_t high)
{
	if (value < low || value > high)
		fail_msg("%lld is not in %lld..%lld", (long long)value, (long long)low,
			(long long)high);
}

static void the_standard_schedule_is_walked_with_jitter(void **state)
{
	static const int64_t seconds[] = { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 };

	(void)state;
	assert_int_equal(schedule_standard.count, 9);
	for (unsigned i = 0; i < 9; i++) {
		int64_t ms = seconds[i] * 1000;

		assert_between(delay_of(500, "", &schedule_standard, i + 1, 0, 0), ms * 8 / 10 - 1,
			ms * 8 / 10);
		assert_between(delay_of(500, "", &schedule_standard, i + 1, 0, UINT32_MAX / 2),
			ms - ms / 1000, ms);
		assert_between(delay_of(500, "", &schedule_standard, i + 1, 0, UINT32_MAX),
			ms * 12 / 10 - ms / 1000, ms * 12 / 10);
	}
	assert_int_equal(delay_of(500, "", &schedule_standard, 10, 0, 7), -1);
	assert_int_equal(delay_of(503, "60", &schedule_standard, 10, 0, 7), -1);
}

static void without_retries_one_attempt_is_all(void **state)
{
	struct schedule none = { 0 };

	(void)state;
	assert_int_equal(delay_of(500, "", &none, 1, 0, 0), -1);
}

static void refusals_are_retried_for_an_hour(void **state)
{
	struct schedule s = { .count = 3, .delay_ms = { 1000000, 1000000, 4000000 } };

	(void)state;
	assert_int_equal(delay_of(404, "", &s, 1, 0, 0), 800000);
	assert_int_equal(delay_of(404, "", &s, 2, HOUR_MS - 800000, 0), 800000);
	assert_int_equal(delay_of(404, "", &s, 2, HOUR_MS - 799999, 0), -1);
	assert_int_equal(delay_of(500, "", &s, 2, HOUR_MS - 799999, 0), 800000);
	assert_int_equal(delay_of(404, "", &s, 4, 0, 0), -1);
	assert_int_equal(delay_of(404, "7200", &s, 1, 0, 0), -1);
}

static void what_is_no_retry_has_no_next_time(void **state)
{
	static const struct {
		enum verdict_action action;
		int64_t due;
	} cases[] = {
		{ VERDICT_DELIVERED, -1 },
		{ VERDICT_GONE, NOW_DUE },
		{ VERDICT_AGAIN, NOW_DUE },
	};
	struct outcome o = answer(200, "60");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verdict v = { .action = cases[i].action };

		assert_int_equal(
			verdict_next(&v, &o, &schedule_standard, 1, 0, NOW_DUE, NOW_REAL, 1),
			cases[i].due);
	}
}

static void retry_after_raises_and_is_never_cut(void **state)
{
	struct schedule s = { .count = 1, .delay_ms = { 100000 } };

	(void)state;
	assert_int_equal(delay_of(503, "200", &s, 1, 0, 0), 200000);
	assert_between(delay_of(503, "200", &s, 1, 0, UINT32_MAX), 239990, 240000);
	assert_int_equal(delay_of(503, "10", &s, 1, 0, 0), 80000); /* the schedule is longer */
	assert_int_equal(delay_of(429, "90", &s, 1, 0, 0), 90000); /* and here it is not */
	assert_int_equal(delay_of(500, "200", &s, 1, 0, 0), 200000);
	assert_int_equal(delay_of(404, "200", &s, 1, 0, 0), 200000);
	assert_int_equal(delay_of(503, "100000", &s, 1, 0, 0), DAY_MS);
}

static const struct {
	const char *text;
	int64_t wait_ms;
} waits[] = {
	{ "", 0 },
	{ "0", 0 },
	{ "1", 1000 },
	{ " 120 ", 120000 },
	{ "86399", 86399000 },
	{ "86400", DAY_MS },
	{ "99999999999999999999999999999999", DAY_MS },
	{ "Mon, 21 Sep 2026 14:14:20 GMT", 60000 },
	{ " Mon, 21 Sep 2026 14:14:20 GMT ", 60000 },
	{ "Monday, 21-Sep-26 14:14:20 GMT", 60000 },
	{ "Mon Sep 21 14:14:20 2026", 60000 },
	{ "Fri Oct  2 14:13:20 2026", DAY_MS },
	{ "Tue, 22 Sep 2026 14:13:19 GMT", DAY_MS - 1000 },
	{ "Fri, 31 Dec 9999 23:59:59 GMT", DAY_MS },
	{ "Mon, 21 Sep 2026 14:13:20 GMT", 0 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 0 },
	{ "Sun Nov  6 08:49:37 1994", 0 },
	{ "-5", 0 },
	{ "+5", 0 },
	{ "1.5", 0 },
	{ "5s", 0 },
	{ "5, 10", 0 },
	{ "0x10", 0 },
	{ "soon", 0 },
	{ "Mon, 21 Sep 2026 14:14:20 CET", 0 },
	{ "Mon, 21 Sep 2026 14:14:20 GMT junk", 0 },
	{ "Mon, 21 Sep 2026 25:14:20 GMT", 0 },
	{ "Mon, 21 Wow 2026 14:14:20 GMT", 0 },
	{ "21 Sep 2026 14:14:20 GMT", 0 },
};

static void retry_after_is_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		struct outcome o = answer(503, waits[i].text);
		int64_t wait = verdict_retry_after(&o, NOW_REAL);

		if (wait != waits[i].wait_ms)
			fail_msg("'%s': %lld", waits[i].text, (long long)wait);
	}
}

/* The time zone and, where the system has another one, the locale must not matter. */
static void retry_after_knows_no_locale(void **state)
{
	(void)state;
	(void)setlocale(LC_ALL, "de_DE.UTF-8");
	assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
	tzset();
	retry_after_is_read_strictly(state);
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
	(void)setlocale(LC_ALL, "C");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_has_its_row),
		cmocka_unit_test(the_standard_schedule_is_walked_with_jitter),
		cmocka_unit_test(without_retries_one_attempt_is_all),
		cmocka_unit_test(refusals_are_retried_for_an_hour),
		cmocka_unit_test(what_is_no_retry_has_no_next_time),
		cmocka_unit_test(retry_after_raises_and_is_never_cut),
		cmocka_unit_test(retry_after_is_read_strictly),
		cmocka_unit_test(retry_after_knows_no_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
