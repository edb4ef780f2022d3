/* match: lines of patterns, and at last objects: the index finds what looking at each hook finds. */
#include "fuzz.h"

#include "model/match.h"

#include <fnmatch.h>

#define HOOKS_MAX 24

static struct types types;

struct hook {
	bool set;
	struct object object;
	struct event_set events;
};

static struct hook hooks[HOOKS_MAX];
static struct match *match;

static unsigned naive(const struct hook *h, const struct target *t, unsigned phases)
{
	struct target p = object_target(&h->object, &types);

	if (!h->set || p.type != t->type || fnmatch(p.name, t->name, 0) ||
		(p.version && fnmatch(p.version, t->version ? t->version : "", 0)))
		return 0;
	return event_set_phases(&h->events, t->type) & phases;
}

struct looking {
	const struct target *t;
	unsigned phases;
	int64_t last;
	unsigned count;
};

static void found(void *ctx, int64_t id, unsigned phases)
{
	struct looking *l = ctx;

	CHECK(id > l->last && id <= HOOKS_MAX && phases);
	CHECK(naive(&hooks[id - 1], l->t, l->phases) == phases);
	l->last = id;
	l->count++;
}

static void find(const struct object *o, unsigned phases)
{
	struct target t = object_target(o, &types);
	struct looking l = { &t, phases, 0, 0 };
	unsigned count = 0;

	for (int i = 0; i < HOOKS_MAX; i++)
		count += naive(&hooks[i], &t, phases) != 0;
	match_find(match, &t, phases, found, &l);
	CHECK(l.count == count);
}

static void unset(unsigned i)
{
	match_unset(match, i + 1);
	object_release(&hooks[i].object);
	hooks[i] = (struct hook){ 0 };
}

static void set(unsigned i, uint8_t events, struct object *o)
{
	struct target t = object_target(o, &types);

	unset(i);
	hooks[i] = (struct hook){ true, *o, { .floating = events & 15, .named = events >> 4 } };
	*o = (struct object){ 0 };
	CHECK(match_set(match, i + 1, &t, &hooks[i].events) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);

	if (!types.count)
		CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	match = match_new();
	for (int i = 0; in.len && i < 100; i++) {
		uint8_t op = input_byte(&in), events = input_byte(&in);
		struct object o = { 0 };
		struct err err = { 0 };
		size_t len;
		char *text = input_until(&in, '\n', &len);
		bool pattern = op & 0x80;

		if (object_parse(&o, &types, pattern, text, len, &err))
			unset(op % HOOKS_MAX);
		else if (pattern)
			set(op % HOOKS_MAX, events, &o);
		else
			find(&o, events & 15);
		object_release(&o);
		free(text);
	}
	for (unsigned i = 0; i < HOOKS_MAX; i++)
		unset(i);
	match_free(match);
	return 0;
}
