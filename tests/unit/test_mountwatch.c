/* A mount is found by its point in the kernel's table and watched by its device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "util/mountwatch.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT  "22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
#define OURS  "40 22 0:35 / /mnt/hooks rw,nosuid shared:7 - fuse.webhookfs state rw\n"
#define UNDER "39 22 0:34 / /mnt/hooks rw - tmpfs tmpfs rw\n"
#define BOUND "41 22 0:35 /hooks /elsewhere rw - fuse.webhookfs state rw\n"
#define ODD   "42 22 0:36 / /mnt/a\\040b\\134c\\011d rw - fuse.webhookfs state rw\n"
#define OTHER "43 22 1:35 / /mnt/other rw - fuse.webhookfs state rw\n"
#define JUNK  "not a line of the table\n\n44 22 0:35\n45 22 0:35 / /cut\n"

static char table[32];

static void write_table(const char *text)
{
	FILE *f = fopen(table, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_table(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(table, sizeof(table), "/tmp/test_mountwatch.XXXXXX");
	fd = mkstemp(table);
	return fd < 0 || close(fd) < 0;
}

static int remove_table(void **state)
{
	(void)state;
	return unlink(table);
}

/* What was found at `mountpoint` in `before`, and is it there in `after`? */
static const struct {
	const char *mountpoint, *before, *after;
	int found, present;
} cases[] = {
	{ "/mnt/hooks", ROOT OURS, ROOT OURS, 0, 1 },
	{ "/mnt/hooks", ROOT OURS, ROOT, 0, 0 },
	{ "/mnt/hooks", ROOT OURS, "", 0, 0 },
	{ "/mnt/hooks", JUNK OURS ROOT, JUNK ROOT, 0, 0 },
	{ "/mnt/hooks", ROOT OURS OTHER, ROOT OTHER, 0, 0 },
	{ "/mnt/hooks", ROOT UNDER OURS, ROOT UNDER, 0, 0 },
	{ "/mnt/hooks", ROOT UNDER OURS, ROOT OURS, 0, 1 },
	{ "/mnt/hooks", ROOT OURS BOUND, ROOT BOUND, 0, 1 },
	{ "/mnt/a b\\c\td", ROOT ODD, ROOT, 0, 0 },
	{ "/mnt/a b\\c\td", ROOT ODD, ODD, 0, 1 },
	{ "/", ROOT OURS, ROOT, 0, 1 },
	{ "/mnt", ROOT OURS, "", -ENOENT, 0 },
	{ "/mnt/hooks/", ROOT OURS, "", -ENOENT, 0 },
	{ "/mnt/hooks", JUNK, "", -ENOENT, 0 },
	{ "/mnt/hooks", "", "", -ENOENT, 0 },
};

static void the_table_tells_what_is_mounted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mountwatch *w = NULL;

		write_table(cases[i].before);
		assert_int_equal(mountwatch_new(table, cases[i].mountpoint, &w), cases[i].found);
		assert_int_equal(w != NULL, cases[i].found == 0);
		if (!w)
			continue;
		assert_int_equal(mountwatch_present(w), 1);
		write_table(cases[i].after);
		assert_int_equal(mountwatch_present(w), cases[i].present);
		assert_int_equal(mountwatch_present(w), cases[i].present);
		mountwatch_free(w);
	}
}

static void the_real_table_can_be_watched(void **state)
{
	struct mountwatch *w;
	struct pollfd wait = { .events = POLLPRI };

	(void)state;
	assert_int_equal(mountwatch_new(MOUNTWATCH_TABLE, "/proc", &w), 0);
	assert_int_equal(mountwatch_present(w), 1);
	wait.fd = mountwatch_fd(w);
	assert_true(fcntl(wait.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(poll(&wait, 1, 0) >= 0);
	assert_int_equal(wait.revents & POLLNVAL, 0);
	mountwatch_free(w);
}

static void a_missing_table_is_an_error(void **state)
{
	struct mountwatch *w = NULL;

	(void)state;
	assert_int_equal(mountwatch_new("/proc/self/missing", "/", &w), -ENOENT);
	assert_int_equal(mountwatch_new("/proc/self", "/", &w), -EISDIR);
	assert_null(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_table_tells_what_is_mounted, make_table, remove_table),
		cmocka_unit_test(the_real_table_can_be_watched),
		cmocka_unit_test(a_missing_table_is_an_error),
	};

	return cmocka_run_group_tests_name("mountwatch", tests, NULL, NULL);
}
