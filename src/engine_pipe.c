/*
 * engine_pipe: the named pipes: events.fifo, that of the option fifo, and those that systemd hands over.
 *
 * A pipe cannot answer, so a refused line goes to `errors` and, whole, to rejected.jsonl. What is in
 * a pipe is looked at with tee(2), committed, and only then read away: it survives the daemon wherever
 * somebody else, like systemd, keeps the pipe open. Only a line that has begun and not ended leaves
 * the pipe before, or it would fill up with it.
 */
#include "engine_parts.h"

#include "model/event.h"
#include "store/journal.h"
#include "util/err.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PIPE_READ     (256 * 1024)
#define PIPE_BYTES    (EVENT_LINE_MAX + PIPE_READ)
#define PIPE_PAUSE_MS 1000
/* At the end a pipe is emptied; one that is filled as fast is left at some time. */
#define DRAIN_READS 64

static char chunk[PIPE_READ];

/* ---- watching */

static void on_pipe(void *ctx, uint32_t events);

static void pipe_watch(struct pipe_intake *p, bool on)
{
	if (p->fd < 0 || on == p->watched)
		return;
	if (!on)
		loop_remove(p->engine->loop, p->fd);
	else if (loop_add(p->engine->loop, p->fd, EPOLLIN, on_pipe, p))
		log_error("%s cannot be watched", p->name);
	p->watched = on;
}

/* Sets the pipe aside until later; its writers wait in the pipe meanwhile. */
static void pipe_pause(struct pipe_intake *p)
{
	pipe_watch(p, false);
	p->retry_due_ms = p->engine->now.due_ms + PIPE_PAUSE_MS;
}

int64_t pipes_wake(const struct engine *e)
{
	int64_t wake = -1;
	for (unsigned i = 0; i < e->pipe_count; i++) {
		int64_t due = e->pipes[i].retry_due_ms;
		if (due && (wake < 0 || due < wake))
			wake = due;
	}
	return wake;
}

void pipes_resume(struct engine *e)
{
	for (unsigned i = 0; i < e->pipe_count; i++) {
		struct pipe_intake *p = &e->pipes[i];
		if (!p->retry_due_ms || e->now.due_ms < p->retry_due_ms)
			continue;
		p->retry_due_ms = 0;
		pipe_watch(p, true);
	}
}

/* ---- bytes, as long as they are not committed */

/* Appends what is in the pipe, which stays there; false: it is empty, or has been looked at, or there
 * is no memory for it now. */
static bool pipe_peek(struct pipe_intake *p)
{
	const int *peek = p->engine->peek;
	size_t before = p->bytes.len;
	if (p->peeked)
		return false;
	ssize_t n = tee(p->fd, peek[1], PIPE_READ, SPLICE_F_NONBLOCK);
	for (ssize_t left = n; left > 0;) {
		ssize_t got = read(peek[0], chunk, (size_t)left);
		if (got <= 0)
			abort(); /* tee has just said that it is there */
		buf_add(&p->bytes, chunk, (size_t)got);
		left -= got;
	}
	if (buf_error(&p->bytes)) {
		buf_undo(&p->bytes, before);
		pipe_pause(p);
		return false;
	}
	p->peeked = n > 0 ? (size_t)n : 0;
	p->skipped = p->skipping;
	return p->peeked > 0;
}

/* Reads away what has been dealt with. It is there, and nobody else reads. */
static void pipe_consume(struct pipe_intake *p, size_t len)
{
	while (len) {
		ssize_t n = read(p->fd, chunk, len < sizeof(chunk) ? len : sizeof(chunk));
		if (n <= 0)
			return; /* another reader was quicker */
		len -= (size_t)n;
	}
}

