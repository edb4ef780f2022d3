#pragma once
/*
 * engine_parts: what the engine's files share. Not for anybody else.
 */
#include "engine.h"

#include "fs/tree.h"
#include "intake/fifo.h"
#include "model/attributes.h"
#include "model/outcome.h"
#include "model/refusals.h"
#include "model/verdict.h"
#include "options.h"
#include "store/store.h"
#include "util/buf.h"
#include "util/now.h"

#include <stdbool.h>
#include <uthash.h>

struct client;
struct confdir;
struct event;
struct journal;
struct loop;
struct match;
struct mountwatch;
struct queue;
struct registry;
struct store;

/* Tags of requests: a delivery's id, or a test's number with this bit. */
#define TEST_TAG (UINT64_C(1) << 63)

/* How the last test of a hook went. */
struct test_report {
	int64_t time_ms; /* 0: there was none */
	bool running;
	char event[64];
	struct outcome outcome;
};

/* What is counted of a hook and survives a restart. */
struct hook_counts {
	uint64_t delivered, failed;
	int64_t last_success_ms, last_failure_ms; /* 0: never */
	char last_error[200];
};

/* How the attempts of a hook went, for metrics.prom; since the start. */
#define METER_BUCKETS 10
struct hook_meter {
	uint64_t attempts, retried, connects, total_us;
	uint64_t bucket[METER_BUCKETS]; /* attempts that took no longer than the bucket says */
};

/* Looking for a hook's deliveries that become older than its max_age. */
struct aging {
	int64_t max_age_ms; /* 0: none may fail by it now */
	int64_t due_ms;     /* of the next look; 0: not before something comes */
	int64_t after_id;   /* where a look goes on; */
	int64_t next_ms;    /* what it has seen so far: when the next one is too old; 0: none */
	bool failed;        /* and that some were */
	struct hook_state *prev, *next; /* those with a look to come */
};

/* What the engine knows of a hook besides its configuration. */
struct hook_state {
	int64_t id;
	uint64_t pending;
	bool doubtful; /* saving failed: its file may hold the old or the new */
	struct hook_counts counts;
	/* As the open transaction has them; they become `counts` when it is committed. */
	struct hook_counts next;
	bool staged;
	struct hook_state *next_staged;
	uint64_t accepted;        /* deliveries taken since the start */
	struct hook_meter *meter; /* NULL: no attempt since the start */
	struct test_report *test; /* NULL: never tested */
	struct edition edition, test_edition;
	unsigned changed; /* bits of topics; told at the turn's end */
	struct hook_state *changed_prev, *changed_next;
	unsigned holds; /* threads that are about to change it */
	struct aging aging;
	bool live; /* match knows it */
	UT_hash_handle hh;
};

/* A delivery added in this turn: the queue hears of it after the commit. */
struct arrival {
	int64_t hook_id, id;
};

/* To the queue, of whatever was never tried: it starts in the order of ids. */
#define FRESH_DUE_MS 0

/* A delivery under way. */
struct flight {
	int64_t id, hook_id, created_ms;
	int64_t origin;    /* what its webhook-id is made of */
	unsigned attempts; /* this one included */
	char *event_name;
	char *request_id;
	UT_hash_handle hh;
};

/* An attempt that has ended, until it is recorded. */
struct result {
	struct outcome outcome;
	struct flight *flight;
	struct verdict verdict;
	int64_t next_due_ms; /* -1: no next attempt */
	bool expired;        /* without an attempt: too old, and what it was is in `flight` */
	bool damaged;        /* likewise: there is nothing to be sent any more */
	bool recorded;       /* in the open transaction */
	bool landed;         /* the queue knows that it was delivered */
	bool dropped;        /* a user removed the delivery while it was under way */
	struct result *prev, *next;
};

/* A test under way. */
struct test_run {
	uint64_t token;
	int64_t hook_id;
	struct test_run *next;
};

/* A page of a listing of deliveries; see file_next. */
#define LISTING_PAGE 256
struct listing {
	int64_t hook_id, after_id, due_ms;
	enum delivery_state state;
	unsigned count, next;
	struct store_entry rows[LISTING_PAGE];
};

/* The wall clock was set by by_ms when deliveries below next_id were there. */
struct clock_step {
	int64_t next_id, by_ms;
};
#define CLOCK_STEPS_MAX 16
struct clock_steps {
	int64_t ahead_ms; /* of the wall clock, before the clock that waits go by */
	struct clock_step steps[CLOCK_STEPS_MAX];
	unsigned count;
};

struct counters {
	int64_t accepted, refused, delivered, failed;
};

