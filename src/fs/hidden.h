#pragma once
/*
 * hidden: what one thread has just removed or made, while it may be about to replace a file.
 *
 * install, mv, tar and cp --remove-destination unlink a file, create it anew, exclusively and 0600,
 * write it, and give it its mode at the very end. A hook's files are always there, so for a moment
 *  - the thread that unlinked a file is told that it is gone, while everybody else sees it with its
 *    default; what it held is kept, and comes back if what the thread writes then is bad;
 *  - the thread that made a file may open up its mode (hook_chmod's `young`).
 *
 * cp -a, mv and install -D make a directory and then its files, exclusively; a new hook has all of
 * its files already. So the thread that made a hook is told of each that there is none, and makes it
 * next. Such tools look for the directory before they make it, and at it behind that, which others have
 * no reason to; and as soon as one does something else, it is none, and sees what everybody sees. tar
 * makes a hook without a look, and its files by removing what is there: this tells what it does.
 */
#include "fs/edit.h"

#include <stdbool.h>
#include <stdint.h>

#define HIDDEN_MAX    256 /* the oldest is forgotten first */
#define HIDDEN_OF_ONE 64  /* of them, those of one thread; a hook has fewer settings */
#define HIDDEN_MS     HOLD_MS
#define FRESH_MAX     16
#define WROTE_MAX     16
#define SOUGHT_MAX    16

struct hidden {
	bool any; /* of names or fresh; mostly there is nothing to look for */
	struct hidden_name {
		uint64_t dir; /* inode number; 0: this entry is free */
		char name[HEADER_NAME_MAX + 1];
		int32_t pid;
		int64_t until_ms;
		uint64_t serial;
		uint64_t ino; /* of what the thread removed, or made */
		bool made;    /* it was made again; else the name is gone */
		bool aside;   /* it was not removed, but renamed to a scratch file */
		struct before before;
	} names[HIDDEN_MAX];
	uint64_t serial;
	/* Names of hooks that were looked for, and were none. */
	struct hidden_sought {
		char name[HOOK_NAME_MAX + 1];
		int32_t pid;
		int64_t until_ms; /* 0: this entry is free */
		unsigned count;
	} sought[SOUGHT_MAX];
	unsigned next_sought;
	/* Hooks that were made just now. */
	struct hidden_fresh {
		int64_t hook_id; /* 0: this entry is free */
		int32_t pid;
		int64_t until_ms;
		bool hides;       /* its files from the thread, until that makes them */
		bool fills;       /* the thread makes its files; else it may yet turn out to */
		unsigned looks;   /* at the hook itself */
		uint64_t made[3]; /* its settings, headers and other files, by slot */
		uint64_t asked;   /* inode number of the one that the thread is about to make; 0 */
		unsigned asked_count;
	} fresh[FRESH_MAX];
	unsigned next_fresh;
	/* Protected files that were written just now. */
	struct hidden_wrote {
		uint64_t ino; /* 0: this entry is free */
		int32_t pid;
		int64_t until_ms;
	} wrote[WROTE_MAX];
	unsigned next_wrote;
};

/* The thread removed the name; takes what `before` holds. */
void hidden_add(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	struct before *before, int64_t now_ms);
/* The thread put the file aside, of which a copy was made: it is told that it is gone, too. */
void hidden_aside(struct hidden *h, uint64_t dir, const char *name, int32_t pid, uint64_t ino,
	int64_t now_ms);
/* The thread makes it anew: true if it was put aside. Then it is as if it were only opened. */
bool hidden_back(struct hidden *h, uint64_t dir, const char *name, int32_t pid, int64_t now_ms);
/* This thread writes the file or makes it: to others it is not gone any more, and the hook not new. True
 * with the thread in *other of which something was forgotten; ask again. */
bool hidden_seen(struct hidden *h, const struct node *n, int32_t pid, int32_t *other);
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
/* The directory is gone. */
void hidden_drop_dir(struct hidden *h, uint64_t dir);
/* Clears what has run out: it may hold secrets. True if there is anything left. */
bool hidden_expire(struct hidden *h, int64_t now_ms);
void hidden_release(struct hidden *h);

/* The thread looked for a hook that is not there. */
void hidden_sought(struct hidden *h, const char *name, int32_t pid, int64_t now_ms);
/* The thread made the hook: true if it may be about to fill it. */
bool hidden_fresh(struct hidden *h, int64_t hook_id, const char *name, int32_t pid, int64_t now_ms);
/* The thread looked at the hook. */
void hidden_looked(struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms);
/* The thread looks for a file: true if it must not see it yet. */
bool hidden_unmade(struct hidden *h, const struct node *n, int32_t pid, int64_t now_ms);
/* The thread makes a file or a directory that is there: true if it may. */
bool hidden_make(
	struct hidden *h, const struct node *n, int32_t pid, bool exclusive, int64_t now_ms);
/* It has made one that was not there: a header. */
void hidden_new_file(
	struct hidden *h, const struct node *n, int32_t pid, bool exclusive, int64_t now_ms);
/* The thread removes a file of the hook: if it made the hook, it is filling it. */
void hidden_empties(struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms);
/* The thread does what no tool does that fills a hook. */
void hidden_end(struct hidden *h, int32_t pid);
/* True while the thread makes the files of a hook that it made. */
bool hidden_filling(const struct hidden *h, int64_t hook_id, int32_t pid, int64_t now_ms);

/*
 * The thread wrote the file. cp -a and rsync then give it the mode of what they copied, and have failed
 * if they cannot: where that would open up a protected file they are not told that nothing came of it.
 */
void hidden_written(struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms);
bool hidden_wrote(const struct hidden *h, uint64_t ino, int32_t pid, int64_t now_ms);
/* True while files of the hook are not shown to any thread that may be filling it. */
bool hidden_fills(const struct hidden *h, int64_t hook_id);
