#pragma once
/*
 * fifo: the named pipes that take lines: inside the mount, beside it, or handed over by systemd.
 *
 * Opens pipes and nothing else: what comes out of them goes through framing. The pipe is always
 * open for writing too, so that it never ends when its last writer leaves, and holds up to 1 MiB
 * where the system allows that. Descriptors are not blocking, close on exec, and the caller's.
 *
 * Inside: the data of a pipe never passes through FUSE, its opening does. A daemon that serves its
 * mount from one thread would wait for its own answer, so a child opens the pipe and sends the
 * descriptor. Three things follow for whoever holds it:
 *  - Only read, poll and fcntl it. Anything that asks for attributes (fstat) is a FUSE request.
 *  - It does not keep the mount busy, but its superblock alive: after an unmount /dev/fuse does not
 *    say ENODEV. Watch the mount (util/mountwatch.h); when it is gone, close the pipe and /dev/fuse
 *    speaks.
 *  - Close it before unmounting, too.
 *
 * Errors: 0 or -errno.
 */
#include <stdbool.h>
#include <sys/types.h>

/* A pipe on its way from the child. */
struct fifo_opening {
	int socket; /* readable when there is something to receive */
	pid_t child;
};

/*
 * Starts to open MOUNTPOINT/NAME, and returns without anything having been asked of the mount. After 0, either
 * fifo_receive gives a final answer or fifo_cancel gives up; *o is untouched on failure. -EPERM, -ENOSYS: not
 * allowed (CAP_SYS_ADMIN) or not known to this kernel, -EIO: whoever asked was killed: nobody will read a
 * pipe in the mount, so it must not be shown; open one beside it.
 */
int fifo_open_inside(const char *mountpoint, const char *name, struct fifo_opening *o);
/*
 * Call it when o->socket is readable and no longer watched: -EAGAIN, nothing has come yet, and *o
 * stays; anything else is final and *o is gone. -EINVAL: NAME is no pipe.
 */
int fifo_receive(struct fifo_opening *o, int *fd);
/* Never waits, so it may be called while the mount still hangs on the caller. */
void fifo_cancel(struct fifo_opening *o);

/*
 * Makes PATH (0600; *made) or takes up the pipe that is there: programs that wait in opening the pipe
 * of a daemon that died are served, which they would not be if it were replaced. -EEXIST: PATH is
 * there and is no pipe, -ELOOP: it is a symbolic link, -EPERM: it is a stranger's in a directory of all.
 */
int fifo_open_beside(const char *path, int *fd, bool *made);
/* Removes PATH if it is still the pipe that fd has open. */
void fifo_remove(const char *path, int fd);

/*
 * A pipe that was inherited: opens it anew, so that its flags are ours alone, and closes `handed`.
 * *name: where it lies, the caller frees. -EINVAL: it is no pipe; then it stays open.
 */
int fifo_open_handed(int handed, int *fd, char **name);

/* Lets the pipe hold up to 1 MiB, where the system allows that. */
void fifo_enlarge(int fd);
