/*
 * The embedded engine: SQLite in one connection that keeps the file to itself.
 *
 * A turn of the loop is a transaction. What would be written again and again in a turn is held in
 * memory and written once, by the commit: the ids given so far, the bytes waiting and kept, and the
 * pending counts of the hooks that the turn touched. All of these are sums or maxima that would
 * take a scan to find again, which is why they are stored at all; they are exact because they
 * change in the same transaction as the rows they count.
 *
 * A failure undoes the whole turn, since nobody could say which half of it to keep. From then on
 * changes fail with the same error, until store_commit has reported it: so a caller that holds
 * replies back until the commit cannot acknowledge what a failure in between has undone.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without memory for its buckets, uthash aborts; entries are ours and may be refused. */
#define uthash_fatal(message) abort()
#include <uthash.h>

/* A page of deliveries and the earliest due time come from the index alone. CROSS JOIN is SQLite's
 * way of saying which table is walked and which one looked up. */
const char *const statement_sql[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[TOTALS_SAVE] = "UPDATE meta SET next_hook = ?1, next_event = ?2, next_delivery = ?3,"
			" backlog_bytes = ?4, kept_bytes = ?5",

	[COUNTER] = "SELECT value FROM counter WHERE name = ?1",
	[COUNTER_SAVE] = "INSERT INTO counter (name, value) VALUES (?1, ?2)"
			 " ON CONFLICT (name) DO UPDATE SET value = excluded.value",

	[HOOK_ADD] = "INSERT INTO hook (id, name) VALUES (?1, ?2)",
	/* The file on disk still has the name of the first rename that is not finished. */
	[HOOK_RENAME] = "UPDATE hook SET renamed_from = ifnull(renamed_from, name), name = ?2"
			" WHERE id = ?1",
	[HOOK_RENAMED] = "UPDATE hook SET renamed_from = NULL WHERE id = ?1",
	[HOOK_SAVE] = "UPDATE hook SET delivered = ?2, failed = ?3, last_success_ms = ?4,"
		      " last_failure_ms = ?5, last_error = ?6 WHERE id = ?1",
	[HOOK_PENDING] = "UPDATE hook SET pending = pending + ?2 WHERE id = ?1",
	[HOOK_REMOVE] = "DELETE FROM hook WHERE id = ?1",
	[HOOK_WAITING] = "SELECT pending FROM hook WHERE id = ?1",
	/* No hook's name begins with a dot, and no hook's id is negative. */
	[HOOK_BURY] = "UPDATE hook SET id = -id, name = '.' || id, renamed_from = NULL"
		      " WHERE id = ?1",
	[HOOK_BURIED] = "SELECT -id FROM hook WHERE id < 0 LIMIT 1",
	[HOOK_EACH] = "SELECT id, name, renamed_from, pending, delivered, failed, last_success_ms,"
		      " last_failure_ms, last_error,"
		      " EXISTS (SELECT 1 FROM delivery WHERE hook_id = hook.id AND state = 0),"
		      " ifnull((SELECT min(due_ms) FROM delivery"
		      " WHERE hook_id = hook.id AND state = 1), -1)"
		      " FROM hook WHERE id > 0 ORDER BY id",
	[HOOK_DELIVERIES] = "SELECT id FROM delivery WHERE hook_id = ?1 LIMIT ?2",

	[EVENT_ADD] = "INSERT INTO event (id, refs, pending, bytes, accepted_ms, uid, request_id,"
		      " fields, result, rest) VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[EVENT_COUNTS] = "UPDATE event SET refs = ?2, pending = ?3 WHERE id = ?1",
	[EVENT_REMOVE] = "DELETE FROM event WHERE id = ?1",

	[SEEN] = "SELECT accepted_ms FROM seen WHERE key = ?1",
	[SEEN_ADD] = "REPLACE INTO seen (key, accepted_ms) VALUES (?1, ?2)",
	[SEEN_OLD] = "SELECT 1 FROM seen WHERE accepted_ms < ?1 LIMIT 1",
	[SEEN_REMOVE] = "DELETE FROM seen WHERE key IN"
			" (SELECT key FROM seen WHERE accepted_ms < ?1 LIMIT ?2)",

	[DELIVERY_ADD] = "INSERT INTO delivery (id, event_id, hook_id, state, due_ms, event_name)"
			 " VALUES (?1, ?2, ?3, 0, ?4, ?5)",
	[DELIVERY_REPEAT] = "INSERT INTO delivery (id, event_id, hook_id, state, due_ms,"
			    " event_name, origin) SELECT ?2, event_id, hook_id, 0, ?3,"
			    " event_name, ifnull(origin, id) FROM delivery WHERE id = ?1",
	[DELIVERY_FRESH_PAGE] = "SELECT id FROM delivery WHERE hook_id = ?1 AND state = 0"
				" AND id > ?2 ORDER BY id LIMIT ?3",
	/* A page is the rest of one due time, then what is due later. As one comparison, (due_ms, id) >
	 * (?, ?), the index would be searched by due_ms alone, and walked where many share it. */
	[DELIVERY_RETRY_SAME] = "SELECT id, due_ms FROM delivery WHERE hook_id = ?1 AND state = 1"
				" AND due_ms = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
	[DELIVERY_RETRY_LATER] = "SELECT id, due_ms FROM delivery WHERE hook_id = ?1 AND state = 1"
				 " AND due_ms > ?2 ORDER BY due_ms, id LIMIT ?3",
	[DELIVERY_GET] = "SELECT d.event_id, d.hook_id, e.accepted_ms, d.attempts, d.event_name,"
			 " e.request_id, e.fields, e.result, e.rest, d.error, d.state, d.due_ms,"
			 " d.finished_ms, ifnull(d.origin, d.id), e.uid, e.refs, e.pending, e.bytes"
			 " FROM delivery d CROSS JOIN event e ON e.id = d.event_id WHERE d.id = ?1",
	[DELIVERY_FIND] =
		"SELECT d.event_id, d.hook_id, d.state, d.due_ms, d.finished_ms,"
		" ifnull(length(d.list), 0), e.refs, e.pending, e.bytes"
		" FROM delivery d CROSS JOIN event e ON e.id = d.event_id WHERE d.id = ?1",
	[DELIVERY_MOVE] = "UPDATE delivery SET state = ?2, attempts = ?3, due_ms = ?4,"
			  " error = ?5, finished_ms = ?6, list = CASE WHEN ?7 IS NULL THEN list"
			  " WHEN list IS NULL THEN ?7 ELSE CAST(list || ',' || ?7 AS BLOB) END"
			  " WHERE id = ?1",
	[DELIVERY_REMOVE] = "DELETE FROM delivery WHERE id = ?1",
	[DELIVERY_CLAMP] = "UPDATE delivery SET due_ms = ?1 WHERE id IN (SELECT d.id"
			   " FROM hook CROSS JOIN delivery d ON d.hook_id = hook.id"
			   " AND d.state = 1 AND d.due_ms > ?1 LIMIT ?2)",
	/* They became pending in the order of ids, and earlier starts have brought down what was there: all
	 * that is too late is behind the last one that is not. */
	[DELIVERY_CLAMP_FRESH] =
		"UPDATE delivery SET due_ms = ?2 WHERE id IN"
		" (SELECT id FROM delivery WHERE hook_id = ?1 AND state = 0 AND id >"
		" ifnull((SELECT id FROM delivery WHERE hook_id = ?1 AND state = 0"
		" AND due_ms <= ?2 ORDER BY id DESC LIMIT 1), 0) ORDER BY id LIMIT ?3)",
	/* Of two states, which the index has each in the order of ids: they are merged, not sorted. */
	[DELIVERY_LIST] = "SELECT d.id, e.accepted_ms, d.finished_ms"
			  " FROM delivery d CROSS JOIN event e ON e.id = d.event_id"
			  " WHERE d.hook_id = ?1 AND d.state = ?2 AND d.id > ?4"
			  " UNION ALL SELECT d.id, e.accepted_ms, d.finished_ms"
			  " FROM delivery d CROSS JOIN event e ON e.id = d.event_id"
			  " WHERE d.hook_id = ?1 AND d.state = ?3 AND d.id > ?4"
			  " ORDER BY 1 LIMIT ?5",
	[DELIVERY_WAITING] =
		"SELECT d.id, e.accepted_ms, d.due_ms, d.attempts, d.state, ifnull(d.origin, d.id)"
		" FROM delivery d CROSS JOIN event e ON e.id = d.event_id"
		" WHERE d.hook_id = ?1 AND d.state = 0 AND d.id > ?2"
		" UNION ALL"
		" SELECT d.id, e.accepted_ms, d.due_ms, d.attempts, d.state, ifnull(d.origin, d.id)"
		" FROM delivery d CROSS JOIN event e ON e.id = d.event_id"
		" WHERE d.hook_id = ?1 AND d.state = 1 AND d.id > ?2"
		" ORDER BY 1 LIMIT ?3",
	[DELIVERY_OLDEST] =
		"SELECT id, finished_ms FROM delivery WHERE state = ?1 AND state IN (2, 3)"
		" AND finished_ms < ?2 ORDER BY finished_ms, id LIMIT ?3",
	/* Ids are given in the order of acceptance. One lane after the other: each is a search of
	 * delivery_list, both together would be a walk. */
	[DELIVERY_OLDEST_PENDING] =
		"SELECT d.id, e.accepted_ms FROM delivery d CROSS JOIN event e ON e.id = d.event_id"
		" WHERE d.id = (SELECT min(id) FROM"
		" (SELECT min(id) AS id FROM delivery WHERE hook_id = ?1 AND state = 0"
		" UNION ALL SELECT min(id) FROM delivery WHERE hook_id = ?1 AND state = 1))",
	[ATTEMPTS] = "SELECT list FROM delivery WHERE id = ?1",

	[PAGES] = "PRAGMA page_count",
	[PAGES_FREE] = "PRAGMA freelist_count",
	[PAGES_GIVE_BACK] = "PRAGMA incremental_vacuum(256)",
};

