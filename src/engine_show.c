/*
 * engine_show: counters and states as the files show them, KEY VALUE a line.
 */
#include "engine_parts.h"

#include "confine.h"
#include "model/queue.h"
#include "model/registry.h"
#include "store/store.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define RESPONSE_SHOWN 1024 /* bytes of a test's response */

static void show_number(struct buf *out, const char *key, int64_t value)
{
	buf_addf(out, "%s %lld\n", key, (long long)value);
}

static void show_time(struct buf *out, const char *key, int64_t ms)
{
	buf_addf(out, "%s ", key);
	if (ms)
		text_add_time(out, ms);
	else
		buf_adds(out, "never");
	buf_addc(out, '\n');
}

void show_status(void *ctx, struct buf *out)
{
	const struct engine *e = ctx;
	show_number(out, "hooks", (int64_t)registry_count(e->registry));
	show_number(out, "accepted", e->counters.accepted);
	show_number(out, "refused", e->counters.refused);
	show_number(out, "pending", e->pending);
	show_number(out, "inflight", (int64_t)queue_inflight(e->queue));
	show_number(out, "delivered", e->counters.delivered);
	show_number(out, "failed", e->counters.failed);
	show_number(out, "backlog_bytes", (int64_t)store_backlog_bytes(e->store));
	show_number(out, "backlog_limit", (int64_t)e->options->max_backlog);
	buf_adds(out, "confined ");
	confine_show(e->confined, out);
	buf_addc(out, '\n');
}

void show_errors(void *ctx, struct buf *out)
{
	refusals_show(&((struct engine *)ctx)->refusals, out);
}

/* What waits for a destination, by all its hooks. */
struct backlog {
	const char *name; /* the queue's own text: as good as the destination itself */
	uint64_t pending;
	int64_t oldest_ms; /* its age */
	bool unknown;      /* not all were looked at */
	UT_hash_handle hh;
};

/* Each look is a query, of some 10 us: more would hold up everybody else. */
#define OLDEST_LOOKS_MAX 10000

static struct backlog *backlogs_new(const struct engine *e)
{
	struct backlog *all = NULL, *b;
	struct queue_destination d;
	unsigned looks = 0;
	for (const struct hook_state *s = e->states; s; s = s->hh.next) {
		if (!s->pending || !queue_hook_destination(e->queue, s->id, e->now.due_ms, &d))
			continue;
		HASH_FIND_PTR(all, &d.name, b);
		if (!b) {
			b = calloc(1, sizeof(*b));
			if (!b)
				abort();
			b->name = d.name;
			HASH_ADD_PTR(all, name, b);
		}
		b->pending += s->pending;
		if (looks++ >= OLDEST_LOOKS_MAX) {
			b->unknown = true;
			continue;
		}
		int64_t age_ms = clock_oldest_age(e, s);
		b->oldest_ms = age_ms > b->oldest_ms ? age_ms : b->oldest_ms;
	}
	return all;
}

struct destinations {
	const struct now *now;
	struct backlog *backlogs;
	struct buf *out;
};

static void show_destination(void *ctx, const struct queue_destination *d)
{
	static const struct backlog none;
	const struct destinations *to = ctx;
	const struct backlog *b;
	HASH_FIND_PTR(to->backlogs, &d->name, b);
	if (!b)
		b = &none;
	buf_addf(to->out, "%s window=%u inflight=%u loaded=%zu pending=%llu oldest=", d->state,
		d->window, d->inflight, d->loaded, (unsigned long long)b->pending);
	if (b->pending && !b->unknown)
		buf_addf(to->out, "%lld until=", (long long)(b->oldest_ms / 1000));
	else
		buf_adds(to->out, "- until=");
	if (d->until_ms)
		text_add_time(to->out, now_due_real(to->now, d->until_ms));
	else
		buf_adds(to->out, "-");
	buf_addf(to->out, " %s\n", d->name);
}

void show_destinations(void *ctx, struct buf *out)
{
	const struct engine *e = ctx;
	struct destinations to = { &e->now, backlogs_new(e), out };
	struct backlog *b, *next;
	queue_each_destination(e->queue, e->now.due_ms, show_destination, &to);
	HASH_ITER(hh, to.backlogs, b, next)
	{
		HASH_DEL(to.backlogs, b);
		free(b);
	}
}

const char *show_hook_state(const struct hook *h)
{
	if (!hook_complete(h))
		return "incomplete";
	switch (h->enabled) {
	case HOOK_OFF:
		return "disabled";
	case HOOK_PAUSED:
		return "paused";
	case HOOK_GONE:
		return "gone";
	case HOOK_ON:
		break;
	}
	return "active";
}

