/* What one thread is not shown of a hook that it has just made; the rest is tested on a mount. */
#include "fs/hidden.h"

#include "model/hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ME    10
#define OTHER 11
#define NOW   1000

static struct types types;
static struct hook *hook;
static struct hidden hidden;

static int make(void **state)
{
	(void)state;
	memset(&hidden, 0, sizeof(hidden));
	hook = hook_new("h", &types);
	hook->id = 5;
	return 0;
}

static int release(void **state)
{
	(void)state;
	hidden_release(&hidden);
	hook_free(hook);
	return 0;
}

static struct node setting(size_t slot)
{
	return (struct node){ .kind = NODE_SETTING,
		.ino = 0x50300 + slot,
		.hook = hook,
		.setting = &hook_settings[slot] };
}

/* As cp does: looks for it, makes it, looks at it and then for its first file. */
static void copier(int32_t pid)
{
	hidden_sought(&hidden, "h", pid, NOW);
	hidden_sought(&hidden, "h", pid, NOW);
	assert_true(hidden_fresh(&hidden, 5, "h", pid, NOW));
	hidden_looked(&hidden, 5, pid, NOW);
	hidden_looked(&hidden, 5, pid, NOW);
}

static void test_a_copier_makes_file_after_file(void **state)
{
	(void)state;
	copier(ME);
	for (size_t i = 0; i < hook_settings_count; i++) {
		struct node n = setting(i);
		assert_true(hidden_unmade(&hidden, &n, ME, NOW));
		assert_true(hidden_make(&hidden, &n, ME, true, NOW));
		assert_false(hidden_unmade(&hidden, &n, ME, NOW));
		assert_false(hidden_make(&hidden, &n, ME, true, NOW));
	}
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
}

static void test_others_see_everything(void **state)
{
	struct node n = setting(0);

	(void)state;
	copier(ME);
	assert_false(hidden_unmade(&hidden, &n, OTHER, NOW));
	assert_false(hidden_make(&hidden, &n, OTHER, true, NOW));
	assert_false(hidden_filling(&hidden, 5, OTHER, NOW));
}

static void test_who_only_makes_a_hook_sees_it(void **state)
{
	(void)state;
	assert_false(hidden_fresh(&hidden, 5, "h", ME, NOW));
	hidden_sought(&hidden, "h", ME, NOW);
	hidden_sought(&hidden, "other", ME, NOW);
	hidden_sought(&hidden, "h", OTHER, NOW);
	assert_false(hidden_fresh(&hidden, 5, "h", ME, NOW));
}

/* As tar does: makes it, and then its files by removing what is there. */
static void extractor(int32_t pid)
{
	assert_false(hidden_fresh(&hidden, 5, "h", pid, NOW));
	hidden_empties(&hidden, 5, pid, NOW);
}

static void test_who_removes_a_file_of_a_hook_that_it_made_fills_it(void **state)
{
	struct node n = setting(0);

	(void)state;
	hidden_empties(&hidden, 5, ME, NOW);
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
	assert_false(hidden_fresh(&hidden, 5, "h", ME, NOW));
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
	hidden_empties(&hidden, 5, ME, NOW);
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
	assert_false(hidden_fills(&hidden, 5));
	assert_false(hidden_unmade(&hidden, &n, ME, NOW));
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
	hidden_new_file(&hidden, &n, ME, true, NOW);
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
	hidden_end(&hidden, OTHER);
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
	hidden_end(&hidden, ME);
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
	extractor(ME);
	assert_false(hidden_filling(&hidden, 5, ME, NOW + HIDDEN_MS));
	hidden_new_file(&hidden, &n, ME, false, NOW);
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
}

static void test_hooks_that_nobody_fills_push_out_none_that_are_filled(void **state)
{
	(void)state;
	copier(ME);
	for (int64_t id = 6; id < 6 + 3 * FRESH_MAX; id++)
		assert_false(hidden_fresh(&hidden, id, "other", OTHER, NOW));
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
	for (int32_t pid = OTHER; pid < OTHER + FRESH_MAX - 1; pid++)
		copier(pid);
	assert_true(hidden_filling(&hidden, 5, ME, NOW));
}

static void test_who_does_not_look_at_the_hook_itself_is_no_copier(void **state)
{
	struct node n = setting(0);

	(void)state;
	hidden_sought(&hidden, "h", ME, NOW);
	hidden_sought(&hidden, "h", ME, NOW);
	assert_true(hidden_fresh(&hidden, 5, "h", ME, NOW));
	hidden_looked(&hidden, 5, ME, NOW);
	assert_false(hidden_unmade(&hidden, &n, ME, NOW));
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
}

static void test_who_looks_for_two_files_and_makes_none_is_no_copier(void **state)
{
	struct node a = setting(0), b = setting(1);

	(void)state;
	copier(ME);
	assert_true(hidden_unmade(&hidden, &a, ME, NOW));
	assert_false(hidden_unmade(&hidden, &b, ME, NOW));
	assert_false(hidden_unmade(&hidden, &a, ME, NOW));
}

