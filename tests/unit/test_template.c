/* A template that was taken makes valid JSON of every event; one that could not is refused, with the place. */
#include "model/template.h"

#include "model/event.h"
#include "model/format.h"
#include "model/hook.h"
#include "model/payload.h"
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

static struct types types;
static struct payload rich, poor;

static struct payload render(const char *line)
{
	struct err err = { 0 };
	struct id_space *ids;
	struct payload p;
	struct event e;

	if (event_parse(&e, &types, line, strlen(line), &err))
		fail_msg("%s: %s", line, err.sentence);
	e.request_id = e.request_id ? e.request_id : strdup("7");
	assert_int_equal(id_space_new("demo", &ids), 0);
	assert_int_equal(payload_render(&p, &e, &types, "demo", ids), 0);
	id_space_free(ids);
	event_release(&e);
	return p;
}

static int setup(void **state)
{
	(void)state;
	if (types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL))
		return -1;
	rich = render(
		"{\"object\":\"deployment/d/v1\",\"status\":\"failed\",\"error_message\":"
		"\"a \\\"b\\\" \\\\ \\n\\u0001 \xe2\x82\xac }} {{text}}\",\"result\":"
		"{\"score\":1.50,\"s\":\"\\u0000\\\"\"},\"metadata\":{\"k\":[10000000000000000000000]},"
		"\"deployment_id\":\"D\",\"time\":\"2026-11-23T10:24:00Z\"}");
	poor = render("pipeline/p completed");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	payload_release(&rich);
	payload_release(&poor);
	return 0;
}

static struct message message_of(const struct payload *p)
{
	return (struct message){ .payload = p,
		.event_name =
			p == &rich ? "deployment_request_failed" : "pipeline_request_completed",
		.include_result = true,
		.webhook_id = "msg_k_1",
		.hook = "my\"hook",
		.project = "demo",
		.taken_ms = INT64_C(1795429440123) };
}

static void fills(const char *text, const struct payload *p, const char *wanted)
{
	struct message m = message_of(p);
	struct buf out = BUF(FORMAT_BODY_MAX);
	struct err err = { 0 };
	json_error_t error;
	json_t *root;

	if (template_check(text, strlen(text), &err))
		fail_msg("%s: %s", text, err.sentence);
	template_fill(text, &m, &out);
	assert_int_equal(buf_error(&out), 0);
	if (wanted)
		assert_string_equal(buf_str(&out), wanted);
	root = json_loadb(out.data, out.len,
		JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
	if (!root)
		fail_msg("%s: %s", buf_str(&out), error.text);
	json_decref(root);
	buf_release(&out);
}

/* ---- filled in */

static void quotes_decide_between_text_and_json(void **state)
{
	(void)state;
	fills("{\"a\":\"{{status}}\",\"b\":{{status}}}", &rich,
		"{\"a\":\"failed\",\"b\":\"failed\"}");
	fills("{\"a\":\"<{{result}}>\"}", &rich,
		"{\"a\":\"<{\\\"score\\\":1.50,\\\"s\\\":\\\"\\\\u0000\\\\\\\"\\\"}>\"}");
	fills("{\"a\":{{result}}}", &rich, "{\"a\":{\"score\":1.50,\"s\":\"\\u0000\\\"\"}}");
	fills("[{{metadata}}]", &rich, "[{\"k\":[10000000000000000000000]}]");
	fills("[\"{{error_message}}\"]", &rich,
		"[\"a \\\"b\\\" \\\\ \\n\\u0001 \xe2\x82\xac }} {{text}}\"]");
}

static void what_is_not_there_is_nothing_or_null(void **state)
{
	(void)state;
	fills("[\"<{{error_message}}{{version}}{{version_id}}>\",{{error_message}},{{version}}]",
		&poor, "[\"<>\",null,null]");
	fills("[\"{{result}}\",{{metadata}}]", &poor, "[\"\",null]");
}

static void every_field_is_known_and_fills_both_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < template_fields_count; i++) {
		struct buf text = BUF(TEMPLATE_MAX);
		const char *name = template_fields[i].name;

		buf_addf(&text, "[{{ %s }}]", name);
		fills(buf_str(&text), &rich, NULL);
		fills(buf_str(&text), &poor, NULL);
		buf_reset(&text);
		buf_addf(&text, "[\"a{{%s}}b\"]", name);
		fills(buf_str(&text), &rich, NULL);
		fills(buf_str(&text), &poor, NULL);
		buf_release(&text);
	}
}

