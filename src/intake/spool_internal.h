#pragma once
/*
 * spool_internal: what spool.c, spool_names.c and spool_reject.c share. Not for anybody else.
 */
#include "intake/spool.h"

#include <uthash.h>
#include <utlist.h>

#define SPOOL_OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Bytes of a name that go into other names; together with what is put to them they fit. */
#define SPOOL_NAME_MAX 200
#define SPOOL_RETRY_MS 5000

struct dirwatch;

/* A name in the directory. */
enum spool_state {
	SPOOL_READY,
	SPOOL_WAITS, /* for an event */
	SPOOL_RETRY, /* for that, or retry_due_ms */
};
struct spool_name {
	char *name;
	enum spool_state state;
	bool told;                      /* that it cannot be taken */
	bool put_back;                  /* by us, which is an event to come that says nothing */
	struct spool_name *prev, *next; /* in `ready` */
	UT_hash_handle hh;
};

struct spool {
	int dir, taking, rejected; /* descriptors */
	struct dirwatch *watch;
	bool lost, told;
	struct spool_name *names; /* uthash by name */
	struct spool_name *ready; /* utlist */
	unsigned ready_count;
	bool rescan;          /* there are names that are not known */
	int64_t now_ms;       /* of the last call */
	int64_t retry_due_ms; /* 0: no name is SPOOL_RETRY, and none of `done` is left */
	struct spool_file *files;
	unsigned file_count;
	struct spool_file *done; /* taken, but a writer has them open, or they cannot be removed */
	int64_t serial;          /* the last one given */
	bool unsynced;
};

/* ---- spool_names.c */

struct spool_name *spool_name_get(struct spool *s, const char *name);
void spool_name_set(struct spool *s, struct spool_name *n, enum spool_state state, int64_t now_ms);
void spool_name_forget(struct spool *s, struct spool_name *n);
void spool_names_free(struct spool *s);
/* Makes the names known that are not, and those ready whose time has come. */
void spool_names_refresh(struct spool *s, int64_t now_ms);

/* ---- spool_reject.c */

/* Moves `entry` of the directory `from` to rejected/NAME, with its reason. */
int spool_reject_entry(struct spool *s, int from, const char *entry, const char *name,
	const char *reason, uint32_t uid, uint32_t gid);
