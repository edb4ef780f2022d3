/*
 * Hooks: ids, names and counters. A hook's pending count is the row's plus what the open
 * transaction has not yet written into it (store_touch).
 */
#include "store/sqlite.h"

#include <errno.h>

/* Deliveries a page while a hook is emptied: rows cannot be walked and deleted at once. */
#define REMOVE_PAGE 256

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

/* Removes up to REMOVE_PAGE deliveries: how many, or -errno; *dropped counts the pending ones. */
static int hook_remove_page(struct store *s, int64_t id, uint64_t *dropped)
{
	int64_t ids[REMOVE_PAGE];
	enum store_state state;
	int count = 0, row, error = 0;

	bind_int(s, HOOK_DELIVERIES, 1, id);
	bind_int(s, HOOK_DELIVERIES, 2, REMOVE_PAGE);
	while ((row = statement_row(s, HOOK_DELIVERIES)) == 1) {
		ids[count++] = column_int(s, HOOK_DELIVERIES, 0);
		*dropped += state_waits((enum delivery_state)column_int(s, HOOK_DELIVERIES, 1));
	}
	if (row < 0)
		return row;
	for (int i = 0; i < count && !error; i++)
		error = store_delivery_drop(s, ids[i], &state);
	return error ? error : count;
}

int store_hook_remove(struct store *s, int64_t id, uint64_t *out_dropped)
{
	uint64_t dropped = 0;
	int error, count;

	error = store_begin(s);
	if (error)
		return error;
	do
		count = hook_remove_page(s, id, &dropped);
	while (count == REMOVE_PAGE);
	if (count < 0)
		return count;
	bind_int(s, HOOK_REMOVE, 1, id);
	error = hook_change(s, HOOK_REMOVE);
	if (!error)
		*out_dropped = dropped;
	return error;
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
			.fresh_due_ms = column_int(s, HOOK_EACH, 9),
			.retry_due_ms = column_int(s, HOOK_EACH, 10),
		};

		/* Only for want of memory: the columns are NOT NULL. */
		if (!h.name || !h.last_error) {
			statement_reset(s, HOOK_EACH);
			return store_fail(s, -ENOMEM);
		}
		each(ctx, &h);
	}
	return row;
}
