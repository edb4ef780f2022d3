#include "model/template.h"

#include "model/format.h"
#include "model/json.h"
#include "model/json_text.h"
#include "model/payload.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define OPEN  "{{"
#define CLOSE "}}"

/* ---- fields */

static void add_quoted(const char *text, struct buf *out)
{
	buf_add_json(out, text, strlen(text));
}

static void add_payload(const struct template_field *f, const struct message *m, struct buf *out)
{
	(void)f;
	payload_body(m->payload, m->event_name, m->include_result, out);
}

static void add_event(const struct template_field *f, const struct message *m, struct buf *out)
{
	(void)f;
	add_quoted(m->event_name, out);
}

static void add_webhook_id(const struct template_field *f, const struct message *m, struct buf *out)
{
	(void)f;
	add_quoted(m->webhook_id, out);
}

static void add_hook(const struct template_field *f, const struct message *m, struct buf *out)
{
	(void)f;
	add_quoted(m->hook, out);
}

static void add_project(const struct template_field *f, const struct message *m, struct buf *out)
{
	(void)f;
	add_quoted(m->project, out);
}

static void add_viewed(const struct template_field *f, const struct message *m, struct buf *out)
{
	struct payload_view view;
	const struct span *value = (const struct span *)((const char *)&view + f->offset);

	payload_view(m->payload, m->include_result, &view);
	buf_add(out, value->text, value->len);
}

static void add_type(const struct template_field *f, const struct message *m, struct buf *out)
{
	struct payload_view view;

	(void)f;
	payload_view(m->payload, false, &view);
	buf_add_json(out, view.type.text, view.type.len);
}

/* What is between the quotes of a part that is a JSON string already; a damaged database may have left none. */
static void add_inside(struct span json, struct buf *out)
{
	if (json.len > 2)
		buf_add(out, json.text + 1, json.len - 2);
}

static void add_object(const struct template_field *f, const struct message *m, struct buf *out)
{
	struct payload_view view;

	(void)f;
	payload_view(m->payload, false, &view);
	buf_addc(out, '"');
	buf_add(out, view.type.text, view.type.len);
	buf_addc(out, '/');
	add_inside(view.object_name, out);
	if (view.version_name.len) {
		buf_addc(out, '/');
		add_inside(view.version_name, out);
	}
	buf_addc(out, '"');
}

static void add_time(const struct template_field *f, const struct message *m, struct buf *out)
{
	size_t before = out->len;

	add_viewed(f, m, out);
	if (out->len > before)
		return;
	buf_addc(out, '"');
	text_add_time(out, m->taken_ms);
	buf_addc(out, '"');
}

#define VIEWED(field) .add = add_viewed, .offset = offsetof(struct payload_view, field)

const struct template_field template_fields[] = {
	{ .name = "event",
		.add = add_event,
		.summary = "The event's full name, as in deployment_request_failed." },
	{ .name = "object",
		.add = add_object,
		.summary = "TYPE/NAME or TYPE/NAME/VERSION; an experiment is its deployment." },
	{ .name = "object_type", .add = add_type, .summary = "The TYPE of that." },
	{ .name = "object_name", VIEWED(object_name), .summary = "The NAME of that." },
	{ .name = "version", VIEWED(version_name), .summary = "The VERSION of that, if any." },
	{ .name = "object_id", VIEWED(object_id), .summary = "The payload's TYPE_id." },
	{ .name = "version_id",
		VIEWED(version_id),
		.summary = "The payload's TYPE_version_id, if any." },
	{ .name = "request_id", VIEWED(request_id), .summary = "Which request." },
	{ .name = "status", VIEWED(status), .summary = "The request's status." },
	{ .name = "error_message", VIEWED(error_message), .summary = "The event's, if any." },
	{ .name = "result",
		.json = true,
		VIEWED(result),
		.summary = "The request's result, if include_result is 1 and there is one." },
	{ .name = "metadata", .json = true, VIEWED(metadata), .summary = "The event's, if any." },
	{ .name = "time",
		.add = add_time,
		.offset = offsetof(struct payload_view, time),
		.summary = "The event's, or when it was taken." },
	{ .name = "text", VIEWED(text), .summary = "The payload's sentence for people." },
	{ .name = "payload",
		.json = true,
		.add = add_payload,
		.summary = "All that is sent without a template." },
	{ .name = "webhook_id",
		.add = add_webhook_id,
		.summary = "The header webhook-id, the same over all attempts." },
	{ .name = "hook", .add = add_hook, .summary = "The hook's name." },
	{ .name = "project", .add = add_project, .summary = "The mount's project." },
};
const size_t template_fields_count = sizeof(template_fields) / sizeof(template_fields[0]);

