/*
 * A week of traffic through the queue, in an eye-blink: a store of plain arrays, receivers that are
 * up, slow, dead, flapping or moody until the fifth day, hooks with every kind of limit, and an
 * engine that holds, releases, moves and removes hooks, cancels and repeats deliveries, breaks off
 * attempts, sleeps and is killed. The active set is far too small on purpose.
 *
 * After every turn the queue's own invariants are checked, and, from the store's side, that nothing
 * lies around which could have been started: that is stronger than "nobody starves".
 */
#include "model/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND    ((int64_t)1000)
#define MINUTE    (60 * SECOND)
#define HOUR      (60 * MINUTE)
#define DAY       (24 * HOUR)
#define BEGIN     (20000 * DAY)
#define RECOVERY  (BEGIN + 5 * DAY)
#define END       (BEGIN + 7 * DAY)
#define RATE_MS   (30 * SECOND) /* between two starts of a hook with a rate */
#define WAIT_MAX  (4 * SECOND)  /* though the slow ones take up to 25 s and hold all they can */
#define ROWS_MAX  6000
#define HOOKS_MAX 64
#define HOOKS     32
#define DESTS     8
#define TURNS_MAX 500000

enum receiver { UP, SLOW, DEAD, FLAPPING, MOODY };
static const enum receiver receivers[DESTS] = { UP, SLOW, DEAD, UP, FLAPPING, MOODY, DEAD, SLOW };
static const char *const names[DESTS] = { "up", "slow", "dead", "up2", "flapping", "moody", "dead2",
	"slow2" };

enum row_state { WAITING, FLYING, DELIVERED, DROPPED };

struct row {
	enum row_state state;
	unsigned hook, dest, attempts;
	int64_t due, ends;
	enum queue_feedback answer;
	bool delivered, broken_off;
	int64_t again; /* not before, after it was broken off */
	int64_t pause;
};

struct hook {
	struct queue_hook is;
	bool removed, meddled_with;
	unsigned dest, flying;
	int64_t last_start;
	unsigned open[ROWS_MAX], open_count; /* rows that are pending, in the order of ids */
};

static struct world {
	struct queue *queue;
	uint64_t random;
	int64_t now;
	struct queue_limits limits;
	struct row rows[ROWS_MAX]; /* id - 1 */
	unsigned rows_count, open_count;
	unsigned air[ROWS_MAX], flying; /* rows that are under way */
	struct hook hooks[HOOKS_MAX];   /* id - 1 */
	unsigned hooks_count;
	struct queue_destination seen[DESTS];
	unsigned attempts[DESTS]; /* before the recovery */
	unsigned restarts, sleeps, full_turns;
	int64_t awake;        /* since the last restart or sleep */
	int64_t longest_wait; /* of a delivery that nothing holds up, at a receiver that is up */
} w;

static unsigned below(unsigned n)
{
	w.random = w.random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(w.random >> 33) % n;
}

/* ---- the store */

static int compare_rows(const void *a, const void *b)
{
	const struct queue_row *x = a, *y = b;

	if (x->due_ms != y->due_ms)
		return x->due_ms < y->due_ms ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* All rows of the stream behind the given place, in order. What is in flight is pending there,
 * too. */
static unsigned stored(const struct hook *h, enum queue_lane lane, int64_t after_due,
	int64_t after_id, struct queue_row *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < h->open_count; i++) {
		const struct row *r = &w.rows[h->open[i]];
		struct queue_row row = { .id = h->open[i] + 1, .due_ms = r->due };

		if ((r->attempts > 0) == (lane == LANE_RETRY) &&
			(r->due > after_due || (r->due == after_due && row.id > after_id)))
			out[count++] = row;
	}
	qsort(out, count, sizeof(*out), compare_rows);
	return count;
}

static void close_row(unsigned index, enum row_state state)
{
	struct hook *h = &w.hooks[w.rows[index].hook];
	unsigned i = 0;

	while (h->open[i] != index)
		i++;
	memmove(h->open + i, h->open + i + 1, (--h->open_count - i) * sizeof(*h->open));
	w.rows[index].state = state;
	w.open_count--;
}

