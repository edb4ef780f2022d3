/*
 * fuse_names: making, removing, and attributes.
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
	int64_t s = st->st_mtim.tv_sec;
	s = s > TIME_MAX_S ? TIME_MAX_S : s < -TIME_MAX_S ? -TIME_MAX_S : s;
	int64_t ms = to_set & FUSE_SET_ATTR_MTIME_NOW ? now_of(fs)
						      : s * 1000 + st->st_mtim.tv_nsec / 1000000;
	if (n->scratch) {
		n->scratch->mtime_ms = ms;
		return 0;
	}
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	tree_hook_file(n, &file);
	struct hook_file *f = hook_file_get(n->hook, buf_str(&file));
	buf_release(&file);
	if (!f)
		return -ENOMEM;
	f->mtime_ms = ms;
	return 0;
}

static int set_scratch_attributes(struct scratch *f, const struct stat *st, int to_set)
{
	if (to_set & FUSE_SET_ATTR_MODE)
		f->mode = st->st_mode & 0777;
	if (to_set & FUSE_SET_ATTR_UID)
		f->uid = st->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		f->gid = st->st_gid;
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
	if (n->scratch)
		return set_scratch_attributes(n->scratch, st, to_set);
	bool young = hidden_young(&fs->hidden, n->ino, who_of(req).pid, now_of(fs));
	if (n->kind == NODE_DELIVERY)
		return set_delivery(fs, n, st->st_mode, to_set, young, err);
	int r = edit_attributes(fs->tree, n,
		to_set & FUSE_SET_ATTR_MODE ? st->st_mode & 07777 : HOOK_MODE_UNSET,
		to_set & FUSE_SET_ATTR_UID ? st->st_uid : HOOK_OWNER_UNSET,
		to_set & FUSE_SET_ATTR_GID ? st->st_gid : HOOK_OWNER_UNSET, young && edit_young(n),
		err);
	if (r == -EPERM && tree_is_protected(n) &&
		hidden_wrote(&fs->hidden, n->ino, who_of(req).pid, now_of(fs)))
		return 0;
	return r;
}

void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node n;
	struct err err = { 0 };
	struct handle *h;
	int r = 0;
	if (!handle_of(req, fi, &h) || !node_of(req, ino, &n))
		return;
	/* Without an open file a truncation has nothing to act on: values are not cut. */
	if (to_set & FUSE_SET_ATTR_SIZE && n.scratch)
		r = scratch_truncate(
			fs->tree->scratches, n.scratch, (uint64_t)st->st_size, now_of(fs), &err);
	else if (to_set & FUSE_SET_ATTR_SIZE && h)
		r = handle_truncate(h, fs->tree, (uint64_t)st->st_size, &err);
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

/* A hook; or, for a tool that copies one, what it has already. */
static int make_dir(struct fs *fs, const struct node *dir, const char *name, mode_t mode,
	struct who who, struct err *err)
{
	const struct backend *b = &fs->tree->backend;
	struct node n;
	if (!tree_is_hooks(dir)) {
		if (tree_lookup(fs->tree, dir, name, &n) == 0)
			return tree_is_dir(&n) &&
					hidden_make(&fs->hidden, &n, who.pid, true, now_of(fs))
				? 0
				: -EEXIST;
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"directories are made in hooks/ only; each is a hook");
	}
	int r = b->hook_make(b->ctx, name, mode, who, err);
	if (r)
		return r;
	r = tree_lookup(fs->tree, dir, name, &n);
	if (r)
		return r;
	if (hidden_fresh(&fs->hidden, n.hook->id, name, who.pid, now_of(fs)))
		b->hook_hold(b->ctx, n.hook->id, who.pid);
	return 0;
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
	int r = make_dir(fs, &dir, name, mode & 0777, who, &err);
	if (!r || was_done(fs, r, -EEXIST))
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

