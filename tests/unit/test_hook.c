#include "model/hook.h"

#include "util/buf.h"
#include "util/err.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "pems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct types types;

static int setup(void **state)
{
	(void)state;
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

/* ---- helpers */

static const struct setting *row(const char *name)
{
	const struct setting *s = setting_find(hook_settings, hook_settings_count, name);

	assert_non_null(s);
	return s;
}

static struct err last;

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

/* A row that protects shows nothing of its value. */
static bool is_protected(const struct setting *s)
{
	return (s->mode & 044) == 0;
}

static void refuses(struct hook *h, const char *name, const char *text, int code, size_t column)
{
	struct buf before = BUF(HOOK_JSON_MAX);

	hook_show(h, row(name), &before);
	if (store(h, name, text) != -code || last.column != column)
		fail_msg("%s: \"%s\": %d, column %zu: %s", name, text, last.code, last.column,
			last.sentence);
	shows(h, name, buf_str(&before));
	buf_release(&before);
}

static struct hook *complete(void)
{
	struct hook *h = hook_new("h", &types);

	assert_int_equal(store(h, "url", "https://example.com/T0/secret"), 0);
	assert_int_equal(store(h, "event", "failed"), 0);
	assert_int_equal(store(h, "object", "deployment/d"), 0);
	return h;
}

/* ---- the table, row by row */

static void every_row_is_filled_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];

		assert_true(s->name && s->def && s->mode);
		assert_true(s->grammar && *s->grammar);
		assert_true((s->example && *s->example) != (s->command && *s->command));
		assert_true(s->summary && isupper((unsigned char)s->summary[0]));
		assert_int_equal(s->summary[strlen(s->summary) - 1], '.');
		assert_ptr_equal(row(s->name), s);
		if (s->type == SETTING_CUSTOM)
			assert_true(s->parse && s->show && s->reset);
	}
}

static void every_row_stores_what_it_shows(void **state)
{
	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		struct hook *h = hook_new("h", &types);
		struct buf text = BUF(HOOK_JSON_MAX);

		shows(h, s->name, s->def);
		assert_int_equal(store(h, s->name, s->def), 0);
		shows(h, s->name, s->def);
		if (store(h, s->name, row_example(s)) < 0)
			fail_msg("%s: %s", s->name, last.sentence);
		setting_show(s, h, &text);
		assert_true(text.len > 0);
		assert_int_equal(store(h, s->name, buf_str(&text)), 0);
		shows(h, s->name, is_protected(s) ? MASK : buf_str(&text));
		assert_int_equal(hook_protected(h, s->name), is_protected(s));
		if (is_protected(s))
			refuses(h, s->name, MASK, EINVAL, 0);
		assert_int_equal(store(h, s->name, ""), 0);
		shows(h, s->name, s->def);
		buf_release(&text);
		hook_free(h);
	}
}

static void every_row_refuses_junk(void **state)
{
	static const char *const junk[] = { "\x01", "\xff", "a\x1b[0m" };

	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		struct hook *h = complete();

		for (size_t j = 0; j < COUNT(junk); j++)
			assert_int_equal(store(h, hook_settings[i].name, junk[j]), -EINVAL);
		assert_true(hook_complete(h));
		hook_free(h);
	}
}

static void number_keeps_its_limits(struct hook *h, const struct setting *s, const char *unit)
{
	char text[32];

	if (s->min > 0) {
		snprintf(text, sizeof(text), "%" PRIu64 "%s", s->min - 1, unit);
		refuses(h, s->name, text, ERANGE, 0);
	}
	snprintf(text, sizeof(text), "%" PRIu64 "%s", s->max + 1, unit);
	refuses(h, s->name, text, ERANGE, 0);
	snprintf(text, sizeof(text), "%" PRIu64 "%s", s->min, unit);
	assert_int_equal(store(h, s->name, text), 0);
	snprintf(text, sizeof(text), "%" PRIu64 "%s", s->max, unit);
	assert_int_equal(store(h, s->name, text), 0);
}

static void every_row_keeps_its_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		struct hook *h = hook_new("h", &types);

		if (s->type == SETTING_DURATION) {
			number_keeps_its_limits(h, s, "ms");
		} else if (s->type == SETTING_UINT) {
			number_keeps_its_limits(h, s, "");
		} else if (s->type == SETTING_TEXT) {
			char *many = malloc(s->max + 2);

			assert_non_null(many);
			memset(many, 'a', s->max + 1);
			many[s->max + 1] = '\0';
			assert_int_equal(store(h, s->name, many), -E2BIG);
			free(many);
		}
		hook_free(h);
	}
}

