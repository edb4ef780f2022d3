/*
 * What is released at a moment does not all start at that moment: after a restart, after a suspend,
 * after a pause. And what has nothing to do with it does not wait.
 */
#include "queue_kit.h"

#include <stdio.h>

#define HOOKS   200
#define RELEASE 5000 /* queue_limits_default.release_ms */

/* The row that each hook has in the store: id 1000 + the hook's. */
static struct {
	int64_t due_ms;
	bool started;
} rows[HOOKS + 1];

static void hook_of_its_own(int64_t id)
{
	char name[16];

	snprintf(name, sizeof(name), "d%lld", (long long)id);
	hook(id, name);
}

static void answer_wants(int64_t now)
{
	struct queue_want w;

	while (queue_want(q, now, &w)) {
		struct queue_row row = { 1000 + w.hook_id, rows[w.hook_id].due_ms };
		bool has = w.lane == RETRY && !rows[w.hook_id].started &&
			(row.due_ms > w.after_due_ms ||
				(row.due_ms == w.after_due_ms && row.id > w.after_id));

		fill(&w, &row, has, now);
	}
}

/* Everything that may start does, and ends well. */
static unsigned run(int64_t now)
{
	unsigned count = 0;
	int64_t id;

	answer_wants(now);
	for (; (id = next(now)); count++) {
		rows[id - 1000].started = true;
		done(id, QUEUE_GOOD, now);
		answer_wants(now);
	}
	return count;
}

static void setup_hooks(int64_t due_ms)
{
	memset(rows, 0, sizeof(rows));
	for (int64_t id = 1; id <= HOOKS; id++) {
		hook_of_its_own(id);
		rows[id].due_ms = due_ms;
		queue_waiting(q, id, RETRY, due_ms);
	}
}

/* From `now` on, 100 ms at a time: how many start, and how many at most in one step. */
static unsigned run_on(int64_t now, int64_t until, unsigned *most)
{
	unsigned count = 0, started;

	for (*most = 0; now <= until; now += 100) {
		started = run(now);
		count += started;
		if (*most < started)
			*most = started;
	}
	return count;
}

static void a_restart_spreads_overdue_retries(void **state)
{
	unsigned most;

	(void)state;
	assert_int_equal(queue_limits_default.release_ms, RELEASE);
	setup_hooks(NOW - RELEASE - 1);
	assert_int_equal(run_on(NOW, NOW + RELEASE + 100, &most), HOOKS);
	assert_true(most < HOOKS / 10);
}

static void a_suspend_spreads_what_it_made_late(void **state)
{
	unsigned most;

	(void)state;
	setup_hooks(NOW + 1000);
	assert_int_equal(run(NOW), 0);
	assert_int_equal(run_on(NOW + 3600000, NOW + 3600000 + RELEASE + 100, &most), HOOKS);
	assert_true(most < HOOKS / 10);
}

static void what_is_a_little_late_starts_at_once(void **state)
{
	(void)state;
	setup_hooks(NOW - RELEASE);
	assert_int_equal(run(NOW), HOOKS);
}

static void fresh_ones_do_not_wait_for_overdue_retries(void **state)
{
	(void)state;
	setup_hooks(NOW - 900000);
	assert_true(run(NOW) < HOOKS / 10);
	rows[7].started = false;
	add(7, FRESH, 1007, NOW);
	assert_int_equal(next(NOW), 1007);
}

/* Of an ordered hook, the head alone can be a retry: nothing overtakes it while it is held. */
static void an_ordered_hooks_head_is_not_overtaken(void **state)
{
	struct queue_hook h = { .id = 1, .destination = "a", .ordered = true };
	int64_t until;

	(void)state;
	memset(rows, 0, sizeof(rows));
	rows[1].due_ms = NOW - 900000;
	queue_hook_set(q, &h);
	queue_waiting(q, 1, RETRY, rows[1].due_ms);
	add(1, FRESH, 2000, NOW);
	answer_wants(NOW);
	assert_int_equal(next(NOW), 0);
	until = queue_wake(q, NOW);
	assert_true(until > NOW && until <= NOW + RELEASE + 1);
	answer_wants(until);
	assert_int_equal(next(until), 1001);
	assert_int_equal(next(until), 0);
}

