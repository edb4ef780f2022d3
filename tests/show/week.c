/*
 * week: a scripted week of one receiver, beside a healthy and a dead one: what was sent when.
 *
 *     week          the table by six hours, the totals by day, and the way of one delivery
 *
 * The program's own queue and verdicts, a store of plain arrays, and a clock that jumps to whatever
 * is next. Each hook gets an event a minute. The chance in it comes from a fixed seed, so it prints
 * the same each time; docs/deliveries.md has it.
 */
#include "model/queue.h"
#include "model/verdict.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND     ((int64_t)1000)
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define BEGIN      (20000 * DAY) /* any midnight that is far from 0 */
#define SATURDAY   (BEGIN + 5 * DAY)
#define SPAN       (6 * HOUR)
#define SPANS      28
#define EVENTS     (7 * 24 * 60)
#define HOOKS      3
#define FLYING_MAX 64
#define FOLLOWED   (2 * 24 * 60 + 5) /* the scripted hook's event of Wednesday 00:05 */

/* ---- receivers */

enum receiver { UP, SLOW, DEAD, LIMITED, GONE };

static const struct {
	const char *name;
	enum outcome_kind kind;
	int status;
	const char *retry_after;
	int64_t takes_ms;
} receivers[] = {
	[UP] = { "200 after 50 ms", OUTCOME_RESPONSE, 200, "", 50 },
	[SLOW] = { "200 after 8 s", OUTCOME_RESPONSE, 200, "", 8 * SECOND },
	[DEAD] = { "nobody listens", OUTCOME_REFUSED, 0, "", 1 },
	[LIMITED] = { "503, Retry-After: 1 h", OUTCOME_RESPONSE, 503, "3600", 20 },
	[GONE] = { "410", OUTCOME_RESPONSE, 410, "", 20 },
};

static const struct {
	const char *name;
	enum receiver days[7];
} hooks[HOOKS] = {
	{ "scripted", { UP, SLOW, DEAD, LIMITED, GONE, UP, UP } },
	{ "healthy", { UP, UP, UP, UP, UP, UP, UP } },
	{ "dead", { DEAD, DEAD, DEAD, DEAD, DEAD, DEAD, DEAD } },
};

static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* ---- the store */

enum state { NONE, WAITING, FLYING, DELIVERED, FAILED };

struct row {
	enum state state;
	unsigned attempts;
	int64_t created, due, ends;
	struct outcome outcome;
};

struct span {
	unsigned events, attempts, delivered, failed, waiting;
	int64_t oldest; /* of those waiting */
	char destination[48];
};

static struct world {
	struct queue *queue;
	int64_t now;
	uint64_t random;
	struct row rows[HOOKS * EVENTS]; /* by hook, then by event; the id is the place + 1 */
	struct row *air[FLYING_MAX];
	unsigned flying, events; /* so many have come, of each hook */
	bool gone[HOOKS];
	struct span spans[HOOKS][SPANS];
	char followed[4096];  /* the way of one delivery */
	int64_t backlog_done; /* the last one arrived that was accepted before Saturday */
} w;

static struct row *row_of(unsigned hook, unsigned event)
{
	return &w.rows[hook * EVENTS + event];
}

static unsigned hook_of(const struct row *r)
{
	return (unsigned)((r - w.rows) / EVENTS);
}

static int64_t id_of(const struct row *r)
{
	return r - w.rows + 1;
}

static struct span *span_of(unsigned hook)
{
	int64_t n = (w.now - BEGIN) / SPAN;

	return &w.spans[hook][n < SPANS ? n : SPANS - 1];
}

static bool row_after(const struct queue_row *a, int64_t due_ms, int64_t id)
{
	return a->due_ms > due_ms || (a->due_ms == due_ms && a->id > id);
}

/* The first rows behind the place asked for, as the store's index would give them. */
static void answer_want(const struct queue_want *want)
{
	struct queue_row page[QUEUE_PAGE_MAX + 1];
	unsigned count = 0, place;

	for (unsigned i = 0; i < w.events; i++) {
		const struct row *r = row_of((unsigned)want->hook_id - 1, i);
		struct queue_row row = { id_of(r), r->due };

		if ((r->state != WAITING && r->state != FLYING) ||
			(r->attempts > 0) != (want->lane == LANE_RETRY) ||
			!row_after(&row, want->after_due_ms, want->after_id))
			continue;
		for (place = count; place && row_after(&page[place - 1], row.due_ms, row.id);
			place--)
			page[place] = page[place - 1];
		page[place] = row;
		if (count < want->limit)
			count++;
	}
	queue_fill(w.queue, want, page, count, w.now);
}

