#include "model/event_fields.h"

#include "model/event.h"
#include "util/err.h"
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct field_rule field_rules[FIELD_COUNT] = {
	[FIELD_OBJECT] = { .name = "object", .takes = "a string, TYPE/NAME or TYPE/NAME/VERSION" },
	[FIELD_OBJECT_TYPE] = { .name = "object_type", .takes = "a string, as in \"deployment\"" },
	[FIELD_OBJECT_NAME] = { .name = "object_name", .takes = "a string" },
	[FIELD_VERSION] = { .name = "version", .null_is_none = true, .takes = "a string" },
	[FIELD_STATUS] = { .name = "status", .takes = "a string, as in \"completed\"" },
	[FIELD_EVENT] = { .name = "event",
		.takes = "a string, as in \"deployment_request_completed\"" },
	[FIELD_REQUEST_ID] = { .name = "request_id",
		.kind = FIELD_IS_ID,
		.max = EVENT_ID_MAX,
		.takes = "a string or a whole number" },
	[FIELD_ID] = { .name = "id",
		.kind = FIELD_IS_ID,
		.max = EVENT_ID_MAX,
		.takes = "a string or a whole number" },
	[FIELD_ERROR_MESSAGE] = { .name = "error_message",
		.null_is_none = true,
		.max = EVENT_ERROR_MAX,
		.takes = "a string" },
	[FIELD_RESULT] = { .name = "result", .kind = FIELD_IS_JSON, .takes = "any JSON" },
	[FIELD_METADATA] = { .name = "metadata",
		.kind = FIELD_IS_MEMBERS,
		.takes = "a JSON object" },
	[FIELD_TIME] = { .name = "time", .takes = "a string, as in \"2026-11-23T10:24:00Z\"" },
	[FIELD_TYPE_ID] = { .name = "_id",
		.kind = FIELD_IS_ID,
		.max = EVENT_ID_MAX,
		.takes = "a string or a whole number" },
	[FIELD_TYPE_VERSION_ID] = { .name = "_version_id",
		.kind = FIELD_IS_ID,
		.max = EVENT_ID_MAX,
		.takes = "a string or a whole number" },
};

static bool has_type(enum event_field which)
{
	return which == FIELD_TYPE_ID || which == FIELD_TYPE_VERSION_ID;
}

static const char *name_of(
	const struct types *t, enum event_field which, int type, char out[FIELD_NAME_SIZE])
{
	(void)snprintf(out, FIELD_NAME_SIZE, "%s%s", has_type(which) ? t->name[type] : "",
		field_rules[which].name); /* fits: the size is made for the longest */
	return out;
}

const char *fields_name(const struct fields *f, enum event_field which, char out[FIELD_NAME_SIZE])
{
	return name_of(f->types, which, f->at[which].type, out);
}

void fields_release(struct fields *f)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		free(f->at[i].text);
	*f = (struct fields){ .types = f->types };
}

/* ---- which field */

/* Single-character edits from `a` to `b`, case ignored (Levenshtein's distance, a row at a time). */
static size_t distance(struct span a, const char *b)
{
	size_t row[FIELD_NAME_SIZE];
	size_t b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0]; /* of the row above, to the left */

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			bool differ =
				tolower((unsigned char)a.text[i - 1]) != (unsigned char)b[j - 1];
			size_t best = corner + differ;

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			corner = above;
		}
	}
	return row[b_len];
}

/* The field that was meant by an unknown name: two slips at most, and not all of the name. */
static bool nearest(const struct types *t, struct span name, char out[FIELD_NAME_SIZE])
{
	size_t best = name.len < 3 ? name.len : 3;
	bool found = false;

	if (name.len > FIELD_NAME_SIZE)
		return false;
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		unsigned types = has_type(i) ? t->count : 1;

		for (unsigned type = 0; type < types; type++) {
			char candidate[FIELD_NAME_SIZE];
			size_t d = distance(name, name_of(t, i, (int)type, candidate));

			if (d >= best)
				continue;
			best = d;
			found = true;
			snprintf(out, FIELD_NAME_SIZE, "%s", candidate);
		}
	}
	return found;
}

