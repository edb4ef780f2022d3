/*
 * Destinations: how many requests at once one is sent, and when it is left alone.
 *
 * After Postfix's queue manager. The window grows by one when a whole window of requests succeeded
 * (late: caution) and shrinks at the first of a window of failures (early: relief). Apart from
 * that, failures in a row are counted, 1/window each, so that it takes as many rounds, not
 * requests, to call a wide destination dead as a narrow one. A dead one is parked: what it has in
 * memory goes back to the store, for it would only keep the healthy ones' places, and no attempts
 * are spent. When the nap is over one single request probes it; until that one has ended well,
 * nothing else is even loaded. Then it opens slowly, from a window of 1.
 *
 * Slow ones are worse than dead: they hold what all share, requests at once and room in memory. So
 * both go to those that have the least of them, within a factor of two, and round robin among
 * these: however many destinations are slow, one more is served as if it were alone with them.
 *
 * That helps whoever comes when something ends. Where all hang, nothing ends before a timeout; so a place is
 * always kept for who comes next: no destination is given more requests at once than are still
 * left for the others. One alone gets half of all, a second one half of the rest.
 */
#include "model/queue_internal.h"

#define RETRY_EVERY 5            /* starts: holds fresh ones up by a quarter at most */
#define WHOLE       (1.0 - 1e-9) /* n times 1/n, less a rounding */
#define NAPS_MAX    30           /* doublings; park_max_ms ends it long before */

static const bool edges[DEST_STATE_COUNT][DEST_STATE_COUNT] = {
	[DEST_READY] = { [DEST_PARKED] = true },
	[DEST_PARKED] = { [DEST_PROBING] = true },
	[DEST_PROBING] = { [DEST_READY] = true, [DEST_PARKED] = true },
};

static void dest_enter(struct qdest *d, enum qdest_state state)
{
	assert(edges[d->state][state]);
	d->state = state;
}

struct qdest *dest_get(struct queue *q, const char *name)
{
	size_t len = strlen(name);
	struct qdest *d;

	HASH_FIND(hh, q->dests, name, len, d);
	if (!d) {
		d = queue_alloc(sizeof(*d) + len + 1);
		memcpy(d->name, name, len + 1);
		d->window = q->limits.window_start;
		d->timer.dest = d;
		HASH_ADD_KEYPTR(hh, q->dests, d->name, len, d);
	}
	return d;
}

void dest_release(struct queue *q, struct qdest *d)
{
	if (d->hooks || d->inflight)
		return;
	timers_set(&q->timers, &d->timer, NEVER);
	HASH_DEL(q->dests, d);
	free(d);
}

bool dest_open(const struct queue *q, const struct qdest *d)
{
	return d->state != DEST_PARKED && d->paused_until_ms <= q->now_ms;
}

/*
 * How many deliveries of a lane wait in memory at most. The destination's share of all is a number
 * that no window uses up in a while; half of it is for fresh ones, a quarter for retries and a
 * quarter for what is in flight, so that neither lane can keep the other out.
 */
static unsigned dest_capacity(const struct queue *q, const struct qdest *d, enum queue_lane lane)
{
	unsigned by_window = 4 * d->window, by_size = q->limits.active_max / 8;
	unsigned share = by_window > by_size ? by_window : by_size;

	return lane == LANE_FRESH ? share / 2 : share / 4;
}

/* How many more of the lane may be loaded. */
unsigned dest_room(const struct queue *q, const struct qdest *d, enum queue_lane lane)
{
	unsigned capacity = dest_capacity(q, d, lane);

	if (!dest_open(q, d))
		return 0;
	if (d->state == DEST_PROBING)
		return !d->items && !d->inflight;
	return capacity > d->waiting[lane] ? capacity - d->waiting[lane] : 0;
}

/* As with hooks, the store is asked again when half is left, or when nothing left can start. */
bool dest_wants(const struct queue *q, const struct qdest *d, enum queue_lane lane)
{
	unsigned room = d->wanting[lane] ? dest_room(q, d, lane) : 0;

	return room && (!d->ready[lane] || room > dest_capacity(q, d, lane) / 2);
}

static unsigned tier_of(unsigned count)
{
	unsigned tier = count ? 32 - (unsigned)__builtin_clz(count) : 0;

	return tier < TIERS ? tier : TIERS - 1;
}

struct qdest *dest_first_wanting(const struct queue *q)
{
	if (HASH_COUNT(q->items) >= q->limits.active_max)
		return NULL;
	for (unsigned i = 0; i < TIERS; i++)
		if (q->wanting[i])
			return q->wanting[i];
	return NULL;
}

bool dest_has_place(const struct queue *q, const struct qdest *d)
{
	return d->inflight + q->inflight < q->limits.inflight_max;
}

/* Only where few places are left does this look at more than one, and those it passes over have so many
 * requests each that there are not many of them. */
struct qdest *dest_first_ready(const struct queue *q)
{
	for (unsigned i = 0; i < TIERS; i++)
		for (struct qdest *d = q->ready[i]; d; d = d->ready_next)
			if (dest_has_place(q, d))
				return d;
	return NULL;
}

/* The lanes take turns. */
struct stream *dest_pick_wanting(const struct queue *q, const struct qdest *d)
{
	enum queue_lane lane = d->filled_last == LANE_FRESH ? LANE_RETRY : LANE_FRESH;

	return dest_wants(q, d, lane) ? d->wanting[lane] : d->wanting[d->filled_last];
}

