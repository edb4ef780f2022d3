#pragma once
/*
 * dirwatch: what happens to the entries of one directory, by inotify.
 *
 * Tells names and looks at no file: who is told looks for himself, since what is told has passed.
 * The only place that knows inotify.
 *
 * Errors: 0 or -errno; -ENOSPC and -EMFILE: the user's share of watches or instances is used up.
 */
#include <stdbool.h>
#include <stddef.h>

struct dirwatch;

enum dirwatch_event {
	DIRWATCH_WHOLE,   /* closed by a writer, or renamed to this name: it is complete */
	DIRWATCH_MADE,    /* there is something of this name; its writer may not have ended */
	DIRWATCH_CHANGED, /* its mode, owner or times */
	DIRWATCH_GONE,    /* removed, or renamed to another name */
	DIRWATCH_MISSED,  /* too much happened at once: look at all entries; no name */
	DIRWATCH_LOST, /* the directory itself was removed or moved: nothing comes any more; no name */
};
typedef void dirwatch_fn(void *ctx, enum dirwatch_event event, const char *name);

/* The directory is the one that dir_fd has open, wherever its name goes. */
int dirwatch_new(int dir_fd, struct dirwatch **out);
void dirwatch_free(struct dirwatch *w);
int dirwatch_fd(const struct dirwatch *w);     /* readable when there is something to tell */
bool dirwatch_waits(const struct dirwatch *w); /* whether there is, at the price of one call */

/* Whether the directory was removed, which is not told as long as it is open. Where that cannot be asked it was not. */
bool dirwatch_removed(int dir_fd);

/* Tells what is there, some thousand events at most; 1: there may be more. Does not wait. */
int dirwatch_read(struct dirwatch *w, dirwatch_fn *told, void *ctx);
/* The same of bytes that the kernel has given. */
void dirwatch_parse(const char *data, size_t len, dirwatch_fn *told, void *ctx);
