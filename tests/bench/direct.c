/*
 * The yardstick of latency: whoever has an event sends it himself, at once.
 *
 *     direct [-w SENDERS] [-r RATE] [-b BYTES] [-s SCRATCH] PORT COUNT
 *
 * POSTs COUNT bodies of BYTES to 127.0.0.1:PORT, RATE a second, each when its time has come, by SENDERS threads
 * with one kept connection each, by send(2) and recv(2) alone. "request_id" in a body is the nanoseconds of
 * CLOCK_MONOTONIC at which the event was there. With -s it is first appended to SCRATCH.N, with an fdatasync: the
 * least that anybody does who wants to lose nothing. Prints a line of JSON: seconds from the first to the
 * last answer.
 */
#include "yardstick.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SENDERS_MAX 256
#define REQUEST_MAX 65536

static struct {
	unsigned senders, port;
	int body_len;
	long rate, count;
	const char *scratch;
} o = { .senders = 1, .body_len = 400 };

static atomic_long next;
static double begin;

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static void sleep_until(double when)
{
	struct timespec t = { .tv_sec = (time_t)when };

	t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

static int connected(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((in_port_t)o.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int scratch(unsigned sender)
{
	char path[4096];
	int fd;

	if (!o.scratch)
		return -1;
	snprintf(path, sizeof(path), "%s.%u", o.scratch, sender);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path);
	return fd;
}

/* The length of the request; its body begins at *body. */
static int request(char *data, unsigned long long stamp_ns, int *body)
{
	*body = snprintf(data, REQUEST_MAX,
		"POST / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\n"
		"Content-Length: %d\r\n\r\n",
		o.port, o.body_len);
	return *body +
		snprintf(data + *body, (size_t)(REQUEST_MAX - *body),
			"{\"request_id\":\"%020llu\",\"note\":\"%0*d\"}", stamp_ns,
			o.body_len - (int)strlen("{\"request_id\":\"\",\"note\":\"\"}") - 20, 0);
}

static void *sender(void *ctx)
{
	int fd = connected(), scratch_fd = scratch((unsigned)(size_t)ctx), body, len;
	char *data = malloc(REQUEST_MAX), answer[1024];
	long i;

	if (!data)
		die("malloc");
	while ((i = atomic_fetch_add(&next, 1)) < o.count) {
		if (o.rate)
			sleep_until(begin + (double)i / (double)o.rate);
		len = request(data, now_ns(), &body);
		if (scratch_fd >= 0 &&
			(write(scratch_fd, data + body, (size_t)(len - body)) != len - body ||
				fdatasync(scratch_fd)))
			die(o.scratch);
		if (send(fd, data, (size_t)len, MSG_NOSIGNAL) != len)
			die("send");
		if (recv(fd, answer, sizeof(answer), 0) <= 0)
			die("recv");
	}
	free(data);
	close(fd);
	return NULL;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "w:r:b:s:")) != -1) {
		if (c == 'w')
			o.senders = (unsigned)number(optarg);
		else if (c == 'r')
			o.rate = number(optarg);
		else if (c == 'b')
			o.body_len = (int)number(optarg);
		else if (c == 's')
			o.scratch = optarg;
		else
			exit(2);
	}
	if (argc - optind != 2 || o.senders < 1 || o.senders > SENDERS_MAX || o.body_len < 64 ||
		o.body_len > REQUEST_MAX / 2) {
		fprintf(stderr,
			"usage: direct [-w SENDERS] [-r RATE] [-b BYTES] [-s SCRATCH] PORT COUNT\n");
		exit(2);
	}
	o.port = (unsigned)number(argv[optind]);
	o.count = number(argv[optind + 1]);
}

int main(int argc, char **argv)
{
	static pthread_t threads[SENDERS_MAX];

	options(argc, argv);
	begin = (double)now_ns() / 1e9;
	for (unsigned i = 0; i < o.senders; i++)
		if (pthread_create(&threads[i], NULL, sender, (void *)(size_t)i))
			die("pthread_create");
	for (unsigned i = 0; i < o.senders; i++)
		pthread_join(threads[i], NULL);
	printf("{\"lines\": %ld, \"seconds\": %.6f}\n", o.count, (double)now_ns() / 1e9 - begin);
	return 0;
}
