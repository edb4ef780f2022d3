#include "model/logline.h"

#include "util/buf.h"
#include "util/text.h"

#include <string.h>

/* Most lines fit into so much. */
#define USUAL_LEN 384

static void add_begin(int64_t time_ms, struct buf *out)
{
	buf_expect(out, USUAL_LEN);
	buf_adds(out, "{\"time\":\"");
	text_add_time(out, time_ms);
	buf_addc(out, '"');
}

static void add_text(const char *key, const char *text, struct buf *out)
{
	buf_adds(out, key);
	if (text)
		buf_add_json(out, text, text_utf8_check(text, strlen(text)));
	else
		buf_adds(out, "null");
}

void logline_attempt(const struct logline *l, struct buf *out)
{
	add_begin(l->time_ms, out);
	add_text(",\"hook\":", l->hook, out);
	add_text(",\"id\":", l->webhook_id, out);
	add_text(",\"event\":", l->event_name, out);
	add_text(",\"request_id\":", l->request_id, out);
	buf_adds(out, ",\"attempt\":");
	buf_addu(out, l->attempt, 0);
	add_text(",\"outcome\":", l->outcome, out);
	buf_adds(out, ",\"http_status\":");
	if (l->http_status > 0)
		buf_addu(out, (unsigned)l->http_status, 0);
	else
		buf_adds(out, "null");
	buf_adds(out, ",\"ms\":");
	buf_addu(out, (l->total_us + 500) / 1000, 0);
	add_text(",\"error\":", l->error, out);
	buf_addc(out, '}');
}

void logline_dropped(int64_t time_ms, const char *hook, uint64_t deliveries, struct buf *out)
{
	add_begin(time_ms, out);
	add_text(",\"hook\":", hook, out);
	add_text(",\"outcome\":", "dropped", out);
	buf_adds(out, ",\"deliveries\":");
	buf_addu(out, deliveries, 0);
	buf_addc(out, '}');
}
