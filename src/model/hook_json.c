/*
 * hook → JSON. UbiOps's fields come first and under UbiOps's names; every other row of
 * hook_settings follows under its own. What a row's type says about its JSON is said once, in
 * row_value: numbers and durations are numbers (durations in seconds), booleans true or false,
 * everything else is the text of the file, as an array where it has several values. Rows of a directory
 * stand together in an object of its name.
 */
#include "model/hook_internal.h"
#include "model/url.h"
#include "util/buf.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/*
 * ---- values
 *
 * Building stops nowhere: jansson takes NULL for a value and answers -1, so each part adds up what
 * went wrong, which can only be memory, and hook_json looks once.
 */

static json_t *text_value(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* "a\nb" → ["a","b"]; one line stays a string, none is null. */
static json_t *lines_value(const char *text, size_t len)
{
	json_t *array;
	const char *end;

	if (!len)
		return json_null();
	if (!memchr(text, '\n', len))
		return json_stringn(text, len);
	array = json_array();
	do {
		end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		if (json_array_append_new(array, json_stringn(text, n)) < 0) {
			json_decref(array);
			return NULL;
		}
		text += n + 1;
		len -= end ? n + 1 : n;
	} while (end);
	return array;
}

static json_t *shown_value(const struct hook *h, const struct setting *s)
{
	struct buf text = BUF_SECRET(HOOK_JSON_MAX);
	json_t *value = NULL;

	setting_show(s, h, &text);
	if (!buf_error(&text))
		value = !text.len && !s->required ? json_string("")
			: s->lines && !s->whole   ? lines_value(text.data, text.len)
						  : text_value(text.data);
	buf_release(&text);
	return value;
}

/* 0 is null where it stands for an empty default: it need not be within the row's limits. */
static json_t *number_value(const struct setting *s, uint64_t number)
{
	if (!number && !*s->def)
		return json_null();
	if (s->type != SETTING_DURATION)
		return json_integer((json_int_t)number);
	return number % 1000 ? json_real((double)number / 1000)
			     : json_integer((json_int_t)(number / 1000));
}

static json_t *row_value(const struct hook *h, const struct setting *s)
{
	const void *field = (const char *)h + s->offset;

	switch (s->type) {
	case SETTING_BOOL:
		return json_boolean(*(const bool *)field);
	case SETTING_UINT:
	case SETTING_SIZE:
	case SETTING_DURATION:
		return number_value(s, *(const uint64_t *)field);
	case SETTING_TEXT:
	case SETTING_CUSTOM:
		break;
	}
	return shown_value(h, s);
}

/* ---- fields of their own shape */

static int put_name(const struct hook *h, enum hook_json form, json_t *root)
{
	(void)form;
	return json_object_set_new(root, "name", json_string(h->name));
}

static int put_url(const struct hook *h, enum hook_json form, json_t *root)
{
	bool protected = hook_protected(h, FILE_URL);
	struct buf masked = BUF(HOOK_URL_MAX + sizeof(MASK));
	int rc;

	if (h->url)
		url_masked(h->url, &masked);
	rc = json_object_set_new(root, "url",
		text_value(h->url && protected && form == HOOK_JSON_SHOWN ? buf_str(&masked)
									  : h->url));
	if (protected)
		rc |= json_object_set_new(root, "url_protected", json_true());
	if (buf_error(&masked))
		rc = -1;
	buf_release(&masked);
	return rc;
}

static int put_object(const struct hook *h, enum hook_json form, json_t *root)
{
	const struct object *o = &h->object;

	(void)form;
	return json_object_set_new(
		       root, "object_type", text_value(o->name ? h->types->name[o->type] : NULL)) |
		json_object_set_new(root, "object_name", text_value(o->name)) |
		json_object_set_new(root, "version", text_value(o->version));
}

/* Stored short forms stay short, or a restart would bind them to the object's type of that day. */
static int put_event(const struct hook *h, enum hook_json form, json_t *root)
{
	struct buf names = BUF(HOOK_JSON_MAX);
	json_t *value = NULL;

	events_add(h, form == HOOK_JSON_STORED, &names);
	if (!buf_error(&names))
		value = lines_value(names.data, names.len);
	buf_release(&names);
	return json_object_set_new(root, "event", value);
}

static int put_headers(const struct hook *h, enum hook_json form, json_t *root)
{
	json_t *array = json_array();
	int rc = 0;

	for (size_t i = 0; i < h->header_count; i++) {
		const struct header *hd = &h->headers[i];
		bool shown = !hd->protected || form == HOOK_JSON_STORED;
		json_t *item = json_object();

		rc |= json_object_set_new(item, "key", json_string(hd->name));
		rc |= json_object_set_new(item, "value", text_value(shown ? hd->value : NULL));
		rc |= json_object_set_new(item, "protected", json_boolean(hd->protected));
		rc |= json_array_append_new(array, item);
	}
	return rc | json_object_set_new(root, "headers", array);
}

static int put_enabled(const struct hook *h, enum hook_json form, json_t *root)
{
	(void)form;
	return json_object_set_new(root, "enabled",
		h->enabled == HOOK_PAUSED         ? json_string("paused")
			: h->enabled == HOOK_GONE ? json_string("gone")
						  : json_boolean(h->enabled == HOOK_ON));
}

static int put_retry(const struct hook *h, enum hook_json form, json_t *root)
{
	(void)form;
	return json_object_set_new(root, "retry",
		h->delays ? shown_value(h, hook_setting("retry")) : json_boolean(h->retry));
}

static int put_labels(const struct hook *h, enum hook_json form, json_t *root)
{
	json_t *labels = json_object();
	const char *line = h->labels;
	int rc = 0;

	(void)form;
	while (line) {
		const char *colon = strchr(line, ':');
		const char *end = strchrnul(line, '\n');

		rc |= json_object_setn_new(labels, line, (size_t)(colon - line),
			json_stringn(colon + 1, (size_t)(end - colon - 1)));
		line = *end ? end + 1 : NULL;
	}
	return rc | json_object_set_new(root, "labels", labels);
}

/* ---- what only the stored form has */

static int put_ids(json_t *object, uint32_t uid, uint32_t gid)
{
	int rc = 0;

	if (uid != HOOK_OWNER_UNSET)
		rc |= json_object_set_new(object, "uid", json_integer(uid));
	if (gid != HOOK_OWNER_UNSET)
		rc |= json_object_set_new(object, "gid", json_integer(gid));
	return rc;
}

static int put_owner(const struct hook *h, json_t *root)
{
	json_t *owner = json_object();

	int rc = put_ids(owner, h->uid, h->gid);

	if (json_object_size(owner))
		return rc | json_object_set_new(root, "owner", owner);
	json_decref(owner);
	return rc;
}

json_t *file_attributes_json(mode_t mode, uint32_t uid, uint32_t gid)
{
	json_t *file = json_object();
	int rc = 0;

	if (mode != HOOK_MODE_UNSET)
		rc = json_object_set_new(file, "mode", json_sprintf("%04o", mode));
	rc |= put_ids(file, uid, gid);
	if (rc == 0)
		return file;
	json_decref(file);
	return NULL;
}

static int put_files(const struct hook *h, json_t *root)
{
	json_t *files = json_object();
	int rc = 0;

	for (size_t i = 0; i < h->file_count; i++) {
		const struct hook_file *f = &h->files[i];
		json_t *file = file_attributes_json(f->mode, f->uid, f->gid);

		if (!file || json_object_size(file))
			rc |= json_object_set_new(files, f->name, file);
		else
			json_decref(file);
	}
	return rc | json_object_set_new(root, "files", files);
}

/* ---- the whole */

/* UbiOps's fields in UbiOps's order, each from the row of hook_settings that it shows (if one). */
static const struct field {
	const char *row;
	int (*put)(const struct hook *h, enum hook_json form, json_t *root); /* NULL: as any row */
} fields[] = {
	{ "name", put_name },
	{ "description", NULL },
	{ FILE_URL, put_url },
	{ "object", put_object },
	{ "event", put_event },
	{ "headers", put_headers },
	{ "timeout", NULL },
	{ "retry", put_retry },
	{ "include_result", NULL },
	{ "enabled", put_enabled },
	{ "labels", put_labels },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* Where the row's field stands: for a name with a directory, in an object of that name. */
static json_t *row_object(const struct setting *s, json_t *root)
{
	char dir[HOOK_DIR_SIZE];
	json_t *object;

	if (!*row_dir(s, dir))
		return root;
	object = json_object_get(root, dir);
	if (!object && json_object_set_new(root, dir, json_object()) == 0)
		object = json_object_get(root, dir);
	return object;
}

/* A protected value that is not shown leaves null and NAME_protected behind. */
static int put_row(const struct hook *h, enum hook_json form, const struct setting *s, json_t *root)
{
	json_t *object = row_object(s, root);
	char flag[PROTECTED_FIELD_SIZE];

	if (form == HOOK_JSON_STORED || !row_protects(s) || row_is_empty(h, s))
		return json_object_set_new(object, setting_leaf(s), row_value(h, s));
	return json_object_set_new(object, setting_leaf(s), json_null()) |
		json_object_set_new(object, protected_field(s, flag), json_true());
}

static bool is_ubiops(const struct setting *s)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (!strcmp(fields[i].row, s->name))
			return true;
	return false;
}

static int put_all(const struct hook *h, enum hook_json form, json_t *root)
{
	int rc = 0;

	for (size_t i = 0; i < FIELD_COUNT; i++)
		rc |= fields[i].put ? fields[i].put(h, form, root)
				    : put_row(h, form, hook_setting(fields[i].row), root);
	for (size_t i = 0; i < hook_settings_count; i++)
		if (!is_ubiops(&hook_settings[i]))
			rc |= put_row(h, form, &hook_settings[i], root);
	if (form == HOOK_JSON_STORED)
		rc |= put_owner(h, root) | put_files(h, root);
	return rc;
}

static int append(const char *text, size_t len, void *out)
{
	buf_add(out, text, len);
	return buf_error(out);
}

/* The shortest digits that read back as the same milliseconds. */
#define DUMP_FLAGS (JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

void hook_json(const struct hook *h, enum hook_json form, struct buf *out)
{
	json_t *root = json_object();

	if (!root || put_all(h, form, root) < 0) {
		if (!out->error)
			out->error = -ENOMEM;
	} else if (json_dump_callback(root, append, out, DUMP_FLAGS) < 0 && !out->error) {
		out->error = -ENOMEM;
	}
	json_decref(root);
	buf_addc(out, '\n');
}
