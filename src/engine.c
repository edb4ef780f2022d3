#include "engine_parts.h"

#include "fs/fs.h"
#include "fs/kept.h"
#include "fs/scratch.h"
#include "http/client.h"
#include "intake/confdir.h"
#include "model/match.h"
#include "model/queue.h"
#include "model/registry.h"
#include "service.h"
#include "store/journal.h"
#include "store/store.h"
#include "util/err.h"
#include "util/id.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/mountwatch.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * The turn, in the order of architecture §3. Requests of the mount, lines of the pipe and ended
 * transfers all change one transaction; one commit makes them true, and only then are writers answered and
 * the queue told. What a failed commit undid, its writers hear of; what had been sent is recorded
 * again.
 */

#define FS_REQUESTS_A_TURN 256
#define FS_EXPIRE_MS       (30 * 1000)
#define EXPIRE_A_TURN      500
#define EXPIRE_STEP_MS     10
#define EXPIRE_AGAIN_MS    1000 /* after the store failed */
#define SWEEP_TELL_MS      1000 /* what takes longer says how far it is, */
#define SWEEP_TELL_MORE_MS (10 * 1000)
#define EXPIRE_AFTER_MS    (60 * 1000)
#define EXPIRE_IDLE_MS     (3600 * 1000) /* at most */
#define UNMOUNT_MS         1000
#define UPGRADE_WORDS      64 /* some seconds */

/* ---- one commit */

static void counters_save(struct engine *e)
{
	log_save(e);
	if (!memcmp(&e->counters, &e->stored, sizeof(e->counters)))
		return;
	/* A failure shows in the commit. */
	(void)store_counter_save(e->store, "accepted", e->counters.accepted);
	(void)store_counter_save(e->store, "refused", e->counters.refused);
	(void)store_counter_save(e->store, "delivered", e->counters.delivered);
	(void)store_counter_save(e->store, "failed", e->counters.failed);
	e->stored = e->counters;
}

static void arrivals_announce(struct engine *e)
{
	for (size_t i = 0; i < e->arrival_count; i++) {
		const struct arrival *a = &e->arrivals[i];
		struct hook_state *s = hook_state_of(e, a->hook_id);
		if (!s)
			continue;
		s->accepted++;
		s->pending++;
		e->pending++;
		aging_wait(e, s);
		changed_hook(e, s);
		queue_add(e->queue, a->hook_id, LANE_FRESH, a->id, FRESH_DUE_MS);
	}
	e->arrival_count = 0;
}

int save_failed(int error, struct err *err)
{
	return err_set(err, -error, ERR_NO_COLUMN, "cannot save in queue.db: %s", strerror(-error));
}

int file_errno(int error)
{
	return error == -ENOSPC || error == -EDQUOT ? ENOSPC : EIO;
}

/* Only of a mount that is kept: its next daemon must know whether the writers' lines are committed. */
static void answers_seal(struct engine *e)
{
	e->sealed = e->fs && fs_seal(e->fs, e->commit + 1);
	if (e->sealed) /* a failure shows in the commit */
		(void)store_counter_save(e->store, "commit", e->commit + 1);
}

void engine_undone(struct engine *e, int error)
{
	(void)store_fail(e->store, error); /* not always was it the store that failed */
	e->sealed = false;
	/* What was refused stays refused, the rest of the turn did not happen. */
	e->committed.refused = e->counters.refused;
	e->counters = e->committed;
	e->stored = (struct counters){ .accepted = -1 };
	e->arrival_count = 0;
	deliver_undo(e);
	aging_undo(e);
	pipes_committed(e, false);
	if (e->expiring)
		e->expire_due_ms = e->now.due_ms + EXPIRE_AGAIN_MS;
	e->expiring = false;
	log_undo(e);
	changed_mount(e);
	struct err err = { 0 };
	(void)save_failed(error, &err);
	if (e->fs)
		fs_answer(e->fs, &err);
	if (!e->commit_failing)
		log_error("cannot save: %s; writers are told, nothing acknowledged is lost",
			strerror(-error));
	e->commit_failing = true;
}