struct stream *dest_pick_ready(struct qdest *d)
{
	bool turn = d->starts++ % RETRY_EVERY == RETRY_EVERY - 1;

	if (d->ready[LANE_RETRY] && (turn || !d->ready[LANE_FRESH]))
		return d->ready[LANE_RETRY];
	return d->ready[LANE_FRESH];
}

static void dest_forget(struct queue *q, struct qdest *d)
{
	while (d->items) {
		struct qhook *h = d->items->hook;

		hook_forget(q, h);
		hook_settle(q, h);
	}
}

static void dest_park(struct queue *q, struct qdest *d)
{
	int64_t nap_ms = q->limits.park_min_ms << d->naps;

	if (nap_ms >= q->limits.park_max_ms)
		nap_ms = q->limits.park_max_ms;
	else if (d->naps < NAPS_MAX)
		d->naps++;
	/* Without a network all destinations park at once; their probes shall not come at once. */
	nap_ms += queue_random(q, nap_ms * 2 / 5) - nap_ms / 5;
	dest_enter(d, DEST_PARKED);
	d->parked_until_ms = q->now_ms + nap_ms;
	d->window = 1;
	d->gained = d->lost = d->cohort = 0;
	dest_forget(q, d);
}

static void dest_good(struct queue *q, struct qdest *d)
{
	d->cohort = 0;
	d->naps = 0;
	d->gained += 1.0 / d->window;
	if (d->gained < WHOLE)
		return;
	/* A window that was not filled says nothing about a wider one. */
	if (d->window < q->limits.window_max && d->peak >= d->window) {
		d->window++;
		d->lost = 0;
	}
	d->gained = 0;
	d->peak = d->inflight;
}

static void dest_bad(struct queue *q, struct qdest *d)
{
	d->cohort += 1.0 / d->window;
	if (d->cohort >= q->limits.park_after * WHOLE) {
		dest_park(q, d);
		return;
	}
	d->lost -= 1.0 / d->window;
	if (d->lost < WHOLE - 1) {
		d->window = d->window > 1 ? d->window - 1 : 1;
		d->lost += 1;
		d->gained = 0;
	}
}

/* Takes the result of a request; d->inflight still counts it. */
void dest_feedback(struct queue *q, struct qdest *d, enum queue_feedback feedback, bool probe)
{
	switch (d->state) {
	case DEST_PARKED: /* a late answer of before: good ends the nap, all else is no news */
		if (feedback == QUEUE_GOOD) {
			d->parked_until_ms = q->now_ms;
			dest_settle(q, d);
		}
		return;
	case DEST_PROBING:
		if (feedback == QUEUE_GOOD || (probe && feedback == QUEUE_NEUTRAL))
			dest_enter(d, DEST_READY);
		else if (probe)
			dest_park(q, d);
		if (d->state != DEST_READY)
			return;
		break;
	default:
		break;
	}
	if (feedback == QUEUE_GOOD)
		dest_good(q, d);
	else if (feedback == QUEUE_BAD)
		dest_bad(q, d);
}

/* Whoever asks for a pause is not met with a full window after it, nor by all senders and all
 * hosts behind one limit at the second that they were told. */
void dest_pause(struct queue *q, struct qdest *d, int64_t until_ms)
{
	int64_t more_ms = (until_ms - q->now_ms) / 10;

	if (until_ms <= max_ms(q->now_ms, d->paused_until_ms))
		return;
	more_ms = min_ms(max_ms(more_ms, PAUSE_MORE_MIN_MS), PAUSE_MORE_MAX_MS);
	d->paused_until_ms = until_ms + queue_random(q, more_ms);
	if (d->window > q->limits.window_start)
		d->window = q->limits.window_start;
	d->gained = 0;
	dest_forget(q, d);
	dest_settle(q, d);
}

static void place_ready(struct queue *q, struct qdest *d)
{
	unsigned tier = tier_of(d->inflight);

	if (tier != d->ready_tier)
		LIST_LEAVE(q->ready[d->ready_tier], d, ready);
	d->ready_tier = tier;
	LIST_PLACE(q->ready[tier], d, ready,
		d->inflight < d->window && (d->ready[LANE_FRESH] || d->ready[LANE_RETRY]));
}

static void place_wanting(struct queue *q, struct qdest *d)
{
	unsigned tier = tier_of(d->waiting[LANE_FRESH] + d->waiting[LANE_RETRY] + d->inflight);

	if (tier != d->wanting_tier)
		LIST_LEAVE(q->wanting[d->wanting_tier], d, wanting);
	d->wanting_tier = tier;
	LIST_PLACE(q->wanting[tier], d, wanting,
		dest_wants(q, d, LANE_FRESH) || dest_wants(q, d, LANE_RETRY));
}

/* Whatever brought us here: a nap that is over ends now, for the timer is set anew. */
void dest_settle(struct queue *q, struct qdest *d)
{
	int64_t *waits = d->state == DEST_PARKED ? &d->parked_until_ms : &d->paused_until_ms;
	int64_t until_ms;

	if (timer_slept(q, &d->timer))
		*waits = timer_late_ms(q);
	if (d->state == DEST_PARKED && d->parked_until_ms <= q->now_ms)
		dest_enter(d, DEST_PROBING);
	until_ms = d->paused_until_ms;
	if (d->state == DEST_PARKED)
		until_ms = max_ms(until_ms, d->parked_until_ms);
	place_ready(q, d);
	place_wanting(q, d);
	timers_set(&q->timers, &d->timer, until_ms > q->now_ms ? until_ms : NEVER);
}
