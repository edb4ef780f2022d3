#include "top/model.h"

#include "top/model_internal.h"
#include "util/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two looks that are closer together say little of a second. */
#define RATE_SPAN_MIN_MS 900
/* The mount has 32; destinations are as many as receivers, and nobody reads more. */
#define LINES_MAX 10000

char *copy_text(const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		abort();
	return copy;
}

size_t line_len(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return end ? (size_t)(end - text) : len;
}

/* ---- rates */

void rate_look(struct model_rate *r, int64_t counter, int64_t now_ms)
{
	int64_t span_ms = now_ms - r->base_ms;

	if (!r->base_ms || counter < r->base) {
		*r = (struct model_rate){ .base = counter, .base_ms = now_ms };
	} else if (span_ms >= RATE_SPAN_MIN_MS) {
		r->a_second = (double)(counter - r->base) * 1000 / (double)span_ms;
		r->span_ms = span_ms;
		r->base = counter;
		r->base_ms = now_ms;
	}
}

double model_rate(const struct model_rate *r, int64_t now_ms)
{
	int64_t lasts_ms = 2 * r->span_ms + RATE_SPAN_MIN_MS;

	return now_ms - r->base_ms > lasts_ms ? 0 : r->a_second;
}

bool model_moves(const struct model *m, int64_t now_ms)
{
	return model_rate(&m->accepted, now_ms) > 0 || model_rate(&m->delivered, now_ms) > 0 ||
		model_rate(&m->failed, now_ms) > 0;
}

/* ---- hooks */

struct model_hook *model_hook(const struct model *m, const char *name)
{
	struct model_hook *h;

	HASH_FIND_STR(m->hooks, name, h);
	return h;
}

/* What could not be the name of a directory is none: it becomes part of a path. */
static bool is_name(const char *name, size_t len)
{
	return len && len <= 255 && !memchr(name, '/', len) && !memchr(name, '\0', len) &&
		!(len == 1 && *name == '.') && !(len == 2 && !memcmp(name, "..", 2));
}

struct model_hook *hook_of(struct model *m, const char *name, size_t len)
{
	struct model_hook *h;

	if (!is_name(name, len))
		return NULL;
	HASH_FIND(hh, m->hooks, name, len, h);
	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		abort();
	h->name = copy_text(name, len);
	HASH_ADD_KEYPTR(hh, m->hooks, h->name, len, h);
	m->members++;
	return h;
}

void hook_drop(struct model *m, struct model_hook *h)
{
	HASH_DEL(m->hooks, h);
	m->members++;
	free((char *)h->name);
	free(h->error);
	free(h->status);
	free(h);
}

bool model_failing(const struct model_hook *h)
{
	return h->last_failure_ms > h->last_success_ms;
}

void model_take_names(struct model *m, const char *text, size_t len)
{
	struct model_hook *h, *next;
	size_t n;

	m->round++;
	for (const char *end = text + len; text < end; text += n + 1) {
		n = line_len(text, (size_t)(end - text));
		h = hook_of(m, text, n);
		if (h)
			h->seen = m->round;
	}
	HASH_ITER(hh, m->hooks, h, next)
	{
		if (h->seen != m->round)
			hook_drop(m, h);
	}
	m->edition++;
}

/* ---- KEY VALUE lines */

bool key_value(const char *line, size_t len, struct span *key, struct span *value)
{
	const char *blank = memchr(line, ' ', len);

	if (!blank)
		return false;
	*key = (struct span){ line, (size_t)(blank - line) };
	*value = (struct span){ blank + 1, len - key->len - 1 };
	return true;
}

bool span_is(const struct span *s, const char *word)
{
	return s->len == strlen(word) && !memcmp(s->text, word, s->len);
}

static bool take_number(const struct key_number *keys, size_t count, void *obj,
	const struct span *key, const struct span *value)
{
	uint64_t number;

	for (size_t i = 0; i < count; i++) {
		if (!span_is(key, keys[i].key))
			continue;
		if (text_parse_uint(value->text, value->len, NULL, &number) || number > INT64_MAX)
			return false;
		*(int64_t *)((char *)obj + keys[i].offset) = (int64_t)number;
		return true;
	}
	return false;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))
#define MOUNT(field)                                        \
	{                                                   \
#field, offsetof(struct model_mount, field) \
	}
#define HOOK(field)                                        \
	{                                                  \
#field, offsetof(struct model_hook, field) \
	}

bool model_take_status(struct model *m, const char *text, size_t len, int64_t now_ms)
{
	static const struct key_number keys[] = { MOUNT(hooks), MOUNT(accepted), MOUNT(refused),
		MOUNT(pending), MOUNT(inflight), MOUNT(delivered), MOUNT(failed),
		MOUNT(backlog_bytes), MOUNT(backlog_limit) };
	struct model_mount mount = { 0 };
	struct span key, value;
	size_t n, found = 0;

	for (const char *end = text + len; text < end; text += n + 1) {
		n = line_len(text, (size_t)(end - text));
		if (key_value(text, n, &key, &value))
			found += take_number(keys, COUNT_OF(keys), &mount, &key, &value);
	}
	if (found < COUNT_OF(keys))
		return false;
	m->mount = mount;
	m->known = true;
	rate_look(&m->accepted, mount.accepted, now_ms);
	rate_look(&m->delivered, mount.delivered, now_ms);
	rate_look(&m->failed, mount.failed, now_ms);
	m->edition++;
	return true;
}

static void take_time(const struct span *value, int64_t *out)
{
	*out = 0; /* "never" */
	(void)text_parse_time(value->text, value->len, NULL, out);
}

