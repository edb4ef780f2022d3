#include "fs/hidden.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void hidden_forget(struct hidden_name *n)
{
	before_release(&n->before);
	n->dir = 0;
}

static const struct hidden_name *hidden_find(
	const struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		const struct hidden_name *n = &h->names[i];
		if (n->dir == dir && n->pid == pid && n->until_ms > now_ms &&
			!strcasecmp(n->name, name))
			return n;
	}
	return NULL;
}

/* One that is free, or the oldest: of the thread's own, if these are many, as of rm -r. */
static struct hidden_name *hidden_place(struct hidden *h, int32_t pid, int64_t now_ms)
{
	struct hidden_name *oldest = NULL, *own = NULL, *free = NULL;
	unsigned count = 0;
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		struct hidden_name *n = &h->names[i];
		if (!n->dir || n->until_ms <= now_ms) {
			free = n;
			continue;
		}
		if (!oldest || n->serial < oldest->serial)
			oldest = n;
		if (n->pid == pid && (!own || n->serial < own->serial))
			own = n;
		count += n->pid == pid;
	}
	if (count >= HIDDEN_OF_ONE)
		return own;
	return free ? free : oldest;
}

static struct hidden_name *hidden_new(
	struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	struct hidden_name *n = (struct hidden_name *)hidden_find(h, dir, name, pid, now_ms);
	if (!n) {
		n = hidden_place(h, pid, now_ms);
		hidden_forget(n);
	}
	h->any = true;
	n->dir = dir;
	n->pid = pid;
	n->until_ms = now_ms + HIDDEN_MS;
	n->serial = ++h->serial;
	n->made = n->aside = false;
	snprintf(n->name, sizeof(n->name), "%s", name);
	return n;
}

void hidden_add(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	struct before *before, int64_t now_ms)
{
	struct hidden_name *n = hidden_new(h, dir, name, pid, now_ms);
	n->ino = ino;
	before_move(&n->before, before);
}

void hidden_aside(
	struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino, int64_t now_ms)
{
	struct before none = { 0 };
	struct hidden_name *n = hidden_new(h, dir, name, pid, now_ms);
	before_move(&n->before, &none);
	n->ino = ino;
	n->aside = true;
}

bool hidden_back(struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	struct hidden_name *n = (struct hidden_name *)hidden_find(h, dir, name, pid, now_ms);
	if (!n || !n->aside)
		return false;
	hidden_forget(n);
	return true;
}

bool hidden_seen(struct hidden *h, const struct node *n, int32_t pid, int32_t *other)
{
	if (!h->any)
		return false;
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		struct hidden_name *name = &h->names[i];
		if (!name->dir || name->ino != n->ino || name->pid == pid)
			continue;
		*other = name->pid;
		hidden_forget(name);
		return true;
	}
	for (unsigned i = 0; i < FRESH_MAX; i++) {
		struct hidden_fresh *f = &h->fresh[i];
		if (!n->hook || f->hook_id != n->hook->id || f->pid == pid)
			continue;
		f->hook_id = 0;
		if (!f->fills)
			continue; /* it holds nothing for it */
		*other = f->pid;
		return true;
	}
	return false;
}

bool hidden_has(const struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	const struct hidden_name *n = hidden_find(h, dir, name, pid, now_ms);
	return n && !n->made;
}

uint64_t hidden_ino(
	const struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	const struct hidden_name *n = hidden_find(h, dir, name, pid, now_ms);
	return n && n->made ? n->ino : 0;
}

void hidden_made(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	struct before *before, int64_t now_ms)
{
	struct hidden_name *n = hidden_new(h, dir, name, pid, now_ms);
	before_move(before, &n->before);
	n->ino = ino;
	n->made = true;
}

bool hidden_young(const struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		const struct hidden_name *n = &h->names[i];
		if (n->dir && n->made && n->ino == ino && n->pid == pid && n->until_ms > now_ms)
			return true;
	}
	return false;
}

