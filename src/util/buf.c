#include "util/buf.h"

#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 64 /* most control files fit: one allocation for each */

/* Moves the bytes into memory of `cap` bytes. realloc may leave a copy behind: not for secrets. */
static char *resize(struct buf *b, size_t cap)
{
	char *data;

	if (!b->wipe)
		return realloc(b->data, cap);
	data = malloc(cap);
	if (data && b->data) {
		memcpy(data, b->data, b->len + 1);
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	return data;
}

/* Makes room for `extra` more bytes and their NUL; false with the sticky error set if it cannot. */
static bool grow(struct buf *b, size_t extra)
{
	size_t need, cap;
	char *data;

	if (b->error)
		return false;
	if (b->len > b->max || extra > b->max - b->len) {
		b->error = -E2BIG;
		return false;
	}
	need = b->len + extra + 1;
	if (need <= b->cap)
		return true;

	cap = b->cap < CAP_MIN ? CAP_MIN : b->cap * 2;
	if (cap < need)
		cap = need;
	if (cap - 1 > b->max)
		cap = b->max + 1;
	data = resize(b, cap);
	if (!data) {
		b->error = -ENOMEM;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

/* Likewise, and quick where there is room: what was allocated is never beyond `max`. */
static inline bool reserve(struct buf *b, size_t extra)
{
	return (extra < b->cap - b->len && !b->error) || grow(b, extra);
}

static void set_len(struct buf *b, size_t len)
{
	b->len = len;
	if (b->data)
		b->data[len] = '\0';
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF(max);
}

void buf_release(struct buf *b)
{
	if (b->data && b->wipe)
		explicit_bzero(b->data, b->cap);
	free(b->data);
	*b = (struct buf){ .max = b->max, .wipe = b->wipe };
}

void buf_reset(struct buf *b)
{
	b->error = 0;
	set_len(b, 0);
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	set_len(b, b->len + len);
}

void buf_expect(struct buf *b, size_t len)
{
	if (!b->error && len <= b->max - b->len && reserve(b, len))
		b->data[b->len] = '\0';
}

void buf_addc(struct buf *b, char c)
{
	if (!reserve(b, 1))
		return;
	b->data[b->len] = c;
	b->data[++b->len] = '\0';
}

void buf_addu(struct buf *b, uint64_t n, unsigned digits)
{
	char text[20]; /* of UINT64_MAX */
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + n % 10);
	while (n /= 10);
	while (at && sizeof(text) - at < digits)
		text[--at] = '0';
	buf_add(b, text + at, sizeof(text) - at);
}

void buf_addi(struct buf *b, int64_t n)
{
	if (n < 0)
		buf_addc(b, '-');
	buf_addu(b, n < 0 ? -(uint64_t)n : (uint64_t)n, 0);
}

void buf_add_hex(struct buf *b, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++) {
		buf_addc(b, digits[bytes[i] >> 4]);
		buf_addc(b, digits[bytes[i] & 15]);
	}
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->len;
	va_list ap, again;
	int n;

	if (b->error)
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(b->data ? b->data + b->len : NULL, room, fmt, ap);
	if (n < 0) {
		b->error = -E2BIG; /* the only way for it to fail here: longer than INT_MAX */
	} else if ((size_t)n >= room && reserve(b, (size_t)n)) {
		(void)vsnprintf(
			b->data + b->len, (size_t)n + 1, fmt, again); /* fits: just measured */
	}
	va_end(again);
	va_end(ap);
	set_len(b, b->error ? b->len : b->len + (size_t)n);
}

/* What stands for c behind a backslash in JSON; 0: nothing short does. */
static char json_short(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

/*
 * The length of a character that is valid in JSON, but acts on a terminal or turns a line round: DEL, C1, U+2028
 * to U+202E, U+2066 to U+2069; *point: which it is. 0: it is another.
 */
static size_t json_active(const unsigned char *s, size_t len, unsigned *point)
{
	if (s[0] == 0x7f) {
		*point = s[0];
		return 1;
	}
	if (len >= 2 && s[0] == 0xc2 && s[1] < 0xa0) {
		*point = s[1];
		return 2;
	}
	if (len < 3 || s[0] != 0xe2 || (s[1] != 0x80 && s[1] != 0x81))
		return 0;
	*point = 0x2000u | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	return (*point >= 0x2028 && *point <= 0x202e) || (*point >= 0x2066 && *point <= 0x2069) ? 3
												: 0;
}

void buf_add_json(struct buf *b, const char *data, size_t len)
{
	size_t plain = 0; /* where the run of bytes that need no escape began */

	buf_expect(b, len + 2);
	buf_addc(b, '"');
	for (size_t i = text_json_run(data, len); i < len; i += text_json_run(data + i, len - i)) {
		unsigned point = (unsigned char)data[i];
		size_t n = 1;
		char letter;

		if (point >= 0x7f)
			n = json_active((const unsigned char *)data + i, len - i, &point);
		if (!n) {
			do
				i++;
			while (i < len && ((unsigned char)data[i] & 0xc0) == 0x80);
			continue;
		}
		buf_add(b, data + plain, i - plain);
		i += n;
		plain = i;
		letter = json_short((unsigned char)point);
		if (letter && n == 1)
			buf_add(b, (char[]){ '\\', letter }, 2);
		else
			buf_addf(b, "\\u%04X", point);
	}
	if (len)
		buf_add(b, data + plain, len - plain);
	buf_addc(b, '"');
}

void buf_consume(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n);
	set_len(b, b->len - n);
}

void buf_cut(struct buf *b, size_t len)
{
	if (len < b->len)
		set_len(b, len);
}

void buf_undo(struct buf *b, size_t len)
{
	b->error = 0;
	buf_cut(b, len);
}

int buf_error(const struct buf *b)
{
	return b->error;
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_detach(struct buf *b)
{
	char *data = NULL;
	int error = b->error;

	if (!error && b->len) {
		/* The new owner knows the text's length only: nothing may be left behind it. */
		if (b->wipe)
			explicit_bzero(b->data + b->len, b->cap - b->len);
		data = b->data;
		b->data = NULL;
	}
	buf_release(b);
	b->error = error; /* still tells why there was nothing */
	return data;
}
