/*
 * fuse_files: looking at, opening, reading, writing.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <string.h>
#include <utlist.h>

/* ---- looking */

/* The kernel has kept a name that means nothing now, or another hook: ESTALE makes it look again. */
static bool is_stale(fuse_req_t req, fuse_ino_t ino)
{
	struct node n;
	if (!tree_is_hook_ino(ino) || tree_node(fs_of(req)->tree, ino, &n) == 0)
		return false;
	fuse_reply_err(req, ESTALE);
	return true;
}

/* What a thread looks for tells what it is about to do. True: it must not see what is there. */
static bool is_hidden(
	struct fs *fs, const struct node *dir, const char *name, const struct node *n, int32_t pid)
{
	const struct backend *b = &fs->tree->backend;
	int64_t now_ms = now_of(fs);
	if (n->kind == NODE_HOOK)
		hidden_looked(&fs->hidden, n->hook->id, pid, now_ms);
	if (hidden_has(&fs->hidden, dir->ino, name, pid, now_ms))
		return true;
	if (!n->hook || !hidden_filling(&fs->hidden, n->hook->id, pid, now_ms))
		return false;
	bool hidden = hidden_unmade(&fs->hidden, n, pid, now_ms);
	if (!hidden_filling(&fs->hidden, n->hook->id, pid, now_ms))
		b->hook_release(b->ctx, pid);
	return hidden;
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node dir, n;
	struct fs *fs = fs_of(req);
	int32_t pid = who_of(req).pid;
	if (is_stale(req, parent) || !node_of(req, parent, &dir))
		return;
	int r = strlen(name) > NAME_MAX ? -ENAMETOOLONG : tree_lookup(fs->tree, &dir, name, &n);
	if (!r && is_hidden(fs, &dir, name, &n, pid))
		r = -ENOENT;
	else if (r == -ENOENT && tree_is_queue(&dir))
		r = tree_node(fs->tree, hidden_ino(&fs->hidden, parent, name, pid, now_of(fs)), &n);
	else if (r == -ENOENT && tree_is_hooks(&dir))
		hidden_sought(&fs->hidden, name, pid, now_of(fs));
	if (r)
		fuse_reply_err(req, -r);
	else
		reply_entry(req, &n);
}

void reply_attr(fuse_req_t req, fuse_ino_t ino)
{
	struct node n;
	struct stat st;
	if (!node_of(req, ino, &n))
		return;
	tree_stat(fs_of(req)->tree, &n, &st);
	fuse_reply_attr(req, &st, cache_of(fs_of(req), &n).attr);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	if (!is_stale(req, ino))
		reply_attr(req, ino);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	(void)ino;
	fuse_reply_readlink(req, fs_of(req)->tree->pipe_path);
}

/* ---- files */

/*
 * Open files are bounded, however many programs open them: in number, and in the bytes of what they read
 * and are being written. An eighth of both is for root and the mounting user, so that they can
 * still see what the others do.
 */
#define HANDLES_MAX      65536
#define HANDLE_BYTES_MAX ((size_t)512 << 20)

int judge_room(const struct fs *fs, struct who who, unsigned handles, size_t bytes, struct err *err)
{
	uint32_t mounter = fs->tree->uid;
	bool many = fs->handle_count + handles > who_share(who.uid, mounter, HANDLES_MAX);
	if (!many && fs->handle_bytes + bytes <= who_share(who.uid, mounter, HANDLE_BYTES_MAX))
		return 0;
	return err_set(err, many ? ENFILE : ENOMEM, ERR_NO_COLUMN,
		"%u files of the mount are open and hold %zu bytes, and there is no room for more; "
		"close some",
		fs->handle_count, fs->handle_bytes);
}

/* What a handle takes has changed. */
static void count_handle(struct fs *fs, struct handle *h)
{
	size_t size = handle_size(h);
	fs->handle_bytes += size - h->counted;
	h->counted = size;
}

void close_handle(struct fs *fs, struct handle *h)
{
	DL_DELETE(fs->handles, h);
	fs->handle_count--;
	fs->handle_bytes -= h->counted;
	poll_forget(fs, h);
	handle_close(h, fs->tree);
}

/* Of Linux 6.2 and 5.1; older kernels pass over them, and the headers may be older. */
#define PARALLEL (1u << 6) /* FOPEN_PARALLEL_DIRECT_WRITES */
#define STREAM   (1u << 4) /* FOPEN_STREAM */

