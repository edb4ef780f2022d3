#pragma once
/*
 * What the tests of the store share: a database in a directory of its own, and short ways to fill
 * and to ask it. Each step asserts that it went well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "store/sqlite.h"
#include "util/err.h"

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each test works in an empty directory of its own, which is also its current directory. */
static char dir[32];
static struct store *s;

static inline int enter(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_store.XXXXXX");
	return !mkdtemp(dir) || chdir(dir) < 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static inline int leave(void **state)
{
	(void)state;
	store_close(s);
	s = NULL;
	return chdir("/") < 0 || nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0;
}

static inline void reopen(void)
{
	struct err err = { 0 };

	store_close(s);
	s = NULL;
	assert_int_equal(store_open(dir, true, &err, &s), 0);
	assert_non_null(s);
}

static inline void commit(void)
{
	assert_int_equal(store_commit(s), 0);
	assert_false(store_changed(s));
}

static inline int64_t hook_add(const char *name)
{
	int64_t id = 0;

	assert_int_equal(store_hook_add(s, name, &id), 0);
	return id;
}

/* 29 bytes, which the backlog counts. */
static const struct store_event sample = {
	.accepted_ms = 1000,
	.request_id = "r1",
	.fields = "\"status\":\"ok\"",
	.result = "{\"a\":1.50}",
	.rest = ",\"t\":\"",
	.uid = 1000,
};
#define SAMPLE_BYTES 29

static inline int64_t event_add(unsigned deliveries)
{
	int64_t id = 0;

	assert_int_equal(store_event_add(s, &sample, deliveries, &id), 0);
	return id;
}

static inline int64_t delivery_add(int64_t event_id, int64_t hook_id, int64_t due_ms)
{
	int64_t id = 0;

	assert_int_equal(
		store_delivery_add(s, event_id, hook_id, "deployment_request_failed", due_ms, &id),
		0);
	return id;
}

/* An event for one hook. */
static inline int64_t work_add(int64_t hook_id, int64_t due_ms)
{
	return delivery_add(event_add(1), hook_id, due_ms);
}

static inline int64_t number(const char *sql)
{
	sqlite3_stmt *st;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	value = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return value;
}

struct hook_seen {
	int64_t id;
	struct store_hook hook;
	char name[32], renamed_from[32], last_error[32];
	int count;
};

static inline void hook_look(void *ctx, const struct store_hook *h)
{
	struct hook_seen *seen = ctx;

	if (h->id != seen->id)
		return;
	seen->count++;
	seen->hook = *h;
	(void)snprintf(seen->name, sizeof(seen->name), "%s", h->name);
	(void)snprintf(seen->renamed_from, sizeof(seen->renamed_from), "%s",
		h->renamed_from ? h->renamed_from : "");
	(void)snprintf(seen->last_error, sizeof(seen->last_error), "%s", h->last_error);
}

static inline struct hook_seen hook_get(int64_t id)
{
	struct hook_seen seen = { .id = id };

	assert_int_equal(store_hook_each(s, hook_look, &seen), 0);
	return seen;
}

static inline void assert_hook(
	int64_t id, uint64_t pending, int64_t fresh_due_ms, int64_t retry_due_ms)
{
	struct hook_seen seen = hook_get(id);

	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.hook.pending, pending);
	assert_int_equal(seen.hook.fresh_due_ms, fresh_due_ms);
	assert_int_equal(seen.hook.retry_due_ms, retry_due_ms);
}