static void pipe_committed(struct pipe_intake *p)
{
	if (!p->stopped) {
		pipe_consume(p, p->peeked);
		buf_consume(&p->bytes, p->taken);
		p->carried = p->bytes.len;
	} else if (p->taken) {
		pipe_consume(p, p->taken - p->carried);
		p->carried = 0;
		buf_reset(&p->bytes);
	} else {
		buf_cut(&p->bytes, p->carried);
	}
	if (!p->carried)
		buf_release(&p->bytes); /* an idle pipe holds no megabyte */
}

/* The pipe still has what was looked at. */
static void pipe_undone(struct pipe_intake *p)
{
	if (p->taken)
		pipe_pause(p);
	buf_cut(&p->bytes, p->carried);
	p->skipping = p->skipped;
}

void pipes_committed(struct engine *e, bool ok)
{
	for (unsigned i = 0; i < e->pipe_count; i++) {
		struct pipe_intake *p = &e->pipes[i];
		if (!p->peeked && !p->taken)
			continue;
		if (ok)
			pipe_committed(p);
		else
			pipe_undone(p);
		p->taken = p->peeked = 0;
		p->stopped = false;
	}
}

/* ---- lines */

/* Nobody hears an error from a pipe, so the line itself is kept; false: it cannot be now. */
static bool pipe_rejected(
	struct pipe_intake *p, const char *line, size_t len, const struct err *err)
{
	struct engine *e = p->engine;
	struct buf out = BUF(8 * (size_t)EVENT_LINE_MAX);
	buf_adds(&out, "{\"time\":\"");
	text_add_time(&out, e->now.real_ms);
	buf_adds(&out, "\",\"source\":");
	buf_add_json(&out, p->name, text_utf8_check(p->name, strlen(p->name)));
	buf_addf(&out, ",\"code\":\"%s\",\"error\":", err_name(err->code));
	buf_add_json(&out, err->sentence, strlen(err->sentence));
	if (text_utf8_check(line, len) == len) {
		buf_adds(&out, ",\"line\":");
		buf_add_json(&out, line, len);
	} else {
		buf_adds(&out, ",\"line_hex\":\"");
		for (size_t i = 0; i < len; i++)
			buf_addf(&out, "%02x", (unsigned char)line[i]);
		buf_addc(&out, '"');
	}
	buf_addc(&out, '}');
	bool kept = !buf_error(&out) && !journal_add(e->rejected, out.data, out.len);
	buf_release(&out);
	if (kept)
		engine_refused(e, p->name, WHO_UNKNOWN, line, len, err);
	return kept;
}

/* The line that begins there, of *len bytes without its newline; false: it has not ended yet. */
static bool pipe_next(const struct pipe_intake *p, bool all, size_t *len, bool *ended)
{
	const char *line = p->bytes.data + p->taken;
	size_t left = p->bytes.len - p->taken;
	const char *end = memchr(line, '\n', left);
	*ended = end != NULL;
	*len = end ? (size_t)(end - line) : left;
	return end || all || left > EVENT_LINE_MAX || p->skipping ||
		event_json_complete(line, left);
}

/* Takes the line that begins there. False: the store, the backlog or memory does not allow it now. */
static bool pipe_line(struct pipe_intake *p, size_t len, bool ended)
{
	struct engine *e = p->engine;
	const char *line = p->bytes.data + p->taken;
	struct err err = { 0 };
	bool bad;
	/* A line beyond the limit is kept piece by piece, and no piece of it is taken. */
	if (p->skipping || len > EVENT_LINE_MAX) {
		(void)line_too_long(&err);
		p->stopped = !pipe_rejected(p, line, len, &err);
		if (!p->stopped)
			p->skipping = !ended;
		return !p->stopped;
	}
	if (backlog_full(e, len, UID_UNKNOWN, &err)) {
		p->stopped = true;
		return false;
	}
	int r = line_take(e, line, len, UID_UNKNOWN, &bad, &err);
	if (r && !bad)
		return false; /* all is undone, p->bytes cut */
	p->stopped = r && !pipe_rejected(p, line, len, &err);
	return !p->stopped;
}

