/*
 * clockstep: for LD_PRELOAD: the wall clock goes ahead by the seconds that stand in the file $CLOCKSTEP,
 * read anew each time, so a test can set the clock of a running daemon. A second number is what the
 * machine has slept: CLOCK_BOOTTIME goes ahead by it, as CLOCK_MONOTONIC does not.
 *
 * It is opened once, since a confined daemon may open it no more: who sets the clock writes into the file
 * that is there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 63

static int file = -1;

struct steps {
	long wall_s, slept_s;
};

__attribute__((constructor)) static void file_open(void)
{
	const char *name = getenv("CLOCKSTEP");

	file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	if (name && file < 0)
		abort();
}

static void file_read(char text[TEXT_MAX + 1])
{
	ssize_t len = pread(file, text, TEXT_MAX, 0);

	text[len < 0 ? 0 : len] = '\0';
}

static struct steps steps(void)
{
	char text[TEXT_MAX + 1] = "", again[TEXT_MAX + 1], *rest;
	struct steps s = { 0 };

	if (file < 0)
		return s;
	/* Until no write comes in between. */
	do {
		memcpy(again, text, sizeof(again));
		file_read(text);
	} while (strcmp(text, again));
	s.wall_s = strtol(text, &rest, 10);
	s.slept_s = strtol(rest, NULL, 10);
	return s;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (r == 0 && clock == CLOCK_REALTIME)
		ts->tv_sec += steps().wall_s;
	if (r == 0 && clock == CLOCK_BOOTTIME)
		ts->tv_sec += steps().slept_s;
	return r;
}