static void the_three_that_make_it_complete(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct buf out = BUF(100);

	(void)state;
	hook_missing(h, &out);
	assert_string_equal(buf_str(&out), "url event object");
	assert_int_equal(store(h, "event", "failed"), 0);
	buf_reset(&out);
	hook_missing(h, &out);
	assert_string_equal(buf_str(&out), "url object");
	assert_int_equal(store(h, "object", "pipeline/p"), 0);
	assert_false(hook_complete(h));
	assert_int_equal(store(h, "url", "http://h/"), 0);
	assert_true(hook_complete(h));
	buf_reset(&out);
	hook_missing(h, &out);
	assert_int_equal(out.len, 0);
	assert_int_equal(store(h, "object", ""), 0);
	assert_false(hook_complete(h));
	buf_release(&out);
	hook_free(h);
}

/* ---- single rows */

static void events(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	takes(h, "event", "failed", "deployment_request_failed");
	takes(h, "event", "request_failed, started",
		"deployment_request_started\n"
		"deployment_request_failed");
	takes(h, "event", "failed\n\ndeployment_request_failed\n", "deployment_request_failed");
	takes(h, "event", "  pipeline_request_finished,completed ",
		"deployment_request_completed\npipeline_request_finished");
	refuses(h, "event", "failed nonsense", EINVAL, 7);
	refuses(h, "event", " failed,experiment_request_failed", EINVAL, 8);
	takes(h, "event", "failed", "deployment_request_failed");
	takes(h, "object", "pipeline/p", "pipeline/p");
	shows(h, "event", "pipeline_request_failed"); /* the short form goes along */
	takes(h, "object", "experiment/e", "experiment/e");
	shows(h, "event", "deployment_request_failed");
	hook_free(h);
}

static void event_and_object_fit(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	takes(h, "event", "deployment_request_failed", "deployment_request_failed");
	refuses(h, "object", "pipeline/p", EINVAL, 0);
	says("event is deployment_request_failed, which never happens to a pipeline: "
	     "write the short form `failed` to event first, or remove it");
	takes(h, "object", "experiment/e", "experiment/e");
	takes(h, "event", "", "");
	takes(h, "object", "pipeline/p", "pipeline/p");
	refuses(h, "event", "deployment_request_started", EINVAL, 0);
	says("deployment_request_started never happens to a pipeline");
	says("`started`");
	takes(h, "event", "deployment_request_started pipeline_request_started",
		"deployment_request_started\npipeline_request_started");
	takes(h, "event", "started", "pipeline_request_started");
	takes(h, "object", "experiment/e", "experiment/e");
	refuses(h, "event", "pipeline_request_failed", EINVAL, 0);
	says("an experiment");
	hook_free(h);
}

static void types_of_its_own(void **state)
{
	struct types own;
	struct hook *h;

	(void)state;
	assert_int_equal(types_parse(&own, "job:flow", 8, NULL), 0);
	h = hook_new("h", &own);
	takes(h, "event", "failed", "job_request_failed");
	takes(h, "object", "flow/f", "flow/f");
	shows(h, "event", "flow_request_failed");
	hook_free(h);
}

static void objects(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	takes(h, "object", " deployment/fraud-*/v[12] ", "deployment/fraud-*/v[12]");
	assert_string_equal(h->object.name, "fraud-*");
	refuses(h, "object", "deployment", EINVAL, 10);
	refuses(h, "object", "model/m", EINVAL, 0);
	assert_int_equal(store(h, "object", "experiment/e/v1"), -EINVAL);
	hook_free(h);
}

