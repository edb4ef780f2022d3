/*
 * One thread drives one curl multi with curl_multi_socket_action over an epoll of its own; the rest of
 * the program meets it at two mailboxes.
 *
 * A transfer is a pooled easy handle with the buffers of one attempt; only what changes is set anew
 * for each.
 *
 * Registering sockets by the book (epoll_ctl at each start and end of a request) cost a fifth of the
 * speed, so a connection stays registered when curl lets go of it, and is idle. The next request
 * finds it in place; if it reports something while idle (the receiver closed it), it is taken out
 * then. Our socket callbacks see connections open and close, so what we believe about a
 * descriptor is never left over from an earlier one with its number. Descriptors that curl makes by other
 * means (the pairs that wake it from its resolver threads) are handled by the book.
 *
 * Secrets: request lines and bodies are handed to curl by reference and cleared here. curl still
 * builds each request in a buffer of its own and copies the url; it frees those uncleared.
 */
#include "http/client.h"

#include "http/ending.h"
#include "http/letter.h"
#include "util/buf.h"
#include "util/err.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* A response longer than this is ended here: its status is known, and more would only cost. */
#define BODY_READ_MAX (OUTCOME_BODY_MAX + 1024 * 1024)
/* Old enough to have saved every handshake that matters, young enough to see a DNS change. */
#define CONNECTION_LIFETIME_S 300L
#define EVENTS_A_TURN         64
#define WATCHES_MIN           64

struct transfer {
	CURL *easy;
	struct letter *letter;    /* NULL in the pool */
	struct curl_slist *lines; /* nodes over the letter's own strings */
	size_t lines_cap;
	struct buf body;
	size_t received;             /* bytes of body, kept or not */
	bool answered;               /* a header came */
	curl_off_t first_byte_us;    /* since the start; 0: none yet */
	char words[CURL_ERROR_SIZE]; /* curl's, on what went wrong */
	struct transfer *prev, *next;
};

/* What we know of a descriptor that curl waits for. */
struct watch {
	uint32_t events; /* registered in the epoll; 0: it is not there */
	bool connection; /* opened by on_open, so on_close will tell of its end */
	bool idle;       /* curl waits for nothing on it */
};

struct client {
	struct mailbox in, out;
	struct letter stop;
	struct letter *taken; /* out of `out`, on their way to client_take */

	bool running;
	pthread_t thread;

	/* The thread's, while there is one. */
	bool stopped;
	int epoll_fd;
	CURLM *multi;
	CURLSH *share;
	CURL *model; /* what every easy handle is a copy of */
	struct transfer *busy, *pool;
	struct letter *finished; /* in this turn */
	struct watch *watches;   /* by descriptor */
	size_t watch_count;
};

/* --- Sockets -------------------------------------------------------------------------------------- */

static struct watch *watch_of(struct client *c, int fd)
{
	size_t count = c->watch_count ? c->watch_count : WATCHES_MIN;
	struct watch *watches;

	if ((size_t)fd < c->watch_count)
		return &c->watches[fd];
	/* RLIMIT_NOFILE is the bound. */
	while (count <= (size_t)fd)
		count *= 2;
	watches = reallocarray(c->watches, count, sizeof(*watches));
	if (!watches)
		return NULL;
	memset(watches + c->watch_count, 0, (count - c->watch_count) * sizeof(*watches));
	c->watches = watches;
	c->watch_count = count;
	return &watches[fd];
}

/* What cannot be watched is left to its attempt's timeout. */
static void watch_set(struct client *c, int fd, uint32_t events)
{
	struct watch *w = &c->watches[fd];
	struct epoll_event e = { .events = events, .data.fd = fd };
	int op = !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events != w->events && epoll_ctl(c->epoll_fd, op, fd, &e) == 0)
		w->events = events;
}

/* Never fails: that would end curl's whole multi. */
static int on_watch(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	struct client *c = ctx;
	struct watch *w = watch_of(c, fd);
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
	watch_set(c, fd, events);
	return 0;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	struct watch *w;

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	w = watch_of(ctx, fd);
	if (!w) {
		close(fd);
		return CURL_SOCKET_BAD;
	}
	*w = (struct watch){ .connection = true };
	return fd;
}

/* Closing takes the socket out of the epoll. */
static int on_close(void *ctx, curl_socket_t fd)
{
	struct client *c = ctx;

	c->watches[fd] = (struct watch){ 0 };
	return close(fd);
}