static void the_fields_say_what_the_event_said(void **state)
{
	(void)state;
	fills("[{{event}},{{object}},{{object_type}},{{object_name}},{{version}},{{object_id}}]",
		&rich,
		"[\"deployment_request_failed\",\"deployment/d/v1\",\"deployment\",\"d\",\"v1\",\"D\"]");
	fills("[{{object}},{{request_id}},{{hook}},{{project}},{{webhook_id}}]", &poor,
		"[\"pipeline/p\",\"7\",\"my\\\"hook\",\"demo\",\"msg_k_1\"]");
	fills("[{{time}}]", &rich, "[\"2026-11-23T10:24:00Z\"]");
	fills("[\"{{time}}\"]", &poor, "[\"2026-11-23T10:24:00.123Z\"]");
	fills("[\"{{text}}\"]", &poor,
		"[\"Pipeline request 7 finished for pipeline p in project demo\"]");
	fills("[{{payload}}]", &rich, NULL);
}

static void a_filled_template_is_one_line_and_strings_stay(void **state)
{
	(void)state;
	fills("{\n\t\"a b\": [ 1, \"c  d\" ],\r\n  \"e\": \"{\\u007btext}}\"\n}", &rich,
		"{\"a b\":[1,\"c  d\"],\"e\":\"{\\u007btext}}\"}");
	fills("{\"a\":{\"b\":{{version}}}}", &rich, "{\"a\":{\"b\":\"v1\"}}");
	fills("[\"\\\\{{version}}\\\"{{version}}\"]", &rich, "[\"\\\\v1\\\"v1\"]");
}

/* ---- refused */

static void refuses(const char *text, int code, const char *at, const char *sentence)
{
	size_t column = (size_t)(strstr(text, at) - text);
	struct err err = { 0 };

	if (template_check(text, strlen(text), &err) != -code || err.column != column ||
		!strstr(err.sentence, sentence))
		fail_msg("%s: %d, column %zu, not %zu: %s", text, err.code, err.column, column,
			err.sentence);
}

static void a_mistake_is_told_with_its_place(void **state)
{
	(void)state;
	refuses("{\"a\": \"{{reslut}}\"}", EINVAL, "{{", "\"reslut\" is no field: there are event");
	refuses("{\"a\": {{}} }", EINVAL, "{{", "\"\" is no field");
	refuses("{\"a\": \"{{text\"}", EINVAL, "{{", "}} is missing");
	refuses("{\"{{event}}\": 1}", EINVAL, "{{", "no part of a key");
	refuses("{\"x{{event}}\\\"y\" : 1}", EINVAL, "{{", "no part of a key");
	refuses("{{{event}}: 1}", EINVAL, "{{{", "is no field");
	refuses("{\"a\": {{event}} {{event}}}", EINVAL, "{{event}}}", "this is no JSON");
	refuses("{\"a\": 1{{event}}}", EINVAL, "{{event}}", "this is no JSON");
	refuses("{\"a\": tru}", EINVAL, "u", "this is no JSON");
	refuses("{\"a\": \"\\u00{{version}}\"}", EINVAL, "{{", "this is no JSON");
}

static void what_could_grow_without_bound_is_refused(void **state)
{
	struct buf text = BUF(TEMPLATE_MAX);
	struct err err = { 0 };

	(void)state;
	refuses("[{{result}},\"{{ result }}\"]", EINVAL, "{{ result", "stands in a template once");
	buf_adds(&text, "[1");
	for (int i = 0; i < TEMPLATE_PLACES_MAX; i++)
		buf_adds(&text, ",{{error_message}}");
	buf_adds(&text, "]");
	fills(buf_str(&text), &rich, NULL);
	buf_cut(&text, text.len - 1);
	buf_adds(&text, ",{{text}}]");
	assert_int_equal(template_check(text.data, text.len, &err), -E2BIG);
	buf_release(&text);
}

