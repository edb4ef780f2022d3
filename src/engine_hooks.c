/*
 * engine_hooks: making, changing, renaming and removing hooks through the mount.
 *
 * A hook is three things: its configuration in hooks/NAME.json, its id and counters in the store, and
 * its entries in memory (registry, match, queue). The store's row gives the name its id; the file
 * decides whether there is a hook. Each change below is ordered so that a crash between two steps
 * leaves something that loading (engine_config.c) puts right.
 */
#include "engine_parts.h"

#include "fs/fs.h"
#include "http/client.h"
#include "intake/confdir.h"
#include "model/match.h"
#include "model/queue.h"
#include "model/registry.h"
#include "model/url.h"
#include "store/journal.h"
#include "store/store.h"
#include "util/err.h"
#include "util/log.h"
#include "util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOOKS_OF_ONE_MAX 1000

/* ---- what the engine keeps of each */

struct hook_state *hook_state_of(const struct engine *e, int64_t id)
{
	struct hook_state *s;
	HASH_FIND(hh, e->states, &id, sizeof(id), s);
	return s;
}

/* Of a hook that is there. */
static struct hook_state *state_known(const struct engine *e, int64_t id)
{
	struct hook_state *s = hook_state_of(e, id);
	assert(s);
	return s;
}

static struct hook_state *state_add(struct engine *e, int64_t id)
{
	struct hook_state *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->id = id;
	changed_hook(e, s);
	changed_test(e, s);
	HASH_ADD(hh, e->states, id, sizeof(s->id), s);
	return s;
}

static void state_remove(struct engine *e, struct hook_state *s)
{
	assert(!s->staged);
	changes_end(e, s);
	aging_forget(e, s);
	HASH_DEL(e->states, s);
	test_report_free(s->test);
	free(s->meter);
	free(s);
}

void hook_states_free(struct engine *e)
{
	struct hook_state *s, *tmp;
	HASH_ITER(hh, e->states, s, tmp) state_remove(e, s);
}

static void index_match(struct engine *e, const struct hook *h)
{
	if (state_known(e, h->id)->live) {
		struct target t = object_target(&h->object, h->types);
		if (match_set(e->match, h->id, &t, &h->events))
			abort();
	} else {
		match_unset(e->match, h->id);
	}
}

static void index_hook(struct engine *e, const struct hook *h)
{
	struct hook_state *s = state_known(e, h->id);
	bool complete = hook_complete(h);
	bool live = complete && (h->enabled == HOOK_ON || h->enabled == HOOK_PAUSED);
	/* While a file is being replaced the hook neither begins nor stops to take events. */
	if (!s->holds || s->live == live) {
		s->live = live;
		index_match(e, h);
	}
	struct buf destination = BUF(HOOK_URL_MAX + 16);
	if (h->url)
		url_destination(h->url, &destination);
	const struct queue_hook q = { .id = h->id,
		.destination = buf_str(&destination),
		.held = !complete || h->enabled != HOOK_ON || s->holds,
		.ordered = h->ordered,
		.max_inflight = (unsigned)h->max_inflight,
		.rate = h->rate,
		.rate_ms = h->rate_ms };
	queue_hook_set(e->queue, &q);
	aging_set(e, s, q.held ? 0 : h->max_age_ms);
	buf_release(&destination);
}

void hook_index(struct engine *e, int64_t id)
{
	index_hook(e, registry_by_id(e->registry, id));
}

static int overtaken(struct err *err, const char *name, const char *what)
{
	return err_set(err, EBUSY, ERR_NO_COLUMN,
		"hooks/%s.json has just been %s in the state directory; try again", name, what);
}

static int save(struct engine *e, const struct hook *h, struct err *err)
{
	struct buf json = BUF_SECRET(HOOK_JSON_MAX);
	bool aside = false;
	hook_json(h, HOOK_JSON_STORED, &json);
	int r = buf_error(&json);
	if (!r)
		r = confdir_save(e->confdir, h->name, json.data, json.len, &aside);
	buf_release(&json);
	if (aside)
		config_aside(e, h->name);
	if (r == -E2BIG)
		return err_set(err, E2BIG, ERR_NO_COLUMN,
			"all of a hook's values together have at most %d bytes as JSON",
			HOOK_JSON_MAX);
	if (r == -EBUSY || r == -EEXIST)
		return overtaken(err, h->name, r == -EBUSY ? "removed" : "made");
	if (r)
		return err_set(err, file_errno(r), ERR_NO_COLUMN,
			"cannot save hooks/%s.json in the state directory: %s", h->name,
			strerror(-r));
	return 0;
}

