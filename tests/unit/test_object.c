#include "model/object.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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

/* A copy without a NUL behind it, so that the sanitizer sees a parser that reads too far. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

/* ---- types */

static void test_types_keep_their_order(void **state)
{
	struct types t;

	(void)state;
	assert_int_equal(types_parse(&t, "b:a-1:deployment:experiment", 27, NULL), 0);
	assert_int_equal(t.count, 4);
	assert_int_equal(types_find(&t, "b", 1), 0);
	assert_int_equal(types_find(&t, "a-1", 3), 1);
	assert_int_equal(types_find(&t, "experiment", 10), 3);
	assert_int_equal(types_find(&t, "a", 1), -1);
	assert_int_equal(types_find(&t, "", 0), -1);
	assert_int_equal(types_find(&t, "B", 1), -1);
}

static void test_bad_types_are_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
		size_t column;
	} rows[] = {
		{ "", EINVAL, 0 },
		{ "deployment:", EINVAL, 11 },
		{ ":deployment", EINVAL, 0 },
		{ "a::b", EINVAL, 2 },
		{ "a:b:a", EINVAL, 4 },
		{ "a:B", EINVAL, 2 },
		{ "a:1b", EINVAL, 2 },
		{ "ab:a_b", EINVAL, 4 },
		{ "ab:a b", EINVAL, 4 },
		{ "a:request", EINVAL, 2 },
		{ "pipeline:experiment", EINVAL, ERR_NO_COLUMN },
		{ "a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p", E2BIG, 30 },
		{ "a:a2345678901234567890123456789012", E2BIG, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *text = exact(rows[i].text, len);
		struct types t = { .count = 4711 };
		struct err err = { 0 };
		int rc = types_parse(&t, text, len, &err);

		if (rc != -rows[i].code || err.column != rows[i].column || t.count != 4711)
			fail_msg("\"%s\": %d, column %zu: %s", rows[i].text, rc, err.column,
				err.sentence);
		free(text);
	}
}

static void test_the_most_types_fit_an_event_set(void **state)
{
	static const char most[] = "a:b:c:d:e:f:g:h:i:j:k:l:m:n:a234567890123456789012345678901";
	struct event_set s = { 0 };
	struct types t;

	(void)state;
	assert_int_equal(types_parse(&t, most, strlen(most), NULL), 0);
	assert_int_equal(t.count, TYPES_MAX);
	s.named = UINT64_C(1) << ((TYPES_MAX - 1) * PHASE_COUNT + PHASE_FINISHED);
	assert_int_equal(event_set_phases(&s, TYPES_MAX - 1), FINISHED);
	assert_int_equal(event_set_phases(&s, TYPES_MAX - 2), 0);
}

/* ---- objects */

static void check_shown(const char *text, const char *name, const char *version)
{
	struct buf shown = BUF(1024);
	struct object o;

	assert_int_equal(object_parse(&o, &types, true, text, strlen(text), NULL), 0);
	assert_string_equal(o.name, name);
	if (version)
		assert_string_equal(o.version, version);
	else
		assert_null(o.version);
	object_show(&o, &types, &shown);
	assert_string_equal(buf_str(&shown), text);
	object_release(&o);
	assert_null(o.name);
	buf_release(&shown);
}

static void test_objects_show_what_was_parsed(void **state)
{
	(void)state;
	check_shown("deployment/fraud", "fraud", NULL);
	check_shown("pipeline/p 1/v2", "p 1", "v2");
	check_shown("experiment/bert", "bert", NULL);
	check_shown("deployment/fraud-*/v[12]?", "fraud-*", "v[12]?");
	check_shown("deployment/ [a /\xc3\xa9", " [a ", "\xc3\xa9");
}

/* A name of n bytes behind "deployment/". */
static const char *long_object(size_t n)
{
	static char text[512];

	(void)snprintf(text, sizeof(text), "deployment/%0*d", (int)n, 0);
	return text;
}

