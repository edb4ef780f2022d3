/* Each kind of receiver gets a body that it takes, whatever strangers have written into the event. */
#include "model/format.h"

#include "model/event.h"
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct types types;

static int setup(void **state)
{
	(void)state;
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

static struct payload render(const char *line)
{
	struct err err = { 0 };
	struct id_space *ids;
	struct payload p;
	struct event e;

	if (event_parse(&e, &types, line, strlen(line), &err))
		fail_msg("%s: %s", line, err.sentence);
	if (!e.request_id)
		e.request_id = strdup("42");
	assert_int_equal(id_space_new("my project", &ids), 0);
	assert_int_equal(payload_render(&p, &e, &types, "my project", ids), 0);
	id_space_free(ids);
	event_release(&e);
	return p;
}

static struct message message_of(const struct payload *p)
{
	return (struct message){ .payload = p,
		.event_name = "deployment_request_failed",
		.include_result = true,
		.webhook_id = "msg_k_1",
		.hook = "h",
		.project = "my project",
		.taken_ms = INT64_C(1795429440123) };
}

/* The body, checked to be JSON; the caller decrefs. */
static json_t *body(enum format f, const char *line)
{
	struct payload p = render(line);
	struct message m = message_of(&p);
	struct buf out = BUF(FORMAT_BODY_MAX);
	json_error_t error;
	json_t *root;

	format_body(f, NULL, &m, &out);
	assert_int_equal(buf_error(&out), 0);
	root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!root)
		fail_msg("%s: %s", buf_str(&out), error.text);
	payload_release(&p);
	buf_release(&out);
	return root;
}

static const char *member(const json_t *root, const char *name)
{
	const char *text = json_string_value(json_object_get(root, name));

	assert_non_null(text);
	return text;
}

static const json_t *card(const json_t *root)
{
	const json_t *attachment = json_array_get(json_object_get(root, "attachments"), 0);

	return json_object_get(json_object_get(attachment, "content"), "body");
}

/* ---- the table */

static void every_format_has_a_name_that_is_read_and_stands_in_the_grammar(void **state)
{
	const struct setting *row = setting_find(hook_settings, hook_settings_count, "format");
	struct buf grammar = BUF(1000);

	(void)state;
	for (enum format f = 0; f < FORMAT_COUNT; f++) {
		const char *name = format_name(f);
		enum format read;

		assert_int_equal(format_parse(name, strlen(name), NULL, &read), 0);
		assert_int_equal(read, f);
		assert_non_null(format_summary(f));
		buf_addf(&grammar, "%s%s", f ? " | " : "", name);
	}
	assert_string_equal(row->grammar, buf_str(&grammar));
	buf_release(&grammar);
}

static void an_unknown_format_is_refused_with_a_list(void **state)
{
	struct err err = { 0 };
	enum format f;

	(void)state;
	assert_int_equal(format_parse("slac", 4, &err, &f), -EINVAL);
	assert_non_null(strstr(err.sentence, "\"slac\" is no format"));
	assert_non_null(strstr(err.sentence, "cloudevents-binary"));
	assert_int_equal(err.column, 0);
}

static void the_default_is_the_payload_itself(void **state)
{
	struct payload p = render("deployment/d/v failed error_message=x result=[1.50]");
	struct message m = message_of(&p);
	struct buf plain = BUF(FORMAT_BODY_MAX), shaped = BUF(FORMAT_BODY_MAX);

	(void)state;
	payload_body(&p, m.event_name, true, &plain);
	format_body(FORMAT_UBIOPS, NULL, &m, &shaped);
	assert_string_equal(buf_str(&shaped), buf_str(&plain));
	buf_reset(&shaped);
	format_body(FORMAT_CLOUDEVENTS_BINARY, NULL, &m, &shaped);
	assert_string_equal(buf_str(&shaped), buf_str(&plain));
	payload_release(&p);
	buf_release(&plain);
	buf_release(&shaped);
}

/* ---- messages for people */

static void slack_has_sentence_error_and_result_without_markup(void **state)
{
	json_t *root = body(FORMAT_SLACK,
		"deployment/d/v failed error_message='<!channel> a & b' result='{\"s\":\"<x>\"}'");

	(void)state;
	assert_string_equal(member(root, "text"),
		"Deployment request 42 failed for deployment d v in project my project\n"
		"&lt;!channel&gt; a &amp; b\n{\"s\":\"&lt;x&gt;\"}");
	assert_true(json_is_false(json_object_get(root, "mrkdwn")));
	json_decref(root);
}

