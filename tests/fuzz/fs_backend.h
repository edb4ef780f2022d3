#pragma once
/*
 * fs_backend: what stands in for the engine: hooks in memory, six deliveries, and a disk that may be full.
 */
#include "fuzz.h"

#include "fs/fuse_internal.h"
#include "model/attributes.h"
#include "model/registry.h"

#define DELIVERIES 6
#define HUSH       "hush-77-hush-77-hush" /* the value that must not come out */

static struct types types;
static struct registry *registry;
static struct attributes attributes;
static struct tree tree;
static struct fs *fs;

static struct {
	int64_t now_ms, next_id;
	bool full;
	struct delivery_entry deliveries[DELIVERIES];
	bool dropped[DELIVERIES];
	uint64_t tests, edition;
	int log;
} engine;

static int full(struct err *err)
{
	return engine.full ? err_set(err, ENOSPC, ERR_NO_COLUMN, "the disk is full") : 0;
}

static int hook_make(void *ctx, const char *name, mode_t mode, struct who who, struct err *err)
{
	struct hook *h;
	int r = hook_name_check(name, strlen(name), err);

	(void)ctx;
	if (r || (r = full(err)))
		return r;
	if (registry_by_name(registry, name))
		return err_set(err, EEXIST, ERR_NO_COLUMN, "there is one");
	h = hook_new(name, &types);
	h->id = ++engine.next_id;
	h->uid = who.uid;
	h->gid = who.gid;
	(void)hook_chmod(h, "", mode, true, err);
	registry_add(registry, h);
	return 0;
}

static int hook_remove(void *ctx, int64_t id, struct err *err)
{
	(void)ctx;
	if (registry_by_id(registry, id)->header_count)
		return err_set(err, ENOTEMPTY, ERR_NO_COLUMN, "it has headers");
	registry_remove(registry, id);
	fs_hook_changed(fs, id);
	return 0;
}

static int hook_rename(void *ctx, int64_t id, const char *name, struct err *err)
{
	struct hook *clone;
	int r = hook_name_check(name, strlen(name), err);

	(void)ctx;
	if (r || (r = full(err)))
		return r;
	clone = hook_clone(registry_by_id(registry, id));
	free(clone->name);
	clone->name = strdup(name);
	registry_replace(registry, clone);
	fs_hook_changed(fs, id);
	return 0;
}

static int hook_change(void *ctx, int64_t id, hook_change_fn *change, void *arg, struct err *err)
{
	struct hook *h = registry_by_id(registry, id), *clone;
	int r;

	(void)ctx;
	if (!h)
		return err_set(err, ENOENT, ERR_NO_COLUMN, "the hook was removed");
	clone = hook_clone(h);
	r = change(clone, arg, err);
	if (!r)
		r = full(err);
	if (r) {
		hook_free(clone);
		return r;
	}
	registry_replace(registry, clone);
	fs_hook_changed(fs, id);
	return 0;
}

static int attributes_keep(void *ctx, const struct attributes *a, struct err *err)
{
	(void)ctx;
	attributes = *a;
	return full(err);
}

static void hook_hold(void *ctx, int64_t id, int32_t pid)
{
	(void)ctx;
	CHECK(registry_by_id(registry, id) && pid > 0);
}

static void hook_release(void *ctx, int32_t pid)
{
	(void)ctx, (void)pid;
}

static bool is_delivery(int64_t id)
{
	return id >= 1 && id <= DELIVERIES && !engine.dropped[id - 1] &&
		registry_by_id(registry, engine.deliveries[id - 1].hook_id);
}

static int delivery_find(void *ctx, int64_t id, struct delivery_entry *out)
{
	(void)ctx;
	if (!is_delivery(id))
		return -ENOENT;
	*out = engine.deliveries[id - 1];
	return 0;
}

static int delivery_next(void *ctx, int64_t hook_id, enum delivery_state state, int64_t after_id,
	struct delivery_entry *out)
{
	for (int64_t id = after_id + 1; id <= DELIVERIES; id++)
		if (is_delivery(id) && engine.deliveries[id - 1].hook_id == hook_id &&
			engine.deliveries[id - 1].state == state)
			return delivery_find(ctx, id, out);
	return -ENOENT;
}

static void delivery_show(void *ctx, int64_t id, struct buf *out)
{
	(void)ctx;
	buf_addf(out, "{\"id\":%d}\n", (int)id);
}

