/*
 * Streams: what of a hook's lane is in memory.
 *
 * The store is the truth, memory a window on it. A page of the store is read in the order (due, id)
 * from a cursor, and the two promises in queue_internal.h are all that has to hold: rows up to the
 * cursor are in memory, and those that are not are due at wake_ms or later. Whoever breaks one
 * moves the cursor back or wake_ms to an earlier time and loses nothing but a query: rows met twice
 * are skipped, for all that is in memory or in flight is found by its id. Forgetting is therefore
 * always allowed, and done wherever waiting rows would only take the place of others: held hooks,
 * parked destinations, a rate that leaves no start for a while. A hook with a limit on what it has
 * in flight has no more than that waiting in a lane, so it never fills its destination's places
 * with what cannot start.
 *
 * An ordered hook starts one delivery at a time, and its head, also when it waits for a retry,
 * blocks the rest. All that was accepted since the hook is ordered is tried in order, so only the
 * head can have been tried: whatever is in the lane RETRY comes before everything in the lane
 * FRESH. The rule is hence: as long as the lane RETRY has a stream at all, FRESH is shut and has
 * nothing in memory.
 *
 * Retries that fell due while nobody was awake are all due at once, of all destinations. Each
 * stream of them is asked for at a time of its own within release_ms; fresh ones do not wait.
 */
#include "model/queue_internal.h"

void *queue_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

/* ---- items */

struct item *item_find(const struct queue *q, int64_t id)
{
	struct item *it;

	HASH_FIND(hh, q->items, &id, sizeof(id), it);
	return it;
}

/* Out of the waiting, still in memory. */
static void item_leave(struct item *it)
{
	enum queue_lane lane = it->stream->lane;

	DL_DELETE(it->stream->items, it);
	DL_DELETE2(it->dest->items, it, dest_prev, dest_next);
	it->stream = NULL;
	it->hook->waiting[lane]--;
	it->dest->waiting[lane]--;
}

void item_unload(struct queue *q, struct item *it)
{
	item_leave(it);
	HASH_DEL(q->items, it);
	free(it);
}

void item_start(struct queue *q, struct item *it)
{
	assert(it->dest->inflight < it->dest->window && dest_has_place(q, it->dest));
	item_leave(it);
	it->probe = it->dest->state == DEST_PROBING;
	it->hook->inflight++;
	it->dest->inflight++;
	if (it->dest->peak < it->dest->inflight)
		it->dest->peak = it->dest->inflight;
	q->inflight++;
}

/* ---- streams */

struct stream *stream_get(struct qhook *h, enum queue_lane lane)
{
	struct stream *s = h->streams[lane];

	if (!s) {
		s = queue_alloc(sizeof(*s));
		s->hook = h;
		s->lane = lane;
		s->cursor_due_ms = INT64_MIN;
		s->wake_ms = NEVER;
		s->timer.stream = s;
		h->streams[lane] = s;
		h->dest->streams++;
	}
	return s;
}

/* Forgets what is loaded; nobody will ask the store for it again. */
void stream_free(struct queue *q, struct stream *s)
{
	struct qdest *d = s->hook->dest;

	while (s->items)
		item_unload(q, s->items);
	LIST_LEAVE(d->ready[s->lane], s, ready);
	LIST_LEAVE(d->wanting[s->lane], s, wanting);
	timers_set(&q->timers, &s->timer, NEVER);
	s->hook->streams[s->lane] = NULL;
	d->streams--;
	free(s);
}

static bool row_before(int64_t due_ms, int64_t id, const struct item *it)
{
	return due_ms < it->due_ms || (due_ms == it->due_ms && id < it->id);
}

bool stream_behind(const struct stream *s, int64_t due_ms, int64_t id)
{
	return due_ms < s->cursor_due_ms || (due_ms == s->cursor_due_ms && id <= s->cursor_id);
}

bool stream_shut(const struct queue *q, const struct stream *s)
{
	const struct qhook *h = s->hook;
	bool far = h->interval_us && h->rate_next_us > q->now_ms * 1000 + RATE_AHEAD_US;

	return h->held || far || (h->ordered && s->lane == LANE_FRESH && h->streams[LANE_RETRY]);
}

/* How many more rows may be loaded. */
unsigned stream_room(const struct queue *q, const struct stream *s)
{
	const struct qhook *h = s->hook;
	unsigned room, active = HASH_COUNT(q->items);

	if (stream_shut(q, s) || active >= q->limits.active_max || h->waiting[s->lane] >= h->ahead)
		return 0;
	room = dest_room(q, h->dest, s->lane);
	if (room > q->limits.active_max - active)
		room = q->limits.active_max - active;
	return room < h->ahead - h->waiting[s->lane] ? room : h->ahead - h->waiting[s->lane];
}

