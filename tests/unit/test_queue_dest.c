/*
 * The queue: destinations, their windows, parking and pauses, and who comes first.
 */
#include "queue_kit.h"

static void the_window_grows_by_whole_cycles_of_success(void **state)
{
	int64_t ids[8];

	(void)state;
	hook(1, "a");
	add_many(1, 1, 40);
	assert_int_equal(start_all(NOW, ids), 2);
	done(ids[0], QUEUE_GOOD, NOW);
	assert_int_equal(destination("a", NOW).window, 2);
	done(ids[1], QUEUE_GOOD, NOW);
	assert_int_equal(destination("a", NOW).window, 3);
	assert_int_equal(start_all(NOW, ids), 3);
	for (unsigned i = 0; i < 3; i++)
		done(ids[i], i == 1 ? QUEUE_NEUTRAL : QUEUE_GOOD, NOW);
	assert_int_equal(destination("a", NOW).window, 3); /* only two thirds were good */
	assert_int_equal(start_all(NOW, ids), 3);
	done(ids[0], QUEUE_GOOD, NOW);
	assert_int_equal(destination("a", NOW).window, 4);
}

static void the_window_grows_only_while_it_is_used(void **state)
{
	(void)state;
	hook(1, "a");
	for (int64_t id = 1; id <= 200; id++) {
		add(1, FRESH, id, NOW);
		assert_int_equal(next(NOW), id);
		done(id, QUEUE_GOOD, NOW);
	}
	add(1, FRESH, 201, NOW);
	assert_int_equal(destination("a", NOW).window, 2);
}

static void the_window_and_the_requests_in_all_are_bounded(void **state)
{
	struct queue_limits limits = queue_limits_default;
	int64_t ids[64];
	unsigned count;

	(void)state;
	limits.window_max = 4;
	limits.inflight_max = 8;
	start_with(limits);
	hook(1, "a");
	hook(2, "b");
	add_many(1, 1, 100);
	add_many(2, 101, 200);
	for (unsigned round = 0; round < 10; round++) {
		count = start_all(NOW, ids);
		assert_true(count <= 8);
		for (unsigned i = 0; i < count; i++)
			done(ids[i], QUEUE_GOOD, NOW);
	}
	assert_int_equal(start_all(NOW, ids), 6); /* 3 each, and 2 that are left are not more */
	assert_int_equal(destination("a", NOW).window, 4);
	assert_int_equal(destination("b", NOW).window, 4);
}

/* Fails what it starts until the destination is parked; how many attempts that took. */
static unsigned fail_until_parked(int64_t now)
{
	unsigned attempts = 0;
	int64_t id;

	while (strcmp(destination("a", now).state, "parked") != 0) {
		id = next(now);
		assert_int_not_equal(id, 0);
		done(id, QUEUE_BAD, now);
		attempts++;
		assert_true(attempts < 10);
	}
	return attempts;
}

static void answer_fresh(int64_t from, int64_t to, int64_t now)
{
	struct queue_row rows[QUEUE_PAGE_MAX];
	struct queue_want w = want(1, FRESH, now);
	unsigned count = 0;

	for (int64_t id = from; id <= to && count < w.limit; id++)
		rows[count++] = (struct queue_row){ .id = id, .due_ms = NOW };
	fill(&w, rows, count, now);
}

