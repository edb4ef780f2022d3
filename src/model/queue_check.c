/*
 * The queue's invariants, as code: what must hold between any two calls.
 */
#include "model/queue_internal.h"

static void check_timer(const struct timers *ts, const struct timer *t, int64_t now_ms)
{
	assert(!t->stream != !t->dest);
	if (!t->place)
		return;
	assert(t->place <= ts->count && ts->heap[t->place] == t);
	assert(t->place == 1 || ts->heap[t->place / 2]->at_ms <= t->at_ms);
	assert(t->at_ms > now_ms);
}

static unsigned check_items(const struct stream *s)
{
	unsigned count = 0;

	for (const struct item *it = s->items; it; it = it->next, count++) {
		assert(it->stream == s && it->hook == s->hook && it->dest == s->hook->dest);
		assert(!it->next || it->due_ms < it->next->due_ms ||
			(it->due_ms == it->next->due_ms && it->id < it->next->id));
	}
	return count;
}

/* A stream is listed where the facts say, and if it is in no list a timer or a change will come. */
static void check_stream(const struct queue *q, const struct stream *s)
{
	const struct qhook *h = s->hook;
	bool shut = stream_shut(q, s), blocked = hook_blocked(q, h),
	     due = stream_wake(s) <= q->now_ms;

	assert(s->items || s->wake_ms != NEVER);
	assert(!s->items || (!shut && dest_open(q, h->dest)));
	assert(!s->ready_prev == !(s->items && !blocked && h->inflight < h->limit));
	assert(!s->wanting_prev == !stream_wants(q, s));
	assert(shut || due || s->wake_ms == NEVER || s->timer.place);
	assert(!blocked || s->timer.place);
	check_timer(&q->timers, &s->timer, q->now_ms);
}

static void check_hook(const struct queue *q, const struct qhook *h)
{
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		const struct stream *s = h->streams[lane];

		assert(h->waiting[lane] == (s ? check_items(s) : 0));
		if (!s)
			continue;
		assert(s->hook == h && s->lane == lane);
		check_stream(q, s);
	}
}

static void check_dest(const struct queue *q, const struct qdest *d)
{
	unsigned waiting = 0, inflight = 0;
	bool open = dest_open(q, d), work = d->ready[LANE_FRESH] || d->ready[LANE_RETRY];
	unsigned share = q->limits.active_max / 8;
	const struct item *it;

	if (share < 4 * q->limits.window_max)
		share = 4 * q->limits.window_max;
	for (it = d->items; it; it = it->dest_next, waiting++)
		assert(it->dest == d);
	for (it = q->items; it; it = it->hh.next)
		inflight += it->dest == d && !it->stream;
	assert(d->waiting[LANE_FRESH] + d->waiting[LANE_RETRY] == waiting &&
		d->inflight == inflight);
	assert(d->hooks || d->inflight);
	assert(open || !d->items);
	assert(d->window >= 1 && d->window <= q->limits.window_max);
	assert(d->inflight <=
		q->limits.window_max); /* more than a window that shrank, for a while */
	assert(d->state == DEST_READY || d->window == 1);
	assert(d->state != DEST_PARKED || d->timer.place);
	assert(!d->ready_prev == !(open && work && d->inflight < d->window));
	assert(!d->wanting_prev == !(dest_wants(q, d, LANE_FRESH) || dest_wants(q, d, LANE_RETRY)));
	assert(waiting + inflight <= share);
	check_timer(&q->timers, &d->timer, q->now_ms);
}

void queue_check(const struct queue *q)
{
	unsigned waiting = 0, inflight = 0, hooks_waiting = 0;
	const struct item *it;
	const struct qhook *h;
	const struct qdest *d;

	for (it = q->items; it; it = it->hh.next) {
		waiting += it->stream != NULL;
		inflight += !it->stream && it->dest;
		assert(it->dest || !it->hook || it->hook->inflight > 0);
	}
	assert(q->inflight == inflight);
	assert(q->inflight <= q->limits.inflight_max);
	assert(HASH_COUNT(q->items) <= q->limits.active_max);
	for (h = q->hooks; h; h = h->hh.next) {
		check_hook(q, h);
		hooks_waiting += h->waiting[LANE_FRESH] + h->waiting[LANE_RETRY];
	}
	assert(hooks_waiting == waiting);
	for (d = q->dests; d; d = d->hh.next)
		check_dest(q, d);
}
