#pragma once
/*
 * courier: one thread that takes requests out of a mailbox, makes them, and puts their letters with the
 * outcomes into another.
 *
 * It has a curl multi, an epoll, connections and TLS sessions of its own: couriers share nothing but the mailbox
 * that they put into, so there are no locks but those of mailboxes. Its thread begins with courier_launch, before the
 * first letter is put into `in`, so that whatever the main thread has denied itself before holds for it too.
 *
 * Life cycle: zeroed, _init, _launch, letters into `in`, _stop, _release.
 */
#include "http/letter.h"
#include "http/sockets.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>

struct client_options;
struct guard;
struct transfer;

/* Destinations are told apart by a hash; those that share a place are counted as one. */
#define COURIER_PLACES 256

struct courier {
	struct mailbox in;
	/* The caller's, who counts what is under way by destination. */
	unsigned inflight[COURIER_PLACES];

	bool running;
	pthread_t thread;
	struct letter stop;
	struct mailbox *out;

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

/* -ENOMEM, -errno of what cannot be opened; then nothing is left to release. `out` outlives it. */
int courier_init(struct courier *c, const struct client_options *o, struct mailbox *out);
bool courier_launch(
	struct courier *c); /* false: no thread can be had; if it runs already that is fine */
/* Asks the thread to end, whatever is under way. Nothing goes into `in` after it. */
void courier_stop(struct courier *c);
/* Waits for the end of a thread that was stopped. */
void courier_release(struct courier *c);
