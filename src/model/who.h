#pragma once
/*
 * who: whose a request, an event or a refusal is, as the kernel says.
 */
#include <stdbool.h>
#include <stdint.h>

/* Nobody's number (chown(2) keeps it free): what came through a pipe, which tells nothing of its writer. */
#define UID_UNKNOWN ((uint32_t)-1)

struct who {
	uint32_t uid, gid;
	int32_t pid; /* of the thread; 0: unknown, or in another pid namespace */
};

#define WHO_UNKNOWN ((struct who){ .uid = UID_UNKNOWN, .gid = UID_UNKNOWN })

/*
 * How much of what all share this user may take: an eighth is left to root and the mounting user, so that they
 * can still see what the others do, and put it right.
 */
static inline uint64_t who_share(uint32_t uid, uint32_t mounter, uint64_t all)
{
	bool master = uid == 0 || uid == mounter;
	return master ? all : all / 8 * 7;
}
