/* Configurations are on disk whole or not at all, under their own names, for the owner only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "intake/confdir.h"
#include "model/hook.h"
#include "util/buf.h"

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each test works in an empty state directory of its own, which is also its current directory. */
static char state_dir[32];
static struct confdir *c;

static int enter(void **state)
{
	(void)state;
	(void)snprintf(state_dir, sizeof(state_dir), "/tmp/test_confdir.XXXXXX");
	if (!mkdtemp(state_dir) || chdir(state_dir) < 0)
		return -1;
	return confdir_open(state_dir, &c);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int leave(void **state)
{
	(void)state;
	confdir_close(c);
	c = NULL;
	return chdir("/") < 0 || nftw(state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0;
}

static void put(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
	char got[100];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	(void)fclose(f);
	assert_string_equal(got, text);
}

static void save(const char *name, const char *text)
{
	assert_int_equal(confdir_save(c, name, text, strlen(text)), 0);
}

/* All entries of hooks/ but "." and "..", in order, a blank behind each. */
static void assert_entries(const char *expected)
{
	struct buf got = BUF(1000);
	struct dirent **entries;
	int n = scandir("hooks", &entries, NULL, alphasort);

	assert_true(n >= 2);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			buf_addf(&got, "%s ", name);
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(buf_str(&got), expected);
	buf_release(&got);
}

struct found {
	unsigned count;
	int error;
	char name[NAME_MAX + 1];
	char *text; /* NULL where confdir gave none */
	size_t len;
	long long mtime_ms;
};

static void remember(
	void *ctx, const char *name, const char *text, size_t len, int error, long long mtime_ms)
{
	struct found *f = ctx;

	f->count++;
	f->error = error;
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	free(f->text);
	f->text = text ? strdup(text) : NULL;
	f->len = len;
	f->mtime_ms = mtime_ms;
}

/* Loads, and expects exactly one file: with this text, or with this error where text is NULL. */
static void assert_loads(const char *name, const char *text, int error)
{
	struct found f = { 0 };

	assert_int_equal(confdir_load(c, remember, &f), 0);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.name, name);
	assert_int_equal(f.error, error);
	if (text) {
		assert_non_null(f.text);
		assert_string_equal(f.text, text);
		assert_int_equal(f.len, strlen(text));
	} else {
		assert_null(f.text);
		assert_int_equal(f.len, 0);
	}
	free(f.text);
}

static void open_makes_a_private_directory(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat("hooks", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_entries("");
}

static void open_removes_what_a_crash_left(void **state)
{
	struct confdir *again;

	(void)state;
	save("a", "{}");
	put("hooks/.a.json.tmp", "half", 4);
	put("hooks/.b.json.tmp", "", 0);
	put("hooks/.a.json.swp", "somebody's own", 14);
	put("hooks/c.json.tmp", "somebody's own", 14);
	assert_int_equal(confdir_open(state_dir, &again), 0);
	assert_entries(".a.json.swp a.json c.json.tmp ");
	confdir_close(again);
}

static void open_fails_without_a_directory(void **state)
{
	struct confdir *untouched = c;

	(void)state;
	assert_int_equal(confdir_open("missing", &untouched), -ENOENT);
	put("file", "", 0);
	assert_int_equal(confdir_open("file", &untouched), -ENOTDIR);

	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(symlink("../hooks", "other/hooks"), 0);
	assert_int_equal(confdir_open("other", &untouched), -ENOTDIR);
	assert_ptr_equal(untouched, c);
}

static void what_is_saved_is_loaded(void **state)
{
	struct found f = { 0 };
	struct stat st;

	(void)state;
	save("a", "{\n}\n");
	assert_loads("a", "{\n}\n", 0);
	save("a", "");
	assert_loads("a", "", 0);
	save("a", "[]");
	assert_loads("a", "[]", 0);

	assert_int_equal(stat("hooks/a.json", &st), 0);
	assert_int_equal(confdir_load(c, remember, &f), 0);
	assert_int_equal(f.mtime_ms, st.st_mtim.tv_sec * 1000LL + st.st_mtim.tv_nsec / 1000000);
	free(f.text);
}

static void a_saved_file_is_private_whatever_was_there(void **state)
{
	struct stat st;

	(void)state;
	put("hooks/a.json", "old", 3);
	assert_int_equal(chmod("hooks/a.json", 0644), 0);
	put("hooks/.a.json.tmp", "a save that failed", 18);
	assert_int_equal(chmod("hooks/.a.json.tmp", 0644), 0);
	save("a", "new");
	assert_int_equal(lstat("hooks/a.json", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_file("hooks/a.json", "new");
	assert_entries("a.json ");
}

static void save_replaces_and_never_writes_into_a_file(void **state)
{
	(void)state;
	put("elsewhere", "old", 3);
	assert_int_equal(link("elsewhere", "hooks/a.json"), 0);
	assert_int_equal(symlink("../elsewhere", "hooks/b.json"), 0);
	assert_int_equal(symlink("../elsewhere", "hooks/.b.json.tmp"), 0);
	save("a", "new a");
	save("b", "new b");
	assert_file("elsewhere", "old");
	assert_file("hooks/a.json", "new a");
	assert_file("hooks/b.json", "new b");
}

static void a_save_that_fails_keeps_the_old_file(void **state)
{
	struct rlimit unlimited, four = { 0 };

	(void)state;
	save("a", "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
	four.rlim_cur = 4;
	four.rlim_max = unlimited.rlim_max;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &four), 0);
	int error = confdir_save(c, "a", "longer", 6);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
	assert_int_equal(error, -EFBIG);
	assert_file("hooks/a.json", "old");
	assert_entries("a.json ");

	/* A failing rename leaves nothing behind either. */
	assert_int_equal(mkdir("hooks/b.json", 0700), 0);
	assert_int_equal(confdir_save(c, "b", "x", 1), -EISDIR);
	assert_entries("a.json b.json ");
}

static void load_passes_over_what_is_no_configuration(void **state)
{
	struct found f = { 0 };

	(void)state;
	put("hooks/.a.json", "x", 1);
	put("hooks/.json", "x", 1);
	put("hooks/json", "x", 1);
	put("hooks/a.json~", "x", 1);
	put("hooks/README", "x", 1);
	assert_int_equal(confdir_load(c, remember, &f), 0);
	assert_int_equal(f.count, 0);
	save("a", "here");
	assert_loads("a", "here", 0);
}

static void load_tells_what_it_could_not_read(void **state)
{
	(void)state;
	put("elsewhere", "x", 1);
	assert_int_equal(symlink("../elsewhere", "hooks/a.json"), 0);
	assert_loads("a", NULL, ELOOP);
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(mkdir("hooks/a.json", 0700), 0);
	assert_loads("a", NULL, EISDIR);
	assert_int_equal(rmdir("hooks/a.json"), 0);
	assert_int_equal(mkfifo("hooks/a.json", 0600), 0);
	assert_loads("a", NULL, EINVAL);
}

static void load_takes_a_megabyte_and_no_more(void **state)
{
	char *text = malloc(HOOK_JSON_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', HOOK_JSON_MAX + 1);
	text[HOOK_JSON_MAX + 1] = '\0';
	put("hooks/a.json", text, HOOK_JSON_MAX + 1);
	assert_loads("a", NULL, E2BIG);
	text[HOOK_JSON_MAX] = '\0';
	put("hooks/a.json", text, HOOK_JSON_MAX);
	assert_loads("a", text, 0);
	free(text);
}

static void load_finds_every_file_every_time(void **state)
{
	struct found f = { 0 };
	char name[8];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		save(name, name);
	}
	assert_int_equal(confdir_load(c, remember, &f), 0);
	assert_int_equal(f.count, 100);
	assert_string_equal(f.text, f.name);
	assert_int_equal(confdir_load(c, remember, &f), 0);
	assert_int_equal(f.count, 200);
	free(f.text);
}

static void remove_is_content_when_there_is_none(void **state)
{
	(void)state;
	save("a", "x");
	assert_int_equal(confdir_exists(c, "a"), 1);
	assert_int_equal(confdir_remove(c, "a"), 0);
	assert_int_equal(confdir_exists(c, "a"), 0);
	assert_int_equal(confdir_remove(c, "a"), 0);
	assert_entries("");
}

static void rename_never_replaces(void **state)
{
	(void)state;
	save("a", "of a");
	save("b", "of b");
	assert_int_equal(confdir_rename(c, "a", "b"), -EEXIST);
	assert_file("hooks/a.json", "of a");
	assert_file("hooks/b.json", "of b");
	assert_int_equal(confdir_rename(c, "a", "c"), 0);
	assert_file("hooks/c.json", "of a");
	assert_int_equal(confdir_rename(c, "a", "d"), -ENOENT);
	assert_entries("b.json c.json ");
}

static void names_stay_in_the_directory(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".a", "../a", "a/b", "/a" };
	char longest[NAME_MAX - 9], too_long[NAME_MAX - 8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(confdir_save(c, bad[i], "x", 1), -EINVAL);
		assert_int_equal(confdir_remove(c, bad[i]), -EINVAL);
		assert_int_equal(confdir_rename(c, bad[i], "a"), -EINVAL);
		assert_int_equal(confdir_rename(c, "a", bad[i]), -EINVAL);
		assert_int_equal(confdir_exists(c, bad[i]), -EINVAL);
	}
	assert_entries("");

	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'n', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(confdir_save(c, too_long, "x", 1), -ENAMETOOLONG);
	save(longest, "x");
	assert_loads(longest, "x", 0);
}

#define IN_STATE_DIR(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_STATE_DIR(open_makes_a_private_directory),
		IN_STATE_DIR(open_removes_what_a_crash_left),
		IN_STATE_DIR(open_fails_without_a_directory),
		IN_STATE_DIR(what_is_saved_is_loaded),
		IN_STATE_DIR(a_saved_file_is_private_whatever_was_there),
		IN_STATE_DIR(save_replaces_and_never_writes_into_a_file),
		IN_STATE_DIR(a_save_that_fails_keeps_the_old_file),
		IN_STATE_DIR(load_passes_over_what_is_no_configuration),
		IN_STATE_DIR(load_tells_what_it_could_not_read),
		IN_STATE_DIR(load_takes_a_megabyte_and_no_more),
		IN_STATE_DIR(load_finds_every_file_every_time),
		IN_STATE_DIR(remove_is_content_when_there_is_none),
		IN_STATE_DIR(rename_never_replaces),
		IN_STATE_DIR(names_stay_in_the_directory),
	};

	return cmocka_run_group_tests_name("confdir", tests, NULL, NULL);
}
