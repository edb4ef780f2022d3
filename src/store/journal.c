#include "store/journal.h"

#include "util/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GATHERED_MAX ((size_t)16 << 20)

struct journal {
	int fd;
	struct buf lines;
};

int journal_open(const char *dir, const char *name, struct journal **out)
{
	char *path;
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(path);
	if (fd < 0)
		return -errno;
	struct journal *j = calloc(1, sizeof(*j));
	if (!j) {
		close(fd);
		return -ENOMEM;
	}
	j->fd = fd;
	buf_init(&j->lines, GATHERED_MAX);
	*out = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	(void)journal_flush(j); /* the last chance; who closes has no other */
	close(j->fd);
	buf_release(&j->lines);
	free(j);
}

int journal_fd(const struct journal *j)
{
	return j->fd;
}

void journal_add(struct journal *j, const char *line, size_t len)
{
	if (j->lines.len + len + 1 > GATHERED_MAX)
		return;
	buf_add(&j->lines, line, len);
	buf_addc(&j->lines, '\n');
}

int journal_flush(struct journal *j)
{
	while (j->lines.len) {
		ssize_t n = write(j->fd, j->lines.data, j->lines.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_consume(&j->lines, (size_t)n);
	}
	return 0;
}

int journal_sync(struct journal *j)
{
	if (!j->lines.len)
		return 0;
	int r = journal_flush(j);
	if (!r && fdatasync(j->fd))
		r = -errno;
	return r;
}
