#pragma once
/*
 * template: a JSON text with places, {{field}}, that each delivery fills in.
 *
 * Quotes decide. A place that stands in a string becomes the field as text, whatever stands around it;
 * one outside of strings becomes the field as JSON: a string with its quotes, a result or metadata as it
 * was sent, null where there is none. So whatever fills it, a template that was found good makes valid
 * JSON. Two braces that begin no place are written {\u007b, as JSON writes any character.
 *
 * A place may not stand in a key, since two keys could become one. TEMPLATE_PLACES_MAX places, and each
 * field that may be long once, keep the body within FORMAT_BODY_MAX.
 *
 * Checked when it is written, walked through when it is filled; nothing is kept in between. Pure.
 */
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct message;

#define TEMPLATE_MAX        16384 /* bytes */
#define TEMPLATE_PLACES_MAX 64

struct template_field {
	const char *name;
	bool json;           /* no text: any JSON, which may be long */
	const char *summary; /* a sentence, for the documentation */
	/* Appends the field as JSON; nothing where there is none. */
	void (*add)(const struct template_field *f, const struct message *m, struct buf *out);
	size_t offset; /* of a field that is in struct payload_view */
};
extern const struct template_field template_fields[];
extern const size_t template_fields_count;

/* -EINVAL, -E2BIG (too many places), -ENOMEM. */
int template_check(const char *text, size_t len, struct err *err);
/* False while it breaks off within an object, array or string. */
bool template_whole(const char *text, size_t len);
/* Appends what becomes of it, on one line. */
void template_fill(const char *text, const struct message *m, struct buf *out);