/*
 * A kept connection that nobody uses has something to say. Mostly its receiver closed it, and curl finds out
 * before it uses it again; but with TLS, it takes the goodbye before the end for a sign of life. So we
 * read up to the end ourselves.
 */
static void idle_ready(struct client *c, int fd, uint32_t events)
{
	char waste[4096];

	if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
		/* A TLS ticket, an HTTP/2 frame: curl's, with the next request. */
		watch_set(c, fd, EPOLLRDHUP);
		return;
	}
	while (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		; /* the end is there: this is at most a socket buffer */
	watch_set(c, fd, 0);
}

static void client_ready(struct client *c, int fd, uint32_t events)
{
	int running, bits = 0;

	if (c->watches[fd].idle) {
		idle_ready(c, fd, events);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		bits |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		bits |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		bits |= CURL_CSELECT_ERR;
	(void)curl_multi_socket_action(c->multi, fd, bits, &running);
}

/* --- Transfers ------------------------------------------------------------------------------------ */

static size_t on_header(char *data, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;

	(void)data;
	(void)one; /* 1 by definition */
	t->answered = true;
	return len;
}

/* The first call behind the first header: there curl has just taken the time. */
static int on_progress(
	void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct transfer *t = ctx;

	(void)down_total;
	(void)down;
	(void)up_total;
	(void)up;
	if (t->answered && !t->first_byte_us)
		(void)curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &t->first_byte_us);
	return 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;
	size_t room = OUTCOME_BODY_MAX - t->body.len;

	(void)one;
	buf_add(&t->body, data, len < room ? len : room);
	t->received += len;
	return t->received <= BODY_READ_MAX ? len : CURL_WRITEFUNC_ERROR;
}

/* The system's certificates in one file; NULL: it has none, or not there. */
static const char *system_cacert(void)
{
	const char *path = curl_version_info(CURLVERSION_NOW)->cainfo;

	return path && access(path, R_OK) == 0 ? path : NULL;
}

/* The options that never change; the others are transfer_start's. curl's own defaults that count here:
 * certificate and host name are verified, no redirect is followed, no cookie or netrc is read. */
static CURL *model_new(struct client *c, const struct client_options *o)
{
	const char *cacert = o->cacert ? o->cacert : system_cacert();
	CURL *easy = curl_easy_init();
	int bad = 0;

	if (!easy)
		return NULL;
	bad |= curl_easy_setopt(easy, CURLOPT_POST, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, o->user_agent);
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not even the environment's */
	bad |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else a lookup that outlives its attempt would be waited for, and everything with it. */
	bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFETIME_S);
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	bad |= curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	bad |= curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
	bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
	/*
	 * One file, never a directory besides it: the file given is to be trusted instead of the system's,
	 * and curl keeps what it has parsed (20 ms a connection) only of a file alone.
	 */
	if (cacert) {
		bad |= curl_easy_setopt(easy, CURLOPT_CAINFO, cacert);
		bad |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (!bad)
		return easy;
	curl_easy_cleanup(easy);
	return NULL;
}

static struct transfer *transfer_new(struct client *c)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	buf_init(&t->body, OUTCOME_BODY_MAX);
	t->easy = curl_easy_duphandle(c->model);
	if (!t->easy) {
		free(t);
		return NULL;
	}
	(void)curl_easy_setopt(t->easy, CURLOPT_SHARE, c->share);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->words);
	return t;
}

static void transfer_free(struct transfer *t)
{
	curl_easy_cleanup(t->easy);
	buf_release(&t->body);
	free(t->lines);
	if (t->letter)
		letter_free(t->letter);
	free(t);
}

/* Chains the request's own lines up as curl wants them, without a copy. */
static bool transfer_chain(struct transfer *t, const struct request *r)
{
	/* Or curl would ask before it sends a body of 1 MiB, and wait a second for the answer. */
	static char no_expect[] = "Expect:";
	size_t need = r->header_count + 1;

	if (need > t->lines_cap) {
		struct curl_slist *lines = reallocarray(t->lines, need, sizeof(*lines));

		if (!lines)
			return false;
		t->lines = lines;
		t->lines_cap = need;
	}
	for (size_t i = 0; i < r->header_count; i++)
		t->lines[i] = (struct curl_slist){ r->headers[i], &t->lines[i + 1] };
	t->lines[r->header_count] = (struct curl_slist){ no_expect, NULL };
	return true;
}

