#pragma once
/*
 * hook_internal: what the files of hook share and nobody else sees.
 *
 *     hook.c           life cycle, completeness, store and show
 *     hook_settings.c  the table of rows
 *     hook_header.c    headers
 *     hook_file.c      modes and owners of the files; what chmod protects
 *     hook_json.c      hook → JSON
 *     hook_read.c      JSON → hook; hook_read_files.c its headers, owner and files
 */
#include "model/hook.h"

#include <string.h>

#define FILE_URL     "url"
#define FILE_CONFIG  "config.json"
#define FILE_HEADERS "headers/" /* and the header's name */

/* Modes that let nobody but the owner read: these protect. */
static inline bool mode_protects(mode_t mode)
{
	return (mode & 044) == 0;
}

static inline bool text_is_mask(const char *text, size_t len)
{
	return len == strlen(MASK) && !memcmp(text, MASK, len);
}

/* free() for what may have been a secret; NULL is fine. */
void secret_free(char *s);

const struct setting *hook_setting(const char *name);
/* Appends the names of the events, one a line: in full, or short forms as they were written. */
void events_add(const struct hook *h, bool keep_short, struct buf *out);

/* Appends an empty header. `reserved` may be NULL, else its headers' slots are for them alone. */
int header_append(struct hook *h, const char *name, const struct hook *reserved, struct err *err,
	struct header **out);
int headers_copy(struct hook *to, const struct hook *from); /* 0, -ENOMEM */
void headers_release(struct hook *h);

int files_copy(struct hook *to, const struct hook *from); /* 0, -ENOMEM */
void files_release(struct hook *h);
void file_remove(struct hook *h, const char *name);
/* The name of a header's file, as in hook_file. Returns `out`. */
#define HEADER_FILE_SIZE (sizeof(FILE_HEADERS) + HEADER_NAME_MAX)
const char *header_file(const char *name, char out[HEADER_FILE_SIZE]);
/* Sets whether the value is protected, and drops a kept mode that says otherwise. */
void header_protect(struct hook *h, struct header *hd, bool protect);
int url_protect(struct hook *h, bool protect); /* 0, -ENOMEM */
