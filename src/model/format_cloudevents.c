/*
 * CloudEvents 1.0: https://github.com/cloudevents/spec, its JSON format and its HTTP binding.
 *
 * Both modes have the same attributes, a row of `attributes` each. id is the webhook-id, so that a
 * receiver that tells repetitions by source and id tells ours; source is a path of project and object, and
 * subject the request.
 */
#include "model/format_internal.h"

#include "model/payload.h"
#include "util/buf.h"
#include "util/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 8192 /* a path of five parts, each of whose bytes may take three */

struct cloudevent {
	const struct message *m;
	struct payload_view view;
};

/* ---- attributes */

static void add_specversion(const struct cloudevent *c, struct buf *out)
{
	(void)c;
	buf_adds(out, "1.0");
}

static void add_id(const struct cloudevent *c, struct buf *out)
{
	buf_adds(out, c->m->webhook_id);
}

/* A segment of a path (RFC 3986, section 3.3); what is no unreserved character is encoded. */
static void add_segment(const char *text, size_t len, struct buf *out)
{
	buf_addc(out, '/');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

static void add_part(struct span json, struct buf *out)
{
	struct buf text = BUF(VALUE_MAX);

	payload_text(json, &text);
	add_segment(buf_str(&text), text.len, out);
	buf_release(&text);
}

static void add_source(const struct cloudevent *c, struct buf *out)
{
	add_segment(c->m->project, strlen(c->m->project), out);
	add_segment(c->view.type.text, c->view.type.len, out);
	add_part(c->view.object_name, out);
	if (c->view.version_name.len)
		add_part(c->view.version_name, out);
}

static void add_type(const struct cloudevent *c, struct buf *out)
{
	buf_adds(out, c->m->event_name);
}

/* An attribute has no control characters. */
static void add_subject(const struct cloudevent *c, struct buf *out)
{
	size_t before = out->len;

	payload_text(c->view.request_id, out);
	if (out->len > before)
		text_plain(out->data + before, out->len - before);
}

static void add_time(const struct cloudevent *c, struct buf *out)
{
	struct buf text = BUF(VALUE_MAX);
	int64_t ms = c->m->taken_ms;

	payload_text(c->view.time, &text);
	if (text.len)
		(void)text_parse_time(text.data, text.len, NULL, &ms); /* the event was judged */
	buf_release(&text);
	text_add_time(out, ms);
}

static const struct attribute {
	const char *name;
	void (*add)(const struct cloudevent *c, struct buf *out);
} attributes[] = {
	{ "specversion", add_specversion },
	{ "id", add_id },
	{ "source", add_source },
	{ "type", add_type },
	{ "subject", add_subject },
	{ "time", add_time },
};
#define ATTRIBUTE_COUNT (sizeof(attributes) / sizeof(attributes[0]))

static void look(const struct message *m, struct cloudevent *out)
{
	out->m = m;
	payload_view(m->payload, false, &out->view);
}

/* ---- modes */

void cloudevents_body(const struct message *m, struct buf *out)
{
	struct cloudevent c;

	look(m, &c);
	for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
		struct buf value = BUF(VALUE_MAX);

		attributes[i].add(&c, &value);
		buf_addf(out, "%c\"%s\":", i ? ',' : '{', attributes[i].name);
		buf_add_json(out, buf_str(&value), value.len);
		buf_release(&value);
	}
	buf_adds(out, ",\"datacontenttype\":\"application/json\",\"data\":");
	payload_body(m->payload, m->event_name, m->include_result, out);
	buf_addc(out, '}');
}

/* HTTP binding, section 3.1.3.2: blanks, quotes, percent signs and all that is no printable ASCII. */
static void encode(const struct buf *value, struct buf *out)
{
	for (size_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->data[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '%')
			buf_addf(out, "%%%02X", c);
		else
			buf_addc(out, (char)c);
	}
}

void cloudevents_headers(const struct message *m, format_header_fn *each, void *ctx)
{
	struct cloudevent c;

	look(m, &c);
	for (size_t i = 0; i < ATTRIBUTE_COUNT; i++) {
		struct buf value = BUF(VALUE_MAX), encoded = BUF(3 * VALUE_MAX);
		char name[32];

		attributes[i].add(&c, &value);
		encode(&value, &encoded);
		snprintf(name, sizeof(name), "ce-%s", attributes[i].name); /* fits */
		each(ctx, name, buf_str(&encoded));
		buf_release(&value);
		buf_release(&encoded);
	}
}