int engine_commit(struct engine *e)
{
	bool changed = store_changed(e->store);
	/* A line that the pipe's writer will not see refused is kept before it is forgotten. */
	(void)journal_sync(e->rejected); /* on an error the lines stay for the next try */
	if (changed) {
		counters_save(e);
		answers_seal(e);
	}
	int r = store_commit(e->store);
	if (r) {
		engine_undone(e, r);
		return r;
	}
	if (e->commit_failing && changed)
		log_info("saving works again");
	e->commit_failing = e->commit_failing && !changed;
	e->committed = e->counters;
	e->commit += e->sealed;
	e->sealed = false;
	e->expiring = false;
	arrivals_announce(e);
	if (changed)
		log_committed(e);
	deliver_conclude(e);
	pipes_committed(e, true);
	if (e->fs && !changed)
		(void)fs_seal(e->fs, KEPT_NO_COMMIT);
	if (e->fs)
		fs_answer(e->fs, NULL);
	return 0;
}

int engine_settle(struct engine *e, int r)
{
	if (!r)
		return engine_commit(e);
	if (r != -EEXIST && r != -ENOENT)
		engine_undone(e, r);
	return r;
}

void engine_refused(struct engine *e, const char *file, struct who who, const char *text,
	size_t len, const struct err *err)
{
	e->counters.refused++;
	changed_errors(e);
	refusals_add(&e->refusals, e->now.real_ms, file, who, text, len, err);
}

/* ---- the turn */

static void on_fs(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	clock_take(e);
	if (fs_receive(e->fs, FS_REQUESTS_A_TURN) == -ENODEV) {
		loop_remove(e->loop, fs_fd(e->fs));
		e->unmounted = true;
	}
}

static void on_client(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	clock_take(e);
	deliver_collect(e);
}

static void on_mount_table(void *ctx, uint32_t events)
{
	struct engine *e = ctx;
	(void)events;
	if (mountwatch_present(e->mountwatch) != 0 || e->unmount_due_ms)
		return;
	/* The pipe kept the mount's superblock alive; without it /dev/fuse says ENODEV, which on_fs
	 * waits for, but not for ever: somebody else may hold it too. */
	fs_gone(e->fs);
	pipes_close(e);
	e->unmount_due_ms = e->now.due_ms + UNMOUNT_MS;
}

