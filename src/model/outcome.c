#include "model/outcome.h"

#include "util/buf.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

void outcome_release(struct outcome *o)
{
	free(o->head);
	free(o->body);
	o->head = o->body = NULL;
	o->head_len = o->body_len = 0;
}

const char *outcome_name(enum outcome_kind k)
{
	static const char *const names[OUTCOME_KIND_COUNT] = {
		[OUTCOME_RESPONSE] = "response",
		[OUTCOME_DNS] = "dns",
		[OUTCOME_REFUSED] = "refused",
		[OUTCOME_CONNECT] = "connect",
		[OUTCOME_CONNECT_TIMEOUT] = "connect_timeout",
		[OUTCOME_TLS] = "tls",
		[OUTCOME_CERTIFICATE] = "certificate",
		[OUTCOME_TIMEOUT] = "timeout",
		[OUTCOME_BODY_TIMEOUT] = "body_timeout",
		[OUTCOME_BROKEN] = "broken",
		[OUTCOME_DENIED] = "denied",
		[OUTCOME_LOCAL] = "local",
		[OUTCOME_MEMORY] = "memory",
		[OUTCOME_ABORTED] = "aborted",
	};

	return (unsigned)k < OUTCOME_KIND_COUNT ? names[k] : "?";
}

const char *outcome_connection(const struct outcome *o)
{
	return o->kept ? "kept" : o->connects ? "new" : NULL;
}

/* What most take besides what they keep of the response. */
#define ATTEMPT_LEN 320

/* Hundreds of thousands of these are kept, so what did not happen takes one byte. */
static void add_ms(struct buf *out, const char *key, uint32_t us)
{
	buf_adds(out, key);
	buf_addu(out, us / 1000, 0);
	if (us) {
		buf_addc(out, '.');
		buf_addu(out, us % 1000, 3);
	}
}

static void add_word(struct buf *out, const char *key, const char *word)
{
	if (!word)
		return;
	buf_adds(out, key);
	buf_adds(out, word);
	buf_addc(out, '"');
}

/* ---- headers */

struct line {
	const char *name, *value;
	size_t name_len, value_len;
};

/* The line at *at, which moves behind it; false at the end. */
static bool next_line(const struct outcome *o, size_t *at, struct line *out)
{
	const char *start = o->head + *at, *end, *colon;

	if (*at >= o->head_len)
		return false;
	end = memchr(start, '\n', o->head_len - *at);
	colon = memchr(start, ':', o->head_len - *at);
	*at = (size_t)(end + 1 - o->head);
	*out = (struct line){ start, colon + 2, (size_t)(colon - start),
		(size_t)(end - colon - 2) };
	return true;
}

static bool same_name(const struct line *a, const struct line *b)
{
	return a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len);
}

static bool told_before(const struct outcome *o, const struct line *l)
{
	struct line other;

	for (size_t at = 0; next_line(o, &at, &other) && other.name != l->name;)
		if (same_name(&other, l))
			return true;
	return false;
}

/* Some 100 lines at most (http/response), so that looking for each name in all of them is quick. */
void outcome_headers_json(const struct outcome *o, struct buf *out)
{
	struct buf value = BUF(OUTCOME_KEPT_MAX);
	struct line l, more;
	char comma = '{';

	for (size_t at = 0; next_line(o, &at, &l);) {
		if (told_before(o, &l))
			continue;
		buf_reset(&value);
		buf_add(&value, l.value, l.value_len);
		for (size_t behind = at; next_line(o, &behind, &more);) {
			if (!same_name(&more, &l))
				continue;
			buf_adds(&value, ", ");
			buf_add(&value, more.value, more.value_len);
		}
		buf_addc(out, comma);
		buf_add_json(out, l.name, l.name_len);
		buf_addc(out, ':');
		buf_add_json(out, buf_str(&value), value.len);
		comma = ',';
	}
	buf_adds(out, comma == '{' ? "{}" : "}");
	buf_release(&value);
}

/* ---- the whole */

void outcome_json(const struct outcome *o, unsigned number, int64_t time_ms, struct buf *out)
{
	buf_expect(out, ATTEMPT_LEN + o->head_len + o->body_len);
	buf_adds(out, "{\"attempt\":");
	buf_addu(out, number, 0);
	buf_adds(out, ",\"time\":\"");
	text_add_time(out, time_ms);
	buf_adds(out, "\",\"outcome\":\"");
	buf_adds(out, outcome_name(o->kind));
	buf_adds(out, "\",\"http_status\":");
	if (o->http_status > 0)
		buf_addu(out, (unsigned)o->http_status, 0);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"error\":");
	if (*o->error)
		buf_add_json(out, o->error, strlen(o->error));
	else
		buf_adds(out, "null");
	add_ms(out, ",\"dns_ms\":", o->us.dns);
	add_ms(out, ",\"connect_ms\":", o->us.connect);
	add_ms(out, ",\"tls_ms\":", o->us.tls);
	add_ms(out, ",\"first_byte_ms\":", o->us.first_byte);
	add_ms(out, ",\"total_ms\":", o->us.total);
	add_word(out, ",\"connection\":\"", outcome_connection(o));
	add_word(out, ",\"http_version\":\"", o->http_version);
	if (o->head_len) {
		buf_adds(out, ",\"headers\":");
		outcome_headers_json(o, out);
	}
	if (o->body_len) {
		buf_adds(out, ",\"body_bytes\":");
		buf_addu(out, o->body_len, 0);
		buf_adds(out, ",\"body\":");
		buf_add_json(out, o->body, text_utf8_check(o->body, o->body_len));
	}
	buf_addc(out, '}');
}
