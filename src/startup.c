#include "startup.h"

#include "service.h"
#include "util/err.h"
#include "util/unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES    50
#define LOCK_PAUSE_MS 20

/* ---- the state directory */

static int make_dirs(const char *path)
{
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	int r = 0;
	for (char *p = copy + 1; !r && (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			r = -errno;
	}
	if (!r && mkdir(copy, 0700) && errno != EEXIST)
		r = -errno;
	free(copy);
	return r;
}

static bool is_under(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return !strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0');
}

/* A daemon that was just killed may hold its lock until its last thread has gone. */
static bool lock_soon(int fd)
{
	const struct timespec pause = { 0, LOCK_PAUSE_MS * 1000000L };
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

int startup_outside(const char *what, const char *path, const char *mountpoint, struct err *err)
{
	char *real = path ? realpath(path, NULL) : NULL, *copy = path ? strdup(path) : NULL;
	if (!real && copy) /* it is not there yet, but its directory should be */
		real = realpath(dirname(copy), NULL);
	bool under = path && (is_under(path, mountpoint) || (real && is_under(real, mountpoint)));
	free(real);
	free(copy);
	if (!under)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN,
		"%s=%s is under the mount point %s: webhookfs would wait for itself there", what,
		path, mountpoint);
}

static int lock_dir(const char *path, struct err *err, int *out_lock)
{
	char *name;
	if (asprintf(&name, "%s/lock", path) < 0)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : 0;
	if (r)
		(void)err_set(err, -r, ERR_NO_COLUMN, "the state directory %s is not writable: %s",
			path, strerror(-r));
	else if (!lock_soon(fd))
		r = err_set(err, EBUSY, ERR_NO_COLUMN,
			"the state directory %s is in use by another webhookfs; unmount that one, or "
			"give this one a directory of its own",
			path);
	free(name);
	if (!r)
		*out_lock = fd;
	else if (fd >= 0)
		close(fd);
	return r;
}

/*
 * Who may rename in a directory above puts another in the place of this one. Without the sticky bit those are
 * all who may write there; a group is one that somebody has chosen (of a plain user often his own),
 * all others are not. Whether there is one: its path is in `path` then.
 */
static bool is_open_above(char *path)
{
	for (char *slash; (slash = strrchr(path, '/'));) {
		struct stat st;
		slash[slash == path] = '\0';
		if (stat(path, &st) == 0 && st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
			return true;
		if (slash == path)
			break;
	}
	return false;
}

static int judge_above(const char *real, struct err *err)
{
	char *above = strdup(real);
	if (!above)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int r = 0;
	if (is_open_above(above))
		r = err_set(err, EPERM, ERR_NO_COLUMN,
			"everybody may rename what is in %s, above the state directory %s: chmod "
			"o-w or +t it, or take another",
			above, real);
	free(above);
	return r;
}

int startup_state_dir(const char *path, const char *mountpoint, struct err *err, int *out_lock)
{
	struct stat st;
	if (is_under(path, mountpoint))
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"the state directory %s is under the mount point %s, which would hide it",
			path, mountpoint);
	int r = make_dirs(path);
	char *real = r ? NULL : realpath(path, NULL);
	if (!r && !real)
		r = -errno;
	if (!real || stat(real, &st)) {
		r = r ? r : -errno;
		free(real);
		return err_set(err, -r, ERR_NO_COLUMN, "cannot make the state directory %s: %s",
			path, strerror(-r));
	}
	if (!S_ISDIR(st.st_mode))
		r = err_set(err, ENOTDIR, ERR_NO_COLUMN,
			"the state directory %s is no directory: move it away, or take another path",
			path);
	else if (is_under(real, mountpoint))
		r = err_set(err, EINVAL, ERR_NO_COLUMN,
			"the state directory %s is under the mount point %s, which would hide it",
			real, mountpoint);
	else if (st.st_uid != geteuid())
		r = err_set(err, EPERM, ERR_NO_COLUMN,
			"the state directory %s belongs to uid %u, who could read the secrets in it: chown "
			"it, or take another",
			path, st.st_uid);
	else if (st.st_mode & 077)
		r = err_set(err, EPERM, ERR_NO_COLUMN,
			"others can read the state directory %s, and it holds secrets: chmod 700 %s",
			path, path);
	else if (!(r = judge_above(real, err)))
		r = lock_dir(real, err, out_lock);
	free(real);
	return r;
}

/* ---- the mount point */

/* Neither stat nor realpath: it may be that nobody serves what is mounted there. */
char *startup_path(const char *path)
{
	char link[2], *real = NULL, *whole = NULL, *copy = strdup(path);
	if (!copy)
		return NULL;
	char *name = strrchr(copy, '/');
	if (!name || !name[1] || !strcmp(name, "/.") || !strcmp(name, "/..") ||
		readlink(path, link, sizeof(link)) >= 0) {
		whole = realpath(path, NULL);
	} else {
		*name = '\0';
		real = realpath(*copy ? copy : "/", NULL);
		if (real && asprintf(&whole, "%s/%s", real[1] ? real : "", name + 1) < 0)
			whole = NULL;
	}
	free(real);
	free(copy);
	return whole ? whole : strdup(path);
}

bool startup_is_ours(const char *path)
{
	FILE *table = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool ours = false;
	while (table && (m = getmntent(table)))
		if (!strcmp(m->mnt_dir, path))
			ours = !strcmp(m->mnt_type, "fuse.webhookfs");
	if (table)
		endmntent(table);
	return ours;
}

/* Only what a crashed webhookfs left; somebody else's dead mount is for its owner to take off. */
void startup_detach(const char *path)
{
	/* Several may lie on each other. */
	for (int i = 0; i < 16; i++) {
		struct statfs fs; /* never answered from what the kernel has kept, as stat may be */
		if (!statfs(path, &fs) || (errno != ENOTCONN && errno != ECONNABORTED) ||
			!startup_is_ours(path))
			return;
		if (unmount_lazily(path))
			return;
	}
}

/* True where the parent directory lies on another file system: something is mounted here. */
static bool is_mounted(const char *path, const struct stat *st)
{
	struct stat up;
	char *parent;
	if (asprintf(&parent, "%s/..", path) < 0)
		return false;
	bool mounted = !stat(parent, &up) && (up.st_dev != st->st_dev || up.st_ino == st->st_ino);
	free(parent);
	return mounted;
}

static int check_device(struct err *err)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return err_set(err, ENODEV, ERR_NO_COLUMN,
			"there is no /dev/fuse: load the module (modprobe fuse), or give the container "
			"the device (--device /dev/fuse --cap-add SYS_ADMIN)");
	/* Without permission a plain user's mount goes through fusermount3, which has it. */
	if (fd >= 0)
		close(fd);
	return 0;
}