static void a_dead_destination_is_parked_and_probed(void **state)
{
	int64_t now = NOW, until, nap = queue_limits_default.park_min_ms;
	int64_t earliest = INT64_MAX, latest = 0; /* naps, in per mille of what they should be */
	int64_t id = 10;

	(void)state;
	hook(1, "a");
	add_many(1, 1, 100);
	assert_int_equal(fail_until_parked(NOW), 3); /* 1/2 + 1 + 1 */
	assert_int_equal(queue_active(q), 0);        /* all is given back */
	for (unsigned i = 0; i < 10; i++) {
		struct queue_work w;

		until = destination("a", now).until_ms;
		assert_true(until >= now + nap * 8 / 10 && until <= now + nap * 12 / 10);
		if (earliest > (until - now) * 1000 / nap)
			earliest = (until - now) * 1000 / nap;
		if (latest < (until - now) * 1000 / nap)
			latest = (until - now) * 1000 / nap;
		assert_int_equal(queue_wake(q, now), until);
		want_nothing(until - 1);
		assert_int_equal(next(until - 1), 0);
		now = until;
		answer_fresh(id, 100, now);
		assert_string_equal(destination("a", now).state, "probing");
		assert_int_equal(queue_next(q, now, &w), 1);
		assert_true(w.probe);
		assert_int_equal(w.id, id++);
		assert_int_equal(next(now), 0); /* one at a time */
		want_nothing(now);
		done(w.id, QUEUE_BAD, now);
		assert_string_equal(destination("a", now).state, "parked");
		nap = 2 * nap < queue_limits_default.park_max_ms ? 2 * nap
								 : queue_limits_default.park_max_ms;
	}
	assert_true(earliest < 950 && latest > 1050);
}

/* Parks the destination "a" of hook 1 and starts its probe; the probe's id. */
static int64_t probe(int64_t *now)
{
	hook(1, "a");
	add_many(1, 1, 100);
	(void)fail_until_parked(*now);
	*now = destination("a", *now).until_ms;
	answer_fresh(4, 100, *now);
	return next(*now);
}

static void a_good_probe_opens_slowly(void **state)
{
	int64_t now = NOW, ids[8], id = probe(&now);

	(void)state;
	done(id, QUEUE_GOOD, now);
	assert_string_equal(destination("a", now).state, "ready");
	answer_fresh(5, 100, now);
	assert_int_equal(start_all(now, ids), 2);
	done(ids[0], QUEUE_BAD, now);
	done(ids[1], QUEUE_BAD, now);
	while (strcmp(destination("a", now).state, "ready") == 0)
		done(next(now), QUEUE_BAD, now);
	/* All that was is forgotten: the nap is a first one. */
	assert_true(
		destination("a", now).until_ms <= now + queue_limits_default.park_min_ms * 12 / 10);
}

static void a_neutral_probe_opens_but_keeps_the_nap(void **state)
{
	int64_t now = NOW, ids[8], id = probe(&now), nap;

	(void)state;
	done(id, QUEUE_NEUTRAL, now);
	answer_fresh(5, 100, now);
	assert_int_equal(start_all(now, ids), 1);
	done(ids[0], QUEUE_BAD, now);
	done(next(now), QUEUE_BAD, now);
	nap = destination("a", now).until_ms - now;
	assert_true(nap > queue_limits_default.park_min_ms * 12 / 10);
}

static void late_answers_of_before_the_nap(void **state)
{
	int64_t ids[16], until;

	(void)state;
	hook(1, "a");
	add_many(1, 1, 100);
	for (unsigned i = 0; i < 3; i++) {
		unsigned count = start_all(NOW, ids);

		while (count)
			done(ids[--count], QUEUE_GOOD, NOW);
	}
	assert_int_equal(start_all(NOW, ids), 5);
	for (unsigned i = 0; i < 5; i++)
		add(1, RETRY, ids[i], NOW + 5000);
	/* a window of 5 that fails: 1/5 + 1/4 + 1/4 + 1/4 + 1/4 */
	for (unsigned i = 0; i < 3; i++)
		done(ids[i], QUEUE_BAD, NOW);
	assert_string_equal(destination("a", NOW).state, "ready");
	for (unsigned i = 0; i < 2; i++) {
		ids[i] = next(NOW);
		assert_int_not_equal(ids[i], 0);
	}
	done(ids[0], QUEUE_BAD, NOW);
	done(ids[1], QUEUE_BAD, NOW);
	while (strcmp(destination("a", NOW).state, "ready") == 0)
		done(next(NOW), QUEUE_BAD, NOW);
	until = destination("a", NOW).until_ms;
	done(ids[3], QUEUE_BAD, NOW + 1); /* no news */
	assert_int_equal(destination("a", NOW + 1).until_ms, until);
	done(ids[4], QUEUE_GOOD, NOW + 2); /* alive after all */
	assert_string_equal(destination("a", NOW + 2).state, "probing");
}

