#include "intake/dirwatch.h"
#include "intake/spool_internal.h"
#include "util/err.h"
#include "util/libc.h"
#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAKING    ".taking"
#define REJECTED  "rejected"
#define TRIES_MAX 10000
#define ENTRY_MAX (SPOOL_NAME_MAX + 24) /* "SERIAL-NAME" */
#define OPEN_FILE (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static void entry_of(const struct spool_file *f, char out[ENTRY_MAX])
{
	(void)snprintf(out, ENTRY_MAX, "%lld-%.*s", (long long)f->serial, SPOOL_NAME_MAX, f->name);
}

/* ---- files in hand */

static int by_serial(const struct spool_file *a, const struct spool_file *b)
{
	return (a->serial > b->serial) - (a->serial < b->serial);
}

static struct spool_file *file_add(struct spool *s, int64_t serial, const char *name)
{
	struct spool_file *f = calloc(1, sizeof(*f));

	if (!f || !(f->name = strndup(name, SPOOL_NAME_MAX)))
		abort();
	f->serial = serial;
	f->fd = -1;
	DL_INSERT_INORDER(s->files, f, by_serial);
	s->file_count++;
	return f;
}

static void file_close(struct spool_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd); /* only read from */
	f->fd = -1;
}

static void file_free(struct spool_file *f)
{
	file_close(f);
	free(f->name);
	free(f);
}

static void file_forget(struct spool *s, struct spool_file *f)
{
	DL_DELETE(s->files, f);
	s->file_count--;
	file_free(f);
}

/* Opens the claimed file: 0, -EINVAL for no regular file, -errno. */
static int file_open(struct spool *s, struct spool_file *f)
{
	char entry[ENTRY_MAX];
	struct stat st;

	entry_of(f, entry);
	f->fd = openat(s->taking, entry, OPEN_FILE);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return -errno;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

struct spool_file *spool_first(const struct spool *s)
{
	return s->files;
}

ssize_t spool_read(const struct spool_file *f, int64_t offset, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(f->fd, data + len, size - len, (off_t)offset + (off_t)len);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int spool_sync(struct spool *s)
{
	if (s->unsynced && fsync(s->taking) < 0)
		return -errno;
	s->unsynced = false;
	return 0;
}

/*
 * Whether somebody has the file open for writing: then a read lease is not to be had (fcntl(2)).
 * Where there are no leases, for foreign files or on file systems without, it is told by nothing, and
 * the events are trusted.
 */
static bool is_written(int fd)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return false;
	}
	return errno == EAGAIN;
}

/* Moves `entry` of .taking into the directory, under `name` or, where another has come since, the next
 * free one; it is looked at again some seconds later. */
static int drop_again(struct spool *s, const char *entry, const char *name)
{
	char other[NAME_MAX + 1];
	struct spool_name *n;
	int error = -EEXIST;

	(void)snprintf(other, sizeof(other), "%.*s", NAME_MAX, name);
	for (int i = 1; i < TRIES_MAX && error == -EEXIST; i++) {
		if (i > 1)
			(void)snprintf(
				other, sizeof(other), "%.*s.%d", SPOOL_NAME_MAX, name, i - 1);
		error = renameat2(s->taking, entry, s->dir, other, RENAME_NOREPLACE) < 0 ? -errno
											 : 0;
	}
	if (error)
		return error;
	n = spool_name_get(s, other);
	n->put_back = true;
	spool_name_set(s, n, SPOOL_RETRY, s->now_ms);
	return 0;
}

/* `name` is its whole one. If it cannot go back, it stays in .taking under a name without a serial, for people
 * to look at. */
static void put_back(struct spool *s, struct spool_file *f, const char *name)
{
	char entry[ENTRY_MAX], kept[NAME_MAX + 1];

	entry_of(f, entry);
	(void)snprintf(kept, sizeof(kept), "kept-%s", entry);
	if (drop_again(s, entry, name))
		(void)renameat(s->taking, entry, s->taking, kept);
	file_forget(s, f);
}

/* Drops what lies behind the bytes that were taken. */
static int drop_rest(struct spool *s, const struct spool_file *f)
{
	char entry[ENTRY_MAX], data[4096];
	int64_t at = f->ended;
	int error = 0, fd;
	ssize_t n;

	(void)snprintf(entry, sizeof(entry), "rest-%lld", (long long)f->serial);
	fd = openat(s->taking, entry, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)!fchown(fd, f->uid, f->gid); /* only root can give it away */
	for (; !error && (n = spool_read(f, at, data, sizeof(data))) != 0; at += n)
		if (n < 0 || write(fd, data, (size_t)n) != n)
			error = -EIO;
	if (fsync(fd) < 0)
		error = -errno;
	(void)close(fd); /* synced */
	return error ? error : drop_again(s, entry, f->name);
}

