#include "model/hook.h"

#include "model/hook_internal.h"
#include "model/url.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names */

int hook_name_check(const char *name, size_t len, struct err *err)
{
	size_t good;

	if (!len)
		return err_set(err, EINVAL, 0, "a hook's name has at least one character");
	if (len > HOOK_NAME_MAX)
		return err_set(err, ENAMETOOLONG, HOOK_NAME_MAX,
			"a hook's name has at most %d bytes", HOOK_NAME_MAX);
	if (name[0] == '.' || name[0] == '-')
		return err_set(err, EINVAL, 0, "a hook's name does not start with '%c'", name[0]);
	good = text_utf8_check(name, len);
	if (good < len)
		return err_set(err, EINVAL, good, "a hook's name is UTF-8");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		/* U+0080 to U+009F, the other control characters */
		bool c1 = c == 0xc2 && (unsigned char)name[i + 1] < 0xa0;

		if (c <= ' ' || c == 0x7f || c == '/' || c1)
			return err_set(err, EINVAL, i,
				"a hook's name has no blanks, control characters or '/'");
	}
	return 0;
}

/* ---- life cycle */

void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

struct hook *hook_new(const char *name, const struct types *t)
{
	struct hook *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->types = t;
	h->uid = h->gid = HOOK_OWNER_UNSET;
	h->name = strdup(name);
	if (!h->name)
		abort();
	for (size_t i = 0; i < hook_settings_count; i++)
		if (setting_reset(&hook_settings[i], h) < 0)
			abort();
	return h;
}

/* Replaces a borrowed text by a copy; NULL and false without memory. */
static bool text_copy(char **text)
{
	const char *borrowed = *text;

	if (borrowed)
		*text = strdup(borrowed);
	return !borrowed || *text;
}

static char **text_field(const struct setting *s, struct hook *h)
{
	return (char **)((char *)h + s->offset);
}

/*
 * Rows of plain values and rows of text are copied by their types, so only what a custom row owns
 * has a line of its own here.
 */
struct hook *hook_clone(const struct hook *h)
{
	struct hook *c = malloc(sizeof(*c));
	bool good = true;

	if (!c)
		return NULL;
	*c = *h;
	c->object = (struct object){ 0 };
	c->headers = NULL;
	c->files = NULL;
	c->header_count = c->file_count = 0;

	for (size_t i = 0; i < hook_settings_count; i++)
		if (hook_settings[i].type == SETTING_TEXT)
			good &= text_copy(text_field(&hook_settings[i], c));
	good &= text_copy(&c->name);
	good &= text_copy(&c->labels);
	good &= retry_copy(c, h);
	if (!good || object_copy(&c->object, &h->object) < 0 || headers_copy(c, h) < 0 ||
		files_copy(c, h) < 0) {
		hook_free(c);
		return NULL;
	}
	return c;
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < hook_settings_count; i++)
		setting_release(&hook_settings[i], h);
	headers_release(h);
	files_release(h);
	free(h->name);
	free(h);
}

/* ---- settings */

const struct setting *hook_setting(const char *name)
{
	return setting_find(hook_settings, hook_settings_count, name);
}

const char *protected_field(const struct setting *s, char out[PROTECTED_FIELD_SIZE])
{
	snprintf(out, PROTECTED_FIELD_SIZE, "%s_protected", setting_leaf(s));
	return out;
}

const char *row_dir(const struct setting *s, char out[HOOK_DIR_SIZE])
{
	snprintf(out, HOOK_DIR_SIZE, "%.*s", (int)(strcspn(s->name, "/")), s->name);
	if (setting_leaf(s) == s->name)
		out[0] = '\0';
	return out;
}

int row_memory_error(const struct setting *s, struct err *err)
{
	return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for %s", s->name);
}

bool row_is_empty(const struct hook *h, const struct setting *s)
{
	struct buf text = BUF_SECRET(HOOK_JSON_MAX);
	bool empty;

	setting_show(s, h, &text);
	empty = !text.len;
	buf_release(&text);
	return empty;
}

bool hook_complete(const struct hook *h)
{
	for (size_t i = 0; i < hook_settings_count; i++)
		if (hook_settings[i].required && row_is_empty(h, &hook_settings[i]))
			return false;
	return true;
}

void hook_missing(const struct hook *h, struct buf *out)
{
	const char *blank = "";

	for (size_t i = 0; i < hook_settings_count; i++) {
		if (!hook_settings[i].required || !row_is_empty(h, &hook_settings[i]))
			continue;
		buf_addf(out, "%s%s", blank, hook_settings[i].name);
		blank = " ";
	}
}

/* Empty lines are no value, however many there are. */
static bool says_nothing(const char *text, size_t len)
{
	while (len && text[len - 1] && strchr(" \t\r\n", text[len - 1]))
		len--;
	return !len;
}

int hook_store(
	struct hook *h, const struct setting *s, const char *text, size_t len, struct err *err)
{
	const char *start = text;
	int rc;

	len = text_trim(&start, len);
	if (says_nothing(start, len))
		len = 0;
	/* Resetting cannot fail, but the default may not fit the other rows. */
	if (!len && s->type == SETTING_CUSTOM)
		return setting_store(s, h, s->def, strlen(s->def), err);
	rc = setting_store(s, h, start, len, err);
	if (rc < 0)
		err_shift(err, (size_t)(start - text));
	return rc;
}

void hook_show(const struct hook *h, const struct setting *s, struct buf *out)
{
	if (!strcmp(s->name, FILE_URL) && h->url && hook_protected(h, FILE_URL))
		url_masked(h->url, out);
	else if (row_protects(s))
		buf_adds(out, row_is_empty(h, s) ? "" : MASK);
	else
		setting_show(s, h, out);
}
