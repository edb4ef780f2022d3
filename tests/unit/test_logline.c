/* A line of the log is one JSON object, whatever is in it. */
#include "model/logline.h"

#include "util/buf.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_attempt_is_told(void **state)
{
	struct buf out = BUF(LOGLINE_MAX);

	(void)state;
	logline_attempt(&(struct logline){ .time_ms = INT64_C(1795429440123),
				.hook = "h",
				.webhook_id = "msg_k_1",
				.event_name = "deployment_request_failed",
				.request_id = "42",
				.attempt = 2,
				.outcome = "retry",
				.http_status = 500,
				.total_us = 1500,
				.error = "HTTP status 500" },
		&out);
	assert_string_equal(buf_str(&out),
		"{\"time\":\"2026-11-23T10:24:00.123Z\",\"hook\":\"h\",\"id\":\"msg_k_1\","
		"\"event\":\"deployment_request_failed\",\"request_id\":\"42\",\"attempt\":2,"
		"\"outcome\":\"retry\",\"http_status\":500,\"ms\":2,\"error\":\"HTTP status 500\"}");
	buf_release(&out);
}

static void what_was_given_up_is_told(void **state)
{
	struct buf out = BUF(LOGLINE_MAX);

	(void)state;
	logline_dropped(INT64_C(1795429440123), "h", 7, &out);
	assert_string_equal(buf_str(&out),
		"{\"time\":\"2026-11-23T10:24:00.123Z\",\"hook\":\"h\",\"outcome\":\"dropped\","
		"\"deliveries\":7}");
	buf_release(&out);
}

static void no_text_ends_the_line_or_the_object(void **state)
{
	static const char bad[] = "a\"}\n\\\x01\xe2\x80\xa8 \xc3(";
	struct buf out = BUF(LOGLINE_MAX);
	const char *const keys[] = { "hook", "id", "event", "request_id", "outcome", "error" };
	json_t *json;

	(void)state;
	logline_attempt(&(struct logline){ .hook = bad,
				.webhook_id = bad,
				.event_name = bad,
				.request_id = bad,
				.outcome = bad,
				.error = bad },
		&out);
	assert_null(strchr(buf_str(&out), '\n'));
	json = json_loadb(out.data, out.len, 0, NULL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_string_equal(json_string_value(json_object_get(json, keys[i])),
			"a\"}\n\\\x01\xe2\x80\xa8 ");
	assert_true(json_is_null(json_object_get(json, "http_status")));
	json_decref(json);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_is_told),
		cmocka_unit_test(what_was_given_up_is_told),
		cmocka_unit_test(no_text_ends_the_line_or_the_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
