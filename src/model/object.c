#include "model/object.h"

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXPERIMENT "experiment"
#define DEPLOYMENT "deployment"
#define REQUEST    "request"

static_assert(TYPES_MAX * PHASE_COUNT <= 64, "an event_set holds a bit for each type and phase");

static bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.len && !memcmp(s.text, word, s.len);
}

/* ---- types */

int types_find(const struct types *t, const char *name, size_t len)
{
	for (unsigned i = 0; i < t->count; i++)
		if (span_is((struct span){ name, len }, t->name[i]))
			return (int)i;
	return -1;
}

static bool is_experiment(const struct types *t, unsigned type)
{
	return !strcmp(t->name[type], EXPERIMENT);
}

/* The types that events and payloads name: all but the experiment. */
static void add_target_types(const struct types *t, struct buf *out)
{
	for (unsigned i = 0; i < t->count; i++)
		if (!is_experiment(t, i))
			buf_addf(out, "%s%s", out->len ? ", " : "", t->name[i]);
}

/*
 * No underscore: it joins the parts of event names and of keys such as deployment_version_id, which stay
 * unambiguous so. For the same reason no type is called `request`: it would own the key request_id.
 */
static int type_name_check(struct span name, size_t column, struct err *err)
{
	if (!name.len)
		return err_set(err, EINVAL, column, "an object type is missing here");
	if (name.len > TYPE_NAME_MAX)
		return err_set(
			err, E2BIG, column, "an object type has at most %d bytes", TYPE_NAME_MAX);
	for (size_t i = 0; i < name.len; i++) {
		char c = name.text[i];
		bool letter = c >= 'a' && c <= 'z';

		if (!letter && (!i || (c != '-' && (c < '0' || c > '9'))))
			return err_set(err, EINVAL, column + i,
				"an object type is lower-case letters, digits and '-', and starts with a letter");
	}
	if (span_is(name, REQUEST))
		return err_set(err, EINVAL, column, "an object type cannot be called " REQUEST);
	return 0;
}

int types_parse(struct types *t, const char *text, size_t len, struct err *err)
{
	struct types found = { 0 };
	size_t column = 0;

	for (;;) {
		const char *end = memchr(text + column, ':', len - column);
		struct span name = { text + column,
			end ? (size_t)(end - text) - column : len - column };
		int rc = type_name_check(name, column, err);

		if (rc)
			return rc;
		if (types_find(&found, name.text, name.len) >= 0)
			return err_set(err, EINVAL, column, "this object type is given twice");
		if (found.count == TYPES_MAX)
			return err_set(err, E2BIG, column, "at most %d object types", TYPES_MAX);
		memcpy(found.name[found.count++], name.text, name.len);
		if (!end)
			break;
		column += name.len + 1;
	}
	if (types_find(&found, EXPERIMENT, strlen(EXPERIMENT)) >= 0 &&
		types_find(&found, DEPLOYMENT, strlen(DEPLOYMENT)) < 0)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			EXPERIMENT " needs the object type " DEPLOYMENT " too");
	*t = found;
	return 0;
}

/* ---- objects */

static int part_check(const char *what, struct span part, size_t column, struct err *err)
{
	size_t bad;

	if (!part.len)
		return err_set(err, EINVAL, column, "the object's %s is empty", what);
	if (part.len > OBJECT_PART_MAX)
		return err_set(err, E2BIG, column, "the object's %s has more than %d bytes", what,
			OBJECT_PART_MAX);
	bad = text_utf8_check(part.text, part.len);
	if (bad < part.len)
		return err_set(err, EINVAL, column + bad, "the object's %s is not UTF-8", what);
	for (size_t i = 0; i < part.len; i++) {
		unsigned char c = (unsigned char)part.text[i];

		if (c < ' ' || c == 0x7f)
			return err_set(err, EINVAL, column + i,
				"the object's %s has a control character", what);
		if (c == '/')
			return err_set(err, EINVAL, column + i,
				"the object's %s has a '/': TYPE/NAME/VERSION is all there is",
				what);
	}
	return 0;
}

