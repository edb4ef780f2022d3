#include "model/queue_internal.h"

/* Starts may be late by a turn of the loop; so much of it is made up for, or no rate above one
 * start a turn could be kept. Rates up to 100/s never start two at once. */
#define RATE_SLACK_US 10000

const struct queue_limits queue_limits_default = {
	.active_max = 10000,
	.inflight_max = 512,
	.window_start = 2,
	.window_max = 64,
	.park_after = 2,
	.park_min_ms = 5000,
	.park_max_ms = 300000,
	.release_ms = 5000,
};

struct queue *queue_new(const struct queue_limits *limits, uint32_t seed)
{
	struct queue *q = queue_alloc(sizeof(*q));

	assert(limits->active_max && limits->inflight_max && limits->window_start &&
		limits->window_max >= limits->window_start && limits->park_after &&
		limits->park_min_ms > 0 && limits->release_ms >= 0);
	q->limits = *limits;
	q->seed = seed;
	return q;
}

int64_t queue_random(struct queue *q, int64_t max_ms)
{
	return (int64_t)((double)max_ms * rand_r(&q->seed) / RAND_MAX);
}

/* Takes the time, and lets everything happen that was waiting for it. To settle is to set the timer
 * anew. */
static void queue_advance(struct queue *q, int64_t now)
{
	struct timer *t;

	q->now_ms = max_ms(q->now_ms, now);
	while ((t = timers_first(&q->timers)) && t->at_ms <= q->now_ms) {
		if (t->stream)
			hook_settle(q, t->stream->hook);
		else
			dest_settle(q, t->dest);
	}
}

/* ---- hooks */

static struct qhook *hook_find(const struct queue *q, int64_t id)
{
	struct qhook *h;

	HASH_FIND(hh, q->hooks, &id, sizeof(id), h);
	return h;
}

static void hook_free_streams(struct queue *q, struct qhook *h)
{
	for (unsigned lane = 0; lane < LANE_COUNT; lane++)
		if (h->streams[lane])
			stream_free(q, h->streams[lane]);
}

/* What it had waiting is remembered under its new destination, and loaded for that one's window. */
static void hook_move(struct queue *q, struct qhook *h, const char *destination)
{
	struct qdest *old = h->dest;
	int64_t wake_ms[LANE_COUNT];

	hook_forget(q, h);
	for (unsigned lane = 0; lane < LANE_COUNT; lane++)
		wake_ms[lane] = h->streams[lane] ? h->streams[lane]->wake_ms : NEVER;
	hook_free_streams(q, h);
	h->dest = dest_get(q, destination);
	h->dest->hooks++;
	for (unsigned lane = 0; lane < LANE_COUNT; lane++)
		if (wake_ms[lane] != NEVER)
			stream_get(h, lane)->wake_ms = wake_ms[lane];
	old->hooks--;
	dest_settle(q, old);
	dest_release(q, old);
}

static void hook_limit(struct queue *q, struct qhook *h, const struct queue_hook *to)
{
	h->held = to->held;
	h->ordered = to->ordered;
	h->limit = to->ordered ? 1 : to->max_inflight ? to->max_inflight : UINT_MAX;
	h->ahead = h->limit;
	h->interval_us = to->rate ? max_ms(1, to->rate_ms * 1000 / to->rate) : 0;
	if (h->interval_us && h->ahead > RATE_AHEAD_US / h->interval_us)
		h->ahead = (unsigned)(1 + RATE_AHEAD_US / h->interval_us);
	h->rate_next_us = min_ms(h->rate_next_us, q->now_ms * 1000 + h->interval_us);
}

void queue_hook_set(struct queue *q, const struct queue_hook *to)
{
	const char *destination = to->destination ? to->destination : "";
	struct qhook *h = hook_find(q, to->id);

	if (!h) {
		h = queue_alloc(sizeof(*h));
		h->id = to->id;
		h->dest = dest_get(q, destination);
		h->dest->hooks++;
		HASH_ADD(hh, q->hooks, id, sizeof(h->id), h);
	} else if (strcmp(h->dest->name, destination) != 0) {
		hook_move(q, h, destination);
	}
	hook_limit(q, h, to);
	hook_settle(q, h);
}

void queue_hook_remove(struct queue *q, int64_t hook_id)
{
	struct qhook *h = hook_find(q, hook_id);
	struct qdest *d;

	if (!h)
		return;
	d = h->dest;
	hook_free_streams(q, h);
	HASH_DEL(q->hooks, h);
	h->dest = NULL;
	if (!h->inflight)
		free(h);
	d->hooks--;
	dest_settle(q, d);
	dest_release(q, d);
}

