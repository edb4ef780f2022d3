/*
 * model_metrics: metrics.prom, which has rows for all hooks, or for all that have something to tell.
 */
#include "top/model_internal.h"
#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_MAX 1024

/* NAME{FIRST="…",SECOND="…"} VALUE */
struct series {
	struct span name;
	struct buf first, second; /* values of labels */
	double value;
};

/* The value of a label, which begins at `at`, behind its quote; where its closing quote is, or NULL. */
static const char *label(const char *at, const char *end, struct buf *out)
{
	buf_reset(out);
	for (; at < end && *at != '"'; at++) {
		if (*at == '\\' && ++at == end)
			return NULL;
		buf_addc(out, at[-1] == '\\' && *at == 'n' ? '\n' : *at);
	}
	return at < end && !buf_error(out) ? at : NULL;
}

static const char *labels(const char *at, const char *end, struct series *s)
{
	struct buf *values[] = { &s->first, &s->second };

	for (size_t i = 0; i < 2 && at < end && *at != '}'; i++) {
		const char *quote = memchr(at, '"', (size_t)(end - at));

		at = quote ? label(quote + 1, end, values[i]) : NULL;
		if (!at)
			return NULL;
		at++;
	}
	return at < end && *at == '}' ? at + 1 : NULL;
}

static bool series_parse(struct series *s, const char *line, size_t len)
{
	const char *end = line + len, *at = line;
	char number[40];

	while (at < end && *at != '{' && *at != ' ')
		at++;
	s->name = (struct span){ line, (size_t)(at - line) };
	buf_reset(&s->first);
	buf_reset(&s->second);
	if (at < end && *at == '{')
		at = labels(at + 1, end, s);
	if (!at || at == end || *at != ' ' || (size_t)(end - at) >= sizeof(number))
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)(end - at - 1), at + 1);
	s->value = strtod(number, NULL);
	return s->value >= 0 && s->value < 9e15; /* no infinity, and no "not a number" */
}

/* What of a hook is taken; the file has more. In thousandths where a second is its unit. */
static const struct {
	const char *name;
	size_t offset;
	int64_t scale;
} rows[] = {
	{ "pending", offsetof(struct model_hook, pending), 1 },
	{ "inflight", offsetof(struct model_hook, inflight), 1 },
	{ "delivered_total", offsetof(struct model_hook, delivered), 1 },
	{ "failed_total", offsetof(struct model_hook, failed), 1 },
	{ "retried_total", offsetof(struct model_hook, retried), 1 },
	{ "oldest_pending_age_seconds", offsetof(struct model_hook, oldest_ms), 1000 },
	{ "last_success_timestamp_seconds", offsetof(struct model_hook, last_success_ms), 1000 },
	{ "last_failure_timestamp_seconds", offsetof(struct model_hook, last_failure_ms), 1000 },
};

#define OF_HOOKS "webhookfs_hook_"

static void take_series(struct model *m, const struct series *s, int64_t now_ms)
{
	struct span what = { s->name.text + strlen(OF_HOOKS), s->name.len - strlen(OF_HOOKS) };
	struct model_hook *h = hook_of(m, buf_str(&s->first), s->first.len);

	if (!h)
		return;
	if (span_is(&what, "state")) {
		h->seen = m->round;
		snprintf(h->state, sizeof(h->state), "%s", buf_str(&s->second));
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_is(&what, rows[i].name))
			*(int64_t *)((char *)h + rows[i].offset) =
				(int64_t)(s->value * (double)rows[i].scale + 0.5);
	if (span_is(&what, "oldest_pending_age_seconds") && h->oldest_ms)
		h->oldest_ms = now_ms - h->oldest_ms;
	if (span_is(&what, "delivered_total"))
		rate_look(&h->rate, h->delivered, now_ms);
}

/* All hooks are told of: who is not has gone. */
static void drop_unseen(struct model *m)
{
	struct model_hook *h, *next;

	HASH_ITER(hh, m->hooks, h, next)
	{
		if (h->seen != m->round)
			hook_drop(m, h);
	}
}

void model_take_metrics(struct model *m, const char *text, size_t len, int64_t now_ms)
{
	struct series s = { .first = BUF(LABEL_MAX), .second = BUF(LABEL_MAX) };
	bool complete = false;
	size_t n;

	m->round++;
	for (const char *end = text + len; text < end; text += n + 1) {
		n = line_len(text, (size_t)(end - text));
		if (n > strlen(OF_HOOKS) && !memcmp(text, OF_HOOKS, strlen(OF_HOOKS))) {
			if (series_parse(&s, text, n))
				take_series(m, &s, now_ms);
		} else if (n && *text != '#' && series_parse(&s, text, n) &&
			span_is(&s.name, "webhookfs_hooks_omitted")) {
			complete = true;
			m->omitted = (int64_t)s.value;
		}
	}
	if (complete && !m->omitted)
		drop_unseen(m);
	buf_release(&s.first);
	buf_release(&s.second);
	m->edition++;
}
