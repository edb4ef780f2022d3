/*
 * fuse_names: making, removing, renaming, and attributes.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX_S (INT64_C(1) << 40) /* some 35,000 years: in ms it still fits */

/* ---- changing */

static int set_times(const struct fs *fs, const struct node *n, const struct stat *st, int to_set)
{
	if (!n->hook || n->kind == NODE_DELIVERY ||
		!(to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)))
		return 0;
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	tree_hook_file(n, &file);
	struct hook_file *f = hook_file_get(n->hook, buf_str(&file));
	buf_release(&file);
	if (!f)
		return -ENOMEM;
	int64_t s = st->st_mtim.tv_sec;
	s = s > TIME_MAX_S ? TIME_MAX_S : s < -TIME_MAX_S ? -TIME_MAX_S : s;
	f->mtime_ms = to_set & FUSE_SET_ATTR_MTIME_NOW ? now_of(fs)
						       : s * 1000 + st->st_mtim.tv_nsec / 1000000;
	return 0;
}

/*
 * A delivery's attributes are those of its directory. To ask for what it has is fine; so is a chown,
 * which -R does before the directory's own, and what cp -p gives the copy that it just made.
 */
static int set_delivery(const struct fs *fs, const struct node *n, mode_t mode, int to_set,
	bool young, struct err *err)
{
	struct stat st;
	tree_stat(fs->tree, n, &st);
	if (young || !(to_set & FUSE_SET_ATTR_MODE) || (mode & 0444) == (st.st_mode & 0444))
		return 0;
	return err_set(err, EPERM, ERR_NO_COLUMN,
		"a delivery has the read bits of its directory: chmod that");
}

static int set_attributes(
	fuse_req_t req, const struct node *n, const struct stat *st, int to_set, struct err *err)
{
	struct fs *fs = fs_of(req);
	bool young = hidden_young(&fs->hidden, n->ino, who_of(req).pid, now_of(fs));
	if (n->kind == NODE_DELIVERY)
		return set_delivery(fs, n, st->st_mode, to_set, young, err);
	return edit_attributes(fs->tree, n,
		to_set & FUSE_SET_ATTR_MODE ? st->st_mode & 07777 : HOOK_MODE_UNSET,
		to_set & FUSE_SET_ATTR_UID ? st->st_uid : HOOK_OWNER_UNSET,
		to_set & FUSE_SET_ATTR_GID ? st->st_gid : HOOK_OWNER_UNSET, young && edit_young(n),
		err);
}

void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node n;
	struct err err = { 0 };
	int r = 0;
	if (!node_of(req, ino, &n))
		return;
	/* Without an open file a truncation has nothing to act on: values are not cut. */
	if (to_set & FUSE_SET_ATTR_SIZE && handle_of(fi))
		r = handle_truncate(handle_of(fi), (uint64_t)st->st_size, &err);
	if (!r && to_set & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		r = set_attributes(req, &n, st, to_set, &err);
	/* A change of the hook has put another in its place. */
	if (!r && !(r = tree_node(fs->tree, ino, &n)))
		r = set_times(fs, &n, st, to_set);
	if (r)
		refuse(req, ino, NULL, r, &err);
	else
		reply_attr(req, ino);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs *fs = fs_of(req);
	struct node dir, n;
	struct stat st;
	struct err err = { 0 };
	struct who who = who_of(req);
	if (!node_of(req, parent, &dir))
		return;
	tree_stat(fs->tree, &dir, &st);
	if (st.st_mode & S_ISGID)
		who.gid = st.st_gid;
	int r;
	if (tree_is_hooks(&dir))
		r = fs->tree->backend.hook_make(
			fs->tree->backend.ctx, name, mode & 0777, who, &err);
	else
		r = err_set(&err, EPERM, ERR_NO_COLUMN,
			"directories are made in hooks/ only; each is a hook");
	if (!r)
		r = tree_lookup(fs->tree, &dir, name, &n);
	if (r)
		refuse(req, parent, name, r, &err);
	else
		reply_entry(req, &n);
}