static CURLcode transfer_start(struct client *c, struct transfer *t)
{
	const struct request *r = &t->letter->request;
	/* To curl 0 is no limit at all, and more than an int is an error. */
	long timeout_ms = r->timeout_ms < 1 ? 1
		: r->timeout_ms < INT_MAX   ? (long)r->timeout_ms
					    : INT_MAX;
	CURLcode code;

	t->received = 0;
	t->answered = false;
	t->first_byte_us = 0;
	buf_reset(&t->body);
	if (!transfer_chain(t, r))
		return CURLE_OUT_OF_MEMORY;
	code = curl_easy_setopt(t->easy, CURLOPT_URL, r->url);
	if (code != CURLE_OK)
		return code;
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	/* Without any, curl would read a body from stdin. */
	(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
	(void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	(void)curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
	return curl_multi_add_handle(c->multi, t->easy) == CURLM_OK ? CURLE_OK : CURLE_FAILED_INIT;
}

/* The letter has its outcome; what it asked is cleared here already, in this thread. */
static void client_finish(struct client *c, struct letter *l)
{
	l->outcome.tag = l->request.tag;
	request_release(&l->request);
	DL_APPEND(c->finished, l);
}

/*
 * Out of curl's hands and into the pool. curl repeats a request whose kept connection turns out dead, five
 * times at most, but until 8.17 it counts these over all the requests of a handle. So a handle that
 * may have repeated one, as it made a connection, is not used again.
 */
static void transfer_end(struct client *c, struct transfer *t)
{
	long connects = 1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	(void)curl_multi_remove_handle(c->multi, t->easy); /* of one never added this is fine */
	client_finish(c, t->letter);
	t->letter = NULL;
	DL_DELETE(c->busy, t);
	if (connects == 0)
		DL_PREPEND(c->pool, t); /* the last used is the warmest */
	else
		transfer_free(t);
}

/* --- The thread ----------------------------------------------------------------------------------- */

static void client_start(struct client *c, struct letter *l)
{
	struct transfer *t = c->pool;
	CURLcode code;

	if (t)
		DL_DELETE(c->pool, t);
	else
		t = transfer_new(c);
	if (!t) {
		ending_local(&l->outcome, CURLE_OUT_OF_MEMORY);
		client_finish(c, l);
		return;
	}
	t->letter = l;
	DL_PREPEND(c->busy, t);
	code = transfer_start(c, t);
	if (code != CURLE_OK) {
		ending_local(&l->outcome, code);
		transfer_end(c, t);
	}
}

/* A walk over what is in flight, which the caller bounds: cancelling is rare. */
static void client_abort(struct client *c, uint64_t tag)
{
	struct transfer *t;

	for (t = c->busy; t && t->letter->request.tag != tag;)
		t = t->next;
	if (!t)
		return;
	ending_aborted(&t->letter->outcome);
	transfer_end(c, t);
}

static void client_receive(struct client *c)
{
	struct letter *list = mailbox_take(&c->in), *l;

	while ((l = list)) {
		DL_DELETE(list, l);
		switch (l->kind) {
		case LETTER_REQUEST:
			client_start(c, l);
			break;
		case LETTER_CANCEL:
			client_abort(c, l->request.tag);
			letter_free(l);
			break;
		case LETTER_STOP: /* client_free's last letter, a part of the client */
			c->stopped = true;
			break;
		}
	}
}

/* The body changes hands; without memory to keep one there is none, which changes no verdict. */
static void transfer_read(struct transfer *t, CURLcode code)
{
	struct outcome *o = &t->letter->outcome;

	ending_read(o, t->easy, code, t->words, t->first_byte_us);
	o->body_len = t->body.len;
	o->body = buf_detach(&t->body);
	if (!o->body)
		o->body_len = 0;
}

/* Transfers that curl has done. */
static void client_collect(struct client *c)
{
	struct transfer *t;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		CURLcode code = message->data.result;

		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		transfer_read(t, code);
		transfer_end(c, t);
	}
}

static void *client_run(void *ctx)
{
	struct client *c = ctx;
	struct epoll_event ready[EVENTS_A_TURN];

	while (!c->stopped) {
		long wait_ms = -1;
		int n, running;

		(void)curl_multi_timeout(c->multi, &wait_ms);
		n = epoll_wait(c->epoll_fd, ready, EVENTS_A_TURN,
			wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == c->in.fd)
				client_receive(c);
			else
				client_ready(c, ready[i].data.fd, ready[i].events);
		}
		/* What has come of age, and what was just put in. */
		(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		client_collect(c);
		mailbox_put(&c->out, c->finished);
		c->finished = NULL;
	}
	return NULL;
}

/* --- The caller's side ---------------------------------------------------------------------------- */

/* curl would notice a bad file with the first connection only. */
static int cacert_check(const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	bool found = false;
	int error = errno;

	if (!f)
		return err_set(
			err, EINVAL, ERR_NO_COLUMN, "cacert: %s: %s", path, strerrordesc_np(error));
	errno = 0;
	while (!found && getline(&line, &cap, f) >= 0)
		found = strncmp(line, "-----BEGIN ", strlen("-----BEGIN ")) == 0;
	error = errno;
	free(line);
	(void)fclose(f); /* only read */
	if (found)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN, "cacert: %s: %s", path,
		error ? strerrordesc_np(error) : "has no certificate in PEM form");
}

