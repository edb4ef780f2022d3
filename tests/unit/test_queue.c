/*
 * The queue: hooks and streams, one rule after the other. test_queue_dest.c has the destinations,
 * test_queue_week.c everything at once.
 */
#include "queue_kit.h"

#include <malloc.h>

static void hook_held(int64_t id, const char *destination, bool held)
{
	struct queue_hook h = { .id = id, .destination = destination, .held = held };

	queue_hook_set(q, &h);
}

static void hook_ordered(int64_t id)
{
	struct queue_hook h = { .id = id, .destination = "a", .ordered = true };

	queue_hook_set(q, &h);
}

/* Answers all that is wanted of hook 1: the lane has `rows`, in order, the other one has
 * nothing. */
static void serve(enum queue_lane lane, const struct queue_row *rows, unsigned count, int64_t now)
{
	struct queue_want w;

	while (queue_want(q, now, &w)) {
		unsigned from = 0, n = 0;

		assert_int_equal(w.hook_id, 1);
		while (from < count &&
			(rows[from].due_ms < w.after_due_ms ||
				(rows[from].due_ms == w.after_due_ms &&
					rows[from].id <= w.after_id)))
			from++;
		while (w.lane == lane && n < w.limit && from + n < count)
			n++;
		fill(&w, rows + from, n, now);
	}
}

static void a_delivery_starts_once_and_ends(void **state)
{
	(void)state;
	hook(7, "a");
	assert_int_equal(queue_wake(q, NOW), -1);
	add(7, FRESH, 1, NOW);
	assert_int_equal(queue_wake(q, NOW), NOW);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 0);
	assert_int_equal(queue_inflight(q), 1);
	assert_int_equal(queue_active(q), 1);
	assert_int_equal(queue_hook_inflight(q, 7), 1);
	add(7, FRESH, 1, NOW); /* told twice */
	assert_int_equal(next(NOW), 0);
	done(1, QUEUE_GOOD, NOW);
	assert_int_equal(queue_active(q), 0);
	assert_int_equal(queue_hook_inflight(q, 7), 0);
	assert_int_equal(next(NOW), 0);
}

static void one_that_landed_leaves_its_place(void **state)
{
	struct queue_hook h = { .id = 1, .destination = "a", .max_inflight = 1 };
	struct queue_row rows[] = { { 1, NOW }, { 2, NOW }, { 3, NOW } };

	(void)state;
	queue_hook_set(q, &h);
	add_many(1, 1, 3);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 0);
	queue_landed(q, 1, NOW);
	queue_check(q);
	assert_int_equal(queue_inflight(q), 0);
	assert_int_equal(queue_hook_inflight(q, 1), 0);
	assert_int_equal(queue_active(q), 1);
	/* Its row is still there, and it is known. */
	queue_look_again(q, 1, NOW);
	serve(FRESH, rows, 3, NOW);
	assert_int_equal(next(NOW), 2);
	assert_int_equal(next(NOW), 0);
	queue_landed(q, 2, NOW);
	queue_hook_remove(q, 1);
	queue_check(q);
	done(1, QUEUE_GOOD, NOW);
	done(2, QUEUE_GOOD, NOW);
	assert_int_equal(queue_active(q), 0);
}

/* Its window grows as it lands, and not once more when it is done. */
static void what_landed_is_good_news_once(void **state)
{
	struct queue_limits limits = queue_limits_default;

	(void)state;
	limits.window_start = 1;
	start_with(limits);
	hook(7, "a");
	add_many(7, 1, 9);
	assert_int_equal(next(NOW), 1);
	queue_landed(q, 1, NOW);
	assert_int_equal(destination("a", NOW).window, 2);
	assert_int_equal(next(NOW), 2);
	assert_int_equal(next(NOW), 3);
	assert_int_equal(next(NOW), 0);
	done(1, QUEUE_BAD, NOW);
	assert_int_equal(destination("a", NOW).window, 2);
	assert_int_equal(destination("a", NOW).inflight, 2);
}

