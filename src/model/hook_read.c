/*
 * JSON → hook. Every value becomes the text that a user would write to the file and goes through
 * hook_store, so that limits and sentences are the files' own; only what UbiOps spells in another
 * shape (object, labels) is taken apart here, and what is no setting in hook_read_files.c.
 */
#include "model/hook_read.h"
#include "model/json.h"
#include "model/url.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

/* ---- mistakes */

int read_field_error(struct reader *r, const char *field, int rc, const struct err *inner)
{
	return err_set(r->err, -rc, ERR_NO_COLUMN, "%s: %s", field,
		inner->code ? inner->sentence : strerror(-rc));
}

int read_type_error(struct reader *r, const char *field, const char *wanted)
{
	return err_set(r->err, EINVAL, ERR_NO_COLUMN, "%s: %s is needed here", field, wanted);
}

int read_open_error(struct reader *r, const char *field)
{
	return err_set(r->err, EPERM, ERR_NO_COLUMN,
		"%s: a protected value is not laid open: give a new one with it", field);
}

/* Where none of ours is missing, a newer version has written it. */
static int unknown_error(struct reader *r, const char *dir, const char *key)
{
	char quote[TEXT_QUOTE_SIZE];

	return err_set(r->err, EINVAL, ERR_NO_COLUMN,
		"%s%sunknown field %s; this is webhookfs " WEBHOOKFS_VERSION
		", and a newer one may know it",
		dir, *dir ? ": " : "", text_quote(key, strlen(key), quote));
}

int read_memory_error(struct reader *r)
{
	return err_set(r->err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for a hook");
}

/* jansson's sentence without the piece of the text that it quotes: that may be a secret. */
static int syntax_error(const json_error_t *e, size_t len, struct err *err)
{
	const char *quote = strstr(e->text, " near '");
	int n = quote ? (int)(quote - e->text) : (int)strlen(e->text);
	size_t column = e->position > 0 ? (size_t)e->position - 1 : 0;

	return err_set(err, EINVAL, column < len ? column : len,
		"this is no JSON, line %d, column %d: %.*s", e->line, e->column, n, e->text);
}

/* ---- pieces */

int read_json(const char *text, size_t len, struct err *err, json_t **out)
{
	json_error_t error;
	int rc = json_read(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error, out);

	if (rc == -ENOMEM)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for a hook");
	return rc ? syntax_error(&error, len, err) : 0;
}

const json_t *read_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

int read_bool(struct reader *r, const json_t *value, const char *field, bool *out)
{
	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return read_type_error(r, field, "true or false");
	*out = json_is_true(value);
	return 0;
}

int read_string(struct reader *r, const json_t *value, const char *field, const char **out)
{
	if (!value)
		return 0;
	if (!json_is_string(value))
		return read_type_error(r, field, "a string");
	*out = json_string_value(value);
	return 0;
}

int read_check(struct reader *r, const json_t *object, const char *field, const char *const *names,
	size_t count)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return read_type_error(r, field, "an object, { ... },");
	json_object_foreach((json_t *)object, key, value) {
		size_t i = 0;

		while (i < count && strcmp(names[i], key))
			i++;
		if (i == count)
			return unknown_error(r, field, key);
	}
	return 0;
}

/* ---- rows */

/* Where the row's field stands; NULL: nowhere. */
static const json_t *row_object(const struct reader *r, const struct setting *s)
{
	char dir[HOOK_DIR_SIZE];

	return *row_dir(s, dir) ? read_member(r->root, dir) : r->root;
}

/* Appends the text of a string, number or boolean; false for anything else. */
static bool add_scalar(struct buf *text, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		buf_add(text, json_string_value(value), json_string_length(value));
		return true;
	case JSON_INTEGER:
		buf_addf(text, "%lld", (long long)json_integer_value(value));
		return true;
	case JSON_REAL:
		buf_addf(text, "%.15g", json_real_value(value));
		return true;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_addc(text, json_is_true(value) ? '1' : '0');
		return true;
	default:
		return false;
	}
}

