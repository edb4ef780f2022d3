/*
 * Writers of events: how fast are lines acknowledged, and how long does one write take?
 *
 *     writers [-w WRITERS] [-b BYTES] [-a] [-c] [-r RATE] FILE COUNT <LINES
 *
 * The lines of stdin are written to FILE again and again until COUNT are written, by WRITERS threads with a
 * descriptor of their own: as many whole lines a write as fit into BYTES (default 1, so one line). -a opens
 * with O_APPEND, as `>>` does; -c opens, writes and closes for each write, as `echo >` does; -r writes RATE lines a second,
 * each when its time has come. "@" times 20 in a line becomes the nanoseconds of CLOCK_MONOTONIC at its write. Prints a
 * line of JSON: seconds from the first write to the last answer, and the quantiles of one write's time
 * (with -c of open, write and close) in microseconds.
 */
#include "yardstick.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX 1024
#define LINES_MAX   10000000
#define STAMP       "@@@@@@@@@@@@@@@@@@@@"
#define STAMP_LEN   20

static struct {
	unsigned writers;
	size_t bytes;
	int append, closing;
	long rate, count;
	const char *file;
} o = { .writers = 1, .bytes = 1 };

static char *input;
static size_t input_len;
static struct chunk {
	size_t at, len;
	long lines;
} * chunks;
static long chunk_count;

static atomic_long next; /* the next write */
static long writes;      /* in all */
static float *took_us;   /* of each write */
static double begin;

static void read_lines(void)
{
	size_t cap = 1 << 20;
	ssize_t n = 1;

	input = malloc(cap);
	while (input && (n = read(0, input + input_len, cap - input_len)) > 0) {
		input_len += (size_t)n;
		if (input_len == cap)
			input = realloc(input, cap *= 2);
	}
	if (!input || n < 0 || input_len == 0 || input[input_len - 1] != '\n')
		die("stdin");
}

/* Whole lines, as many as fit, one at least. */
static void cut(void)
{
	chunks = calloc(LINES_MAX, sizeof(*chunks));
	if (!chunks)
		die("calloc");
	for (size_t at = 0; at < input_len; chunk_count++) {
		struct chunk *c = &chunks[chunk_count];

		*c = (struct chunk){ .at = at };
		do {
			char *end = memchr(input + at, '\n', input_len - at);
			size_t len = (size_t)(end - (input + at)) + 1;

			if (c->lines && c->len + len > o.bytes)
				break;
			c->len += len;
			c->lines++;
			at += len;
		} while (at < input_len);
	}
}

static void stamp(char *data, size_t len)
{
	char *at = memmem(data, len, STAMP, STAMP_LEN), digits[STAMP_LEN + 1];
	struct timespec t;

	if (!at)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(digits, sizeof(digits), "%020llu",
		(unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec);
	memcpy(at, digits, STAMP_LEN);
}

static int opened(void)
{
	int fd = open(o.file, O_WRONLY | (o.append ? O_APPEND : 0) | O_CLOEXEC);

	if (fd < 0)
		die(o.file);
	return fd;
}

static void sleep_until(double when)
{
	struct timespec t = { .tv_sec = (time_t)when };

	t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static void *writer(void *unused)
{
	int fd = o.closing ? -1 : opened();
	char *data = malloc(input_len);
	long i;

	(void)unused;
	while ((i = atomic_fetch_add(&next, 1)) < writes) {
		const struct chunk *c = &chunks[i % chunk_count];
		double start;

		if (o.rate)
			sleep_until(begin + (double)i / (double)o.rate);
		memcpy(data, input + c->at, c->len);
		start = now(CLOCK_MONOTONIC);
		if (o.closing)
			fd = opened();
		stamp(data, c->len);
		if (write(fd, data, c->len) != (ssize_t)c->len)
			die("write");
		if (o.closing && close(fd))
			die("close");
		took_us[i] = (float)((now(CLOCK_MONOTONIC) - start) * 1e6);
	}
	free(data);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "w:b:acr:")) != -1) {
		if (c == 'w')
			o.writers = (unsigned)number(optarg);
		else if (c == 'b')
			o.bytes = (size_t)number(optarg);
		else if (c == 'a')
			o.append = 1;
		else if (c == 'c')
			o.closing = 1;
		else if (c == 'r')
			o.rate = number(optarg);
		else
			exit(2);
	}
	if (argc - optind != 2 || o.writers < 1 || o.writers > WRITERS_MAX) {
		fprintf(stderr,
			"usage: writers [-w WRITERS] [-b BYTES] [-a] [-c] [-r RATE] FILE "
			"COUNT <LINES\n");
		exit(2);
	}
	o.file = argv[optind];
	o.count = number(argv[optind + 1]);
}

int main(int argc, char **argv)
{
	static pthread_t threads[WRITERS_MAX];
	long lines = 0;
	double seconds;

	options(argc, argv);
	read_lines();
	cut();
	for (writes = 0; lines < o.count; writes++)
		lines += chunks[writes % chunk_count].lines;
	took_us = calloc((size_t)writes, sizeof(*took_us));
	if (!took_us)
		die("calloc");
	begin = now(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < o.writers; i++)
		if (pthread_create(&threads[i], NULL, writer, NULL))
			die("pthread_create");
	for (unsigned i = 0; i < o.writers; i++)
		pthread_join(threads[i], NULL);
	seconds = now(CLOCK_MONOTONIC) - begin;
	qsort(took_us, (size_t)writes, sizeof(*took_us), compare);
	printf("{\"lines\": %ld, \"writes\": %ld, \"seconds\": %.6f, \"p50_us\": %.1f, "
	       "\"p99_us\": %.1f, \"max_us\": %.1f}\n",
		lines, writes, seconds, (double)took_us[writes / 2],
		(double)took_us[writes * 99 / 100], (double)took_us[writes - 1]);
	return 0;
}
