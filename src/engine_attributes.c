/*
 * engine_attributes: what chmod and chown did to the mount's root and to what lies in it, in
 * attributes.json of the state directory.
 *
 * It is read at the start. A broken one stops the start, since what is closed must not open by a
 * mistake.
 */
#include "engine_parts.h"

#include "fs/edit.h"
#include "util/err.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME      "attributes.json"
#define TEMPORARY ".attributes.json.tmp"
#define OPEN_DIR  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static int judge(const struct tree *t, const struct attribute *a, struct err *err)
{
	struct node n;
	if (tree_root_file(t, a->name, &n))
		return err_set(err, EINVAL, ERR_NO_COLUMN, "%s: there is no such file", a->name);
	return a->mode == HOOK_MODE_UNSET ? 0 : edit_root_mode(&n, a->mode, err);
}

int attributes_load(struct engine *e, struct err *err)
{
	char text[ATTRIBUTES_JSON_MAX];
	struct err inner = { 0 };
	struct stat st;
	int dir = open(e->options->state_dir, OPEN_DIR);
	ssize_t len = dir < 0 ? -errno : file_read(dir, NAME, text, sizeof(text), &st);
	int r = len < 0 ? (int)len : 0;
	if (dir >= 0)
		close(dir);
	if (r == -ENOENT)
		return 0;
	if (r)
		(void)err_set(&inner, -r, ERR_NO_COLUMN, "%s", strerror(-r));
	if (!r && len == sizeof(text))
		r = err_set(&inner, E2BIG, ERR_NO_COLUMN, "it is too long");
	if (!r)
		r = attributes_from_json(text, (size_t)len, &inner, &e->attributes);
	for (size_t i = 0; i < e->attributes.count && !r; i++)
		r = judge(&e->tree, &e->attributes.list[i], &inner);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN,
			"%s/" NAME ": %s; mend it, or remove it to have the modes of a new mount",
			e->options->state_dir, inner.sentence);
	return 0;
}

static int save(const char *state_dir, const struct attributes *a)
{
	struct buf json = BUF(ATTRIBUTES_JSON_MAX - 1);
	attributes_json(a, &json);
	int dir = open(state_dir, OPEN_DIR);
	int r = dir < 0 ? -errno : buf_error(&json);
	if (!r)
		r = file_replace(dir, NAME, TEMPORARY, json.data, json.len);
	if (dir >= 0)
		close(dir);
	buf_release(&json);
	return r;
}

int attributes_keep(void *ctx, const struct attributes *a, struct err *err)
{
	struct engine *e = ctx;
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	int r = save(e->options->state_dir, a);
	if (r)
		return err_set(err, file_errno(r), ERR_NO_COLUMN,
			"cannot save " NAME " in the state directory: %s", strerror(-r));
	e->attributes = *a;
	return 0;
}
