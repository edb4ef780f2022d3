/*
 * edit_header: making and renaming headers, the only files of a hook that come and go.
 */
#include "fs/edit_internal.h"
#include "util/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int change_header_make(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	int r = header_name_check(c->name, strlen(c->name), err);
	if (r)
		return r;
	struct header *hd;
	bool protected = header_born_protected(c->name) || !(c->mode & 044);
	r = hook_header_add(clone, c->name, protected, err, &hd);
	if (r)
		return r;
	struct hook_file *f = change_stamp(clone, c);
	if (f)
		f->born = ++clone->serial;
	if (f && !protected && (c->mode & 0666) != 0644)
		f->mode = c->mode & 0666;
	/* Its maker owns it; where that is the hook's owner anyway, there is nothing to keep. */
	struct change owner = *c;
	owner.mode = HOOK_MODE_UNSET;
	if (c->uid == (clone->uid == HOOK_OWNER_UNSET ? c->tree->uid : clone->uid))
		owner.uid = HOOK_OWNER_UNSET;
	if (c->gid == (clone->gid == HOOK_OWNER_UNSET ? c->tree->gid : clone->gid))
		owner.gid = HOOK_OWNER_UNSET;
	return change_attributes(clone, &owner, err);
}

static const struct hook_file *header_file_of(const struct hook *h, const char *name)
{
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	buf_addf(&file, "headers/%s", name);
	const struct hook_file *f = hook_file_find(h, buf_str(&file));
	buf_release(&file);
	return f;
}

static int change_header_rename(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	struct header *from = hook_header_slot(clone, c->slot), *to;
	if (!from)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "the header was removed");
	int r = header_name_check(c->name, strlen(c->name), err);
	if (r)
		return r;
	bool protected = from->protected || header_born_protected(c->name);
	to = hook_header_find(clone, c->name);
	if (to && to != from)
		hook_header_remove(clone, to);
	/* Adding may move the array: what the header has is carried over by hand, and it is looked up
	 * again. */
	from = hook_header_slot(clone, c->slot);
	const struct hook_file *old = header_file_of(clone, from->name);
	struct hook_file kept = old ? *old
				    : (struct hook_file){ .mode = HOOK_MODE_UNSET,
					      .uid = HOOK_OWNER_UNSET,
					      .gid = HOOK_OWNER_UNSET };
	char *value = from->value;
	from->value = NULL;
	hook_header_remove(clone, from);
	r = hook_header_add(clone, c->name, protected, err, &to);
	if (!r && value)
		r = hook_header_store(clone, to, value, strlen(value), err);
	struct hook_file *f = r ? NULL : change_stamp(clone, c);
	if (f) {
		f->born = ++clone->serial;
		f->mode = to->protected ? f->mode : kept.mode;
		f->uid = kept.uid;
		f->gid = kept.gid;
	}
	if (value) {
		explicit_bzero(value, strlen(value));
		free(value);
	}
	return r;
}

static int header_change(const struct tree *t, const struct node *n, hook_change_fn *change,
	struct change *c, struct err *err)
{
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	buf_addf(&file, "headers/%.*s", HEADER_NAME_MAX, c->name);
	c->tree = t;
	c->file = buf_str(&file);
	int r = t->backend.hook_change(t->backend.ctx, n->hook->id, change, c, err);
	buf_release(&file);
	return r;
}

int edit_header_make(const struct tree *t, const struct node *dir, const char *name, mode_t mode,
	struct who who, struct err *err)
{
	struct change c = { .name = name, .mode = mode, .uid = who.uid, .gid = who.gid };
	return header_change(t, dir, change_header_make, &c, err);
}

int edit_header_rename(
	const struct tree *t, const struct node *n, const char *name, struct err *err)
{
	struct change c = { .name = name, .slot = n->header->slot };
	return header_change(t, n, change_header_rename, &c, err);
}