/* ---- hooks */

static void set_hook(struct hook *h)
{
	h->is.destination = names[h->dest];
	queue_hook_set(w.queue, &h->is);
}

static void new_hook(unsigned dest)
{
	unsigned kind = below(8);
	struct hook *h = &w.hooks[w.hooks_count++];

	h->is.id = w.hooks_count;
	h->dest = dest;
	h->last_start = INT64_MIN / 2;
	if (kind == 0)
		h->is.ordered = true;
	else if (kind == 1)
		h->is.max_inflight = 1 + below(3);
	else if (kind == 2)
		h->is = (struct queue_hook){ .id = h->is.id, .rate = 2, .rate_ms = 2 * RATE_MS };
	set_hook(h);
}

static unsigned limit_of(const struct hook *h)
{
	return h->is.ordered ? 1 : h->is.max_inflight ? h->is.max_inflight : UINT32_MAX;
}

static bool is_plain(const struct hook *h)
{
	return !h->is.ordered && !h->is.max_inflight && !h->is.rate;
}

static void tell_waiting(const struct hook *h)
{
	struct queue_row rows[ROWS_MAX];

	for (unsigned lane = 0; lane < LANE_COUNT; lane++)
		if (stored(h, lane, INT64_MIN, 0, rows))
			queue_waiting(w.queue, h->is.id, lane, rows[0].due_ms);
}

/* kill -9 and a new start: what was in flight is pending again. */
static void restart(void)
{
	queue_free(w.queue);
	w.queue = queue_new(&w.limits, below(1000000));
	w.restarts++;
	w.awake = w.now;
	while (w.flying) {
		struct row *r = &w.rows[w.air[--w.flying]];

		r->state = w.hooks[r->hook].removed ? DROPPED : WAITING;
	}
	for (unsigned i = 0; i < w.hooks_count; i++) {
		struct hook *h = &w.hooks[i];

		if (h->removed)
			continue;
		h->flying = 0;
		h->last_start = INT64_MIN / 2;
		set_hook(h);
		tell_waiting(h);
	}
}

/* ---- receivers */

static void answer(struct row *r)
{
	enum receiver is = w.now >= RECOVERY ? UP : receivers[r->dest];

	if (is == FLAPPING)
		is = w.now / HOUR % 2 ? UP : DEAD;
	r->pause = 0;
	r->answer = QUEUE_GOOD;
	r->ends = w.now + 20 + below(100);
	if (is == SLOW) {
		r->ends = w.now + 5 * SECOND + below(20000);
	} else if (is == DEAD) {
		r->answer = QUEUE_BAD;
		r->ends = w.now + (below(2) ? 5 : 10 * SECOND);
	} else if (is == MOODY) {
		r->answer = below(3) ? QUEUE_GOOD : below(3) ? QUEUE_NEUTRAL : QUEUE_BAD;
		if (r->answer == QUEUE_BAD)
			r->pause = below(2) ? 30 * SECOND : 0;
	}
	r->delivered = r->answer == QUEUE_GOOD;
	r->broken_off = below(100) == 0;
}

static int64_t retry_delay(unsigned attempts)
{
	static const int64_t schedule[] = { 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR };
	int64_t delay = schedule[attempts < 4 ? attempts - 1 : 3];

	return delay * (80 + below(40)) / 100;
}

static void start_all(void);

/* Others start while it is recorded, and it must not itself: its row still waits in the store. */
static void land_first(const struct row *r, int64_t id)
{
	const struct hook *h = &w.hooks[r->hook];

	queue_landed(w.queue, id, w.now);
	queue_check(w.queue);
	start_all();
	assert_int_equal(r->state, WAITING);
	assert_true(!h->is.ordered || h->flying == 0);
}