/*
 * The file events takes writes side by side, so that one commit makes the lines of many writers durable. The
 * kernel allows that below the file's end as it knows it. A stream has no offsets: each of its writes is
 * one at 0, and that end is behind the longest so far, while stat(2) is told 0 as ever. A write through
 * O_APPEND is always the only one, and so is one behind `> events`, which cuts the file. The end must not be put
 * back there by storing a byte in the kernel's cache: that waits for the page, which any writer can have
 * read ahead by posix_fadvise(2), and the answer to that would be ours.
 *
 * libfuse 3.14 has no field for the first flag and no later one has any for the second, so the answer
 * is the kernel's own.
 */
static int reply_opened(fuse_req_t req, const struct handle *h, const struct fuse_file_info *fi)
{
	const struct fuse_open_out out = { .fh = fi->fh,
		.open_flags = FOPEN_DIRECT_IO | PARALLEL | STREAM };
	if (h->nature != FILE_EVENTS)
		return fuse_reply_open(req, fi);
	return fuse_reply_buf(req, (const char *)&out, sizeof(out));
}

/* What it reads is known now, and may be too much. */
int keep_handle(struct fs *fs, struct handle *h, struct err *err)
{
	DL_PREPEND(fs->handles, h);
	fs->handle_count++;
	count_handle(fs, h);
	int r = judge_room(fs, h->who, 0, 0, err);
	if (r)
		close_handle(fs, h);
	return r;
}

void reply_open(fuse_req_t req, const struct node *n, struct fuse_file_info *fi,
	struct before *before, bool discards)
{
	struct fs *fs = fs_of(req);
	struct who who = who_of(req);
	struct err err = { 0 };
	struct handle *h;
	int r = judge_room(fs, who, 1, 0, &err);
	if (!r)
		r = handle_open(fs->tree, n, fi->flags, before != NULL, who, &err, &h);
	if (!r)
		r = keep_handle(fs, h, &err);
	if (!r && (r = file_begin(fs, h, fi->flags)))
		close_handle(fs, h);
	if (r) {
		refuse(req, n->ino, NULL, r, &err);
		return;
	}
	fi->fh = h->kept->fh;
	fi->direct_io = 1;
	fi->noflush = (fi->flags & O_ACCMODE) == O_RDONLY;
	h->discards |= discards;
	file_note(fs, h);
	if (before) {
		before_move(&h->edit.before, before);
		struct fuse_entry_param e = entry_of(fs, n);
		r = fuse_reply_create(req, &e, fi);
	} else {
		r = reply_opened(req, h, fi);
	}
	/* The caller was interrupted: no release will come. */
	if (r == -ENOENT) {
		file_end(fs, h->kept);
		close_handle(fs, h);
	}
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node n;
	if (node_of(req, ino, &n))
		reply_open(req, &n, fi, NULL, false);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	struct fs *fs = fs_of(req);
	struct handle *h;
	if (!handle_of(req, fi, &h))
		return;
	if (size > fs->log_page_size)
		size = fs->log_page_size;
	const char *data = NULL;
	ssize_t n = handle_read(h, fs->tree, size, off, fs->log_page, &data);
	count_handle(fs, h);
	file_note(fs, h);
	poll_after_read(fs, h);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, data, (size_t)n);
}

static void op_interrupted(fuse_req_t req, void *data)
{
	struct fs *fs = data;
	for (struct held **p = &fs->for_test; *p; p = &(*p)->next) {
		if ((*p)->req != req)
			continue;
		struct held *h = *p;
		*p = h->next;
		fs->tree->backend.test_cancel(fs->tree->backend.ctx, h->token);
		held_answer(h, -EINTR);
		return;
	}
}

/* Answers what has been done: now, with the commit, or with the test's end. */
static void reply_done(
	fuse_req_t req, struct handle *h, const struct answer *a, size_t size, bool flush)
{
	struct fs *fs = fs_of(req);
	if (a->when == ANSWER_COMMITTED) {
		hold(&fs->for_commit, req, h, size, flush, 0);
	} else if (a->when == ANSWER_TESTED) {
		hold(&fs->for_test, req, h, size, flush, a->token);
		fuse_req_interrupt_func(req, op_interrupted, fs);
	} else {
		file_note(fs, h);
		h->kept->size = (uint32_t)size;
		h->kept->request = fs->unique;
		if (flush)
			fuse_reply_err(req, 0);
		else
			fuse_reply_write(req, size);
	}
}

void seen(struct fs *fs, const struct node *n, int32_t pid)
{
	const struct backend *b = &fs->tree->backend;
	int32_t other;
	while (hidden_seen(&fs->hidden, n, pid, &other))
		b->hook_release(b->ctx, other);
}

