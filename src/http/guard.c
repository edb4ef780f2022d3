/*
 * What is known of addresses is the table below, after the registries of special-purpose addresses
 * (RFC 6890 and IANA's lists behind it) and the manuals of the clouds. An address is what the first row says
 * whose range holds it; one without a row is global.
 *
 * IPv4 and IPv6 never match each other: ::/0 holds no IPv4 address, since those that stand for one have been
 * turned into it before.
 */
#include "http/guard.h"

#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum {
	LINK_LOCAL = 1 << 0,
	METADATA = 1 << 1,
	LOOPBACK = 1 << 2,
	NOT_GLOBAL = 1 << 3,

	ALWAYS = LINK_LOCAL | METADATA,
};

/* In the order in which they are shown. `private` comes before what it includes. */
static const struct word {
	const char *name;
	unsigned mask;
} words[] = {
	{ "link-local", LINK_LOCAL },
	{ "metadata", METADATA },
	{ "private", LOOPBACK | NOT_GLOBAL },
	{ "loopback", LOOPBACK },
};

static const struct block {
	struct guard_range range;
	unsigned word;
	const char *what;
} blocks[] = {
	{ { AF_INET, 16, { 169, 254 } }, LINK_LOCAL, "a link-local address" },
	{ { AF_INET, 32, { 100, 100, 100, 200 } }, METADATA, "a metadata address" }, /* Alibaba */
	{ { AF_INET, 32, { 168, 63, 129, 16 } }, METADATA,
		"a metadata address" }, /* Azure; it is global */
	{ { AF_INET, 32, { 192, 0, 0, 192 } }, METADATA, "a metadata address" }, /* Oracle, once */
	{ { AF_INET, 8, { 127 } }, LOOPBACK, "a loopback address" },
	{ { AF_INET, 32, { 0, 0, 0, 0 } }, LOOPBACK, "a loopback address" },
	{ { AF_INET, 8, { 0 } }, NOT_GLOBAL, "a reserved address" },
	{ { AF_INET, 8, { 10 } }, NOT_GLOBAL, "a private address" },
	{ { AF_INET, 12, { 172, 16 } }, NOT_GLOBAL, "a private address" },
	{ { AF_INET, 16, { 192, 168 } }, NOT_GLOBAL, "a private address" },
	{ { AF_INET, 10, { 100, 64 } }, NOT_GLOBAL,
		"a private address" }, /* behind a provider's NAT */
	{ { AF_INET, 24, { 192, 0, 0 } }, NOT_GLOBAL, "a reserved address" },
	{ { AF_INET, 24, { 192, 0, 2 } }, NOT_GLOBAL, "a documentation address" },
	{ { AF_INET, 24, { 198, 51, 100 } }, NOT_GLOBAL, "a documentation address" },
	{ { AF_INET, 24, { 203, 0, 113 } }, NOT_GLOBAL, "a documentation address" },
	{ { AF_INET, 24, { 192, 88, 99 } }, NOT_GLOBAL, "a reserved address" }, /* 6to4 relays */
	{ { AF_INET, 15, { 198, 18 } }, NOT_GLOBAL, "a benchmarking address" },
	{ { AF_INET, 4, { 224 } }, NOT_GLOBAL, "a multicast address" },
	{ { AF_INET, 4, { 240 } }, NOT_GLOBAL, "a reserved address" }, /* and broadcast */

	{ { AF_INET6, 10, { 0xfe, 0x80 } }, LINK_LOCAL, "a link-local address" },
	/* Amazon: all that it serves on the machine itself */
	{ { AF_INET6, 32, { 0xfd, 0x00, 0x0e, 0xc2 } }, METADATA, "a metadata address" },
	/* Google, fd20:ce::254 */
	{ { AF_INET6, 128, { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 } },
		METADATA, "a metadata address" },
	/* Oracle, fd00:c1::a9fe:a9fe */
	{ { AF_INET6, 128,
		  { 0xfd, 0x00, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe } },
		METADATA, "a metadata address" },
	{ { AF_INET6, 127, { 0 } }, LOOPBACK, "a loopback address" }, /* ::1 and :: */
	{ { AF_INET6, 7, { 0xfc } }, NOT_GLOBAL, "a private address" },
	{ { AF_INET6, 8, { 0xff } }, NOT_GLOBAL, "a multicast address" },
	{ { AF_INET6, 32, { 0x20, 0x01, 0x0d, 0xb8 } }, NOT_GLOBAL, "a documentation address" },
	{ { AF_INET6, 20, { 0x3f, 0xff } }, NOT_GLOBAL, "a documentation address" },
	{ { AF_INET6, 23, { 0x20, 0x01 } }, NOT_GLOBAL,
		"a reserved address" }, /* Teredo, ORCHID, ... */
	/*
	 * Global unicast is 2000::/3. The rest: 64:ff9b:1::/48, a site's own NAT64, whose IPv4 addresses
	 * stand where that site has put them; 100::/64; 5f00::/16; and what nobody has been given.
	 */
	{ { AF_INET6, 3, { 0 } }, NOT_GLOBAL, "a reserved address" },
	{ { AF_INET6, 2, { 0x40 } }, NOT_GLOBAL, "a reserved address" },
	{ { AF_INET6, 1, { 0x80 } }, NOT_GLOBAL, "a reserved address" },
};

