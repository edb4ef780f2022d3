/*
 * engine_events: bytes in → checked event → the hooks it concerns → into the open transaction.
 *
 * Two ways in: the file events, whose writer is answered after the commit, and the named pipe,
 * which cannot answer: its bytes are kept until they are committed, and a refused line goes whole to
 * rejected.jsonl.
 */
#include "engine_parts.h"

#include "intake/framing.h"
#include "model/event.h"
#include "model/match.h"
#include "model/payload.h"
#include "store/journal.h"
#include "store/store.h"
#include "util/err.h"
#include "util/id.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

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
};

static void hit_add(void *ctx, int64_t hook_id, unsigned phases)
{
	struct hits *h = ctx;
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->list = reallocarray(h->list, h->cap, sizeof(*h->list));
		if (!h->list)
			abort();
	}
	h->list[h->count++] = (struct hit){ hook_id, phases };
	h->deliveries += (unsigned)__builtin_popcount(phases);
}

static void arrival_add(struct engine *e, int64_t hook_id, int64_t id)
{
	if (e->arrival_count == e->arrival_cap) {
		e->arrival_cap = e->arrival_cap ? e->arrival_cap * 2 : 256;
		e->arrivals = reallocarray(e->arrivals, e->arrival_cap, sizeof(*e->arrivals));
		if (!e->arrivals)
			abort();
	}
	e->arrivals[e->arrival_count++] = (struct arrival){ hook_id, id, e->now.due_ms };
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
				arrival_add(e, hits->list[i].hook_id, id);
		}
	}
	buf_release(&name);
	return r;
}

/* The event has hooks: renders and stores it once, and a delivery for each hook and event name. */
static int store_hits(
	struct engine *e, struct event *ev, const struct hits *hits, unsigned type, uint32_t uid)
{
	struct payload p;
	int64_t event_id;
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
	int r = payload_render(&p, ev, &e->options->types, e->options->project);
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

/*
 * Takes one line. 0: it is in the open transaction (or concerns no hook). -EINVAL, -E2BIG and the like: the
 * line is bad and err says why. Anything else: the store failed and the turn is undone.
 */
static int line_take(
	struct engine *e, const char *line, size_t len, uint32_t uid, bool *bad, struct err *err)
{
	const char *start = line;
	struct event ev;
	struct hits hits = { 0 };
	*bad = true;
	if (!text_trim(&start, len))
		return 0; /* an empty line says nothing */
	int r = event_parse(&ev, &e->options->types, line, len, err);
	if (r)
		return r;
	*bad = false;
	struct target t = object_target(&ev.object, &e->options->types);
	match_find(e->match, &t, ev.phases, hit_add, &hits);
	if (hits.deliveries)
		r = store_hits(e, &ev, &hits, t.type, uid);
	if (r) {
		engine_undone(e, r);
		(void)err_set(err, -r, ERR_NO_COLUMN, "cannot save: %s", strerror(-r));
	} else {
		e->counters.accepted++;
		e->changed_ms = e->now.real_ms;
	}
	free(hits.list);
	event_release(&ev);
	return r;
}

static int backlog_full(struct engine *e, size_t len, struct err *err)
{
	uint64_t backlog = store_backlog_bytes(e->store), max = e->options->max_backlog;
	if (backlog + len <= max)
		return 0;
	return err_set(err, ENOSPC, ERR_NO_COLUMN,
		"%llu bytes of events wait for delivery, and max_backlog is %llu; see hooks/*/status "
		"for why they do not leave",
		(unsigned long long)backlog, (unsigned long long)max);
}

static int may_take(struct engine *e, size_t len, struct err *err)
{
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	return backlog_full(e, len, err);
}

/* ---- the file events */

static ssize_t events_refused(struct engine *e, struct who who, const char *line, size_t len,
	size_t taken, const struct err *err)
{
	/* After a short count the next write starts with this line, fails, and is counted. */
	if (taken)
		refusals_add(&e->refusals, e->now.real_ms, "events", who, line, len, err);
	else
		engine_refused(e, "events", who, line, len, err);
	return taken ? (ssize_t)taken : -err->code;
}

static int line_too_long(struct err *err)
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
	if (may_take(e, len, &err)) {
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
			framing_drop(f);
			return r; /* the lines before it are undone with it */
		}
		if (r)
			return events_refused(e, who, line, line_len, taken, &err);
		taken = pos;
	}
	if (r) {
		framing_skip(f);
		(void)line_too_long(&err);
		return events_refused(e, who, data + taken, len - taken, taken, &err);
	}
	line = framing_rest(f, &line_len);
	if (!event_json_complete(line, line_len))
		return (ssize_t)len;
	r = line_take(e, line, line_len, who.uid, &bad, &err);
	if (r && bad)
		r = (int)events_refused(e, who, line, line_len, taken, &err);
	framing_drop(f);
	return r ? r : (ssize_t)len;
}

