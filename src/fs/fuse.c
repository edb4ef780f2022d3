/*
 * fuse: FUSE requests → tree, handle and edit; and the replies.
 *
 * Every op looks its inode up anew (nodes are never kept), so what a request finds is what is there now.
 * An op that refuses something tells `errors` through refuse(). Files are direct_io and of them the
 * kernel keeps nothing, of directories what fuse_cache.c says: nothing is stale, sizes are exact, and
 * a write's error is the writer's.
 */
#include "fs/fuse_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFUSED_TEXT_MAX 4096 /* bytes of a refused text that `errors` is given */
#define REFUSED_PATH_MAX 1024 /* of its file: two directories of ours and a name of NAME_MAX */

/* ---- helpers */

struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct who who_of(fuse_req_t req)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);
	return (struct who){ c->uid, c->gid, c->pid };
}

int64_t now_of(const struct fs *fs)
{
	return fs->tree->backend.now_ms(fs->tree->backend.ctx);
}

void tell_errors(const struct tree *t, fuse_ino_t ino, const char *name, struct who who,
	const char *text, size_t len, const struct err *err)
{
	struct node n;
	struct err told = *err;
	if (!err->code || tree_node(t, ino, &n))
		return;
	struct buf path = BUF(REFUSED_PATH_MAX);
	tree_path(&n, &path);
	if (name)
		buf_addf(&path, "%s%.*s", path.len ? "/" : "", NAME_MAX, name);
	bool shown = text && tree_is_quotable(&n, text, len);
	if (text && !shown)
		err_unquote(&told);
	t->backend.refused(t->backend.ctx, *buf_str(&path) ? buf_str(&path) : ".", who,
		shown ? text : NULL, len < REFUSED_TEXT_MAX ? len : REFUSED_TEXT_MAX, &told);
	buf_release(&path);
}

void refuse(fuse_req_t req, fuse_ino_t ino, const char *name, int r, const struct err *err)
{
	tell_errors(fs_of(req)->tree, ino, name, who_of(req), NULL, 0, err);
	fuse_reply_err(req, -r);
}

void refuse_bytes(
	fuse_req_t req, fuse_ino_t ino, const char *text, size_t len, int r, const struct err *err)
{
	struct err told = *err;
	if (!text)
		err_unquote(&told);
	tell_errors(fs_of(req)->tree, ino, NULL, who_of(req), text, len, &told);
	fuse_reply_err(req, -r);
}

void refuse_text(fuse_req_t req, const struct handle *h, const char *text, size_t len, int r,
	const struct err *err)
{
	tell_errors(fs_of(req)->tree, h->ino, NULL, h->who, text, len, err);
	fuse_reply_err(req, -r);
}

bool node_of(fuse_req_t req, fuse_ino_t ino, struct node *out)
{
	int r = tree_node(fs_of(req)->tree, ino, out);
	if (r)
		fuse_reply_err(req, -r);
	return !r;
}

bool entry_find(
	fuse_req_t req, fuse_ino_t parent, const char *name, struct node *dir, struct node *out)
{
	if (!node_of(req, parent, dir))
		return false;
	int r = tree_lookup(fs_of(req)->tree, dir, name, out);
	if (r)
		fuse_reply_err(req, -r);
	return !r;
}

struct fuse_entry_param entry_of(const struct fs *fs, const struct node *n)
{
	struct cached cached = cache_of(fs, n);
	struct fuse_entry_param e = {
		.ino = n->ino, .entry_timeout = cached.entry, .attr_timeout = cached.attr
	};
	tree_stat(fs->tree, n, &e.attr);
	return e;
}

void reply_entry(fuse_req_t req, const struct node *n)
{
	struct fuse_entry_param e = entry_of(fs_of(req), n);
	fuse_reply_entry(req, &e);
}

void hold(struct held **list, fuse_req_t req, struct handle *handle, size_t size, bool flush,
	uint64_t token)
{
	struct held *h = malloc(sizeof(*h));
	if (!h) {
		/* The line is taken and will be kept; its writer only hears less than the truth. */
		fuse_reply_err(req, ENOMEM);
		return;
	}
	*h = (struct held){ .req = req,
		.unique = fs_of(req)->unique,
		.handle = handle,
		.size = size,
		.flush = flush,
		.token = token,
		.fs = fs_of(req),
		.next = *list };
	*list = h;
}

void held_answer(struct held *h, int error)
{
	file_note(h->fs, h->handle);
	if (error)
		fuse_reply_err(h->req, -error);
	else if (h->flush)
		fuse_reply_err(h->req, 0);
	else
		fuse_reply_write(h->req, h->size);
	free(h);
}

/* ---- the mount */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* Requests are small: splicing them costs more than copying. */
	conn->want &=
		~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

