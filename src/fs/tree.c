#include "fs/tree.h"

#include "fs/scratch.h"
#include "model/attributes.h"
#include "model/registry.h"
#include "util/buf.h"
#include "util/err.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_SHIFT   16
#define KIND_SHIFT 8
#define SLOT_MASK  0xffu

/* Cookies of scratch files stand behind all others of a directory. */
#define SCRATCH_COOKIES (UINT64_C(1) << 32)

static uint64_t ino_make(int64_t id, enum node_kind kind, size_t slot)
{
	assert(slot <= SLOT_MASK);
	return (uint64_t)id << ID_SHIFT | (uint64_t)kind << KIND_SHIFT | slot;
}

static struct node node_root(void)
{
	return (struct node){ .kind = NODE_ROOT, .ino = TREE_ROOT_INO };
}

static uint64_t hook_ino(int64_t hook_id)
{
	return ino_make(hook_id, NODE_HOOK, 0);
}

static bool row_is_dir(const struct file_row *row)
{
	return row->nature == FILE_DIR || row->nature == FILE_SETTINGS || row->nature == FILE_QUEUE;
}

uint64_t tree_hook_dir(int64_t hook_id, uint64_t ino)
{
	if (!ino)
		return hook_ino(hook_id);
	for (size_t i = tree_is_hook_ino(ino) ? 0 : (ino & SLOT_MASK) + 1; i < files_hook_count;
		i++)
		if (row_is_dir(&files_hook[i]))
			return ino_make(hook_id, NODE_HOOK_FILE, i);
	return 0;
}

bool tree_is_hook_ino(uint64_t ino)
{
	return ino == hook_ino((int64_t)(ino >> ID_SHIFT));
}

static struct node node_log(size_t slot, int64_t generation)
{
	return (struct node){ .kind = NODE_ROOT_FILE,
		.ino = ino_make(generation, NODE_ROOT_FILE, slot),
		.row = &files_root[slot],
		.generation = generation };
}

static struct node node_root_file(const struct tree *t, size_t slot)
{
	if (files_root[slot].nature == FILE_LOG)
		return node_log(slot, t->backend.log_generation(t->backend.ctx));
	return (struct node){ .kind = NODE_ROOT_FILE,
		.ino = ino_make(0, NODE_ROOT_FILE, slot),
		.row = &files_root[slot] };
}

static int root_file_by_ino(const struct tree *t, int64_t id, size_t slot, struct node *out)
{
	if (slot < files_root_count && files_root[slot].nature == FILE_LOG) {
		int fd = t->backend.log_fd(t->backend.ctx, id);
		if (fd < 0)
			return fd;
		*out = node_log(slot, id);
		return 0;
	}
	if (id || slot >= files_root_count)
		return -ENOENT;
	*out = node_root_file(t, slot);
	return 0;
}

static struct node node_hook(struct hook *h)
{
	return (struct node){ .kind = NODE_HOOK, .ino = hook_ino(h->id), .hook = h };
}

static struct node node_setting(struct hook *h, size_t slot)
{
	return (struct node){ .kind = NODE_SETTING,
		.ino = ino_make(h->id, NODE_SETTING, slot),
		.hook = h,
		.setting = &hook_settings[slot] };
}

static struct node node_hook_file(struct hook *h, size_t slot)
{
	return (struct node){ .kind = NODE_HOOK_FILE,
		.ino = ino_make(h->id, NODE_HOOK_FILE, slot),
		.hook = h,
		.row = &files_hook[slot] };
}

static struct node node_header(struct hook *h, struct header *hd)
{
	return (struct node){ .kind = NODE_HEADER,
		.ino = ino_make(h->id, NODE_HEADER, hd->slot),
		.hook = h,
		.header = hd };
}

struct node tree_scratch(struct hook *h, struct scratch *f)
{
	return (struct node){ .kind = NODE_SCRATCH,
		.ino = ino_make(f->id, NODE_SCRATCH, 0),
		.hook = h,
		.scratch = f };
}

/* Names sort by the time of acceptance; the id makes them one of a kind, and is all that is read. */
static void delivery_name(const struct delivery_entry *d, char out[DELIVERY_NAME_MAX])
{
	struct tm tm;
	time_t seconds = d->created_ms / 1000;
	gmtime_r(&seconds, &tm);
	size_t n = strftime(out, DELIVERY_NAME_MAX, "%Y%m%dT%H%M%S", &tm);
	snprintf(out + n, DELIVERY_NAME_MAX - n, ".%03dZ-%08lld.json", (int)(d->created_ms % 1000),
		(long long)d->id);
}

