#pragma once
/*
 * mount: the files of a mount, opened and read whole, as any program would.
 *
 * Every call waits for the daemon. Owns nothing but what it returns. Errors: 0 or -errno; -ENOTCONN where the
 * mount is there and its daemon is not.
 */
#include <stddef.h>

struct buf;
struct err;

/* More of a file than that is not read: metrics.prom of very many hooks has a tenth. */
#define MOUNT_FILE_MAX ((size_t)256 << 20)

/* The root of a webhookfs mount, and its status; a sentence where it is none. */
int mount_open(const char *mountpoint, struct err *err, int *root);
/* For reading, without following a link or waiting for a pipe's writer: a descriptor. */
int mount_open_file(int root, const char *path);
/* From its beginning to its end, instead of what `out` holds. */
int mount_read(int fd, struct buf *out);
int mount_read_file(int root, const char *path, struct buf *out);
/* The names in a directory, one a line, but for those with a line break. */
int mount_list(int root, const char *path, struct buf *out);
