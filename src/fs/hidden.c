#include "fs/hidden.h"

#include <stdio.h>
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

static struct hidden_name *hidden_new(
	struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms)
{
	struct hidden_name *n = (struct hidden_name *)hidden_find(h, dir, name, pid, now_ms);
	if (!n) {
		n = &h->names[h->next];
		h->next = (h->next + 1) % HIDDEN_MAX;
		hidden_forget(n);
	}
	n->dir = dir;
	n->pid = pid;
	n->until_ms = now_ms + HIDDEN_MS;
	n->made = false;
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

void hidden_seen(struct hidden *h, uint64_t ino, int32_t pid)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++) {
		struct hidden_name *n = &h->names[i];
		if (n->dir && n->ino == ino && n->pid != pid)
			hidden_forget(n);
	}
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

void hidden_expire(struct hidden *h, int64_t now_ms)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++)
		if (h->names[i].dir && h->names[i].until_ms <= now_ms)
			hidden_forget(&h->names[i]);
}

void hidden_release(struct hidden *h)
{
	for (unsigned i = 0; i < HIDDEN_MAX; i++)
		hidden_forget(&h->names[i]);
}
