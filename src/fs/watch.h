#pragma once
/*
 * watch: who waits for what: the open files that are polled, by what they show.
 *
 * A change of a topic costs as much as has waiters for it, however many others wait for something
 * else. A waiter waits with a token, the kernel's poll handle, which is of no meaning here; it is
 * given back once, by whichever of the functions below takes the waiter out.
 */
#include "fs/tree.h"

#include <stdbool.h>

struct waiter {
	void *token; /* NULL: it does not wait */
	struct watched *on;
	struct waiter *prev, *next; /* of those that wait for the same */
};

struct watch {
	struct watched *topics; /* uthash by topic and id */
};

/* From now on it waits, if it did not already. The token it waited with until now, or NULL. */
void *watch_wait(struct watch *w, struct waiter *one, enum topic topic, int64_t id, void *token);
/* It waits no more. Its token, or NULL. */
void *watch_leave(struct watch *w, struct waiter *one);
/* Takes out the one that has waited longest for this topic: its token, or NULL if there is none. */
void *watch_take(struct watch *w, enum topic topic, int64_t id);
bool watch_is_empty(const struct watch *w);
