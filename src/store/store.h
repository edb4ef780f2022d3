#pragma once
/*
 * store: what must survive: hooks' ids and counters, events, deliveries with their attempts,
 * idempotency keys.
 *
 * The seam of architecture §6: it speaks of these, not of SQL. Owns STATE_DIR/queue.db and its
 * transaction: the first change after a commit begins one, store_commit ends it. Reads see what the
 * open transaction wrote. Single-threaded; no clock (times are arguments).
 *
 * Durability: with full_sync a commit returns after fdatasync. After kill -9 or a power cut the store
 * is as of the last commit that returned 0, or of one behind it that did not come to return 0: whole.
 *
 * Errors: 0 or -errno.
 *   -ENOSPC the disk is full, -ENOMEM, -EIO anything else that failed, in a query too: all since the
 *     last commit is undone, the numbers kept here included. Unless it was a commit that failed, further
 *     changes fail alike until store_commit has returned the error too; then the store is usable
 *     again. So a turn's commit tells whether the whole turn is kept, and is called in every turn.
 *   -ENOENT no such hook or delivery, -EEXIST the name is taken: nothing has changed.
 *
 * Ids are never reused. Units: milliseconds; due times are struct now's due_ms, created
 * and finished are real times.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct store;

/* A database of an older version is brought to this one's in a single transaction. Who waits for it is
 * told before each step, and several times a second within one. */
struct store_upgrade {
	unsigned from, to;    /* versions of the format */
	unsigned step, steps; /* from 1 */
};
struct store_watcher {
	void (*upgrading)(void *ctx, const struct store_upgrade *u);
	void *ctx;
};

/* Opens or makes the database in directory `dir` (mode 0600); watcher may be NULL. -EINVAL with a
 * sentence that says what to do: broken, foreign or newer database. -EBUSY: another process has it
 * open; a child of fork() is one too, so open behind the last fork. Every error comes with a sentence,
 * and leaves what was there as it was. */
int store_open(const char *dir, bool full_sync, const struct store_watcher *watcher,
	struct err *err, struct store **out);
void store_close(struct store *s); /* uncommitted changes are dropped */
int store_commit(struct store *s); /* 0 at once if nothing changed */
/* Undoes all since the last commit and returns `error` (< 0), as store_commit will: the store does so itself when it
 * fails, and whoever has no memory for the other half of a change does it alike. */
int store_fail(struct store *s, int error);
bool store_changed(const struct store *s); /* store_commit has something to do or to report */
/* Random text made with the database, e.g. "k3v9q2x1ab": the part of webhook-ids that tells hosts apart. */
const char *store_tag(const struct store *s);

/* ---- hooks: the ids of names, and the counters; the configuration itself is in hooks/NAME.json */

struct store_hook {
	int64_t id;
	const char *name;
	const char *renamed_from; /* not NULL: a rename was begun and not yet finished */
	uint64_t pending, delivered, failed;
	int64_t last_success_ms, last_failure_ms; /* 0: never */
	const char *last_error;                   /* "" */
	/* Filled by store_hook_each only: whether any waits that was never tried, and the earliest due
	 * time of those that were, -1: none. */
	bool fresh;
	int64_t retry_due_ms;
};
typedef void store_hook_fn(void *ctx, const struct store_hook *h);

int store_hook_add(struct store *s, const char *name, int64_t *out_id); /* -EEXIST */
/* Step one of a rename (commit, rename the file, then step two). -EEXIST. Again before step two:
 * renamed_from stays, it is the name of the file. */
int store_hook_rename(struct store *s, int64_t id, const char *name);
int store_hook_renamed(struct store *s, int64_t id);
/* With all its deliveries, kept ones too; *out_dropped: how many were pending. All of it is out of
 * the lists at once, and the name is free, whatever the number: the rows themselves, and the bytes
 * they count for, go with store_sweep, which is then to be called. Until then a delivery is still
 * found by its own id. */
int store_hook_remove(struct store *s, int64_t id, uint64_t *out_dropped);
/* In the order of ids; `each` must not call the store, and its strings live as long as the call. */
int store_hook_each(struct store *s, store_hook_fn *each, void *ctx);
/* Saves delivered, failed, last_*. */
int store_hook_save(struct store *s, const struct store_hook *h);

/* ---- named numbers of the mount (accepted, refused, …), kept in the same commits */

int store_counter_save(struct store *s, const char *name, int64_t value);
int64_t store_counter(struct store *s, const char *name); /* 0 where there is none */

/* ---- events and deliveries */

struct store_event {
	int64_t accepted_ms; /* real time */
	const char *id;      /* idempotency key, NULL */
	const char *request_id;
	const char *fields, *result, *rest; /* model/payload's parts; result may be NULL */
	uint32_t uid;                       /* who wrote it, or UID_UNKNOWN (model/who.h) */
};

/* 1 if an event with this idempotency key was taken since since_ms, else 0, or -errno. */
int store_event_seen(struct store *s, const char *id, int64_t since_ms);
/* Adds an event that will have `deliveries` deliveries (≥ 1): as many calls of store_delivery_add
 * follow in the same transaction. */
int store_event_add(
	struct store *s, const struct store_event *e, unsigned deliveries, int64_t *out_id);
int store_delivery_add(struct store *s, int64_t event_id, int64_t hook_id, const char *event_name,
	int64_t due_ms, int64_t *out_id);

int64_t store_next_delivery(const struct store *s); /* the id that the next one gets */

