/*
 * A number is read, judged against the row's limits and kept as uint64_t whatever its unit: the
 * three number types differ only in how a user writes them, which is one row of `numbers` each.
 * Sentences never quote a text setting, because its value may be a secret.
 */
#include "util/setting.h"

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void add_uint(struct buf *b, uint64_t value)
{
	buf_addf(b, "%" PRIu64, value);
}

static const struct number {
	int (*parse)(const char *text, size_t len, struct err *err, uint64_t *out);
	void (*add)(struct buf *b, uint64_t value);
	uint64_t largest; /* that parse takes */
} numbers[] = {
	[SETTING_UINT] = { text_parse_uint, add_uint, UINT64_MAX },
	[SETTING_DURATION] = { text_parse_duration, text_add_duration, TEXT_DURATION_MAX },
	[SETTING_SIZE] = { text_parse_size, text_add_size, UINT64_MAX },
};

static void *field_of(const struct setting *s, void *obj)
{
	return (char *)obj + s->offset;
}

static const void *const_field_of(const struct setting *s, const void *obj)
{
	return (const char *)obj + s->offset;
}

static const char *default_of(const struct setting *s)
{
	return s->def ? s->def : "";
}

/* ---- numbers */

static int range_error(const struct setting *s, const char *text, size_t len, struct err *err)
{
	const struct number *n = &numbers[s->type];
	char quote[TEXT_QUOTE_SIZE];
	struct buf limits = BUF(100);

	if (s->max < UINT64_MAX) {
		n->add(&limits, s->min);
		buf_adds(&limits, " to ");
		n->add(&limits, s->max);
	} else {
		buf_adds(&limits, "at least ");
		n->add(&limits, s->min);
	}
	(void)err_set(err, ERANGE, 0, "\"%s\" is out of range: %s takes %s",
		text_quote(text, len, quote), s->name, buf_str(&limits));
	buf_release(&limits);
	return -ERANGE;
}

static int number_store(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	uint64_t value;
	int rc = numbers[s->type].parse(text, len, err, &value);

	/* The parser knows only its own limit: where the row's is closer, the user is to see that. */
	if (rc == -ERANGE && s->max < numbers[s->type].largest)
		return range_error(s, text, len, err);
	if (rc < 0)
		return rc;
	if (value < s->min || value > s->max)
		return range_error(s, text, len, err);
	*(uint64_t *)field_of(s, obj) = value;
	return 0;
}

static void number_show(const struct setting *s, const void *obj, struct buf *out)
{
	uint64_t value = *(const uint64_t *)const_field_of(s, obj);

	if (value || *default_of(s))
		numbers[s->type].add(out, value);
}

static int number_reset(const struct setting *s, void *obj)
{
	const char *def = default_of(s);

	if (*def)
		return number_store(s, obj, def, strlen(def), NULL);
	*(uint64_t *)field_of(s, obj) = 0;
	return 0;
}

/* ---- text */

/* A block may come from another system, with \r\n and tabs. */
static bool is_forbidden(const struct setting *s, unsigned char c)
{
	if (c >= ' ')
		return c == 0x7f;
	return !(c == '\n' && s->lines) && !((c == '\r' || c == '\t') && s->whole);
}

static int text_check(const struct setting *s, const char *text, size_t len, struct err *err)
{
	size_t good;

	if (len > s->max)
		return err_set(err, E2BIG, (size_t)s->max,
			"%s is too long: %zu bytes, at most %" PRIu64 " are taken", s->name, len,
			s->max);
	if (len < s->min)
		return err_set(err, ERANGE, len,
			"%s is too short: %zu bytes, at least %" PRIu64 " are needed", s->name, len,
			s->min);
	good = text_utf8_check(text, len);
	for (size_t i = 0; i < good; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_forbidden(s, c))
			return err_set(err, EINVAL, i,
				"%s takes no control characters: byte 0x%02x cannot stand here",
				s->name, c);
	}
	if (good < len)
		return err_set(err, EINVAL, good,
			"%s takes UTF-8 only: byte 0x%02x cannot stand here", s->name,
			(unsigned)(unsigned char)text[good]);
	return 0;
}

