/* Everybody who waits for a topic is found once, and nobody else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "fs/watch.h"

#include <cmocka.h>
#include <stdlib.h>

#define MANY 1000

static char tokens[MANY];

static void *wait_for(struct watch *w, struct waiter *one, enum topic topic, int64_t id, int token)
{
	return watch_wait(w, one, topic, id, &tokens[token]);
}

static void each_waiter_is_taken_once(void **state)
{
	struct watch w = { 0 };
	struct waiter a[3] = { 0 };

	(void)state;
	assert_true(watch_is_empty(&w));
	for (int i = 0; i < 3; i++)
		assert_null(wait_for(&w, &a[i], TOPIC_STATE, 5, i));
	assert_false(watch_is_empty(&w));
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(watch_take(&w, TOPIC_STATE, 5), &tokens[i]);
	assert_null(watch_take(&w, TOPIC_STATE, 5));
	assert_true(watch_is_empty(&w));
}

static void others_go_on_waiting(void **state)
{
	struct watch w = { 0 };
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	(void)wait_for(&w, &a, TOPIC_STATE, 5, 0);
	(void)wait_for(&w, &b, TOPIC_TEST, 5, 1);
	(void)wait_for(&w, &c, TOPIC_STATE, INT64_C(5) << 32, 2);
	assert_null(watch_take(&w, TOPIC_STATE, 0));
	assert_null(watch_take(&w, TOPIC_ERRORS, 5));
	assert_ptr_equal(watch_take(&w, TOPIC_STATE, 5), &tokens[0]);
	assert_null(watch_take(&w, TOPIC_STATE, 5));
	assert_ptr_equal(watch_take(&w, TOPIC_STATE, INT64_C(5) << 32), &tokens[2]);
	assert_ptr_equal(watch_take(&w, TOPIC_TEST, 5), &tokens[1]);
	assert_true(watch_is_empty(&w));
}

static void a_new_token_takes_the_place_of_the_old(void **state)
{
	struct watch w = { 0 };
	struct waiter a = { 0 }, b = { 0 };

	(void)state;
	assert_null(wait_for(&w, &a, TOPIC_LOG, 1, 0));
	assert_null(wait_for(&w, &b, TOPIC_LOG, 1, 1));
	assert_ptr_equal(wait_for(&w, &a, TOPIC_LOG, 1, 2), &tokens[0]);
	assert_ptr_equal(watch_take(&w, TOPIC_LOG, 1), &tokens[2]);
	assert_ptr_equal(watch_take(&w, TOPIC_LOG, 1), &tokens[1]);
	assert_null(watch_take(&w, TOPIC_LOG, 1));
	/* Taken, it may wait again. */
	assert_null(wait_for(&w, &a, TOPIC_LOG, 1, 3));
	assert_ptr_equal(watch_take(&w, TOPIC_LOG, 1), &tokens[3]);
	assert_true(watch_is_empty(&w));
}

static void who_leaves_is_not_taken(void **state)
{
	struct watch w = { 0 };
	struct waiter a[3] = { 0 };

	(void)state;
	assert_null(watch_leave(&w, &a[0]));
	for (int i = 0; i < 3; i++)
		(void)wait_for(&w, &a[i], TOPIC_STATE, 5, i);
	assert_ptr_equal(watch_leave(&w, &a[1]), &tokens[1]);
	assert_null(watch_leave(&w, &a[1]));
	assert_ptr_equal(watch_take(&w, TOPIC_STATE, 5), &tokens[0]);
	assert_null(watch_leave(&w, &a[0]));
	assert_ptr_equal(watch_leave(&w, &a[2]), &tokens[2]);
	assert_true(watch_is_empty(&w));
}

static void many_wait_for_many_things(void **state)
{
	struct watch w = { 0 };
	struct waiter *a = calloc(MANY, sizeof(*a));

	(void)state;
	assert_non_null(a);
	for (int i = 0; i < MANY; i++)
		(void)wait_for(&w, &a[i], TOPIC_STATE, i % 100, i);
	for (int i = 0; i < MANY; i += 7)
		assert_ptr_equal(watch_leave(&w, &a[i]), &tokens[i]);
	for (int id = 99; id >= 0; id--) {
		for (int i = id; i < MANY; i += 100)
			if (i % 7)
				assert_ptr_equal(watch_take(&w, TOPIC_STATE, id), &tokens[i]);
		assert_null(watch_take(&w, TOPIC_STATE, id));
	}
	assert_true(watch_is_empty(&w));
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_waiter_is_taken_once),
		cmocka_unit_test(others_go_on_waiting),
		cmocka_unit_test(a_new_token_takes_the_place_of_the_old),
		cmocka_unit_test(who_leaves_is_not_taken),
		cmocka_unit_test(many_wait_for_many_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
