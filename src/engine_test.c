/*
 * engine_test: a dummy event, sent at once and past the queue, on behalf of a writer who waits for
 * the answer.
 *
 * It goes the way of every delivery (payload, headers, client), but is stored nowhere, never tried
 * again and not counted.
 */
#include "engine_parts.h"

#include "fs/fs.h"
#include "http/client.h"
#include "model/event.h"
#include "model/format.h"
#include "model/payload.h"
#include "model/registry.h"
#include "util/err.h"
#include "util/id.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TESTS_MAX 64 /* at once; each holds a writer */

struct test_event {
	struct event event;
	enum phase phase;
};

/* The hook's object where it names one, else a name that says what this is. */
static int dummy_object(const struct hook *h, int type, struct object *out, struct err *err)
{
	const char *t = h->types->name[type >= 0 ? (unsigned)type : 0];
	if (h->object.name && (type < 0 || (int)object_target(&h->object, h->types).type == type)) {
		if (!object_is_pattern(&h->object))
			return object_copy(out, &h->object);
		t = h->types->name[h->object.type];
	}
	return object_make(out, h->types, false, t, "webhookfs-test", NULL, err);
}

/* Status and phase of a test that names no whole event. */
static int dummy_event(
	const struct hook *h, const char *text, size_t len, struct test_event *out, struct err *err)
{
	int type = -1;
	enum phase phase = PHASE_COMPLETED;
	struct event ev = { 0 };
	int r = 0;
	if (len) {
		r = event_name_parse(h->types, text, len, err, &type, &phase);
	} else if (h->object.name && !event_set_empty(&h->events)) {
		unsigned phases =
			event_set_phases(&h->events, object_target(&h->object, h->types).type);
		if (phases)
			phase = (enum phase)__builtin_ctz(phases);
	}
	if (!r)
		r = dummy_object(h, type, &ev.object, err);
	if (r)
		return r;
	ev.status = phase_status(phase);
	ev.phases = 1u << phase;
	if (phase == PHASE_FAILED)
		ev.error_message = strdup("This is a test.");
	ev.result = strdup("{\"test\":true}");
	if (!ev.result || (phase == PHASE_FAILED && !ev.error_message)) {
		event_release(&ev);
		return -ENOMEM;
	}
	*out = (struct test_event){ ev, phase };
	return 0;
}

/* A word is an event's name; anything else a whole event line. */
static int test_parse(
	const struct hook *h, const char *text, size_t len, struct test_event *out, struct err *err)
{
	len = text_trim(&text, len);
	if (!memchr(text, '/', len) && !memchr(text, '{', len) && !memchr(text, ' ', len))
		return dummy_event(h, text, len, out, err);
	int r = event_parse(&out->event, h->types, text, len, err);
	if (r)
		return r;
	if (!out->event.phases) {
		event_release(&out->event);
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"this status fires no event: write processing, completed, failed or cancelled");
	}
	unsigned listened = out->event.phases &
		event_set_phases(&h->events, object_target(&out->event.object, h->types).type);
	out->phase = (enum phase)__builtin_ctz(listened ? listened : out->event.phases);
	return 0;
}

static struct test_report *report_start(struct engine *e, int64_t hook_id)
{
	struct hook_state *s = hook_state_of(e, hook_id);
	if (!s->test && !(s->test = calloc(1, sizeof(*s->test))))
		abort();
	outcome_release(&s->test->outcome);
	*s->test = (struct test_report){ .time_ms = e->now.real_ms, .running = true };
	changed_test(e, s);
	return s->test;
}

static int send_test(struct engine *e, const struct hook *h, struct test_event *t, uint64_t token)
{
	struct payload p;
	struct buf name = BUF(128);
	char id[80], random[17];
	if (!t->event.request_id) {
		t->event.request_id = malloc(ID_UUID_LEN + 1);
		if (!t->event.request_id)
			return -ENOMEM;
		id_uuid_random(t->event.request_id);
	}
	int r = payload_render(&p, &t->event, h->types, e->options->project, e->ids);
	if (r)
		return r;
	event_name_show(h->types, object_target(&t->event.object, h->types).type, t->phase, &name);
	id_random_hex(random, 16);
	snprintf(id, sizeof(id), "msg_test_%s", random);
	const struct message m = { .payload = &p,
		.event_name = buf_str(&name),
		.include_result = h->include_result,
		.webhook_id = id,
		.hook = h->name,
		.project = e->options->project,
		.taken_ms = e->now.real_ms };
	struct request *request = deliver_request(e, h, token | TEST_TAG, &m);
	payload_release(&p);
	if (!request) {
		buf_release(&name);
		return -ENOMEM;
	}
	struct test_report *report = report_start(e, h->id);
	snprintf(report->event, sizeof(report->event), "%s", buf_str(&name));
	buf_release(&name);
	client_send(e->client, request);
	return 0;
}

