#pragma once
/*
 * queue_internal: what the parts of the queue know of each other. Nobody else includes it.
 *
 *   queue.c          the contract of queue.h
 *   queue_stream.c   a hook's lane: what of it is in memory, and where in the store to go on
 *   queue_dest.c     a destination: window, parking, pause
 *   queue_timer.c    a heap of what waits for a time
 *   queue_check.c    the invariants
 *
 * Facts change first; then hook_settle (which ends in dest_settle) puts the hook's streams and its
 * destination on the lists and the timer where the facts say they belong. It is cheap and may be
 * called once too often; nothing else moves them. So no call walks what has nothing to do.
 */
#include "model/queue.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) abort()
#include <uthash.h>
#include <utlist.h>

#define NEVER INT64_MAX
/* Of a hook with a rate, memory holds what it starts in this time. */
#define RATE_AHEAD_US 1000000
/* A pause becomes longer by chance, at most a tenth within these bounds. */
#define PAUSE_MORE_MIN_MS 500
#define PAUSE_MORE_MAX_MS 60000
/* Lists of destinations by how much they have already, in powers of two. */
#define TIERS 16

struct timer {
	int64_t at_ms;
	size_t place;          /* in the heap; 0: not set */
	struct stream *stream; /* whose it is: one of these two */
	struct qdest *dest;
};

struct timers {
	struct timer **heap; /* from 1 on */
	size_t count, room;
};

/* A delivery in memory. */
struct item {
	UT_hash_handle hh;
	int64_t id, due_ms;
	struct stream *stream; /* where it waits; NULL: in flight, or landed */
	struct qhook *hook;    /* landed: NULL, unless the hook is ordered */
	struct qdest *dest;    /* landed: NULL */
	bool probe;
	struct item *prev, *next;           /* in the stream, by (due_ms, id) */
	struct item *dest_prev, *dest_next; /* waiting for the destination, in any order */
};

/*
 * A hook's lane with something in memory or in the store; a lane without is NULL. Its two promises:
 * every row of the store up to the cursor is in memory, and no row that is not is due before
 * wake_ms.
 */
struct stream {
	struct qhook *hook;
	enum queue_lane lane;
	struct item *items;
	int64_t cursor_due_ms, cursor_id;
	int64_t wake_ms;       /* past: the store has more right now; NEVER: it has none */
	int64_t held_until_ms; /* the store is not asked before, whatever is due */
	struct timer timer;
	struct stream *ready_prev, *ready_next;
	struct stream *wanting_prev, *wanting_next;
};

/* A hook. There may be 100,000 idle ones. */
struct qhook {
	UT_hash_handle hh;
	int64_t id;
	struct qdest *dest; /* NULL: removed, and only waiting for what is in flight */
	struct stream *streams[LANE_COUNT];
	int64_t interval_us;  /* between two starts; 0: no limit */
	int64_t rate_next_us; /* no start before */
	unsigned limit;       /* in flight at most */
	unsigned ahead;       /* waiting in memory at most, each lane */
	unsigned waiting[LANE_COUNT], inflight;
	bool held, ordered;
};
_Static_assert(sizeof(struct qhook) <= 160, "an idle hook must stay small");

enum qdest_state { DEST_READY, DEST_PARKED, DEST_PROBING, DEST_STATE_COUNT };

struct qdest {
	UT_hash_handle hh;
	unsigned hooks, streams; /* how many are its own */
	unsigned waiting[LANE_COUNT], inflight;
	unsigned window, naps;
	unsigned peak;               /* most in flight since the window's last step */
	unsigned starts;             /* ever; every fifth is a retry's */
	enum queue_lane filled_last; /* the other one's turn */
	enum qdest_state state;
	double gained, lost; /* parts of the next step of the window */
	double cohort;       /* failures in a row, 1/window each */
	int64_t parked_until_ms, paused_until_ms;
	struct timer timer;
	struct item *items; /* waiting */
	struct stream *ready[LANE_COUNT], *wanting[LANE_COUNT];
	unsigned ready_tier, wanting_tier;
	struct qdest *ready_prev, *ready_next;
	struct qdest *wanting_prev, *wanting_next;
	char name[];
};

