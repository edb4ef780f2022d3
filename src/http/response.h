#pragma once
/*
 * response: what is kept of an answer while it comes in, and when there has been enough of it.
 *
 * OUTCOME_KEPT_MAX bytes are kept; what is longer is read for a while, so that the connection can be
 * used again, and then given up. Of the headers, those of the final response; not those that say
 * nothing of it but of the connection, and no values of those that carry secrets by their names. What
 * the mask knows is masked before it is kept or handed on.
 *
 * Knows no curl and no threads. Life cycle: _init, then for each attempt _begin, _header and _body as they
 * come, _give; _release.
 */
#include "model/outcome.h"
#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct mask;

struct response {
	const struct mask *mask;
	struct buf head;
	struct buf body;
	unsigned lines;       /* in head */
	bool in_head;         /* between a status line and the empty one */
	bool answered;        /* anything came */
	size_t head_received; /* kept or not, of interim responses too */
	size_t body_received;
};

void response_init(struct response *r);
void response_release(struct response *r);

void response_begin(struct response *r, const struct mask *m); /* which outlives the attempt */
/* One line as it came: a status line, a header, or the empty one. False: there have been too many. */
bool response_header(struct response *r, const char *line, size_t len);
/* That was the reason. */
bool response_flooded(const struct response *r);
/* Decoded. False: enough; what is kept stands for the whole. */
bool response_body(struct response *r, const char *data, size_t len);
/* Moves what was kept into the outcome; `whole`: the response came to its end. */
void response_give(struct response *r, bool whole, struct outcome *o);
