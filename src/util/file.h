#pragma once
/*
 * file: small files of the state directory, read whole and replaced whole.
 *
 * Names are looked up in an open directory and follow no symbolic links; what is written is 0600.
 * Owns nothing.
 *
 * Errors: -errno as the file system gave them (-ENOSPC, -EIO, -EROFS, -EACCES).
 */
#include <stddef.h>
#include <sys/types.h>

struct stat;

/* The file's bytes, at most `size`: their number, and the file's attributes. -ENOENT, -ELOOP a
 * symbolic link, -EISDIR, -EINVAL anything else that is no regular file. */
ssize_t file_read(int dir, const char *name, char *text, size_t size, struct stat *st);
/* The text as a new file that is on disk when this returns, but for its name; what had that goes. */
int file_make(int dir, const char *name, const char *text, size_t len);
/*
 * Puts a file in the place of `name`, which may not be there yet: written as `temporary`, synced,
 * renamed, and the directory synced. After a crash it is the old or the new one, whole, and
 * `temporary` may be left. On failure the old file stays; only when the last step fails is it open which
 * of the two a crash would leave.
 */
int file_replace(int dir, const char *name, const char *temporary, const char *text, size_t len);
