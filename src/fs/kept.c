#include "fs/kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whatever changes in these structs, or in what the kernel is told at the start of a connection, needs
 * another letter at the end: daemons that differ do not take over from each other. */
static const char format[16] = "webhookfs kept A";

/* Of earlier daemons. An old one is overwritten: of those that wait there are at most as many as a commit answers,
 * by each of two daemons that are killed at once. */
#define SETTLED_MAX (4 * KEPT_ANSWERS_MAX)

struct settled {
	uint64_t request;
	uint32_t size;
};

struct memory {
	char format[16];
	uint64_t size;
	struct kept_mount mount;
	int64_t scratch_id;
	uint64_t handled;        /* the request that is being carried out; 0: none */
	uint64_t suspect;        /* the one at the last daemon's end, */
	uint32_t suspect_deaths; /* which was that of so many in a row */
	uint64_t last_fh;        /* counts in what is above the slot */
	uint32_t slots_used;     /* none above was ever in use, and takes no memory */
	int64_t commit;          /* of the answers; 0: they are being written */
	uint32_t answer_count;
	struct kept_answer answers[KEPT_ANSWERS_MAX];
	uint32_t settled_next;
	struct settled settled[SETTLED_MAX];
	struct kept_file files[KEPT_FILES_MAX];
};

struct kept {
	int fd;
	struct memory *m;
	unsigned free_count;
	uint16_t free[KEPT_FILES_MAX]; /* slots below slots_used */
};

#define SLOT_BITS     16
#define LAST_FH_MAX   (UINT64_MAX >> (SLOT_BITS + 1)) /* no daemon counts so far */
#define PAGE          4096
#define TEXT_LEFT_MAX PAGE
#define TEXT_AREA     (((off_t)sizeof(struct memory) + PAGE - 1) / PAGE * PAGE)
static_assert(KEPT_FILES_MAX == 1 << SLOT_BITS, "a slot is the lower part of an fh");

/* ---- life */

/* Takes the descriptor. NULL: errno says why. */
static struct kept *kept_map(int fd)
{
	struct kept *k = calloc(1, sizeof(*k));
	void *m = k ? mmap(NULL, sizeof(*k->m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		    : MAP_FAILED;
	if (m == MAP_FAILED) {
		int error = errno;
		free(k);
		close(fd);
		errno = error;
		return NULL;
	}
	k->m = m;
	k->fd = fd;
	return k;
}

int kept_new(struct kept **out)
{
	int fd = memfd_create("webhookfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct memory))) {
		int r = -errno;
		close(fd);
		return r;
	}
	struct kept *k = kept_map(fd);
	if (!k)
		return -errno;
	memcpy(k->m->format, format, sizeof(format));
	k->m->size = sizeof(struct memory);
	*out = k;
	return 0;
}

/* Or a number would be given twice, and one program have another's file. */
static bool is_numbered(const struct memory *m)
{
	for (unsigned i = 0; i < m->slots_used; i++) {
		uint64_t fh = m->files[i].fh;
		if (fh && ((fh & (KEPT_FILES_MAX - 1)) != i || fh >> SLOT_BITS > m->last_fh))
			return false;
	}
	return m->last_fh <= LAST_FH_MAX;
}

static bool is_sound(const struct memory *m)
{
	return !memcmp(m->format, format, sizeof(format)) && m->size == sizeof(*m) &&
		m->slots_used <= KEPT_FILES_MAX && m->answer_count <= KEPT_ANSWERS_MAX &&
		m->mount.first_len <= KEPT_FIRST_MAX &&
		memchr(m->mount.given, '\0', sizeof(m->mount.given)) &&
		memchr(m->mount.real, '\0', sizeof(m->mount.real)) && is_numbered(m);
}

int kept_open(int fd, struct kept **out)
{
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct memory))
		return -EINVAL;
	int own = dup(fd);
	struct kept *k = own < 0 ? NULL : kept_map(own);
	if (!k)
		return -errno;
	if (!is_sound(k->m)) {
		kept_free(k);
		return -EINVAL;
	}
	for (unsigned i = 0; i < k->m->slots_used; i++)
		if (!k->m->files[i].fh)
			k->free[k->free_count++] = (uint16_t)i;
	*out = k;
	return 0;
}

void kept_free(struct kept *k)
{
	if (!k)
		return;
	(void)munmap(k->m, sizeof(*k->m)); /* it is mapped */
	close(k->fd);
	free(k);
}

int kept_fd(const struct kept *k)
{
	return k->fd;
}

struct kept_mount *kept_mount(struct kept *k)
{
	return &k->m->mount;
}

int64_t *kept_scratch_id(struct kept *k)
{
	return &k->m->scratch_id;
}

/* ---- what a daemon may die of */

void kept_handles(struct kept *k, uint64_t request)
{
	__atomic_store_n(&k->m->handled, request, __ATOMIC_RELEASE);
}

void kept_handled(struct kept *k)
{
	__atomic_store_n(&k->m->handled, 0, __ATOMIC_RELEASE);
}

static void count_death(struct memory *m)
{
	m->suspect_deaths = m->handled && m->handled == m->suspect ? m->suspect_deaths + 1 : 1;
	m->suspect = m->handled;
	m->handled = 0;
}

bool kept_is_deadly(const struct kept *k, uint64_t request)
{
	return request == k->m->suspect && k->m->suspect_deaths >= KEPT_DEATHS_MAX;
}

