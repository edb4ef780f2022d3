/*
 * DIR/rejected: what was refused, under its name or the next free one, with the reason beside it.
 */
#include "intake/spool_internal.h"

#include "util/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REASON    ".reason"
#define TRIES_MAX 10000 /* as many files of one name may lie there */

static int write_reason(int fd, const char *reason, uint32_t uid, uint32_t gid)
{
	size_t len = strlen(reason);
	ssize_t n = write(fd, reason, len);

	if (n < 0)
		return -errno;
	if ((size_t)n < len)
		return -ENOSPC;
	/* It quotes the file, so who may read that may read this. Only root can give it away. */
	(void)!fchown(fd, uid, gid);
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* Under this very name; -EEXIST: it is taken. The reason first: a file never lies there without. */
static int reject_as(struct spool *s, int from, const char *entry, const char *name,
	const char *reason, uint32_t uid, uint32_t gid)
{
	char beside[NAME_MAX + 1];
	int fd, error;

	(void)snprintf(beside, sizeof(beside), "%.*s" REASON, NAME_MAX - (int)strlen(REASON), name);
	fd = openat(
		s->rejected, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = write_reason(fd, reason, uid, gid);
	if (close(fd) < 0 && !error)
		error = -errno;
	if (!error && renameat2(from, entry, s->rejected, name, RENAME_NOREPLACE) < 0)
		error = -errno;
	if (error)
		(void)unlinkat(s->rejected, beside, 0); /* it was made just now */
	return error;
}

int spool_reject_entry(struct spool *s, int from, const char *entry, const char *name,
	const char *reason, uint32_t uid, uint32_t gid)
{
	char numbered[NAME_MAX + 1];
	int error = -EEXIST;

	for (int i = 0; i < TRIES_MAX && error == -EEXIST; i++) {
		if (i == 0)
			(void)snprintf(numbered, sizeof(numbered), "%.*s", SPOOL_NAME_MAX, name);
		else
			(void)snprintf(
				numbered, sizeof(numbered), "%.*s.%d", SPOOL_NAME_MAX, name, i);
		error = reject_as(s, from, entry, numbered, reason, uid, gid);
	}
	return error;
}
