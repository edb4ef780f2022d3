#include "fs/handle.h"

#include "fs/scratch.h"
#include "model/event.h"
#include "util/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A snapshot beyond this is not compared with the next: that it may differ is enough. */
#define COMPARED_MAX 65536

static bool reads(int flags)
{
	return (flags & O_ACCMODE) != O_WRONLY;
}

/* What is shown, and which edition of it that is. False: what it is of has gone, the old stays. */
static bool show(struct handle *h, const struct tree *t, struct buf *out, uint64_t *edition)
{
	struct node n;
	struct edition ed;
	if (tree_node(t, h->ino, &n) ||
		t->backend.edition(t->backend.ctx, h->topic, h->topic_id, &ed))
		return false;
	buf_reset(out);
	tree_show(t, &n, out);
	*edition = ed.number;
	return true;
}

static void handle_free(struct handle *h)
{
	framing_release(&h->framing);
	edit_release(&h->edit);
	buf_release(&h->shown);
	free(h);
}

static int open_shown(struct handle *h, const struct tree *t, const struct node *n)
{
	if (n->row)
		h->topic = n->row->topic;
	if (h->nature == FILE_LOG) {
		h->topic_id = n->generation;
		h->log_fd = t->backend.log_hold(t->backend.ctx, n->generation);
		return h->log_fd < 0 ? h->log_fd : 0;
	}
	h->topic_id = n->hook ? n->hook->id : 0;
	if (h->topic)
		(void)show(h, t, &h->shown, &h->edition); /* the node is there */
	else if (h->nature == FILE_PLAIN)
		tree_show(t, n, &h->shown);
	return 0;
}

static void open_scratch(struct handle *h, const struct tree *t, int flags)
{
	scratch_open(h->scratch, t->backend.now_ms(t->backend.ctx));
	if (flags & O_TRUNC)
		(void)handle_truncate(h, t, 0, NULL); /* cannot fail */
}

int handle_open(const struct tree *t, const struct node *n, int flags, bool made, struct who who,
	struct err *err, struct handle **out)
{
	enum file_nature nature = n->row ? n->row->nature : FILE_PLAIN;
	/* The mode bits do not stop root. */
	bool writable = n->kind == NODE_SETTING || n->kind == NODE_HEADER || n->scratch || made ||
		nature == FILE_EVENTS || (n->row && (n->row->tests || n->row->config));
	if ((flags & O_ACCMODE) != O_RDONLY && !writable)
		return err_set(err, EACCES, ERR_NO_COLUMN,
			"%s is only read: what it shows is not set by writing", tree_name(n));
	if (reads(flags) && nature == FILE_EVENTS)
		return err_set(err, EACCES, ERR_NO_COLUMN,
			"%s is only written; what came of the events is in log", tree_name(n));
	struct handle *h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	h->ino = n->ino;
	h->who = who;
	h->nature = nature;
	h->tests = n->row && n->row->tests;
	h->config = n->row && n->row->config;
	h->nonblock = flags & O_NONBLOCK;
	h->append = flags & O_APPEND;
	h->discards = n->kind == NODE_DELIVERY;
	h->shown = (struct buf)BUF_SECRET(SHOWN_MAX);
	edit_init(&h->edit, n,
		h->config          ? HOOK_JSON_MAX
			: h->tests ? EVENT_LINE_MAX
				   : EDIT_TEXT_MAX,
		made);
	if (n->setting && (flags & O_ACCMODE) == O_RDWR)
		h->edit.generated = &h->shown;
	framing_init(&h->framing, EVENT_LINE_MAX);
	int r = 0;
	h->scratch = n->scratch;
	if (h->scratch)
		open_scratch(h, t, flags);
	else if (reads(flags))
		r = open_shown(h, t, n);
	if (r)
		handle_free(h);
	else
		*out = h;
	return r;
}