static int delivery_replay(void *ctx, int64_t id, struct err *err)
{
	(void)ctx, (void)err;
	CHECK(is_delivery(id));
	engine.deliveries[id - 1].state = DELIVERY_PENDING;
	return 0;
}

static int delivery_repeat(void *ctx, int64_t id, int64_t *out_id, struct err *err)
{
	(void)ctx;
	for (int64_t i = 1; i <= DELIVERIES; i++)
		if (engine.dropped[i - 1]) {
			engine.dropped[i - 1] = false;
			engine.deliveries[i - 1] = engine.deliveries[id - 1];
			engine.deliveries[i - 1].id = *out_id = i;
			engine.deliveries[i - 1].state = DELIVERY_PENDING;
			return 0;
		}
	return err_set(err, ENOSPC, ERR_NO_COLUMN, "no room");
}

static int delivery_drop(void *ctx, int64_t id, struct err *err)
{
	(void)ctx, (void)err;
	CHECK(is_delivery(id));
	engine.dropped[id - 1] = true;
	return 0;
}

static ssize_t events_take(
	void *ctx, struct framing *f, const char *data, size_t len, struct who who)
{
	size_t pos = 0, line_len;
	const char *line;

	(void)ctx, (void)who;
	while (framing_next(f, data, len, &pos, &line, &line_len) == 1)
		if (line_len && *line == '!')
			return -EINVAL;
	return (ssize_t)len;
}

static int events_end(void *ctx, struct framing *f, struct who who)
{
	(void)ctx, (void)who;
	framing_drop(f);
	return 0;
}

static int test_start(
	void *ctx, int64_t hook_id, const char *text, size_t len, uint64_t *token, struct err *err)
{
	(void)ctx, (void)text;
	CHECK(registry_by_id(registry, hook_id));
	if (len == 3)
		return err_set(err, EINVAL, 0, "no such event");
	*token = ++engine.tests;
	return 0;
}

static void test_cancel(void *ctx, uint64_t token)
{
	(void)ctx, (void)token;
}

static void refused(void *ctx, const char *file, struct who who, const char *text, size_t len,
	const struct err *err)
{
	(void)ctx, (void)who;
	CHECK(*file && strlen(file) <= 1024);
	check_refusal(-err->code, err, SIZE_MAX - 1, HUSH, strlen(HUSH));
	CHECK(!text || !has(text, len, HUSH, strlen(HUSH)));
}

static void show(void *ctx, struct buf *out)
{
	(void)ctx;
	buf_addf(out, "edition %d\n", (int)engine.edition);
}

static void show_of(void *ctx, int64_t hook_id, struct buf *out)
{
	CHECK(registry_by_id(registry, hook_id));
	show(ctx, out);
}

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return engine.now_ms;
}

static void catch_up(void *ctx)
{
	(void)ctx;
}

static int edition(void *ctx, enum topic topic, int64_t id, struct edition *out)
{
	(void)ctx, (void)topic;
	if (id && !registry_by_id(registry, id))
		return -ENOENT;
	*out = (struct edition){ engine.edition, engine.now_ms };
	return 0;
}

static int64_t log_generation(void *ctx)
{
	(void)ctx;
	return 0;
}

static int log_fd(void *ctx, int64_t generation)
{
	(void)ctx;
	return generation ? -ESTALE : engine.log;
}

static void log_release(void *ctx, int64_t generation)
{
	(void)ctx, (void)generation;
}

static const struct backend backend = {
	.hook_make = hook_make,
	.hook_remove = hook_remove,
	.hook_rename = hook_rename,
	.hook_change = hook_change,
	.attributes_keep = attributes_keep,
	.hook_hold = hook_hold,
	.hook_release = hook_release,
	.delivery_find = delivery_find,
	.delivery_next = delivery_next,
	.delivery_show = delivery_show,
	.delivery_replay = delivery_replay,
	.delivery_repeat = delivery_repeat,
	.delivery_drop = delivery_drop,
	.events_take = events_take,
	.events_end = events_end,
	.test_start = test_start,
	.test_cancel = test_cancel,
	.refused = refused,
	.show_status = show,
	.show_errors = show,
	.show_destinations = show,
	.show_metrics = show,
	.show_hook_status = show_of,
	.show_test = show_of,
	.now_ms = now_ms,
	.catch_up = catch_up,
	.edition = edition,
	.log_generation = log_generation,
	.log_fd = log_fd,
	.log_hold = log_fd,
	.log_release = log_release,
};
