#include "top/view.h"

#include "top/cells.h"
#include "top/view_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any line of a file here may sensibly be. */
#define WIDTH_WITHOUT_SCREEN 600

unsigned pen_width(const struct pen *p)
{
	return p->view->rows ? p->view->cols : WIDTH_WITHOUT_SCREEN;
}

void pen_end(struct pen *p, enum view_style style, bool selected)
{
	struct buf line = BUF(65536);
	size_t len;

	/* Columns of a fixed width may be too many for a narrow screen. */
	if (p->view->rows)
		cells_add(&line, buf_str(&p->text), p->text.len, pen_width(p), p->view->utf8);
	else
		buf_add(&line, buf_str(&p->text), p->text.len);
	for (len = line.len; len && line.data[len - 1] == ' ';)
		len--;
	buf_cut(&line, len);
	if (p->row < p->limit)
		p->line(p->ctx, p->row++, style, selected, buf_str(&line));
	buf_reset(&p->text);
	buf_release(&line);
}

void pen_line(struct pen *p, enum view_style style, unsigned indent, const char *text)
{
	unsigned width = pen_width(p);

	indent = indent < width ? indent : 0;
	buf_addf(&p->text, "%*s", (int)indent, "");
	cells_add(&p->text, text, strlen(text), width - indent, p->view->utf8);
	pen_end(p, style, false);
}

void view_init(struct view *v, const char *mountpoint, bool utf8)
{
	*v = (struct view){ .mountpoint = mountpoint, .utf8 = utf8, .stale = true };
}

void view_release(struct view *v)
{
	free(v->shown);
	free(v->selected);
	*v = (struct view){ 0 };
}

/* ---- drawing */

static void draw_last(struct pen *p, const struct view *v)
{
	char text[200];

	p->limit = v->rows;
	p->row = v->rows - 1;
	if (v->typing)
		snprintf(text, sizeof(text), "filter: %s_", v->filter);
	else if (v->gone)
		snprintf(text, sizeof(text), "the mount is gone; waiting for its return (q quits)");
	else if (v->silent)
		snprintf(text, sizeof(text), "the mount does not answer (q quits)");
	else
		snprintf(text, sizeof(text), "%s%s%sq quit  ? help  / filter  Enter details",
			*v->filter ? "filter: " : "", v->filter, *v->filter ? "  " : "");
	pen_line(p, v->typing || v->gone || v->silent ? VIEW_BAD : VIEW_FAINT, 0, text);
}

void view_draw(struct view *v, const struct model *m, int64_t now_ms, view_line_fn *line, void *ctx)
{
	struct pen p = { v, m, now_ms, line, ctx, 0, v->rows ? v->rows - 1 : (unsigned)-1,
		BUF(65536) };

	view_arrange(v, m, now_ms);
	if (v->page == VIEW_HELP)
		view_help_draw(&p, v);
	else if (v->page == VIEW_DETAIL)
		view_detail_draw(&p, v);
	else
		view_hooks_draw(&p, v);
	if (v->rows)
		draw_last(&p, v);
	buf_release(&p.text);
}

size_t view_page_hooks(const struct view *v, const char **out, size_t max)
{
	size_t count = 0;

	if (v->page == VIEW_DETAIL && v->selected && max)
		out[count++] = v->selected;
	for (size_t i = v->first; v->page == VIEW_HOOKS && i < v->shown_count && count < max &&
		i < v->first + v->page_rows;
		i++)
		out[count++] = v->shown[i]->name;
	return count;
}

/* ---- keys */

static void select_hook(struct view *v, size_t place)
{
	if (!v->shown_count)
		return;
	free(v->selected);
	v->selected = strdup(v->shown[place < v->shown_count ? place : v->shown_count - 1]->name);
	if (!v->selected)
		abort();
}

static bool move(struct view *v, int key)
{
	size_t at = v->page == VIEW_HOOKS ? view_selected(v) : v->first;
	size_t page = v->page_rows ? v->page_rows : 1;
	size_t last = v->page == VIEW_HOOKS && v->shown_count ? v->shown_count - 1 : 0;

	if (key == VIEW_UP || key == 'k')
		at -= at > 0;
	else if (key == VIEW_DOWN || key == 'j')
		at++;
	else if (key == VIEW_PAGE_UP)
		at -= at < page ? at : page;
	else if (key == VIEW_PAGE_DOWN || key == ' ')
		at += page;
	else if (key == VIEW_HOME || key == 'g')
		at = 0;
	else if (key == VIEW_END || key == 'G')
		at = last;
	else
		return false;
	if (v->page == VIEW_HOOKS)
		select_hook(v, at);
	return true;
}

static void type_filter(struct view *v, int key)
{
	size_t len = strlen(v->filter);

	if (key == VIEW_ENTER || key == '\n' || key == '\r') {
		v->typing = false;
	} else if (key == VIEW_ESCAPE) {
		v->typing = false;
		*v->filter = '\0';
	} else if (key == VIEW_BACKSPACE) {
		while (len && (v->filter[len - 1] & 0xc0) == 0x80)
			v->filter[--len] = '\0';
		if (len)
			v->filter[len - 1] = '\0';
	} else if (key >= ' ' && key < 256 && len + 1 < sizeof(v->filter)) {
		v->filter[len] = (char)key; /* a byte of UTF-8 at a time */
		v->filter[len + 1] = '\0';
	}
	v->stale = true;
}

static void open_detail(struct view *v, struct model *m)
{
	select_hook(v, view_selected(v));
	if (!v->selected || !v->shown_count)
		return;
	v->page = VIEW_DETAIL;
	model_look_at(m, v->selected);
}

static bool sort_by(struct view *v, int key)
{
	for (unsigned i = 0; i < view_columns_count; i++) {
		if (view_columns[i].key != key)
			continue;
		v->sort = i;
		v->reverse = false;
		return true;
	}
	return false;
}

static void hooks_key(struct view *v, struct model *m, int key)
{
	v->stale = true;
	if (key == '/')
		v->typing = true;
	else if (key == 'r')
		v->reverse = !v->reverse;
	else if (key == '<' || key == '>')
		v->sort =
			(v->sort + (key == '>' ? 1 : view_columns_count - 1)) % view_columns_count;
	else if (key == VIEW_ENTER || key == '\n' || key == '\r')
		open_detail(v, m);
	else if (key == VIEW_ESCAPE)
		*v->filter = '\0';
	else if (!sort_by(v, key))
		(void)move(v, key);
}

bool view_key(struct view *v, struct model *m, int64_t now_ms, int key)
{
	view_arrange(v, m, now_ms); /* of what was shown, some may have gone */
	if (v->typing) {
		type_filter(v, key);
		return true;
	}
	if (key == '?' || key == 'h') {
		v->page = v->page == VIEW_HELP ? VIEW_HOOKS : VIEW_HELP;
		return true;
	}
	if (v->page == VIEW_HOOKS) {
		if (key == 'q')
			return false;
		hooks_key(v, m, key);
		return true;
	}
	if (key == 'q' || key == VIEW_ESCAPE || key == VIEW_ENTER || key == '\n' || key == '\r') {
		v->page = VIEW_HOOKS;
		model_look_at(m, NULL);
	}
	return true;
}
