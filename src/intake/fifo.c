#include "intake/fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What an unprivileged user may ask for by default (/proc/sys/fs/pipe-max-size). */
#define PIPE_SIZE (1024 * 1024)
#define CLONE_MS  10000
#define OPEN_PIPE (O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC)

/*
 * The pipe is opened through a clone of the mount that hangs nowhere, because a descriptor opened under
 * the mount point makes `umount` fail with EBUSY for as long as the daemon lives. System calls
 * without their wrappers: those came to glibc long after they came to Linux.
 *
 * This runs in the child, and a fork of a program with threads may only make async-signal-safe calls.
 */
static int clone_in_child(const char *mountpoint)
{
	int mount = (int)syscall(
		SYS_open_tree, AT_FDCWD, mountpoint, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return mount < 0 ? -errno : mount;
}

static int open_in_child(int mount, const char *name)
{
	struct stat st;
	int fd = openat(mount, name, OPEN_PIPE), error = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		error = -errno;
	else if (!S_ISFIFO(st.st_mode))
		error = -EINVAL;
	/* cppcheck-suppress resourceLeak ; the child ends, and it with it */
	return error ? error : fd;
}

/* The messages of the child: an errno or 0, the second one with a descriptor beside it. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static void send_result(int socket, int error, int fd)
{
	union control control = { 0 };
	struct iovec data = { .iov_base = &error, .iov_len = sizeof(error) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	}
	(void)sendmsg(socket, &message, MSG_NOSIGNAL); /* nobody there: nobody wants it */
}

/*
 * The child closes what it inherited before it asks anything of the mount: its copy of /dev/fuse
 * would keep the mount alive, and the child waiting for it, if the daemon was killed now.
 */
static noreturn void child_main(int socket, const char *mountpoint, const char *name)
{
	int mount, fd;

	if (socket != STDERR_FILENO + 1)
		socket = dup2(socket, STDERR_FILENO + 1);
	(void)syscall(SYS_close_range, socket + 1, ~0U, 0); /* ENOSYS before Linux 5.9 */
	mount = clone_in_child(mountpoint);
	send_result(socket, mount < 0 ? mount : 0, -1);
	if (mount >= 0) {
		fd = open_in_child(mount, name);
		send_result(socket, fd < 0 ? fd : 0, fd);
	}
	_exit(0);
}

/* Whether it has the clone, for which nothing is asked of the mount, so it is known at once; also
 * if a filter of system calls kills who asks. */
static int receive_clone(int socket)
{
	struct pollfd child = { .fd = socket, .events = POLLIN };
	int error, n;

	do
		n = poll(&child, 1, CLONE_MS);
	while (n < 0 && errno == EINTR);
	if (n != 1 || recv(socket, &error, sizeof(error), 0) != sizeof(error))
		return -EIO;
	return error;
}

/* One that waits in the mount, or was stopped, would keep who waits for it. */
static void child_end(pid_t child)
{
	(void)kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

int fifo_open_inside(const char *mountpoint, const char *name, struct fifo_opening *o)
{
	struct fifo_opening opening;
	int ends[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	opening.socket = ends[0];
	opening.child = fork();
	if (opening.child == 0)
		child_main(ends[1], mountpoint, name);
	error = opening.child < 0 ? -errno : 0;
	(void)close(ends[1]); /* unused here */
	if (error) {
		(void)close(ends[0]); /* likewise */
		return error;
	}
	error = receive_clone(opening.socket);
	if (error) {
		(void)close(opening.socket); /* nothing else comes */
		child_end(opening.child);
	} else {
		*o = opening;
	}
	return error;
}

/* The child's last answer: a descriptor, or the errno that it met; -EIO if it died without one. */
static int receive_result(int socket)
{
	int fd, error;
	union control control;
	struct iovec data = { .iov_base = &error, .iov_len = sizeof(error) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	if (n != sizeof(error))
		return -EIO;
	if (error)
		return error;
	if (message.msg_controllen < CMSG_LEN(sizeof(int)))
		return -EMFILE; /* the kernel drops what finds no free descriptor here */
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
	return fd;
}

/* Larger bursts fit before a writer waits. Refused above the user's share of pipe memory. */
void fifo_enlarge(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
}

int fifo_receive(struct fifo_opening *o, int *fd)
{
	int result = receive_result(o->socket);

	if (result == -EAGAIN)
		return result;
	(void)close(o->socket); /* nothing else comes */
	child_end(o->child);    /* it has said all, or is dead */
	if (result < 0)
		return result;
	fifo_enlarge(result);
	*fd = result;
	return 0;
}

void fifo_cancel(struct fifo_opening *o)
{
	(void)close(o->socket); /* a descriptor that is in it goes too */
	(void)kill(o->child, SIGKILL);
	/* It may wait in the mount until that is gone; then it is init who reaps it. */
	(void)waitpid(o->child, NULL, WNOHANG);
}

/* As fs.protected_fifos of the kernel says it, which is off in most places and only for who makes one: in a
 * directory of all, like /tmp, a stranger would read what others write to his pipe. */
static bool is_strangers(const char *path, const struct stat *pipe)
{
	char *copy = strdup(path);
	struct stat dir;
	bool bad = !copy || stat(dirname(copy), &dir) < 0 ||
		((dir.st_mode & S_ISVTX) && (dir.st_mode & (S_IWGRP | S_IWOTH)) &&
			pipe->st_uid != geteuid() && pipe->st_uid != dir.st_uid);

	free(copy);
	return bad;
}

int fifo_open_beside(const char *path, int *fd, bool *made)
{
	struct stat st;
	bool new = mkfifo(path, 0600) == 0;
	int pipe;

	if (!new &&errno != EEXIST)
		return -errno;
	pipe = open(path, OPEN_PIPE);
	if (pipe < 0)
		return -errno;
	if (fstat(pipe, &st) < 0 || !S_ISFIFO(st.st_mode)) {
		(void)close(pipe); /* nothing was written */
		return -EEXIST;
	}
	if (!new &&is_strangers(path, &st)) {
		(void)close(pipe); /* likewise */
		return -EPERM;
	}
	fifo_enlarge(pipe);
	*fd = pipe;
	*made = new;
	return 0;
}

void fifo_remove(const char *path, int fd)
{
	struct stat ours, there;

	if (fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_dev == there.st_dev &&
		ours.st_ino == there.st_ino)
		(void)unlink(path); /* one that stays is taken up by the next start */
}

/* It is another user's, as systemd's are for a service with User=: its flags are then shared with who made it. */
static int share(int handed)
{
	int flags = fcntl(handed, F_GETFL);

	if (flags < 0 || fcntl(handed, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	if ((flags & O_ACCMODE) != O_RDWR) {
		errno = EACCES;
		return -1;
	}
	return fcntl(handed, F_DUPFD_CLOEXEC, 0);
}

int fifo_open_handed(int handed, int *fd, char **name)
{
	char link[64], target[PATH_MAX];
	struct stat st;
	ssize_t len;
	int pipe;

	if (fstat(handed, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -EINVAL;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", handed);
	pipe = open(link, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (pipe < 0 && errno == EACCES)
		pipe = share(handed);
	if (pipe < 0)
		return -errno;
	len = readlink(link, target, sizeof(target));
	*name = len > 0 ? strndup(target, (size_t)len) : strdup("ListenFIFO");
	if (!*name) {
		(void)close(pipe); /* nothing was written */
		return -ENOMEM;
	}
	(void)close(handed); /* likewise */
	*fd = pipe;
	return 0;
}