static int unknown(const struct types *t, struct span name, size_t column, struct err *err)
{
	char quote[TEXT_QUOTE_SIZE];
	char hint[FIELD_NAME_SIZE];

	text_quote(name.text, name.len, quote);
	if (nearest(t, name, hint))
		return err_set(err, EINVAL, column,
			"\"%s\" is no field of an event: is it to be %s?", quote, hint);
	return err_set(err, EINVAL, column,
		"\"%s\" is no field of an event: put what is yours into metadata", quote);
}

/* The type whose name, with `suffix` behind it, is `name`; -1: none. */
static int type_of(const struct types *t, struct span name, const char *suffix)
{
	size_t len = strlen(suffix);

	if (name.len <= len || memcmp(name.text + name.len - len, suffix, len))
		return -1;
	return types_find(t, name.text, name.len - len);
}

int fields_claim(
	struct fields *f, struct span name, size_t column, struct err *err, enum event_field *out)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		const char *rule = field_rules[i].name;
		int type = -1;

		if (has_type(i)) {
			type = type_of(f->types, name, rule);
			if (type < 0)
				continue;
		} else if (strlen(rule) != name.len || memcmp(rule, name.text, name.len)) {
			continue;
		}
		if (f->at[i].text) {
			char before[FIELD_NAME_SIZE];

			return err_set(err, EINVAL, column, "%s was given before",
				fields_name(f, i, before));
		}
		f->at[i].type = type;
		*out = i;
		return 0;
	}
	return unknown(f->types, name, column, err);
}

/* ---- what it says */

/* Finds the text in what stands for it, where that is the text itself or the text in quotes. */
static void locate(struct field *to, struct span line, struct span text, struct span raw)
{
	to->column = (size_t)(raw.text - line.text);
	to->exact = false;
	for (size_t quote = 0; quote <= 1 && !to->exact; quote++) {
		if (raw.len != text.len + 2 * quote ||
			memcmp(raw.text + quote, text.text, text.len))
			continue;
		to->exact = true;
		to->column += quote;
	}
}

static int id_check(
	const struct fields *f, enum event_field which, struct span text, struct err *err)
{
	size_t column = f->at[which].column;
	char name[FIELD_NAME_SIZE];

	if (!text.len)
		return err_set(err, EINVAL, column, "%s is empty", fields_name(f, which, name));
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.text[i] < ' ' || text.text[i] == 0x7f)
			return err_set(err, EINVAL, column, "%s has a control character in it",
				fields_name(f, which, name));
	return 0;
}

int fields_put(struct fields *f, enum event_field which, struct span text, struct span raw,
	struct err *err)
{
	const struct field_rule *rule = &field_rules[which];
	struct field *to = &f->at[which];
	char name[FIELD_NAME_SIZE];
	char *copy;
	int rc;

	locate(to, f->line, text, raw);
	if (rule->max && text.len > rule->max)
		return err_set(err, E2BIG, to->column, "%s has %zu bytes, the most is %zu",
			fields_name(f, which, name), text.len, rule->max);
	if (rule->kind == FIELD_IS_ID) {
		rc = id_check(f, which, text, err);
		if (rc)
			return rc;
	}

	copy = malloc(text.len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text.text, text.len);
	copy[text.len] = '\0';
	to->text = copy;
	return 0;
}

int fields_blame(const struct fields *f, enum event_field which, struct err *err, int rc)
{
	const struct field *at = &f->at[which];

	if (!rc || !err || rc == -ENOMEM)
		return rc;
	if (at->exact)
		err_shift(err, at->column);
	else
		err->column = at->column;
	return rc;
}

char *fields_take(struct fields *f, enum event_field which)
{
	char *text = f->at[which].text;

	f->at[which].text = NULL;
	return text;
}
