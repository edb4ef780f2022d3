#pragma once
/*
 * confdir_internal: what confdir.c and confdir_watch.c share. Not for anybody else.
 */
#include "intake/confdir.h"

#include <sys/types.h>
#include <uthash.h>
#include <utlist.h>

#define CONFDIR_SUFFIX ".json"
#define OPEN_DIR       (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct dirwatch;

/* What is in a file, or why it cannot be read. Not secret: 64 bits of it say nothing. */
struct print {
	uint64_t hash;
	size_t len;
	int error;
};

/* A file that is there, as far as we know, or that is to be looked at. */
struct known {
	char *name;
	bool seen; /* it was there, and its content is: */
	struct print print;
	bool refused; /* it was no configuration */
	/* To be looked at: at once, or missing, and if it still is then. */
	bool dirty;
	int64_t missing_due_ms;    /* 0: not missing */
	struct known *prev, *next; /* in `dirty` or in `missing` */
	UT_hash_handle hh;
};

struct confdir {
	int fd;
	bool lost, told; /* the directory is gone; and somebody heard of it */
	int64_t now_ms;  /* when it was heard last */
	struct dirwatch *watch;
	struct known *known;   /* uthash by name */
	struct known *dirty;   /* utlist */
	struct known *missing; /* utlist, the longest missing first */
	struct reader *reader; /* room for one text */
};

struct known *known_find(const struct confdir *c, const char *name);
struct known *known_get(struct confdir *c, const char *name);
void known_forget(struct confdir *c, struct known *k);
void known_free(struct confdir *c);
/* It holds this now: nobody has to look. */
void known_set(struct confdir *c, struct known *k, struct print print);

/* Whether the directory is gone; a removed one is not told, as long as we have it open. */
bool confdir_lost(struct confdir *c);

struct print print_of(const char *text, size_t len);
/* Of the file under that very name; -ENOENT, another -errno is part of the print. */
int print_read(struct confdir *c, const char *entry, struct print *out);
bool print_same(const struct print *a, const struct print *b);

/* Calls `visit` for every entry until it fails. */
int confdir_visit(struct confdir *c, int (*visit)(struct confdir *c, const char *entry, void *ctx),
	void *ctx);
bool confdir_ends_with(const char *text, const char *end);
