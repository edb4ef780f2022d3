/* Deliveries that have ended: kept with their attempts, listed, sent again, dropped and retired. */
#include "store_fixture.h"
#include "util/buf.h"

#include <errno.h>

static void assert_attempts(int64_t id, const char *expected)
{
	struct buf list = BUF(1000);

	assert_int_equal(store_attempts(s, id, &list), 0);
	assert_string_equal(buf_str(&list), expected);
	buf_release(&list);
}

/* A delivery that failed, or was delivered, at the time. */
static int64_t failed_add(int64_t hook_id, int64_t finished_ms)
{
	int64_t id = work_add(hook_id, 3);

	attempts_add(id);
	assert_int_equal(store_delivery_failed(s, id, 2, NULL, finished_ms, "HTTP 500"), 0);
	return id;
}

static int64_t delivered_add(int64_t hook_id, int64_t finished_ms)
{
	int64_t id = work_add(hook_id, 3);

	attempts_add(id);
	assert_int_equal(store_delivery_done(s, id, 2, NULL, finished_ms), 0);
	return id;
}

#define KEPT_BYTES (SAMPLE_BYTES + ATTEMPTS_BYTES)

static void what_has_ended_is_kept_as_it_ended(void **state)
{
	int64_t hook, delivered, failed;
	struct store_delivery d;

	(void)state;
	reopen();
	hook = hook_add("h");
	delivered = delivered_add(hook, 70);
	failed = failed_add(hook, 80);
	commit();
	reopen();
	assert_int_equal(store_kept_bytes(s), 2 * KEPT_BYTES);
	assert_int_equal(store_backlog_bytes(s), 0);
	assert_hook(hook, 0, false, -1);

	assert_int_equal(store_delivery_get(s, delivered, &d), 0);
	assert_int_equal(d.state, STORE_DELIVERED);
	assert_int_equal(d.finished_ms, 70);
	assert_int_equal(d.attempts, 2);
	assert_null(d.error);
	assert_string_equal(d.fields, sample.fields);
	store_delivery_release(&d);
	assert_null(d.error);

	assert_int_equal(store_delivery_get(s, failed, &d), 0);
	assert_int_equal(d.state, STORE_FAILED);
	assert_int_equal(d.finished_ms, 80);
	assert_string_equal(d.error, "HTTP 500");
	store_delivery_release(&d);
}

static void attempts_are_kept_in_order_and_counted_once_it_has_ended(void **state)
{
	struct buf small = BUF(20);
	int64_t hook, id;
	enum store_state was;

	(void)state;
	reopen();
	hook = hook_add("h");
	id = work_add(hook, 0);
	assert_attempts(id, "");
	assert_attempts(99, "");
	attempts_add(id);
	assert_attempts(id, "{\"n\":1},{\"n\":2}");
	assert_int_equal(store_kept_bytes(s), 0);
	/* Bytes, not characters. */
	assert_int_equal(store_delivery_failed(s, id, 3, "{\"\xc3\xa9\":3}", 1, NULL), 0);
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES + 24);
	assert_int_equal(store_delivery_failed(s, id, 4, "{}", 1, NULL), 0);
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES + 27);
	commit();
	reopen();
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES + 27);
	assert_attempts(id, "{\"n\":1},{\"n\":2},{\"\xc3\xa9\":3},{}");

	assert_int_equal(store_attempts(s, id, &small), -E2BIG);
	buf_release(&small);
	assert_int_equal(store_delivery_drop(s, id, &was), 0);
	assert_attempts(id, "");
	/* The first one has no comma. */
	id = work_add(hook, 0);
	assert_int_equal(store_delivery_done(s, id, 1, "{}", 1), 0);
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES + 2);
}