int64_t tree_delivery_id(const char *name)
{
	const char *dash = strrchr(name, '-');
	char *end;
	if (!dash || dash[1] < '0' || dash[1] > '9')
		return 0;
	errno = 0;
	long long id = strtoll(dash + 1, &end, 10);
	return errno || strcmp(end, ".json") ? 0 : id;
}

static struct node node_delivery(struct hook *h, const struct delivery_entry *d)
{
	struct node n = { .kind = NODE_DELIVERY,
		.ino = ino_make(d->id, NODE_DELIVERY, 0),
		.hook = h,
		.delivery = *d };
	delivery_name(d, n.name);
	return n;
}

/* The delivery with this id, whatever its state: a delivery that moves on stays the same file. */
int tree_delivery(const struct tree *t, int64_t id, struct node *out)
{
	struct delivery_entry d;
	if (id <= 0 || t->backend.delivery_find(t->backend.ctx, id, &d))
		return -ENOENT;
	struct hook *h = registry_by_id(t->registry, d.hook_id);
	if (!h)
		return -ENOENT;
	*out = node_delivery(h, &d);
	return 0;
}

static int lookup_delivery(
	const struct tree *t, const struct node *dir, const char *name, struct node *out)
{
	struct node n;
	int r = tree_delivery(t, tree_delivery_id(name), &n);
	if (r || n.hook != dir->hook || n.delivery.state != dir->row->state || strcmp(name, n.name))
		return -ENOENT;
	*out = n;
	return 0;
}

static int scratch_node(const struct tree *t, int64_t id, struct node *out)
{
	struct scratch *f = scratch_by_id(t->scratches, id);
	struct hook *h = f ? registry_by_id(t->registry, f->hook_id) : NULL;
	if (!h)
		return -ENOENT;
	*out = tree_scratch(h, f);
	return 0;
}

int tree_node(const struct tree *t, uint64_t ino, struct node *out)
{
	if (ino == TREE_ROOT_INO) {
		*out = node_root();
		return 0;
	}
	enum node_kind kind = ino >> KIND_SHIFT & SLOT_MASK;
	size_t slot = ino & SLOT_MASK;
	if (kind == NODE_ROOT_FILE)
		return root_file_by_ino(t, (int64_t)(ino >> ID_SHIFT), slot, out);
	if (kind == NODE_DELIVERY)
		return tree_delivery(t, (int64_t)(ino >> ID_SHIFT), out);
	if (kind == NODE_SCRATCH)
		return scratch_node(t, (int64_t)(ino >> ID_SHIFT), out);
	struct hook *h = registry_by_id(t->registry, (int64_t)(ino >> ID_SHIFT));
	if (!h)
		return -ENOENT;
	struct header *hd;
	if (kind == NODE_HOOK && slot == 0)
		*out = node_hook(h);
	else if (kind == NODE_SETTING && slot < hook_settings_count)
		*out = node_setting(h, slot);
	else if (kind == NODE_HOOK_FILE && slot < files_hook_count)
		*out = node_hook_file(h, slot);
	else if (kind == NODE_HEADER && (hd = hook_header_slot(h, (uint8_t)slot)))
		*out = node_header(h, hd);
	else
		return -ENOENT;
	return 0;
}

bool tree_is_dir(const struct node *n)
{
	return n->kind == NODE_ROOT || n->kind == NODE_HOOK || (n->row && row_is_dir(n->row));
}

bool tree_is_hooks(const struct node *n)
{
	return n->kind == NODE_ROOT_FILE && n->row->nature == FILE_DIR;
}

bool tree_is_headers(const struct node *n)
{
	return n->kind == NODE_HOOK_FILE && n->row->nature == FILE_DIR;
}

bool tree_is_settings(const struct node *n)
{
	return n->kind == NODE_HOOK_FILE && n->row->nature == FILE_SETTINGS;
}

bool tree_is_queue(const struct node *n)
{
	return n->kind == NODE_HOOK_FILE && n->row->nature == FILE_QUEUE;
}

bool tree_is_scratch_dir(const struct node *n)
{
	return n->kind == NODE_HOOK || tree_is_headers(n) || tree_is_settings(n);
}

/* The directory of settings that the node is, as in their names: "" for a hook's own; NULL: none. */
static const char *settings_dir(const struct node *n)
{
	return n->kind == NODE_HOOK ? "" : tree_is_settings(n) ? n->row->name : NULL;
}

int tree_name_check(const struct node *dir, const char *name, struct err *err)
{
	const char *settings = settings_dir(dir);
	for (size_t i = 0; settings && i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		if (setting_in(s, settings) && scratch_is_slip(name, setting_leaf(s)))
			return err_set(err, EPERM, ERR_NO_COLUMN,
				"a hook has no file of this name; there is %s, and README lists "
				"them all",
				s->name);
	}
	return 0;
}

