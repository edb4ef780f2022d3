/*
 * The JSON form of a line.
 *
 * json_plain, and where it does not know jansson, judges the whole line. Then json_text walks through what is
 * known to be valid: it gives every member's place in the line, for columns, and cuts `result` and
 * `metadata` out of it untouched. Strings with escapes are decoded by jansson.
 */
#include "model/event.h"
#include "model/event_fields.h"
#include "model/json.h"
#include "model/json_plain.h"
#include "model/json_text.h"
#include "util/buf.h"
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

static int judge(struct span s, size_t flags, const char *what, const char *advice, struct err *err)
{
	char quote[TEXT_QUOTE_SIZE];
	json_error_t e;
	json_t *root;
	size_t column;
	int rc;

	if (json_plain(s))
		return 0;
	rc = json_read(s.text, s.len, FLAGS | flags, &e, &root);
	if (!rc)
		json_decref(root);
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
	struct span rest = { text, strlen(text) };
	int rc = judge(rest, JSON_DECODE_ANY, name,
		"; a text goes in two pairs of quotes, '\"text\"'", err);

	if (!rc && members && *json_text_next(&rest).text != '{')
		rc = err_set(err, EINVAL, 0, "%s takes a JSON object, '{\"key\": ...}'", name);
	return rc;
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

/* What a valid JSON string says; `decoded` holds it where that is not what stands between the quotes. */
static int string_text(struct span raw, struct buf *decoded, struct span *out)
{
	json_error_t e;
	json_t *string;
	int rc;

	*out = (struct span){ raw.text + 1, raw.len - 2 };
	if (!memchr(out->text, '\\', out->len))
		return 0;
	rc = json_read(raw.text, raw.len, FLAGS | JSON_DECODE_ANY, &e, &string);
	if (rc)
		return rc;
	buf_reset(decoded);
	buf_add(decoded, json_string_value(string), json_string_length(string));
	json_decref(string);
	*out = (struct span){ buf_str(decoded), decoded->len };
	return buf_error(decoded);
}

/* What the field keeps of a member: a string's text, a whole number's digits, any JSON's own bytes. 1: this
 * value is nothing for it. */
static int member_text(enum field_kind kind, struct span raw, struct buf *decoded, struct span *out)
{
	*out = raw;
	if (kind == FIELD_IS_JSON)
		return 0;
	if (kind == FIELD_IS_MEMBERS)
		return *raw.text != '{';
	if (kind == FIELD_IS_ID && is_whole(raw))
		return 0;
	return *raw.text == '"' ? string_text(raw, decoded, out) : 1;
}

static int read_member(struct fields *f, struct span raw_key, struct span raw, struct buf *decoded,
	struct err *err)
{
	size_t column = (size_t)(raw.text - f->line.text);
	const struct field_rule *rule;
	enum event_field which;
	char name[FIELD_NAME_SIZE];
	struct span text;
	int rc = string_text(raw_key, decoded, &text);

	if (!rc)
		rc = fields_claim(f, text, (size_t)(raw_key.text - f->line.text), err, &which);
	if (rc)
		return rc;
	rule = &field_rules[which];
	if (*raw.text == 'n' && rule->null_is_none)
		return 0;
	rc = member_text(rule->kind, raw, decoded, &text);
	if (rc < 0)
		return rc;
	if (rc)
		return err_set(err, EINVAL, column, "%s takes %s", fields_name(f, which, name),
			rule->takes);
	if (memchr(text.text, '\0', text.len))
		return err_set(
			err, EINVAL, column, "%s has a NUL in it", fields_name(f, which, name));
	return fields_put(f, which, text, raw, err);
}

int event_json_read(struct fields *f, struct err *err)
{
	struct span rest = f->line, key;
	struct buf decoded = BUF(f->line.len);
	int rc = judge(f->line, 0, "the line", "", err);

	if (rc)
		return rc;
	rest.text = (const char *)memchr(rest.text, '{', rest.len) + 1; /* the caller has seen it */
	rest.len -= (size_t)(rest.text - f->line.text);
	while (!rc && (key = json_text_next(&rest)).len)
		rc = read_member(f, key, json_text_next(&rest), &decoded, err);
	buf_release(&decoded);
	return rc;
}
