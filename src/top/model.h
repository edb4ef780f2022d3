#pragma once
/*
 * model: what a mount's files say, kept together, and how fast it changes.
 *
 * Takes the texts of status, metrics.prom, destinations, errors, log, of the directory hooks and of single
 * hooks' status, in any order and as often as they come, each with the time at which it was read. A text that
 * is no such file changes nothing it does not name. Pure: no clock, no I/O, no terminal; what it keeps is a
 * stranger's text as it was read, so whoever shows it goes through cells.h.
 *
 * A rate is what a counter gained between two looks that are far enough apart, and is over when no look has
 * found any gain for twice that time. A counter that went back began anew.
 *
 * Life cycle: model_new, model_take…, model_free. Memory: some 200 bytes a hook and its name.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

struct model_rate {
	int64_t base, base_ms; /* the counter then; 0 ms: never looked at */
	int64_t span_ms;       /* what the rate is of */
	double a_second;
};

struct model_hook {
	const char *name;
	char state[16]; /* "" while nothing is known but the name */
	char *error;    /* last_error; NULL: not read, or none */
	char *status; /* its status file as it was read last; only of the hook looked at closely */
	int64_t pending, inflight, delivered, failed, retried;
	int64_t oldest_ms; /* since when something has waited: a time of looks; 0: nothing waits */
	int64_t last_success_ms, last_failure_ms;
	struct model_rate rate; /* of delivered */
	unsigned seen;          /* the last round that had it */
	UT_hash_handle hh;
};

/* The mount's counters, as its status has them. */
struct model_mount {
	int64_t hooks, accepted, refused, pending, inflight, delivered, failed;
	int64_t backlog_bytes, backlog_limit;
};

struct model_attempt {
	char *text; /* a line for people */
	bool delivered;
};

/* Lines of text. */
struct model_lines {
	char **list;
	size_t count;
};

#define MODEL_ATTEMPTS_MAX 20

struct model {
	struct model_mount mount;
	bool known; /* a status was read */
	struct model_rate accepted, delivered, failed;
	struct model_hook *hooks;                /* uthash by name */
	int64_t omitted;                         /* hooks that metrics.prom does not tell of */
	unsigned round;                          /* of the last text that named all hooks */
	struct model_lines destinations, errors; /* errors: one line an entry, the newest last */
	char *detail;                            /* whose attempts are kept; NULL: nobody's */
	struct model_attempt attempts[MODEL_ATTEMPTS_MAX]; /* the newest last */
	size_t attempt_count;
	unsigned edition; /* grows with whatever is taken */
	unsigned members; /* grows with every hook that is made or freed */
};

struct model *model_new(void);
void model_free(struct model *m);

/* False: this is no status of a mount, and nothing has changed. */
bool model_take_status(struct model *m, const char *text, size_t len, int64_t now_ms);
void model_take_metrics(struct model *m, const char *text, size_t len, int64_t now_ms);
void model_take_destinations(struct model *m, const char *text, size_t len);
void model_take_errors(struct model *m, const char *text, size_t len);
/* All hooks there are, one a line. */
void model_take_names(struct model *m, const char *text, size_t len);
void model_take_hook(
	struct model *m, const char *name, const char *text, size_t len, int64_t now_ms);
/* Whole lines of the log: those of the hook that is looked at closely are kept. */
void model_take_log(struct model *m, const char *text, size_t len);
/* From now on this one; NULL: none. */
void model_look_at(struct model *m, const char *name);

struct model_hook *model_hook(const struct model *m, const char *name);
/* Its last attempt failed, and none has arrived since. */
bool model_failing(const struct model_hook *h);
/* Of now: 0 where it is over. */
double model_rate(const struct model_rate *r, int64_t now_ms);
/* Does a rate of the mount still stand, that time alone will end? */
bool model_moves(const struct model *m, int64_t now_ms);