static int lookup_row(const struct file_row *rows, size_t count, const char *name, size_t *slot)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(rows[i].name, name)) {
			*slot = i;
			return 0;
		}
	}
	return -ENOENT;
}

static int lookup_setting(const struct node *dir, const char *name, struct node *out)
{
	for (size_t i = 0; i < hook_settings_count; i++) {
		const struct setting *s = &hook_settings[i];
		if (setting_in(s, settings_dir(dir)) && !strcmp(setting_leaf(s), name)) {
			*out = node_setting(dir->hook, i);
			return 0;
		}
	}
	return -ENOENT;
}

bool tree_has_settings(const struct node *dir)
{
	bool found = false;
	for (size_t i = 0; i < hook_settings_count && !found; i++) {
		const struct setting *s = &hook_settings[i];
		struct buf shown = BUF_SECRET(HOOK_JSON_MAX);
		if (!setting_in(s, settings_dir(dir)))
			continue;
		hook_show(dir->hook, s, &shown);
		found = strcmp(buf_str(&shown), s->def) != 0;
		buf_release(&shown);
	}
	return found;
}

static int lookup_in_hook(const struct node *dir, const char *name, struct node *out)
{
	if (lookup_setting(dir, name, out) == 0)
		return 0;
	struct hook *h = dir->hook;
	size_t slot;
	int r = lookup_row(files_hook, files_hook_count, name, &slot);
	if (!r)
		*out = node_hook_file(h, slot);
	return r;
}

static int lookup_in_root(const struct tree *t, const char *name, struct node *out)
{
	size_t slot;
	int r = lookup_row(files_root, files_root_count, name, &slot);
	if (!r)
		*out = node_root_file(t, slot);
	return r;
}

int tree_root_file(const struct tree *t, const char *name, struct node *out)
{
	if (strcmp(name, ATTRIBUTES_ROOT))
		return lookup_in_root(t, name, out);
	*out = node_root();
	return 0;
}

static int lookup_own(
	const struct tree *t, const struct node *dir, const char *name, struct node *out)
{
	if (dir->kind == NODE_ROOT)
		return lookup_in_root(t, name, out);
	if (tree_is_hooks(dir)) {
		struct hook *h = registry_by_name(t->registry, name);
		if (!h)
			return -ENOENT;
		*out = node_hook(h);
		return 0;
	}
	if (dir->kind == NODE_HOOK)
		return lookup_in_hook(dir, name, out);
	if (tree_is_settings(dir))
		return lookup_setting(dir, name, out);
	if (tree_is_headers(dir)) {
		struct header *hd = hook_header_find(dir->hook, name);
		if (!hd)
			return -ENOENT;
		*out = node_header(dir->hook, hd);
		return 0;
	}
	if (tree_is_queue(dir))
		return lookup_delivery(t, dir, name, out);
	return -ENOTDIR;
}

int tree_lookup(const struct tree *t, const struct node *dir, const char *name, struct node *out)
{
	int r = lookup_own(t, dir, name, out);
	if (r != -ENOENT || !tree_is_scratch_dir(dir))
		return r;
	struct scratch *f = scratch_find(t->scratches, dir->ino, name);
	if (!f)
		return -ENOENT;
	*out = tree_scratch(dir->hook, f);
	return 0;
}

static int next_own(
	const struct tree *t, const struct node *dir, uint64_t *cookie, struct node *out)
{
	uint64_t slot = *cookie;
	if (tree_is_hooks(dir)) {
		struct hook *h = registry_next(t->registry, (int64_t)*cookie);
		if (!h)
			return -ENOENT;
		*out = node_hook(h);
		*cookie = (uint64_t)h->id;
		return 0;
	}
	if (tree_is_queue(dir)) {
		struct delivery_entry d;
		int r = t->backend.delivery_next(
			t->backend.ctx, dir->hook->id, dir->row->state, (int64_t)*cookie, &d);
		if (r)
			return r;
		*out = node_delivery(dir->hook, &d);
		*cookie = (uint64_t)d.id;
		return 0;
	}
	const char *settings = settings_dir(dir);
	while (settings && slot < hook_settings_count &&
		!setting_in(&hook_settings[slot], settings))
		slot++;
	if (dir->kind == NODE_ROOT && slot < files_root_count) {
		*out = node_root_file(t, slot);
	} else if (settings && slot < hook_settings_count) {
		*out = node_setting(dir->hook, slot);
	} else if (dir->kind == NODE_HOOK && slot < hook_settings_count + files_hook_count) {
		*out = node_hook_file(dir->hook, slot - hook_settings_count);
	} else if (tree_is_headers(dir)) {
		struct header *hd = NULL;
		for (; slot < HOOK_HEADERS_MAX && !hd; slot++)
			hd = hook_header_slot(dir->hook, (uint8_t)slot);
		if (!hd)
			return -ENOENT;
		*out = node_header(dir->hook, hd);
		slot--;
	} else {
		return -ENOENT;
	}
	*cookie = slot + 1;
	return 0;
}

