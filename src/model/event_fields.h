#pragma once
/*
 * event_fields: the fields of a line before they are an event. Internal to the parser of events.
 *
 * The two forms of a line (event_json, event_words) find fields and put them here; event judges what
 * they say together. Owns the texts put in; remembers where in the line each stood, so that a later
 * mistake still gets its column. What a field is called and takes is one row of field_rules.
 *
 * Errors: as in event.h.
 */
#include "model/object.h"
#include "util/text.h"

enum event_field {
	FIELD_OBJECT,
	FIELD_OBJECT_TYPE,
	FIELD_OBJECT_NAME,
	FIELD_VERSION,
	FIELD_STATUS,
	FIELD_EVENT,
	FIELD_REQUEST_ID,
	FIELD_ID,
	FIELD_ERROR_MESSAGE,
	FIELD_RESULT,
	FIELD_METADATA,
	FIELD_TIME,
	FIELD_TYPE_ID,         /* deployment_id, … */
	FIELD_TYPE_VERSION_ID, /* deployment_version_id, … */
	FIELD_COUNT
};

enum field_kind {
	FIELD_IS_TEXT,
	FIELD_IS_ID,     /* a text that is not empty, or a whole number */
	FIELD_IS_JSON,   /* any JSON, kept as its own bytes */
	FIELD_IS_MEMBERS /* likewise, a JSON object */
};

struct field_rule {
	const char *name; /* of the last two: what follows the TYPE */
	enum field_kind kind;
	bool null_is_none; /* UbiOps's own records show null where there is none */
	size_t max;        /* bytes; 0: the judge of the text has its own limits */
	const char *takes; /* for sentences */
};
extern const struct field_rule field_rules[FIELD_COUNT];

struct field {
	char *text;    /* NULL: not given */
	size_t column; /* where the value stands in the line */
	bool exact; /* the line holds the text byte for byte there, so columns in it can be told */
	int type;   /* the TYPE of the last two; -1: none */
};

struct fields {
	const struct types *types;
	struct span line;
	struct field at[FIELD_COUNT];
};

/* Enough for the name of any field. */
#define FIELD_NAME_SIZE (TYPE_NAME_MAX + sizeof("_version_id"))
/* As the line names it. Returns `out`. */
const char *fields_name(const struct fields *f, enum event_field which, char out[FIELD_NAME_SIZE]);

void fields_release(struct fields *f);
/* The field called `name`: -EINVAL for an unknown one or one that was given before. */
int fields_claim(
	struct fields *f, struct span name, size_t column, struct err *err, enum event_field *out);
/* Keeps a copy of `text`, for which `raw` stands in the line; judges its length and, of an id, its bytes. */
int fields_put(struct fields *f, enum event_field which, struct span text, struct span raw,
	struct err *err);
/* Moves the column of a mistake in the field's text to the place in the line. Returns rc. */
int fields_blame(const struct fields *f, enum event_field which, struct err *err, int rc);
char *fields_take(struct fields *f, enum event_field which); /* the caller frees; NULL: not given */

/* The two forms. */
int event_json_read(struct fields *f, struct err *err);
int event_words_read(struct fields *f, struct err *err);
/* -EINVAL unless the text is JSON, and an object if there must be `members`; columns are the text's. */
int event_json_check(const char *name, const char *text, bool members, struct err *err);
