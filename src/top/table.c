#include "top/table.h"

#include "top/model.h"
#include "top/mount.h"
#include "top/view.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Hooks that fail whose errors are read: each is a file. */
#define ERRORS_MAX 200

static void print_line(
	void *ctx, unsigned row, enum view_style style, bool selected, const char *text)
{
	(void)row, (void)style, (void)selected;
	fprintf(ctx, "%s\n", text);
}

static void read_errors(struct model *m, struct view *v, int root, struct buf *text)
{
	int r = mount_read_file(root, "errors", text);

	v->no_errors = r == -EACCES;
	if (!r)
		model_take_errors(m, buf_str(text), text->len);
}

/* A file that may not be read, or has just gone, is left out. */
static void read_last_errors(struct model *m, int root, struct buf *text)
{
	size_t count = 0;

	for (struct model_hook *h = m->hooks; h && count < ERRORS_MAX; h = h->hh.next) {
		struct buf path = BUF(1024);

		if (!model_failing(h))
			continue;
		buf_addf(&path, "hooks/%s/status", h->name);
		if (!mount_read_file(root, buf_str(&path), text))
			model_take_hook(m, h->name, buf_str(text), text->len, loop_clock_ms());
		buf_release(&path);
		count++;
	}
}

static int read_all(struct model *m, struct view *v, int root, struct buf *text)
{
	int r = mount_read_file(root, "status", text);

	if (!r && !model_take_status(m, buf_str(text), text->len, loop_clock_ms()))
		r = -EINVAL;
	if (!r)
		r = mount_read_file(root, "metrics.prom", text);
	if (r)
		return r;
	model_take_metrics(m, buf_str(text), text->len, loop_clock_ms());
	if (m->omitted && !mount_list(root, "hooks", text))
		model_take_names(m, buf_str(text), text->len);
	if (!mount_read_file(root, "destinations", text))
		model_take_destinations(m, buf_str(text), text->len);
	read_errors(m, v, root, text);
	read_last_errors(m, root, text);
	return 0;
}

int table_print(const char *mountpoint, int root, bool utf8, FILE *out, struct err *err)
{
	struct buf text = BUF(MOUNT_FILE_MAX);
	struct model *m = model_new();
	struct view v;
	int r;

	view_init(&v, mountpoint, utf8);
	r = read_all(m, &v, root, &text);
	if (r == -EINVAL)
		(void)err_set(
			err, EINVAL, ERR_NO_COLUMN, "%s is no mount of webhookfs", mountpoint);
	else if (r)
		(void)err_set(err, -r, ERR_NO_COLUMN, "%s: %s", mountpoint, strerror(-r));
	else
		view_draw(&v, m, loop_clock_ms(), print_line, out);
	if (!r && (fflush(out) || ferror(out)))
		r = err_set(err, EIO, ERR_NO_COLUMN, "the table could not be written");
	view_release(&v);
	model_free(m);
	buf_release(&text);
	(void)close(root);
	return r;
}
