/*
 * engine_spool: files dropped into the directory of the option spool.
 *
 * A file is taken whole or rejected whole, so it is read twice: all its lines are checked, then they
 * are taken. A long one is done in pieces over several turns. How far taking has come, the file's
 * serial and the bytes taken, is saved in the commit of the lines themselves, and the file goes
 * behind it: after a crash at any moment the next start goes on from there.
 */
#include "engine_parts.h"

#include "intake/spool.h"
#include "model/event.h"
#include "util/err.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define FILES_A_TURN   64
#define BYTES_A_TURN   ((size_t)256 * 1024)
#define PIECE_SIZE     ((size_t)EVENT_LINE_MAX + 2) /* a line of the longest length, and "\r\n" */
#define SPOOL_PAUSE_MS 1000
#define REASONS_MAX    20 /* lines named in a reason */

/* What is known of the file that is being checked. */
struct checking {
	int64_t serial; /* of the file; 0: none */
	int64_t offset; /* checked so far */
	bool good;      /* all of it was checked, and is */
	uint64_t line;  /* number of the last one */
	unsigned bad;
	struct buf reasons;
};

struct dropped {
	struct engine *e;
	struct spool *spool;
	char *piece;    /* room for PIECE_SIZE bytes of a file */
	int64_t due_ms; /* taking failed: not before; 0: it did not */
	struct checking checking;
};

/* ---- lines of a file */

/* What is done with each line; not 0 ends the walk before the line. */
typedef int line_fn(void *ctx, const char *line, size_t len);

struct walk {
	struct dropped *d;
	const struct spool_file *f;
	int64_t offset; /* where the next line begins */
	size_t budget;  /* bytes that this turn may still cost */
	bool ended;     /* the offset is the file's end */
};

/* The line at `data`: its length, and *next, what lies behind it. -EAGAIN: it does not end in it. */
static ssize_t line_length(const char *data, size_t len, bool last, size_t *next)
{
	const char *end = memchr(data, '\n', len);
	size_t text = end ? (size_t)(end - data) : len;
	if (!end && !last)
		return -EAGAIN;
	*next = text + (end ? 1 : 0);
	return (ssize_t)(text - (text && data[text - 1] == '\r'));
}

/* Walks over the lines of one piece. 0, -E2BIG for a line that is too long, or what `each` said. */
static int walk_piece(struct walk *w, line_fn *each, void *ctx)
{
	const char *piece = w->d->piece;
	ssize_t got = spool_read(w->f, w->offset, w->d->piece, PIECE_SIZE);
	size_t at = 0, next;
	if (got < 0)
		return (int)got;
	bool last = (size_t)got < PIECE_SIZE;
	while (at < (size_t)got && w->budget) {
		ssize_t len = line_length(piece + at, (size_t)got - at, last, &next);
		if (len < 0 && at)
			break;
		if (len < 0 || len > EVENT_LINE_MAX)
			return -E2BIG;
		int r = each(ctx, piece + at, (size_t)len);
		if (r)
			return r;
		at += next;
		w->offset += (int64_t)next;
		w->budget -= next < w->budget ? next : w->budget;
	}
	w->ended = last && at == (size_t)got;
	return 0;
}

static int walk(struct walk *w, line_fn *each, void *ctx)
{
	int r = 0;
	do
		r = walk_piece(w, each, ctx);
	while (!r && !w->ended && w->budget);
	return r;
}

/* ---- checking */

static void checking_start(struct checking *c, int64_t serial)
{
	buf_release(&c->reasons);
	*c = (struct checking){ .serial = serial, .reasons = BUF(64 * 1024) };
}

static void refused(struct dropped *d, const struct spool_file *f, uint64_t number,
	const char *line, size_t len, const struct err *err)
{
	const struct who who = { .uid = f->uid, .gid = f->gid };
	struct buf file = BUF(512);
	buf_addf(&file, "spool/%s", f->name);
	if (number)
		buf_addf(&file, ":%llu", (unsigned long long)number);
	engine_refused(d->e, buf_str(&file), who, line, len, err);
	buf_release(&file);
}

static void refuse_line(struct walk *w, const char *line, size_t len, const struct err *err)
{
	struct checking *c = &w->d->checking;
	if (c->bad++ == 0)
		refused(w->d, w->f, c->line, line, len, err);
	if (c->bad <= REASONS_MAX)
		buf_addf(
			&c->reasons, "line %llu: %s\n", (unsigned long long)c->line, err->sentence);
}

static int check_line(void *ctx, const char *line, size_t len)
{
	struct walk *w = ctx;
	struct err err = { 0 };
	int r = line_check(w->d->e, line, len, &err);
	if (r == -ENOMEM)
		return r;
	w->d->checking.line++;
	if (r)
		refuse_line(w, line, len, &err);
	return 0;
}

