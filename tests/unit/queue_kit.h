#pragma once
/*
 * queue_kit: the words in which the tests of the queue are written: one queue, checked after every
 * call.
 */
#include "model/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRESH LANE_FRESH
#define RETRY LANE_RETRY
#define NOW   1000000

static struct queue *q;

static inline int start(void **state)
{
	(void)state;
	q = queue_new(&queue_limits_default, 1);
	return 0;
}

static inline int stop(void **state)
{
	(void)state;
	queue_check(q);
	queue_free(q);
	return 0;
}

static inline void start_with(struct queue_limits limits)
{
	queue_free(q);
	q = queue_new(&limits, 1);
}

static inline void hook(int64_t id, const char *destination)
{
	struct queue_hook h = { .id = id, .destination = destination };

	queue_hook_set(q, &h);
}

/* The id of the next delivery to start, 0: none. */
static inline int64_t next(int64_t now)
{
	struct queue_work w = { 0 };
	int64_t id = queue_next(q, now, &w) ? w.id : 0;

	queue_check(q);
	return id;
}

static inline void done(int64_t id, enum queue_feedback feedback, int64_t now)
{
	queue_done(q, id, feedback, now);
	queue_check(q);
}

static inline void add(int64_t hook_id, enum queue_lane lane, int64_t id, int64_t due)
{
	queue_add(q, hook_id, lane, id, due);
	queue_check(q);
}

/* Fresh deliveries with the ids from..to, due now. */
static inline void add_many(int64_t hook_id, int64_t from, int64_t to)
{
	for (int64_t id = from; id <= to; id++)
		add(hook_id, FRESH, id, NOW);
}

static inline void fill(
	const struct queue_want *w, const struct queue_row *rows, unsigned count, int64_t now)
{
	queue_fill(q, w, rows, count, now);
	queue_check(q);
}

static inline struct queue_want want(int64_t hook_id, enum queue_lane lane, int64_t now)
{
	struct queue_want w = { 0 };

	assert_int_equal(queue_want(q, now, &w), 1);
	assert_int_equal(w.hook_id, hook_id);
	assert_int_equal(w.lane, lane);
	assert_true(w.limit >= 1 && w.limit <= QUEUE_PAGE_MAX);
	return w;
}

static inline void want_nothing(int64_t now)
{
	struct queue_want w;

	assert_int_equal(queue_want(q, now, &w), 0);
}

static inline void copy_if_named(void *ctx, const struct queue_destination *d)
{
	struct queue_destination *out = ctx;

	if (strcmp(d->name, out->name) == 0)
		*out = *d;
}

/* state NULL: it is not shown. */
static inline struct queue_destination destination(const char *name, int64_t now)
{
	struct queue_destination d = { .name = name };

	queue_each_destination(q, now, copy_if_named, &d);
	return d;
}

static inline unsigned start_all(int64_t now, int64_t *ids)
{
	unsigned count = 0;

	while ((ids[count] = next(now)))
		count++;
	return count;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