static void enabled(void **state)
{
	static const struct {
		const char *text, *shown;
		enum hook_enabled value;
	} rows[] = {
		{ "0", "0", HOOK_OFF },
		{ "1", "1", HOOK_ON },
		{ "no", "0", HOOK_OFF },
		{ "Yes", "1", HOOK_ON },
		{ "off", "0", HOOK_OFF },
		{ "on", "1", HOOK_ON },
		{ "FALSE", "0", HOOK_OFF },
		{ "true", "1", HOOK_ON },
		{ "paused", "paused", HOOK_PAUSED },
		{ "Paused ", "paused", HOOK_PAUSED },
		{ "gone", "gone", HOOK_GONE },
	};
	struct hook *h = hook_new("h", &types);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		takes(h, "enabled", rows[i].text, rows[i].shown);
		assert_int_equal(h->enabled, rows[i].value);
	}
	refuses(h, "enabled", "pause", EINVAL, 0);
	says("paused");
	refuses(h, "enabled", "2", EINVAL, 0);
	hook_free(h);
}

static void labels(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct buf many = BUF(100000);

	(void)state;
	takes(h, "labels", "b:2\na:1", "b:2\na:1");
	takes(h, "labels", "  team: fraud \n\n url:http://x:1 \n empty:\n",
		"team:fraud\nurl:http://x:1\nempty:");
	refuses(h, "labels", "team:a\nnothing", EINVAL, 14);
	refuses(h, "labels", "team:a\n  :b", EINVAL, 9);
	refuses(h, "labels", "team:a\nteams:b\nteam:c", EINVAL, 15);
	takes(h, "labels", "teams:a\nteam:b", "teams:a\nteam:b");
	refuses(h, "labels", "te am:a", EINVAL, 2);
	refuses(h, "labels", "team:\x01", EINVAL, 5);
	takes(h, "labels", " \n \n", "");

	for (int i = 0; i < HOOK_LABELS_MAX; i++)
		buf_addf(&many, "key%d:%0*d\n", i, HOOK_LABEL_MAX - 8, i);
	assert_int_equal(store(h, "labels", buf_str(&many)), 0);
	buf_adds(&many, "more:1");
	assert_int_equal(store(h, "labels", buf_str(&many)), -E2BIG);
	buf_reset(&many);
	buf_addf(&many, "k:%0*d", HOOK_LABEL_MAX - 1, 1);
	refuses(h, "labels", buf_str(&many), E2BIG, HOOK_LABEL_MAX);
	buf_release(&many);
	hook_free(h);
}

static void descriptions_count_characters(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct buf text = BUF(10000);

	(void)state;
	for (int i = 0; i < HOOK_DESCRIPTION_MAX; i++)
		buf_adds(&text, "\xf0\x9f\x8e\xa3");
	assert_int_equal(store(h, "description", buf_str(&text)), 0);
	buf_cut(&text, text.len - 4);
	buf_adds(&text, "ab");
	assert_int_equal(store(h, "description", buf_str(&text)), -E2BIG);
	takes(h, "description", "  in the middle  ", "in the middle");
	refuses(h, "description", "two\nlines", EINVAL, 3);
	buf_release(&text);
	hook_free(h);
}

static void masks_are_no_values(void **state)
{
	static const char sentence[] = "this is the mask, not the value";
	struct hook *h = complete();
	struct header *hd;

	(void)state;
	refuses(h, "url", MASK, EINVAL, 0);
	says(sentence);
	refuses(h, "url", "https://example.com/" MASK, EINVAL, 0);
	says(sentence);
	refuses(h, "url", " " MASK " ", EINVAL, 1);
	assert_int_equal(store(h, "url", "https://example.com/" MASK "/x"), 0);
	takes(h, "description", MASK, MASK); /* not protectable */

	assert_int_equal(hook_header_add(h, "X-A", false, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, MASK, strlen(MASK), &last), -EINVAL);
	says(sentence);
	assert_int_equal(hook_header_store(h, hd, "x" MASK, 1 + strlen(MASK), &last), 0);
	hook_free(h);
}

/* It would be refused when the hook is loaded again. */
static void what_has_a_mask_in_it_is_not_protected_later(void **state)
{
	static const char both[] = "{\"url\":\"http://x/" MASK "y\",\"url_protected\":true}";
	struct hook *h = complete(), *none = NULL;
	struct header *hd;

	(void)state;
	assert_int_equal(
		hook_from_json("h", &types, NULL, both, strlen(both), &last, &none), -EINVAL);
	assert_int_equal(store(h, "url", "https://example.com/" MASK "/x"), 0);
	assert_int_equal(hook_header_add(h, "X-A", false, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, "x" MASK, 1 + strlen(MASK), &last), 0);
	assert_int_equal(hook_chmod(h, "url", 0600, false, &last), -EINVAL);
	says("url has " MASK " in it");
	assert_int_equal(hook_chmod(h, "headers/X-A", 0600, true, &last), -EINVAL);
	assert_false(hd->protected);
	assert_int_equal(hook_chmod(h, "url", 0640, false, &last), 0);
	assert_int_equal(store(h, "url", "https://example.com/x"), 0);
	assert_int_equal(hook_chmod(h, "url", 0600, false, &last), 0);
	hook_free(h);
}

