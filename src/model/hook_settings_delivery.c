/*
 * The rows of hook_settings that say how deliveries are made and are more than a number: retry and
 * rate.
 */
#include "model/hook_internal.h"
#include "model/verdict.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- retry */

const struct schedule *hook_schedule(const struct hook *h)
{
	static const struct schedule none = { 0 };

	if (!h->retry)
		return &none;
	return h->delays ? h->delays : &schedule_standard;
}

static void retry_set(struct hook *h, bool retry, struct schedule *delays)
{
	free(h->delays);
	h->retry = retry;
	h->delays = delays;
}

bool retry_copy(struct hook *to, const struct hook *from)
{
	to->delays = NULL;
	if (!from->delays)
		return true;
	to->delays = malloc(sizeof(*to->delays));
	if (to->delays)
		*to->delays = *from->delays;
	return to->delays;
}

/* One word of the list. */
static int delay_parse(
	const struct setting *s, const char *text, size_t len, struct err *err, uint64_t *out)
{
	char quote[TEXT_QUOTE_SIZE];
	uint64_t ms;
	int rc = text_parse_duration(text, len, NULL, &ms);

	if (rc == -EINVAL)
		return err_set(err, EINVAL, 0,
			"\"%s\" is no delay: write 1 for the standard schedule, 0 for one attempt, "
			"or delays as in 5s 5m 30m 2h",
			text_quote(text, len, quote));
	if (rc < 0 || ms < s->min || ms > s->max)
		return err_set(err, ERANGE, 0, "\"%s\" is out of range: a delay is 1s to 1d",
			text_quote(text, len, quote));
	*out = ms;
	return 0;
}

static int delays_parse(const struct setting *s, const char *text, size_t len, struct err *err,
	struct schedule *out)
{
	for (size_t pos = 0, n; pos < len; pos += n ? n : 1) {
		int rc;

		n = text_span(text + pos, len - pos, " \t\r\n");
		if (!n)
			continue;
		if (out->count == SCHEDULE_MAX)
			return err_set(err, E2BIG, pos, "%s takes at most %d delays", s->name,
				SCHEDULE_MAX);
		rc = delay_parse(s, text + pos, n, err, &out->delay_ms[out->count]);
		if (rc < 0) {
			err_shift(err, pos);
			return rc;
		}
		out->count++;
	}
	return 0;
}

int retry_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct schedule *delays;
	uint64_t number;
	bool on;
	int rc;

	if (text_parse_bool(text, len, NULL, &on) == 0) {
		retry_set(obj, on, NULL);
		return 0;
	}
	/* One retry after three seconds, or three retries: whoever writes it means the other one. */
	if (text_parse_uint(text, len, NULL, &number) == 0)
		return err_set(err, EINVAL, 0,
			"retry takes delays, not their number: write 5s 5m 30m for three retries");
	delays = calloc(1, sizeof(*delays));
	if (!delays)
		return row_memory_error(s, err);
	rc = delays_parse(s, text, len, err, delays);
	if (rc < 0) {
		free(delays);
		return rc;
	}
	retry_set(obj, true, delays);
	return 0;
}

void retry_show(const struct setting *s, const void *obj, struct buf *out)
{
	const struct hook *h = obj;

	(void)s;
	if (!h->delays)
		buf_addc(out, h->retry ? '1' : '0');
	for (unsigned i = 0; h->delays && i < h->delays->count; i++) {
		buf_adds(out, i ? " " : "");
		text_add_duration(out, h->delays->delay_ms[i]);
	}
}

void retry_reset(const struct setting *s, void *obj)
{
	(void)s;
	retry_set(obj, true, NULL);
}

/* ---- rate */

static const struct {
	const char *name;
	int64_t ms;
} rate_units[] = {
	{ "s", 1000 }, { "m", 60 * 1000 }, { "h", 60 * 60 * 1000 },
	{ "min", 60 * 1000 }, /* taken, but shown as m */
};
#define RATE_UNIT_COUNT (sizeof(rate_units) / sizeof(rate_units[0]))

/* 0: there is no such unit. */
static int64_t rate_unit(const char *name, size_t len)
{
	for (size_t i = 0; i < RATE_UNIT_COUNT; i++)
		if (strlen(rate_units[i].name) == len && !memcmp(rate_units[i].name, name, len))
			return rate_units[i].ms;
	return 0;
}

int rate_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	size_t digits = text_span(text, len, "/");
	size_t unit = digits < len ? digits + 1 : len;
	int64_t ms = rate_unit(text + unit, len - unit);
	char quote[TEXT_QUOTE_SIZE];
	struct hook *h = obj;
	uint64_t n;
	int rc = text_parse_uint(text, digits, NULL, &n);

	if (rc == -EINVAL || !ms)
		return err_set(err, EINVAL, rc == -EINVAL ? 0 : unit,
			"\"%s\" is no rate: write 10/s, 10/m or 10/h",
			text_quote(text, len, quote));
	if (rc < 0 || n < s->min || n > s->max)
		return err_set(err, ERANGE, 0,
			"\"%s\" is out of range: %s takes %" PRIu64 " to %" PRIu64
			" requests in a second, minute or hour",
			text_quote(text, len, quote), s->name, s->min, s->max);
	h->rate = (unsigned)n;
	h->rate_ms = ms;
	return 0;
}

void rate_show(const struct setting *s, const void *obj, struct buf *out)
{
	const struct hook *h = obj;
	size_t i = 0;

	(void)s;
	if (!h->rate)
		return;
	while (rate_units[i].ms != h->rate_ms)
		i++;
	buf_addf(out, "%u/%s", h->rate, rate_units[i].name);
}

void rate_reset(const struct setting *s, void *obj)
{
	struct hook *h = obj;

	(void)s;
	h->rate = 0;
	h->rate_ms = 0;
}
