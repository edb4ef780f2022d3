#include "util/id.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uuid/uuid.h>

static_assert(ID_UUID_LEN + 1 == UUID_STR_LEN, "libuuid writes 36 characters and a NUL");

void id_uuid_random(char out[ID_UUID_LEN + 1])
{
	uuid_t uuid;

	uuid_generate_random(uuid);
	uuid_unparse_lower(uuid, out);
}

void id_uuid_named(const char *space, const char *name, char out[ID_UUID_LEN + 1])
{
	uuid_t root, uuid;

	uuid_generate_sha1(root, *uuid_get_template("url"), space, strlen(space));
	uuid_generate_sha1(uuid, root, name, strlen(name));
	uuid_unparse_lower(uuid, out);
}

void id_random_hex(char *out, unsigned chars)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < chars; i++) {
		unsigned char pool[16];

		/* Small requests are answered whole; a signal interrupts only early in the boot. */
		while (i % sizeof(pool) == 0 && getrandom(pool, sizeof(pool), 0) < 0)
			if (errno != EINTR)
				abort();
		out[i] = digits[pool[i % sizeof(pool)] & 15];
	}
	out[chars] = '\0';
}