/* A named pipe: what is in `bytes` behind `carried` is still in the pipe too, until it is committed. */
#define PIPES_MAX 16
struct pipe_intake {
	struct engine *engine;
	char *name;  /* for who reads errors: "events.fifo", or its path */
	char *path;  /* NULL, or what is removed at the end, because we made it */
	int fd;      /* -1: none */
	bool handed; /* systemd's: what is in it stays for the next daemon */
	bool opening, watched;
	bool skipping; /* the rest of a line that was too long; */
	bool skipped;  /* and so it was at the last commit */
	struct fifo_opening child;
	struct buf bytes;
	size_t carried;       /* of bytes: a begun line that has left the pipe */
	size_t peeked;        /* of bytes: behind that, in the pipe as well */
	size_t taken;         /* of bytes: lines in the open transaction */
	bool stopped;         /* before the end of bytes: no room for more */
	int64_t retry_due_ms; /* after a failure; 0: none */
};

struct engine {
	const struct options *options;
	struct now now;
	struct clock_steps clock;
	struct loop *loop;
	struct store *store;
	struct confdir *confdir;
	struct journal *log, *rejected;
	struct registry *registry;
	struct match *match;
	struct queue *queue;
	struct client *client;
	struct fs *fs;
	struct mountwatch *mountwatch;
	struct id_space *ids; /* the project's */
	struct tree tree;
	struct attributes attributes;

	struct hook_state *states;  /* uthash by id */
	struct hook_row *rows;      /* uthash by name: hooks of the store without a good file */
	struct adoption *adoptions; /* in the open transaction */
	int config_error;           /* taking files failed with that, and the turn is undone; */
	int config_shortage;        /* or reading one did, for want of memory or descriptors; */
	int64_t config_due_ms;      /* and is tried again then; 0: it did not */
	int64_t pending;            /* of all of them */
	struct counters counters;
	struct counters committed; /* what a failed commit goes back to */
	struct counters stored;    /* what the store has */
	struct hook_state *staged; /* hooks whose counts are in the open transaction */
	struct refusals refusals;
	struct edition edition, errors_edition;
	unsigned changed; /* of the mount, as a hook's */
	struct hook_state *changed_hooks;
	int64_t log_saved; /* the generation that the store has */
	bool log_unwritten, log_unrotated;

	unsigned lines; /* taken, ever */
	struct arrival *arrivals;
	size_t arrival_count, arrival_cap;
	struct flight *flights; /* uthash by id */
	struct result *results; /* the oldest first; */
	unsigned result_count;
	int64_t results_since_ms;            /* and when it came */
	struct aside *aside;                 /* uthash by id: deliveries that cannot be read */
	int64_t record_due_ms;               /* recording failed: not before */
	int64_t refill_due_ms;               /* reading the queue failed: not before */
	struct pipe_intake pipes[PIPES_MAX]; /* events.fifo first */
	unsigned pipe_count;
	struct dropped *dropped; /* NULL: there is no spool */
	int peek[2];             /* a pipe of our own, empty between two looks into another; -1 */

	struct hook_state *aging; /* hooks with a look to come; */
	int64_t aging_due_ms;     /* when the first of these is; 0: never */

	struct listing listing;
	struct hold *holds; /* the oldest first */
	struct test_run *tests;
	uint64_t test_count;

	unsigned confined; /* confine.h */
	bool stopping;
	bool leaving;   /* the mount to the next daemon */
	int64_t commit; /* the number of the last that the next daemon may have to know */
	bool sealed;    /* the open transaction has the next number */
	bool unmounted;
	int64_t unmount_due_ms; /* the mount has gone; when waiting for ENODEV ends */
	int64_t stop_due_ms;
	bool commit_failing; /* said once, not in every turn */
	int64_t expire_due_ms;
	bool expiring; /* what runs out is in the open transaction */
	int64_t swept; /* deliveries of removed hooks, since there are any left */
	int64_t sweep_tell_ms;
	bool sweep_told;
};

/* ---- engine.c */

/* Commits what the turn has done so far and answers everybody who waits for it. 0 or -errno: then all of it is
 * undone and the writers have heard of it. */
int engine_commit(struct engine *e);
/* The store refused a change and has undone the turn: tells the writers, forgets the arrivals. */
void engine_undone(struct engine *e, int error);
/* What whoever wanted it saved is told; returns `error`. */
int save_failed(int error, struct err *err);
/* The errno for somebody whose change a file of the state directory did not take. */
int file_errno(int error);
/* Commits a change that the store took with `r`, or has the turn undone if the store failed (what is
 * taken or not there is no failure). */