static void discord_escapes_markdown_fences_the_rest_and_mentions_nobody(void **state)
{
	json_t *root = body(FORMAT_DISCORD,
		"deployment/d/v failed request_id='**@everyone**' error_message='```x` @here'");

	(void)state;
	assert_string_equal(member(root, "content"),
		"Deployment request \\*\\*\\@everyone\\*\\* failed for deployment d v in project my project"
		"\n```\n`\xe2\x80\x8b`\xe2\x80\x8b`x` @here\n```");
	assert_int_equal(json_array_size(json_object_get(
				 json_object_get(root, "allowed_mentions"), "parse")),
		0);
	assert_true(
		json_is_array(json_object_get(json_object_get(root, "allowed_mentions"), "parse")));
	json_decref(root);
}

static void teams_has_a_card_whose_texts_have_no_markdown(void **state)
{
	json_t *root = body(FORMAT_TEAMS,
		"{\"object\":\"deployment/d_e/v\",\"status\":\"failed\",\"error_message\":"
		"\"- a\\n1. b 1.5\\n{{DATE()}} [x](y)\\u0007\"}");
	const json_t *blocks = card(root);

	(void)state;
	assert_string_equal(member(root, "type"), "message");
	assert_int_equal(json_array_size(blocks), 2);
	assert_string_equal(member(json_array_get(blocks, 0), "text"),
		"Deployment request 42 failed for deployment d\\_e v in project my project");
	assert_string_equal(member(json_array_get(blocks, 1), "text"),
		"\\- a\n1\\. b 1.5\n\\{\\{DATE\\(\\)}} \\[x\\]\\(y\\)?");
	json_decref(root);
}

/* What a receiver counts, at most. */
static size_t units(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (((unsigned char)*text & 0xc0) != 0x80) + ((unsigned char)*text >= 0xf0);
	return n;
}

static const char *chat_text(enum format f, const json_t *root)
{
	static const char *const keys[] = { [FORMAT_SLACK] = "text", [FORMAT_DISCORD] = "content" };

	return f == FORMAT_TEAMS ? member(json_array_get(card(root), 1), "text")
				 : member(root, keys[f]);
}

/* Every length around the limit of each, with characters of every length and every escape. */
static void a_message_is_cut_on_a_character_within_the_limit(void **state)
{
	static const char *const fill[] = { "a", "&", "`", "*", "\"", "\\\\", "\\n", "\xc3\xa9",
		"\xe2\x82\xac", "\xf0\x9f\x98\x80" };
	static const struct {
		enum format format;
		size_t max, near;
	} limits[] = { { FORMAT_SLACK, 4000, 3900 }, { FORMAT_DISCORD, 2000, 1880 } };

	(void)state;
	for (size_t i = 0; i < 3 * sizeof(fill) / sizeof(fill[0]); i++) {
		const char *c = fill[i / 3];
		struct buf line = BUF(EVENT_LINE_MAX);
		size_t raw = *c == '\\' ? 1 : strlen(c);

		buf_adds(&line, "{\"object\":\"deployment/d\",\"status\":\"failed\",\"result\":\"");
		for (size_t n = 0; n < 16000 / strlen(*c == '"' ? "\\\"" : c); n++)
			buf_adds(&line, *c == '"' ? "\\\"" : c);
		buf_adds(&line, "\",\"error_message\":\"");
		for (size_t n = 0; n < 4000 / raw / (i % 3 + 1); n++)
			buf_adds(&line, *c == '"' ? "\\\"" : c);
		buf_adds(&line, "\"}");
		if (buf_error(&line) || strlen(c) > 4)
			fail();
		for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
			json_t *root = body(limits[l].format, buf_str(&line));
			const char *text = chat_text(limits[l].format, root);

			if (units(text) > limits[l].max || units(text) < limits[l].near)
				fail_msg("%s of %s: %zu", format_name(limits[l].format), c,
					units(text));
			assert_non_null(strstr(text, "\xe2\x80\xa6"));
			json_decref(root);
		}
		json_t *root = body(FORMAT_TEAMS, buf_str(&line));
		char *dump = json_dumps(root, JSON_COMPACT);

		assert_true(strlen(dump) < 14 * 1024);
		assert_non_null(strstr(dump, "\xe2\x80\xa6"));
		free(dump);
		json_decref(root);
		buf_release(&line);
	}
}

/* ---- CloudEvents */