/* An array's items become lines. */
static bool add_lines(struct buf *text, const json_t *array)
{
	size_t i;
	json_t *item;

	json_array_foreach(array, i, item) {
		if (!json_is_string(item) || strchr(json_string_value(item), '\n'))
			return false;
		buf_adds(text, i ? "\n" : "");
		(void)add_scalar(text, item); /* a string */
	}
	return true;
}

static bool add_row_text(struct buf *text, const struct setting *s, const json_t *value)
{
	switch (s->type) {
	case SETTING_TEXT:
		if (json_is_string(value))
			return add_scalar(text, value);
		return s->lines && json_is_array(value) && add_lines(text, value);
	case SETTING_BOOL:
		return json_is_boolean(value) && add_scalar(text, value);
	case SETTING_UINT:
	case SETTING_SIZE:
	case SETTING_DURATION:
		return !json_is_boolean(value) && add_scalar(text, value);
	case SETTING_CUSTOM:
		break;
	}
	return s->lines && json_is_array(value) ? add_lines(text, value) : add_scalar(text, value);
}

static const char *row_wanted(const struct setting *s)
{
	static const char *const wanted[] = {
		[SETTING_BOOL] = "true or false",
		[SETTING_UINT] = "a number",
		[SETTING_DURATION] = "a number of seconds, or a string as \"10s\",",
		[SETTING_SIZE] = "a number of bytes, or a string as \"16K\",",
		[SETTING_TEXT] = "a string",
		[SETTING_CUSTOM] = "a string",
	};

	return s->lines ? "a string, or an array of strings," : wanted[s->type];
}

static int store_row(struct reader *r, const struct setting *s, const char *text, size_t len)
{
	struct err inner = { 0 };
	int rc = hook_store(r->hook, s, text, len, &inner);

	return rc < 0 ? read_field_error(r, s->name, rc, &inner) : 0;
}

/* The row's value; NULL where it is absent or null. */
static const json_t *row_member(const struct reader *r, const struct setting *s)
{
	return read_member(row_object(r, s), setting_leaf(s));
}

static int take_row(struct reader *r, const struct setting *s)
{
	const json_t *value = row_member(r, s);
	struct buf text = BUF_SECRET(HOOK_JSON_MAX);
	int rc;

	if (!value)
		return 0;
	if (!add_row_text(&text, s, value))
		rc = read_type_error(r, s->name, row_wanted(s));
	else if (buf_error(&text))
		rc = read_memory_error(r);
	else
		rc = store_row(r, s, buf_str(&text), text.len);
	buf_release(&text);
	return rc;
}

static int keep_row(struct reader *r, const struct setting *s)
{
	struct buf text = BUF_SECRET(HOOK_JSON_MAX);
	int rc;

	setting_show(s, r->old, &text);
	rc = buf_error(&text) ? read_memory_error(r) : store_row(r, s, buf_str(&text), text.len);
	buf_release(&text);
	return rc;
}

/* The old hook's value stays unless there is another; an empty text removes it. */
static int take_protected(struct reader *r, const struct setting *s)
{
	char flag[PROTECTED_FIELD_SIZE];
	bool protect = true;
	const json_t *value = read_member(row_object(r, s), protected_field(s, flag));
	int rc = read_bool(r, value, flag, &protect);

	if (rc < 0)
		return rc;
	if (!protect)
		return read_open_error(r, flag);
	return r->old && !row_member(r, s) ? keep_row(r, s) : take_row(r, s);
}

/* ---- settings in a shape of their own */

static int take_name(struct reader *r)
{
	const char *name = NULL;
	struct err inner = { 0 };
	int rc = read_string(r, read_member(r->root, "name"), "name", &name);

	if (rc < 0 || !name)
		return rc;
	rc = hook_name_check(name, strlen(name), &inner);
	return rc < 0 ? read_field_error(r, "name", rc, &inner) : 0;
}