int events_end(void *ctx, struct framing *f, struct who who)
{
	struct engine *e = ctx;
	struct err err = { 0 };
	bool bad;
	size_t len;
	const char *line = framing_rest(f, &len);
	if (!len)
		return 0;
	int r = may_take(e, len, &err);
	if (!r)
		r = line_take(e, line, len, who.uid, &bad, &err);
	if (r && err.code)
		engine_refused(e, "events", who, line, len, &err);
	framing_drop(f);
	return r;
}

/* ---- the named pipe */

#define PIPE_READ     (256 * 1024)
#define PIPE_BYTES    (EVENT_LINE_MAX + PIPE_READ)
#define PIPE_PAUSE_MS 1000

static void on_pipe(void *ctx, uint32_t events);

static void pipe_watch(struct engine *e, bool on)
{
	struct pipe_intake *p = &e->pipe;
	if (p->fd < 0 || on == p->watched)
		return;
	if (!on)
		loop_remove(e->loop, p->fd);
	else if (loop_add(e->loop, p->fd, EPOLLIN, on_pipe, e))
		log_error("events.fifo cannot be watched");
	p->watched = on;
}

static void pipe_beside(struct engine *e)
{
	char *path;
	if (asprintf(&path, "%s/events.fifo", e->options->state_dir) < 0)
		abort();
	int r = fifo_open_beside(path, &e->pipe.fd);
	if (r)
		log_error("%s: %s; events.fifo takes nothing", path, strerror(-r));
	free((char *)e->tree.pipe_path);
	e->tree.pipe_path = path;
	pipe_watch(e, true);
}

static void on_pipe_child(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	int socket = e->pipe.child.socket;
	loop_remove(e->loop, socket);
	int r = fifo_receive(&e->pipe.child, &e->pipe.fd);
	if (r == -EAGAIN && !loop_add(e->loop, socket, EPOLLIN, on_pipe_child, e))
		return;
	if (r == -EAGAIN)
		fifo_cancel(&e->pipe.child);
	e->pipe.opening = false;
	if (r)
		pipe_beside(e);
	else
		pipe_watch(e, true);
}

void pipe_open(struct engine *e)
{
	struct pipe_intake *p = &e->pipe;
	buf_init(&p->bytes, PIPE_BYTES);
	int r = geteuid() ? -EPERM
			  : fifo_open_inside(e->options->mountpoint, "events.fifo", &p->child);
	if (!r)
		r = loop_add(e->loop, p->child.socket, EPOLLIN, on_pipe_child, e);
	p->opening = !r;
	if (r)
		pipe_beside(e);
}

/* Nobody hears an error from a pipe, so the line itself is kept. */
static void pipe_rejected(struct engine *e, const char *line, size_t len, const struct err *err)
{
	struct buf out = BUF(8 * (size_t)EVENT_LINE_MAX);
	engine_refused(e, "events.fifo", WHO_UNKNOWN, line, len, err);
	buf_adds(&out, "{\"time\":\"");
	text_add_time(&out, e->now.real_ms);
	buf_addf(&out,
		"\",\"source\":\"events.fifo\",\"code\":\"%s\",\"error\":", err_name(err->code));
	buf_add_json(&out, err->sentence, strlen(err->sentence));
	if (text_utf8_check(line, len) == len) {
		buf_adds(&out, ",\"line\":");
		buf_add_json(&out, line, len);
	} else {
		buf_adds(&out, ",\"line_hex\":\"");
		for (size_t i = 0; i < len; i++)
			buf_addf(&out, "%02x", (unsigned char)line[i]);
		buf_addc(&out, '"');
	}
	buf_addc(&out, '}');
	journal_add(e->rejected, out.data, out.len);
	buf_release(&out);
}

/* Takes the lines of p->bytes from p->taken on; `all`: the last one needs no newline. False: the store or
 * the backlog does not allow more now. */
