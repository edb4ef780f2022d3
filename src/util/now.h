#pragma once
/*
 * now: the time of a turn, read once by the loop and passed on.
 */
#include <stdint.h>

struct now {
	/* Milliseconds since the epoch as the wall clock shows them: for records people read. */
	int64_t real_ms;
	/*
	 * For everything that waits, due times in the store included: the wall clock at the first
	 * start of the daemon in this boot plus CLOCK_BOOTTIME since. It runs through a suspend and
	 * no step of the wall clock moves it, so a step neither loses nor rushes a retry.
	 */
	int64_t due_ms;
};

/* A due time as people read it: where the wall clock will stand then. */
static inline int64_t now_due_real(const struct now *now, int64_t due_ms)
{
	return now->real_ms + (due_ms - now->due_ms);
}
