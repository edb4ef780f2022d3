/*
 * view_columns: the table of hooks: its columns, and the order of its lines.
 */
#include "top/cells.h"
#include "top/view_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where neither comes first, names decide, so that no line jumps about. */
#define FIRST(a, b) ((a) > (b) ? -1 : (a) < (b))

static void show_name(const struct model_hook *h, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, h->name);
}

static int by_name(const struct model_hook *a, const struct model_hook *b, int64_t now_ms)
{
	(void)now_ms;
	return strcmp(a->name, b->name);
}

static void show_state(const struct model_hook *h, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	buf_adds(out, h->state);
}

static int by_state(const struct model_hook *a, const struct model_hook *b, int64_t now_ms)
{
	(void)now_ms;
	return strcmp(a->state, b->state);
}

static void add_count(const struct model_hook *h, int64_t value, struct buf *out)
{
	char number[CELLS_NUMBER_SIZE];

	buf_adds(out, *h->state ? cells_count(value, number) : "");
}

#define COUNTER(field)                                                                        \
	static void show_##field(const struct model_hook *h, int64_t now_ms, struct buf *out) \
	{                                                                                     \
		(void)now_ms;                                                                 \
		add_count(h, h->field, out);                                                  \
	}                                                                                     \
                                                                                              \
	static int by_##field(                                                                \
		const struct model_hook *a, const struct model_hook *b, int64_t now_ms)       \
	{                                                                                     \
		(void)now_ms;                                                                 \
		return FIRST(a->field, b->field);                                             \
	}

COUNTER(pending)
COUNTER(inflight)
COUNTER(delivered)
COUNTER(failed)

const char *view_rate(const struct model_rate *r, int64_t now_ms, char out[CELLS_NUMBER_SIZE])
{
	return r->span_ms ? cells_rate(model_rate(r, now_ms), out) : "-";
}

static void show_rate(const struct model_hook *h, int64_t now_ms, struct buf *out)
{
	char number[CELLS_NUMBER_SIZE];

	if (*h->state)
		buf_adds(out, view_rate(&h->rate, now_ms, number));
}

static int by_rate(const struct model_hook *a, const struct model_hook *b, int64_t now_ms)
{
	return FIRST(model_rate(&a->rate, now_ms), model_rate(&b->rate, now_ms));
}

static void show_oldest(const struct model_hook *h, int64_t now_ms, struct buf *out)
{
	char number[CELLS_NUMBER_SIZE];

	if (h->oldest_ms)
		buf_adds(out, cells_age(now_ms - h->oldest_ms, number));
}

static int by_oldest(const struct model_hook *a, const struct model_hook *b, int64_t now_ms)
{
	(void)now_ms;
	if (!a->oldest_ms || !b->oldest_ms)
		return FIRST(a->oldest_ms, b->oldest_ms);
	return FIRST(b->oldest_ms, a->oldest_ms);
}

static void show_error(const struct model_hook *h, int64_t now_ms, struct buf *out)
{
	(void)now_ms;
	if (h->error && model_failing(h))
		buf_adds(out, h->error);
}

/* Those that fail, the latest first; then those with work. */
static int by_trouble(const struct model_hook *a, const struct model_hook *b, int64_t now_ms)
{
	int64_t failed_a = model_failing(a) ? a->last_failure_ms : 0;
	int64_t failed_b = model_failing(b) ? b->last_failure_ms : 0;
	int r = FIRST(failed_a, failed_b);

	return r ? r : by_pending(a, b, now_ms);
}

const struct view_column view_columns[] = {
	{ 'e', "LAST ERROR", "those that fail, the latest first", 0, 60, true, show_error,
		by_trouble },
	{ 'n', "HOOK", "name", 0, 0, true, show_name, by_name },
	{ 's', "STATE", "state", 10, 0, true, show_state, by_state },
	{ 'p', "PENDING", "deliveries that wait or are under way", 8, 0, false, show_pending,
		by_pending },
	{ 'i', "BUSY", "requests under way", 5, 110, false, show_inflight, by_inflight },
	{ 't', "RATE/s", "deliveries a second", 8, 0, false, show_rate, by_rate },
	{ 'd', "DELIVERED", "deliveries that arrived", 9, 70, false, show_delivered, by_delivered },
	{ 'f', "FAILED", "deliveries that were given up", 7, 40, false, show_failed, by_failed },
	{ 'o', "OLDEST", "age of what has waited longest", 6, 90, false, show_oldest, by_oldest },
};
const unsigned view_columns_count = sizeof(view_columns) / sizeof(*view_columns);

/* ---- which hooks, in which order */

static bool passes(const struct view *v, const struct model_hook *h)
{
	return !*v->filter || strcasestr(h->name, v->filter) || strcasestr(h->state, v->filter) ||
		(h->error && model_failing(h) && strcasestr(h->error, v->filter));
}

struct order {
	const struct view_column *column;
	int sign;
	int64_t now_ms;
};

static int compare(const void *a, const void *b, void *ctx)
{
	const struct model_hook *x = *(struct model_hook *const *)a;
	const struct model_hook *y = *(struct model_hook *const *)b;
	const struct order *o = ctx;
	int r = o->sign * o->column->compare(x, y, o->now_ms);

	return r ? r : strcmp(x->name, y->name);
}

/* Sorting 100,000 takes a twentieth of a second, and who reads them is slower: there it waits two seconds. */
#define HOOKS_A_MS 50

static bool has_to_arrange(const struct view *v, const struct model *m, int64_t now_ms)
{
	if (v->shown_members != m->members)
		return true; /* what is shown may have been freed */
	return v->shown_edition != m->edition &&
		now_ms - v->arranged_ms >= (int64_t)(v->shown_count / HOOKS_A_MS);
}

void view_arrange(struct view *v, const struct model *m, int64_t now_ms)
{
	struct order order = { &view_columns[v->sort], v->reverse ? -1 : 1, now_ms };
	size_t all = HASH_COUNT(m->hooks);

	if (!v->stale && !has_to_arrange(v, m, now_ms))
		return;
	if (all > v->shown_cap) {
		struct model_hook **shown =
			reallocarray(v->shown, all, sizeof(struct model_hook *));

		if (!shown)
			abort();
		v->shown = shown;
		v->shown_cap = all;
	}
	v->shown_count = 0;
	for (struct model_hook *h = m->hooks; h; h = h->hh.next)
		if (passes(v, h))
			v->shown[v->shown_count++] = h;
	if (v->shown_count)
		qsort_r(v->shown, v->shown_count, sizeof(struct model_hook *), compare, &order);
	v->stale = false;
	v->shown_edition = m->edition;
	v->shown_members = m->members;
	v->arranged_ms = now_ms;
}

size_t view_selected(const struct view *v)
{
	for (size_t i = 0; v->selected && i < v->shown_count; i++)
		if (!strcmp(v->shown[i]->name, v->selected))
			return i;
	return 0;
}
