/*
 * Every hook lies in one bucket, and an event knows the keys of all buckets that may concern it.
 *
 * A pattern without wildcards is its own key: the name, or "name\0version". One with wildcards
 * lies under what stands before the first of them, cut out of "name\0version" too; since an event's
 * text starts with that prefix if the pattern matches, one lookup for each length that any pattern
 * of the type has finds all candidates, and fnmatch decides. Buckets are kept in the order of ids,
 * so hits need sorting only when more than one bucket had some.
 */
#include "model/match.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define WILDCARDS "*?[\\"

#define TEXT_MAX (2 * OBJECT_PART_MAX + 1) /* "name\0version" */

enum kind { KIND_NAME, KIND_VERSION, KIND_PREFIX };

struct key {
	uint8_t kind, type;
	char text[TEXT_MAX];
	size_t len; /* bytes that count, from the start of the struct */
};
#define KEY_HEAD offsetof(struct key, text)

struct entry {
	int64_t hook_id;
	unsigned phases;
	char *name, *version; /* of patterns with wildcards; else the bucket's key says it all */
	struct bucket *bucket;
	UT_hash_handle hh;
};

struct bucket {
	struct entry **entries; /* in the order of ids; never empty between calls */
	size_t count, cap;
	UT_hash_handle hh;
	size_t key_len;
	uint8_t key[]; /* as in struct key */
};

struct hit {
	int64_t hook_id;
	unsigned phases;
};

/* Always with room for every entry, so that finding cannot fail. */
struct hits {
	size_t count, cap;
	struct hit hit[];
};

struct match {
	struct entry *entries;
	struct bucket *buckets;
	unsigned prefixes[TYPES_MAX][TEXT_MAX + 1]; /* KIND_PREFIX buckets of each length */
	struct hits *hits;
};

/* ---- keys */

static void key_add(struct key *k, const char *text, size_t len)
{
	assert(k->len + len <= KEY_HEAD + TEXT_MAX);
	memcpy((char *)k + k->len, text, len);
	k->len += len;
}

static struct key key_start(enum kind kind, unsigned type, const char *name, size_t name_len)
{
	struct key k = { .kind = (uint8_t)kind, .type = (uint8_t)type, .len = KEY_HEAD };

	key_add(&k, name, name_len);
	return k;
}

static void key_add_version(struct key *k, const char *version, size_t len)
{
	key_add(k, "", 1);
	key_add(k, version, len);
}

/* Under which key the pattern lies. */
static struct key pattern_key(const struct target *p)
{
	size_t name_len = strcspn(p->name, WILDCARDS);
	size_t version_len = p->version ? strcspn(p->version, WILDCARDS) : 0;
	bool wild_name = p->name[name_len] != '\0';
	bool wild_version = p->version && p->version[version_len];
	enum kind kind = wild_name || wild_version ? KIND_PREFIX
		: p->version                       ? KIND_VERSION
						   : KIND_NAME;
	struct key k = key_start(kind, p->type, p->name, name_len);

	if (!wild_name && p->version)
		key_add_version(&k, p->version, version_len);
	return k;
}

/* ---- buckets */

static struct bucket *bucket_find(const struct match *m, const struct key *k)
{
	struct bucket *b;

	HASH_FIND(hh, m->buckets, k, k->len, b);
	return b;
}

static unsigned *prefix_count(struct match *m, const struct bucket *b)
{
	return b->key[0] == KIND_PREFIX ? &m->prefixes[b->key[1]][b->key_len - KEY_HEAD] : NULL;
}

static struct bucket *bucket_new(struct match *m, const struct key *k)
{
	struct bucket *b = calloc(1, sizeof(*b) + k->len);

	if (!b)
		return NULL;
	b->key_len = k->len;
	memcpy(b->key, k, k->len);
	HASH_ADD_KEYPTR(hh, m->buckets, b->key, b->key_len, b);
	if (!b->hh.tbl) {
		free(b);
		return NULL;
	}
	if (prefix_count(m, b))
		++*prefix_count(m, b);
	return b;
}

static void bucket_drop_if_empty(struct match *m, struct bucket *b)
{
	if (b->count)
		return;
	if (prefix_count(m, b))
		--*prefix_count(m, b);
	HASH_DEL(m->buckets, b);
	free(b->entries);
	free(b);
}

/* The position of the first entry that is not below the id. */
static size_t bucket_position(const struct bucket *b, int64_t hook_id)
{
	size_t low = 0, high = b->count;

	if (high && b->entries[high - 1]->hook_id < hook_id)
		return high; /* new hooks have the highest id */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->entries[middle]->hook_id < hook_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool bucket_reserve(struct bucket *b)
{
	size_t cap = b->cap ? 2 * b->cap : 1;
	struct entry **grown;

	if (b->count < b->cap)
		return true;
	grown = reallocarray(b->entries, cap, sizeof(struct entry *));
	if (!grown)
		return false;
	b->entries = grown;
	b->cap = cap;
	return true;
}

static void bucket_insert(struct bucket *b, struct entry *e)
{
	size_t at = bucket_position(b, e->hook_id);

	memmove(&b->entries[at + 1], &b->entries[at], (b->count - at) * sizeof(struct entry *));
	b->entries[at] = e;
	b->count++;
}

static void bucket_remove(struct bucket *b, const struct entry *e)
{
	size_t at = bucket_position(b, e->hook_id);

	while (b->entries[at] != e)
		at++; /* a replaced entry stands beside its successor for a moment */
	b->count--;
	memmove(&b->entries[at], &b->entries[at + 1], (b->count - at) * sizeof(struct entry *));
}

/* ---- entries */

static void entry_free(struct entry *e)
{
	if (!e)
		return;
	free(e->name);
	free(e->version);
	free(e);
}

static struct entry *entry_new(int64_t hook_id, const struct target *p, unsigned phases, bool wild)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->hook_id = hook_id;
	e->phases = phases;
	if (wild) {
		e->name = strdup(p->name);
		e->version = p->version ? strdup(p->version) : NULL;
		if (!e->name || (p->version && !e->version)) {
			entry_free(e);
			return NULL;
		}
	}
	return e;
}

