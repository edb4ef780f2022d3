#include "model/registry.h"

#include "model/hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct types types;

static struct hook *make(int64_t id, const char *name)
{
	struct hook *h = hook_new(name, &types);

	h->id = id;
	return h;
}

static void finds_by_id_and_name(void **state)
{
	struct registry *r = registry_new();

	(void)state;
	assert_null(registry_by_id(r, 1));
	assert_null(registry_by_name(r, "a"));
	assert_null(registry_next(r, 0));
	registry_add(r, make(7, "a"));
	registry_add(r, make(3, "b"));
	assert_int_equal(registry_count(r), 2);
	assert_string_equal(registry_by_id(r, 7)->name, "a");
	assert_int_equal(registry_by_name(r, "b")->id, 3);
	assert_null(registry_by_name(r, "A"));
	registry_remove(r, 7);
	registry_remove(r, 7);
	assert_null(registry_by_id(r, 7));
	assert_null(registry_by_name(r, "a"));
	assert_int_equal(registry_count(r), 1);
	registry_add(r, make(9, "a"));
	assert_int_equal(registry_by_name(r, "a")->id, 9);
	registry_free(r);
	registry_free(NULL);
}

static void walks_in_the_order_of_ids(void **state)
{
	static const int64_t ids[] = { 50, 10, 40, 20, INT64_MAX, 30 };
	static const int64_t order[] = { 10, 20, 30, 40, 50, INT64_MAX };
	struct registry *r = registry_new();
	int64_t at = INT64_MIN;
	char name[] = "a";

	(void)state;
	for (size_t i = 0; i < 6; i++, name[0]++)
		registry_add(r, make(ids[i], name));
	for (size_t i = 0; i < 6; i++) {
		struct hook *h = registry_next(r, at);

		assert_non_null(h);
		assert_int_equal(h->id, order[i]);
		at = h->id;
	}
	assert_null(registry_next(r, at));
	assert_int_equal(registry_next(r, 25)->id, 30);
	registry_remove(r, 30); /* walking goes on from an id that is gone */
	assert_int_equal(registry_next(r, 25)->id, 40);
	assert_int_equal(registry_next(r, 30)->id, 40);
	registry_free(r);
}

static void replaces_under_another_name(void **state)
{
	struct registry *r = registry_new();
	struct hook *h = make(2, "new");

	(void)state;
	registry_add(r, make(1, "one"));
	registry_add(r, make(2, "old"));
	registry_replace(r, h);
	assert_ptr_equal(registry_by_id(r, 2), h);
	assert_ptr_equal(registry_by_name(r, "new"), h);
	assert_null(registry_by_name(r, "old"));
	assert_ptr_equal(registry_next(r, 1), h);
	registry_replace(r, h); /* by itself: nothing happens */
	assert_ptr_equal(registry_by_id(r, 2), h);
	registry_replace(r, make(2, "new")); /* under the same name */
	assert_ptr_equal(registry_by_name(r, "new"), registry_by_id(r, 2));
	assert_int_equal(registry_count(r), 2);
	registry_add(r, make(3, "old"));
	registry_free(r);
}

static void keeps_all_of_many(void **state)
{
	enum { COUNT = 3000 };
	struct registry *r = registry_new();
	int64_t at = 0;
	size_t seen = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		int64_t id = 1 + (int64_t)i * 1009 % COUNT; /* every id once, out of order */

		snprintf(name, sizeof(name), "hook-%lld", (long long)id);
		registry_add(r, make(id, name));
	}
	for (int64_t id = 3; id <= COUNT; id += 3)
		registry_remove(r, id);
	for (struct hook *h; (h = registry_next(r, at)); at = h->id, seen++) {
		assert_int_equal(h->id, at + (at % 3 == 2 ? 2 : 1));
		snprintf(name, sizeof(name), "hook-%lld", (long long)h->id);
		assert_ptr_equal(registry_by_name(r, name), h);
		assert_ptr_equal(registry_by_id(r, h->id), h);
	}
	assert_int_equal(seen, COUNT - COUNT / 3);
	assert_int_equal(seen, registry_count(r));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_id_and_name),
		cmocka_unit_test(walks_in_the_order_of_ids),
		cmocka_unit_test(replaces_under_another_name),
		cmocka_unit_test(keeps_all_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
