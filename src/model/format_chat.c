/*
 * Messages for people: the sentence of the payload, and behind it the error message and, with
 * include_result, the result.
 *
 * What stands in them came from strangers: nothing of it may be markup, mention anybody or break out of the
 * place that it is put in. And it may be of any length: a message is cut, on a character, so
 * that the receiver takes it. How a service writes and counts characters is its struct chat.
 *
 *     Slack    text; & < > are its only control characters once "mrkdwn" is off. It splits what is
 *              longer than 4,000 characters.
 *     Discord  content of at most 2,000 characters, Markdown; a code block shows what is in it as it is.
 *     Teams    an Adaptive Card whose TextBlocks have some Markdown; the request may have 28 KB.
 */
#include "model/format_internal.h"

#include "model/payload.h"
#include "util/buf.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>

#define TEXT_MAX  ((size_t)1 << 20) /* more than any result, with every character escaped */
#define FENCE     "\n```\n"
#define FENCE_END "\n```"
#define ELLIPSIS  "\xe2\x80\xa6" /* one character */
#define JOINER    "\xe2\x80\x8b" /* U+200B: keeps backquotes apart, unseen */

struct chat {
	size_t max; /* of what `count` counts */
	size_t (*count)(const char *text, size_t len);
};

/* Appends the character `c` so that it is shown as it is. It stands at `at` in the text. */
typedef void escape_fn(const char *text, size_t at, struct span c, struct buf *out);

/* ---- counting */

/* UTF-16 units, as JavaScript counts: never fewer than characters. */
static size_t count_units(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		n += (c & 0xc0) != 0x80;
		n += c >= 0xf0;
	}
	return n;
}

/* Bytes of the request. */
static size_t count_bytes(const char *text, size_t len)
{
	size_t n = len;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '"' || text[i] == '\\' || text[i] == '\n' || text[i] == '\t';
	return n;
}

/* ---- writing */

