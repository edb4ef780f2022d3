/*
 * fuse_kept: taking over the connection of a daemon that has ended, and going on with its open files.
 *
 * The kernel neither begins anew nor says what is open. So the first request of the connection is
 * kept and libfuse is given it once more, whose answer the kernel does not want and refuses; open
 * files are made again from what kept.h has of them, when they are used; and what the daemon before
 * had been asked and had not answered, the kernel is told to ask again. Such a request is known by a
 * bit of its number. A write to events among them that has been committed is only acknowledged again;
 * any other is carried out anew, for what it asks for it can ask for twice: where its name is made or gone
 * already, this request may have done that (was_done).
 *
 * libfuse shows none of that, but hands out each request as it is, and leaves the device to us.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Of protocol 7.40 (Linux 6.9); the headers may be older. */
#define RESENT     (UINT64_C(1) << 63) /* FUSE_UNIQUE_RESEND */
#define RESEND     7                   /* FUSE_NOTIFY_RESEND */
#define CAN_RESEND (UINT32_C(1) << 7)  /* FUSE_HAS_RESEND, of flags2 */

#define FIRST_WAIT_MS 10000

struct first {
	struct fuse_in_header header;
	struct fuse_init_in body;
};

/* ---- the connection's beginning */

static int first_receive(struct fs *fs)
{
	struct pollfd p = { .fd = fuse_session_fd(fs->session), .events = POLLIN };
	struct kept_mount *m = kept_mount(fs->kept);
	/* mount(2) has queued it. */
	int r = poll(&p, 1, FIRST_WAIT_MS);
	if (r == 1)
		r = fuse_session_receive_buf(fs->session, &fs->request);
	if (r <= 0)
		return r ? r : -ETIMEDOUT;
	if (!(fs->request.flags & FUSE_BUF_IS_FD) && fs->request.size <= sizeof(m->first)) {
		memcpy(m->first, fs->request.mem, fs->request.size);
		m->first_len = fs->request.size;
	}
	fuse_session_process_buf(fs->session, &fs->request);
	return 0;
}

/* Scratch files are not kept; a number that the daemon before has given shortly before its end is passed over. */
#define SCRATCH_IDS_LEFT 16

int connection_begin(struct fs *fs)
{
	struct kept_mount *m = kept_mount(fs->kept);
	struct fuse_buf first = { .size = m->first_len, .mem = m->first };
	if (!m->first_len)
		return first_receive(fs);
	if (!fs_can_be_kept(fs))
		return -EINVAL;
	fs->taken = true;
	fuse_session_process_buf(fs->session, &first);
	scratches_continue(fs->tree->scratches, *kept_scratch_id(fs->kept) + SCRATCH_IDS_LEFT);
	return 0;
}

bool fs_can_be_kept(const struct fs *fs)
{
	const struct kept_mount *m = kept_mount(fs->kept);
	struct first first = { 0 };
	memcpy(&first, m->first, m->first_len < sizeof(first) ? m->first_len : sizeof(first));
	return first.header.opcode == FUSE_INIT && first.body.flags2 & CAN_RESEND;
}

/* ---- frames of our own */

static void send_frame(
	const struct fs *fs, uint64_t unique, int32_t code, const void *body, size_t size)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + size), .error = code, .unique = unique
	};
	struct iovec parts[] = { { &out, sizeof(out) }, { (void *)body, size } };
	/* It is written whole or not at all; ENOENT: nobody waits for it any more. */
	(void)!writev(fuse_session_fd(fs->session), parts, size ? 2 : 1);
}

void fs_resume(struct fs *fs, int64_t commit)
{
	if (!fs->taken)
		return;
	kept_settle(fs->kept, commit);
	root_forget(fs);
	send_frame(fs, 0, RESEND, NULL, 0);
	/* Who waits asks again, and is told that there may be news. */
	for (struct kept_file *f = NULL; (f = kept_next(fs->kept, f));) {
		struct fuse_notify_poll_wakeup_out wake = { .kh = f->poll };
		if (f->poll)
			send_frame(fs, 0, FUSE_NOTIFY_POLL, &wake, sizeof(wake));
	}
}