static void hook_line(struct model_hook *h, const struct span *key, const struct span *value)
{
	static const struct key_number keys[] = { HOOK(pending), HOOK(inflight), HOOK(delivered),
		HOOK(failed) };

	if (take_number(keys, COUNT_OF(keys), h, key, value))
		return;
	if (span_is(key, "state"))
		snprintf(h->state, sizeof(h->state), "%.*s", (int)value->len, value->text);
	else if (span_is(key, "last_success"))
		take_time(value, &h->last_success_ms);
	else if (span_is(key, "last_failure"))
		take_time(value, &h->last_failure_ms);
	else if (span_is(key, "last_error")) {
		free(h->error);
		h->error = span_is(value, "none") ? NULL : copy_text(value->text, value->len);
	}
}

void model_take_hook(
	struct model *m, const char *name, const char *text, size_t len, int64_t now_ms)
{
	struct model_hook *h = model_hook(m, name);
	const char *at = text;
	struct span key, value;
	size_t n;

	if (!h)
		return;
	for (const char *end = text + len; at < end; at += n + 1) {
		n = line_len(at, (size_t)(end - at));
		if (key_value(at, n, &key, &value))
			hook_line(h, &key, &value);
	}
	if (!h->pending)
		h->oldest_ms = 0;
	rate_look(&h->rate, h->delivered, now_ms);
	free(h->status);
	h->status = m->detail && !strcmp(m->detail, name) ? copy_text(text, len) : NULL;
	m->edition++;
}

/* ---- lines */

static void lines_clear(struct model_lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->list[i]);
	free(l->list);
	*l = (struct model_lines){ 0 };
}

static void lines_add(struct model_lines *l, char *line)
{
	char **list = reallocarray(l->list, l->count + 1, sizeof(*list));

	if (!list)
		abort();
	l->list = list;
	l->list[l->count++] = line;
}

void model_take_destinations(struct model *m, const char *text, size_t len)
{
	size_t n;

	lines_clear(&m->destinations);
	for (const char *end = text + len; text < end; text += n + 1) {
		n = line_len(text, (size_t)(end - text));
		if (n && m->destinations.count < LINES_MAX)
			lines_add(&m->destinations, copy_text(text, n));
	}
	m->edition++;
}

/* An entry begins at the left; its last indented line is the sentence. */
void model_take_errors(struct model *m, const char *text, size_t len)
{
	const char *head = NULL, *sentence = "";
	size_t n, head_len = 0, sentence_len = 0;
	char *line;

	lines_clear(&m->errors);
	for (const char *end = text + len;; text += n + 1) {
		n = text < end ? line_len(text, (size_t)(end - text)) : 0;
		if (text < end && n && *text == ' ') {
			sentence = text;
			sentence_len = text_trim(&sentence, n);
			continue;
		}
		if (head && m->errors.count < LINES_MAX) {
			if (asprintf(&line, "%.*s: %.*s", (int)head_len, head, (int)sentence_len,
				    sentence) < 0)
				abort();
			lines_add(&m->errors, line);
		}
		if (text >= end)
			break;
		head = n ? text : NULL;
		head_len = n;
		sentence_len = 0;
	}
	m->edition++;
}

/* ---- one hook, closely */

static void attempts_clear(struct model *m)
{
	for (size_t i = 0; i < m->attempt_count; i++)
		free(m->attempts[i].text);
	m->attempt_count = 0;
}

void model_look_at(struct model *m, const char *name)
{
	char *detail = name ? copy_text(name, strlen(name)) : NULL;

	free(m->detail);
	m->detail = detail;
	attempts_clear(m);
	m->edition++;
}

static const char *word_of(const json_t *object, const char *key)
{
	const char *word = json_string_value(json_object_get(object, key));

	return word ? word : "";
}

static void attempt_add(struct model *m, const json_t *o)
{
	struct model_attempt a = { .delivered = !strcmp(word_of(o, "outcome"), "delivered") };
	const json_t *status = json_object_get(o, "http_status");
	char code[16] = "-";

	if (json_is_integer(status))
		snprintf(code, sizeof(code), "%d", (int)json_integer_value(status));
	if (asprintf(&a.text, "%-24.24s %-10.10s %3s %6lld ms  try %lld  %.400s%s(%.120s)",
		    word_of(o, "time"), word_of(o, "outcome"), code,
		    (long long)json_integer_value(json_object_get(o, "ms")),
		    (long long)json_integer_value(json_object_get(o, "attempt")),
		    word_of(o, "error"), *word_of(o, "error") ? "  " : "", word_of(o, "event")) < 0)
		abort();
	if (m->attempt_count == MODEL_ATTEMPTS_MAX) {
		free(m->attempts[0].text);
		memmove(m->attempts, m->attempts + 1, sizeof(a) * --m->attempt_count);
	}
	m->attempts[m->attempt_count++] = a;
}

void model_take_log(struct model *m, const char *text, size_t len)
{
	size_t n;

	if (!m->detail)
		return;
	for (const char *end = text + len; text < end; text += n + 1) {
		n = line_len(text, (size_t)(end - text));
		json_t *o = json_loadb(text, n, 0, NULL);
		if (o && !strcmp(word_of(o, "hook"), m->detail))
			attempt_add(m, o);
		json_decref(o);
	}
	m->edition++;
}

/* ---- life */

struct model *model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	return m;
}

void model_free(struct model *m)
{
	struct model_hook *h, *next;

	if (!m)
		return;
	HASH_ITER(hh, m->hooks, h, next)
	{
		hook_drop(m, h);
	}
	lines_clear(&m->destinations);
	lines_clear(&m->errors);
	attempts_clear(m);
	free(m->detail);
	free(m);
}
