#include "model/outcome.h"

#include "util/buf.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

void outcome_release(struct outcome *o)
{
	free(o->body);
	o->body = NULL;
	o->body_len = 0;
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
		[OUTCOME_ABORTED] = "aborted",
	};

	return (unsigned)k < OUTCOME_KIND_COUNT ? names[k] : "?";
}

static void add_ms(struct buf *out, const char *key, uint32_t us)
{
	buf_addf(out, ",\"%s\":%u.%03u", key, us / 1000, us % 1000);
}

void outcome_json(const struct outcome *o, unsigned number, int64_t time_ms, struct buf *out)
{
	buf_addf(out, "{\"attempt\":%u,\"time\":\"", number);
	text_add_time(out, time_ms);
	buf_addf(out, "\",\"outcome\":\"%s\",\"http_status\":", outcome_name(o->kind));
	if (o->http_status)
		buf_addf(out, "%d", o->http_status);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"error\":");
	if (*o->error)
		buf_add_json(out, o->error, strlen(o->error));
	else
		buf_adds(out, "null");
	add_ms(out, "dns_ms", o->us.dns);
	add_ms(out, "connect_ms", o->us.connect);
	add_ms(out, "tls_ms", o->us.tls);
	add_ms(out, "first_byte_ms", o->us.first_byte);
	add_ms(out, "total_ms", o->us.total);
	if (o->body_len) {
		buf_addf(out, ",\"body_bytes\":%zu,\"body\":", o->body_len);
		buf_add_json(out, o->body, text_utf8_check(o->body, o->body_len));
	}
	buf_addc(out, '}');
}
