#pragma once
/*
 * guard: which addresses may be called.
 *
 * Judges addresses, never names: whoever connects asks for each address that a name has led to, when it
 * is about to connect. Two lists, of ranges (10.0.0.0/8, fd00::/8, 192.0.2.1) and words:
 *
 *     link-local  169.254.0.0/16 and fe80::/10
 *     metadata    where clouds hand a machine's credentials to whoever asks from it
 *     loopback    127.0.0.0/8, ::1, and 0.0.0.0 and ::, which Linux takes for them
 *     private     loopback, and all else that is not global
 *     none        nothing; stands alone
 *
 * link-local and metadata are in every deny list but `none`. What is in both lists is allowed.
 *
 * An IPv6 address that stands for an IPv4 one (IPv4-mapped, NAT64's 64:ff9b::/96, 6to4) is judged as that one;
 * a range that denies it as it is written counts too.
 *
 * Pure values: no allocation, no sockets; a zeroed guard allows everything.
 */
#include "model/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct buf;
struct err;

#define GUARD_RANGES_MAX 64
#define GUARD_WHY_SIZE   sizeof(((struct outcome *)0)->error)

struct guard_range {
	sa_family_t family; /* AF_INET, AF_INET6 */
	uint8_t bits;
	uint8_t bytes[16]; /* the prefix, zeros behind it; IPv4: the first four */
};

struct guard_list {
	unsigned words;
	unsigned count;
	struct guard_range ranges[GUARD_RANGES_MAX];
};

struct guard {
	struct guard_list deny, allow;
};

/* Items are separated by `+` or commas. -EINVAL, -E2BIG (too many). */
int guard_parse_deny(struct guard *g, const char *text, size_t len, struct err *err);
int guard_parse_allow(struct guard *g, const char *text, size_t len, struct err *err);
/* As it is parsed; nothing for an empty list. */
void guard_show(const struct guard_list *l, struct buf *out);

/* False: it must not be called, and `why` is a sentence that names the address and the rule. */
bool guard_allows(const struct guard *g, const struct sockaddr *to, char why[GUARD_WHY_SIZE]);
/* Likewise for an address as text; what is none is not allowed. */
bool guard_allows_text(const struct guard *g, const char *to, char why[GUARD_WHY_SIZE]);
