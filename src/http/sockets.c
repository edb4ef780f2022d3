/*
 * Registering sockets by the book (epoll_ctl at each start and end of a request) cost a fifth of the
 * speed, so a connection stays registered when curl lets go of it, and is idle. The next request
 * finds it in place; if it reports something while idle (the receiver closed it), it is taken out
 * then. Our socket callbacks see connections open and close, so what we believe about a
 * descriptor is never left over from an earlier one with its number. Descriptors that curl makes by other
 * means (the pairs that wake it from its resolver threads) are handled by the book.
 */
#include "http/sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCHES_MIN 64

/* What we know of a descriptor that curl waits for. */
struct watch {
	uint32_t events; /* registered in the epoll; 0: it is not there */
	bool connection; /* made by sockets_open, so sockets_close will tell of its end */
	bool idle;       /* curl waits for nothing on it */
};

int sockets_init(struct sockets *s)
{
	*s = (struct sockets){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	return s->epoll_fd < 0 ? -errno : 0;
}

void sockets_release(struct sockets *s)
{
	free(s->watches);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
}

static struct watch *watch_of(struct sockets *s, int fd)
{
	size_t count = s->count ? s->count : WATCHES_MIN;
	struct watch *watches;

	if ((size_t)fd < s->count)
		return &s->watches[fd];
	/* RLIMIT_NOFILE is the bound. */
	while (count <= (size_t)fd)
		count *= 2;
	watches = reallocarray(s->watches, count, sizeof(*watches));
	if (!watches)
		return NULL;
	memset(watches + s->count, 0, (count - s->count) * sizeof(*watches));
	s->watches = watches;
	s->count = count;
	return &watches[fd];
}

/* What cannot be watched is left to its attempt's timeout. */
static void watch_set(struct sockets *s, int fd, uint32_t events)
{
	struct watch *w = &s->watches[fd];
	struct epoll_event e = { .events = events, .data.fd = fd };
	int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events != w->events && epoll_ctl(s->epoll_fd, op, fd, &e) == 0)
		w->events = events;
}

/* Never fails: that would end curl's whole multi. */
int sockets_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct sockets *s = ctx;
	struct watch *w = watch_of(s, fd);
	uint32_t events = 0;

	(void)easy;
	(void)unused;
	if (!w)
		return 0;
	w->idle = what == CURL_POLL_REMOVE;
	if (w->idle && w->connection)
		return 0;
	if (!w->idle && what & CURL_POLL_IN)
		events |= EPOLLIN | EPOLLRDHUP;
	if (!w->idle && what & CURL_POLL_OUT)
		events |= EPOLLOUT;
	watch_set(s, fd, events);
	return 0;
}

curl_socket_t sockets_open(struct sockets *s, const struct curl_sockaddr *to)
{
	int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	struct watch *w;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	w = watch_of(s, fd);
	if (!w) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	*w = (struct watch){ .connection = true };
	return fd;
}

/* Closing takes the socket out of the epoll. */
int sockets_close(void *ctx, curl_socket_t fd)
{
	struct sockets *s = ctx;

	s->watches[fd] = (struct watch){ 0 };
	return close(fd);
}

/*
 * A kept connection that nobody uses has something to say. Mostly its receiver closed it, and curl finds out
 * before it uses it again; but with TLS, it takes the goodbye before the end for a sign of life. So we
 * read up to the end ourselves.
 */
static void idle_ready(struct sockets *s, int fd, uint32_t events)
{
	char waste[4096];

	if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
		/* A TLS ticket, an HTTP/2 frame: curl's, with the next request. */
		watch_set(s, fd, EPOLLRDHUP);
		return;
	}
	while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		; /* the end is there: this is at most a socket buffer */
	watch_set(s, fd, 0);
}

int sockets_ready(struct sockets *s, int fd, uint32_t events)
{
	int bits = 0;

	if (s->watches[fd].idle) {
		idle_ready(s, fd, events);
		return 0;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		bits |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		bits |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		bits |= CURL_CSELECT_ERR;
	return bits;
}
