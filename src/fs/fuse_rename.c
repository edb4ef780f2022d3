/*
 * fuse_rename: what a rename means: of hooks, headers and deliveries, and of scratch files, where it
 * commits what a tool has written beside the file that it means.
 */
#include "fs/fuse_internal.h"
#include "util/libc.h"

#include <stdio.h>
#include <string.h>

struct renaming {
	fuse_req_t req;
	struct node node; /* what is renamed */
	struct node to;   /* the directory it goes to */
	const char *name; /* and its name there */
	bool taken;       /* by this: */
	struct node there;
	bool same_dir;
	bool aside;    /* it is still there */
	bool quotable; /* a text that is refused, as far as its file's mode says */
};

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

/* Whether a file of this name would be a scratch file in the directory. */
static bool is_scratch_name(const struct node *dir, const char *name)
{
	return tree_is_scratch_dir(dir) && (!tree_is_headers(dir) || scratch_is_temporary(name));
}

/* config.json shows what comes of a text, whatever mode its own file has. */
static bool may_read(fuse_req_t req, const struct scratch *f)
{
	struct who who = who_of(req);
	gid_t groups[64];
	int count = 0;
	if (who.uid == 0 || f->origin.known) /* a copy has what was shown anyway */
		return true;
	if (who.uid == f->uid)
		return f->mode & 0400;
	if (who.gid != f->gid)
		count = fuse_req_getgroups(req, sizeof(groups) / sizeof(*groups), groups);
	bool member = who.gid == f->gid;
	for (int i = 0; i < count && i < (int)(sizeof(groups) / sizeof(*groups)); i++)
		member |= groups[i] == f->gid;
	return f->mode & (member ? 040 : 04);
}

/* Takes the control file's place, or makes a header; then it is gone. */
static int rename_replaces(struct fs *fs, struct renaming *r, struct err *err)
{
	const struct node *there = r->taken ? &r->there : NULL;
	struct scratch *f = r->node.scratch;
	if (there && tree_is_dir(there))
		return -EISDIR;
	if (there && there->row && there->row->tests)
		return err_set(err, EPERM, ERR_NO_COLUMN, "test is written, not replaced");
	if (there && there->row && !there->row->config)
		return err_set(err, EPERM, ERR_NO_COLUMN, "%s belongs to the mount and stays",
			tree_name(there));
	if (!may_read(r->req, f))
		return err_set(
			err, EACCES, ERR_NO_COLUMN, "only who may read a file makes a value of it");
	int e = edit_replace(fs->tree, &r->to, there, r->name, f, err);
	r->quotable = f->mode & 044 && !f->origin.known;
	if (!e)
		scratch_unlink(fs->tree->scratches, f);
	return e;
}

static int rename_scratch(struct fs *fs, struct renaming *r, struct err *err)
{
	struct scratch *f = r->node.scratch;
	if (tree_is_scratch_dir(&r->to) && r->to.hook != r->node.hook)
		return -EXDEV;
	if (!tree_is_scratch_dir(&r->to))
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"a scratch file stays in its hook; cp copies it to elsewhere");
	if (r->taken ? !r->there.scratch : !is_scratch_name(&r->to, r->name))
		return rename_replaces(fs, r, err);
	int e = r->taken ? 0 : tree_name_check(&r->to, r->name, err);
	return e ? e : scratch_rename(fs->tree->scratches, f, r->to.ino, r->name, now_of(fs), err);
}

/* vim and sed -i.bak put a file aside that is always there: they get a copy. */
static int rename_aside(struct fs *fs, struct renaming *r, struct err *err)
{
	struct scratches *all = fs->tree->scratches;
	struct scratch *f = r->taken ? r->there.scratch : NULL;
	int e = 0;
	if (!f)
		e = judge_scratch(fs, who_of(r->req), err);
	if (!f && !e)
		e = scratch_make(all, r->to.hook->id, r->to.ino, r->name, now_of(fs), err, &f);
	if (e)
		return e;
	f->temporary = true;
	e = edit_backup(fs->tree, &r->node, f, err);
	if (e && !r->taken)
		scratch_unlink(all, f);
	r->aside = !e;
	return e;
}

