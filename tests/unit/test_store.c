/* Hooks, events and deliveries: kept with their counts, found by index, removed with what hangs on them. */
#include "store_fixture.h"

#include <errno.h>

/* ---- the transaction */

static void what_is_not_committed_is_dropped_and_its_ids_given_again(void **state)
{
	int64_t hook, kept, dropped;

	(void)state;
	reopen();
	hook = hook_add("h");
	kept = work_add(hook, 5);
	assert_int_equal(store_counter_save(s, "accepted", 1), 0);
	commit();
	dropped = work_add(hook, 6);
	assert_int_equal(store_counter_save(s, "accepted", 2), 0);
	assert_hook(hook, 2, true, -1);
	assert_int_equal(store_counter(s, "accepted"), 2);
	assert_int_equal(store_backlog_bytes(s), 2 * SAMPLE_BYTES);
	reopen();
	assert_hook(hook, 1, true, -1);
	assert_int_equal(store_counter(s, "accepted"), 1);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_int_equal(work_add(hook, 7), dropped);
	assert_true(dropped > kept);
}

static void what_its_user_cannot_finish_is_undone(void **state)
{
	int64_t hook;

	(void)state;
	reopen();
	assert_int_equal(store_fail(s, -ENOMEM), -ENOMEM);
	assert_false(store_changed(s)); /* there was nothing */
	hook = hook_add("h");
	commit();
	(void)work_add(hook, 5);
	assert_int_equal(store_fail(s, -ENOMEM), -ENOMEM);
	assert_hook(hook, 0, false, -1);
	assert_int_equal(store_commit(s), -ENOMEM);
	(void)work_add(hook, 6);
	commit();
	reopen();
	assert_hook(hook, 1, true, -1);
}

static void ids_are_never_given_again_after_a_commit(void **state)
{
	int64_t hook, event, delivery;
	uint64_t gone;

	(void)state;
	reopen();
	hook = hook_add("h");
	event = event_add(1);
	delivery = delivery_add(event, hook, 0);
	commit();
	assert_int_equal(store_hook_remove(s, hook, &gone), 0);
	commit();
	reopen();
	assert_true(hook_add("h") > hook);
	assert_true(event_add(1) > event);
	assert_true(delivery_add(event + 1, hook + 1, 0) > delivery);
	commit();
	/* Not even where the row of totals is older than the rows, as after a repair. */
	assert_int_equal(sqlite3_exec(s->db,
				 "UPDATE meta SET next_hook = 1, next_event = 1, next_delivery = 1",
				 NULL, NULL, NULL),
		SQLITE_OK);
	reopen();
	assert_int_equal(hook_add("i"), hook + 2);
	assert_int_equal(event_add(1), event + 2);
	assert_int_equal(delivery_add(event + 2, hook + 2, 0), delivery + 2);
}

static void a_refusal_undoes_nothing(void **state)
{
	struct store_delivery d;
	enum store_state kind = 77;
	int64_t hook, id = 77;
	uint64_t gone = 99;

	(void)state;
	reopen();
	hook = hook_add("h");
	assert_int_equal(store_hook_add(s, "h", &id), -EEXIST);
	assert_int_equal(store_hook_rename(s, hook_add("i"), "h"), -EEXIST);
	assert_int_equal(store_hook_rename(s, 99, "j"), -ENOENT);
	assert_int_equal(store_hook_renamed(s, 99), -ENOENT);
	assert_int_equal(store_hook_save(s, &(struct store_hook){ .id = 99 }), -ENOENT);
	assert_int_equal(store_hook_remove(s, 99, &gone), -ENOENT);
	assert_int_equal(gone, 99);
	assert_int_equal(store_delivery_get(s, 99, &d), -ENOENT);
	assert_int_equal(store_delivery_done(s, 99, 1, NULL, 1), -ENOENT);
	assert_int_equal(store_delivery_retry(s, 99, 1, NULL, 1, NULL), -ENOENT);
	assert_int_equal(store_delivery_failed(s, 99, 1, NULL, 1, NULL), -ENOENT);
	assert_int_equal(store_delivery_replay(s, 99, 1), -ENOENT);
	assert_int_equal(store_delivery_repeat(s, 99, 1, &id), -ENOENT);
	assert_int_equal(store_delivery_drop(s, 99, &kind), -ENOENT);
	assert_int_equal(id, 77);
	assert_int_equal(kind, 77);
	commit();
	reopen();
	assert_hook(hook, 0, false, -1);
}

