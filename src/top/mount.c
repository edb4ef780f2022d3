#include "top/mount.h"

#include "util/buf.h"
#include "util/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define READ_LEN 131072 /* what one request of FUSE brings */

int mount_open_file(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd;
}

int mount_read(int fd, struct buf *out)
{
	char piece[READ_LEN];
	ssize_t n;

	buf_reset(out);
	while ((n = pread(fd, piece, sizeof(piece), (off_t)out->len)) > 0) {
		buf_add(out, piece, (size_t)n);
		if (buf_error(out))
			return buf_error(out);
	}
	return n < 0 ? -errno : 0;
}

int mount_read_file(int root, const char *path, struct buf *out)
{
	int r, fd = mount_open_file(root, path);

	if (fd < 0)
		return fd;
	r = mount_read(fd, out);
	(void)close(fd); /* only read */
	return r;
}

int mount_list(int root, const char *path, struct buf *out)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r;

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	buf_reset(out);
	for (errno = 0; !buf_error(out) && (entry = readdir(dir)); errno = 0)
		if (*entry->d_name != '.' && !strchr(entry->d_name, '\n'))
			buf_addf(out, "%s\n", entry->d_name);
	r = buf_error(out) ? buf_error(out) : -errno;
	(void)closedir(dir);
	return r;
}

/* 0 or -errno */
static int is_webhookfs(int dir)
{
	struct statfs fs;
	int status;

	if (fstatfs(dir, &fs) < 0)
		return -errno;
	if (fs.f_type != FUSE_SUPER_MAGIC)
		return -EINVAL;
	status = mount_open_file(dir, "status");
	if (status >= 0)
		(void)close(status);
	return status < 0 ? status : 0;
}

int mount_open(const char *mountpoint, struct err *err, int *root)
{
	int dir = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : is_webhookfs(dir);

	if (!r) {
		*root = dir;
		return 0;
	}
	if (r == -ENOTCONN)
		(void)err_set(err, ENOTCONN, ERR_NO_COLUMN,
			"%s: the daemon of this mount is gone; mount it again", mountpoint);
	else if (dir < 0)
		(void)err_set(err, -r, ERR_NO_COLUMN, "%s: %s", mountpoint, strerror(-r));
	else
		(void)err_set(err, -r, ERR_NO_COLUMN, "%s is no mount of webhookfs", mountpoint);
	if (dir >= 0)
		(void)close(dir);
	return r;
}