void settled(struct fs *fs, const struct node *n, int32_t pid)
{
	const struct backend *b = &fs->tree->backend;
	if (n->hook && hidden_filling(&fs->hidden, n->hook->id, pid, now_of(fs)))
		b->hook_hold(b->ctx, n->hook->id, pid);
	else
		b->hook_release(b->ctx, pid);
	if (n->setting || n->header)
		hidden_written(&fs->hidden, n->ino, pid, now_of(fs));
}

/*
 * Each write through O_APPEND moves the end that the kernel has for events, for all who write. Behind a
 * process's limit for files (RLIMIT_FSIZE) the next one would kill it, so the kernel is told in time to
 * ask for the size again, which is 0. It does at the next open.
 */
#define APPENDED_MAX 4096

static void end_forget(const struct fs *fs, fuse_ino_t ino, off_t end)
{
	if (end > APPENDED_MAX)
		(void)fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
	struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node n;
	struct answer answer;
	struct err err = { 0 };
	struct handle *h;
	if (!handle_of(req, fi, &h) || is_lost(req, h, KEPT_BEGUN | KEPT_STARTED))
		return;
	if (h->discards) {
		fuse_reply_write(req, size);
		return;
	}
	if (!node_of(req, ino, &n))
		return;
	h->writer = h->kept->writer = fi->lock_owner;
	h->who.pid = who_of(req).pid;
	seen(fs, &n, h->who.pid);
	if (!h->edit.made)
		hidden_end(&fs->hidden, h->who.pid);
	if (h->nature == FILE_EVENTS) {
		settled(fs, &n, h->who.pid);
		end_forget(fs, ino, off);
	}
	ssize_t taken = judge_room(fs, h->who, 0, size, &err);
	if (taken)
		handle_spoil(h);
	else
		taken = handle_write(h, fs->tree, &n, data, size, (uint64_t)off, &answer, &err);
	count_handle(fs, h);
	if (!h->edit.pending && !h->scratch && tree_node(fs->tree, ino, &n) == 0)
		settled(fs, &n, h->who.pid);
	if (taken < 0) {
		file_note(fs, h);
		refuse_text(req, h, data, size, (int)taken, &err);
	} else {
		reply_done(req, h, &answer, (size_t)taken, false);
	}
}

static void flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node n;
	struct answer answer;
	struct err err = { 0 };
	struct handle *h;
	if (!handle_of(req, fi, &h) || is_lost(req, h, KEPT_BEGUN))
		return;
	if (!h || tree_node(fs_of(req)->tree, ino, &n)) {
		/* A directory, or a file whose hook is gone: nothing of it is left to do. */
		fuse_reply_err(req, 0);
		return;
	}
	struct fs *fs = fs_of(req);
	bool pending = h->edit.pending;
	int r = handle_flush(h, fs->tree, &n, &answer, &err);
	if (pending && tree_node(fs->tree, ino, &n) == 0)
		settled(fs, &n, who_of(req).pid);
	if (r) {
		file_note(fs, h);
		refuse_text(req, h, buf_str(&h->edit.text), h->edit.text.len, r, &err);
	} else {
		reply_done(req, h, &answer, 0, true);
	}
}

/* Every process that closes its copy of the file is heard here. What another has begun is not its to
 * end: a shell's child that ends must not tear its parent's line. */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct kept_file *f = kept_find(fs_of(req)->kept, fi->fh);
	if (f && f->writer == fi->lock_owner)
		flush(req, ino, fi);
	else
		fuse_reply_err(req, 0);
}

/* Every line that was taken is on disk; one that is begun is not finished by fsync. */
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct handle *h;
	(void)datasync;
	if (!handle_of(req, fi, &h))
		return;
	if (h && h->nature == FILE_EVENTS)
		fuse_reply_err(req, 0);
	else
		flush(req, ino, fi);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct kept_file *f = kept_find(fs->kept, fi->fh);
	struct handle *h = f ? fs->open[kept_slot(fs->kept, f)] : NULL;
	struct node n;
	struct answer answer;
	if (f && !h)
		h = file_released(req, f);
	/* The writer died without closing: nobody hears an error any more. */
	if (h && !h->tests && tree_node(fs->tree, ino, &n) == 0)
		(void)handle_flush(h, fs->tree, &n, &answer, NULL);
	if (f)
		file_end(fs, f);
	if (h)
		close_handle(fs, h);
	fuse_reply_err(req, 0);
}
