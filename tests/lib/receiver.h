#pragma once
/*
 * receiver: an HTTP receiver of raw sockets in the test's own process, which misbehaves as the path
 * of the request says. One thread accepts, one more serves each connection.
 *
 * A header of static functions: a unit test is one file.
 */
#include "attempt.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A path is what follows as many bytes as "POST " has. */
#define CONNECT_TO "CT "

enum then { KEEP, ONCE, CLOSE, RESET, HANG, REPEAT };

/* The one that is longer than up to its first NUL. */
static const char zipped[] =
	"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 22\r\n\r\n"
	"\x78\x9c\xcb\x48\xcd\xc9\xc9\xd7\x51\x28\xcd\x4b\x2c\xce\x4e\x4d\x01\x00\x27\x5c\x05\x4c";

static const struct reply {
	const char *path;
	const char *bytes;
	enum then
		then; /* ONCE: a connection's next request is not answered, but the connection closed;
			 * REPEAT: the last line of bytes, for ever */
} replies[] = {
	{ "/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KEEP },
	{ "/a/../b", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/empty", "HTTP/1.1 204 No Content\r\n\r\n", KEEP },
	{ "/fail", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/later", "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/moved", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/last", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE },
	{ "/once", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ONCE },
	{ "/shy", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/chunks",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		KEEP },
	{ "/early",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n",
		KEEP },
	{ "/zip", zipped, KEEP },
	{ "/zap", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
		CLOSE },
	{ "/echo",
		"HTTP/1.1 401 No\r\nX-Sent: Token s3cret-and-more\r\nSet-Cookie: id=17\r\n"
		"Content-Length: 99\r\n\r\n{\"not\":\"s3cret-and-more\",\"no\":\"s3cret-an",
		CLOSE },
	{ "/silent", "", HANG },
	{ "/interim", "HTTP/1.1 103 Early Hints\r\n\r\n", HANG },
	{ "/stuck", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", HANG },
	{ "/close", "", CLOSE },
	{ "/reset", "", RESET },
	{ "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", CLOSE },
	{ "/garbage", "220 mail.example ready\r\n", CLOSE },
	{ "/version", "HTTP/7.3 200 OK\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ "/badchunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", KEEP },
	{ "/endless", "HTTP/1.1 200 OK\r\n\r\nagain\n", REPEAT },
	/* as a proxy */
	{ "http://proxied.test/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy", KEEP },
	{ CONNECT_TO "refused.test:443", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", KEEP },
	{ CONNECT_TO "broken.test:443", "", CLOSE },
	{ "/headers", "HTTP/1.1 200 OK\r\nX-Again: and again and again and again\n", REPEAT },
	{ "/hints", "HTTP/1.1 103 Early Hints\r\nX-Again: and again\n", REPEAT },
};

static struct receiver {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned connections; /* ever */
	unsigned open;        /* now */
	unsigned requests;    /* read */
	char head[8192];      /* of the last request */
	size_t body_len;      /* likewise */
} receiver;

/* False at the connection's end. A request of one's own path is broken off where its body begins, if it is
 * not the connection's first. */
static bool receive(int fd, char *head, size_t cap, unsigned nth, size_t *body_len)
{
	size_t n = 0;
	char *end = NULL, *length, waste[65536];

	while (!end) {
		ssize_t got = recv(fd, head + n, cap - 1 - n, 0);

		if (got <= 0)
			return false;
		n += (size_t)got;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	if (nth > 1 && strncmp(head, "POST /shy", strlen("POST /shy")) == 0)
		return false;
	length = strstr(head, "Content-Length: ");
	*body_len = length ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0;
	for (size_t left = *body_len - (n - (size_t)(end + 4 - head)); left > 0;) {
		ssize_t got = recv(fd, waste, left < sizeof(waste) ? left : sizeof(waste), 0);

		if (got <= 0)
			return false;
		left -= (size_t)got;
	}
	return true;
}

/* False: the connection ends here. */
static bool answer(int fd, const char *head, unsigned nth)
{
	static const struct linger reset = { 1, 0 };
	const struct reply *r = replies;
	const char *again;
	size_t len;
	char byte;

	while (r < replies + COUNT(replies) &&
		strncmp(head + strlen("POST "), r->path, strcspn(head + strlen("POST "), "? ")) !=
			0)
		r++;
	if (r == replies + COUNT(replies) || (r->then == ONCE && nth > 1))
		return false;
	len = r->bytes == zipped ? sizeof(zipped) - 1 : strlen(r->bytes);
	if (send(fd, r->bytes, len, MSG_NOSIGNAL) < 0)
		return false;
	switch (r->then) {
	case KEEP:
	case ONCE:
		return true;
	case CLOSE:
		return false;
	case RESET:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		return false;
	case HANG:
		while (recv(fd, &byte, 1, 0) > 0)
			;
		return false;
	case REPEAT:
		again = memrchr(r->bytes, '\n', strlen(r->bytes) - 1);
		while (send(fd, again + 1, strlen(again + 1), MSG_NOSIGNAL) > 0)
			;
		return false;
	}
	return false;
}

static void *serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char head[sizeof(receiver.head)];
	size_t body_len;
	unsigned nth = 0;

	while (receive(fd, head, sizeof(head), nth + 1, &body_len)) {
		pthread_mutex_lock(&receiver.lock);
		receiver.requests++;
		memcpy(receiver.head, head, sizeof(head));
		receiver.body_len = body_len;
		pthread_cond_broadcast(&receiver.changed);
		pthread_mutex_unlock(&receiver.lock);
		if (!answer(fd, head, ++nth))
			break;
	}
	close(fd);
	pthread_mutex_lock(&receiver.lock);
	receiver.open--;
	pthread_cond_broadcast(&receiver.changed);
	pthread_mutex_unlock(&receiver.lock);
	return NULL;
}

static void *serve(void *unused)
{
	int fd;

	(void)unused;
	while ((fd = accept4(receiver.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_t thread;

		pthread_mutex_lock(&receiver.lock);
		receiver.connections++;
		receiver.open++;
		pthread_mutex_unlock(&receiver.lock);
		if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)fd) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

/* A socket bound to a free port of loopback; it refuses connections until it listens. */
static int bound_socket(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void receiver_start(void)
{
	receiver = (struct receiver){ .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	receiver.fd = bound_socket(&receiver.port);
	assert_int_equal(listen(receiver.fd, 128), 0);
	assert_int_equal(pthread_create(&receiver.thread, NULL, serve, NULL), 0);
}

/* When all clients are gone. */
static void receiver_stop(void)
{
	shutdown(receiver.fd, SHUT_RDWR);
	pthread_join(receiver.thread, NULL);
	close(receiver.fd);
	pthread_mutex_lock(&receiver.lock);
	while (receiver.open > 0)
		pthread_cond_wait(&receiver.changed, &receiver.lock);
	pthread_mutex_unlock(&receiver.lock);
}

static inline void receiver_await_requests(unsigned count)
{
	pthread_mutex_lock(&receiver.lock);
	while (receiver.requests < count)
		pthread_cond_wait(&receiver.changed, &receiver.lock);
	pthread_mutex_unlock(&receiver.lock);
}
