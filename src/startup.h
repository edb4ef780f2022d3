#pragma once
/*
 * startup: what must be right before there is a daemon: the state directory, the mount point, the background; and
 * a mount that is made and taken off for a service that may not do so itself (startup_mount.c).
 *
 * Each mistake ends in one sentence that says what to do. Errors: 0 or -errno.
 */
#include <stdbool.h>

struct err;

#define STARTUP_LEFT 3 /* exit status: the mount waits for the next daemon */

/*
 * Makes the state directory (0700, parents too) if it is missing; refuses one that others can read
 * (-EPERM), that is under the mount point (-EINVAL) or not ours to write (-EACCES); locks it against a second
 * daemon (-EBUSY). *out_lock stays open as long as the daemon lives.
 */
int startup_state_dir(const char *path, const char *mountpoint, struct err *err, int *out_lock);

/* The path of a mount point without links, as the kernel's table shows it, found out without touching what is
 * mounted there; the same path if it is not there. NULL: no memory. The caller frees. */
char *startup_path(const char *path);
/* A webhookfs is what is mounted there last; likewise. */
bool startup_is_ours(const char *path);
/* Takes off what a crashed webhookfs left mounted there. */
void startup_detach(const char *path);
/*
 * Detaches what a crashed daemon left mounted there. Refuses a mount point that is missing or no directory
 * (-ENOENT, -ENOTDIR), or where something living is mounted (-EBUSY); no /dev/fuse: -ENODEV.
 * *out_path: without links, as the kernel's table shows it; the caller frees.
 */
int startup_mountpoint(const char *path, struct err *err, char **out_path);

/*
 * Forks. In the parent it never returns: the parent waits until the child calls startup_ready and exits with 0,
 * or exits with the child's status if the child ends before. -errno: no fork.
 */
int startup_background(int *out_ready);
/* -EINVAL for a path that is, or whose directory is, under the mount point: opening it would wait for ourselves.
 * `what` is the option. NULL is fine. */
int startup_outside(const char *what, const char *path, const char *mountpoint, struct err *err);

/* The mount is usable: lets the parent go, detaches from the terminal, tells systemd (Type=notify). */
void startup_ready(int ready);
/* The part of it that concerns the terminal. */
void startup_leave_terminal(void);

/*
 * -m: makes the mount point if it is missing, gives the mount to the owner of the state directory, and its device to
 * systemd, which hands it to the service. A mount that a daemon of the service has left there alive stays, with
 * what is stored of it. -errno: nothing is mounted.
 */
int startup_mount(
	const char *state_dir, const char *mountpoint, const char *options, struct err *err);
/* -u: behind the service's daemon: takes the mount off, unless it waits for the next one. */
int startup_unmount(const char *mountpoint, struct err *err);
