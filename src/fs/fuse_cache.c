/*
 * fuse_cache: what the kernel may keep of what it was told, and how it is told to forget.
 *
 * Kept without being asked for again is only what never changes behind the kernel's back, and what
 * can be taken back from it at any moment. A notification that takes the lock of a directory (that
 * of an entry does) can wait for a request that waits for us, for ever: there is one thread. That
 * of an inode's attributes takes none. So
 *
 *  - the names in the root are what they are, and it and hooks/ change by requests only, whose
 *    replies tell the kernel. The root itself is kept for a moment only, so that a mount whose
 *    daemon has died is soon seen to be dead. A daemon that follows another may have read other modes
 *    (root_forget). Of the files in it only events is like that in its
 *    attributes, too, which an open asks for; of its size the kernel knows that it does not know it;
 *  - a hook's directories are kept for a moment, long enough for `ls -l` and find, which ask for
 *    what a listing has just told. Whoever changes the hook says so (fs_hook_changed), and their attributes
 *    are asked for anew. One that is gone is then answered ESTALE, and the kernel looks the path up
 *    again: the name means nothing now, or another hook;
 *  - what a tool is about to fill, directory by directory, is not kept while it does (hidden.h);
 *  - files of hooks are never kept: what they show changes by itself, and their names may be hidden from one
 *    thread and not from another; nor is the log, whose name is another file once it has been rotated.
 */
#include "fs/fuse_internal.h"
#include "model/registry.h"

#define FIXED_S  3600.0
#define MOMENT_S 1.0

struct cached cache_of(const struct fs *fs, const struct node *n)
{
	if (n->hook && hidden_fills(&fs->hidden, n->hook->id))
		return (struct cached){ 0, 0 };
	if (n->kind == NODE_ROOT || (n->hook && tree_is_dir(n)))
		return (struct cached){ MOMENT_S, MOMENT_S };
	if (!n->hook && n->row->nature != FILE_LOG) {
		bool fixed = tree_is_dir(n) || n->row->nature == FILE_EVENTS;
		return (struct cached){ FIXED_S, fixed ? FIXED_S : 0 };
	}
	return (struct cached){ 0, 0 };
}

void root_forget(struct fs *fs)
{
	struct node n;
	for (size_t i = 0; i < files_root_count; i++)
		if (!tree_root_file(fs->tree, files_root[i].name, &n))
			(void)fuse_lowlevel_notify_inval_inode(fs->session, n.ino, -1, 0);
}

void fs_hook_changed(struct fs *fs, int64_t hook_id)
{
	bool gone = !registry_by_id(fs->tree->registry, hook_id);
	uint64_t ino = 0;
	if (gone)
		scratch_drop_hook(fs->tree->scratches, hook_id);
	/* -ENOENT: the kernel does not know it. Of other errors nothing can be made, and what is kept
	 * ends with the moment. */
	while ((ino = tree_hook_dir(hook_id, ino))) {
		(void)fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
		if (gone)
			hidden_drop_dir(&fs->hidden, ino);
	}
}