static void land(unsigned place)
{
	unsigned index = w.air[place];
	struct row *r = &w.rows[index];
	struct hook *h = &w.hooks[r->hook];
	int64_t id = index + 1;

	assert_int_equal(r->state, FLYING);
	r->state = WAITING;
	h->flying--;
	w.air[place] = w.air[--w.flying];
	if (r->broken_off && !h->removed) {
		r->again = w.now + SECOND;
		queue_done(w.queue, id, QUEUE_NEUTRAL, w.now);
		queue_waiting(w.queue, h->is.id, r->attempts ? LANE_RETRY : LANE_FRESH, r->again);
		return;
	}
	if (r->delivered && id % 2)
		land_first(r, id);
	queue_done(w.queue, id, r->answer, w.now);
	if (r->pause)
		queue_pause(w.queue, h->is.id, w.now + r->pause);
	if (h->removed) {
		r->state = DROPPED;
	} else if (r->delivered) {
		close_row(index, DELIVERED);
	} else {
		r->due = w.now + retry_delay(++r->attempts);
		queue_add(w.queue, h->is.id, LANE_RETRY, id, r->due);
	}
}

/* ---- what happens from outside */

static void arrive_at(unsigned hook, unsigned count)
{
	struct hook *h = &w.hooks[hook];

	for (; count && w.rows_count < ROWS_MAX && !h->removed; count--) {
		unsigned index = w.rows_count++;

		w.rows[index] = (struct row){ .hook = hook, .due = w.now };
		h->open[h->open_count++] = index;
		w.open_count++;
		queue_add(w.queue, h->is.id, LANE_FRESH, index + 1, w.now);
	}
}

/* A drop, or a storm over many hooks. */
static void arrive(void)
{
	unsigned hooks = below(12) ? 1 : HOOKS;

	for (; hooks; hooks--) {
		/* Drawn in a fixed order: of two arguments each compiler takes another first. */
		unsigned count = 1 + below(hooks > 1 ? 20 : 5);

		arrive_at(below(w.hooks_count), count);
	}
}

static void remove_hook(struct hook *h)
{
	while (h->open_count) {
		unsigned index = h->open[h->open_count - 1];
		bool flying = w.rows[index].state == FLYING;

		close_row(index, flying ? FLYING : DROPPED);
	}
	h->removed = true;
	queue_hook_remove(w.queue, h->is.id);
	new_hook(h->dest);
}

static void cancel(struct hook *h, unsigned index)
{
	bool retry = w.rows[index].attempts > 0;

	close_row(index, DROPPED);
	queue_cancel(w.queue, index + 1);
	if (h->is.ordered && retry)
		queue_waiting(w.queue, h->is.id, LANE_RETRY, w.now);
}

/* "Try it now", of one that waits for its retry. */
static void hurry(const struct hook *h, unsigned index)
{
	w.rows[index].due = w.now;
	queue_cancel(w.queue, index + 1);
	queue_add(w.queue, h->is.id, LANE_RETRY, index + 1, w.now);
}

/* The machine is suspended. */
static void sleep_long(void)
{
	w.now += below(3 * HOUR);
	w.awake = w.now;
	w.sleeps++;
}

static void meddle(void)
{
	struct hook *h = &w.hooks[below(w.hooks_count)];
	unsigned index = h->open_count ? h->open[below(h->open_count)] : 0;
	unsigned what = below(200);

	if (h->removed)
		return;
	h->meddled_with |= what < 90;
	if (what < 80) {
		h->is.held = !h->is.held && w.now < RECOVERY && below(2);
		set_hook(h);
	} else if (what < 90 && is_plain(h)) {
		h->dest = below(DESTS);
		set_hook(h);
	} else if (what < 150 && h->open_count && w.rows[index].state == WAITING) {
		if (below(2))
			cancel(h, index);
		else if (w.rows[index].attempts)
			hurry(h, index);
	} else if (what < 152 && w.hooks_count < HOOKS_MAX) {
		remove_hook(h);
	} else if (what >= 190 && what < 199) {
		sleep_long();
	} else if (what == 199) {
		restart();
	}
}

/* ---- the engine */

