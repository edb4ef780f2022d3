#pragma once
/*
 * confdir: STATE_DIR/hooks, where each hook's configuration is NAME.json.
 *
 * Saves one atomically (temporary file, fsync, rename, fsync of the directory: after a crash the
 * file is the old or the new one, whole), and finds what others have put there, changed or removed:
 * by hand, by git, by a configuration manager. Knows files, not hooks: contents are text.
 *
 * It remembers of each file what was in it when it was last found or saved, so only changes by others
 * are found, and each once. What it replaces or removes and has not seen before, or what was refused, is
 * not lost: it is kept as NAME.json.refused, in the place of the one before. Where that cannot be
 * (-ENOTEMPTY: it is a directory with entries), nothing is replaced or removed.
 *
 * Everything goes through the directory's descriptor and follows no symbolic links; files are made
 * 0600. Memory that held a configuration is cleared: it may hold protected values. confdir.c is the
 * files, confdir_watch.c the finding.
 *
 * Units: times are due_ms. Errors: 0 or -errno as the file system gave them (-ENOSPC, -EIO, -EROFS,
 * -EACCES); -EINVAL and -ENAMETOOLONG for a name that cannot be a file's; -ESTALE once the directory
 * itself is gone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct confdir;

/* Makes DIR/hooks (0700) if it is missing, removes temporary files that a crash left. */
int confdir_open(const char *state_dir, struct confdir **out);
void confdir_close(struct confdir *c);

/*
 * On failure the old file stays; only when the last step fails, fsync of the directory, is it open
 * which of the two a crash would leave. *aside: somebody's file was there that had not been taken;
 * it is NAME.json.refused now. -EBUSY: the file has just been removed by somebody else. -EEXIST:
 * there should be none, and there is one.
 */
int confdir_save(struct confdir *c, const char *name, const char *text, size_t len, bool *aside);
/* 0 also when there is none. */
int confdir_remove(struct confdir *c, const char *name, bool *aside);
/* -EEXIST rather than replacing a file; -ENOENT. */
int confdir_rename(struct confdir *c, const char *from, const char *to);
int confdir_exists(struct confdir *c, const char *name); /* 1, 0, -errno */

/* ---- what others do */

/* Watches from now on, and has all files there found. */
int confdir_watch(struct confdir *c);
int confdir_fd(const struct confdir *c);     /* readable when something has happened */
bool confdir_waits(const struct confdir *c); /* whether something has that was not heard */
/* Hears what has happened, without waiting. True once, when the directory itself has gone: nothing
 * is found any more, and nothing saved. */
bool confdir_hear(struct confdir *c, int64_t now_ms);

/*
 * A "*.json" whose name does not start with a dot. `text` is NUL-terminated and gone after the call;
 * where it is NULL, `error` is a positive errno: ENOENT, it has been removed, for a second by now (git
 * and editors remove a file and make it anew); E2BIG beyond HOOK_JSON_MAX bytes, ELOOP a symbolic
 * link, EISDIR a directory, EINVAL anything else that is no regular file.
 */
struct confdir_file {
	const char *name, *text;
	size_t len;
	int error;
	int64_t mtime_ms; /* real time */
};
/* CONFDIR_LATER: it is found once more at the next call. */
enum confdir_answer { CONFDIR_TAKEN, CONFDIR_REFUSED, CONFDIR_LATER };
typedef enum confdir_answer confdir_found_fn(void *ctx, const struct confdir_file *f);

/* Looks at up to `limit` files that have changed, or, with a name, at that one. */
void confdir_find(
	struct confdir *c, int64_t now_ms, unsigned limit, confdir_found_fn *found, void *ctx);
void confdir_find_one(
	struct confdir *c, const char *name, int64_t now_ms, confdir_found_fn *found, void *ctx);
/* What was answered with CONFDIR_TAKEN could not be kept: it is found again. */
void confdir_again(struct confdir *c, const char *name);
/* When confdir_find has something to look at: 0 at once, -1 not before it hears of something. */
int64_t confdir_due(const struct confdir *c);