void handle_close(struct handle *h, const struct tree *t)
{
	/* Nobody hears of an error here; the backend has put it into `errors`. */
	if (h->nature == FILE_EVENTS)
		(void)t->backend.events_end(t->backend.ctx, &h->framing, h->who);
	if (h->scratch)
		scratch_close(t->scratches, h->scratch, t->backend.now_ms(t->backend.ctx));
	if (h->nature == FILE_LOG)
		t->backend.log_release(t->backend.ctx, h->topic_id);
	handle_free(h);
}

/* ---- watching */

static unsigned poll_log(const struct handle *h, const struct tree *t)
{
	struct stat st;
	if (!fstat(h->log_fd, &st) && (uint64_t)st.st_size > h->log_end)
		return POLLIN | POLLRDNORM;
	return t->backend.log_generation(t->backend.ctx) == h->topic_id ? 0 : POLLHUP;
}

/* Topics change more often than what one file shows of them: who waits is told of the file. */
static unsigned poll_shown(struct handle *h, const struct tree *t)
{
	const unsigned ready = POLLIN | POLLRDNORM | POLLPRI;
	struct edition ed;
	struct buf now = BUF_SECRET(SHOWN_MAX);
	if (t->backend.edition(t->backend.ctx, h->topic, h->topic_id, &ed))
		return ready | POLLHUP;
	if (!h->seen)
		return ready;
	if (ed.number == h->edition)
		return 0;
	if (h->shown.len > COMPARED_MAX || !show(h, t, &now, &ed.number))
		return ready;
	bool same = now.len == h->shown.len && !memcmp(buf_str(&now), buf_str(&h->shown), now.len);
	buf_release(&now);
	if (!same)
		return ready;
	h->edition = ed.number;
	return 0;
}

unsigned handle_poll(struct handle *h, const struct tree *t)
{
	const unsigned writable = POLLOUT | POLLWRNORM;
	h->polled = true;
	if (!h->topic)
		return POLLIN | POLLRDNORM | writable;
	if (h->nature == FILE_LOG)
		return poll_log(h, t);
	return poll_shown(h, t) | (h->tests ? writable : 0);
}

/* ---- reading and writing */

static ssize_t read_log(struct handle *h, size_t size, off_t offset, char *scratch)
{
	ssize_t n = pread(h->log_fd, scratch, size, offset);
	if (n < 0)
		return -errno;
	h->log_end = (uint64_t)offset + (uint64_t)n;
	return n;
}

static void read_from_start(struct handle *h, const struct tree *t)
{
	if (h->polled)
		(void)show(h, t, &h->shown, &h->edition);
	h->lost_at = 0;
	h->seen = true;
}

unsigned handle_lost(const struct handle *h)
{
	bool pending = h->edit.pending || h->text_lost || (h->scratch && h->writer);
	bool started = h->edit.started || framing_skipping(&h->framing);
	return h->lost | (pending ? KEPT_BEGUN : 0) | (started ? KEPT_STARTED : 0) |
		(h->edit.has_generated ? KEPT_SHOWN : 0) | (h->discards ? KEPT_DISCARDS : 0);
}

/* A snapshot of another daemon's is gone. What follows its end is the end; its rest may be read only of what
 * does not change by itself, or two states would be mixed. */
static bool is_cut(const struct handle *h, uint64_t offset)
{
	return h->lost_at && offset && offset < h->lost_at && h->topic;
}

size_t handle_size(const struct handle *h)
{
	return sizeof(*h) + h->shown.cap + h->edit.text.cap + h->edit.before.text.cap +
		h->framing.partial.cap;
}

ssize_t handle_read(struct handle *h, const struct tree *t, size_t size, off_t offset,
	char *scratch, const char **data)
{
	if (h->nature == FILE_LOG) {
		*data = scratch;
		return read_log(h, size, offset, scratch);
	}
	if (h->scratch)
		return (ssize_t)scratch_read(h->scratch, size, (uint64_t)offset, data);
	if (h->lost & KEPT_SHOWN || is_cut(h, (uint64_t)offset))
		return -EIO;
	if (h->lost_at && (uint64_t)offset >= h->lost_at)
		return 0;
	if (h->topic && offset == 0)
		read_from_start(h, t);
	/* A secret that was generated stands behind what was written for it, or at the start. */
	if (h->shown_at && (uint64_t)offset >= h->shown_at)
		offset -= (off_t)h->shown_at;
	if (offset < 0 || (size_t)offset >= h->shown.len)
		return 0;
	size_t left = h->shown.len - (size_t)offset;
	*data = h->shown.data + offset;
	return (ssize_t)(left < size ? left : size);
}

