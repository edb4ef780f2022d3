/*
 * format: events in every shape of the body: (how, hook's name, NUL, template, NUL, line). What was taken as
 * a template and as an event makes JSON that the receiver takes, within its limits; and headers without
 * anything that could end them. With the highest bit of `how` set the line is three parts of a payload as a
 * damaged database may give them: nothing breaks.
 */
#include "fuzz.h"

#include "model/event.h"
#include "model/format.h"
#include "model/hook.h"
#include "model/payload.h"
#include "util/id.h"

#include <jansson.h>

#define MESSAGE_SLACK   4000 /* UTF-16 units */
#define MESSAGE_DISCORD 2000
#define REQUEST_TEAMS   (28 * 1024) /* bytes */

static struct types types;
static struct id_space *ids;

/* One line, one JSON text. */
static json_t *parsed(const struct buf *body)
{
	json_error_t error;
	json_t *json;

	CHECK(!buf_error(body) && body->len && !memchr(body->data, '\n', body->len));
	json = json_loadb(body->data, body->len,
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	CHECK(json);
	return json;
}

static const char *member(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	CHECK(text && *text);
	return text;
}

static size_t units(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80 ? 1u + ((unsigned char)*text >= 0xf0)
							   : 0u;
	return n;
}

static void check_slack(const json_t *json)
{
	const char *text = member(json, "text");

	CHECK(units(text) <= MESSAGE_SLACK && !strpbrk(text, "<>"));
	for (const char *c = text; (c = strchr(c, '&')); c++)
		CHECK(!strncmp(c, "&amp;", 5) || !strncmp(c, "&lt;", 4) || !strncmp(c, "&gt;", 4));
	CHECK(json_is_false(json_object_get(json, "mrkdwn")));
}

static void check_discord(const json_t *json)
{
	const json_t *mentions = json_object_get(json, "allowed_mentions");
	const json_t *parse = json_object_get(mentions, "parse");

	CHECK(units(member(json, "content")) <= MESSAGE_DISCORD);
	CHECK(json_is_array(parse) && !json_array_size(parse));
}

static void check_teams(const json_t *json, size_t len)
{
	CHECK(len <= REQUEST_TEAMS);
	CHECK(json_array_size(json_object_get(json, "attachments")) == 1);
}

static void check_cloudevent(const json_t *json, const struct buf *payload)
{
	json_t *same = parsed(payload);
	const char *source = member(json, "source");
	int64_t ms;

	CHECK(!strcmp(member(json, "specversion"), "1.0") && member(json, "type"));
	CHECK(!strcmp(member(json, "id"), "msg_t_7") && *source == '/');
	for (; *source; source++)
		CHECK(*source > ' ' && *source < 0x7f);
	CHECK(text_parse_time(member(json, "time"), strlen(member(json, "time")), NULL, &ms) == 0);
	for (const char *c = member(json, "subject"); *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	CHECK(json_equal(json_object_get(json, "data"), same));
	json_decref(same);
}

static void check_header(void *ctx, const char *name, const char *value)
{
	CHECK(text_is_token(name, strlen(name)));
	for (; *value; value++)
		CHECK(*value >= ' ' && *value < 0x7f);
	++*(unsigned *)ctx;
}

/* `text` has been taken as a template; NULL: none. */
static void check_bodies(const struct message *m, const char *text)
{
	struct buf payload = BUF(FORMAT_BODY_MAX);

	format_body(FORMAT_UBIOPS, NULL, m, &payload);
	for (enum format f = 0; f < FORMAT_COUNT; f++) {
		struct buf body = BUF(FORMAT_BODY_MAX);
		unsigned headers = 0;
		json_t *json;

		format_body(f, f == FORMAT_UBIOPS ? text : NULL, m, &body);
		format_headers(f, m, check_header, &headers);
		json = parsed(&body);
		CHECK(headers && (json_is_object(json) || (text && json_is_array(json))));
		if (f == FORMAT_SLACK)
			check_slack(json);
		else if (f == FORMAT_DISCORD)
			check_discord(json);
		else if (f == FORMAT_TEAMS)
			check_teams(json, body.len);
		else if (f == FORMAT_CLOUDEVENTS)
			check_cloudevent(json, &payload);
		json_decref(json);
		buf_release(&body);
	}
	buf_release(&payload);
}

/* Whatever comes out, it ends. */
static void use_damaged(struct message *m, const char *text, struct input *in)
{
	struct payload p = { 0 };

	p.fields = input_string(in, '\0');
	p.rest = input_string(in, '\0');
	p.result = input_string(in, '\0');
	m->payload = &p;
	for (enum format f = 0; f < FORMAT_COUNT; f++) {
		struct buf body = BUF(FORMAT_BODY_MAX);
		unsigned headers = 0;

		format_body(f, f == FORMAT_UBIOPS ? text : NULL, m, &body);
		format_headers(f, m, check_header, &headers);
		CHECK(headers);
		buf_release(&body);
	}
	payload_release(&p);
}

static void use_line(struct message *m, const char *text, const char *line, size_t len)
{
	struct err err = { 0 };
	struct event e;
	struct payload p;
	int r = event_parse(&e, &types, line, len, &err);

	if (r) {
		check_refusal(r, &err, len, NULL, 0);
	} else {
		if (!e.request_id)
			e.request_id = strdup("r");
		CHECK(payload_render(&p, &e, &types, m->project, ids) == 0);
		m->payload = &p;
		check_bodies(m, text);
		payload_release(&p);
	}
	event_release(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	uint8_t how = input_byte(&in);
	size_t len;
	char *name = input_string(&in, '\0'), *text;
	struct err err = { 0 };
	bool named = hook_name_check(name, strlen(name), &err) == 0;
	struct hook *h;

	if (!types.count) {
		json_object_seed(1);
		CHECK(id_space_new("project", &ids) == 0);
		CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	}
	h = hook_new("h", &types);
	text = input_until(&in, '\0', &len);
	if (hook_store(h, setting_find(hook_settings, hook_settings_count, "template"), text, len,
		    &err))
		CHECK(!h->template_text && err.code);
	free(text);
	struct message m = { .event_name = "deployment_request_failed",
		.include_result = how & 1,
		.webhook_id = "msg_t_7",
		.hook = named ? name : "h",
		/* A project may be any text of up to 64 bytes. */
		.project = how & 2 ? "a \"b\"\\/\xe2\x82\xac" : "demo",
		.taken_ms = 1000 };
	if (how & 0x80)
		use_damaged(&m, h->template_text, &in);
	else
		use_line(&m, h->template_text, in.data, in.len);
	free(name);
	hook_free(h);
	return 0;
}