/* xattr, lock, copy_file_range and lseek stay NULL: the kernel then does without and asks no more. */
static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.poll = op_poll,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.create = op_create,
};

/* libfuse explains failures on stderr, in pieces; together they become the sentence of the error. */
static char last_message[300];

__attribute__((format(printf, 2, 0))) static void keep_message(
	enum fuse_log_level level, const char *fmt, va_list args)
{
	size_t len = strlen(last_message);
	if (level >= FUSE_LOG_DEBUG)
		vfprintf(stderr, fmt, args);
	else
		vsnprintf(last_message + len, sizeof(last_message) - len, fmt, args);
	for (char *p = last_message + len; (p = strchr(p, '\n'));)
		*p = ' ';
}

static int session_make(const char *source, const char *options, bool debug, struct fs *fs,
	struct fuse_session **out)
{
	struct buf all = BUF(8192);
	buf_adds(&all, "default_permissions,subtype=webhookfs,fsname=");
	for (; *source; source++)
		buf_addf(&all, "%s%c", *source == ',' || *source == '\\' ? "\\" : "", *source);
	buf_addf(&all, "%s%s", *options ? "," : "", options);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = buf_error(&all);
	if (!r &&
		(fuse_opt_add_arg(&args, "webhookfs") || fuse_opt_add_arg(&args, "-o") ||
			fuse_opt_add_arg(&args, buf_str(&all)) ||
			(debug && fuse_opt_add_arg(&args, "-d"))))
		r = -ENOMEM;
	if (!r) {
		*out = fuse_session_new(&args, &ops, sizeof(ops), fs);
		r = *out ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	buf_release(&all);
	return r;
}

static int cannot_mount(const char *mountpoint, int error, struct err *err)
{
	return err_set(err, -error, ERR_NO_COLUMN, "cannot mount on %s: %s", mountpoint,
		*last_message ? last_message : strerror(-error));
}

/* Ends the session's part in the connection, as closing the device would, but leaves a descriptor there which tells
 * libfuse that it has been unmounted: it then only frees. */
static bool sever(struct fuse_session *session)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		return false;
	close(ends[0]);
	bool done = dup3(ends[1], fuse_session_fd(session), O_CLOEXEC) >= 0;
	close(ends[1]);
	return done;
}

int fs_mount_device(const char *source, const char *mountpoint, const char *options,
	struct err *err, int *out_device)
{
	struct fuse_session *session = NULL;
	*last_message = '\0';
	fuse_set_log_func(keep_message);
	int fd = -1, r = session_make(source, options, false, NULL, &session);
	if (!r && fuse_session_mount(session, mountpoint))
		r = -EIO;
	if (!r && (fd = fcntl(fuse_session_fd(session), F_DUPFD_CLOEXEC, 0)) < 0)
		r = -errno;
	if (!r && sever(session)) /* which leaves the mount */
		fuse_session_unmount(session);
	if (session)
		fuse_session_destroy(session);
	if (r)
		return cannot_mount(mountpoint, r, err);
	*out_device = fd;
	return 0;
}

static struct fs *fs_new(const struct tree *tree, struct kept *kept)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	if (!fs)
		return NULL;
	fs->tree = tree;
	fs->kept = kept;
	fs->log_page_size = KEPT_TEXT_MAX; /* what was begun is read there too */
	fs->log_page = malloc(fs->log_page_size);
	fs->open = calloc(KEPT_FILES_MAX, sizeof(struct handle *));
	*last_message = '\0';
	fuse_set_log_func(keep_message);
	if (fs->log_page && fs->open)
		return fs;
	fs_unmount(fs);
	return NULL;
}