/* ---- open files */

struct kept_file *kept_add(struct kept *k, uint64_t ino)
{
	struct memory *m = k->m;
	unsigned slot;
	if (k->free_count)
		slot = k->free[--k->free_count];
	else if (m->slots_used < KEPT_FILES_MAX)
		slot = m->slots_used++;
	else
		return NULL;
	struct kept_file *f = &m->files[slot];
	*f = (struct kept_file){ .ino = ino };
	__atomic_store_n(&f->fh, ++m->last_fh << SLOT_BITS | slot, __ATOMIC_RELEASE);
	return f;
}

/* ---- begun lines: each file has two places behind all else, which take memory where they are written to */

static off_t text_place(const struct kept *k, const struct kept_file *f, uint64_t which)
{
	return TEXT_AREA + ((off_t)kept_slot(k, f) * 2 + (off_t)which) * KEPT_TEXT_MAX;
}

uint64_t kept_put(struct kept *k, struct kept_file *f, const char *text, size_t len)
{
	uint64_t which = !(f->text & 1);
	if (len > KEPT_TEXT_MAX)
		return 0;
	if (f->text_most < len)
		f->text_most = (uint32_t)len;
	if (pwrite(k->fd, text, len, text_place(k, f, which)) != (ssize_t)len)
		return 0;
	return (uint64_t)len << 1 | which;
}

ssize_t kept_get(const struct kept *k, const struct kept_file *f, char *out)
{
	size_t len = f->text >> 1;
	if (len > KEPT_TEXT_MAX)
		return -EINVAL;
	ssize_t n = pread(k->fd, out, len, text_place(k, f, f->text & 1));
	return n == (ssize_t)len ? n : -EIO;
}

/* A file that holds no begun line holds no memory for it, or a page. */
void kept_set_text(struct kept *k, struct kept_file *f, uint64_t text)
{
	__atomic_store_n(&f->text, text, __ATOMIC_RELEASE);
	if (text || f->text_most <= TEXT_LEFT_MAX)
		return;
	if (!fallocate(k->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, text_place(k, f, 0),
		    2 * KEPT_TEXT_MAX))
		f->text_most = 0;
}

struct kept_file *kept_find(struct kept *k, uint64_t fh)
{
	unsigned slot = fh & (KEPT_FILES_MAX - 1);
	struct kept_file *f = &k->m->files[slot];
	return fh && slot < k->m->slots_used && f->fh == fh ? f : NULL;
}

unsigned kept_slot(const struct kept *k, const struct kept_file *f)
{
	return (unsigned)(f - k->m->files);
}

void kept_drop(struct kept *k, struct kept_file *f)
{
	assert(f->fh);
	kept_set_text(k, f, 0);
	__atomic_store_n(&f->fh, 0, __ATOMIC_RELEASE);
	k->free[k->free_count++] = (uint16_t)kept_slot(k, f);
}

struct kept_file *kept_next(struct kept *k, const struct kept_file *f)
{
	for (unsigned i = f ? kept_slot(k, f) + 1 : 0; i < k->m->slots_used; i++)
		if (k->m->files[i].fh)
			return &k->m->files[i];
	return NULL;
}

void kept_drop_opened(struct kept *k, uint64_t request)
{
	for (struct kept_file *f = NULL; (f = kept_next(k, f));)
		if (f->opener == request)
			kept_drop(k, f);
}

/* ---- answers */

static void commit_set(struct kept *k, int64_t commit)
{
	__atomic_store_n(&k->m->commit, commit, __ATOMIC_SEQ_CST);
}

void kept_answers_begin(struct kept *k)
{
	/* Or the answers of this commit would be taken for those of the last one. */
	commit_set(k, 0);
	k->m->answer_count = 0;
}

void kept_answers_add(struct kept *k, const struct kept_answer *a)
{
	assert(k->m->answer_count < KEPT_ANSWERS_MAX);
	k->m->answers[k->m->answer_count++] = *a;
}

void kept_answers_end(struct kept *k, int64_t commit)
{
	commit_set(k, commit);
}

static void settle(struct memory *m, const struct kept_answer *a)
{
	m->settled[m->settled_next % SETTLED_MAX] =
		(struct settled){ .request = a->request, .size = a->size };
	m->settled_next++;
}

void kept_settle(struct kept *k, int64_t commit)
{
	count_death(k->m);
	if (k->m->commit != KEPT_NO_COMMIT && (!commit || k->m->commit != commit)) {
		kept_answers_begin(k);
		return;
	}
	for (unsigned i = 0; i < k->m->answer_count; i++) {
		struct kept_answer *a = &k->m->answers[i];
		struct kept_file *f = kept_find(k, a->fh);
		if (f && a->lost)
			f->state |= KEPT_BEGUN;
		if (f)
			kept_set_text(k, f, a->text);
		a->fh = 0; /* what the file does from now on counts */
		settle(k->m, a);
	}
	kept_answers_begin(k);
}

bool kept_answered(const struct kept *k, uint64_t request, uint32_t *size)
{
	const struct memory *m = k->m;
	for (unsigned i = 0; i < SETTLED_MAX && i < m->settled_next; i++) {
		if (m->settled[i].request != request)
			continue;
		*size = m->settled[i].size;
		return true;
	}
	return false;
}
