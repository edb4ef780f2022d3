#include "store/journal.h"

#include "util/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHERED_MAX ((size_t)16 << 20)

struct file {
	int fd;
	int64_t generation;
	unsigned holders;
	struct file *older;
};

struct journal {
	char *path;
	struct file *files; /* the one in use; behind it older ones that are held */
	struct buf lines;
	uint64_t dropped;
};

/* ---- the files */

/* Makes the file at the name, new or not, the one in use. */
static int begin(struct journal *j, int64_t generation)
{
	int fd = open(
		j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) { /* a write to a pipe would wait */
		close(fd);
		return -EINVAL;
	}
	struct file *f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	*f = (struct file){ .fd = fd, .generation = generation, .older = j->files };
	j->files = f;
	return 0;
}

static void forget(struct file **p)
{
	struct file *f = *p;
	*p = f->older;
	close(f->fd);
	free(f);
}

/* The same, behind another one. */
static int renew(struct journal *j)
{
	int r = begin(j, j->files->generation + 1);
	if (!r && !j->files->older->holders)
		forget(&j->files->older);
	return r;
}

/* Begins anew if what is open is not at its name any more. Where that cannot be, what is open goes on
 * as long as it has any name: its lines can still be read from there. */
static int mend(struct journal *j)
{
	struct stat named, ours;
	if (fstat(j->files->fd, &ours))
		return -errno;
	int r = stat(j->path, &named) ? -errno : 0;
	if (r && r != -ENOENT)
		return ours.st_nlink ? 0 : r;
	if (!r && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino)
		return 0;
	r = renew(j);
	return r && ours.st_nlink ? 0 : r;
}

/* Where the last newline ends that is near enough for the rest to be half of a line; -1: there is none. */
static off_t whole_lines(const struct journal *j, off_t size)
{
	char block[4096];
	for (off_t end = size; end > 0 && size - end < (off_t)GATHERED_MAX;) {
		off_t start = end > (off_t)sizeof(block) ? end - (off_t)sizeof(block) : 0;
		size_t len = (size_t)(end - start);
		if (pread(j->files->fd, block, len, start) != (ssize_t)len)
			return -1;
		const char *newline = memrchr(block, '\n', len);
		if (newline)
			return start + (newline - block) + 1;
		end = start;
	}
	return size < (off_t)GATHERED_MAX ? 0 : -1;
}

/*
 * A kill in the middle of a write, or a crash while the disk was full, may have left the beginning of a
 * line. It counts for nobody, and a reader of JSON lines would stop at it, so it goes; where it cannot,
 * the next line is at least not its end.
 */
static void end_line(struct journal *j)
{
	off_t size = (off_t)journal_size(j);
	off_t whole = whole_lines(j, size);
	if (size && whole != size && (whole < 0 || ftruncate(j->files->fd, whole)))
		buf_addc(&j->lines, '\n');
}

int journal_open(const char *dir, const char *name, int64_t generation, struct journal **out)
{
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	buf_init(&j->lines, GATHERED_MAX);
	int r = asprintf(&j->path, "%s/%s", dir, name) < 0 ? -ENOMEM : begin(j, generation);
	if (r) {
		free(j->path);
		free(j);
		return r;
	}
	end_line(j);
	*out = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	(void)journal_flush(j); /* the last chance; who closes has no other */
	while (j->files)
		forget(&j->files);
	buf_release(&j->lines);
	free(j->path);
	free(j);
}

/* ---- writing */

int journal_add(struct journal *j, const char *line, size_t len)
{
	size_t before = j->lines.len;
	int r = before + len + 1 > GATHERED_MAX ? -ENOSPC : 0;
	if (!r) {
		buf_add(&j->lines, line, len);
		buf_addc(&j->lines, '\n');
		r = buf_error(&j->lines);
	}
	if (r) {
		buf_undo(&j->lines, before);
		j->dropped++;
	}
	return r;
}

bool journal_waits(const struct journal *j)
{
	return j->lines.len;
}

uint64_t journal_dropped(struct journal *j)
{
	uint64_t n = j->dropped;
	j->dropped = 0;
	return n;
}

int journal_flush(struct journal *j)
{
	if (!j->lines.len)
		return 0;
	int r = mend(j);
	if (r)
		return r;
	while (j->lines.len) {
		ssize_t n = write(j->files->fd, j->lines.data, j->lines.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_consume(&j->lines, (size_t)n);
	}
	return 0;
}

int journal_sync(struct journal *j)
{
	if (!j->lines.len)
		return 0;
	int r = journal_flush(j);
	if (!r && fdatasync(j->files->fd))
		r = -errno;
	return r;
}

/* ---- rotation */

/* The name of the n-th old one; 0: of the one in use. */
static void name_of(const struct journal *j, unsigned n, struct buf *out)
{
	buf_reset(out);
	buf_adds(out, j->path);
	if (n)
		buf_addf(out, ".%u", n);
}

/* 0, too, if there is none. */
static int move(const struct journal *j, unsigned from, unsigned to)
{
	struct buf old = BUF(PATH_MAX + 16), new = BUF(PATH_MAX + 16);
	name_of(j, from, &old);
	name_of(j, to, &new);
	int r = rename(buf_str(&old), buf_str(&new)) && errno != ENOENT ? -errno : 0;
	buf_release(&old);
	buf_release(&new);
	return r;
}

static int discard(const struct journal *j, unsigned n)
{
	struct buf name = BUF(PATH_MAX + 16);
	name_of(j, n, &name);
	int r = unlink(buf_str(&name)) ? -errno : 0;
	buf_release(&name);
	return r;
}

static bool is_there(const struct journal *j, unsigned n)
{
	struct buf name = BUF(PATH_MAX + 16);
	struct stat st;
	name_of(j, n, &name);
	bool there = !lstat(buf_str(&name), &st);
	buf_release(&name);
	return there;
}

/* Each moves on by one as far as the next gap, which a crash may have left, or over the oldest. */
static int shift(const struct journal *j, unsigned keep)
{
	unsigned last = 1;
	int r = 0;
	while (last < keep && is_there(j, last))
		last++;
	for (unsigned n = last; n-- > 0 && !r;)
		r = move(j, n, n + 1);
	return r;
}

int journal_rotate(struct journal *j, unsigned keep)
{
	int r = journal_flush(j);
	if (!r)
		r = keep ? shift(j, keep) : discard(j, 0);
	if (r && r != -ENOENT)
		return r;
	/* More of them were kept once. */
	for (unsigned n = keep + 1; discard(j, n) == 0; n++)
		;
	return renew(j);
}

uint64_t journal_size(const struct journal *j)
{
	struct stat st;
	return fstat(j->files->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int64_t journal_generation(const struct journal *j)
{
	return j->files->generation;
}

/* ---- reading */

static struct file *find(const struct journal *j, int64_t generation)
{
	struct file *f = j->files;
	while (f && f->generation != generation)
		f = f->older;
	return f;
}

int journal_fd(const struct journal *j, int64_t generation)
{
	const struct file *f = find(j, generation);
	return f ? f->fd : -ESTALE;
}

int journal_hold(struct journal *j, int64_t generation)
{
	struct file *f = find(j, generation);
	if (!f)
		return -ESTALE;
	f->holders++;
	return f->fd;
}

void journal_release(struct journal *j, int64_t generation)
{
	for (struct file **p = &j->files; *p; p = &(*p)->older) {
		struct file *f = *p;
		if (f->generation != generation)
			continue;
		assert(f->holders);
		if (!--f->holders && f != j->files)
			forget(p);
		return;
	}
	abort();
}
