/*
 * One thread drives one curl multi with curl_multi_socket_action over an epoll of its own; the rest of
 * the program meets it at two mailboxes. It begins with the first request, so that whatever the main
 * thread has denied itself before holds for it too.
 */
#include "http/client.h"

#include "http/ending.h"
#include "http/letter.h"
#include "http/sockets.h"
#include "http/transfer.h"
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
#include <utlist.h>

#define EVENTS_A_TURN 64

/*
 * Where libcurl has libraries with it that bring GnuTLS, as Debian's has for RTMP and LDAP, that one would
 * start itself before main, for protocols that no transfer of ours may use: 0.7 MB of resident memory. It asks a
 * function of this name first; whoever does use it starts it by a call.
 */
int _gnutls_global_init_skip(void);

int _gnutls_global_init_skip(void)
{
	return 1;
}

struct client {
	struct mailbox in, out;
	struct letter stop;
	struct letter *taken; /* out of `out`, on their way to client_take */

	bool running;
	pthread_t thread;

	/* The thread's, while there is one. */
	bool stopped;
	struct sockets sockets;
	const struct guard *guard;
	CURLM *multi;
	CURLSH *share;
	CURL *model;
	char *agent; /* NULL: the model has it */
	struct transfer *busy, *pool;
	struct letter *finished; /* in this turn */
};

/* --- Transfers ------------------------------------------------------------------------------------ */

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
 * may have repeated one, as it made a connection, is not used again, nor is one with certificates of
 * its own.
 */
static void transfer_end(struct client *c, struct transfer *t)
{
	long connects = 1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	(void)curl_multi_remove_handle(c->multi, t->easy); /* of one never added this is fine */
	client_finish(c, t->letter);
	t->letter = NULL;
	DL_DELETE(c->busy, t);
	if (connects == 0 && !t->own)
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
		t = transfer_new(c->model, c->share, c->agent, &c->sockets, c->guard);
	if (!t) {
		ending_local(&l->outcome, CURLE_OUT_OF_MEMORY);
		client_finish(c, l);
		return;
	}
	t->letter = l;
	DL_PREPEND(c->busy, t);
	code = transfer_prepare(t);
	if (code == CURLE_OK && curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
		code = CURLE_FAILED_INIT;
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

/* Transfers that curl has done. */
static void client_collect(struct client *c)
{
	struct transfer *t;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		CURLcode code = message->data.result;

		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		if (transfer_again(t, code)) {
			(void)curl_multi_remove_handle(c->multi, t->easy);
			if (curl_multi_add_handle(c->multi, t->easy) == CURLM_OK)
				continue;
		}
		transfer_read(t, code);
		transfer_end(c, t);
	}
}

static void client_ready(struct client *c, int fd, uint32_t events)
{
	int running, bits = sockets_ready(&c->sockets, fd, events);

	if (bits)
		(void)curl_multi_socket_action(c->multi, fd, bits, &running);
}

static void *client_run(void *ctx)
{
	struct client *c = ctx;
	struct epoll_event ready[EVENTS_A_TURN];

	while (!c->stopped) {
		long wait_ms = -1;
		int n, running;

		(void)curl_multi_timeout(c->multi, &wait_ms);
		n = epoll_wait(c->sockets.epoll_fd, ready, EVENTS_A_TURN,
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
	r = sockets_init(&c->sockets);
	if (r < 0)
		return r;
	mail.data.fd = c->in.fd;
	if (epoll_ctl(c->sockets.epoll_fd, EPOLL_CTL_ADD, c->in.fd, &mail) < 0)
		return -errno;

	c->multi = curl_multi_init();
	c->share = curl_share_init();
	c->model = transfer_model(o);
	if (!c->multi || !c->share || !c->model)
		return -ENOMEM;
	/* A line like the others: what curl makes of its option it copies once more for each request. */
	if (!o->proxy && asprintf(&c->agent, "User-Agent: %s", o->user_agent) < 0) {
		c->agent = NULL;
		return -ENOMEM;
	}
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, sockets_watch);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, &c->sockets);
	/* Kept ones. How many a host has at once is up to who sends requests to it; as long as curl 7.88 has
	 * one wait for a connection (MAX_HOST_CONNECTIONS, PIPEWAIT), its timeout is not heeded. */
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)o->connections);
	/* Names are shared within a multi, TLS sessions only since curl 8.12. One thread: no locks. */
	(void)curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	return 0;
}

/* With every signal blocked: they are the main thread's. */
static bool client_launch(struct client *c)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&c->thread, NULL, client_run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->running = error == 0;
	return c->running;
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
	c->in.fd = c->out.fd = c->sockets.epoll_fd = -1;
	c->guard = o->guard;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return -ENOMEM;
	}
	r = client_prepare(c, o);
	if (r < 0) {
		client_free(c);
		return r;
	}
	*out = c;
	return 0;
}

static void post(struct mailbox *to, struct letter *l)
{
	struct letter *list = NULL;

	DL_APPEND(list, l);
	mailbox_put(to, list);
}

void client_free(struct client *c)
{
	struct transfer *t;

	if (!c)
		return;
	if (c->running) {
		c->stop.kind = LETTER_STOP;
		post(&c->in, &c->stop);
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
	free(c->agent);
	curl_share_cleanup(c->share);
	curl_global_cleanup();
	sockets_release(&c->sockets);
	letters_free(c->taken);
	mailbox_release(&c->in);
	mailbox_release(&c->out);
	free(c);
}

void client_send(struct client *c, struct request *r)
{
	struct letter *l = (struct letter *)r;

	if (c->running || client_launch(c)) {
		post(&c->in, l);
		return;
	}
	ending_local(&l->outcome, CURLE_OUT_OF_MEMORY);
	l->outcome.tag = r->tag;
	request_release(r);
	post(&c->out, l);
}

void client_cancel(struct client *c, uint64_t tag)
{
	struct letter *l = letter_new(LETTER_CANCEL);

	l->request.tag = tag;
	post(&c->in, l);
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
	l->outcome = (struct outcome){ 0 };
	letter_free(l);
	return 1;
}
