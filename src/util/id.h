#pragma once
/*
 * id: names for things that need one: UUIDs and random digits.
 *
 * Random bytes are the kernel's; SHA-1 is libcrypto's. A space of named ids is owned by whoever made it; it
 * remembers the ids that it was asked for last, since most events are of few objects.
 */
#include <stddef.h>

#define ID_UUID_LEN 36 /* characters; a buffer needs one more */

void id_uuid_random(char out[ID_UUID_LEN + 1]);
/* `chars` random hexadecimal digits and a NUL. */
void id_random_hex(char *out, unsigned chars);

/*
 * UUIDv5s of names under the namespace that is itself the UUIDv5 of `space` under the URL namespace: the
 * same two strings give the same id on every host and for ever.
 */
struct id_space;
/* 0; -ENOMEM; -ENOTSUP: libcrypto is configured to do without SHA-1. */
int id_space_new(const char *space, struct id_space **out);
void id_space_free(struct id_space *s); /* takes NULL */
void id_uuid_named(struct id_space *s, const char *name, size_t len, char out[ID_UUID_LEN + 1]);
