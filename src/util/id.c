#include "util/id.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define UUID_SIZE 16

/* RFC 9562, 6.6 */
static const unsigned char url_namespace[UUID_SIZE] = { 0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11,
	0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static const char hex[] = "0123456789abcdef";

static void random_bytes(unsigned char *out, size_t len)
{
	/* Small requests are answered whole; a signal interrupts only early in the boot. */
	while (getrandom(out, len, 0) < 0)
		if (errno != EINTR)
			abort();
}

void id_random_hex(char *out, unsigned chars)
{
	unsigned char pool[16];

	for (unsigned i = 0; i < chars; i++) {
		if (i % sizeof(pool) == 0)
			random_bytes(pool, sizeof(pool));
		out[i] = hex[pool[i % sizeof(pool)] & 15];
	}
	out[chars] = '\0';
}

/* ---- UUIDs */

static void set_version(unsigned char uuid[UUID_SIZE], unsigned version)
{
	uuid[6] = (unsigned char)((uuid[6] & 0x0f) | version << 4);
	uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80); /* the variant of the RFC */
}

static void show(const unsigned char uuid[UUID_SIZE], char out[ID_UUID_LEN + 1])
{
	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[uuid[i] >> 4];
		*out++ = hex[uuid[i] & 15];
	}
	*out = '\0';
}

void id_uuid_random(char out[ID_UUID_LEN + 1])
{
	unsigned char uuid[UUID_SIZE];

	random_bytes(uuid, sizeof(uuid));
	set_version(uuid, 4);
	show(uuid, out);
}

/* A place for what was asked for last of all names with the same hash; longer names have none. */
#define PLACES         64
#define PLACE_NAME_MAX 128

struct place {
	size_t len; /* 0: free */
	char name[PLACE_NAME_MAX];
	char uuid[ID_UUID_LEN + 1];
};

struct id_space {
	EVP_MD_CTX *hash;
	unsigned char root[UUID_SIZE];
	struct place places[PLACES];
};

static bool name_uuid(struct id_space *s, const unsigned char space[UUID_SIZE], const char *name,
	size_t len, unsigned char out[UUID_SIZE])
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	if (EVP_DigestInit_ex2(s->hash, NULL, NULL) != 1 ||
		EVP_DigestUpdate(s->hash, space, UUID_SIZE) != 1 ||
		EVP_DigestUpdate(s->hash, name, len) != 1 ||
		EVP_DigestFinal_ex(s->hash, sum, NULL) != 1)
		return false;
	memcpy(out, sum, UUID_SIZE);
	set_version(out, 5);
	return true;
}

int id_space_new(const char *space, struct id_space **out)
{
	struct id_space *s = calloc(1, sizeof(*s));
	EVP_MD *sha1;
	int rc = 0;

	if (!s)
		return -ENOMEM;
	/* Once: looking the algorithm up takes longer than a hash of it. */
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	s->hash = EVP_MD_CTX_new();
	if (!sha1)
		rc = -ENOTSUP;
	else if (!s->hash || EVP_DigestInit_ex2(s->hash, sha1, NULL) != 1 ||
		!name_uuid(s, url_namespace, space, strlen(space), s->root))
		rc = -ENOMEM;
	EVP_MD_free(sha1); /* the hash has it */
	if (rc)
		id_space_free(s);
	else
		*out = s;
	return rc;
}

void id_space_free(struct id_space *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->hash);
	free(s);
}

static struct place *place_of(struct id_space *s, const char *name, size_t len)
{
	unsigned hash = 0;

	for (size_t i = 0; i < len; i++)
		hash = hash * 31 + (unsigned char)name[i];
	return &s->places[hash % PLACES];
}

void id_uuid_named(struct id_space *s, const char *name, size_t len, char out[ID_UUID_LEN + 1])
{
	unsigned char uuid[UUID_SIZE];
	struct place *p = len <= PLACE_NAME_MAX ? place_of(s, name, len) : NULL;

	if (p && len && p->len == len && !memcmp(p->name, name, len)) {
		memcpy(out, p->uuid, sizeof(p->uuid));
		return;
	}
	if (!name_uuid(s, s->root, name, len, uuid))
		abort(); /* no memory: it has worked before */
	show(uuid, out);
	if (!p)
		return;
	p->len = len;
	memcpy(p->name, name, len);
	memcpy(p->uuid, out, sizeof(p->uuid));
}
