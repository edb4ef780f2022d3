#include "model/attributes.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void parse(const char *text, struct attributes *out)
{
	struct err err = { 0 };

	if (attributes_from_json(text, strlen(text), &err, out))
		fail_msg("%s: %s", text, err.sentence);
}

static void what_was_never_changed_is_absent(void **state)
{
	struct attributes a = { 0 };
	struct buf json = BUF(ATTRIBUTES_JSON_MAX);

	(void)state;
	assert_null(attributes_find(&a, "events"));
	attributes_json(&a, &json);
	assert_string_equal(buf_str(&json), "{}\n");
	buf_release(&json);
}

static void json_reads_back_as_what_it_was(void **state)
{
	struct attributes a = { 0 }, back = { 0 };
	struct buf json = BUF(ATTRIBUTES_JSON_MAX);

	(void)state;
	attributes_get(&a, ATTRIBUTES_ROOT)->mode = 0750;
	attributes_get(&a, "hooks")->mode = 03777;
	attributes_get(&a, "events")->gid = 1000;
	attributes_get(&a, "events")->mode = 0620;
	attributes_get(&a, "log")->uid = 0;
	attributes_json(&a, &json);
	assert_int_equal(buf_error(&json), 0);
	parse(buf_str(&json), &back);
	assert_int_equal(back.count, 4);
	for (size_t i = 0; i < a.count; i++) {
		const struct attribute *at = attributes_find(&back, a.list[i].name);

		assert_non_null(at);
		assert_int_equal(at->mode, a.list[i].mode);
		assert_int_equal(at->uid, a.list[i].uid);
		assert_int_equal(at->gid, a.list[i].gid);
	}
	assert_int_equal(attributes_find(&back, "events")->uid, HOOK_OWNER_UNSET);
	assert_int_equal(attributes_find(&back, "log")->mode, HOOK_MODE_UNSET);
	buf_release(&json);
}

static void what_is_none_of_ours_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "no JSON" },
		{ "{\"log\":{\"mode\":\"0440\"}", "no JSON" },
		{ "[]", "object" },
		{ "{\"log\":3}", "log: an object" },
		{ "{\"log\":{\"own\":3}}", "log: unknown field own" },
		{ "{\"log\":{\"mode\":440}}", "log: mode: a string" },
		{ "{\"log\":{\"mode\":\"rw\"}}", "log: mode: an octal" },
		{ "{\"log\":{\"mode\":\"04755\"}}", "log: mode: an octal number up to 3777" },
		{ "{\"log\":{\"mode\":\"-1\"}}", "log: mode" },
		{ "{\"log\":{\"uid\":-1}}", "log: a user's" },
		{ "{\"log\":{\"gid\":4294967295}}", "log: a user's" },
		{ "{\"log\":{},\"log\":{}}", "duplicate" },
		{ "{\"a-name-that-is-longer-than-any-file-here\":{}}", "no such file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attributes a = { .count = 77 };
		struct err err = { 0 };

		assert_int_equal(attributes_from_json(rows[i].text, strlen(rows[i].text), &err, &a),
			-EINVAL);
		if (!strstr(err.sentence, rows[i].says))
			fail_msg("%s: %s", rows[i].text, err.sentence);
		assert_int_equal(a.count, 77);
	}
}

static void there_is_room_for_so_many_and_no_more(void **state)
{
	struct attributes a = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < ATTRIBUTES_MAX; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		assert_non_null(attributes_get(&a, name));
	}
	assert_null(attributes_get(&a, "one more"));
	assert_non_null(attributes_get(&a, "file3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_never_changed_is_absent),
		cmocka_unit_test(json_reads_back_as_what_it_was),
		cmocka_unit_test(what_is_none_of_ours_is_refused_and_changes_nothing),
		cmocka_unit_test(there_is_room_for_so_many_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
