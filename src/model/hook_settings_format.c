/*
 * The rows format and template: the shape of the body. Only one of them is other than its default, or
 * nobody could tell which counts.
 */
#include "model/format.h"
#include "model/hook_internal.h"
#include "model/template.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>

int format_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	enum format format;
	int rc = format_parse(text, len, err, &format);

	(void)s;
	if (rc < 0)
		return rc;
	if (h->template_text && format != FORMAT_UBIOPS)
		return err_set(err, EINVAL, 0,
			"there is a template, which goes with the format %s only: remove template first",
			format_name(FORMAT_UBIOPS));
	h->format = format;
	return 0;
}

void format_show(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	buf_adds(out, format_name(((const struct hook *)obj)->format));
}

void format_reset(const struct setting *s, void *obj)
{
	(void)s;
	((struct hook *)obj)->format = FORMAT_UBIOPS;
}

int template_judge(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	const struct hook *h = obj;

	(void)s;
	if (h->format != FORMAT_UBIOPS)
		return err_set(err, EINVAL, 0,
			"format is %s, which takes no template: remove format first",
			format_name(h->format));
	return template_check(text, len, err);
}
