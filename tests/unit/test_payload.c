#include "model/payload.h"

#include "model/event.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/id.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PROJECT  "demo"

static struct types types;

static int setup(void **state)
{
	(void)state;
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

static struct payload render(const char *line, const char *project)
{
	struct err err = { 0 };
	struct id_space *ids;
	struct payload p;
	struct event e;

	if (event_parse(&e, &types, line, strlen(line), &err))
		fail_msg("%s: %s", line, err.sentence);
	assert_int_equal(id_space_new(project, &ids), 0);
	assert_int_equal(payload_render(&p, &e, &types, project, ids), 0);
	id_space_free(ids);
	event_release(&e);
	return p;
}

/* The body for one line; the caller releases it. */
static struct buf body(const char *line, const char *event_name, bool include_result)
{
	struct payload p = render(line, PROJECT);
	struct buf out = BUF(8 * EVENT_LINE_MAX);

	payload_body(&p, event_name, include_result, &out);
	payload_release(&p);
	assert_null(p.fields);
	assert_int_equal(buf_error(&out), 0);
	return out;
}

static void check_body(
	const char *line, const char *event_name, bool include_result, const char *wanted)
{
	struct buf out = body(line, event_name, include_result);
	json_error_t error;
	json_t *root = json_loadb(
		out.data, out.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);

	assert_string_equal(buf_str(&out), wanted);
	if (!root)
		fail_msg("%s: %s", buf_str(&out), error.text);
	json_decref(root);
	buf_release(&out);
}

/* ---- whole bodies */

static void test_everything_given_is_in_its_place(void **state)
{
	(void)state;
	check_body("{\"time\":\"2026-11-23T10:24:00Z\",\"metadata\":{ \"b\":1, \"a\":1.0 },"
		   "\"error_message\":\"say \\\"x\\\"\\n\",\"result\":[12345678901234567890],"
		   "\"request_id\":\"r1\",\"status\":\"failed\",\"deployment_version_id\":\"dv\","
		   "\"deployment_id\":\"di\",\"object\":\"deployment/m/v1\",\"id\":\"once\"}",
		"deployment_request_failed", true,
		"{\"event\":\"deployment_request_failed\",\"deployment_id\":\"di\","
		"\"deployment_name\":\"m\",\"deployment_version_id\":\"dv\","
		"\"deployment_version_name\":\"v1\",\"request_id\":\"r1\",\"status\":\"failed\","
		"\"result\":[12345678901234567890],\"error_message\":\"say \\\"x\\\"\\n\","
		"\"metadata\":{ \"b\":1, \"a\":1.0 },\"time\":\"2026-11-23T10:24:00Z\","
		"\"text\":\"Deployment request r1 failed for deployment m v1 in project demo\"}");
}

static void test_ids_are_made_where_none_are_given(void **state)
{
	(void)state;
	/* uuid5(uuid5(NAMESPACE_URL, "demo"), "pipeline/p"), and "pipeline/p/v2" */
	check_body("pipeline/p/v2 completed request_id=7", "pipeline_request_completed", true,
		"{\"event\":\"pipeline_request_completed\","
		"\"pipeline_id\":\"224c8df8-f03d-581d-9f2d-60876d86f784\",\"pipeline_name\":\"p\","
		"\"pipeline_version_id\":\"f9996938-9359-5deb-9aea-600b498524aa\",\"pipeline_version_name\":\"v2\","
		"\"request_id\":\"7\",\"status\":\"completed\","
		"\"text\":\"Pipeline request 7 finished for pipeline p v2 in project demo\"}");
}

static void test_no_version_is_null(void **state)
{
	(void)state;
	check_body("deployment/m cancelled request_id=7 deployment_id=d",
		"deployment_request_finished", false,
		"{\"event\":\"deployment_request_finished\",\"deployment_id\":\"d\","
		"\"deployment_name\":\"m\",\"deployment_version_id\":null,"
		"\"deployment_version_name\":null,\"request_id\":\"7\",\"status\":\"cancelled\","
		"\"text\":\"Deployment request 7 was cancelled for deployment m in project demo\"}");
}

static void test_a_version_id_without_a_name_is_kept(void **state)
{
	struct payload p =
		render("deployment/m failed request_id=7 deployment_version_id=dv", PROJECT);

	(void)state;
	assert_non_null(strstr(
		p.fields, "\"deployment_version_id\":\"dv\",\"deployment_version_name\":null,"));
	payload_release(&p);
}

static void test_both_spellings_of_an_experiment_give_the_same_bytes(void **state)
{
	static const char *const lines[] = {
		"experiment/bert completed request_id=7 result={}",
		"deployment/training-base-deployment/bert completed request_id=7 result={}",
		"experiment/bert status=completed result=' {} ' request_id='7'",
		"{\"request_id\":7,\"result\":{},\"status\":\"completed\",\"object\":\"experiment/bert\"}",
	};
	struct buf first = body(lines[0], "deployment_request_completed", true);

	(void)state;
	assert_non_null(strstr(buf_str(&first), "for deployment training-base-deployment bert in"));
	for (size_t i = 1; i < COUNT(lines); i++) {
		struct buf other = body(lines[i], "deployment_request_completed", true);

		assert_string_equal(buf_str(&other), buf_str(&first));
		buf_release(&other);
	}
	buf_release(&first);
}

/* ---- parts */

static void test_the_text_says_what_happened(void **state)
{
	static const char *const rows[STATUS_COUNT] = {
		[STATUS_PENDING] = "request 7 is pending for",
		[STATUS_PROCESSING] = "request 7 started for",
		[STATUS_COMPLETED] = "request 7 finished for",
		[STATUS_FAILED] = "request 7 failed for",
		[STATUS_CANCELLED] = "request 7 was cancelled for",
		[STATUS_CANCELLED_PENDING] = "request 7 is being cancelled for",
	};

	(void)state;
	for (int s = STATUS_NONE + 1; s < STATUS_COUNT; s++) {
		struct buf line = BUF(200);
		struct payload p;

		buf_addf(&line, "pipeline/p %s request_id=7", request_status_name(s));
		p = render(buf_str(&line), PROJECT);
		if (!strstr(p.rest, rows[s]))
			fail_msg("%s: %s", buf_str(&line), p.rest);
		payload_release(&p);
		buf_release(&line);
	}
}

static void test_a_result_goes_where_it_is_wanted(void **state)
{
	static const char *const results[] = { "null", "{\"b\":1,\"a\":[ ]}", "\"\xc3\xa9\"" };

	(void)state;
	for (size_t i = 0; i < COUNT(results); i++) {
		struct buf line = BUF(200), member = BUF(200), out;

		buf_addf(&line, "pipeline/p completed result='%s' request_id=7", results[i]);
		buf_addf(&member, "\"status\":\"completed\",\"result\":%s,\"text\":", results[i]);
		out = body(buf_str(&line), "pipeline_request_completed", true);
		assert_non_null(strstr(buf_str(&out), buf_str(&member)));
		buf_release(&out);
		out = body(buf_str(&line), "pipeline_request_completed", false);
		assert_null(strstr(buf_str(&out), "result"));
		buf_release(&out);
		buf_release(&member);
		buf_release(&line);
	}
}

/* A line with a result of n bytes, as JSON. */
static struct payload render_result(size_t n)
{
	struct buf line = BUF(EVENT_LINE_MAX);
	struct payload p;

	buf_adds(&line,
		"{\"object\":\"pipeline/p\",\"status\":\"completed\",\"request_id\":7,"
		"\"result\": \"");
	for (size_t i = 2; i < n; i++)
		buf_addc(&line, 'x');
	buf_adds(&line, "\" }");
	p = render(buf_str(&line), PROJECT);
	buf_release(&line);
	return p;
}

static void test_a_long_result_stays_out(void **state)
{
	struct payload p = render_result(16384);

	(void)state;
	assert_non_null(p.result);
	assert_int_equal(strlen(p.result), 16384);
	payload_release(&p);
	p = render_result(16385);
	assert_null(p.result);
	payload_release(&p);
}

/* The largest of everything, all bytes of it escaped. */
static void test_the_longest_event_fits(void **state)
{
	struct buf line = BUF(EVENT_LINE_MAX);
	struct buf out;

	(void)state;
	buf_adds(&line, "{\"object\":\"deployment/");
	for (size_t i = 0; i < OBJECT_PART_MAX; i++)
		buf_adds(&line, "\\\"");
	buf_adds(&line, "\",\"status\":\"failed\",\"request_id\":\"");
	for (size_t i = 0; i < EVENT_ID_MAX; i++)
		buf_adds(&line, "\\\\");
	buf_adds(&line, "\",\"error_message\":\"");
	for (size_t i = 0; i < EVENT_ERROR_MAX; i++)
		buf_adds(&line, "\\u0001");
	buf_adds(&line, "\",\"metadata\":{\"x\":\"");
	while (line.len < EVENT_LINE_MAX - 3)
		buf_addc(&line, 'x');
	buf_adds(&line, "\"}}");
	assert_int_equal(buf_error(&line), 0);
	out = body(buf_str(&line), "deployment_request_failed", true);
	assert_true(out.len > EVENT_LINE_MAX);
	buf_release(&out);
	buf_release(&line);
}

static void test_projects_have_ids_of_their_own(void **state)
{
	static const char line[] = "pipeline/p started request_id=7";
	struct payload a = render(line, "a"), b = render(line, "b \"c\""),
		       again = render(line, "a");

	(void)state;
	assert_string_equal(a.fields, again.fields);
	assert_string_not_equal(a.fields, b.fields);
	assert_non_null(strstr(b.rest, "in project b \\\"c\\\"\""));
	payload_release(&a);
	payload_release(&b);
	payload_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_given_is_in_its_place),
		cmocka_unit_test(test_ids_are_made_where_none_are_given),
		cmocka_unit_test(test_no_version_is_null),
		cmocka_unit_test(test_a_version_id_without_a_name_is_kept),
		cmocka_unit_test(test_both_spellings_of_an_experiment_give_the_same_bytes),
		cmocka_unit_test(test_the_text_says_what_happened),
		cmocka_unit_test(test_a_result_goes_where_it_is_wanted),
		cmocka_unit_test(test_a_long_result_stays_out),
		cmocka_unit_test(test_the_longest_event_fits),
		cmocka_unit_test(test_projects_have_ids_of_their_own),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