static bool pipe_lines(struct engine *e, bool all)
{
	struct pipe_intake *p = &e->pipe;
	while (p->taken < p->bytes.len) {
		const char *line = p->bytes.data + p->taken;
		size_t left = p->bytes.len - p->taken, len = left;
		const char *end = memchr(line, '\n', left);
		struct err err = { 0 };
		bool bad;
		if (!end && !all && left <= EVENT_LINE_MAX)
			break;
		if (end)
			len = (size_t)(end - line);
		/* A line beyond the limit is kept piece by piece, and no piece of it is taken. */
		if (p->skipping || len > EVENT_LINE_MAX) {
			p->skipping = !end;
			(void)line_too_long(&err);
			pipe_rejected(e, line, len, &err);
			p->taken += len + (end ? 1 : 0);
			continue;
		}
		if (backlog_full(e, len, &err))
			return false;
		int r = line_take(e, line, len, UID_UNKNOWN, &bad, &err);
		if (r && !bad)
			return false;
		if (r)
			pipe_rejected(e, line, len, &err);
		p->taken += len + (end ? 1 : 0);
	}
	return true;
}

/* Sets the pipe aside until later; its writers wait in the pipe meanwhile. */
static void pipe_pause(struct engine *e)
{
	pipe_watch(e, false);
	e->pipe.retry_due_ms = e->now.due_ms + PIPE_PAUSE_MS;
}

/* Moves what is in the pipe to p->bytes; false: it is empty. */
static bool pipe_fill(struct pipe_intake *p)
{
	static char chunk[PIPE_READ];
	ssize_t n = read(p->fd, chunk, sizeof(chunk));
	if (n <= 0)
		return false;
	buf_add(&p->bytes, chunk, (size_t)n);
	return true;
}

static void on_pipe(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	e->now = loop_now(e->loop);
	if (pipe_fill(&e->pipe) && !pipe_lines(e, false))
		pipe_pause(e);
}

int64_t pipe_wake(const struct engine *e)
{
	return e->pipe.retry_due_ms ? e->pipe.retry_due_ms : -1;
}

void pipe_resume(struct engine *e)
{
	struct pipe_intake *p = &e->pipe;
	if (!p->retry_due_ms || e->now.due_ms < p->retry_due_ms)
		return;
	p->retry_due_ms = 0;
	if (pipe_lines(e, false))
		pipe_watch(e, true);
	else
		pipe_pause(e);
}

void pipe_committed(struct engine *e, bool ok)
{
	struct pipe_intake *p = &e->pipe;
	if (ok)
		buf_consume(&p->bytes, p->taken);
	else if (p->taken)
		pipe_pause(e);
	p->taken = 0;
}

/* What cannot be taken any more goes to rejected.jsonl, the rest of the pipe with it. */
static void pipe_reject_rest(struct engine *e)
{
	struct pipe_intake *p = &e->pipe;
	struct err err = { 0 };
	(void)err_set(&err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs stopped before it could be saved");
	do {
		while (p->bytes.len) {
			const char *end = memchr(p->bytes.data, '\n', p->bytes.len);
			size_t len = end ? (size_t)(end - p->bytes.data) : p->bytes.len;
			pipe_rejected(e, p->bytes.data, len, &err);
			buf_consume(&p->bytes, end ? len + 1 : len);
		}
	} while (pipe_fill(p));
}

/* What was in the pipe when we were told to stop was written before: it is taken, if it can be. */
static void pipe_drain(struct engine *e)
{
	struct pipe_intake *p = &e->pipe;
	bool good = true;
	while (good && pipe_fill(p))
		good = pipe_lines(e, false) && !engine_commit(e);
	if (good)
		good = pipe_lines(e, true);
	/* What is committed now is not rejected as well. */
	(void)engine_commit(e);
	if (p->bytes.len || !good)
		pipe_reject_rest(e);
}

void pipe_close(struct engine *e)
{
	struct pipe_intake *p = &e->pipe;
	if (p->opening) {
		loop_remove(e->loop, p->child.socket);
		fifo_cancel(&p->child);
		p->opening = false;
	}
	if (p->fd < 0)
		return;
	pipe_drain(e);
	pipe_watch(e, false);
	close(p->fd);
	p->fd = -1;
	p->retry_due_ms = 0;
}
