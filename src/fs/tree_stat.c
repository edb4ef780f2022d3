/*
 * tree_stat: what stat(2) says of a node: kind and mode, owner, size, time. What somebody has set
 * stands in the hook's file or, of what is no hook's, in the tree's attributes; all else comes from the rows.
 */
#include "fs/scratch.h"
#include "fs/tree.h"
#include "model/attributes.h"
#include "model/registry.h"
#include "util/buf.h"

#include <string.h>

static mode_t default_mode(const struct tree *t, const struct node *n)
{
	switch (n->kind) {
	case NODE_ROOT:
		return S_IFDIR | 0755;
	case NODE_HOOK:
		return S_IFDIR | 0755;
	case NODE_SETTING:
		return S_IFREG | n->setting->mode;
	case NODE_HEADER:
		return S_IFREG | (n->header->protected ? 0600 : 0644);
	case NODE_DELIVERY:
		return S_IFREG | 0400; /* it holds the payload */
	case NODE_SCRATCH:
		return S_IFREG | n->scratch->mode;
	case NODE_ROOT_FILE:
	case NODE_HOOK_FILE:
		break;
	}
	if (tree_is_dir(n))
		return S_IFDIR | n->row->mode;
	if (n->row->config)
		return S_IFREG | hook_config_mode(n->hook, n->row->mode);
	if (n->row->nature == FILE_PIPE)
		return t->pipe_path ? S_IFLNK | 0777 : S_IFIFO | n->row->mode;
	return S_IFREG | n->row->mode;
}

/* A link's mode says nothing. */
static void stat_root_file(const struct tree *t, const struct node *n, struct stat *st)
{
	const struct attribute *a = attributes_find(
		t->attributes, n->kind == NODE_ROOT ? ATTRIBUTES_ROOT : tree_name(n));
	if (!a)
		return;
	if (a->mode != HOOK_MODE_UNSET && !S_ISLNK(st->st_mode))
		st->st_mode = (st->st_mode & S_IFMT) | a->mode;
	if (a->uid != HOOK_OWNER_UNSET)
		st->st_uid = a->uid;
	if (a->gid != HOOK_OWNER_UNSET)
		st->st_gid = a->gid;
}

/* Whose attributes the node has: a delivery, which comes and goes, those of its directory. */
static const struct hook_file *file_of(const struct node *n)
{
	struct buf name = BUF(TREE_PATH_MAX);
	if (n->kind == NODE_DELIVERY)
		buf_adds(&name, tree_state_dir(n->delivery.state));
	else
		tree_hook_file(n, &name);
	const struct hook_file *f = hook_file_find(n->hook, buf_str(&name));
	buf_release(&name);
	return f;
}

/* Owner, mode and time of a hook's file: the file's own where they differ, else the hook's. */
static void stat_hook_file(const struct node *n, struct stat *st, int64_t *mtime_ms)
{
	if (n->hook->uid != HOOK_OWNER_UNSET)
		st->st_uid = n->hook->uid;
	if (n->hook->gid != HOOK_OWNER_UNSET)
		st->st_gid = n->hook->gid;
	bool whole = n->kind == NODE_HOOK || (n->row && !n->row->topic);
	*mtime_ms = whole ? n->hook->mtime_ms : n->hook->made_ms;
	bool delivery = n->kind == NODE_DELIVERY;
	if (delivery)
		*mtime_ms = n->delivery.changed_ms;
	const struct hook_file *f = file_of(n);
	if (!f)
		return;
	if (f->mode != HOOK_MODE_UNSET)
		st->st_mode = (st->st_mode & S_IFMT) | (f->mode & (delivery ? 0444 : 07777));
	if (f->uid != HOOK_OWNER_UNSET)
		st->st_uid = f->uid;
	if (f->gid != HOOK_OWNER_UNSET)
		st->st_gid = f->gid;
	if (f->mtime_ms && !delivery)
		*mtime_ms = f->mtime_ms;
}

/* The log's own size and time. */
static void stat_log(const struct tree *t, const struct node *n, struct stat *st)
{
	struct stat log;
	if (fstat(t->backend.log_fd(t->backend.ctx, n->generation), &log))
		return;
	st->st_size = log.st_size;
	st->st_mtim = log.st_mtim;
}

static void stat_scratch(const struct scratch *f, struct stat *st, int64_t *mtime_ms)
{
	st->st_uid = f->uid;
	st->st_gid = f->gid;
	st->st_nlink = f->name ? 1 : 0;
	*mtime_ms = f->mtime_ms;
}

/* Of what takes long to show: as it was last shown, if that is not long ago. A mount of many hooks would be held
 * up by whoever lists its root; but some who stat a file and then open it read no more of it than that size.
 * 0: it is to be shown. */
static size_t known_size(const struct tree *t, const struct node *n)
{
	size_t hooks = registry_count(t->registry);
	int64_t kept_ms = hooks < SIZE_KEPT_MAX_MS ? (int64_t)hooks : SIZE_KEPT_MAX_MS;
	if (n->kind != NODE_ROOT_FILE || !n->row->of_all || !t->shown || hooks <= HOOKS_SIZED_MAX)
		return 0;
	const struct shown *last = &t->shown[n->row - files_root];
	int64_t age_ms = t->backend.now_ms(t->backend.ctx) - last->at_ms;
	return age_ms >= 0 && age_ms < kept_ms ? last->len : 0;
}

static off_t shown_size(const struct tree *t, const struct node *n)
{
	size_t known = known_size(t, n);
	if (known)
		return (off_t)known;
	if (n->kind == NODE_SCRATCH)
		return (off_t)n->scratch->bytes.len;
	struct buf b = BUF_SECRET(SHOWN_MAX);
	tree_show(t, n, &b);
	off_t size = (off_t)b.len;
	buf_release(&b);
	return size;
}

void tree_stat(const struct tree *t, const struct node *n, struct stat *st)
{
	int64_t mtime_ms = t->start_ms;
	*st = (struct stat){
		.st_ino = n->ino,
		.st_mode = default_mode(t, n),
		.st_nlink = tree_is_dir(n) ? 2 : 1,
		.st_uid = t->uid,
		.st_gid = t->gid,
		/* stdio, coreutils and readdir size their buffers by it: fewer, larger requests */
		.st_blksize = 131072,
	};
	if (n->kind == NODE_SCRATCH)
		stat_scratch(n->scratch, st, &mtime_ms);
	else if (n->hook)
		stat_hook_file(n, st, &mtime_ms);
	else
		stat_root_file(t, n, st);
	if (n->row && n->row->topic && n->row->nature != FILE_LOG) {
		struct edition ed;
		if (!t->backend.edition(
			    t->backend.ctx, n->row->topic, n->hook ? n->hook->id : 0, &ed))
			mtime_ms = ed.ms;
	}
	int64_t ms = (mtime_ms % 1000 + 1000) % 1000; /* also before 1970 */
	st->st_mtim = (struct timespec){ (mtime_ms - ms) / 1000, ms * 1000000 };
	if (n->row && n->row->nature == FILE_LOG)
		stat_log(t, n, st);
	else if (S_ISREG(st->st_mode))
		st->st_size = shown_size(t, n);
	else if (S_ISLNK(st->st_mode))
		st->st_size = (off_t)strlen(t->pipe_path);
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_atim = st->st_ctim = st->st_mtim;
}
