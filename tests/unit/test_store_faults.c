/* Whatever fails, and whenever, the store is as of the last commit and its counts are exact: random
 * work beside a model in plain arrays, with a disk and a memory that fail on demand. */
#include "store_faults.h"
#include "store_fixture.h"
#include "store_model.h"

#include <sys/wait.h>

#include <errno.h>

/* ---- the comparison */

static bool comes_before(const struct model_delivery *a, const struct model_delivery *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

/* The hook's retry that comes next behind `after`; NULL at the end. */
static const struct model_delivery *retry_next(int hook, const struct model_delivery *after)
{
	const struct model_delivery *best = NULL;

	for (int i = 0; i < DELIVERIES; i++) {
		const struct model_delivery *d = &now.deliveries[i];

		if (d->id && d->hook == hook && d->state == DELIVERY_RETRY &&
			(!after || comes_before(after, d)) && (!best || comes_before(d, best)))
			best = d;
	}
	return best;
}

/* Reads all retries in pages of 3; how many there are. */
static uint64_t compare_retries(int hook, int64_t first_due_ms)
{
	const struct model_delivery *d = NULL;
	struct store_row rows[3], after = { .due_ms = -1 };
	uint64_t total = 0;
	int count;

	do {
		count = store_retries(s, now.hooks[hook].id, after.due_ms, after.id, rows, 3);
		for (int i = 0; i < count; i++) {
			d = retry_next(hook, d);
			assert_non_null(d);
			assert_int_equal(rows[i].id, d->id);
			assert_int_equal(rows[i].due_ms, d->due_ms);
			if (total++ == 0)
				assert_int_equal(first_due_ms, d->due_ms);
			after = rows[i];
		}
	} while (count == 3);
	assert_true(count >= 0);
	assert_null(retry_next(hook, d));
	if (total == 0)
		assert_int_equal(first_due_ms, -1);
	return total;
}

/* Likewise those that were never tried. */
static uint64_t compare_fresh(int hook, bool any)
{
	int64_t ids[3], after = 0;
	uint64_t total = 0, known = 0;
	int count;

	do {
		count = store_fresh(s, now.hooks[hook].id, after, ids, 3);
		for (int i = 0; i < count; i++) {
			const struct model_delivery *d = NULL;

			for (int j = 0; j < DELIVERIES && !d; j++)
				if (now.deliveries[j].id == ids[i])
					d = &now.deliveries[j];
			assert_non_null(d);
			assert_true(d->hook == hook && d->state == DELIVERY_FRESH);
			assert_true(ids[i] > after);
			after = ids[i];
			total++;
		}
	} while (count == 3);
	assert_true(count >= 0);
	for (int i = 0; i < DELIVERIES; i++)
		known += now.deliveries[i].id && now.deliveries[i].hook == hook &&
			now.deliveries[i].state == DELIVERY_FRESH;
	assert_int_equal(total, known);
	assert_int_equal(any, total > 0);
	return total;
}

/* Reads the whole list in pages of 3. */
static void compare_list(int hook, enum store_state state)
{
	struct store_entry rows[3];
	int64_t after = 0;
	int count;

	do {
		count = store_list(s, now.hooks[hook].id, state, after, rows, 3);
		assert_in_range(count, 0, 3);
		for (int i = 0; i <= count; i++) {
			const struct model_delivery *next = NULL;

			for (int j = 0; j < DELIVERIES; j++) {
				const struct model_delivery *d = &now.deliveries[j];

				if (d->id > after && d->hook == hook && state_of(d) == state &&
					(!next || d->id < next->id))
					next = d;
			}
			if (i == count) {
				assert_true(count == 3 || !next);
				break;
			}
			assert_non_null(next);
			assert_int_equal(rows[i].id, next->id);
			assert_int_equal(rows[i].finished_ms, next->finished_ms);
			after = next->id;
		}
	} while (count == 3);
}

static void compare(void)
{
	int64_t events = 0, deliveries = 0;

	for (int i = 0; i < HOOKS; i++) {
		struct hook_seen seen;

		if (!now.hooks[i].id)
			continue;
		seen = hook_get(now.hooks[i].id);
		assert_int_equal(seen.count, 1);
		assert_int_equal(seen.hook.delivered, now.hooks[i].delivered);
		assert_int_equal(seen.hook.pending,
			compare_fresh(i, seen.hook.fresh) +
				compare_retries(i, seen.hook.retry_due_ms));
		compare_list(i, STORE_PENDING);
		compare_list(i, STORE_DELIVERED);
		compare_list(i, STORE_FAILED);
	}
	for (int i = 0; i < EVENTS; i++)
		events += now.events[i].id != 0;
	for (int i = 0; i < DELIVERIES; i++)
		deliveries += now.deliveries[i].id != 0;
	assert_int_equal(number("SELECT count(*) FROM event"), events);
	assert_int_equal(number("SELECT count(*) FROM delivery"), deliveries);
	assert_int_equal(store_backlog_bytes(s), model_bytes(waits));
	assert_int_equal(store_kept_bytes(s), model_bytes(kept));
	assert_int_equal(store_counter(s, "accepted"), now.counter);
}

/* ---- the runs */

/* A step has failed, with the fault's error: the turn is undone. If there was one before the step,
 * and the step was not its commit, then the commit is still to say so. */
static void failed(int error, bool begun)
{
	int64_t id;

	assert_non_null(armed);
	assert_int_equal(error, armed->error);
	armed = NULL;
	now = committed;
	compare();
	if (begun)
		assert_true(store_changed(s));
	if (store_changed(s)) {
		assert_int_equal(store_hook_add(s, "too early", &id), error);
		assert_int_equal(store_commit(s), error);
	}
	assert_false(store_changed(s));
	assert_int_equal(store_commit(s), 0);
}

static void begin(unsigned start)
{
	seed = start;
	armed = NULL;
	now = (struct model){ .next_hook = 1, .next_event = 1, .next_delivery = 1 };
	committed = now;
	reopen();
	/* As small as can be, so that reads and writes happen amid a turn too. */
	assert_int_equal(sqlite3_exec(s->db, "PRAGMA cache_size = 1", NULL, NULL, NULL), SQLITE_OK);
}

static void random_work_is_counted_exactly(void **state)
{
	int struck[FAULT_COUNT] = { 0 };

	(void)state;
	begin(1);
	for (int i = 0; i < 12000; i++) {
		int (*step)(void) = steps[pick(sizeof(steps) / sizeof(steps[0]))];
		bool begun = store_changed(s);
		int error;

		if (pick(20) == 0) {
			armed = &faults[pick(FAULT_COUNT)];
			let_through = pick(2) ? 0 : pick(30);
		}
		error = step();
		if (error) {
			struck[armed - faults]++;
			failed(error, begun && step != step_commit);
		} else if (pick(10) == 0) {
			armed = NULL;
			compare();
		}
		if (pick(1000) == 0) {
			armed = NULL;
			now = committed;
			reopen();
			compare();
		}
	}
	/* Or the test does not test what it says. */
	for (size_t i = 0; i < FAULT_COUNT; i++)
		assert_true(struck[i] > 0);
}

/* The commit that fails at its n-th call of the system, for every n. */
static void a_commit_fails_wherever_it_can(void **state)
{
	(void)state;
	for (size_t f = 0; f < FAULT_COUNT; f++) {
		unsigned n = 0;
		int error;

		begin((unsigned)f);
		assert_int_equal(step_hook_add(), 0);
		assert_int_equal(store_commit(s), 0);
		committed = now;
		do {
			for (int i = 0; i < 5; i++)
				assert_int_equal(step_event_add(), 0);
			armed = &faults[f];
			let_through = n++;
			error = store_commit(s);
			if (error)
				failed(error, false);
			armed = NULL;
		} while (error);
		committed = now;
		compare();
		reopen();
		compare();
		store_close(s);
		s = NULL;
		assert_int_equal(unlink("queue.db"), 0);
	}
}

static bool upgrade_told; /* by a failed open */

/* Opens with the fault at the first call, then at the second, and so on until it goes well. */
static void open_in_the_end(const struct fault *fault)
{
	int error = -1;

	for (unsigned n = 0; error && n < 10000; n++) {
		struct err err = { 0 };

		armed = fault;
		let_through = n;
		error = store_open(dir, true, NULL, &err, &s);
		armed = NULL;
		if (!error)
			return;
		assert_null(s);
		assert_int_equal(err.code, -error);
		assert_int_not_equal(error, -EINVAL);
		assert_non_null(strstr(err.sentence, dir));
		if (strstr(err.sentence, "it stays in format 1, and is brought to format"))
			upgrade_told = true;
	}
	fail();
}

static void what_an_open_that_failed_leaves_can_be_opened(void **state)
{
	(void)state;
	for (size_t f = 0; f < FAULT_COUNT; f++) {
		int64_t hook;
		pid_t pid;

		open_in_the_end(&faults[f]); /* each time goes on with a file made in part */
		hook = hook_add("h");
		commit();
		store_close(s);
		s = NULL;

		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			reopen();
			(void)work_add(hook, 7);
			_exit(store_commit(s) < 0); /* without closing: all of it is in the log */
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(access("queue.db-wal", F_OK), 0);
		open_in_the_end(&faults[f]);
		assert_int_equal(hook_get(hook).hook.pending, 1);
		assert_int_equal(number("SELECT count(*) FROM event"), 1);
		store_close(s);
		s = NULL;
		assert_int_equal(unlink("queue.db"), 0);
	}
}

/* An upgrade that fails, wherever it does, leaves version 1 as it was. */
static void an_upgrade_that_failed_can_be_tried_again(void **state)
{
	(void)state;
	for (size_t f = 0; f < FAULT_COUNT; f++) {
		version_1_make();
		upgrade_told = false;
		open_in_the_end(&faults[f]);
		assert_true(upgrade_told);
		assert_version_1();
		store_close(s);
		s = NULL;
		assert_int_equal(unlink("queue.db"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_work_is_counted_exactly, enter, leave),
		cmocka_unit_test_setup_teardown(a_commit_fails_wherever_it_can, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_an_open_that_failed_leaves_can_be_opened, enter, leave),
		cmocka_unit_test_setup_teardown(
			an_upgrade_that_failed_can_be_tried_again, enter, leave),
	};

	faults_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
