#include "model/logline.h"

#include "util/buf.h"
#include "util/text.h"

#include <string.h>

static void add_begin(int64_t time_ms, struct buf *out)
{
	buf_adds(out, "{\"time\":\"");
	text_add_time(out, time_ms);
	buf_addc(out, '"');
}

static void add_text(const char *key, const char *text, struct buf *out)
{
	buf_addf(out, ",\"%s\":", key);
	if (text)
		buf_add_json(out, text, text_utf8_check(text, strlen(text)));
	else
		buf_adds(out, "null");
}

void logline_attempt(const struct logline *l, struct buf *out)
{
	add_begin(l->time_ms, out);
	add_text("hook", l->hook, out);
	add_text("id", l->webhook_id, out);
	add_text("event", l->event_name, out);
	add_text("request_id", l->request_id, out);
	buf_addf(out, ",\"attempt\":%u", l->attempt);
	add_text("outcome", l->outcome, out);
	if (l->http_status)
		buf_addf(out, ",\"http_status\":%d", l->http_status);
	else
		buf_adds(out, ",\"http_status\":null");
	buf_addf(out, ",\"ms\":%u", (l->total_us + 500) / 1000);
	add_text("error", l->error, out);
	buf_addc(out, '}');
}

void logline_dropped(int64_t time_ms, const char *hook, uint64_t deliveries, struct buf *out)
{
	add_begin(time_ms, out);
	add_text("hook", hook, out);
	add_text("outcome", "dropped", out);
	buf_addf(out, ",\"deliveries\":%llu}", (unsigned long long)deliveries);
}
