#pragma once
/*
 * spool: a directory into which others drop files, each to be taken once.
 *
 * A file is complete when its writer closes it or renames it to its name, or, where that was missed,
 * when nobody has it open for writing. Then it is claimed: renamed to DIR/.taking/SERIAL-NAME, where
 * nobody else gets at it. Serials only grow and files are taken in their order, so one number says
 * what was taken: the caller keeps it in the same commit as what the file said, and removes the file
 * behind that. A crash in between is put right by spool_open, which is told the number.
 *
 * A file that is refused goes to DIR/rejected/NAME, with the reason beside it as NAME.reason.
 * Names of what is not complete are passed over (spool_ignored), and so are directories.
 *
 * Knows files, not events. One daemon a directory (-EBUSY). Nothing is followed, and nothing but
 * regular files is opened.
 *
 * Units: times are due_ms. Errors: 0 or -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct spool;

/* A claimed file. */
struct spool_file {
	char *name; /* as it was dropped, or its first 200 bytes */
	int64_t serial;
	int64_t taken; /* bytes of it that were taken and committed; this and the next are the caller's */
	int64_t ended;    /* where its end was when it was taken */
	int64_t again_ms; /* it could not be removed: not before */
	uint32_t uid, gid;
	int fd;
	struct spool_file *prev, *next;
};

/* (serial, taken) is what was committed last: all files before that one, and so many bytes of it. */
int spool_open(const char *dir, int64_t serial, int64_t taken, struct err *err, struct spool **out);
void spool_close(
	struct spool *s); /* files in hand go back, or are in hand again at the next start */

int spool_fd(const struct spool *s); /* readable when something has happened */
/* Hears of it, without waiting. True once, when the directory itself has gone. */
bool spool_hear(struct spool *s);
/* When spool_claim has something to do: 0 at once, -1 not before it hears of something. */
int64_t spool_due(const struct spool *s);

/* A file is left where it is, since it cannot be read or moved: told once, and tried again later. With
 * error 0: it was no regular file, and has been rejected. */
typedef void spool_left_fn(void *ctx, const char *name, uint32_t uid, int error);
/* Claims files until `limit` are in hand, or rejects what is no file. */
void spool_claim(struct spool *s, int64_t now_ms, unsigned limit, spool_left_fn *left, void *ctx);
/* Those in hand, in the order in which they are to be taken; NULL: none. */
struct spool_file *spool_first(const struct spool *s);
ssize_t spool_read(const struct spool_file *f, int64_t offset, char *data, size_t size);
/* The claims are on disk: before a commit speaks of them. */
int spool_sync(struct spool *s);

/* These end with the file being in hand no more. All of it was taken, up to f->ended; should
 * somebody have opened it in the last moment and appended to it, the rest is dropped again as a file of its own.
 * One that cannot be removed is so some seconds later, or at the next start. */
void spool_done(struct spool *s, struct spool_file *f);
/* On failure the file is back under its name, and tried again some seconds later. */
int spool_reject(struct spool *s, struct spool_file *f, const char *reason, int64_t now_ms);

bool spool_ignored(const char *name);