static int start_test(struct handle *h, const struct tree *t, const struct node *n,
	struct answer *answer, struct err *err)
{
	int r = t->backend.test_start(t->backend.ctx, n->hook->id, buf_str(&h->edit.text),
		edit_text_len(&h->edit), &answer->token, err);
	if (!r && !h->nonblock)
		answer->when = ANSWER_TESTED;
	h->edit.committed_len = h->edit.text.len;
	h->edit.pending = false;
	/* The next write starts the next test. */
	buf_reset(&h->edit.text);
	h->edit.started = false;
	return r;
}

/* The kernel's own idea of where the end is may be an old one. */
static int write_scratch(struct handle *h, const struct tree *t, const char *data, size_t len,
	uint64_t offset, struct err *err)
{
	return scratch_write(t->scratches, h->scratch, data, len,
		h->append ? h->scratch->bytes.len : offset, t->backend.now_ms(t->backend.ctx), err);
}

static int write_value(struct handle *h, const struct tree *t, const struct node *n,
	const char *data, size_t len, uint64_t offset, struct answer *answer, struct err *err)
{
	/* Each test is a text of its own, wherever the writer's offset stands. */
	int r = edit_stage(&h->edit, data, len, offset, h->append || h->tests, err);
	if (r)
		return r;
	if (h->config)
		return edit_config(&h->edit, t, n, false, err);
	if (!h->tests)
		r = edit_judge(&h->edit, t, n, false, err);
	if (!r && h->edit.has_generated)
		h->shown_at = offset + len;
	if (!h->tests)
		return r;
	if (edit_ended(&h->edit))
		return start_test(h, t, n, answer, err);
	h->edit.pending = true;
	return 0;
}

ssize_t handle_write(struct handle *h, const struct tree *t, const struct node *n, const char *data,
	size_t len, uint64_t offset, struct answer *answer, struct err *err)
{
	*answer = (struct answer){ .when = ANSWER_NOW };
	if (h->nature == FILE_EVENTS) {
		ssize_t taken =
			t->backend.events_take(t->backend.ctx, &h->framing, data, len, h->who);
		if (taken >= 0)
			answer->when = ANSWER_COMMITTED;
		return taken;
	}
	int r = h->scratch ? write_scratch(h, t, data, len, offset, err)
			   : write_value(h, t, n, data, len, offset, answer, err);
	return r ? r : (ssize_t)len;
}

void handle_spoil(struct handle *h)
{
	framing_drop(&h->framing);
	h->edit.poisoned = true;
	h->edit.pending = false;
}

int handle_flush(struct handle *h, const struct tree *t, const struct node *n,
	struct answer *answer, struct err *err)
{
	*answer = (struct answer){ .when = ANSWER_NOW };
	if (h->nature == FILE_EVENTS) {
		size_t begun;
		(void)framing_rest(&h->framing, &begun);
		if (!begun)
			return 0;
		answer->when = ANSWER_COMMITTED;
		return t->backend.events_end(t->backend.ctx, &h->framing, h->who);
	}
	if (!h->edit.pending)
		return 0;
	if (h->tests)
		return start_test(h, t, n, answer, err);
	return h->config ? edit_config(&h->edit, t, n, true, err)
			 : edit_judge(&h->edit, t, n, true, err);
}

int handle_truncate(struct handle *h, const struct tree *t, uint64_t size, struct err *err)
{
	if (h->scratch)
		return scratch_truncate(
			t->scratches, h->scratch, size, t->backend.now_ms(t->backend.ctx), err);
	/* `> events` and `> test`: nothing to cut. */
	if (h->nature == FILE_EVENTS || h->discards)
		return 0;
	return edit_truncate(&h->edit, size, err);
}