static const struct template_field *field_find(struct span name)
{
	for (size_t i = 0; i < template_fields_count; i++)
		if (strlen(template_fields[i].name) == name.len &&
			!memcmp(template_fields[i].name, name.text, name.len))
			return &template_fields[i];
	return NULL;
}

/* ---- walking */

struct walk {
	struct span text;
	size_t pos;
	bool inside; /* a string */
};

/* Moves behind the next byte that is no part of a place; both bytes of an escape are one. */
static void walk_byte(struct walk *w)
{
	char c = w->text.text[w->pos++];

	if (c == '"')
		w->inside = !w->inside;
	else if (w->inside && c == '\\' && w->pos < w->text.len)
		w->pos++;
}

static bool at_place(const struct walk *w)
{
	return w->text.len - w->pos >= 2 && !memcmp(w->text.text + w->pos, OPEN, 2);
}

/* The place at the position, with its braces; empty if it does not end. */
static struct span place_at(const struct walk *w)
{
	const char *start = w->text.text + w->pos;
	const char *end = memmem(start, w->text.len - w->pos, CLOSE, 2);

	return (struct span){ start, end ? (size_t)(end + 2 - start) : 0 };
}

static struct span place_name(struct span place)
{
	const char *start = place.text + 2;
	size_t len = text_trim(&start, place.len - 4);

	return (struct span){ start, len };
}

/* True if the string that the position is in is a key: a colon follows it. */
static bool in_key(struct walk w)
{
	while (w.inside && w.pos < w.text.len)
		walk_byte(&w);
	while (w.pos < w.text.len && json_text_is_blank(w.text.text[w.pos]))
		w.pos++;
	return w.pos < w.text.len && w.text.text[w.pos] == ':';
}

bool template_whole(const char *text, size_t len)
{
	struct walk w = { .text = { text, len } };
	size_t depth = 0;

	w.text.len = text_trim(&w.text.text, len);
	while (w.pos < w.text.len) {
		char c = w.text.text[w.pos];

		if (!w.inside && (c == '{' || c == '['))
			depth++;
		else if (!w.inside && (c == '}' || c == ']') && depth)
			depth--;
		walk_byte(&w);
	}
	return !depth && !w.inside;
}

/* ---- checking */

