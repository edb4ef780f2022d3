/*
 * The rows of hook_settings that say what a hook is about and are more than a plain value: url, event,
 * object, enabled, description and labels.
 */
#include "model/hook_internal.h"
#include "model/url.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- url */

int url_judge(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	static const char masked[] = "/" MASK;
	size_t n = strlen(masked);
	const struct hook *h = obj;
	bool ends = len >= n && !memcmp(text + len - n, masked, n);

	(void)s;
	if (text_is_mask(text, len) || ends ||
		(hook_protected(h, FILE_URL) && memmem(text, len, masked, n)))
		return err_set(err, EINVAL, 0, "this is the mask, not the value");
	return url_check(text, len, err);
}

/* ---- event and object: each is judged against the other, whichever is written second */

static const char *article(const char *noun)
{
	return strchr("aeiou", noun[0]) ? "an" : "a";
}

static bool can_fire(const struct event_set *set, const struct object *o, const struct types *t)
{
	return event_set_empty(set) || !o->name ||
		event_set_phases(set, object_target(o, t).type) != 0;
}

/* The short form of an event's full name. */
static const char *phase_word(const struct buf *event)
{
	const char *underscore = strrchr(buf_str(event), '_');

	return underscore ? underscore + 1 : "";
}

/* `set` holds named events only, none of them the object's. */
static int misfit_error(const struct event_set *set, const struct object *o, const struct types *t,
	bool object_is_new, struct err *err)
{
	unsigned bit = (unsigned)__builtin_ctzll(set->named);
	const char *type = t->name[o->type];
	struct buf event = BUF(ERR_SENTENCE_MAX);

	event_name_show(t, bit / PHASE_COUNT, bit % PHASE_COUNT, &event);
	(void)err_set(err, EINVAL, 0,
		object_is_new ? "event is %s, which never happens to %s %s: "
				"write the short form `%s` to event first, or remove it"
			      : "%s never happens to %s %s, which object names: "
				"write the short form `%s`",
		buf_str(&event), article(type), type, phase_word(&event));
	buf_release(&event);
	return -EINVAL;
}

int event_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	struct event_set set = { 0 };

	(void)s;
	for (size_t pos = 0, n; pos < len; pos += n ? n : 1) {
		enum phase phase;
		int type, rc;

		n = text_span(text + pos, len - pos, " \t\r\n,");
		if (!n)
			continue;
		rc = event_name_parse(h->types, text + pos, n, err, &type, &phase);
		if (rc < 0) {
			err_shift(err, pos);
			return rc;
		}
		if (type < 0)
			set.floating |= 1u << phase;
		else
			set.named |= UINT64_C(1) << ((unsigned)type * PHASE_COUNT + phase);
	}
	if (!can_fire(&set, &h->object, h->types))
		return misfit_error(&set, &h->object, h->types, false, err);
	h->events = set;
	return 0;
}

/* The type that short forms are shown with. */
static unsigned shown_type(const struct hook *h)
{
	int deployment = types_find(h->types, "deployment", strlen("deployment"));

	if (h->object.name)
		return object_target(&h->object, h->types).type;
	/* A mount with types of its own may have no deployments; then the first type stands in. */
	return deployment < 0 ? 0 : (unsigned)deployment;
}

void events_add(const struct hook *h, bool keep_short, struct buf *out)
{
	unsigned floating_type = shown_type(h);
	uint64_t named = h->events.named;
	struct buf name = BUF(ERR_SENTENCE_MAX);
	const char *newline = "";

	if (!keep_short)
		named |= (uint64_t)h->events.floating << (floating_type * PHASE_COUNT);
	for (unsigned bit = 0; bit < h->types->count * PHASE_COUNT; bit++) {
		if (!(named & (UINT64_C(1) << bit)))
			continue;
		buf_adds(out, newline);
		event_name_show(h->types, bit / PHASE_COUNT, bit % PHASE_COUNT, out);
		newline = "\n";
	}
	for (unsigned phase = 0; keep_short && phase < PHASE_COUNT; phase++) {
		if (!(h->events.floating & (1u << phase)))
			continue;
		buf_reset(&name);
		event_name_show(h->types, floating_type, phase, &name);
		buf_addf(out, "%s%s", newline, phase_word(&name));
		newline = "\n";
	}
	buf_release(&name);
}

void event_show(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	events_add(obj, false, out);
}

void event_reset(const struct setting *s, void *obj)
{
	(void)s;
	((struct hook *)obj)->events = (struct event_set){ 0 };
}

int object_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	struct object o;
	int rc = object_parse(&o, h->types, true, text, len, err);

	if (rc == -ENOMEM)
		return row_memory_error(s, err);
	if (rc < 0)
		return rc;
	if (!can_fire(&h->events, &o, h->types)) {
		rc = misfit_error(&h->events, &o, h->types, true, err);
		object_release(&o);
		return rc;
	}
	object_release(&h->object);
	h->object = o;
	return 0;
}

