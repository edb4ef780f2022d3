#pragma once
/*
 * match: event → the hooks it concerns, indexed so that 100,000 hooks cost what 10 do.
 *
 * Holds, for every complete hook that may match, a copy of its pattern and its event set under the
 * hook's id; knows nothing else of hooks. Lookups cost by the number of hits and of distinct
 * literal lengths of patterns, never by the number of hooks.
 *
 * Semantics: type equal; NAME by shell pattern (fnmatch without flags: * also spans dots); a hook
 * without VERSION takes every version and none; with VERSION an event without one counts as "".
 */
#include "model/object.h"

struct match;

typedef void match_found_fn(void *ctx, int64_t hook_id, unsigned phases);

struct match *match_new(void);
void match_free(struct match *m);
/* Puts or replaces the hook's entry. `pattern` as of object_target. 0 or -ENOMEM. */
int match_set(struct match *m, int64_t hook_id, const struct target *pattern,
	const struct event_set *events);
void match_unset(struct match *m, int64_t hook_id); /* no entry: nothing happens */
/* Calls `found` once for every hook of which at least one of `phases` fires, in the order of ids,
 * with the phases that do. `found` must not come back here. */
void match_find(const struct match *m, const struct target *t, unsigned phases,
	match_found_fn *found, void *ctx);