static void the_next_of_an_ordered_hook_waits_for_the_record(void **state)
{
	const struct queue_row second = { 2, NOW };
	struct queue_want w;

	(void)state;
	hook_ordered(7);
	add_many(7, 1, 2);
	assert_int_equal(next(NOW), 1);
	w = want(7, FRESH, NOW);
	fill(&w, &second, 1, NOW);
	queue_landed(q, 1, NOW);
	queue_check(q);
	assert_int_equal(queue_inflight(q), 0);
	assert_int_equal(next(NOW), 0);
	done(1, QUEUE_GOOD, NOW);
	assert_int_equal(next(NOW), 2);
	queue_landed(q, 2, NOW);
	queue_hook_remove(q, 7); /* it stays until then */
	queue_check(q);
	done(2, QUEUE_GOOD, NOW);
	assert_int_equal(queue_active(q), 0);
}

static void unknown_hooks_are_ignored(void **state)
{
	(void)state;
	add(7, FRESH, 1, NOW);
	queue_waiting(q, 7, RETRY, NOW);
	queue_pause(q, 7, NOW + 1);
	queue_hook_remove(q, 7);
	queue_cancel(q, 1);
	assert_int_equal(queue_wake(q, NOW), -1);
}

static void a_retry_is_fetched_when_it_is_due(void **state)
{
	struct queue_row rows[] = { { 5, NOW + 100 }, { 6, NOW + 100 }, { 4, NOW + 300 } };
	struct queue_want w;

	(void)state;
	hook(1, "a");
	want_nothing(NOW);
	add(1, RETRY, 4, NOW + 300);
	add(1, RETRY, 6, NOW + 100);
	add(1, RETRY, 5, NOW + 100);
	assert_int_equal(queue_active(q), 0);
	assert_int_equal(queue_wake(q, NOW), NOW + 100);
	want_nothing(NOW + 99);
	w = want(1, RETRY, NOW + 100);
	assert_true(w.after_due_ms < NOW);
	fill(&w, rows, 3, NOW + 100);
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(next(NOW + 100), 5);
	assert_int_equal(next(NOW + 100), 6);
	want_nothing(NOW + 299);
	assert_int_equal(queue_wake(q, NOW + 100), NOW + 300);
	w = want(1, RETRY, NOW + 300);
	assert_int_equal(w.after_due_ms, NOW + 100);
	assert_int_equal(w.after_id, 6);
	fill(&w, rows + 2, 1, NOW + 300);
	want_nothing(NOW + 300);
	done(5, QUEUE_GOOD, NOW + 300);
	assert_int_equal(next(NOW + 300), 4);
}

static void the_start_finds_what_was_left(void **state)
{
	struct queue_row rows[] = { { 1, NOW - 5 }, { 2, NOW - 3 } };
	struct queue_want w;

	(void)state;
	hook(1, "a");
	hook(2, "b");
	queue_waiting(q, 1, FRESH, NOW - 5);
	queue_waiting(q, 2, RETRY, NOW + 1000);
	assert_int_equal(queue_wake(q, NOW), NOW - 5); /* a time that is past */
	w = want(1, FRESH, NOW);
	fill(&w, rows, 2, NOW);
	want_nothing(NOW);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 2);
	assert_int_equal(queue_wake(q, NOW), NOW + 1000);
}

static void rows_behind_the_cursor_are_found(void **state)
{
	struct queue_limits limits = queue_limits_default;
	struct queue_row rows[] = { { 3, NOW }, { 10, NOW }, { 11, NOW } };
	struct queue_want w;

	(void)state;
	limits.active_max = 2;
	start_with(limits);
	hook(1, "a");
	add(1, FRESH, 10, NOW);
	add(1, FRESH, 11, NOW);
	add(1, FRESH, 3, NOW); /* an equal time, a lower id, and no room */
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(next(NOW), 10);
	assert_int_equal(next(NOW), 11);
	want_nothing(NOW);
	done(10, QUEUE_GOOD, NOW);
	w = want(1, FRESH, NOW);
	assert_true(w.after_due_ms < NOW || w.after_id < 3);
	fill(&w, rows, w.limit < 3 ? w.limit : 3, NOW); /* 11 is in flight */
	assert_int_equal(next(NOW), 3);
}

