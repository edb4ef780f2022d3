/*
 * A receiver that looks at the clock: how old is an event when its request arrives?
 *
 *     clocked
 *
 * Answers every POST with 204 over HTTP/1.1, connections kept. The body has nanoseconds of CLOCK_MONOTONIC
 * as 20 digits behind "request_id":", as tests/bench/writers.c and direct.c put them there at their write;
 * a stamp below a second is one of the warm-up and is not counted. The clock is read when the bytes are
 * there, before they are looked at.
 *
 * Prints a line {"port": N} first. Told to end (SIGTERM) it prints how many were counted, the quantiles of
 * arrival - write in microseconds, the seconds between first and last arrival, and a histogram: pairs of a bucket's
 * upper bound and the count in it, eight buckets for each doubling, empty ones left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FD_MAX      4096
#define REQUEST_MAX 65536
#define WARM_NS     1000000000u
#define FIELD       "\"request_id\":\""
#define LENGTH      "\r\nContent-Length: "
#define ANSWER      "HTTP/1.1 204 No Content\r\n\r\n"
#define WIDER       1.0905077326652577 /* the eighth root of 2: a bucket, and the one before it */

static struct connection {
	char data[REQUEST_MAX];
	size_t len;
} * connections[FD_MAX];

static struct {
	uint64_t *ns;
	size_t count, cap;
	uint64_t first_ns, last_ns;
} seen;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(const char *body, size_t len, uint64_t arrived_ns)
{
	const char *at = memmem(body, len, FIELD, strlen(FIELD));
	uint64_t stamp;

	if (!at)
		return;
	stamp = strtoull(at + strlen(FIELD), NULL, 10);
	if (stamp < WARM_NS || stamp > arrived_ns)
		return;
	if (seen.count == seen.cap) {
		seen.cap = seen.cap ? seen.cap * 2 : 65536;
		seen.ns = reallocarray(seen.ns, seen.cap, sizeof(*seen.ns));
		if (!seen.ns)
			die("realloc");
	}
	if (!seen.count)
		seen.first_ns = arrived_ns;
	seen.last_ns = arrived_ns;
	seen.ns[seen.count++] = arrived_ns - stamp;
}

/* The bytes of the first request there, 0 while it is not whole. */
static size_t request_len(const char *data, size_t len, const char **body)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4), *field;
	size_t head;

	if (!end)
		return 0;
	head = (size_t)(end - data) + 4;
	field = memmem(data, head, LENGTH, strlen(LENGTH));
	if (!field)
		die("no Content-Length");
	*body = data + head;
	head += strtoul(field + strlen(LENGTH), NULL, 10);
	return head <= len ? head : 0;
}

static void hang_up(int fd)
{
	close(fd);
	free(connections[fd]);
	connections[fd] = NULL;
}

static void serve(int fd)
{
	struct connection *c = connections[fd];
	ssize_t n = recv(fd, c->data + c->len, sizeof(c->data) - c->len, 0);
	uint64_t arrived_ns = now_ns();
	const char *body;
	size_t len;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			hang_up(fd);
		return;
	}
	c->len += (size_t)n;
	while ((len = request_len(c->data, c->len, &body))) {
		if (send(fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL) < 0) {
			hang_up(fd);
			return;
		}
		note(body, (size_t)(c->data + len - body), arrived_ns);
		c->len -= len;
		memmove(c->data, c->data + len, c->len);
	}
	if (c->len == sizeof(c->data))
		hang_up(fd);
}

static void greet(int epoll_fd, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || fd >= FD_MAX)
		die("accept");
	connections[fd] = calloc(1, sizeof(*connections[fd]));
	if (!connections[fd] || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
		die("connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int listening(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, 1024) ||
		getsockname(fd, (struct sockaddr *)&at, &len))
		die("listen");
	printf("{\"port\": %u}\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double quantile_us(double q)
{
	size_t at = (size_t)((double)seen.count * q);

	return (double)seen.ns[at < seen.count ? at : seen.count - 1] / 1e3;
}

static void report(void)
{
	size_t i = 0;
	bool more = false;

	printf("{\"count\": %zu", seen.count);
	if (seen.count) {
		qsort(seen.ns, seen.count, sizeof(*seen.ns), compare);
		printf(", \"seconds\": %.6f, \"min_us\": %.1f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
		       "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f",
			(double)(seen.last_ns - seen.first_ns) / 1e9, quantile_us(0),
			quantile_us(0.5), quantile_us(0.9), quantile_us(0.99), quantile_us(0.999),
			quantile_us(1));
	}
	printf(", \"histogram\": [");
	for (double upper_us = 1; i < seen.count; upper_us *= WIDER) {
		size_t begin = i;

		while (i < seen.count && (double)seen.ns[i] / 1e3 <= upper_us)
			i++;
		if (i > begin)
			printf("%s[%.7g, %zu]", more ? ", " : "", upper_us, i - begin);
		more |= i > begin;
	}
	printf("]}\n");
}

int main(void)
{
	struct epoll_event ready[64], e = { .events = EPOLLIN };
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), listen_fd = listening(), signal_fd;
	bool over = false;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	e.data.fd = signal_fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &e))
		die("epoll_ctl");
	e.data.fd = listen_fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &e))
		die("epoll_ctl");
	while (!over) {
		int n = epoll_wait(epoll_fd, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == listen_fd)
				greet(epoll_fd, fd);
			else if (fd == signal_fd)
				over = true;
			else
				serve(fd);
		}
	}
	report();
	return 0;
}
