#pragma once
/*
 * unmounter: a process that takes the mount off at the end, because the daemon has given up what that
 * needs (confine.h).
 *
 * It is forked before there is anything secret in memory, holds nothing but one end of a pair of
 * sockets, and waits there. Signals that end daemons do not end it; only the daemon's end does. If that
 * came without a word the mount is left as it is.
 *
 * Errors: 0 or -errno.
 */
#include <stdbool.h>
#include <sys/types.h>

struct unmounter {
	int socket; /* -1: there is none */
	pid_t pid;
};

#define UNMOUNTER_NONE ((struct unmounter){ .socket = -1 })

int unmounter_start(const char *mountpoint, struct unmounter *u);
/* Ends it. With `mounted` it takes off what is mounted there; returns when that is done. */
void unmounter_finish(struct unmounter *u, bool mounted);
