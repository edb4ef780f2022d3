/*
 * What others do to the files. An event only says which name to look at; what is there then is compared
 * with what is known, so that one look may stand for many events, a lost event costs a look at all
 * files and nothing else, and our own changes need no telling apart from others': they are known.
 */
#include "intake/confdir_internal.h"
#include "intake/dirwatch.h"
#include "model/hook.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a file is missing before it counts as removed: git, vim and others remove one and make it
 * anew, which takes them some milliseconds. */
#define MISSING_MS 1000

struct reader {
	struct stat st;
	size_t len;
	char text[HOOK_JSON_MAX + 1]; /* one more than may be used, to see that a file is longer */
};

/* ---- what is known */

struct known *known_find(const struct confdir *c, const char *name)
{
	struct known *k;

	HASH_FIND_STR(c->known, name, k);
	return k;
}

struct known *known_get(struct confdir *c, const char *name)
{
	struct known *k = known_find(c, name);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || !(k->name = strdup(name)))
		abort();
	HASH_ADD_KEYPTR(hh, c->known, k->name, strlen(k->name), k);
	return k;
}

/* It need not be looked at. */
static void unlist(struct confdir *c, struct known *k)
{
	if (k->dirty)
		DL_DELETE(c->dirty, k);
	else if (k->missing_due_ms)
		DL_DELETE(c->missing, k);
	k->dirty = false;
	k->missing_due_ms = 0;
}

static void list_dirty(struct confdir *c, struct known *k)
{
	if (k->dirty)
		return;
	unlist(c, k);
	k->dirty = true;
	DL_APPEND(c->dirty, k);
}

static void list_missing(struct confdir *c, struct known *k, int64_t now_ms)
{
	unlist(c, k);
	k->missing_due_ms = now_ms + MISSING_MS;
	DL_APPEND(c->missing, k);
}

void known_forget(struct confdir *c, struct known *k)
{
	unlist(c, k);
	HASH_DEL(c->known, k);
	free(k->name);
	free(k);
}

void known_free(struct confdir *c)
{
	struct known *k, *next;

	HASH_ITER(hh, c->known, k, next)
	{
		known_forget(c, k);
	}
	free(c->reader);
}

/* An event that is still to come finds nothing new. */
void known_set(struct confdir *c, struct known *k, struct print print)
{
	if (k->missing_due_ms)
		unlist(c, k);
	k->seen = true;
	k->print = print;
	k->refused = false;
}

/* ---- reading */

/* FNV-1a: whoever may write here may do worse than to find two texts that it takes for one. */
struct print print_of(const char *text, size_t len)
{
	struct print p = { .hash = UINT64_C(0xcbf29ce484222325), .len = len };

