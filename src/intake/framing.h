#pragma once
/*
 * framing: the bytes of one writer → lines.
 *
 * One for each open file or pipe, so writers never mix. A line that lies whole in the data is given
 * without copying; a line split over writes is put together here, up to EVENT_LINE_MAX bytes.
 */
#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct framing {
	struct buf partial; /* the begun line */
	bool given;         /* partial was handed out as a line and goes at the next call */
	bool skipping;      /* the rest of a line that was too long is still to come */
};

void framing_init(struct framing *f, size_t line_max);
void framing_release(struct framing *f);

/*
 * The next complete line of `data` from *pos on, begun perhaps in earlier data.
 *
 *  1       *line and *line_len (without "\n" or "\r\n"; valid until the next call), and *pos is
 *          behind it
 *  0       no complete line is left; the rest is kept, *pos = len
 *  -E2BIG  the line is too long, told as soon as it is; *pos as it was, the begun line is dropped
 *  -ENOMEM likewise
 *
 * Empty lines are lines.
 */
int framing_next(struct framing *f, const char *data, size_t len, size_t *pos, const char **line,
	size_t *line_len);
/* The begun line, for the last line that has no newline; len 0: nothing was begun. */
const char *framing_rest(const struct framing *f, size_t *len);
/* Goes on with a line that was begun elsewhere. -E2BIG, -ENOMEM. */
int framing_resume(struct framing *f, const char *begun, size_t len);
void framing_drop(struct framing *f); /* forgets the begun line */
/* After -E2BIG, for a writer that cannot be told (a pipe): coming calls pass over what is left of
 * the line. */
void framing_skip(struct framing *f);
bool framing_skipping(const struct framing *f);
