#pragma once
/*
 * view_internal: what the pages of the view share.
 */
#include "top/cells.h"
#include "top/view.h"
#include "util/buf.h"

/* The lines that are being given out. */
struct pen {
	const struct view *view;
	const struct model *model;
	int64_t now_ms;
	view_line_fn *line;
	void *ctx;
	unsigned row;   /* of the next line */
	unsigned limit; /* no line from this row on */
	struct buf text;
};

/* Columns of one line: on a screen all, else as many as a stranger's line may have. */
unsigned pen_width(const struct pen *p);
/* Gives out what `text` of the pen has; empties it. */
void pen_end(struct pen *p, enum view_style style, bool selected);
/* A line of a stranger's, indented by `indent`. */
void pen_line(struct pen *p, enum view_style style, unsigned indent, const char *text);

/* One column of the hooks: how it is shown and sorted. */
struct view_column {
	int key; /* which sorts by it; 0: none */
	const char *title, *help;
	unsigned width;    /* 0: what is left */
	unsigned min_cols; /* of the screen, to be shown */
	bool left;         /* as text, else as a number */
	void (*show)(const struct model_hook *h, int64_t now_ms, struct buf *out);
	/* What comes first when it is sorted by. */
	int (*compare)(const struct model_hook *a, const struct model_hook *b, int64_t now_ms);
};

extern const struct view_column view_columns[];
extern const unsigned view_columns_count;

/* "-" after one look only. */
const char *view_rate(const struct model_rate *r, int64_t now_ms, char out[CELLS_NUMBER_SIZE]);
void view_hooks_draw(struct pen *p, struct view *v);
void view_detail_draw(struct pen *p, struct view *v);
void view_help_draw(struct pen *p, struct view *v);
/* Filters and sorts, where something has changed since. */
void view_arrange(struct view *v, const struct model *m, int64_t now_ms);
size_t view_selected(const struct view *v); /* its place in `shown` */