/* ---- hooks */

static void hooks_keep_their_numbers(void **state)
{
	int64_t a, b;
	struct hook_seen seen;

	(void)state;
	reopen();
	a = hook_add("a");
	b = hook_add("b");
	assert_int_equal(store_hook_save(s,
				 &(struct store_hook){
					 .id = b,
					 .delivered = 7,
					 .failed = 3,
					 .last_success_ms = 111,
					 .last_failure_ms = 222,
					 .last_error = "HTTP 500",
				 }),
		0);
	commit();
	reopen();
	seen = hook_get(b);
	assert_string_equal(seen.name, "b");
	assert_int_equal(seen.hook.delivered, 7);
	assert_int_equal(seen.hook.failed, 3);
	assert_int_equal(seen.hook.last_success_ms, 111);
	assert_int_equal(seen.hook.last_failure_ms, 222);
	assert_string_equal(seen.last_error, "HTTP 500");
	seen = hook_get(a);
	assert_int_equal(seen.hook.delivered, 0);
	assert_string_equal(seen.last_error, "");
}

static void a_rename_is_remembered_until_it_is_finished(void **state)
{
	int64_t id;
	struct hook_seen seen;

	(void)state;
	reopen();
	id = hook_add("a");
	assert_int_equal(store_hook_rename(s, id, "b"), 0);
	assert_int_equal(store_hook_rename(s, id, "c"), 0);
	commit();
	reopen();
	seen = hook_get(id);
	assert_string_equal(seen.name, "c");
	assert_string_equal(seen.renamed_from, "a");
	assert_int_equal(store_hook_renamed(s, id), 0);
	assert_null(hook_get(id).hook.renamed_from);
	assert_true(hook_add("a") > id);
}

static void a_removed_hook_takes_its_deliveries_along(void **state)
{
	int64_t a, b, shared, id;
	int64_t again, left;
	int more;
	uint64_t dropped;

	(void)state;
	reopen();
	a = hook_add("a");
	b = hook_add("b");
	for (int i = 0; i < 600; i++)
		(void)work_add(a, i);
	shared = event_add(2);
	(void)delivery_add(shared, a, 0);
	(void)delivery_add(shared, b, 9);
	for (int i = 0; i < 300; i++) {
		id = work_add(a, 0);
		attempts_add(id);
		if (i % 2)
			assert_int_equal(store_delivery_failed(s, id, 1, NULL, 5, "no"), 0);
		else
			assert_int_equal(store_delivery_done(s, id, 1, NULL, 5), 0);
	}
	assert_int_equal(store_kept_bytes(s), 300 * (SAMPLE_BYTES + ATTEMPTS_BYTES));
	commit();
	(void)work_add(a, 0); /* one that the hook's row does not know yet */
	assert_int_equal(store_hook_remove(s, a, &dropped), 0);
	assert_int_equal(dropped, 602);
	/* It is gone, and its name free, before its rows are. */
	assert_int_equal(hook_get(a).count, 0);
	assert_int_equal(store_hook_remove(s, a, &dropped), -ENOENT);
	assert_int_equal(store_hook_save(s, &(struct store_hook){ .id = a }), -ENOENT);
	again = hook_add("a");
	assert_true(again > b);
	(void)work_add(again, 3);
	commit();
	left = number("SELECT count(*) FROM delivery");
	assert_int_equal(left, 602 + 300 + 2);
	while ((more = store_sweep(s, 100)) == 1) {
		int64_t rows = number("SELECT count(*) FROM delivery");

		assert_in_range(left - rows, 1, 100);
		left = rows;
		commit();
		reopen(); /* it goes on where it was */
	}
	assert_int_equal(more, 0);
	commit();
	assert_hook(b, 1, true, -1);
	assert_hook(again, 1, true, -1);
	assert_int_equal(store_backlog_bytes(s), 2 * SAMPLE_BYTES);
	assert_int_equal(store_kept_bytes(s), 0);
	assert_int_equal(number("SELECT count(*) FROM delivery"), 2);
	assert_int_equal(number("SELECT count(*) FROM event"), 2);
	assert_int_equal(number("SELECT count(*) FROM hook"), 2);
	/* Then there is nothing to write. */
	assert_int_equal(store_sweep(s, 100), 0);
	assert_false(store_changed(s));
}