struct queue {
	struct queue_limits limits;
	unsigned seed;
	int64_t now_ms; /* the latest time told */
	struct qhook *hooks;
	struct qdest *dests;
	struct item *items;
	size_t inflight;
	struct timers timers;
	struct qdest *ready[TIERS];   /* could start something */
	struct qdest *wanting[TIERS]; /* have room, and rows in the store that are due */
};

/* Being in a list is having a `prev` there (in utlist the first one has it, too). */
#define LIST_LEAVE(head, el, link)                                      \
	do {                                                            \
		if ((el)->link##_prev) {                                \
			DL_DELETE2(head, el, link##_prev, link##_next); \
			(el)->link##_prev = NULL;                       \
		}                                                       \
	} while (0)
/* In the list, at its end if it was not, or out of it. */
#define LIST_PLACE(head, el, link, in)                                  \
	do {                                                            \
		if (!(in))                                              \
			LIST_LEAVE(head, el, link);                     \
		else if (!(el)->link##_prev)                            \
			DL_APPEND2(head, el, link##_prev, link##_next); \
	} while (0)

static inline int64_t min_ms(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t max_ms(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void *queue_alloc(size_t size);                        /* zeroed; aborts without memory */
int64_t queue_random(struct queue *q, int64_t max_ms); /* 0 to max_ms */

/* NEVER takes it out. */
void timers_set(struct timers *ts, struct timer *t, int64_t at_ms);
struct timer *timers_first(const struct timers *ts); /* NULL: none */
/* It ran out long ago, and nobody was awake. */
bool timer_slept(const struct queue *q, const struct timer *t);
/* When what was slept through happens instead. */
int64_t timer_late_ms(struct queue *q);

struct item *item_find(const struct queue *q, int64_t id);
void item_unload(struct queue *q, struct item *it); /* a waiting one, as if never loaded */
void item_start(struct queue *q, struct item *it);

struct stream *stream_get(struct qhook *h, enum queue_lane lane);
void stream_free(struct queue *q, struct stream *s);
bool stream_behind(const struct stream *s, int64_t due_ms, int64_t id); /* at or below the cursor */
int64_t stream_wake(const struct stream *s);
bool stream_shut(
	const struct queue *q, const struct stream *s); /* must have nothing waiting in memory */
unsigned stream_room(const struct queue *q, const struct stream *s);
void stream_load(struct queue *q, struct stream *s, int64_t id, int64_t due_ms);
void stream_remember(struct queue *q, struct stream *s, int64_t id, int64_t due_ms);
void stream_forget(struct queue *q, struct stream *s);
bool hook_blocked(const struct queue *q, const struct qhook *h); /* by its rate */
bool stream_wants(const struct queue *q, const struct stream *s);
void hook_forget(struct queue *q, struct qhook *h); /* both lanes */
void hook_settle(struct queue *q, struct qhook *h);

struct qdest *dest_get(struct queue *q, const char *name);
void dest_release(struct queue *q, struct qdest *d); /* frees it if nobody needs it */
bool dest_open(const struct queue *q, const struct qdest *d);
unsigned dest_room(const struct queue *q, const struct qdest *d, enum queue_lane lane);
bool dest_wants(const struct queue *q, const struct qdest *d, enum queue_lane lane);
/* It may take one more of the requests that there are at once. */
bool dest_has_place(const struct queue *q, const struct qdest *d);
struct qdest *dest_first_ready(const struct queue *q); /* could start something now; NULL */
struct qdest *dest_first_wanting(const struct queue *q);
struct stream *dest_pick_wanting(const struct queue *q, const struct qdest *d);
struct stream *dest_pick_ready(struct qdest *d);
void dest_feedback(struct queue *q, struct qdest *d, enum queue_feedback feedback, bool probe);
void dest_pause(struct queue *q, struct qdest *d, int64_t until_ms);
void dest_settle(struct queue *q, struct qdest *d);