static void a_structured_cloudevent_has_its_attributes_and_the_payload(void **state)
{
	json_t *root = body(FORMAT_CLOUDEVENTS,
		"{\"object\":\"experiment/bert b\xc3\xa9\",\"status\":\"failed\",\"request_id\":\"r 1\","
		"\"time\":\"2026-11-23T12:24:00+02:00\",\"result\":[1.50]}");

	(void)state;
	assert_string_equal(member(root, "specversion"), "1.0");
	assert_string_equal(member(root, "id"), "msg_k_1");
	assert_string_equal(member(root, "type"), "deployment_request_failed");
	assert_string_equal(member(root, "source"),
		"/my%20project/deployment/training-base-deployment/bert%20b%C3%A9");
	assert_string_equal(member(root, "subject"), "r 1");
	assert_string_equal(member(root, "time"), "2026-11-23T10:24:00.000Z");
	assert_string_equal(member(root, "datacontenttype"), "application/json");
	assert_string_equal(
		member(json_object_get(root, "data"), "event"), "deployment_request_failed");
	assert_true(json_is_array(json_object_get(json_object_get(root, "data"), "result")));
	json_decref(root);
}

static void keep_header(void *ctx, const char *name, const char *value)
{
	buf_addf(ctx, "%s: %s\n", name, value);
}

static void check_headers(enum format f, const char *line, const char *wanted)
{
	struct payload p = render(line);
	struct message m = message_of(&p);
	struct buf out = BUF(65536);

	format_headers(f, &m, keep_header, &out);
	assert_string_equal(buf_str(&out), wanted);
	payload_release(&p);
	buf_release(&out);
}

static void a_binary_cloudevent_has_its_attributes_in_headers(void **state)
{
	(void)state;
	check_headers(FORMAT_CLOUDEVENTS_BINARY,
		"{\"object\":\"deployment/d\",\"status\":\"failed\",\"request_id\":\"Euro \xe2\x82\xac \\\"100%\\\"\"}",
		"Content-Type: application/json\nce-specversion: 1.0\nce-id: msg_k_1\n"
		"ce-source: /my%2520project/deployment/d\nce-type: deployment_request_failed\n"
		"ce-subject: Euro%20%E2%82%AC%20%22100%25%22\nce-time: 2026-11-23T10:24:00.123Z\n");
	check_headers(FORMAT_CLOUDEVENTS, "deployment/d failed",
		"Content-Type: application/cloudevents+json; charset=utf-8\n");
	check_headers(FORMAT_SLACK, "deployment/d failed", "Content-Type: application/json\n");
}

/* ---- damage */

static void skip_header(void *ctx, const char *name, const char *value)
{
	(void)ctx, (void)name, (void)value;
}

/* What a database gives back is not always what was put there: then the body is nonsense, and no more. */
static void parts_that_were_damaged_on_disk_break_nothing(void **state)
{
	static const char *const damaged[][3] = {
		{ "", "", "" },
		{ "\"", "\"", "\"" },
		{ "x,y:1,2", "]]", ",\"text\":7,\"error_message\":{},\"time\":[]" },
		{ "\"a\":\"\\u00\",\"b\":\"\xc3\"", "\x80\x80\x80\x80\x80\x80\x80\x80",
			",\"text\":\"\\ud800\",\"time\":\"x\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct payload p = { strdup(damaged[i][0]), strdup(damaged[i][1]),
			strdup(damaged[i][2]) };
		struct message m = message_of(&p);

		for (enum format f = 0; f < FORMAT_COUNT; f++) {
			struct buf out = BUF(FORMAT_BODY_MAX);

			format_body(f, NULL, &m, &out);
			assert_int_equal(buf_error(&out), 0);
			format_headers(f, &m, skip_header, NULL);
			buf_reset(&out);
			format_body(f,
				"[{{object}}, \"{{object}} {{time}}\", {{result}}, {{text}}]", &m,
				&out);
			assert_int_equal(buf_error(&out), 0);
			buf_release(&out);
		}
		payload_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_has_a_name_that_is_read_and_stands_in_the_grammar),
		cmocka_unit_test(an_unknown_format_is_refused_with_a_list),
		cmocka_unit_test(the_default_is_the_payload_itself),
		cmocka_unit_test(slack_has_sentence_error_and_result_without_markup),
		cmocka_unit_test(discord_escapes_markdown_fences_the_rest_and_mentions_nobody),
		cmocka_unit_test(teams_has_a_card_whose_texts_have_no_markdown),
		cmocka_unit_test(a_message_is_cut_on_a_character_within_the_limit),
		cmocka_unit_test(a_structured_cloudevent_has_its_attributes_and_the_payload),
		cmocka_unit_test(a_binary_cloudevent_has_its_attributes_in_headers),
		cmocka_unit_test(parts_that_were_damaged_on_disk_break_nothing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