void object_show_path(const struct setting *s, const void *obj, struct buf *out)
{
	const struct hook *h = obj;

	(void)s;
	object_show(&h->object, h->types, out);
}

void object_reset(const struct setting *s, void *obj)
{
	(void)s;
	object_release(&((struct hook *)obj)->object);
}

/* ---- enabled */

int enabled_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	char quote[TEXT_QUOTE_SIZE];
	bool on;

	(void)s;
	if (len == strlen("paused") && !strncasecmp(text, "paused", len))
		h->enabled = HOOK_PAUSED;
	else if (len == strlen("gone") && !strncasecmp(text, "gone", len))
		h->enabled = HOOK_GONE; /* what is shown can be written back */
	else if (text_parse_bool(text, len, NULL, &on) == 0)
		h->enabled = on ? HOOK_ON : HOOK_OFF;
	else
		return err_set(err, EINVAL, 0,
			"\"%s\" is neither yes, no nor paused: write 1, 0 or paused",
			text_quote(text, len, quote));
	return 0;
}

void enabled_show(const struct setting *s, const void *obj, struct buf *out)
{
	static const char *const words[] = {
		[HOOK_OFF] = "0", [HOOK_ON] = "1", [HOOK_PAUSED] = "paused", [HOOK_GONE] = "gone"
	};

	(void)s;
	buf_adds(out, words[((const struct hook *)obj)->enabled]);
}

void enabled_reset(const struct setting *s, void *obj)
{
	(void)s;
	((struct hook *)obj)->enabled = HOOK_ON;
}

/* ---- description */

/* UbiOps's limit counts characters; the row's own counts the bytes that so many may take. */
int description_judge(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	size_t characters = 0;

	(void)obj;
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (++characters > HOOK_DESCRIPTION_MAX)
			return err_set(err, E2BIG, i,
				"%s is too long: at most %d characters are taken", s->name,
				HOOK_DESCRIPTION_MAX);
	}
	return 0;
}

/* ---- labels */

static int label_check(const char *line, size_t len, size_t key_len, struct err *err)
{
	size_t good = text_utf8_check(line, len);

	if (len > HOOK_LABEL_MAX)
		return err_set(
			err, E2BIG, HOOK_LABEL_MAX, "a label has at most %d bytes", HOOK_LABEL_MAX);
	if (key_len == len || !key_len)
		return err_set(err, EINVAL, key_len, "a label is written key:value");
	if (good < len)
		return err_set(err, EINVAL, good, "labels are UTF-8");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < ' ' || c == 0x7f || (c == ' ' && i < key_len))
			return err_set(err, EINVAL, i,
				"labels have no control characters, and their keys no blanks");
	}
	return 0;
}

/* `key` with its colon. */
static bool label_known(const struct buf *labels, const char *key, size_t len)
{
	const char *line = buf_str(labels);

	while (strncmp(line, key, len) != 0) {
		line = strchr(line, '\n');
		if (!line)
			return false;
		line++;
	}
	return true;
}

/* Appends one trimmed line; blanks behind the colon go too. */
static int label_add(struct buf *labels, const char *line, size_t len, struct err *err)
{
	size_t key_len = text_span(line, len, ":");
	const char *value = line + key_len + 1;
	int rc = label_check(line, len, key_len, err);

	if (rc < 0)
		return rc;
	if (label_known(labels, line, key_len + 1))
		return err_set(err, EINVAL, 0, "this label's key is there already");
	if (labels->len)
		buf_addc(labels, '\n');
	buf_add(labels, line, key_len + 1);
	len = text_trim(&value, len - key_len - 1);
	buf_add(labels, value, len);
	return 0;
}

int labels_store(const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct hook *h = obj;
	struct buf labels = BUF(s->max);
	unsigned count = 0;
	int rc = 0;

	for (size_t pos = 0, n; pos < len && rc == 0; pos += n + 1) {
		const char *line = text + pos;
		size_t line_len;

		n = text_span(line, len - pos, "\n");
		line_len = text_trim(&line, n);
		if (!line_len)
			continue;
		if (++count > HOOK_LABELS_MAX)
			rc = err_set(
				err, E2BIG, 0, "a hook has at most %d labels", HOOK_LABELS_MAX);
		else
			rc = label_add(&labels, line, line_len, err);
		if (rc < 0)
			err_shift(err, (size_t)(line - text));
	}
	if (rc == 0 && buf_error(&labels))
		rc = row_memory_error(s, err);
	if (rc == 0) {
		free(h->labels);
		h->labels = buf_detach(&labels);
	}
	buf_release(&labels);
	return rc;
}

void labels_show(const struct setting *s, const void *obj, struct buf *out)
{
	const struct hook *h = obj;

	(void)s;
	buf_adds(out, h->labels ? h->labels : "");
}

void labels_reset(const struct setting *s, void *obj)
{
	struct hook *h = obj;

	(void)s;
	free(h->labels);
	h->labels = NULL;
}
