#pragma once
/*
 * view: a model as lines of text, for a screen of any size or for none, and what keys do to it.
 *
 * Pure: knows no terminal. Lines are given out with a style for the whole line, which only says what kind of
 * thing it is, and hold nothing that acts on a terminal (cells.h). The hooks of the page are told in the order of their
 * lines, so that the right ones are watched.
 */
#include "top/model.h"

#include <stdbool.h>

enum view_style { VIEW_PLAIN, VIEW_TITLE, VIEW_HEAD, VIEW_GOOD, VIEW_WARN, VIEW_BAD, VIEW_FAINT };

enum view_page { VIEW_HOOKS, VIEW_DETAIL, VIEW_HELP };

/* Keys that are no character. */
enum view_key {
	VIEW_UP = 0x110000,
	VIEW_DOWN,
	VIEW_PAGE_UP,
	VIEW_PAGE_DOWN,
	VIEW_HOME,
	VIEW_END,
	VIEW_ENTER,
	VIEW_ESCAPE,
	VIEW_BACKSPACE,
};

#define VIEW_FILTER_MAX 64

struct view {
	const char *mountpoint;
	unsigned rows, cols; /* rows 0: all lines, as wide as they are */
	bool utf8;
	enum view_page page;
	unsigned sort; /* a row of the table of columns */
	bool reverse;
	char filter[VIEW_FILTER_MAX];
	bool typing;    /* the filter is being written */
	char *selected; /* a hook's name; NULL: the first */
	size_t first;   /* of the lines that are scrolled */
	bool gone;      /* the mount */
	bool silent;    /* it has not answered for long */
	bool no_errors; /* errors may not be read */
	bool no_log;
	/* What the last drawing found. */
	struct model_hook **shown; /* those that the filter leaves, sorted */
	size_t shown_count, shown_cap, page_rows;
	unsigned shown_edition, shown_members; /* of the model */
	int64_t arranged_ms;
	bool stale; /* sort and filter anew */
};

typedef void view_line_fn(
	void *ctx, unsigned row, enum view_style style, bool selected, const char *text);

void view_init(struct view *v, const char *mountpoint, bool utf8);
void view_release(struct view *v);
void view_draw(
	struct view *v, const struct model *m, int64_t now_ms, view_line_fn *line, void *ctx);
/* A character or an enum view_key. False: it ends. */
bool view_key(struct view *v, struct model *m, int64_t now_ms, int key);
/* Names of the hooks on the page, at most `max`, into `out`; the model owns them. */
size_t view_page_hooks(const struct view *v, const char **out, size_t max);
