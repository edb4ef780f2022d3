#pragma once
/*
 * hidden: what one thread has just removed or made, while it may be about to replace a file.
 *
 * install, mv, tar and cp --remove-destination unlink a file, create it anew, exclusively and 0600,
 * write it, and give it its mode at the very end. A hook's files are always there, so for a moment
 *  - the thread that unlinked a file is told that it is gone, while everybody else sees it with its
 *    default; what it held is kept, and comes back if what the thread writes then is bad;
 *  - the thread that made a file may open up its mode (hook_chmod's `young`).
 */
#include "fs/edit.h"

#include <stdbool.h>
#include <stdint.h>

#define HIDDEN_MAX 64   /* the oldest is forgotten first */
#define HIDDEN_MS  2000 /* from the first call to the last; longer than any tool takes */

struct hidden {
	struct hidden_name {
		uint64_t dir; /* inode number; 0: this entry is free */
		char name[HEADER_NAME_MAX + 1];
		int32_t pid;
		int64_t until_ms;
		uint64_t ino; /* of what the thread removed, or made */
		bool made;    /* it was made again; else the name is gone */
		struct before before;
	} names[HIDDEN_MAX];
	unsigned next;
};

/* The thread removed the name; takes what `before` holds. */
void hidden_add(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	struct before *before, int64_t now_ms);
/* This thread writes the file or makes it: to others it is not gone any more. */
void hidden_seen(struct hidden *h, uint64_t ino, int32_t pid);
/* True if the thread must not see the name. */
bool hidden_has(
	const struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms);
/* The thread made the name; *before is what it held when the thread removed it, if it did. */
void hidden_made(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	struct before *before, int64_t now_ms);
/* The inode number of what the thread made under the name; 0: nothing. A delivery that was moved to
 * pending may have moved on before its mover looks. */
uint64_t hidden_ino(
	const struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms);
/* True if the thread made the file just now. */
bool hidden_young(const struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms);
/* Clears what has run out: it may hold secrets. */
void hidden_expire(struct hidden *h, int64_t now_ms);
void hidden_release(struct hidden *h);
