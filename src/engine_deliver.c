/*
 * engine_deliver: what goes next → attempt → verdict → recorded → shown.
 *
 * The queue says which delivery starts, and its event is read from the store. An attempt that ended is a
 * result until its verdict is committed: if saving fails, it is saved again later, and nothing is sent twice for
 * that.
 */
#include "engine_parts.h"

#include "http/client.h"
#include "model/logline.h"
#include "model/payload.h"
#include "model/queue.h"
#include "model/registry.h"
#include "store/journal.h"
#include "store/store.h"
#include "util/err.h"
#include "util/id.h"
#include "util/log.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define REFILLS_A_TURN 8     /* so that files stay quick while a long queue is loaded */
#define AGAIN_MS       1000  /* after the store failed */
#define GONE_AGAIN_MS  60000 /* after a hook that is gone could not be saved as such */
#define WITHIN_MS      5     /* results wait for company so long at most */
#define ASIDE_MAX      1000  /* with more, the database is lost, and is asked again and again */

/* ---- requests start */

static void flight_free(struct flight *f)
{
	if (!f)
		return;
	free(f->event_name);
	free(f->request_id);
	free(f);
}

static int flight_start(struct engine *e, const struct hook *h, struct store_delivery *d)
{
	const struct payload p = { d->fields, d->result, d->rest };
	char id[64];
	const struct message m = deliver_message(e, h, d, &p, id);
	struct request *request = deliver_request(e, h, (uint64_t)d->id, &m);
	struct flight *f = calloc(1, sizeof(*f));
	if (!f || !request) {
		request_free(request);
		free(f);
		return -ENOMEM;
	}
	f->id = d->id;
	f->origin = d->origin;
	f->hook_id = d->hook_id;
	f->created_ms = d->created_ms;
	f->attempts = d->attempts + 1;
	f->event_name = d->event_name;
	f->request_id = d->request_id;
	d->event_name = d->request_id = NULL;
	HASH_ADD(hh, e->flights, id, sizeof(f->id), f);
	client_send(e->client, request);
	return 0;
}

/* Something of the hook's escaped the queue: it reads the hook's rows from their beginning. */
static void look_again(struct engine *e, int64_t hook_id)
{
	queue_look_again(e->queue, hook_id, e->now.due_ms + AGAIN_MS);
}

/* ---- what the database has lost */

/* What cannot be read waits for the next start, out of the way of what can. */
struct aside {
	int64_t id;
	UT_hash_handle hh;
};

static bool is_aside(const struct engine *e, int64_t id)
{
	struct aside *a;
	HASH_FIND(hh, e->aside, &id, sizeof(id), a);
	return a;
}

static bool set_aside(struct engine *e, int64_t id)
{
	if (HASH_COUNT(e->aside) >= ASIDE_MAX)
		return false;
	struct aside *a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->id = id;
	HASH_ADD(hh, e->aside, id, sizeof(a->id), a);
	log_error("delivery %lld cannot be read from queue.db, and is left until the next start",
		(long long)id);
	return true;
}

static void result_add(struct engine *e, struct result *r)
{
	if (!e->results)
		e->results_since_ms = e->now.due_ms;
	DL_APPEND(e->results, r);
	e->result_count++;
}

static void result_remove(struct engine *e, struct result *r)
{
	DL_DELETE(e->results, r);
	e->result_count--;
	outcome_release(&r->outcome);
	flight_free(r->flight);
	free(r);
}

/* One that ends without an attempt; its error is still to be said. It takes texts of d. */
static struct result *result_unsent(struct engine *e, struct store_delivery *d)
{
	struct result *r = calloc(1, sizeof(*r));
	struct flight *f = calloc(1, sizeof(*f));
	if (!r || !f)
		abort();
	*f = (struct flight){ .id = d->id,
		.origin = d->origin,
		.hook_id = d->hook_id,
		.created_ms = d->created_ms,
		.attempts = d->attempts,
		.event_name = d->event_name,
		.request_id = d->request_id };
	d->event_name = d->request_id = NULL;
	*r = (struct result){ .flight = f,
		.verdict = { .action = VERDICT_RETRY, .feedback = FEEDBACK_NONE },
		.next_due_ms = -1 };
	result_add(e, r);
	return r;
}

/* The next turn records that it has failed. */
static void start_damaged(struct engine *e, struct store_delivery *d)
{
	struct result *r = result_unsent(e, d);
	r->damaged = true;
	snprintf(r->outcome.error, sizeof(r->outcome.error), "damaged in the database");
	log_error("delivery %lld is damaged in queue.db, and has failed", (long long)d->id);
}

