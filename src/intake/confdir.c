#include "intake/confdir.h"

#include "model/hook.h"
#include "util/file.h"

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
#define SUFFIX    ".json"
#define TEMPORARY ".tmp"
#define OPEN_DIR  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct confdir {
	int fd;
};

static int failed(int result)
{
	return result < 0 ? -errno : 0;
}

/* "NAME.json", and the dotted name under which it is written first. */
struct filename {
	char final[NAME_MAX + 1];
	char temporary[NAME_MAX + 1];
};

static int filename_set(struct filename *f, const char *name)
{
	int n;

	if (!*name || *name == '.' || strchr(name, '/'))
		return -EINVAL;
	n = snprintf(f->temporary, sizeof(f->temporary), ".%s" SUFFIX TEMPORARY, name);
	if (n < 0 || (size_t)n >= sizeof(f->temporary))
		return -ENAMETOOLONG;
	(void)snprintf(f->final, sizeof(f->final), "%s" SUFFIX, name); /* shorter, so it fits */
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* Calls `visit` for every entry until it fails. Lists through a descriptor of its own: a position
 * is shared by all that use one. */
static int visit_entries(
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
	if (*entry == '.' && ends_with(entry, SUFFIX TEMPORARY))
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
	struct confdir *c = malloc(sizeof(*c));
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
		error = visit_entries(c, remove_leftover, NULL);
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
	free(c);
}

struct loading {
	confdir_found_fn *found;
	void *ctx;
	char text[HOOK_JSON_MAX + 1]; /* one more than may be used, to see that a file is longer */
};

static int load_entry(struct confdir *c, const char *entry, void *ctx)
{
	struct loading *l = ctx;
	struct stat st = { 0 };
	char name[NAME_MAX + 1];
	ssize_t len;

	if (*entry == '.' || !ends_with(entry, SUFFIX))
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(entry) - strlen(SUFFIX)), entry);
	len = file_read(c->fd, entry, l->text, sizeof(l->text), &st);
	if (len == (ssize_t)sizeof(l->text))
		len = -E2BIG;
	if (len < 0) {
		l->found(l->ctx, name, NULL, 0, (int)-len, 0);
	} else {
		l->text[len] = '\0';
		l->found(l->ctx, name, l->text, (size_t)len, 0,
			st.st_mtim.tv_sec * 1000LL + st.st_mtim.tv_nsec / 1000000);
	}
	explicit_bzero(l->text, len < 0 ? sizeof(l->text) : (size_t)len);
	return 0;
}

int confdir_load(struct confdir *c, confdir_found_fn *found, void *ctx)
{
	struct loading *l = malloc(sizeof(*l));
	int error;

	if (!l)
		return -ENOMEM;
	l->found = found;
	l->ctx = ctx;
	error = visit_entries(c, load_entry, l);
	free(l);
	return error;
}

int confdir_save(struct confdir *c, const char *name, const char *text, size_t len)
{
	struct filename f;
	int error = filename_set(&f, name);

	return error ? error : file_replace(c->fd, f.final, f.temporary, text, len);
}

int confdir_remove(struct confdir *c, const char *name)
{
	struct filename f;
	int error = filename_set(&f, name);

	if (error)
		return error;
	if (unlinkat(c->fd, f.final, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return failed(fsync(c->fd));
}

int confdir_rename(struct confdir *c, const char *from, const char *to)
{
	struct filename old, new;
	int error = filename_set(&old, from);

	if (!error)
		error = filename_set(&new, to);
	if (!error)
		error = failed(renameat2(c->fd, old.final, c->fd, new.final, RENAME_NOREPLACE));
	if (error)
		return error;
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