/* Takes the lines of p->bytes; `all`: the last one needs no newline. False: no more now. */
static bool pipe_lines(struct pipe_intake *p, bool all)
{
	size_t len;
	bool ended;
	while (p->taken < p->bytes.len && pipe_next(p, all, &len, &ended)) {
		if (!pipe_line(p, len, ended))
			return false;
		p->taken += len + (ended ? 1 : 0);
	}
	return true;
}

static void on_pipe(void *ctx, uint32_t events)
{
	struct pipe_intake *p = ctx;
	(void)events;
	clock_take(p->engine);
	if (pipe_peek(p) && !pipe_lines(p, false))
		pipe_pause(p);
}

/* ---- opening */

static struct pipe_intake *pipe_add(struct engine *e, const char *name)
{
	if (e->pipe_count == PIPES_MAX)
		return NULL;
	struct pipe_intake *p = &e->pipes[e->pipe_count++];
	*p = (struct pipe_intake){ .engine = e, .fd = -1, .name = strdup(name) };
	if (!p->name)
		abort();
	buf_init(&p->bytes, PIPE_BYTES);
	return p;
}

static void pipe_beside(struct pipe_intake *p)
{
	struct engine *e = p->engine;
	char *path;
	bool made;
	if (asprintf(&path, "%s/events.fifo", e->options->state_dir) < 0)
		abort();
	int r = fifo_open_beside(path, &p->fd, &made);
	if (r)
		log_error("%s: %s; events.fifo takes nothing", path, strerror(-r));
	free((char *)e->tree.pipe_path);
	e->tree.pipe_path = path;
	pipe_watch(p, true);
}

static void on_pipe_child(void *ctx, uint32_t events)
{
	struct pipe_intake *p = ctx;
	struct engine *e = p->engine;
	(void)events;
	int socket = p->child.socket;
	loop_remove(e->loop, socket);
	int r = fifo_receive(&p->child, &p->fd);
	if (r == -EAGAIN && !loop_add(e->loop, socket, EPOLLIN, on_pipe_child, p))
		return;
	if (r == -EAGAIN)
		fifo_cancel(&p->child);
	p->opening = false;
	if (r)
		pipe_beside(p);
	else
		pipe_watch(p, true);
}

void pipes_open_inside(struct engine *e)
{
	struct pipe_intake *p = &e->pipes[0];
	int r = geteuid() ? -EPERM
			  : fifo_open_inside(e->options->mountpoint, "events.fifo", &p->child);
	if (!r)
		r = loop_add(e->loop, p->child.socket, EPOLLIN, on_pipe_child, p);
	p->opening = !r;
	if (r)
		pipe_beside(p);
}

static int open_option(struct engine *e, struct err *err)
{
	const char *path = e->options->fifo;
	bool made;
	if (!path)
		return 0;
	struct pipe_intake *p = pipe_add(e, path);
	int r = fifo_open_beside(path, &p->fd, &made);
	if (r == -EEXIST || r == -ELOOP)
		return err_set(err, EEXIST, ERR_NO_COLUMN,
			"fifo=%s is there and is no named pipe: move it away, or take another path",
			path);
	if (r == -EPERM)
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"fifo=%s is somebody else's, in a directory where all may make files, and he "
			"could read what is written to it: remove it, or take another path",
			path);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "fifo=%s: %s", path, strerror(-r));
	p->path = made ? strdup(path) : NULL;
	pipe_watch(p, true);
	return 0;
}

int engine_take_pipe(struct engine *e, int fd, struct err *err)
{
	char *name;
	int own, r = fifo_open_handed(fd, &own, &name);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN,
			"descriptor %d, which was handed over (LISTEN_FDS), is no named pipe: "
			"ListenFIFO= is what makes one",
			fd);
	struct pipe_intake *p = pipe_add(e, name);
	free(name);
	if (!p) {
		close(own);
		return err_set(err, EMFILE, ERR_NO_COLUMN,
			"no more than %d named pipes can be handed over", PIPES_MAX - 2);
	}
	p->fd = own;
	p->handed = true;
	pipe_watch(p, true);
	return 0;
}

