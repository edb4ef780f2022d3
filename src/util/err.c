#include "util/err.h"

#include "util/text.h"

#include <errno.h>
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

void err_unquote(struct err *err)
{
	char rest[ERR_SENTENCE_MAX];
	char *from = strchr(err->sentence, '"'), *to = strrchr(err->sentence, '"');

	if (!from)
		return;
	/* One that has no end was cut off, with all that came behind it. */
	(void)snprintf(rest, sizeof(rest), "%s", to == from ? "" : to + 1);
	(void)snprintf(
		from, sizeof(err->sentence) - (size_t)(from - err->sentence), "this%s", rest);
}

#ifdef __GLIBC__
const char *err_name(int code)
{
	const char *name = strerrorname_np(code);

	return name ? name : "E?";
}
#else
/* musl has no names; these are the ones that users meet. */
const char *err_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
#define NAMED(code)         \
	{                   \
		code, #code \
	}
		NAMED(EPERM), NAMED(ENOENT), NAMED(EINTR), NAMED(EIO), NAMED(E2BIG), NAMED(EAGAIN),
		NAMED(ENOMEM), NAMED(EACCES), NAMED(EBUSY), NAMED(EEXIST), NAMED(ENODEV),
		NAMED(ENOTDIR), NAMED(EISDIR), NAMED(EINVAL), NAMED(EMFILE), NAMED(EFBIG),
		NAMED(ENOSPC), NAMED(EROFS), NAMED(ERANGE), NAMED(ENAMETOOLONG), NAMED(ENOTEMPTY),
		NAMED(ELOOP), NAMED(EBADMSG), NAMED(EILSEQ), NAMED(EPROTO), NAMED(ESHUTDOWN),
		NAMED(ETIMEDOUT), NAMED(ECONNREFUSED), NAMED(EHOSTUNREACH), NAMED(EREMOTEIO),
		NAMED(EDQUOT)
#undef NAMED
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].code == code)
			return names[i].name;
	return "E?";
}
#endif