/* When the store is to be asked. */
int64_t stream_wake(const struct stream *s)
{
	return max_ms(s->wake_ms, s->held_until_ms);
}

/* It has rows due in the store, and there is use for them. The store is asked again when half of
 * what may be loaded is left: a query for many rows, not for one. */
bool stream_wants(const struct queue *q, const struct stream *s)
{
	const struct qhook *h = s->hook;

	return stream_wake(s) <= q->now_ms && !stream_shut(q, s) && !hook_blocked(q, h) &&
		h->waiting[s->lane] < h->ahead / 2 + h->ahead % 2;
}

/* Rows come in order but for rare ones, so the place is found from the end. */
void stream_load(struct queue *q, struct stream *s, int64_t id, int64_t due_ms)
{
	struct item *it = queue_alloc(sizeof(*it)), *before = NULL;

	it->id = id;
	it->due_ms = due_ms;
	it->stream = s;
	it->hook = s->hook;
	it->dest = s->hook->dest;
	for (struct item *i = s->items ? s->items->prev : NULL; i && row_before(due_ms, id, i);
		i = i == s->items ? NULL : i->prev)
		before = i;
	DL_PREPEND_ELEM(s->items, before, it);
	DL_APPEND2(it->dest->items, it, dest_prev, dest_next);
	HASH_ADD(hh, q->items, id, sizeof(it->id), it);
	it->hook->waiting[s->lane]++;
	it->dest->waiting[s->lane]++;
	if (!stream_behind(s, due_ms, id)) {
		s->cursor_due_ms = due_ms;
		s->cursor_id = id;
	}
}

/* The store has a row that is not in memory. */
void stream_remember(struct queue *q, struct stream *s, int64_t id, int64_t due_ms)
{
	s->wake_ms = min_ms(s->wake_ms, due_ms);
	if (!stream_behind(s, due_ms, id))
		return;
	s->cursor_due_ms = due_ms;
	s->cursor_id = id - 1;
	if (s->hook->ordered)
		stream_forget(q, s); /* what is loaded comes later than this one */
}

/* Gives what is loaded back to the store. */
void stream_forget(struct queue *q, struct stream *s)
{
	while (s->items) {
		s->wake_ms = min_ms(s->wake_ms, s->items->due_ms);
		item_unload(q, s->items);
	}
	s->cursor_due_ms = INT64_MIN;
	s->cursor_id = 0;
}

static void stream_settle(struct queue *q, struct stream *s)
{
	const struct qhook *h = s->hook;
	struct qdest *d = h->dest;
	bool shut = stream_shut(q, s), blocked = hook_blocked(q, h);
	int64_t at_ms = NEVER;

	if (s->lane == LANE_RETRY && timer_slept(q, &s->timer))
		s->held_until_ms = timer_late_ms(q);
	if (shut)
		stream_forget(q, s);
	if (!s->items && s->wake_ms == NEVER) {
		stream_free(q, s);
		return;
	}
	LIST_PLACE(d->ready[s->lane], s, ready, s->items && !blocked && h->inflight < h->limit);
	LIST_PLACE(d->wanting[s->lane], s, wanting, stream_wants(q, s));
	if (!shut && stream_wake(s) > q->now_ms)
		at_ms = stream_wake(s);
	if (blocked)
		at_ms = min_ms(at_ms, (h->rate_next_us + 999) / 1000);
	timers_set(&q->timers, &s->timer, at_ms);
}

/* ---- a hook's two */

bool hook_blocked(const struct queue *q, const struct qhook *h)
{
	return h->interval_us && h->rate_next_us > q->now_ms * 1000;
}

void hook_forget(struct queue *q, struct qhook *h)
{
	for (unsigned lane = 0; lane < LANE_COUNT; lane++)
		if (h->streams[lane])
			stream_forget(q, h->streams[lane]);
}

/* RETRY first: where it ends, an ordered hook's FRESH opens. */
void hook_settle(struct queue *q, struct qhook *h)
{
	if (h->streams[LANE_RETRY])
		stream_settle(q, h->streams[LANE_RETRY]);
	if (h->streams[LANE_FRESH])
		stream_settle(q, h->streams[LANE_FRESH]);
	dest_settle(q, h->dest);
}