int engine_settle(struct engine *e, int r);
/* Something was added to what is kept for a time: housekeeping looks at it before long. */
void engine_keeps(struct engine *e);
void engine_refused(struct engine *e, const char *file, struct who who, const char *text,
	size_t len, const struct err *err);

/* ---- engine_clock.c */

void clock_continue(struct engine *e); /* once, before any due time is used */
void clock_take(struct engine *e);     /* the loop's time becomes the engine's */
int64_t clock_age(const struct engine *e, const struct flight *f); /* in ms */
/* Of the hook's oldest pending delivery; 0: there is none. */
int64_t clock_oldest_age(const struct engine *e, const struct hook_state *s);

/* ---- engine_events.c: bytes in → checked event → its hooks → on disk */

ssize_t events_take(void *ctx, struct framing *f, const char *data, size_t len, struct who who);
int events_end(void *ctx, struct framing *f, struct who who);
/*
 * Takes one line. 0: it is in the open transaction (or concerns no hook). -EINVAL, -E2BIG and the like, and
 * *bad: the line is bad and err says why. Anything else: the store or memory failed and the turn is
 * undone.
 */
int line_take(
	struct engine *e, const char *line, size_t len, uint32_t uid, bool *bad, struct err *err);
int line_check(
	struct engine *e, const char *line, size_t len, struct err *err); /* no more than that */
int line_too_long(struct err *err);
/* 0, or -ENOSPC with a sentence: no more of this user. */
int backlog_full(struct engine *e, size_t len, uint32_t uid, struct err *err);

/* ---- engine_pipe.c: the named pipes */

int pipes_open(struct engine *e, struct err *err); /* all but events.fifo, which is in the mount */
void pipes_open_inside(struct engine *e);
void pipes_close(struct engine *e);  /* takes what is still in them */
void pipes_resume(struct engine *e); /* once more what was set aside, when it is time */
void pipes_committed(struct engine *e, bool ok);
void pipes_free(struct engine *e);
/* When a pipe that was set aside is looked at again; -1. */
int64_t pipes_wake(const struct engine *e);

/* ---- engine_spool.c: files dropped into a directory */

int dropped_open(struct engine *e, struct err *err);
void dropped_turn(struct engine *e);
int64_t dropped_wake(const struct engine *e);
void dropped_close(struct engine *e);

/* ---- engine_request.c */

void deliver_webhook_id(const struct engine *e, int64_t origin, char out[64]);
/* What a delivery says now. It borrows from all of these, and the id is put into webhook_id. */
struct message deliver_message(const struct engine *e, const struct hook *h,
	const struct store_delivery *d, const struct payload *p, char webhook_id[64]);
/* NULL: no memory. */
struct request *deliver_request(
	const struct engine *e, const struct hook *h, uint64_t tag, const struct message *m);

/* ---- engine_deliver.c: what goes next → attempt → verdict → recorded */

void deliver_start(struct engine *e); /* hands out as many requests as may run */
/* The same of what is in memory, which has been committed: an open transaction need not be. */
void deliver_start_loaded(struct engine *e);
void deliver_collect(struct engine *e); /* takes the client's outcomes */
/* Puts verdicts into the open transaction, if it is time. 0, or -errno: the turn is undone. */
int deliver_record(struct engine *e);
/* All three in the middle of a turn, so that those who receive do not wait for those who write. 0, or -errno:
 * the turn is undone. */
int deliver_meanwhile(struct engine *e);
void deliver_conclude(struct engine *e); /* the commit succeeded */
void deliver_undo(struct engine *e);     /* it did not: once more later */
void deliver_forget(struct engine *e);   /* at the end: requests that did not come back */
int64_t deliver_wake(const struct engine *e);
/* Says in the log that so many pending deliveries were given up by a user. */
void deliver_dropped(struct engine *e, const char *hook, uint64_t count);

bool deliver_is_under_way(const struct engine *e, int64_t id);
/* Puts into the open transaction that this pending delivery has failed, being too old; the counts follow when
 * all are in. 0 or -errno. */
int deliver_expire(struct engine *e, int64_t id);
int deliver_save_counts(struct engine *e);

/* ---- engine_aging.c: what waits for too long */

/* What the hook's max_age is, or 0 while it is held. */
void aging_set(struct engine *e, struct hook_state *s, uint64_t max_age_ms);
void aging_look(struct engine *e, struct hook_state *s); /* it has pending ones, of any age */
void aging_wait(struct engine *e, struct hook_state *s); /* one came just now */
void aging_forget(struct engine *e, struct hook_state *s);
void aging_turn(struct engine *e);
void aging_undo(struct engine *e);

/* ---- engine_queue.c: deliveries as files */

