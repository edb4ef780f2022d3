#include "model/verdict.h"

#include <assert.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_AFTER_MAX_MS (24 * 60 * 60 * 1000)
#define SECOND             1000
#define MINUTE             (60 * SECOND)
#define HOUR               (60 * MINUTE)

const struct schedule schedule_standard = {
	.count = 9,
	.delay_ms = { 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR,
		20 * HOUR, 24 * HOUR },
};

/* Statuses count for responses only: a body that timed out has one too. */
#define ANY INT_MIN, INT_MAX

static const struct row {
	enum outcome_kind kind;
	int from, to; /* HTTP statuses, both included */
	struct verdict verdict;
} rows[] = {
	{ OUTCOME_RESPONSE, 200, 299, { VERDICT_DELIVERED, FEEDBACK_GOOD, "delivered" } },
	{ OUTCOME_RESPONSE, 410, 410,
		{ VERDICT_GONE, FEEDBACK_GOOD, "the receiver wants no more of this hook" } },
	{ OUTCOME_RESPONSE, 429, 429,
		{ VERDICT_RETRY, FEEDBACK_BAD, "the receiver wants fewer requests" } },
	{ OUTCOME_RESPONSE, 503, 503,
		{ VERDICT_RETRY, FEEDBACK_BAD, "the receiver is overloaded" } },
	{ OUTCOME_RESPONSE, 502, 502,
		{ VERDICT_RETRY, FEEDBACK_BAD, "a gateway cannot reach the receiver" } },
	{ OUTCOME_RESPONSE, 504, 504,
		{ VERDICT_RETRY, FEEDBACK_BAD, "a gateway had no answer from the receiver" } },
	{ OUTCOME_RESPONSE, 408, 408,
		{ VERDICT_RETRY, FEEDBACK_NONE, "the receiver got the request too slowly" } },
	{ OUTCOME_RESPONSE, 425, 425,
		{ VERDICT_RETRY, FEEDBACK_NONE, "the receiver wants the request later" } },
	{ OUTCOME_RESPONSE, 500, 599, { VERDICT_RETRY, FEEDBACK_NONE, "the receiver failed" } },
	{ OUTCOME_RESPONSE, 400, 499,
		{ VERDICT_RETRY_SHORT, FEEDBACK_GOOD, "the receiver refuses it" } },
	{ OUTCOME_RESPONSE, 300, 399,
		{ VERDICT_RETRY_SHORT, FEEDBACK_GOOD,
			"the receiver redirects, which is not followed" } },
	{ OUTCOME_RESPONSE, ANY,
		{ VERDICT_RETRY_SHORT, FEEDBACK_GOOD, "the status is not a final one" } },
	{ OUTCOME_DNS, ANY, { VERDICT_RETRY, FEEDBACK_BAD, "the host's name is not resolved" } },
	{ OUTCOME_REFUSED, ANY, { VERDICT_RETRY, FEEDBACK_BAD, "the connection is refused" } },
	{ OUTCOME_CONNECT, ANY, { VERDICT_RETRY, FEEDBACK_BAD, "the receiver is not reached" } },
	{ OUTCOME_CONNECT_TIMEOUT, ANY,
		{ VERDICT_RETRY, FEEDBACK_BAD, "the receiver is not reached in time" } },
	{ OUTCOME_TLS, ANY, { VERDICT_RETRY, FEEDBACK_BAD, "TLS with the receiver fails" } },
	{ OUTCOME_CERTIFICATE, ANY,
		{ VERDICT_RETRY, FEEDBACK_NONE, "TLS with the hook's own certificates fails" } },
	{ OUTCOME_TIMEOUT, ANY,
		{ VERDICT_RETRY, FEEDBACK_BAD, "the receiver does not answer in time" } },
	{ OUTCOME_BODY_TIMEOUT, ANY,
		{ VERDICT_RETRY, FEEDBACK_NONE, "the answer does not end in time" } },
	{ OUTCOME_BROKEN, ANY, { VERDICT_RETRY, FEEDBACK_BAD, "the connection broke" } },
	{ OUTCOME_DENIED, ANY,
		{ VERDICT_RETRY_SHORT, FEEDBACK_NONE, "the receiver's address is denied" } },
	{ OUTCOME_LOCAL, ANY, { VERDICT_RETRY, FEEDBACK_NONE, "the request cannot be made" } },
	{ OUTCOME_MEMORY, ANY,
		{ VERDICT_AGAIN, FEEDBACK_NONE, "there is no memory for the request" } },
	{ OUTCOME_ABORTED, ANY, { VERDICT_AGAIN, FEEDBACK_NONE, "the attempt was broken off" } },
};

