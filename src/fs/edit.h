#pragma once
/*
 * edit: what a write, rm, chmod or chown of a control file means.
 *
 * One rule for all of them (interface §4): opening or truncating changes nothing. What is written is
 * judged whole at every write; a text that ends in a newline is committed before that write is
 * answered, one without at flush; a bad one fails its write, and if this handle had committed before
 * (`printf 'good\nbad\n'`), the value of before comes back. Of a setting that is one block of lines the
 * parts are kept, and judged once they are whole or at flush. Offsets must continue each other or
 * start again at 0, so `>>` acts like `>`.
 *
 * Every commit is one change of a clone of the hook through the backend. Texts may be secrets: they
 * are cleared before they are freed.
 */
#include "fs/tree.h"
#include "util/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Longest text of a control file; longer than any setting's own limit. */
#define EDIT_TEXT_MAX (72 * 1024)

/* What a file held, unmasked, so that it can be put back. */
struct before {
	bool known;
	struct buf text;
	mode_t mode; /* these are as in struct hook_file */
	uint32_t uid, gid;
	bool protected;
};

/* The staging of one open file. Zeroed is empty. */
struct edit {
	struct buf text;
	uint64_t base;          /* offset of the text's first byte */
	bool started;           /* base is known */
	bool pending;           /* text is good, or not whole, and not yet committed */
	bool poisoned;          /* a write was bad: nothing more through this handle */
	uint64_t committed_len; /* what was written for the last commit, in bytes */
	uint64_t born; /* of the file, as in struct hook_file: a header's slot may be reused */
	uint64_t
		written; /* of the value that this handle may roll back: its own, or what it found */
	bool made;       /* its open made the file */
	struct buf *generated; /* where a secret goes that the write makes; NULL: nowhere */
	bool has_generated;    /* it has been made */
	struct before before;  /* this handle's first commit, or the rm before its creation */
};

void edit_init(struct edit *e, const struct node *n, size_t max, bool made);
void edit_release(struct edit *e);

/* Puts bytes in their place: -EINVAL for a gap, -E2BIG. The text is then judged by edit_judge. */
int edit_stage(struct edit *e, const void *data, size_t len, uint64_t offset, bool append,
	struct err *err);
/* True once the staged text ends in a newline. */
bool edit_ended(const struct edit *e);
/* Bytes of the staged text without its newline. */
size_t edit_text_len(const struct edit *e);
/* Judges the staged text of a setting or header; commits it if it has ended or at `flush`. */
int edit_judge(
	struct edit *e, const struct tree *t, const struct node *n, bool flush, struct err *err);
/* The same for config.json (edit_config.c). */
int edit_config(
	struct edit *e, const struct tree *t, const struct node *n, bool flush, struct err *err);
/* truncate on an open file: forgets what is staged (0) or agrees with it; else -EINVAL. */
int edit_truncate(struct edit *e, uint64_t size, struct err *err);

void before_take(struct before *b, const struct node *n);
void before_move(struct before *to, struct before *from); /* `from` is empty then */
void before_release(struct before *b);

/* True while the file holds what its maker wrote: its mode may still be opened up. */
bool edit_young(const struct node *n);
/* True if somebody has written a value since the hook was made or loaded. */
bool edit_written(const struct node *n);
/* rm: a setting goes to its default, a header goes; -EPERM elsewhere, but 0 for the other files of a
 * hook, so that rm -r works. */
int edit_unlink(const struct tree *t, const struct node *n, struct err *err);
/* Each may be HOOK_MODE_UNSET or HOOK_OWNER_UNSET: unchanged. `young` as for hook_chmod. */
int edit_attributes(const struct tree *t, const struct node *n, mode_t mode, uint32_t uid,
	uint32_t gid, bool young, struct err *err);
/* The same for what is no hook's (edit_root.c). */
int edit_root_attributes(const struct tree *t, const struct node *n, mode_t mode, uint32_t uid,
	uint32_t gid, struct err *err);
/* -EPERM for a mode that it cannot have. */
int edit_root_mode(const struct node *n, mode_t mode, struct err *err);
int edit_header_make(const struct tree *t, const struct node *dir, const char *name, mode_t mode,
	struct who who, struct err *err);
int edit_header_rename(
	const struct tree *t, const struct node *n, const char *name, struct err *err);
/*
 * rename of a scratch file onto `n`, or to a header that is made (n NULL): commits its content, all or
 * nothing. -EBADMSG: it is no good value. The scratch file is the caller's to remove.
 */
int edit_replace(const struct tree *t, const struct node *dir, const struct node *n,
	const char *name, const struct scratch *f, struct err *err);
/* rename of a control file to a scratch file, which becomes a copy of what is shown; the file stays. */
int edit_backup(const struct tree *t, const struct node *n, struct scratch *f, struct err *err);
