#include "intake/confdir_internal.h"
#include "intake/dirwatch.h"
#include "util/file.h"
#include "util/libc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "hooks"
#define TEMPORARY ".tmp"
#define REFUSED   ".refused"

static int failed(int result)
{
	return result < 0 ? -errno : 0;
}

/* "NAME.json", the dotted name under which it is written first, and where somebody else's is kept. */
struct filename {
	char final[NAME_MAX + 1];
	char temporary[NAME_MAX + 1];
	char refused[NAME_MAX + 1];
};

static int filename_set(struct filename *f, const char *name)
{
	int n;

	if (!*name || *name == '.' || strchr(name, '/'))
		return -EINVAL;
	n = snprintf(f->refused, sizeof(f->refused), "%s" CONFDIR_SUFFIX REFUSED, name);
	if (n < 0 || (size_t)n >= sizeof(f->refused))
		return -ENAMETOOLONG;
	/* These are shorter, so they fit. */
	(void)snprintf(f->temporary, sizeof(f->temporary), ".%s" CONFDIR_SUFFIX TEMPORARY, name);
	(void)snprintf(f->final, sizeof(f->final), "%s" CONFDIR_SUFFIX, name);
	return 0;
}

bool confdir_ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* Calls `visit` for every entry until it fails. Lists through a descriptor of its own: a position
 * is shared by all that use one. */
int confdir_visit(
	struct confdir *c, int (*visit)(struct confdir *c, const char *entry, void *ctx), void *ctx)
{
	int fd = openat(c->fd, ".", OPEN_DIR);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!dir) {
		error = -errno;
		if (fd >= 0)
			(void)close(fd); /* only read from */
		return error;
	}
	while (!error) {
		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			error = -errno;
			break;
		}
		error = visit(c, entry->d_name, ctx);
	}
	(void)closedir(dir); /* only read from */
	return error;
}

static int remove_leftover(struct confdir *c, const char *entry, void *ctx)
{
	(void)ctx;
	if (*entry == '.' && confdir_ends_with(entry, CONFDIR_SUFFIX TEMPORARY))
		(void)unlinkat(
			c->fd, entry, 0); /* one that stays does no harm: it is never loaded */
	return 0;
}

