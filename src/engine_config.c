/*
 * engine_config: hooks from their files, at the start and whenever somebody changes one.
 *
 * There is one way for a file to become a hook, and the start is only the case in which all of them
 * are new. A file that is broken changes nothing: its hook stays as it was, or, at the start, waits in
 * e->rows with its deliveries. Hooks that come and go are changes of the store: they are
 * entered in memory behind the commit.
 */
#include "engine_parts.h"

#include "intake/confdir.h"
#include "model/queue.h"
#include "model/registry.h"
#include "util/err.h"
#include "util/log.h"
#include "util/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#define RETRY_LATEST_MS (30 * 3600 * INT64_C(1000))
#define FILES_A_TURN    64   /* some 10 ms of reading and parsing */
#define FILES_A_COMMIT  4096 /* at the start nobody waits for a turn */
#define CONFIG_PAUSE_MS 1000

/* A row of the store that no good file belongs to. */
struct hook_row {
	struct store_hook stored;
	char *name, *renamed_from, *last_error;
	UT_hash_handle hh;
};

/* A hook that comes or goes with the next commit. */
struct adoption {
	char *name;
	int64_t id;
	struct hook *made; /* NULL: it goes */
	uint64_t dropped;
	struct adoption *next;
};

/* ---- rows */

static void row_keep(void *ctx, const struct store_hook *h)
{
	struct engine *e = ctx;
	struct hook_row *row = calloc(1, sizeof(*row));
	if (!row)
		abort();
	row->stored = *h;
	row->name = strdup(h->name);
	row->renamed_from = h->renamed_from ? strdup(h->renamed_from) : NULL;
	row->last_error = strdup(h->last_error ? h->last_error : "");
	if (!row->name || !row->last_error)
		abort();
	HASH_ADD_KEYPTR(hh, e->rows, row->name, strlen(row->name), row);
}

static void row_free(struct engine *e, struct hook_row *row)
{
	HASH_DEL(e->rows, row);
	free(row->name);
	free(row->renamed_from);
	free(row->last_error);
	free(row);
}

static struct hook_row *row_find(const struct engine *e, const char *name)
{
	struct hook_row *row;
	HASH_FIND_STR(e->rows, name, row);
	return row;
}

bool config_waits(const struct engine *e, const char *name)
{
	return row_find(e, name) != NULL;
}

void config_free(struct engine *e)
{
	struct hook_row *row, *next;
	HASH_ITER(hh, e->rows, row, next)
	{
		row_free(e, row);
	}
}

/* What the store knows of the hook, whose file has become good. */
static void row_load(struct engine *e, struct hook_state *s, struct hook_row *row)
{
	const struct store_hook *h = &row->stored;
	s->pending = h->pending;
	e->pending += (int64_t)h->pending;
	aging_look(e, s);
	s->counts = (struct hook_counts){ .delivered = h->delivered,
		.failed = h->failed,
		.last_success_ms = h->last_success_ms,
		.last_failure_ms = h->last_failure_ms };
	snprintf(s->counts.last_error, sizeof(s->counts.last_error), "%s", row->last_error);
	if (h->fresh)
		queue_waiting(e->queue, s->id, LANE_FRESH, FRESH_DUE_MS);
	if (h->retry_due_ms >= 0)
		queue_waiting(e->queue, s->id, LANE_RETRY, h->retry_due_ms);
	row_free(e, row);
}

/* ---- what is told */

/* The file may hold secrets: its text is not shown. */
static void tell_file(struct engine *e, const char *name, const char *what, const struct err *err)
{
	struct buf file = BUF(512);
	buf_addf(&file, "hooks/%s.json", name);
	log_error("%s/%s %s: %s", e->options->state_dir, buf_str(&file), what, err->sentence);
	engine_refused(
		e, buf_str(&file), (struct who){ getuid(), getgid(), getpid() }, NULL, 0, err);
	buf_release(&file);
}

void config_aside(struct engine *e, const char *name)
{
	struct err err = { 0 };
	(void)err_set(&err, EBUSY, ERR_NO_COLUMN,
		"hooks/%s was changed through the mount while this file was not in effect; what "
		"it held is kept as %s.json.refused",
		name, name);
	tell_file(e, name, "was replaced", &err);
}

/* At the start everything is news, and nobody asked. */
static void note(const struct engine *e, const char *name, const char *what)
{
	if (e->fs)
		log_info("hooks/%s.json in the state directory %s", name, what);
}

/* ---- one file */

static struct adoption *adopt(struct engine *e, const char *name, int64_t id, struct hook *made)
{
	struct adoption *a = calloc(1, sizeof(*a));
	if (!a || !(a->name = strdup(name)))
		abort();
	a->id = id;
	a->made = made;
	LL_PREPEND(e->adoptions, a);
	return a;
}

