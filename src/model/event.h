#pragma once
/*
 * event: one line → one checked event.
 *
 * Takes the JSON and the word form of a line (interface §6; the grammar is in webhookfs(5)). Pure:
 * what the line does not give (request id, time) stays empty and is filled in by the engine.
 *
 * `result` and `metadata` are the sender's own bytes of JSON, cut out of the line and never rebuilt, so
 * that numbers and key order arrive as they were sent. All strings are owned and valid UTF-8.
 *
 * Errors: -EINVAL with a sentence and the column in the line; -E2BIG for parts over their limit;
 * -ENOMEM.
 */
#include "model/object.h"

#define EVENT_LINE_MAX  (1024 * 1024) /* bytes, without the newline */
#define EVENT_ID_MAX    256           /* bytes of request_id, id, *_id */
#define EVENT_ERROR_MAX 4096          /* bytes of error_message */

struct event {
	struct object object;
	enum request_status status; /* never STATUS_NONE in a checked event */
	/* What it fires, a bit a phase: all of a status's (0 for pending); a named event fires
	 * itself alone, also where a status stands beside it. */
	unsigned phases;
	char *request_id; /* NULL: not given, likewise below */
	char *id;         /* idempotency key */
	char *object_id;  /* deployment_id, pipeline_id, … */
	char *version_id; /* deployment_version_id, … */
	char *error_message;
	char *result;   /* JSON */
	char *metadata; /* JSON object */
	char *time;     /* RFC 3339 as given */
};

/* `line` has no newline; it is the whole line. *e is overwritten; on failure it owns nothing. */
int event_parse(
	struct event *e, const struct types *t, const char *line, size_t len, struct err *err);
void event_release(struct event *e);
/* True if `text` holds one complete JSON object and nothing behind it but blanks: such a line needs no
 * newline. Cheap: scans for the closing brace. */
bool event_json_complete(const char *text, size_t len);