static int type_unknown(const struct types *t, struct span type, struct err *err)
{
	struct buf list = BUF(ERR_SENTENCE_MAX);
	char quote[TEXT_QUOTE_SIZE];
	int rc;

	for (unsigned i = 0; i < t->count; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", t->name[i]);
	rc = err_set(err, EINVAL, 0,
		"\"%s\" is no object type: write TYPE/NAME or TYPE/NAME/VERSION, with TYPE one of %s",
		text_quote(type.text, type.len, quote), buf_str(&list));
	buf_release(&list);
	return rc;
}

/* The object of its three parts; `version.text` may be NULL. Columns count in the joined text. */
static int object_build(struct object *o, const struct types *t, struct span type, struct span name,
	struct span version, struct err *err)
{
	struct object made = { 0 };
	size_t column = type.len + 1;
	int index = types_find(t, type.text, type.len);
	int rc;

	if (index < 0)
		return type_unknown(t, type, err);
	rc = part_check("NAME", name, column, err);
	if (rc)
		return rc;
	if (version.text) {
		column += name.len + 1;
		if (is_experiment(t, (unsigned)index))
			return err_set(err, EINVAL, column,
				"an experiment takes no VERSION: it is itself a version of " TRAINING_DEPLOYMENT);
		rc = part_check("VERSION", version, column, err);
		if (rc)
			return rc;
	}

	made.type = (unsigned)index;
	made.name = strndup(name.text, name.len);
	made.version = version.text ? strndup(version.text, version.len) : NULL;
	if (!made.name || (version.text && !made.version)) {
		object_release(&made);
		return -ENOMEM;
	}
	*o = made;
	return 0;
}

/* The part of `text` up to the next '/', which is taken off with it; NULL where there was none. */
static struct span part_next(struct span *text)
{
	struct span part = *text;
	const char *slash = part.text ? memchr(part.text, '/', part.len) : NULL;

	if (slash) {
		part.len = (size_t)(slash - part.text);
		text->text = slash + 1;
		text->len -= part.len + 1;
	} else {
		*text = (struct span){ 0 };
	}
	return part;
}

/*
 * A pattern is any text: what fnmatch cannot take for a bracket it takes for itself. So `pattern` tells how
 * the parts will be used and changes nothing in how they are checked.
 */
int object_parse(struct object *o, const struct types *t, bool pattern, const char *text,
	size_t len, struct err *err)
{
	struct span rest = { text, len };
	struct span type = part_next(&rest);
	struct span name = part_next(&rest);

	(void)pattern;
	if (!name.text)
		return types_find(t, type.text, type.len) < 0
			? type_unknown(t, type, err)
			: err_set(err, EINVAL, len, "the object's NAME is missing: TYPE/NAME");
	return object_build(o, t, type, name, rest, err);
}

int object_make(struct object *o, const struct types *t, bool pattern, const char *type,
	const char *name, const char *version, struct err *err)
{
	(void)pattern; /* as above */
	return object_build(o, t, (struct span){ type, strlen(type) },
		(struct span){ name, strlen(name) },
		(struct span){ version, version ? strlen(version) : 0 }, err);
}

void object_release(struct object *o)
{
	free(o->name);
	free(o->version);
	*o = (struct object){ 0 };
}

int object_copy(struct object *to, const struct object *from)
{
	struct object copy = { .type = from->type };

	copy.name = from->name ? strdup(from->name) : NULL;
	copy.version = from->version ? strdup(from->version) : NULL;
	if ((from->name && !copy.name) || (from->version && !copy.version)) {
		object_release(&copy);
		return -ENOMEM;
	}
	*to = copy;
	return 0;
}

void object_show(const struct object *o, const struct types *t, struct buf *out)
{
	if (!o->name)
		return;
	buf_adds(out, t->name[o->type]);
	buf_addc(out, '/');
	buf_adds(out, o->name);
	if (o->version) {
		buf_addc(out, '/');
		buf_adds(out, o->version);
	}
}

bool object_is_pattern(const struct object *o)
{
	static const char special[] = "*?[\\"; /* a backslash quotes in patterns */

	return (o->name && strpbrk(o->name, special)) ||
		(o->version && strpbrk(o->version, special));
}

struct target object_target(const struct object *o, const struct types *t)
{
	if (!o->name || !is_experiment(t, o->type))
		return (struct target){ o->type, o->name, o->version };
	/* types_parse sees to it that there is the type deployment. */
	return (struct target){ (unsigned)types_find(t, DEPLOYMENT, strlen(DEPLOYMENT)),
		TRAINING_DEPLOYMENT, o->name };
}

/* ---- events */

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_STARTED] = "started",
	[PHASE_COMPLETED] = "completed",
	[PHASE_FAILED] = "failed",
	[PHASE_FINISHED] = "finished",
};