static void hooks_are_swept_one_after_the_other(void **state)
{
	uint64_t dropped;
	int more = 1;

	(void)state;
	reopen();
	for (int i = 0; i < 5; i++) {
		char name[] = { (char)('a' + i), 0 };
		int64_t hook = hook_add(name);

		(void)work_add(hook, 0);
		(void)work_add(hook, 0);
		assert_int_equal(store_hook_remove(s, hook, &dropped), 0);
		assert_int_equal(dropped, 2);
	}
	commit();
	/* One without deliveries needs no sweep. */
	assert_int_equal(store_hook_remove(s, hook_add("z"), &dropped), 0);
	assert_int_equal(dropped, 0);
	assert_int_equal(number("SELECT count(*) FROM hook"), 5);
	assert_int_equal(store_sweep(s, 5), 1);
	assert_int_equal(number("SELECT count(*) FROM delivery"), 6);
	for (int i = 0; i < 5 && more; i++)
		more = store_sweep(s, 5);
	assert_int_equal(more, 0);
	assert_int_equal(number("SELECT count(*) FROM hook"), 0);
	assert_int_equal(number("SELECT count(*) FROM delivery"), 0);
	commit();
}

static void the_id_of_a_hook_that_is_not_swept_yet_is_not_given_again(void **state)
{
	int64_t hook;
	uint64_t dropped;

	(void)state;
	reopen();
	hook = hook_add("h");
	(void)work_add(hook, 0);
	assert_int_equal(store_hook_remove(s, hook, &dropped), 0);
	commit();
	/* As after a repair, where the row of totals is older. */
	assert_int_equal(
		sqlite3_exec(s->db, "UPDATE meta SET next_hook = 1", NULL, NULL, NULL), SQLITE_OK);
	reopen();
	assert_int_equal(hook_add("h"), hook + 1);
	commit();
}

/* ---- events and deliveries */

static void a_delivery_comes_back_byte_for_byte(void **state)
{
	char *big = malloc(200001);
	struct store_delivery d;
	struct store_event e = sample;
	int64_t hook, event, plain, large;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 200000);
	memcpy(big + 100000, "\xc3\xa9", 2);
	big[200000] = '\0';
	reopen();
	hook = hook_add("h");
	event = event_add(1);
	plain = delivery_add(event, hook, 8);
	e.fields = "";
	e.result = NULL;
	e.rest = big;
	assert_int_equal(store_event_add(s, &e, 1, &event), 0);
	large = delivery_add(event, hook, 0);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES + 200000);
	commit();

	assert_int_equal(store_delivery_get(s, plain, &d), 0);
	assert_int_equal(d.id, plain);
	assert_int_equal(d.event_id, event - 1);
	assert_int_equal(d.hook_id, hook);
	assert_int_equal(d.created_ms, 1000);
	assert_int_equal(d.attempts, 0);
	assert_int_equal(d.origin, plain);
	assert_int_equal(d.state, STORE_PENDING);
	assert_int_equal(d.due_ms, 8);
	assert_int_equal(d.finished_ms, 0);
	assert_int_equal(d.uid, 1000);
	assert_null(d.error);
	assert_string_equal(d.event_name, "deployment_request_failed");
	assert_string_equal(d.request_id, "r1");
	assert_string_equal(d.fields, sample.fields);
	assert_string_equal(d.result, sample.result);
	assert_string_equal(d.rest, sample.rest);
	store_delivery_release(&d);

	assert_int_equal(store_delivery_get(s, large, &d), 0);
	assert_string_equal(d.fields, "");
	assert_null(d.result);
	assert_string_equal(d.rest, big);
	store_delivery_release(&d);
	free(big);
}

