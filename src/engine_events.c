/*
 * engine_events: bytes in → checked event → the hooks it concerns → into the open transaction.
 *
 * And the first way in, the file events, whose writer is answered after the commit. The others are
 * engine_pipe.c and engine_spool.c.
 */
#include "engine_parts.h"

#include "intake/framing.h"
#include "model/event.h"
#include "model/match.h"
#include "model/payload.h"
#include "store/store.h"
#include "util/err.h"
#include "util/id.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINES_A_BREATH 32 /* some 0.2 ms */

/* ---- one event */

/* The hooks an event concerns, found before anything is stored. */
struct hit {
	int64_t hook_id;
	unsigned phases;
};

struct hits {
	struct hit *list;
	size_t count, cap;
	unsigned deliveries;
	bool no_memory;
};

static void hit_add(void *ctx, int64_t hook_id, unsigned phases)
{
	struct hits *h = ctx;
	if (h->count == h->cap) {
		size_t cap = h->cap ? h->cap * 2 : 16;
		struct hit *list = reallocarray(h->list, cap, sizeof(*list));
		if (!list) {
			h->no_memory = true;
			return;
		}
		h->list = list;
		h->cap = cap;
	}
	h->list[h->count++] = (struct hit){ hook_id, phases };
	h->deliveries += (unsigned)__builtin_popcount(phases);
}

static int arrival_add(struct engine *e, int64_t hook_id, int64_t id)
{
	if (e->arrival_count == e->arrival_cap) {
		size_t cap = e->arrival_cap ? e->arrival_cap * 2 : 256;
		struct arrival *arrivals = reallocarray(e->arrivals, cap, sizeof(*arrivals));
		if (!arrivals)
			return -ENOMEM;
		e->arrivals = arrivals;
		e->arrival_cap = cap;
	}
	e->arrivals[e->arrival_count++] = (struct arrival){ hook_id, id };
	return 0;
}

static int store_deliveries(
	struct engine *e, const struct hits *hits, unsigned type, int64_t event_id)
{
	struct buf name = BUF(128);
	int r = 0;
	for (size_t i = 0; i < hits->count && !r; i++) {
		for (enum phase p = 0; p < PHASE_COUNT && !r; p++) {
			int64_t id;
			if (!(hits->list[i].phases & 1u << p))
				continue;
			buf_reset(&name);
			event_name_show(&e->options->types, type, p, &name);
			r = store_delivery_add(e->store, event_id, hits->list[i].hook_id,
				buf_str(&name), e->now.due_ms, &id);
			if (!r)
				r = arrival_add(e, hits->list[i].hook_id, id);
		}
	}
	buf_release(&name);
	return r;
}

/* Renders and stores the event once if it has hooks, and a delivery for each hook and event name. */
static int store_hits(
	struct engine *e, struct event *ev, const struct hits *hits, unsigned type, uint32_t uid)
{
	struct payload p;
	int64_t event_id;
	if (hits->no_memory)
		return -ENOMEM;
	if (!hits->deliveries)
		return 0;
	if (ev->id) {
		int seen = store_event_seen(
			e->store, ev->id, e->now.real_ms - (int64_t)e->options->retention_ms);
		if (seen)
			return seen < 0 ? seen : 0;
		engine_keeps(e);
	}
	if (!ev->request_id) {
		ev->request_id = malloc(ID_UUID_LEN + 1);
		if (!ev->request_id)
			return -ENOMEM;
		id_uuid_random(ev->request_id);
	}
	int r = payload_render(&p, ev, &e->options->types, e->options->project, e->ids);
	if (r)
		return r;
	const struct store_event stored = { .accepted_ms = e->now.real_ms,
		.id = ev->id,
		.request_id = ev->request_id,
		.fields = p.fields,
		.result = p.result,
		.rest = p.rest,
		.uid = uid };
	r = store_event_add(e->store, &stored, hits->deliveries, &event_id);
	if (!r)
		r = store_deliveries(e, hits, type, event_id);
	payload_release(&p);
	return r;
}

int line_check(struct engine *e, const char *line, size_t len, struct err *err)
{
	const char *start = line;
	struct event ev;
	if (!text_trim(&start, len))
		return 0;
	int r = event_parse(&ev, &e->options->types, line, len, err);
	if (!r)
		event_release(&ev);
	return r;
}

static int unsaved(struct engine *e, int r, struct err *err)
{
	engine_undone(e, r);
	return save_failed(r, err);
}

