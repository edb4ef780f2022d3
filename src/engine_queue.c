/*
 * engine_queue: deliveries as files: what is listed, what one shows, and what mv, cp and rm mean.
 *
 * Each change is committed before it is answered: a replay that mv reported is one that will be sent.
 */
#include "engine_parts.h"

#include "model/format.h"
#include "model/payload.h"
#include "model/queue.h"
#include "model/registry.h"
#include "store/journal.h"
#include "store/store.h"
#include "util/err.h"
#include "util/log.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const enum store_state store_states[] = { [DELIVERY_PENDING] = STORE_PENDING,
	[DELIVERY_DELIVERED] = STORE_DELIVERED,
	[DELIVERY_FAILED] = STORE_FAILED };

static enum delivery_state state_of(enum store_state s)
{
	for (enum delivery_state d = 0; d <= DELIVERY_FAILED; d++)
		if (store_states[d] == s)
			return d;
	abort();
}

int file_find(void *ctx, int64_t id, struct delivery_entry *out)
{
	struct engine *e = ctx;
	struct store_delivery d;
	int r = store_delivery_get(e->store, id, &d);
	if (r)
		return r;
	*out = (struct delivery_entry){ .id = id,
		.hook_id = d.hook_id,
		.state = state_of(d.state),
		.created_ms = d.created_ms,
		.changed_ms = d.finished_ms ? d.finished_ms : d.created_ms };
	store_delivery_release(&d);
	return 0;
}

/* A listing asks for one entry after the other: a page is read at once and served until the time has
 * gone on or somebody asks for something else. */
int file_next(void *ctx, int64_t hook_id, enum delivery_state state, int64_t after_id,
	struct delivery_entry *out)
{
	struct engine *e = ctx;
	struct listing *l = &e->listing;
	bool goes_on = l->hook_id == hook_id && l->state == state && l->after_id == after_id &&
		l->due_ms == e->now.due_ms;
	if (!goes_on || l->next == l->count) {
		int n = store_list(
			e->store, hook_id, store_states[state], after_id, l->rows, LISTING_PAGE);
		if (n < 0)
			return n;
		l->hook_id = hook_id;
		l->state = state;
		l->due_ms = e->now.due_ms;
		l->count = (unsigned)n;
		l->next = 0;
	}
	if (l->next == l->count)
		return -ENOENT;
	const struct store_entry *row = &l->rows[l->next++];
	l->after_id = row->id;
	*out = (struct delivery_entry){ .id = row->id,
		.hook_id = hook_id,
		.state = state,
		.created_ms = row->created_ms,
		.changed_ms = row->finished_ms ? row->finished_ms : row->created_ms };
	return 0;
}

/* ---- what one shows */

static void add_text(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, ",\"%s\":", key);
	if (value && *value)
		buf_add_json(out, value, strlen(value));
	else
		buf_adds(out, "null");
}

static void add_time(struct buf *out, const char *key, int64_t ms)
{
	buf_addf(out, ",\"%s\":", key);
	if (!ms) {
		buf_adds(out, "null");
		return;
	}
	buf_addc(out, '"');
	text_add_time(out, ms);
	buf_addc(out, '"');
}

struct shown_headers {
	const struct hook *hook;
	struct buf *out;
	unsigned count;
};

static void show_header(struct shown_headers *to, const char *name, const char *value)
{
	if (to->count++)
		buf_addc(to->out, ',');
	buf_add_json(to->out, name, strlen(name));
	buf_addc(to->out, ':');
	buf_add_json(to->out, value, strlen(value));
}

static void show_format_header(void *ctx, const char *name, const char *value)
{
	struct shown_headers *to = ctx;
	const struct header *own = hook_header_find(to->hook, name);
	if (!own || !own->value)
		show_header(to, name, value);
}

/* The request as it is sent now, protected values masked. */
static void add_request(const struct engine *e, const struct hook *h,
	const struct store_delivery *d, struct buf *out)
{
	const struct payload p = { d->fields, d->result, d->rest };
	char id[64];
	const struct message m = deliver_message(e, h, d, &p, id);
	struct shown_headers headers = { .hook = h, .out = out };
	struct buf url = BUF(HOOK_URL_MAX + 64), value = BUF(HEADER_VALUE_MAX + 64);
	hook_show(h, setting_find(hook_settings, hook_settings_count, "url"), &url);
	buf_adds(out, ",\"request\":{\"method\":\"POST\"");
	add_text(out, "url", buf_str(&url));
	buf_adds(out, ",\"headers\":{");
	format_headers(h->format, &m, show_format_header, &headers);
	for (size_t i = 0; i < h->header_count; i++) {
		if (!h->headers[i].value)
			continue;
		buf_reset(&value);
		hook_header_show(&h->headers[i], &value);
		show_header(&headers, h->headers[i].name, buf_str(&value));
	}
	buf_adds(out, "},\"body\":");
	format_body(h->format, h->template_text, &m, out);
	buf_addc(out, '}');
	buf_release(&url);
	buf_release(&value);
}