/* What ended the walk early says why the whole file is bad. */
static void check_ended(struct walk *w, int error)
{
	struct err err = { 0 };
	w->d->checking.line++;
	if (error == -E2BIG)
		(void)line_too_long(&err);
	else
		(void)err_set(
			&err, -error, ERR_NO_COLUMN, "it cannot be read: %s", strerror(-error));
	refuse_line(w, NULL, 0, &err);
}

static void reject(struct dropped *d, struct spool_file *f)
{
	struct checking *c = &d->checking;
	struct err err = { 0 };
	if (c->bad > REASONS_MAX)
		buf_addf(&c->reasons, "and %u lines more\n", c->bad - REASONS_MAX);
	const struct spool_file was = { .name = strdup(f->name), .uid = f->uid, .gid = f->gid };
	if (!was.name)
		abort();
	int r = spool_reject(d->spool, f, buf_str(&c->reasons), d->e->now.due_ms);
	if (r) {
		(void)err_set(&err, -r, ERR_NO_COLUMN, "it cannot be moved to rejected/: %s",
			strerror(-r));
		refused(d, &was, 0, NULL, 0, &err);
	}
	free(was.name);
	checking_start(c, 0);
}

enum checked { CHECKED_GOOD, CHECKED_BAD, CHECKED_PART };

static enum checked check(struct dropped *d, struct spool_file *f, size_t *budget)
{
	struct checking *c = &d->checking;
	if (c->serial != f->serial)
		checking_start(c, f->serial);
	if (c->good || f->taken) /* before a crash, perhaps */
		return CHECKED_GOOD;
	struct walk w = { .d = d, .f = f, .offset = c->offset, .budget = *budget };
	int r = walk(&w, check_line, &w);
	c->offset = w.offset;
	if (r == -ENOMEM) {
		*budget = 0;
		d->due_ms = d->e->now.due_ms + SPOOL_PAUSE_MS;
		return CHECKED_PART;
	}
	if (r) {
		check_ended(&w, r);
	} else if (!w.ended) {
		*budget = 0;
		return CHECKED_PART;
	}
	if (c->bad) {
		*budget = w.budget;
		reject(d, f);
		return CHECKED_BAD;
	}
	/* A good one's bytes count when they are taken, in this turn. */
	c->good = true;
	return CHECKED_GOOD;
}

/* ---- taking */

struct taking {
	struct walk walk;
	struct err err;
	int failed; /* the store failed, and the turn is undone */
};

static int take_line(void *ctx, const char *line, size_t len)
{
	struct taking *t = ctx;
	bool bad;
	const struct spool_file *f = t->walk.f;
	int r = backlog_full(t->walk.d->e, len, f->uid, &t->err);
	if (r)
		return r;
	r = line_take(t->walk.d->e, line, len, f->uid, &bad, &t->err);
	if (r && bad)
		return 0; /* it was good: who can write to a claimed file has made it so */
	t->failed = r;
	return r;
}

static void counter_name(const struct engine *e, const char *what, struct buf *out)
{
	buf_reset(out);
	buf_addf(out, "spool_%s:%s", what, e->options->spool);
}

/* The progress goes with the lines; a commit that fails takes it back. */
static int save_progress(struct engine *e, int64_t serial, int64_t taken)
{
	struct buf name = BUF(8192);
	counter_name(e, "serial", &name);
	int r = store_counter_save(e->store, buf_str(&name), serial);
	counter_name(e, "taken", &name);
	if (!r)
		r = store_counter_save(e->store, buf_str(&name), taken);
	buf_release(&name);
	if (r)
		engine_undone(e, r);
	return r;
}

/* What the turn has taken of the files in hand. */
struct progress {
	int64_t serial; /* files up to this one were taken whole; 0: none */
	int64_t part;   /* and of the next one in hand so many bytes; 0: none */
};

/* Takes what may be taken of a good file. False: no more in this turn. */
static bool take_file(
	struct dropped *d, struct spool_file *f, size_t *budget, struct progress *p, int *failed)
{
	struct taking t = { .walk = { .d = d, .f = f, .offset = f->taken, .budget = *budget } };
	int r = walk(&t.walk, take_line, &t);
	*failed = t.failed;
	*budget = t.walk.budget > 1 ? t.walk.budget - 1 : 0; /* an empty one costs, too */
	if (!r && t.walk.ended) {
		p->serial = f->serial;
		f->ended = t.walk.offset;
		return *budget > 0;
	}
	p->part = t.walk.offset > f->taken ? t.walk.offset : 0;
	if (r) /* the backlog is full */
		d->due_ms = d->e->now.due_ms + SPOOL_PAUSE_MS;
	return false;
}

