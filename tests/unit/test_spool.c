/* Dropped files come into hand once and in order, and go where their end says; nothing is followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "intake/spool.h"
#include "util/buf.h"
#include "util/err.h"

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Each test works in an empty directory that is the spool, and its current directory. */
static char dir[32];
static struct spool *s;
static int64_t now_ms;
static struct buf left; /* "name=ERRNO " for each file that was left */

static void open_again(int64_t serial, int64_t taken)
{
	struct err err = { 0 };

	spool_close(s);
	s = NULL;
	assert_int_equal(spool_open(dir, serial, taken, &err, &s), 0);
}

static int enter(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_spool.XXXXXX");
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	buf_init(&left, 1000);
	now_ms = 1000;
	s = NULL;
	open_again(0, 0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int leave(void **state)
{
	(void)state;
	spool_close(s);
	buf_release(&left);
	return chdir("/") < 0 || nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void on_left(void *ctx, const char *name, uint32_t uid, int error)
{
	(void)ctx;
	assert_int_equal(uid, getuid());
	buf_addf(&left, "%s=%s ", name, error ? err_name(error) : "rejected");
}

/* Hears, claims, and expects these in hand: "SERIAL:NAME=TEXT " each. */
static void assert_in_hand(unsigned limit, const char *expected)
{
	struct buf got = BUF(10000);
	char text[100];

	(void)spool_hear(s);
	spool_claim(s, now_ms, limit, on_left, NULL);
	for (const struct spool_file *f = spool_first(s); f; f = f->next) {
		ssize_t n = spool_read(f, 0, text, sizeof(text));

		assert_true(n >= 0);
		buf_addf(&got, "%lld:%s=%.*s ", (long long)f->serial, f->name, (int)n, text);
	}
	assert_string_equal(buf_str(&got), expected);
	buf_release(&got);
}

static void assert_file(const char *path, const char *text)
{
	char got[200];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	(void)fclose(f);
	assert_string_equal(got, text);
}

static void done(struct spool_file *f)
{
	char text[100];
	ssize_t n = spool_read(f, 0, text, sizeof(text));

	assert_true(n >= 0);
	f->ended = n;
	spool_done(s, f);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void files_are_claimed_in_the_order_they_came(void **state)
{
	(void)state;
	put("b", "1");
	put("a", "2");
	put("c", "3");
	assert_int_equal(spool_due(s), 0);
	assert_in_hand(0, "");
	open_again(7, -1);
	assert_in_hand(0, "");
	put("d", "4");
	(void)spool_hear(s);
	spool_claim(s, now_ms, 2, on_left, NULL);
	assert_int_equal(spool_first(s)->serial, 8);
	assert_int_equal(spool_first(s)->next->serial, 9);
	assert_null(spool_first(s)->next->next);
	assert_int_equal(spool_due(s), 0);
}

static void a_file_is_in_hand_once(void **state)
{
	(void)state;
	put("a", "1");
	assert_in_hand(9, "1:a=1 ");
	assert_false(is_there("a"));
	assert_in_hand(9, "1:a=1 ");
	put("a", "2");
	assert_in_hand(9, "1:a=1 2:a=2 ");
	done(spool_first(s));
	assert_in_hand(9, "2:a=2 ");
	done(spool_first(s));
	assert_in_hand(9, "");
	assert_int_equal(rmdir(".taking"), 0); /* nothing is left in it */
	assert_int_equal(spool_due(s), -1);
}

/* What a crash leaves in .taking, and what was committed before it. */
static void a_crash_is_put_right(void **state)
{
	(void)state;
	put("x", "");
	assert_int_equal(rename("x", ".taking/4-done"), 0);
	put(".taking/5-part", "abc");
	put(".taking/6-next", "d");
	put(".taking/no number", "somebody's");
	open_again(5, 2);
	assert_in_hand(9, "5:part=abc 6:next=d ");
	assert_int_equal(spool_first(s)->taken, 2);
	assert_int_equal(spool_first(s)->next->taken, 0);
	assert_false(is_there(".taking/4-done"));
	/* The new one has a number of its own. */
	put("new", "e");
	assert_in_hand(9, "5:part=abc 6:next=d 7:new=e ");
	/* What was not begun goes back when it ends well. */
	open_again(5, 2);
	assert_in_hand(1, "5:part=abc ");
	assert_true(is_there("next"));
	open_again(5, -1);
	assert_false(is_there(".taking/5-part"));
	assert_true(is_there(".taking/no number"));
}

static void a_file_that_is_written_is_not_claimed(void **state)
{
	FILE *f = fopen("a", "w");
	(void)state;
	assert_non_null(f);
	assert_true(fputs("1", f) >= 0);
	assert_int_equal(fflush(f), 0);
	open_again(0, 0); /* nobody has said that it is complete */
	assert_in_hand(9, "");
	assert_true(is_there("a"));
	assert_int_equal(fclose(f), 0);
	assert_in_hand(9, "1:a=1 ");
	assert_int_equal(left.len, 0);
}

/* Somebody has found the name just before the claim, and opens the file only behind it. */
static void what_is_appended_in_the_last_moment_is_dropped_again(void **state)
{
	FILE *f;

	(void)state;
	put("a", "taken\n");
	assert_in_hand(9, "1:a=taken\n ");
	f = fopen(".taking/1-a", "a");
	assert_non_null(f);
	spool_first(s)->ended = 6;
	spool_done(s, spool_first(s));
	assert_true(is_there(".taking/1-a")); /* it may still be written */
	assert_in_hand(9, "");
	assert_true(fputs("late\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	now_ms = spool_due(s);
	assert_in_hand(9, "");
	assert_false(is_there(".taking/1-a"));
	assert_file("a", "late\n");
	now_ms += 5000;
	assert_in_hand(9, "2:a=late\n ");
}

/* The kernel sends it to who looks at a file with a lease while another opens it. */
static void what_cannot_be_removed_is_removed_later(void **state)
{
	(void)state;
	put("a", "first");
	assert_in_hand(10, "1:a=first ");
	assert_int_equal(rename(".taking/1-a", ".kept"), 0);
	assert_int_equal(mkdir(".taking/1-a", 0700), 0); /* unlink fails */
	done(spool_first(s));
	assert_null(spool_first(s));
	assert_int_equal(rmdir(".taking/1-a"), 0);
	assert_int_equal(rename(".kept", ".taking/1-a"), 0);
	/* In a calm rhythm, though others come. */
	put("b", "second");
	assert_in_hand(10, "2:b=second ");
	assert_true(is_there(".taking/1-a"));
	done(spool_first(s));
	assert_in_hand(10, "");
	now_ms = spool_due(s);
	assert_true(now_ms > 1000);
	assert_in_hand(10, "");
	assert_false(is_there(".taking/1-a"));
	assert_int_equal(spool_due(s), -1);
}

static void the_lease_does_not_kill(void **state)
{
	(void)state;
	assert_int_equal(raise(SIGIO), 0);
}

/* Neither the claim nor putting back is an event that has it claimed at once. */
static void a_file_that_is_put_back_rests(void **state)
{
	(void)state;
	put("a", "1");
	assert_in_hand(9, "1:a=1 ");
	assert_int_equal(rmdir("rejected"), 0);
	assert_int_equal(spool_reject(s, spool_first(s), "because\n", now_ms), -ENOENT);
	assert_in_hand(9, "");
	assert_in_hand(9, "");
	assert_file("a", "1");
	put("a", "mended"); /* this is one */
	assert_in_hand(9, "2:a=mended ");
}

/* Between the look at a name and its claim. */
static bool swaps;

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (swaps && !strcmp(from, "a")) {
		swaps = false;
		assert_int_equal(unlinkat(from_dir, from, 0), 0);
		assert_int_equal(symlinkat("../.target", from_dir, from), 0);
	}
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

static void what_becomes_a_link_in_the_last_moment_is_not_followed(void **state)
{
	(void)state;
	put(".target", "of somebody else");
	put("a", "1");
	swaps = true;
	assert_in_hand(9, "");
	assert_false(swaps);
	assert_string_equal(buf_str(&left), "a=ELOOP ");
	assert_true(is_there("a")); /* put back, and not waited for */
}

static void what_is_no_file_is_rejected_unopened(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/passwd", "link"), 0);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(mkdir("dir", 0700), 0);
	put("dir/a", "1");
	assert_in_hand(9, "");
	assert_string_equal(buf_str(&left), "link=rejected pipe=rejected ");
	assert_true(is_there("rejected/link"));
	assert_file("rejected/link.reason", "it is a symbolic link, and those are not followed\n");
	assert_file("rejected/pipe.reason", "it is no regular file\n");
	assert_true(is_there("dir/a"));
	assert_in_hand(9, "");
	assert_int_equal(spool_due(s), -1);
}

static void rejected_files_do_not_replace_each_other(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		put("a", i == 0 ? "1" : i == 1 ? "2" : "3");
		assert_in_hand(9, i == 0 ? "1:a=1 " : i == 1 ? "2:a=2 " : "3:a=3 ");
		assert_int_equal(spool_reject(s, spool_first(s), "because\n", now_ms), 0);
	}
	assert_in_hand(9, "");
	assert_file("rejected/a", "1");
	assert_file("rejected/a.1", "2");
	assert_file("rejected/a.2", "3");
	assert_file("rejected/a.2.reason", "because\n");
}

static void what_cannot_be_rejected_is_tried_again_later(void **state)
{
	(void)state;
	put("a", "1");
	assert_in_hand(9, "1:a=1 ");
	put("a", "another of that name");
	/* Gone, so that nothing can be made in it. */
	assert_int_equal(rmdir("rejected"), 0);
	assert_int_equal(spool_reject(s, spool_first(s), "because\n", now_ms), -ENOENT);
	assert_file("a", "another of that name");
	assert_file("a.1", "1");
	assert_in_hand(9, "2:a=another of that name ");
	done(spool_first(s));
	assert_in_hand(9, ""); /* our own putting back is no news */
	assert_int_equal(spool_due(s), now_ms + 5000);
	now_ms += 5000;
	assert_in_hand(9, "3:a.1=1 ");
}

static void names_of_any_length_are_taken(void **state)
{
	char name[256], expected[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[255] = '\0';
	put(name, "1");
	(void)snprintf(expected, sizeof(expected), "1:%.200s=1 ", name);
	assert_in_hand(9, expected);
	assert_int_equal(spool_reject(s, spool_first(s), "because\n", now_ms), 0);
	(void)snprintf(expected, sizeof(expected), "rejected/%.200s.reason", name);
	assert_file(expected, "because\n");
}

static void many_files_are_no_many_names(void **state)
{
	char name[20];
	int count = 0;

	(void)state;
	for (int i = 0; i < 9000; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)close(creat(name, 0600));
	}
	open_again(0, 0);
	for (int calls = 0; spool_due(s) == 0 && calls < 1000; calls++) {
		spool_claim(s, now_ms, 64, on_left, NULL);
		for (; spool_first(s); count++)
			done(spool_first(s));
	}
	assert_int_equal(count, 9000);
	assert_int_equal(spool_due(s), -1);
}

static void incomplete_names_are_ignored(void **state)
{
	static const char *const bad[] = { ".a", "a~", "a.tmp", "a.part", "a.swp", "#a#", "4913",
		"sedQWERTY", "rejected", "a.filepart", "a.crdownload", "a.partial" };
	static const char *const good[] = { "a", "a.json", "a.tmp.json", "part", "4914", "sediment",
		"rejected.1", "-", "two words" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(spool_ignored(bad[i]));
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_false(spool_ignored(good[i]));
}

static void a_directory_of_somebody_else_in_it_is_refused(void **state)
{
	struct spool *other = s;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spool_open(dir, 0, 0, &err, &other), -EBUSY);
	spool_close(s);
	s = NULL;
	assert_int_equal(chmod("rejected", 0777), 0);
	assert_int_equal(spool_open(dir, 0, 0, &err, &other), -EPERM);
	assert_int_equal(chmod("rejected", 0755), 0);
	assert_int_equal(rmdir(".taking"), 0);
	assert_int_equal(symlink("rejected", ".taking"), 0);
	assert_true(spool_open(dir, 0, 0, &err, &other) < 0);
	assert_non_null(strstr(err.sentence, dir));
	assert_int_equal(unlink(".taking"), 0);
	assert_int_equal(spool_open(dir, 0, 0, &err, &s), 0);
}

static void a_directory_that_goes_is_told_once(void **state)
{
	char moved[40];

	(void)state;
	(void)snprintf(moved, sizeof(moved), "%s.moved", dir);
	assert_false(spool_hear(s));
	assert_int_equal(rename(dir, moved), 0);
	assert_true(spool_hear(s));
	assert_false(spool_hear(s));
	put("a", "1");
	assert_in_hand(9, "");
	assert_int_equal(spool_due(s), -1);
	assert_int_equal(rename(moved, dir), 0);
}

#define IN_SPOOL(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SPOOL(files_are_claimed_in_the_order_they_came),
		IN_SPOOL(a_file_is_in_hand_once),
		IN_SPOOL(a_crash_is_put_right),
		IN_SPOOL(a_file_that_is_written_is_not_claimed),
		IN_SPOOL(what_is_appended_in_the_last_moment_is_dropped_again),
		IN_SPOOL(what_cannot_be_removed_is_removed_later),
		IN_SPOOL(the_lease_does_not_kill),
		IN_SPOOL(a_file_that_is_put_back_rests),
		IN_SPOOL(what_becomes_a_link_in_the_last_moment_is_not_followed),
		IN_SPOOL(what_is_no_file_is_rejected_unopened),
		IN_SPOOL(rejected_files_do_not_replace_each_other),
		IN_SPOOL(what_cannot_be_rejected_is_tried_again_later),
		IN_SPOOL(names_of_any_length_are_taken),
		IN_SPOOL(many_files_are_no_many_names),
		IN_SPOOL(incomplete_names_are_ignored),
		IN_SPOOL(a_directory_of_somebody_else_in_it_is_refused),
		IN_SPOOL(a_directory_that_goes_is_told_once),
	};

	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