static void on_signal(void *ctx, int signo)
{
	struct engine *e = ctx;
	if (signo == SIGHUP)
		return; /* a terminal that closes; there is nothing to reload */
	if (signo != SIGUSR2 || !fs_is_kept(e->fs)) {
		e->stopping = true;
	} else if (!e->leaving) {
		e->leaving = true;
		e->stop_due_ms = e->now.due_ms + (int64_t)e->options->grace_ms;
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	if (a < 0)
		return b;
	return b >= 0 && b < a ? b : a;
}

static int64_t next_wake(const struct engine *e)
{
	int64_t wake = deliver_wake(e);
	wake = earlier(wake, pipes_wake(e));
	if (!e->stopping) {
		wake = earlier(wake, config_wake(e));
		wake = earlier(wake, dropped_wake(e));
	}
	wake = earlier(wake, holds_wake(e));
	if (e->aging_due_ms && !e->stopping)
		wake = earlier(wake, e->aging_due_ms);
	if (e->fs && fs_keeps(e->fs))
		wake = earlier(wake, e->now.due_ms + FS_EXPIRE_MS);
	if (e->expire_due_ms)
		wake = earlier(wake, e->expire_due_ms);
	if (e->stopping || e->leaving)
		wake = earlier(wake, e->stop_due_ms);
	if (e->unmount_due_ms)
		wake = earlier(wake, e->unmount_due_ms);
	return wake;
}

static int64_t expire_idle_ms(const struct options *o)
{
	int64_t least =
		(int64_t)(o->retention_ms < o->failed_retention_ms ? o->retention_ms
								   : o->failed_retention_ms);
	return least < EXPIRE_IDLE_MS ? least : EXPIRE_IDLE_MS;
}

/* Half a minute for the million deliveries of a hook that was removed. */
static void tell_sweep(struct engine *e, int more)
{
	if (more > 0) {
		if (!e->swept)
			e->sweep_tell_ms = e->now.due_ms + SWEEP_TELL_MS;
		e->swept += EXPIRE_A_TURN;
		if (e->now.due_ms < e->sweep_tell_ms)
			return;
		log_info("%lld deliveries of removed hooks are out of queue.db, and more are to go",
			(long long)e->swept);
		e->sweep_tell_ms = e->now.due_ms + SWEEP_TELL_MORE_MS;
		e->sweep_told = true;
	} else if (!more) {
		if (e->sweep_told)
			log_info("all deliveries of removed hooks are out of queue.db");
		e->swept = 0;
		e->sweep_told = false;
	}
}

/*
 * What is kept, idempotency keys among it, runs out in small steps. Somebody who adds to it asks for a
 * look; as long as anything is kept there is one an hour, or one each time that it may be kept if that
 * is less; and an idle daemon that keeps nothing never wakes.
 */
static void housekeep(struct engine *e)
{
	const struct options *o = e->options;
	int64_t now = e->now.real_ms;
	if (!e->expire_due_ms || e->now.due_ms < e->expire_due_ms)
		return;
	int more = store_sweep(e->store, EXPIRE_A_TURN);
	tell_sweep(e, more);
	if (!more)
		more = store_retire(e->store, now - (int64_t)o->retention_ms,
			now - (int64_t)o->failed_retention_ms, o->retention_bytes, EXPIRE_A_TURN);
	if (!more)
		more = store_expire(e->store, now - (int64_t)o->retention_ms, EXPIRE_A_TURN);
	e->expiring = true;
	if (more)
		e->expire_due_ms = e->now.due_ms + (more < 0 ? EXPIRE_AGAIN_MS : EXPIRE_STEP_MS);
	else
		e->expire_due_ms =
			store_kept_bytes(e->store) ? e->now.due_ms + expire_idle_ms(o) : 0;
}

void engine_keeps(struct engine *e)
{
	int64_t due = e->now.due_ms;
	if (store_kept_bytes(e->store) <= e->options->retention_bytes)
		due += EXPIRE_AFTER_MS;
	if (!e->expire_due_ms || due < e->expire_due_ms)
		e->expire_due_ms = due;
}

static int turn(struct engine *e)
{
	int r = loop_turn(e->loop, next_wake(e));
	if (r)
		return r;
	clock_take(e);
	holds_check(e);
	if (e->fs)
		fs_expire(e->fs);
	pipes_resume(e);
	config_turn(e);
	dropped_turn(e);
	(void)deliver_record(e); /* whoever waits hears of it in the commit */
	aging_turn(e);
	housekeep(e);
	bool sends = !e->stopping && !e->leaving;
	/* The next ones are on their way while the disk is waited for. */
	if (sends)
		deliver_start_loaded(e);
	(void)engine_commit(e); /* who waits for it has been told; the rest is tried again */
	if (sends)
		deliver_start(e);
	log_flush(e);
	changes_tell(e);
	return 0;
}

/* Its mount goes on: writers are served until nothing is under way any more. */
static bool may_leave(const struct engine *e)
{
	return e->leaving && ((!e->flights && !e->results) || e->now.due_ms >= e->stop_due_ms);
}

int engine_run(struct engine *e)
{
	int r = 0;
	while (!r && !e->stopping && !e->unmounted && !may_leave(e)) {
		r = turn(e);
		if (e->unmount_due_ms && e->now.due_ms >= e->unmount_due_ms)
			e->unmounted = true;
	}
	e->leaving = e->leaving && !r && !e->stopping && !e->unmounted;
	if (e->leaving) {
		fs_leave(e->fs);
		loop_remove(e->loop, fs_fd(e->fs)); /* what comes now is the next daemon's */
		e->stop_due_ms = e->now.due_ms;
	} else {
		e->stop_due_ms = e->now.due_ms + (int64_t)e->options->grace_ms;
	}
	e->unmount_due_ms = 0;
	e->stopping = true;
	pipes_close(e);
	size_t waiting = queue_inflight(e->queue);
	if (waiting && !e->leaving && e->options->grace_ms)
		log_info("stopping waits up to %llu s for what is under way: %zu requests",
			(unsigned long long)(e->options->grace_ms + 999) / 1000, waiting);
	while (!r && (e->flights || e->results) && e->now.due_ms < e->stop_due_ms)
		r = turn(e);
	(void)deliver_record(e);
	counters_save(e);
	(void)engine_commit(e); /* it has been logged; the next start goes on from the last one */
	return r;
}

/* ---- the parts together */

/* An older database is brought up to date: said once, and now and then when it takes long. */
static void on_upgrade(void *ctx, const struct store_upgrade *u)
{
	unsigned *words = ctx;
	if (!*words)
		log_info("queue.db is brought from format %u to %u; older versions will refuse it",
			u->from, u->to);
	else if (*words % UPGRADE_WORDS == 0)
		log_info("queue.db is brought to format %u: step %u of %u", u->to, u->step,
			u->steps);
	++*words;
	service_working();
}

static int open_store(struct engine *e, struct err *err)
{
	unsigned words = 0;
	const struct store_watcher watcher = { .upgrading = on_upgrade, .ctx = &words };
	int r = store_open(e->options->state_dir, e->options->full_sync, &watcher, err, &e->store);
	if (!r && words)
		log_info("queue.db is up to date");
	return r;
}

/* What lies beside the database. */
static int open_files(struct engine *e, struct err *err)
{
	const char *dir = e->options->state_dir, *name = "hooks";
	int r = confdir_open(dir, &e->confdir);
	if (!r) {
		name = LOG_NAME;
		r = log_start(e);
	}
	if (!r) {
		name = "rejected.jsonl";
		r = journal_open(dir, name, 0, &e->rejected);
	}
	if (r == -EINVAL || r == -ELOOP || r == -EISDIR || r == -ENOTDIR)
		return err_set(err, -r, ERR_NO_COLUMN,
			"%s/%s is no %s: move it away, and it is made anew", dir, name,
			e->confdir ? "regular file" : "directory");
	return r ? err_set(err, -r, ERR_NO_COLUMN, "%s/%s: %s", dir, name, strerror(-r)) : 0;
}

static int open_parts(struct engine *e, struct err *err)
{
	const struct options *o = e->options;
	const struct client_options http = { .cacert = o->cacert,
		.proxy = o->proxy,
		.guard = &o->guard,
		.user_agent = "webhookfs/" WEBHOOKFS_VERSION,
		.connections = (unsigned)o->max_inflight * 2,
		.threads = (unsigned)o->http_threads };
	struct queue_limits limits = queue_limits_default;
	limits.inflight_max = (unsigned)o->max_inflight;
	char seed[9];
	id_random_hex(seed, 8);

	int r = id_space_new(e->options->project, &e->ids);
	if (r)
		return err_set(
			err, -r, ERR_NO_COLUMN, "libcrypto has no SHA-1, which ids are made with");
	r = loop_new(on_signal, e, &e->loop);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "cannot wait for events: %s", strerror(-r));
	e->now = loop_now(e->loop);
	r = open_store(e, err);
	if (r)
		return r;
	clock_continue(e);
	r = open_files(e, err);
	if (r)
		return r;
	e->registry = registry_new();
	e->match = match_new();
	e->queue = queue_new(&limits, (uint32_t)strtoul(seed, NULL, 16));
	r = client_new(&http, err, &e->client);
	if (!r)
		r = loop_add(e->loop, client_fd(e->client), EPOLLIN, on_client, e);
	return r;
}

