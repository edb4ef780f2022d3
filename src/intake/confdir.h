#pragma once
/*
 * confdir: STATE_DIR/hooks, where each hook's configuration is NAME.json.
 *
 * Loads all at start, saves one atomically (temporary file, fsync, rename, fsync of the directory: after a
 * crash the file is the old or the new one, whole). Knows files, not hooks: contents are text.
 *
 * Errors: 0 or -errno as the file system gave them (-ENOSPC, -EIO, -EROFS, -EACCES).
 */
#include <stddef.h>

struct confdir;

/* Makes DIR/hooks (0700) if it is missing, removes temporary files that a crash left. */
int confdir_open(const char *state_dir, struct confdir **out);
void confdir_close(struct confdir *c);

/* `text` is NULL and error set (a positive errno) for a file that could not be read. Only regular files "*.json"
 * of at most HOOK_JSON_MAX bytes whose name does not start with a dot. */
typedef void confdir_found_fn(
	void *ctx, const char *name, const char *text, size_t len, int error, long long mtime_ms);
int confdir_load(struct confdir *c, confdir_found_fn *found, void *ctx);

int confdir_save(struct confdir *c, const char *name, const char *text, size_t len);
int confdir_remove(struct confdir *c, const char *name); /* 0 also when there is none */
int confdir_rename(struct confdir *c, const char *from, const char *to);
int confdir_exists(struct confdir *c, const char *name); /* 1, 0, -errno */