/* The store refused, and has undone the turn. */
static enum confdir_answer refused_by_store(struct engine *e, int r)
{
	engine_undone(e, r);
	e->config_error = r;
	e->config_due_ms = e->now.due_ms + CONFIG_PAUSE_MS;
	return CONFDIR_LATER;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* It is no fault of the file's. */
static enum confdir_answer unread(struct engine *e, int r)
{
	e->config_shortage = r;
	e->config_due_ms = e->now.due_ms + CONFIG_PAUSE_MS;
	return CONFDIR_LATER;
}

static enum confdir_answer take_removal(struct engine *e, const char *name)
{
	const struct hook *h = registry_by_name(e->registry, name);
	const struct hook_row *row = row_find(e, name);
	uint64_t dropped = 0;
	if (!h && !row)
		return CONFDIR_TAKEN; /* it was never good */
	int64_t id = h ? h->id : row->stored.id;
	int r = store_hook_remove(e->store, id, &dropped);
	if (r)
		return refused_by_store(e, r);
	adopt(e, name, id, NULL)->dropped = dropped;
	return CONFDIR_TAKEN;
}

static enum confdir_answer take_hook(struct engine *e, struct hook *h, int64_t mtime_ms)
{
	struct hook *old = registry_by_name(e->registry, h->name);
	struct hook_row *row = row_find(e, h->name);
	h->made_ms = h->mtime_ms = mtime_ms;
	if (old) {
		hook_succeed(h, old);
		h->mtime_ms = e->now.real_ms;
		hook_exchange(e, h);
		note(e, h->name, "was changed");
		return CONFDIR_TAKEN;
	}
	if (row) {
		h->id = row->stored.id;
		row_load(e, hook_enter(e, h), row);
		note(e, h->name, "is mended");
		return CONFDIR_TAKEN;
	}
	int r = store_hook_add(e->store, h->name, &h->id);
	if (r) {
		hook_free(h);
		return refused_by_store(e, r);
	}
	(void)adopt(e, h->name, h->id, h);
	return CONFDIR_TAKEN;
}

static enum confdir_answer on_found(void *ctx, const struct confdir_file *f)
{
	struct engine *e = ctx;
	struct err err = { 0 };
	struct hook *h;
	if (e->config_due_ms)
		return CONFDIR_LATER; /* the store has just failed */
	if (f->error == ENOENT)
		return take_removal(e, f->name);
	if (is_shortage(f->error))
		return unread(e, -f->error);
	int r = hook_name_check(f->name, strlen(f->name), &err);
	if (!r && f->error)
		r = err_set(
			&err, f->error, ERR_NO_COLUMN, "cannot be read: %s", strerror(f->error));
	if (!r)
		r = hook_from_json(f->name, &e->options->types, NULL, f->text, f->len, &err, &h);
	if (is_shortage(-r))
		return unread(e, r);
	if (!r)
		return take_hook(e, h, f->mtime_ms);
	tell_file(e, f->name,
		registry_by_name(e->registry, f->name) ? "is broken, and its hook stays as it was"
						       : "is not loaded",
		&err);
	return CONFDIR_REFUSED;
}

/* ---- behind the commit */

static void adoption_conclude(struct engine *e, const struct adoption *a)
{
	if (a->made) {
		(void)hook_enter(e, a->made);
		note(e, a->name, "is a new hook");
		return;
	}
	if (a->dropped) {
		deliver_dropped(e, a->name, a->dropped);
		log_warning("hooks/%s.json was removed: %llu pending deliveries are dropped",
			a->name, (unsigned long long)a->dropped);
	} else {
		note(e, a->name, "was removed, and its hook with it");
	}
	struct hook_row *row = row_find(e, a->name);
	if (row)
		row_free(e, row);
	else
		hook_leave(e, a->id);
	e->expire_due_ms = e->now.due_ms; /* its deliveries go in steps */
}

/* The hooks that come and go, once that is on disk; otherwise their files are found again. */
static int conclude(struct engine *e)
{
	struct adoption *a, *next;
	int r = e->config_error ? e->config_error : engine_commit(e);
	LL_FOREACH_SAFE(e->adoptions, a, next)
	{
		LL_DELETE(e->adoptions, a);
		if (!r) {
			adoption_conclude(e, a);
		} else {
			hook_free(a->made);
			confdir_again(e->confdir, a->name);
			e->config_due_ms = e->now.due_ms + CONFIG_PAUSE_MS;
		}
		free(a->name);
		free(a);
	}
	return r;
}

/* ---- the turn */

static void find(struct engine *e, unsigned limit)
{
	if (e->config_due_ms && e->now.due_ms < e->config_due_ms)
		return;
	e->config_due_ms = 0;
	e->config_error = e->config_shortage = 0;
	/* What was accepted in this turn is not undone by what happens here. */
	if (engine_commit(e))
		return;
	confdir_find(e->confdir, e->now.due_ms, limit, on_found, e);
	(void)conclude(e); /* once more later */
}

void config_turn(struct engine *e)
{
	if (e->stopping)
		return;
	if (confdir_hear(e->confdir, e->now.due_ms))
		log_error("%s/hooks was moved or removed: hooks stay as they are and cannot be "
			  "changed; put it back and mount again",
			e->options->state_dir);
	int64_t due = confdir_due(e->confdir);
	if (due >= 0 && due <= e->now.due_ms)
		find(e, FILES_A_TURN);
}

/* Requests come in bunches, and a file may have been put there since the first of one. */
void config_catch_up(void *ctx)
{
	struct engine *e = ctx;
	if (confdir_waits(e->confdir))
		config_turn(e);
}

void config_look(struct engine *e, const char *name)
{
	/* No hook comes or goes by it: the one there is is exchanged. */
	if (!e->config_due_ms)
		confdir_find_one(e->confdir, name, e->now.due_ms, on_found, e);
}

int64_t config_wake(const struct engine *e)
{
	int64_t due = confdir_due(e->confdir);
	return due >= 0 && due < e->config_due_ms ? e->config_due_ms : due;
}

/* ---- the start */

/* Finishes renames that a crash interrupted. */
static int mend_renames(struct engine *e)
{
	int r = 0;
	for (struct hook_row *row = e->rows; row && !r; row = row->hh.next) {
		if (!row->renamed_from)
			continue;
		if (confdir_exists(e->confdir, row->name) == 0 &&
			confdir_exists(e->confdir, row->renamed_from) == 1)
			r = confdir_rename(e->confdir, row->renamed_from, row->name);
		if (!r)
			r = store_hook_renamed(e->store, row->stored.id);
	}
	return r;
}

/* A row whose file is gone is a removed hook; even a broken file keeps its hook's deliveries. */
static int drop_removed(struct engine *e)
{
	struct hook_row *row, *next;
	HASH_ITER(hh, e->rows, row, next)
	{
		if (confdir_exists(e->confdir, row->name) == 0 &&
			take_removal(e, row->name) != CONFDIR_TAKEN)
			break;
	}
	return conclude(e);
}

/* A clock that has been set back since must not hold up anything: no schedule waits longer than a day and its
 * jitter, and what was never tried has not begun to wait later than now. */
static int clamp_retries(struct engine *e)
{
	int r;
	while ((r = store_clamp_due(e->store, e->now.due_ms + RETRY_LATEST_MS)) == 1)
		if ((r = store_commit(e->store)))
			break;
	return r;
}

static int clamp_fresh(struct engine *e)
{
	struct hook_row *row, *next;
	int r = 0;
	HASH_ITER(hh, e->rows, row, next)
	{
		int64_t id = row->stored.id;
		while (!r && row->stored.fresh &&
			(r = store_clamp_fresh(e->store, id, e->now.due_ms)) == 1)
			r = store_commit(e->store);
	}
	return r;
}

static int load_all(struct engine *e, struct err *err)
{
	int r = confdir_watch(e->confdir);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN,
			"%s/hooks cannot be watched: %s; the limits are fs.inotify.max_user_instances "
			"and max_user_watches (sysctl)",
			e->options->state_dir, strerror(-r));
	while (!r && confdir_due(e->confdir) == 0) {
		confdir_find(e->confdir, e->now.due_ms, FILES_A_COMMIT, on_found, e);
		r = conclude(e);
		if (!r)
			r = e->config_shortage;
	}
	return r;
}

static void on_confdir(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	clock_take(e);
	config_turn(e);
}

int hooks_load(struct engine *e, struct err *err)
{
	e->counters = (struct counters){
		.accepted = store_counter(e->store, "accepted"),
		.refused = store_counter(e->store, "refused"),
		.delivered = store_counter(e->store, "delivered"),
		.failed = store_counter(e->store, "failed"),
	};
	e->committed = e->stored = e->counters;
	int r = clamp_retries(e);
	if (!r)
		r = store_hook_each(e->store, row_keep, e);
	if (!r)
		r = clamp_fresh(e);
	if (!r)
		r = mend_renames(e);
	if (!r)
		r = load_all(e, err);
	if (!r)
		r = drop_removed(e);
	if (!r)
		r = loop_add(e->loop, confdir_fd(e->confdir), EPOLLIN, on_confdir, e);
	e->expire_due_ms = e->now.due_ms;
	if (r && !err->code)
		return err_set(err, -r, ERR_NO_COLUMN,
			"cannot load the hooks of %s: %s; if its queue.db is damaged, restore it from a "
			"backup, or move it and queue.db-wal away to start with an empty queue",
			e->options->state_dir, strerror(-r));
	return r;
}
