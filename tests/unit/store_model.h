#pragma once
/*
 * The store's contract in plain arrays, and random steps: each does the same to the store and, if
 * that goes well, to the model. A step returns the store's error, or 0 where there was nothing to do.
 */
#include "store_fixture.h"
#include "util/buf.h"

#include <errno.h>

/* ---- the model */

#define HOOKS      4
#define EVENTS     200
#define DELIVERIES 400
#define KEYS       16

struct model_delivery {
	int64_t id, due_ms, finished_ms, origin;
	int event, hook; /* places in the arrays below */
	enum delivery_state state;
	unsigned attempts;
	char list[100];
};

/* An id of 0 is an empty place. */
struct model {
	struct model_hook {
		int64_t id, delivered;
	} hooks[HOOKS];
	struct model_event {
		int64_t id, bytes;
	} events[EVENTS];
	struct model_delivery deliveries[DELIVERIES];
	int64_t keys[KEYS]; /* when taken */
	int64_t counter;
	int64_t next_hook, next_event, next_delivery;
};

static struct model now, committed;
static unsigned seed;

static unsigned pick(unsigned count)
{
	return (unsigned)rand_r(&seed) % count;
}

static bool waits(const struct model_delivery *d)
{
	return d->id && (d->state == DELIVERY_FRESH || d->state == DELIVERY_RETRY);
}

static bool kept(const struct model_delivery *d)
{
	return d->id && !waits(d);
}

static int64_t model_bytes(bool (*counts)(const struct model_delivery *d))
{
	bool counted[EVENTS] = { false };
	int64_t bytes = 0;

	for (int i = 0; i < DELIVERIES; i++) {
		const struct model_delivery *d = &now.deliveries[i];

		if (!counts(d))
			continue;
		if (counts == kept)
			bytes += (int64_t)strlen(d->list);
		if (counted[d->event])
			continue;
		counted[d->event] = true;
		bytes += now.events[d->event].bytes;
	}
	return bytes;
}

static int place_of(int64_t wanted, const int64_t *first, size_t stride, int count)
{
	for (int i = 0; i < count; i++)
		if (*(const int64_t *)(const void *)((const char *)first + (size_t)i * stride) ==
			wanted)
			return i;
	return -1;
}
#define PLACE(array, wanted)                                 \
	place_of(wanted, &(array)[0].id, sizeof((array)[0]), \
		(int)(sizeof(array) / sizeof((array)[0])))

static void model_remove(struct model_delivery *d)
{
	int event = d->event;

	*d = (struct model_delivery){ 0 };
	for (int i = 0; i < DELIVERIES; i++)
		if (now.deliveries[i].id && now.deliveries[i].event == event)
			return;
	now.events[event] = (struct model_event){ 0 };
}

/* ---- the steps: each does the same to the store and, if that goes well, to the model */

static int step_hook_add(void)
{
	int place = PLACE(now.hooks, 0);
	char name[32];
	int64_t id = 0;
	int error;

	if (place < 0)
		return 0;
	(void)snprintf(name, sizeof(name), "hook%d", place);
	error = store_hook_add(s, name, &id);
	if (error)
		return error;
	assert_int_equal(id, now.next_hook++);
	now.hooks[place] = (struct model_hook){ .id = id };
	return 0;
}

static int step_hook_save(void)
{
	struct model_hook *h = &now.hooks[pick(HOOKS)];
	struct store_hook row = { .id = h->id, .delivered = (uint64_t)h->delivered + 1 };
	int error = store_hook_save(s, &row);

	if (!h->id && error == -ENOENT)
		return 0;
	if (!error)
		h->delivered++;
	return error;
}

static int step_hook_remove(void)
{
	int place = (int)pick(HOOKS);
	struct model_hook *h = &now.hooks[place];
	uint64_t dropped = 0, expected = 0;
	int error;

	if (!h->id || pick(20))
		return 0;
	error = store_hook_remove(s, h->id, &dropped);
	if (error)
		return error;
	do
		error = store_sweep(s, 1 + pick(5));
	while (error == 1);
	if (error)
		return error;
	for (int i = 0; i < DELIVERIES; i++) {
		struct model_delivery *d = &now.deliveries[i];

		if (!d->id || d->hook != place)
			continue;
		expected += waits(d);
		model_remove(d);
	}
	assert_int_equal(dropped, expected);
	*h = (struct model_hook){ 0 };
	return 0;
}

static int step_counter(void)
{
	int error = store_counter_save(s, "accepted", now.counter + 1);

	if (!error)
		now.counter++;
	return error;
}

static int deliveries_add(int event, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int place = PLACE(now.deliveries, 0), hook = (int)pick(HOOKS), error;
		struct model_delivery d = { .event = event, .hook = hook, .due_ms = pick(50) };

		while (!now.hooks[hook].id)
			hook = (hook + 1) % HOOKS;
		d.hook = hook;
		error = store_delivery_add(
			s, now.events[event].id, now.hooks[hook].id, "name", d.due_ms, &d.id);
		if (error)
			return error;
		assert_int_equal(d.id, now.next_delivery++);
		d.origin = d.id;
		now.deliveries[place] = d;
	}
	return 0;
}

