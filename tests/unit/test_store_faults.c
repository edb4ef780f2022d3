/* Whatever fails, and whenever, the store is as of the last commit and its counts are exact: random
 * work beside a model in plain arrays, with a disk and a memory that fail on demand. */
#include "store_faults.h"
#include "store_fixture.h"

#include <sys/wait.h>

#include <errno.h>

/* ---- the model */

#define HOOKS      4
#define EVENTS     200
#define DELIVERIES 400
#define KEYS       16

struct model_delivery {
	int64_t id, due_ms;
	int event, hook; /* places in the arrays below */
	enum delivery_state state;
	unsigned attempts;
};

/* An id of 0 is an empty place. */
struct model {
	struct model_hook {
		int64_t id, delivered;
	} hooks[HOOKS];
	struct model_event {
		int64_t id, bytes;
	} events[EVENTS];
	struct model_delivery deliveries[DELIVERIES];
	int64_t keys[KEYS]; /* when taken */
	int64_t counter;
	int64_t next_hook, next_event, next_delivery;
};

static struct model now, committed;
static unsigned seed;

static unsigned pick(unsigned count)
{
	return (unsigned)rand_r(&seed) % count;
}

static bool waits(const struct model_delivery *d)
{
	return d->id && (d->state == DELIVERY_FRESH || d->state == DELIVERY_RETRY);
}

static int place_of(int64_t wanted, const int64_t *first, size_t stride, int count)
{
	for (int i = 0; i < count; i++)
		if (*(const int64_t *)(const void *)((const char *)first + (size_t)i * stride) ==
			wanted)
			return i;
	return -1;
}
#define PLACE(array, wanted)                                 \
	place_of(wanted, &(array)[0].id, sizeof((array)[0]), \
		(int)(sizeof(array) / sizeof((array)[0])))

static void model_remove(struct model_delivery *d)
{
	int event = d->event;

	*d = (struct model_delivery){ 0 };
	for (int i = 0; i < DELIVERIES; i++)
		if (now.deliveries[i].id && now.deliveries[i].event == event)
			return;
	now.events[event] = (struct model_event){ 0 };
}

/* ---- the steps: each does the same to the store and, if that goes well, to the model */

static int step_hook_add(void)
{
	int place = PLACE(now.hooks, 0);
	char name[32];
	int64_t id = 0;
	int error;

	if (place < 0)
		return 0;
	(void)snprintf(name, sizeof(name), "hook%d", place);
	error = store_hook_add(s, name, &id);
	if (error)
		return error;
	assert_int_equal(id, now.next_hook++);
	now.hooks[place] = (struct model_hook){ .id = id };
	return 0;
}

static int step_hook_save(void)
{
	struct model_hook *h = &now.hooks[pick(HOOKS)];
	struct store_hook row = { .id = h->id, .delivered = (uint64_t)h->delivered + 1 };
	int error = store_hook_save(s, &row);

	if (!h->id && error == -ENOENT)
		return 0;
	if (!error)
		h->delivered++;
	return error;
}

static int step_hook_remove(void)
{
	int place = (int)pick(HOOKS);
	struct model_hook *h = &now.hooks[place];
	uint64_t dropped = 0, expected = 0;
	int error;

	if (!h->id || pick(20))
		return 0;
	error = store_hook_remove(s, h->id, &dropped);
	if (error)
		return error;
	for (int i = 0; i < DELIVERIES; i++) {
		struct model_delivery *d = &now.deliveries[i];

		if (!d->id || d->hook != place)
			continue;
		expected += waits(d);
		model_remove(d);
	}
	assert_int_equal(dropped, expected);
	*h = (struct model_hook){ 0 };
	return 0;
}

static int step_counter(void)
{
	int error = store_counter_save(s, "accepted", now.counter + 1);

	if (!error)
		now.counter++;
	return error;
}

static int deliveries_add(int event, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int place = PLACE(now.deliveries, 0), hook = (int)pick(HOOKS), error;
		struct model_delivery d = { .event = event, .hook = hook, .due_ms = pick(50) };

		while (!now.hooks[hook].id)
			hook = (hook + 1) % HOOKS;
		d.hook = hook;
		error = store_delivery_add(
			s, now.events[event].id, now.hooks[hook].id, "name", d.due_ms, &d.id);
		if (error)
			return error;
		assert_int_equal(d.id, now.next_delivery++);
		now.deliveries[place] = d;
	}
	return 0;
}