static int take_object(struct reader *r)
{
	const char *type = NULL, *name = NULL, *version = NULL;
	struct err inner = { 0 };
	int rc = read_string(r, read_member(r->root, "object_type"), "object_type", &type);

	if (rc == 0)
		rc = read_string(r, read_member(r->root, "object_name"), "object_name", &name);
	if (rc == 0)
		rc = read_string(r, read_member(r->root, "version"), "version", &version);
	if (rc < 0 || (!type && !name && !version))
		return rc;
	if (!type || !name)
		return err_set(r->err, EINVAL, ERR_NO_COLUMN,
			"%s is missing: an object is object_type and object_name",
			type ? "object_name" : "object_type");
	rc = object_make(&r->hook->object, r->hook->types, true, type, name, version, &inner);
	return rc < 0 ? read_field_error(r, "object", rc, &inner) : 0;
}

/* True if `text` is what the old hook shows for its protected url. */
static bool is_masked_url(const struct hook *old, const char *text)
{
	struct buf masked = BUF(HOOK_URL_MAX + sizeof(MASK));
	bool same;

	url_masked(old->url, &masked);
	same = !strcmp(buf_str(&masked), text);
	buf_release(&masked);
	return same;
}

static int take_url(struct reader *r)
{
	const struct hook *old = r->old;
	bool secret = old && old->url && hook_protected(old, FILE_URL);
	const json_t *flag = read_member(r->root, "url_protected");
	bool protect = hook_protected(r->hook, FILE_URL); /* carried over */
	const char *text = NULL;
	bool keep;
	int rc = read_string(r, read_member(r->root, FILE_URL), FILE_URL, &text);

	if (rc == 0)
		rc = read_bool(r, flag, "url_protected", &protect);
	if (rc < 0)
		return rc;
	keep = secret && (text ? is_masked_url(old, text) : flag && protect);
	if (keep && !protect)
		return read_open_error(r, "url_protected");
	if (keep)
		text = old->url;
	/* First, for it is judged as what it will be. */
	if (url_protect(r->hook, protect) < 0)
		return read_memory_error(r);
	return text ? store_row(r, hook_setting(FILE_URL), text, strlen(text)) : 0;
}

/* What a protected value that stays was written for stays with it, unless there is another. */
static int take_companion(struct reader *r, const char *row, const char *of)
{
	const struct setting *s = hook_setting(row), *protected = hook_setting(of);
	bool keep = r->old && !row_is_empty(r->old, protected) && !row_member(r, protected) &&
		!row_member(r, s);

	return keep ? keep_row(r, s) : take_row(r, s);
}

static int take_signature(struct reader *r)
{
	return take_companion(r, FILE_SIGNATURE, FILE_SECRET);
}

static int take_cert(struct reader *r)
{
	return take_companion(r, FILE_TLS_CERT, FILE_TLS_KEY);
}

static int take_labels(struct reader *r)
{
	const json_t *labels = read_member(r->root, "labels");
	struct buf text = BUF(HOOK_JSON_MAX);
	const char *key;
	json_t *value;
	int rc = 0;

	if (!labels)
		return 0;
	if (!json_is_object(labels))
		return read_type_error(r, "labels", "an object of strings");
	json_object_foreach((json_t *)labels, key, value) {
		const char *v = json_string_value(value);

		if (!v || !*key || strpbrk(key, ":\n") || strchr(v, '\n')) {
			rc = read_type_error(r, "labels",
				"an object of strings, keys without a colon, each on one line,");
			goto out;
		}
		buf_adds(&text, key);
		buf_addc(&text, ':');
		buf_adds(&text, v);
		buf_addc(&text, '\n');
	}
	rc = buf_error(&text) ? read_memory_error(r)
			      : store_row(r, hook_setting("labels"), buf_str(&text), text.len);
out:
	buf_release(&text);
	return rc;
}

/* ---- the whole */

/*
 * Rows whose JSON is not their text or that stay with another, and before all others those that others
 * are judged against: events against the object, the secret against the signature.
 */
static const struct {
	const char *row;
	int (*take)(struct reader *r);
} shaped[] = {
	{ "object", take_object },
	{ FILE_SIGNATURE, take_signature },
	{ FILE_URL, take_url },
	{ "labels", take_labels },
	{ FILE_TLS_CERT, take_cert },
};

