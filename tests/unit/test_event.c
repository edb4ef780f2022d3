#include "model/event.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define STARTED   (1u << PHASE_STARTED)
#define COMPLETED (1u << PHASE_COMPLETED)
#define FAILED    (1u << PHASE_FAILED)
#define FINISHED  (1u << PHASE_FINISHED)

static struct types types;

static int setup(void **state)
{
	(void)state;
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

/* Parses a copy without a NUL behind it, so that the sanitizer sees a parser that reads too far. */
static int parse(const char *line, size_t len, struct err *err, struct event *e)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, line, len);
	rc = event_parse(e, &types, copy, len, err);
	free(copy);
	return rc;
}

/* A line that must parse. */
static struct event good(const char *line)
{
	struct err err = { 0 };
	struct event e;

	if (parse(line, strlen(line), &err, &e))
		fail_msg("%s: column %zu: %s", line, err.column, err.sentence);
	return e;
}

static void check_text(const char *what, const char *found, const char *wanted)
{
	if ((!found) != (!wanted) || (found && strcmp(found, wanted)))
		fail_msg("%s is %s, not %s", what, found ? found : "(none)",
			wanted ? wanted : "(none)");
}

/* ---- what a line says */

struct row {
	const char *line;
	const char *object; /* as shown */
	enum request_status status;
	unsigned phases;
	const char *request_id, *id, *object_id, *version_id;
	const char *error, *result, *metadata, *time;
};

static void check_row(const struct row *row)
{
	struct event e = good(row->line);
	struct buf object = BUF(1024);

	object_show(&e.object, &types, &object);
	check_text("the object", buf_str(&object), row->object);
	check_text("the status", request_status_name(e.status), request_status_name(row->status));
	assert_int_equal(e.phases, row->phases);
	check_text("request_id", e.request_id, row->request_id);
	check_text("id", e.id, row->id);
	check_text("the object's id", e.object_id, row->object_id);
	check_text("the version's id", e.version_id, row->version_id);
	check_text("error_message", e.error_message, row->error);
	check_text("result", e.result, row->result);
	check_text("metadata", e.metadata, row->metadata);
	check_text("time", e.time, row->time);
	buf_release(&object);
	event_release(&e);
	assert_null(e.object.name);
}