static void refused(void *ctx, const char *file, struct who who, const char *text, size_t len,
	const struct err *err)
{
	engine_refused(ctx, file, who, text, len, err);
}

static int64_t now_ms(void *ctx)
{
	return ((struct engine *)ctx)->now.real_ms;
}

static void wire_tree(struct engine *e)
{
	struct shown *shown = calloc(files_root_count, sizeof(*shown));
	if (!shown)
		abort();
	e->tree = (struct tree){
		.registry = e->registry,
		.types = &e->options->types,
		.scratches = scratches_new(),
		.uid = getuid(),
		.gid = getgid(),
		.attributes = &e->attributes,
		.start_ms = e->now.real_ms,
		.shown = shown,
		.backend = { .ctx = e,
			.hook_make = hook_make,
			.hook_remove = hook_remove,
			.hook_rename = hook_rename,
			.hook_change = hook_change,
			.attributes_keep = attributes_keep,
			.hook_hold = hook_hold,
			.hook_release = hook_release,
			.delivery_find = file_find,
			.delivery_next = file_next,
			.delivery_show = file_show,
			.delivery_replay = file_replay,
			.delivery_repeat = file_repeat,
			.delivery_drop = file_drop,
			.events_take = events_take,
			.events_end = events_end,
			.test_start = test_start,
			.test_cancel = test_cancel,
			.refused = refused,
			.now_ms = now_ms,
			.catch_up = config_catch_up,
			.show_status = show_status,
			.show_errors = show_errors,
			.show_destinations = show_destinations,
			.show_metrics = show_metrics,
			.show_hook_status = show_hook_status,
			.show_test = show_test,
			.edition = edition_of,
			.log_generation = log_generation,
			.log_fd = log_fd,
			.log_hold = log_hold,
			.log_release = log_release },
	};
}