static bool is_shaped(const char *row)
{
	for (size_t i = 0; i < COUNT(shaped); i++)
		if (!strcmp(shaped[i].row, row))
			return true;
	return false;
}

/* A field of a row in that directory, or the flag beside one. The object's has other names. */
static bool is_row_field(const char *dir, const char *key)
{
	char flag[PROTECTED_FIELD_SIZE];

	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];

		if (!setting_in(s, dir) || !strcmp(s->name, "object"))
			continue;
		if (!strcmp(setting_leaf(s), key) ||
			(row_protects(s) && !strcmp(protected_field(s, flag), key)))
			return true;
	}
	return false;
}

static bool is_dir(const char *key)
{
	for (size_t i = 0; i < hook_settings_count; i++)
		if (*key && setting_in(&hook_settings[i], key))
			return true;
	return false;
}

static int dir_check(struct reader *r, const char *dir, const json_t *object)
{
	const char *key;
	json_t *value;

	if (json_is_null(object))
		return 0;
	if (!json_is_object(object))
		return read_type_error(r, dir, "an object, { ... },");
	json_object_foreach((json_t *)object, key, value) {
		if (!is_row_field(dir, key))
			return unknown_error(r, dir, key);
	}
	return 0;
}

static int root_check(struct reader *r)
{
	static const char *const names[] = { "id", "creation_date", "last_updated", "name",
		"object_type", "object_name", "version", "url_protected", "headers", "owner",
		"files" };
	const char *key;
	json_t *value;

	if (!json_is_object(r->root))
		return err_set(r->err, EINVAL, 0, "a hook is a JSON object, { ... }");
	json_object_foreach((json_t *)r->root, key, value) {
		bool known = is_row_field("", key) || is_dir(key);
		int rc = is_dir(key) ? dir_check(r, key, value) : 0;

		for (size_t i = 0; i < COUNT(names) && !known; i++)
			known = !strcmp(names[i], key);
		if (!known)
			rc = unknown_error(r, "", key);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int take_all(struct reader *r)
{
	int rc = root_check(r);

	if (rc == 0)
		rc = take_name(r);
	if (rc == 0 && !r->old)
		rc = read_owner(r);
	if (rc == 0 && !r->old)
		rc = read_files(r);
	for (size_t i = 0; i < COUNT(shaped) && rc == 0; i++)
		rc = shaped[i].take(r);
	for (size_t i = 0; i < hook_settings_count && rc == 0; i++)
		if (row_protects(&hook_settings[i]))
			rc = take_protected(r, &hook_settings[i]);
		else if (!is_shaped(hook_settings[i].name))
			rc = take_row(r, &hook_settings[i]);
	if (rc == 0)
		rc = read_headers(r);
	if (rc == 0)
		read_prune(r->hook);
	return rc;
}

static int carry_over(struct hook *h, const struct hook *old)
{
	h->id = old->id;
	h->uid = old->uid;
	h->gid = old->gid;
	h->made_ms = old->made_ms;
	h->mtime_ms = old->mtime_ms;
	return files_copy(h, old);
}

int hook_from_json(const char *name, const struct types *t, const struct hook *old,
	const char *text, size_t len, struct err *err, struct hook **out)
{
	struct reader r = { .old = old, .err = err };
	json_t *root;
	int rc;

	if (len > HOOK_JSON_MAX)
		return err_set(err, E2BIG, HOOK_JSON_MAX, "a hook's JSON has at most %d bytes",
			HOOK_JSON_MAX);
	rc = read_json(text, len, err, &root);
	if (rc < 0)
		return rc;
	r.root = root;
	r.hook = hook_new(name, t);
	rc = old && carry_over(r.hook, old) < 0 ? read_memory_error(&r) : take_all(&r);
	json_decref(root);
	if (rc < 0) {
		hook_free(r.hook);
		return rc;
	}
	*out = r.hook;
	return 0;
}