static void check_start(const struct hook *h, unsigned index)
{
	const struct row *r = &w.rows[index];

	assert_int_equal(r->state, WAITING);
	assert_true(r->due <= w.now);
	assert_false(h->removed);
	assert_false(h->is.held);
	assert_true(h->flying < limit_of(h));
	if (h->is.ordered)
		assert_int_equal(h->open[0], index);
	if (h->is.rate)
		assert_true(w.now - h->last_start >= RATE_MS - 10);
}

static void take_off(const struct queue_work *work)
{
	unsigned index = (unsigned)work->id - 1;
	struct row *r = &w.rows[index];
	struct hook *h = &w.hooks[r->hook];

	assert_int_equal(work->hook_id, h->is.id);
	check_start(h, index);
	if (receivers[h->dest] == UP && is_plain(h) && !h->meddled_with && !r->again &&
		r->due > w.awake + w.limits.release_ms && w.now - r->due > w.longest_wait)
		w.longest_wait = w.now - r->due;
	r->state = FLYING;
	r->dest = h->dest;
	h->flying++;
	h->last_start = w.now;
	w.air[w.flying++] = index;
	if (w.now < RECOVERY)
		w.attempts[h->dest]++;
	answer(r);
}

static void see(void *ctx, const struct queue_destination *d)
{
	(void)ctx;
	for (unsigned i = 0; i < DESTS; i++)
		if (strcmp(d->name, names[i]) == 0)
			w.seen[i] = *d;
}

static void look(void)
{
	memset(w.seen, 0, sizeof(w.seen));
	queue_each_destination(w.queue, w.now, see, NULL);
}

/* The engine's turn ends here: everything that may start has been started. */
static void start_all(void)
{
	struct queue_row rows[ROWS_MAX];
	struct queue_want want;
	struct queue_work work;
	unsigned queries = 0;
	bool more = true;

	while (more) {
		more = false;
		while (queue_want(w.queue, w.now, &want)) {
			const struct hook *h = &w.hooks[want.hook_id - 1];
			unsigned count =
				stored(h, want.lane, want.after_due_ms, want.after_id, rows);

			queue_fill(w.queue, &want, rows, count < want.limit ? count : want.limit,
				w.now);
			assert_true(++queries < 2000);
		}
		while (queue_next(w.queue, w.now, &work)) {
			unsigned dest = w.hooks[work.hook_id - 1].dest;

			take_off(&work);
			look();
			assert_true(w.seen[dest].inflight <= w.seen[dest].window);
			more = true;
		}
	}
}

/* Retries that are overdue come back one after the other. */
static bool rises(const struct row *r)
{
	return r->attempts && w.now <= w.awake + w.limits.release_ms;
}

/* Why nothing more of the hook may start at all. */
static bool has_reason(const struct hook *h)
{
	const struct queue_destination *d = &w.seen[h->dest];

	if (h->is.held || h->flying >= limit_of(h))
		return true;
	if (h->is.rate && w.now - h->last_start < RATE_MS)
		return true;
	if (strcmp(d->state, "parked") == 0 || strcmp(d->state, "paused") == 0)
		return true;
	/* As many are left for the others as it has. */
	return d->inflight >= d->window || d->inflight + w.flying >= w.limits.inflight_max;
}

static void nothing_lies_around(void)
{
	look();
	if (w.flying >= w.limits.inflight_max || queue_active(w.queue) >= w.limits.active_max) {
		w.full_turns++;
		return;
	}
	for (unsigned i = 0; i < w.hooks_count; i++) {
		const struct hook *h = &w.hooks[i];

		for (unsigned j = 0; !h->removed && j < h->open_count; j++) {
			const struct row *r = &w.rows[h->open[j]];

			if (r->state == WAITING && r->due <= w.now && r->again <= w.now &&
				!rises(r) && !has_reason(h))
				fail_msg("delivery %u of hook %lld lies around, due for %lld ms: "
					 "attempts %u, destination %s %s, window %u, %u in flight, "
					 "%zu loaded, ordered %d, limit %u, rate %u",
					h->open[j] + 1, (long long)h->is.id,
					(long long)(w.now - r->due), r->attempts, names[h->dest],
					w.seen[h->dest].state, w.seen[h->dest].window,
					w.seen[h->dest].inflight, w.seen[h->dest].loaded,
					h->is.ordered, h->is.max_inflight, h->is.rate);
			if (h->is.ordered)
				break; /* the head stands for all */
		}
	}
}