/* ---- hooks */

static void hook_set(unsigned hook, bool gone)
{
	const struct queue_hook h = {
		.id = hook + 1, .destination = hooks[hook].name, .held = gone
	};

	w.gone[hook] = gone;
	queue_hook_set(w.queue, &h);
}

/* ---- attempts */

static uint32_t random_number(void)
{
	w.random = w.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w.random >> 32);
}

static void print_time(char out[16], int64_t ms)
{
	int64_t in_week = ms - BEGIN;

	snprintf(out, 16, "%s %02d:%02d:%02d", days[in_week / DAY % 7], (int)(in_week / HOUR % 24),
		(int)(in_week / MINUTE % 60), (int)(in_week / SECOND % 60));
}

static void follow(const struct row *r, const char *what)
{
	size_t len = strlen(w.followed);
	char time[16];

	if (r != row_of(0, FOLLOWED))
		return;
	print_time(time, w.now);
	snprintf(w.followed + len, sizeof(w.followed) - len, "%s  %s\n", time, what);
}

static void take_off(const struct queue_work *work)
{
	struct row *r = &w.rows[work->id - 1];
	unsigned hook = hook_of(r);
	enum receiver receiver = hooks[hook].days[(w.now - BEGIN) / DAY % 7];

	assert(r->state == WAITING && r->due <= w.now && w.flying < FLYING_MAX);
	r->state = FLYING;
	r->ends = w.now + receivers[receiver].takes_ms;
	r->outcome = (struct outcome){ .kind = receivers[receiver].kind,
		.http_status = receivers[receiver].status };
	snprintf(r->outcome.retry_after, sizeof(r->outcome.retry_after), "%s",
		receivers[receiver].retry_after);
	w.air[w.flying++] = r;
	span_of(hook)->attempts++;
	follow(r, receivers[receiver].name);
}

/* As engine_deliver does it. */
static void land(struct row *r)
{
	static const enum queue_feedback feedback[] = { [FEEDBACK_NONE] = QUEUE_NEUTRAL,
		[FEEDBACK_GOOD] = QUEUE_GOOD,
		[FEEDBACK_BAD] = QUEUE_BAD };
	const struct verdict v = verdict_of(&r->outcome);
	unsigned hook = hook_of(r);
	int64_t asked = verdict_retry_after(&r->outcome, w.now), next;

	r->attempts++;
	next = verdict_next(&v, &r->outcome, &schedule_standard, r->attempts, w.now - r->created,
		w.now, w.now, random_number());
	queue_done(w.queue, id_of(r), feedback[v.feedback], w.now);
	if (asked && v.feedback == FEEDBACK_BAD)
		queue_pause(w.queue, hook + 1, w.now + asked);
	r->state = v.action == VERDICT_DELIVERED ? DELIVERED : next < 0 ? FAILED : WAITING;
	span_of(hook)->delivered += r->state == DELIVERED;
	span_of(hook)->failed += r->state == FAILED;
	if (hook == 0 && r->state == DELIVERED && r->created < SATURDAY)
		w.backlog_done = w.now;
	if (r->state != WAITING)
		return;
	r->due = next;
	queue_add(w.queue, hook + 1, LANE_RETRY, id_of(r), next);
	if (v.action == VERDICT_GONE)
		hook_set(hook, true);
}

static void land_due(void)
{
	for (unsigned i = 0; i < w.flying;) {
		struct row *r = w.air[i];

		if (r->ends > w.now) {
			i++;
			continue;
		}
		w.air[i] = w.air[--w.flying];
		land(r);
	}
}

static void start_all(void)
{
	struct queue_want want;
	struct queue_work work;

	while (queue_want(w.queue, w.now, &want))
		answer_want(&want);
	while (queue_next(w.queue, w.now, &work)) {
		take_off(&work);
		while (queue_want(w.queue, w.now, &want))
			answer_want(&want);
	}
}

/* ---- the week */

static int64_t event_time(unsigned n)
{
	return BEGIN + n * MINUTE + 1;
}

