/* Configurations are on disk whole or not at all, under their own names, for the owner only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "intake/confdir.h"
#include "intake/dirwatch.h"
#include "model/hook.h"
#include "util/buf.h"
#include "util/err.h"

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
#include <sys/inotify.h>
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

static bool aside;

static void save(const char *name, const char *text)
{
	aside = false;
	assert_int_equal(confdir_save(c, name, text, strlen(text), &aside), 0);
}

static int remove_name(const char *name)
{
	aside = false;
	return confdir_remove(c, name, &aside);
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

/* ---- what is found: a line a file, "name=text" or "name!ERRNO", in order of being found */

static struct buf found;
static enum confdir_answer answer;
static int64_t now_ms;

static enum confdir_answer remember(void *ctx, const struct confdir_file *f)
{
	(void)ctx;
	buf_addf(&found, "%s", f->name);
	if (f->text) {
		assert_int_equal(f->error, 0);
		assert_int_equal(strlen(f->text), f->len);
		buf_addf(&found, "=%s\n", f->len > 20 ? "..." : f->text);
	} else {
		buf_addf(&found, "!%s\n", err_name(f->error));
	}
	return answer;
}

/* Hears and finds once, and expects exactly this. */
static void assert_found(const char *expected)
{
	(void)confdir_hear(c, now_ms);
	confdir_find(c, now_ms, 1000, remember, NULL);
	assert_string_equal(buf_str(&found), expected);
	buf_release(&found);
}

/* A second later what is missing is removed. */
static void assert_found_later(const char *expected)
{
	assert_found("");
	now_ms += 1000;
	assert_found(expected);
}

