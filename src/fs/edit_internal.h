#pragma once
/*
 * edit_internal: what the files of edit share and nobody else sees: one change of one file, and the
 * functions that make it on a clone of the hook.
 *
 *     edit.c          what is written, removed, and given other attributes
 *     edit_header.c   headers that are made and renamed
 *     edit_config.c   config.json
 *     edit_replace.c  a scratch file that takes a file's place
 */
#include "fs/edit.h"

struct change {
	const struct tree *tree;
	const struct setting *setting; /* NULL: a header */
	uint8_t slot;                  /* the header's */
	const char *file;              /* as hook_file_find takes it */
	const char *text;              /* the new value; NULL: none */
	size_t len;
	mode_t mode;
	uint32_t uid, gid;
	bool made;        /* the value comes from who made the file */
	bool young;       /* as for hook_chmod */
	bool protected;   /* a header's, put back with its value */
	const char *name; /* a header's new name */
	struct buf *generated;
};

/* These are hook_change_fn, their arg a struct change. */
int change_value(struct hook *clone, void *arg, struct err *err);
int change_back(struct hook *clone, void *arg, struct err *err); /* and mode and protection */
int change_attributes(struct hook *clone, void *arg, struct err *err);
int change_header_make(struct hook *clone, void *arg, struct err *err);
/* This one's is a struct config_change. */
struct config_change {
	const char *text;
	size_t len;
};
int change_config(struct hook *clone, void *arg, struct err *err);

struct change change_of(const struct tree *t, const struct node *n, struct buf *file);
/* The file has a new value. NULL: the hook's list of files is full, and this one is told by its
 * defaults. */
struct hook_file *change_stamp(struct hook *clone, const struct change *c);

/* What no value may hold, whatever its type. */
int edit_judge_bytes(const struct node *n, const char *text, size_t len, struct err *err);
/* Without the newline at the end. */
size_t edit_line_len(const char *text, size_t len);