/* Makes the directory and makes it last: its entry in the state directory is synced too. */
static int make_directory(int state)
{
	if (mkdirat(state, DIRECTORY, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return failed(fsync(state));
}

int confdir_open(const char *state_dir, struct confdir **out)
{
	struct confdir *c = calloc(1, sizeof(*c));
	int state = open(state_dir, OPEN_DIR);
	int error = failed(state);

	if (!c)
		error = -ENOMEM;
	else
		c->fd = -1;
	if (!error)
		error = make_directory(state);
	if (!error) {
		c->fd = openat(state, DIRECTORY, OPEN_DIR | O_NOFOLLOW);
		error = failed(c->fd);
	}
	if (!error)
		error = confdir_visit(c, remove_leftover, NULL);
	if (state >= 0)
		(void)close(state); /* nothing was written through it */
	if (error) {
		confdir_close(c);
		return error;
	}
	*out = c;
	return 0;
}

void confdir_close(struct confdir *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		(void)close(c->fd); /* every change was synced when it was made */
	dirwatch_free(c->watch);
	known_free(c);
	free(c);
}

/* Keeps an entry as NAME.json.refused, in the place of the one before; a directory there goes if it is
 * empty, else this fails. */
static int keep(struct confdir *c, const struct filename *f, const char *entry)
{
	if (renameat(c->fd, entry, c->fd, f->refused) == 0)
		return 0;
	if (errno == EISDIR && unlinkat(c->fd, f->refused, AT_REMOVEDIR) < 0)
		return -errno;
	if (errno == ENOTDIR && unlinkat(c->fd, f->refused, 0) < 0)
		return -errno;
	return failed(renameat(c->fd, entry, c->fd, f->refused));
}

/*
 * What had the final name has the temporary one now. If it is what we know, it goes; if it is somebody
 * else's, or was refused, it is kept. The file itself, not a copy: who still writes to it loses
 * nothing.
 */
static int put_aside(
	struct confdir *c, const struct filename *f, const struct known *k, bool *aside)
{
	struct print print;
	int error = print_read(c, f->temporary, &print);

	if (error)
		return error;
	if (k && k->seen && !k->refused && !print.error && print_same(&print, &k->print))
		return failed(unlinkat(c->fd, f->temporary, 0));
	error = keep(c, f, f->temporary);
	*aside = !error;
	return error;
}

/* The same for a file system that cannot exchange two files: somebody else's last moment is lost. */
static int replace(struct confdir *c, const struct filename *f, const struct known *k, bool *aside)
{
	struct print print;
	int error = print_read(c, f->final, &print);

	if (error)
		return error == -ENOENT ? -EBUSY : error;
	if (k->refused || print.error || !print_same(&print, &k->print)) {
		error = keep(c, f, f->final);
		if (error)
			return error;
		*aside = true;
	}
	return failed(renameat(c->fd, f->temporary, c->fd, f->final));
}

static int exchange(struct confdir *c, const struct filename *f, const struct known *k, bool *aside)
{
	bool there = k && k->seen;
	int error;

	if (!there)
		return failed(renameat2(c->fd, f->temporary, c->fd, f->final, RENAME_NOREPLACE));
	if (renameat2(c->fd, f->temporary, c->fd, f->final, RENAME_EXCHANGE) < 0)
		return errno == EINVAL    ? replace(c, f, k, aside)
			: errno == ENOENT ? -EBUSY
					  : -errno;
	error = put_aside(c, f, k, aside);
	if (!error)
		return 0;
	/* What is not ours, and cannot be kept, gets its place back. */
	if (renameat2(c->fd, f->temporary, c->fd, f->final, RENAME_EXCHANGE) < 0)
		return 0;
	return error;
}

int confdir_save(struct confdir *c, const char *name, const char *text, size_t len, bool *aside)
{
	struct known *k = known_find(c, name);
	struct filename f;
	int error = filename_set(&f, name);

	if (confdir_lost(c))
		return -ESTALE;
	if (error)
		return error;
	error = file_make(c->fd, f.temporary, text, len);
	if (!error)
		error = exchange(c, &f, k, aside);
	if (error) {
		(void)unlinkat(c->fd, f.temporary, 0); /* if it stays, confdir_open removes it */
		return error;
	}
	known_set(c, k ? k : known_get(c, name), print_of(text, len));
	return failed(fsync(c->fd));
}

int confdir_remove(struct confdir *c, const char *name, bool *aside)
{
	struct known *k = known_find(c, name);
	struct filename f;
	int error = filename_set(&f, name);

	if (confdir_lost(c))
		return -ESTALE;
	if (error)
		return error;
	if (renameat(c->fd, f.final, c->fd, f.temporary) < 0)
		error = errno == ENOENT ? 0 : -errno;
	else
		error = put_aside(c, &f, k, aside);
	if (error) {
		(void)renameat2(c->fd, f.temporary, c->fd, f.final, RENAME_NOREPLACE);
		return error;
	}
	if (k)
		known_forget(c, k);
	return failed(fsync(c->fd));
}

int confdir_rename(struct confdir *c, const char *from, const char *to)
{
	struct known *k = known_find(c, from);
	struct filename old, new;
	int error = filename_set(&old, from);

	if (confdir_lost(c))
		return -ESTALE;
	if (!error)
		error = filename_set(&new, to);
	if (!error)
		error = failed(renameat2(c->fd, old.final, c->fd, new.final, RENAME_NOREPLACE));
	if (error)
		return error;
	if (k && k->seen) {
		struct known *moved = known_get(c, to);

		known_set(c, moved, k->print);
		moved->refused = k->refused;
	}
	if (k)
		known_forget(c, k);
	return failed(fsync(c->fd));
}

int confdir_exists(struct confdir *c, const char *name)
{
	struct filename f;
	struct stat st;
	int error = filename_set(&f, name);

	if (error)
		return error;
	if (fstatat(c->fd, f.final, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