/* What is on disk says it already: rm -r puts default after default in the place of defaults. */
static bool is_saved(const struct engine *e, const struct hook *h, const struct hook *changed)
{
	struct buf was = BUF_SECRET(HOOK_JSON_MAX), is = BUF_SECRET(HOOK_JSON_MAX);
	hook_json(h, HOOK_JSON_STORED, &was);
	hook_json(changed, HOOK_JSON_STORED, &is);
	bool same = !state_known(e, h->id)->doubtful && !buf_error(&was) && !buf_error(&is) &&
		was.len == is.len && !memcmp(was.data, is.data, is.len);
	buf_release(&was);
	buf_release(&is);
	return same;
}

/* ---- entries in memory */

/* There is none while hooks are loaded. */
static void tell_mount(struct engine *e, int64_t id)
{
	if (e->fs)
		fs_hook_changed(e->fs, id);
}

struct hook_state *hook_enter(struct engine *e, struct hook *h)
{
	struct hook_state *s = state_add(e, h->id);
	registry_add(e->registry, h);
	index_hook(e, h);
	return s;
}

void hook_exchange(struct engine *e, struct hook *h)
{
	registry_replace(e->registry, h);
	index_hook(e, h);
	changed_hook(e, state_known(e, h->id));
	tell_mount(e, h->id);
}

void hook_leave(struct engine *e, int64_t id)
{
	struct hook_state *s = state_known(e, id);
	match_unset(e->match, id);
	queue_hook_remove(e->queue, id);
	e->pending -= (int64_t)s->pending;
	state_remove(e, s);
	registry_remove(e->registry, id);
	changed_mount(e);
	tell_mount(e, id);
	e->expire_due_ms = e->now.due_ms; /* its deliveries go in steps */
}

/* ---- changes */

int hook_change(void *ctx, int64_t id, hook_change_fn *change, void *arg, struct err *err)
{
	struct engine *e = ctx;
	struct hook *h = registry_by_id(e->registry, id);
	if (h) {
		/* Somebody's file that is there already comes first, and this change upon it. */
		config_look(e, h->name);
		h = registry_by_id(e->registry, id);
	}
	if (!h)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "the hook was removed");
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	struct hook *clone = hook_clone(h);
	if (!clone)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int r = change(clone, arg, err);
	if (!r && !is_saved(e, h, clone)) {
		r = save(e, clone, err);
		state_known(e, id)->doubtful = r != 0;
	}
	if (r) {
		hook_free(clone);
		return r;
	}
	clone->mtime_ms = e->now.real_ms;
	hook_exchange(e, clone);
	return 0;
}

static int check_new_name(struct engine *e, const char *name, struct err *err)
{
	int r = hook_name_check(name, strlen(name), err);
	if (r)
		return r;
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	if (registry_by_name(e->registry, name))
		return err_set(err, EEXIST, ERR_NO_COLUMN, "there is a hook %s already", name);
	r = confdir_exists(e->confdir, name);
	if (r == 1)
		return err_set(err, EEXIST, ERR_NO_COLUMN,
			"hooks/%s.json in the state directory is broken (see errors): mend or "
			"remove it",
			name);
	if (r == 0 && config_waits(e, name))
		return err_set(err, EBUSY, ERR_NO_COLUMN,
			"hooks/%s.json has just been removed from the state directory; try again",
			name);
	if (r < 0)
		return err_set(err, EIO, ERR_NO_COLUMN, "the state directory: %s", strerror(-r));
	return 0;
}

/* Who is neither root nor the mounting user fills neither memory nor the listing for all others. */
static int check_quota(const struct engine *e, struct who who, struct err *err)
{
	unsigned count = 0;
	if (who.uid == 0 || who.uid == e->tree.uid)
		return 0;
	const struct hook *h = NULL;
	while ((h = registry_next(e->registry, h ? h->id : 0)))
		count += h->uid == who.uid;
	if (count < HOOKS_OF_ONE_MAX)
		return 0;
	return err_set(err, EDQUOT, ERR_NO_COLUMN,
		"%u hooks belong to you, and no more than %d may: remove some", count,
		HOOKS_OF_ONE_MAX);
}

