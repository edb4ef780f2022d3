#include "util/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What `lines` writes to stderr, as text. */
static void captured(void (*lines)(void), char *out, size_t size)
{
	FILE *file = tmpfile();
	int old = dup(STDERR_FILENO);
	ssize_t n;

	assert_non_null(file);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	lines();
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	close(old);
	n = pread(fileno(file), out, size - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	fclose(file);
}

static void three_levels(void)
{
	errno = ENOSPC;
	log_error("a %s", "b");
	log_info("c");
	log_debug("d");
	assert_int_equal(errno, ENOSPC);
}

static void as_plain(void)
{
	unsetenv("JOURNAL_STREAM");
	log_init(LOG_LEVEL_INFO);
	three_levels();
}

/* As systemd does, if the journal's inode is `offset` beyond that of stderr. */
static void journal_is(unsigned offset)
{
	struct stat st;
	char stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino + offset);
	setenv("JOURNAL_STREAM", stream, 1);
}

static void as_journal(void)
{
	journal_is(0);
	log_init(LOG_LEVEL_DEBUG);
	three_levels();
}

static void as_redirected_from_the_journal(void)
{
	journal_is(1);
	log_init(LOG_LEVEL_ERROR);
	three_levels();
}

static void long_and_odd(void)
{
	unsetenv("JOURNAL_STREAM");
	log_init(LOG_LEVEL_INFO);
	log_info("two\nlines\x1b");
	log_info("%s", "");
	log_info("%05000d", 0);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_info("nobody hears this");
	assert_int_equal(errno, ENOSPC);
}

static void test_lines_say_who_or_how_bad(void **state)
{
	char text[1000];

	(void)state;
	captured(as_plain, text, sizeof(text));
	assert_string_equal(text, "webhookfs: a b\nwebhookfs: c\n");
	captured(as_journal, text, sizeof(text));
	assert_string_equal(text, "<3>a b\n<6>c\n<7>d\n");
	captured(as_redirected_from_the_journal, text, sizeof(text));
	assert_string_equal(text, "webhookfs: a b\n");
}

static void test_a_call_is_one_line_of_bounded_length(void **state)
{
	static const char head[] = "webhookfs: two?lines?\nwebhookfs: \nwebhookfs: 000";
	char text[10000];
	size_t len;

	(void)state;
	captured(long_and_odd, text, sizeof(text));
	len = strlen(text);
	assert_memory_equal(text, head, strlen(head));
	assert_in_range(len, 2000, 2100);
	assert_string_equal(text + len - 2, "0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_say_who_or_how_bad),
		cmocka_unit_test(test_a_call_is_one_line_of_bounded_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
