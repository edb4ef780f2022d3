#include "http/response.h"

#include "model/hook.h"
#include "model/mask.h"
#include "util/text.h"

#include <ctype.h>
#include <string.h>

/* A body longer than this is ended here: its status is known, and more would only cost. */
#define BODY_READ_MAX (OUTCOME_KEPT_MAX + 1024 * 1024)
/* Larger heads are no accident; servers themselves take 8 to 64 KiB. */
#define HEAD_READ_MAX ((size_t)256 * 1024)
#define LINES_MAX     100

/* Of the connection and the moment, not of the response: the attempt has a time of its own. */
static const char *const passed_over[] = { "connection", "date", "keep-alive", "proxy-connection",
	"te", "trailer", "transfer-encoding", "upgrade" };

void response_init(struct response *r)
{
	*r = (struct response){ .head = BUF(OUTCOME_HEAD_MAX), .body = BUF(OUTCOME_KEPT_MAX) };
}

void response_release(struct response *r)
{
	buf_release(&r->head);
	buf_release(&r->body);
}

void response_begin(struct response *r, const struct mask *m)
{
	buf_reset(&r->head);
	buf_reset(&r->body);
	r->mask = m;
	r->lines = 0;
	r->in_head = r->answered = false;
	r->head_received = r->body_received = 0;
}

static bool is_passed_over(const char *name)
{
	for (size_t i = 0; i < sizeof(passed_over) / sizeof(*passed_over); i++)
		if (!strcmp(passed_over[i], name))
			return true;
	return false;
}

/* A receiver writes what it likes: what is kept is UTF-8 without control characters. */
static void clean(char *text, size_t len)
{
	bool utf8 = text_utf8_check(text, len) == len;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8))
			text[i] = '?';
	}
}

/* A line is kept whole or not at all. */
static void keep(struct response *r, const char *name, const char *value, size_t len)
{
	size_t before = r->head.len, start;

	buf_adds(&r->head, name);
	buf_adds(&r->head, ": ");
	start = r->head.len;
	if (header_born_protected(name))
		buf_adds(&r->head, MASK);
	else
		buf_add(&r->head, value, len);
	if (!buf_error(&r->head)) {
		buf_cut(&r->head,
			start +
				mask_apply(
					r->mask, r->head.data + start, r->head.len - start, false));
		clean(r->head.data + start, r->head.len - start);
		buf_addc(&r->head, '\n');
	}
	if (buf_error(&r->head)) {
		r->head.error = 0;
		buf_cut(&r->head, before);
		return;
	}
	r->lines++;
}

static void header_line(struct response *r, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len = colon ? (size_t)(colon - line) : 0;
	char name[HEADER_NAME_MAX + 1];

	/* A folded line, which nobody sends any more, begins with a blank: that is no token. */
	if (!name_len || name_len > HEADER_NAME_MAX || !text_is_token(line, name_len) ||
		r->lines == LINES_MAX)
		return;
	for (size_t i = 0; i < name_len; i++)
		name[i] = (char)tolower((unsigned char)line[i]);
	name[name_len] = '\0';
	if (is_passed_over(name))
		return;
	line = colon + 1;
	len = text_trim(&line, len - name_len - 1);
	keep(r, name, line, len);
}

bool response_flooded(const struct response *r)
{
	return r->head_received > HEAD_READ_MAX;
}

bool response_header(struct response *r, const char *line, size_t len)
{
	r->answered = true;
	r->head_received += len;
	if (response_flooded(r))
		return false;
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (!len) {
		r->in_head = false; /* what follows the body is passed over */
	} else if (!r->in_head && len > 5 && !memcmp(line, "HTTP/", 5)) {
		/* The response, or the one behind an interim one. */
		buf_reset(&r->head);
		r->lines = 0;
		r->in_head = true;
	} else if (r->in_head) {
		header_line(r, line, len);
	}
	return true;
}

bool response_body(struct response *r, const char *data, size_t len)
{
	size_t room = OUTCOME_KEPT_MAX - r->head.len - r->body.len;

	buf_add(&r->body, data, len < room ? len : room);
	r->body_received += len;
	return r->body_received <= BODY_READ_MAX;
}

/* Without memory to keep it there is none, which changes no verdict. */
static char *detach(struct buf *b, size_t *len)
{
	char *data;

	*len = b->len;
	data = buf_detach(b);
	if (!data)
		*len = 0;
	return data;
}

void response_give(struct response *r, bool whole, struct outcome *o)
{
	bool cut = !whole || r->body_received > r->body.len;

	if (r->body.len)
		buf_cut(&r->body, mask_apply(r->mask, r->body.data, r->body.len, cut));
	o->head = detach(&r->head, &o->head_len);
	o->body = detach(&r->body, &o->body_len);
}
