/*
 * fuse_poll: poll, select and epoll, and waking who waits in them.
 *
 * The kernel asks with a poll handle when somebody waits, and again after each wake-up, so all that
 * is kept is the last handle of each open file. It is kept, too, where the answer is "ready": an
 * edge-triggered epoll asks no more until it is woken. Waking only writes to the device; it waits
 * for nobody.
 */
#include "fs/fuse_internal.h"

#include <poll.h>

static void destroy(struct fuse_pollhandle *ph)
{
	if (ph)
		fuse_pollhandle_destroy(ph);
}

void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct fs *fs = fs_of(req);
	struct handle *h;
	(void)ino;
	if (!handle_of(req, fi, &h)) {
		destroy(ph);
		return;
	}
	h->kept->poll = ph ? fs->poll : 0;
	unsigned ready = handle_poll(h, fs->tree);
	if (ph && h->topic)
		destroy(watch_wait(&fs->watch, &h->waiter, h->topic, h->topic_id, ph));
	else
		destroy(ph); /* always ready */
	fuse_reply_poll(req, ready);
}

void poll_forget(struct fs *fs, struct handle *h)
{
	destroy(watch_leave(&fs->watch, &h->waiter));
}

static void wake(struct fuse_pollhandle *ph)
{
	/* It fails only where nobody waits any more. */
	(void)fuse_lowlevel_notify_poll(ph);
	destroy(ph);
}

void poll_after_read(struct fs *fs, struct handle *h)
{
	if (h->nature == FILE_LOG && h->waiter.token && handle_poll(h, fs->tree) & POLLHUP)
		wake(watch_leave(&fs->watch, &h->waiter));
}

void fs_changed(struct fs *fs, enum topic topic, int64_t id)
{
	struct fuse_pollhandle *ph;
	while ((ph = watch_take(&fs->watch, topic, id)))
		wake(ph);
}
