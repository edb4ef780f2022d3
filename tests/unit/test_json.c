/* json: a text for which there is not enough memory is that, and no other text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "model/json.h"

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memcheck.h"

#define MIB ((size_t)1 << 20)

static int set_up(void **state)
{
	(void)state;
	json_init();
	return 0;
}

static size_t mapped(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu", &pages) != 1)
		_exit(9);
	(void)fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What json_read says of it, with so much more memory. */
static int read_within(const char *text, size_t len, size_t left)
{
	struct rlimit most = { mapped() + left, mapped() + left };
	json_error_t e;
	json_t *root = NULL;
	int r, status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setrlimit(RLIMIT_AS, &most))
			_exit(9);
		r = json_read(text, len, JSON_DECODE_ANY, &e, &root);
		json_decref(root);
		_exit(r == -ENOMEM ? 1 : r ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
	return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
	return false;
#endif
}

/* Its scanner's room for a string doubles: 4 MiB is full, and for the end there is no other. */
static void a_string_whose_end_finds_no_room(void **state)
{
	size_t len = 4 * MIB + 64;
	char *text;

	(void)state;
	skip_under_memcheck("valgrind needs memory of its own");
	if (is_sanitized())
		skip();
	text = malloc(len);
	assert_non_null(text);
	memset(text, 'x', len);
	text[0] = text[len - 1] = '"';
	assert_int_equal(read_within(text, len, 40 * MIB), 0);
	assert_int_equal(read_within(text, len, 10 * MIB), 1);
	free(text);
}

/* The next text has what was lacking. */
static void what_ran_out_comes_back(void **state)
{
	json_error_t e;
	json_t *root;

	(void)state;
	assert_int_equal(json_read("{", 1, 0, &e, &root), -EINVAL);
	assert_int_equal(json_read("[1]", 3, 0, &e, &root), 0);
	assert_int_equal(json_array_size(root), 1);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_whose_end_finds_no_room),
		cmocka_unit_test(what_ran_out_comes_back),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
