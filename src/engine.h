#pragma once
/*
 * engine: the way of an event, from the bytes that come in to the line in the log; and the turn.
 *
 * The only place that knows all parts. engine.c is the flow and the turn; engine_events.c, engine_pipe.c
 * and engine_spool.c what comes in, engine_deliver.c what goes out, engine_request.c as what, engine_hooks.c and engine_config.c
 * the hooks, engine_attributes.c the modes of what is no hook's, engine_test.c tests, engine_queue.c
 * deliveries as files, engine_show.c and engine_metrics.c the counters. They share engine_parts.h.
 *
 * Life cycle: engine_new (opens the store, loads the hooks), engine_tree for the mount,
 * engine_attach, engine_run until it ends, engine_free.
 *
 * Errors: 0 or -errno, with a sentence for the person who starts the daemon.
 */
#include <stdbool.h>

struct engine;
struct err;
struct fs;
struct options;
struct tree;

int engine_new(const struct options *o, struct err *err, struct engine **out);
/* What the mount shows; owned by the engine. */
struct tree *engine_tree(struct engine *e);
/* A pipe that was inherited is one more that takes events. The engine's from then on. */
int engine_take_pipe(struct engine *e, int fd, struct err *err);
/* The mount is there: serve it, and open the named pipe in it. */
int engine_attach(struct engine *e, struct fs *fs, struct err *err);
/* What confine.h has done, for `status`. If that is anything, the mount is taken off by somebody else. */
void engine_confined(struct engine *e, unsigned confined);
/* The mount is there still. */
bool engine_mounted(const struct engine *e);
/* Runs until SIGTERM, SIGINT or an unmount, then lets transfers finish; with a mount that is kept, also until
 * SIGUSR2, and then leaves it when they have finished. 0, or -errno. */
int engine_run(struct engine *e);
/* It has ended, and leaves its mount to the next daemon. */
bool engine_leaves(const struct engine *e);
/* Unmounts, or only lets go of the mount; saves what is left to save, frees. NULL is fine. */
void engine_free(struct engine *e);
