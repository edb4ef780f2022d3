/*
 * fuse_list: listing directories, in pages of the kernel's size.
 *
 * A page starts behind the cookie that the last one ended with, and cookies only grow along a list
 * (tree_next): what is there all the time comes exactly once, whatever else comes and goes meanwhile,
 * and nothing is kept between two pages.
 */
#include "fs/fuse_internal.h"

#include <stdlib.h>

/* The offsets of a listing: 0 and 1 are the dots, then come the tree's cookies. */
#define DOTS 2

struct page {
	fuse_req_t req;
	char *bytes;
	size_t size, used;
	bool plus; /* with attributes, where they may be kept */
};

/* False: the page is full. */
static bool page_add(
	struct page *p, const char *name, const struct fuse_entry_param *e, uint64_t next)
{
	char *at = p->bytes + p->used;
	size_t room = p->size - p->used;
	size_t need = p->plus ? fuse_add_direntry_plus(p->req, at, room, name, e, (off_t)next)
			      : fuse_add_direntry(p->req, at, room, name, &e->attr, (off_t)next);
	if (need > room)
		return false;
	p->used += need;
	return true;
}

/* Attributes that the kernel may not keep would be made in vain. Without them `ino` is 0. */
static struct fuse_entry_param entry_listed(
	const struct fs *fs, const struct page *p, const struct node *n)
{
	struct fuse_entry_param e = { 0 };
	if (p->plus && cache_of(fs, n).attr > 0)
		return entry_of(fs, n);
	e.attr.st_ino = n->ino;
	e.attr.st_mode = tree_is_dir(n) ? S_IFDIR : S_IFREG;
	if (n->row && n->row->nature == FILE_PIPE)
		e.attr.st_mode = fs->tree->pipe_path ? S_IFLNK : S_IFIFO;
	return e;
}

/* Who copies a hook has no reason to list it: rsync --delete does, and looks for all that it finds. */
static void listed(struct fs *fs, const struct hook *h, int32_t pid)
{
	const struct backend *b = &fs->tree->backend;
	if (!hidden_filling(&fs->hidden, h->id, pid, now_of(fs)))
		return;
	hidden_end(&fs->hidden, pid);
	b->hook_release(b->ctx, pid);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	static const char *const dots[DOTS] = { ".", ".." };
	struct fs *fs = fs_of(req);
	struct node dir, n;
	if (!node_of(req, ino, &dir))
		return;
	int32_t pid = who_of(req).pid;
	bool hides = tree_is_scratch_dir(&dir);
	if (hides)
		listed(fs, dir.hook, pid);
	struct page p = { .req = req, .bytes = malloc(size), .size = size, .plus = plus };
	if (!p.bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	uint64_t place = (uint64_t)off;
	bool room = true;
	for (; place < DOTS && room; place += room) {
		struct fuse_entry_param e = { .attr = { .st_ino = ino, .st_mode = S_IFDIR } };
		room = page_add(&p, dots[place], &e, place + 1);
	}
	uint64_t cookie = place - DOTS;
	int r = 0;
	while (room && (r = tree_next(fs->tree, &dir, &cookie, &n)) == 0) {
		if (hides && hidden_has(&fs->hidden, ino, tree_name(&n), pid, now_of(fs)))
			continue;
		struct fuse_entry_param e = entry_listed(fs, &p, &n);
		room = page_add(&p, tree_name(&n), &e, cookie + DOTS);
	}
	/* What could not be read is not the end: where nothing is left to show, it is said. */
	if (r && r != -ENOENT && !p.used)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, p.bytes, p.used);
	free(p.bytes);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

void op_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}