int engine_new(const struct options *o, struct err *err, struct engine **out)
{
	struct engine *e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	e->options = o;
	e->peek[0] = e->peek[1] = -1;
	int r = open_parts(e, err);
	if (!r) {
		wire_tree(e);
		changed_errors(e);
		r = attributes_load(e, err);
	}
	if (!r)
		r = hooks_load(e, err);
	if (!r)
		r = pipes_open(e, err);
	if (!r)
		r = dropped_open(e, err);
	if (r) {
		engine_free(e);
		return r;
	}
	*out = e;
	return 0;
}

struct tree *engine_tree(struct engine *e)
{
	return &e->tree;
}

int engine_attach(struct engine *e, struct fs *fs, struct err *err)
{
	e->fs = fs;
	int r = loop_add(e->loop, fs_fd(fs), EPOLLIN, on_fs, e);
	if (!r)
		r = mountwatch_new(MOUNTWATCH_TABLE, e->options->mountpoint, &e->mountwatch);
	if (!r)
		r = loop_add(e->loop, mountwatch_fd(e->mountwatch), EPOLLPRI | EPOLLERR | EPOLLET,
			on_mount_table, e);
	/* -ENOENT: made beforehand, and not to be seen from here. /dev/fuse alone then tells of its end. */
	if (r && r != -ENOENT)
		return err_set(err, -r, ERR_NO_COLUMN, "cannot watch the mount: %s", strerror(-r));
	e->commit = store_counter(e->store, "commit");
	fs_resume(fs, e->commit);
	if (!r)
		on_mount_table(e, 0); /* what changed before it was watched */
	if (!e->unmount_due_ms)
		pipes_open_inside(e);
	return 0;
}

void engine_confined(struct engine *e, unsigned confined)
{
	e->confined = confined;
}

bool engine_mounted(const struct engine *e)
{
	/* Not by the table alone: another mount may have its number by now. */
	return !e->unmounted && e->mountwatch && mountwatch_present(e->mountwatch) == 1;
}

bool engine_leaves(const struct engine *e)
{
	return e->leaving;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	client_free(e->client);
	if (e->confined)
		fs_gone(e->fs); /* it may not unmount any more, and only lets go of it */
	fs_unmount(e->fs);
	e->fs = NULL;
	mountwatch_free(e->mountwatch);
	deliver_forget(e);
	tests_forget(e);
	free((char *)e->tree.pipe_path);
	free(e->tree.shown);
	pipes_free(e);
	dropped_close(e);
	scratches_free(e->tree.scratches);
	holds_free(e);
	journal_close(e->log);
	journal_close(e->rejected);
	queue_free(e->queue);
	match_free(e->match);
	hook_states_free(e);
	registry_free(e->registry);
	config_free(e);
	confdir_close(e->confdir);
	store_close(e->store);
	loop_free(e->loop);
	free(e->arrivals);
	id_space_free(e->ids);
	free(e);
}