static int step_event_add(void)
{
	static char text[20001];
	unsigned len = pick(8) ? pick(300) : pick(20000), count = 1 + pick(3), key = pick(3 * KEYS);
	int place = PLACE(now.events, 0), room = 0, hooks = 0, error;
	char name[16];
	struct store_event e = sample;
	int64_t id;

	for (int i = 0; i < HOOKS; i++)
		hooks += now.hooks[i].id != 0;
	for (int i = 0; i < DELIVERIES; i++)
		room += now.deliveries[i].id == 0;
	if (place < 0 || hooks == 0 || room < 3)
		return 0;
	memset(text, 'x', len);
	text[len] = '\0';
	e.rest = text;
	if (pick(2))
		e.result = NULL;
	if (key < KEYS) {
		(void)snprintf(name, sizeof(name), "key%u", key);
		e.id = name;
		e.accepted_ms = (int64_t)(1 + pick(1000));
	}
	error = store_event_add(s, &e, count, &id);
	if (error)
		return error;
	assert_int_equal(id, now.next_event++);
	if (key < KEYS)
		now.keys[key] = e.accepted_ms;
	now.events[place] = (struct model_event){
		.id = id,
		.bytes = (int64_t)(strlen(e.fields) + (e.result ? strlen(e.result) : 0) + len),
	};
	return deliveries_add(place, count);
}

/* Any state, to any state that is not the first. */
static int step_delivery_move(void)
{
	struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	unsigned attempts = d->attempts + 1, kind = pick(4);
	int64_t due_ms = pick(100);
	int error;

	if (kind == DELIVERY_RETRY)
		error = store_delivery_retry(s, d->id, attempts, due_ms, "text");
	else if (kind == DELIVERY_FAILED)
		error = store_delivery_failed(s, d->id, attempts, NULL);
	else
		error = store_delivery_done(s, d->id);
	if (!d->id && error == -ENOENT)
		return 0;
	if (error)
		return error;
	if (kind == DELIVERY_RETRY)
		d->due_ms = due_ms;
	if (kind == DELIVERY_RETRY || kind == DELIVERY_FAILED) {
		d->state = (enum delivery_state)kind;
		d->attempts = attempts;
	} else {
		model_remove(d);
	}
	return 0;
}

static int step_expire(void)
{
	int64_t before = pick(1000);
	int more;

	if (pick(10))
		return 0;
	more = store_expire(s, before, KEYS + 1);
	if (more < 0)
		return more;
	for (int i = 0; i < KEYS; i++)
		if (now.keys[i] < before)
			now.keys[i] = 0;
	return 0;
}

static int step_clamp(void)
{
	int64_t latest = 80 + pick(20);
	bool retry = pick(2);
	int error;

	if (pick(10))
		return 0;
	error = store_clamp_due(s, retry, latest);
	for (int i = 0; i < DELIVERIES && !error; i++)
		if (waits(&now.deliveries[i]) && (now.deliveries[i].attempts > 0) == retry &&
			now.deliveries[i].due_ms > latest)
			now.deliveries[i].due_ms = latest;
	return error;
}

/* A query may fail too, and then the turn is lost as well. */
static int step_get(void)
{
	const struct model_delivery *d = &now.deliveries[pick(DELIVERIES)];
	struct store_delivery out;
	int error = store_delivery_get(s, d->id, &out);

	if (!d->id && error == -ENOENT)
		return 0;
	if (error)
		return error;
	assert_int_equal(out.attempts, d->attempts);
	assert_int_equal(out.event_id, now.events[d->event].id);
	assert_int_equal(out.hook_id, now.hooks[d->hook].id);
	store_delivery_release(&out);
	return 0;
}

static int step_seen(void)
{
	unsigned key = pick(KEYS);
	int64_t since = 1 + pick(1000);
	char name[16];
	int seen;

	(void)snprintf(name, sizeof(name), "key%u", key);
	seen = store_event_seen(s, name, since);
	if (seen < 0)
		return seen;
	assert_int_equal(seen, now.keys[key] >= since);
	return 0;
}