int pipes_open(struct engine *e, struct err *err)
{
	(void)pipe_add(e, "events.fifo");
	if (pipe2(e->peek, O_CLOEXEC | O_NONBLOCK))
		return err_set(err, errno, ERR_NO_COLUMN, "no pipe: %s", strerror(errno));
	fifo_enlarge(e->peek[0]);
	return open_option(e, err);
}

/* ---- the end */

/* What cannot be taken any more goes to rejected.jsonl, the rest of the pipe with it. */
static void pipe_reject_rest(struct pipe_intake *p)
{
	struct err err = { 0 };
	(void)err_set(&err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs stopped before it could be saved");
	do {
		while (p->bytes.len) {
			const char *end = memchr(p->bytes.data, '\n', p->bytes.len);
			size_t len = end ? (size_t)(end - p->bytes.data) : p->bytes.len;
			if (!pipe_rejected(p, p->bytes.data, len, &err))
				log_error("%s: a line is lost: no memory to keep it", p->name);
			buf_consume(&p->bytes, end ? len + 1 : len);
		}
		pipe_consume(p, p->peeked);
		p->peeked = 0;
	} while (pipe_peek(p));
	p->carried = 0;
}

/* What was in the pipe when we were told to stop was written before: it is taken, if it can be. */
static void pipe_drain(struct pipe_intake *p)
{
	struct engine *e = p->engine;
	bool good = true;
	for (unsigned i = 0; good && i < DRAIN_READS && pipe_peek(p); i++)
		good = pipe_lines(p, false) && !engine_commit(e);
	if (good)
		good = pipe_lines(p, true);
	/* What is committed now is not rejected as well. */
	(void)engine_commit(e);
	if (p->bytes.len || !good)
		pipe_reject_rest(p);
}

/* The rest is the next daemon's, but for a line whose beginning is gone from the pipe. */
static void pipe_hand_back(struct pipe_intake *p)
{
	(void)engine_commit(p->engine);
	buf_cut(&p->bytes, p->carried);
	p->peeked = 0;
	if (!p->bytes.len)
		return;
	struct err err = { 0 };
	(void)err_set(&err, ESHUTDOWN, ERR_NO_COLUMN,
		"webhookfs stopped before the line ended; its end is still in the pipe");
	if (!pipe_rejected(p, p->bytes.data, p->bytes.len, &err))
		log_error("%s: the beginning of a line is lost: no memory to keep it", p->name);
}

static void pipe_close(struct pipe_intake *p)
{
	if (p->opening) {
		loop_remove(p->engine->loop, p->child.socket);
		fifo_cancel(&p->child);
		p->opening = false;
	}
	if (p->fd < 0)
		return;
	if (p->handed)
		pipe_hand_back(p);
	else
		pipe_drain(p);
	pipe_watch(p, false);
	if (p->path)
		fifo_remove(p->path, p->fd);
	close(p->fd);
	p->fd = -1;
	p->retry_due_ms = 0;
}

void pipes_close(struct engine *e)
{
	for (unsigned i = 0; i < e->pipe_count; i++)
		pipe_close(&e->pipes[i]);
}

void pipes_free(struct engine *e)
{
	for (unsigned i = 0; i < e->pipe_count; i++) {
		struct pipe_intake *p = &e->pipes[i];
		if (p->fd >= 0) { /* the daemon did not come to run */
			if (p->path)
				fifo_remove(p->path, p->fd);
			close(p->fd);
		}
		buf_release(&p->bytes);
		free(p->name);
		free(p->path);
	}
	for (int i = 0; i < 2; i++)
		if (e->peek[i] >= 0)
			close(e->peek[i]);
}