/* By the daemon before, which did not come to say so: answers then. */
static bool is_removed(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node dir, n;
	if (!fs->resent || tree_node(fs->tree, parent, &dir) ||
		!was_done(fs, tree_lookup(fs->tree, &dir, name, &n), -ENOENT))
		return false;
	fuse_reply_err(req, 0);
	return true;
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node dir, n;
	struct err err = { 0 };
	if (is_removed(req, parent, name) || !entry_find(req, parent, name, &dir, &n))
		return;
	int r = remove_dir(fs_of(req), &n, &err);
	if (r)
		refuse(req, parent, name, r, &err);
	else
		fuse_reply_err(req, 0);
}

/* Until the thread has made it anew, nobody is sent anything without it. */
static int unlink_control(struct fs *fs, uint64_t parent, const char *name, const struct node *n,
	int32_t pid, struct err *err)
{
	const struct backend *b = &fs->tree->backend;
	struct before before = { 0 };
	uint64_t ino = n->ino;
	bool valued = n->setting || n->header;
	if (valued) {
		before_take(&before, n);
		b->hook_hold(b->ctx, n->hook->id, pid);
		hidden_empties(&fs->hidden, n->hook->id, pid, now_of(fs));
	}
	int r = edit_unlink(fs->tree, n, err);
	if (!r)
		hidden_add(&fs->hidden, parent, name, pid, ino, &before, now_of(fs));
	else if (valued)
		b->hook_release(b->ctx, pid);
	before_release(&before);
	return r;
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node dir, n;
	struct err err = { 0 };
	int r = 0;
	if (is_removed(req, parent, name) || !entry_find(req, parent, name, &dir, &n))
		return;
	const struct backend *b = &fs->tree->backend;
	if (n.kind == NODE_DELIVERY)
		r = b->delivery_drop(b->ctx, n.delivery.id, &err);
	else if (n.scratch)
		scratch_unlink(fs->tree->scratches, n.scratch);
	else
		r = unlink_control(fs, parent, name, &n, who_of(req).pid, &err);
	if (r)
		refuse(req, parent, name, r, &err);
	else
		fuse_reply_err(req, 0);
}

/* What CREATE found or made. */
struct creation {
	struct node node;
	bool discards; /* what is written to it is not looked at */
	bool opened;   /* it was there all the time */
};

/* mkstemp's way to open, and nobody's who writes a header. */
static bool is_temporary(int flags, mode_t mode)
{
	return (flags & O_ACCMODE) == O_RDWR && (flags & O_EXCL) && !(mode & 077);
}

/* Its maker owns it, as any file that is made anew. The mode is what the tool asks of every file: one that
 * is always protected just stays so. */