int fs_mount(const struct tree *tree, struct kept *kept, const char *source, const char *mountpoint,
	int device, const char *options, bool debug, struct err *err, struct fs **out)
{
	char given[32]; /* this is how libfuse is told of a device, and then it unmounts nothing */
	snprintf(given, sizeof(given), "/dev/fd/%d", device);
	struct fs *fs = fs_new(tree, kept);
	if (!fs)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int r = session_make(source, options, debug, fs, &fs->session);
	if (!r && fuse_session_mount(fs->session, device < 0 ? mountpoint : given))
		r = -EIO;
	if (!r && fcntl(fuse_session_fd(fs->session), F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (!r)
		r = connection_begin(fs);
	if (r) {
		(void)cannot_mount(mountpoint, r, err);
		fs_unmount(fs);
		return r;
	}
	*out = fs;
	return 0;
}

void fs_keep(struct fs *fs)
{
	fs->keeping = true;
}

bool fs_is_kept(const struct fs *fs)
{
	return fs->keeping;
}

void fs_leave(struct fs *fs)
{
	fs->leaving = true;
}

void fs_gone(struct fs *fs)
{
	fs->gone = true;
}

int fs_fd(const struct fs *fs)
{
	return fuse_session_fd(fs->session);
}

int fs_receive(struct fs *fs, unsigned limit)
{
	while (limit-- > 0) {
		int r = fuse_session_receive_buf(fs->session, &fs->request);
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN)
			return 0;
		if (r <= 0)
			return -ENODEV;
		if (!request_is_done(fs)) {
			fs->tree->backend.catch_up(fs->tree->backend.ctx);
			kept_handles(fs->kept, fs->unique);
			fuse_session_process_buf(fs->session, &fs->request);
			kept_handled(fs->kept);
			*kept_scratch_id(fs->kept) = scratches_last_id(fs->tree->scratches);
		}
		/* It may have been a secret, and the next request may be shorter. */
		explicit_bzero(fs->request.mem, (size_t)r);
	}
	return 0;
}

/* A name that no tool gives to a file of its own was meant to be another. */
static void scratch_expired(void *ctx, const struct scratch *f)
{
	const struct fs *fs = ctx;
	const struct backend *b = &fs->tree->backend;
	struct err err = { 0 };
	struct node n;
	if (f->temporary || !f->bytes.len ||
		tree_node(fs->tree, tree_scratch(NULL, (struct scratch *)f).ino, &n))
		return;
	struct buf path = BUF(1024);
	tree_path(&n, &path);
	(void)err_set(&err, ENOENT, ERR_NO_COLUMN,
		"a hook has no file of this name: it was a scratch file, and went unused");
	b->refused(b->ctx, buf_str(&path), (struct who){ .uid = f->uid, .gid = f->gid }, NULL, 0,
		&err);
	buf_release(&path);
}

void fs_expire(struct fs *fs)
{
	fs->keeps = hidden_expire(&fs->hidden, now_of(fs));
	scratch_expire(fs->tree->scratches, now_of(fs), scratch_expired, fs);
	fs->keeps |= scratches_count(fs->tree->scratches) > 0;
}

bool fs_keeps(const struct fs *fs)
{
	return fs->keeps;
}

void fs_answer(struct fs *fs, const struct err *failed)
{
	/* The list is newest first; writers are answered in the order they came. */
	struct held *order = NULL;
	while (fs->for_commit) {
		struct held *h = fs->for_commit;
		fs->for_commit = h->next;
		h->next = order;
		order = h;
	}
	while (order) {
		struct held *h = order;
		order = h->next;
		/* What was begun behind the lines that are undone is no line of its own. */
		if (failed) {
			framing_drop(&h->handle->framing);
			tell_errors(
				fs->tree, h->handle->ino, NULL, h->handle->who, NULL, 0, failed);
		}
		held_answer(h, failed ? -failed->code : 0);
	}
	if (fs->keeping)
		kept_answers_begin(fs->kept);
}

void fs_test_done(struct fs *fs, uint64_t token, int error)
{
	for (struct held **p = &fs->for_test; *p; p = &(*p)->next) {
		if ((*p)->token != token)
			continue;
		struct held *h = *p;
		*p = h->next;
		fuse_req_interrupt_func(h->req, NULL, NULL);
		held_answer(h, error);
		return;
	}
}

/* Then libfuse unmounts nothing, and only frees. */
static bool is_severed(const struct fs *fs)
{
	struct pollfd p = { .fd = fuse_session_fd(fs->session) };
	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* The next daemon is asked again what is held. libfuse forgets a request only by an answer; it goes
 * where nobody listens. */
static void answer_held(struct fs *fs)
{
	if (fs->leaving && (fs->for_commit || fs->for_test) && !sever(fs->session))
		return;
	fs_answer(fs,
		&(const struct err){ .code = ESHUTDOWN,
			.sentence = "webhookfs has ended before it could be saved" });
	while (fs->for_test)
		fs_test_done(fs, fs->for_test->token, -ESHUTDOWN);
}

void fs_unmount(struct fs *fs)
{
	if (!fs)
		return;
	answer_held(fs);
	while (fs->handles) {
		if (fs->leaving) /* a line that was begun does not end here */
			framing_drop(&fs->handles->framing);
		close_handle(fs, fs->handles);
	}
	if (fs->session) {
		/* What somebody else unmounts, or has unmounted, may still be in use, by an open file perhaps. */
		bool ours = !fs->leaving && !fs->gone;
		if (ours || is_severed(fs) || sever(fs->session))
			fuse_session_unmount(fs->session);
		fuse_session_destroy(fs->session);
	}
	hidden_release(&fs->hidden);
	free(fs->open);
	free(fs->request.mem);
	free(fs->log_page);
	free(fs);
}
