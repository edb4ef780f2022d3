/*
 * The ceiling of delivery: HTTP/1.1 by hand.
 *
 *     wire [-c CONNECTIONS] [-t THREADS] [-b BYTES] URL COUNT
 *
 * Does the work of bare.c, and prints the same line, without a library: a request is one send of bytes that were
 * put together once, an answer is read for its status and its Content-Length. One request a connection at a
 * time, nothing pipelined, no TLS. A connection that fails, or an answer that it cannot read, ends it.
 */
#include "yardstick.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX     16
#define CONNECTIONS_MAX 4096
#define ANSWER_MAX      8192

static struct {
	unsigned connections, threads;
	size_t body_len;
	long count;
	char host[256], port[16], path[1024];
	char *request;
	size_t request_len;
} o = { .connections = 64, .threads = 1, .body_len = 400 };

struct connection {
	int fd;
	size_t len;  /* of the head so far */
	size_t body; /* bytes of the body that are yet to come */
	char head[ANSWER_MAX];
};

struct sender {
	pthread_t thread;
	int epoll_fd;
	struct connection *connections;
	unsigned connection_count;
	long left, target, good, done; /* left: to be begun yet */
};

static void refuse(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void make_request(void)
{
	static const char *const lines[] = { WEBHOOK_LINES };
	int head_len;

	o.request = malloc(o.body_len + 2048);
	if (!o.request)
		die("malloc");
	head_len = snprintf(o.request, 2048,
		"POST %s HTTP/1.1\r\nHost: %s:%s\r\nAccept: */*\r\n"
		"Content-Type: application/json\r\n%s\r\n%s\r\n%s\r\nContent-Length: %zu\r\n\r\n",
		o.path, o.host, o.port, lines[0], lines[1], lines[2], o.body_len);
	memset(o.request + head_len, 'x', o.body_len);
	o.request_len = (size_t)head_len + o.body_len;
}

static int connected(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int fd;

	if (getaddrinfo(o.host, o.port, &hints, &found))
		refuse("no such host");
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
		die("connect");
	freeaddrinfo(found);
	return fd;
}

/* The socket blocks, so a body larger than its buffer is waited for. */
static void request(struct sender *s, struct connection *c)
{
	s->left--;
	c->len = 0;
	if (send(c->fd, o.request, o.request_len, MSG_NOSIGNAL) != (ssize_t)o.request_len)
		die("send");
}

static size_t content_length(const char *head, const char *end)
{
	static const char name[] = "content-length:";

	for (const char *at = head; (at = memchr(at, '\n', (size_t)(end - at)));) {
		at++;
		if (strncasecmp(at, name, sizeof(name) - 1) == 0)
			return (size_t)strtoul(at + sizeof(name) - 1, NULL, 10);
	}
	return 0;
}

/* Has the whole answer come? */
static int answered(struct sender *s, struct connection *c)
{
	ssize_t n = recv(c->fd, c->head + c->len, sizeof(c->head) - 1 - c->len, MSG_DONTWAIT);
	char *end;

	if (n <= 0)
		die("recv");
	if (c->body) {
		c->body -= (size_t)n < c->body ? (size_t)n : c->body;
		return c->body == 0;
	}
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end && c->len == sizeof(c->head) - 1)
		refuse("a head is too long");
	if (!end)
		return 0;
	if (strncmp(c->head, "HTTP/1.1 ", 9) != 0)
		refuse("this is no HTTP/1.1");
	s->good += c->head[9] == '2';
	c->body = content_length(c->head, end + 2);
	n = c->head + c->len - (end + 4);
	c->body -= (size_t)n < c->body ? (size_t)n : c->body;
	c->len = 0;
	return c->body == 0;
}

static void *run(void *ctx)
{
	struct sender *s = ctx;
	struct epoll_event ready[64];

	for (unsigned i = 0; i < s->connection_count && s->left > 0; i++)
		request(s, &s->connections[i]);
	while (s->done < s->target) {
		int n = epoll_wait(s->epoll_fd, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;

			if (!answered(s, c))
				continue;
			s->done++;
			if (s->left > 0)
				request(s, c);
		}
	}
	return NULL;
}

static void connect_all(struct sender *s)
{
	s->epoll_fd = epoll_create1(0);
	s->connection_count = o.connections / o.threads;
	s->connections = calloc(s->connection_count, sizeof(*s->connections));
	if (!s->connections)
		die("calloc");
	for (unsigned i = 0; i < s->connection_count; i++) {
		struct connection *c = &s->connections[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

		c->fd = connected();
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
			die("epoll_ctl");
	}
}

/* Each sender its part of the count, all at once. */
static void send_all(struct sender *senders, long count)
{
	for (unsigned i = 0; i < o.threads; i++) {
		struct sender *s = &senders[i];

		s->left = count / o.threads + (i < count % o.threads);
		s->target = s->done + s->left;
		if (pthread_create(&s->thread, NULL, run, s))
			die("pthread_create");
	}
	for (unsigned i = 0; i < o.threads; i++)
		pthread_join(senders[i].thread, NULL);
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:t:b:")) != -1) {
		if (c == 'c')
			o.connections = (unsigned)number(optarg);
		else if (c == 't')
			o.threads = (unsigned)number(optarg);
		else if (c == 'b')
			o.body_len = (size_t)number(optarg);
		else
			exit(2);
	}
	if (argc - optind != 2 || o.threads < 1 || o.threads > THREADS_MAX ||
		o.connections < o.threads || o.connections > CONNECTIONS_MAX ||
		sscanf(argv[optind], "http://%255[^:/]:%15[0-9]%1023s", o.host, o.port, o.path) !=
			3) {
		fprintf(stderr,
			"usage: wire [-c CONNECTIONS] [-t THREADS] [-b BYTES] "
			"http://HOST:PORT/PATH COUNT\n");
		exit(2);
	}
	o.count = number(argv[optind + 1]);
}

int main(int argc, char **argv)
{
	static struct sender senders[THREADS_MAX];
	double wall, cpu;
	long good = 0;

	options(argc, argv);
	make_request();
	for (unsigned i = 0; i < o.threads; i++)
		connect_all(&senders[i]);
	send_all(senders, WARM);
	wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	send_all(senders, o.count);
	wall = now(CLOCK_MONOTONIC) - wall;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	for (unsigned i = 0; i < o.threads; i++)
		good += senders[i].good;
	return report(good - WARM, o.count, wall, cpu);
}