void queue_free(struct queue *q)
{
	struct qhook *h, *next_hook;
	struct item *it, *next_item;

	if (!q)
		return;
	HASH_ITER(hh, q->hooks, h, next_hook)
	queue_hook_remove(q, h->id);
	HASH_ITER(hh, q->items, it, next_item)
	queue_done(q, it->id, QUEUE_NEUTRAL, q->now_ms);
	free(q->timers.heap);
	free(q);
}

/* ---- what waits */

void queue_waiting(struct queue *q, int64_t hook_id, enum queue_lane lane, int64_t due_ms)
{
	struct qhook *h = hook_find(q, hook_id);
	struct stream *s;

	if (!h)
		return;
	s = stream_get(h, lane);
	stream_forget(q, s);
	s->wake_ms = min_ms(s->wake_ms, due_ms);
	hook_settle(q, h);
}

/* That the store is not asked yet does not mean that nothing there is due: who is added in between must not
 * move the cursor past it. */
void queue_look_again(struct queue *q, int64_t hook_id, int64_t at_ms)
{
	struct qhook *h = hook_find(q, hook_id);

	if (!h)
		return;
	for (unsigned lane = 0; lane < LANE_COUNT; lane++) {
		struct stream *s = stream_get(h, lane);

		stream_forget(q, s);
		s->wake_ms = min_ms(s->wake_ms, q->now_ms);
		s->held_until_ms = max_ms(s->held_until_ms, at_ms);
	}
	hook_settle(q, h);
}

void queue_add(struct queue *q, int64_t hook_id, enum queue_lane lane, int64_t id, int64_t due_ms)
{
	struct qhook *h = hook_find(q, hook_id);
	struct stream *s;
	int64_t known_ms;

	if (!h)
		return;
	s = stream_get(h, lane);
	/* A fresh one is due as it comes: whoever gives it a time gives this turn's, which is not told yet. */
	known_ms = lane == LANE_FRESH ? max_ms(q->now_ms, due_ms) : q->now_ms;
	if (due_ms <= known_ms && s->wake_ms > known_ms && stream_room(q, s) && !item_find(q, id))
		stream_load(q, s, id, due_ms);
	else
		stream_remember(q, s, id, due_ms);
	hook_settle(q, h);
}

void queue_cancel(struct queue *q, int64_t id)
{
	struct item *it = item_find(q, id);
	struct qhook *h;

	if (!it || !it->stream)
		return;
	h = it->hook;
	item_unload(q, it);
	hook_settle(q, h);
}

int queue_want(struct queue *q, int64_t now, struct queue_want *out)
{
	const struct stream *s;
	const struct qdest *d;
	unsigned room;

	queue_advance(q, now);
	d = dest_first_wanting(q);
	if (!d)
		return 0;
	s = dest_pick_wanting(q, d);
	room = stream_room(q, s);
	assert(room > 0);
	/* What is in flight comes up again when the cursor starts afresh, and takes no room. */
	room = room < QUEUE_PAGE_MAX ? room + s->hook->inflight : QUEUE_PAGE_MAX;
	*out = (struct queue_want){
		.hook_id = s->hook->id,
		.lane = s->lane,
		.after_due_ms = s->cursor_due_ms,
		.after_id = s->cursor_id,
		.limit = room < QUEUE_PAGE_MAX ? room : QUEUE_PAGE_MAX,
	};
	return 1;
}

/* Reads the page as far as there is room; returns what the stream's wake_ms is after it. */
static int64_t stream_read(struct queue *q, struct stream *s, const struct queue_row *rows,
	unsigned count, unsigned limit)
{
	for (unsigned i = 0; i < count; i++) {
		if (rows[i].due_ms > q->now_ms)
			return rows[i].due_ms;
		if (!item_find(q, rows[i].id)) {
			if (!stream_room(q, s))
				return rows[i].due_ms;
			stream_load(q, s, rows[i].id, rows[i].due_ms);
		}
		s->cursor_due_ms = rows[i].due_ms;
		s->cursor_id = rows[i].id;
	}
	return count < limit ? NEVER : q->now_ms;
}

void queue_fill(struct queue *q, const struct queue_want *w, const struct queue_row *rows,
	unsigned count, int64_t now)
{
	struct qhook *h;
	struct stream *s;

	queue_advance(q, now);
	h = hook_find(q, w->hook_id);
	s = h ? h->streams[w->lane] : NULL;
	if (!s || s->cursor_due_ms != w->after_due_ms || s->cursor_id != w->after_id)
		return; /* something came in between: it is asked anew */
	s->wake_ms = stream_read(q, s, rows, count, w->limit);
	h->dest->filled_last = s->lane;
	LIST_LEAVE(h->dest->wanting[s->lane], s, wanting); /* for more, behind the others */
	LIST_LEAVE(q->wanting[h->dest->wanting_tier], h->dest, wanting);
	hook_settle(q, h);
}