int line_take(
	struct engine *e, const char *line, size_t len, uint32_t uid, bool *bad, struct err *err)
{
	const char *start = line;
	struct event ev;
	struct hits hits = { 0 };
	*bad = true;
	if (!text_trim(&start, len))
		return 0; /* an empty line says nothing */
	int r = event_parse(&ev, &e->options->types, line, len, err);
	*bad = r != 0 && r != -ENOMEM;
	if (*bad)
		return r;
	if (r)
		return unsaved(e, r, err);
	holds_check(e);
	struct target t = object_target(&ev.object, &e->options->types);
	match_find(e->match, &t, ev.phases, hit_add, &hits);
	r = store_hits(e, &ev, &hits, t.type, uid);
	free(hits.list);
	event_release(&ev);
	if (r)
		return unsaved(e, r, err);
	e->counters.accepted++;
	changed_mount(e);
	if (++e->lines % LINES_A_BREATH == 0)
		r = deliver_meanwhile(e);
	return r ? save_failed(r, err) : 0;
}

int backlog_full(struct engine *e, size_t len, uint32_t uid, struct err *err)
{
	uint64_t backlog = store_backlog_bytes(e->store), max = e->options->max_backlog;
	uint64_t share = who_share(uid, e->tree.uid, max);
	if (backlog + len <= share)
		return 0;
	if (share < max && backlog + len <= max)
		return err_set(err, ENOSPC, ERR_NO_COLUMN,
			"%llu bytes of events wait for delivery; of max_backlog, which is %llu, the "
			"last eighth is for root and the mounting user",
			(unsigned long long)backlog, (unsigned long long)max);
	return err_set(err, ENOSPC, ERR_NO_COLUMN,
		"%llu bytes of events wait for delivery, and max_backlog is %llu; see hooks/*/status "
		"for why they do not leave",
		(unsigned long long)backlog, (unsigned long long)max);
}

static int may_take(struct engine *e, size_t len, struct who who, struct err *err)
{
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	return backlog_full(e, len, who.uid, err);
}

/* ---- the file events */

static ssize_t events_refused(struct engine *e, struct who who, const char *line, size_t len,
	size_t taken, const struct err *err)
{
	/* After a short count the next write starts with this line, fails, and is counted. */
	if (taken) {
		changed_errors(e);
		refusals_add(&e->refusals, e->now.real_ms, "events", who, line, len, err);
	} else {
		engine_refused(e, "events", who, line, len, err);
	}
	return taken ? (ssize_t)taken : -err->code;
}

int line_too_long(struct err *err)
{
	return err_set(err, E2BIG, ERR_NO_COLUMN, "a line has at most %d bytes", EVENT_LINE_MAX);
}

ssize_t events_take(void *ctx, struct framing *f, const char *data, size_t len, struct who who)
{
	struct engine *e = ctx;
	struct err err = { 0 };
	const char *line;
	size_t pos = 0, taken = 0, line_len;
	bool bad;
	if (may_take(e, len, who, &err)) {
		framing_drop(f); /* or its end would be a line of its own */
		return events_refused(e, who, NULL, 0, 0, &err);
	}
	/* The rest of a line that was too long is no line of its own: what brings it fails, too. */
	if (framing_skipping(f)) {
		if (memchr(data, '\n', len))
			framing_drop(f);
		(void)line_too_long(&err);
		return events_refused(e, who, NULL, 0, 0, &err);
	}
	int r;
	while ((r = framing_next(f, data, len, &pos, &line, &line_len)) > 0) {
		r = line_take(e, line, line_len, who.uid, &bad, &err);
		if (r && !bad) {
			/* The lines before it are undone with it, and its own text may be gone: what was
			 * begun is dropped with every write that is refused. */
			framing_drop(f);
			return events_refused(e, who, NULL, 0, 0, &err);
		}
		if (r)
			return events_refused(e, who, line, line_len, taken, &err);
		taken = pos;
	}
	if (r == -ENOMEM) {
		(void)err_set(&err, ENOMEM, ERR_NO_COLUMN, "no memory for the line");
	} else if (r) {
		framing_skip(f);
		(void)line_too_long(&err);
	}
	if (r)
		return events_refused(e, who, data + taken, len - taken, taken, &err);
	line = framing_rest(f, &line_len);
	if (!event_json_complete(line, line_len))
		return (ssize_t)len;
	r = line_take(e, line, line_len, who.uid, &bad, &err);
	if (r && bad)
		r = (int)events_refused(e, who, line, line_len, taken, &err);
	else if (r)
		r = (int)events_refused(e, who, NULL, 0, 0, &err);
	framing_drop(f);
	return r ? r : (ssize_t)len;
}

int events_end(void *ctx, struct framing *f, struct who who)
{
	struct engine *e = ctx;
	struct err err = { 0 };
	bool bad = true;
	size_t len;
	const char *line = framing_rest(f, &len);
	if (!len)
		return 0;
	int r = may_take(e, len, who, &err);
	if (!r)
		r = line_take(e, line, len, who.uid, &bad, &err);
	if (r && err.code)
		engine_refused(e, "events", who, bad ? line : NULL, bad ? len : 0, &err);
	framing_drop(f);
	return r;
}
