#pragma once
/*
 * attributes: mode, owner and group of what is no hook's: the mount's root and what lies in it, where
 * somebody has changed them; and their JSON, attributes.json of the state directory.
 *
 *     {
 *       ".": {"mode": "0750", "gid": 1000},
 *       "events": {"mode": "0620", "gid": 1000}
 *     }
 *
 * A plain value: copied, changed, and put in the place of the old one when it has been saved. Knows
 * names only, not which there are.
 *
 * Errors: 0 or -errno; -EINVAL with a sentence for JSON that is none of ours.
 */
#include "model/hook.h"

#define ATTRIBUTES_ROOT     "." /* the name of the root itself */
#define ATTRIBUTES_MAX      32  /* names; the root has a dozen */
#define ATTRIBUTES_NAME_MAX 31
#define ATTRIBUTES_JSON_MAX (64 * 1024)

struct attributes {
	struct attribute {
		char name[ATTRIBUTES_NAME_MAX + 1];
		mode_t mode;       /* permission bits, or HOOK_MODE_UNSET */
		uint32_t uid, gid; /* or HOOK_OWNER_UNSET */
	} list[ATTRIBUTES_MAX];
	size_t count;
};

/* NULL where nothing was changed. */
const struct attribute *attributes_find(const struct attributes *a, const char *name);
/* Makes it if there is none; NULL: no room for it. */
struct attribute *attributes_get(struct attributes *a, const char *name);

void attributes_json(const struct attributes *a, struct buf *out);
int attributes_from_json(const char *text, size_t len, struct err *err, struct attributes *out);