static int remove_dir(struct fs *fs, const struct node *n, struct err *err)
{
	if (n->kind == NODE_HOOK)
		return fs->tree->backend.hook_remove(fs->tree->backend.ctx, n->hook->id, err);
	/* These stay when they are empty, for rmdir is only heard from rm -r. */
	struct delivery_entry d;
	if (tree_is_headers(n) && n->hook->header_count)
		return err_set(err, ENOTEMPTY, ERR_NO_COLUMN, "it holds %zu headers",
			n->hook->header_count);
	if (tree_is_queue(n) &&
		fs->tree->backend.delivery_next(
			fs->tree->backend.ctx, n->hook->id, n->row->state, 0, &d) == 0)
		return err_set(err, ENOTEMPTY, ERR_NO_COLUMN,
			"it holds deliveries: rm them, or leave them to run out");
	if (tree_is_settings(n) && tree_has_settings(n))
		return err_set(err, ENOTEMPTY, ERR_NO_COLUMN, "it holds settings: rm them first");
	if (tree_is_headers(n) || tree_is_settings(n) || tree_is_queue(n))
		return 0;
	if (!tree_is_dir(n))
		return -ENOTDIR;
	return err_set(
		err, EPERM, ERR_NO_COLUMN, "%s belongs to the mount and stays", tree_name(n));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node dir, n;
	struct err err = { 0 };
	if (!entry_find(req, parent, name, &dir, &n))
		return;
	int r = remove_dir(fs_of(req), &n, &err);
	if (r)
		refuse(req, parent, name, r, &err);
	else
		fuse_reply_err(req, 0);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node dir, n;
	struct err err = { 0 };
	struct before before = { 0 };
	if (!entry_find(req, parent, name, &dir, &n))
		return;
	uint64_t ino = n.ino;
	if (n.setting || n.header)
		before_take(&before, &n);
	const struct backend *b = &fs->tree->backend;
	int r = n.kind == NODE_DELIVERY ? b->delivery_drop(b->ctx, n.delivery.id, &err)
					: edit_unlink(fs->tree, &n, &err);
	if (r) {
		before_release(&before);
		refuse(req, parent, name, r, &err);
		return;
	}
	if (n.kind != NODE_DELIVERY)
		hidden_add(&fs->hidden, parent, name, who_of(req).pid, ino, &before, now_of(fs));
	fuse_reply_err(req, 0);
}

/* Its maker owns it, as any file that is made anew. */
static int create_setting(
	struct fs *fs, const struct node *n, mode_t mode, struct who who, struct err *err)
{
	struct stat st;
	if (n->kind != NODE_SETTING)
		return 0;
	tree_stat(fs->tree, n, &st);
	if (mode == n->setting->mode && who.uid == st.st_uid && who.gid == st.st_gid)
		return 0;
	return edit_attributes(fs->tree, n, mode == n->setting->mode ? HOOK_MODE_UNSET : mode,
		who.uid == st.st_uid ? HOOK_OWNER_UNSET : who.uid,
		who.gid == st.st_gid ? HOOK_OWNER_UNSET : who.gid, true, err);
}

/* cp delivered/X pending/: the delivery named X is sent once more, as a new one. */
static int create_copy(
	struct fs *fs, const struct node *dir, const char *name, struct node *n, struct err *err)
{
	const struct backend *b = &fs->tree->backend;
	struct delivery_entry d;
	int64_t id = tree_delivery_id(name);
	if (dir->row->state != DELIVERY_PENDING || !id || b->delivery_find(b->ctx, id, &d) ||
		d.hook_id != dir->hook->id)
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"only copies of this hook's own deliveries go into pending, and nothing into "
			"delivered and failed");
	int r = b->delivery_repeat(b->ctx, id, &id, err);
	return r ? r : tree_delivery(fs->tree, id, n);
}

/* A name that was there, hidden from its remover, is made again; a header may be new. */
static int create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, bool exclusive,
	const struct node *dir, struct node *n, struct err *err)
{
	struct fs *fs = fs_of(req);
	struct node now;
	int r;
	if (tree_is_queue(dir))
		return create_copy(fs, dir, name, n, err);
	bool there = tree_lookup(fs->tree, dir, name, n) == 0;
	if (there && exclusive &&
		!hidden_has(&fs->hidden, parent, name, who_of(req).pid, now_of(fs)))
		return -EEXIST;
	if (there)
		r = create_setting(fs, n, mode, who_of(req), err);
	else if (tree_is_headers(dir))
		r = edit_header_make(fs->tree, dir, name, mode, who_of(req), err);
	else if (dir->kind == NODE_HOOK || tree_is_settings(dir))
		r = err_set(err, EPERM, ERR_NO_COLUMN,
			"a hook has no file of this name; README lists them, and headers go into "
			"headers/");
	else
		r = err_set(
			err, EPERM, ERR_NO_COLUMN, "files are made in hooks/NAME/headers/ only");
	/* The change has put another hook in the place of the one that `dir` knew. */
	if (!r)
		r = tree_node(fs->tree, parent, &now);
	return r ? r : tree_lookup(fs->tree, &now, name, n);
}

