#pragma once
/*
 * confdir: STATE_DIR/hooks, where each hook's configuration is NAME.json.
 *
 * Loads all at start, saves one atomically (temporary file, fsync, rename, fsync of the directory:
 * after a crash the file is the old or the new one, whole). Knows files, not hooks: contents are
 * text.
 *
 * Everything goes through the directory's descriptor and follows no symbolic links; files are 0600.
 * Memory that held a configuration is cleared: it may hold protected values.
 *
 * Errors: 0 or -errno as the file system gave them (-ENOSPC, -EIO, -EROFS, -EACCES); -EINVAL and
 * -ENAMETOOLONG for a name that cannot be a file's.
 */
#include <stddef.h>

struct confdir;

/* Makes DIR/hooks (0700) if it is missing, removes temporary files that a crash left. */
int confdir_open(const char *state_dir, struct confdir **out);
void confdir_close(struct confdir *c);

/*
 * One "*.json" whose name does not start with a dot; `text` is NUL-terminated and gone after the
 * call. For one that could not be read, `text` is NULL and `error` a positive errno, so that it is
 * missed aloud: E2BIG beyond HOOK_JSON_MAX bytes, ELOOP a symbolic link, EISDIR a directory, EINVAL
 * anything else that is no regular file.
 */
typedef void confdir_found_fn(
	void *ctx, const char *name, const char *text, size_t len, int error, long long mtime_ms);
int confdir_load(struct confdir *c, confdir_found_fn *found, void *ctx);

/* On failure the old file stays; only when the last step fails, fsync of the directory, is it open
 * which of the two a crash would leave. */
int confdir_save(struct confdir *c, const char *name, const char *text, size_t len);
int confdir_remove(struct confdir *c, const char *name); /* 0 also when there is none */
/* -EEXIST rather than replacing a file; -ENOENT. */
int confdir_rename(struct confdir *c, const char *from, const char *to);
int confdir_exists(struct confdir *c, const char *name); /* 1, 0, -errno */
