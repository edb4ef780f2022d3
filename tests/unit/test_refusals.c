#include "model/refusals.h"
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

#define TIME_MS INT64_C(1795429440123) /* 2026-11-23T10:24:00.123Z */
#define TIME    "2026-11-23T10:24:00.123Z "

static const struct who someone = { .uid = 1000, .gid = 100, .pid = 4711 };

struct fixture {
	struct refusals refusals;
	struct buf shown;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	buf_init(&f->shown, 1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_release(&f->shown);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *file, struct who who, const char *text,
	size_t column, const char *sentence)
{
	struct err err = { 0 };

	(void)err_set(&err, EINVAL, column, "%s", sentence);
	refusals_add(&f->refusals, TIME_MS, file, who, text, text ? strlen(text) : 0, &err);
}

static const char *shown(struct fixture *f)
{
	buf_reset(&f->shown);
	refusals_show(&f->refusals, &f->shown);
	return buf_str(&f->shown);
}

static void an_entry_tells_time_file_user_text_place_and_why(void **state)
{
	struct fixture *f = *state;

	add(f, "hooks/slack/event", someone, "failled", 5, "no event");
	assert_string_equal(shown(f),
		TIME "hooks/slack/event uid=1000 pid=4711 EINVAL\n"
		     "    failled\n"
		     "         ^\n"
		     "    no event\n");
}

static void an_unknown_writer_is_a_dash(void **state)
{
	struct fixture *f = *state;

	add(f, "events.fifo", WHO_UNKNOWN, NULL, ERR_NO_COLUMN, "why");
	add(f, "spool/x", (struct who){ .uid = 0 }, NULL, ERR_NO_COLUMN, "why");
	assert_string_equal(shown(f),
		TIME "events.fifo uid=- pid=- EINVAL\n    why\n" TIME
		     "spool/x uid=0 pid=- EINVAL\n    why\n");
}

static void a_strangers_name_is_one_word(void **state)
{
	struct fixture *f = *state;

	add(f, "hooks/a uid=0\npid=1\\\xff\xc2\x9b\xc3\xa9", someone, NULL, ERR_NO_COLUMN,
		"a\nb\xff\xc2\x9b\xc3\xa9");
	assert_string_equal(shown(f),
		TIME
		"hooks/a\\x20uid=0\\x0apid=1\\x5c\\xff\\xc2\\x9b\xc3\xa9 uid=1000 pid=4711 EINVAL\n"
		"    a?b???\xc3\xa9\n");
}

static void a_long_name_is_cut_between_characters(void **state)
{
	struct fixture *f = *state;
	char name[512] = "hooks/";

	memset(name + 6, '\1', 255);
	name[6 + 255] = '\0';
	add(f, name, someone, NULL, ERR_NO_COLUMN, "why");
	assert_non_null(strstr(shown(f), "\\x01... uid=1000"));
	for (const char *p = shown(f); *p; p++)
		assert_true(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f));
}

static void a_refusal_that_comes_again_is_counted(void **state)
{
	struct fixture *f = *state;
	const struct who other = { .uid = 1001, .gid = 100, .pid = 4711 };

	for (int i = 0; i < 3; i++)
		add(f, "events", someone, "x", 0, "why");
	assert_string_equal(
		shown(f), TIME "events uid=1000 pid=4711 EINVAL times=3\n    x\n    ^\n    why\n");
	add(f, "events", other, "x", 0, "why");
	assert_non_null(strstr(shown(f), "uid=1001 pid=4711 EINVAL\n"));
}

static void only_the_last_are_kept(void **state)
{
	struct fixture *f = *state;
	char file[32];

	for (int i = 0; i < REFUSALS_MAX + 5; i++) {
		snprintf(file, sizeof(file), "file%d", i);
		add(f, file, someone, NULL, ERR_NO_COLUMN, "why");
	}
	assert_null(strstr(shown(f), " file4 "));
	assert_non_null(strstr(shown(f), " file5 "));
	assert_non_null(strstr(shown(f), " file36 "));
}

static void who_has_the_most_pushes_out_his_own(void **state)
{
	static const struct who root = { .uid = 0, .pid = 1 }, other = { .uid = 1001, .pid = 2 };
	struct fixture *f = *state;
	char file[32];

	add(f, "of-root", root, NULL, ERR_NO_COLUMN, "why");
	add(f, "of-other", other, NULL, ERR_NO_COLUMN, "why");
	for (int i = 0; i < 3 * REFUSALS_MAX; i++) {
		snprintf(file, sizeof(file), "file%d", i);
		add(f, file, someone, NULL, ERR_NO_COLUMN, "why");
	}
	assert_non_null(strstr(shown(f), " of-root "));
	assert_non_null(strstr(shown(f), " of-other "));
	assert_null(strstr(shown(f), " file65 "));
	assert_non_null(strstr(shown(f), " file66 "));
	assert_non_null(strstr(shown(f), " file95 "));
	/* And who had few gets more. */
	for (int i = 0; i < 3 * REFUSALS_MAX; i++) {
		snprintf(file, sizeof(file), "more%d", i);
		add(f, file, other, NULL, ERR_NO_COLUMN, "why");
	}
	assert_non_null(strstr(shown(f), " of-root "));
	assert_non_null(strstr(shown(f), " more81 "));
	assert_non_null(strstr(shown(f), " file95 "));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_has_the_most_pushes_out_his_own),
		TEST(an_entry_tells_time_file_user_text_place_and_why),
		TEST(an_unknown_writer_is_a_dash),
		TEST(a_strangers_name_is_one_word),
		TEST(a_long_name_is_cut_between_characters),
		TEST(a_refusal_that_comes_again_is_counted),
		TEST(only_the_last_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