static void start_one(struct engine *e, const struct queue_work *w)
{
	const struct hook *h = registry_by_id(e->registry, w->hook_id);
	struct store_delivery d;
	int r = h && !is_aside(e, w->id) ? store_delivery_get(e->store, w->id, &d) : -ENOENT;
	if (!r) {
		if (d.damaged)
			start_damaged(e, &d);
		else
			r = flight_start(e, h, &d);
		store_delivery_release(&d);
	}
	if (!r) {
		changed_hook(e, hook_state_of(e, w->hook_id));
		return;
	}
	queue_done(e->queue, w->id, QUEUE_NEUTRAL, e->now.due_ms);
	if (r == -ENOENT || (r == -EIO && set_aside(e, w->id)))
		return;
	log_error("cannot send delivery %lld: %s", (long long)w->id, strerror(-r));
	look_again(e, w->hook_id);
}

static int page_fresh(struct engine *e, const struct queue_want *w, struct queue_row *page)
{
	int64_t ids[QUEUE_PAGE_MAX];
	int n = store_fresh(e->store, w->hook_id, w->after_id, ids, w->limit);
	for (int i = 0; i < n; i++)
		page[i] = (struct queue_row){ ids[i], FRESH_DUE_MS };
	return n;
}

static int page_retries(struct engine *e, const struct queue_want *w, struct queue_row *page)
{
	struct store_row rows[QUEUE_PAGE_MAX];
	int n = store_retries(e->store, w->hook_id, w->after_due_ms, w->after_id, rows, w->limit);
	for (int i = 0; i < n; i++)
		page[i] = (struct queue_row){ rows[i].id, rows[i].due_ms };
	return n;
}

static bool refill(struct engine *e)
{
	struct queue_want w;
	struct queue_row page[QUEUE_PAGE_MAX];
	if (e->now.due_ms < e->refill_due_ms || !queue_want(e->queue, e->now.due_ms, &w))
		return false;
	int n = w.lane == LANE_FRESH ? page_fresh(e, &w, page) : page_retries(e, &w, page);
	if (n < 0) {
		log_error("cannot read the queue: %s", strerror(-n));
		e->refill_due_ms = e->now.due_ms + AGAIN_MS;
		return false;
	}
	queue_fill(e->queue, &w, page, (unsigned)n, e->now.due_ms);
	changed_mount(e);
	return true;
}

void deliver_start_loaded(struct engine *e)
{
	struct queue_work w;
	while (queue_next(e->queue, e->now.due_ms, &w))
		start_one(e, &w);
}

void deliver_start(struct engine *e)
{
	for (unsigned i = 0; i < REFILLS_A_TURN && refill(e); i++)
		;
	deliver_start_loaded(e);
}

/* ---- outcomes */

static bool is_delivered(const struct result *r)
{
	return r->verdict.action == VERDICT_DELIVERED;
}

/* By the hook's schedule, but not beyond its max_age; -1: never. */
static int64_t next_due(const struct engine *e, const struct result *r)
{
	if (is_delivered(r))
		return -1;
	char random[9];
	id_random_hex(random, 8);
	const struct flight *f = r->flight;
	const struct hook *h = registry_by_id(e->registry, f->hook_id);
	int64_t age = clock_age(e, f);
	int64_t due = verdict_next(&r->verdict, &r->outcome,
		h ? hook_schedule(h) : &schedule_standard, f->attempts, age, e->now.due_ms,
		e->now.real_ms, (uint32_t)strtoul(random, NULL, 16));
	bool retries =
		r->verdict.action == VERDICT_RETRY || r->verdict.action == VERDICT_RETRY_SHORT;
	if (h && h->max_age_ms && retries && age + (due - e->now.due_ms) > (int64_t)h->max_age_ms)
		return -1;
	return due;
}