static int step_event_add(void)
{
	static char text[20001];
	unsigned len = pick(8) ? pick(300) : pick(20000), count = 1 + pick(3), key = pick(3 * KEYS);
	int place = PLACE(now.events, 0), room = 0, hooks = 0, error;
	char name[16];
	struct store_event e = sample;
	int64_t id;

	for (int i = 0; i < HOOKS; i++)
		hooks += now.hooks[i].id != 0;
	for (int i = 0; i < DELIVERIES; i++)
		room += now.deliveries[i].id == 0;
	if (place < 0 || hooks == 0 || room < 3)
		return 0;
	memset(text, 'x', len);
	text[len] = '\0';
	e.rest = text;
	if (pick(2))
		e.result = NULL;
	if (key < KEYS) {
		(void)snprintf(name, sizeof(name), "key%u", key);
		e.id = name;
		e.accepted_ms = (int64_t)(1 + pick(1000));
	}
	error = store_event_add(s, &e, count, &id);
	if (error)
		return error;
	assert_int_equal(id, now.next_event++);
	if (key < KEYS)
		now.keys[key] = e.accepted_ms;
	now.events[place] = (struct model_event){
		.id = id,
		.bytes = (int64_t)(strlen(e.fields) + (e.result ? strlen(e.result) : 0) + len),
	};
	return deliveries_add(place, count);
}

static enum store_state state_of(const struct model_delivery *d)
{
	if (waits(d))
		return STORE_PENDING;
	return d->state == DELIVERY_DELIVERED ? STORE_DELIVERED : STORE_FAILED;
}

/* Pending or failed, to any state that is not the first. */
static int step_delivery_move(void)
{
	struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	unsigned attempts = d->attempts + 1;
	enum delivery_state to = DELIVERY_RETRY + pick(3);
	int64_t due_ms = pick(100), finished_ms = 1 + pick(50);
	size_t used = strlen(d->list);
	char text[100], *attempt = pick(4) ? text : NULL;
	int error;

	snprintf(text, sizeof(text), "{\"a\":%0*u}", 1 + (int)pick(30), pick(9));
	if (used + 1 + strlen(text) >= sizeof(d->list))
		attempt = NULL;
	if (to == DELIVERY_RETRY)
		error = store_delivery_retry(s, d->id, attempts, attempt, due_ms, "text");
	else if (to == DELIVERY_FAILED)
		error = store_delivery_failed(s, d->id, attempts, attempt, finished_ms, NULL);
	else
		error = store_delivery_done(s, d->id, attempts, attempt, finished_ms);
	if ((!d->id || d->state == DELIVERY_DELIVERED) && error == -ENOENT)
		return 0;
	if (error)
		return error;
	if (attempt)
		snprintf(d->list + used, sizeof(d->list) - used, "%s%s", used ? "," : "", attempt);
	d->state = to;
	d->attempts = attempts;
	d->due_ms = to == DELIVERY_RETRY ? due_ms : d->due_ms;
	d->finished_ms = to == DELIVERY_RETRY ? 0 : finished_ms;
	return 0;
}

static int step_attempts(void)
{
	const struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	struct buf list = BUF(1000);
	int error = store_attempts(s, d->id, &list);

	if (!error)
		assert_string_equal(buf_str(&list), d->list);
	buf_release(&list);
	return error;
}

static int step_replay(void)
{
	struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	int64_t due_ms = pick(100);
	int error = store_delivery_replay(s, d->id, due_ms);

	if ((!d->id || d->state != DELIVERY_FAILED) && error == -ENOENT)
		return 0;
	if (error)
		return error;
	d->state = DELIVERY_RETRY;
	d->attempts = 0;
	d->due_ms = due_ms;
	d->finished_ms = 0;
	return 0;
}

static int step_repeat(void)
{
	const struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	struct model_delivery new = {
		.event = d->event,
		.hook = d->hook,
		.origin = d->origin,
		.due_ms = pick(50),
	};
	int place = PLACE(now.deliveries, 0), error;

	if (place < 0)
		return 0;
	error = store_delivery_repeat(s, d->id, new.due_ms, &new.id);
	if (!d->id && error == -ENOENT)
		return 0;
	if (error)
		return error;
	assert_int_equal(new.id, now.next_delivery++);
	now.deliveries[place] = new;
	return 0;
}

static int step_drop(void)
{
	struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	enum store_state was;
	int error = store_delivery_drop(s, d->id, &was);

	if (!d->id && error == -ENOENT)
		return 0;
	if (error)
		return error;
	assert_int_equal(was, state_of(d));
	model_remove(d);
	return 0;
}

static struct model_delivery *oldest(enum delivery_state state)
{
	struct model_delivery *best = NULL;

