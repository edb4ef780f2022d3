#pragma once
/*
 * logline: what the log says of an attempt, or of deliveries that were given up.
 *
 * One JSON object on one line, without its newline, of at most LOGLINE_MAX bytes: whatever the texts hold,
 * each is shown as far as it is UTF-8. Knows no file. Pure.
 */
#include <stdint.h>

struct buf;

#define LOGLINE_MAX \
	(16 * 1024) /* a name, an id of an event and a sentence, each byte as "\u001F" */

struct logline {
	int64_t time_ms; /* real time */
	const char *hook, *webhook_id, *event_name, *request_id;
	unsigned attempt;
	const char *outcome; /* delivered, retry, … */
	int http_status;     /* 0: none */
	uint32_t total_us;
	const char *error; /* NULL: none */
};

void logline_attempt(const struct logline *l, struct buf *out);
void logline_dropped(int64_t time_ms, const char *hook, uint64_t deliveries, struct buf *out);
