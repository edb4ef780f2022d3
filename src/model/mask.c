#include "model/mask.h"

#include "model/hook_internal.h"
#include "model/url.h"
#include "util/buf.h"

#include <stdlib.h>
#include <string.h>

/* Parts of one value: a header of 8,192 bytes might be of a thousand, and all are looked for. */
#define PARTS_MAX 32

static const char blanks[] = " \t";
static const char punctuation[] = " \t,;:=\"/?&";

static bool mask_has(const struct mask *m, const char *text, size_t len)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->values[i].len == len && !memcmp(m->values[i].text, text, len))
			return true;
	return false;
}

static void add_one(struct mask *m, const char *text, size_t len)
{
	struct mask_value *grown;
	char *copy;

	if (len < MASK_VALUE_MIN || mask_has(m, text, len))
		return;
	copy = strndup(text, len);
	grown = reallocarray(m->values, m->count + 1, sizeof(*grown));
	if (!copy || !grown)
		abort();
	m->values = grown;
	m->values[m->count].text = copy;
	m->values[m->count++].len = len;
}

static void add_parts(struct mask *m, const char *text, size_t len, const char *between)
{
	size_t at = 0;

	for (unsigned n = 0; at < len && n < PARTS_MAX;) {
		size_t part = text_span(text + at, len - at, between);

		add_one(m, text + at, part);
		n += part > 0;
		at += part + 1;
	}
}

void mask_add(struct mask *m, const char *text, size_t len)
{
	add_one(m, text, len);
	add_parts(m, text, len, blanks);
	add_parts(m, text, len, punctuation);
}

/* One line is one secret; behind its prefix, up to '_', stands the key. */
static void add_secrets(struct mask *m, const char *lines)
{
	for (const char *line = lines; *line;) {
		size_t len = strcspn(line, "\n"), prefix = text_span(line, len, "_");

		mask_add(m, line, len);
		if (prefix < len)
			add_one(m, line + prefix + 1, len - prefix - 1);
		line += len + (line[len] == '\n');
	}
}

/* What url_masked leaves out. */
static void add_url(struct mask *m, const char *url)
{
	struct buf shown = BUF(HOOK_URL_MAX + sizeof(MASK) + 1);
	size_t host;

	url_masked(url, &shown);
	host = shown.len - strlen("/" MASK);
	mask_add(m, url + host, strlen(url + host));
	if (url[host] == '/') /* a receiver may leave the first slash out, or the query */
		mask_add(m, url + host + 1, strcspn(url + host + 1, "?"));
	buf_release(&shown);
}

void mask_add_hook(struct mask *m, const struct hook *h)
{
	for (size_t i = 0; i < h->header_count; i++)
		if (h->headers[i].protected && h->headers[i].value)
			mask_add(m, h->headers[i].value, strlen(h->headers[i].value));
	if (h->secret)
		add_secrets(m, h->secret);
	if (h->url && hook_protected(h, FILE_URL))
		add_url(m, h->url);
}

void mask_release(struct mask *m)
{
	for (size_t i = 0; i < m->count; i++)
		secret_free(m->values[i].text);
	free(m->values);
	*m = MASK_NONE;
}

/* How many bytes of text the value takes, backslashes before its own bytes included; 0: it is not there.
 * *open: the text ended before the value did. */
static size_t value_at(const struct mask_value *v, const char *text, size_t len, bool *open)
{
	size_t at = 0, n = 0;

	for (; n < v->len && at < len; n++, at++) {
		if (text[at] != v->text[n] && text[at] == '\\' && n > 0)
			at++;
		if (at == len || text[at] != v->text[n])
			break;
	}
	*open = n < v->len && at == len;
	return n == v->len ? at : 0;
}

/* The longest value at the start of text. */
static size_t find(const struct mask *m, const char *text, size_t len, bool *open)
{
	size_t longest = 0;

	*open = false;
	for (size_t i = 0; i < m->count; i++) {
		bool begun;
		size_t found = 0;

		if (*text != *m->values[i].text)
			continue;
		found = value_at(&m->values[i], text, len, &begun);
		*open |= begun;
		if (found > longest)
			longest = found;
	}
	return longest;
}

size_t mask_apply(const struct mask *m, char *text, size_t len, bool cut)
{
	size_t from = 0, to = 0;

	if (!m->count)
		return len;
	while (from < len) {
		bool open;
		size_t found = find(m, text + from, len - from, &open);

		if (open && cut)
			break;
		if (found) {
			memcpy(text + to, MASK, strlen(MASK));
			to += strlen(MASK);
			from += found;
		} else {
			text[to++] = text[from++];
		}
	}
	return to;
}
