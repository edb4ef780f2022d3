#include "model/attributes.h"

#include "model/hook_read.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>

#define MODE_MOST ((mode_t)03777) /* no setuid: no file here is a program */

const struct attribute *attributes_find(const struct attributes *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->list[i].name, name))
			return &a->list[i];
	return NULL;
}

struct attribute *attributes_get(struct attributes *a, const char *name)
{
	struct attribute *found = (struct attribute *)attributes_find(a, name);

	if (found || a->count == ATTRIBUTES_MAX || strlen(name) > ATTRIBUTES_NAME_MAX)
		return found;
	found = &a->list[a->count++];
	*found = (struct attribute){
		.mode = HOOK_MODE_UNSET, .uid = HOOK_OWNER_UNSET, .gid = HOOK_OWNER_UNSET
	};
	(void)snprintf(found->name, sizeof(found->name), "%s", name); /* it fits */
	return found;
}

static int append(const char *text, size_t len, void *out)
{
	buf_add(out, text, len);
	return buf_error(out);
}

void attributes_json(const struct attributes *a, struct buf *out)
{
	json_t *root = json_object();
	int rc = 0;

	for (size_t i = 0; i < a->count; i++) {
		const struct attribute *at = &a->list[i];

		rc |= json_object_set_new(
			root, at->name, file_attributes_json(at->mode, at->uid, at->gid));
	}
	/* Building stops nowhere; only memory can have failed. */
	if (rc | json_dump_callback(root, append, out, JSON_INDENT(2)) && !out->error)
		out->error = -ENOMEM;
	json_decref(root);
	buf_addc(out, '\n');
}

static int take_attribute(
	struct reader *r, const char *name, const json_t *value, struct attributes *out)
{
	struct attribute *at = attributes_get(out, name);
	char quote[TEXT_QUOTE_SIZE];

	text_quote(name, strlen(name), quote);
	if (!at)
		return err_set(r->err, EINVAL, ERR_NO_COLUMN, "%s: there is no such file", quote);
	return read_attributes(r, value, quote, MODE_MOST, &at->mode, &at->uid, &at->gid);
}

int attributes_from_json(const char *text, size_t len, struct err *err, struct attributes *out)
{
	struct attributes made = { 0 };
	struct reader r = { .err = err };
	json_t *root, *value;
	const char *name;
	int rc = read_json(text, len, err, &root);

	if (rc < 0)
		return rc;
	if (!json_is_object(root))
		rc = err_set(err, EINVAL, 0, "attributes are a JSON object, { ... }");
	json_object_foreach(root, name, value) {
		rc = take_attribute(&r, name, value, &made);
		if (rc < 0)
			break;
	}
	json_decref(root);
	if (rc == 0)
		*out = made;
	return rc;
}