static void test_json_lines(void **state)
{
	static const struct row rows[] = {
		{ .line = "{\"object\":\"deployment/my-model/v1\",\"status\":\"completed\","
			  "\"request_id\":\"r1\",\"result\":{\"b\":1, \"a\":2}}",
			"deployment/my-model/v1",
			STATUS_COMPLETED,
			COMPLETED | FINISHED,
			.request_id = "r1",
			.result = "{\"b\":1, \"a\":2}" },
		{ .line = "{\"object_type\":\"pipeline\",\"object_name\":\"p1\",\"version\":\"v2\","
			  "\"status\":\"failed\",\"error_message\":\"...\"}",
			"pipeline/p1/v2",
			STATUS_FAILED,
			FAILED | FINISHED,
			.error = "..." },
		{ .line = " \t{ \"status\" : \"processing\" , \"object\" : \"pipeline/*\" } \t",
			"pipeline/*",
			STATUS_PROCESSING,
			STARTED },
		{ .line = "{\"object\":\"experiment/bert\",\"event\":\"deployment_request_failed\","
			  "\"deployment_id\":\"d\",\"deployment_version_id\":\"v\",\"id\":\"once\","
			  "\"time\":\"2026-11-23T10:24:00.5+01:00\",\"metadata\": { \"x\" : [ ] } }",
			"experiment/bert",
			STATUS_FAILED,
			FAILED,
			.object_id = "d",
			.version_id = "v",
			.id = "once",
			.metadata = "{ \"x\" : [ ] }",
			.time = "2026-11-23T10:24:00.5+01:00" },
		{ .line = "{\"object_type\":\"experiment\",\"object_name\":\"b\",\"event\":\"started\"}",
			"experiment/b",
			STATUS_PROCESSING,
			STARTED },
		{ .line = "{\"object\":\"pipeline/p\",\"status\":\"pending\",\"pipeline_id\":7}",
			"pipeline/p",
			STATUS_PENDING,
			0,
			.object_id = "7" },
		{ .line = "{\"object\":\"pipeline/p\",\"status\":\"failed\",\"version\":null,"
			  "\"error_message\":null}",
			"pipeline/p",
			STATUS_FAILED,
			FAILED | FINISHED },
		{ .line = "{\"\\u006fbject\":\"pipeline\\/\\u00e9\",\"status\":\"failed\","
			  "\"error_message\":\"a\\nb\"}",
			"pipeline/\xc3\xa9",
			STATUS_FAILED,
			FAILED | FINISHED,
			.error = "a\nb" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
}

static void test_word_lines(void **state)
{
	static const struct row rows[] = {
		{ .line = "deployment/my-model/v1 completed request_id=42 result='{\"score\":0.9}'",
			"deployment/my-model/v1",
			STATUS_COMPLETED,
			COMPLETED | FINISHED,
			.request_id = "42",
			.result = "{\"score\":0.9}" },
		{ .line = "experiment/bert-base failed error_message=\"out of memory\"",
			"experiment/bert-base",
			STATUS_FAILED,
			FAILED | FINISHED,
			.error = "out of memory" },
		{ .line = " \tpipeline/p  pipeline_request_started\t",
			"pipeline/p",
			STATUS_PROCESSING,
			STARTED },
		{ .line = "deployment/d deployment_request_started deployment_id=a "
			  "deployment_version_id=b id=c time=2026-11-23T10:24:00Z "
			  "metadata=' {\"a\": 1} ' result=\" [1, 2] \"",
			"deployment/d",
			STATUS_PROCESSING,
			STARTED,
			.object_id = "a",
			.version_id = "b",
			.id = "c",
			.time = "2026-11-23T10:24:00Z",
			.metadata = "{\"a\": 1}",
			.result = "[1, 2]" },
		{ .line = "'deployment/a b/v'1 finished",
			"deployment/a b/v1",
			STATUS_COMPLETED,
			FINISHED },
		{ .line = "deployment/d request_completed result=null",
			"deployment/d",
			STATUS_COMPLETED,
			COMPLETED,
			.result = "null" },
		{ .line = "deployment/d status=failed event=finished",
			"deployment/d",
			STATUS_FAILED,
			FINISHED },
		{ .line = "deployment/d cancelled error_message=",
			"deployment/d",
			STATUS_CANCELLED,
			FINISHED },
		{ .line = "deployment/d failed error_message=a=b 'request_id=x y'",
			"deployment/d",
			STATUS_FAILED,
			FAILED | FINISHED,
			.error = "a=b",
			.request_id = "x y" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
}

static void test_every_status_fires_its_phases(void **state)
{
	(void)state;
	for (int s = STATUS_NONE + 1; s < STATUS_COUNT; s++) {
		struct buf line = BUF(1024);
		struct event e;

		buf_addf(&line, "deployment/d %s", request_status_name(s));
		e = good(buf_str(&line));
		assert_int_equal(e.status, s);
		assert_int_equal(e.phases, request_status_phases(s));
		event_release(&e);
		buf_release(&line);
	}
}

/* A status and an event agree when the status fires the event; then the event alone is fired. */
static void test_every_status_with_every_event(void **state)
{
	(void)state;
	for (int i = 0; i < (STATUS_COUNT - 1) * PHASE_COUNT; i++) {
		enum request_status s = (enum request_status)(1 + i / PHASE_COUNT);
		unsigned bit = 1u << i % PHASE_COUNT;
		struct buf line = BUF(1024);
		struct err err = { 0 };
		struct event e;
		int rc;

		buf_addf(&line, "{\"object\":\"pipeline/p\",\"status\":\"%s\",\"event\":\"",
			request_status_name(s));
		event_name_show(&types, 1, (enum phase)(i % PHASE_COUNT), &line);
		buf_adds(&line, "\"}");
		rc = parse(buf_str(&line), line.len, &err, &e);
		if (rc != (request_status_phases(s) & bit ? 0 : -EINVAL))
			fail_msg("%s: %d: %s", buf_str(&line), rc, err.sentence);
		if (!rc) {
			assert_int_equal(e.status, s);
			assert_int_equal(e.phases, bit);
			event_release(&e);
		}
		buf_release(&line);
	}
}

static void test_finished_with_an_error_has_failed(void **state)
{
	static const struct {
		const char *line;
		enum request_status status;
	} rows[] = {
		{ "deployment/d finished", STATUS_COMPLETED },
		{ "deployment/d finished error_message=", STATUS_COMPLETED },
		{ "deployment/d finished error_message=x", STATUS_FAILED },
		{ "deployment/d status=cancelled event=finished error_message=x",
			STATUS_CANCELLED },
		{ "deployment/d started error_message=x", STATUS_PROCESSING },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct event e = good(rows[i].line);

		check_text("the status", request_status_name(e.status),
			request_status_name(rows[i].status));
		event_release(&e);
	}
}

/* ---- the sender's bytes */

static void test_result_and_metadata_keep_every_byte(void **state)
{
	static const char *const texts[] = {
		"{\"z\":123456789012345678901234567890,\"a\":1.10,\"m\":-0.0e+5}",
		"{ \"b\" : [ 1 ,2, {\"}\":\"]\"} ] , \"a\\\"}\" : \"\\\\\" }",
		"{\"nul\":\"\\u0000\",\"pair\":\"\\ud83d\\ude00\",\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}",
		"{}",
		"{\"deep\":[[[[[[[[[[{\"a\":{\"b\":[]}}]]]]]]]]]]}",
		"{\"18446744073709551616\":18446744073709551616}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf line = BUF(4096);
		struct event e;

		buf_addf(&line,
			"{\"metadata\"\t:  %s  ,\"object\":\"pipeline/p\",\"result\":%s\t,"
			"\"status\":\"completed\"}",
			texts[i], texts[i]);
		e = good(buf_str(&line));
		assert_string_equal(e.result, texts[i]);
		assert_string_equal(e.metadata, texts[i]);
		event_release(&e);

		buf_reset(&line);
		buf_addf(&line, "pipeline/p completed result=' %s ' metadata='%s'", texts[i],
			texts[i]);
		e = good(buf_str(&line));
		assert_string_equal(e.result, texts[i]);
		assert_string_equal(e.metadata, texts[i]);
		event_release(&e);
		buf_release(&line);
	}
}

static void test_a_result_is_any_json(void **state)
{
	static const char *const texts[] = { "null", "true", "false", "0", "-1.5e3", "\"\"",
		"\"}]\\\"\"", "[]", "[1,[2,{}]]", "123456789012345678901234567890" };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(texts); i++) {
		struct buf line = BUF(1024);
		struct event e;

		/* Last in its object, and with something behind it. */
		buf_addf(&line, "{\"status\":\"failed\",\"object\":\"pipeline/p\",\"result\":%s%s}",
			texts[i / 2], i % 2 ? ",\"id\":1" : "");
		e = good(buf_str(&line));
		assert_string_equal(e.result, texts[i / 2]);
		event_release(&e);
		buf_release(&line);
	}
}

static void test_ids_are_strings_or_whole_numbers(void **state)
{
	struct event e = good("{\"object\":\"pipeline/p\",\"status\":\"failed\",\"request_id\":"
			      "123456789012345678901234567890,\"id\":-7}");

	(void)state;
	assert_string_equal(e.request_id, "123456789012345678901234567890");
	assert_string_equal(e.id, "-7");
	event_release(&e);
}

/* ---- mistakes */

struct mistake {
	const char *line;
	const char *at; /* the column is where this is found first; NULL: no column; "": the end */
	const char *says; /* part of the sentence */
};

static void check_mistakes(const struct mistake *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *line = rows[i].line;
		const char *at = rows[i].at && *rows[i].at ? strstr(line, rows[i].at) : NULL;
		size_t column = at ? (size_t)(at - line) : ERR_NO_COLUMN;
		struct err err = { 0 };
		struct event e;
		int rc = parse(line, strlen(line), &err, &e);

		if (rows[i].at && !*rows[i].at)
			column = strlen(line);
		if (rc != -EINVAL || err.column != column || !strstr(err.sentence, rows[i].says))
			fail_msg("%s: %d, column %zd for %zd: %s", line, rc, err.column, column,
				err.sentence);
		assert_null(e.object.name);
		assert_int_equal(parse(line, strlen(line), NULL, &e), rc);
	}
}

#define D "\"object\":\"deployment/d\""
#define C "\"status\":\"completed\""

static void test_mistakes_in_json_have_their_column(void **state)
{
	static const struct mistake rows[] = {
		{ "{" D "," C, "", "'}' expected" },
		{ "{" D "," C "} x", "x", "end of file expected" },
		{ "{" D "," C ",\"result\":?}", "?", "invalid token" },
		{ " {" D "," C ",\"result\":\"\xc3\xa9\",\"id\":?}", "?", "invalid token" },
		{ "{" D "," C ",\"status\" :1}", "\" :", "duplicate" },
		{ "{" D "," C ",\"id\":\x1b}", "\x1b", "near '?'" },
		{ "{" C "}", NULL, "object is missing" },
		{ "{" C ",\"object_name\":\"d\"}", NULL, "object is missing" },
		{ "{" D "}", NULL, "give a status, or an event" },
		{ "{" C ",\"object\":\"deploy/d\"}", "deploy", "deployment, pipeline" },
		{ "{" C ",\"object\":\"deployment/a\\tb\"}", "\"deployment", "control" },
		{ "{" C ",\"object\":\"deployment/d/\"}", "\"}", "VERSION is empty" },
		{ "{" C ",\"object\":\"experiment/d/v\"}", "v\"}", "takes no VERSION" },
		{ "{" C ",\"object\":7}", "7", "object takes a string" },
		{ "{" D "," C ",\"version\":\"v1\"}", "v1", "version does not go with object" },
		{ "{" C ",\"object_type\":\"dep\",\"object_name\":\"n\"}", "dep", "deployment" },
		{ "{" C ",\"object_type\":\"pipeline\",\"object_name\":\"a/b\"}", "/b", "'/'" },
		{ "{\"version\":\"v/1\"," C ",\"object_type\":\"pipeline\",\"object_name\":\"n\"}",
			"/1", "'/'" },
		{ "{\"version\":\"\"," C ",\"object_type\":\"pipeline\",\"object_name\":\"n\"}",
			"\",", "VERSION is empty" },
		{ "{" D ",\"status\":null}", "null", "status takes a string" },
		{ "{" D ",\"status\":\"done\"}", "done", "cancelled_pending" },
		{ "{" D ",\"status\":\"do\\u006ee\"}", "\"do", "cancelled_pending" },
		{ "{" D ",\"event\":\"done\"}", "done", "deployment, pipeline" },
		{ "{" D ",\"event\":\"pipeline_request_failed\"}", "pipeline",
			"no event of a deployment" },
		{ "{\"object\":\"experiment/e\",\"event\":\"experiment_request_failed\"}",
			"experiment_", "deployment_request_failed" },
		{ "{" D "," C ",\"event\":\"failed\"}", "failed\"", "does not go with" },
		{ "{" D "," C ",\"request_id\":1.5}", "1.5", "string or a whole number" },
		{ "{" D "," C ",\"request_id\":1e3}", "1e3", "string or a whole number" },
		{ "{" D "," C ",\"request_id\":null}", "null", "string or a whole number" },
		{ "{" D "," C ",\"request_id\":\"\"}", "\"}", "request_id is empty" },
		{ "{" D "," C ",\"id\":\"a\\nb\"}", "\"a\\n", "control character" },
		{ "{" D "," C ",\"id\":\"a\\u0000\"}", "\"a\\u", "NUL" },
		{ "{" D "," C ",\"error_message\":\"\\u0000\"}", "\"\\u", "NUL" },
		{ "{" D "," C ",\"error_message\":{}}", "{}", "takes a string" },
		{ "{" D "," C ",\"metadata\":[]}", "[]", "metadata takes a JSON object" },
		{ "{" D "," C ",\"time\":\"now\"}", "now", "is no time" },
		{ "{" D "," C ",\"time\":\"2026-11-23\"}", "\"}", "is no time" },
		{ "{" D "," C ",\"pipeline_id\":\"x\"}", "x\"}", "deployment_id" },
		{ "{" D "," C ",\"experiment_version_id\":\"x\"}", "x\"}",
			"deployment_version_id" },
		{ "{" D "," C ",\"deployment_id\":1,\"pipeline_id\":2}", "\"pipeline_id",
			"deployment_id was given before" },
	};

	(void)state;
	check_mistakes(rows, COUNT(rows));
}

static void test_mistakes_in_words_have_their_column(void **state)
{
	static const struct mistake rows[] = {
		{ "", NULL, "object is missing" },
		{ " \t ", NULL, "object is missing" },
		{ "deployment/d", NULL, "give a status, or an event" },
		{ "fraud completed", "fraud", "deployment, pipeline" },
		{ "[1] completed", "[1]", "deployment, pipeline" },
		{ " 'deployment/d/' failed", "' failed", "VERSION is empty" },
		{ "pipeline/p  deployment_request_started", "deployment",
			"no event of a pipeline" },
		{ "experiment/e experiment_request_failed", "experiment_",
			"deployment_request_failed" },
		{ "deployment/d complete", "complete", "neither a status (pending" },
		{ "deployment/d model_request_failed", "model", "is no event" },
		{ "deployment/d completed failed", "failed", "is no FIELD=VALUE" },
		{ "deployment/d failed error_message=out of memory", "of", "needs quotes" },
		{ "deployment/d failed error_message='out", "'out", "closes" },
		{ "deployment/d failed object=deployment/e", "object", "object was given before" },
		{ "deployment/d failed status=failed", "status", "status was given before" },
		{ "deployment/d failed version=v1", "v1", "version does not go with object" },
		{ "deployment/d completed event=failed", "failed", "does not go with" },
		{ "deployment/d completed request_id=", "", "request_id is empty" },
		{ "deployment/d completed id='a\tb'", "a\t", "control character" },
		{ "deployment/d completed time=soon", "soon", "is no time" },
		{ "deployment/d completed result=ok", "k", "two pairs of quotes" },
		{ "deployment/d completed result={\"a\":1}", "{", "two pairs of quotes" },
		{ "deployment/d completed result='[1,?]'", "?", "result is no JSON" },
		{ "deployment/d completed result=", "", "result is no JSON" },
		{ "deployment/d completed metadata='[1]'", "[", "metadata takes a JSON object" },
		{ "deployment/d completed metadata='{\"a\":1,\"a\":2}'", "\":2", "duplicate" },
		{ "deployment/d completed pipeline_id=x", "x", "deployment_id" },
	};

	(void)state;
	check_mistakes(rows, COUNT(rows));
}

static void test_unknown_fields_are_named_with_a_hint(void **state)
{
	static const struct mistake rows[] = {
		{ "{" D "," C ",\"reqest_id\":1}", "\"req", "\"reqest_id\" is no field" },
		{ "{" D "," C ",\"reqest_id\":1}", "\"req", "is it to be request_id?" },
		{ "{" D "," C ",\"RESULT\":1}", "\"RES", "is it to be result?" },
		{ "{" D "," C ",\"deploymentid\":1}", "\"deploymentid", "to be deployment_id?" },
		{ "{" D "," C ",\"rquest_i\":1}", "\"rq", "is it to be request_id?" },
		{ "{" D "," C ",\"meta_data\":1}", "\"meta", "is it to be metadata?" },
		{ "{" D "," C ",\"error\":1}", "\"error", "put what is yours into metadata" },
		{ "{" D "," C ",\"x\":1}", "\"x", "\"x\" is no field of an event: put" },
		{ "{" D "," C ",\"\":1}", "\"\":", "\"\" is no field" },
		{ "{" D "," C ",\"a\\nb\":1}", "\"a\\n", "\"a?b\" is no field" },
		{ "{" D "," C ",\"result\":1,\"sub\":{\"id\":1}}", "\"sub", "\"sub\" is no field" },
		{ "{" D "," C ",\"model_id\":1}", "\"model", "\"model_id\" is no field" },
		{ "{" D "," C ",\"a_name_as_long_as_no_field_has_and_then_some_more_of_it\":1}",
			"\"a_name", "put what is yours into metadata" },
		{ "deployment/d failed eror_message=x", "eror", "is it to be error_message?" },
		{ "deployment/d failed note=x", "note", "put what is yours into metadata" },
		{ "deployment/d failed =x", "=", "\"\" is no field" },
		{ "deployment/d failed 'no te'=x", "'no", "\"no te\" is no field" },
	};

	(void)state;
	check_mistakes(rows, COUNT(rows));
}

static void test_bytes_that_are_no_text(void **state)
{
	static const struct {
		const char *line;
		size_t len, column;
		const char *says;
	} rows[] = {
#define ROW(line, column, says) { line, sizeof(line) - 1, column, says }
		ROW("deployment/d failed error_message=a\0b", 35, "NUL"),
		ROW("{" D "," C ",\"id\":\"\0\"}", 52, "NUL"),
		ROW("deployment/d failed error_message=\xff", 34, "UTF-8"),
		ROW("deployment/d failed error_message=\xed\xa0\x80", 34, "UTF-8"),
		ROW("{" D ",\"result\":\"\xc0\xaf\"}", 35, "UTF-8"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = { 0 };
		struct event e;
		int rc = parse(rows[i].line, rows[i].len, &err, &e);

		if (rc != -EINVAL || err.column != rows[i].column ||
			!strstr(err.sentence, rows[i].says))
			fail_msg("%s: %d, column %zu: %s", rows[i].line, rc, err.column,
				err.sentence);
	}
	/* A lone surrogate written as an escape. */
	check_mistakes(
		(struct mistake[]){ { "{\"id\":\"\\ud800\"}", "\"}", "invalid Unicode" } }, 1);
}

/* ---- limits */

/* FIELD=xxx… with n bytes, as words or as JSON. */
static int parse_long(const char *field, size_t n, bool json, struct err *err)
{
	struct buf line = BUF(2 * EVENT_LINE_MAX);
	struct event e;
	int rc;

	buf_addf(&line, json ? "{" D "," C ",\"%s\":\"" : "deployment/d completed %s=", field);
	for (size_t i = 0; i < n; i++)
		buf_addc(&line, 'x');
	buf_adds(&line, json ? "\"}" : "");
	rc = parse(buf_str(&line), line.len, err, &e);
	event_release(&e);
	buf_release(&line);
	return rc;
}

static void test_parts_have_a_longest_length(void **state)
{
	static const struct {
		const char *field;
		size_t max;
	} rows[] = {
		{ "request_id", EVENT_ID_MAX },
		{ "id", EVENT_ID_MAX },
		{ "deployment_id", EVENT_ID_MAX },
		{ "deployment_version_id", EVENT_ID_MAX },
		{ "error_message", EVENT_ERROR_MAX },
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		struct err err = { 0 };

		assert_int_equal(parse_long(rows[i / 2].field, rows[i / 2].max, i % 2, &err), 0);
		assert_int_equal(
			parse_long(rows[i / 2].field, rows[i / 2].max + 1, i % 2, &err), -E2BIG);
		assert_int_not_equal(err.column, ERR_NO_COLUMN);
		assert_non_null(strstr(err.sentence, rows[i / 2].field));
	}
}

/* A valid line of n bytes. */
static int parse_line_of(size_t n)
{
	static const char head[] = "{" D "," C ",\"result\":\"";
	char *line = malloc(n + 1);
	struct event e;
	int rc;

	assert_non_null(line);
	memset(line, 'x', n);
	memcpy(line, head, strlen(head));
	memcpy(line + n - 2, "\"}", 3);
	rc = parse(line, n, NULL, &e);
	event_release(&e);
	free(line);
	return rc;
}

static void test_a_line_has_a_longest_length(void **state)
{
	(void)state;
	assert_int_equal(parse_line_of(EVENT_LINE_MAX), 0);
	assert_int_equal(parse_line_of(EVENT_LINE_MAX + 1), -E2BIG);
}

/* ---- whole objects */

static void test_a_whole_object_needs_no_newline(void **state)
{
	static const struct {
		const char *text;
		bool complete;
	} rows[] = {
		{ "{}", true },
		{ " \t{} \n", true },
		{ "{\"a\":\"}\"}", true },
		{ "{\"a\":\"\\\"}\"}", true },
		{ "{\"a\":[{},{}]}", true },
		{ "{\"a\":\"\\\\\"}", true },
		{ "", false },
		{ " ", false },
		{ "{", false },
		{ "{\"a\":{}", false },
		{ "{\"a\":\"}", false },
		{ "{\"a\":\"\\\"}", false },
		{ "{\"a\":\"\\", false },
		{ "{} {}", false },
		{ "{}x", false },
		{ "[]", false },
		{ "}", false },
		{ "deployment/d completed", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *text = malloc(len ? len : 1);

		assert_non_null(text);
		memcpy(text, rows[i].text, len);
		if (event_json_complete(text, len) != rows[i].complete)
			fail_msg("%s", rows[i].text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_lines),
		cmocka_unit_test(test_word_lines),
		cmocka_unit_test(test_every_status_fires_its_phases),
		cmocka_unit_test(test_every_status_with_every_event),
		cmocka_unit_test(test_finished_with_an_error_has_failed),
		cmocka_unit_test(test_result_and_metadata_keep_every_byte),
		cmocka_unit_test(test_a_result_is_any_json),
		cmocka_unit_test(test_ids_are_strings_or_whole_numbers),
		cmocka_unit_test(test_mistakes_in_json_have_their_column),
		cmocka_unit_test(test_mistakes_in_words_have_their_column),
		cmocka_unit_test(test_unknown_fields_are_named_with_a_hint),
		cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_parts_have_a_longest_length),
		cmocka_unit_test(test_a_line_has_a_longest_length),
		cmocka_unit_test(test_a_whole_object_needs_no_newline),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
