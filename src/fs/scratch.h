#pragma once
/*
 * scratch: the temporary files that tools make beside a hook's files.
 *
 * Editors, sed -i, perl -i and rsync write a neighbour and rename it onto the file they mean, or keep
 * a copy of the old text beside it. Such a file is bytes in memory with a name, a mode and an owner:
 * it is not configuration, and nothing of it is on disk. What a rename onto a control file means is
 * not known here (edit_replace.c).
 *
 * Everything has a limit, and a file that nobody has open goes when it was not used for a while. Its
 * bytes may be a secret, whoever wrote them: they are cleared before they are freed. One that is
 * unlinked while it is open lives on until it is closed.
 *
 * Time is an argument, real time in ms. Errors: 0 or -errno, with a sentence.
 */
#include "fs/edit.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SCRATCH_NAME_MAX   255
#define SCRATCH_SIZE_MAX   ((size_t)1 << 20)
#define SCRATCH_HOOK_FILES 32
#define SCRATCH_HOOK_BYTES ((size_t)4 << 20)
#define SCRATCH_FILES      1024 /* of the mount */
#define SCRATCH_BYTES      ((size_t)64 << 20)
#define SCRATCH_AGE_MS     (10 * 60 * INT64_C(1000)) /* since it was last used */

struct scratch {
	int64_t id; /* never reused */
	int64_t hook_id;
	uint64_t dir; /* inode number of its directory */
	char *name;   /* NULL: unlinked, and still open */
	mode_t mode;  /* permission bits */
	uint32_t uid, gid;
	int64_t mtime_ms, used_ms;
	unsigned opens;
	bool temporary; /* made by a tool for itself, as far as one can tell */
	struct buf bytes;
	/* What it is a copy of, unmasked, until somebody writes to it: so that what vim puts aside can
	 * come back though nobody could read it. */
	struct before origin;
	char *origin_file; /* as hook_file_find takes it */
	struct scratch *next;
};

struct scratches;

struct scratches *scratches_new(void); /* never NULL (aborts) */
void scratches_free(struct scratches *s);
size_t scratches_count(const struct scratches *s); /* unlinked ones as well */
int64_t scratches_last_id(const struct scratches *s);
void scratches_continue(struct scratches *s, int64_t last_id); /* ids that others have given */

/* Names that tools give to files of their own: .NAME, NAME~, #NAME#, 4913, NAME.bak, NAME.swp, … Where
 * every token is a legal name, as among headers, only these are scratch files by name. */
bool scratch_is_temporary(const char *name);

/* True for a word that is `meant` but for the case of letters, or for one letter that is missing, too
 * many, wrong, or in the place of its neighbour. */
bool scratch_is_slip(const char *name, const char *meant);

struct scratch *scratch_by_id(const struct scratches *s, int64_t id);
struct scratch *scratch_find(const struct scratches *s, uint64_t dir, const char *name);
/* The one with the smallest id above `after_id` in the directory; NULL at the end. */
struct scratch *scratch_next(const struct scratches *s, uint64_t dir, int64_t after_id);

/* -ENAMETOOLONG, -ENOSPC, -ENOMEM. A name that is taken must have been looked for before. */
int scratch_make(struct scratches *s, int64_t hook_id, uint64_t dir, const char *name,
	int64_t now_ms, struct err *err, struct scratch **out);
void scratch_unlink(struct scratches *s, struct scratch *f);
/* A file that has the name goes. */
int scratch_rename(struct scratches *s, struct scratch *f, uint64_t dir, const char *name,
	int64_t now_ms, struct err *err);

void scratch_open(struct scratch *f, int64_t now_ms);
void scratch_close(struct scratches *s, struct scratch *f, int64_t now_ms); /* may free it */
/* Bytes from `offset` on; *data is valid until the file changes. */
size_t scratch_read(struct scratch *f, size_t size, uint64_t offset, const char **data);
/* Behind the end there are zeros. -EFBIG, -ENOSPC, -ENOMEM: nothing is changed. */
int scratch_write(struct scratches *s, struct scratch *f, const char *data, size_t len,
	uint64_t offset, int64_t now_ms, struct err *err);
int scratch_truncate(
	struct scratches *s, struct scratch *f, uint64_t size, int64_t now_ms, struct err *err);

typedef void scratch_expired_fn(void *ctx, const struct scratch *f);
/* Removes what nobody has open and nobody has used for SCRATCH_AGE_MS; tells of each before. */
void scratch_expire(struct scratches *s, int64_t now_ms, scratch_expired_fn *expired, void *ctx);
void scratch_drop_hook(struct scratches *s, int64_t hook_id);
