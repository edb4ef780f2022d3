#pragma once
/*
 * registry: all hooks of the mount, by id and by name, in the order of their ids.
 *
 * Owns the hooks put into it. Lookups are O(1); walking starts anywhere in O(log n), so a directory
 * of 100,000 hooks is listed in pages with ids as cookies. Pure.
 */
#include <stddef.h>
#include <stdint.h>

struct hook;
struct registry;

struct registry *registry_new(void);
void registry_free(struct registry *r); /* and every hook */

size_t registry_count(const struct registry *r);
struct hook *registry_by_id(const struct registry *r, int64_t id);
struct hook *registry_by_name(const struct registry *r, const char *name);
/* The hook with the smallest id above `id`; NULL at the end. */
struct hook *registry_next(const struct registry *r, int64_t id);

/* Takes the hook; its id and name must be new. */
void registry_add(struct registry *r, struct hook *h);
/* Puts `h` in the place of the hook with the same id (whose name may differ) and frees that. */
void registry_replace(struct registry *r, struct hook *h);
void registry_remove(struct registry *r, int64_t id); /* and frees it */