static void an_answer_to_a_stale_question_is_dropped(void **state)
{
	struct queue_row rows[] = { { 3, NOW }, { 10, NOW } };
	struct queue_want w;

	(void)state;
	hook(1, "a");
	queue_waiting(q, 1, FRESH, NOW + 1);
	add(1, FRESH, 10, NOW);
	assert_int_equal(next(NOW), 10);
	w = want(1, FRESH, NOW + 1);
	assert_int_equal(w.after_id, 10);
	add(1, FRESH, 3, NOW); /* in between, and behind */
	fill(&w, NULL, 0, NOW + 1);
	serve(FRESH, rows, 2, NOW + 1);
	assert_int_equal(next(NOW + 1), 3);
	w = (struct queue_want){ .hook_id = 1, .lane = RETRY, .limit = 1 };
	fill(&w, rows, 1, NOW + 1); /* never asked */
	queue_hook_remove(q, 1);
	fill(&w, rows, 1, NOW + 1);
	done(10, QUEUE_GOOD, NOW + 1);
}

static void what_comes_late_is_put_in_its_place(void **state)
{
	static const int64_t order[] = { 5, 7, 3, 8 };

	(void)state;
	hook(1, "a");
	add(1, FRESH, 8, NOW + 2);
	add(1, FRESH, 5, NOW + 1);
	add(1, FRESH, 3, NOW + 2);
	add(1, FRESH, 7, NOW + 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(next(NOW + 2), order[i]);
		done(order[i], QUEUE_NEUTRAL, NOW + 2);
	}
}

static void a_full_page_asks_for_the_next(void **state)
{
	struct queue_row rows[QUEUE_PAGE_MAX];
	struct queue_want w;
	int64_t id = 0;

	(void)state;
	hook(1, "a");
	queue_waiting(q, 1, FRESH, NOW);
	for (unsigned page = 0; page < 2; page++) {
		w = want(1, FRESH, NOW);
		assert_int_equal(w.after_id, id);
		assert_int_equal(w.limit, QUEUE_PAGE_MAX);
		for (unsigned i = 0; i < w.limit; i++)
			rows[i] = (struct queue_row){ .id = ++id, .due_ms = NOW };
		fill(&w, rows, w.limit, NOW);
	}
	want_nothing(NOW);          /* more than half of what it may hold */
	add(1, FRESH, 100000, NOW); /* must not overtake what is still in the store */
	assert_int_equal(queue_active(q), id);
	for (int64_t i = 1; i <= 256; i++) {
		assert_int_equal(next(NOW), i);
		done(i, QUEUE_NEUTRAL, NOW);
	}
	w = want(1, FRESH, NOW);
	assert_int_equal(w.after_id, id);
}

static void a_held_hook_holds_nothing(void **state)
{
	struct queue_row rows[] = { { 1, NOW }, { 2, NOW }, { 3, NOW }, { 4, NOW } };
	struct queue_want w;

	(void)state;
	hook(1, "a");
	add_many(1, 1, 3);
	assert_int_equal(next(NOW), 1);
	hook_held(1, "a", true);
	assert_int_equal(queue_active(q), 1);
	assert_int_equal(queue_hook_inflight(q, 1), 1);
	add(1, FRESH, 4, NOW);
	assert_int_equal(next(NOW), 0);
	want_nothing(NOW);
	assert_int_equal(queue_wake(q, NOW), -1);
	hook_held(1, "a", false);
	w = want(1, FRESH, NOW);
	fill(&w, rows, 4, NOW);
	assert_int_equal(next(NOW), 2);
	done(1, QUEUE_GOOD, NOW);
	assert_int_equal(next(NOW), 3);
	done(2, QUEUE_GOOD, NOW);
	assert_int_equal(next(NOW), 4);
	want_nothing(NOW);
}

static void a_removed_hook_ends_with_what_is_in_flight(void **state)
{
	(void)state;
	hook(1, "a");
	add_many(1, 1, 5);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 2);
	queue_hook_remove(q, 1);
	queue_check(q);
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(queue_hook_inflight(q, 1), 0);
	assert_int_equal(next(NOW), 0);
	done(1, QUEUE_BAD, NOW);
	done(2, QUEUE_GOOD, NOW);
	assert_int_equal(queue_active(q), 0);
	assert_null(destination("a", NOW).state);
	assert_int_equal(queue_wake(q, NOW), -1);
}

