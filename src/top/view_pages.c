/*
 * view_pages: the pages: all hooks, one of them, the keys.
 */
#include "top/cells.h"
#include "top/view_internal.h"

#include <stdio.h>
#include <string.h>

#define NAME_MIN 8
#define BAR      20

/* ---- the mount */

static void draw_title(struct pen *p, const struct view *v)
{
	char rest[200];
	unsigned width = pen_width(p), mine = (unsigned)strlen("webhookfs ");
	unsigned name = cells_width(v->mountpoint, strlen(v->mountpoint), v->utf8);

	snprintf(rest, sizeof(rest), "  %zu of %lld hooks, by %s%s", v->shown_count,
		(long long)p->model->mount.hooks, view_columns[v->sort].title,
		v->reverse ? ", turned round" : "");
	mine += (unsigned)strlen(rest);
	if (v->rows)
		name = mine < width ? width - mine : width;
	buf_adds(&p->text, "webhookfs ");
	cells_add(&p->text, v->mountpoint, strlen(v->mountpoint), name, v->utf8);
	buf_adds(&p->text, rest);
	pen_end(p, VIEW_TITLE, false);
}

static void draw_counters(struct pen *p)
{
	const struct model *m = p->model;
	char text[300], n[6][CELLS_NUMBER_SIZE];

	snprintf(text, sizeof(text),
		"accepted %s (%s/s)  delivered %s (%s/s)  failed %s (%s/s)  refused %lld",
		cells_count(m->mount.accepted, n[0]), view_rate(&m->accepted, p->now_ms, n[1]),
		cells_count(m->mount.delivered, n[2]), view_rate(&m->delivered, p->now_ms, n[3]),
		cells_count(m->mount.failed, n[4]), view_rate(&m->failed, p->now_ms, n[5]),
		(long long)m->mount.refused);
	pen_line(p, VIEW_PLAIN, 0, text);
}

static void draw_backlog(struct pen *p)
{
	const struct model_mount *m = &p->model->mount;
	double part = m->backlog_limit ? (double)m->backlog_bytes / (double)m->backlog_limit : 0;
	unsigned filled = part > 1 ? BAR : (unsigned)(part * BAR + 0.5);
	char text[300], bar[BAR + 1], n[4][CELLS_NUMBER_SIZE];

	memset(bar, '-', BAR);
	memset(bar, '#', filled);
	bar[BAR] = '\0';
	snprintf(text, sizeof(text), "pending %s, %s under way  backlog [%s] %s of %s",
		cells_count(m->pending, n[0]), cells_count(m->inflight, n[1]), bar,
		cells_bytes(m->backlog_bytes, n[2]), cells_bytes(m->backlog_limit, n[3]));
	pen_line(p, part > 0.8 ? VIEW_BAD : part > 0.5 ? VIEW_WARN : VIEW_PLAIN, 0, text);
}

/* ---- the table of hooks */

struct widths {
	unsigned name, error; /* error 0: it has no room */
};

static bool has_column(const struct pen *p, const struct view_column *c)
{
	return !p->view->rows || p->view->cols >= c->min_cols;
}

static struct widths measure(const struct pen *p, const struct view *v)
{
	unsigned fixed = 0, left;
	struct widths w = { NAME_MIN, 0 };

	for (unsigned i = 0; i < view_columns_count; i++)
		if (view_columns[i].width && has_column(p, &view_columns[i]))
			fixed += view_columns[i].width + 1;
	for (size_t i = 0; i < v->shown_count; i++) {
		unsigned n = (unsigned)strlen(v->shown[i]->name);

		if (n > w.name)
			w.name = cells_width(v->shown[i]->name, n, v->utf8) > w.name ? n : w.name;
	}
	left = pen_width(p) > fixed ? pen_width(p) - fixed : 0;
	if (!v->rows) {
		w.error = left - w.name - 1;
		return w;
	}
	if (w.name > left / 2 && left >= 2 * NAME_MIN)
		w.name = left / 2;
	w.name = w.name < left ? w.name : left;
	w.error = left > w.name + 10 && has_column(p, &view_columns[0]) ? left - w.name - 1 : 0;
	return w;
}

/* The first column is the last on the screen: its text may be long. */
static void draw_cells(struct pen *p, const struct widths *w, const struct model_hook *h,
	enum view_style style, bool selected)
{
	struct buf cell = BUF(8192);

	for (unsigned i = 1; i <= view_columns_count; i++) {
		const struct view_column *c = &view_columns[i % view_columns_count];
		unsigned width = c->width ? c->width : i == 1 ? w->name : w->error;

		if (!width || !has_column(p, c))
			continue;
		buf_reset(&cell);
		if (h)
			c->show(h, p->now_ms, &cell);
		else
			buf_adds(&cell, c->title);
		if (i > 1)
			buf_addc(&p->text, ' ');
		if (c->left)
			cells_add(&p->text, buf_str(&cell), cell.len, width, p->view->utf8);
		else
			cells_add_right(&p->text, buf_str(&cell), width);
	}
	buf_release(&cell);
	pen_end(p, style, selected);
}

static enum view_style hook_style(const struct model_hook *h)
{
	if (!strcmp(h->state, "gone") || model_failing(h))
		return VIEW_BAD;
	if (!strcmp(h->state, "active"))
		return VIEW_PLAIN;
	return *h->state ? VIEW_WARN : VIEW_FAINT;
}