/* The largest event there can be, through the template that makes most of it. */
static void the_largest_body_fits(void **state)
{
	struct buf line = BUF(EVENT_LINE_MAX), text = BUF(TEMPLATE_MAX), out = BUF(FORMAT_BODY_MAX);

	(void)state;
	buf_adds(&line, "{\"object\":\"deployment/d\",\"status\":\"failed\",\"error_message\":\"");
	for (size_t i = 0; i < EVENT_ERROR_MAX; i++)
		buf_adds(&line, "\\u0001");
	buf_adds(&line, "\",\"metadata\":{\"a\":\"");
	while (line.len + 16 < EVENT_LINE_MAX)
		buf_adds(&line, "\\\"");
	buf_adds(&line, "\"}}");
	assert_int_equal(buf_error(&line), 0);
	struct payload p = render(buf_str(&line));
	struct message m = message_of(&p);

	buf_adds(&text, "[\"{{metadata}}{{payload}}");
	for (int i = 2; i < TEMPLATE_PLACES_MAX; i++)
		buf_adds(&text, "{{error_message}}");
	buf_adds(&text, "\"]");
	assert_int_equal(template_check(text.data, text.len, NULL), 0);
	template_fill(text.data, &m, &out);
	assert_int_equal(buf_error(&out), 0);
	assert_true(out.len > (size_t)4 << 20);
	payload_release(&p);
	buf_release(&line);
	buf_release(&text);
	buf_release(&out);
}

/* ---- half written */

static void a_template_is_whole_when_all_is_closed(void **state)
{
	static const char text[] = "{\"a\": [\"]}\\\"{{text}}\",\n {{result}}]}";

	(void)state;
	for (size_t n = 1; n < strlen(text); n++)
		if (template_whole(text, n))
			fail_msg("whole after %zu bytes", n);
	assert_true(template_whole(text, strlen(text)));
	assert_true(template_whole("{}\n", 3));
	assert_true(template_whole("nonsense", 8)); /* is to be refused now, not later */
	assert_true(template_whole("{}}", 3));
}

/* ---- beside format */

static int store(struct hook *h, const char *name, const char *text)
{
	return hook_store(h, setting_find(hook_settings, hook_settings_count, name), text,
		strlen(text), NULL);
}

static void template_and_format_exclude_each_other(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	assert_int_equal(store(h, "template", "[{{text}}]"), 0);
	assert_int_equal(store(h, "format", "slack"), -EINVAL);
	assert_int_equal(store(h, "format", "ubiops"), 0);
	assert_int_equal(store(h, "template", ""), 0);
	assert_int_equal(store(h, "format", "slack"), 0);
	assert_int_equal(store(h, "template", "[{{text}}]"), -EINVAL);
	assert_null(h->template_text);
	hook_free(h);
}

static void a_refused_text_is_quoted_unless_the_file_hides_it(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	assert_true(hook_quotable(h, "template", "[{{x}}]", 7));
	assert_false(hook_quotable(h, "tls/ca", "x", 1));
	assert_int_equal(hook_chmod(h, "template", 0600, false, NULL), 0);
	assert_false(hook_quotable(h, "template", "[{{x}}]", 7));
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_decide_between_text_and_json),
		cmocka_unit_test(what_is_not_there_is_nothing_or_null),
		cmocka_unit_test(every_field_is_known_and_fills_both_places),
		cmocka_unit_test(the_fields_say_what_the_event_said),
		cmocka_unit_test(a_filled_template_is_one_line_and_strings_stay),
		cmocka_unit_test(a_mistake_is_told_with_its_place),
		cmocka_unit_test(what_could_grow_without_bound_is_refused),
		cmocka_unit_test(the_largest_body_fits),
		cmocka_unit_test(a_template_is_whole_when_all_is_closed),
		cmocka_unit_test(template_and_format_exclude_each_other),
		cmocka_unit_test(a_refused_text_is_quoted_unless_the_file_hides_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
