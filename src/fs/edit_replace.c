/*
 * edit_replace: a scratch file that takes the place of a control file, and the copy that is made of
 * one. The bytes are one write; mode, owner and time are the scratch file's, as they would be
 * anywhere, but what must stay protected does.
 */
#include "fs/edit_internal.h"
#include "fs/scratch.h"
#include "util/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct replacement {
	struct change change;
	struct config_change config;
	bool is_config, is_new, is_back; /* a header that is made; an old value that comes back */
	int64_t mtime_ms;
};

static void replace_time(struct hook *clone, const struct replacement *p)
{
	struct hook_file *f = hook_file_get(clone, p->change.file);
	if (f)
		f->mtime_ms = p->mtime_ms;
}

/* What is protected by its name or its row stays so, whatever mode the scratch file has. */
static int replace_attributes(struct hook *clone, const struct replacement *p, struct err *err)
{
	struct change owner = p->change;
	int r = 0;
	bool born = !owner.setting && !p->is_config && header_born_protected(owner.name);
	if (!p->is_new && !(born && owner.mode & 044) && owner.mode != HOOK_MODE_UNSET)
		r = hook_chmod(clone, owner.file, owner.mode, true, err);
	if (r && r != -EPERM)
		return r;
	owner.mode = HOOK_MODE_UNSET;
	if (!p->is_new && (r = change_attributes(clone, &owner, err)))
		return r;
	replace_time(clone, p);
	return 0;
}

static int change_replace(struct hook *clone, void *arg, struct err *err)
{
	struct replacement *p = arg;
	struct change *c = &p->change;
	int r = 0;
	if (p->is_config)
		r = change_config(clone, &p->config, err);
	if (!r && p->is_new) {
		r = change_header_make(clone, c, err);
		if (!r)
			c->slot = hook_header_find(clone, c->name)->slot;
	}
	if (!r && p->is_back) {
		r = change_back(clone, c, err);
		replace_time(clone, p);
		return r;
	}
	if (!r && !p->is_config)
		r = change_value(clone, c, err);
	return r ? r : replace_attributes(clone, p, err);
}

/* A file without a byte is what a producer leaves that failed. */
static int replace_by_nothing(const struct tree *t, const struct node *n, struct err *err)
{
	struct buf shown = BUF_SECRET(SHOWN_MAX);
	tree_show(t, n, &shown);
	bool same = !shown.len;
	buf_release(&shown);
	if (same)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN,
		"a file without a byte replaces no value: an empty line puts the default back, and "
		"so does rm");
}

/* How rename tells of a bad value: mv explains EINVAL by something else. */
static int bad_message(int r, struct err *err)
{
	if (r != -EINVAL && r != -ERANGE && r != -E2BIG)
		return r;
	err->code = EBADMSG;
	return -EBADMSG;
}

/* What the file has now is not set once more, so that it stays as told by its row and its hook. */
static void take_attributes(
	const struct tree *t, const struct node *n, const struct scratch *f, struct change *c)
{
	struct stat st;
	c->mode = f->mode & 0666;
	c->uid = f->uid;
	c->gid = f->gid;
	if (!n)
		return;
	tree_stat(t, n, &st);
	if ((st.st_mode & 0777) == c->mode)
		c->mode = HOOK_MODE_UNSET;
	if (st.st_uid == c->uid)
		c->uid = HOOK_OWNER_UNSET;
	if (st.st_gid == c->gid)
		c->gid = HOOK_OWNER_UNSET;
}

int edit_replace(const struct tree *t, const struct node *dir, const struct node *n,
	const char *name, const struct scratch *f, struct err *err)
{
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	struct replacement p = { .is_config = n && n->row, .is_new = !n, .mtime_ms = f->mtime_ms };
	if (n)
		p.change = change_of(t, n, &file);
	else
		buf_addf(&file, "headers/%.*s", HEADER_NAME_MAX, name);
	p.change.tree = t;
	p.change.file = buf_str(&file);
	p.change.name = name;
	p.change.text = buf_str(&f->bytes);
	p.change.len = edit_line_len(p.change.text, f->bytes.len);
	p.config = (struct config_change){ .text = p.change.text, .len = f->bytes.len };
	take_attributes(t, n, f, &p.change);
	p.is_back = f->origin.known && !strcasecmp(f->origin_file, p.change.file);
	int r = 0;
	if (p.is_back) {
		p.change.text = buf_str(&f->origin.text);
		p.change.len = f->origin.text.len;
		p.change.mode = f->origin.mode;
		p.change.protected = f->origin.protected;
	} else if (n && !f->bytes.len) {
		r = replace_by_nothing(t, n, err);
		buf_release(&file);
		return bad_message(r, err);
	} else if (n && !p.is_config) {
		r = edit_judge_bytes(n, p.change.text, p.change.len, err);
	}
	if (!r)
		r = t->backend.hook_change(t->backend.ctx, dir->hook->id, change_replace, &p, err);
	buf_release(&file);
	return bad_message(r, err);
}

int edit_backup(const struct tree *t, const struct node *n, struct scratch *f, struct err *err)
{
	struct buf shown = BUF_SECRET(SHOWN_MAX), file = BUF(HEADER_NAME_MAX + 16);
	struct stat st;
	tree_stat(t, n, &st);
	tree_show(t, n, &shown);
	int64_t mtime_ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
	int r = scratch_truncate(t->scratches, f, 0, mtime_ms, err);
	if (!r)
		r = scratch_write(t->scratches, f, buf_str(&shown), shown.len, 0, mtime_ms, err);
	buf_release(&shown);
	if (r)
		return r;
	f->used_ms = t->backend.now_ms(t->backend.ctx);
	f->mode = st.st_mode & 0777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	if (!n->setting && !n->header)
		return 0;
	tree_hook_file(n, &file);
	free(f->origin_file);
	f->origin_file = buf_detach(&file);
	if (f->origin_file)
		before_take(&f->origin, n);
	return 0;
}
