/*
 * The JSON form of a line.
 *
 * jansson judges the whole line and decodes its strings. Beside it walks json_text, which gives every
 * member's place in the line, for columns, and cuts `result` and `metadata` out of it untouched.
 * jansson keeps members in the order of the text, so the two walk in step.
 */
#include "model/event.h"
#include "model/event_fields.h"
#include "model/json.h"
#include "model/json_text.h"
#include "util/err.h"
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/*
 * Numbers are only judged, never used, so reading integers as reals refuses no large one. "\u0000" is
 * for results to hold; our own fields refuse it.
 */
#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)

static int load(struct span s, size_t flags, const char *what, const char *advice, struct err *err,
	json_t **out)
{
	char quote[TEXT_QUOTE_SIZE];
	json_error_t e;
	size_t column;
	int rc = json_read(s.text, s.len, FLAGS | flags, &e, out);
	if (rc != -EINVAL)
		return rc;
	/* jansson stands behind the byte that it could not take, if it was not the end. */
	column = (size_t)e.position;
	if (column && json_error_code(&e) != json_error_premature_end_of_input)
		column--;
	return err_set(err, EINVAL, column, "%s is no JSON: %s%s", what,
		text_quote(e.text, strlen(e.text), quote), advice);
}

int event_json_check(const char *name, const char *text, bool members, struct err *err)
{
	json_t *root;
	bool is_object;
	int rc = load((struct span){ text, strlen(text) }, JSON_DECODE_ANY, name,
		"; a text goes in two pairs of quotes, '\"text\"'", err, &root);

	if (rc)
		return rc;
	is_object = json_is_object(root);
	json_decref(root);
	if (members && !is_object)
		return err_set(err, EINVAL, 0, "%s takes a JSON object, '{\"key\": ...}'", name);
	return 0;
}

/* ---- a line without its newline */

bool event_json_complete(const char *text, size_t len)
{
	struct span s = { text, len };
	size_t end;

	while (s.len && json_text_is_blank(*s.text)) {
		s.text++;
		s.len--;
	}
	if (!s.len || *s.text != '{')
		return false;
	end = json_text_len(s);
	if (!end)
		return false;
	while (end < s.len && json_text_is_blank(s.text[end]))
		end++;
	return end == s.len;
}

/* ---- members */

static bool is_whole(struct span number)
{
	size_t i = number.text[0] == '-';

	while (i < number.len && isdigit((unsigned char)number.text[i]))
		i++;
	return i == number.len;
}

/* What the field keeps of a member: a string's text, a whole number's digits, any JSON's own bytes. */
static bool member_text(enum field_kind kind, json_t *value, struct span raw, struct span *out)
{
	*out = raw;
	if (kind == FIELD_IS_JSON)
		return true;
	if (kind == FIELD_IS_MEMBERS)
		return json_is_object(value);
	if (kind == FIELD_IS_ID && json_is_real(value))
		return is_whole(raw);
	if (!json_is_string(value))
		return false;
	*out = (struct span){ json_string_value(value), json_string_length(value) };
	return true;
}

static int read_member(struct fields *f, struct span key, struct span raw_key, json_t *value,
	struct span raw, struct err *err)
{
	size_t column = (size_t)(raw.text - f->line.text);
	const struct field_rule *rule;
	enum event_field which;
	char name[FIELD_NAME_SIZE];
	struct span text;
	int rc = fields_claim(f, key, (size_t)(raw_key.text - f->line.text), err, &which);

	if (rc)
		return rc;
	rule = &field_rules[which];
	if (json_is_null(value) && rule->null_is_none)
		return 0;
	if (!member_text(rule->kind, value, raw, &text))
		return err_set(err, EINVAL, column, "%s takes %s", fields_name(f, which, name),
			rule->takes);
	if (memchr(text.text, '\0', text.len))
		return err_set(
			err, EINVAL, column, "%s has a NUL in it", fields_name(f, which, name));
	return fields_put(f, which, text, raw, err);
}

int event_json_read(struct fields *f, struct err *err)
{
	struct span rest = f->line;
	json_t *root;
	int rc = load(f->line, 0, "the line", "", err, &root);

	if (rc)
		return rc;
	rest.text = (const char *)memchr(rest.text, '{', rest.len) + 1; /* the caller has seen it */
	rest.len -= (size_t)(rest.text - f->line.text);
	for (void *i = json_object_iter(root); i && !rc; i = json_object_iter_next(root, i)) {
		struct span key = { json_object_iter_key(i), json_object_iter_key_len(i) };
		struct span raw_key = json_text_next(&rest);
		struct span raw = json_text_next(&rest);

		rc = read_member(f, key, raw_key, json_object_iter_value(i), raw, err);
	}
	json_decref(root);
	return rc;
}
