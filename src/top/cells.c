#include "top/cells.h"

#include "util/buf.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* No more bytes than that are looked at for a column: marks that have no width may be many. */
#define BYTES_A_COLUMN 16

/* One character: its bytes, 0 at the end, and how wide it is; -1: it is shown as '?'. */
static size_t next_cell(const char *text, size_t len, bool utf8, int *width)
{
	wchar_t wide;
	mbstate_t state = { 0 };
	size_t n = 1;

	if (!len)
		return 0;
	while (n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	if ((unsigned char)*text < 0x80) {
		*width = 1;
		return 1;
	}
	*width = utf8 && mbrtowc(&wide, text, n, &state) == n ? wcwidth(wide) : -1;
	return n;
}

/* Appends up to `width` columns of plain text; how many it took. */
static unsigned add_cells(struct buf *out, const char *text, size_t len, unsigned width, bool utf8)
{
	unsigned used = 0;
	size_t n;
	int w;

	for (; (n = next_cell(text, len, utf8, &w)); text += n, len -= n) {
		unsigned columns = w < 0 ? 1 : (unsigned)w;

		if (used + columns > width)
			break;
		if (w < 0)
			buf_addc(out, '?');
		else if (w)
			buf_add(out, text, n);
		used += columns;
	}
	return used;
}

/* A copy in which nothing acts on a terminal. */
static char *plain(const char *text, size_t *len, size_t most)
{
	char *copy;

	*len = text_cut(text, *len, most);
	copy = malloc(*len + 1);
	if (!copy)
		abort();
	memcpy(copy, text, *len);
	copy[*len] = '\0';
	text_plain(copy, *len);
	return copy;
}

unsigned cells_width(const char *text, size_t len, bool utf8)
{
	char *copy = plain(text, &len, 65536);
	unsigned used = 0;
	const char *at = copy;
	size_t n;
	int w;

	for (; (n = next_cell(at, len, utf8, &w)); at += n, len -= n)
		used += w < 0 ? 1 : (unsigned)w;
	free(copy);
	return used;
}

void cells_add(struct buf *out, const char *text, size_t len, unsigned width, bool utf8)
{
	size_t whole = len, shown = len;
	char *copy = plain(text, &shown, (size_t)width * BYTES_A_COLUMN + BYTES_A_COLUMN);
	unsigned used;

	if (width && (shown < whole || cells_width(copy, shown, utf8) > width)) {
		used = add_cells(out, copy, shown, width - 1, utf8);
		buf_adds(out, utf8 ? "…" : "~");
		used++;
	} else {
		used = add_cells(out, copy, shown, width, utf8);
	}
	free(copy);
	buf_addf(out, "%*s", (int)(width - used), "");
}

void cells_add_right(struct buf *out, const char *text, unsigned width)
{
	buf_addf(out, "%*s", (int)width, text);
}

const char *cells_count(int64_t value, char out[CELLS_NUMBER_SIZE])
{
	if (value < 1000000)
		snprintf(out, CELLS_NUMBER_SIZE, "%lld", (long long)value);
	else if (value < 1000000000)
		snprintf(out, CELLS_NUMBER_SIZE, "%.2fM", (double)value / 1e6);
	else
		snprintf(out, CELLS_NUMBER_SIZE, "%.2fG", (double)value / 1e9);
	return out;
}

const char *cells_rate(double value, char out[CELLS_NUMBER_SIZE])
{
	snprintf(out, CELLS_NUMBER_SIZE, value < 100 ? "%.1f" : "%.0f", value);
	return out;
}

const char *cells_bytes(int64_t value, char out[CELLS_NUMBER_SIZE])
{
	static const char units[] = "BKMGTPE";
	double v = (double)value;
	unsigned unit = 0;

	for (; v >= 1024 && unit < sizeof(units) - 2; unit++)
		v /= 1024;
	snprintf(out, CELLS_NUMBER_SIZE, unit ? "%.1f%c" : "%.0f", v, units[unit]);
	return out;
}

const char *cells_age(int64_t ms, char out[CELLS_NUMBER_SIZE])
{
	int64_t s = ms < 0 ? 0 : ms / 1000;

	if (s < 60)
		snprintf(out, CELLS_NUMBER_SIZE, "%llds", (long long)s);
	else if (s < 3600)
		snprintf(out, CELLS_NUMBER_SIZE, "%lldm", (long long)s / 60);
	else if (s < 48 * 3600)
		snprintf(out, CELLS_NUMBER_SIZE, "%lldh", (long long)s / 3600);
	else
		snprintf(out, CELLS_NUMBER_SIZE, "%lldd", (long long)s / 86400);
	return out;
}