static int create_setting(
	struct fs *fs, const struct node *n, mode_t mode, struct who who, struct err *err)
{
	struct stat st;
	if (n->kind != NODE_SETTING)
		return 0;
	tree_stat(fs->tree, n, &st);
	if (mode == n->setting->mode || !(n->setting->mode & 044))
		mode = HOOK_MODE_UNSET;
	uint32_t uid = who.uid == st.st_uid ? HOOK_OWNER_UNSET : who.uid;
	uint32_t gid = who.gid == st.st_gid ? HOOK_OWNER_UNSET : who.gid;
	if (mode == HOOK_MODE_UNSET && uid == HOOK_OWNER_UNSET && gid == HOOK_OWNER_UNSET)
		return 0;
	return edit_attributes(fs->tree, n, mode, uid, gid, true, err);
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

/* A stranger with many hooks leaves room for the editors of root and the mounting user. */
int judge_scratch(const struct fs *fs, struct who who, struct err *err)
{
	if (scratches_count(fs->tree->scratches) < who_share(who.uid, fs->tree->uid, SCRATCH_FILES))
		return 0;
	return err_set(err, ENOSPC, ERR_NO_COLUMN,
		"there are too many scratch files in the mount; remove some, or wait until the oldest "
		"go by themselves");
}

static int create_scratch(struct fs *fs, const struct node *dir, const char *name, mode_t mode,
	int flags, struct who who, struct node *n, struct err *err)
{
	struct scratch *f;
	struct stat st;
	int r = tree_name_check(dir, name, err);
	if (!r)
		r = judge_scratch(fs, who, err);
	if (!r)
		r = scratch_make(
			fs->tree->scratches, dir->hook->id, dir->ino, name, now_of(fs), err, &f);
	if (r)
		return r;
	tree_stat(fs->tree, dir, &st);
	f->mode = mode;
	f->uid = who.uid;
	f->gid = st.st_mode & S_ISGID ? st.st_gid : who.gid;
	f->temporary |= is_temporary(flags, mode);
	*n = tree_scratch(dir->hook, f);
	return 0;
}

/* A file that is there: for who has removed it, or fills a hook with what it has already. */
static int create_again(struct fs *fs, const char *name, mode_t mode, int flags,
	const struct node *dir, struct who who, const struct node *n, struct creation *c,
	struct err *err)
{
	int32_t pid = who.pid;
	bool exclusive = (flags & O_EXCL) && !fs->resent;
	/* Who fills a hook may have been told that it has none; the kernel would take it for damage. */
	if (tree_is_dir(n))
		return exclusive ? -EEXIST : -EISDIR;
	bool fresh = hidden_make(&fs->hidden, n, pid, exclusive, now_of(fs));
	c->opened = hidden_back(&fs->hidden, dir->ino, name, pid, now_of(fs));
	if (c->opened)
		return 0;
	if (n->scratch)
		return exclusive ? -EEXIST : 0;
	if (exclusive && !fresh && !hidden_has(&fs->hidden, dir->ino, name, pid, now_of(fs)))
		return -EEXIST;
	/* What a copied hook says of itself is not its copy's. */
	c->discards = fresh && n->row && !n->row->config;
	if (n->row && !c->discards && !n->row->config && !n->row->tests)
		return err_set(err, EACCES, ERR_NO_COLUMN,
			"%s is only read: what it shows is not set by writing", tree_name(n));
	return create_setting(fs, n, mode, who, err);
}

static int create(struct fs *fs, const char *name, mode_t mode, int flags, struct who who,
	const struct node *dir, struct creation *c, struct err *err)
{
	struct node now, *n = &c->node;
	int r;
	if (tree_is_queue(dir))
		return create_copy(fs, dir, name, n, err);
	if (tree_lookup(fs->tree, dir, name, n) == 0)
		r = create_again(fs, name, mode, flags, dir, who, n, c, err);
	else if (tree_is_scratch_dir(dir) &&
		(!tree_is_headers(dir) || scratch_is_temporary(name) || is_temporary(flags, mode)))
		return create_scratch(fs, dir, name, mode, flags, who, n, err);
	else if (tree_is_headers(dir))
		r = edit_header_make(fs->tree, dir, name, mode, who, err);
	else
		r = err_set(err, EPERM, ERR_NO_COLUMN,
			"files are made in hooks/NAME/ and hooks/NAME/headers/ only");
	/* The change has put another hook in the place of the one that `dir` knew. */
	if (!r)
		r = tree_node(fs->tree, dir->ino, &now);
	return r ? r : tree_lookup(fs->tree, &now, name, n);
}

void op_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node dir;
	struct creation c = { 0 };
	struct err err = { 0 };
	struct before before = { 0 };
	struct who who = who_of(req);
	if (!node_of(req, parent, &dir))
		return;
	int r = judge_room(fs, who, 1, 0, &err);
	if (!r)
		r = create(fs, name, mode & 0777, fi->flags, who, &dir, &c, &err);
	if (r) {
		refuse(req, parent, name, r, &err);
		return;
	}
	hidden_new_file(&fs->hidden, &c.node, who.pid, fi->flags & O_EXCL, now_of(fs));
	if (!c.node.scratch && !c.opened) {
		seen(fs, &c.node, who.pid);
		hidden_made(&fs->hidden, parent, name, who.pid, c.node.ino, &before, now_of(fs));
		hidden_written(&fs->hidden, c.node.ino, who.pid, now_of(fs));
	}
	reply_open(req, &c.node, fi, &before, c.discards);
	before_release(&before);
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
