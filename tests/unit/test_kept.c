/* What is kept for the next daemon: open files, begun lines, and answers that count with their commit only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "fs/kept.h"

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kept *first;

static int make(void **state)
{
	(void)state;
	return kept_new(&first);
}

static int drop(void **state)
{
	(void)state;
	kept_free(first);
	return 0;
}

/* As the next daemon sees it; the one before was killed. */
static struct kept *next_daemon(void)
{
	struct kept *k;
	assert_int_equal(kept_open(kept_fd(first), &k), 0);
	return k;
}

static void open_files_are_known_to_the_next(void **state)
{
	(void)state;
	struct kept_file *a = kept_add(first, 10), *b = kept_add(first, 11),
			 *c = kept_add(first, 12);
	uint64_t fh[] = { a->fh, b->fh, c->fh };
	b->opener = 77;
	kept_drop(first, a);
	memcpy(kept_mount(first)->real, "/mnt/hooks", sizeof("/mnt/hooks"));
	struct kept *k = next_daemon();
	assert_string_equal(kept_mount(k)->real, "/mnt/hooks");
	assert_null(kept_find(k, fh[0]));
	assert_null(kept_find(k, 0));
	assert_int_equal(kept_find(k, fh[1])->ino, 11);
	assert_int_equal(kept_next(k, NULL)->fh, fh[1]);
	assert_int_equal(kept_next(k, kept_next(k, NULL))->fh, fh[2]);
	/* A slot is used again, a number is not. */
	struct kept_file *d = kept_add(k, 13);
	assert_int_equal(d->fh & 0xffff, fh[0] & 0xffff);
	assert_int_not_equal(d->fh, fh[0]);
	assert_null(kept_find(k, fh[0]));
	kept_drop_opened(k, 77);
	assert_null(kept_find(k, fh[1]));
	assert_non_null(kept_find(k, fh[2]));
	kept_free(k);
}

static void there_is_an_end_of_slots(void **state)
{
	(void)state;
	for (int i = 0; i < KEPT_FILES_MAX; i++)
		assert_non_null(kept_add(first, 1));
	assert_null(kept_add(first, 1));
	kept_drop(first, kept_next(first, NULL));
	assert_non_null(kept_add(first, 2));
	assert_null(kept_add(first, 1));
}