static void nor_is_a_mask_with_something_put_to_it(void **state)
{
	static const char sentence[] = "this is the mask, not the value";
	struct hook *h = complete();
	struct header *hd;

	(void)state;
	assert_int_equal(hook_chmod(h, "url", 0600, false, &last), 0);
	refuses(h, "url", "https://example.com/" MASK "x", EINVAL, 0);
	says(sentence);
	assert_int_equal(hook_header_add(h, "X-A", true, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, MASK "x", strlen(MASK) + 1, &last), -EINVAL);
	says(sentence);
	assert_int_equal(hook_header_store(h, hd, "x" MASK, strlen(MASK) + 1, &last), -EINVAL);
	assert_int_equal(store(h, "signature", "github"), 0);
	refuses(h, "secret", "x" MASK, EINVAL, 0);
	says(sentence);
	hook_free(h);
}

/* ---- names */

static void hook_names(void **state)
{
	static const char *const good[] = { "a", "webhook-1", "A_b.c~", "h\xc3\xb6ok",
		"\xe2\x82\xac" };
	static const struct {
		const char *name;
		size_t column;
	} bad[] = {
		{ "", 0 },
		{ ".a", 0 },
		{ "-a", 0 },
		{ "a b", 1 },
		{ "a\tb", 1 },
		{ "a/b", 1 },
		{ "a\x7f", 1 },
		{ "ab\xff", 2 },
		{ "a\xc2\x85z", 1 },
	};
	char long_name[HOOK_NAME_MAX + 1];
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(hook_name_check(good[i], strlen(good[i]), NULL), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(hook_name_check(bad[i].name, strlen(bad[i].name), &err), -EINVAL);
		assert_int_equal(err.column, bad[i].column);
	}
	memset(long_name, 'n', sizeof(long_name));
	assert_int_equal(hook_name_check(long_name, HOOK_NAME_MAX, NULL), 0);
	assert_int_equal(hook_name_check(long_name, HOOK_NAME_MAX + 1, NULL), -ENAMETOOLONG);
}

/* ---- modes */

static int chmod_to(struct hook *h, const char *file, mode_t mode)
{
	last = (struct err){ 0 };
	return hook_chmod(h, file, mode, false, &last);
}

static void modes_protect_the_url(void **state)
{
	struct hook *h = complete();

	(void)state;
	assert_false(hook_protected(h, "url"));
	shows(h, "url", "https://example.com/T0/secret");
	assert_int_equal(chmod_to(h, "url", 0640), 0);
	assert_false(hook_protected(h, "url"));
	assert_int_equal(chmod_to(h, "url", 0600), 0);
	assert_true(hook_protected(h, "url"));
	shows(h, "url", "https://example.com/" MASK);
	assert_string_equal(h->url, "https://example.com/T0/secret");
	assert_int_equal(chmod_to(h, "url", 0644), -EPERM);
	assert_int_equal(store(h, "url", "https://example.com/other"), 0);
	shows(h, "url", "https://example.com/" MASK);
	assert_int_equal(hook_chmod(h, "url", 0644, true, NULL), 0); /* its maker may */
	assert_int_equal(chmod_to(h, "url", 0600), 0);
	assert_int_equal(store(h, "url", ""), 0);
	shows(h, "url", "");
	assert_int_equal(chmod_to(h, "url", 0644), 0);
	assert_int_equal(store(h, "url", "https://example.com/x"), 0);
	shows(h, "url", "https://example.com/x");
	hook_free(h);
}