static void again_later(struct spool *s)
{
	if (!s->retry_due_ms)
		s->retry_due_ms = s->now_ms + SPOOL_RETRY_MS;
}

/*
 * Removes a file that was taken. A claim does not stop who has looked up its name just before and
 * opens it only now, so it is looked at once more, behind the commit.
 */
static void settle(struct spool *s, struct spool_file *f)
{
	char entry[ENTRY_MAX];
	struct stat st;

	if (s->now_ms < f->again_ms)
		return;
	if (f->fd >= 0 && is_written(f->fd)) {
		again_later(s);
		return;
	}
	entry_of(f, entry);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_size > f->ended && drop_rest(s, f))
		(void)spool_reject_entry(s, s->taking, entry, f->name,
			"it grew while it was taken; what was appended was not taken\n", f->uid,
			f->gid);
	else if (unlinkat(s->taking, entry, 0) < 0 && errno != ENOENT) {
		/* What it held is known, and there may be many of them; the next start tries it, too. */
		file_close(f);
		f->again_ms = s->now_ms + SPOOL_RETRY_MS;
		again_later(s);
		return;
	}
	DL_DELETE(s->done, f);
	file_free(f);
}

void spool_done(struct spool *s, struct spool_file *f)
{
	DL_DELETE(s->files, f);
	s->file_count--;
	DL_APPEND(s->done, f);
	settle(s, f);
}

/* ---- opening */

/* A directory of ours in DIR. Where others may write, theirs could lie there. */
static int open_own(int dir, const char *name, mode_t mode, int *out)
{
	struct stat st;
	int fd;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, SPOOL_OPEN_DIR);
	if (fd < 0)
		return -errno;
	*out = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return -EPERM;
	return (st.st_mode & 0777) == mode || fchmod(fd, mode) == 0 ? 0 : -errno;
}

static int open_all(struct spool *s, const char *dir, struct err *err)
{
	int error;

	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_set(err, errno, ERR_NO_COLUMN, "spool=%s: %s%s", dir, strerror(errno),
			errno == ENOENT ? "; mkdir it first" : "");
	error = open_own(s->dir, TAKING, 0700, &s->taking);
	if (!error)
		error = open_own(s->dir, REJECTED, 0755, &s->rejected);
	if (error == -EPERM)
		return err_set(err, EPERM, ERR_NO_COLUMN,
			"spool=%s: " TAKING " or " REJECTED
			" in it is somebody else's: remove it, or take another directory",
			dir);
	if (error)
		return err_set(err, -error, ERR_NO_COLUMN,
			"spool=%s: cannot make " TAKING " and " REJECTED " in it: %s", dir,
			strerror(-error));
	if (flock(s->taking, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, EBUSY, ERR_NO_COLUMN,
			"spool=%s is in use by another webhookfs; give this one a directory of its own",
			dir);
	error = dirwatch_new(s->dir, &s->watch);
	if (error)
		return err_set(err, -error, ERR_NO_COLUMN, "spool=%s cannot be watched: %s", dir,
			strerror(-error));
	return 0;
}

/* One entry of .taking: what was committed goes, the rest is in hand again. */
static void recover_entry(struct spool *s, const char *entry, int64_t serial, int64_t taken)
{
	const char *dash = strchr(entry, '-');
	struct spool_file *f;
	uint64_t number;

	if (!dash || text_parse_uint(entry, (size_t)(dash - entry), NULL, &number) ||
		number > INT64_MAX)
		return; /* not ours */
	if ((int64_t)number < serial || ((int64_t)number == serial && taken < 0)) {
		(void)unlinkat(s->taking, entry, 0); /* the next start tries again */
		return;
	}
	f = file_add(s, (int64_t)number, dash + 1);
	f->taken = (int64_t)number == serial ? taken : 0;
	if (s->serial < f->serial)
		s->serial = f->serial;
	if (file_open(s, f))
		put_back(s, f, f->name);
}

static int recover(struct spool *s, int64_t serial, int64_t taken)
{
	int fd = openat(s->taking, ".", SPOOL_OPEN_DIR);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		int error = -errno;

		if (fd >= 0)
			(void)close(fd); /* only read from */
		return error;
	}
	s->serial = serial;
	while ((entry = readdir(dir)))
		recover_entry(s, entry->d_name, serial, taken);
	(void)closedir(dir); /* only read from */
	s->unsynced = true;
	s->rescan = true;
	return 0;
}