/* mv hooks/a hooks/b and mv headers/A headers/B. Between hooks mv copies (EXDEV). */
static int rename_node(struct fs *fs, struct renaming *r, struct err *err)
{
	const struct node *n = &r->node, *to = &r->to;
	const char *name = r->name;
	bool taken = r->taken;
	if (n->kind == NODE_DELIVERY)
		return rename_delivery(fs, n, to, name, err);
	if (taken && r->there.ino == n->ino && n->kind != NODE_HEADER)
		return 0;
	if (n->scratch)
		return rename_scratch(fs, r, err);
	if ((n->setting || n->header || (n->row && n->row->config)) && r->same_dir &&
		(taken ? r->there.scratch != NULL : is_scratch_name(to, name)))
		return rename_aside(fs, r, err);
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

/* What is bad in a scratch file is told of the file that it was to become. */
static void rename_refused(fuse_req_t req, fuse_ino_t parent, const char *name,
	fuse_ino_t newparent, const struct renaming *r, int e, const struct err *err)
{
	const struct scratch *f = r->node.scratch;
	if (!f || e != -EBADMSG)
		refuse(req, parent, name, e, err);
	else if (r->taken)
		refuse_bytes(req, r->there.ino, r->quotable ? buf_str(&f->bytes) : NULL,
			f->bytes.len, e, err);
	else
		refuse(req, newparent, r->name, e, err);
}

/* The thread has put it there. */
static void made(struct fs *fs, uint64_t dir, const char *name, int32_t pid, uint64_t ino)
{
	struct before before = { 0 };
	hidden_made(&fs->hidden, dir, name, pid, ino, &before, now_of(fs));
	before_release(&before);
}

/* By the daemon before, which did not come to say so: answers then. */
static bool is_renamed(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	const char *newname)
{
	struct fs *fs = fs_of(req);
	struct node dir, to, n;
	if (!fs->resent || tree_node(fs->tree, parent, &dir) ||
		tree_node(fs->tree, newparent, &to) ||
		!was_done(fs, tree_lookup(fs->tree, &dir, name, &n), -ENOENT) ||
		tree_lookup(fs->tree, &to, newname, &n))
		return false;
	fuse_reply_err(req, 0);
	return true;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	const char *newname, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct node dir;
	struct renaming r = { .req = req, .name = newname, .same_dir = parent == newparent };
	struct err err = { 0 };
	if (is_renamed(req, parent, name, newparent, newname))
		return;
	if (!entry_find(req, parent, name, &dir, &r.node) || !node_of(req, newparent, &r.to))
		return;
	r.taken = tree_lookup(fs->tree, &r.to, newname, &r.there) == 0;
	int32_t pid = who_of(req).pid;
	bool commits = r.node.scratch && !(r.taken && r.there.scratch);
	uint64_t ino = r.node.ino;
	int e = 0;
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		e = err_set(&err, EINVAL, ERR_NO_COLUMN,
			"two names here do not change places: rename them one after the other");
	else if ((flags & RENAME_NOREPLACE) && r.taken &&
		!hidden_has(&fs->hidden, newparent, newname, pid, now_of(fs)))
		e = -EEXIST;
	if (!e)
		e = rename_node(fs, &r, &err);
	if (e)
		rename_refused(req, parent, name, newparent, &r, e, &err);
	else
		fuse_reply_err(req, 0);
	if (r.aside)
		hidden_aside(&fs->hidden, parent, name, pid, ino, now_of(fs));
	/* The name is there again, also to a thread that had removed it. A delivery stays the same
	 * file. */
	if (!e && !r.aside && (r.node.kind == NODE_DELIVERY || r.node.kind == NODE_HEADER))
		made(fs, newparent, newname, pid, r.node.kind == NODE_DELIVERY ? ino : 0);
	if (commits && tree_node(fs->tree, newparent, &r.to) == 0 &&
		tree_lookup(fs->tree, &r.to, newname, &r.there) == 0 && !r.there.scratch) {
		seen(fs, &r.there, pid);
		if (!e)
			made(fs, newparent, newname, pid, r.there.ino);
		settled(fs, &r.there, pid);
	}
}