static void what_is_none_is_refused(void **state)
{
	(void)state;
	struct kept *k;
	struct stat st;
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(kept_open(fd, &k), -EINVAL);
	assert_int_equal(fstat(kept_fd(first), &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	assert_int_equal(kept_open(fd, &k), -EINVAL);
	assert_int_equal(kept_open(-1, &k), -EBADF);
	/* Another format: its letter. */
	char letter = '~';
	assert_int_equal(pwrite(kept_fd(first), &letter, 1, 15), 1);
	assert_int_equal(kept_open(kept_fd(first), &k), -EINVAL);
	close(fd);
}

static void answer(uint64_t request, const struct kept_file *f, uint32_t size, uint64_t text)
{
	struct kept_answer a = {
		.request = request, .fh = f ? f->fh : 0, .size = size, .text = text
	};
	kept_answers_add(first, &a);
}

/* -1: not to be known. */
static int answered(const struct kept *k, uint64_t request)
{
	uint32_t size;
	return kept_answered(k, request, &size) ? (int)size : -1;
}

static void an_answer_counts_with_its_commit_only(void **state)
{
	(void)state;
	kept_answers_begin(first);
	answer(100, NULL, 5, 0);
	/* Killed before the list was whole. */
	struct kept *k = next_daemon();
	kept_settle(k, 6);
	assert_int_equal(answered(k, 100), -1);
	kept_free(k);

	kept_answers_begin(first);
	answer(100, NULL, 5, 0);
	kept_answers_end(first, 7);
	/* Killed before the commit: the database has the one before. */
	k = next_daemon();
	kept_settle(k, 6);
	assert_int_equal(answered(k, 100), -1);
	kept_free(k);

	kept_answers_begin(first);
	answer(100, NULL, 5, 0);
	answer(102, NULL, 9, 0);
	kept_answers_end(first, 7);
	k = next_daemon();
	kept_settle(k, 7);
	assert_int_equal(answered(k, 102), 9);
	assert_int_equal(answered(k, 104), -1);
	kept_free(k);

	/* The next list is begun, and killed; that of commit 7 stays known. */
	kept_answers_begin(first);
	answer(104, NULL, 1, 0);
	k = next_daemon();
	kept_settle(k, 7);
	assert_int_equal(answered(k, 104), -1);
	assert_int_equal(answered(k, 102), 9);
	kept_free(k);
}

static void an_answer_is_known_behind_the_next_commit(void **state)
{
	(void)state;
	kept_answers_begin(first);
	answer(100, NULL, 5, 0);
	kept_answers_end(first, 7);
	/* The next one commits before it is asked 100 again, and is killed, and so on. */
	for (int64_t commit = 8; commit < 12; commit++) {
		struct kept *k = next_daemon();
		kept_settle(k, commit - 1);
		kept_answers_begin(k);
		kept_answers_end(k, commit);
		assert_int_equal(answered(k, 100), 5);
		kept_free(k);
	}
	/* There is an end of it, long behind the last that could be asked again. */
	for (uint64_t i = 0; i < 4; i++) {
		kept_answers_begin(first);
		for (uint64_t n = 0; n < KEPT_ANSWERS_MAX; n++)
			answer(1000 + i * KEPT_ANSWERS_MAX + n, NULL, 1, 0);
		kept_answers_end(first, 20);
		kept_settle(first, 20);
	}
	assert_int_equal(answered(first, 100), -1);
	assert_int_equal(answered(first, 1000 + 4 * KEPT_ANSWERS_MAX - 1), 1);
}

static void an_answer_without_a_commit_counts(void **state)
{
	(void)state;
	kept_answers_begin(first);
	answer(100, NULL, 5, 0);
	kept_answers_end(first, KEPT_NO_COMMIT);
	struct kept *k = next_daemon();
	kept_settle(k, 0);
	assert_int_equal(answered(k, 100), 5);
	kept_free(k);
}

static void assert_text(struct kept *k, uint64_t fh, const char *text)
{
	char *out = malloc(KEPT_TEXT_MAX);
	struct kept_file *f = kept_find(k, fh);
	ssize_t n = f->text ? kept_get(k, f, out) : 0;
	assert_int_equal(n, strlen(text));
	assert_memory_equal(out, text, (size_t)n);
	free(out);
}

static void a_begun_line_is_as_of_the_last_answer(void **state)
{
	(void)state;
	struct kept_file *f = kept_add(first, 1), *g = kept_add(first, 2);
	kept_set_text(first, f, kept_put(first, f, "deploy", 6));
	kept_set_text(first, g, kept_put(first, g, "other", 5));
	uint64_t longer = kept_put(first, f, "deployment/", 11);
	assert_text(first, f->fh, "deploy");
	kept_answers_begin(first);
	answer(100, f, 5, longer);
	kept_answers_end(first, 3);

	struct kept *k = next_daemon(); /* not committed */
	uint64_t fh = f->fh;
	assert_text(k, fh, "deploy");
	kept_free(k);

	kept_settle(first, 3);
	assert_text(first, fh, "deployment/");
	assert_text(first, g->fh, "other");
	/* What it does then is not undone by another takeover. */
	kept_set_text(first, f, 0);
	k = next_daemon();
	kept_settle(k, 3);
	assert_text(k, fh, "");
	assert_int_equal(answered(k, 100), 5);
	kept_free(k);
}

static blkcnt_t blocks(void)
{
	struct stat st;
	assert_int_equal(fstat(kept_fd(first), &st), 0);
	return st.st_blocks;
}

static void a_line_that_has_ended_takes_no_memory(void **state)
{
	(void)state;
	char *text = malloc(KEPT_TEXT_MAX);
	memset(text, 'x', KEPT_TEXT_MAX);
	struct kept_file *f = kept_add(first, 1);
	blkcnt_t before = blocks();
	kept_set_text(first, f, kept_put(first, f, text, KEPT_TEXT_MAX));
	kept_set_text(first, f, kept_put(first, f, text, KEPT_TEXT_MAX));
	assert_true(blocks() - before >= 2 * KEPT_TEXT_MAX / 512);
	kept_set_text(first, f, 0);
	assert_int_equal(blocks(), before);
	assert_int_equal(kept_put(first, f, text, KEPT_TEXT_MAX + 1), 0);
	kept_set_text(first, f, kept_put(first, f, text, KEPT_TEXT_MAX));
	kept_drop(first, f);
	assert_int_equal(blocks(), before);
	free(text);
}

static void a_request_is_deadly_to_as_many_in_a_row(void **state)
{
	(void)state;
	struct kept *k = first;
	kept_handles(first, 5);
	kept_handled(first);
	kept_settle(first, 0);
	assert_false(kept_is_deadly(first, 5));
	for (int deaths = 1; deaths <= KEPT_DEATHS_MAX; deaths++) {
		kept_handles(k, 5);
		if (k != first)
			kept_free(k);
		k = next_daemon();
		kept_settle(k, 0);
		assert_int_equal(kept_is_deadly(k, 5), deaths == KEPT_DEATHS_MAX);
		assert_false(kept_is_deadly(k, 6));
	}
	/* Another one in between is no row. */
	kept_handles(k, 6);
	kept_settle(k, 0);
	kept_handles(k, 5);
	kept_settle(k, 0);
	assert_false(kept_is_deadly(k, 5));
	kept_free(k);
}

int main(void)
{
#define KEPT(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		KEPT(a_request_is_deadly_to_as_many_in_a_row),
		KEPT(open_files_are_known_to_the_next),
		KEPT(there_is_an_end_of_slots),
		KEPT(what_is_none_is_refused),
		KEPT(an_answer_counts_with_its_commit_only),
		KEPT(an_answer_is_known_behind_the_next_commit),
		KEPT(an_answer_without_a_commit_counts),
		KEPT(a_begun_line_is_as_of_the_last_answer),
		KEPT(a_line_that_has_ended_takes_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