/* A key for what is known only at times. */
static void show_until(const struct engine *e, struct buf *out, const char *key, int64_t due_ms)
{
	buf_addf(out, "%s ", key);
	if (due_ms)
		text_add_time(out, now_due_real(&e->now, due_ms));
	else
		buf_adds(out, "none");
	buf_addc(out, '\n');
}

static void show_hook_destination(const struct engine *e, const struct hook *h, struct buf *out)
{
	struct queue_destination d = { .state = "none" };
	if (h->url)
		(void)queue_hook_destination(e->queue, h->id, e->now.due_ms, &d);
	buf_addf(out, "destination %s\n", d.state);
	show_until(e, out, "destination_until", d.until_ms);
}

/* The head of an ordered hook that has been tried and waits for its next attempt. */
static void show_blocked(const struct engine *e, const struct hook *h, struct buf *out)
{
	struct store_row head = { 0 };
	struct node n = { 0 };
	if (h->ordered && store_retries(e->store, h->id, INT64_MIN, 0, &head, 1) == 1)
		(void)tree_delivery(&e->tree, head.id, &n); /* it has just been there */
	buf_addf(out, "blocked_by %s\n", *n.name ? n.name : "none");
	show_until(e, out, "blocked_until", head.due_ms);
}

void show_hook_status(void *ctx, int64_t hook_id, struct buf *out)
{
	struct engine *e = ctx;
	const struct hook *h = registry_by_id(e->registry, hook_id);
	const struct hook_state *s = hook_state_of(e, hook_id);
	buf_addf(out, "state %s\n", show_hook_state(h));
	buf_adds(out, "missing ");
	size_t before = out->len;
	hook_missing(h, out);
	buf_adds(out, out->len == before ? "none\n" : "\n");
	show_number(out, "pending", (int64_t)s->pending);
	show_number(out, "inflight", queue_hook_inflight(e->queue, hook_id));
	show_number(out, "delivered", (int64_t)s->counts.delivered);
	show_number(out, "failed", (int64_t)s->counts.failed);
	show_hook_destination(e, h, out);
	show_blocked(e, h, out);
	show_time(out, "last_success", s->counts.last_success_ms);
	show_time(out, "last_failure", s->counts.last_failure_ms);
	buf_addf(out, "last_error %s\n", *s->counts.last_error ? s->counts.last_error : "none");
	buf_adds(out, "tls ");
	hook_tls_show(h, e->now.real_ms / 1000, out);
	buf_addc(out, '\n');
}

static void show_us(struct buf *out, const char *key, uint32_t us)
{
	buf_addf(out, "%s %u.%03u\n", key, us / 1000, us % 1000);
}

static void show_outcome(const struct outcome *o, struct buf *out)
{
	bool delivered = o->http_status >= 200 && o->http_status < 300;
	if (o->kind != OUTCOME_RESPONSE)
		buf_addf(out, "outcome %s\n", outcome_name(o->kind));
	else
		buf_addf(out, "outcome %s\n", delivered ? "delivered" : "rejected");
	show_number(out, "http_status", o->http_status);
	buf_addf(out, "http_version %s\n", o->http_version ? o->http_version : "-");
	buf_addf(out, "connection %s\n", outcome_connection(o) ? outcome_connection(o) : "-");
	show_us(out, "dns_ms", o->us.dns);
	show_us(out, "connect_ms", o->us.connect);
	show_us(out, "tls_ms", o->us.tls);
	show_us(out, "first_byte_ms", o->us.first_byte);
	show_us(out, "total_ms", o->us.total);
	buf_addf(out, "error %s\n", *o->error ? o->error : "none");
	buf_adds(out, "headers ");
	outcome_headers_json(o, out);
	buf_addc(out, '\n');
	size_t len = o->body_len < RESPONSE_SHOWN ? o->body_len : RESPONSE_SHOWN;
	buf_adds(out, "response ");
	/* As a JSON string: one line, whatever the receiver sent. */
	if (o->body && text_utf8_check(o->body, len) + 3 >= len)
		buf_add_json(out, o->body, text_utf8_check(o->body, len));
	else
		buf_adds(out, "\"\"");
	buf_addc(out, '\n');
}

void show_test(void *ctx, int64_t hook_id, struct buf *out)
{
	const struct hook_state *s = hook_state_of(ctx, hook_id);
	if (!s->test)
		return;
	show_time(out, "time", s->test->time_ms);
	buf_addf(out, "event %s\n", s->test->event);
	if (s->test->running)
		buf_adds(out, "outcome running\n");
	else
		show_outcome(&s->test->outcome, out);
}
