#pragma once
/*
 * format: what a delivery says → the body and headers in which a kind of receiver takes it.
 *
 * The parts of the payload are stored once and know no hook. So the shape is made when a request is
 * built, of the payload, by what the hook says then: a changed format or template is that of the next
 * attempt, also of what was waiting. The default, `ubiops`, is the payload itself and costs copying; the
 * others take the payload apart. A format is a row of a table; `template` is the hook's own and
 * goes with the default format only.
 *
 * All bodies are JSON of at most FORMAT_BODY_MAX bytes. Knows no hook. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct payload;

/*
 * The largest is a filled template: a payload and a metadata, each of 1 MiB and what is in it twice
 * that long with its quotes escaped, and TEMPLATE_PLACES_MAX error messages.
 */
#define FORMAT_BODY_MAX ((size_t)8 << 20)

enum format {
	FORMAT_UBIOPS,
	FORMAT_SLACK,
	FORMAT_DISCORD,
	FORMAT_TEAMS,
	FORMAT_CLOUDEVENTS,
	FORMAT_CLOUDEVENTS_BINARY,
	FORMAT_COUNT
};

/* What one delivery says, whatever its shape. Borrows everything. */
struct message {
	const struct payload *payload;
	const char *event_name; /* in full */
	bool include_result;
	const char *webhook_id;
	const char *hook; /* its name */
	const char *project;
	int64_t taken_ms; /* when the event was taken; real time */
};

const char *format_name(enum format f);
const char *format_summary(enum format f); /* a sentence, for the documentation */
int format_parse(const char *text, size_t len, struct err *err, enum format *out); /* -EINVAL */

/* Appends the body. `template_text` is one that template_check has found good, NULL: none. */
void format_body(
	enum format f, const char *template_text, const struct message *m, struct buf *out);
/* The headers that belong to the format, Content-Type first. */
typedef void format_header_fn(void *ctx, const char *name, const char *value);
void format_headers(enum format f, const struct message *m, format_header_fn *each, void *ctx);
