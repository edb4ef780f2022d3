#pragma once
/*
 * transfer: a pooled easy handle with the buffers of one attempt; only what changes is set anew for
 * each.
 *
 * Asks the guard for every address before it is called, and again when a connection, new or kept,
 * is there and before anything is sent over it. Knows no threads and no multi. Life cycle: _new,
 * then for each attempt a letter, _prepare, curl's work, _read, the letter away.
 */
#include "http/guard.h"
#include "http/response.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct client_options;
struct letter;
struct sockets;

struct transfer {
	CURL *easy;
	struct letter *letter;    /* NULL in the pool */
	struct curl_slist *lines; /* nodes over the letter's own strings */
	size_t lines_cap;
	char *agent;   /* the line that names us; NULL: curl makes it */
	CURLU *parsed; /* of the last request, as is its text: mostly it is the next one's, too */
	char *url;
	bool own; /* the request came with certificates of its own: good for this attempt only */
	struct response response;
	curl_off_t first_byte_us;    /* since the start; 0: none yet */
	char words[CURL_ERROR_SIZE]; /* curl's, on what went wrong */
	struct sockets *sockets;
	const struct guard *guard;   /* NULL: none */
	bool called;                 /* an address was, so what came of that counts */
	char denied[GUARD_WHY_SIZE]; /* why another was not */
	curl_off_t spent_us;         /* by the try before this one; 0: this is the first */
	struct transfer *prev, *next;
};

/* What every transfer's handle is a copy of: the options that never change. NULL: no memory. */
CURL *transfer_model(const struct client_options *o);

/* `agent`: the line "User-Agent: ..."; NULL: the model has it. It outlives the transfer. */
struct transfer *transfer_new(CURL *model, CURLSH *share, char *agent, struct sockets *sockets,
	const struct guard *guard);
void transfer_free(struct transfer *t); /* with its letter */

/* Sets what its letter asks for; then it is ready for the multi. */
CURLcode transfer_prepare(struct transfer *t);
/*
 * True if an attempt that ended with `code` is made once more, now: it went over a kept connection
 * that was lost before anything came back. Receivers close those when they like, and the request may be on
 * its way by then. Prepared for the multi again, for a new connection and what is left of its time.
 */
bool transfer_again(struct transfer *t, CURLcode code);
/* Ended with `code`: fills in the letter's outcome, which takes the body. */
void transfer_read(struct transfer *t, CURLcode code);
