/*
 * resolver: for LD_PRELOAD: names below .test without any DNS. many.test has a hundred addresses on loopback
 * of which the last is 127.0.0.1; every other one does not exist.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES 100

typedef int lookup_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static lookup_fn *next(void)
{
	lookup_fn *f = NULL;
	void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");

	memcpy(&f, &symbol, sizeof(f));
	return f;
}

static void number(struct addrinfo *a, unsigned n)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)a->ai_addr;

	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + n);
}

/* Each one is made by the C library, so that it can free them. */
static int many(
	lookup_fn *lookup, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	struct addrinfo *first = NULL;

	for (unsigned n = 0; n < ADDRESSES; n++) {
		struct addrinfo *one = NULL;
		int r = lookup("127.0.0.1", service, hints, &one);

		if (r)
			return r;
		number(one, n);
		struct addrinfo *last = one;
		while (last->ai_next)
			last = last->ai_next;
		last->ai_next = first;
		first = one;
	}
	*out = first;
	return 0;
}

int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	size_t len = node ? strlen(node) : 0;

	if (len < 5 || strcmp(node + len - 5, ".test"))
		return next()(node, service, hints, out);
	if (!strcmp(node, "many.test"))
		return many(next(), service, hints, out);
	return EAI_NONAME;
}
