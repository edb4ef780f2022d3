/*
 * engine_log: the file log: opening, flushing and rotating it, and its readers.
 *
 * Its generation is part of its inode number and never comes again: the next one is saved, in the
 * commit of some turn, before the log is rotated behind that commit. Nothing waits for the log;
 * what goes wrong with it is said once.
 */
#include "engine_parts.h"

#include "fs/fs.h"
#include "store/journal.h"
#include "util/log.h"

#include <string.h>

#define GENERATION "log_generation" /* the counter's name */

int log_start(struct engine *e)
{
	e->log_saved = store_counter(e->store, GENERATION);
	return journal_open(e->options->state_dir, LOG_NAME, e->log_saved, &e->log);
}

/* ---- rotation */

void log_save(struct engine *e)
{
	uint64_t max = e->options->log_size;
	int64_t next = journal_generation(e->log);
	if (max && journal_size(e->log) >= max)
		next++;
	if (next == e->log_saved)
		return;
	e->log_saved = next;
	(void)store_counter_save(e->store, GENERATION, next); /* a failure shows in the commit */
}

void log_undo(struct engine *e)
{
	e->log_saved = -1;
}

static void say(bool *failing, const char *what, int error)
{
	if (error && !*failing)
		log_error("cannot %s " LOG_NAME ": %s; deliveries go on", what, strerror(-error));
	*failing = error;
}

/* Who waits for more of the one that was in use hears that it is over. */
static void tell(struct engine *e, int64_t generation)
{
	if (e->fs)
		fs_changed(e->fs, TOPIC_LOG, generation);
}

void log_committed(struct engine *e)
{
	int64_t generation = journal_generation(e->log);
	if (e->log_saved <= generation)
		return;
	say(&e->log_unrotated, "rotate", journal_rotate(e->log, (unsigned)e->options->log_keep));
	if (journal_generation(e->log) != generation)
		tell(e, generation);
}

/* ---- lines */

void log_flush(struct engine *e)
{
	int64_t generation = journal_generation(e->log);
	if (!journal_waits(e->log))
		return;
	int r = journal_flush(e->log); /* on an error they are kept for the next turn */
	say(&e->log_unwritten, "write", r);
	uint64_t dropped = r ? 0 : journal_dropped(e->log);
	if (dropped)
		log_warning(LOG_NAME " could not be written for long: %llu lines are lost",
			(unsigned long long)dropped);
	tell(e, generation);
}

/* ---- its readers */

int64_t log_generation(void *ctx)
{
	return journal_generation(((struct engine *)ctx)->log);
}

int log_fd(void *ctx, int64_t generation)
{
	return journal_fd(((struct engine *)ctx)->log, generation);
}

/* Whoever opens it finds what he has been told before, though the turn has not come to its end. */
int log_hold(void *ctx, int64_t generation)
{
	struct engine *e = ctx;
	log_flush(e);
	return journal_hold(e->log, generation);
}

void log_release(void *ctx, int64_t generation)
{
	journal_release(((struct engine *)ctx)->log, generation);
}
