#pragma once
/*
 * text: strict parsing and formatting of the small values users write.
 *
 * Pure functions over (text, len): no allocation, no locale, no clock. A parser takes the whole
 * text or refuses it with a sentence and a column; the result comes through the last parameter and
 * is untouched on failure.
 *
 * Units: durations are milliseconds, sizes bytes, times milliseconds since the epoch (UTC).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Part of a text; borrowed. */
struct span {
	const char *text;
	size_t len;
};

int text_parse_uint(const char *text, size_t len, struct err *err, uint64_t *out);
/* 0/1/true/false/yes/no/on/off, any case */
int text_parse_bool(const char *text, size_t len, struct err *err, bool *out);
/* "100ms", "10s", "5m", "2h", "7d", a bare number of seconds; fractions ("1.5s") down to 1 ms. Ten
 * years at most: sums of a few stay far from overflow. */
#define TEXT_DURATION_MAX (UINT64_C(3650) * 24 * 60 * 60 * 1000)
int text_parse_duration(const char *text, size_t len, struct err *err, uint64_t *out_ms);
/* "16384", "16K", "1M", "2G", "1T" (powers of 1,024), either case */
int text_parse_size(const char *text, size_t len, struct err *err, uint64_t *out);

void text_add_duration(
	struct buf *b, uint64_t ms); /* the largest unit that divides: "5m", "1500ms" */
void text_add_size(struct buf *b, uint64_t bytes); /* likewise: "16K", "1000" */
void text_add_time(struct buf *b, int64_t ms);     /* "2026-11-23T10:24:00.123Z" */
/* RFC 3339, "2026-11-23T10:24:00Z", fractions and offsets allowed. */
int text_parse_time(const char *text, size_t len, struct err *err, int64_t *out_ms);

/* In place: control characters (the C1 ones too) and broken UTF-8 become '?', a byte each. */
void text_plain(char *text, size_t len);
/* Appends `text` as one word: those, blanks and backslashes become \xHH, so that what a stranger
 * named forges no line and no field, and can be told back. */
void text_add_word(struct buf *b, const char *text, size_t len);
/* `text` for a sentence: at most TEXT_QUOTE_MAX bytes of it, plain, then "...". Returns `out`. */
#define TEXT_QUOTE_MAX  60
#define TEXT_QUOTE_SIZE (TEXT_QUOTE_MAX + 4)
const char *text_quote(const char *text, size_t len, char out[TEXT_QUOTE_SIZE]);
/* The length of text cut to at most `max` bytes without going through a character. */
size_t text_cut(const char *text, size_t len, size_t max);

/* Offset of the first byte that is not well-formed UTF-8 (surrogates and overlong forms are not),
 * or len. */
size_t text_utf8_check(const char *text, size_t len);
/* How many bytes of the text, from its first, a JSON string holds as they are: ASCII but for controls, DEL, '"'
 * and '\\'. */
size_t text_json_run(const char *text, size_t len);
/* An HTTP token (RFC 9110 §5.6.2), not empty. */
bool text_is_token(const char *text, size_t len);

/*
 * The next word of a line of words separated by blanks. Quotes as in a shell: '…' takes all
 * literally, "…" and bare text take a backslash before any character; quoted and bare parts join.
 * *pos moves behind the word. Returns 1 and the word appended to `out`, 0 at the end of the line,
 * -EINVAL for a quote that is not closed (column = the quote) or a backslash at the end; then
 * *pos and `out` are as they were.
 */
int text_next_word(const char *text, size_t len, size_t *pos, struct buf *out, struct err *err);
/* The length of text without trailing blanks, and *start moved behind leading ones. */
size_t text_trim(const char **start, size_t len);
