#pragma once
/*
 * yardstick: what bare.c, wire.c and the writers have in common: how they fail, read numbers, measure themselves and
 * print it, so that two of them are never told apart by that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* As webhookfs sends them with each request. */
#define WEBHOOK_LINES                                                          \
	"User-Agent: webhookfs/0.1.0", "webhook-id: msg_k3v9q2x1ab7d_1234567", \
		"webhook-timestamp: 1767225600"

#define WARM 2000 /* requests that are not timed: connections are open, memory is there */

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0) {
		fprintf(stderr, "%s is no number\n", text);
		exit(2);
	}
	return n;
}

static inline double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* getrusage would tell the most that this process had before its exec, too: what the bench itself takes. */
static inline long peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	if (!f)
		die("/proc/self/status");
	while (kib == 0 && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmHWM: %ld kB", &kib);
	fclose(f);
	return kib;
}

static inline int report(long good, long count, double wall, double cpu)
{
	printf("{\"good\": %ld, \"seconds\": %.6f, \"cpu_s\": %.6f, \"rss_kib\": %ld}\n", good,
		wall, cpu, peak_kib());
	return good == count ? 0 : 1;
}