static void test_parts_have_a_longest_length(void **state)
{
	struct err err = { 0 };
	struct object o;
	const char *text = long_object(OBJECT_PART_MAX);

	(void)state;
	assert_int_equal(object_parse(&o, &types, false, text, strlen(text), &err), 0);
	object_release(&o);
	text = long_object(OBJECT_PART_MAX + 1);
	assert_int_equal(object_parse(&o, &types, false, text, strlen(text), &err), -E2BIG);
	assert_int_equal(err.column, 11);
}

static void test_bad_objects_are_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		size_t column;
		const char *says;
	} rows[] = {
#define ROW(text, column, says) { text, sizeof(text) - 1, column, says }
		ROW("", 0, "deployment, pipeline, experiment"),
		ROW("foo/bar", 0, "\"foo\" is no object type"),
		ROW("Deployment/bar", 0, "deployment, pipeline, experiment"),
		ROW("deployments/bar", 0, "deployment, pipeline, experiment"),
		ROW("/bar", 0, "deployment, pipeline, experiment"),
		ROW("fraud", 0, "\"fraud\" is no object type"),
		ROW("deployment", 10, "NAME is missing"),
		ROW("deployment/", 11, "NAME is empty"),
		ROW("deployment//v1", 11, "NAME is empty"),
		ROW("deployment/x/", 13, "VERSION is empty"),
		ROW("deployment/x/v/w", 14, "'/'"),
		ROW("deployment/a\tb", 12, "control character"),
		ROW("deployment/a\0b", 12, "control character"),
		ROW("deployment/a\x7f", 12, "control character"),
		ROW("deployment/a/v\n", 14, "control character"),
		ROW("deployment/a\xff", 12, "UTF-8"),
		ROW("experiment/bert/v1", 16, "takes no VERSION"),
		ROW("experiment/bert/", 16, "takes no VERSION"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		size_t row = i / 2;
		char *text = exact(rows[row].text, rows[row].len);
		struct object o = { .type = 4711 };
		struct err err = { 0 };
		int rc = object_parse(&o, &types, i % 2, text, rows[row].len, &err);

		if (rc != -EINVAL || err.column != rows[row].column || o.type != 4711 ||
			!strstr(err.sentence, rows[row].says))
			fail_msg("\"%s\": %d, column %zu: %s", rows[row].text, rc, err.column,
				err.sentence);
		assert_int_equal(object_parse(&o, &types, i % 2, text, rows[row].len, NULL), rc);
		free(text);
	}
}

static void test_objects_are_made_of_their_parts(void **state)
{
	struct err err = { 0 };
	struct object o;

	(void)state;
	assert_int_equal(object_make(&o, &types, false, "pipeline", "p*", "v1", &err), 0);
	assert_int_equal(o.type, 1);
	assert_string_equal(o.name, "p*");
	assert_string_equal(o.version, "v1");
	object_release(&o);

	assert_int_equal(object_make(&o, &types, false, "experiment", "e", NULL, &err), 0);
	assert_null(o.version);
	object_release(&o);

	assert_int_equal(object_make(&o, &types, false, "build", "e", NULL, &err), -EINVAL);
	assert_int_equal(err.column, 0);
	assert_int_equal(object_make(&o, &types, false, "pipeline", "a/b", NULL, &err), -EINVAL);
	assert_int_equal(err.column, strlen("pipeline/a"));
	assert_int_equal(object_make(&o, &types, false, "pipeline", "a", "", &err), -EINVAL);
	assert_int_equal(err.column, strlen("pipeline/a/"));
	assert_int_equal(object_make(&o, &types, false, "experiment", "a", "v", &err), -EINVAL);
}

static void test_copies_are_their_own(void **state)
{
	struct object empty = { 0 };
	struct object o, copy;

	(void)state;
	assert_int_equal(object_parse(&o, &types, false, "pipeline/p/v", 12, NULL), 0);
	assert_int_equal(object_copy(&copy, &o), 0);
	object_release(&o);
	assert_int_equal(copy.type, 1);
	assert_string_equal(copy.name, "p");
	assert_string_equal(copy.version, "v");
	object_release(&copy);
	assert_int_equal(object_copy(&copy, &empty), 0);
	assert_null(copy.name);
}

