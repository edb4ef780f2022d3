#pragma once
/*
 * err: what went wrong for a user, in the user's words.
 *
 * Travels from the parser that found the mistake to the system call that answers it and to the
 * `errors` file. Owns nothing, holds no part of a protected value: a sentence may quote the text
 * only through err_set's arguments, and callers that judge protected text pass none.
 *
 * `code` is a positive errno. `column` counts bytes from the start of the text that was judged,
 * or is ERR_NO_COLUMN. Every err pointer in this program may be NULL: then nobody wants to know.
 */
#include <stddef.h>

#define ERR_NO_COLUMN    ((size_t)-1)
#define ERR_SENTENCE_MAX 400

struct err {
	int code;
	size_t column;
	char sentence[ERR_SENTENCE_MAX];
};

/* Fills *err (if not NULL) and returns -code. A sentence that is too long is cut on a character; what it
 * quotes is made plain, so that it is one line that a terminal can be shown. */
int err_set(struct err *err, int code, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Moves the column by `by` bytes: the judged text was a part of a longer one. */
void err_shift(struct err *err, size_t by);
/* Takes out what the sentence quotes, between its first quote and its last: for a text that its readers may
 * not see. */
void err_unquote(struct err *err);
/* "EINVAL" for EINVAL; "E?" for a number without a name. */
const char *err_name(int code);