struct verdict verdict_of(const struct outcome *o)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		if (o->kind == r->kind && o->http_status >= r->from && o->http_status <= r->to)
			return r->verdict;
	}
	abort(); /* a kind without a row */
}

/* The three forms of RFC 9110 §5.6.7; strptime's %a takes the long day names as well. */
static const char *const date_formats[] = {
	"%a, %d %b %Y %H:%M:%S GMT",
	"%a, %d-%b-%y %H:%M:%S GMT",
	"%a %b %d %H:%M:%S %Y",
};

/* True and the time if the whole text is an HTTP date, whatever the process's locale. */
static bool date_parse(const char *text, int64_t *out_ms)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", NULL); /* glibc's built-in one: no cost */
	bool found = false;

	if (!c)
		return false;
	for (size_t i = 0; !found && i < sizeof(date_formats) / sizeof(date_formats[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime_l(text, date_formats[i], &tm, c);

		if (end && end[strspn(end, " \t")] == '\0') {
			*out_ms = (int64_t)timegm(&tm) * 1000;
			found = true;
		}
	}
	freelocale(c);
	return found;
}

int64_t verdict_retry_after(const struct outcome *o, int64_t real_now_ms)
{
	const char *text = o->retry_after + strspn(o->retry_after, " \t");
	size_t digits = strspn(text, "0123456789");
	int64_t date_ms;

	if (!*text)
		return 0;
	if (digits > 0 && text[digits + strspn(text + digits, " \t")] == '\0') {
		unsigned long long s = strtoull(text, NULL, 10); /* too many digits: the largest */

		return s < RETRY_AFTER_MAX_MS / 1000 ? (int64_t)s * 1000 : RETRY_AFTER_MAX_MS;
	}
	if (!date_parse(text, &date_ms) || date_ms <= real_now_ms)
		return 0;
	return date_ms - real_now_ms < RETRY_AFTER_MAX_MS ? date_ms - real_now_ms
							  : RETRY_AFTER_MAX_MS;
}

/*
 * The schedule's delay is spread to both sides, so that what failed together does not come back
 * together; what the receiver asked for only to later times, or half of them would break it.
 */
static int64_t next_delay(
	const struct outcome *o, uint64_t scheduled_ms, int64_t real_now_ms, uint32_t random)
{
	double part = random / 4294967296.0; /* [0, 1) */
	int64_t own = (int64_t)((double)scheduled_ms * (0.8 + 0.4 * part));
	int64_t asked = verdict_retry_after(o, real_now_ms);

	asked += (int64_t)((double)asked * 0.2 * part);
	return own > asked ? own : asked;
}

int64_t verdict_next(const struct verdict *v, const struct outcome *o, const struct schedule *s,
	unsigned attempts, int64_t age_ms, int64_t due_now_ms, int64_t real_now_ms, uint32_t random)
{
	int64_t delay_ms;

	assert(attempts >= 1);
	switch (v->action) {
	case VERDICT_GONE:
	case VERDICT_AGAIN:
		return due_now_ms;
	case VERDICT_DELIVERED:
		return -1;
	case VERDICT_RETRY:
	case VERDICT_RETRY_SHORT:
		break;
	}
	if (attempts > s->count)
		return -1;
	delay_ms = next_delay(o, s->delay_ms[attempts - 1], real_now_ms, random);
	if (v->action == VERDICT_RETRY_SHORT && age_ms + delay_ms > RETRY_SHORT_MS)
		return -1;
	return due_now_ms + delay_ms;
}
