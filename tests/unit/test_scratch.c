#include "fs/scratch.h"

#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIR 7
#define NOW 1000

static struct scratches *all;

static int make_all(void **state)
{
	(void)state;
	all = scratches_new();
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	scratches_free(all);
	return 0;
}

static struct scratch *make(int64_t hook_id, const char *name)
{
	struct scratch *f;
	assert_int_equal(scratch_make(all, hook_id, DIR, name, NOW, NULL, &f), 0);
	return f;
}

static void put(struct scratch *f, const char *text, uint64_t offset)
{
	assert_int_equal(scratch_write(all, f, text, strlen(text), offset, NOW, NULL), 0);
}

static void assert_holds(struct scratch *f, const void *bytes, size_t len)
{
	const char *data = NULL;
	assert_int_equal(f->bytes.len, len);
	assert_int_equal(scratch_read(f, len + 1, 0, &data), len);
	assert_memory_equal(data, bytes, len);
}

static void test_names_of_tools_are_known(void **state)
{
	static const char *const tools[] = { ".url.swp", ".X.Ab12Cd", "X~", "#X#", "4913", "5036",
		"X.bak", "X.SWP", "X.swpx", "X.orig", "X.rej", "X.o3dF6gH", "X.new", "X.tmp" };
	static const char *const headers[] = { "X", "X-Bak", "X-Api-Version", "bak", "X.y", "49a",
		"123456789", "swp", "Content-Type" };

	(void)state;
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		assert_true(scratch_is_temporary(tools[i]));
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		assert_false(scratch_is_temporary(headers[i]));
}

static void test_slips_are_known(void **state)
{
	static const char *const slips[] = { "timeout", "TIMEOUT", "timeou", "imeout", "timeoutt",
		"timemout", "timeoud", "tiemout", "itmeout", "timeotu" };
	static const char *const others[] = { "time", "timeo", "timeout~", "timeout1",
		"timeout.new", ".timeout", "tuoemit", "tiemotu", "", "x" };

	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(*slips); i++)
		assert_true(scratch_is_slip(slips[i], "timeout"));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(scratch_is_slip(others[i], "timeout"));
	assert_false(scratch_is_slip("tmp", "url"));
	assert_true(scratch_is_slip("uri", "url"));
}

static void test_bytes_are_a_files(void **state)
{
	const char *data = NULL;
	struct scratch *f = make(1, "a");

	(void)state;
	put(f, "hello", 0);
	put(f, "y", 0);
	put(f, "lowed", 3);
	assert_holds(f, "yellowed", 8);
	put(f, "x", 10);
	assert_holds(f, "yellowed\0\0x", 11);
	assert_int_equal(scratch_truncate(all, f, 4, NOW, NULL), 0);
	assert_int_equal(scratch_truncate(all, f, 6, NOW, NULL), 0);
	assert_holds(f, "yell\0\0", 6);
	assert_int_equal(scratch_read(f, 2, 1, &data), 2);
	assert_memory_equal(data, "el", 2);
	assert_int_equal(scratch_read(f, 10, 6, &data), 0);
	assert_int_equal(scratch_read(f, 10, UINT64_MAX, &data), 0);
}

static void test_size_is_limited_and_a_refusal_changes_nothing(void **state)
{
	struct err err = { 0 };
	struct scratch *f = make(1, "a");

	(void)state;
	put(f, "text", 0);
	assert_int_equal(scratch_write(all, f, "x", 1, SCRATCH_SIZE_MAX, NOW, &err), -EFBIG);
	assert_int_equal(scratch_write(all, f, "x", 1, UINT64_MAX, NOW, &err), -EFBIG);
	assert_int_equal(scratch_truncate(all, f, SCRATCH_SIZE_MAX + 1, NOW, &err), -EFBIG);
	assert_non_null(strstr(err.sentence, "1048576"));
	assert_holds(f, "text", 4);
	assert_int_equal(scratch_write(all, f, "x", 1, SCRATCH_SIZE_MAX - 1, NOW, &err), 0);
	assert_int_equal(f->bytes.len, SCRATCH_SIZE_MAX);
}