static int enter_watching(void **state)
{
	buf_init(&found, 100000);
	answer = CONFDIR_TAKEN;
	now_ms = 5000;
	return enter(state) || confdir_watch(c);
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

static void a_saved_file_is_private_whatever_was_there(void **state)
{
	struct stat st;

	(void)state;
	save("a", "old");
	assert_int_equal(chmod("hooks/a.json", 0644), 0);
	put("hooks/.a.json.tmp", "a save that failed", 18);
	assert_int_equal(chmod("hooks/.a.json.tmp", 0644), 0);
	save("a", "new");
	assert_false(aside);
	assert_int_equal(lstat("hooks/a.json", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_file("hooks/a.json", "new");
	assert_entries("a.json ");
}

static void save_replaces_and_never_writes_into_a_file(void **state)
{
	(void)state;
	put("elsewhere", "old", 3);
	save("a", "of a");
	save("b", "of b");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(unlink("hooks/b.json"), 0);
	assert_int_equal(link("elsewhere", "hooks/a.json"), 0);
	assert_int_equal(symlink("../elsewhere", "hooks/b.json"), 0);
	assert_int_equal(symlink("../elsewhere", "hooks/.b.json.tmp"), 0);
	save("a", "new a");
	save("b", "new b");
	assert_file("elsewhere", "old");
	assert_file("hooks/a.json", "new a");
	assert_file("hooks/b.json", "new b");
}

static void what_somebody_else_put_there_is_kept_aside(void **state)
{
	(void)state;
	save("a", "ours");
	put("hooks/a.json", "theirs", 6);
	save("a", "ours again");
	assert_true(aside);
	assert_file("hooks/a.json", "ours again");
	assert_file("hooks/a.json.refused", "theirs");

	put("hooks/a.json", "theirs too", 10);
	assert_int_equal(remove_name("a"), 0);
	assert_true(aside);
	assert_file("hooks/a.json.refused", "theirs too");
	assert_entries("a.json.refused ");
}

static void who_still_writes_into_a_replaced_file_loses_nothing(void **state)
{
	FILE *f;

	(void)state;
	save("a", "ours");
	f = fopen("hooks/a.json", "w");
	assert_non_null(f);
	assert_int_equal(fflush(f), 0);
	save("a", "ours again");
	assert_true(fputs("theirs", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_file("hooks/a.json", "ours again");
	assert_file("hooks/a.json.refused", "theirs");
}

static void a_file_that_is_not_expected_is_not_replaced(void **state)
{
	(void)state;
	put("hooks/a.json", "theirs", 6);
	assert_int_equal(confdir_save(c, "a", "x", 1, &aside), -EEXIST);
	assert_file("hooks/a.json", "theirs");
	assert_entries("a.json ");
	/* Nor is one that was removed made again. */
	save("b", "ours");
	assert_int_equal(unlink("hooks/b.json"), 0);
	assert_int_equal(confdir_save(c, "b", "x", 1, &aside), -EBUSY);
	assert_entries("a.json ");
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
	int error = confdir_save(c, "a", "longer", 6, &aside);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
	assert_int_equal(error, -EFBIG);
	assert_file("hooks/a.json", "old");
	assert_entries("a.json ");

	/* A failing rename leaves nothing behind either. */
	assert_int_equal(mkdir("hooks/b.json", 0700), 0);
	assert_int_equal(confdir_save(c, "b", "x", 1, &aside), -EEXIST);
	assert_entries("a.json b.json ");
}

static void what_is_there_at_the_start_is_found_once(void **state)
{
	struct confdir *first = c;
	char name[20];

	(void)state;
	put("hooks/a.json", "of a", 4);
	assert_int_equal(confdir_open(state_dir, &c), 0);
	assert_int_equal(confdir_watch(c), 0);
	assert_int_equal(confdir_due(c), 0);
	assert_found("a=of a\n");
	assert_int_equal(confdir_due(c), -1);
	assert_found("");
	confdir_close(c);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "hooks/n%d.json", i);
		put(name, "x", 1);
	}
	assert_int_equal(confdir_open(state_dir, &c), 0);
	assert_int_equal(confdir_watch(c), 0);
	(void)confdir_hear(c, now_ms);
	confdir_find(c, now_ms, 60, remember, NULL);
	assert_true(found.len > 0);
	assert_int_equal(confdir_due(c), 0);
	confdir_find(c, now_ms, 60, remember, NULL);
	assert_int_equal(found.len, 7 + 10 * 5 + 90 * 6);
	assert_int_equal(confdir_due(c), -1);
	buf_release(&found);
	confdir_close(first);
}

static void others_changes_are_found_and_ours_are_not(void **state)
{
	(void)state;
	put("hooks/a.json", "new", 3);
	assert_found("a=new\n");
	put("hooks/a.json", "edited", 6);
	assert_found("a=edited\n");
	put("hooks/.hidden", "replaced", 8);
	assert_int_equal(rename("hooks/.hidden", "hooks/a.json"), 0);
	assert_found("a=replaced\n");
	put("hooks/a.json", "replaced", 8);
	assert_found(""); /* it says what it said */

	save("a", "ours");
	save("b", "ours");
	assert_found("");
	assert_int_equal(confdir_rename(c, "b", "c"), 0);
	assert_int_equal(remove_name("a"), 0);
	assert_false(aside);
	assert_found_later("");
	now_ms += 1000;
	assert_found("");
}

static void a_foreign_change_behind_ours_is_found(void **state)
{
	(void)state;
	save("a", "ours");
	put("hooks/a.json", "hers", 4); /* as long, in the same moment */
	assert_found("a=hers\n");
	put("hooks/a.json", "his", 3);
	save("a", "ours"); /* it was not found before */
	assert_true(aside);
	assert_found("");
	assert_file("hooks/a.json.refused", "his");
}

static void what_others_remove_is_missing_for_a_while(void **state)
{
	(void)state;
	save("a", "x");
	save("b", "x");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(rename("hooks/b.json", "hooks/b.old"), 0);
	assert_found("");
	assert_int_equal(confdir_due(c), now_ms + 1000);
	now_ms += 1000;
	assert_found("a!ENOENT\nb!ENOENT\n");
	assert_found_later("");
}

static void a_file_that_is_made_anew_was_not_removed(void **state)
{
	FILE *f;

	(void)state;
	save("a", "old");
	save("b", "same");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(unlink("hooks/b.json"), 0);
	put("hooks/b.json", "same", 4);
	assert_found("");
	f = fopen("hooks/a.json", "w");
	assert_non_null(f);
	assert_found(""); /* nobody reads a file that is half written */
	assert_true(fputs("new", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_found("a=new\n");
	now_ms += 1000;
	assert_found("");
}

static void what_was_not_kept_is_found_again(void **state)
{
	(void)state;
	put("hooks/a.json", "new", 3);
	answer = CONFDIR_LATER;
	assert_found("a=new\n");
	assert_int_equal(confdir_due(c), 0);
	assert_found("a=new\n");
	answer = CONFDIR_TAKEN;
	assert_found("a=new\n");
	confdir_again(c, "a");
	assert_found("a=new\n");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_found_later("a!ENOENT\n");
	confdir_again(c, "a");
	assert_found_later("a!ENOENT\n");
	assert_found("");
}

/* What cannot be put aside keeps its place, and the save or removal fails. */
static void a_directory_where_refused_ones_are_kept_loses_nothing(void **state)
{
	(void)state;
	save("a", "1");
	put("hooks/a.json", "theirs", 6);
	assert_int_equal(mkdir("hooks/a.json.refused", 0700), 0);
	save("a", "2");
	assert_true(aside);
	assert_file("hooks/a.json", "2");
	assert_file("hooks/a.json.refused", "theirs");

	assert_int_equal(unlink("hooks/a.json.refused"), 0);
	assert_int_equal(mkdir("hooks/a.json.refused", 0700), 0);
	put("hooks/a.json.refused/x", "x", 1);
	put("hooks/a.json", "theirs", 6);
	aside = false;
	assert_int_equal(confdir_save(c, "a", "3", 1, &aside), -ENOTEMPTY);
	assert_false(aside);
	assert_file("hooks/a.json", "theirs");
	assert_int_equal(remove_name("a"), -ENOTEMPTY);
	assert_false(aside);
	assert_file("hooks/a.json", "theirs");
	assert_entries("a.json a.json.refused ");

	/* The other way round: a directory in the place of a file that is kept. */
	assert_int_equal(unlink("hooks/a.json.refused/x"), 0);
	assert_int_equal(remove_name("a"), 0);
	assert_file("hooks/a.json.refused", "theirs");
	save("a", "4");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(mkdir("hooks/a.json", 0700), 0);
	save("a", "5");
	assert_true(aside);
	assert_file("hooks/a.json", "5");
	assert_int_equal(rmdir("hooks/a.json.refused"), 0);
}

static void what_is_refused_is_found_once_and_not_replaced(void **state)
{
	(void)state;
	save("a", "good");
	answer = CONFDIR_REFUSED;
	put("hooks/a.json", "bad", 3);
	assert_found("a=bad\n");
	assert_found("");
	put("hooks/a.json", "bad", 3);
	assert_found("");
	save("a", "ours");
	assert_true(aside);
	assert_file("hooks/a.json.refused", "bad");
	save("a", "ours too");
	assert_false(aside);
}

static void one_name_may_be_looked_at_before_the_others(void **state)
{
	(void)state;
	put("hooks/a.json", "of a", 4);
	put("hooks/b.json", "of b", 4);
	(void)confdir_hear(c, now_ms);
	confdir_find_one(c, "b", now_ms, remember, NULL);
	confdir_find_one(c, "c", now_ms, remember, NULL);
	assert_string_equal(buf_str(&found), "b=of b\n");
	buf_release(&found);
	assert_found("a=of a\n");
}

static void what_is_no_configuration_is_passed_over(void **state)
{
	(void)state;
	put("hooks/.a.json", "x", 1);
	put("hooks/.json", "x", 1);
	put("hooks/json", "x", 1);
	put("hooks/a.json~", "x", 1);
	put("hooks/a.json.refused", "x", 1);
	put("hooks/sedQ3aB1c", "x", 1);
	put("hooks/4913", "x", 1);
	put("hooks/a.json.swp", "x", 1);
	put("hooks/README", "x", 1);
	assert_found("");
	assert_int_equal(confdir_due(c), -1);
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	put("elsewhere", "x", 1);
	assert_int_equal(symlink("../elsewhere", "hooks/a.json"), 0);
	assert_int_equal(mkdir("hooks/b.json", 0700), 0);
	assert_int_equal(mkfifo("hooks/c.json", 0600), 0);
	assert_int_equal(link("elsewhere", "hooks/d.json"), 0); /* a link is there as a whole */
	assert_found("a!ELOOP\nb!EISDIR\nc!EINVAL\nd=x\n");
	assert_int_equal(unlink("hooks/a.json"), 0);
	put("hooks/a.json", "mended", 6);
	assert_found("a=mended\n");
}

static void a_megabyte_is_taken_and_no_more(void **state)
{
	char *text = malloc(HOOK_JSON_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', HOOK_JSON_MAX + 1);
	put("hooks/a.json", text, HOOK_JSON_MAX + 1);
	assert_found("a!E2BIG\n");
	put("hooks/a.json", text, HOOK_JSON_MAX);
	assert_found("a=...\n");
	free(text);
}

/* As the kernel says it when its queue is full; a directory scan finds all. */
static void told(void *ctx, enum dirwatch_event event, const char *name)
{
	(void)name;
	*(enum dirwatch_event *)ctx = event;
}

static void a_full_queue_is_told(void **state)
{
	struct inotify_event full = { .wd = -1, .mask = IN_Q_OVERFLOW };
	enum dirwatch_event event = DIRWATCH_GONE;

	(void)state;
	dirwatch_parse((const char *)&full, sizeof(full), told, &event);
	assert_int_equal(event, DIRWATCH_MISSED);
}

static void a_directory_that_goes_takes_nothing_with_it(void **state)
{
	(void)state;
	save("a", "x");
	assert_int_equal(unlink("hooks/a.json"), 0);
	assert_int_equal(rmdir("hooks"), 0);
	assert_true(confdir_hear(c, now_ms));
	assert_false(confdir_hear(c, now_ms));
	now_ms += 5000;
	assert_found("");
	assert_int_equal(confdir_due(c), -1);
	assert_int_equal(confdir_save(c, "a", "x", 1, &aside), -ESTALE);
	assert_int_equal(remove_name("a"), -ESTALE);
	assert_int_equal(confdir_rename(c, "a", "b"), -ESTALE);
}

static void remove_is_content_when_there_is_none(void **state)
{
	(void)state;
	save("a", "x");
	assert_int_equal(confdir_exists(c, "a"), 1);
	assert_int_equal(remove_name("a"), 0);
	assert_int_equal(confdir_exists(c, "a"), 0);
	assert_int_equal(remove_name("a"), 0);
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
	char longest[NAME_MAX - 12], too_long[NAME_MAX - 11];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(confdir_save(c, bad[i], "x", 1, &aside), -EINVAL);
		assert_int_equal(remove_name(bad[i]), -EINVAL);
		assert_int_equal(confdir_rename(c, bad[i], "a"), -EINVAL);
		assert_int_equal(confdir_rename(c, "a", bad[i]), -EINVAL);
		assert_int_equal(confdir_exists(c, bad[i]), -EINVAL);
	}
	assert_entries("");

	memset(longest, 'n', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(too_long, 'n', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(confdir_save(c, too_long, "x", 1, &aside), -ENAMETOOLONG);
	save(longest, "x");
	assert_int_equal(confdir_exists(c, longest), 1);
}

#define IN_STATE_DIR(test) cmocka_unit_test_setup_teardown(test, enter, leave)
#define WATCHING(test)     cmocka_unit_test_setup_teardown(test, enter_watching, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_STATE_DIR(open_makes_a_private_directory),
		IN_STATE_DIR(open_removes_what_a_crash_left),
		IN_STATE_DIR(open_fails_without_a_directory),
		IN_STATE_DIR(a_saved_file_is_private_whatever_was_there),
		IN_STATE_DIR(save_replaces_and_never_writes_into_a_file),
		IN_STATE_DIR(what_somebody_else_put_there_is_kept_aside),
		IN_STATE_DIR(who_still_writes_into_a_replaced_file_loses_nothing),
		IN_STATE_DIR(a_file_that_is_not_expected_is_not_replaced),
		IN_STATE_DIR(a_save_that_fails_keeps_the_old_file),
		WATCHING(what_is_there_at_the_start_is_found_once),
		WATCHING(others_changes_are_found_and_ours_are_not),
		WATCHING(a_foreign_change_behind_ours_is_found),
		WATCHING(what_others_remove_is_missing_for_a_while),
		WATCHING(a_file_that_is_made_anew_was_not_removed),
		WATCHING(what_was_not_kept_is_found_again),
		WATCHING(what_is_refused_is_found_once_and_not_replaced),
		IN_STATE_DIR(a_directory_where_refused_ones_are_kept_loses_nothing),
		WATCHING(one_name_may_be_looked_at_before_the_others),
		WATCHING(what_is_no_configuration_is_passed_over),
		WATCHING(what_cannot_be_read_is_told),
		WATCHING(a_megabyte_is_taken_and_no_more),
		WATCHING(a_full_queue_is_told),
		WATCHING(a_directory_that_goes_takes_nothing_with_it),
		IN_STATE_DIR(remove_is_content_when_there_is_none),
		IN_STATE_DIR(rename_never_replaces),
		IN_STATE_DIR(names_stay_in_the_directory),
	};

	return cmocka_run_group_tests_name("confdir", tests, NULL, NULL);
}
