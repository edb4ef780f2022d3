/*
 * What is in the directory, as far as it may be taken. Events say names; a scan at the start, and
 * where there were too many events, says the same.
 */
#include "intake/dirwatch.h"
#include "intake/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 5000
/* What waits beyond these is found by another scan: a million files are no million names here. */
#define READY_MAX 4096

/* What browsers, editors, sed and rsync call a file that is not complete. */
static const char *const ignored[] = { ".*", "*~", "*.tmp", "*.part", "*.partial", "*.filepart",
	"*.crdownload", "*.swp", "#*#", "4913", "sed??????", "rejected" };

bool spool_ignored(const char *name)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		if (fnmatch(ignored[i], name, 0) == 0)
			return true;
	return false;
}

static struct spool_name *find(const struct spool *s, const char *name)
{
	struct spool_name *n;

	HASH_FIND_STR(s->names, name, n);
	return n;
}

struct spool_name *spool_name_get(struct spool *s, const char *name)
{
	struct spool_name *n = find(s, name);

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n || !(n->name = strdup(name)))
		abort();
	n->state = SPOOL_WAITS;
	HASH_ADD_KEYPTR(hh, s->names, n->name, strlen(n->name), n);
	return n;
}

void spool_name_set(struct spool *s, struct spool_name *n, enum spool_state state, int64_t now_ms)
{
	if (state == SPOOL_RETRY && !s->retry_due_ms)
		s->retry_due_ms = now_ms + SPOOL_RETRY_MS;
	if (n->state == state)
		return;
	if (n->state == SPOOL_READY) {
		DL_DELETE(s->ready, n);
		s->ready_count--;
	} else if (state == SPOOL_READY) {
		DL_APPEND(s->ready, n);
		s->ready_count++;
	}
	n->state = state;
}

void spool_name_forget(struct spool *s, struct spool_name *n)
{
	spool_name_set(s, n, SPOOL_WAITS, 0);
	HASH_DEL(s->names, n);
	free(n->name);
	free(n);
}

void spool_names_free(struct spool *s)
{
	struct spool_name *n, *next;

	HASH_ITER(hh, s->names, n, next)
	{
		spool_name_forget(s, n);
	}
}

static void ready(struct spool *s, const char *name)
{
	if (s->ready_count < READY_MAX)
		spool_name_set(s, spool_name_get(s, name), SPOOL_READY, 0);
	else
		s->rescan = true;
}

/* A plain file that was just made is still being written; links and pipes never are. One that cannot be looked at
 * may be anything, and is looked at again. */
static bool made_whole(const struct spool *s, const char *name)
{
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

static void heard(void *ctx, enum dirwatch_event event, const char *name)
{
	struct spool *s = ctx;
	struct spool_name *known;

	if (event == DIRWATCH_LOST)
		s->lost = true;
	else if (event == DIRWATCH_MISSED)
		s->rescan = true;
	if (!name || spool_ignored(name))
		return;
	known = find(s, name);
	/* Claiming it and putting it back made two events. */
	if (known && known->put_back && (event == DIRWATCH_WHOLE || event == DIRWATCH_GONE)) {
		known->put_back = event == DIRWATCH_GONE;
		return;
	}
	if (event == DIRWATCH_GONE && known)
		spool_name_forget(s, known);
	if (event == DIRWATCH_WHOLE || (event == DIRWATCH_MADE && made_whole(s, name)) ||
		(event == DIRWATCH_CHANGED && known)) /* perhaps it can be read now */
		ready(s, name);
}

bool spool_hear(struct spool *s)
{
	(void)dirwatch_read(s->watch, heard, s); /* what is left is readable in the next turn */
	if (!s->lost)
		s->lost = dirwatch_removed(s->dir);
	if (!s->lost || s->told)
		return false;
	s->told = true;
	return true;
}

/* Lists through a descriptor of its own: a position is shared by all that use one. */
static void scan(struct spool *s)
{
	int fd = openat(s->dir, ".", SPOOL_OPEN_DIR);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	s->rescan = false;
	if (!dir && fd >= 0)
		(void)close(fd); /* only read from */
	while (dir && !s->rescan && (entry = readdir(dir)))
		if (!spool_ignored(entry->d_name) && entry->d_type != DT_DIR &&
			!find(s, entry->d_name))
			ready(s, entry->d_name);
	if (dir)
		(void)closedir(dir); /* only read from */
}

void spool_names_refresh(struct spool *s, int64_t now_ms)
{
	struct spool_name *n, *next;

	if (s->retry_due_ms && now_ms >= s->retry_due_ms) {
		s->retry_due_ms = 0;
		HASH_ITER(hh, s->names, n, next)
		{
			if (n->state == SPOOL_RETRY)
				spool_name_set(s, n, SPOOL_READY, now_ms);
		}
	}
	if (s->rescan && !s->ready)
		scan(s);
}

int64_t spool_due(const struct spool *s)
{
	if (s->lost)
		return -1;
	if (s->ready || s->rescan)
		return 0;
	return s->retry_due_ms ? s->retry_due_ms : -1;
}
