/*
 * The grammar has two forms and one meaning: event_json or event_words finds the fields, and what
 * follows here judges them, in the order in which an event is read: whose, what, which, why.
 */
#include "model/event.h"

#include "model/event_fields.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- whose */

/* object_make's columns count in TYPE/NAME/VERSION: finds the field that gave the part. */
static int blame_part(const struct fields *f, struct err *err, int rc)
{
	static const enum event_field parts[] = { FIELD_OBJECT_TYPE, FIELD_OBJECT_NAME };

	if (!rc || !err || rc == -ENOMEM)
		return rc;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t len = strlen(f->at[parts[i]].text);

		if (err->column <= len)
			return fields_blame(f, parts[i], err, rc);
		err->column -= len + 1;
	}
	return fields_blame(f, FIELD_VERSION, err, rc);
}

static int read_object(struct event *e, const struct fields *f, struct err *err)
{
	static const enum event_field parts[] = { FIELD_OBJECT_TYPE, FIELD_OBJECT_NAME,
		FIELD_VERSION };
	const char *object = f->at[FIELD_OBJECT].text;

	if (!object) {
		if (!f->at[FIELD_OBJECT_TYPE].text || !f->at[FIELD_OBJECT_NAME].text)
			return err_set(err, EINVAL, ERR_NO_COLUMN,
				"the object is missing: give object, or object_type and object_name");
		return blame_part(f, err,
			object_make(&e->object, f->types, false, f->at[FIELD_OBJECT_TYPE].text,
				f->at[FIELD_OBJECT_NAME].text, f->at[FIELD_VERSION].text, err));
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (f->at[parts[i]].text)
			return err_set(err, EINVAL, f->at[parts[i]].column,
				"%s does not go with object, which is TYPE/NAME/VERSION already",
				field_rules[parts[i]].name);
	return fields_blame(f, FIELD_OBJECT, err,
		object_parse(&e->object, f->types, false, object, strlen(object), err));
}

/* ---- what */

static int read_event_name(
	const struct fields *f, unsigned type, struct err *err, enum phase *phase)
{
	const char *text = f->at[FIELD_EVENT].text;
	int named;
	int rc = event_name_parse(f->types, text, strlen(text), err, &named, phase);

	if (!rc && named >= 0 && (unsigned)named != type)
		rc = err_set(err, EINVAL, 0, "%s is no event of a %s", text, f->types->name[type]);
	return fields_blame(f, FIELD_EVENT, err, rc);
}

/*
 * A status fires all its phases; a named event only its own, also beside a status: who sends each
 * event by itself, as UbiOps does, must not have `finished` fired by `completed` again.
 */
static int read_status(struct event *e, const struct fields *f, unsigned type, struct err *err)
{
	const char *status = f->at[FIELD_STATUS].text;
	const char *error = f->at[FIELD_ERROR_MESSAGE].text;
	enum phase phase;
	int rc;

	if (!status && !f->at[FIELD_EVENT].text)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"what happened is missing: give a status, or an event");
	if (status) {
		rc = fields_blame(f, FIELD_STATUS, err,
			request_status_parse(status, strlen(status), err, &e->status));
		if (rc)
			return rc;
		e->phases = request_status_phases(e->status);
	}
	if (!f->at[FIELD_EVENT].text)
		return 0;

	rc = read_event_name(f, type, err, &phase);
	if (rc)
		return rc;
	if (status && !(e->phases & 1u << phase))
		return err_set(err, EINVAL, f->at[FIELD_EVENT].column,
			"this event does not go with the status %s", status);
	e->phases = 1u << phase;
	if (!status)
		e->status = phase == PHASE_FINISHED && error && *error ? STATUS_FAILED
								       : phase_status(phase);
	return 0;
}

/* ---- which, and why */

static int check_id(const struct fields *f, enum event_field which, unsigned type, struct err *err)
{
	char name[FIELD_NAME_SIZE];

	if (!f->at[which].text || f->at[which].type == (int)type)
		return 0;
	return err_set(err, EINVAL, f->at[which].column, "%s does not fit: the object has a %s%s",
		fields_name(f, which, name), f->types->name[type], field_rules[which].name);
}

static int check_time(const struct fields *f, struct err *err)
{
	const char *time = f->at[FIELD_TIME].text;
	int64_t ms;

	if (!time)
		return 0;
	return fields_blame(f, FIELD_TIME, err, text_parse_time(time, strlen(time), err, &ms));
}

static void take_texts(struct event *e, struct fields *f)
{
	if (f->at[FIELD_ERROR_MESSAGE].text && *f->at[FIELD_ERROR_MESSAGE].text)
		e->error_message = fields_take(f, FIELD_ERROR_MESSAGE);
	e->request_id = fields_take(f, FIELD_REQUEST_ID);
	e->id = fields_take(f, FIELD_ID);
	e->object_id = fields_take(f, FIELD_TYPE_ID);
	e->version_id = fields_take(f, FIELD_TYPE_VERSION_ID);
	e->result = fields_take(f, FIELD_RESULT);
	e->metadata = fields_take(f, FIELD_METADATA);
	e->time = fields_take(f, FIELD_TIME);
}

/* ---- a line */

static int check_bytes(struct span line, struct err *err)
{
	const char *nul;
	size_t bad;

	if (line.len > EVENT_LINE_MAX)
		return err_set(
			err, E2BIG, ERR_NO_COLUMN, "a line has at most %d bytes", EVENT_LINE_MAX);
	nul = memchr(line.text, '\0', line.len);
	if (nul)
		return err_set(err, EINVAL, (size_t)(nul - line.text), "the line has a NUL in it");
	bad = text_utf8_check(line.text, line.len);
	if (bad < line.len)
		return err_set(err, EINVAL, bad, "the line is not UTF-8 from here on");
	return 0;
}

static bool is_json(struct span line)
{
	const char *start = line.text;

	return text_trim(&start, line.len) && *start == '{';
}

static int read_line(struct event *e, struct fields *f, struct err *err)
{
	unsigned type;
	int rc = check_bytes(f->line, err);

	if (!rc)
		rc = is_json(f->line) ? event_json_read(f, err) : event_words_read(f, err);
	if (!rc)
		rc = read_object(e, f, err);
	if (rc)
		return rc;
	type = object_target(&e->object, f->types).type;
	rc = read_status(e, f, type, err);
	if (!rc)
		rc = check_id(f, FIELD_TYPE_ID, type, err);
	if (!rc)
		rc = check_id(f, FIELD_TYPE_VERSION_ID, type, err);
	if (!rc)
		rc = check_time(f, err);
	if (!rc)
		take_texts(e, f);
	return rc;
}

int event_parse(
	struct event *e, const struct types *t, const char *line, size_t len, struct err *err)
{
	struct fields f = { .types = t, .line = { line, len } };
	int rc;

	*e = (struct event){ 0 };
	rc = read_line(e, &f, err);
	fields_release(&f);
	if (rc)
		event_release(e);
	return rc;
}

void event_release(struct event *e)
{
	object_release(&e->object);
	free(e->request_id);
	free(e->id);
	free(e->object_id);
	free(e->version_id);
	free(e->error_message);
	free(e->result);
	free(e->metadata);
	free(e->time);
	*e = (struct event){ 0 };
}