/* Everything but the thread. */
static int client_prepare(struct client *c, const struct client_options *o)
{
	struct epoll_event mail = { .events = EPOLLIN };
	int r;

	r = mailbox_init(&c->in);
	if (r < 0)
		return r;
	r = mailbox_init(&c->out);
	if (r < 0)
		return r;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return -errno;
	mail.data.fd = c->in.fd;
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->in.fd, &mail) < 0)
		return -errno;

	c->multi = curl_multi_init();
	c->share = curl_share_init();
	c->model = model_new(c, o);
	if (!c->multi || !c->share || !c->model)
		return -ENOMEM;
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_watch);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)o->connections);
	/* Names are shared within a multi, TLS sessions only since curl 8.12. One thread: no locks. */
	(void)curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	return 0;
}

/* With every signal blocked: they are the main thread's. */
static int client_launch(struct client *c)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&c->thread, NULL, client_run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->running = error == 0;
	return -error;
}

int client_new(const struct client_options *o, struct err *err, struct client **out)
{
	struct client *c;
	int r;

	if (o->cacert) {
		r = cacert_check(o->cacert, err);
		if (r < 0)
			return r;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->in.fd = c->out.fd = c->epoll_fd = -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return -ENOMEM;
	}
	r = client_prepare(c, o);
	if (r == 0)
		r = client_launch(c);
	if (r < 0) {
		client_free(c);
		return r;
	}
	*out = c;
	return 0;
}

static void client_post(struct client *c, struct letter *l)
{
	struct letter *list = NULL;

	DL_APPEND(list, l);
	mailbox_put(&c->in, list);
}

void client_free(struct client *c)
{
	struct transfer *t;

	if (!c)
		return;
	if (c->running) {
		c->stop.kind = LETTER_STOP;
		client_post(c, &c->stop);
		pthread_join(c->thread, NULL);
	}
	DL_CONCAT(c->pool, c->busy);
	while ((t = c->pool)) {
		DL_DELETE(c->pool, t);
		(void)curl_multi_remove_handle(
			c->multi, t->easy); /* from the pool: nothing to do */
		transfer_free(t);
	}
	curl_multi_cleanup(c->multi);
	curl_easy_cleanup(c->model);
	curl_share_cleanup(c->share);
	curl_global_cleanup();
	free(c->watches);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	letters_free(c->taken);
	mailbox_release(&c->in);
	mailbox_release(&c->out);
	free(c);
}

void client_send(struct client *c, struct request *r)
{
	client_post(c, (struct letter *)r);
}

void client_cancel(struct client *c, uint64_t tag)
{
	struct letter *l = letter_new(LETTER_CANCEL);

	l->request.tag = tag;
	client_post(c, l);
}

int client_fd(const struct client *c)
{
	return c->out.fd;
}

int client_take(struct client *c, struct outcome *out)
{
	struct letter *l;

	if (!c->taken)
		c->taken = mailbox_take(&c->out);
	l = c->taken;
	if (!l)
		return 0;
	DL_DELETE(c->taken, l);
	*out = l->outcome;
	l->outcome.body = NULL;
	letter_free(l);
	return 1;
}
