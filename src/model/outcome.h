#pragma once
/*
 * outcome: what came of one attempt, as http/ reports it and verdict, the log and `test` read it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Kept of a response: its headers, as far as they go into half of this, and what then fits of its body,
 * after decoding. */
#define OUTCOME_KEPT_MAX (16 * 1024)
#define OUTCOME_HEAD_MAX (OUTCOME_KEPT_MAX / 2)

enum outcome_kind {
	OUTCOME_RESPONSE,        /* a whole response, any status */
	OUTCOME_DNS,             /* the host's name was not resolved */
	OUTCOME_REFUSED,         /* connection refused */
	OUTCOME_CONNECT,         /* unreachable, reset while connecting */
	OUTCOME_CONNECT_TIMEOUT, /* no connection in time */
	OUTCOME_TLS,             /* handshake or certificate */
	OUTCOME_CERTIFICATE,     /* likewise, with the hook's own: these may be at fault */
	OUTCOME_TIMEOUT,         /* connected, but no first byte in time */
	OUTCOME_BODY_TIMEOUT,    /* a first byte came, the rest did not in time */
	OUTCOME_BROKEN,          /* connection lost or not HTTP */
	OUTCOME_DENIED,          /* an address that must not be called */
	OUTCOME_LOCAL,           /* our own fault: a url curl does not take */
	OUTCOME_MEMORY,          /* no memory of ours for it; the attempt does not count */
	OUTCOME_ABORTED,         /* the daemon leaves; the attempt does not count */
	OUTCOME_KIND_COUNT
};

/* Microseconds each part of the attempt took; 0 where it did not happen (a kept connection). */
struct outcome_times {
	uint32_t dns, connect, tls, first_byte, total;
};

struct outcome {
	uint64_t tag; /* of the request */
	enum outcome_kind kind;
	int http_status;          /* 0: none */
	const char *http_version; /* "1.1", "2"; NULL: nothing was said */
	unsigned connects; /* connections made for it; 0 where a kept one served, or none came */
	bool kept;         /* went over a connection that was there already */
	struct outcome_times us;
	char error[200];      /* a sentence; "" for a response */
	char retry_after[64]; /* the header's text, "" */
	/* Of the response, as far as it was kept; these are owned, NULL: none. */
	char *head; /* a line for each header: the name in lower case, ": ", the value */
	size_t head_len;
	char *body;
	size_t body_len;
};

void outcome_release(struct outcome *o);
/*
 * Appends one attempt as a JSON object: number, time, outcome, http_status, error, the parts of its
 * duration in ms, what it went over, and of the response headers and body, this as far as it is UTF-8
 * (body_bytes tells how much was kept).
 */
void outcome_json(const struct outcome *o, unsigned number, int64_t time_ms, struct buf *out);
/* The headers as an object, values of the same name joined by commas; {} where there are none. */
void outcome_headers_json(const struct outcome *o, struct buf *out);
/* "response", "dns", …: the word used in log lines. */
const char *outcome_name(enum outcome_kind k);
/* "new" or "kept"; NULL: it went over no connection. */
const char *outcome_connection(const struct outcome *o);