/* What judges ages: both lanes in the order of ids, with what tells how long each has waited. */
static void what_waits_is_listed_by_id_from_both_lanes(void **state)
{
	struct store_waiting rows[9];
	int64_t hook, other, repeated;

	(void)state;
	reopen();
	hook = hook_add("a");
	other = hook_add("b");
	for (int64_t id = 1; id <= 4; id++)
		(void)work_add(hook, 100 - id);
	(void)work_add(other, 1);
	assert_int_equal(store_delivery_retry(s, 2, 3, NULL, 7, "no"), 0);
	assert_int_equal(store_delivery_failed(s, 3, 1, NULL, 1, "no"), 0);
	assert_int_equal(store_delivery_done(s, 4, 1, NULL, 1), 0);
	assert_int_equal(store_delivery_repeat(s, 4, 55, &repeated), 0);
	assert_int_equal(store_delivery_replay(s, 3, 44), 0);
	commit();
	assert_int_equal(store_waiting(s, hook, 0, rows, 9), 4);
	assert_true(rows[0].id == 1 && !rows[0].retry && !rows[0].attempts && rows[0].due_ms == 99);
	assert_true(
		rows[1].id == 2 && rows[1].retry && rows[1].attempts == 3 && rows[1].due_ms == 7);
	assert_true(rows[2].id == 3 && rows[2].retry && !rows[2].attempts && rows[2].due_ms == 44);
	assert_true(rows[3].id == repeated && rows[3].origin == 4 && rows[3].due_ms == 55);
	assert_true(rows[0].origin == 1 && rows[0].created_ms == rows[3].created_ms);
	assert_int_equal(store_waiting(s, hook, 1, rows, 2), 2);
	assert_int_equal(rows[1].id, 3);
	assert_int_equal(store_waiting(s, hook, repeated, rows, 9), 0);
}

static void lists_go_by_id_whatever_is_due_or_finished_first(void **state)
{
	struct store_entry rows[9];
	int64_t hook, other;

	(void)state;
	reopen();
	hook = hook_add("h");
	other = hook_add("other");
	for (int i = 0; i < 8; i++) /* ids 1 to 8, the later the earlier due */
		(void)work_add(hook, 100 - i);
	(void)work_add(other, 0);
	assert_int_equal(store_delivery_retry(s, 3, 1, NULL, 500, NULL), 0);
	assert_int_equal(store_delivery_retry(s, 8, 1, NULL, 400, NULL), 0);
	assert_int_equal(store_delivery_done(s, 6, 1, NULL, 10), 0);
	assert_int_equal(store_delivery_done(s, 2, 1, NULL, 20), 0);
	assert_int_equal(store_delivery_done(s, 5, 1, NULL, 5), 0);
	assert_int_equal(store_delivery_failed(s, 4, 1, NULL, 30, NULL), 0);
	assert_string_equal(listed(hook, STORE_PENDING), "1 3 7 8 ");
	assert_string_equal(listed(hook, STORE_DELIVERED), "2 5 6 ");
	assert_string_equal(listed(hook, STORE_FAILED), "4 ");
	assert_string_equal(listed(other, STORE_PENDING), "9 ");
	assert_string_equal(listed(99, STORE_PENDING), "");

	assert_int_equal(store_list(s, hook, STORE_DELIVERED, 2, rows, 9), 2);
	assert_int_equal(rows[1].id, 6);
	assert_int_equal(rows[1].created_ms, 1000);
	assert_int_equal(rows[1].finished_ms, 10);
	assert_int_equal(store_list(s, hook, STORE_PENDING, 7, rows, 9), 1);
	assert_int_equal(rows[0].finished_ms, 0);
}

static void a_failed_one_is_replayed(void **state)
{
	int64_t hook, id;
	struct store_delivery d;

	(void)state;
	reopen();
	hook = hook_add("h");
	id = failed_add(hook, 80);
	assert_int_equal(store_delivery_replay(s, id, 600), 0);
	assert_hook(hook, 1, false, 600);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_int_equal(store_kept_bytes(s), 0);
	assert_attempts(id, "{\"n\":1},{\"n\":2}");
	assert_int_equal(store_delivery_get(s, id, &d), 0);
	assert_int_equal(d.state, STORE_PENDING);
	assert_int_equal(d.attempts, 0);
	assert_int_equal(d.due_ms, 600);
	assert_int_equal(d.finished_ms, 0);
	assert_int_equal(d.origin, id);
	assert_null(d.error);
	store_delivery_release(&d);

	assert_int_equal(store_delivery_replay(s, id, 700), -ENOENT);
	assert_int_equal(store_delivery_done(s, id, 1, NULL, 90), 0);
	assert_int_equal(store_delivery_replay(s, id, 700), -ENOENT);
	assert_hook(hook, 0, false, -1);
	assert_int_equal(store_kept_bytes(s), KEPT_BYTES);
}