static int unknown_error(struct span name, size_t column, struct err *err)
{
	struct buf names = BUF(ERR_SENTENCE_MAX);
	char quote[TEXT_QUOTE_SIZE];

	for (size_t i = 0; i < template_fields_count; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", template_fields[i].name);
	(void)err_set(err, EINVAL, column,
		"\"%s\" is no field: there are %s; two braces as such are {\\u007b",
		text_quote(name.text, name.len, quote), buf_str(&names));
	buf_release(&names);
	return -EINVAL;
}

static int place_check(
	const struct walk *w, struct span place, bool used[], unsigned count, struct err *err)
{
	const struct template_field *f;

	if (!place.len)
		return err_set(err, EINVAL, w->pos,
			"the place that begins here does not end: }} is missing");
	f = field_find(place_name(place));
	if (!f)
		return unknown_error(place_name(place), w->pos, err);
	if (count == TEMPLATE_PLACES_MAX)
		return err_set(err, E2BIG, w->pos, "a template has at most %d places",
			TEMPLATE_PLACES_MAX);
	if (f->json && used[f - template_fields])
		return err_set(err, EINVAL, w->pos,
			"%s may be long, so it stands in a template once", f->name);
	if (w->inside && in_key(*w))
		return err_set(err, EINVAL, w->pos,
			"a place is no part of a key: put the field into a value");
	used[f - template_fields] = true;
	return 0;
}

/* What any value is to JSON, of the same length, so that columns stay: in a string a character that is no
 * part of an escape, outside null. */
static void stand_in(char *place, size_t len, bool inside)
{
	static const char null[] = "null";

	static_assert(sizeof(OPEN "x" CLOSE) > sizeof(null), "the shortest place holds a null");
	memset(place, inside ? 'x' : ' ', len);
	if (!inside)
		memcpy(place, null, strlen(null));
}

/* Where the mistake stands in the template: a place as a whole is in the wrong one. */
static size_t mistake_at(const char *text, size_t len, const json_error_t *e)
{
	size_t column = e->position > 0 ? (size_t)e->position : 0;

	/* jansson stands behind what it could not take, if that was not the end. */
	if (column && json_error_code(e) != json_error_premature_end_of_input)
		column--;
	if (column > len)
		column = len;
	for (size_t i = column < len ? column : len - 1;
		i-- > 0 && memcmp(text + i, CLOSE, 2) != 0;)
		if (!memcmp(text + i, OPEN, 2))
			return i;
	return column;
}

static int json_check(const char *text, const struct buf *probe, struct err *err)
{
	size_t line = 1, begin = 0, at;
	const char *quote;
	json_error_t e;
	json_t *root;
	int r = json_read(probe->data, probe->len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &e, &root);

	if (r == 0) {
		json_decref(root);
		return 0;
	}
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for template");
	at = mistake_at(text, probe->len, &e);
	for (size_t i = 0; i < at; i++) {
		if (text[i] != '\n')
			continue;
		line++;
		begin = i + 1;
	}
	/* What jansson quotes is not the user's text. */
	quote = strstr(e.text, " near '");
	return err_set(err, EINVAL, at,
		"this is no JSON object or array, line %zu, column %zu: %.*s", line, at - begin + 1,
		quote ? (int)(quote - e.text) : (int)strlen(e.text), e.text);
}

int template_check(const char *text, size_t len, struct err *err)
{
	struct walk w = { .text = { text, len } };
	bool used[sizeof(template_fields) / sizeof(template_fields[0])] = { false };
	struct buf probe = BUF(len);
	unsigned count = 0;
	int rc = 0;

	buf_add(&probe, text, len);
	if (buf_error(&probe))
		rc = err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for template");
	while (!rc && w.pos < len) {
		struct span place;

		if (!at_place(&w)) {
			walk_byte(&w);
			continue;
		}
		place = place_at(&w);
		rc = place_check(&w, place, used, count++, err);
		if (!rc)
			stand_in(probe.data + w.pos, place.len, w.inside);
		w.pos += place.len;
	}
	if (!rc)
		rc = json_check(text, &probe, err);
	buf_release(&probe);
	return rc;
}

/* ---- filling */

static void add_place(
	const struct template_field *f, bool inside, const struct message *m, struct buf *out)
{
	struct buf value = BUF(FORMAT_BODY_MAX);
	size_t before = out->len;

	if (!inside) {
		f->add(f, m, out);
		if (out->len == before)
			buf_adds(out, "null");
		return;
	}
	f->add(f, m, &value);
	if (f->json && value.len) {
		struct buf quoted = BUF(2 * FORMAT_BODY_MAX);

		buf_add_json(&quoted, value.data, value.len);
		if (quoted.len > 2)
			buf_add(out, quoted.data + 1, quoted.len - 2);
		buf_release(&quoted);
	} else if (value.len > 2) {
		buf_add(out, value.data + 1, value.len - 2);
	}
	buf_release(&value);
}

void template_fill(const char *text, const struct message *m, struct buf *out)
{
	struct walk w = { .text = { text, strlen(text) } };

	while (w.pos < w.text.len) {
		size_t start = w.pos;

		if (at_place(&w)) {
			struct span place = place_at(&w);
			const struct template_field *f = field_find(place_name(place));

			assert(f); /* it was checked when it was written */
			add_place(f, w.inside, m, out);
			w.pos += place.len;
			continue;
		}
		walk_byte(&w);
		if (w.inside || !json_text_is_blank(text[start]))
			buf_add(out, text + start, w.pos - start);
	}
}
