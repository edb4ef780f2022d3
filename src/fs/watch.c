#include "fs/watch.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* Compared as bytes: no padding. */
struct key {
	int64_t topic, id;
};

struct watched {
	struct key key;
	struct waiter *waiters; /* never empty */
	UT_hash_handle hh;
};

static struct watched *find(const struct watch *w, enum topic topic, int64_t id)
{
	const struct key key = { topic, id };
	struct watched *on;
	HASH_FIND(hh, w->topics, &key, sizeof(key), on);
	return on;
}

static struct watched *find_or_add(struct watch *w, enum topic topic, int64_t id)
{
	struct watched *on = find(w, topic, id);
	if (on)
		return on;
	on = calloc(1, sizeof(*on));
	if (!on)
		abort();
	on->key = (struct key){ topic, id };
	HASH_ADD(hh, w->topics, key, sizeof(on->key), on);
	return on;
}

void *watch_wait(struct watch *w, struct waiter *one, enum topic topic, int64_t id, void *token)
{
	void *before = one->token;
	one->token = token;
	if (before)
		return before; /* an open file shows one thing as long as it is open */
	one->on = find_or_add(w, topic, id);
	DL_APPEND(one->on->waiters, one);
	return NULL;
}

void *watch_leave(struct watch *w, struct waiter *one)
{
	void *token = one->token;
	struct watched *on = one->on;
	if (!token)
		return NULL;
	DL_DELETE(on->waiters, one);
	if (!on->waiters) {
		HASH_DEL(w->topics, on);
		free(on);
	}
	*one = (struct waiter){ 0 };
	return token;
}

void *watch_take(struct watch *w, enum topic topic, int64_t id)
{
	struct watched *on = find(w, topic, id);
	return on ? watch_leave(w, on->waiters) : NULL;
}

bool watch_is_empty(const struct watch *w)
{
	return !w->topics;
}