static struct entry *entry_find(const struct match *m, int64_t hook_id)
{
	struct entry *e;

	HASH_FIND(hh, m->entries, &hook_id, sizeof(hook_id), e);
	return e;
}

static void entry_remove(struct match *m, struct entry *e)
{
	HASH_DEL(m->entries, e);
	bucket_remove(e->bucket, e);
	bucket_drop_if_empty(m, e->bucket);
	entry_free(e);
}

static bool text_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool entry_is(const struct entry *e, const struct bucket *b, const struct target *p)
{
	return e->bucket == b &&
		(!e->name || (text_same(e->name, p->name) && text_same(e->version, p->version)));
}

/* What the bucket's key does not say. */
static bool entry_matches(const struct entry *e, const struct target *t)
{
	return !e->name ||
		(!fnmatch(e->name, t->name, 0) &&
			(!e->version || !fnmatch(e->version, t->version ? t->version : "", 0)));
}

/* ---- life cycle */

static bool hits_reserve(struct match *m, size_t count)
{
	size_t cap = m->hits ? m->hits->cap : 0;
	struct hits *grown;

	if (m->hits && count <= cap)
		return true;
	cap = count > 2 * cap ? count : 2 * cap;
	grown = realloc(m->hits, sizeof(*grown) + cap * sizeof(struct hit));
	if (!grown)
		return false;
	grown->cap = cap;
	m->hits = grown;
	return true;
}

struct match *match_new(void)
{
	struct match *m = calloc(1, sizeof(*m));

	if (!m || !hits_reserve(m, 64))
		abort();
	return m;
}

void match_free(struct match *m)
{
	struct entry *e, *next;

	if (!m)
		return;
	HASH_ITER(hh, m->entries, e, next)
	entry_remove(m, e);
	free(m->hits);
	free(m);
}

int match_set(struct match *m, int64_t hook_id, const struct target *pattern,
	const struct event_set *events)
{
	unsigned phases = event_set_phases(events, pattern->type);
	struct entry *old = entry_find(m, hook_id);
	struct key k = pattern_key(pattern);
	struct bucket *b = bucket_find(m, &k);
	struct entry *e;

	if (old && b && entry_is(old, b, pattern)) {
		old->phases = phases;
		return 0;
	}
	e = entry_new(hook_id, pattern, phases, k.kind == KIND_PREFIX);
	if (!b)
		b = bucket_new(m, &k);
	if (!e || !b || !bucket_reserve(b) || !hits_reserve(m, HASH_COUNT(m->entries) + 1))
		goto no_memory;
	HASH_ADD(hh, m->entries, hook_id, sizeof(hook_id), e);
	if (!e->hh.tbl)
		goto no_memory;
	e->bucket = b;
	bucket_insert(b, e);
	if (old)
		entry_remove(m, old);
	return 0;
no_memory:
	if (b)
		bucket_drop_if_empty(m, b);
	entry_free(e);
	return -ENOMEM;
}

void match_unset(struct match *m, int64_t hook_id)
{
	struct entry *e = entry_find(m, hook_id);

	if (e)
		entry_remove(m, e);
}

/* ---- finding */

/* Adds the bucket's hits; true if there were any. */
static bool collect(
	const struct match *m, const struct key *k, const struct target *t, unsigned phases)
{
	const struct bucket *b = bucket_find(m, k);
	struct hits *hits = m->hits;
	size_t before = hits->count;

	for (size_t i = 0; b && i < b->count; i++) {
		const struct entry *e = b->entries[i];

		if ((e->phases & phases) && entry_matches(e, t))
			hits->hit[hits->count++] = (struct hit){ e->hook_id, e->phases & phases };
	}
	return hits->count > before;
}

static int hit_compare(const void *a, const void *b)
{
	const struct hit *left = a, *right = b;

	return (left->hook_id > right->hook_id) - (left->hook_id < right->hook_id);
}

void match_find(const struct match *m, const struct target *t, unsigned phases,
	match_found_fn *found, void *ctx)
{
	const char *version = t->version ? t->version : "";
	struct key k = key_start(KIND_NAME, t->type, t->name, strlen(t->name));
	struct hits *hits = m->hits;
	unsigned sources;
	size_t end;

	hits->count = 0;
	sources = collect(m, &k, t, phases);
	key_add_version(&k, version, strlen(version));
	k.kind = KIND_VERSION;
	sources += collect(m, &k, t, phases);
	k.kind = KIND_PREFIX;
	end = k.len;
	for (k.len = KEY_HEAD; k.len <= end; k.len++)
		if (m->prefixes[t->type][k.len - KEY_HEAD])
			sources += collect(m, &k, t, phases);
	if (sources > 1)
		qsort(hits->hit, hits->count, sizeof(struct hit), hit_compare);
	for (size_t i = 0; i < hits->count; i++)
		found(ctx, hits->hit[i].hook_id, hits->hit[i].phases);
}
