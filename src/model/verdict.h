#pragma once
/*
 * verdict: outcome → delivered, retry or failed, and when: a table of rows, and the schedule.
 *
 * Pure: the time and the random number are arguments. The rows are interface §7's and
 * reference/scheduling's; the first that fits decides.
 */
#include "model/outcome.h"

#include <stdint.h>

enum verdict_action {
	VERDICT_DELIVERED,
	VERDICT_RETRY,       /* by the schedule, until it is used up */
	VERDICT_RETRY_SHORT, /* likewise, but for an hour at most: asking again will hardly help */
	VERDICT_GONE,        /* 410: the receiver wants no more of this hook */
	VERDICT_AGAIN,       /* did not count: as if never started */
};

/* What the outcome says of the destination as a whole. */
enum verdict_feedback { FEEDBACK_NONE, FEEDBACK_GOOD, FEEDBACK_BAD };

struct verdict {
	enum verdict_action action;
	enum verdict_feedback feedback;
	const char *reason; /* in words: "the receiver is overloaded" */
};

struct verdict verdict_of(const struct outcome *o);

#define SCHEDULE_MAX 64
struct schedule {
	unsigned count; /* retries; the first attempt is not among them */
	uint64_t delay_ms[SCHEDULE_MAX];
};
extern const struct schedule schedule_standard; /* 5s 5m 30m 2h 5h 10h 14h 20h 24h */

#define RETRY_SHORT_MS (60 * 60 * 1000)

/*
 * What the receiver asked for with Retry-After (seconds or HTTP date, judged by real_now_ms): a
 * time to wait, at most 24 h; 0 where there is none, it is past, or it is junk.
 */
int64_t verdict_retry_after(const struct outcome *o, int64_t real_now_ms);

/*
 * When the next attempt is due, or -1: it has failed (or is delivered). GONE and AGAIN: at once,
 * for the delivery stays as it is. `attempts` are done (≥ 1), `age_ms` is how long ago the
 * delivery was accepted, `random` any 32 bits. The schedule's delay gets a jitter of ±20
 * %; a Retry-After of the outcome raises it and is itself only lengthened, by up to 20 %.
 */
int64_t verdict_next(const struct verdict *v, const struct outcome *o, const struct schedule *s,
	unsigned attempts, int64_t age_ms, int64_t due_now_ms, int64_t real_now_ms,
	uint32_t random);