static void test_a_hooks_bytes_are_limited_and_come_back(void **state)
{
	struct scratch *f[5];
	char name[2] = "a";

	(void)state;
	for (int i = 0; i < 5; i++, name[0]++)
		f[i] = make(1, name);
	for (int i = 0; i < 4; i++)
		assert_int_equal(scratch_truncate(all, f[i], SCRATCH_SIZE_MAX, NOW, NULL), 0);
	assert_int_equal(scratch_write(all, f[4], "x", 1, 0, NOW, NULL), -ENOSPC);
	put(make(2, "other"), "x", 0);
	assert_int_equal(scratch_truncate(all, f[0], 10, NOW, NULL), 0);
	put(f[4], "x", 0);
	scratch_unlink(all, f[1]);
	assert_int_equal(scratch_truncate(all, f[4], SCRATCH_SIZE_MAX, NOW, NULL), 0);
}

static void test_the_mounts_bytes_are_limited(void **state)
{
	struct scratch *f;

	(void)state;
	for (int64_t hook = 1; hook <= 16; hook++)
		for (char name[2] = "a"; name[0] <= 'd'; name[0]++) {
			assert_int_equal(
				scratch_make(all, hook, (uint64_t)hook, name, NOW, NULL, &f), 0);
			assert_int_equal(scratch_truncate(all, f, SCRATCH_SIZE_MAX, NOW, NULL), 0);
		}
	assert_int_equal(scratch_make(all, 17, 17, "x", NOW, NULL, &f), 0);
	assert_int_equal(scratch_write(all, f, "x", 1, 0, NOW, NULL), -ENOSPC);
	scratch_drop_hook(all, 1);
	put(f, "x", 0);
}

static void test_number_is_limited_by_hook_and_mount(void **state)
{
	struct scratch *f;
	struct err err = { 0 };
	char name[16];
	int64_t hook = 1;

	(void)state;
	for (int i = 0; i < SCRATCH_FILES; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		int r = scratch_make(all, hook, DIR, name, NOW, &err, &f);
		if (i && i % SCRATCH_HOOK_FILES == 0) {
			assert_int_equal(r, -ENOSPC);
			r = scratch_make(all, ++hook, DIR, name, NOW, &err, &f);
		}
		assert_int_equal(r, 0);
	}
	assert_int_equal(scratch_make(all, ++hook, DIR, "x", NOW, &err, &f), -ENOSPC);
	scratch_unlink(all, scratch_find(all, DIR, "f5"));
	assert_int_equal(scratch_make(all, hook, DIR, "x", NOW, &err, &f), 0);
}

static void test_a_name_is_limited(void **state)
{
	char name[SCRATCH_NAME_MAX + 2];
	struct scratch *f;

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(scratch_make(all, 1, DIR, name, NOW, NULL, &f), -ENAMETOOLONG);
	f = make(1, name + 1);
	assert_int_equal(scratch_rename(all, f, DIR, name, NOW, NULL), -ENAMETOOLONG);
	assert_string_equal(f->name, name + 1);
}

static void test_what_is_unlinked_lives_until_it_is_closed(void **state)
{
	struct scratch *f = make(1, "a");
	int64_t id = f->id;

	(void)state;
	scratch_open(f, NOW);
	scratch_open(f, NOW);
	put(f, "text", 0);
	scratch_unlink(all, f);
	assert_null(scratch_find(all, DIR, "a"));
	assert_null(scratch_next(all, DIR, 0));
	assert_ptr_equal(scratch_by_id(all, id), f);
	scratch_close(all, f, NOW);
	assert_holds(f, "text", 4);
	scratch_close(all, f, NOW);
	assert_null(scratch_by_id(all, id));
	assert_true(make(1, "a")->id > id);
}

