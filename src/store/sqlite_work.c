/*
 * Events, their deliveries, idempotency keys, and housekeeping.
 *
 * An event is stored once and counts its deliveries: `refs` rows point to it, `pending` of them
 * still wait, the others are kept. It goes with its last row, it counts for the backlog while any
 * waits, and for what is kept while any is kept. The `pending` of an event with one row is not kept
 * up to date, since the state of the row says it: most events have one, and a third of the writing is
 * saved. All changes of a delivery's state go through
 * delivery_move, so these counts have one place to be right in.
 */
#include "store/sqlite.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rows a call: some 10 ms of work. */
#define CLAMP_ROWS 10000

/* Free pages are given back to the file system once they are more than those in use, and 16 MiB: a
 * queue that comes and goes keeps its room. */
#define FREE_PAGES_KEPT 4096

int store_event_seen(struct store *s, const char *id, int64_t since_ms)
{
	int row;

	bind_text(s, SEEN, 1, id);
	row = statement_row(s, SEEN);
	if (row == 1) {
		row = column_int(s, SEEN, 0) >= since_ms;
		statement_reset(s, SEEN);
	}
	return row;
}

static int64_t event_bytes(const struct store_event *e)
{
	return (int64_t)(strlen(e->fields) + (e->result ? strlen(e->result) : 0) + strlen(e->rest));
}

int store_event_add(
	struct store *s, const struct store_event *e, unsigned deliveries, int64_t *out_id)
{
	int64_t bytes = event_bytes(e);
	int error = store_begin(s);

	if (error)
		return error;
	if (e->id) {
		bind_text(s, SEEN_ADD, 1, e->id);
		bind_int(s, SEEN_ADD, 2, e->accepted_ms);
		error = statement_run(s, SEEN_ADD);
		if (error)
			return error;
	}
	bind_int(s, EVENT_ADD, 1, s->now.next_event);
	bind_int(s, EVENT_ADD, 2, deliveries);
	bind_int(s, EVENT_ADD, 3, bytes);
	bind_int(s, EVENT_ADD, 4, e->accepted_ms);
	bind_int(s, EVENT_ADD, 5, e->uid);
	bind_text(s, EVENT_ADD, 6, e->request_id);
	bind_text(s, EVENT_ADD, 7, e->fields);
	bind_text(s, EVENT_ADD, 8, e->result);
	bind_text(s, EVENT_ADD, 9, e->rest);
	error = statement_run(s, EVENT_ADD);
	if (error)
		return error;
	s->now.backlog_bytes += bytes;
	*out_id = s->now.next_event++;
	return 0;
}

int store_delivery_add(struct store *s, int64_t event_id, int64_t hook_id, const char *event_name,
	int64_t due_ms, int64_t *out_id)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, DELIVERY_ADD, 1, s->now.next_delivery);
	bind_int(s, DELIVERY_ADD, 2, event_id);
	bind_int(s, DELIVERY_ADD, 3, hook_id);
	bind_int(s, DELIVERY_ADD, 4, due_ms);
	bind_text(s, DELIVERY_ADD, 5, event_name);
	error = statement_run(s, DELIVERY_ADD);
	if (!error)
		error = store_touch(s, hook_id, 1);
	if (!error)
		*out_id = s->now.next_delivery++;
	return error;
}

int64_t store_next_delivery(const struct store *s)
{
	return s->now.next_delivery;
}

int store_fresh(struct store *s, int64_t hook_id, int64_t after_id, int64_t *ids, unsigned limit)
{
	int count = 0, row;

	bind_int(s, DELIVERY_FRESH_PAGE, 1, hook_id);
	bind_int(s, DELIVERY_FRESH_PAGE, 2, after_id);
	bind_int(s, DELIVERY_FRESH_PAGE, 3, limit);
	while ((row = statement_row(s, DELIVERY_FRESH_PAGE)) == 1)
		ids[count++] = column_int(s, DELIVERY_FRESH_PAGE, 0);
	return row < 0 ? row : count;
}