void hidden_drop_dir(struct hidden *h, uint64_t dir)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++)
		if (h->names[i].dir == dir)
			hidden_forget(&h->names[i]);
}

bool hidden_expire(struct hidden *h, int64_t now_ms)
{
	bool left = false;
	if (!h->any)
		return false;
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		if (h->names[i].dir && h->names[i].until_ms <= now_ms)
			hidden_forget(&h->names[i]);
		left |= h->names[i].dir != 0;
	}
	for (unsigned i = 0; i < FRESH_MAX; i++) {
		if (h->fresh[i].until_ms <= now_ms)
			h->fresh[i].hook_id = 0;
		left |= h->fresh[i].hook_id != 0;
	}
	h->any = left;
	return left;
}

void hidden_release(struct hidden *h)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++)
		hidden_forget(&h->names[i]);
}

/* ---- new hooks */

/* install looks twice before it makes a file. Who looks more often waits for something. */
#define ASKED_MAX 3
/* mkdir itself looks once before, and who opens a file of the hook once behind it. */
#define LOOKS_BEFORE 2
#define LOOKS_BEHIND 2

static struct hidden_sought *sought_find(
	const struct hidden *h, const char *name, int32_t pid, int64_t now_ms)
{
	for (unsigned i = 0; i < SOUGHT_MAX; i++) {
		const struct hidden_sought *s = &h->sought[i];
		if (s->pid == pid && s->until_ms > now_ms && !strcmp(s->name, name))
			return (struct hidden_sought *)s;
	}
	return NULL;
}

void hidden_sought(struct hidden *h, const char *name, int32_t pid, int64_t now_ms)
{
	struct hidden_sought *s = sought_find(h, name, pid, now_ms);
	if (!s) {
		s = &h->sought[h->next_sought];
		h->next_sought = (h->next_sought + 1) % SOUGHT_MAX;
		s->pid = pid;
		s->count = 0;
		snprintf(s->name, sizeof(s->name), "%s", name);
	}
	s->until_ms = now_ms + HIDDEN_MS;
	s->count++;
}

/* Hooks that nobody is seen to fill give way to all others, and none to them. */
static struct hidden_fresh *fresh_place(struct hidden *h, bool fills, int64_t now_ms)
{
	for (unsigned i = 0; i < FRESH_MAX; i++) {
		struct hidden_fresh *f = &h->fresh[i];
		if (!f->hook_id || f->until_ms <= now_ms || !f->fills)
			return f;
	}
	if (!fills)
		return NULL;
	h->next_fresh = (h->next_fresh + 1) % FRESH_MAX;
	return &h->fresh[h->next_fresh];
}

bool hidden_fresh(struct hidden *h, int64_t hook_id, const char *name, int32_t pid, int64_t now_ms)
{
	const struct hidden_sought *s = sought_find(h, name, pid, now_ms);
	bool copies = s && s->count >= LOOKS_BEFORE;
	struct hidden_fresh *f = fresh_place(h, copies, now_ms);
	h->any = true;
	if (f)
		*f = (struct hidden_fresh){ .hook_id = hook_id,
			.pid = pid,
			.until_ms = now_ms + HIDDEN_MS,
			.hides = copies,
			.fills = copies };
	return copies;
}

static struct hidden_fresh *fresh_find(
	const struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms)
{
	for (unsigned i = 0; i < FRESH_MAX; i++) {
		const struct hidden_fresh *f = &h->fresh[i];
		if (f->hook_id == hook_id && f->pid == pid && f->until_ms > now_ms)
			return (struct hidden_fresh *)f;
	}
	return NULL;
}

void hidden_looked(struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms)
{
	struct hidden_fresh *f = fresh_find(h, hook_id, pid, now_ms);
	if (f)
		f->looks++;
}

/* Where it is noted that the file was made; NULL: it does not come with its hook, not even with a
 * config.json that was copied before it. */
