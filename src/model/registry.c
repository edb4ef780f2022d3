#include "model/registry.h"

#include "model/hook.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) abort() /* as for all small allocations */
#include <uthash.h>

struct slot {
	struct hook *hook;
	UT_hash_handle by_id; /* keys are the hook's own id and name */
	UT_hash_handle by_name;
};

struct registry {
	struct slot *ids;
	struct slot *names;
	struct hook **order; /* by id */
	size_t count, cap;
};

struct registry *registry_new(void)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	return r;
}

void registry_free(struct registry *r)
{
	struct slot *s, *next;

	if (!r)
		return;
	HASH_CLEAR(by_name, r->names);
	HASH_ITER(by_id, r->ids, s, next)
	{
		HASH_DELETE(by_id, r->ids, s);
		hook_free(s->hook);
		free(s);
	}
	free(r->order);
	free(r);
}

/* ---- looking up */

static struct slot *slot_by_id(const struct registry *r, int64_t id)
{
	struct slot *s;

	HASH_FIND(by_id, r->ids, &id, sizeof(id), s);
	return s;
}

static struct slot *slot_by_name(const struct registry *r, const char *name)
{
	struct slot *s;

	HASH_FIND(by_name, r->names, name, strlen(name), s);
	return s;
}

/* How many hooks have an id of at most `id`. */
static size_t count_up_to(const struct registry *r, int64_t id)
{
	size_t low = 0, high = r->count;

	if (high && r->order[high - 1]->id <= id)
		return high; /* new hooks have the highest id */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->order[middle]->id <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t registry_count(const struct registry *r)
{
	return r->count;
}

struct hook *registry_by_id(const struct registry *r, int64_t id)
{
	struct slot *s = slot_by_id(r, id);

	return s ? s->hook : NULL;
}

struct hook *registry_by_name(const struct registry *r, const char *name)
{
	struct slot *s = slot_by_name(r, name);

	return s ? s->hook : NULL;
}

struct hook *registry_next(const struct registry *r, int64_t id)
{
	size_t at = count_up_to(r, id);

	return at < r->count ? r->order[at] : NULL;
}

/* ---- changing */

/* The hashes point at the id and name in the hook, so both are entered anew with it. */
static void slot_enter(struct registry *r, struct slot *s, struct hook *h)
{
	assert(!slot_by_id(r, h->id) && !slot_by_name(r, h->name));
	s->hook = h;
	HASH_ADD_KEYPTR(by_id, r->ids, &h->id, sizeof(h->id), s);
	HASH_ADD_KEYPTR(by_name, r->names, h->name, strlen(h->name), s);
}

static void slot_leave(struct registry *r, struct slot *s)
{
	HASH_DELETE(by_id, r->ids, s);
	HASH_DELETE(by_name, r->names, s);
	hook_free(s->hook);
}

static void order_reserve(struct registry *r)
{
	if (r->count < r->cap)
		return;
	r->cap = r->cap ? 2 * r->cap : 64;
	r->order = reallocarray(r->order, r->cap, sizeof(struct hook *));
	if (!r->order)
		abort();
}

void registry_add(struct registry *r, struct hook *h)
{
	struct slot *s = calloc(1, sizeof(*s));
	size_t at = count_up_to(r, h->id);

	if (!s)
		abort();
	slot_enter(r, s, h);
	order_reserve(r);
	memmove(&r->order[at + 1], &r->order[at], (r->count - at) * sizeof(struct hook *));
	r->order[at] = h;
	r->count++;
}

void registry_replace(struct registry *r, struct hook *h)
{
	struct slot *s = slot_by_id(r, h->id);
	size_t at = count_up_to(r, h->id);

	assert(s);
	if (s->hook == h)
		return;
	r->order[at - 1] = h;
	slot_leave(r, s);
	slot_enter(r, s, h);
}

void registry_remove(struct registry *r, int64_t id)
{
	struct slot *s = slot_by_id(r, id);
	size_t at;

	if (!s)
		return;
	at = count_up_to(r, id);
	memmove(&r->order[at - 1], &r->order[at], (r->count - at) * sizeof(struct hook *));
	r->count--;
	slot_leave(r, s);
	free(s);
}