/*
 * Cookies: the hook's or delivery's id, elsewhere the slot + 1, and the id of a scratch file behind
 * all of these: they only ever grow along the list.
 */
int tree_next(const struct tree *t, const struct node *dir, uint64_t *cookie, struct node *out)
{
	bool scratches = tree_is_scratch_dir(dir);
	int r = scratches && *cookie >= SCRATCH_COOKIES ? -ENOENT : next_own(t, dir, cookie, out);
	if (r != -ENOENT || !scratches)
		return r;
	uint64_t after = *cookie >= SCRATCH_COOKIES ? *cookie - SCRATCH_COOKIES : 0;
	struct scratch *f = scratch_next(t->scratches, dir->ino, (int64_t)after);
	if (!f)
		return -ENOENT;
	*out = tree_scratch(dir->hook, f);
	*cookie = SCRATCH_COOKIES + (uint64_t)f->id;
	return 0;
}

const char *tree_name(const struct node *n)
{
	switch (n->kind) {
	case NODE_ROOT:
		return "";
	case NODE_HOOK:
		return n->hook->name;
	case NODE_SETTING:
		return setting_leaf(n->setting);
	case NODE_HEADER:
		return n->header->name;
	case NODE_DELIVERY:
		return n->name;
	case NODE_SCRATCH:
		return n->scratch->name ? n->scratch->name : "(unlinked)";
	case NODE_ROOT_FILE:
	case NODE_HOOK_FILE:
		break;
	}
	return n->row->name;
}

const char *tree_state_dir(enum delivery_state state)
{
	for (size_t i = 0; i < files_hook_count; i++)
		if (files_hook[i].nature == FILE_QUEUE && files_hook[i].state == state)
			return files_hook[i].name;
	return "";
}

void tree_hook_file(const struct node *n, struct buf *out)
{
	if (n->kind == NODE_HEADER)
		buf_adds(out, "headers/");
	if (n->kind == NODE_DELIVERY)
		buf_addf(out, "%s/", tree_state_dir(n->delivery.state));
	/* Its directory is the hook's, or a row's. */
	if (n->kind == NODE_SCRATCH &&
		(n->scratch->dir >> KIND_SHIFT & SLOT_MASK) == NODE_HOOK_FILE)
		buf_addf(out, "%s/", files_hook[n->scratch->dir & SLOT_MASK].name);
	if (n->kind == NODE_SETTING)
		buf_adds(out, n->setting->name);
	else if (n->kind != NODE_HOOK)
		buf_adds(out, tree_name(n));
}

void tree_path(const struct node *n, struct buf *out)
{
	if (!n->hook) {
		buf_adds(out, tree_name(n));
		return;
	}
	buf_addf(out, "hooks/%s", n->hook->name);
	if (n->kind != NODE_HOOK) {
		buf_addc(out, '/');
		tree_hook_file(n, out);
	}
}

bool tree_is_protected(const struct node *n)
{
	struct buf file = BUF(TREE_PATH_MAX);
	tree_hook_file(n, &file);
	bool protected = n->hook && hook_protected(n->hook, buf_str(&file));
	buf_release(&file);
	return protected;
}

bool tree_is_quotable(const struct node *n, const char *text, size_t len)
{
	if (n->kind == NODE_SCRATCH)
		return false; /* it may become a protected value */
	if (!n->hook || n->kind == NODE_DELIVERY)
		return true;
	struct buf file = BUF(TREE_PATH_MAX);
	tree_hook_file(n, &file);
	bool quotable = hook_quotable(n->hook, buf_str(&file), text, len);
	buf_release(&file);
	return quotable;
}

void tree_show(const struct tree *t, const struct node *n, struct buf *out)
{
	size_t before = out->len;
	if (n->kind == NODE_SETTING)
		hook_show(n->hook, n->setting, out);
	else if (n->kind == NODE_HEADER)
		hook_header_show(n->header, out);
	else if (n->kind == NODE_DELIVERY)
		t->backend.delivery_show(t->backend.ctx, n->delivery.id, out);
	else if (n->row && n->row->show)
		n->row->show(t, n, out);
	if (out->len > before && out->data[out->len - 1] != '\n')
		buf_addc(out, '\n');
	if (n->kind == NODE_ROOT_FILE && t->shown)
		t->shown[n->row - files_root] = (struct shown){ .len = out->len - before,
			.at_ms = t->backend.now_ms(t->backend.ctx) };
}