static void the_life_of_an_event_for_three_hooks(void **state)
{
	struct store_delivery d;
	enum store_state kind;
	int64_t hook, event, id[3];

	(void)state;
	reopen();
	hook = hook_add("h");
	event = event_add(3);
	for (int i = 0; i < 3; i++)
		id[i] = delivery_add(event, hook, 10 + i);
	assert_hook(hook, 3, true, -1);

	assert_int_equal(store_delivery_done(s, id[0], 1, NULL, 70), 0);
	assert_int_equal(store_delivery_done(s, id[0], 1, NULL, 70), -ENOENT);
	assert_int_equal(store_delivery_retry(s, id[0], 1, NULL, 70, NULL), -ENOENT);
	assert_int_equal(store_delivery_failed(s, id[0], 1, NULL, 70, NULL), -ENOENT);
	assert_hook(hook, 2, true, -1);
	assert_int_equal(store_delivery_retry(s, id[1], 1, NULL, 500, "HTTP 503"), 0);
	assert_hook(hook, 2, true, 500);
	assert_int_equal(store_delivery_get(s, id[1], &d), 0);
	assert_int_equal(d.attempts, 1);
	assert_string_equal(d.error, "HTTP 503");
	store_delivery_release(&d);
	assert_int_equal(store_delivery_failed(s, id[2], 1, NULL, 71, "HTTP 404"), 0);
	assert_hook(hook, 1, false, 500);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);

	/* The last that waits is the end of the backlog, not of the event. */
	assert_int_equal(store_delivery_failed(s, id[1], 9, NULL, 72, "HTTP 503"), 0);
	assert_hook(hook, 0, false, -1);
	assert_int_equal(store_backlog_bytes(s), 0);
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES);
	/* Sent again, it is in the backlog again. */
	assert_int_equal(store_delivery_retry(s, id[1], 0, NULL, 600, NULL), 0);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_hook(hook, 1, false, 600);
	assert_int_equal(store_delivery_done(s, id[1], 1, NULL, 73), 0);
	assert_int_equal(store_delivery_done(s, id[2], 1, NULL, 74), 0);
	assert_int_equal(store_backlog_bytes(s), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES);
		assert_int_equal(number("SELECT count(*) FROM event"), 1);
		assert_int_equal(store_delivery_drop(s, id[i], &kind), 0);
		assert_int_equal(kind, STORE_DELIVERED);
	}
	assert_int_equal(number("SELECT count(*) FROM event"), 0);
	assert_int_equal(store_kept_bytes(s), 0);
	commit();
	assert_hook(hook, 0, false, -1);
}

static void what_was_never_tried_comes_in_the_order_of_ids(void **state)
{
	int64_t hook, id[5], page[2], after = 0;

	(void)state;
	reopen();
	hook = hook_add("h");
	for (int i = 0; i < 5; i++) {
		id[i] = work_add(hook, 10 - i);
		(void)work_add(hook + 1, 1); /* another's */
	}
	for (int i = 0; i < 4; i += 2) {
		assert_int_equal(store_fresh(s, hook, after, page, 2), 2);
		assert_true(page[0] == id[i] && page[1] == id[i + 1]);
		after = page[1];
	}
	assert_int_equal(store_fresh(s, hook, after, page, 2), 1);
	assert_int_equal(page[0], id[4]);
	assert_int_equal(store_fresh(s, hook, page[0], page, 2), 0);
	assert_int_equal(store_delivery_retry(s, id[0], 1, NULL, 1, NULL), 0);
	assert_int_equal(store_delivery_done(s, id[1], 1, NULL, 1), 0);
	assert_int_equal(store_fresh(s, hook, INT64_MIN, page, 2), 2);
	assert_true(page[0] == id[2] && page[1] == id[3]);
}

static void retries_come_by_due_time_then_id(void **state)
{
	static const int64_t due[] = { 7, 5, 5, 9, 5, 7 };
	static const int order[] = { 1, 2, 4, 0, 5, 3 };
	struct store_row rows[2], after = { .id = INT64_MIN, .due_ms = INT64_MIN };
	int64_t hook, id[6];

	(void)state;
	reopen();
	hook = hook_add("h");
	(void)work_add(hook, 1); /* never tried */
	for (int i = 0; i < 6; i++) {
		int64_t anothers = work_add(hook + 1, 1);

		id[i] = work_add(hook, 1);
		assert_int_equal(store_delivery_retry(s, id[i], 1, NULL, due[i], NULL), 0);
		assert_int_equal(store_delivery_retry(s, anothers, 1, NULL, due[i], NULL), 0);
	}
	for (int i = 0; i < 6; i += 2) {
		assert_int_equal(store_retries(s, hook, after.due_ms, after.id, rows, 2), 2);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(rows[j].id, id[order[i + j]]);
			assert_int_equal(rows[j].due_ms, due[order[i + j]]);
		}
		after = rows[1];
	}
	assert_int_equal(store_retries(s, hook, after.due_ms, after.id, rows, 2), 0);
	assert_int_equal(store_delivery_done(s, id[1], 2, NULL, 1), 0);
	assert_int_equal(store_retries(s, hook, INT64_MIN, 0, rows, 1), 1);
	assert_int_equal(rows[0].id, id[2]);
}

/* ---- housekeeping */