static void test_wildcards_make_a_pattern(void **state)
{
	static const struct {
		const char *text;
		bool pattern;
	} rows[] = {
		{ "deployment/a", false },
		{ "deployment/a/b", false },
		{ "deployment/a*", true },
		{ "deployment/?", true },
		{ "deployment/[a", true },
		{ "deployment/a]", false },
		{ "deployment/a\\b", true },
		{ "deployment/a/v*", true },
	};
	struct object o = { 0 };

	(void)state;
	assert_false(object_is_pattern(&o));
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
			object_parse(&o, &types, true, rows[i].text, strlen(rows[i].text), NULL),
			0);
		assert_int_equal(object_is_pattern(&o), rows[i].pattern);
		object_release(&o);
	}
}

static void test_experiments_fold_into_the_training_deployment(void **state)
{
	static const char *const spellings[] = { "experiment/bert*",
		"deployment/training-base-deployment/bert*" };
	struct object o = { 0 };
	struct target t = object_target(&o, &types);

	(void)state;
	assert_null(t.name);
	for (size_t i = 0; i < COUNT(spellings); i++) {
		assert_int_equal(
			object_parse(&o, &types, true, spellings[i], strlen(spellings[i]), NULL),
			0);
		t = object_target(&o, &types);
		assert_int_equal(t.type, 0);
		assert_string_equal(t.name, TRAINING_DEPLOYMENT);
		assert_string_equal(t.version, "bert*");
		object_release(&o);
	}
	assert_int_equal(object_parse(&o, &types, false, "pipeline/bert", 13, NULL), 0);
	t = object_target(&o, &types);
	assert_int_equal(t.type, 1);
	assert_string_equal(t.name, "bert");
	assert_null(t.version);
	object_release(&o);
}

/* ---- events */

static void test_event_names_parse_and_show(void **state)
{
	static const char *const names[2][PHASE_COUNT] = {
		{ "deployment_request_started", "deployment_request_completed",
			"deployment_request_failed", "deployment_request_finished" },
		{ "pipeline_request_started", "pipeline_request_completed",
			"pipeline_request_failed", "pipeline_request_finished" },
	};

	(void)state;
	for (int i = 0; i < 2 * PHASE_COUNT; i++) {
		const char *name = names[i / PHASE_COUNT][i % PHASE_COUNT];
		const char *parts[] = { name, strstr(name, "request"), strrchr(name, '_') + 1 };
		struct buf shown = BUF(100);
		enum phase phase;
		int type;

		for (size_t j = 0; j < COUNT(parts); j++) {
			size_t len = strlen(parts[j]);
			char *text = exact(parts[j], len);

			type = 4711;
			assert_int_equal(
				event_name_parse(&types, text, len, NULL, &type, &phase), 0);
			assert_int_equal(type, j ? -1 : i / PHASE_COUNT);
			assert_int_equal(phase, i % PHASE_COUNT);
			free(text);
		}
		event_name_show(&types, (unsigned)i / PHASE_COUNT, phase, &shown);
		assert_string_equal(buf_str(&shown), name);
		buf_release(&shown);
	}
}

static void test_bad_event_names_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "TYPE one of deployment, pipeline, or" },
		{ "deployment_request_cancelled", "\"deployment_request_cancelled\" is no event" },
		{ "_failed", "deployment, pipeline" },
		{ "_request_failed", "deployment, pipeline" },
		{ "deployment_failed", "deployment, pipeline" },
		{ "deploymentrequest_failed", "deployment, pipeline" },
		{ "model_request_failed", "deployment, pipeline" },
		{ "FAILED", "deployment, pipeline" },
		{ "failed ", "deployment, pipeline" },
		{ "experiment_request_failed", "deployment_request_failed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *text = exact(rows[i].text, len);
		enum phase phase = PHASE_COUNT;
		struct err err = { 0 };
		int type = 4711;
		int rc = event_name_parse(&types, text, len, &err, &type, &phase);

		if (rc != -EINVAL || type != 4711 || phase != PHASE_COUNT ||
			!strstr(err.sentence, rows[i].says))
			fail_msg("\"%s\": %d: %s", rows[i].text, rc, err.sentence);
		free(text);
	}
}