static void the_window_shrinks_at_the_first_failure(void **state)
{
	int64_t ids[16];

	(void)state;
	hook(1, "a");
	add_many(1, 1, 100);
	for (unsigned i = 0; i < 2; i++) {
		unsigned count = start_all(NOW, ids);

		while (count)
			done(ids[--count], QUEUE_GOOD, NOW);
	}
	assert_int_equal(start_all(NOW, ids), 4);
	done(ids[0], QUEUE_BAD, NOW);
	assert_int_equal(destination("a", NOW).window, 3);
	done(ids[1], QUEUE_BAD, NOW); /* the rest of that window does not count again */
	done(ids[2], QUEUE_BAD, NOW);
	assert_int_equal(destination("a", NOW).window, 3);
	assert_int_equal(destination("a", NOW).inflight, 1);
}

static void a_pause_is_kept_and_ends_gently(void **state)
{
	int64_t ids[64], until;
	unsigned count;

	(void)state;
	hook(1, "a");
	add_many(1, 1, 200);
	for (unsigned i = 0; i < 6; i++) {
		count = start_all(NOW, ids);
		while (count)
			done(ids[--count], QUEUE_GOOD, NOW);
	}
	queue_pause(q, 1, NOW + 60000);
	queue_pause(q, 1, NOW + 10000); /* shorter: nothing new */
	queue_check(q);
	assert_int_equal(queue_active(q), 0);
	assert_string_equal(destination("a", NOW).state, "paused");
	until = destination("a", NOW).until_ms;
	assert_true(until >= NOW + 60000 && until <= NOW + 66000);
	assert_int_equal(next(NOW), 0);
	add(1, FRESH, 201, NOW);
	want_nothing(until - 1);
	assert_int_equal(next(until - 1), 0);
	assert_int_equal(queue_wake(q, until - 1), until);
	answer_fresh(100, 201, until);
	assert_int_equal(start_all(until, ids), 2);
}

static void every_fifth_start_is_a_retry(void **state)
{
	int64_t now = NOW + 1;

	(void)state;
	hook(1, "a");
	hook(2, "a");
	want_nothing(now); /* tells the time */
	for (int64_t id = 1; id <= 40; id++) {
		add(1, FRESH, id, now);
		add(2, RETRY, 100 + id, now);
	}
	for (unsigned i = 1; i <= 40; i++) {
		int64_t id = next(now);

		assert_int_equal(id > 100, i % 5 == 0);
		done(id, QUEUE_NEUTRAL, now);
	}
	for (unsigned i = 1; i <= 40; i++) /* 8 fresh ones left, 32 retries */
		done(next(now), QUEUE_NEUTRAL, now);
	assert_int_equal(queue_active(q), 0);
}

static void destinations_and_hooks_take_turns(void **state)
{
	static const int64_t hooks[] = { 1, 2, 3 };
	unsigned starts[4] = { 0 };

	(void)state;
	hook(1, "a");
	hook(2, "a");
	hook(3, "b");
	for (int64_t i = 0; i < 40; i++)
		for (unsigned j = 0; j < 3; j++)
			add(hooks[j], FRESH, hooks[j] * 1000 + i, NOW);
	for (unsigned i = 0; i < 40; i++) {
		struct queue_work w;

		assert_int_equal(queue_next(q, NOW, &w), 1);
		starts[w.hook_id]++;
		done(w.id, QUEUE_NEUTRAL, NOW);
	}
	assert_int_equal(starts[1], 10);
	assert_int_equal(starts[2], 10);
	assert_int_equal(starts[3], 20);
}

/* Requests at once are what all share: who holds few of them comes first. */
static void slow_destinations_do_not_hold_up_a_fast_one(void **state)
{
	struct queue_limits limits = queue_limits_default;
	int64_t id, fast = 0;
	char name[2] = "a";

	(void)state;
	limits.inflight_max = 16;
	limits.window_start = 8;
	start_with(limits);
	for (int64_t h = 1; h <= 4; h++, name[0]++) {
		hook(h, name);
		add_many(h, h * 100, h * 100 + 50);
	}
	while (next(NOW))
		;
	hook(9, "z");
	add_many(9, 900, 950);
	for (int64_t h = 1; h <= 4; h++) /* each slow one ends one of its own */
		done(h * 100, QUEUE_GOOD, NOW);
	for (unsigned i = 0; i < 4; i++) {
		id = next(NOW);
		fast += id >= 900;
	}
	assert_true(fast >= 2);
}

