/*
 * The headers of a hook. No sentence in this file quotes a value, protected or not: what is no
 * secret to one hook's maker is one to another's.
 */
#include "model/hook_internal.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In lower case. A star, which stands at either end only, is for anything; case is ignored. */
static const char *const sender_owned[] = {
	"host",
	"content-length",
	"transfer-encoding",
	"connection",
	"keep-alive",
	"upgrade",
	"te",
	"trailer",
	"expect",
	"proxy-connection",
	"http2-settings",
	"webhook-*",
};
static const char *const born_protected[] = {
	"*authorization*",
	"*cookie*",
	"*token",
	"*secret*",
	"*password*",
	"*credential*",
	"*api-key*",
	"*apikey*",
	"*auth-key*",
	"*access-key*",
	"*subscription-key",
	"x-functions-key",
};

static bool name_fits(const char *name, size_t len, const char *pattern)
{
	size_t pattern_len = strlen(pattern);
	bool before = pattern[0] == '*', behind = pattern[pattern_len - 1] == '*';
	const char *text = pattern + before;
	size_t text_len = pattern_len - before - behind;

	if (len < text_len)
		return false;
	if (before && behind)
		return memmem(name, len, text, text_len);
	if (!before && !behind && len != text_len)
		return false;
	return !memcmp(before ? name + len - text_len : name, text, text_len);
}

/* Asked for each header of each response. */
static bool name_is_one_of(const char *name, const char *const *patterns, size_t count)
{
	char lower[HEADER_NAME_MAX + 1];
	size_t len = 0;

	for (; len < HEADER_NAME_MAX && name[len]; len++)
		lower[len] = (char)tolower((unsigned char)name[len]);
	for (size_t i = 0; i < count; i++)
		if (name_fits(lower, len, patterns[i]))
			return true;
	return false;
}

int header_name_check(const char *name, size_t len, struct err *err)
{
	char copy[HEADER_NAME_MAX + 1];

	if (len > HEADER_NAME_MAX)
		return err_set(err, ENAMETOOLONG, HEADER_NAME_MAX,
			"a header's name has at most %d bytes", HEADER_NAME_MAX);
	if (!text_is_token(name, len))
		return err_set(err, EINVAL, 0,
			"a header's name is letters, digits and any of !#$%%&'*+-.^_`|~");
	memcpy(copy, name, len);
	copy[len] = '\0';
	if (name_is_one_of(copy, sender_owned, COUNT(sender_owned)))
		return err_set(err, EPERM, 0, "%s is a header that the sender sets itself", copy);
	return 0;
}

bool header_born_protected(const char *name)
{
	return name_is_one_of(name, born_protected, COUNT(born_protected));
}

/* ---- the list */

struct header *hook_header_find(const struct hook *h, const char *name)
{
	for (size_t i = 0; i < h->header_count; i++)
		if (!strcasecmp(h->headers[i].name, name))
			return &h->headers[i];
	return NULL;
}

struct header *hook_header_slot(const struct hook *h, uint8_t slot)
{
	for (size_t i = 0; i < h->header_count; i++)
		if (h->headers[i].slot == slot)
			return &h->headers[i];
	return NULL;
}

static_assert(2 * HOOK_HEADERS_MAX <= UINT8_MAX, "two hooks' headers leave a slot free");

/* The slot that the header has in `reserved`, else the lowest that is free in both hooks. */
static uint8_t slot_for(const struct hook *h, const struct hook *reserved, const char *name)
{
	const struct header *known = reserved ? hook_header_find(reserved, name) : NULL;
	uint8_t slot = 0;

	if (known)
		return known->slot;
	while (hook_header_slot(h, slot) || (reserved && hook_header_slot(reserved, slot)))
		slot++;
	return slot;
}

int header_append(struct hook *h, const char *name, const struct hook *reserved, struct err *err,
	struct header **out)
{
	struct header *grown;
	char *copy;

