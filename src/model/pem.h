#pragma once
/*
 * pem: what is in a text of certificates or of a private key, and whether the two belong together.
 *
 * PEM is blocks of base64 between lines -----BEGIN X----- and -----END X-----; words between the
 * blocks are nobody's business (RFC 7468 §5.2). Pure: no clock, no files. Nothing is kept of a text, and
 * memory that held a key is cleared. No sentence quotes any part of a text.
 *
 * Errors: -EINVAL something else than what is expected, or damaged; -ENOMEM.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define PEM_MAX (64 * 1024) /* bytes: a dozen chains; the certificates of all the web are 220 K */

/*
 * False while the text breaks off: within a block, behind the parameters of a key that is to follow,
 * among words before or behind a block. True for a first line that begins no block, for there is
 * no point in waiting for more.
 */
bool pem_whole(const char *text, size_t len);

enum pem_kind {
	PEM_CERTIFICATES, /* one or more */
	PEM_CHAIN,        /* likewise; no certificate stands before one that it has issued */
	PEM_KEY,          /* one, not encrypted */
};
int pem_check(enum pem_kind kind, const char *text, size_t len, struct err *err);

/* The chain and the key by which one shows who one is; NULL: there is none. -EINVAL unless the key is
 * that of the chain's first certificate or there is neither. Both were checked. */
int pem_pair(const char *chain, const char *key, struct err *err);

/* From when until when the certificates, checked before, are good: all of them, and any of them. */
struct pem_dates {
	int64_t all_from_s, all_until_s;
	int64_t any_from_s, any_until_s;
};
int pem_dates(const char *certificates, struct pem_dates *out);