struct touched {
	int64_t hook_id;
	int64_t by;
	UT_hash_handle hh;
};

static struct touched *touched_find(const struct store *s, int64_t hook_id)
{
	struct touched *t = NULL;

	HASH_FIND(hh, s->touched, &hook_id, sizeof(hook_id), t);
	return t;
}

static void touched_clear(struct store *s)
{
	struct touched *t, *next;

	HASH_ITER(hh, s->touched, t, next)
	{
		HASH_DEL(s->touched, t);
		free(t);
	}
}

int store_touch(struct store *s, int64_t hook_id, int64_t by)
{
	struct touched *t = touched_find(s, hook_id);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return store_fail(s, -ENOMEM);
		t->hook_id = hook_id;
		HASH_ADD(hh, s->touched, hook_id, sizeof(t->hook_id), t);
	}
	t->by += by;
	return 0;
}

int64_t store_touched(const struct store *s, int64_t hook_id)
{
	const struct touched *t = touched_find(s, hook_id);

	return t ? t->by : 0;
}

/* The errno of the log's last failure. SQLite's own sqlite3_system_errno does not know that of a
 * COMMIT. */
static int log_errno(const struct store *s)
{
	sqlite3_file *log = NULL;
	int error = 0;

	(void)sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

static int errno_of(const struct store *s, int code)
{
	int system;

	switch (code) {
	case SQLITE_IOERR_WRITE:
	case SQLITE_IOERR_FSYNC:
		/* Written is only the log, and a quota is a full disk to whom it stops. */
		system = log_errno(s);
		return system == ENOSPC || system == EDQUOT ? -ENOSPC : -EIO;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
	case SQLITE_IOERR_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

int store_fail(struct store *s, int error)
{
	if (!s->begun)
		return error;
	/* SQLite rolls back by itself after some errors, queries' among them. Its ROLLBACK fails
	 * only where there is no transaction: nothing is left to be done either way. */
	if (!sqlite3_get_autocommit(s->db)) {
		(void)sqlite3_step(s->statements[ROLLBACK]);
		statement_reset(s, ROLLBACK);
	}
	touched_clear(s);
	s->now = s->committed;
	s->begun = false;
	s->failed = error;
	return error;
}

/* `code` is what the last step returned. */
static int statement_failed(struct store *s, enum statement st, int code)
{
	int error = errno_of(s, code);

	statement_reset(s, st);
	return store_fail(s, error);
}

int statement_run(struct store *s, enum statement st)
{
	int code;

	do
		code = sqlite3_step(s->statements[st]);
	while (code == SQLITE_ROW); /* incremental_vacuum: a row a page */

	if (code != SQLITE_DONE && code != SQLITE_CONSTRAINT_UNIQUE)
		return statement_failed(s, st, code);
	statement_reset(s, st);
	return code == SQLITE_DONE ? 0 : -EEXIST;
}

int statement_row(struct store *s, enum statement st)
{
	int code = sqlite3_step(s->statements[st]);

	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		return statement_failed(s, st, code);
	statement_reset(s, st);
	return 0;
}

void statement_reset(struct store *s, enum statement st)
{
	/* It repeats the error of the step, which has been dealt with. */
	(void)sqlite3_reset(s->statements[st]);
}

/* Binding what is not copied takes no memory: it fails for wrong parameters only. */

void bind_int(struct store *s, enum statement st, int n, int64_t value)
{
	int code = sqlite3_bind_int64(s->statements[st], n, value);

	assert(code == SQLITE_OK);
}

void bind_text(struct store *s, enum statement st, int n, const char *text)
{
	int code = sqlite3_bind_text(s->statements[st], n, text, -1, SQLITE_STATIC);

	assert(code == SQLITE_OK);
}

void bind_bytes(struct store *s, enum statement st, int n, const char *data, size_t len)
{
	int code = sqlite3_bind_blob64(s->statements[st], n, data, len, SQLITE_STATIC);

	assert(code == SQLITE_OK);
}

int64_t column_int(struct store *s, enum statement st, int n)
{
	return sqlite3_column_int64(s->statements[st], n);
}

int store_begin(struct store *s)
{
	int error;

	if (s->failed)
		return s->failed;
	if (s->begun)
		return 0;
	error = statement_run(s, BEGIN);
	s->begun = !error;
	return error;
}

static int totals_save(struct store *s)
{
	if (memcmp(&s->now, &s->committed, sizeof(s->now)) == 0)
		return 0;
	bind_int(s, TOTALS_SAVE, 1, s->now.next_hook);
	bind_int(s, TOTALS_SAVE, 2, s->now.next_event);
	bind_int(s, TOTALS_SAVE, 3, s->now.next_delivery);
	bind_int(s, TOTALS_SAVE, 4, s->now.backlog_bytes);
	bind_int(s, TOTALS_SAVE, 5, s->now.kept_bytes);
	return statement_run(s, TOTALS_SAVE);
}

static int touched_save(struct store *s)
{
	for (const struct touched *t = s->touched; t; t = t->hh.next) {
		int error;

		if (t->by == 0)
			continue;
		bind_int(s, HOOK_PENDING, 1, t->hook_id);
		bind_int(s, HOOK_PENDING, 2, t->by);
		error = statement_run(s, HOOK_PENDING);
		if (error)
			return error; /* the set is cleared */
	}
	return 0;
}

int store_commit(struct store *s)
{
	int error = s->failed;

	if (s->begun) {
		error = touched_save(s);
		if (!error)
			error = totals_save(s);
		if (!error)
			error = statement_run(s, COMMIT);
	}
	s->failed = 0;
	if (error || !s->begun)
		return error;
	touched_clear(s);
	s->committed = s->now;
	s->begun = false;
	return 0;
}

bool store_changed(const struct store *s)
{
	return s->begun || s->failed;
}

const char *store_tag(const struct store *s)
{
	return s->tag;
}

uint64_t store_backlog_bytes(const struct store *s)
{
	return (uint64_t)s->now.backlog_bytes;
}

uint64_t store_kept_bytes(const struct store *s)
{
	return (uint64_t)s->now.kept_bytes;
}

int store_counter_save(struct store *s, const char *name, int64_t value)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_text(s, COUNTER_SAVE, 1, name);
	bind_int(s, COUNTER_SAVE, 2, value);
	return statement_run(s, COUNTER_SAVE);
}

int64_t store_counter(struct store *s, const char *name)
{
	int64_t value = 0;

	bind_text(s, COUNTER, 1, name);
	if (statement_row(s, COUNTER) == 1) {
		value = column_int(s, COUNTER, 0);
		statement_reset(s, COUNTER);
	}
	return value;
}
