/*
 * The schema, and how older ones become it.
 *
 * A version is a number in the file. Each migration is the steps from one version to the next; a file is
 * taken through all that it lacks in one transaction, so it is of the old version or of the newest, and
 * whatever stops that leaves it as it was. A migration is never edited once it has been released:
 * a file that went through it must have the schema that a new file gets (test_store_file compares
 * the two). tests/data has a state of each version that there has been.
 */
#include "store/sqlite.h"
#include "util/id.h"

#include <assert.h>

#define TAG_CHARS   12
#define NEWS_PERIOD 1000000 /* SQLite's operations between two words about a step: some 0.1 s */
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))

/* Each ends in the id, as every index of a table with one does: delivery_list is in the order of ids. So
 * it serves those that were never tried, too, and only retries have an index of their due times, the last
 * one being of the kept deliveries only. Queries of those two repeat the condition, for which the first has the
 * state: SQLite looks at it once more, and would do so in the table. */
#define INDEX_LIST "CREATE INDEX delivery_list ON delivery (hook_id, state);"
#define INDEX_RETRY \
	"CREATE INDEX delivery_retry ON delivery (hook_id, state, due_ms) WHERE state = 1;"
#define INDEX_FINISHED                                                    \
	"CREATE INDEX delivery_finished ON delivery (state, finished_ms)" \
	" WHERE state IN (2, 3);"

/* All of it in one transaction. auto_vacuum is the first to write: it must come before the first table, and before a BEGIN that
 * writes, yet inside the transaction. The small columns of event come first: they are read without
 * the pages that a long result overflows to, and so are those of delivery without its list. */
static const char schema[] =
	"BEGIN;"
	"PRAGMA auto_vacuum = INCREMENTAL;"
	"CREATE TABLE meta (tag TEXT NOT NULL, next_hook INTEGER NOT NULL,"
	" next_event INTEGER NOT NULL, next_delivery INTEGER NOT NULL,"
	" backlog_bytes INTEGER NOT NULL, kept_bytes INTEGER NOT NULL DEFAULT 0);"
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
	" attempts INTEGER NOT NULL DEFAULT 0, event_name TEXT NOT NULL, error TEXT,"
	" finished_ms INTEGER NOT NULL DEFAULT 0, origin INTEGER,"
	" list BLOB);" INDEX_LIST INDEX_RETRY INDEX_FINISHED
	"CREATE TABLE seen (key TEXT PRIMARY KEY, accepted_ms INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX seen_time ON seen (accepted_ms);";

/* Version 1 had no delivered ones, and of failed ones no time: they are as old as their events. */
static const char *const to_version_2[] = {
	"ALTER TABLE meta ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE delivery ADD COLUMN finished_ms INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE delivery ADD COLUMN origin INTEGER",
	"ALTER TABLE delivery ADD COLUMN list BLOB",
	"UPDATE meta SET kept_bytes ="
	" (SELECT ifnull(sum(bytes), 0) FROM event WHERE refs > pending)",
	"UPDATE delivery SET finished_ms = ifnull("
	"(SELECT accepted_ms FROM event WHERE event.id = event_id), 0) WHERE state = 2",
	"DROP INDEX delivery_lane",
	"CREATE INDEX delivery_lane ON delivery (hook_id, state, due_ms) WHERE state NOT IN (2, 3)",
	INDEX_LIST,
	INDEX_FINISHED,
};

/* Version 2 had an index of due times for those never tried, which are due as they come. */
static const char *const to_version_3[] = {
	"DROP INDEX delivery_lane",
	INDEX_RETRY,
};

/* The first makes version 2 of version 1. */
static const struct migration {
	const char *const *steps;
	unsigned count;
} migrations[] = {
	{ to_version_2, COUNT(to_version_2) },
	{ to_version_3, COUNT(to_version_3) },
};

static_assert(COUNT(migrations) == SCHEMA_VERSION - 1, "each version has a way to the next");

int schema_make(sqlite3 *db)
{
	char tag[TAG_CHARS + 1];
	char *identity;
	int code;

	id_random_hex(tag, TAG_CHARS);
	identity = sqlite3_mprintf("INSERT INTO meta VALUES (%Q, 1, 1, 1, 0, 0);"
				   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		tag, APPLICATION_ID, SCHEMA_VERSION);
	if (!identity)
		return SQLITE_NOMEM;
	code = sqlite3_exec(db, schema, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, identity, NULL, NULL, NULL);
	sqlite3_free(identity);
	return code;
}

/* ---- older files */

struct upgrade {
	const struct store_watcher *watcher;
	struct store_upgrade now;
};

static int tell(void *ctx)
{
	const struct upgrade *u = ctx;

	if (u->watcher)
		u->watcher->upgrading(u->watcher->ctx, &u->now);
	return 0; /* go on */
}

static int migrate(sqlite3 *db, const struct migration *m, struct upgrade *u)
{
	int code = SQLITE_OK;

	for (unsigned i = 0; i < m->count && code == SQLITE_OK; i++) {
		(void)tell(u);
		code = sqlite3_exec(db, m->steps[i], NULL, NULL, NULL);
		u->now.step++;
	}
	return code;
}

int schema_upgrade(sqlite3 *db, unsigned version, const struct store_watcher *watcher)
{
	struct upgrade u = { .watcher = watcher,
		.now = { .from = version, .to = SCHEMA_VERSION, .step = 1 } };
	char *mark = sqlite3_mprintf("PRAGMA user_version = %d", SCHEMA_VERSION);
	int code = mark ? sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) : SQLITE_NOMEM;

	for (unsigned v = version; v < SCHEMA_VERSION; v++)
		u.now.steps += migrations[v - 1].count;
	sqlite3_progress_handler(db, NEWS_PERIOD, tell, &u);
	for (unsigned v = version; v < SCHEMA_VERSION && code == SQLITE_OK; v++)
		code = migrate(db, &migrations[v - 1], &u);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, mark, NULL, NULL, NULL);
	sqlite3_free(mark);
	return code;
}
