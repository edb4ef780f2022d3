/*
 * The multi is driven by curl_multi_socket_action over the epoll.
 */
#include "http/courier.h"

#include "http/client.h"
#include "http/ending.h"
#include "http/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#define EVENTS_A_TURN 64

/* --- Transfers ------------------------------------------------------------------------------------ */

/* The letter has its outcome; what it asked is cleared here already, in this thread. */
static void courier_finish(struct courier *c, struct letter *l)
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
static void transfer_end(struct courier *c, struct transfer *t)
{
	long connects = 1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	(void)curl_multi_remove_handle(c->multi, t->easy); /* of one never added this is fine */
	courier_finish(c, t->letter);
	t->letter = NULL;
	DL_DELETE(c->busy, t);
	if (connects == 0 && !t->own)
		DL_PREPEND(c->pool, t); /* the last used is the warmest */
	else
		transfer_free(t);
}

/* --- The thread ----------------------------------------------------------------------------------- */

static void courier_start(struct courier *c, struct letter *l)
{
	struct transfer *t = c->pool;
	CURLcode code;

	if (t)
		DL_DELETE(c->pool, t);
	else
		t = transfer_new(c->model, c->share, c->agent, &c->sockets, c->guard);
	if (!t) {
		ending_local(&l->outcome, CURLE_OUT_OF_MEMORY);
		courier_finish(c, l);
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
static void courier_abort(struct courier *c, uint64_t tag)
{
	struct transfer *t;

	for (t = c->busy; t && t->letter->request.tag != tag;)
		t = t->next;
	if (!t)
		return;
	ending_aborted(&t->letter->outcome);
	transfer_end(c, t);
}

static void courier_receive(struct courier *c)
{
	struct letter *list = mailbox_take(&c->in), *l;

	while ((l = list)) {
		DL_DELETE(list, l);
		switch (l->kind) {
		case LETTER_REQUEST:
			courier_start(c, l);
			break;
		case LETTER_CANCEL:
			courier_abort(c, l->request.tag);
			letter_free(l);
			break;
		case LETTER_STOP: /* courier_stop's, a part of the courier */
			c->stopped = true;
			break;
		}
	}
}

/* Transfers that curl has done. */
static void courier_collect(struct courier *c)
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

static void courier_ready(struct courier *c, int fd, uint32_t events)
{
	int running, bits = sockets_ready(&c->sockets, fd, events);

	if (bits)
		(void)curl_multi_socket_action(c->multi, fd, bits, &running);
}

static void *courier_run(void *ctx)
{
	struct courier *c = ctx;
	struct epoll_event ready[EVENTS_A_TURN];

	(void)pthread_setname_np(pthread_self(), "http"); /* for who looks at threads */
	while (!c->stopped) {
		long wait_ms = -1;
		int n, running;

		(void)curl_multi_timeout(c->multi, &wait_ms);
		n = epoll_wait(c->sockets.epoll_fd, ready, EVENTS_A_TURN,
			wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == c->in.fd)
				courier_receive(c);
			else
				courier_ready(c, ready[i].data.fd, ready[i].events);
		}
		/* What has come of age, and what was just put in. */
		(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		courier_collect(c);
		mailbox_put(c->out, c->finished);
		c->finished = NULL;
	}
	return NULL;
}

/* --- The caller's side ---------------------------------------------------------------------------- */

/* Everything but the thread. */
static int courier_prepare(struct courier *c, const struct client_options *o)
{
	struct epoll_event mail = { .events = EPOLLIN };
	int r;

	r = mailbox_init(&c->in);
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
bool courier_launch(struct courier *c)
{
	sigset_t all, before;
	int error;

	if (c->running)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&c->thread, NULL, courier_run, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->running = error == 0;
	return c->running;
}

int courier_init(struct courier *c, const struct client_options *o, struct mailbox *out)
{
	int r;

	c->in.fd = c->sockets.epoll_fd = -1;
	c->guard = o->guard;
	c->out = out;
	r = courier_prepare(c, o);
	if (r < 0)
		courier_release(c);
	return r;
}

void courier_stop(struct courier *c)
{
	if (!c->running)
		return;
	c->stop.kind = LETTER_STOP;
	mailbox_post(&c->in, &c->stop);
}

void courier_release(struct courier *c)
{
	struct transfer *t;

	if (c->running)
		pthread_join(c->thread, NULL);
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
	sockets_release(&c->sockets);
	mailbox_release(&c->in);
}
