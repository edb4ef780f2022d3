/*
 * What is known of a delivery beyond its state: its attempts; lists by state; and the end of those
 * that are only kept.
 *
 * The attempts are one column of the delivery, since most have one attempt, all are read together,
 * and they go with it. An append rewrites the list, which the schedule of retries keeps short. It
 * is stored as a blob, whose length SQLite tells in bytes and without reading it.
 */
#include "store/sqlite.h"
#include "util/buf.h"

#include <errno.h>

/* Deliveries a page while old ones are removed: rows cannot be walked and deleted at once. */
#define RETIRE_PAGE 256

int store_attempts(struct store *s, int64_t delivery_id, struct buf *out)
{
	const void *list;
	size_t len;
	int row, error;

	bind_int(s, ATTEMPTS, 1, delivery_id);
	row = statement_row(s, ATTEMPTS);
	if (row != 1)
		return row;
	list = sqlite3_column_blob(s->statements[ATTEMPTS], 0);
	len = (size_t)sqlite3_column_bytes(s->statements[ATTEMPTS], 0);
	if (list)
		buf_add(out, list, len);
	error = list || sqlite3_column_type(s->statements[ATTEMPTS], 0) == SQLITE_NULL
		? buf_error(out)
		: -ENOMEM;
	statement_reset(s, ATTEMPTS);
	return error == -ENOMEM ? store_fail(s, error) : error;
}

int store_list(struct store *s, int64_t hook_id, enum store_state state, int64_t after_id,
	struct store_entry *rows, unsigned limit)
{
	static const enum delivery_state states[][2] = {
		[STORE_PENDING] = { DELIVERY_FRESH, DELIVERY_RETRY },
		[STORE_DELIVERED] = { DELIVERY_DELIVERED, DELIVERY_GONE },
		[STORE_FAILED] = { DELIVERY_FAILED, DELIVERY_GONE },
	};
	int count = 0, row;

	bind_int(s, DELIVERY_LIST, 1, hook_id);
	bind_int(s, DELIVERY_LIST, 2, states[state][0]);
	bind_int(s, DELIVERY_LIST, 3, states[state][1]);
	bind_int(s, DELIVERY_LIST, 4, after_id);
	bind_int(s, DELIVERY_LIST, 5, limit);
	while ((row = statement_row(s, DELIVERY_LIST)) == 1)
		rows[count++] = (struct store_entry){
			.id = column_int(s, DELIVERY_LIST, 0),
			.created_ms = column_int(s, DELIVERY_LIST, 1),
			.finished_ms = column_int(s, DELIVERY_LIST, 2),
		};
	return row < 0 ? row : count;
}

int store_waiting(struct store *s, int64_t hook_id, int64_t after_id, struct store_waiting *rows,
	unsigned limit)
{
	int count = 0, row;

	bind_int(s, DELIVERY_WAITING, 1, hook_id);
	bind_int(s, DELIVERY_WAITING, 2, after_id);
	bind_int(s, DELIVERY_WAITING, 3, limit);
	while ((row = statement_row(s, DELIVERY_WAITING)) == 1)
		rows[count++] = (struct store_waiting){
			.id = column_int(s, DELIVERY_WAITING, 0),
			.created_ms = column_int(s, DELIVERY_WAITING, 1),
			.due_ms = column_int(s, DELIVERY_WAITING, 2),
			.attempts = (unsigned)column_int(s, DELIVERY_WAITING, 3),
			.retry = column_int(s, DELIVERY_WAITING, 4) == DELIVERY_RETRY,
			.origin = column_int(s, DELIVERY_WAITING, 5),
		};
	return row < 0 ? row : count;
}

int store_oldest_pending(struct store *s, int64_t hook_id, struct store_entry *out)
{
	int row;

	bind_int(s, DELIVERY_OLDEST_PENDING, 1, hook_id);
	row = statement_row(s, DELIVERY_OLDEST_PENDING);
	if (row != 1)
		return row;
	*out = (struct store_entry){
		.id = column_int(s, DELIVERY_OLDEST_PENDING, 0),
		.created_ms = column_int(s, DELIVERY_OLDEST_PENDING, 1),
	};
	statement_reset(s, DELIVERY_OLDEST_PENDING);
	return 1;
}

/* What of one state is too old, or too much. */
struct retirement {
	enum delivery_state state;
	int64_t before_ms;
	int64_t max_bytes;
};

/* Removes up to `limit` of a page: how many, or -errno. */
static int retire_page(struct store *s, const struct retirement *r, unsigned limit)
{
	struct {
		int64_t id, finished_ms;
	} rows[RETIRE_PAGE];
	enum store_state state;
	int count = 0, removed = 0, row, error = 0;
	bool much = s->now.kept_bytes > r->max_bytes;

	bind_int(s, DELIVERY_OLDEST, 1, r->state);
	bind_int(s, DELIVERY_OLDEST, 2, much ? INT64_MAX : r->before_ms);
	bind_int(s, DELIVERY_OLDEST, 3, limit < RETIRE_PAGE ? limit : RETIRE_PAGE);
	while ((row = statement_row(s, DELIVERY_OLDEST)) == 1) {
		rows[count].id = column_int(s, DELIVERY_OLDEST, 0);
		rows[count++].finished_ms = column_int(s, DELIVERY_OLDEST, 1);
	}
	if (row < 0)
		return row;
	for (; removed < count && !error; removed++) {
		if (rows[removed].finished_ms >= r->before_ms && s->now.kept_bytes <= r->max_bytes)
			break;
		error = store_delivery_drop(s, rows[removed].id, &state);
	}
	return error ? error : removed;
}

/* Removes up to `limit`: how many, or -errno. */
static int retire(struct store *s, const struct retirement *r, unsigned limit)
{
	unsigned total = 0;
	int removed;

	do {
		removed = retire_page(s, r, limit - total);
		if (removed < 0)
			return removed;
		total += (unsigned)removed;
	} while (removed > 0 && total < limit);
	return (int)total;
}

int store_retire(struct store *s, int64_t delivered_ms, int64_t failed_ms, uint64_t max_bytes,
	unsigned limit)
{
	const struct retirement delivered = {
		.state = DELIVERY_DELIVERED,
		.before_ms = delivered_ms,
		.max_bytes = max_bytes < INT64_MAX ? (int64_t)max_bytes : INT64_MAX,
	};
	const struct retirement failed = {
		.state = DELIVERY_FAILED,
		.before_ms = failed_ms,
		.max_bytes = INT64_MAX,
	};
	int first = retire(s, &delivered, limit), second;

	if (first < 0)
		return first;
	second = retire(s, &failed, limit - (unsigned)first);
	return second < 0 ? second : (unsigned)(first + second) == limit;
}