/* ---- requests */

static void answer_again(struct fs *fs, const struct fuse_in_header *in, uint32_t size)
{
	struct fuse_write_out out = { .size = size };
	bool writes = in->opcode == FUSE_WRITE;
	send_frame(fs, in->unique, 0, writes ? &out : NULL, writes ? sizeof(out) : 0);
}

/* A write or a flush; the bodies of both begin with the file. */
static bool is_carried_out(const struct fs *fs, const struct fuse_in_header *in, uint32_t *size)
{
	if (kept_answered(fs->kept, fs->unique, size))
		return true;
	if ((in->opcode != FUSE_WRITE && in->opcode != FUSE_FLUSH) ||
		fs->request.size < sizeof(*in) + sizeof(uint64_t))
		return false;
	const struct kept_file *f = kept_find(fs->kept, *(const uint64_t *)(in + 1));
	if (!f || f->request != fs->unique)
		return false;
	*size = f->size;
	return true;
}

/* Or the kernel would ask the next daemon, and that would die as well. */
static void answer_deadly(struct fs *fs, const struct fuse_in_header *in)
{
	struct err err = { 0 };
	(void)err_set(&err, EIO, ERR_NO_COLUMN,
		"%d daemons in a row have died while they carried this out, so it is given up",
		KEPT_DEATHS_MAX);
	tell_errors(fs->tree, in->nodeid, NULL, (struct who){ in->uid, in->gid, (int32_t)in->pid },
		NULL, 0, &err);
	send_frame(fs, in->unique, -EIO, NULL, 0);
}

bool request_is_done(struct fs *fs)
{
	const struct fuse_in_header *in = fs->request.mem;
	fs->unique = 0;
	fs->resent = false;
	if (fs->request.flags & FUSE_BUF_IS_FD || fs->request.size < sizeof(*in))
		return false;
	fs->unique = in->unique & ~RESENT;
	fs->resent = in->unique & RESENT;
	if (in->opcode == FUSE_POLL &&
		fs->request.size >= sizeof(*in) + sizeof(struct fuse_poll_in))
		fs->poll = ((const struct fuse_poll_in *)(in + 1))->kh;
	if (!fs->resent)
		return false;
	if (in->opcode == FUSE_OPEN || in->opcode == FUSE_CREATE)
		kept_drop_opened(fs->kept, fs->unique);
	uint32_t size;
	bool done = is_carried_out(fs, in, &size);
	if (done) {
		answer_again(fs, in, size);
	} else if (kept_is_deadly(fs->kept, fs->unique)) {
		answer_deadly(fs, in);
		done = true;
	}
	return done;
}

bool was_done(const struct fs *fs, int r, int error)
{
	return fs->resent && r == error;
}

/* Puts the begun line down, to be the file's with the next answer. */
static void text_put(struct fs *fs, struct handle *h)
{
	size_t len;
	const char *rest = framing_rest(&h->framing, &len);
	if (!fs->keeping)
		len = 0;
	h->text = len ? kept_put(fs->kept, h->kept, rest, len) : 0;
	h->text_lost = len && !h->text;
}

bool fs_seal(struct fs *fs, int64_t commit)
{
	unsigned count = 0;
	if (!fs->keeping || !fs->for_commit)
		return false;
	kept_answers_begin(fs->kept);
	for (const struct held *h = fs->for_commit; h; h = h->next) {
		text_put(fs, h->handle);
		struct kept_answer a = { .request = h->unique,
			.fh = h->handle->kept->fh,
			.text = h->handle->text,
			.lost = h->handle->text_lost,
			.size = (uint32_t)h->size };
		if (count++ < KEPT_ANSWERS_MAX)
			kept_answers_add(fs->kept, &a);
	}
	kept_answers_end(fs->kept, commit);
	return true;
}

/* ---- open files */

