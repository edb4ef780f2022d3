/*
 * Modes and owners of a hook's files, and what a mode means: a header or url that neither group nor
 * others may read is protected, and stays so while it has a value. Rows that protect always do so, and of
 * headers those whose names say that they are secret, until config.json says otherwise.
 */
#include "model/hook_internal.h"
#include "util/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MODE_PROTECTED ((mode_t)0600)

/* ---- entries */

/* Case is ignored because it is in headers' names; no other file has capitals. */
struct hook_file *hook_file_find(const struct hook *h, const char *name)
{
	for (size_t i = 0; i < h->file_count; i++)
		if (!strcasecmp(h->files[i].name, name))
			return &h->files[i];
	return NULL;
}

struct hook_file *hook_file_get(struct hook *h, const char *name)
{
	struct hook_file *f = hook_file_find(h, name);
	struct hook_file *grown;
	char *copy;

	if (f)
		return f;
	if (h->file_count == HOOK_FILES_MAX)
		return NULL;
	copy = strdup(name);
	grown = reallocarray(h->files, h->file_count + 1, sizeof(*grown));
	if (grown)
		h->files = grown;
	if (!copy || !grown) {
		free(copy);
		return NULL;
	}
	f = &grown[h->file_count++];
	*f = (struct hook_file){
		.name = copy,
		.mode = HOOK_MODE_UNSET,
		.uid = HOOK_OWNER_UNSET,
		.gid = HOOK_OWNER_UNSET,
	};
	return f;
}

void file_remove(struct hook *h, const char *name)
{
	struct hook_file *f = hook_file_find(h, name);

	if (!f)
		return;
	free(f->name);
	*f = h->files[--h->file_count];
}

int files_copy(struct hook *to, const struct hook *from)
{
	for (size_t i = 0; i < from->file_count; i++) {
		struct hook_file *f = hook_file_get(to, from->files[i].name);
		char *name;

		if (!f)
			return -ENOMEM;
		name = f->name;
		*f = from->files[i];
		f->name = name;
	}
	return 0;
}

void files_release(struct hook *h)
{
	for (size_t i = 0; i < h->file_count; i++)
		free(h->files[i].name);
	free(h->files);
	h->files = NULL;
	h->file_count = 0;
}

/* ---- protection */

const char *header_file(const char *name, char out[HEADER_FILE_SIZE])
{
	snprintf(out, HEADER_FILE_SIZE, "%s%s", FILE_HEADERS, name);
	return out;
}

/* The X of "headers/X", or NULL. */
static const char *header_of(const char *file)
{
	size_t n = strlen(FILE_HEADERS);

	return strncmp(file, FILE_HEADERS, n) ? NULL : file + n;
}

static bool mode_is_set(const struct hook_file *f)
{
	return f && f->mode != HOOK_MODE_UNSET;
}

bool hook_protected(const struct hook *h, const char *file)
{
	const char *name = header_of(file);
	const struct header *hd = name ? hook_header_find(h, name) : NULL;
	const struct hook_file *f;

	if (name)
		return hd ? hd->protected : header_born_protected(name);
	if (!strcmp(file, FILE_CONFIG) || row_protects(hook_setting(file)))
		return true;
	f = hook_file_find(h, file);
	return !strcmp(file, FILE_URL) && mode_is_set(f) && mode_protects(f->mode);
}

mode_t hook_config_mode(const struct hook *h, mode_t most)
{
	for (size_t i = 0; i < h->file_count; i++) {
		const struct hook_file *f = &h->files[i];

		/* A protected value is shown as null; other files are not in it. */
		if (!mode_is_set(f) || hook_protected(h, f->name) ||
			!(hook_setting(f->name) || header_of(f->name)))
			continue;
		most &= f->mode | ~(mode_t)044;
		/* Another group's members are not those of the hook's group. */
		if (f->gid != HOOK_OWNER_UNSET && !(f->mode & 04))
			most &= ~(mode_t)040;
	}
	return most;
}

bool hook_quotable(const struct hook *h, const char *file, const char *text, size_t len)
{
	const struct setting *s = hook_setting(file);
	const struct hook_file *f = hook_file_find(h, file);

	/* Nor may everybody who reads errors read this. */
	if (mode_is_set(f) && mode_protects(f->mode))
		return false;
	/* What is written beside the key may be the key, in the wrong place. */
	return !hook_protected(h, file) && !(s && setting_in(s, "tls")) &&
		!(!strcmp(file, FILE_URL) && memmem(text, len, "//", 2));
}

int url_protect(struct hook *h, bool protect)
{
	struct hook_file *f;

	if (hook_protected(h, FILE_URL) == protect)
		return 0;
	f = hook_file_get(h, FILE_URL);
	if (!f)
		return -ENOMEM;
	f->mode = protect ? MODE_PROTECTED : HOOK_MODE_UNSET;
	return 0;
}

void header_protect(struct hook *h, struct header *hd, bool protect)
{
	char file[HEADER_FILE_SIZE];
	struct hook_file *f = hook_file_find(h, header_file(hd->name, file));

	hd->protected = protect;
	if (mode_is_set(f) && mode_protects(f->mode) != protect)
		f->mode = HOOK_MODE_UNSET;
}

int hook_chmod(struct hook *h, const char *file, mode_t mode, bool young, struct err *err)
{
	const char *name = header_of(file);
	struct header *hd = name ? hook_header_find(h, name) : NULL;
	bool always = row_protects(hook_setting(file));
	bool protectable = hd || always || !strcmp(file, FILE_URL);
	bool protect = protectable && mode_protects(mode);
	const char *value = hd ? hd->value : h->url;
	struct hook_file *f;

	if (name && !hd)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "there is no such header");
	if (always && !protect)
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"%s is always protected: neither group nor others may read it", file);
	/* Protected it could not be told from what an editor leaves, and not be loaded again. */
	if (protect && value && !hook_protected(h, file) && strstr(value, hd ? MASK : "/" MASK))
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"%s has %s in it, and is not protected with that: write another value",
			file, MASK);
	/* Empty ones too: a chmod that some tool makes of habit would show what is written next. */
	if (hd && !protect && hd->protected && header_born_protected(name))
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"%s is protected by its name: only \"protected\": false in config.json, with a "
			"value, opens it",
			file);
	if (young)
		value = NULL;
	if (protectable && !protect && value && hook_protected(h, file))
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"%s is protected while it has a value: remove it, then write it anew",
			file);
	f = hook_file_get(h, file);
	if (!f)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for %s", file);
	f->mode = mode & (protect ? MODE_PROTECTED : HOOK_MODE_BITS);
	if (hd)
		hd->protected = protect;
	return 0;
}
