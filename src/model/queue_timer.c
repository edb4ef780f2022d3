#include "model/queue_internal.h"

#define HEAP_ROOM_START 64

static void put(struct timers *ts, size_t place, struct timer *t)
{
	ts->heap[place] = t;
	t->place = place;
}

static void rise(struct timers *ts, size_t place)
{
	struct timer *t = ts->heap[place];

	for (; place > 1 && ts->heap[place / 2]->at_ms > t->at_ms; place /= 2)
		put(ts, place, ts->heap[place / 2]);
	put(ts, place, t);
}

static void sink(struct timers *ts, size_t place)
{
	struct timer *t = ts->heap[place];
	size_t child;

	for (; (child = 2 * place) <= ts->count; place = child) {
		if (child < ts->count && ts->heap[child + 1]->at_ms < ts->heap[child]->at_ms)
			child++;
		if (ts->heap[child]->at_ms >= t->at_ms)
			break;
		put(ts, place, ts->heap[child]);
	}
	put(ts, place, t);
}

static void append(struct timers *ts, struct timer *t)
{
	if (ts->count + 1 >= ts->room) {
		ts->room = ts->room ? 2 * ts->room : HEAP_ROOM_START;
		ts->heap = realloc(ts->heap, ts->room * sizeof(*ts->heap));
		if (!ts->heap)
			abort();
	}
	put(ts, ++ts->count, t);
}

static void take_out(struct timers *ts, struct timer *t)
{
	struct timer *last = ts->heap[ts->count--];

	if (last != t) {
		put(ts, t->place, last);
		rise(ts, last->place);
		sink(ts, last->place);
	}
	t->place = 0;
}

void timers_set(struct timers *ts, struct timer *t, int64_t at_ms)
{
	if (at_ms == NEVER) {
		if (t->place)
			take_out(ts, t);
		return;
	}
	if (t->place && t->at_ms == at_ms)
		return;
	t->at_ms = at_ms;
	if (!t->place)
		append(ts, t);
	rise(ts, t->place);
	sink(ts, t->place);
}

/* A timer that is found long after its time was slept through, and so were others: they shall not
 * all come at once. */
bool timer_slept(const struct queue *q, const struct timer *t)
{
	return t->place && q->now_ms - t->at_ms > q->limits.release_ms;
}

int64_t timer_late_ms(struct queue *q)
{
	return q->now_ms + 1 + queue_random(q, q->limits.release_ms);
}

struct timer *timers_first(const struct timers *ts)
{
	return ts->count ? ts->heap[1] : NULL;
}
