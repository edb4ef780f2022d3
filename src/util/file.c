#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_CREATED (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
/* Not blocking: what is called x.json may turn out to be a pipe. */
#define OPEN_FOUND (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int failed(int result)
{
	return result < 0 ? -errno : 0;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, text + len, size - len)) != 0) {
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

ssize_t file_read(int dir, const char *name, char *text, size_t size, struct stat *st)
{
	int fd = openat(dir, name, OPEN_FOUND);
	ssize_t len;

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0)
		len = -errno;
	else if (!S_ISREG(st->st_mode))
		len = S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	else
		len = read_all(fd, text, size);
	(void)close(fd); /* only read from */
	return len;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(int dir, const char *name, const char *text, size_t len)
{
	int error, fd = openat(dir, name, OPEN_CREATED, 0600);

	if (fd < 0)
		return -errno;
	error = write_all(fd, text, len);
	if (!error)
		error = failed(fsync(fd));
	if (close(fd) < 0 && !error)
		error = -errno;
	return error;
}

int file_make(int dir, const char *name, const char *text, size_t len)
{
	/* Of a try that failed; there is none, mostly. */
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return write_new(dir, name, text, len);
}

int file_replace(int dir, const char *name, const char *temporary, const char *text, size_t len)
{
	int error = file_make(dir, temporary, text, len);

	if (!error)
		error = failed(renameat(dir, temporary, dir, name));
	if (error) {
		(void)unlinkat(dir, temporary, 0); /* if it stays, the next try removes it */
		return error;
	}
	return failed(fsync(dir));
}