void file_show(void *ctx, int64_t id, struct buf *out)
{
	static const char *const words[] = { [DELIVERY_PENDING] = "pending",
		[DELIVERY_DELIVERED] = "delivered",
		[DELIVERY_FAILED] = "failed" };
	struct engine *e = ctx;
	struct store_delivery d;
	char webhook_id[64];
	if (store_delivery_get(e->store, id, &d))
		return;
	const struct hook *h = registry_by_id(e->registry, d.hook_id);
	enum delivery_state state = state_of(d.state);
	deliver_webhook_id(e, d.origin, webhook_id);
	buf_addf(out, "{\"id\":\"%s\"", webhook_id);
	add_text(out, "event", d.event_name);
	add_text(out, "request_id", d.request_id);
	add_text(out, "state", words[state]);
	add_time(out, "created", d.created_ms);
	add_time(out, "finished", d.finished_ms);
	add_time(out, "next_attempt",
		state == DELIVERY_PENDING ? now_due_real(&e->now, d.due_ms) : 0);
	add_text(out, "error", d.error);
	if (d.uid != UID_UNKNOWN)
		buf_addf(out, ",\"uid\":%u", d.uid);
	buf_adds(out, ",\"attempts\":[");
	(void)store_attempts(e->store, id, out); /* what cannot be read is not shown */
	buf_addc(out, ']');
	if (h && !d.damaged)
		add_request(e, h, &d, out);
	buf_adds(out, "}\n");
	store_delivery_release(&d);
}

/* ---- what mv, cp and rm mean */

static int answer(struct engine *e, int r, const char *what, struct err *err)
{
	e->listing.due_ms = 0;
	r = engine_settle(e, r);
	if (r == -ENOENT)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "the delivery is not there any more");
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "cannot %s it: %s", what, strerror(-r));
	return 0;
}

static int may_change(struct engine *e, struct err *err)
{
	return e->stopping ? err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping") : 0;
}

/* Replays wait with the retries: they never hold back what is fresh. */
static void now_pending(struct engine *e, int64_t hook_id, enum queue_lane lane, int64_t id)
{
	struct hook_state *s = hook_state_of(e, hook_id);
	s->pending++;
	e->pending++;
	aging_wait(e, s);
	changed_hook(e, s);
	queue_add(e->queue, hook_id, lane, id, lane == LANE_FRESH ? FRESH_DUE_MS : e->now.due_ms);
}

int file_replay(void *ctx, int64_t id, struct err *err)
{
	struct engine *e = ctx;
	struct delivery_entry d;
	int r = may_change(e, err);
	if (r)
		return r;
	r = file_find(e, id, &d);
	if (!r)
		r = store_delivery_replay(e->store, id, e->now.due_ms);
	r = answer(e, r, "replay", err);
	if (!r)
		now_pending(e, d.hook_id, LANE_RETRY, id);
	return r;
}

int file_repeat(void *ctx, int64_t id, int64_t *out_id, struct err *err)
{
	struct engine *e = ctx;
	struct delivery_entry d;
	int64_t new_id = 0;
	int r = may_change(e, err);
	if (r)
		return r;
	r = file_find(e, id, &d);
	if (!r)
		r = store_delivery_repeat(e->store, id, e->now.due_ms, &new_id);
	r = answer(e, r, "repeat", err);
	if (r)
		return r;
	now_pending(e, d.hook_id, LANE_FRESH, new_id);
	*out_id = new_id;
	return 0;
}

int file_drop(void *ctx, int64_t id, struct err *err)
{
	struct engine *e = ctx;
	struct delivery_entry d;
	enum store_state was;
	int r = may_change(e, err);
	if (r)
		return r;
	r = file_find(e, id, &d);
	if (!r)
		r = store_delivery_drop(e->store, id, &was);
	r = answer(e, r, "remove", err);
	if (r)
		return r;
	struct hook_state *s = hook_state_of(e, d.hook_id);
	changed_hook(e, s);
	if (was != STORE_PENDING)
		return 0;
	const struct hook *h = registry_by_id(e->registry, d.hook_id);
	s->pending--;
	e->pending--;
	/* One under way may still arrive; its outcome finds no row and is passed over. */
	queue_cancel(e->queue, id);
	if (h->ordered) /* it may have been the head; for all others that would be work for nothing */
		queue_waiting(e->queue, d.hook_id, LANE_RETRY, e->now.due_ms);
	deliver_dropped(e, h->name, 1);
	return 0;
}
