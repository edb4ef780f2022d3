#pragma once
/*
 * startup: what must be right before there is a daemon: the state directory, the mount point,
 * the background, and what systemd hands over (startup_service.c).
 *
 * Each mistake ends in one sentence that says what to do. Errors: 0 or -errno.
 */
#include <stdbool.h>

struct err;

/*
 * Makes the state directory (0700, parents too) if it is missing; refuses one that others can read
 * (-EPERM), that is under the mount point (-EINVAL) or not ours to write (-EACCES); locks it against a second
 * daemon (-EBUSY). *out_lock stays open as long as the daemon lives.
 */
int startup_state_dir(const char *path, const char *mountpoint, struct err *err, int *out_lock);

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

#define HANDED_MAX 64

/* What was opened for us: pipes, by systemd's ListenFIFO=, and the device of a mount that is there already. */
struct handed {
	int pipes[HANDED_MAX];
	int count;
	int device; /* /dev/fuse; -1: we mount ourselves */
};

/* The protocol of sd_listen_fds(3); the descriptor named "fuse" is the device. So is N where the mount point is
 * /dev/fd/N. To be called once, before the fork. They are closed on exec. */
void startup_handed(const char *mountpoint, struct handed *out);

/*
 * Mounts for a service that may not (-m): makes the mount point if it is missing, gives the mount to the owner of
 * the state directory, and its device to systemd, which hands it to the service. -errno: nothing is mounted.
 */
int startup_mount(
	const char *state_dir, const char *mountpoint, const char *options, struct err *err);

/* -EINVAL for a path that is, or whose directory is, under the mount point: opening it would wait for ourselves.
 * `what` is the option. NULL is fine. */
int startup_outside(const char *what, const char *path, const char *mountpoint, struct err *err);

/* The mount is usable: lets the parent go, detaches from the terminal, tells systemd (Type=notify). */
void startup_ready(int ready);
/* A start that takes long says this at least once a minute, or systemd gives it up. */
void startup_working(void);
/* Tells systemd that stopping has begun, and that a device it keeps is no longer needed. */
void startup_stopping(void);