static void idempotency_keys_are_known_until_they_expire(void **state)
{
	struct store_event e = sample;
	int64_t id;

	(void)state;
	reopen();
	for (int i = 0; i < 5; i++) {
		char key[] = { (char)('a' + i), '\0' };

		e.id = key;
		e.accepted_ms = 100 + i;
		assert_int_equal(store_event_add(s, &e, 1, &id), 0);
	}
	assert_int_equal(store_event_seen(s, "a", 100), 1);
	assert_int_equal(store_event_seen(s, "a", 101), 0);
	assert_int_equal(store_event_seen(s, "z", 0), 0);
	/* An old key that comes again counts from its new time. */
	e.id = "a";
	e.accepted_ms = 200;
	assert_int_equal(store_event_add(s, &e, 1, &id), 0);
	assert_int_equal(store_event_seen(s, "a", 101), 1);
	commit();

	assert_int_equal(store_expire(s, 101, 2), 0);
	assert_false(store_changed(s));
	assert_int_equal(store_expire(s, 104, 2), 1);
	assert_int_equal(store_expire(s, 104, 2), 0);
	commit();
	assert_int_equal(store_event_seen(s, "d", 0), 0);
	assert_int_equal(store_event_seen(s, "e", 0), 1);
	assert_int_equal(store_event_seen(s, "a", 0), 1);
}

static void an_emptied_file_shrinks_step_by_step(void **state)
{
	char *big = calloc(1, 1 << 20);
	struct store_event e = sample;
	int64_t hook, event, before, steps = 0;
	uint64_t dropped;
	struct stat st;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', (1 << 20) - 1);
	e.rest = big;
	reopen();
	hook = hook_add("h");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(store_event_add(s, &e, 1, &event), 0);
		(void)delivery_add(event, hook, 0);
	}
	commit();
	free(big);
	assert_int_equal(store_expire(s, 0, 10), 0); /* full of use */
	assert_int_equal(store_hook_remove(s, hook, &dropped), 0);
	assert_int_equal(store_sweep(s, 1000), 0);
	commit();
	for (before = number("PRAGMA page_count"); store_expire(s, 0, 10) == 1; steps++) {
		int64_t now = number("PRAGMA page_count");

		commit();
		assert_true(now < before && now >= before - 300);
		before = now;
	}
	assert_true(steps > 10);
	/* On the disk, too, without another write. */
	assert_int_equal(stat("queue.db", &st), 0);
	assert_int_equal(st.st_size, 4096 * number("PRAGMA page_count"));
	assert_in_range(number("PRAGMA freelist_count"), 1, 4096);
	assert_false(store_changed(s));
}

static void due_times_come_down_to_the_latest_that_can_be(void **state)
{
	int64_t hook, other, retry, failed;

	(void)state;
	reopen();
	hook = hook_add("h");
	other = hook_add("other");
	(void)work_add(hook, 50);
	for (int i = 0; i < 10001; i++) {
		retry = work_add(other, 1);
		assert_int_equal(store_delivery_retry(s, retry, 1, NULL, 1000 + i, NULL), 0);
	}
	retry = work_add(hook, 1);
	failed = work_add(hook, 5000);
	(void)work_add(hook, 5000); /* never tried: due as it comes */
	assert_int_equal(store_delivery_retry(s, retry, 1, NULL, 9000, NULL), 0);
	assert_int_equal(store_delivery_failed(s, failed, 1, NULL, 1, NULL), 0);
	commit();
	assert_hook(hook, 3, true, 9000);
	assert_int_equal(store_clamp_due(s, 100), 1);
	assert_int_equal(store_clamp_due(s, 100), 0);
	commit();
	assert_hook(hook, 3, true, 100);
	assert_hook(other, 10001, false, 100);
	assert_int_equal(number("SELECT count(*) FROM delivery WHERE due_ms = 100"), 10002);
	assert_int_equal(number("SELECT count(*) FROM delivery WHERE due_ms = 5000"), 2);
}

