/*
 * event: lines through framing, the parser, the match and the payload. What is taken is a whole JSON object
 * in the end, whatever was in the line; what is not is told in a sentence.
 */
#include "fuzz.h"

#include "intake/framing.h"
#include "model/event.h"
#include "model/match.h"
#include "model/payload.h"
#include "util/id.h"

#include <jansson.h>

static struct types types;
static struct match *match;
static struct id_space *ids;

static void hook_set(int64_t id, const char *object, unsigned floating)
{
	struct object o = { 0 };
	struct event_set events = { .floating = floating };
	struct target t;

	CHECK(object_parse(&o, &types, true, object, strlen(object), NULL) == 0);
	t = object_target(&o, &types);
	CHECK(match_set(match, id, &t, &events) == 0);
	object_release(&o);
}

static void start(void)
{
	json_object_seed(1);
	CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	CHECK(id_space_new("project", &ids) == 0);
	match = match_new();
	hook_set(1, "deployment/*", 15);
	hook_set(2, "deployment/m/v1", 4);
	hook_set(3, "pipeline/p?[a-z]*/*", 15);
	hook_set(4, "experiment/*", 9);
}

static void found(void *ctx, int64_t hook_id, unsigned phases)
{
	CHECK(hook_id > *(int64_t *)ctx && hook_id <= 4 && phases && phases < 1u << PHASE_COUNT);
	*(int64_t *)ctx = hook_id;
}

static void check_body(const struct event *e, const struct payload *p, bool result)
{
	struct buf body = BUF(4 << 20);
	json_error_t error;
	json_t *json, *id;

	payload_body(p, "deployment_request_failed", result, &body);
	CHECK(!buf_error(&body) && !memchr(body.data, '\n', body.len));
	json = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	CHECK(json_is_object(json));
	id = json_object_get(json, "request_id");
	CHECK(json_is_string(id) && !strcmp(json_string_value(id), e->request_id));
	CHECK(!json_object_get(json, "result") || result);
	json_decref(json);
	buf_release(&body);
}

static void check_event(struct event *e)
{
	struct target t = object_target(&e->object, &types);
	struct payload p;
	int64_t last = 0;

	CHECK(e->status > STATUS_NONE && e->status < STATUS_COUNT);
	CHECK(e->object.name && *e->object.name);
	match_find(match, &t, e->phases, found, &last);
	if (!e->request_id)
		e->request_id = strdup("r");
	CHECK(payload_render(&p, e, &types, "project", ids) == 0);
	check_body(e, &p, true);
	check_body(e, &p, false);
	payload_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);

	if (!match)
		start();
	while (in.len) {
		struct err err = { 0 };
		struct event e;
		size_t len;
		char *line = input_until(&in, '\n', &len);
		int r = event_parse(&e, &types, line, len, &err);

		(void)event_json_complete(line, len);
		if (r)
			check_refusal(r, &err, len, NULL, 0);
		else
			check_event(&e);
		event_release(&e);
		free(line);
	}
	return 0;
}