static void events_arrive(void)
{
	for (; w.events < EVENTS && event_time(w.events) <= w.now; w.events++) {
		for (unsigned hook = 0; hook < HOOKS; hook++) {
			struct row *r = row_of(hook, w.events);

			if (w.gone[hook])
				continue;
			*r = (struct row){ .state = WAITING, .created = w.now, .due = w.now };
			span_of(hook)->events++;
			queue_add(w.queue, hook + 1, LANE_FRESH, id_of(r), w.now);
			follow(r, "accepted");
		}
	}
}

static void span_end(unsigned hook, struct span *s)
{
	struct queue_destination d = { 0 };

	(void)queue_hook_destination(w.queue, hook + 1, w.now, &d);
	if (w.gone[hook])
		snprintf(s->destination, sizeof(s->destination), "hook gone");
	else
		snprintf(
			s->destination, sizeof(s->destination), "%s, window %u", d.state, d.window);
	for (unsigned i = 0; i < w.events; i++) {
		const struct row *r = row_of(hook, i);

		if (r->state != WAITING && r->state != FLYING)
			continue;
		if (!s->waiting++)
			s->oldest = w.now - r->created;
	}
}

static int64_t next_time(int64_t span_ends)
{
	int64_t next = queue_wake(w.queue, w.now);

	if (next < 0 || next > span_ends)
		next = span_ends;
	if (w.events < EVENTS && event_time(w.events) < next)
		next = event_time(w.events);
	for (unsigned i = 0; i < w.flying; i++)
		if (w.air[i]->ends < next)
			next = w.air[i]->ends;
	return next > w.now ? next : w.now;
}

static void live(void)
{
	struct queue_limits limits = queue_limits_default;

	limits.inflight_max = FLYING_MAX;
	w.queue = queue_new(&limits, 1);
	w.now = BEGIN;
	for (unsigned hook = 0; hook < HOOKS; hook++)
		hook_set(hook, false);
	for (unsigned n = 0; n < SPANS; n++) {
		/* A user who finds the hook gone writes 1 to enabled: Friday noon, in vain, and Saturday. */
		if (w.gone[0] && (n == 18 || n == 20))
			hook_set(0, false);
		while (w.now < BEGIN + (n + 1) * SPAN) {
			land_due();
			events_arrive();
			start_all();
			w.now = next_time(BEGIN + (n + 1) * SPAN);
		}
		for (unsigned hook = 0; hook < HOOKS; hook++)
			span_end(hook, &w.spans[hook][n]);
	}
	queue_free(w.queue);
}

static void print_spans(void)
{
	puts("scripted   the receiver answers    events  attempts  delivered  waiting  oldest  at the end");
	for (unsigned n = 0; n < SPANS; n++) {
		const struct span *s = &w.spans[0][n];

		printf("%s %02u:00  %-22s  %6u  %8u  %9u  %7u  %3lld:%02lld  %s\n", days[n / 4],
			n % 4 * 6, receivers[hooks[0].days[n / 4]].name, s->events, s->attempts,
			s->delivered, s->waiting, (long long)(s->oldest / HOUR),
			(long long)(s->oldest / MINUTE % 60), s->destination);
	}
}

static void print_days(void)
{
	puts("\n            events          attempts         delivered");
	puts("       healthy  dead    healthy  dead    healthy  dead");
	for (unsigned day = 0; day < 7; day++) {
		struct span sum[HOOKS] = { 0 };

		for (unsigned i = 0; i < 4 * HOOKS; i++) {
			const struct span *s = &w.spans[i / 4][day * 4 + i % 4];

			sum[i / 4].events += s->events;
			sum[i / 4].attempts += s->attempts;
			sum[i / 4].delivered += s->delivered;
		}
		printf("%s    %7u  %4u    %7u  %4u    %7u  %4u\n", days[day], sum[1].events,
			sum[2].events, sum[1].attempts, sum[2].attempts, sum[1].delivered,
			sum[2].delivered);
	}
}

int main(void)
{
	char time[16];

	live();
	print_spans();
	print_days();
	print_time(time, w.backlog_done);
	printf("\nThe last of the scripted hook's backlog arrived %s.\n", time);
	printf("\nThe way of one delivery of the scripted hook:\n%s", w.followed);
	return 0;
}