struct store_row {
	int64_t id, due_ms;
};
/* Pages of the hook's pending deliveries. Those that were never tried are due as they come, in the order of
 * ids; those that were, with (due_ms, id) greater than the given pair, in that order. The count, or -errno. */
int store_fresh(struct store *s, int64_t hook_id, int64_t after_id, int64_t *ids, unsigned limit);
int store_retries(struct store *s, int64_t hook_id, int64_t after_due_ms, int64_t after_id,
	struct store_row *rows, unsigned limit);

/* Delivered and failed ones are kept, with their attempts, until store_retire or a drop. */
enum store_state { STORE_PENDING, STORE_DELIVERED, STORE_FAILED };

struct store_delivery {
	int64_t id, event_id, hook_id;
	int64_t origin; /* the id that its webhook-id is made of: its own, or that of the one it repeats */
	enum store_state state;
	int64_t created_ms;  /* real time of acceptance */
	int64_t due_ms;      /* of a pending one; if it was never tried, since when it is */
	int64_t finished_ms; /* 0: pending */
	uint32_t uid;        /* who wrote the event, or UID_UNKNOWN */
	unsigned attempts;   /* done so far, or since it was replayed */
	char *error;         /* of the last attempt; NULL: none, or delivered */
	char *event_name;    /* these are owned, as error is: store_delivery_release */
	char *request_id, *fields, *result, *rest;
	bool damaged; /* texts are lost or are none any more, and NULL: nothing to be sent, but all can be told */
};
/* -ENOENT. -EIO too where what it counts with is damaged: nothing can become of it. */
int store_delivery_get(struct store *s, int64_t id, struct store_delivery *out);
void store_delivery_release(struct store_delivery *d);

/* What became of a pending or a failed delivery; -ENOENT where it is no longer there, or delivered
 * already. Done and failed keep it, and its event, outside both lanes; retry puts it into the lane of
 * those tried. `attempt` is one JSON object, which is appended to the delivery's list, or NULL: there was
 * none. `error` may be NULL. now_ms is the real time. */
int store_delivery_done(
	struct store *s, int64_t id, unsigned attempts, const char *attempt, int64_t now_ms);
int store_delivery_retry(struct store *s, int64_t id, unsigned attempts, const char *attempt,
	int64_t due_ms, const char *error);
int store_delivery_failed(struct store *s, int64_t id, unsigned attempts, const char *attempt,
	int64_t now_ms, const char *error);

/* Makes a failed delivery pending again, in the lane of those tried, with attempts 0; its list of
 * attempts stays. -ENOENT if it is not failed. */
int store_delivery_replay(struct store *s, int64_t id, int64_t due_ms);
/* A new delivery, in the lane of those never tried, of the same event, hook, event name and origin
 * as one in any state. -ENOENT. */
int store_delivery_repeat(struct store *s, int64_t id, int64_t due_ms, int64_t *out_id);
/* Removes a delivery in any state, and with the last one its event; *out_state: what it was.
 * -ENOENT. */
int store_delivery_drop(struct store *s, int64_t id, enum store_state *out_state);

/* Appends the list of attempts in order, "{…},{…}"; nothing where there is none, or no such delivery. -E2BIG: no
 * room in `out`. */
int store_attempts(struct store *s, int64_t delivery_id, struct buf *out);

struct store_entry {
	int64_t id, created_ms, finished_ms;
};
/* A page of the hook's deliveries in a state with ids above after_id, ascending. The count, or -errno. */
int store_list(struct store *s, int64_t hook_id, enum store_state state, int64_t after_id,
	struct store_entry *rows, unsigned limit);

struct store_waiting {
	int64_t id, origin; /* as a delivery's */
	int64_t created_ms, due_ms;
	unsigned attempts;
	bool retry; /* its lane */
};
/* A page of the hook's pending deliveries with ids above after_id, ascending. The count, or -errno. */
int store_waiting(struct store *s, int64_t hook_id, int64_t after_id, struct store_waiting *rows,
	unsigned limit);

/* The first of the hook's pending deliveries by id: 1 and it, 0: none is pending, -errno. A few searches of
 * an index, however many are pending. */
int store_oldest_pending(struct store *s, int64_t hook_id, struct store_entry *out);

/* Bytes of all events that are not delivered everywhere; kept, not counted. */
uint64_t store_backlog_bytes(const struct store *s);
/* Bytes of what is kept: the attempts of all delivered and failed deliveries, and the payload of
 * each event that has one. */
uint64_t store_kept_bytes(const struct store *s);

/* ---- housekeeping: bounded work a call; 1 if there is more, 0 if done, -errno */

/* Removes up to `limit` deliveries of hooks that were removed. */
int store_sweep(struct store *s, unsigned limit);
/* Removes up to `limit` idempotency keys, and gives up to 256 pages (1 MiB) back to the file system
 * when more than half of the file, and 16 MiB of it, is free. */
int store_expire(struct store *s, int64_t ids_before_ms, unsigned limit);
/* Removes up to `limit` kept deliveries: delivered ones that finished before delivered_ms, failed ones
 * that finished before failed_ms, and the oldest delivered ones while more than max_bytes are kept. */
int store_retire(struct store *s, int64_t delivered_ms, int64_t failed_ms, uint64_t max_bytes,
	unsigned limit);
/* At start: due times of retries further ahead than they can be (the clock was wrong, or has been set
 * back since) come down to the latest possible, 10,000 a call. */
int store_clamp_due(struct store *s, int64_t latest_due_ms);
/* Likewise of what the hook has that was never tried, which cannot have begun to wait later than now. */
int store_clamp_fresh(struct store *s, int64_t hook_id, int64_t now_due_ms);
