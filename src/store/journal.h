#pragma once
/*
 * journal: a file of JSON lines that only grows: log.jsonl, rejected.jsonl.
 *
 * Lines are gathered and written with one write(2) by journal_flush. Nothing depends on a journal,
 * deliveries least of all: on an error the lines are kept for the next try.
 *
 * A journal may be rotated: its file becomes NAME.1, those behind it move on, and a new one begins.
 * The files are told apart by a generation, which only grows. Whoever reads one holds it and can
 * read it to its end, whatever has become of its name. A file that somebody has moved away or
 * removed is begun anew, too.
 *
 * Units: bytes. Errors: 0 or -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* Opens or makes `name` (0600) in the directory; its file has this generation. Half a line at its end, which
 * a crash has left, goes. */
int journal_open(const char *dir, const char *name, int64_t generation, struct journal **out);
void journal_close(struct journal *j); /* flushes; whoever holds a file has let it go before */

/* A line without its newline. It is dropped where 16 MiB are gathered (-ENOSPC: the disk has been full
 * for long), or for lack of memory (-ENOMEM). */
int journal_add(struct journal *j, const char *line, size_t len);
int journal_flush(struct journal *j);
int journal_sync(struct journal *j);         /* likewise, and to the disk */
bool journal_waits(const struct journal *j); /* there are lines to write */
/* How many lines were dropped since it was last asked. */
uint64_t journal_dropped(struct journal *j);

/* Flushes, then begins a new file and keeps so many of the old ones. On an error all lines are where
 * they were, or in NAME.1, and the old file goes on. A crash in between leaves each file whole, under
 * its old name or its new one. */
int journal_rotate(struct journal *j, unsigned keep);
uint64_t journal_size(const struct journal *j); /* of the file in use */
int64_t journal_generation(const struct journal *j);

/* For reading: the one in use, and those that are held; -ESTALE: it is gone. */
int journal_fd(const struct journal *j, int64_t generation);
int journal_hold(struct journal *j, int64_t generation); /* its fd */
void journal_release(struct journal *j, int64_t generation);
