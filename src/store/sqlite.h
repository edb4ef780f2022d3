#pragma once
/*
 * sqlite: what the files of the embedded engine share. Nothing outside store/ includes it (but
 * store's own test).
 *
 * sqlite.c        statements, the transaction, errors, counters
 * sqlite_open.c   the database file: looked at, made, opened, closed
 * sqlite_schema.c its tables, and how those of older versions become them
 * sqlite_hooks.c  hooks
 * sqlite_work.c   events, deliveries, idempotency keys, housekeeping
 * sqlite_kept.c   attempts, lists, and the end of what is kept
 *
 * Every statement is a row of statement_sql and is prepared once, at open. A query uses
 * statement_row and, after a row, statement_reset; a change is
 *
 *     int error = store_begin(s);
 *     …bind_int(s, HOOK_ADD, 1, id); bind_text(…)…
 *     return error ? error : statement_run(s, HOOK_ADD);
 */
#include "store/store.h"

#include <sqlite3.h>

#define APPLICATION_ID 0x77686673 /* "whfs" */
#define SCHEMA_VERSION 3

/* Both return SQLite's codes. */
int schema_make(sqlite3 *db); /* in an empty file */
/* Takes an older version through its migrations; the transaction is left open. */
int schema_upgrade(sqlite3 *db, unsigned version, const struct store_watcher *watcher);

/* The first two are the lanes of pending deliveries, the next two are kept:
 *
 *     FRESH, RETRY, FAILED → RETRY | FAILED | DELIVERED | GONE     DELIVERED → GONE
 *
 * The numbers are in the file, those of the indexes' conditions too. GONE is not: it is the absence
 * of a row. */
enum delivery_state {
	DELIVERY_FRESH,
	DELIVERY_RETRY,
	DELIVERY_FAILED,
	DELIVERY_DELIVERED,
	DELIVERY_GONE
};

enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	TOTALS_SAVE,
	COUNTER,
	COUNTER_SAVE,
	HOOK_ADD,
	HOOK_RENAME,
	HOOK_RENAMED,
	HOOK_SAVE,
	HOOK_PENDING,
	HOOK_REMOVE,
	HOOK_WAITING,
	HOOK_BURY,
	HOOK_BURIED,
	HOOK_EACH,
	HOOK_DELIVERIES,
	EVENT_ADD,
	EVENT_COUNTS,
	EVENT_REMOVE,
	SEEN,
	SEEN_ADD,
	SEEN_OLD,
	SEEN_REMOVE,
	DELIVERY_ADD,
	DELIVERY_REPEAT,
	DELIVERY_FRESH_PAGE,
	DELIVERY_RETRY_SAME,
	DELIVERY_RETRY_LATER,
	DELIVERY_GET,
	DELIVERY_FIND,
	DELIVERY_MOVE,
	DELIVERY_REMOVE,
	DELIVERY_CLAMP,
	DELIVERY_CLAMP_FRESH,
	DELIVERY_LIST,
	DELIVERY_WAITING,
	DELIVERY_OLDEST,
	DELIVERY_OLDEST_PENDING,
	ATTEMPTS,
	PAGES,
	PAGES_FREE,
	PAGES_GIVE_BACK,
	STATEMENT_COUNT
};
extern const char *const statement_sql[STATEMENT_COUNT];

/* Beyond this no id, count or sum of bytes is ours, but damage: ids are parts of inode numbers. */
#define STORE_NUMBER_MAX ((INT64_C(1) << 47) - 1)

static inline bool store_number_good(int64_t n)
{
	return n >= 0 && n <= STORE_NUMBER_MAX;
}

/* Kept here and written with each commit that changed them. */
struct totals {
	int64_t next_hook, next_event, next_delivery; /* the ids to give next */
	int64_t backlog_bytes, kept_bytes;
};

struct touched; /* a hook whose pending count has changed since the last commit */

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	bool begun;     /* a transaction is open */
	bool gave_back; /* pages, which are still in the file */
	int failed; /* -errno that has undone the transaction and that store_commit is to report */
	struct totals now, committed;
	struct touched *touched;
	char tag[16];
};

/* Begins the transaction unless it is open; the error of a failed one until store_commit. */
int store_begin(struct store *s);
/* Adds to the hook's pending count, in memory until the commit; no matter if the hook is gone then. */
int store_touch(struct store *s, int64_t hook_id, int64_t by);
int64_t store_touched(const struct store *s, int64_t hook_id); /* what the row still lacks */

/* Runs a change to its end. -EEXIST: a name is taken, nothing is undone; else as store_fail. */
int statement_run(struct store *s, enum statement st);
/* Steps a query: 1 a row, 0 the end, or an error as store_fail. Only after a row does the caller
 * reset it. */
int statement_row(struct store *s, enum statement st);
void statement_reset(struct store *s, enum statement st);

/* A delivery and the counts of its event, as DELIVERY_FIND gives them. */
struct place {
	int64_t event_id, hook_id;
	enum delivery_state state;
	int64_t due_ms, finished_ms;
	int64_t list_bytes;           /* of its attempts */
	int64_t refs, pending, bytes; /* of the event */
};
int delivery_find(struct store *s, int64_t id, struct place *out); /* -ENOENT */
bool state_waits(enum delivery_state state);
bool state_kept(enum delivery_state state);

/* Parameters count from 1. Text is not copied: it lives until the statement has run. NULL is NULL. */
void bind_int(struct store *s, enum statement st, int n, int64_t value);
void bind_text(struct store *s, enum statement st, int n, const char *text);
void bind_bytes(struct store *s, enum statement st, int n, const char *data, size_t len);
/* Columns count from 0. */
int64_t column_int(struct store *s, enum statement st, int n);
