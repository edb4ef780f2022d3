#pragma once
/*
 * store: what must survive: hooks' ids and counters, events, deliveries, idempotency keys.
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
 * Ids are never reused. Units: milliseconds; due times are struct now's due_ms.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

/* Opens or makes the database in directory `dir` (mode 0600). -EINVAL with a sentence that says what to do:
 * broken, foreign or newer database (left untouched). -EBUSY: another process has it open; a child
 * of fork() is one too, so open behind the last fork. Every error comes with a sentence. */
int store_open(const char *dir, bool full_sync, struct err *err, struct store **out);
void store_close(struct store *s);         /* uncommitted changes are dropped */
int store_commit(struct store *s);         /* 0 at once if nothing changed */
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
	/* The earliest due time of each lane, -1: none waits. Filled by store_hook_each only. */
	int64_t fresh_due_ms, retry_due_ms;
};
typedef void store_hook_fn(void *ctx, const struct store_hook *h);

int store_hook_add(struct store *s, const char *name, int64_t *out_id); /* -EEXIST */
/* Step one of a rename (commit, rename the file, then step two). -EEXIST. Again before step two:
 * renamed_from stays, it is the name of the file. */
int store_hook_rename(struct store *s, int64_t id, const char *name);
int store_hook_renamed(struct store *s, int64_t id);
/* With all its deliveries; *out_dropped: how many were pending. */
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
	uint32_t uid;                       /* who wrote it */
};

/* 1 if an event with this idempotency key was taken since since_ms, else 0, or -errno. */
int store_event_seen(struct store *s, const char *id, int64_t since_ms);
/* Adds an event that will have `deliveries` deliveries (≥ 1): as many calls of store_delivery_add
 * follow in the same transaction. */
int store_event_add(
	struct store *s, const struct store_event *e, unsigned deliveries, int64_t *out_id);
int store_delivery_add(struct store *s, int64_t event_id, int64_t hook_id, const char *event_name,
	int64_t due_ms, int64_t *out_id);

struct store_row {
	int64_t id, due_ms;
};
/* A page of the hook's pending deliveries, never tried (retry = false) or tried, with (due_ms, id)
 * greater than the given pair, in that order. The count, or -errno. */
int store_pending(struct store *s, int64_t hook_id, bool retry, int64_t after_due_ms,
	int64_t after_id, struct store_row *rows, unsigned limit);

struct store_delivery {
	int64_t id, event_id, hook_id;
	int64_t created_ms; /* real time of acceptance */
	unsigned attempts;  /* done so far */
	char *event_name;   /* these are owned: store_delivery_release */
	char *request_id, *fields, *result, *rest;
};
int store_delivery_get(struct store *s, int64_t id, struct store_delivery *out); /* -ENOENT */
void store_delivery_release(struct store_delivery *d);

/* What became of a delivery; -ENOENT where it is no longer there. Done removes it in any state, and
 * with its last one the event; retry puts it into the lane of those tried (a failed one too: it is
 * sent again); failed keeps it, and its event, outside both lanes. `error` may be NULL. */
int store_delivery_done(struct store *s, int64_t id);
int store_delivery_retry(
	struct store *s, int64_t id, unsigned attempts, int64_t due_ms, const char *error);
int store_delivery_failed(struct store *s, int64_t id, unsigned attempts, const char *error);
/* Bytes of all events that are not delivered everywhere; kept, not counted. */
uint64_t store_backlog_bytes(const struct store *s);

/* ---- housekeeping: bounded work a call; 1 if there is more, 0 if done, -errno */

/* Removes up to `limit` idempotency keys, and gives up to 256 pages (1 MiB) back to the file system
 * when more than half of the file, and 16 MiB of it, is free. */
int store_expire(struct store *s, int64_t ids_before_ms, unsigned limit);
/* At start: due times of the lane further ahead than they can be (the clock was wrong, or has been set
 * back since) come down to the latest possible, 10,000 a call. */
int store_clamp_due(struct store *s, bool retry, int64_t latest_due_ms);
