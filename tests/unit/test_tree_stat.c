/*
 * What stat(2) says of the size of files that tell of all hooks: with few of them the truth, with many what was
 * shown a moment ago, without showing it again.
 */
#include "fs/tree.h"
#include "model/attributes.h"
#include "model/hook.h"
#include "model/object.h"
#include "model/registry.h"
#include "util/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct types types;
static const struct attributes attributes;
static struct registry *registry;
static struct tree tree;
static size_t length;  /* of what metrics.prom shows */
static unsigned shown; /* how often it did */
static int64_t clock_ms;

static void show_metrics(void *ctx, struct buf *out)
{
	(void)ctx;
	shown++;
	for (size_t i = 0; i < length; i++)
		buf_addc(out, i + 1 < length ? 'x' : '\n');
}

static int edition(void *ctx, enum topic topic, int64_t id, struct edition *out)
{
	(void)ctx, (void)topic, (void)id;
	*out = (struct edition){ 0 };
	return 0;
}

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return clock_ms;
}

static void add_hooks(int64_t count)
{
	for (int64_t id = 1; id <= count; id++) {
		char name[24];
		snprintf(name, sizeof(name), "h%lld", (long long)id);
		struct hook *h = hook_new(name, &types);
		h->id = id;
		registry_add(registry, h);
	}
}

static int enter(void **state)
{
	(void)state;
	(void)types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
	registry = registry_new();
	tree = (struct tree){ .registry = registry,
		.types = &types,
		.attributes = &attributes,
		.backend = { .show_metrics = show_metrics, .edition = edition, .now_ms = now_ms },
		.shown = calloc(files_root_count, sizeof(struct shown)) };
	length = 10;
	shown = 0;
	clock_ms = 1000000;
	return 0;
}

static int leave(void **state)
{
	(void)state;
	free(tree.shown);
	registry_free(registry);
	return 0;
}

static struct node metrics(void)
{
	struct node n;
	assert_int_equal(tree_root_file(&tree, "metrics.prom", &n), 0);
	return n;
}

static long long size(void)
{
	struct node n = metrics();
	struct stat st;
	tree_stat(&tree, &n, &st);
	return st.st_size;
}

static void with_few_hooks_the_size_is_that_of_now(void **state)
{
	(void)state;
	add_hooks(HOOKS_SIZED_MAX);
	assert_int_equal(size(), 10);
	length = 20;
	assert_int_equal(size(), 20);
}

static void with_many_hooks_it_is_made_once_for_its_size(void **state)
{
	(void)state;
	add_hooks(HOOKS_SIZED_MAX + 1);
	assert_int_equal(size(), 10);
	length = 20;
	for (int i = 0; i < 10; i++)
		assert_int_equal(size(), 10);
	assert_int_equal(shown, 1);
}

static void with_many_hooks_the_size_is_what_was_opened_last(void **state)
{
	(void)state;
	struct node n = metrics();
	struct buf out = BUF(SHOWN_MAX);
	add_hooks(HOOKS_SIZED_MAX + 1);
	(void)size();
	length = 30;
	tree_show(&tree, &n, &out);
	buf_release(&out);
	assert_int_equal(size(), 30);
	assert_int_equal(shown, 2);
}

static void that_is_soon_forgotten(void **state)
{
	(void)state;
	add_hooks(HOOKS_SIZED_MAX + 1);
	assert_int_equal(size(), 10);
	length = 20;
	clock_ms += HOOKS_SIZED_MAX;
	assert_int_equal(size(), 10);
	clock_ms++;
	assert_int_equal(size(), 20);
	length = 30;
	clock_ms--; /* somebody has set the clock back */
	assert_int_equal(size(), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			with_few_hooks_the_size_is_that_of_now, enter, leave),
		cmocka_unit_test_setup_teardown(
			with_many_hooks_it_is_made_once_for_its_size, enter, leave),
		cmocka_unit_test_setup_teardown(
			with_many_hooks_the_size_is_what_was_opened_last, enter, leave),
		cmocka_unit_test_setup_teardown(that_is_soon_forgotten, enter, leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