static void modes_of_other_files_are_kept(void **state)
{
	static const char *const files[] = { "", "headers", "timeout", "test", "config.json" };
	struct hook *h = complete();

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		assert_null(hook_file_find(h, files[i]));
		assert_int_equal(chmod_to(h, files[i], S_IFREG | 0620), 0);
		assert_int_equal(hook_file_find(h, files[i])->mode, 0620);
		assert_int_equal(hook_file_find(h, files[i])->uid, HOOK_OWNER_UNSET);
		assert_int_equal(chmod_to(h, files[i], 0755), 0);
		assert_int_equal(hook_file_find(h, files[i])->mode, 0755);
	}
	assert_false(hook_protected(h, "timeout"));
	assert_true(hook_protected(h, "config.json")); /* what is written there may hold secrets */
	hook_free(h);
}

/* ---- copies */

static void clones_stand_alone(void **state)
{
	struct hook *h = complete(), *c;
	struct header *hd;

	(void)state;
	h->id = 7;
	assert_int_equal(hook_header_add(h, "X-Empty", false, NULL, &hd), 0);
	assert_int_equal(hook_header_add(h, "Authorization", true, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, "Token 123", 9, NULL), 0);
	assert_int_equal(store(h, "labels", "a:1"), 0);
	assert_int_equal(store(h, "description", "text"), 0);
	assert_int_equal(store(h, "timeout", "3s"), 0);
	assert_int_equal(store(h, "retry", "7s 8s"), 0);
	assert_int_equal(store(h, "rate", "5/m"), 0);
	assert_int_equal(store(h, "signature", "github"), 0);
	assert_int_equal(store(h, "secret", "a raw secret"), 0);
	assert_int_equal(chmod_to(h, "url", 0600), 0);
	hook_file_get(h, "url")->uid = 5;
	c = hook_clone(h);
	assert_non_null(c);
	assert_int_equal(store(h, "url", "http://other"), 0);
	assert_int_equal(store(h, "labels", ""), 0);
	assert_int_equal(store(h, "retry", "9s"), 0);
	assert_int_equal(store(h, "secret", "another secret"), 0);
	assert_int_equal(store(h, "object", "deployment/other"), 0);
	hook_header_remove(h, hook_header_find(h, "Authorization"));
	hook_free(h);

	assert_int_equal(c->id, 7);
	assert_string_equal(c->name, "h");
	assert_string_equal(c->url, "https://example.com/T0/secret");
	assert_string_equal(c->object.name, "d");
	assert_string_equal(hook_header_find(c, "authorization")->value, "Token 123");
	assert_null(hook_header_find(c, "X-Empty")->value);
	assert_true(hook_protected(c, "url"));
	assert_int_equal(hook_file_find(c, "url")->uid, 5);
	shows(c, "labels", "a:1");
	shows(c, "description", "text");
	shows(c, "timeout", "3s");
	shows(c, "retry", "7s 8s");
	shows(c, "rate", "5/m");
	shows(c, "signature", "github");
	assert_string_equal(c->secret, "a raw secret");
	shows(c, "event", "deployment_request_failed");
	hook_free(c);
	hook_free(NULL);
}

static void files_have_a_limit(void **state)
{
	struct hook *h = hook_new("h", &types);
	char name[16];

	(void)state;
	for (int i = 0; i < HOOK_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_non_null(hook_file_get(h, name));
	}
	assert_null(hook_file_get(h, "more"));
	assert_non_null(hook_file_get(h, "f1"));
	assert_int_equal(h->file_count, HOOK_FILES_MAX);
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_filled_in),
		cmocka_unit_test(every_row_stores_what_it_shows),
		cmocka_unit_test(every_row_refuses_junk),
		cmocka_unit_test(every_row_keeps_its_limits),
		cmocka_unit_test(the_three_that_make_it_complete),
		cmocka_unit_test(events),
		cmocka_unit_test(event_and_object_fit),
		cmocka_unit_test(types_of_its_own),
		cmocka_unit_test(objects),
		cmocka_unit_test(enabled),
		cmocka_unit_test(labels),
		cmocka_unit_test(descriptions_count_characters),
		cmocka_unit_test(masks_are_no_values),
		cmocka_unit_test(what_has_a_mask_in_it_is_not_protected_later),
		cmocka_unit_test(nor_is_a_mask_with_something_put_to_it),
		cmocka_unit_test(hook_names),
		cmocka_unit_test(modes_protect_the_url),
		cmocka_unit_test(modes_of_other_files_are_kept),
		cmocka_unit_test(clones_stand_alone),
		cmocka_unit_test(files_have_a_limit),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
