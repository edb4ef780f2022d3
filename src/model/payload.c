#include "model/payload.h"

#include "model/event.h"
#include "model/json.h"
#include "model/json_text.h"
#include "util/buf.h"
#include "util/id.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A part holds at most a metadata as long as a line, and texts whose every byte may take six as
 * "\u001F": an error message, ids, names and, twice that long, the sentence.
 */
#define PART_MAX (EVENT_LINE_MAX + 6 * (EVENT_ERROR_MAX + 16 * EVENT_ID_MAX) + 64 * 1024)

/* Most parts fit into so much. */
#define USUAL_LEN 384

/* What the sentence says of the request. */
static const char *const verbs[STATUS_COUNT] = {
	[STATUS_NONE] = "",
	[STATUS_PENDING] = "is pending",
	[STATUS_PROCESSING] = "started",
	[STATUS_COMPLETED] = "finished",
	[STATUS_FAILED] = "failed",
	[STATUS_CANCELLED] = "was cancelled",
	[STATUS_CANCELLED_PENDING] = "is being cancelled",
};

static void add_string(struct buf *out, const char *text)
{
	if (text)
		buf_add_json(out, text, strlen(text));
	else
		buf_adds(out, "null");
}

static void add_around(struct buf *out, const char *before, const char *text, const char *behind)
{
	buf_adds(out, before);
	buf_adds(out, text);
	buf_adds(out, behind);
}

static char *add_part(char *to, const char *part)
{
	size_t len = strlen(part);

	memcpy(to, part, len);
	return to + len;
}

/* The names of UUIDs are made of what identifies the object, so every host makes the same. */
static void add_id(struct buf *out, const char *given, struct id_space *ids, const char *type,
	const char *name, const char *version)
{
	char path[TYPE_NAME_MAX + 2 * OBJECT_PART_MAX + 2]; /* object_parse bounds the parts */
	char uuid[ID_UUID_LEN + 1];
	char *end = path;

	if (given) {
		add_string(out, given);
		return;
	}
	end = add_part(end, type);
	*end++ = '/';
	end = add_part(end, name);
	if (version) {
		*end++ = '/';
		end = add_part(end, version);
	}
	id_uuid_named(ids, path, (size_t)(end - path), uuid);
	add_string(out, uuid);
}

static void add_fields(struct buf *out, const struct event *e, struct target target,
	const char *type, struct id_space *ids)
{
	add_around(out, "\"", type, "_id\":");
	add_id(out, e->object_id, ids, type, target.name, NULL);
	add_around(out, ",\"", type, "_name\":");
	add_string(out, target.name);
	add_around(out, ",\"", type, "_version_id\":");
	if (target.version || e->version_id)
		add_id(out, e->version_id, ids, type, target.name, target.version);
	else
		buf_adds(out, "null");
	add_around(out, ",\"", type, "_version_name\":");
	add_string(out, target.version);
	buf_adds(out, ",\"request_id\":");
	add_string(out, e->request_id);
	add_around(out, ",\"status\":\"", request_status_name(e->status), "\"");
}

/* For people, and for receivers such as Slack that show nothing but `text`. */
static void add_sentence(struct buf *out, const struct event *e, struct target target,
	const char *type, const char *project)
{
	buf_addc(out, (char)toupper((unsigned char)type[0]));
	buf_adds(out, type + 1);
	add_around(out, " request ", e->request_id, " ");
	buf_adds(out, verbs[e->status]);
	add_around(out, " for ", type, " ");
	buf_adds(out, target.name);
	if (target.version) {
		buf_addc(out, ' ');
		buf_adds(out, target.version);
	}
	buf_adds(out, " in project ");
	buf_adds(out, project);
}

static void add_rest(struct buf *out, const struct event *e, const struct buf *sentence)
{
	buf_expect(out, USUAL_LEN + sentence->len);
	if (e->error_message) {
		buf_adds(out, ",\"error_message\":");
		add_string(out, e->error_message);
	}
	if (e->metadata) {
		buf_adds(out, ",\"metadata\":");
		buf_adds(out, e->metadata);
	}
	if (e->time) {
		buf_adds(out, ",\"time\":");
		add_string(out, e->time);
	}
	buf_adds(out, ",\"text\":");
	buf_add_json(out, buf_str(sentence), sentence->len);
}

