#pragma once
/*
 * journal: a file of JSON lines that only grows: log.jsonl, rejected.jsonl.
 *
 * Lines are gathered and written with one write(2) by journal_flush. Not synced: nothing depends on
 * a journal, deliveries least of all. Units: bytes. Errors: 0 or -errno.
 */
#include <stddef.h>

struct journal;

/* Opens or makes `name` (0600) in the directory. */
int journal_open(const char *dir, const char *name, struct journal **out);
void journal_close(struct journal *j);   /* flushes */
int journal_fd(const struct journal *j); /* for reading */

/* A line without its newline. Gathered lines beyond 16 MiB (the disk has been full for long) are dropped. */
void journal_add(struct journal *j, const char *line, size_t len);
int journal_flush(struct journal *j); /* on an error the lines are kept for the next try */
int journal_sync(struct journal *j);  /* likewise, and to the disk */
