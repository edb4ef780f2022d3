#pragma once
/*
 * fuse_internal: what the fuse files share: the mount, its held writers, and how an op finds its node
 * and answers. Not for anybody else.
 *
 * fuse.c is the mount itself, fuse_files.c what is looked at, opened, read and written, fuse_list.c
 * listings, fuse_poll.c what is waited for, fuse_names.c what is made, removed and given other
 * attributes, fuse_rename.c what is renamed, fuse_cache.c what the kernel may keep of all that,
 * fuse_kept.c how another daemon goes on with it.
 */
#include "fs/fs.h"
#include "fs/handle.h"
#include "fs/hidden.h"
#include "fs/scratch.h"
#include "fs/tree.h"
#include "fs/watch.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <fuse_lowlevel.h>

/* A writer that waits for the commit or for its test. */
struct held {
	fuse_req_t req;
	uint64_t unique;
	size_t size;    /* bytes to acknowledge; 0 with `flush` */
	uint64_t token; /* of the test */
	bool flush;
	struct handle *handle;
	struct fs *fs;
	struct held *next;
};

struct fs {
	const struct tree *tree;
	struct fuse_session *session;
	struct fuse_buf request;
	uint64_t unique;      /* of the request, as it was first sent */
	bool resent;          /* the daemon before may have carried it out */
	uint64_t poll;        /* of a poll: how the kernel calls who waits */
	struct kept *kept;    /* the caller's */
	bool taken;           /* from the daemon before */
	bool keeping;         /* somebody has the descriptors */
	bool leaving;         /* and the next daemon takes over */
	struct handle **open; /* by slot; NULL: not used since the takeover */
	struct hidden hidden;
	struct held *for_commit;
	struct held *for_test;
	struct handle *handles; /* all open files; their number, and the bytes they take: */
	unsigned handle_count;
	size_t handle_bytes;
	struct watch watch; /* those that are polled */
	bool gone;          /* somebody else has unmounted it */
	bool keeps;         /* something for fs_expire */
	char *log_page;     /* log reads */
	size_t log_page_size;
};

struct fs *fs_of(fuse_req_t req);
struct who who_of(fuse_req_t req);
int64_t now_of(const struct fs *fs);

/* Tells `errors` what was refused (if err says it), and answers. `name` is an entry of `ino`, or NULL
 * for itself. By number, for what the refused op did may have put another hook in the node's place. */
void refuse(fuse_req_t req, fuse_ino_t ino, const char *name, int r, const struct err *err);
/* The same for what was written through an open file. */
void refuse_text(fuse_req_t req, const struct handle *h, const char *text, size_t len, int r,
	const struct err *err);
/* The same for what was to be put in the file's place. `text` is NULL where it must not be shown. */
void refuse_bytes(
	fuse_req_t req, fuse_ino_t ino, const char *text, size_t len, int r, const struct err *err);
/* These two find the node, or answer and return false. */
bool node_of(fuse_req_t req, fuse_ino_t ino, struct node *out);
bool entry_find(
	fuse_req_t req, fuse_ino_t parent, const char *name, struct node *dir, struct node *out);

/* For how many seconds the kernel may keep that a name means the node, and its attributes. */
struct cached {
	double entry, attr;
};
struct cached cache_of(const struct fs *fs, const struct node *n);
/* The attributes of what lies in the root are asked for anew. */
void root_forget(struct fs *fs);

struct fuse_entry_param entry_of(const struct fs *fs, const struct node *n);
void reply_entry(fuse_req_t req, const struct node *n);
void reply_attr(fuse_req_t req, fuse_ino_t ino);
/* `before`: what a file held that is made again; NULL for one that is only opened. `discards`: what is
 * written to it is not looked at. */
void reply_open(fuse_req_t req, const struct node *n, struct fuse_file_info *fi,
	struct before *before, bool discards);
/* -ENFILE, -ENOMEM: so many more open files of the mount, or bytes in them, are not allowed to `who`. */
int judge_room(
	const struct fs *fs, struct who who, unsigned handles, size_t bytes, struct err *err);
/* -ENOSPC: likewise of scratch files. */
int judge_scratch(const struct fs *fs, struct who who, struct err *err);

void tell_errors(const struct tree *t, fuse_ino_t ino, const char *name, struct who who,
	const char *text, size_t len, const struct err *err);
/* Counts it among the open ones; -ENFILE and the like: then it is closed. */
int keep_handle(struct fs *fs, struct handle *h, struct err *err);

/* ---- fuse_kept.c */

/* The first request of the connection: a new one's is taken and kept; another one's is carried out once more. */
int connection_begin(struct fs *fs);
/* Looks at the request in fs->request. True: the daemon before has carried it out, or nobody will, and it is
 * answered. */
bool request_is_done(struct fs *fs);
/* The result `r` is this error, and may come of the same request having been carried out before. */
bool was_done(const struct fs *fs, int r, int error);
/* The open file, NULL where there is none; or answers and returns false. */
bool handle_of(fuse_req_t req, const struct fuse_file_info *fi, struct handle **out);
int file_begin(struct fs *fs, struct handle *h, int flags); /* -ENFILE */
void file_note(struct fs *fs, struct handle *h);            /* before its user hears of a change */
void file_end(struct fs *fs, struct kept_file *f);
/* One of these has been lost with the daemon before: answers and returns true. */
bool is_lost(fuse_req_t req, const struct handle *h, unsigned what);
/* It is closed, and was not used since the takeover: once more, to end the line that was begun; or NULL. */
struct handle *file_released(fuse_req_t req, struct kept_file *f);

void hold(struct held **list, fuse_req_t req, struct handle *handle, size_t size, bool flush,
	uint64_t token);
void held_answer(struct held *h, int error);
/* This thread has written or made the node: others who were about to replace it are not. */
void seen(struct fs *fs, const struct node *n, int32_t pid);
/* It has put a value in place, or has tried: what it holds can go on, if it is not filling a new hook. */
void settled(struct fs *fs, const struct node *n, int32_t pid);
void close_handle(struct fs *fs, struct handle *h);
void poll_forget(struct fs *fs, struct handle *h);
/* A read may be what brings news: it has reached the end of a log that was rotated away. */
void poll_after_read(struct fs *fs, struct handle *h);

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
	struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct fuse_pollhandle *ph);

void op_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	const char *newname, unsigned flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
