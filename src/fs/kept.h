#pragma once
/*
 * kept: what of a mount must outlive the daemon that serves it, in memory that can be handed on.
 *
 * The kernel asks whoever has the descriptor of /dev/fuse. A daemon that takes it over knows neither how the
 * connection began, nor the files that are open, nor which of the requests that are sent to it
 * once more have been carried out. All that is here, in a memfd: whoever keeps its descriptor
 * beside that of /dev/fuse has the mount. A process may be killed between any two instructions, and
 * each of the changes below is whole or has not happened.
 *
 * It is memory, for it need not survive the machine: with it end the mount and its writers. Of what was
 * begun and not ended it has the lines of events, which go on; of a value, which may be a secret,
 * only that it was begun.
 *
 * Knows no FUSE: the first request is bytes. Owns the memfd and its mapping. Errors: 0 or -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEPT_FILES_MAX   65536
#define KEPT_ANSWERS_MAX 512 /* a commit: more requests than a turn takes */
#define KEPT_FIRST_MAX   256
#define KEPT_TEXT_MAX    ((1 << 20) + 4096) /* a begun line; a multiple of the page */

/* What has been lost with the daemon that had the file open. */
enum {
	KEPT_BEGUN = 1,    /* bytes were acknowledged that are not yet part of anything stored */
	KEPT_STARTED = 2,  /* a write would go on with what was written before */
	KEPT_SHOWN = 4,    /* it shows what cannot be shown again */
	KEPT_DISCARDS = 8, /* nothing: what is written to it is not looked at */
};

struct kept_file {
	uint64_t fh; /* 0: this slot is free; never given twice */
	uint64_t ino;
	uint64_t opener;  /* the request that opened it */
	uint64_t request; /* the last write or flush that was carried out, and needed no commit; */
	uint32_t size;    /* and its result */
	uint64_t writer;  /* as in struct handle */
	uint64_t poll;    /* how the kernel calls who waits for it; 0: nobody has */
	uint64_t shown_len;
	uint32_t flags, uid, gid;
	int32_t pid;
	uint32_t state;
	uint32_t text_most; /* bytes that a text of it has taken so far */
	uint64_t text;      /* the begun line: what kept_put told; 0: none */
};

struct kept_answer {
	uint64_t request, fh;
	uint64_t text; /* the file's behind it; */
	bool lost;     /* it could not be put down */
	uint32_t size;
};

/* The mount itself. */
struct kept_mount {
	char given[4096], real[4096]; /* the mount point as the user wrote it, and without links */
	unsigned major, minor;
	bool beforehand; /* not made by a daemon, and not its to unmount */
	size_t first_len;
	unsigned char first[KEPT_FIRST_MAX]; /* the kernel's first request */
};

struct kept;

int kept_new(struct kept **out);
/* Another daemon's. -EINVAL: it is none, one of another format, or damaged. The descriptor is the caller's. */
int kept_open(int fd, struct kept **out);
void kept_free(struct kept *k);
int kept_fd(const struct kept *k);
struct kept_mount *kept_mount(struct kept *k);
/* From here to kept_handled this request is carried out. One that so many daemons in a row did not live through is
 * deadly: they die of it. */
#define KEPT_DEATHS_MAX 3
void kept_handles(struct kept *k, uint64_t request);
void kept_handled(struct kept *k);
bool kept_is_deadly(const struct kept *k, uint64_t request);
/* The largest id of a scratch file; they are not kept, but their numbers are not given again. */
int64_t *kept_scratch_id(struct kept *k);

/* NULL: there are KEPT_FILES_MAX. */
struct kept_file *kept_add(struct kept *k, uint64_t ino);
struct kept_file *kept_find(struct kept *k, uint64_t fh); /* NULL: it is not open */
void kept_drop(struct kept *k, struct kept_file *f);
/* The open of this request, which is made once more: nobody has heard of it. */
void kept_drop_opened(struct kept *k, uint64_t request);
/* The open file behind `f` (NULL: the first); NULL at the end. */
struct kept_file *kept_next(struct kept *k, const struct kept_file *f);
unsigned kept_slot(const struct kept *k, const struct kept_file *f);

/* Puts a begun line down without making it the file's, whose own stays as it is. What is to become `text` of
 * it, or 0: there is no room. */
uint64_t kept_put(struct kept *k, struct kept_file *f, const char *text, size_t len);
void kept_set_text(struct kept *k, struct kept_file *f, uint64_t text);
/* The file's begun line: its length, read into `out` of KEPT_TEXT_MAX bytes; or -errno. */
ssize_t kept_get(const struct kept *k, const struct kept_file *f, char *out);

/*
 * What a commit is about to acknowledge. It is written before the commit and counts only if the commit with that
 * number is the last that took place, which the database tells. Numbers are above 0; what changes nothing in the
 * database has KEPT_NO_COMMIT, and counts from kept_answers_end on.
 */
#define KEPT_NO_COMMIT (-1)
void kept_answers_begin(struct kept *k);
void kept_answers_add(struct kept *k, const struct kept_answer *a); /* at most KEPT_ANSWERS_MAX */
void kept_answers_end(struct kept *k, int64_t commit);
/* After a takeover: the last commit has this number. Forgets the answers of any other; counts the deaths of what was
 * being carried out. */
void kept_settle(struct kept *k, int64_t commit);
/* A daemon before has carried out this request, with this result. It is known to all later ones: the next one may
 * commit, and be killed, before it has been asked again. */
bool kept_answered(const struct kept *k, uint64_t request, uint32_t *size);