/* The selected line stays on the page. */
static void scroll(struct view *v, size_t rows)
{
	size_t at = view_selected(v);

	v->page_rows = rows;
	if (at < v->first)
		v->first = at;
	else if (rows && at >= v->first + rows)
		v->first = at - rows + 1;
	if (v->first + rows > v->shown_count)
		v->first = v->shown_count > rows ? v->shown_count - rows : 0;
}

static void draw_table(struct pen *p, struct view *v, unsigned rows)
{
	struct widths w = measure(p, v);
	size_t selected;

	draw_cells(p, &w, NULL, VIEW_HEAD, false);
	scroll(v, v->rows ? rows : v->shown_count);
	selected = view_selected(v);
	for (size_t i = v->first; i < v->shown_count && i < v->first + v->page_rows; i++)
		draw_cells(p, &w, v->shown[i], hook_style(v->shown[i]), v->rows && i == selected);
}

/* ---- below it */

static void draw_destinations(struct pen *p, size_t most)
{
	const struct model_lines *l = &p->model->destinations;

	if (!l->count || !most)
		return;
	pen_line(p, VIEW_HEAD, 0, "DESTINATIONS");
	for (size_t i = 0; i < l->count && i < most; i++)
		pen_line(
			p, strncmp(l->list[i], "parked", 6) ? VIEW_PLAIN : VIEW_BAD, 0, l->list[i]);
}

/* The newest at the end. */
static void draw_errors(struct pen *p, const struct view *v, size_t most)
{
	const struct model_lines *l = &p->model->errors;
	size_t first = l->count > most ? l->count - most : 0;

	if (!most || (!l->count && !v->no_errors))
		return;
	pen_line(p, VIEW_HEAD, 0, "ERRORS");
	if (v->no_errors)
		pen_line(p, VIEW_FAINT, 0, "only the owner of the file errors may read them");
	for (size_t i = first; i < l->count && !v->no_errors; i++)
		pen_line(p, VIEW_PLAIN, 0, l->list[i]);
}

static size_t block(size_t count, size_t most)
{
	size_t lines = count < most ? count : most;

	return lines ? lines + 1 : 0;
}

void view_hooks_draw(struct pen *p, struct view *v)
{
	const struct model *m = p->model;
	size_t most = v->rows ? (v->rows < 14 ? 0 : (v->rows - 8) / 4) : (size_t)-1;
	size_t below = block(m->destinations.count, most) +
		block(v->no_errors ? 1 : m->errors.count, most);
	const struct model_hook *h;

	draw_title(p, v);
	draw_counters(p);
	draw_backlog(p);
	unsigned used = p->row + 1 + (unsigned)(v->rows ? below + 1 : 0);
	draw_table(p, v, p->limit > used ? p->limit - used : 0);
	if (v->rows) {
		unsigned row = p->limit - (unsigned)(below + 1);

		p->row = row < p->row ? p->row : row;
		h = v->shown_count ? v->shown[view_selected(v)] : NULL;
		pen_line(p, VIEW_BAD, 0, h && h->error && model_failing(h) ? h->error : "");
	}
	draw_destinations(p, most);
	draw_errors(p, v, most);
}

/* ---- one hook */

void view_detail_draw(struct pen *p, struct view *v)
{
	const struct model_hook *h = v->selected ? model_hook(p->model, v->selected) : NULL;

	pen_line(p, VIEW_TITLE, 0, v->selected ? v->selected : "");
	if (!h) {
		pen_line(p, VIEW_BAD, 0, "there is no such hook any more");
		return;
	}
	for (const char *at = h->status ? h->status : ""; *at;) {
		size_t n = strcspn(at, "\n");

		cells_add(&p->text, at, n, pen_width(p), v->utf8);
		pen_end(p, VIEW_PLAIN, false);
		at += n + (at[n] == '\n');
	}
	pen_line(p, VIEW_PLAIN, 0, "");
	pen_line(p, VIEW_HEAD, 0, "LAST ATTEMPTS");
	if (v->no_log)
		pen_line(p, VIEW_FAINT, 0, "only the owner of the file log may read them");
	else if (!p->model->attempt_count)
		pen_line(p, VIEW_FAINT, 0, "none in the last part of the log");
	for (size_t i = p->model->attempt_count; i-- > 0;)
		pen_line(p, p->model->attempts[i].delivered ? VIEW_GOOD : VIEW_BAD, 0,
			p->model->attempts[i].text);
}

/* ---- help */

void view_help_draw(struct pen *p, struct view *v)
{
	static const char *const keys[] = {
		"Up Down PgUp PgDn Home End   move, as k j and Space g G do",
		"Enter                        one hook: its status and its last attempts; back again",
		"/                            show only hooks whose name, state or error has a text;",
		"                             Enter keeps it, Esc shows all again",
		"< >                          sort by the column before, by the next",
		"r                            turn the order round",
		"? h                          this page; back again",
		"q Ctrl-C                     quit (q goes back from a page)",
	};
	char text[120];

	(void)v;
	pen_line(p, VIEW_TITLE, 0, "Keys");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		pen_line(p, VIEW_PLAIN, 2, keys[i]);
	pen_line(p, VIEW_PLAIN, 0, "");
	pen_line(p, VIEW_TITLE, 0, "Sorting, and what the columns are");
	for (unsigned i = 0; i < view_columns_count; i++) {
		snprintf(text, sizeof(text), "%c  %-12s %s", view_columns[i].key,
			view_columns[i].title, view_columns[i].help);
		pen_line(p, VIEW_PLAIN, 2, text);
	}
}