void op_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node dir, n;
	struct err err = { 0 };
	struct before before = { 0 };
	if (!node_of(req, parent, &dir))
		return;
	int r = judge_room(fs, who_of(req), 1, 0, &err);
	if (!r)
		r = create(req, parent, name, mode & 0777, fi->flags & O_EXCL, &dir, &n, &err);
	if (r) {
		refuse(req, parent, name, r, &err);
		return;
	}
	hidden_seen(&fs->hidden, n.ino, who_of(req).pid);
	hidden_made(&fs->hidden, parent, name, who_of(req).pid, n.ino, &before, now_of(fs));
	reply_open(req, &n, fi, &before);
	before_release(&before);
}

/* mv failed/X pending/ tries it anew; mv makes a copy of what was delivered (EXDEV). */
static int rename_delivery(struct fs *fs, const struct node *n, const struct node *to,
	const char *name, struct err *err)
{
	const struct backend *b = &fs->tree->backend;
	bool same_hook = tree_is_queue(to) && to->hook == n->hook;
	if (!same_hook || to->row->state != DELIVERY_PENDING ||
		n->delivery.state == DELIVERY_PENDING || strcmp(name, n->name))
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"a delivery moves under its own name, and to its hook's pending only");
	if (n->delivery.state == DELIVERY_DELIVERED)
		return -EXDEV;
	return b->delivery_replay(b->ctx, n->delivery.id, err);
}

/* mv hooks/a hooks/b and mv headers/A headers/B. Between hooks mv copies (EXDEV). */
static int rename_node(struct fs *fs, const struct node *n, const struct node *to, const char *name,
	unsigned flags, struct err *err)
{
	if (n->kind == NODE_DELIVERY)
		return rename_delivery(fs, n, to, name, err);
	struct node there;
	bool taken = tree_lookup(fs->tree, to, name, &there) == 0;
	if (taken && there.ino == n->ino && n->kind != NODE_HEADER)
		return 0;
	if (taken && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (n->kind == NODE_HOOK && tree_is_hooks(to)) {
		if (taken)
			return err_set(
				err, ENOTEMPTY, ERR_NO_COLUMN, "there is a hook %s already", name);
		return fs->tree->backend.hook_rename(fs->tree->backend.ctx, n->hook->id, name, err);
	}
	if (n->kind == NODE_HEADER && tree_is_headers(to) && to->hook == n->hook)
		return edit_header_rename(fs->tree, n, name, err);
	if (n->hook && to->hook && to->hook != n->hook && n->kind != NODE_HOOK)
		return -EXDEV;
	return err_set(err, EPERM, ERR_NO_COLUMN,
		"only hooks and headers are renamed, each in its own directory");
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	const char *newname, unsigned flags)
{
	struct node dir, n, to;
	struct err err = { 0 };
	if (!entry_find(req, parent, name, &dir, &n) || !node_of(req, newparent, &to))
		return;
	int r = flags & ~(unsigned)RENAME_NOREPLACE
		? err_set(&err, EINVAL, ERR_NO_COLUMN, "two names here do not change places")
		: rename_node(fs_of(req), &n, &to, newname, flags, &err);
	if (r) {
		refuse(req, parent, name, r, &err);
		return;
	}
	/* The name is there again, also to a thread that had removed it. A delivery stays the same file. */
	if (n.kind == NODE_DELIVERY || n.kind == NODE_HEADER) {
		struct before removed = { 0 };
		hidden_made(&fs_of(req)->hidden, newparent, newname, who_of(req).pid,
			n.kind == NODE_DELIVERY ? n.ino : 0, &removed, now_of(fs_of(req)));
		before_release(&removed);
	}
	fuse_reply_err(req, 0);
}

/* What no name here can be. */
static void refuse_kind(fuse_req_t req, fuse_ino_t parent, const char *name, const char *kind)
{
	struct err err;
	int r = err_set(&err, EPERM, ERR_NO_COLUMN,
		"there are no %s here: hooks are directories, and their values files", kind);
	refuse(req, parent, name, r, &err);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	(void)ino;
	refuse_kind(req, newparent, newname, "links");
}

void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	refuse_kind(req, parent, name, "links");
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)mode, (void)rdev;
	refuse_kind(req, parent, name, "pipes, sockets or devices of others");
}