/* Puts a copy of text into the field; the old value may have been a secret. */
static int text_replace(const struct setting *s, void *obj, const char *text, size_t len)
{
	char **field = field_of(s, obj);
	char *copy = NULL;

	if (len) {
		copy = strndup(text, len);
		if (!copy)
			return -ENOMEM;
	}
	if (*field)
		explicit_bzero(*field, strlen(*field));
	free(*field);
	*field = copy;
	return 0;
}

static int text_store(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	int rc = text_check(s, text, len, err);

	if (rc == 0 && s->parse)
		rc = s->parse(s, obj, text, len, err);
	if (rc < 0)
		return rc;
	rc = text_replace(s, obj, text, len);
	if (rc < 0)
		return err_set(err, -rc, ERR_NO_COLUMN, "no memory for %s", s->name);
	return 0;
}

/* ---- every type */

int setting_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	if (!len) {
		int rc = setting_reset(s, obj);

		if (rc < 0)
			return err_set(err, -rc, ERR_NO_COLUMN, "no memory for %s", s->name);
		return 0;
	}
	switch (s->type) {
	case SETTING_BOOL:
		return text_parse_bool(text, len, err, field_of(s, obj));
	case SETTING_UINT:
	case SETTING_DURATION:
	case SETTING_SIZE:
		return number_store(s, obj, text, len, err);
	case SETTING_TEXT:
		return text_store(s, obj, text, len, err);
	case SETTING_CUSTOM:
		return s->parse(s, obj, text, len, err);
	}
	assert(!"a row's type is one of the enum");
	return -EINVAL;
}

void setting_show(const struct setting *s, const void *obj, struct buf *out)
{
	const char *text;

	switch (s->type) {
	case SETTING_BOOL:
		buf_addc(out, *(const bool *)const_field_of(s, obj) ? '1' : '0');
		break;
	case SETTING_UINT:
	case SETTING_DURATION:
	case SETTING_SIZE:
		number_show(s, obj, out);
		break;
	case SETTING_TEXT:
		text = *(char *const *)const_field_of(s, obj);
		buf_adds(out, text ? text : "");
		break;
	case SETTING_CUSTOM:
		s->show(s, obj, out);
		break;
	}
}

int setting_reset(const struct setting *s, void *obj)
{
	const char *def = default_of(s);
	int rc = 0;

	switch (s->type) {
	case SETTING_BOOL:
		if (*def)
			rc = text_parse_bool(def, strlen(def), NULL, field_of(s, obj));
		else
			*(bool *)field_of(s, obj) = false;
		break;
	case SETTING_UINT:
	case SETTING_DURATION:
	case SETTING_SIZE:
		rc = number_reset(s, obj);
		break;
	case SETTING_TEXT:
		return text_replace(s, obj, def, strlen(def));
	case SETTING_CUSTOM:
		s->reset(s, obj);
		break;
	}
	assert(rc == 0); /* a default that does not parse is a mistake in the table */
	return 0;
}

void setting_release(const struct setting *s, void *obj)
{
	if (s->type == SETTING_TEXT)
		(void)text_replace(s, obj, "", 0); /* an empty text needs no memory */
	else if (s->type == SETTING_CUSTOM)
		s->reset(s, obj);
}

const char *setting_leaf(const struct setting *s)
{
	const char *slash = strchr(s->name, '/');

	return slash ? slash + 1 : s->name;
}

bool setting_in(const struct setting *s, const char *dir)
{
	size_t n = strlen(dir);

	if (!n)
		return setting_leaf(s) == s->name;
	return !strncmp(s->name, dir, n) && s->name[n] == '/';
}

const struct setting *setting_find(const struct setting *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}