/* Collects ids and due times to the end of the query: the count, or -errno. */
static int rows_read(struct store *s, enum statement st, struct store_row *rows)
{
	int count = 0, row;

	while ((row = statement_row(s, st)) == 1)
		rows[count++] = (struct store_row){
			.id = column_int(s, st, 0),
			.due_ms = column_int(s, st, 1),
		};
	return row < 0 ? row : count;
}

int store_retries(struct store *s, int64_t hook_id, int64_t after_due_ms, int64_t after_id,
	struct store_row *rows, unsigned limit)
{
	int same, later;

	bind_int(s, DELIVERY_RETRY_SAME, 1, hook_id);
	bind_int(s, DELIVERY_RETRY_SAME, 2, after_due_ms);
	bind_int(s, DELIVERY_RETRY_SAME, 3, after_id);
	bind_int(s, DELIVERY_RETRY_SAME, 4, limit);
	same = rows_read(s, DELIVERY_RETRY_SAME, rows);
	if (same < 0 || (unsigned)same == limit)
		return same;
	bind_int(s, DELIVERY_RETRY_LATER, 1, hook_id);
	bind_int(s, DELIVERY_RETRY_LATER, 2, after_due_ms);
	bind_int(s, DELIVERY_RETRY_LATER, 3, (int64_t)limit - same);
	later = rows_read(s, DELIVERY_RETRY_LATER, rows + same);
	return later < 0 ? later : same + later;
}

bool state_waits(enum delivery_state state)
{
	return state == DELIVERY_FRESH || state == DELIVERY_RETRY;
}

bool state_kept(enum delivery_state state)
{
	return state == DELIVERY_FAILED || state == DELIVERY_DELIVERED;
}

static enum store_state state_seen(enum delivery_state state)
{
	if (state_waits(state))
		return STORE_PENDING;
	return state == DELIVERY_DELIVERED ? STORE_DELIVERED : STORE_FAILED;
}

/* Else it is damage, which must not be counted with. */
static bool is_sound(const struct place *p)
{
	return p->state < DELIVERY_GONE && store_number_good(p->refs) &&
		store_number_good(p->pending) && store_number_good(p->bytes);
}

/* Of an event with one row, `pending` is what that row says. */
static bool place_judge(struct place *p)
{
	if (p->refs == 1)
		p->pending = state_waits(p->state);
	return is_sound(p);
}

/* A copy of a text of DELIVERY_GET; NULL for NULL, with *damaged set, or with *error: a text is UTF-8 without
 * a NUL, and what is no such text, or is missing where it was never NULL, is damage that goes to no receiver. */
