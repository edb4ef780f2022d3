#include "model/format.h"

#include "model/format_internal.h"
#include "model/payload.h"
#include "model/template.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <string.h>

#define JSON "application/json"

static const struct row {
	const char *name;
	const char *content_type;
	void (*body)(const struct message *m, struct buf *out); /* NULL: the payload */
	void (*headers)(
		const struct message *m, format_header_fn *each, void *ctx); /* NULL: no more */
	const char *summary;
} formats[FORMAT_COUNT] = {
	[FORMAT_UBIOPS] = { "ubiops", JSON, NULL, NULL,
		"The payload as it is, or what template makes of it." },
	[FORMAT_SLACK] = { "slack", JSON, chat_slack, NULL,
		"A message for Slack's incoming webhooks: text, of at most 4,000 characters." },
	[FORMAT_DISCORD] = { "discord", JSON, chat_discord, NULL,
		"A message for Discord: content, of at most 2,000 characters; it mentions nobody." },
	[FORMAT_TEAMS] = { "teams", JSON, chat_teams, NULL,
		"An Adaptive Card for a webhook of Microsoft Teams' Workflows, well below the 28 KB "
		"that it takes." },
	[FORMAT_CLOUDEVENTS] = { "cloudevents", "application/cloudevents+json; charset=utf-8",
		cloudevents_body, NULL,
		"A CloudEvent 1.0 in structured mode, with the payload as its data." },
	[FORMAT_CLOUDEVENTS_BINARY] = { "cloudevents-binary", JSON, NULL, cloudevents_headers,
		"A CloudEvent 1.0 in binary mode: the payload as the body, all else in headers." },
};

const char *format_name(enum format f)
{
	return formats[f].name;
}

const char *format_summary(enum format f)
{
	return formats[f].summary;
}

int format_parse(const char *text, size_t len, struct err *err, enum format *out)
{
	struct buf names = BUF(ERR_SENTENCE_MAX);
	char quote[TEXT_QUOTE_SIZE];

	for (enum format f = 0; f < FORMAT_COUNT; f++) {
		if (strlen(formats[f].name) == len && !memcmp(formats[f].name, text, len)) {
			*out = f;
			buf_release(&names);
			return 0;
		}
		buf_addf(&names, "%s%s", f ? ", " : "", formats[f].name);
	}
	(void)err_set(err, EINVAL, 0,
		"\"%s\" is no format: there are %s; any other JSON goes into template",
		text_quote(text, len, quote), buf_str(&names));
	buf_release(&names);
	return -EINVAL;
}

void format_body(enum format f, const char *template_text, const struct message *m, struct buf *out)
{
	if (formats[f].body)
		formats[f].body(m, out);
	else if (template_text && f == FORMAT_UBIOPS)
		template_fill(template_text, m, out);
	else
		payload_body(m->payload, m->event_name, m->include_result, out);
}

void format_headers(enum format f, const struct message *m, format_header_fn *each, void *ctx)
{
	each(ctx, "Content-Type", formats[f].content_type);
	if (formats[f].headers)
		formats[f].headers(m, each, ctx);
}