static uint64_t *fresh_bits(struct hidden_fresh *f, const struct node *n, uint64_t *bit)
{
	*bit = UINT64_C(1) << (n->ino & 63);
	switch (n->kind) {
	case NODE_SETTING:
		return &f->made[0];
	case NODE_HOOK_FILE:
		return &f->made[1];
	case NODE_HEADER:
		return &f->made[2];
	default:
		return NULL;
	}
}

/* The thread has made something. */
static void fresh_goes_on(struct hidden_fresh *f, bool exclusive, int64_t now_ms)
{
	f->asked = 0;
	f->asked_count = 0;
	f->until_ms = now_ms + HIDDEN_MS;
	if (!exclusive)
		f->hook_id = 0;
}

bool hidden_unmade(struct hidden *h, const struct node *n, int32_t pid, int64_t now_ms)
{
	struct hidden_fresh *f = n->hook ? fresh_find(h, n->hook->id, pid, now_ms) : NULL;
	uint64_t bit, *bits = f && f->hides ? fresh_bits(f, n, &bit) : NULL;
	if (!bits || *bits & bit || edit_written(n))
		return false;
	if (f->looks < LOOKS_BEHIND ||
		(f->asked && (f->asked != n->ino || f->asked_count >= ASKED_MAX))) {
		f->hook_id = 0;
		return false;
	}
	f->asked = n->ino;
	f->asked_count++;
	return true;
}

bool hidden_make(
	struct hidden *h, const struct node *n, int32_t pid, bool exclusive, int64_t now_ms)
{
	struct hidden_fresh *f = n->hook ? fresh_find(h, n->hook->id, pid, now_ms) : NULL;
	uint64_t bit, *bits = f ? fresh_bits(f, n, &bit) : NULL;
	if (!f)
		return false;
	bool may = bits && f->asked == n->ino && !edit_written(n);
	if (may)
		*bits |= bit;
	fresh_goes_on(f, exclusive, now_ms);
	return may;
}

void hidden_new_file(
	struct hidden *h, const struct node *n, int32_t pid, bool exclusive, int64_t now_ms)
{
	struct hidden_fresh *f = n->hook ? fresh_find(h, n->hook->id, pid, now_ms) : NULL;
	uint64_t bit, *bits = f ? fresh_bits(f, n, &bit) : NULL;
	if (bits)
		*bits |= bit;
	if (f)
		fresh_goes_on(f, exclusive, now_ms);
}

void hidden_empties(struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms)
{
	struct hidden_fresh *f = fresh_find(h, hook_id, pid, now_ms);
	if (f) {
		f->fills = true;
		f->until_ms = now_ms + HIDDEN_MS;
	}
}

void hidden_end(struct hidden *h, int32_t pid)
{
	for (unsigned i = 0; h->any && i < FRESH_MAX; i++)
		if (h->fresh[i].pid == pid)
			h->fresh[i].hook_id = 0;
}

bool hidden_filling(const struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms)
{
	const struct hidden_fresh *f = fresh_find(h, hook_id, pid, now_ms);
	return f && f->fills;
}

bool hidden_fills(const struct hidden *h, int64_t hook_id)
{
	for (unsigned i = 0; i < FRESH_MAX; i++)
		if (h->fresh[i].hook_id == hook_id && h->fresh[i].hides)
			return true;
	return false;
}

/* ---- writers */

void hidden_written(struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms)
{
	struct hidden_wrote *w = &h->wrote[h->next_wrote];
	h->next_wrote = (h->next_wrote + 1) % WROTE_MAX;
	*w = (struct hidden_wrote){ .ino = ino, .pid = pid, .until_ms = now_ms + HIDDEN_MS };
}

bool hidden_wrote(const struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms)
{
	for (unsigned i = 0; i < WROTE_MAX; i++) {
		const struct hidden_wrote *w = &h->wrote[i];
		if (w->ino == ino && w->pid == pid && w->until_ms > now_ms)
			return true;
	}
	return false;
}