static void test_event_sets_give_the_phases_of_a_type(void **state)
{
	struct event_set s = { 0 };

	(void)state;
	assert_true(event_set_empty(&s));
	assert_int_equal(event_set_phases(&s, 0), 0);
	s.named = UINT64_C(1) << (1 * PHASE_COUNT + PHASE_FAILED);
	assert_false(event_set_empty(&s));
	assert_int_equal(event_set_phases(&s, 0), 0);
	assert_int_equal(event_set_phases(&s, 1), FAILED);
	assert_int_equal(event_set_phases(&s, 2), 0);
	s.floating = STARTED;
	assert_int_equal(event_set_phases(&s, 0), STARTED);
	assert_int_equal(event_set_phases(&s, 1), STARTED | FAILED);
	s.named = 0;
	assert_false(event_set_empty(&s));
}

/* ---- statuses */

static void test_statuses(void **state)
{
	static const struct {
		const char *name;
		enum request_status status;
		unsigned phases;
	} rows[] = {
		{ "pending", STATUS_PENDING, 0 },
		{ "processing", STATUS_PROCESSING, STARTED },
		{ "completed", STATUS_COMPLETED, COMPLETED | FINISHED },
		{ "failed", STATUS_FAILED, FAILED | FINISHED },
		{ "cancelled", STATUS_CANCELLED, FINISHED },
		{ "cancelled_pending", STATUS_CANCELLED_PENDING, 0 },
	};
	static const char *const bad[] = { "", "Completed", "cancelled_", "started", "done" };
	enum request_status s = STATUS_NONE;

	(void)state;
	assert_int_equal(COUNT(rows), STATUS_COUNT - 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
			request_status_parse(rows[i].name, strlen(rows[i].name), NULL, &s), 0);
		assert_int_equal(s, rows[i].status);
		assert_string_equal(request_status_name(s), rows[i].name);
		assert_int_equal(request_status_phases(s), rows[i].phases);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = { 0 };

		s = STATUS_NONE;
		assert_int_equal(request_status_parse(bad[i], strlen(bad[i]), &err, &s), -EINVAL);
		assert_int_equal(s, STATUS_NONE);
		for (size_t j = 0; j < COUNT(rows); j++)
			assert_non_null(strstr(err.sentence, rows[j].name));
	}
}

static void test_a_phase_tells_a_status_that_fires_it(void **state)
{
	(void)state;
	assert_int_equal(phase_status(PHASE_STARTED), STATUS_PROCESSING);
	assert_int_equal(phase_status(PHASE_COMPLETED), STATUS_COMPLETED);
	assert_int_equal(phase_status(PHASE_FAILED), STATUS_FAILED);
	assert_int_equal(phase_status(PHASE_FINISHED), STATUS_COMPLETED);
	for (int p = 0; p < PHASE_COUNT; p++)
		assert_true(request_status_phases(phase_status(p)) & 1u << p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_keep_their_order),
		cmocka_unit_test(test_bad_types_are_refused),
		cmocka_unit_test(test_the_most_types_fit_an_event_set),
		cmocka_unit_test(test_objects_show_what_was_parsed),
		cmocka_unit_test(test_parts_have_a_longest_length),
		cmocka_unit_test(test_bad_objects_are_refused),
		cmocka_unit_test(test_objects_are_made_of_their_parts),
		cmocka_unit_test(test_copies_are_their_own),
		cmocka_unit_test(test_wildcards_make_a_pattern),
		cmocka_unit_test(test_experiments_fold_into_the_training_deployment),
		cmocka_unit_test(test_event_names_parse_and_show),
		cmocka_unit_test(test_bad_event_names_are_refused),
		cmocka_unit_test(test_event_sets_give_the_phases_of_a_type),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_a_phase_tells_a_status_that_fires_it),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