static void a_repeat_shares_the_event_and_the_origin(void **state)
{
	int64_t hook, id, again, third;
	enum store_state was;
	struct store_delivery d;

	(void)state;
	reopen();
	hook = hook_add("h");
	id = delivered_add(hook, 70);
	assert_int_equal(store_delivery_repeat(s, id, 600, &again), 0);
	assert_true(again > id);
	assert_hook(hook, 1, true, -1);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_int_equal(store_kept_bytes(s), KEPT_BYTES);
	assert_int_equal(number("SELECT count(*) FROM event"), 1);
	/* One that waits is repeated too, and a repeat of a repeat has the first one's origin. */
	assert_int_equal(store_delivery_repeat(s, again, 500, &third), 0);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	commit();
	reopen();
	assert_hook(hook, 2, true, -1);
	assert_int_equal(store_delivery_get(s, third, &d), 0);
	assert_int_equal(d.origin, id);
	assert_int_equal(d.state, STORE_PENDING);
	assert_int_equal(d.attempts, 0);
	assert_string_equal(d.event_name, "deployment_request_failed");
	assert_string_equal(d.rest, sample.rest);
	store_delivery_release(&d);
	assert_attempts(third, "");

	/* The event stays until the last goes, and counts where any is. */
	assert_int_equal(store_delivery_drop(s, id, &was), 0);
	assert_int_equal(was, STORE_DELIVERED);
	assert_int_equal(store_kept_bytes(s), 0);
	assert_int_equal(store_delivery_drop(s, third, &was), 0);
	assert_int_equal(was, STORE_PENDING);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_int_equal(store_delivery_failed(s, again, 1, NULL, 9, NULL), 0);
	assert_int_equal(store_backlog_bytes(s), 0);
	assert_int_equal(store_kept_bytes(s), SAMPLE_BYTES);
	assert_int_equal(store_delivery_drop(s, again, &was), 0);
	assert_int_equal(was, STORE_FAILED);
	assert_int_equal(store_kept_bytes(s), 0);
	assert_int_equal(number("SELECT count(*) FROM event"), 0);
}

static void the_old_retire_and_the_limit_holds(void **state)
{
	int64_t hook;

	(void)state;
	reopen();
	hook = hook_add("h");
	for (int i = 1; i <= 6; i++) /* the lower id finished later */
		(void)delivered_add(hook, 100 - i);
	for (int i = 1; i <= 3; i++) /* ids 7 to 9 */
		(void)failed_add(hook, 50 + i);
	(void)work_add(hook, 0);
	commit();
	assert_int_equal(store_retire(s, 94, 51, UINT64_MAX, 10), 0);
	assert_false(store_changed(s));
	assert_int_equal(store_retire(s, 98, 53, UINT64_MAX, 2), 1);
	assert_string_equal(listed(hook, STORE_DELIVERED), "1 2 3 4 ");
	assert_string_equal(listed(hook, STORE_FAILED), "7 8 9 ");
	assert_int_equal(store_retire(s, 98, 53, UINT64_MAX, 3), 1);
	assert_int_equal(store_retire(s, 98, 53, UINT64_MAX, 3), 0);
	assert_string_equal(listed(hook, STORE_DELIVERED), "1 2 ");
	assert_string_equal(listed(hook, STORE_FAILED), "9 ");
	assert_string_equal(listed(hook, STORE_PENDING), "10 ");
	assert_int_equal(store_kept_bytes(s), 3 * KEPT_BYTES);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
}

