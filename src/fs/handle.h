#pragma once
/*
 * handle: one open file: the snapshot it reads, the text or the stream it writes.
 *
 * The snapshot is made at open, so that tools which read twice see the same twice. One that has been
 * polled is read by somebody who waits for news: from then on each read at offset 0 makes a new one.
 *
 * Knows the tree and its backend, not FUSE. A write may have to be answered later: struct answer
 * says when.
 */
#include "fs/edit.h"
#include "fs/kept.h"
#include "fs/tree.h"
#include "fs/watch.h"
#include "intake/framing.h"

#include <stdbool.h>
#include <stdint.h>

enum answer_when {
	ANSWER_NOW,
	ANSWER_COMMITTED, /* when the turn's commit has succeeded */
	ANSWER_TESTED,    /* when the test with this token has ended */
};

struct answer {
	enum answer_when when;
	uint64_t token;
};

struct handle {
	uint64_t ino;
	enum file_nature nature;
	bool tests;    /* writes start a test */
	bool config;   /* edit_config judges what is written */
	bool nonblock; /* which then is not waited for */
	bool append;
	uint64_t shown_at; /* where reads find it after it was replaced; 0: at 0 */
	bool discards;     /* a copy of a delivery: what is written is not looked at */
	struct who who;    /* who opened it, for what is written is theirs; pid: who wrote last */
	uint64_t writer;   /* the process that wrote last, by the kernel's lock owner; 0: none */
	struct scratch *scratch;    /* the file is one: none of the rest is used */
	struct handle *prev, *next; /* of the mount's open ones (utlist) */
	size_t counted;             /* what of its memory is in the mount's sum */
	struct buf shown;           /* what reads see: the file as it was at open */
	enum topic topic;           /* what it shows, if that changes by itself */
	int64_t topic_id;           /* whose; the log's generation */
	uint64_t edition;           /* of `shown` */
	bool polled, seen;          /* somebody waits for news; somebody has read */
	struct waiter waiter;
	int log_fd;
	uint64_t log_end;       /* where the last read of the log ended */
	struct kept_file *kept; /* what the next daemon is to know of it */
	uint64_t text;          /* the begun line, put down for the commit that answers it; */
	bool text_lost;         /* there was no room */
	unsigned lost;          /* with the daemon that had it open: KEPT_… */
	uint64_t lost_at;       /* where what that daemon showed ended */
	struct edit edit;
	struct framing framing;
};

/* `made`: by this very open. -EACCES for what the file's nature does not allow. */
int handle_open(const struct tree *t, const struct node *n, int flags, bool made, struct who who,
	struct err *err, struct handle **out);
/* Takes a begun last line whose writer never flushed; then frees. */
void handle_close(struct handle *h, const struct tree *t);
/* What would be lost with this daemon: KEPT_… */
unsigned handle_lost(const struct handle *h);
/* Bytes of memory that it takes. */
size_t handle_size(const struct handle *h);

/* What poll(2) is told. Snapshots: POLLIN | POLLPRI as long as something else would be shown than was
 * last read from the start; the log: POLLIN as long as there is more behind the last read, and
 * POLLHUP at the end of one that has been rotated away. What never changes by itself is always
 * ready; what is gone has POLLHUP. */
unsigned handle_poll(struct handle *h, const struct tree *t);
/* Bytes for `offset`; *data is valid until the next call. For the log, read into `scratch`. -EIO: the rest
 * of what another daemon began to show is not to be had. */
ssize_t handle_read(struct handle *h, const struct tree *t, size_t size, off_t offset,
	char *scratch, const char **data);
ssize_t handle_write(struct handle *h, const struct tree *t, const struct node *n, const char *data,
	size_t len, uint64_t offset, struct answer *answer, struct err *err);
/* A write was refused unseen: what it would have gone on with is nothing by itself. */
void handle_spoil(struct handle *h);
int handle_flush(struct handle *h, const struct tree *t, const struct node *n,
	struct answer *answer, struct err *err);
int handle_truncate(struct handle *h, const struct tree *t, uint64_t size, struct err *err);
