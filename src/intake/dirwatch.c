#include "intake/dirwatch.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHED                                                                             \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define READ_SIZE    16384 /* some 500 events with names of usual length */
#define READS_A_CALL 16

struct dirwatch {
	int fd;
};

/* What a mask means; the first that fits. IN_IGNORED follows IN_DELETE_SELF and IN_UNMOUNT. */
static const struct {
	uint32_t mask;
	enum dirwatch_event event;
} meanings[] = {
	{ IN_Q_OVERFLOW, DIRWATCH_MISSED },
	{ IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED, DIRWATCH_LOST },
	{ IN_DELETE | IN_MOVED_FROM, DIRWATCH_GONE },
	{ IN_CLOSE_WRITE | IN_MOVED_TO, DIRWATCH_WHOLE },
	{ IN_CREATE, DIRWATCH_MADE },
	{ IN_ATTRIB, DIRWATCH_CHANGED },
};

int dirwatch_new(int dir_fd, struct dirwatch **out)
{
	struct dirwatch *w = malloc(sizeof(*w));
	char path[32];
	int error = 0;

	if (!w)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0 || inotify_add_watch(w->fd, path, WATCHED) < 0)
		error = -errno;
	if (error) {
		dirwatch_free(w);
		return error;
	}
	*out = w;
	return 0;
}

void dirwatch_free(struct dirwatch *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		(void)close(w->fd); /* only read from */
	free(w);
}

int dirwatch_fd(const struct dirwatch *w)
{
	return w->fd;
}

bool dirwatch_waits(const struct dirwatch *w)
{
	int bytes = 0;

	return ioctl(w->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

void dirwatch_parse(const char *data, size_t len, dirwatch_fn *told, void *ctx)
{
	struct inotify_event e;

	for (size_t at = 0; at + sizeof(e) <= len; at += sizeof(e) + e.len) {
		memcpy(&e, data + at, sizeof(e));
		for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
			enum dirwatch_event event = meanings[i].event;

			if (!(e.mask & meanings[i].mask))
				continue;
			/* An event without a name is the directory's own, like a chmod of it. */
			if (e.len > 0)
				told(ctx, event, data + at + sizeof(e));
			else if (event == DIRWATCH_MISSED || event == DIRWATCH_LOST)
				told(ctx, event, NULL);
			break;
		}
	}
}

bool dirwatch_removed(int dir_fd)
{
	struct stat st;

	/* Of another host's directory there is nothing left to ask. */
	return fstat(dir_fd, &st) == 0 ? st.st_nlink == 0 : errno == ESTALE;
}

int dirwatch_read(struct dirwatch *w, dirwatch_fn *told, void *ctx)
{
	char data[READ_SIZE];

	for (int i = 0; i < READS_A_CALL; i++) {
		ssize_t n = read(w->fd, data, sizeof(data));

		if (n <= 0)
			return n < 0 && errno == EINTR;
		dirwatch_parse(data, (size_t)n, told, ctx);
	}
	return 1;
}