int payload_render(struct payload *p, const struct event *e, const struct types *t,
	const char *project, struct id_space *ids)
{
	struct target target = object_target(&e->object, t);
	const char *type = t->name[target.type];
	bool has_result = e->result && strlen(e->result) <= RESULT_MAX;
	struct payload made = { 0 };
	struct buf fields = BUF(PART_MAX);
	struct buf sentence = BUF(PART_MAX);
	struct buf rest = BUF(PART_MAX);
	int rc = 0;

	assert(e->request_id && e->status != STATUS_NONE);
	buf_expect(&fields, USUAL_LEN);
	buf_expect(&sentence, USUAL_LEN);
	add_fields(&fields, e, target, type, ids);
	add_sentence(&sentence, e, target, type, project);
	add_rest(&rest, e, &sentence);
	if (!buf_error(&sentence)) {
		made.fields = buf_detach(&fields);
		made.rest = buf_detach(&rest);
	}
	if (has_result)
		made.result = strdup(e->result);

	if (!made.fields || !made.rest || (has_result && !made.result)) {
		payload_release(&made);
		rc = -ENOMEM;
	} else {
		*p = made;
	}
	buf_release(&fields);
	buf_release(&sentence);
	buf_release(&rest);
	return rc;
}

void payload_release(struct payload *p)
{
	free(p->fields);
	free(p->result);
	free(p->rest);
	*p = (struct payload){ 0 };
}

void payload_body(
	const struct payload *p, const char *event_name, bool include_result, struct buf *out)
{
	buf_expect(out,
		USUAL_LEN + strlen(p->fields) + strlen(p->rest) +
			(include_result && p->result ? strlen(p->result) : 0));
	buf_adds(out, "{\"event\":");
	add_string(out, event_name);
	buf_addc(out, ',');
	buf_adds(out, p->fields);
	if (include_result && p->result) {
		buf_adds(out, ",\"result\":");
		buf_adds(out, p->result);
	}
	buf_adds(out, p->rest);
	buf_addc(out, '}');
}

/* ---- the parts taken apart */

static struct span take_value(struct span *rest)
{
	struct span value = json_text_next(rest);

	return value.len == 4 && !memcmp(value.text, "null", 4) ? (struct span){ 0 } : value;
}

/* The fields are those of add_fields, in its order: the first key is the type's. */
static void view_fields(const char *fields, struct payload_view *out)
{
	struct span *const order[] = { &out->object_id, &out->object_name, &out->version_id,
		&out->version_name, &out->request_id, &out->status };
	struct span rest = { fields, strlen(fields) };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct span key = json_text_next(&rest);

		if (i == 0 && key.len > strlen("\"_id\""))
			out->type = (struct span){ key.text + 1, key.len - strlen("\"_id\"") };
		*order[i] = take_value(&rest);
	}
}

static void view_rest(const char *text, struct payload_view *out)
{
	const struct {
		const char *key;
		struct span *value;
	} fields[] = {
		{ "\"error_message\"", &out->error_message },
		{ "\"metadata\"", &out->metadata },
		{ "\"time\"", &out->time },
		{ "\"text\"", &out->text },
	};
	struct span rest = { text, strlen(text) };
	struct span key;

	while ((key = json_text_next(&rest)).len) {
		struct span value = take_value(&rest);

		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (key.len == strlen(fields[i].key) &&
				!memcmp(key.text, fields[i].key, key.len))
				*fields[i].value = value;
	}
}

void payload_view(const struct payload *p, bool include_result, struct payload_view *out)
{
	*out = (struct payload_view){ 0 };
	view_fields(p->fields, out);
	view_rest(p->rest, out);
	if (include_result && p->result)
		out->result = (struct span){ p->result, strlen(p->result) };
}

void payload_text(struct span json, struct buf *out)
{
	json_error_t error;
	json_t *text = NULL;

	if (!json.len)
		return;
	if (json_read(json.text, json.len, JSON_DECODE_ANY, &error, &text) == -ENOMEM)
		abort();
	/* payload_render wrote it, but a damaged database may have changed that. */
	if (json_is_string(text))
		buf_add(out, json_string_value(text), json_string_length(text));
	json_decref(text);
}