static void too_much_retires_the_oldest_delivered(void **state)
{
	int64_t hook, again;

	(void)state;
	reopen();
	hook = hook_add("h");
	for (int i = 1; i <= 600; i++) /* more than a page */
		(void)delivered_add(hook, i);
	(void)failed_add(hook, 1);
	(void)failed_add(hook, 1);
	/* As long as the event has a pending one it stays, but no longer counts as kept. */
	assert_int_equal(store_delivery_repeat(s, 1, 5, &again), 0);
	commit();
	assert_int_equal(store_retire(s, 0, 0, 602 * KEPT_BYTES, 1000), 0);
	assert_false(store_changed(s));
	assert_int_equal(store_retire(s, 0, 0, 602 * KEPT_BYTES - 1, 1000), 0);
	assert_int_equal(store_kept_bytes(s), 601 * KEPT_BYTES);
	assert_int_equal(store_backlog_bytes(s), SAMPLE_BYTES);
	assert_int_equal(store_retire(s, 0, 0, 5 * KEPT_BYTES, 500), 1);
	assert_int_equal(store_retire(s, 0, 0, 5 * KEPT_BYTES, 500), 0);
	assert_string_equal(listed(hook, STORE_DELIVERED), "598 599 600 ");
	/* What failed stays, whatever it takes. */
	assert_int_equal(store_retire(s, 0, 0, 0, 500), 0);
	assert_string_equal(listed(hook, STORE_DELIVERED), "");
	assert_string_equal(listed(hook, STORE_FAILED), "601 602 ");
	commit();
	reopen();
	assert_int_equal(store_kept_bytes(s), 2 * KEPT_BYTES);
	assert_int_equal(number("SELECT count(*) FROM event"), 3);
}

