/*
 * Characters: what is UTF-8, and how a stranger's text is shown so that no terminal, no line and no
 * word is broken by it.
 */
#include "util/buf.h"
#include "util/text.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

/* ---- UTF-8 */

/* Bytes of the well-formed sequence at s (Unicode, table 3-7), or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf; /* limits of the second byte */
	size_t need;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	need = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (need > len)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (s[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

/*
 * Eight bytes are looked at as one number, the first the lowest. In EACH(byte) all are the same; a byte's
 * highest bit is set in LESS(word, n) if the byte is less than n, and behind the first such byte, by a borrow,
 * it may be set in others.
 */
#define EACH(byte)    (UINT64_C(0x0101010101010101) * (byte))
#define HIGH          EACH(0x80)
#define LESS(word, n) (((word)-EACH(n)) & ~(word)&HIGH)

static uint64_t eight(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return le64toh(word);
}

size_t text_utf8_check(const char *text, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t n = len - pos >= 8 && !(eight(text + pos) & HIGH)
			? 8
			: utf8_sequence((const unsigned char *)text + pos, len - pos);

		if (!n)
			break;
		pos += n;
	}
	return pos;
}

static bool is_json_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

size_t text_json_run(const char *text, size_t len)
{
	size_t i = 0;

	for (; len - i >= 8; i += 8) {
		uint64_t word = eight(text + i);
		uint64_t other = (word & HIGH) | LESS(word, ' ') | LESS(word ^ EACH('"'), 1) |
			LESS(word ^ EACH('\\'), 1) | LESS(word ^ EACH(0x7f), 1);

		if (other)
			return i + (size_t)__builtin_ctzll(other) / 8;
	}
	while (i < len && is_json_plain(text[i]))
		i++;
	return i;
}

size_t text_cut(const char *text, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/* ---- showing */

/* C0, DEL, C1 (U+0080 to U+009F), which a terminal takes for commands as well, and what breaks or turns
 * round a line: U+2028 to U+202E, U+2066 to U+2069. */
static bool is_control(const char *text, size_t sequence)
{
	const unsigned char *c = (const unsigned char *)text;

	if (sequence == 2)
		return c[0] == 0xc2 && c[1] < 0xa0;
	if (sequence == 3 && c[0] == 0xe2)
		return (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
			(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
	return c[0] < ' ' || c[0] == 0x7f;
}

/* The length of the character at text, which may be shown as it is, or 0. */
static size_t graphic_sequence(const char *text, size_t len)
{
	size_t n = utf8_sequence((const unsigned char *)text, len);

	return n && !is_control(text, n) ? n : 0;
}

void text_plain(char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = graphic_sequence(text + i, len - i);
		if (!n)
			text[i] = '?';
	}
}

const char *text_quote(const char *text, size_t len, char out[TEXT_QUOTE_SIZE])
{
	size_t n = text_cut(text, len, TEXT_QUOTE_MAX);

	memcpy(out, text, n);
	text_plain(out, n);
	snprintf(out + n, TEXT_QUOTE_SIZE - n, "%s", n < len ? "..." : "");
	return out;
}

/* At once: a buffer that is full takes the whole of it or nothing. */
static void add_escape(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	buf_add(b, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
}

void text_add_word(struct buf *b, const char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = graphic_sequence(text + i, len - i);
		if (!n || text[i] == ' ' || text[i] == '\\') {
			add_escape(b, (unsigned char)text[i]);
			n = 1;
		} else {
			buf_add(b, text + i, n);
		}
	}
}
