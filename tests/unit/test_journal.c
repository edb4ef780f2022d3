/* No line of a journal is lost or comes twice, whatever becomes of its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "store/journal.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memcheck.h"

/* Each test works in an empty directory of its own, which is also its current directory. */
static char dir[32];
static struct journal *j;

static int enter(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_journal.XXXXXX");
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	return journal_open(dir, "log", 7, &j);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int leave(void **state)
{
	(void)state;
	journal_close(j);
	j = NULL;
	return chdir("/") < 0 || nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0;
}

static void add(const char *line)
{
	(void)journal_add(j, line, strlen(line));
	assert_int_equal(journal_flush(j), 0);
}

static const char *text_of(int fd)
{
	static char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* What is in the file; NULL: there is none. */
static const char *content(const char *name)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		return NULL;
	const char *text = text_of(fd);
	(void)close(fd);
	return text;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void a_file_is_its_owners(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(journal_rotate(j, 1), 0);
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void lines_go_behind_each_other(void **state)
{
	(void)state;
	assert_false(journal_waits(j));
	(void)journal_add(j, "a", 1);
	(void)journal_add(j, "b", 1);
	assert_true(journal_waits(j));
	assert_string_equal(content("log"), "");
	assert_int_equal(journal_flush(j), 0);
	assert_false(journal_waits(j));
	add("c");
	assert_string_equal(content("log"), "a\nb\nc\n");
	assert_int_equal(journal_size(j), 6);
}

static void rotation_keeps_so_many(void **state)
{
	(void)state;
	add("a");
	(void)journal_add(j, "b", 1); /* not written yet: it belongs to the old one */
	assert_int_equal(journal_rotate(j, 2), 0);
	add("c");
	assert_string_equal(content("log.1"), "a\nb\n");
	assert_string_equal(content("log"), "c\n");
	assert_int_equal(journal_size(j), 2);
	assert_int_equal(journal_rotate(j, 2), 0);
	add("d");
	assert_int_equal(journal_rotate(j, 2), 0);
	add("e");
	assert_string_equal(content("log"), "e\n");
	assert_string_equal(content("log.1"), "d\n");
	assert_string_equal(content("log.2"), "c\n");
	assert_null(content("log.3"));
}

static void fewer_are_kept_from_now_on(void **state)
{
	static const char *const lines[] = { "a", "b", "c", "d" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		add(lines[i]);
		assert_int_equal(journal_rotate(j, 4), 0);
	}
	assert_string_equal(content("log.4"), "a\n");
	add("e");
	assert_int_equal(journal_rotate(j, 1), 0);
	assert_string_equal(content("log.1"), "e\n");
	assert_null(content("log.2"));
	assert_null(content("log.4"));
	add("f");
	assert_int_equal(journal_rotate(j, 0), 0);
	assert_string_equal(content("log"), "");
	assert_null(content("log.1"));
}

static void generations_grow(void **state)
{
	(void)state;
	assert_int_equal(journal_generation(j), 7);
	assert_int_equal(journal_rotate(j, 1), 0);
	assert_int_equal(journal_generation(j), 8);
	assert_int_equal(journal_rotate(j, 0), 0);
	assert_int_equal(journal_generation(j), 9);
	assert_true(journal_fd(j, 9) >= 0);
	assert_int_equal(journal_fd(j, 8), -ESTALE);
	assert_int_equal(journal_fd(j, 10), -ESTALE);
}

static void one_that_is_held_can_be_read_to_its_end(void **state)
{
	(void)state;
	add("a");
	int fd = journal_hold(j, 7);
	assert_true(fd >= 0);
	assert_int_equal(journal_hold(j, 7), fd);
	assert_int_equal(journal_rotate(j, 0), 0);
	assert_int_equal(journal_rotate(j, 0), 0);
	add("b");
	assert_int_equal(journal_fd(j, 7), fd);
	assert_int_equal(journal_fd(j, 8), -ESTALE);
	assert_string_equal(text_of(fd), "a\n");
	journal_release(j, 7);
	assert_string_equal(text_of(fd), "a\n");
	journal_release(j, 7);
	assert_int_equal(journal_fd(j, 7), -ESTALE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(journal_hold(j, 7), -ESTALE);
	/* The one in use stays open, held or not. */
	assert_true(journal_hold(j, 9) >= 0);
	journal_release(j, 9);
	add("c");
	assert_string_equal(content("log"), "b\nc\n");
}

static void what_a_crash_left_is_gone_on_with(void **state)
{
	(void)state;
	add("a");
	assert_int_equal(journal_rotate(j, 3), 0);
	add("b");
	/* Between its steps: the old ones have moved on, the one in use has not. */
	assert_int_equal(rename("log.1", "log.2"), 0);
	assert_int_equal(journal_rotate(j, 3), 0);
	assert_string_equal(content("log.1"), "b\n");
	assert_string_equal(content("log.2"), "a\n");
	/* All have, but there is no new one. */
	journal_close(j);
	assert_int_equal(unlink("log"), 0);
	assert_int_equal(journal_open(dir, "log", 9, &j), 0);
	add("c");
	assert_string_equal(content("log"), "c\n");
	assert_string_equal(content("log.1"), "b\n");
	assert_string_equal(content("log.2"), "a\n");
}

static void where_it_cannot_be_rotated_it_goes_on(void **state)
{
	(void)state;
	add("a");
	assert_int_equal(mkdir("log.1", 0700), 0);
	assert_int_equal(journal_rotate(j, 1), -EISDIR);
	assert_int_equal(journal_generation(j), 7);
	add("b");
	assert_string_equal(content("log"), "a\nb\n");
	assert_int_equal(rmdir("log.1"), 0);
	assert_int_equal(journal_rotate(j, 1), 0);
	assert_string_equal(content("log.1"), "a\nb\n");
}

static void where_no_new_one_can_be_made_the_old_one_goes_on(void **state)
{
	struct rlimit before, few;

	(void)state;
	skip_under_memcheck("valgrind has a limit of descriptors of its own");
	add("a");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	int r = journal_rotate(j, 1);
	add("b");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	assert_null(content("log"));
	assert_string_equal(content("log.1"), "a\nb\n");
	add("c");
	assert_string_equal(content("log"), "c\n");
	assert_int_equal(journal_generation(j), 8);
}

static void one_that_was_moved_away_is_begun_anew(void **state)
{
	(void)state;
	add("a");
	int fd = journal_hold(j, 7);
	assert_int_equal(rename("log", "mine"), 0);
	add("b");
	assert_string_equal(content("mine"), "a\n");
	assert_string_equal(content("log"), "b\n");
	assert_int_equal(journal_generation(j), 8);
	assert_string_equal(text_of(fd), "a\n");
	journal_release(j, 7);
	assert_int_equal(unlink("log"), 0);
	put("log", "x\n");
	(void)journal_add(j, "c", 1);
	assert_int_equal(journal_sync(j), 0);
	assert_string_equal(content("log"), "x\nc\n");
	/* One without any name is no place for a line. */
	assert_int_equal(unlink("log"), 0);
	assert_int_equal(mkdir("log", 0700), 0);
	(void)journal_add(j, "d", 1);
	assert_int_equal(journal_flush(j), -EISDIR);
	assert_int_equal(rmdir("log"), 0);
	assert_int_equal(journal_flush(j), 0);
	assert_string_equal(content("log"), "d\n");
}

/* What a crash within a write leaves. */
static void half_a_line_goes(void **state)
{
	char text[10000] = "a\n";

	(void)state;
	memset(text + 2, 'h', sizeof(text) - 3);
	static const char *const whole[] = { "a\n", "" };
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		journal_close(j);
		put("log", i ? text + 2 : text);
		assert_int_equal(journal_open(dir, "log", 7, &j), 0);
		assert_string_equal(content("log"), whole[i]);
		add("b");
		assert_int_equal(strncmp(content("log"), whole[i], strlen(whole[i])), 0);
		assert_string_equal(content("log") + strlen(whole[i]), "b\n");
	}
}

/* As a full disk: a write is cut, and the next one fails. */
static void what_cannot_be_written_is_kept(void **state)
{
	struct rlimit before, few;

	(void)state;
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	few = before;
	few.rlim_cur = 5;
	add("abc");
	(void)journal_add(j, "def", 3);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	int flush = journal_flush(j), again = journal_flush(j), rotate = journal_rotate(j, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(flush, -EFBIG);
	assert_int_equal(again, -EFBIG);
	assert_int_equal(rotate, -EFBIG); /* it would tear the line */
	assert_string_equal(content("log"), "abc\nd");
	assert_true(journal_waits(j));
	add("ghi");
	assert_string_equal(content("log"), "abc\ndef\nghi\n");
	assert_int_equal(journal_dropped(j), 0);
}

static void what_does_not_fit_into_memory_is_counted(void **state)
{
	static char line[1 << 20];

	(void)state;
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 18; i++)
		assert_int_equal(journal_add(j, line, sizeof(line)), i < 15 ? 0 : -ENOSPC);
	assert_int_equal(journal_dropped(j), 3); /* each has a newline besides */
	assert_int_equal(journal_dropped(j), 0);
	assert_int_equal(journal_flush(j), 0);
	assert_int_equal(journal_size(j), 15 * (sizeof(line) + 1));
}

int main(void)
{
#define IN_A_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, enter, leave)
	const struct CMUnitTest tests[] = {
		IN_A_DIRECTORY(a_file_is_its_owners),
		IN_A_DIRECTORY(lines_go_behind_each_other),
		IN_A_DIRECTORY(rotation_keeps_so_many),
		IN_A_DIRECTORY(fewer_are_kept_from_now_on),
		IN_A_DIRECTORY(generations_grow),
		IN_A_DIRECTORY(one_that_is_held_can_be_read_to_its_end),
		IN_A_DIRECTORY(what_a_crash_left_is_gone_on_with),
		IN_A_DIRECTORY(where_it_cannot_be_rotated_it_goes_on),
		IN_A_DIRECTORY(where_no_new_one_can_be_made_the_old_one_goes_on),
		IN_A_DIRECTORY(one_that_was_moved_away_is_begun_anew),
		IN_A_DIRECTORY(half_a_line_goes),
		IN_A_DIRECTORY(what_cannot_be_written_is_kept),
		IN_A_DIRECTORY(what_does_not_fit_into_memory_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