/* Where IPv6 addresses hold the IPv4 address that they stand for. */
static const struct embedding {
	struct guard_range range;
	size_t at;
} embeddings[] = {
	{ { AF_INET6, 96, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
		12 },                                         /* ::ffff:0:0/96, mapped */
	{ { AF_INET6, 96, { 0x00, 0x64, 0xff, 0x9b } }, 12 }, /* 64:ff9b::/96, NAT64 */
	{ { AF_INET6, 16, { 0x20, 0x02 } }, 2 },              /* 2002::/16, 6to4 */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- addresses: a range of all its bits */

static bool range_has(const struct guard_range *r, const struct guard_range *a)
{
	size_t whole = r->bits / 8, rest = r->bits % 8;

	if (r->family != a->family || a->bits < r->bits || memcmp(r->bytes, a->bytes, whole))
		return false;
	return !rest || (r->bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

/* The IPv4 address or range that one of IPv6 stands for; else the same. */
static struct guard_range meant_by(const struct guard_range *a)
{
	for (size_t i = 0; i < COUNT(embeddings); i++) {
		const struct embedding *e = &embeddings[i];
		struct guard_range v4 = { .family = AF_INET, .bits = 32 };

		if (!range_has(&e->range, a))
			continue;
		memcpy(v4.bytes, a->bytes + e->at, 4);
		return v4;
	}
	return *a;
}

static bool address_parse(const char *text, struct guard_range *out)
{
	struct guard_range a = { .family = AF_INET, .bits = 32 };

	if (inet_pton(AF_INET, text, a.bytes) != 1) {
		a.family = AF_INET6;
		a.bits = 128;
		if (inet_pton(AF_INET6, text, a.bytes) != 1)
			return false;
	}
	*out = a;
	return true;
}

/* "10.0.0.0/8"; without the bits where they are all. */
static void range_text(const struct guard_range *r, char *out, size_t cap)
{
	char address[INET6_ADDRSTRLEN] = "?"; /* of the two families none fails */
	unsigned all = r->family == AF_INET ? 32 : 128;

	(void)inet_ntop(r->family, r->bytes, address, sizeof(address));
	if (r->bits == all)
		(void)snprintf(out, cap, "%s", address);
	else
		(void)snprintf(out, cap, "%s/%u", address, r->bits);
}

#define RANGE_TEXT_SIZE (INET6_ADDRSTRLEN + sizeof("/128"))

/* ---- lists */

static bool bits_zero_from(const struct guard_range *r, unsigned bits)
{
	for (unsigned i = bits; i < (r->family == AF_INET ? 32 : 128); i++)
		if (r->bytes[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* `item` ends with its last byte; a mistake's column counts from its start. */
static int range_parse(const char *item, struct err *err, struct guard_range *out)
{
	char address[INET6_ADDRSTRLEN + 1];
	size_t len = strcspn(item, "/");
	struct guard_range r;
	uint64_t bits;

	(void)snprintf(address, sizeof(address), "%.*s", (int)len, item);
	if (len >= sizeof(address) || !address_parse(address, &r))
		return err_set(err, EINVAL, 0,
			"\"%s\" is no range of addresses: write 10.0.0.0/8, fd00::/8, an address, "
			"private, loopback, link-local, metadata or none",
			item);
	bits = r.bits;
	if (item[len] == '/') {
		const char *count = item + len + 1;

		if (text_parse_uint(count, strlen(count), NULL, &bits) < 0 || bits > r.bits)
			return err_set(err, EINVAL, len + 1,
				"\"%s\": behind the slash stands a number of bits, 0 to %u", item,
				r.bits);
	}
	if (!bits_zero_from(&r, (unsigned)bits)) {
		return err_set(err, EINVAL, 0,
			"\"%s\": the address goes on behind its first %u bits, so one of the two "
			"is wrong",
			item, (unsigned)bits);
	}
	r.bits = (uint8_t)bits;
	/* Addresses that are mapped are judged as IPv4, so ranges of them are kept so. */
	if (range_has(&embeddings[0].range, &r)) {
		memmove(r.bytes, r.bytes + 12, 4);
		memset(r.bytes + 4, 0, sizeof(r.bytes) - 4);
		r.family = AF_INET;
		r.bits = (uint8_t)(bits - 96);
	}
	*out = r;
	return 0;
}

static int item_parse(struct guard_list *l, const char *item, struct err *err)
{
	struct guard_range r;
	int rc;

	for (size_t i = 0; i < COUNT(words); i++) {
		if (!strcmp(item, words[i].name)) {
			l->words |= words[i].mask;
			return 0;
		}
	}
	rc = range_parse(item, err, &r);
	if (rc < 0)
		return rc;
	if (l->count == GUARD_RANGES_MAX)
		return err_set(err, E2BIG, 0, "these are too many ranges: %d at most are taken",
			GUARD_RANGES_MAX);
	l->ranges[l->count++] = r;
	return 0;
}

static int list_parse(
	struct guard_list *out, unsigned always, const char *text, size_t len, struct err *err)
{
	struct guard_list l = { .words = always };

	if (len == 4 && !memcmp(text, "none", 4)) {
		*out = (struct guard_list){ 0 };
		return 0;
	}
	for (size_t start = 0, end; start <= len; start = end + 1) {
		char item[64]; /* longer than any range */
		int rc;

		for (end = start; end < len && text[end] != '+' && text[end] != ',';)
			end++;
		if (end - start >= sizeof(item))
			return err_set(
				err, E2BIG, start, "this is longer than any range of addresses");
		memcpy(item, text + start, end - start);
		item[end - start] = '\0';
		rc = item_parse(&l, item, err);
		if (rc < 0) {
			err_shift(err, start);
			return rc;
		}
	}
	*out = l;
	return 0;
}

int guard_parse_deny(struct guard *g, const char *text, size_t len, struct err *err)
{
	return list_parse(&g->deny, ALWAYS, text, len, err);
}

int guard_parse_allow(struct guard *g, const char *text, size_t len, struct err *err)
{
	return list_parse(&g->allow, 0, text, len, err);
}

void guard_show(const struct guard_list *l, struct buf *out)
{
	unsigned left = l->words;
	const char *between = "";

	for (size_t i = 0; i < COUNT(words); i++) {
		if ((l->words & words[i].mask) != words[i].mask || !(left & words[i].mask))
			continue;
		left &= ~words[i].mask;
		buf_addf(out, "%s%s", between, words[i].name);
		between = "+";
	}
	for (unsigned i = 0; i < l->count; i++) {
		char range[RANGE_TEXT_SIZE];

		range_text(&l->ranges[i], range, sizeof(range));
		buf_addf(out, "%s%s", between, range);
		between = "+";
	}
}

/* ---- judging */

static const struct block *block_of(const struct guard_range *a)
{
	for (size_t i = 0; i < COUNT(blocks); i++)
		if (range_has(&blocks[i].range, a))
			return &blocks[i];
	return NULL;
}

static const struct guard_range *list_find(const struct guard_list *l, const struct guard_range *a)
{
	for (unsigned i = 0; i < l->count; i++)
		if (range_has(&l->ranges[i], a))
			return &l->ranges[i];
	return NULL;
}

/* `range` is NULL where a word decided. */
static void explain(char why[GUARD_WHY_SIZE], const struct guard_range *a,
	const struct guard_range *meant, const struct block *block, const struct guard_range *range)
{
	char address[RANGE_TEXT_SIZE], rule[RANGE_TEXT_SIZE];
	char inner[sizeof(" ()") + INET_ADDRSTRLEN] = "", v4[INET_ADDRSTRLEN];

	range_text(a, address, sizeof(address));
	if (meant->family != a->family && inet_ntop(AF_INET, meant->bytes, v4, sizeof(v4)))
		(void)snprintf(inner, sizeof(inner), " (%s)", v4);
	if (range)
		range_text(range, rule, sizeof(rule));
	(void)snprintf(why, GUARD_WHY_SIZE,
		"%s%s is %s%s, which is not called (allow= opens exceptions)", address, inner,
		range ? "in " : block->what, range ? rule : "");
}

static bool judge(const struct guard *g, const struct guard_range *a, char why[GUARD_WHY_SIZE])
{
	const struct guard_range meant = meant_by(a), *range;
	const struct block *block = block_of(&meant);
	unsigned word = block ? block->word : 0;

	if (word & g->allow.words || list_find(&g->allow, &meant))
		return true;
	range = list_find(&g->deny, &meant);
	if (!range)
		range = list_find(&g->deny, a);
	if (!range && !(word & g->deny.words))
		return true;
	explain(why, a, &meant, block, word & g->deny.words ? NULL : range);
	return false;
}

bool guard_allows(const struct guard *g, const struct sockaddr *to, char why[GUARD_WHY_SIZE])
{
	struct guard_range a = { .family = to->sa_family };

	switch (to->sa_family) {
	case AF_INET:
		a.bits = 32;
		memcpy(a.bytes, &((const struct sockaddr_in *)(const void *)to)->sin_addr, 4);
		return judge(g, &a, why);
	case AF_INET6:
		a.bits = 128;
		memcpy(a.bytes, &((const struct sockaddr_in6 *)(const void *)to)->sin6_addr, 16);
		return judge(g, &a, why);
	default:
		(void)snprintf(why, GUARD_WHY_SIZE, "addresses of family %d are not called",
			to->sa_family);
		return false;
	}
}

bool guard_allows_text(const struct guard *g, const char *to, char why[GUARD_WHY_SIZE])
{
	struct guard_range a;

	if (address_parse(to, &a))
		return judge(g, &a, why);
	(void)snprintf(why, GUARD_WHY_SIZE, "the address called cannot be read");
	return false;
}