/* Takes what may be taken now. 0, or -errno: the turn is undone. */
static int take_files(struct dropped *d, struct progress *p)
{
	size_t budget = BYTES_A_TURN;
	bool more = true;
	int failed = 0;
	for (struct spool_file *f = spool_first(d->spool), *next; f && more; f = next) {
		next = f->next;
		enum checked c = check(d, f, &budget);
		more = c == CHECKED_GOOD ? take_file(d, f, &budget, p, &failed) : budget > 0;
	}
	return failed;
}

static int commit_files(struct dropped *d, const struct progress *p)
{
	int64_t serial = p->serial, taken = -1;
	if (p->part) {
		struct spool_file *f = spool_first(d->spool);
		while (f->serial <= p->serial)
			f = f->next;
		serial = f->serial;
		taken = p->part;
	}
	int r = save_progress(d->e, serial, taken);
	return r ? r : engine_commit(d->e);
}

static void conclude(struct dropped *d, const struct progress *p)
{
	struct spool_file *f, *next;
	for (f = spool_first(d->spool); f && f->serial <= p->serial; f = next) {
		next = f->next;
		spool_done(d->spool, f);
	}
	if (p->part)
		f->taken = p->part;
}

static void on_left(void *ctx, const char *name, uint32_t uid, int error)
{
	struct dropped *d = ctx;
	char *copy = strdup(name);
	const struct spool_file f = { .name = copy, .uid = uid };
	struct err err = { 0 };
	if (!copy)
		abort();
	if (error)
		(void)err_set(&err, error, ERR_NO_COLUMN, "it cannot be taken, and stays: %s",
			strerror(error));
	else
		(void)err_set(&err, EINVAL, ERR_NO_COLUMN,
			"it is no regular file, and lies in rejected/ now");
	refused(d, &f, 0, NULL, 0, &err);
	free(copy);
}

/* ---- the turn */

void dropped_turn(struct engine *e)
{
	struct dropped *d = e->dropped;
	struct progress p = { 0 };
	if (!d || e->stopping || e->now.due_ms < d->due_ms)
		return;
	int64_t due = spool_first(d->spool) ? 0 : spool_due(d->spool);
	if (due < 0 || due > e->now.due_ms)
		return;
	d->due_ms = 0;
	/* What others did in this turn is not undone by what happens here. */
	if (engine_commit(e))
		return;
	spool_claim(d->spool, e->now.due_ms, FILES_A_TURN, on_left, d);
	/* Before a line is in the transaction: a claim that a power cut undoes would be taken again. */
	int r = spool_sync(d->spool);
	if (!r)
		r = take_files(d, &p);
	if (!r && (p.serial || p.part))
		r = commit_files(d, &p);
	if (r)
		d->due_ms = e->now.due_ms + SPOOL_PAUSE_MS;
	else
		conclude(d, &p);
}

int64_t dropped_wake(const struct engine *e)
{
	const struct dropped *d = e->dropped;
	if (!d)
		return -1;
	int64_t due = spool_first(d->spool) ? 0 : spool_due(d->spool);
	return due >= 0 && due < d->due_ms ? d->due_ms : due;
}

static void on_spool(void *ctx, uint32_t events)
{
	struct dropped *d = ctx;
	(void)events;
	if (spool_hear(d->spool))
		log_error("spool=%s was moved or removed: nothing is taken from it any more; put "
			  "it back and mount again",
			d->e->options->spool);
}

int dropped_open(struct engine *e, struct err *err)
{
	const char *dir = e->options->spool;
	if (!dir)
		return 0;
	struct dropped *d = calloc(1, sizeof(*d));
	struct buf name = BUF(8192);
	if (!d || !(d->piece = malloc(PIECE_SIZE)))
		abort();
	d->e = e;
	e->dropped = d;
	counter_name(e, "serial", &name);
	int64_t serial = store_counter(e->store, buf_str(&name));
	counter_name(e, "taken", &name);
	int64_t taken = store_counter(e->store, buf_str(&name));
	buf_release(&name);
	int r = spool_open(dir, serial, taken, err, &d->spool);
	if (r)
		return r;
	r = loop_add(e->loop, spool_fd(d->spool), EPOLLIN, on_spool, d);
	return r ? err_set(err, -r, ERR_NO_COLUMN, "spool=%s cannot be watched", dir) : 0;
}

void dropped_close(struct engine *e)
{
	struct dropped *d = e->dropped;
	if (!d)
		return;
	spool_close(d->spool);
	buf_release(&d->checking.reasons);
	free(d->piece);
	free(d);
	e->dropped = NULL;
}