	if (hook_header_find(h, name))
		return err_set(
			err, EEXIST, ERR_NO_COLUMN, "there is a header of this name already");
	if (h->header_count == HOOK_HEADERS_MAX)
		return err_set(err, ENOSPC, ERR_NO_COLUMN, "a hook has at most %d headers",
			HOOK_HEADERS_MAX);
	copy = strdup(name);
	grown = reallocarray(h->headers, h->header_count + 1, sizeof(*grown));
	if (grown)
		h->headers = grown;
	if (!copy || !grown) {
		free(copy);
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for a header");
	}
	grown[h->header_count] =
		(struct header){ .name = copy, .slot = slot_for(h, reserved, name) };
	*out = &grown[h->header_count++];
	return 0;
}

int hook_header_add(
	struct hook *h, const char *name, bool protected, struct err *err, struct header **out)
{
	int rc = header_append(h, name, NULL, err, out);

	if (rc == 0)
		(*out)->protected = protected;
	return rc;
}

static void header_release(struct header *hd)
{
	free(hd->name);
	secret_free(hd->value);
}

void hook_header_remove(struct hook *h, struct header *hd)
{
	size_t behind = (size_t)(h->headers + h->header_count - (hd + 1));
	char file[HEADER_FILE_SIZE];

	file_remove(h, header_file(hd->name, file));
	header_release(hd);
	memmove(hd, hd + 1, behind * sizeof(*hd));
	h->header_count--;
}

int headers_copy(struct hook *to, const struct hook *from)
{
	if (!from->header_count)
		return 0;
	to->headers = calloc(from->header_count, sizeof(*to->headers));
	if (!to->headers)
		return -ENOMEM;
	for (size_t i = 0; i < from->header_count; i++) {
		const struct header *source = &from->headers[i];
		struct header *copy = &to->headers[to->header_count++];

		*copy = *source;
		copy->name = strdup(source->name);
		copy->value = source->value ? strdup(source->value) : NULL;
		if (!copy->name || (source->value && !copy->value))
			return -ENOMEM;
	}
	return 0;
}

void headers_release(struct hook *h)
{
	for (size_t i = 0; i < h->header_count; i++)
		header_release(&h->headers[i]);
	free(h->headers);
	h->headers = NULL;
	h->header_count = 0;
}

/* ---- values */

static int value_check(const char *text, size_t len, bool protected, struct err *err)
{
	size_t good = text_utf8_check(text, len);

	if (text_is_mask(text, len) || (protected && text_has_mask(text, len)))
		return err_set(err, EINVAL, 0, "this is the mask, not the value");
	if (len > HEADER_VALUE_MAX)
		return err_set(err, E2BIG, HEADER_VALUE_MAX,
			"a header's value has at most %d bytes", HEADER_VALUE_MAX);
	if (good < len)
		return err_set(err, EINVAL, good, "a header's value is UTF-8");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return err_set(err, EINVAL, i,
				"a header's value is one line without control characters");
	}
	return 0;
}

int hook_header_store(
	struct hook *h, struct header *hd, const char *text, size_t len, struct err *err)
{
	const char *start = text;
	char *copy = NULL;
	int rc;

	(void)h;
	len = text_trim(&start, len);
	rc = value_check(start, len, hd->protected, err);
	if (rc < 0) {
		err_shift(err, (size_t)(start - text));
		return rc;
	}
	if (len) {
		copy = strndup(start, len);
		if (!copy)
			return err_set(
				err, ENOMEM, ERR_NO_COLUMN, "there is no memory left for a header");
	}
	secret_free(hd->value);
	hd->value = copy;
	return 0;
}

void hook_header_show(const struct header *hd, struct buf *out)
{
	if (hd->value)
		buf_adds(out, hd->protected ? MASK : hd->value);
}

void hook_succeed(struct hook *h, const struct hook *old)
{
	char file[HEADER_FILE_SIZE];
	size_t count = h->header_count;

	h->id = old->id;
	h->made_ms = old->made_ms;
	h->serial = old->serial + 1;
	/* One after the other, as if they were added now: slot_for looks at those before. */
	h->header_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct header *hd = &h->headers[i];
		const struct hook_file *was = hook_file_find(old, header_file(hd->name, file));
		struct hook_file *is;

		hd->slot = slot_for(h, old, hd->name);
		h->header_count++;
		is = was && was->born ? hook_file_get(h, header_file(hd->name, file)) : NULL;
		if (is)
			is->born = was->born;
	}
}
