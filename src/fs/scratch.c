#include "fs/scratch.h"

#include "util/err.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* At most SCRATCH_FILES: a list will do. In the order of ids. */
struct scratches {
	struct scratch *first;
	size_t count, bytes;
	int64_t last_id;
};

/* ---- names */

static const char *const temporary_names[] = {
	".*", /* rsync, swap and lock files */
	"*~", /* backups */
	"#*", /* emacs' automatic saves */
	"*.bak", "*.old", "*.orig", "*.rej", "*.tmp", "*.temp", "*.new", /* by hand and by patch */
	"*.sw[a-z]", "*.sw[a-z]x", /* vim, where it shows them */
	"*.o??????",               /* patch's own */
};

#define PROBE_MAX 8 /* vim tries 4913, and then 123 more each time */

bool scratch_is_temporary(const char *name)
{
	for (size_t i = 0; i < sizeof(temporary_names) / sizeof(*temporary_names); i++)
		if (!fnmatch(temporary_names[i], name, FNM_CASEFOLD))
			return true;
	return strlen(name) <= PROBE_MAX && strspn(name, "0123456789") == strlen(name);
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool scratch_is_slip(const char *name, const char *meant)
{
	size_t a = strlen(name), b = strlen(meant);
	for (const char *p = name; *p; p++)
		if (!isalpha((unsigned char)*p) && *p != '_' && *p != '-')
			return false;
	while (a && b && same_letter(*name, *meant))
		name++, meant++, a--, b--;
	while (a && b && same_letter(name[a - 1], meant[b - 1]))
		a--, b--;
	return (a <= 1 && b <= 1) ||
		(a == 2 && b == 2 && same_letter(name[0], meant[1]) &&
			same_letter(name[1], meant[0]));
}

/* ---- the list */

struct scratches *scratches_new(void)
{
	struct scratches *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	return s;
}

static void scratch_free(struct scratches *s, struct scratch *f)
{
	struct scratch **p = &s->first;
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	s->count--;
	s->bytes -= f->bytes.len;
	buf_release(&f->bytes);
	before_release(&f->origin);
	free(f->origin_file);
	free(f->name);
	free(f);
}

void scratches_free(struct scratches *s)
{
	while (s && s->first)
		scratch_free(s, s->first);
	free(s);
}

size_t scratches_count(const struct scratches *s)
{
	return s->count;
}

int64_t scratches_last_id(const struct scratches *s)
{
	return s->last_id;
}

void scratches_continue(struct scratches *s, int64_t last_id)
{
	s->last_id = last_id;
}

struct scratch *scratch_by_id(const struct scratches *s, int64_t id)
{
	struct scratch *f = s->first;
	while (f && f->id != id)
		f = f->next;
	return f;
}

struct scratch *scratch_next(const struct scratches *s, uint64_t dir, int64_t after_id)
{
	struct scratch *f = s->first;
	while (f && !(f->name && f->dir == dir && f->id > after_id))
		f = f->next;
	return f;
}

struct scratch *scratch_find(const struct scratches *s, uint64_t dir, const char *name)
{
	struct scratch *f = scratch_next(s, dir, 0);
	while (f && strcmp(f->name, name))
		f = scratch_next(s, dir, f->id);
	return f;
}

static size_t hook_files(const struct scratches *s, int64_t hook_id, size_t *bytes)
{
	size_t count = 0;
	*bytes = 0;
	for (const struct scratch *f = s->first; f; f = f->next) {
		if (f->hook_id != hook_id)
			continue;
		count++;
		*bytes += f->bytes.len;
	}
	return count;
}

/* NULL and -errno in *r where the name is too long. */
static char *name_copy(const char *name, int *r, struct err *err)
{
	char *copy = NULL;
	if (strlen(name) > SCRATCH_NAME_MAX)
		*r = err_set(err, ENAMETOOLONG, ERR_NO_COLUMN, "a name has at most %d bytes",
			SCRATCH_NAME_MAX);
	else if (!(copy = strdup(name)))
		*r = err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	return copy;
}

int scratch_make(struct scratches *s, int64_t hook_id, uint64_t dir, const char *name,
	int64_t now_ms, struct err *err, struct scratch **out)
{
	size_t bytes;
	int r = 0;
	assert(!scratch_find(s, dir, name));
	if (s->count >= SCRATCH_FILES || hook_files(s, hook_id, &bytes) >= SCRATCH_HOOK_FILES)
		return err_set(err, ENOSPC, ERR_NO_COLUMN,
			"a hook has at most %d scratch files, and the mount %d; remove some, or wait "
			"until the oldest go by themselves",
			SCRATCH_HOOK_FILES, SCRATCH_FILES);
	char *copy = name_copy(name, &r, err);
	if (!copy)
		return r;
	struct scratch *f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	*f = (struct scratch){ .id = ++s->last_id,
		.hook_id = hook_id,
		.dir = dir,
		.name = copy,
		.mtime_ms = now_ms,
		.used_ms = now_ms,
		.temporary = scratch_is_temporary(name),
		.bytes = BUF_SECRET(SCRATCH_SIZE_MAX) };
	struct scratch **last = &s->first;
	while (*last)
		last = &(*last)->next;
	*last = f;
	s->count++;
	*out = f;
	return 0;
}

void scratch_unlink(struct scratches *s, struct scratch *f)
{
	if (!f->opens) {
		scratch_free(s, f);
		return;
	}
	free(f->name);
	f->name = NULL;
}

int scratch_rename(struct scratches *s, struct scratch *f, uint64_t dir, const char *name,
	int64_t now_ms, struct err *err)
{
	int r = 0;
	char *copy = name_copy(name, &r, err);
	if (!copy)
		return r;
	struct scratch *there = scratch_find(s, dir, name);
	if (there && there != f)
		scratch_unlink(s, there);
	free(f->name);
	f->name = copy;
	f->dir = dir;
	f->used_ms = now_ms;
	return 0;
}

/* ---- bytes */

void scratch_open(struct scratch *f, int64_t now_ms)
{
	f->opens++;
	f->used_ms = now_ms;
}

void scratch_close(struct scratches *s, struct scratch *f, int64_t now_ms)
{
	assert(f->opens);
	f->used_ms = now_ms;
	if (!--f->opens && !f->name)
		scratch_free(s, f);
}

size_t scratch_read(struct scratch *f, size_t size, uint64_t offset, const char **data)
{
	if (offset >= f->bytes.len)
		return 0;
	*data = f->bytes.data + offset;
	size_t left = f->bytes.len - (size_t)offset;
	return left < size ? left : size;
}

/* Whether the file may have this size. */
static int room_for(
	const struct scratches *s, const struct scratch *f, uint64_t size, struct err *err)
{
	size_t bytes;
	if (size <= f->bytes.len)
		return 0;
	if (size > SCRATCH_SIZE_MAX)
		return err_set(err, EFBIG, ERR_NO_COLUMN, "a scratch file has at most %zu bytes",
			SCRATCH_SIZE_MAX);
	(void)hook_files(s, f->hook_id, &bytes);
	size_t more = (size_t)size - f->bytes.len;
	if (bytes + more > SCRATCH_HOOK_BYTES || s->bytes + more > SCRATCH_BYTES)
		return err_set(err, ENOSPC, ERR_NO_COLUMN,
			"the scratch files of a hook have at most %zu bytes, and all of them %zu",
			SCRATCH_HOOK_BYTES, SCRATCH_BYTES);
	return 0;
}

static void changed(struct scratch *f, int64_t now_ms)
{
	f->mtime_ms = f->used_ms = now_ms;
	before_release(&f->origin); /* it is a copy no more */
}

/* Zeros up to there. */
static void stretch(struct scratch *f, size_t size)
{
	static const char zeros[4096];
	while (f->bytes.len < size && !buf_error(&f->bytes)) {
		size_t gap = size - f->bytes.len;
		buf_add(&f->bytes, zeros, gap < sizeof(zeros) ? gap : sizeof(zeros));
	}
}

/* What a change that had no memory has added goes again. */
static int settle(
	struct scratches *s, struct scratch *f, size_t before, int64_t now_ms, struct err *err)
{
	int r = buf_error(&f->bytes);
	if (r) {
		buf_undo(&f->bytes, before);
		return err_set(err, -r, ERR_NO_COLUMN, "no memory");
	}
	s->bytes += f->bytes.len - before; /* wraps around where it became shorter, rightly */
	changed(f, now_ms);
	return 0;
}

int scratch_write(struct scratches *s, struct scratch *f, const char *data, size_t len,
	uint64_t offset, int64_t now_ms, struct err *err)
{
	size_t before = f->bytes.len, inside = 0;
	if (offset > SCRATCH_SIZE_MAX)
		offset = SCRATCH_SIZE_MAX +
			1; /* too large either way, and adding does not overflow */
	int r = room_for(s, f, offset + len, err);
	if (r)
		return r;
	stretch(f, (size_t)offset);
	if (offset < before)
		inside = before - (size_t)offset < len ? before - (size_t)offset : len;
	buf_add(&f->bytes, data + inside, len - inside);
	if (!buf_error(&f->bytes) && inside)
		memcpy(f->bytes.data + offset, data, inside);
	return settle(s, f, before, now_ms, err);
}

int scratch_truncate(
	struct scratches *s, struct scratch *f, uint64_t size, int64_t now_ms, struct err *err)
{
	size_t before = f->bytes.len;
	int r = room_for(s, f, size, err);
	if (r)
		return r;
	if (size < before)
		buf_cut(&f->bytes, (size_t)size);
	else
		stretch(f, (size_t)size);
	return settle(s, f, before, now_ms, err);
}

/* ---- the end */

void scratch_expire(struct scratches *s, int64_t now_ms, scratch_expired_fn *expired, void *ctx)
{
	for (struct scratch *f = s->first, *next; f; f = next) {
		next = f->next;
		if (f->used_ms > now_ms)
			f->used_ms = now_ms; /* the clock was set back */
		if (f->opens || now_ms - f->used_ms < SCRATCH_AGE_MS)
			continue;
		if (expired)
			expired(ctx, f);
		scratch_unlink(s, f);
	}
}

void scratch_drop_hook(struct scratches *s, int64_t hook_id)
{
	for (struct scratch *f = s->first, *next; f; f = next) {
		next = f->next;
		if (f->hook_id == hook_id)
			scratch_unlink(s, f);
	}
}