void deliver_collect(struct engine *e)
{
	struct outcome o;
	while (client_take(e->client, &o)) {
		if (o.tag & TEST_TAG) {
			test_ended(e, &o);
			continue;
		}
		struct flight *f;
		int64_t id = (int64_t)o.tag;
		HASH_FIND(hh, e->flights, &id, sizeof(id), f);
		assert(f); /* every request ends once */
		HASH_DEL(e->flights, f);
		struct result *r = calloc(1, sizeof(*r));
		if (!r)
			abort();
		r->flight = f;
		r->outcome = o;
		r->verdict = verdict_of(&o);
		r->next_due_ms = next_due(e, r);
		result_add(e, r);
		/* While nothing can be saved no place is given away, or ever more is sent and not recorded. */
		r->landed = is_delivered(r) && !e->commit_failing &&
			e->result_count <= e->options->max_inflight;
		if (r->landed)
			queue_landed(e->queue, id, e->now.due_ms);
		const struct hook *h = registry_by_id(e->registry, f->hook_id);
		if (h && h->ordered) /* its next one waits for the record */
			e->results_since_ms = e->now.due_ms - WITHIN_MS;
	}
}

static const char *error_text(const struct result *r, char status[32])
{
	if (*r->outcome.error)
		return r->outcome.error;
	snprintf(status, 32, "HTTP status %d", r->outcome.http_status);
	return status;
}

/* One without an attempt now has its earlier ones. */
static int record_one(struct engine *e, const struct result *r)
{
	const struct flight *f = r->flight;
	struct buf json = BUF(8 * OUTCOME_KEPT_MAX);
	const char *attempt = NULL;
	char status[32];
	int n;
	if (r->verdict.action == VERDICT_AGAIN)
		return 0;
	if (!r->expired && !r->damaged) {
		outcome_json(&r->outcome, f->attempts, e->now.real_ms, &json);
		attempt = buf_str(&json);
	}
	if (is_delivered(r))
		n = store_delivery_done(e->store, f->id, f->attempts, attempt, e->now.real_ms);
	else if (r->next_due_ms < 0)
		n = store_delivery_failed(e->store, f->id, f->attempts, attempt, e->now.real_ms,
			error_text(r, status));
	else
		n = store_delivery_retry(e->store, f->id, f->attempts, attempt, r->next_due_ms,
			error_text(r, status));
	buf_release(&json);
	return n;
}

/* Counts what was recorded, in the copy that the commit makes true. */
static void stage_counts(struct engine *e, const struct result *r)
{
	struct hook_state *s = hook_state_of(e, r->flight->hook_id);
	char status[32];
	if (!s || r->verdict.action == VERDICT_AGAIN)
		return;
	if (!s->staged) {
		s->next = s->counts;
		s->staged = true;
		s->next_staged = e->staged;
		e->staged = s;
	}
	if (is_delivered(r)) {
		s->next.delivered++;
		e->counters.delivered++;
		s->next.last_success_ms = e->now.real_ms;
		return;
	}
	/* Of a hook that is gone, the 410 stays to be seen, not what else was under way. */
	if (registry_by_id(e->registry, s->id)->enabled != HOOK_GONE) {
		s->next.last_failure_ms = e->now.real_ms;
		snprintf(s->next.last_error, sizeof(s->next.last_error), "%s",
			error_text(r, status));
	}
	if (r->next_due_ms < 0) {
		s->next.failed++;
		e->counters.failed++;
	}
}

int deliver_save_counts(struct engine *e)
{
	int r = 0;
	for (const struct hook_state *s = e->staged; s && !r; s = s->next_staged) {
		const struct store_hook h = { .id = s->id,
			.delivered = s->next.delivered,
			.failed = s->next.failed,
			.last_success_ms = s->next.last_success_ms,
			.last_failure_ms = s->next.last_failure_ms,
			.last_error = s->next.last_error };
		r = store_hook_save(e->store, &h);
	}
	return r;
}

static void unstage_counts(struct engine *e, bool keep)
{
	while (e->staged) {
		struct hook_state *s = e->staged;
		e->staged = s->next_staged;
		s->staged = false;
		if (keep)
			s->counts = s->next;
	}
}

/*
 * What is delivered waits a little for company, since a commit costs as much for one as for a hundred: not if there
 * is a commit anyway, and not if nothing else is under way. So of all that is sent, no more than max_inflight that
 * have been delivered are not recorded yet.
 */
static bool record_waits(const struct engine *e)
{
	return e->flights && !store_changed(e->store) && !e->stopping &&
		e->result_count < e->options->max_inflight &&
		e->now.due_ms < e->results_since_ms + WITHIN_MS;
}

int deliver_record(struct engine *e)
{
	int n = 0;
	if (!e->results || e->now.due_ms < e->record_due_ms || record_waits(e))
		return 0;
	for (struct result *r = e->results; r && !n; r = r->next) {
		if (r->recorded)
			continue;
		n = record_one(e, r);
		/* It was removed, or its hook was and took it along. */
		r->dropped = n == -ENOENT;
		if (r->dropped)
			n = 0;
		else if (!n)
			stage_counts(e, r);
		r->recorded = !n;
	}
	if (!n)
		n = deliver_save_counts(e);
	if (n)
		engine_undone(e, n);
	return n;
}

