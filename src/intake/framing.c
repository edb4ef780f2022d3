#include "intake/framing.h"

#include <errno.h>
#include <string.h>

/* A line of the longest length may still have the "\r" of its "\r\n" in the buffer. */
void framing_init(struct framing *f, size_t line_max)
{
	*f = (struct framing){ .partial = BUF(line_max + 1) };
}

void framing_release(struct framing *f)
{
	framing_drop(f);
}

void framing_drop(struct framing *f)
{
	/* Frees: an idle writer must not hold the megabyte of its longest line. */
	buf_release(&f->partial);
	f->given = false;
	f->skipping = false;
}

void framing_skip(struct framing *f)
{
	framing_drop(f);
	f->skipping = true;
}

bool framing_skipping(const struct framing *f)
{
	return f->skipping;
}

/* What is left of the line that is being skipped; false: nothing else is in the data. */
static bool skip_rest(struct framing *f, const char *data, size_t len, size_t *pos)
{
	const char *end = memchr(data + *pos, '\n', len - *pos);

	*pos = end ? (size_t)(end - data) + 1 : len;
	f->skipping = !end;
	return *pos < len;
}

/* The length of the line so far without a "\r" at its end, which may belong to the newline. */
static size_t text_len(const struct framing *f, const char *part, size_t part_len)
{
	size_t total = f->partial.len + part_len;

	if (total == 0)
		return 0;
	return total - ((part_len ? part[part_len - 1] : f->partial.data[total - 1]) == '\r');
}

static int fail(struct framing *f, int error)
{
	framing_drop(f);
	return error;
}

int framing_next(struct framing *f, const char *data, size_t len, size_t *pos, const char **line,
	size_t *line_len)
{
	if (f->given)
		framing_drop(f);
	if (*pos >= len || (f->skipping && !skip_rest(f, data, len, pos)))
		return 0;

	const char *start = data + *pos;
	const char *end = memchr(start, '\n', len - *pos);
	size_t part = end ? (size_t)(end - start) : len - *pos;
	size_t text = text_len(f, start, part);

	if (text >= f->partial.max)
		return fail(f, -E2BIG);
	if (!end || f->partial.len > 0) {
		buf_add(&f->partial, start, part);
		if (buf_error(&f->partial))
			return fail(f, buf_error(&f->partial));
	}
	if (!end) {
		*pos = len;
		return 0;
	}
	f->given = f->partial.len > 0;
	*line = f->given ? f->partial.data : start;
	*line_len = text;
	*pos += part + 1;
	return 1;
}

int framing_resume(struct framing *f, const char *begun, size_t len)
{
	framing_drop(f);
	buf_add(&f->partial, begun, len);
	return buf_error(&f->partial) ? fail(f, buf_error(&f->partial)) : 0;
}

const char *framing_rest(const struct framing *f, size_t *len)
{
	*len = f->given ? 0 : f->partial.len;
	return buf_str(&f->partial);
}
