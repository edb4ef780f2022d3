/*
 * The word form of a line: OBJECT STATUS|EVENT [FIELD=VALUE]...
 *
 * Words are a shell's, quotes and all. jansson is asked only where a field takes JSON.
 */
#include "model/event_fields.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>

/* A word without its quotes, and as it stands in the line. */
struct word {
	struct span text, raw;
};

/* 1, 0 at the end of the line, -EINVAL. The word is valid until the next call. */
static int word_next(
	struct span line, size_t *pos, struct buf *text, struct err *err, struct word *out)
{
	size_t start = *pos;
	int rc;

	while (start < line.len && (line.text[start] == ' ' || line.text[start] == '\t'))
		start++;
	buf_reset(text);
	rc = text_next_word(line.text, line.len, pos, text, err);
	if (rc > 0 && buf_error(text))
		rc = buf_error(text);
	if (rc <= 0)
		return rc;
	*out = (struct word){ { buf_str(text), text->len }, { line.text + start, *pos - start } };
	return 1;
}

/* The second word: a status if it can be one ("failed" fires finished too), else an event. */
static int put_what(struct fields *f, struct word w, struct err *err)
{
	enum request_status status;
	enum phase phase;
	char quote[TEXT_QUOTE_SIZE];
	int type;

	if (!request_status_parse(w.text.text, w.text.len, NULL, &status))
		return fields_put(f, FIELD_STATUS, w.text, w.raw, err);
	/* What is built like an event is put even if it is none: read_status says what is wrong. */
	if (!event_name_parse(f->types, w.text.text, w.text.len, NULL, &type, &phase) ||
		memmem(w.text.text, w.text.len, "_request_", strlen("_request_")))
		return fields_put(f, FIELD_EVENT, w.text, w.raw, err);
	return err_set(err, EINVAL, (size_t)(w.raw.text - f->line.text),
		"\"%s\" is neither a status (pending, processing, completed, failed, cancelled, "
		"cancelled_pending) nor an event (started, finished, TYPE_request_failed, ...)",
		text_quote(w.text.text, w.text.len, quote));
}

static int put_pair(struct fields *f, struct word w, struct err *err)
{
	const char *equals = memchr(w.text.text, '=', w.text.len);
	size_t column = (size_t)(w.raw.text - f->line.text);
	struct span name, value;
	char quote[TEXT_QUOTE_SIZE];
	enum event_field which;
	enum field_kind kind;
	int rc;

	if (!equals)
		return err_set(err, EINVAL, column,
			"\"%s\" is no FIELD=VALUE: a value with blanks in it needs quotes",
			text_quote(w.text.text, w.text.len, quote));
	name = (struct span){ w.text.text, (size_t)(equals - w.text.text) };
	value = (struct span){ equals + 1, w.text.len - name.len - 1 };
	rc = fields_claim(f, name, column, err, &which);
	if (rc)
		return rc;
	/* Where the name itself is not quoted, the value's place is known. */
	if (w.raw.len > name.len && !memcmp(w.raw.text, w.text.text, name.len + 1)) {
		w.raw.text += name.len + 1;
		w.raw.len -= name.len + 1;
	}
	kind = field_rules[which].kind;
	if (kind == FIELD_IS_JSON || kind == FIELD_IS_MEMBERS)
		value.len = text_trim(&value.text, value.len);
	rc = fields_put(f, which, value, w.raw, err);
	if (!rc && (kind == FIELD_IS_JSON || kind == FIELD_IS_MEMBERS))
		rc = fields_blame(f, which, err,
			event_json_check(field_rules[which].name, f->at[which].text,
				kind == FIELD_IS_MEMBERS, err));
	return rc;
}

int event_words_read(struct fields *f, struct err *err)
{
	struct buf text = BUF(f->line.len);
	struct word w;
	size_t pos = 0;
	int rc;

	for (unsigned n = 0; (rc = word_next(f->line, &pos, &text, err, &w)) > 0; n++) {
		if (n == 0)
			rc = fields_put(f, FIELD_OBJECT, w.text, w.raw, err);
		else if (n == 1 && !memchr(w.text.text, '=', w.text.len))
			rc = put_what(f, w, err);
		else
			rc = put_pair(f, w, err);
		if (rc)
			break;
	}
	buf_release(&text);
	return rc;
}