static void test_who_waits_for_a_file_is_shown_it(void **state)
{
	struct node n = setting(0);

	(void)state;
	copier(ME);
	for (int i = 0; i < 3; i++)
		assert_true(hidden_unmade(&hidden, &n, ME, NOW));
	assert_false(hidden_unmade(&hidden, &n, ME, NOW));
}

static void test_what_is_opened_without_o_excl_is_made_and_the_last(void **state)
{
	struct node a = setting(0), b = setting(1);

	(void)state;
	copier(ME);
	assert_true(hidden_unmade(&hidden, &a, ME, NOW));
	assert_true(hidden_make(&hidden, &a, ME, false, NOW));
	assert_false(hidden_unmade(&hidden, &b, ME, NOW));
}

static void test_a_file_with_a_value_is_there(void **state)
{
	struct node n = setting(0);

	(void)state;
	copier(ME);
	hook_file_get(hook, n.setting->name)->written = 1;
	assert_false(hidden_unmade(&hidden, &n, ME, NOW));
	assert_false(hidden_make(&hidden, &n, ME, true, NOW));
}

static void test_it_ends_with_time_and_with_another_writer(void **state)
{
	struct node n = setting(0);
	int32_t other = 0;

	(void)state;
	copier(ME);
	assert_false(hidden_filling(&hidden, 5, ME, NOW + HIDDEN_MS));
	assert_false(hidden_seen(&hidden, &n, ME, &other));
	assert_true(hidden_seen(&hidden, &n, OTHER, &other));
	assert_int_equal(other, ME);
	assert_false(hidden_seen(&hidden, &n, OTHER, &other));
	assert_false(hidden_filling(&hidden, 5, ME, NOW));
}

static void remove_one(uint64_t dir, int number, int32_t pid, int64_t now_ms)
{
	char name[32];
	struct before before = { 0 };
	snprintf(name, sizeof(name), "name%d", number);
	hidden_add(&hidden, dir, name, pid, 2, &before, now_ms);
}

static void test_who_removes_many_files_pushes_out_nobody_elses(void **state)
{
	(void)state;
	remove_one(1, 0, ME, NOW);
	for (int i = 0; i < 2 * HIDDEN_MAX; i++)
		remove_one(3, i, OTHER, NOW + 1);
	assert_true(hidden_has(&hidden, 1, "name0", ME, NOW + 1));
	assert_true(hidden_has(&hidden, 3, "name511", OTHER, NOW + 1));
	assert_false(hidden_has(&hidden, 3, "name0", OTHER, NOW + 1));
	/* Nor do many, if their directories go. */
	for (int32_t pid = 100; pid < 200; pid++) {
		for (int i = 0; i < 20; i++)
			remove_one((uint64_t)pid, i, pid, NOW + 2);
		hidden_drop_dir(&hidden, (uint64_t)pid);
	}
	assert_true(hidden_has(&hidden, 1, "name0", ME, NOW + 2));
}

static void test_what_is_put_aside_is_gone_until_it_is_made(void **state)
{
	(void)state;
	hidden_aside(&hidden, 1, "url", ME, 2, NOW);
	assert_true(hidden_has(&hidden, 1, "url", ME, NOW));
	assert_false(hidden_has(&hidden, 1, "url", OTHER, NOW));
	assert_false(hidden_back(&hidden, 1, "url", OTHER, NOW));
	assert_true(hidden_back(&hidden, 1, "url", ME, NOW));
	assert_false(hidden_has(&hidden, 1, "url", ME, NOW));
	assert_false(hidden_back(&hidden, 1, "url", ME, NOW));
}

static void test_a_writer_is_known_for_a_while(void **state)
{
	(void)state;
	hidden_written(&hidden, 2, ME, NOW);
	assert_true(hidden_wrote(&hidden, 2, ME, NOW));
	assert_false(hidden_wrote(&hidden, 2, OTHER, NOW));
	assert_false(hidden_wrote(&hidden, 3, ME, NOW));
	assert_false(hidden_wrote(&hidden, 2, ME, NOW + HIDDEN_MS));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, make, release)
	const struct CMUnitTest tests[] = {
		EACH(test_a_copier_makes_file_after_file),
		EACH(test_others_see_everything),
		EACH(test_who_only_makes_a_hook_sees_it),
		EACH(test_who_removes_a_file_of_a_hook_that_it_made_fills_it),
		EACH(test_hooks_that_nobody_fills_push_out_none_that_are_filled),
		EACH(test_who_does_not_look_at_the_hook_itself_is_no_copier),
		EACH(test_who_looks_for_two_files_and_makes_none_is_no_copier),
		EACH(test_who_waits_for_a_file_is_shown_it),
		EACH(test_what_is_opened_without_o_excl_is_made_and_the_last),
		EACH(test_a_file_with_a_value_is_there),
		EACH(test_it_ends_with_time_and_with_another_writer),
		EACH(test_who_removes_many_files_pushes_out_nobody_elses),
		EACH(test_what_is_put_aside_is_gone_until_it_is_made),
		EACH(test_a_writer_is_known_for_a_while),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
