#pragma once
/*
 * cells: texts and numbers as columns of a terminal.
 *
 * Whatever a stranger wrote comes through here, and leaves it as graphic characters that take exactly as many
 * columns as were asked for: nothing in it moves a cursor, changes a colour or turns a line round.
 * Characters without a width are left out. Pure, but for the widths, which the locale knows.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* Text at the left of `width` columns; what is too long is cut and marked. Without `utf8` all is ASCII. */
void cells_add(struct buf *out, const char *text, size_t len, unsigned width, bool utf8);
/* The columns that it takes when it is not cut. */
unsigned cells_width(const char *text, size_t len, bool utf8);
/* ASCII of our own at the right of `width` columns. */
void cells_add_right(struct buf *out, const char *text, unsigned width);

#define CELLS_NUMBER_SIZE 24
/* Each into `out`, and returns it. "999999", "1.2M"; "0.4", "12.5", "1200"; "16.0K"; "5s", "3m", "2h", "9d". */
const char *cells_count(int64_t value, char out[CELLS_NUMBER_SIZE]);
const char *cells_rate(double value, char out[CELLS_NUMBER_SIZE]);
const char *cells_bytes(int64_t value, char out[CELLS_NUMBER_SIZE]);
const char *cells_age(int64_t ms, char out[CELLS_NUMBER_SIZE]);