static int step_commit(void)
{
	int error;

	if (pick(3))
		return 0;
	error = store_commit(s);
	if (!error)
		committed = now;
	return error;
}

static int (*const steps[])(void) = {
	step_hook_add,
	step_hook_save,
	step_hook_remove,
	step_counter,
	step_event_add,
	step_event_add,
	step_delivery_move,
	step_delivery_move,
	step_delivery_move,
	step_expire,
	step_clamp,
	step_get,
	step_seen,
	step_commit,
};

/* ---- the comparison */

static int64_t model_backlog(void)
{
	bool counted[EVENTS] = { false };
	int64_t bytes = 0;

	for (int i = 0; i < DELIVERIES; i++) {
		const struct model_delivery *d = &now.deliveries[i];

		if (!waits(d) || counted[d->event])
			continue;
		counted[d->event] = true;
		bytes += now.events[d->event].bytes;
	}
	return bytes;
}

static bool comes_before(const struct model_delivery *a, const struct model_delivery *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

/* The lane's delivery that comes next behind `after`; NULL at the end. */
static const struct model_delivery *lane_next(
	int hook, enum delivery_state lane, const struct model_delivery *after)
{
	const struct model_delivery *best = NULL;

	for (int i = 0; i < DELIVERIES; i++) {
		const struct model_delivery *d = &now.deliveries[i];

		if (d->id && d->hook == hook && d->state == lane &&
			(!after || comes_before(after, d)) && (!best || comes_before(d, best)))
			best = d;
	}
	return best;
}

/* Reads the whole lane in pages of 3; how many there are. */
static uint64_t compare_lane(int hook, enum delivery_state lane, int64_t first_due_ms)
{
	const struct model_delivery *d = NULL;
	struct store_row rows[3], after = { .due_ms = -1 };
	uint64_t total = 0;
	int count;

	do {
		count = store_pending(s, now.hooks[hook].id, lane == DELIVERY_RETRY, after.due_ms,
			after.id, rows, 3);
		for (int i = 0; i < count; i++) {
			d = lane_next(hook, lane, d);
			assert_non_null(d);
			assert_int_equal(rows[i].id, d->id);
			assert_int_equal(rows[i].due_ms, d->due_ms);
			if (total++ == 0)
				assert_int_equal(first_due_ms, d->due_ms);
			after = rows[i];
		}
	} while (count == 3);
	assert_true(count >= 0);
	assert_null(lane_next(hook, lane, d));
	if (total == 0)
		assert_int_equal(first_due_ms, -1);
	return total;
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
			compare_lane(i, DELIVERY_FRESH, seen.hook.fresh_due_ms) +
				compare_lane(i, DELIVERY_RETRY, seen.hook.retry_due_ms));
	}
	for (int i = 0; i < EVENTS; i++)
		events += now.events[i].id != 0;
	for (int i = 0; i < DELIVERIES; i++)
		deliveries += now.deliveries[i].id != 0;
	assert_int_equal(number("SELECT count(*) FROM event"), events);
	assert_int_equal(number("SELECT count(*) FROM delivery"), deliveries);
	assert_int_equal(store_backlog_bytes(s), model_backlog());
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

/* Opens with the fault at the first call, then at the second, and so on until it goes well. */
static void open_in_the_end(const struct fault *fault)
{
	int error = -1;

	for (unsigned n = 0; error && n < 10000; n++) {
		struct err err = { 0 };

		armed = fault;
		let_through = n;
		error = store_open(dir, true, &err, &s);
		armed = NULL;
		if (!error)
			return;
		assert_null(s);
		assert_int_equal(err.code, -error);
		assert_int_not_equal(error, -EINVAL);
		assert_non_null(strstr(err.sentence, dir));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_work_is_counted_exactly, enter, leave),
		cmocka_unit_test_setup_teardown(a_commit_fails_wherever_it_can, enter, leave),
		cmocka_unit_test_setup_teardown(
			what_an_open_that_failed_leaves_can_be_opened, enter, leave),
	};

	faults_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