/* At most 4, whatever the bytes are. */
static size_t character_len(const char *text, size_t len)
{
	size_t n = 1;

	while (n < len && n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/*
 * Appends the text and takes what it counts off *left. Where it does not fit, an ellipsis is the end of it
 * and nothing is left. Lines and tabs stay, other control characters become '?'.
 */
static void add_shown(const struct chat *chat, const char *text, size_t len, size_t *left,
	escape_fn *escape, struct buf *out)
{
	size_t reserve = chat->count(ELLIPSIS, strlen(ELLIPSIS));

	for (size_t i = 0, n; i < len; i += n) {
		char c[4];
		size_t start = out->len, cost;

		n = character_len(text + i, len - i);
		memcpy(c, text + i, n);
		if (n > 1 || (c[0] != '\n' && c[0] != '\t'))
			text_plain(c, n);
		escape(text, i, (struct span){ c, n }, out);
		if (buf_error(out))
			return;
		cost = chat->count(out->data + start, out->len - start);
		if (cost + reserve > *left) {
			buf_cut(out, start);
			if (reserve <= *left)
				buf_adds(out, ELLIPSIS);
			*left = 0;
			return;
		}
		*left -= cost;
	}
}

static void add_raw(const struct chat *chat, const char *text, size_t *left, struct buf *out)
{
	buf_adds(out, text);
	*left -= chat->count(text, strlen(text));
}

/* ---- what is said */

/* Each may be empty but the first. */
enum { SAID_SENTENCE, SAID_ERROR, SAID_RESULT, SAID_COUNT };

static void say(const struct message *m, struct buf said[SAID_COUNT])
{
	struct payload_view view;

	for (int i = 0; i < SAID_COUNT; i++)
		buf_init(&said[i], TEXT_MAX);
	payload_view(m->payload, m->include_result, &view);
	payload_text(view.text, &said[SAID_SENTENCE]);
	payload_text(view.error_message, &said[SAID_ERROR]);
	buf_add(&said[SAID_RESULT], view.result.text, view.result.len);
}

static void unsay(struct buf said[SAID_COUNT])
{
	for (int i = 0; i < SAID_COUNT; i++)
		buf_release(&said[i]);
}

/* The request of a service that takes one text. */
static void give(struct buf *out, const char *before, struct buf *text, const char *behind)
{
	buf_adds(out, before);
	buf_add_json(out, buf_str(text), text->len);
	buf_adds(out, behind);
	buf_release(text);
}

/* ---- Slack */

static void slack_escape(const char *text, size_t at, struct span c, struct buf *out)
{
	(void)text, (void)at;
	if (*c.text == '&')
		buf_adds(out, "&amp;");
	else if (*c.text == '<')
		buf_adds(out, "&lt;");
	else if (*c.text == '>')
		buf_adds(out, "&gt;");
	else
		buf_add(out, c.text, c.len);
}

static const struct chat slack = { 4000, count_units };

void chat_slack(const struct message *m, struct buf *out)
{
	struct buf said[SAID_COUNT], text = BUF(TEXT_MAX);
	size_t left = slack.max;

	say(m, said);
	for (int i = 0; i < SAID_COUNT; i++) {
		if (!said[i].len || left < 2)
			continue;
		if (i)
			add_raw(&slack, "\n", &left, &text);
		add_shown(&slack, said[i].data, said[i].len, &left, slack_escape, &text);
	}
	give(out, "{\"text\":", &text, ",\"mrkdwn\":false}");
	unsay(said);
}

/* ---- Discord */

/* A backslash before any punctuation takes its meaning. */
static void discord_escape(const char *text, size_t at, struct span c, struct buf *out)
{
	(void)text, (void)at;
	if (strchr("\\*_~`|>#-+.[]()<@:", *c.text))
		buf_addc(out, '\\');
	buf_add(out, c.text, c.len);
}

static void fenced_escape(const char *text, size_t at, struct span c, struct buf *out)
{
	if (at && text[at - 1] == '`' && *c.text == '`')
		buf_adds(out, JOINER);
	buf_add(out, c.text, c.len);
}

static const struct chat discord = { 2000, count_units };

void chat_discord(const struct message *m, struct buf *out)
{
	const size_t fences = strlen(FENCE) + strlen(FENCE_END);
	struct buf said[SAID_COUNT], text = BUF(TEXT_MAX);
	size_t left = discord.max;

	say(m, said);
	add_shown(&discord, buf_str(&said[SAID_SENTENCE]), said[SAID_SENTENCE].len, &left,
		discord_escape, &text);
	for (int i = SAID_ERROR; i < SAID_COUNT; i++) {
		if (!said[i].len || left < 2 * fences)
			continue;
		left -= fences;
		buf_adds(&text, FENCE);
		add_shown(&discord, said[i].data, said[i].len, &left, fenced_escape, &text);
		buf_adds(&text, FENCE_END);
	}
	give(out, "{\"content\":", &text, ",\"allowed_mentions\":{\"parse\":[]}}");
	unsay(said);
}

/* ---- Teams */

/*
 * Bold, italic, links, code and lists are what there is of Markdown, with tags and mentions of HTML's
 * looks; a brace could begin a {{DATE()}}.
 */
static void teams_escape(const char *text, size_t at, struct span c, struct buf *out)
{
	size_t digits = 0;
	bool begins;

	while (digits < at && isdigit((unsigned char)text[at - digits - 1]))
		digits++;
	begins = digits == at || text[at - digits - 1] == '\n';
	if (strchr("\\*_[]()`~#<>|{", *c.text) || (begins && strchr(digits ? "." : "-+", *c.text)))
		buf_addc(out, '\\');
	buf_add(out, c.text, c.len);
}

/* 12 KiB of text are 24 KiB where it is counted in UTF-16, and the card around it takes 600 bytes. */
static const struct chat teams = { (size_t)12 * 1024, count_bytes };

void chat_teams(const struct message *m, struct buf *out)
{
	struct buf said[SAID_COUNT];
	size_t left = teams.max;

	say(m, said);
	buf_adds(out,
		"{\"type\":\"message\",\"attachments\":[{"
		"\"contentType\":\"application/vnd.microsoft.card.adaptive\",\"contentUrl\":null,"
		"\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\","
		"\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"msteams\":{\"width\":\"Full\"},\"body\":[");
	for (int i = 0; i < SAID_COUNT; i++) {
		struct buf text = BUF(TEXT_MAX);

		if (said[i].len && left)
			add_shown(&teams, said[i].data, said[i].len, &left, teams_escape, &text);
		if (text.len) {
			buf_adds(out, i ? ",{" : "{");
			buf_adds(out, "\"type\":\"TextBlock\",\"wrap\":true,");
			buf_adds(out, i ? "\"fontType\":\"Monospace\",\"text\":" : "\"text\":");
			buf_add_json(out, text.data, text.len);
			buf_addc(out, '}');
		}
		buf_release(&text);
	}
	buf_adds(out, "]}}]}");
	unsay(said);
}