static void a_hook_moves_to_another_destination(void **state)
{
	struct queue_row rows[] = { { 1, NOW }, { 2, NOW }, { 3, NOW } };
	struct queue_want w;

	(void)state;
	hook(1, "a");
	add_many(1, 1, 3);
	add(1, RETRY, 9, NOW + 500);
	assert_int_equal(next(NOW), 1);
	hook(1, "b");
	queue_check(q);
	assert_int_equal(destination("a", NOW).inflight, 1);
	w = want(1, FRESH, NOW);
	fill(&w, rows, 3, NOW);
	assert_int_equal(next(NOW), 2);
	assert_int_equal(destination("b", NOW).inflight, 1);
	assert_int_equal(queue_hook_inflight(q, 1), 2);
	done(1, QUEUE_BAD, NOW); /* is a's business */
	assert_null(destination("a", NOW).state);
	assert_int_equal(destination("b", NOW).window, 2);
	assert_int_equal(next(NOW), 3);
	assert_int_equal(queue_wake(q, NOW), NOW + 500);
}

static void cancelling(void **state)
{
	(void)state;
	hook(1, "a");
	add_many(1, 1, 3);
	assert_int_equal(next(NOW), 1);
	queue_cancel(q, 1); /* in flight: stays */
	queue_cancel(q, 2);
	queue_cancel(q, 77);
	queue_check(q);
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(next(NOW), 3);
	done(1, QUEUE_GOOD, NOW);
	assert_int_equal(next(NOW), 0);
}

static void a_hooks_own_limit_of_requests(void **state)
{
	struct queue_hook limited = { .id = 1, .destination = "a", .max_inflight = 2 };
	struct queue_row rows[7];
	int64_t ids[8];

	(void)state;
	for (int64_t id = 1; id <= 7; id++)
		rows[id - 1] = (struct queue_row){ .id = id, .due_ms = NOW };
	hook(2, "a");
	add_many(2, 11, 13);
	assert_int_equal(start_all(NOW, ids), 2);
	done(11, QUEUE_GOOD, NOW);
	done(12, QUEUE_GOOD, NOW); /* a window of 3 */
	done(next(NOW), QUEUE_NEUTRAL, NOW);
	queue_hook_set(q, &limited);
	add_many(1, 1, 7);
	assert_int_equal(queue_active(q), 2); /* no more than may start at once */
	assert_int_equal(start_all(NOW, ids), 2);
	add(2, FRESH, 14, NOW);
	assert_int_equal(next(NOW), 14);
	serve(FRESH, rows, 7, NOW);
	assert_int_equal(queue_active(q), 5);
	done(14, QUEUE_NEUTRAL, NOW);
	assert_int_equal(next(NOW), 0);
	for (int64_t id = 3; id <= 7; id++) {
		done(id - 2, QUEUE_NEUTRAL, NOW);
		assert_int_equal(next(NOW), id);
		serve(FRESH, rows, 7, NOW);
	}
	limited.max_inflight = 3;
	add(1, FRESH, 8, NOW);
	assert_int_equal(next(NOW), 0);
	queue_hook_set(q, &limited);
	assert_int_equal(next(NOW), 8);
}

static void rate(unsigned count, int64_t ms)
{
	struct queue_hook h = { .id = 1, .destination = "a", .rate = count, .rate_ms = ms };

	queue_hook_set(q, &h);
}

static void a_rate_spreads_starts(void **state)
{
	struct queue_row row = { 2, NOW };
	struct queue_want w;

	(void)state;
	rate(1, 60000);
	add_many(1, 1, 2);
	assert_int_equal(queue_active(q), 1);
	assert_int_equal(next(NOW), 1);
	done(1, QUEUE_NEUTRAL, NOW);
	want_nothing(NOW + 59000); /* what cannot start is not loaded */
	assert_int_equal(queue_wake(q, NOW), NOW + 59990);
	w = want(1, FRESH, NOW + 60000);
	fill(&w, &row, 1, NOW + 60000);
	assert_int_equal(next(NOW + 60000), 2);
	add(1, FRESH, 3, NOW + 60000);
	rate(10, 1000); /* a new rate does not wait for the old one */
	assert_int_equal(queue_wake(q, NOW + 60000), NOW + 60100);
}

static void a_rate_gives_back_what_has_to_wait_long(void **state)
{
	(void)state;
	rate(1, 60000);
	want_nothing(NOW);
	add(1, FRESH, 1, NOW);
	add(1, RETRY, 2, NOW);
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(queue_active(q), 1);
	want(1, RETRY, NOW + 60000);
}

/* A store without end. */
static void answer_all(int64_t now)
{
	struct queue_row rows[QUEUE_PAGE_MAX];
	struct queue_want w;

	while (queue_want(q, now, &w)) {
		for (unsigned i = 0; i < w.limit; i++)
			rows[i] = (struct queue_row){ .id = w.after_id + 1 + i, .due_ms = NOW };
		fill(&w, rows, w.limit, now);
	}
}