/* A state that no version has written, and numbers beyond reason, are damage, which must not be counted with. */
static void what_cannot_be_is_an_error(void **state)
{
	static const char *const damages[] = { "UPDATE delivery SET state = 7",
		"UPDATE event SET bytes = 9223372036854775800", "UPDATE event SET refs = -3",
		"UPDATE event SET refs = 2, pending = -9223372036854775807" };

	(void)state;
	reopen();
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char name[] = { 'h', (char)('0' + i), '\0' };
		int64_t id = work_add(hook_add(name), 0);
		struct store_delivery d;

		commit();
		assert_int_equal(sqlite3_exec(s->db, damages[i], NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(store_delivery_get(s, id, &d), -EIO);
		assert_int_equal(store_delivery_done(s, id, 1, NULL, 1), -EIO);
		assert_int_equal(store_commit(s), -EIO);
	}
}

/* Whoever only looks at it does not undo what others have done in the same turn. */
static void a_look_at_damage_undoes_nothing(void **state)
{
	struct store_delivery d;
	int64_t bad, good;

	(void)state;
	reopen();
	bad = work_add(hook_add("bad"), 0);
	commit();
	assert_int_equal(
		sqlite3_exec(s->db, "UPDATE event SET refs = -3", NULL, NULL, NULL), SQLITE_OK);
	good = work_add(hook_add("good"), 0);
	assert_int_equal(store_delivery_get(s, bad, &d), -EIO);
	commit();
	assert_int_equal(store_delivery_get(s, good, &d), 0);
	store_delivery_release(&d);
}

static void hook_ignored(void *ctx, const struct store_hook *h)
{
	(void)ctx, (void)h;
}

/* A column that was NOT NULL when it was written reads as NULL where the record's header is damaged; what is
 * no text any more goes to no receiver either. */
static void what_is_no_text_is_told(void **state)
{
	static const char *const columns[] = { "delivery SET event_name", "event SET request_id",
		"event SET fields", "event SET rest", "event SET result", "delivery SET error" };
	static const char *const values[] = { "x'c3'", "x'61006161'", "NULL" };

	(void)state;
	reopen();
	assert_int_equal(sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(s->db,
				 "PRAGMA writable_schema = ON; UPDATE sqlite_schema"
				 " SET sql = replace(sql, ' NOT NULL', '');"
				 "PRAGMA writable_schema = RESET",
				 NULL, NULL, NULL),
		SQLITE_OK);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			char name[] = { 'h', (char)('0' + i), (char)('0' + k), '\0' };
			int64_t id = work_add(hook_add(name), 0);
			bool optional = i >= 4 && k == 2;
			struct store_delivery d;
			char sql[100];

			commit();
			assert_int_equal(store_delivery_get(s, id, &d), 0);
			store_delivery_release(&d);
			(void)snprintf(sql, sizeof(sql), "UPDATE %s = %s", columns[i], values[k]);
			assert_int_equal(sqlite3_exec(s->db, sql, NULL, NULL, NULL), SQLITE_OK);
			assert_int_equal(store_delivery_get(s, id, &d), 0);
			assert_int_equal(d.damaged, !optional);
			store_delivery_release(&d);
			assert_false(store_changed(s));
		}
	}
	/* A hook's likewise, at the start. */
	assert_int_equal(sqlite3_exec(s->db, "UPDATE hook SET last_error = NULL", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(store_hook_each(s, hook_ignored, NULL), -EIO);
}

static int64_t added_at(int64_t hook_id, int64_t accepted_ms)
{
	struct store_event e = sample;
	int64_t event, id;

	e.id = NULL;
	e.accepted_ms = accepted_ms;
	assert_int_equal(store_event_add(s, &e, 1, &event), 0);
	assert_int_equal(store_delivery_add(s, event, hook_id, "e", 0, &id), 0);
	return id;
}

/* 0: none is pending. */
static int64_t oldest(int64_t hook_id)
{
	struct store_entry e = { 0 };

	return store_oldest_pending(s, hook_id, &e) == 1 ? e.created_ms : 0;
}

static void the_oldest_pending_is_of_either_lane(void **state)
{
	int64_t hook, other, first, second, third;
	enum store_state was;

	(void)state;
	reopen();
	hook = hook_add("h");
	other = hook_add("other");
	assert_int_equal(oldest(hook), 0);
	(void)added_at(other, 10);
	first = added_at(hook, 100);
	second = added_at(hook, 200);
	third = added_at(hook, 300);
	assert_int_equal(oldest(hook), 100);
	assert_int_equal(store_delivery_retry(s, second, 1, NULL, 999, NULL), 0);
	assert_int_equal(oldest(hook), 100);
	assert_int_equal(store_delivery_failed(s, first, 1, NULL, 1, NULL), 0);
	assert_int_equal(oldest(hook), 200);
	assert_int_equal(store_delivery_done(s, second, 1, NULL, 1), 0);
	assert_int_equal(oldest(hook), 300);
	assert_int_equal(store_delivery_replay(s, first, 999), 0);
	assert_int_equal(oldest(hook), 100);
	assert_int_equal(store_delivery_drop(s, first, &was), 0);
	assert_int_equal(store_delivery_drop(s, third, &was), 0);
	assert_int_equal(oldest(hook), 0);
	assert_int_equal(oldest(99), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_has_ended_is_kept_as_it_ended, enter, leave),
		cmocka_unit_test_setup_teardown(
			attempts_are_kept_in_order_and_counted_once_it_has_ended, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_waits_is_listed_by_id_from_both_lanes, enter, leave),
		cmocka_unit_test_setup_teardown(
			lists_go_by_id_whatever_is_due_or_finished_first, enter, leave),
		cmocka_unit_test_setup_teardown(a_failed_one_is_replayed, enter, leave),
		cmocka_unit_test_setup_teardown(
			a_repeat_shares_the_event_and_the_origin, enter, leave),
		cmocka_unit_test_setup_teardown(the_old_retire_and_the_limit_holds, enter, leave),
		cmocka_unit_test_setup_teardown(
			too_much_retires_the_oldest_delivered, enter, leave),
		cmocka_unit_test_setup_teardown(the_oldest_pending_is_of_either_lane, enter, leave),
		cmocka_unit_test_setup_teardown(what_cannot_be_is_an_error, enter, leave),
		cmocka_unit_test_setup_teardown(a_look_at_damage_undoes_nothing, enter, leave),
		cmocka_unit_test_setup_teardown(what_is_no_text_is_told, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