	for (size_t i = 0; i < len; i++)
		p.hash = (p.hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return p;
}

bool print_same(const struct print *a, const struct print *b)
{
	return a->error == b->error && a->len == b->len && a->hash == b->hash;
}

/* The file's text goes to c->reader. */
static int read_entry(struct confdir *c, const char *entry)
{
	struct reader *r = c->reader;
	ssize_t len = file_read(c->fd, entry, r->text, sizeof(r->text), &r->st);

	r->len = len > 0 ? (size_t)len : 0;
	if (len == (ssize_t)sizeof(r->text))
		return -E2BIG;
	if (len == -EIO) /* in the midst of it */
		explicit_bzero(r->text, sizeof(r->text));
	if (len < 0)
		return (int)len;
	r->text[len] = '\0';
	return 0;
}

static int reader_ready(struct confdir *c)
{
	if (!c->reader)
		c->reader = calloc(1, sizeof(*c->reader));
	return c->reader ? 0 : -ENOMEM;
}

static void reader_wipe(struct confdir *c)
{
	explicit_bzero(c->reader->text, c->reader->len);
	c->reader->len = 0;
}

static struct print print_now(const struct confdir *c, int error)
{
	if (error)
		return (struct print){ .error = -error };
	return print_of(c->reader->text, c->reader->len);
}

int print_read(struct confdir *c, const char *entry, struct print *out)
{
	int error = reader_ready(c);

	if (error)
		return error;
	error = read_entry(c, entry);
	if (error == -ENOENT)
		return error;
	*out = print_now(c, error);
	reader_wipe(c);
	return 0;
}

/* ---- looking */

static const char *entry_of(const struct known *k, char out[NAME_MAX + 1])
{
	(void)snprintf(out, NAME_MAX + 1, "%s" CONFDIR_SUFFIX, k->name);
	return out;
}

bool confdir_lost(struct confdir *c)
{
	if (!c->lost)
		c->lost = dirwatch_removed(c->fd);
	return c->lost;
}

static void look_answered(
	struct confdir *c, struct known *k, struct print print, enum confdir_answer answer)
{
	if (answer == CONFDIR_LATER) {
		list_dirty(c, k);
	} else if (print.error == ENOENT) {
		known_forget(c, k);
	} else {
		k->seen = true;
		k->print = print;
		k->refused = answer == CONFDIR_REFUSED;
	}
}

/* A removed file waits in `missing` first; `late`: it has waited. */
static void look(struct confdir *c, struct known *k, bool late, int64_t now_ms,
	confdir_found_fn *found, void *ctx)
{
	char entry[NAME_MAX + 1];
	int error = read_entry(c, entry_of(k, entry));
	struct print print = print_now(c, error);
	struct confdir_file f = { .name = k->name, .error = -error };

	unlist(c, k);
	if (error == -ENOENT && !k->seen) {
		known_forget(c, k);
		return;
	}
	if (error == -ENOENT && !late) {
		list_missing(c, k, now_ms);
		return;
	}
	if (!error) {
		f.text = c->reader->text;
		f.len = c->reader->len;
		f.mtime_ms = c->reader->st.st_mtim.tv_sec * INT64_C(1000) +
			c->reader->st.st_mtim.tv_nsec / 1000000;
	}
	if (!k->seen || !print_same(&print, &k->print))
		look_answered(c, k, print, found(ctx, &f));
	reader_wipe(c);
}

/* What was missing long enough has come back, or is removed. */
static bool look_missing(struct confdir *c, int64_t now_ms, confdir_found_fn *found, void *ctx)
{
	struct known *k = c->missing;
	char entry[NAME_MAX + 1];

	if (!k || k->missing_due_ms > now_ms)
		return false;
	if (faccessat(c->fd, entry_of(k, entry), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		list_dirty(c, k);
	else
		look(c, k, true, now_ms, found, ctx);
	return true;
}

void confdir_find(
	struct confdir *c, int64_t now_ms, unsigned limit, confdir_found_fn *found, void *ctx)
{
	struct known *last = c->dirty ? c->dirty->prev : NULL;
	bool end = !last;

	/* After rm -r of the whole directory no hook is removed. */
	if (confdir_lost(c) || reader_ready(c))
		return;
	/* Up to the last that is listed now: what is put off is for the next call. */
	for (; limit > 0 && !end; limit--) {
		end = c->dirty == last;
		look(c, c->dirty, false, now_ms, found, ctx);
	}
	while (limit > 0 && look_missing(c, now_ms, found, ctx))
		limit--;
}

void confdir_find_one(
	struct confdir *c, const char *name, int64_t now_ms, confdir_found_fn *found, void *ctx)
{
	struct known *k = known_find(c, name);

	if (k && k->dirty && !c->lost && !reader_ready(c))
		look(c, k, false, now_ms, found, ctx);
}

void confdir_again(struct confdir *c, const char *name)
{
	struct known *k = known_get(c, name);

	/* Nothing is like this, so it is found whatever it is; a removed file is known again. */
	k->seen = true;
	k->print = (struct print){ .error = -1 };
	list_dirty(c, k);
}

int64_t confdir_due(const struct confdir *c)
{
	if (c->lost)
		return -1;
	if (c->dirty)
		return 0;
	return c->missing ? c->missing->missing_due_ms : -1;
}

/* ---- hearing */

/* "NAME" of "NAME.json"; false: it is none of ours. */
static bool name_of(const char *entry, char name[NAME_MAX + 1])
{
	if (*entry == '.' || !confdir_ends_with(entry, CONFDIR_SUFFIX))
		return false;
	(void)snprintf(
		name, NAME_MAX + 1, "%.*s", (int)(strlen(entry) - strlen(CONFDIR_SUFFIX)), entry);
	return true;
}

static int list_entry(struct confdir *c, const char *entry, void *ctx)
{
	char name[NAME_MAX + 1];

	(void)ctx;
	if (name_of(entry, name))
		list_dirty(c, known_get(c, name));
	return 0;
}

static int list_all(struct confdir *c)
{
	for (struct known *k = c->known; k; k = k->hh.next)
		list_dirty(c, k);
	return confdir_visit(c, list_entry, NULL);
}

/* A plain file that was just made is still being written; links and directories never are. */
static bool made_whole(struct confdir *c, const char *entry)
{
	struct stat st;

	if (fstatat(c->fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT; /* whoever reads it is told what is wrong */
	return !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

static void heard(void *ctx, enum dirwatch_event event, const char *entry)
{
	struct confdir *c = ctx;
	char name[NAME_MAX + 1];
	struct known *k;

	if (event == DIRWATCH_LOST)
		c->lost = true;
	else if (event == DIRWATCH_MISSED)
		(void)list_all(c); /* what cannot be listed now is found by the next start */
	if (!entry || !name_of(entry, name))
		return;
	k = known_find(c, name);
	/* Not looked at now: who removed it may be making it anew, and half of it would be read. */
	if (event == DIRWATCH_GONE && k)
		list_missing(c, k, c->now_ms);
	if (event == DIRWATCH_WHOLE || (event == DIRWATCH_MADE && made_whole(c, entry)) ||
		/* Perhaps it can be read now. */
		(event == DIRWATCH_CHANGED && k && k->print.error))
		list_dirty(c, known_get(c, name));
}

int confdir_watch(struct confdir *c)
{
	int error = dirwatch_new(c->fd, &c->watch);

	return error ? error : list_all(c);
}

int confdir_fd(const struct confdir *c)
{
	return dirwatch_fd(c->watch);
}

bool confdir_waits(const struct confdir *c)
{
	return dirwatch_waits(c->watch);
}

bool confdir_hear(struct confdir *c, int64_t now_ms)
{
	bool lost;

	c->now_ms = now_ms;
	(void)dirwatch_read(c->watch, heard, c); /* what is left is readable in the next turn */
	lost = c->missing ? confdir_lost(c) : c->lost;
	if (!lost || c->told)
		return false;
	c->told = true;
	return true;
}
