/*
 * startup_service: what systemd hands over, is given to keep, and is told.
 *
 * A service in a mount namespace of its own cannot mount for others: its mounts stay in there. So `webhookfs -m`
 * mounts outside, beforehand, and the service serves what it is handed (docs/services.md).
 */
#include "fs/fs.h"
#include "startup.h"
#include "startup_internal.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HANDED_FIRST 3 /* SD_LISTEN_FDS_START */
#define DEVICE_NAME  "fuse"
#define FD_PREFIX    "/dev/fd/"

/* ---- told */

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/* The protocol of sd_notify(3), which is meant to be spoken without the library. */
int startup_notify(const char *state, int fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	union control control = { 0 };
	struct iovec text = { .iov_base = (char *)state, .iov_len = strlen(state) };
	struct msghdr message = { .msg_name = &a, .msg_iov = &text, .msg_iovlen = 1 };
	int r = 0;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(a.sun_path))
		return -ENOTCONN;
	memcpy(a.sun_path, path, strlen(path));
	if (*path == '@')
		a.sun_path[0] = '\0';
	message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || sendmsg(s, &message, MSG_NOSIGNAL) < 0)
		r = -errno;
	if (s >= 0)
		close(s);
	return r;
}

void startup_working(void)
{
	(void)startup_notify("EXTEND_TIMEOUT_USEC=60000000", -1);
}

void startup_stopping(void)
{
	/* Who keeps the device keeps the mount alive, though nobody serves it. */
	(void)startup_notify("STOPPING=1\nFDSTOREREMOVE=1\nFDNAME=" DEVICE_NAME, -1);
}

/* Waits until systemd has dealt with what it was told: it must not find that who told it has gone. */
static int notify_barrier(void)
{
	int ends[2];
	char nothing;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	int r = startup_notify("BARRIER=1", ends[1]);
	close(ends[1]);
	if (!r && read(ends[0], &nothing, 1) < 0) /* ends when systemd closes the other end */
		r = -errno;
	close(ends[0]);
	return r;
}

/* ---- handed over */

/* The next of the colon-separated names; its length. */
static size_t next_name(const char **names, const char **out)
{
	size_t len = *names ? strcspn(*names, ":") : 0;
	*out = *names;
	*names = *names && (*names)[len] ? *names + len + 1 : NULL;
	return len;
}

static void take(const char *names, uint64_t count, struct handed *out)
{
	for (int i = 0; (uint64_t)i < count && out->count < HANDED_MAX; i++) {
		const char *name;
		size_t len = next_name(&names, &name);
		int fd = HANDED_FIRST + i;
		if (fcntl(fd, F_SETFD, FD_CLOEXEC))
			return;
		if (len == strlen(DEVICE_NAME) && !memcmp(name, DEVICE_NAME, len))
			out->device = fd;
		else
			out->pipes[out->count++] = fd;
	}
}

void startup_handed(const char *mountpoint, struct handed *out)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t number, count;
	*out = (struct handed){ .device = -1 };
	if (pid && fds && !text_parse_uint(pid, strlen(pid), NULL, &number) &&
		number == (uint64_t)getpid() && !text_parse_uint(fds, strlen(fds), NULL, &count))
		take(getenv("LISTEN_FDNAMES"), count, out);
	/* What we start is not meant. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	const char *digits = mountpoint + strlen(FD_PREFIX);
	if (!strncmp(mountpoint, FD_PREFIX, strlen(FD_PREFIX)) &&
		!text_parse_uint(digits, strlen(digits), NULL, &number) && number <= INT_MAX &&
		!fcntl((int)number, F_SETFD, FD_CLOEXEC))
		out->device = (int)number;
}

/* ---- mounted beforehand */

/* The kernel notes who mounts; without allow_other only that user gets in. */
static int become_owner(const char *state_dir, struct err *err)
{
	struct stat st;
	if (stat(state_dir, &st))
		return err_set(err, errno, ERR_NO_COLUMN, "the state directory %s: %s", state_dir,
			strerror(errno));
	if (setresgid(st.st_gid, (gid_t)-1, (gid_t)-1) ||
		setresuid(st.st_uid, (uid_t)-1, (uid_t)-1))
		return err_set(err, errno, ERR_NO_COLUMN, "only root can mount for uid %u: %s",
			st.st_uid, strerror(errno));
	return 0;
}

/* Nothing is to be written beside the mount while it is away: `echo > events` would make a file of that name, and
 * nobody would hear of it. Not every file system can do that. */
static void make_immutable(const char *dir)
{
	int flags, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_IMMUTABLE_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	close(fd);
}

static int make_mountpoint(const char *path, struct err *err)
{
	if (!mkdir(path, 0755))
		make_immutable(path);
	else if (errno != EEXIST)
		return err_set(
			err, errno, ERR_NO_COLUMN, "the mount point %s: %s", path, strerror(errno));
	return 0;
}

int startup_mount(
	const char *state_dir, const char *mountpoint, const char *options, struct err *err)
{
	char *real;
	int device;
	if (!getenv("NOTIFY_SOCKET"))
		return err_set(err, ENOTCONN, ERR_NO_COLUMN,
			"-m mounts for a service of systemd: it belongs into its ExecStartPre=");
	int r = make_mountpoint(mountpoint, err);
	if (r)
		return r;
	/* One that nobody serves any more would come back beside the new one. */
	r = startup_notify("FDSTOREREMOVE=1\nFDNAME=" DEVICE_NAME, -1);
	if (!r)
		r = notify_barrier();
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "cannot talk to systemd: %s", strerror(-r));
	r = startup_mountpoint(mountpoint, err, &real);
	if (r)
		return r;
	r = become_owner(state_dir, err);
	if (!r)
		r = fs_mount_device(state_dir, real, options, err, &device);
	free(real);
	if (r)
		return r;
	/* systemd lets go of it by itself once the mount is gone. */
	r = startup_notify("FDSTORE=1\nFDNAME=" DEVICE_NAME, device);
	if (!r)
		r = notify_barrier();
	close(device);
	return r ? err_set(err, -r, ERR_NO_COLUMN, "cannot give the mount to systemd: %s",
			   strerror(-r))
		 : 0;
}
