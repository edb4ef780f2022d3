#pragma once
/*
 * id: names for things that need one. A thin face over libuuid, the one place that includes it.
 */
#define ID_UUID_LEN 36 /* characters; a buffer needs one more */

void id_uuid_random(char out[ID_UUID_LEN + 1]);
/* UUIDv5 of `name` under the namespace that is itself the UUIDv5 of `space` under the URL
 * namespace: the same two strings give the same id on every host and for ever. */
void id_uuid_named(const char *space, const char *name, char out[ID_UUID_LEN + 1]);
/* `chars` random hexadecimal digits and a NUL. */
void id_random_hex(char *out, unsigned chars);