/* Destinations that are ready and have nothing to do are not shown. */
static bool is_state(const char *name, int64_t now, const char *wanted)
{
	const char *state = destination(name, now).state;

	return strcmp(state ? state : "ready", wanted) == 0;
}

static void park(int64_t hook_id, const char *name)
{
	struct queue_want w;

	for (int64_t id = 5000; !is_state(name, NOW, "parked"); id++) {
		while (queue_want(q, NOW, &w))
			fill(&w, NULL, 0, NOW);
		add(hook_id, FRESH, id, NOW);
		done(next(NOW), QUEUE_BAD, NOW);
	}
}

static void a_suspend_spreads_probes(void **state)
{
	const int64_t woken = NOW + 3600000;
	unsigned probing = 0;

	(void)state;
	for (int64_t id = 1; id <= HOOKS; id++) {
		char name[16];

		hook_of_its_own(id);
		snprintf(name, sizeof(name), "d%lld", (long long)id);
		park(id, name);
	}
	assert_int_equal(next(woken), 0);
	for (int64_t id = 1; id <= HOOKS; id++) {
		char name[16];

		snprintf(name, sizeof(name), "d%lld", (long long)id);
		probing += !is_state(name, woken, "parked");
		assert_true(destination(name, woken).until_ms <= woken + RELEASE + 1);
	}
	assert_true(probing < HOOKS / 10);
}

/* Both run out between two turns, the retry first: the destination must not sleep on. */
static void a_nap_ends_though_another_timer_ran_out_first(void **state)
{
	struct queue_want w;
	struct queue_work work;
	int64_t until, now;

	(void)state;
	hook(1, "a");
	park(1, "a");
	until = destination("a", NOW).until_ms;
	queue_waiting(q, 1, RETRY, until - 1);
	now = until + 1;
	assert_int_equal(next(now), 0);
	assert_true(is_state("a", now, "probing"));
	w = want(1, RETRY, now);
	fill(&w, (struct queue_row[]){ { 9000, until - 1 } }, 1, now);
	assert_int_equal(queue_next(q, now, &work), 1);
	assert_true(work.probe);
	done(work.id, QUEUE_GOOD, now);
}

/* Never before what was asked for, a tenth later at most, and not all at the same time. */
static void pauses_end_apart(void **state)
{
	static const struct {
		int64_t asked_ms, more_ms;
	} cases[] = { { 1000, 500 }, { 60000, 6000 }, { 86400000, 60000 } };

	(void)state;
	assert_int_equal(next(NOW), 0); /* tells the time */
	for (unsigned c = 0; c < 3; c++) {
		int64_t first = INT64_MAX, last = 0;

		for (int64_t id = 1; id <= HOOKS; id++) {
			char name[16];
			int64_t pause_ms;

			queue_hook_remove(q, id);
			hook_of_its_own(id);
			snprintf(name, sizeof(name), "d%lld", (long long)id);
			queue_pause(q, id, NOW + cases[c].asked_ms);
			assert_string_equal(destination(name, NOW).state, "paused");
			pause_ms = destination(name, NOW).until_ms - NOW;
			first = pause_ms < first ? pause_ms : first;
			last = pause_ms > last ? pause_ms : last;
		}
		assert_true(first >= cases[c].asked_ms);
		assert_true(last <= cases[c].asked_ms + cases[c].more_ms);
		assert_true(last - first > cases[c].more_ms / 2);
	}
}

static void the_same_seed_has_the_same_answers(void **state)
{
	int64_t until[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start_with(queue_limits_default);
		(void)next(NOW);
		hook(1, "a");
		queue_pause(q, 1, NOW + 60000);
		until[i] = destination("a", NOW).until_ms;
	}
	assert_int_equal(until[0], until[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_spreads_overdue_retries),
		TEST(a_suspend_spreads_what_it_made_late),
		TEST(what_is_a_little_late_starts_at_once),
		TEST(fresh_ones_do_not_wait_for_overdue_retries),
		TEST(an_ordered_hooks_head_is_not_overtaken),
		TEST(a_suspend_spreads_probes),
		TEST(a_nap_ends_though_another_timer_ran_out_first),
		TEST(pauses_end_apart),
		TEST(the_same_seed_has_the_same_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