int deliver_meanwhile(struct engine *e)
{
	clock_take(e);
	deliver_collect(e);
	int n = deliver_record(e);
	if (!n && !e->stopping && !e->leaving)
		deliver_start_loaded(e);
	return n;
}

/* ---- what waited for too long */

bool deliver_is_under_way(const struct engine *e, int64_t id)
{
	struct flight *f;
	HASH_FIND(hh, e->flights, &id, sizeof(id), f);
	for (const struct result *r = e->results; r && !f; r = r->next)
		f = r->flight->id == id ? r->flight : NULL;
	return f;
}

int deliver_expire(struct engine *e, int64_t id)
{
	struct store_delivery d;
	int n = is_aside(e, id) ? -ENOENT : store_delivery_get(e->store, id, &d);
	if (n == -EIO)
		(void)set_aside(e, id); /* the turn is undone, and the next look passes it over */
	if (n)
		return n == -ENOENT ? 0 : n;
	struct result *r = result_unsent(e, &d);
	store_delivery_release(&d);
	r->expired = true;
	snprintf(r->outcome.error, sizeof(r->outcome.error), "not %s within max_age",
		r->flight->attempts ? "delivered" : "tried");
	n = record_one(e, r);
	if (!n) {
		r->recorded = true;
		stage_counts(e, r);
		/* What is next is sent before the commit: not this one. */
		queue_cancel(e->queue, id);
	}
	return n;
}

/* What has only expired will be found again. */
static void forget_expired(struct engine *e)
{
	struct result *r, *next;
	DL_FOREACH_SAFE(e->results, r, next)
	{
		if (!r->expired)
			continue;
		look_again(e, r->flight->hook_id);
		result_remove(e, r);
	}
}

void deliver_undo(struct engine *e)
{
	unstage_counts(e, false);
	forget_expired(e);
	for (struct result *r = e->results; r; r = r->next)
		r->recorded = false;
	if (e->results)
		e->record_due_ms = e->now.due_ms + AGAIN_MS;
}

int64_t deliver_wake(const struct engine *e)
{
	/* Nothing is sent any more by who stops, whatever is due. */
	int64_t wake = e->stopping || e->leaving ? -1 : queue_wake(e->queue, e->now.due_ms);
	/* After a failed read the queue still asks, and is not heard before this. */
	if (wake >= 0 && wake < e->refill_due_ms && e->now.due_ms < e->refill_due_ms)
		wake = e->refill_due_ms;
	if (!e->results)
		return wake;
	int64_t record = record_waits(e) ? e->results_since_ms + WITHIN_MS : e->record_due_ms;
	return wake < 0 || record < wake ? record : wake;
}

static void deliver_log(struct engine *e, const struct flight *f, const char *hook,
	const char *outcome, const struct outcome *o, const char *reason)
{
	struct buf line = BUF(LOGLINE_MAX);
	char id[64];
	deliver_webhook_id(e, f->origin, id);
	logline_attempt(&(struct logline){ .time_ms = e->now.real_ms,
				.hook = hook,
				.webhook_id = id,
				.event_name = f->event_name,
				.request_id = f->request_id,
				.attempt = f->attempts,
				.outcome = outcome,
				.http_status = o->http_status,
				.total_us = o->us.total,
				.error = reason },
		&line);
	(void)journal_add(e->log, buf_str(&line), line.len); /* it is counted there */
	buf_release(&line);
}

static int change_gone(struct hook *clone, void *arg, struct err *err)
{
	(void)arg, (void)err;
	clone->enabled = HOOK_GONE;
	return 0;
}

/* 410: nothing new matches and nothing is sent any more; what waits, this delivery too, stays. */
static void hook_gone(struct engine *e, const struct hook *h)
{
	struct err err = { 0 };
	log_warning("hook %s: its receiver answered 410, so it is switched off (enabled is gone); "
		    "write 1 to enabled to try again",
		h->name);
	if (!hook_change(e, h->id, change_gone, NULL, &err))
		return;
	log_error("%s", err.sentence);
	queue_pause(e->queue, h->id, e->now.due_ms + GONE_AGAIN_MS);
}