static void test_rename_replaces(void **state)
{
	struct scratch *a = make(1, "a"), *b = make(1, "b");

	(void)state;
	scratch_open(b, NOW);
	assert_int_equal(scratch_rename(all, a, DIR, "b", NOW, NULL), 0);
	assert_ptr_equal(scratch_find(all, DIR, "b"), a);
	assert_null(scratch_find(all, DIR, "a"));
	assert_null(b->name);
	scratch_close(all, b, NOW);
	assert_int_equal(scratches_count(all), 1);
	assert_int_equal(scratch_rename(all, a, DIR, "b", NOW, NULL), 0);
	assert_int_equal(scratch_rename(all, a, DIR + 1, "b", NOW, NULL), 0);
	assert_null(scratch_find(all, DIR, "b"));
	assert_ptr_equal(scratch_find(all, DIR + 1, "b"), a);
}

static void test_a_listing_goes_by_directory_and_id(void **state)
{
	struct scratch *a = make(1, "b"), *b = make(1, "a"), *other;

	(void)state;
	assert_int_equal(scratch_make(all, 1, DIR + 1, "a", NOW, NULL, &other), 0);
	assert_ptr_equal(scratch_next(all, DIR, 0), a);
	assert_ptr_equal(scratch_next(all, DIR, a->id), b);
	assert_null(scratch_next(all, DIR, b->id));
	assert_ptr_equal(scratch_find(all, DIR + 1, "a"), other);
}

static void count(void *ctx, const struct scratch *f)
{
	assert_non_null(f->name);
	++*(int *)ctx;
}

static void test_what_is_not_used_goes(void **state)
{
	struct scratch *old = make(1, "old"), *open = make(1, "open"), *used = make(1, "used");
	int told = 0;

	(void)state;
	(void)old;
	scratch_open(open, NOW);
	scratch_expire(all, NOW + SCRATCH_AGE_MS - 1, count, &told);
	assert_int_equal(told, 0);
	assert_int_equal(scratch_write(all, used, "x", 1, 0, NOW + 1, NULL), 0);
	scratch_expire(all, NOW + SCRATCH_AGE_MS, count, &told);
	assert_int_equal(told, 1);
	assert_null(scratch_find(all, DIR, "old"));
	assert_non_null(scratch_find(all, DIR, "open"));
	assert_non_null(scratch_find(all, DIR, "used"));
	scratch_close(all, open, NOW + 5);
	scratch_expire(all, NOW + SCRATCH_AGE_MS + 5, count, &told);
	assert_int_equal(told, 3);
	assert_int_equal(scratches_count(all), 0);
}

static void test_a_clock_that_is_set_back_keeps_nothing_for_ever(void **state)
{
	(void)state;
	(void)make(1, "a");
	scratch_expire(all, NOW - 500, NULL, NULL);
	assert_int_equal(scratches_count(all), 1);
	scratch_expire(all, NOW - 500 + SCRATCH_AGE_MS, NULL, NULL);
	assert_int_equal(scratches_count(all), 0);
}

static void test_a_copy_that_is_written_is_no_copy(void **state)
{
	struct scratch *f = make(1, "a");

	(void)state;
	f->origin = (struct before){ .known = true, .text = BUF_SECRET(100) };
	buf_adds(&f->origin.text, "secret");
	put(f, "x", 0);
	assert_false(f->origin.known);
	assert_null(f->origin.text.data);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, make_all, free_all)
	const struct CMUnitTest tests[] = {
		EACH(test_names_of_tools_are_known),
		EACH(test_slips_are_known),
		EACH(test_bytes_are_a_files),
		EACH(test_size_is_limited_and_a_refusal_changes_nothing),
		EACH(test_a_hooks_bytes_are_limited_and_come_back),
		EACH(test_the_mounts_bytes_are_limited),
		EACH(test_number_is_limited_by_hook_and_mount),
		EACH(test_a_name_is_limited),
		EACH(test_what_is_unlinked_lives_until_it_is_closed),
		EACH(test_rename_replaces),
		EACH(test_a_listing_goes_by_directory_and_id),
		EACH(test_what_is_not_used_goes),
		EACH(test_a_clock_that_is_set_back_keeps_nothing_for_ever),
		EACH(test_a_copy_that_is_written_is_no_copy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