/* Looked at every 7 ms, as by a busy loop. */
static void a_rate_is_kept_and_reached(void **state)
{
	static const unsigned rates[] = { 1, 10, 100, 500, 2000 };

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		int64_t id, started = 0;

		start_with(queue_limits_default);
		rate(rates[r], 1000);
		queue_waiting(q, 1, FRESH, NOW);
		for (int64_t now = NOW; now < NOW + 10000; now += 7) {
			answer_all(now);
			while ((id = next(now))) {
				queue_done(q, id, QUEUE_NEUTRAL, now);
				started++;
			}
		}
		assert_true(started <= 10 * (int64_t)rates[r] + 1 + rates[r] / 100);
		assert_true(started >= 10 * (int64_t)rates[r] * 9 / 10);
	}
}

static void an_ordered_hook_waits_for_its_head(void **state)
{
	struct queue_row head = { 1, NOW + 5000 };
	struct queue_row rest[] = { { 2, NOW }, { 3, NOW }, { 4, NOW + 1 } };

	(void)state;
	hook_ordered(1);
	add_many(1, 1, 3);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 0);
	done(1, QUEUE_NEUTRAL, NOW);
	add(1, RETRY, 1, NOW + 5000);
	assert_int_equal(queue_active(q), 0); /* what is blocked has no place */
	add(1, FRESH, 4, NOW + 1);
	want_nothing(NOW + 4999);
	assert_int_equal(next(NOW + 4999), 0);
	serve(RETRY, &head, 1, NOW + 5000);
	assert_int_equal(next(NOW + 5000), 1);
	serve(FRESH, rest, 3, NOW + 5000); /* read ahead while the head is under way */
	assert_int_equal(queue_active(q), 2);
	assert_int_equal(next(NOW + 5000), 0);
	done(1, QUEUE_GOOD, NOW + 5000);
	for (int64_t id = 2; id <= 4; id++) {
		assert_int_equal(next(NOW + 5000), id);
		assert_int_equal(next(NOW + 5000), 0);
		serve(FRESH, rest, 3, NOW + 5000);
		done(id, QUEUE_GOOD, NOW + 5000);
	}
}

static void an_ordered_hooks_head_may_be_cancelled(void **state)
{
	struct queue_row rest[] = { { 2, NOW } };
	struct queue_want w;

	(void)state;
	hook_ordered(1);
	add_many(1, 1, 2);
	done(next(NOW), QUEUE_NEUTRAL, NOW);
	add(1, RETRY, 1, NOW + 5000);
	queue_cancel(q, 1);
	want_nothing(NOW);
	queue_waiting(q, 1, RETRY, NOW);
	w = want(1, RETRY, NOW);
	fill(&w, NULL, 0, NOW);
	serve(FRESH, rest, 1, NOW);
	assert_int_equal(next(NOW), 2);
}

static void an_ordered_hook_puts_an_earlier_one_first(void **state)
{
	struct queue_row rows[] = { { 2, NOW }, { 3, NOW }, { 4, NOW } };

	(void)state;
	hook_ordered(1);
	add_many(1, 2, 4);
	assert_int_equal(next(NOW), 2);
	serve(FRESH, rows, 3, NOW);
	assert_int_equal(queue_active(q), 2); /* 3 waits, 4 is in the store */
	done(2, QUEUE_NEUTRAL, NOW);
	add(1, FRESH, 2, NOW); /* broken off: as if never started */
	assert_int_equal(next(NOW), 0);
	serve(FRESH, rows, 3, NOW);
	assert_int_equal(next(NOW), 2);
	done(2, QUEUE_NEUTRAL, NOW);
	queue_waiting(q, 1, FRESH, NOW + 10); /* or so */
	serve(FRESH, rows, 3, NOW + 10);
	assert_int_equal(next(NOW + 10), 2);
	done(2, QUEUE_GOOD, NOW + 10);
	serve(FRESH, rows + 1, 2, NOW + 10);
	assert_int_equal(next(NOW + 10), 3);
}

