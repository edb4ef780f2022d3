/*
 * engine_clock: the clock that waits go by over restarts, and ages over steps of the wall clock.
 *
 * Due times stand in the store. As long as the machine is up they belong to one clock: a run goes on with
 * that of the run before it in the same boot, so a wall clock that was set in between neither rushes nor
 * delays what waits. After a boot there is only the wall clock to go by.
 *
 * How old a delivery is, the wall clock tells, for it may be boots old. What that was set by while we ran
 * is taken off again for those that were there before.
 */
#include "engine_parts.h"

#include "store/store.h"
#include "util/loop.h"

#include <stdio.h>
#include <string.h>

#define BOOT_ID     "/proc/sys/kernel/random/boot_id"
#define BOOT_DIGITS 15   /* of its 32, what fits into a number */
#define STEP_MS     1000 /* less may be a correction, bit by bit; a second of them is a step too */

/* A number that the next boot has another one of; 0: unknown. */
static int64_t boot_number(void)
{
	char text[64] = "";
	int64_t number = 0;
	int digits = 0;
	FILE *f = fopen(BOOT_ID, "re");
	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	(void)fclose(f); /* only read */
	for (const char *c = text; *c && digits < BOOT_DIGITS; c++) {
		const char *digit = strchr("0123456789abcdef", *c);
		if (!digit)
			continue;
		number = number * 16 + (digit - "0123456789abcdef");
		digits++;
	}
	return digits == BOOT_DIGITS ? number : 0;
}

static int64_t ahead_ms(const struct engine *e)
{
	return e->now.real_ms - e->now.due_ms;
}

void clock_continue(struct engine *e)
{
	int64_t boot = boot_number();
	if (boot && store_counter(e->store, "due_boot") == boot)
		loop_set_due_base(e->loop, store_counter(e->store, "due_base"));
	/* A failure shows in the commit. */
	(void)store_counter_save(e->store, "due_boot", boot);
	(void)store_counter_save(e->store, "due_base", loop_due_base(e->loop));
	e->now = loop_now(e->loop);
	e->clock.ahead_ms = ahead_ms(e);
}

void clock_take(struct engine *e)
{
	struct clock_steps *c = &e->clock;
	e->now = loop_now(e->loop);
	int64_t by_ms = ahead_ms(e) - c->ahead_ms;
	if (by_ms > -STEP_MS && by_ms < STEP_MS)
		return;
	c->ahead_ms += by_ms;
	if (c->count == CLOCK_STEPS_MAX) {
		/* The two oldest become one: what came between them has a wrong age from now on. */
		c->steps[1].by_ms += c->steps[0].by_ms;
		memmove(c->steps, c->steps + 1, --c->count * sizeof(*c->steps));
	}
	c->steps[c->count++] =
		(struct clock_step){ .next_id = store_next_delivery(e->store), .by_ms = by_ms };
}

int64_t clock_age(const struct engine *e, const struct flight *f)
{
	int64_t age_ms = e->now.real_ms - f->created_ms;
	for (unsigned i = 0; i < e->clock.count; i++)
		if (f->origin < e->clock.steps[i].next_id)
			age_ms -= e->clock.steps[i].by_ms;
	return age_ms > 0 ? age_ms : 0;
}

int64_t clock_oldest_age(const struct engine *e, const struct hook_state *s)
{
	struct store_entry oldest;
	if (!s->pending || store_oldest_pending(e->store, s->id, &oldest) != 1)
		return 0;
	const struct flight f = { .origin = oldest.id, .created_ms = oldest.created_ms };
	return clock_age(e, &f);
}