static unsigned tests_running(const struct engine *e)
{
	unsigned n = 0;
	for (const struct test_run *t = e->tests; t; t = t->next)
		n++;
	return n;
}

int test_start(
	void *ctx, int64_t hook_id, const char *text, size_t len, uint64_t *token, struct err *err)
{
	struct engine *e = ctx;
	struct hook *h = registry_by_id(e->registry, hook_id);
	struct test_event t;
	if (!h)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "the hook was removed");
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	if (!h->url)
		return err_set(err, EDESTADDRREQ, ERR_NO_COLUMN,
			"there is no url to test: echo https://... > hooks/%s/url first", h->name);
	if (tests_running(e) >= TESTS_MAX)
		return err_set(err, EBUSY, ERR_NO_COLUMN, "%d tests are running; try again later",
			TESTS_MAX);
	int r = test_parse(h, text, len, &t, err);
	if (r)
		return r;
	struct test_run *run = malloc(sizeof(*run));
	if (!run)
		abort();
	*run = (struct test_run){ .token = ++e->test_count, .hook_id = hook_id, .next = e->tests };
	r = send_test(e, h, &t, run->token);
	event_release(&t.event);
	if (r) {
		free(run);
		return err_set(err, -r, ERR_NO_COLUMN, "%s", strerror(-r));
	}
	e->tests = run;
	*token = run->token;
	return 0;
}

void test_cancel(void *ctx, uint64_t token)
{
	struct engine *e = ctx;
	client_cancel(e->client, token | TEST_TAG);
}

/* What the writer's shell prints. */
static int test_error(const struct outcome *o)
{
	static const int by_kind[OUTCOME_KIND_COUNT] = {
		[OUTCOME_DNS] = -EHOSTUNREACH,
		[OUTCOME_REFUSED] = -ECONNREFUSED,
		[OUTCOME_CONNECT] = -EHOSTUNREACH,
		[OUTCOME_CONNECT_TIMEOUT] = -ETIMEDOUT,
		[OUTCOME_TLS] = -EPROTO,
		[OUTCOME_CERTIFICATE] = -EPROTO,
		[OUTCOME_TIMEOUT] = -ETIMEDOUT,
		[OUTCOME_BODY_TIMEOUT] = -ETIMEDOUT,
		[OUTCOME_BROKEN] = -ECONNRESET,
		[OUTCOME_DENIED] = -EACCES,
		[OUTCOME_LOCAL] = -EIO,
		[OUTCOME_MEMORY] = -ENOMEM,
		[OUTCOME_ABORTED] = -EINTR,
	};
	if (o->kind != OUTCOME_RESPONSE)
		return by_kind[o->kind];
	return o->http_status >= 200 && o->http_status < 300 ? 0 : -EREMOTEIO;
}

void test_ended(struct engine *e, struct outcome *o)
{
	struct test_run **p = &e->tests;
	uint64_t token = o->tag & ~TEST_TAG;
	while (*p && (*p)->token != token)
		p = &(*p)->next;
	struct test_run *run = *p;
	if (!run) {
		outcome_release(o);
		return;
	}
	*p = run->next;
	fs_test_done(e->fs, token, test_error(o));
	struct hook_state *s = hook_state_of(e, run->hook_id);
	if (s && s->test) {
		outcome_release(&s->test->outcome);
		s->test->running = false;
		s->test->outcome = *o;
		changed_test(e, s);
	} else {
		outcome_release(o);
	}
	free(run);
}

void test_report_free(struct test_report *r)
{
	if (!r)
		return;
	outcome_release(&r->outcome);
	free(r);
}

void tests_forget(struct engine *e)
{
	while (e->tests) {
		struct test_run *run = e->tests;
		e->tests = run->next;
		free(run);
	}
}