static unsigned start_at(const char *destination_name, int64_t first, int64_t last)
{
	int64_t ids[QUEUE_PAGE_MAX];
	unsigned count = start_all(NOW, ids);

	for (unsigned i = 0; i < count; i++)
		assert_true(ids[i] >= first && ids[i] <= last);
	assert_int_equal(destination(destination_name, NOW).inflight, count);
	return count;
}

/* Nothing ends: who comes later still finds places. */
static void destinations_that_hang_leave_places_for_others(void **state)
{
	struct queue_limits limits = queue_limits_default;
	int64_t healthy;

	(void)state;
	limits.inflight_max = 128;
	limits.window_start = 64; /* as wide as it becomes where all was well before */
	start_with(limits);
	hook(1, "a");
	add_many(1, 1000, 2000);
	assert_int_equal(start_at("a", 1000, 2000), 64);
	hook(2, "b");
	add_many(2, 3000, 4000);
	assert_int_equal(start_at("b", 3000, 4000), 32);
	hook(3, "c");
	add_many(3, 5000, 6000);
	assert_int_equal(start_at("c", 5000, 6000), 16);
	hook(9, "z");
	add_many(9, 9000, 9100);
	healthy = next(NOW);
	while (next(NOW)) /* its own places, too */
		;
	for (int64_t id = 9000; id <= 9100; id++) {
		assert_in_range(healthy, 9000, 9100);
		done(healthy, QUEUE_GOOD, NOW);
		healthy = id < 9000 + 100 ? next(NOW) : 0;
		if (!healthy)
			break;
	}
	assert_int_equal(destination("a", NOW).inflight, 64); /* as they hung */
	/* What ends goes to who has few, until the one that has many is again one of many. */
	done(1000, QUEUE_NEUTRAL, NOW);
	assert_int_not_equal(next(NOW) / 1000, 1);
}

/* However few requests there may be at once. */
static void one_destination_alone_gets_half_of_all(void **state)
{
	struct queue_limits limits = queue_limits_default;
	int64_t ids[64];

	(void)state;
	limits.window_start = limits.window_max;
	for (unsigned all = 1; all < 64; all++) {
		limits.inflight_max = all;
		start_with(limits);
		hook(1, "a");
		add_many(1, 1, 100);
		assert_int_equal(start_all(NOW, ids), (all + 1) / 2);
		assert_true(queue_wake(q, NOW) != NOW); /* it would spin */
	}
}

static void the_active_set_and_a_share_are_bounded(void **state)
{
	struct queue_limits limits = queue_limits_default;

	(void)state;
	limits.active_max = 1000;
	limits.window_max = 4;
	start_with(limits);
	hook(1, "a");
	add_many(1, 1, 2000);
	assert_true(queue_active(q) <= 125);
	assert_true(queue_active(q) >= 50);
	for (int64_t h = 2; h <= 40; h++) {
		char name[2] = { (char)('a' + h), '\0' };

		hook(h, name);
		add_many(h, h * 10000, h * 10000 + 200);
	}
	assert_int_equal(queue_active(q), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_window_grows_by_whole_cycles_of_success),
		TEST(the_window_grows_only_while_it_is_used),
		TEST(the_window_and_the_requests_in_all_are_bounded),
		TEST(the_window_shrinks_at_the_first_failure),
		TEST(a_dead_destination_is_parked_and_probed),
		TEST(a_good_probe_opens_slowly),
		TEST(a_neutral_probe_opens_but_keeps_the_nap),
		TEST(late_answers_of_before_the_nap),
		TEST(a_pause_is_kept_and_ends_gently),
		TEST(every_fifth_start_is_a_retry),
		TEST(destinations_and_hooks_take_turns),
		TEST(slow_destinations_do_not_hold_up_a_fast_one),
		TEST(destinations_that_hang_leave_places_for_others),
		TEST(one_destination_alone_gets_half_of_all),
		TEST(the_active_set_and_a_share_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
