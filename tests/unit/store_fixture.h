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
#include <sys/stat.h>
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
	assert_int_equal(store_open(dir, true, NULL, &err, &s), 0);
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

/* Two attempts of 7 bytes, which with their comma count 15. */
#define ATTEMPTS_BYTES 15

static inline void attempts_add(int64_t id)
{
	assert_int_equal(store_delivery_retry(s, id, 1, "{\"n\":1}", 0, NULL), 0);
	assert_int_equal(store_delivery_retry(s, id, 2, "{\"n\":2}", 0, NULL), 0);
}

/* The ids in a state, as "3 4 ", read in pages of 2. */
static inline const char *listed(int64_t hook_id, enum store_state state)
{
	static char text[4096];
	struct store_entry rows[2];
	int64_t after = 0;
	size_t len = 0;
	int count;

	text[0] = '\0';
	do {
		count = store_list(s, hook_id, state, after, rows, 2);
		assert_in_range(count, 0, 2);
		for (int i = 0; i < count; i++) {
			after = rows[i].id;
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%lld ", (long long)after);
			assert_true(len < sizeof(text));
		}
	} while (count == 2);
	return text;
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

/* What version 1 made of a database, with one hook's work: event 1 waits for its two deliveries, 2
 * has one that failed and one that waits for its retry, 3 has one that failed. */
static const char version_1[] =
	"PRAGMA auto_vacuum = INCREMENTAL;"
	"BEGIN;"
	"CREATE TABLE meta (tag TEXT NOT NULL, next_hook INTEGER NOT NULL,"
	" next_event INTEGER NOT NULL, next_delivery INTEGER NOT NULL,"
	" backlog_bytes INTEGER NOT NULL);"
	"CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE hook (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, renamed_from TEXT,"
	" pending INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,"
	" failed INTEGER NOT NULL DEFAULT 0, last_success_ms INTEGER NOT NULL DEFAULT 0,"
	" last_failure_ms INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '');"
	"CREATE TABLE event (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL,"
	" pending INTEGER NOT NULL, bytes INTEGER NOT NULL, accepted_ms INTEGER NOT NULL,"
	" uid INTEGER NOT NULL, request_id TEXT, fields TEXT NOT NULL, result TEXT,"
	" rest TEXT NOT NULL);"
	"CREATE TABLE delivery (id INTEGER PRIMARY KEY, event_id INTEGER NOT NULL,"
	" hook_id INTEGER NOT NULL, state INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL DEFAULT 0, event_name TEXT NOT NULL, error TEXT);"
	"CREATE INDEX delivery_lane ON delivery (hook_id, state, due_ms);"
	"CREATE TABLE seen (key TEXT PRIMARY KEY, accepted_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX seen_time ON seen (accepted_ms);"
	"INSERT INTO meta VALUES ('0123456789ab', 2, 4, 9, 22);"
	"INSERT INTO counter VALUES ('accepted', 3);"
	"INSERT INTO hook (id, name, pending, failed) VALUES (1, 'h', 3, 2);"
	"INSERT INTO event VALUES (1, 2, 2, 11, 100, 7, 'r', 'fields', NULL, 'rest!'),"
	" (2, 2, 1, 11, 200, 7, 'r', 'fields', NULL, 'rest!'),"
	" (3, 1, 0, 11, 300, 7, 'r', 'fields', NULL, 'rest!');"
	"INSERT INTO delivery VALUES (1, 1, 1, 0, 101, 0, 'e', NULL),"
	" (2, 1, 1, 0, 101, 0, 'e', NULL), (3, 2, 1, 2, 201, 4, 'e', 'HTTP 404'),"
	" (4, 2, 1, 1, 202, 1, 'e', 'HTTP 500'), (5, 3, 1, 2, 301, 4, 'e', 'HTTP 404');"
	"INSERT INTO seen VALUES ('key', 100);"
	"PRAGMA application_id = 0x77686673; PRAGMA user_version = 1;"
	"COMMIT;"
	"PRAGMA journal_mode = WAL;";

/* SQL run by another program on the closed database. */
static inline void alter(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open("queue.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void version_1_make(void)
{
	alter(version_1);
	assert_int_equal(chmod("queue.db", 0600), 0);
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

static inline void assert_hook(int64_t id, uint64_t pending, bool fresh, int64_t retry_due_ms)
{
	struct hook_seen seen = hook_get(id);

	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.hook.pending, pending);
	assert_int_equal(seen.hook.fresh, fresh);
	assert_int_equal(seen.hook.retry_due_ms, retry_due_ms);
}

/* All that version 1 knew is there. */
static inline void assert_version_1(void)
{
	assert_string_equal(store_tag(s), "0123456789ab");
	assert_int_equal(store_counter(s, "accepted"), 3);
	assert_int_equal(store_event_seen(s, "key", 100), 1);
	assert_int_equal(store_backlog_bytes(s), 22);
	assert_int_equal(store_kept_bytes(s), 22);
	assert_hook(1, 3, true, 202);
	assert_string_equal(listed(1, STORE_PENDING), "1 2 4 ");
	assert_string_equal(listed(1, STORE_FAILED), "3 5 ");
	assert_string_equal(listed(1, STORE_DELIVERED), "");
}
