#pragma once
/*
 * hook_internal: what the files of hook share and nobody else sees.
 *
 *     hook.c           life cycle, completeness, store and show
 *     hook_settings.c  the table of rows; the functions of its custom rows are in
 *                      hook_settings_event.c     what the hook is about
 *                      hook_settings_delivery.c  retry and rate
 *                      hook_settings_secret.c    secret and signature
 *                      hook_settings_tls.c       certificates
 *                      hook_settings_format.c    format and template
 *     hook_header.c    headers
 *     hook_file.c      modes and owners of the files; what chmod protects
 *     hook_json.c      hook → JSON
 *     hook_read.c      JSON → hook; hook_read_files.c its headers, owner and files
 */
#include "model/hook.h"

#include <string.h>

#define FILE_URL       "url"
#define FILE_SECRET    "secret"
#define FILE_SIGNATURE "signature"
#define FILE_TLS_CA    "tls/ca"
#define FILE_TLS_CERT  "tls/cert"
#define FILE_TLS_KEY   "tls/key"
#define FILE_CONFIG    "config.json"
#define FILE_HEADERS   "headers/" /* and the header's name */

#define HOOK_MODE_BITS ((mode_t)0777) /* of the bits that a chmod gives, those that are kept */

/* Modes that let nobody but the owner read: these protect. */
static inline bool mode_protects(mode_t mode)
{
	return (mode & 044) == 0;
}

static inline bool text_is_mask(const char *text, size_t len)
{
	return len == strlen(MASK) && !memcmp(text, MASK, len);
}

/* What an editor leaves of a protected value when something is put to what it was shown. */
static inline bool text_has_mask(const char *text, size_t len)
{
	return memmem(text, len, MASK, strlen(MASK)) != NULL;
}

struct json_t; /* jansson's */
/* {"mode": "0640", "uid": 0, "gid": 12} without what is unset; NULL: no memory. */
struct json_t *file_attributes_json(mode_t mode, uint32_t uid, uint32_t gid);

/* free() for what may have been a secret; NULL is fine. */
void secret_free(char *s);

/* The bytes before the next of `stops` in text. */
static inline size_t text_span(const char *text, size_t len, const char *stops)
{
	size_t n = 0;

	while (n < len && (!text[n] || !strchr(stops, text[n])))
		n++;
	return n;
}

const struct setting *hook_setting(const char *name); /* NULL: none */
/* True for a row whose value is never shown; NULL is none. */
static inline bool row_protects(const struct setting *s)
{
	return s && mode_protects(s->mode);
}
bool row_is_empty(const struct hook *h, const struct setting *s);
/* The field beside its own in config.json that says so, "secret_protected". Returns `out`. */
#define PROTECTED_FIELD_SIZE 64
const char *protected_field(const struct setting *s, char out[PROTECTED_FIELD_SIZE]);
/* The directory in its name, "" if there is none. Returns `out`. */
#define HOOK_DIR_SIZE 16
const char *row_dir(const struct setting *s, char out[HOOK_DIR_SIZE]);
/* -ENOMEM */
int row_memory_error(const struct setting *s, struct err *err);

typedef int row_store_fn(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err);
typedef void row_show_fn(const struct setting *s, const void *obj, struct buf *out);
typedef void row_reset_fn(const struct setting *s, void *obj);

row_store_fn url_judge, event_store, object_store, enabled_store, description_judge, labels_store;
row_show_fn event_show, object_show_path, enabled_show, labels_show;
row_reset_fn event_reset, object_reset, enabled_reset, labels_reset;

row_store_fn retry_store, rate_store;
row_show_fn retry_show, rate_show;
row_reset_fn retry_reset, rate_reset;
bool retry_copy(struct hook *to, const struct hook *from); /* false: no memory */

row_store_fn secret_judge, signature_store;
row_show_fn signature_show;
row_reset_fn signature_reset;

row_store_fn ca_judge, cert_judge, key_judge;

row_store_fn format_store, template_judge;
row_show_fn format_show;
row_reset_fn format_reset;

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
