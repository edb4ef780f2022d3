#include "util/err.h"

#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, size_t column, const char *fmt, ...)
{
	/* Formatted here first: the arguments may quote the very sentence that is replaced. The one
	 * byte more tells whether the cut goes through a character. */
	char full[ERR_SENTENCE_MAX + 1];
	size_t len;
	va_list ap;

	if (!err)
		return -code;
	va_start(ap, fmt);
	if (vsnprintf(full, sizeof(full), fmt, ap) < 0)
		full[0] = '\0';
	va_end(ap);

	len = text_cut(full, strlen(full), ERR_SENTENCE_MAX - 1);
	memcpy(err->sentence, full, len);
	err->sentence[len] = '\0';
	text_plain(err->sentence, len);
	err->code = code;
	err->column = column;
	return -code;
}

void err_shift(struct err *err, size_t by)
{
	if (err && err->column != ERR_NO_COLUMN)
		err->column += by;
}

const char *err_name(int code)
{
	const char *name = strerrorname_np(code);

	return name ? name : "E?";
}
