#pragma once
/*
 * client: requests in, outcomes out, over libcurl multi in threads of their own.
 *
 * Hand-over is through two bounded mailboxes: client_send puts a request in, client_fd() becomes
 * readable when outcomes wait, client_take takes one. Every request ends in exactly one outcome,
 * client_free's aborted ones excepted. Nobody outside http/ can tell that there are threads.
 *
 * POST only; HTTP/1.1 or 2; kept connections; TLS verified; no redirects; only http and https; no
 * proxy but the one given, none from the environment; the timeout covers the whole attempt; of a response
 * OUTCOME_KEPT_MAX is kept, after decoding, and nothing that the request's mask knows. Header lines and keys may
 * hold secrets: they are cleared before they are freed, and curl's verbose output is never on. A connection is
 * kept for requests with the same certificates.
 */
#include "model/mask.h"
#include "model/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;
struct err;
struct guard;

struct client_options {
	const char *cacert; /* file of CA certificates; NULL: the system's */
	const char *proxy;  /* a url; NULL: none */
	const struct guard
		*guard;         /* which addresses may be called; outlives the client; NULL: all */
	const char *user_agent; /* "webhookfs/0.1" */
	unsigned connections;   /* that a thread keeps at most; at least the requests at once */
	unsigned threads;       /* at most, each begins when it is needed; 0: 1 */
	unsigned lifetime_s;    /* of a connection, after which names are looked up anew; 0: 300 */
};

/* Made by request_new only. All pointers are malloc'ed and change hands. */
struct request {
	uint64_t tag;        /* the caller's, one at a time; comes back in the outcome */
	uint64_t timeout_ms; /* 1 at least */
	char *url;
	char **headers; /* "Name: value" each; header_count of them */
	size_t header_count;
	char *body;
	size_t body_len;
	/* PEM, where the request has its own; NULL: the client's cacert, no certificate, no key. */
	char *ca, *cert, *key;
	struct mask mask; /* what no outcome may repeat */
};
struct request *request_new(void); /* zeroed; aborts without memory */
/* Takes the line; lines of a protected value are cleared like all others when freed. */
void request_header(struct request *r, char *line);
void request_free(struct request *r); /* NULL is fine; wipes all of it */

/* -EINVAL: cacert cannot be read; else memory or descriptors are lacking. Call it after daemonizing. */
int client_new(const struct client_options *o, struct err *err, struct client **out);
/* Ends all transfers (no outcomes), joins the threads. */
void client_free(struct client *c);

void client_send(struct client *c, struct request *r); /* takes r */
/* Ends one transfer early: its outcome is OUTCOME_ABORTED (or what it already was). */
void client_cancel(struct client *c, uint64_t tag);
int client_fd(const struct client *c);
/* 1 and an outcome (owned by the caller: outcome_release), or 0. Call until 0: client_fd() tells of
 * what came since, not of what was left. */
int client_take(struct client *c, struct outcome *out);