void deliver_dropped(struct engine *e, const char *hook, uint64_t count)
{
	struct buf line = BUF(LOGLINE_MAX);
	logline_dropped(e->now.real_ms, hook, count, &line);
	(void)journal_add(e->log, buf_str(&line), line.len);
	buf_release(&line);
}

/* It counts as pending no more, but what came of it is told, and a 410 is one. */
static void conclude_dropped(struct engine *e, const struct result *r, const struct hook *h)
{
	char status[32];
	bool gone = r->verdict.action == VERDICT_GONE;
	if (is_delivered(r))
		deliver_log(e, r->flight, h->name, "delivered", &r->outcome, NULL);
	else
		deliver_log(e, r->flight, h->name, gone ? "gone" : "failed", &r->outcome,
			error_text(r, status));
	if (gone)
		hook_gone(e, h);
}

static void conclude_expired(struct engine *e, const struct result *r)
{
	const struct flight *f = r->flight;
	const struct hook *h = registry_by_id(e->registry, f->hook_id);
	struct hook_state *s = hook_state_of(e, f->hook_id);
	if (!s)
		return;
	if (h->ordered) /* it may have been the head */
		queue_waiting(e->queue, f->hook_id, LANE_RETRY, e->now.due_ms);
	s->pending--;
	e->pending--;
	changed_hook(e, s);
	deliver_log(e, f, h->name, "expired", &r->outcome, r->outcome.error);
}

static void conclude_one(struct engine *e, struct result *r)
{
	static const enum queue_feedback feedback[] = { [FEEDBACK_NONE] = QUEUE_NEUTRAL,
		[FEEDBACK_GOOD] = QUEUE_GOOD,
		[FEEDBACK_BAD] = QUEUE_BAD };
	const struct flight *f = r->flight;
	const struct hook *h = registry_by_id(e->registry, f->hook_id);
	struct hook_state *s = hook_state_of(e, f->hook_id);
	char status[32];
	queue_done(e->queue, f->id, feedback[r->verdict.feedback], e->now.due_ms);
	if (!s)
		return;
	changed_hook(e, s);
	int64_t asked = r->verdict.feedback == FEEDBACK_BAD
		? verdict_retry_after(&r->outcome, e->now.real_ms)
		: 0;
	if (asked)
		queue_pause(e->queue, f->hook_id, e->now.due_ms + asked);
	if (r->verdict.action != VERDICT_AGAIN && !r->damaged)
		meter_attempt(s, &r->outcome,
			r->next_due_ms >= 0 && r->verdict.action != VERDICT_GONE && !r->dropped);
	if (r->verdict.action == VERDICT_AGAIN) {
		if (r->outcome.kind == OUTCOME_MEMORY)
			log_warning("delivery %lld is tried again: %s", (long long)f->id,
				r->outcome.error);
		look_again(e, f->hook_id);
	} else if (r->dropped) {
		conclude_dropped(e, r, h);
	} else if (is_delivered(r)) {
		s->pending--;
		e->pending--;
		deliver_log(e, f, h->name, "delivered", &r->outcome, NULL);
	} else if (r->next_due_ms < 0) {
		s->pending--;
		e->pending--;
		deliver_log(e, f, h->name, "failed", &r->outcome, error_text(r, status));
	} else if (r->verdict.action == VERDICT_GONE) {
		deliver_log(e, f, h->name, "gone", &r->outcome, error_text(r, status));
		queue_add(e->queue, f->hook_id, LANE_RETRY, f->id, r->next_due_ms);
		hook_gone(e, h);
	} else {
		deliver_log(e, f, h->name, "retry", &r->outcome, error_text(r, status));
		queue_add(e->queue, f->hook_id, LANE_RETRY, f->id, r->next_due_ms);
	}
}

void deliver_conclude(struct engine *e)
{
	unstage_counts(e, true);
	struct result *r, *next;
	DL_FOREACH_SAFE(e->results, r, next)
	{
		if (!r->recorded)
			continue;
		if (r->expired)
			conclude_expired(e, r);
		else
			conclude_one(e, r);
		engine_keeps(e);
		result_remove(e, r);
	}
}

void deliver_forget(struct engine *e)
{
	struct flight *f, *tmp;
	HASH_ITER(hh, e->flights, f, tmp)
	{
		HASH_DEL(e->flights, f);
		flight_free(f);
	}
	struct aside *a, *next;
	HASH_ITER(hh, e->aside, a, next)
	{
		HASH_DEL(e->aside, a);
		free(a);
	}
	while (e->results)
		result_remove(e, e->results);
}