int hook_make(void *ctx, const char *name, mode_t mode, struct who who, struct err *err)
{
	struct engine *e = ctx;
	int64_t id;
	int r = check_quota(e, who, err);
	if (!r)
		r = check_new_name(e, name, err);
	if (r)
		return r;
	r = engine_settle(e, store_hook_add(e->store, name, &id));
	if (r)
		return save_failed(r, err);
	struct hook *h = hook_new(name, &e->options->types);
	h->id = id;
	if (who.uid != e->tree.uid)
		h->uid = who.uid;
	if (who.gid != e->tree.gid)
		h->gid = who.gid;
	h->made_ms = h->mtime_ms = e->now.real_ms;
	if (mode != 0755)
		r = hook_chmod(h, "", mode, true, err);
	if (!r)
		r = save(e, h, err);
	if (r) {
		uint64_t dropped;
		hook_free(h);
		/* Without its file the row is no hook; if it cannot go now, the next start sees to it. */
		(void)store_hook_remove(e->store, id, &dropped);
		return r;
	}
	(void)hook_enter(e, h);
	return 0;
}

int hook_remove(void *ctx, int64_t id, struct err *err)
{
	struct engine *e = ctx;
	struct hook *h = registry_by_id(e->registry, id);
	struct hook_state *s = hook_state_of(e, id);
	assert(h && s);
	if (e->stopping)
		return err_set(err, ESHUTDOWN, ERR_NO_COLUMN, "webhookfs is stopping");
	/* What was accepted in this turn counts as well. */
	int r = engine_commit(e);
	if (r)
		return save_failed(r, err);
	if (s->pending && hook_complete(h))
		return err_set(err, EBUSY, ERR_NO_COLUMN,
			"%llu deliveries of %s are pending; rm -r drops them",
			(unsigned long long)s->pending, h->name);
	if (h->header_count)
		return err_set(err, ENOTEMPTY, ERR_NO_COLUMN,
			"%s has %zu headers; rm -r removes them with it", h->name, h->header_count);
	bool aside = false;
	r = confdir_remove(e->confdir, h->name, &aside);
	if (aside)
		config_aside(e, h->name);
	if (r)
		return err_set(err, file_errno(r), ERR_NO_COLUMN, "cannot remove hooks/%s.json: %s",
			h->name, strerror(-r));
	uint64_t dropped = 0;
	r = engine_settle(e, store_hook_remove(e->store, id, &dropped));
	if (r) {
		(void)save(e, h, NULL); /* it is a hook as before, or the next start finds none */
		return save_failed(r, err);
	}
	if (dropped)
		deliver_dropped(e, h->name, dropped);
	hook_leave(e, id);
	return 0;
}

int hook_rename(void *ctx, int64_t id, const char *name, struct err *err)
{
	struct engine *e = ctx;
	struct hook *h = registry_by_id(e->registry, id);
	assert(h);
	int r = check_new_name(e, name, err);
	if (r)
		return r;
	struct hook *clone = hook_clone(h);
	char *copy = strdup(name);
	if (!clone || !copy)
		abort();
	free(clone->name);
	clone->name = copy;
	/* The store is told first and remembers the old name: a crash before the file is renamed is
	 * finished by the next start. */
	r = engine_settle(e, store_hook_rename(e->store, id, name));
	if (r) {
		hook_free(clone);
		return save_failed(r, err);
	}
	r = confdir_rename(e->confdir, h->name, name);
	if (r) {
		(void)store_hook_rename(e->store, id, h->name);
		(void)store_hook_renamed(e->store, id);
		hook_free(clone);
		if (r == -ENOENT)
			return overtaken(err, h->name, "removed");
		if (r == -EEXIST)
			return overtaken(err, name, "made");
		return err_set(err, file_errno(r), ERR_NO_COLUMN, "cannot rename hooks/%s.json: %s",
			h->name, strerror(-r));
	}
	(void)store_hook_renamed(e->store, id); /* or the next start says it */
	clone->mtime_ms = e->now.real_ms;
	registry_replace(e->registry, clone);
	changed_mount(e);
	tell_mount(e, id);
	return 0;
}