int spool_open(const char *dir, int64_t serial, int64_t taken, struct err *err, struct spool **out)
{
	struct spool *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	s->dir = s->taking = s->rejected = -1;
	/* Who opens a file while is_written looks at it has the kernel send it, and it would kill. */
	(void)signal(SIGIO, SIG_IGN);
	error = open_all(s, dir, err);
	if (!error && (error = recover(s, serial, taken)))
		(void)err_set(err, -error, ERR_NO_COLUMN, "spool=%s: %s", dir, strerror(-error));
	if (error) {
		spool_close(s);
		return error;
	}
	*out = s;
	return 0;
}

void spool_close(struct spool *s)
{
	const int fds[] = { s ? s->dir : -1, s ? s->taking : -1, s ? s->rejected : -1 };
	struct spool_file *f, *next;

	if (!s)
		return;
	DL_FOREACH_SAFE(s->files, f, next)
	{
		if (f->taken)
			file_forget(s, f);
		else
			put_back(s, f, f->name); /* whoever looks for it finds it */
	}
	DL_FOREACH_SAFE(s->done, f, next)
	{
		DL_DELETE(s->done, f);
		file_free(f); /* its writer is late: the next start removes it */
	}
	spool_names_free(s);
	dirwatch_free(s->watch);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); /* what matters was synced */
	free(s);
}

int spool_fd(const struct spool *s)
{
	return dirwatch_fd(s->watch);
}

/* ---- claiming */

/* Looks before it is claimed: 0; 1: it is being written; -errno. */
static int look(struct spool *s, const char *name, struct stat *st)
{
	int fd, written;

	if (fstatat(s->dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	fd = openat(s->dir, name, OPEN_FILE);
	if (fd < 0)
		return -errno;
	written = is_written(fd);
	(void)close(fd); /* only read from */
	return written;
}

/* As look; the file is in hand then. Nobody can open it for writing any more, but somebody may have
 * between the look and the claim. */
static int claim(struct spool *s, const char *name)
{
	struct spool_file *f = file_add(s, s->serial + 1, name);
	char entry[ENTRY_MAX];
	int error;

	entry_of(f, entry);
	if (renameat2(s->dir, name, s->taking, entry, RENAME_NOREPLACE) < 0) {
		error = -errno;
		file_forget(s, f);
		return error;
	}
	s->serial++;
	s->unsynced = true;
	error = file_open(s, f);
	if (!error)
		error = is_written(f->fd);
	if (error)
		put_back(s, f, name);
	return error;
}

static int reject_special(struct spool *s, const char *name, const struct stat *st)
{
	const char *reason = S_ISLNK(st->st_mode)
		? "it is a symbolic link, and those are not followed\n"
		: "it is no regular file\n";

	return spool_reject_entry(s, s->dir, name, name, reason, st->st_uid, st->st_gid);
}

static void claim_name(
	struct spool *s, struct spool_name *n, int64_t now_ms, spool_left_fn *left, void *ctx)
{
	struct stat st = { 0 };
	int error = look(s, n->name, &st);
	bool special = error == -EINVAL;

	if (special)
		error = reject_special(s, n->name, &st);
	else if (error == 0)
		error = claim(s, n->name);
	if (special && !error)
		left(ctx, n->name, st.st_uid, 0);
	if (error == 0 || error == -ENOENT || error == -EISDIR) {
		spool_name_forget(s, n);
		return;
	}
	/* A writer's close is an event, unless it came while the file was claimed; a chmod is one, too.
	 * Anything else may pass by itself. */
	spool_name_set(s, n, error == -EACCES ? SPOOL_WAITS : SPOOL_RETRY, now_ms);
	if (error < 0 && !n->told)
		left(ctx, n->name, st.st_uid, -error);
	n->told = n->told || error < 0;
}

void spool_claim(struct spool *s, int64_t now_ms, unsigned limit, spool_left_fn *left, void *ctx)
{
	/* Not all in hand, so that few are in hand when something goes wrong; and the loop goes on. */
	unsigned looks = limit;
	struct spool_file *f, *next;

	s->now_ms = now_ms;
	if (s->lost)
		return;
	spool_names_refresh(s, now_ms);
	DL_FOREACH_SAFE(s->done, f, next)
	{
		settle(s, f);
	}
	while (s->ready && s->file_count < limit && looks-- > 0)
		claim_name(s, s->ready, now_ms, left, ctx);
}

int spool_reject(struct spool *s, struct spool_file *f, const char *reason, int64_t now_ms)
{
	char entry[ENTRY_MAX], *name = strdup(f->name);
	int error;

	if (!name)
		abort();
	entry_of(f, entry);
	error = spool_reject_entry(s, s->taking, entry, name, reason, f->uid, f->gid);
	s->now_ms = now_ms;
	if (error)
		put_back(s, f, name);
	else
		file_forget(s, f);
	free(name);
	return error;
}