static void a_hook_that_becomes_ordered_drains_its_retries_first(void **state)
{
	struct queue_row retries[] = { { 2, NOW + 10 }, { 1, NOW + 20 } };

	(void)state;
	hook(1, "a");
	add_many(1, 1, 4);
	assert_int_equal(next(NOW), 1);
	assert_int_equal(next(NOW), 2);
	hook_ordered(1);
	queue_check(q);
	done(1, QUEUE_NEUTRAL, NOW);
	assert_int_equal(next(NOW), 0); /* 2 is still under way */
	add(1, RETRY, 1, NOW + 20);
	done(2, QUEUE_NEUTRAL, NOW);
	add(1, RETRY, 2, NOW + 10);
	serve(RETRY, retries, 2, NOW + 20);
	assert_int_equal(next(NOW + 20), 2);
	done(2, QUEUE_GOOD, NOW + 20);
	serve(RETRY, retries + 1, 1, NOW + 20);
	assert_int_equal(next(NOW + 20), 1);
}

/* Times are not asserted: if anything here cost by the number of hooks, it would not end. */
static void idle_hooks_cost_little(void **state)
{
	const int64_t hooks = 100000;
	size_t before = mallinfo2().uordblks, bytes;

	(void)state;
	for (int64_t id = 1; id <= hooks; id++)
		hook(id, "a");
	bytes = mallinfo2().uordblks - before; /* 0 where a sanitizer owns malloc */
	assert_true(bytes / (size_t)hooks <= 200);
	for (int64_t i = 1; i <= hooks; i++) {
		struct queue_work w;

		queue_add(q, 1 + i * 7919 % hooks, FRESH, i, NOW);
		assert_int_equal(queue_next(q, NOW, &w), 1);
		queue_done(q, w.id, QUEUE_NEUTRAL, NOW);
		assert_int_equal(queue_wake(q, NOW), -1);
	}
	assert_null(destination("a", NOW).state);
}

/* An attempt that was none; its row is as it was. */
static void what_comes_meanwhile_does_not_hide_what_is_looked_for_again(void **state)
{
	const struct queue_row rows[] = { { 1, NOW }, { 2, NOW + 10 } };
	struct queue_want w;
	unsigned fresh = 0;

	(void)state;
	hook(1, "a");
	add(1, FRESH, 1, NOW);
	assert_int_equal(next(NOW), 1);
	done(1, QUEUE_NEUTRAL, NOW);
	queue_look_again(q, 1, NOW + 1000);
	queue_check(q);
	add(1, FRESH, 2, NOW + 10);
	want_nothing(NOW + 999);
	assert_int_equal(queue_wake(q, NOW + 999), NOW + 1000);
	while (queue_want(q, NOW + 1000, &w)) {
		assert_true(w.after_due_ms < NOW);
		fill(&w, rows, w.lane == FRESH ? 2 : 0, NOW + 1000);
		fresh += w.lane == FRESH;
	}
	assert_int_equal(fresh, 1);
	assert_int_equal(next(NOW + 1000), 1);
	assert_int_equal(next(NOW + 1000), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_delivery_starts_once_and_ends),
		TEST(one_that_landed_leaves_its_place),
		TEST(what_landed_is_good_news_once),
		TEST(the_next_of_an_ordered_hook_waits_for_the_record),
		TEST(unknown_hooks_are_ignored),
		TEST(a_retry_is_fetched_when_it_is_due),
		TEST(the_start_finds_what_was_left),
		TEST(rows_behind_the_cursor_are_found),
		TEST(an_answer_to_a_stale_question_is_dropped),
		TEST(what_comes_late_is_put_in_its_place),
		TEST(a_full_page_asks_for_the_next),
		TEST(a_held_hook_holds_nothing),
		TEST(a_removed_hook_ends_with_what_is_in_flight),
		TEST(a_hook_moves_to_another_destination),
		TEST(cancelling),
		TEST(a_hooks_own_limit_of_requests),
		TEST(a_rate_spreads_starts),
		TEST(a_rate_gives_back_what_has_to_wait_long),
		TEST(a_rate_is_kept_and_reached),
		TEST(an_ordered_hook_waits_for_its_head),
		TEST(an_ordered_hooks_head_may_be_cancelled),
		TEST(an_ordered_hook_puts_an_earlier_one_first),
		TEST(a_hook_that_becomes_ordered_drains_its_retries_first),
		TEST(what_comes_meanwhile_does_not_hide_what_is_looked_for_again),
		TEST(idle_hooks_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
