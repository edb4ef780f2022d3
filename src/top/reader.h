#pragma once
/*
 * reader: all that waits for the mount, in a thread of its own, so that no key waits for a daemon that is
 * busy, stopped or gone.
 *
 * It polls what is watched, reads what has changed, and hands the texts over. After a file was read it rests
 * for fifty times what that took, and for a moment at least: however large the mount and however busy, what
 * looks at it takes a fiftieth of the daemon's time a file, and where nothing changes nothing is done.
 *
 * status, destinations and errors are always watched, metrics.prom is read when status has changed, the names
 * in hooks where metrics.prom leaves some out; hooks' own status files only for those that are named by
 * reader_watch, and the log only for the one looked at closely, its last part first.
 *
 * A mount that has gone is tried again each second; then all begins anew. The open files keep the mount busy,
 * as those of any program do.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader;

enum reader_kind {
	READER_STATUS,
	READER_METRICS,
	READER_NAMES,
	READER_DESTINATIONS,
	READER_ERRORS,
	READER_LOG, /* whole lines, the next ones each time */
	READER_HOOK,
	READER_GONE, /* the mount */
};

struct reading {
	enum reader_kind kind;
	char *hook; /* READER_HOOK, READER_LOG: whose it is */
	char *text;
	size_t len;
	int error;       /* then there is no text */
	int64_t time_ms; /* of loop_clock_ms */
	struct reading *next;
};

#define READER_HOOKS_MAX 200 /* as many as a screen has lines */

/* Takes the root. `error` as errno: no thread, no memory. */
int reader_new(const char *mountpoint, int root, struct reader **out);
/* Ends the thread; false: it waits for the mount and did not end, so nothing was freed. */
bool reader_free(struct reader *r);
int reader_fd(const struct reader *r); /* readable while there are readings */
/* Since when it has waited for the mount, as loop_clock_ms; 0: it does not. */
int64_t reader_waits_since(struct reader *r);
/* All there are, the oldest first; NULL: none. Each is freed with reading_free. */
struct reading *reader_take(struct reader *r);
void reading_free(struct reading *reading);
/* From now on these hooks, and this one's log (NULL: no log). */
void reader_watch(struct reader *r, const char *const *hooks, size_t count, const char *log_of);