	for (int i = 0; i < DELIVERIES; i++) {
		struct model_delivery *d = &now.deliveries[i];

		if (!d->id || d->state != state)
			continue;
		if (!best || d->finished_ms < best->finished_ms ||
			(d->finished_ms == best->finished_ms && d->id < best->id))
			best = d;
	}
	return best;
}

static int step_retire(void)
{
	int64_t delivered_ms = pick(40), failed_ms = pick(20);
	int64_t max_bytes = pick(2) ? INT64_MAX : model_bytes(kept) - pick(5000);
	unsigned limit = 1 + pick(40), removed = 0;
	struct model_delivery *d;
	int more;

	if (pick(4))
		return 0;
	if (max_bytes < 0)
		max_bytes = 0;
	more = store_retire(s, delivered_ms, failed_ms, (uint64_t)max_bytes, limit);
	if (more < 0)
		return more;
	for (; removed < limit && (d = oldest(DELIVERY_DELIVERED)); removed++) {
		if (d->finished_ms >= delivered_ms && model_bytes(kept) <= max_bytes)
			break;
		model_remove(d);
	}
	for (; removed < limit && (d = oldest(DELIVERY_FAILED)); removed++) {
		if (d->finished_ms >= failed_ms)
			break;
		model_remove(d);
	}
	assert_int_equal(more, removed == limit);
	return 0;
}

static int step_expire(void)
{
	int64_t before = pick(1000);
	int more;

	if (pick(10))
		return 0;
	more = store_expire(s, before, KEYS + 1);
	if (more < 0)
		return more;
	for (int i = 0; i < KEYS; i++)
		if (now.keys[i] < before)
			now.keys[i] = 0;
	return 0;
}

/* As at a start: of each hook the latest ones, up to the first that is not too late. */
static int step_clamp_fresh(int64_t now_ms)
{
	for (int h = 0; h < HOOKS; h++) {
		int64_t good = 0;
		int error;

		if (!now.hooks[h].id)
			continue;
		error = store_clamp_fresh(s, now.hooks[h].id, now_ms);
		if (error)
			return error;
		for (int i = 0; i < DELIVERIES; i++) {
			const struct model_delivery *d = &now.deliveries[i];

			if (d->id > good && d->hook == h && d->state == DELIVERY_FRESH &&
				d->due_ms <= now_ms)
				good = d->id;
		}
		for (int i = 0; i < DELIVERIES; i++) {
			struct model_delivery *d = &now.deliveries[i];

			if (d->id > good && d->hook == h && d->state == DELIVERY_FRESH)
				d->due_ms = now_ms;
		}
	}
	return 0;
}

static int step_clamp(void)
{
	int64_t latest = 80 + pick(20);
	int error;

	if (pick(10))
		return 0;
	if (pick(2))
		return step_clamp_fresh(latest);
	error = store_clamp_due(s, latest);
	for (int i = 0; i < DELIVERIES && !error; i++)
		if (now.deliveries[i].id && now.deliveries[i].state == DELIVERY_RETRY &&
			now.deliveries[i].due_ms > latest)
			now.deliveries[i].due_ms = latest;
	return error;
}

/* A query may fail too, and then the turn is lost as well. */
static int step_get(void)
{
	const struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	struct store_delivery out;
	int error = store_delivery_get(s, d->id, &out);

	if (!d->id && error == -ENOENT)
		return 0;
	if (error)
		return error;
	assert_int_equal(out.attempts, d->attempts);
	assert_int_equal(out.event_id, now.events[d->event].id);
	assert_int_equal(out.hook_id, now.hooks[d->hook].id);
	assert_int_equal(out.state, state_of(d));
	assert_int_equal(out.due_ms, d->due_ms);
	assert_int_equal(out.finished_ms, d->finished_ms);
	assert_int_equal(out.origin, d->origin);
	store_delivery_release(&out);
	return 0;
}

static int step_seen(void)
{
	unsigned key = pick(KEYS);
	int64_t since = 1 + pick(1000);
	char name[16];
	int seen;

	(void)snprintf(name, sizeof(name), "key%u", key);
	seen = store_event_seen(s, name, since);
	if (seen < 0)
		return seen;
	assert_int_equal(seen, now.keys[key] >= since);
	return 0;
}

static int step_commit(void)
{
	int error;

	if (pick(3))
		return 0;
	error = store_commit(s);
	if (!error)
		committed = now;
	return error;
}

static int (*const steps[])(void) = {
	step_hook_add,
	step_hook_save,
	step_hook_remove,
	step_counter,
	step_event_add,
	step_event_add,
	step_delivery_move,
	step_delivery_move,
	step_delivery_move,
	step_delivery_move,
	step_delivery_move,
	step_attempts,
	step_replay,
	step_repeat,
	step_drop,
	step_retire,
	step_expire,
	step_clamp,
	step_get,
	step_seen,
	step_commit,
};
