#pragma once
/*
 * payload: event + hook → body.
 *
 * A checked event is rendered once, when it is accepted, into three parts that do not depend on a
 * hook; a body is then put together from them by copying. So an event for a thousand hooks is
 * rendered and stored once, and sending parses nothing. Other shapes of the body than this one
 * (model/format) are made of the same parts when they are sent: payload_view takes them apart again.
 *
 *     {"event":"NAME",  FIELDS  [,"result": RESULT]  REST }
 *
 * Key order is the contract's (interface §7): event, the object's ids and names, request_id, status,
 * result, error_message, metadata, time, text. Pure.
 */
#include "model/object.h"
#include "util/text.h"

struct event;
struct id_space;

#define RESULT_MAX 16384 /* bytes of JSON: a longer result stays out of payloads (UbiOps) */

struct payload {
	char *fields; /* `"deployment_id":"…",…,"status":"completed"` */
	char *result; /* JSON; NULL: none */
	char *rest;   /* `,"error_message":"…","metadata":{…},"text":"…"` */
};

/*
 * Ids that the event does not give are those of `ids`, which is the space of the project: UUIDv5s of project
 * and name, the same on every host and for ever. e->request_id must be set. -ENOMEM.
 */
int payload_render(struct payload *p, const struct event *e, const struct types *t,
	const char *project, struct id_space *ids);
void payload_release(struct payload *p);
/* Appends the body for one hook. `event_name` is the full name. */
void payload_body(
	const struct payload *p, const char *event_name, bool include_result, struct buf *out);

/*
 * What stands in the parts, each as JSON: texts with their quotes and escapes, and an empty span for what
 * is not there or null. Borrows from the payload.
 */
struct payload_view {
	struct span type; /* "deployment", without quotes */
	struct span object_id, object_name, version_id, version_name, request_id, status;
	struct span result; /* any JSON, its own null too */
	struct span error_message, metadata, time, text;
};
void payload_view(const struct payload *p, bool include_result, struct payload_view *out);
/* Appends what the JSON text says, which may be an empty span. */
void payload_text(struct span json, struct buf *out);