int file_begin(struct fs *fs, struct handle *h, int flags)
{
	struct kept_file *f = kept_add(fs->kept, h->ino);
	if (!f)
		return -ENFILE;
	f->opener = fs->unique;
	f->flags = (uint32_t)flags;
	f->uid = h->who.uid;
	f->gid = h->who.gid;
	h->kept = f;
	fs->open[kept_slot(fs->kept, f)] = h;
	return 0;
}

void file_note(struct fs *fs, struct handle *h)
{
	struct kept_file *f = h->kept;
	size_t len;
	(void)framing_rest(&h->framing, &len);
	if (!len)
		h->text = h->text_lost = 0; /* perhaps an error has dropped it */
	if (f->text != h->text)
		kept_set_text(fs->kept, f, h->text);
	f->state = handle_lost(h);
	f->pid = h->who.pid;
	f->writer = h->writer;
	f->shown_len = h->shown.len;
}

void file_end(struct fs *fs, struct kept_file *f)
{
	fs->open[kept_slot(fs->kept, f)] = NULL;
	kept_drop(fs->kept, f);
}

/* The line that was begun with the daemon before goes on. */
static int text_again(struct fs *fs, struct handle *h)
{
	ssize_t len = 0;
	h->text = h->kept->text;
	if (h->text)
		len = kept_get(fs->kept, h->kept, fs->log_page);
	return len < 0 ? (int)len : framing_resume(&h->framing, fs->log_page, (size_t)len);
}

/* The daemon before had it open. */
static int file_again(struct fs *fs, struct kept_file *f, struct handle **out)
{
	struct node n;
	struct who who = { f->uid, f->gid, f->pid };
	bool made = f->state & KEPT_DISCARDS;
	if (tree_node(fs->tree, f->ino, &n))
		return -ESTALE;
	struct handle *h;
	int r = handle_open(fs->tree, &n, (int)f->flags & ~O_TRUNC, made, who, NULL, &h);
	if (!r)
		r = keep_handle(fs, h, NULL);
	if (r)
		return r;
	h->writer = f->writer;
	h->discards = made;
	h->lost = f->state & (KEPT_BEGUN | KEPT_STARTED | KEPT_SHOWN);
	h->lost_at = f->shown_len;
	h->kept = f;
	fs->open[kept_slot(fs->kept, f)] = h;
	if (text_again(fs, h))
		h->lost |= KEPT_BEGUN;
	*out = h;
	return 0;
}

bool handle_of(fuse_req_t req, const struct fuse_file_info *fi, struct handle **out)
{
	struct fs *fs = fs_of(req);
	*out = NULL;
	if (!fi || !fi->fh)
		return true;
	struct kept_file *f = kept_find(fs->kept, fi->fh);
	int r = f ? 0 : -EBADF;
	if (f)
		*out = fs->open[kept_slot(fs->kept, f)];
	if (f && !*out)
		r = file_again(fs, f, out);
	if (r)
		fuse_reply_err(req, -r);
	return !r;
}

static int say_lost(struct err *err)
{
	return err_set(err, EIO, ERR_NO_COLUMN,
		"webhookfs was started anew while this file was being written, and what was written "
		"and had not ended is lost: open it again, and write all of it once more");
}

/* What was acknowledged and is lost is told to who goes on with it, or closes it. */
bool is_lost(fuse_req_t req, const struct handle *h, unsigned what)
{
	struct err err = { 0 };
	if (!h || !(h->lost & what))
		return false;
	refuse_text(req, h, NULL, 0, say_lost(&err), &err);
	return true;
}

struct handle *file_released(fuse_req_t req, struct kept_file *f)
{
	struct fs *fs = fs_of(req);
	struct handle *h = NULL;
	struct err err = { 0 };
	if (f->text && !file_again(fs, f, &h))
		return h;
	if (f->text ||
		f->state & KEPT_BEGUN) { /* its process has died: there is only `errors` to tell */
		(void)say_lost(&err);
		tell_errors(fs->tree, f->ino, NULL, (struct who){ f->uid, f->gid, f->pid }, NULL, 0,
			&err);
	}
	return NULL;
}