static int64_t next_landing(unsigned *place)
{
	int64_t first = INT64_MAX;

	for (unsigned i = 0; i < w.flying; i++) {
		if (w.rows[w.air[i]].ends < first) {
			first = w.rows[w.air[i]].ends;
			*place = i;
		}
	}
	return first;
}

static void land_due(void)
{
	unsigned place = 0;

	while (next_landing(&place) <= w.now)
		land(place);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void release_all(void)
{
	for (unsigned i = 0; i < w.hooks_count; i++) {
		w.hooks[i].is.held = false;
		if (!w.hooks[i].removed)
			set_hook(&w.hooks[i]);
	}
}

/* Until the next time at which something happens by itself. */
static int64_t turn(void)
{
	int64_t wake;
	unsigned place;

	land_due();
	queue_check(w.queue);
	start_all();
	queue_check(w.queue);
	nothing_lies_around();
	assert_int_equal(queue_inflight(w.queue), w.flying);
	wake = queue_wake(w.queue, w.now);
	assert_true(wake < 0 || wake > w.now || w.flying); /* or it would spin */
	return wake > w.now ? earlier(wake, next_landing(&place)) : next_landing(&place);
}

static void live_a_week(void)
{
	int64_t arrival = BEGIN, meddling = BEGIN, recovery = RECOVERY;
	int64_t next;
	unsigned turns = 0;

	for (w.now = BEGIN; w.now < END; turns++) {
		assert_true(turns < TURNS_MAX);
		if (w.now >= recovery) {
			release_all();
			arrival = recovery = INT64_MAX;
		}
		if (w.now >= arrival) {
			arrive();
			arrival = w.now + below(30 * MINUTE);
		}
		if (w.now >= meddling) {
			meddle();
			meddling = w.now + below(30 * MINUTE);
		}
		next = earlier(earlier(turn(), recovery), earlier(arrival, meddling));
		if (!below(8))
			next += below(30); /* a turn that comes late, for many things at once */
		w.now = next > w.now ? next : w.now; /* what was to happen in a sleep is past */
	}
}

static void a_week(uint64_t seed, struct queue_limits limits)
{
	unsigned delivered = 0;
	int64_t probes;

	memset(&w, 0, sizeof(w));
	w.random = seed;
	w.limits = limits;
	w.queue = queue_new(&w.limits, (uint32_t)seed);
	w.now = BEGIN;
	for (unsigned i = 0; i < HOOKS; i++)
		new_hook(i % DESTS);
	live_a_week();
	for (unsigned i = 0; i < w.rows_count; i++)
		delivered += w.rows[i].state == DELIVERED;
	probes = (RECOVERY - BEGIN) / (limits.park_max_ms * 8 / 10) + 20 * (w.restarts + 1);
	assert_true(w.sleeps > 0);
	assert_int_equal(w.open_count, 0);
	assert_true(delivered > w.rows_count / 2); /* the rest was cancelled or its hook removed */
	for (unsigned i = 0; i < DESTS; i++)
		assert_true(receivers[i] != DEAD || w.attempts[i] <= probes);
	assert_true(w.longest_wait <= WAIT_MAX);
	queue_free(w.queue);
}

static void weeks_with_a_small_active_set(void **state)
{
	struct queue_limits limits = queue_limits_default;

	(void)state;
	limits.active_max = 40;
	limits.inflight_max = 16;
	limits.window_max = 8;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		a_week(seed, limits);
		assert_true(w.full_turns > 100);
	}
}

static void weeks_with_room(void **state)
{
	struct queue_limits limits = queue_limits_default;

	(void)state;
	limits.active_max = 1000;
	for (uint64_t seed = 11; seed <= 13; seed++)
		a_week(seed, limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weeks_with_a_small_active_set),
		cmocka_unit_test(weeks_with_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
