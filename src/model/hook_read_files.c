/*
 * JSON → what of a hook is no setting: headers, its owner, the attributes of its files.
 */
#include "model/hook_read.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- headers */

static int header_value(
	struct reader *r, struct header *hd, const struct header *old, const char *value)
{
	bool kept = !value && old && old->value && (old->protected || hd->protected);
	char field[HEADER_FILE_SIZE];
	struct err inner = { 0 };
	int rc;

	if (kept && !hd->protected)
		return read_open_error(r, header_file(hd->name, field));
	if (kept)
		value = old->value;
	if (!value)
		return 0;
	rc = hook_header_store(r->hook, hd, value, strlen(value), &inner);
	return rc < 0 ? read_field_error(r, header_file(hd->name, field), rc, &inner) : 0;
}

static int take_header(struct reader *r, const json_t *item)
{
	static const char *const names[] = { "key", "value", "protected" };
	const char *key = NULL, *value = NULL;
	const struct header *old;
	struct err inner = { 0 };
	struct header *hd;
	bool protect;
	int rc = read_check(r, item, "headers", names, COUNT(names));

	if (rc == 0)
		rc = read_string(r, read_member(item, "key"), "headers: key", &key);
	if (rc == 0)
		rc = read_string(r, read_member(item, "value"), "headers: value", &value);
	if (rc < 0)
		return rc;
	if (!key)
		return read_type_error(r, "headers: key", "a header's name");
	rc = header_name_check(key, strlen(key), &inner);
	if (rc < 0)
		return read_field_error(r, "headers", rc, &inner);

	old = r->old ? hook_header_find(r->old, key) : NULL;
	protect = old ? old->protected : header_born_protected(key);
	rc = read_bool(r, read_member(item, "protected"), "headers: protected", &protect);
	if (rc < 0)
		return rc;
	rc = header_append(r->hook, key, r->old, &inner, &hd);
	if (rc < 0)
		return read_field_error(r, "headers", rc, &inner);
	header_protect(r->hook, hd, protect);
	return header_value(r, hd, old, value);
}

int read_headers(struct reader *r)
{
	const json_t *headers = read_member(r->root, "headers");
	int rc = 0;
	size_t i;
	json_t *item;

	if (headers && !json_is_array(headers))
		return read_type_error(r, "headers", "an array");
	json_array_foreach(headers, i, item) {
		rc = take_header(r, item);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- owner and files */

static int take_id(
	struct reader *r, const json_t *object, const char *name, const char *field, uint32_t *out)
{
	const json_t *value = read_member(object, name);
	json_int_t id = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || id < 0 || id >= HOOK_OWNER_UNSET)
		return read_type_error(r, field, "a user's or group's number");
	*out = (uint32_t)id;
	return 0;
}

int read_owner(struct reader *r)
{
	static const char *const names[] = { "uid", "gid" };
	const json_t *owner = read_member(r->root, "owner");
	int rc;

	if (!owner)
		return 0;
	rc = read_check(r, owner, "owner", names, COUNT(names));
	if (rc == 0)
		rc = take_id(r, owner, "uid", "owner", &r->hook->uid);
	if (rc == 0)
		rc = take_id(r, owner, "gid", "owner", &r->hook->gid);
	return rc;
}

static int take_mode(
	struct reader *r, const json_t *file, const char *field, mode_t most, mode_t *out)
{
	const char *text = NULL;
	char label[TEXT_QUOTE_SIZE + 8];
	int rc;
	unsigned long mode;
	char *end;

	(void)snprintf(label, sizeof(label), "%s: mode", field);
	rc = read_string(r, read_member(file, "mode"), label, &text);
	if (rc < 0 || !text)
		return rc;
	mode = strtoul(text, &end, 8);
	if (text[0] < '0' || text[0] > '7' || *end || mode & ~(unsigned long)most)
		return err_set(r->err, EINVAL, ERR_NO_COLUMN,
			"%s: an octal number up to %04o, as a string, is needed here", label, most);
	*out = (mode_t)mode;
	return 0;
}

int read_attributes(struct reader *r, const json_t *file, const char *field, mode_t most,
	mode_t *mode, uint32_t *uid, uint32_t *gid)
{
	static const char *const names[] = { "mode", "uid", "gid" };
	int rc = read_check(r, file, field, names, COUNT(names));

	if (rc == 0)
		rc = take_mode(r, file, field, most, mode);
	if (rc == 0)
		rc = take_id(r, file, "uid", field, uid);
	if (rc == 0)
		rc = take_id(r, file, "gid", field, gid);
	return rc;
}

int read_files(struct reader *r)
{
	const json_t *files = read_member(r->root, "files");
	const char *name;
	json_t *file;
	int rc = 0;

	if (files && !json_is_object(files))
		return read_type_error(r, "files", "an object");
	json_object_foreach((json_t *)files, name, file) {
		struct hook_file *f = hook_file_get(r->hook, name);

		if (!f)
			return err_set(r->err, E2BIG, ERR_NO_COLUMN,
				"files: there is no room for more than %d", HOOK_FILES_MAX);
		rc = read_attributes(r, file, "files", HOOK_MODE_BITS, &f->mode, &f->uid, &f->gid);
		if (f->mode != HOOK_MODE_UNSET && row_protects(hook_setting(name)) &&
			!mode_protects(f->mode))
			f->mode = HOOK_MODE_UNSET; /* opens nothing, so it shall not look so */
		if (rc < 0)
			return rc;
	}
	return 0;
}

void read_prune(struct hook *h)
{
	size_t prefix = strlen(FILE_HEADERS);

	for (size_t i = h->file_count; i-- > 0;) {
		const char *name = h->files[i].name;

		if (!strncmp(name, FILE_HEADERS, prefix) && !hook_header_find(h, name + prefix))
			file_remove(h, name);
	}
}
