/*
 * Hooks: ids, names and counters. A hook's pending count is the row's plus what the open
 * transaction has not yet written into it (store_touch).
 */
#include "store/sqlite.h"

#include <errno.h>

/* Deliveries a page while a hook is swept: rows cannot be walked and deleted at once. */
#define SWEEP_PAGE 256

int store_hook_add(struct store *s, const char *name, int64_t *out_id)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, HOOK_ADD, 1, s->now.next_hook);
	bind_text(s, HOOK_ADD, 2, name);
	error = statement_run(s, HOOK_ADD);
	if (!error)
		*out_id = s->now.next_hook++;
	return error;
}

/* Runs a change of the one hook that is bound. */
static int hook_change(struct store *s, enum statement st)
{
	int error = statement_run(s, st);

	if (error)
		return error;
	return sqlite3_changes(s->db) == 1 ? 0 : -ENOENT;
}

int store_hook_rename(struct store *s, int64_t id, const char *name)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, HOOK_RENAME, 1, id);
	bind_text(s, HOOK_RENAME, 2, name);
	return hook_change(s, HOOK_RENAME);
}

int store_hook_renamed(struct store *s, int64_t id)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, HOOK_RENAMED, 1, id);
	return hook_change(s, HOOK_RENAMED);
}

int store_hook_save(struct store *s, const struct store_hook *h)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, HOOK_SAVE, 1, h->id);
	bind_int(s, HOOK_SAVE, 2, (int64_t)h->delivered);
	bind_int(s, HOOK_SAVE, 3, (int64_t)h->failed);
	bind_int(s, HOOK_SAVE, 4, h->last_success_ms);
	bind_int(s, HOOK_SAVE, 5, h->last_failure_ms);
	bind_text(s, HOOK_SAVE, 6, h->last_error ? h->last_error : "");
	return hook_change(s, HOOK_SAVE);
}

/*
 * A hook that had deliveries is buried: its row gets the negative of its id, which nobody asks for,
 * and a name that no hook has, and tells store_sweep whose deliveries are left. So removing a
 * million of them is one small change, and the rest survives a restart.
 */
int store_hook_remove(struct store *s, int64_t id, uint64_t *out_dropped)
{
	int64_t waiting;
	int row, error = store_begin(s);

	if (error)
		return error;
	bind_int(s, HOOK_WAITING, 1, id);
	row = statement_row(s, HOOK_WAITING);
	if (row != 1)
		return row ? row : -ENOENT;
	waiting = column_int(s, HOOK_WAITING, 0) + store_touched(s, id);
	statement_reset(s, HOOK_WAITING);

	bind_int(s, HOOK_DELIVERIES, 1, id);
	bind_int(s, HOOK_DELIVERIES, 2, 1);
	row = statement_row(s, HOOK_DELIVERIES);
	if (row < 0)
		return row;
	if (row)
		statement_reset(s, HOOK_DELIVERIES);
	bind_int(s, row ? HOOK_BURY : HOOK_REMOVE, 1, id);
	error = hook_change(s, row ? HOOK_BURY : HOOK_REMOVE);
	if (!error)
		*out_dropped = (uint64_t)waiting;
	return error;
}

/* Removes up to `limit` of the hook's deliveries, and less than a page: how many, or -errno. */
static int sweep_page(struct store *s, int64_t id, unsigned limit)
{
	int64_t ids[SWEEP_PAGE];
	enum store_state state;
	int count = 0, row, error = 0;

	bind_int(s, HOOK_DELIVERIES, 1, id);
	bind_int(s, HOOK_DELIVERIES, 2, limit < SWEEP_PAGE ? limit : SWEEP_PAGE);
	while ((row = statement_row(s, HOOK_DELIVERIES)) == 1)
		ids[count++] = column_int(s, HOOK_DELIVERIES, 0);
	if (row < 0)
		return row;
	for (int i = 0; i < count && !error; i++)
		error = store_delivery_drop(s, ids[i], &state);
	return error ? error : count;
}

/* The id that a buried hook had; 0: there is none, or -errno. */
static int64_t buried(struct store *s)
{
	int64_t id;
	int row = statement_row(s, HOOK_BURIED);

	if (row != 1)
		return row;
	id = column_int(s, HOOK_BURIED, 0);
	statement_reset(s, HOOK_BURIED);
	return id;
}

int store_sweep(struct store *s, unsigned limit)
{
	int64_t id;
	int count, error;

	/* Looked at first: the usual answer is none, and that needs no transaction. */
	while ((id = buried(s)) > 0) {
		if (!limit)
			return 1;
		error = store_begin(s);
		if (error)
			return error;
		count = sweep_page(s, id, limit);
		if (count < 0)
			return count;
		limit -= (unsigned)count;
		if (count)
			continue;
		limit--; /* there may be many without any */
		bind_int(s, HOOK_REMOVE, 1, -id);
		error = hook_change(s, HOOK_REMOVE);
		if (error)
			return error;
	}
	return (int)id;
}

static const char *hook_text(struct store *s, int n)
{
	return (const char *)sqlite3_column_text(s->statements[HOOK_EACH], n);
}

int store_hook_each(struct store *s, store_hook_fn *each, void *ctx)
{
	int row;

	while ((row = statement_row(s, HOOK_EACH)) == 1) {
		int64_t id = column_int(s, HOOK_EACH, 0);
		struct store_hook h = {
			.id = id,
			.name = hook_text(s, 1),
			.renamed_from = hook_text(s, 2),
			.pending = (uint64_t)(column_int(s, HOOK_EACH, 3) + store_touched(s, id)),
			.delivered = (uint64_t)column_int(s, HOOK_EACH, 4),
			.failed = (uint64_t)column_int(s, HOOK_EACH, 5),
			.last_success_ms = column_int(s, HOOK_EACH, 6),
			.last_failure_ms = column_int(s, HOOK_EACH, 7),
			.last_error = hook_text(s, 8),
			.fresh = column_int(s, HOOK_EACH, 9),
			.retry_due_ms = column_int(s, HOOK_EACH, 10),
		};

		/* NULL for want of memory, or where the file is damaged: the columns are NOT NULL. */
		if (!h.name || !h.last_error) {
			int code = sqlite3_errcode(s->db);

			statement_reset(s, HOOK_EACH);
			return store_fail(s, code == SQLITE_NOMEM ? -ENOMEM : -EIO);
		}
		each(ctx, &h);
	}
	return row;
}