static char *delivery_text(struct store *s, int n, bool may_be_null, bool *damaged, int *error)
{
	sqlite3_stmt *st = s->statements[DELIVERY_GET];
	/* As a blob: the same bytes, without SQLite's copy of them to put a NUL behind. */
	const char *text = sqlite3_column_blob(st, n);
	size_t len = (size_t)sqlite3_column_bytes(st, n);
	char *copy;

	if (sqlite3_column_type(st, n) == SQLITE_NULL) {
		*damaged |= !may_be_null;
		return NULL;
	}
	if (text && (memchr(text, '\0', len) || text_utf8_check(text, len) != len)) {
		*damaged = true;
		return NULL;
	}
	copy = text || len == 0 ? malloc(len + 1) : NULL;
	if (!copy) {
		*error = -ENOMEM;
		return NULL;
	}
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

int store_delivery_get(struct store *s, int64_t id, struct store_delivery *out)
{
	struct store_delivery d = { .id = id };
	struct place p = { 0 };
	int row, error = 0;

	bind_int(s, DELIVERY_GET, 1, id);
	row = statement_row(s, DELIVERY_GET);
	if (row != 1)
		return row ? row : -ENOENT;
	d.event_id = column_int(s, DELIVERY_GET, 0);
	d.hook_id = column_int(s, DELIVERY_GET, 1);
	d.created_ms = column_int(s, DELIVERY_GET, 2);
	d.attempts = (unsigned)column_int(s, DELIVERY_GET, 3);
	d.event_name = delivery_text(s, 4, false, &d.damaged, &error);
	d.request_id = delivery_text(s, 5, false, &d.damaged, &error);
	d.fields = delivery_text(s, 6, false, &d.damaged, &error);
	d.result = delivery_text(s, 7, true, &d.damaged, &error);
	d.rest = delivery_text(s, 8, false, &d.damaged, &error);
	d.error = delivery_text(s, 9, true, &d.damaged, &error);
	p.state = (enum delivery_state)column_int(s, DELIVERY_GET, 10);
	d.state = state_seen(p.state);
	d.due_ms = column_int(s, DELIVERY_GET, 11);
	d.finished_ms = column_int(s, DELIVERY_GET, 12);
	d.origin = column_int(s, DELIVERY_GET, 13);
	d.uid = (uint32_t)column_int(s, DELIVERY_GET, 14);
	p.refs = column_int(s, DELIVERY_GET, 15);
	p.pending = column_int(s, DELIVERY_GET, 16);
	p.bytes = column_int(s, DELIVERY_GET, 17);
	statement_reset(s, DELIVERY_GET);
	/* Nothing is counted with it here: what others have in the open transaction stays. */
	if (!error && !place_judge(&p))
		error = -EIO;
	if (error) {
		store_delivery_release(&d);
		return error;
	}
	*out = d;
	return 0;
}

void store_delivery_release(struct store_delivery *d)
{
	free(d->event_name);
	free(d->request_id);
	free(d->fields);
	free(d->result);
	free(d->rest);
	free(d->error);
	*d = (struct store_delivery){ 0 };
}

int delivery_find(struct store *s, int64_t id, struct place *out)
{
	int row;

	bind_int(s, DELIVERY_FIND, 1, id);
	row = statement_row(s, DELIVERY_FIND);
	if (row != 1)
		return row ? row : -ENOENT;
	*out = (struct place){
		.event_id = column_int(s, DELIVERY_FIND, 0),
		.hook_id = column_int(s, DELIVERY_FIND, 1),
		.state = (enum delivery_state)column_int(s, DELIVERY_FIND, 2),
		.due_ms = column_int(s, DELIVERY_FIND, 3),
		.finished_ms = column_int(s, DELIVERY_FIND, 4),
		.list_bytes = column_int(s, DELIVERY_FIND, 5),
		.refs = column_int(s, DELIVERY_FIND, 6),
		.pending = column_int(s, DELIVERY_FIND, 7),
		.bytes = column_int(s, DELIVERY_FIND, 8),
	};
	statement_reset(s, DELIVERY_FIND);
	return place_judge(out) ? 0 : store_fail(s, -EIO);
}

/* Gives the event of `p` new counts, and takes them over into those of the hook and the totals. */
static int event_count(struct store *s, const struct place *p, int64_t refs, int64_t pending)
{
	int error = 0;

	if (refs == 0) {
		bind_int(s, EVENT_REMOVE, 1, p->event_id);
		error = statement_run(s, EVENT_REMOVE);
	} else if (refs != p->refs || (refs > 1 && pending != p->pending)) {
		bind_int(s, EVENT_COUNTS, 1, p->event_id);
		bind_int(s, EVENT_COUNTS, 2, refs);
		bind_int(s, EVENT_COUNTS, 3, pending);
		error = statement_run(s, EVENT_COUNTS);
	}
	if (!error && pending != p->pending)
		error = store_touch(s, p->hook_id, pending - p->pending);
	if (error)
		return error;
	s->now.backlog_bytes += p->bytes * ((pending > 0) - (p->pending > 0));
	s->now.kept_bytes += p->bytes * ((refs > pending) - (p->refs > p->pending));
	return 0;
}

#define FROM(state) (1u << (state))
#define FROM_OPEN   (FROM(DELIVERY_FRESH) | FROM(DELIVERY_RETRY) | FROM(DELIVERY_FAILED))
#define FROM_ANY    (FROM_OPEN | FROM(DELIVERY_DELIVERED))

/* What a delivery becomes, and from which states. DELIVERY_GONE looks at nothing else. */
struct move {
	unsigned from;
	enum delivery_state to;
	unsigned attempts;
	const char *attempt; /* joins the list; NULL: nothing does */
	int64_t due_ms;      /* kept ones keep theirs */
	int64_t finished_ms; /* of kept ones */
	const char *error;
};

/* *was: what it has been. */
static int delivery_move(
	struct store *s, int64_t id, const struct move *m, enum delivery_state *was)
{
	size_t len = m->attempt ? strlen(m->attempt) : 0;
	struct place p;
	int64_t list_bytes;
	int error = store_begin(s);

	assert(m->to != DELIVERY_FRESH);
	if (!error)
		error = delivery_find(s, id, &p);
	if (!error && !(m->from & FROM(p.state)))
		error = -ENOENT;
	if (error)
		return error;
	if (m->to == DELIVERY_GONE) {
		bind_int(s, DELIVERY_REMOVE, 1, id);
		error = statement_run(s, DELIVERY_REMOVE);
	} else {
		bind_int(s, DELIVERY_MOVE, 1, id);
		bind_int(s, DELIVERY_MOVE, 2, m->to);
		bind_int(s, DELIVERY_MOVE, 3, m->attempts);
		bind_int(s, DELIVERY_MOVE, 4, state_waits(m->to) ? m->due_ms : p.due_ms);
		bind_text(s, DELIVERY_MOVE, 5, m->error);
		bind_int(s, DELIVERY_MOVE, 6, m->finished_ms);
		bind_bytes(s, DELIVERY_MOVE, 7, m->attempt, len);
		error = statement_run(s, DELIVERY_MOVE);
	}
	if (!error)
		error = event_count(s, &p, p.refs - (m->to == DELIVERY_GONE),
			p.pending + state_waits(m->to) - state_waits(p.state));
	if (error)
		return error;
	list_bytes = p.list_bytes + (int64_t)len + (len && p.list_bytes); /* the comma */
	s->now.kept_bytes += list_bytes * state_kept(m->to) - p.list_bytes * state_kept(p.state);
	*was = p.state;
	return 0;
}

int store_delivery_done(
	struct store *s, int64_t id, unsigned attempts, const char *attempt, int64_t now_ms)
{
	enum delivery_state was;

	return delivery_move(s, id,
		&(struct move){
			.from = FROM_OPEN,
			.to = DELIVERY_DELIVERED,
			.attempts = attempts,
			.attempt = attempt,
			.finished_ms = now_ms,
		},
		&was);
}

int store_delivery_retry(struct store *s, int64_t id, unsigned attempts, const char *attempt,
	int64_t due_ms, const char *error)
{
	enum delivery_state was;

	return delivery_move(s, id,
		&(struct move){
			.from = FROM_OPEN,
			.to = DELIVERY_RETRY,
			.attempts = attempts,
			.attempt = attempt,
			.due_ms = due_ms,
			.error = error,
		},
		&was);
}

int store_delivery_failed(struct store *s, int64_t id, unsigned attempts, const char *attempt,
	int64_t now_ms, const char *error)
{
	enum delivery_state was;

	return delivery_move(s, id,
		&(struct move){
			.from = FROM_OPEN,
			.to = DELIVERY_FAILED,
			.attempts = attempts,
			.attempt = attempt,
			.finished_ms = now_ms,
			.error = error,
		},
		&was);
}

int store_delivery_replay(struct store *s, int64_t id, int64_t due_ms)
{
	enum delivery_state was;

	return delivery_move(s, id,
		&(struct move){
			.from = FROM(DELIVERY_FAILED),
			.to = DELIVERY_RETRY,
			.due_ms = due_ms,
		},
		&was);
}

int store_delivery_drop(struct store *s, int64_t id, enum store_state *out_state)
{
	enum delivery_state was;
	int error =
		delivery_move(s, id, &(struct move){ .from = FROM_ANY, .to = DELIVERY_GONE }, &was);

	if (!error)
		*out_state = state_seen(was);
	return error;
}

int store_delivery_repeat(struct store *s, int64_t id, int64_t due_ms, int64_t *out_id)
{
	struct place p;
	int error = store_begin(s);

	if (!error)
		error = delivery_find(s, id, &p);
	if (error)
		return error;
	bind_int(s, DELIVERY_REPEAT, 1, id);
	bind_int(s, DELIVERY_REPEAT, 2, s->now.next_delivery);
	bind_int(s, DELIVERY_REPEAT, 3, due_ms);
	error = statement_run(s, DELIVERY_REPEAT);
	if (!error)
		error = event_count(s, &p, p.refs + 1, p.pending + 1);
	if (!error)
		*out_id = s->now.next_delivery++;
	return error;
}

/* One number that a query without parameters gives, or -errno. */
static int64_t pages(struct store *s, enum statement st)
{
	int row = statement_row(s, st);
	int64_t value;

	if (row != 1)
		return row;
	value = column_int(s, st, 0);
	statement_reset(s, st);
	return value < 0 ? -EIO : value; /* as a damaged header has it */
}

/* Gives up to 256 free pages back: 1 if it did, 0 if there is no need, -errno. */
static int pages_give_back(struct store *s)
{
	int64_t free_pages = pages(s, PAGES_FREE), all;
	int error;

	if (free_pages < FREE_PAGES_KEPT)
		return free_pages < 0 ? (int)free_pages : 0;
	all = pages(s, PAGES);
	if (all < 0)
		return (int)all;
	if (free_pages <= all - free_pages)
		return 0;
	error = store_begin(s);
	if (!error)
		error = statement_run(s, PAGES_GIVE_BACK);
	if (error)
		return error;
	s->gave_back = true;
	return 1;
}

/* The file itself becomes shorter when the log is copied into it, which a queue that has become idle
 * would never come to. 1: not before the open transaction has ended. */
static int file_cut(struct store *s)
{
	if (!s->gave_back)
		return 0;
	if (s->begun)
		return 1;
	s->gave_back = false;
	/* If it fails all is as it was, and the next log that is full tries it again. */
	(void)sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return 0;
}

static int seen_expire(struct store *s, int64_t before_ms, unsigned limit)
{
	int row, error;

	/* Looked at first: the usual answer is none, and that needs no transaction. */
	bind_int(s, SEEN_OLD, 1, before_ms);
	row = statement_row(s, SEEN_OLD);
	if (row != 1)
		return row;
	statement_reset(s, SEEN_OLD);

	error = store_begin(s);
	if (error)
		return error;
	bind_int(s, SEEN_REMOVE, 1, before_ms);
	bind_int(s, SEEN_REMOVE, 2, limit);
	error = statement_run(s, SEEN_REMOVE);
	return error ? error : (unsigned)sqlite3_changes(s->db) == limit;
}

int store_expire(struct store *s, int64_t ids_before_ms, unsigned limit)
{
	int more = seen_expire(s, ids_before_ms, limit);
	int given = more < 0 ? more : pages_give_back(s);

	if (given < 0)
		return given;
	return more || given || file_cut(s);
}

int store_clamp_due(struct store *s, int64_t latest_due_ms)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, DELIVERY_CLAMP, 1, latest_due_ms);
	bind_int(s, DELIVERY_CLAMP, 2, CLAMP_ROWS);
	error = statement_run(s, DELIVERY_CLAMP);
	return error ? error : sqlite3_changes(s->db) == CLAMP_ROWS;
}

int store_clamp_fresh(struct store *s, int64_t hook_id, int64_t now_due_ms)
{
	int error = store_begin(s);

	if (error)
		return error;
	bind_int(s, DELIVERY_CLAMP_FRESH, 1, hook_id);
	bind_int(s, DELIVERY_CLAMP_FRESH, 2, now_due_ms);
	bind_int(s, DELIVERY_CLAMP_FRESH, 3, CLAMP_ROWS);
	error = statement_run(s, DELIVERY_CLAMP_FRESH);
	return error ? error : sqlite3_changes(s->db) == CLAMP_ROWS;
}
