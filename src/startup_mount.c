/*
 * startup_mount: mounting and unmounting for a service of systemd that may do neither.
 *
 * A service in a mount namespace of its own cannot mount for others: its mounts stay in there. So `webhookfs -m`
 * mounts outside, beforehand, and `webhookfs -u` unmounts behind it (docs/services.md).
 *
 * In between daemons come and go, and systemd keeps the mount. Which of a daemon's ends are followed by another is
 * known here alone, by what systemd says of them: one that was killed, and one that has left the mount.
 */
#include "fs/fs.h"
#include "service.h"
#include "startup.h"
#include "util/err.h"
#include "util/mountwatch.h"
#include "util/unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_PAUSE_MS 1
#define LOOK_MS       1000 /* without the kernel's table of connections: who has no answer then waits */

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

/* Somebody waits for an answer of this mount; one that is dead has ended all waiting. */
static bool is_waited_for(unsigned device)
{
	char path[64], digit = '0';
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/waiting", device);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, &digit, 1);
	close(fd);
	return n == 1 && digit != '0';
}

/* Who makes a request that nobody has taken can be killed; otherwise he is left to himself. */
static void end(pid_t pid)
{
	const struct timespec pause = { 0, LOOK_PAUSE_MS * 1000000L };
	(void)kill(pid, SIGKILL); /* it is our child */
	for (int i = 0; i < LOOK_MS / LOOK_PAUSE_MS && waitpid(pid, NULL, WNOHANG) == 0; i++)
		nanosleep(&pause, NULL);
}

/* What is mounted there lives, and nobody serves it. Nothing but a request tells that from a dead mount, and who
 * makes one waits: so a child does. */
static bool is_left(const char *path)
{
	const struct timespec pause = { 0, LOOK_PAUSE_MS * 1000000L };
	unsigned major, minor;
	if (!startup_is_ours(path) || mountwatch_device(MOUNTWATCH_TABLE, path, &major, &minor))
		return false;
	pid_t pid = fork();
	if (pid == 0) {
		struct statfs fs;
		(void)statfs(path, &fs); /* that it returns is the answer */
		_exit(0);
	}
	for (int i = 0; pid > 0 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
		if (is_waited_for(minor) || i >= LOOK_MS / LOOK_PAUSE_MS) {
			end(pid);
			return true;
		}
		nanosleep(&pause, NULL);
	}
	return false;
}

static int store(int device)
{
	/* systemd lets go of it by itself once the mount is gone. */
	int r = service_store(device, -1);
	/* It finds out by the sender's process whose message it hears: that must still be there. */
	return r ? r : service_barrier();
}

static int mount_anew(
	const char *state_dir, const char *mountpoint, const char *options, struct err *err)
{
	char *real;
	int device;
	/* What nobody serves any more would come back beside the new one. */
	service_unstore();
	int r = service_barrier();
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
	r = store(device);
	close(device);
	return r ? err_set(err, -r, ERR_NO_COLUMN, "cannot give the mount to systemd: %s",
			   strerror(-r))
		 : 0;
}

int startup_mount(
	const char *state_dir, const char *mountpoint, const char *options, struct err *err)
{
	if (!service_listens())
		return err_set(err, ENOTCONN, ERR_NO_COLUMN,
			"-m mounts for a service of systemd: it belongs into its ExecStartPre=");
	int r = make_mountpoint(mountpoint, err);
	char *path = r ? NULL : startup_path(mountpoint);
	if (!r && !(path && is_left(path)))
		r = mount_anew(state_dir, mountpoint, options, err);
	free(path);
	return r;
}

/* ---- behind the daemon */

static bool is_one_of(const char *word, const char *const *words)
{
	while (word && *words)
		if (!strcmp(word, *words++))
			return true;
	return false;
}

/* systemd.exec(5): SERVICE_RESULT, EXIT_CODE and EXIT_STATUS. Who did not stop in time is not gone on with. */
static bool is_followed(const char *result)
{
	static const char *const killed[] = { "signal", "core-dump", "oom-kill", NULL };
	const char *code = getenv("EXIT_CODE"), *status = getenv("EXIT_STATUS");
	char left[8];
	snprintf(left, sizeof(left), "%d", STARTUP_LEFT);
	return is_one_of(result, killed) ||
		(code && !strcmp(code, "exited") && status && !strcmp(status, left));
}

int startup_unmount(const char *mountpoint, struct err *err)
{
	const char *result = getenv("SERVICE_RESULT");
	int r = 0;
	if (!result)
		return err_set(err, ENOTCONN, ERR_NO_COLUMN,
			"-u unmounts behind a service of systemd: it belongs into its ExecStopPost=");
	if (is_followed(result))
		return 0;
	char *path = startup_path(mountpoint);
	/* Where no daemon was started, the mount may be another's. */
	if (path && getenv("EXIT_CODE") && startup_is_ours(path))
		r = unmount_lazily(path);
	if (r)
		(void)err_set(err, -r, ERR_NO_COLUMN, "cannot unmount %s: %s", path, strerror(-r));
	service_unstore();
	(void)service_barrier(); /* or nobody listens */
	free(path);
	return r;
}