int file_find(void *ctx, int64_t id, struct delivery_entry *out);
int file_next(void *ctx, int64_t hook_id, enum delivery_state state, int64_t after_id,
	struct delivery_entry *out);
void file_show(void *ctx, int64_t id, struct buf *out);
int file_replay(void *ctx, int64_t id, struct err *err);
int file_repeat(void *ctx, int64_t id, int64_t *out_id, struct err *err);
int file_drop(void *ctx, int64_t id, struct err *err);

/* ---- engine_attributes.c */

int attributes_load(struct engine *e, struct err *err);
int attributes_keep(void *ctx, const struct attributes *a, struct err *err);

/* ---- engine_hooks.c */

int hook_make(void *ctx, const char *name, mode_t mode, struct who who, struct err *err);
int hook_remove(void *ctx, int64_t id, struct err *err);
int hook_rename(void *ctx, int64_t id, const char *name, struct err *err);
int hook_change(void *ctx, int64_t id, hook_change_fn *change, void *arg, struct err *err);
/* Tells match and queue what the hook is now. */
void hook_index(struct engine *e, int64_t id);
struct hook_state *hook_state_of(const struct engine *e, int64_t id); /* NULL: no such hook */
void hook_states_free(struct engine *e);
/* Entries in memory, of hooks whose file and row are there, or gone. The first two take the hook. */
struct hook_state *hook_enter(struct engine *e, struct hook *h);
void hook_exchange(struct engine *e, struct hook *h); /* in the place of the one with its id */
void hook_leave(struct engine *e, int64_t id);

/* ---- engine_config.c: hooks from their files, at the start and whenever somebody changes one */

int hooks_load(struct engine *e, struct err *err);
/* Hears what has happened to the files and takes some of them: to be called before anybody is shown a hook. */
void config_turn(struct engine *e);
void config_catch_up(void *ctx); /* the same, if something has happened */
/* Takes this hook's file now, if it has changed. */
void config_look(struct engine *e, const char *name);
/* The store has a hook of this name that is missing, since its file is broken or gone. */
bool config_waits(const struct engine *e, const char *name);
/* Tells that somebody's file was in the way. */
void config_aside(struct engine *e, const char *name);
int64_t config_wake(const struct engine *e);
void config_free(struct engine *e);

/* ---- engine_hold.c */

void hook_hold(void *ctx, int64_t id, int32_t pid);
void hook_release(void *ctx, int32_t pid);
void holds_check(struct engine *e); /* ends those whose thread or time has ended */
int64_t holds_wake(const struct engine *e);
void holds_free(struct engine *e);

/* ---- engine_test.c */

int test_start(
	void *ctx, int64_t hook_id, const char *text, size_t len, uint64_t *token, struct err *err);
void test_cancel(void *ctx, uint64_t token);
void test_ended(struct engine *e, struct outcome *o); /* takes the outcome's body */
void test_report_free(struct test_report *r);
void tests_forget(struct engine *e); /* at the end: nobody waits any more */

/* ---- engine_changes.c: call these where something is changed that a file shows */

void changed_mount(struct engine *e);
void changed_errors(struct engine *e);                     /* and the mount, which counts them */
void changed_hook(struct engine *e, struct hook_state *s); /* and the mount */
void changed_test(struct engine *e, struct hook_state *s);
void changes_tell(struct engine *e); /* wakes who waits; the turn's last step */
void changes_end(struct engine *e, struct hook_state *s); /* the hook goes */
int edition_of(void *ctx, enum topic topic, int64_t id, struct edition *out);

/* ---- engine_log.c */

#define LOG_NAME "log.jsonl"
int log_start(struct engine *e);
void log_save(struct engine *e);      /* into the open transaction */
void log_undo(struct engine *e);      /* it was not committed */
void log_committed(struct engine *e); /* rotates, if it is time */
void log_flush(struct engine *e);     /* the turn's lines */
int64_t log_generation(void *ctx);
int log_fd(void *ctx, int64_t generation);
int log_hold(void *ctx, int64_t generation);
void log_release(void *ctx, int64_t generation);

/* ---- engine_show.c */

/* "active", "incomplete", … */
const char *show_hook_state(const struct hook *h);
void show_status(void *ctx, struct buf *out);
void show_errors(void *ctx, struct buf *out);
void show_destinations(void *ctx, struct buf *out);
void show_hook_status(void *ctx, int64_t hook_id, struct buf *out);
void show_test(void *ctx, int64_t hook_id, struct buf *out);

/* ---- engine_metrics.c */

void show_metrics(void *ctx, struct buf *out);
void meter_attempt(struct hook_state *s, const struct outcome *o, bool retried);
