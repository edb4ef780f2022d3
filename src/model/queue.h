#pragma once
/*
 * queue: which delivery starts next. Ids and times only: no clock, no I/O, no store.
 *
 * The rest of the program tells it which hooks there are and which deliveries wait; it says which
 * one to start. Deliveries wait in the store, not here: at most `active_max` are in memory,
 * refilled from the store's index stream by stream (queue_want, queue_fill). A stream is a hook's
 * lane: FRESH (never tried) or RETRY.
 *
 * Destinations (scheme://host:port; several hooks may share one) have a window of requests at once,
 * grown by success at the end of a cycle and shrunk by failures that concern the destination.
 * Enough failures in a row park it: its work waits, no attempts spent, until one probe succeeds.
 * Round robin over ready destinations, those with few requests in flight first, and over a
 * destination's hooks; fresh before retries, but every fifth start is a retry's. No destination has
 * more requests in flight than are left for the others when it starts one, so those that hang leave room
 * for those that come later. One destination's share of the active set is capped, and what cannot
 * start soon (held, parked, paused) has no place in it.
 *
 * What one moment would release together comes apart by chance: probes, the ends of pauses, and
 * retries that are long overdue because nobody was awake (a restart, a suspend). Chance comes from
 * a seed, so the same calls have the same answers.
 *
 * The turn: queue_landed for what was delivered, queue_next until 0, so that others are sent while that is
 * committed; commit; queue_done for what ended; queue_add for what was committed, a retry's before
 * the next queue_next (an ordered hook has nothing else to tell that its head waits); then
 * queue_want and queue_fill until 0, queue_next until 0, sleep until queue_wake. A row that is
 * unchanged in the store after queue_done (the attempt was broken off, the store failed) is brought
 * back by queue_look_again.
 *
 * Times are struct now's due_ms; the latest told counts. Ids are ≥ 1. Hooks that are not known are
 * ignored throughout. Small allocations that fail abort.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

enum queue_lane { LANE_FRESH, LANE_RETRY, LANE_COUNT };
enum queue_feedback { QUEUE_NEUTRAL, QUEUE_GOOD, QUEUE_BAD };

struct queue_limits {
	unsigned active_max;   /* deliveries in memory, in flight and landed included; 10,000 */
	unsigned inflight_max; /* requests at once in all; half of them to one destination */
	unsigned window_start; /* 2 */
	unsigned window_max;   /* 64 */
	unsigned park_after;   /* failures in a row, counted as 1/window each, that park: 2 */
	int64_t park_min_ms, park_max_ms; /* 5,000 doubling up to 300,000; ±20 % */
	int64_t release_ms; /* what is overdue by more than this comes back within this: 5,000 */
};
extern const struct queue_limits queue_limits_default;

struct queue_hook {
	int64_t id;
	const char *destination; /* copied; NULL: none yet, of a held hook */
	bool held;               /* paused or incomplete: nothing starts, nothing is loaded */
	bool ordered;            /* one at a time in the order of acceptance; the head blocks */
	unsigned max_inflight;   /* 0: no limit of its own */
	unsigned rate;           /* starts … 0: no limit */
	int64_t rate_ms;         /* … in this time */
};

struct queue *queue_new(const struct queue_limits *limits, uint32_t seed);
void queue_free(struct queue *q);

/* Makes or changes a hook. What is in flight stays in flight; a hook that becomes held or moves
 * to another destination gives its loaded deliveries back to the store (forgets them). */
void queue_hook_set(struct queue *q, const struct queue_hook *h);
/* Forgets the hook and all its loaded deliveries; those in flight end with queue_done as usual. */
void queue_hook_remove(struct queue *q, int64_t hook_id);

/*
 * The store holds deliveries of this stream: it is read from its beginning, at due_ms or when there
 * is another reason. Nothing of it that is not in memory may be due earlier.
 */
void queue_waiting(struct queue *q, int64_t hook_id, enum queue_lane lane, int64_t due_ms);
/*
 * Something of the hook escaped the queue, though it may be due: both lanes are read from their beginning, but
 * not before at_ms. What is added meanwhile waits with it.
 */