static void what_was_never_tried_has_waited_until_now_at_least(void **state)
{
	int64_t hook, tried;

	(void)state;
	reopen();
	hook = hook_add("h");
	(void)work_add(hook, 50);
	(void)work_add(hook, 99);
	for (int i = 0; i < 10001; i++)
		(void)work_add(hook, 1000 + i);
	tried = work_add(hook, 5000);
	assert_int_equal(store_delivery_retry(s, tried, 1, NULL, 9000, NULL), 0);
	(void)work_add(hook + 1, 7000); /* another's */
	commit();
	assert_int_equal(store_clamp_fresh(s, hook, 100), 1);
	commit();
	assert_int_equal(store_clamp_fresh(s, hook, 100), 0);
	commit();
	assert_int_equal(store_clamp_fresh(s, hook, 100), 0);
	commit();
	assert_hook(hook, 10004, true, 9000);
	assert_int_equal(number("SELECT count(*) FROM delivery WHERE due_ms = 100"), 10001);
	assert_int_equal(number("SELECT count(*) FROM delivery WHERE due_ms IN (50, 99, 7000)"), 3);
}

/* Whether a line of a query plan costs by the number of deliveries, events or keys, which come in
 * millions. Hooks and the row of totals may be walked. */
static bool is_long(const char *plan)
{
	char table[32];

	if (sscanf(plan, "SCAN %31s", table) == 1)
		return strcmp(table, "hook") != 0 && strcmp(table, "meta") != 0;
	return strstr(plan, "TEMP B-TREE");
}

static void no_statement_scans_what_may_be_long(void **state)
{
	/* To the last column: thousands may share the one before. */
	static const char *const plans[STATEMENT_COUNT] = {
		[HOOK_DELIVERIES] = "COVERING INDEX delivery_list (hook_id=?)",
		[DELIVERY_FRESH_PAGE] = "COVERING INDEX delivery_list"
					" (hook_id=? AND state=? AND rowid>?)",
		[DELIVERY_RETRY_SAME] = "COVERING INDEX delivery_retry"
					" (hook_id=? AND state=? AND due_ms=? AND rowid>?)",
		[DELIVERY_RETRY_LATER] = "COVERING INDEX delivery_retry"
					 " (hook_id=? AND state=? AND due_ms>?)",
		[DELIVERY_LIST] = "INDEX delivery_list (hook_id=? AND state=? AND rowid>?)",
		[DELIVERY_WAITING] = "INDEX delivery_list (hook_id=? AND state=? AND rowid>?)",
		[DELIVERY_OLDEST] = "COVERING INDEX delivery_finished"
				    " (state=? AND finished_ms<?)",
	};

	(void)state;
	reopen();
	for (int i = 0; i < STATEMENT_COUNT; i++) {
		char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", statement_sql[i]);
		sqlite3_stmt *st;

		assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *plan = (const char *)sqlite3_column_text(st, 3);

			if (is_long(plan))
				fail_msg("%s\n%s", plan, statement_sql[i]);
			if (strncmp(plan, "SEARCH d", 8) == 0 && plans[i])
				assert_non_null(strstr(plan, plans[i]));
		}
		assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
		sqlite3_free(sql);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_not_committed_is_dropped_and_its_ids_given_again, enter, leave),
		cmocka_unit_test_setup_teardown(
			ids_are_never_given_again_after_a_commit, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_its_user_cannot_finish_is_undone, enter, leave),
		cmocka_unit_test_setup_teardown(a_refusal_undoes_nothing, enter, leave),
		cmocka_unit_test_setup_teardown(hooks_keep_their_numbers, enter, leave),
		cmocka_unit_test_setup_teardown(
			a_rename_is_remembered_until_it_is_finished, enter, leave),
		cmocka_unit_test_setup_teardown(
			a_removed_hook_takes_its_deliveries_along, enter, leave),
		cmocka_unit_test_setup_teardown(hooks_are_swept_one_after_the_other, enter, leave),
		cmocka_unit_test_setup_teardown(
			the_id_of_a_hook_that_is_not_swept_yet_is_not_given_again, enter, leave),
		cmocka_unit_test_setup_teardown(a_delivery_comes_back_byte_for_byte, enter, leave),
		cmocka_unit_test_setup_teardown(the_life_of_an_event_for_three_hooks, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_was_never_tried_comes_in_the_order_of_ids, enter, leave),
		cmocka_unit_test_setup_teardown(retries_come_by_due_time_then_id, enter, leave),
		cmocka_unit_test_setup_teardown(
			idempotency_keys_are_known_until_they_expire, enter, leave),
		cmocka_unit_test_setup_teardown(an_emptied_file_shrinks_step_by_step, enter, leave),
		cmocka_unit_test_setup_teardown(
			due_times_come_down_to_the_latest_that_can_be, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_was_never_tried_has_waited_until_now_at_least, enter, leave),
		cmocka_unit_test_setup_teardown(no_statement_scans_what_may_be_long, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
