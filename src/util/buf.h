#pragma once
/*
 * buf: growable bytes with a mandatory maximum.
 *
 * Owns its memory. Errors stick: after the first failed append (-E2BIG beyond `max`, -ENOMEM) every
 * further append is ignored and buf_error() tells, so that a renderer checks once at its end.
 * `data` is NULL or NUL-terminated (the NUL is not counted). A buffer made with `wipe` never leaves
 * its bytes behind in freed memory: use it for whatever may hold a protected value.
 *
 * Life cycle: BUF(max) or buf_init, append, read data/len, buf_release (or buf_detach).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *data;
	size_t len; /* bytes used */
	size_t cap; /* bytes allocated, the NUL's included */
	size_t max; /* len never passes this */
	int error;  /* 0, -E2BIG, -ENOMEM */
	bool wipe;  /* clear memory before giving it back */
};

#define BUF(maximum)             \
	{                        \
		.max = (maximum) \
	}
#define BUF_SECRET(maximum)                    \
	{                                      \
		.max = (maximum), .wipe = true \
	}

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees (wiping if asked), and leaves an empty, usable buffer */
void buf_reset(struct buf *b);   /* empties, forgets the error, keeps the memory */

/* Allocates once for so many bytes more, where they are foreseen. What would pass the maximum is no error yet. */
void buf_expect(struct buf *b, size_t len);
void buf_add(struct buf *b, const void *data, size_t len);
static inline void buf_adds(struct buf *b, const char *str)
{
	buf_add(b, str, strlen(str)); /* here, so that the length of a constant is one */
}
void buf_addc(struct buf *b, char c);
/* For what is written seldom: where each event passes, printf costs more than all the rest. */
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addi(struct buf *b, int64_t n);
/* Decimal, with zeros in front up to `digits`, which is at most 20. */
void buf_addu(struct buf *b, uint64_t n, unsigned digits);
void buf_add_hex(struct buf *b, const void *data, size_t len); /* two lower-case digits a byte */
/* Appends a JSON string, quotes included, in which nothing acts on a terminal; `data` must be valid UTF-8. */
void buf_add_json(struct buf *b, const char *data, size_t len);

void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
void buf_cut(struct buf *b, size_t len);   /* drops everything behind the first len bytes */
void buf_undo(
	struct buf *b, size_t len); /* the same, and forgets the error that came behind them */

int buf_error(const struct buf *b);       /* 0, -E2BIG, -ENOMEM */
const char *buf_str(const struct buf *b); /* never NULL */
char *buf_detach(struct buf *b); /* the caller frees; NULL on a sticky error or when empty */
