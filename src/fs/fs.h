#pragma once
/*
 * fs: the mount. The only part that speaks FUSE (its fuse files include fuse_lowlevel.h).
 *
 * Runs in the caller's loop: when fs_fd() is readable, fs_receive handles what is there and never
 * blocks. Replies to writers of events are held until fs_answer, which the caller calls after the
 * turn's commit; replies to writers of `test` until fs_test_done.
 *
 * Errors: 0 or -errno, with a sentence in err for the person who mounts.
 */
#include "fs/tree.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct fs;
struct kept;

/* `options` is a comma-separated list for libfuse and the kernel, "" for none; default_permissions is
 * always on. `tree` outlives the mount. `device` is that of a mount which is there already, made beforehand or by
 * a daemon before, and is then never unmounted here; -1: there is none. `kept` outlives it too: a new one is
 * filled, with another one's connection the mount goes on. */
int fs_mount(const struct tree *tree, struct kept *kept, const char *source, const char *mountpoint,
	int device, const char *options, bool debug, struct err *err, struct fs **out);
/* Only mounts: whoever has the device may serve it. */
int fs_mount_device(const char *source, const char *mountpoint, const char *options,
	struct err *err, int *out_device);
/* The kernel can ask another daemon again. */
bool fs_can_be_kept(const struct fs *fs);
/* From now on somebody has fs_fd and what `kept` is in, and gives them to the next daemon. */
void fs_keep(struct fs *fs);
bool fs_is_kept(const struct fs *fs);
/* Writes down whom the commit with this number will answer. False: nobody, or it is not kept. */
bool fs_seal(struct fs *fs, int64_t commit);
/* After a takeover, once fs_fd is watched: has the kernel ask again. `commit`: the number of the last. */
void fs_resume(struct fs *fs, int64_t commit);
/* fs_unmount is to leave the mount, and who waits in it, to the next daemon. */
void fs_leave(struct fs *fs);
int fs_fd(const struct fs *fs);
/* Handles at most `limit` requests. 0; -ENODEV: somebody unmounted it. */
int fs_receive(struct fs *fs, unsigned limit);
/* Removes what has run out of what the mount keeps for tools: some seconds late, it does no harm. */
void fs_expire(struct fs *fs);
bool fs_keeps(const struct fs *fs); /* there is such a thing */
/* Answers all writers that were held for a commit: with success (NULL), or with what went wrong, which
 * is then told in `errors` as well. */
void fs_answer(struct fs *fs, const struct err *failed);
void fs_test_done(struct fs *fs, uint64_t token, int error);
/* The files that show this may show something else now: wakes who polls them. Behind the commit. */
void fs_changed(struct fs *fs, enum topic topic, int64_t id);
/* The hook, or anything that `ls -ld` of its directory shows, is not what it was: call it behind every
 * change, whoever made it. It may be called while a request is handled. With a hook that is gone goes what was
 * beside its files. */
void fs_hook_changed(struct fs *fs, int64_t hook_id);
/* Somebody else has unmounted it: what is at the mount point now is not ours to unmount. */
void fs_gone(struct fs *fs);
/* Unmounts (if somebody else has not) and frees; requests still held fail with ESHUTDOWN. */
void fs_unmount(struct fs *fs);