static int event_name_unknown(const struct types *t, struct span name, struct err *err)
{
	struct buf list = BUF(ERR_SENTENCE_MAX);
	char quote[TEXT_QUOTE_SIZE];
	int rc;

	add_target_types(t, &list);
	rc = err_set(err, EINVAL, 0,
		"\"%s\" is no event: write TYPE_" REQUEST
		"_started, _completed, _failed or _finished, with TYPE one of %s, or the last word alone",
		text_quote(name.text, name.len, quote), buf_str(&list));
	buf_release(&list);
	return rc;
}

/* Takes `word` off the end; true if it was there. */
static bool chop(struct span *s, const char *word)
{
	size_t len = strlen(word);

	if (s->len < len || memcmp(s->text + s->len - len, word, len))
		return false;
	s->len -= len;
	return true;
}

int event_name_parse(const struct types *t, const char *text, size_t len, struct err *err,
	int *type, enum phase *phase)
{
	struct span rest = { text, len };
	int found = -1;
	int p = 0;

	while (p < PHASE_COUNT && !chop(&rest, phase_names[p]))
		p++;
	if (p == PHASE_COUNT)
		return event_name_unknown(t, (struct span){ text, len }, err);
	if (rest.len && !span_is(rest, REQUEST "_")) {
		found = chop(&rest, "_" REQUEST "_") ? types_find(t, rest.text, rest.len) : -1;
		if (found < 0)
			return event_name_unknown(t, (struct span){ text, len }, err);
		if (is_experiment(t, (unsigned)found))
			return err_set(err, EINVAL, 0,
				"an experiment's events are " DEPLOYMENT "_" REQUEST
				"_%s and the like",
				phase_names[p]);
	}
	*type = found;
	*phase = (enum phase)p;
	return 0;
}

void event_name_show(const struct types *t, unsigned type, enum phase phase, struct buf *out)
{
	buf_adds(out, t->name[type]);
	buf_adds(out, "_" REQUEST "_");
	buf_adds(out, phase_names[phase]);
}

bool event_set_empty(const struct event_set *s)
{
	return !s->named && !s->floating;
}

unsigned event_set_phases(const struct event_set *s, unsigned type)
{
	unsigned named = (unsigned)(s->named >> (type * PHASE_COUNT));

	return (named | s->floating) & ((1u << PHASE_COUNT) - 1);
}

/* ---- statuses */

#define FIRES(phase) (1u << PHASE_##phase)

static const struct {
	const char *name;
	unsigned phases;
} statuses[STATUS_COUNT] = {
	[STATUS_NONE] = { "", 0 },
	[STATUS_PENDING] = { "pending", 0 },
	[STATUS_PROCESSING] = { "processing", FIRES(STARTED) },
	[STATUS_COMPLETED] = { "completed", FIRES(COMPLETED) | FIRES(FINISHED) },
	[STATUS_FAILED] = { "failed", FIRES(FAILED) | FIRES(FINISHED) },
	[STATUS_CANCELLED] = { "cancelled", FIRES(FINISHED) },
	[STATUS_CANCELLED_PENDING] = { "cancelled_pending", 0 },
};

int request_status_parse(const char *text, size_t len, struct err *err, enum request_status *out)
{
	char quote[TEXT_QUOTE_SIZE];

	for (int i = STATUS_NONE + 1; i < STATUS_COUNT; i++) {
		if (span_is((struct span){ text, len }, statuses[i].name)) {
			*out = (enum request_status)i;
			return 0;
		}
	}
	return err_set(err, EINVAL, 0,
		"\"%s\" is no status: write pending, processing, completed, failed, cancelled or "
		"cancelled_pending",
		text_quote(text, len, quote));
}

const char *request_status_name(enum request_status s)
{
	return statuses[s].name;
}

unsigned request_status_phases(enum request_status s)
{
	return statuses[s].phases;
}

enum request_status phase_status(enum phase p)
{
	static const enum request_status of[PHASE_COUNT] = {
		[PHASE_STARTED] = STATUS_PROCESSING,
		[PHASE_COMPLETED] = STATUS_COMPLETED,
		[PHASE_FAILED] = STATUS_FAILED,
		[PHASE_FINISHED] = STATUS_COMPLETED,
	};

	return of[p];
}
