#pragma once
/*
 * mountwatch: is our mount still there?
 *
 * Asks the kernel's table of mounts, never the mount itself: a daemon that serves a mount and makes
 * a system call on it waits for its own answer. The mount is known by its device, which the table
 * names; while one mount of it is left in this namespace, a bind mount of it included, it is there.
 *
 * Needed only where something keeps the superblock alive (see intake/fifo.h), so that /dev/fuse
 * never tells of the unmount.
 *
 * Errors: 0 or -errno.
 */
#include <stdbool.h>

#define MOUNTWATCH_TABLE "/proc/self/mountinfo"

struct mountwatch;

/* `mountpoint` as the table shows it: absolute and without links, found out before mounting. Call
 * it when it has been mounted. -ENOENT: nothing is mounted there. */
int mountwatch_new(const char *table, const char *mountpoint, struct mountwatch **out);
/* The device of what is mounted there, without a watch. */
int mountwatch_device(const char *table, const char *mountpoint, unsigned *major, unsigned *minor);
void mountwatch_free(struct mountwatch *w);

/* Watch it for EPOLLPRI | EPOLLERR, which come once for every change of the table since it was
 * first watched: so look once with mountwatch_present behind that, and then at each event. */
int mountwatch_fd(const struct mountwatch *w);
int mountwatch_present(struct mountwatch *w); /* 1, 0, -errno */
