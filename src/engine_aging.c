/*
 * engine_aging: max_age of what waits: a delivery that gets older than its hook allows has failed, tried or
 * not.
 *
 * An attempt that ends judges its own delivery (engine_deliver.c). What waits without an attempt, because its
 * destination is left alone or its hook's rate and order hold it back, is judged here. A hook's
 * deliveries are looked at in the order of their ids, in which they grow younger, so a look ends at the
 * first that is too young, and says when that is due: nothing is done in between, nor in the way of an
 * event. Out of that order is only what was sent back from failed/, which is passed over.
 *
 * A delivery that was not tried has waited since it became pending, by the clock that waits go by; so what a
 * user sends again has all the time that max_age says. One that was tried is as old as its event, as it is
 * for its attempts.
 *
 * Of a hook that is held (paused, gone, incomplete) nothing fails, because nothing is to be tried; it is
 * judged when the hook goes on.
 */
#include "engine_parts.h"

#include "store/store.h"

#include <utlist.h>

#define AGING_PAGE    128                 /* deliveries a turn: some milliseconds */
#define AGING_HOOKS   32                  /* looks a turn that come to their end */
#define AGING_STEP_MS 10                  /* between two turns of a look that goes on */
#define AGING_CALM_MS 1000                /* between two looks, and after the store failed */
#define AGING_AIR_MS  (5 * AGING_CALM_MS) /* what is under way may come back as it was */

static bool is_listed(const struct hook_state *s)
{
	return s->aging.due_ms != 0;
}

static void look_at(struct engine *e, struct hook_state *s, int64_t due_ms)
{
	if (!is_listed(s))
		DL_APPEND2(e->aging, s, aging.prev, aging.next);
	s->aging.due_ms = due_ms;
	if (!e->aging_due_ms || due_ms < e->aging_due_ms)
		e->aging_due_ms = due_ms;
}

void aging_forget(struct engine *e, struct hook_state *s)
{
	if (is_listed(s))
		DL_DELETE2(e->aging, s, aging.prev, aging.next);
	s->aging = (struct aging){ .max_age_ms = s->aging.max_age_ms };
}

void aging_set(struct engine *e, struct hook_state *s, uint64_t max_age_ms)
{
	if (s->aging.max_age_ms == (int64_t)max_age_ms)
		return;
	aging_forget(e, s);
	s->aging.max_age_ms = (int64_t)max_age_ms;
	aging_look(e, s);
}

void aging_look(struct engine *e, struct hook_state *s)
{
	if (s->aging.max_age_ms && s->pending)
		look_at(e, s, e->now.due_ms);
}

void aging_wait(struct engine *e, struct hook_state *s)
{
	if (s->aging.max_age_ms && !is_listed(s))
		look_at(e, s, e->now.due_ms + s->aging.max_age_ms);
}

static int64_t age_of(const struct engine *e, const struct store_waiting *row)
{
	const struct flight f = { .origin = row->origin, .created_ms = row->created_ms };
	return row->attempts ? clock_age(e, &f) : e->now.due_ms - row->due_ms;
}

static void expect(struct aging *a, int64_t due_ms)
{
	if (!a->next_ms || due_ms < a->next_ms)
		a->next_ms = due_ms;
}

/* 1: the look ends here, 0: it goes on, or -errno. */
static int judge(struct engine *e, struct hook_state *s, const struct store_waiting *row)
{
	int64_t left_ms = s->aging.max_age_ms - age_of(e, row);
	bool replayed = row->retry && !row->attempts;
	if (left_ms >= 0) {
		expect(&s->aging, e->now.due_ms + left_ms + 1);
		return !replayed;
	}
	if (deliver_is_under_way(e, row->id)) {
		expect(&s->aging, e->now.due_ms + AGING_AIR_MS);
		return 0;
	}
	s->aging.failed = true;
	return deliver_expire(e, row->id);
}

/* A part of the look. 1: it has come to its end, 0: it goes on, or -errno. */
static int look(struct engine *e, struct hook_state *s)
{
	struct store_waiting rows[AGING_PAGE];
	int n = store_waiting(e->store, s->id, s->aging.after_id, rows, AGING_PAGE), r = 0;
	for (int i = 0; i < n && !r; i++) {
		r = judge(e, s, &rows[i]);
		s->aging.after_id = rows[i].id;
	}
	if (n < 0 || r)
		return n < 0 ? n : r;
	return n < AGING_PAGE;
}

/* When there is something to see again; 0: when something comes. If some have failed there is another look
 * soon, for the commit may fail. */
static void look_ends(struct engine *e, struct hook_state *s)
{
	int64_t next_ms = s->aging.next_ms;
	if (s->aging.failed)
		next_ms = e->now.due_ms + AGING_CALM_MS;
	aging_forget(e, s);
	if (next_ms)
		look_at(e, s, next_ms);
}

static void wake_for_earliest(struct engine *e, int64_t not_before_ms)
{
	struct hook_state *s;
	e->aging_due_ms = 0;
	DL_FOREACH2(e->aging, s, aging.next)
	{
		int64_t due_ms = s->aging.due_ms > not_before_ms ? s->aging.due_ms : not_before_ms;
		if (!e->aging_due_ms || due_ms < e->aging_due_ms)
			e->aging_due_ms = due_ms;
	}
}

void aging_turn(struct engine *e)
{
	struct hook_state *s, *next;
	if (!e->aging_due_ms || e->now.due_ms < e->aging_due_ms || e->stopping)
		return;
	int64_t pause_ms = AGING_CALM_MS;
	unsigned hooks = 0;
	int r = 0;
	DL_FOREACH_SAFE2(e->aging, s, next, aging.next)
	{
		if (s->aging.due_ms > e->now.due_ms)
			continue;
		r = look(e, s);
		if (r < 0)
			break;
		if (r)
			look_ends(e, s);
		if (!r || ++hooks == AGING_HOOKS) {
			pause_ms = AGING_STEP_MS;
			break;
		}
	}
	if (r >= 0)
		r = deliver_save_counts(e);
	if (r < 0)
		engine_undone(e, r);
	wake_for_earliest(e, e->now.due_ms + pause_ms);
}

/* Nothing of it happened: looks begin anew. */
void aging_undo(struct engine *e)
{
	struct hook_state *s;
	DL_FOREACH2(e->aging, s, aging.next)
	{
		s->aging.after_id = 0;
		s->aging.next_ms = 0;
	}
}
