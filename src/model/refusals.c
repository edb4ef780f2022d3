#include "model/refusals.h"

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define CARET_NONE ((size_t)-1)
#define LEAD       24 /* bytes shown before the column of a long text */

/* Cuts the part around the column out of the text, one character a byte: a terminal shows the caret below
 * its place, and nothing that a stranger wrote reaches it as a control sequence. */
static void refusal_cut(struct refusal *f, const char *text, size_t len, size_t column)
{
	f->shown[0] = '\0';
	f->caret = CARET_NONE;
	if (!text)
		return;
	size_t from = 0, out = 0;
	if (column != ERR_NO_COLUMN && column <= len && column > REFUSAL_SHOWN_MAX - LEAD)
		from = column - LEAD;
	if (from) {
		memcpy(f->shown, "...", 3);
		out = 3;
	}
	size_t shift = out;
	for (size_t i = from; i < len && out < REFUSAL_SHOWN_MAX; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '\n' && i + 1 == len)
			break;
		f->shown[out++] = c >= 0x20 && c < 0x7f ? (char)c : c == '\t' ? ' ' : '?';
	}
	f->shown[out] = '\0';
	if (column != ERR_NO_COLUMN && column <= len)
		f->caret = column - from + shift;
}

static void refusal_name(struct refusal *f, const char *file)
{
	static const char more[] = "...";
	struct buf word = BUF(sizeof(f->file) - sizeof(more));
	text_add_word(&word, file, strlen(file));
	snprintf(f->file, sizeof(f->file), "%s%s", buf_str(&word), buf_error(&word) ? more : "");
	buf_release(&word);
}

static struct refusal *refusals_newest(struct refusals *r)
{
	return r->count ? &r->list[r->count - 1] : NULL;
}

static unsigned refusals_of(const struct refusals *r, uint32_t uid)
{
	unsigned of = 0;
	for (unsigned i = 0; i < r->count; i++)
		of += r->list[i].who.uid == uid;
	return of;
}

/* The oldest of whoever has the most: who is refused again and again pushes out his own. */
static void refusals_make_room(struct refusals *r)
{
	unsigned oldest = 0, most = 0;
	for (unsigned i = 0; i < r->count; i++) {
		unsigned of = refusals_of(r, r->list[i].who.uid);
		if (of > most) {
			most = of;
			oldest = i;
		}
	}
	r->count--;
	memmove(&r->list[oldest], &r->list[oldest + 1], (r->count - oldest) * sizeof(r->list[0]));
}

void refusals_add(struct refusals *r, int64_t time_ms, const char *file, struct who who,
	const char *text, size_t len, const struct err *err)
{
	struct refusal f = { .time_ms = time_ms, .who = who, .times = 1, .code = err->code };
	refusal_name(&f, file);
	snprintf(f.sentence, sizeof(f.sentence), "%s", err->sentence);
	text_plain(f.sentence, strlen(f.sentence)); /* it may quote what a stranger wrote */
	refusal_cut(&f, text, len, err->column);
	struct refusal *last = refusals_newest(r);
	if (last && last->who.uid == who.uid && last->who.pid == who.pid && last->code == f.code &&
		!strcmp(last->file, f.file) && !strcmp(last->shown, f.shown) &&
		!strcmp(last->sentence, f.sentence)) {
		last->times++;
		last->time_ms = time_ms;
		return;
	}
	if (r->count == REFUSALS_MAX)
		refusals_make_room(r);
	r->list[r->count++] = f;
}

static void refusal_id(struct buf *out, const char *key, int64_t id, bool known)
{
	if (known)
		buf_addf(out, " %s=%lld", key, (long long)id);
	else
		buf_addf(out, " %s=-", key);
}

static void refusal_show(const struct refusal *f, struct buf *out)
{
	text_add_time(out, f->time_ms);
	buf_addf(out, " %s", f->file);
	refusal_id(out, "uid", f->who.uid, f->who.uid != UID_UNKNOWN);
	refusal_id(out, "pid", f->who.pid, f->who.pid != 0);
	buf_addf(out, " %s", err_name(f->code));
	if (f->times > 1)
		buf_addf(out, " times=%u", f->times);
	buf_addc(out, '\n');
	if (*f->shown)
		buf_addf(out, "    %s\n", f->shown);
	if (*f->shown && f->caret != CARET_NONE)
		buf_addf(out, "    %*s^\n", (int)f->caret, "");
	buf_addf(out, "    %s\n", f->sentence);
}

void refusals_show(const struct refusals *r, struct buf *out)
{
	for (unsigned i = 0; i < r->count; i++)
		refusal_show(&r->list[i], out);
}