int startup_mountpoint(const char *path, struct err *err, char **out_path)
{
	struct stat st;
	char *place = startup_path(path);
	if (place)
		startup_detach(place);
	free(place);
	if (stat(path, &st))
		return err_set(err, errno, ERR_NO_COLUMN, "the mount point %s: %s%s", path,
			strerror(errno), errno == ENOENT ? "; mkdir it first" : "");
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, ERR_NO_COLUMN,
			"the mount point %s is no directory: make one, or take another path", path);
	char *real = realpath(path, NULL);
	if (!real)
		return err_set(
			err, errno, ERR_NO_COLUMN, "the mount point %s: %s", path, strerror(errno));
	int r = check_device(err);
	if (!r && is_mounted(real, &st))
		r = err_set(err, EBUSY, ERR_NO_COLUMN,
			"something is mounted on %s already; umount it, or take another directory",
			real);
	if (r)
		free(real);
	else
		*out_path = real;
	return r;
}

/* ---- the background */

int startup_background(int *out_ready)
{
	int pipe_fds[2], status;
	char ok;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(pipe_fds[0]);
		(void)setsid(); /* fails only for a leader, which a child is not */
		*out_ready = pipe_fds[1];
		return 0;
	}
	close(pipe_fds[1]);
	if (read(pipe_fds[0], &ok, 1) == 1)
		_exit(0);
	/* It has said why on stderr. */
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		_exit(WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
	_exit(1);
}

void startup_leave_terminal(void)
{
	(void)!chdir("/"); /* so that no directory is kept busy */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
}

void startup_ready(int ready)
{
	(void)service_tell("READY=1"); /* without an ear there is nobody to tell */
	if (ready < 0)
		return;
	startup_leave_terminal();
	(void)!write(ready, "1", 1);
	close(ready);
}