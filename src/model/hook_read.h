#pragma once
/*
 * hook_read: what the files that turn JSON into a hook, or into attributes, share and nobody else
 * sees.
 *
 * Functions answer 0 or -errno with r->err set.
 */
#include "model/hook_internal.h"

#include <jansson.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct reader {
	const json_t *root;
	const struct hook *old; /* NULL: none */
	struct hook *hook;      /* being made */
	struct err *err;
};

/* ---- mistakes: `field` in front, and no column, since one in a value is none in the JSON */

int read_field_error(struct reader *r, const char *field, int rc, const struct err *inner);
int read_type_error(struct reader *r, const char *field, const char *wanted);
int read_open_error(struct reader *r, const char *field);
int read_memory_error(struct reader *r);

/* ---- pieces */

/* The caller's: json_decref. */
int read_json(const char *text, size_t len, struct err *err, json_t **out);
/* NULL where it is absent or null: the two mean the same everywhere. */
const json_t *read_member(const json_t *object, const char *name);
/* *out is untouched where `value` is NULL. */
int read_bool(struct reader *r, const json_t *value, const char *field, bool *out);
int read_string(struct reader *r, const json_t *value, const char *field, const char **out);
/* Refuses what is no object, or has members that are not in `names`. */
int read_check(struct reader *r, const json_t *object, const char *field, const char *const *names,
	size_t count);

/* ---- fields (hook_read_files.c) */

int read_headers(struct reader *r);
int read_owner(struct reader *r);
int read_files(struct reader *r);
/* Of one file; each stays untouched where it is absent. `most`: the bits that a mode may have. */
int read_attributes(struct reader *r, const json_t *file, const char *field, mode_t most,
	mode_t *mode, uint32_t *uid, uint32_t *gid);
/* Drops what is kept about files of headers that the hook no longer has. */
void read_prune(struct hook *h);