void queue_look_again(struct queue *q, int64_t hook_id, int64_t at_ms);
/*
 * A delivery was committed. It is taken into memory if its stream holds everything there is, it
 * is due and there is room; else it stays in the store and is found by a refill. A fresh one is
 * due as it comes.
 */
void queue_add(struct queue *q, int64_t hook_id, enum queue_lane lane, int64_t id, int64_t due_ms);
/*
 * Removes a delivery that is not in flight from memory; the caller has removed or changed its row.
 * One that is in flight or not in memory is left alone; but if it may be the head of an ordered
 * hook, waiting for its retry, queue_waiting(…, LANE_RETRY, now) must follow, so that the others
 * need not wait until then.
 */
void queue_cancel(struct queue *q, int64_t id);

/* The next page the queue needs from the store: rows of the stream with (due_ms, id) greater than
 * (after_due_ms, after_id), in that order, at most `limit`. */
struct queue_want {
	int64_t hook_id;
	enum queue_lane lane;
	int64_t after_due_ms, after_id;
	unsigned limit; /* at most QUEUE_PAGE_MAX */
};
#define QUEUE_PAGE_MAX 256 /* enough to make a query cheap, few enough for a turn */
struct queue_row {
	int64_t id, due_ms;
};
/* 1 and a want, or 0: nothing is needed now. The same want is given until queue_fill answers it. */
int queue_want(struct queue *q, int64_t now, struct queue_want *out);
/*
 * Rows that are already in memory or in flight are skipped. Fewer rows than `limit`: the stream
 * holds everything there is. Rows due later than `now` are not kept: the first one sets the
 * stream's wait. An answer to a want that is no longer asked is ignored; when the store fails,
 * do not answer.
 */
void queue_fill(struct queue *q, const struct queue_want *w, const struct queue_row *rows,
	unsigned count, int64_t now);

struct queue_work {
	int64_t id, hook_id;
	bool probe; /* the one request that tests a parked destination */
};
/* 1 and the next delivery to start, which is in flight from now on; or 0. */
int queue_next(struct queue *q, int64_t now, struct queue_work *out);
/*
 * A delivery in flight was delivered, and that is not recorded yet: it is good news of its destination, and its place
 * is free for others, but that of an ordered hook, whose next one waits for the record. queue_done follows; until
 * then the delivery is known, so that its row is not loaded again.
 */
void queue_landed(struct queue *q, int64_t id, int64_t now);
/* An attempt ended. The delivery leaves the queue; a retry comes back by queue_add. The feedback of one that has
 * landed is known already. */
void queue_done(struct queue *q, int64_t id, enum queue_feedback feedback, int64_t now);
/* The hook's destination asked for a pause (Retry-After): nothing starts there before `until`, nor
 * for up to a tenth of the pause behind it. A longer pause that is already on stays. */
void queue_pause(struct queue *q, int64_t hook_id, int64_t until);

/* When queue_next or queue_want may have something again without any other call; -1: never. */
int64_t queue_wake(const struct queue *q, int64_t now);

size_t queue_inflight(const struct queue *q);
size_t queue_active(const struct queue *q); /* in memory, in flight and landed included */
unsigned queue_hook_inflight(const struct queue *q, int64_t hook_id);

/* One line of the file `destinations`. */
struct queue_destination {
	const char *name;
	const char *state; /* "ready", "parked", "probing", "paused" */
	unsigned window, inflight;
	size_t loaded;
	int64_t until_ms; /* parked or paused until; 0 */
};
/* Those with anything waiting, here or in the store, or in flight, and those parked or paused. */
void queue_each_destination(const struct queue *q, int64_t now,
	void (*each)(void *ctx, const struct queue_destination *d), void *ctx);
/* The same of the hook's own destination, whether it has work or not; false: there is no such hook. */
bool queue_hook_destination(
	const struct queue *q, int64_t hook_id, int64_t now, struct queue_destination *out);
/* Aborts if an invariant does not hold (tests call it after every step); costs by all there is. */
void queue_check(const struct queue *q);