/* ---- what starts and ends */

int queue_next(struct queue *q, int64_t now, struct queue_work *out)
{
	struct qdest *d;
	struct stream *s;
	struct item *it;
	struct qhook *h;

	queue_advance(q, now);
	d = dest_first_ready(q);
	if (!d)
		return 0;
	s = dest_pick_ready(d);
	it = s->items;
	h = s->hook;
	item_start(q, it);
	if (h->interval_us)
		h->rate_next_us =
			max_ms(h->rate_next_us, q->now_ms * 1000 - RATE_SLACK_US) + h->interval_us;
	*out = (struct queue_work){ .id = it->id, .hook_id = h->id, .probe = it->probe };
	LIST_LEAVE(d->ready[s->lane], s, ready); /* it was its turn: behind the others */
	LIST_LEAVE(q->ready[d->ready_tier], d, ready);
	hook_settle(q, h);
	return 1;
}

static void hook_leave(struct queue *q, struct item *it)
{
	struct qhook *h = it->hook;

	it->hook = NULL;
	h->inflight--;
	if (h->dest)
		hook_settle(q, h);
	else if (!h->inflight)
		free(h);
}

/* Its request has ended. */
static void item_land(struct queue *q, struct item *it, enum queue_feedback feedback)
{
	struct qdest *d = it->dest;

	assert(d && !it->stream);
	dest_feedback(q, d, feedback, it->probe);
	it->dest = NULL;
	q->inflight--;
	if (!it->hook->ordered)
		hook_leave(q, it);
	d->inflight--;
	dest_settle(q, d);
	dest_release(q, d);
}

void queue_landed(struct queue *q, int64_t id, int64_t now)
{
	struct item *it = item_find(q, id);

	assert(it);
	queue_advance(q, now);
	item_land(q, it, QUEUE_GOOD);
}

void queue_done(struct queue *q, int64_t id, enum queue_feedback feedback, int64_t now)
{
	struct item *it = item_find(q, id);

	assert(it && !it->stream);
	queue_advance(q, now);
	if (it->dest)
		item_land(q, it, feedback);
	HASH_DEL(q->items, it);
	if (it->hook)
		hook_leave(q, it);
	free(it);
}

void queue_pause(struct queue *q, int64_t hook_id, int64_t until)
{
	struct qhook *h = hook_find(q, hook_id);

	if (h)
		dest_pause(q, h->dest, until);
}

int64_t queue_wake(const struct queue *q, int64_t now)
{
	const struct timer *t = timers_first(&q->timers);

	if (dest_first_ready(q) || dest_first_wanting(q))
		return now;
	return t ? t->at_ms : -1;
}

/* ---- what is to be seen */

size_t queue_inflight(const struct queue *q)
{
	return q->inflight;
}

size_t queue_active(const struct queue *q)
{
	return HASH_COUNT(q->items);
}

unsigned queue_hook_inflight(const struct queue *q, int64_t hook_id)
{
	const struct qhook *h = hook_find(q, hook_id);

	return h ? h->inflight : 0;
}

static struct queue_destination destination_seen(const struct qdest *d, int64_t now)
{
	bool parked = d->state == DEST_PARKED && d->parked_until_ms > now;
	bool paused = d->paused_until_ms > now;
	struct queue_destination seen = {
		.name = d->name,
		.state = parked                  ? "parked"
			: paused                 ? "paused"
			: d->state != DEST_READY ? "probing"
						 : "ready",
		.window = d->window,
		.inflight = d->inflight,
		.loaded = d->waiting[LANE_FRESH] + d->waiting[LANE_RETRY] + d->inflight,
	};

	if (paused)
		seen.until_ms = d->paused_until_ms;
	if (parked)
		seen.until_ms = max_ms(seen.until_ms, d->parked_until_ms);
	return seen;
}

void queue_each_destination(const struct queue *q, int64_t now,
	void (*each)(void *ctx, const struct queue_destination *d), void *ctx)
{
	struct qdest *d, *next;

	HASH_ITER(hh, q->dests, d, next)
	{
		struct queue_destination seen = destination_seen(d, now);

		if (d->streams || d->inflight || seen.until_ms)
			each(ctx, &seen);
	}
}

bool queue_hook_destination(
	const struct queue *q, int64_t hook_id, int64_t now, struct queue_destination *out)
{
	const struct qhook *h = hook_find(q, hook_id);

	if (h)
		*out = destination_seen(h->dest, now);
	return h;
}
