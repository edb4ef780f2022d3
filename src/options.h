#pragma once
/*
 * options: the command line and -o, from one table that also writes -h and the manual.
 */
#include "http/guard.h"
#include "model/object.h"
#include "util/setting.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;

enum options_action {
	OPTIONS_RUN,
	OPTIONS_MOUNT,
	OPTIONS_UNMOUNT,
	OPTIONS_TOP,
	OPTIONS_HELP,
	OPTIONS_VERSION
};

struct options {
	enum options_action action;
	bool foreground, debug;
	char *state_dir;  /* absolute; owned, as all strings here */
	char *mountpoint; /* absolute */
	char *fuse;       /* -o options that are FUSE's, comma-separated; never NULL */

	char *project;
	struct types types;
	bool full_sync;
	uint64_t retention_ms, failed_retention_ms;
	uint64_t retention_bytes;
	uint64_t max_backlog; /* bytes */
	uint64_t max_inflight;
	uint64_t http_threads;
	uint64_t grace_ms;
	char *cacert; /* NULL: the system's */
	struct guard guard;
	char *spool;       /* absolute; NULL: none */
	char *fifo;        /* absolute; NULL: none */
	uint64_t log_size; /* bytes; 0: never rotated */
	uint64_t log_keep;
	char *proxy; /* a url that curl takes; NULL: none */
	bool confine;
	bool keep;
};

/* The -o options; `offset`s count in struct options. */
extern const struct setting options_table[];
extern const size_t options_count;

/* -EINVAL with a sentence. *o is initialised in any case. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_release(struct options *o);
void options_help(struct buf *out);
