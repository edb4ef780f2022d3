#include "fs/edit_internal.h"
#include "util/err.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct hook_file *file_of(const struct node *n)
{
	struct buf name = BUF(HEADER_NAME_MAX + 16);
	tree_hook_file(n, &name);
	const struct hook_file *f = n->hook ? hook_file_find(n->hook, buf_str(&name)) : NULL;
	buf_release(&name);
	return f;
}

void edit_init(struct edit *e, const struct node *n, size_t max, bool made)
{
	const struct hook_file *f = file_of(n);
	*e = (struct edit){ .text = BUF_SECRET(max),
		.made = made,
		.born = f ? f->born : 0,
		.written = f ? f->written : 0 };
}

void edit_release(struct edit *e)
{
	buf_release(&e->text);
	before_release(&e->before);
}

static int stage(
	struct edit *e, const void *data, size_t len, uint64_t offset, bool append, struct err *err)
{
	/* Some tools try on after an error. They have been told why, and `errors` as well. */
	if (e->poisoned)
		return -EINVAL;
	if (!e->started) {
		if (offset && !append)
			return err_set(err, EINVAL, ERR_NO_COLUMN,
				"a value is written from its start, not from byte %llu",
				(unsigned long long)offset);
		e->base = offset;
		e->started = true;
	} else if (offset == 0 && e->base == 0 && e->text.len) {
		buf_reset(&e->text);
	} else if (offset != e->base + e->text.len && !append) {
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"writes to a value must follow each other; byte %llu does not",
			(unsigned long long)offset);
	}
	buf_add(&e->text, data, len);
	int r = buf_error(&e->text);
	if (r)
		return err_set(
			err, -r, ERR_NO_COLUMN, "a value has at most %zu bytes", e->text.max);
	return 0;
}

int edit_stage(
	struct edit *e, const void *data, size_t len, uint64_t offset, bool append, struct err *err)
{
	int r = stage(e, data, len, offset, append, err);
	if (r) {
		/* All of what this handle wrote, or nothing. */
		e->poisoned = true;
		e->pending = false;
	}
	return r;
}

bool edit_ended(const struct edit *e)
{
	return e->text.len && e->text.data[e->text.len - 1] == '\n';
}

size_t edit_line_len(const char *text, size_t len)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len && text[len - 1] == '\r')
		len--;
	return len;
}

size_t edit_text_len(const struct edit *e)
{
	return edit_line_len(e->text.data, e->text.len);
}

bool edit_young(const struct node *n)
{
	const struct hook_file *f = file_of(n);
	return f && f->young;
}

bool edit_written(const struct node *n)
{
	const struct hook_file *f = file_of(n);
	return f && f->written;
}

struct hook_file *change_stamp(struct hook *clone, const struct change *c)
{
	struct hook_file *f = hook_file_get(clone, c->file);
	if (!f)
		return NULL;
	f->mtime_ms = c->tree->backend.now_ms(c->tree->backend.ctx);
	f->written = ++clone->serial;
	f->young = c->made;
	return f;
}

int change_value(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	int r;
	if (c->generated) {
		r = hook_secret_generate(clone, c->generated);
		if (r)
			(void)err_set(err, -r, ERR_NO_COLUMN, "no secret can be made");
	} else if (c->setting) {
		r = hook_store(clone, c->setting, c->text, c->len, err);
	} else {
		struct header *hd = hook_header_slot(clone, c->slot);
		if (!hd)
			return err_set(err, ENOENT, ERR_NO_COLUMN, "the header was removed");
		r = hook_header_store(clone, hd, c->text, c->len, err);
	}
	if (!r)
		(void)change_stamp(clone, c);
	return r;
}

int edit_judge_bytes(const struct node *n, const char *text, size_t len, struct err *err)
{
	const char *bad = memchr(text, '\0', len);
	if (bad)
		return err_set(err, EINVAL, (size_t)(bad - text), "a value has no NUL byte");
	bad = memchr(text, '\n', len);
	if (bad && !(n->setting && n->setting->lines))
		return err_set(err, EINVAL, (size_t)(bad - text),
			"%s takes one line, and this is a second one", tree_name(n));
	return 0;
}

struct change change_of(const struct tree *t, const struct node *n, struct buf *file)
{
	tree_hook_file(n, file);
	return (struct change){ .tree = t,
		.setting = n->setting,
		.slot = n->header ? n->header->slot : 0,
		.file = buf_str(file) };
}

static int judge_only(const struct node *n, struct change *c, struct err *err)
{
	struct hook *clone = hook_clone(n->hook);
	if (!clone)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int r = change_value(clone, c, err);
	hook_free(clone);
	return r;
}

void before_take(struct before *b, const struct node *n)
{
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	before_release(b);
	*b = (struct before){ .known = true, .text = BUF_SECRET(EDIT_TEXT_MAX) };
	tree_hook_file(n, &file);
	const struct hook_file *f = hook_file_find(n->hook, buf_str(&file));
	b->mode = f ? f->mode : HOOK_MODE_UNSET;
	b->uid = f ? f->uid : HOOK_OWNER_UNSET;
	b->gid = f ? f->gid : HOOK_OWNER_UNSET;
	b->protected = n->header && n->header->protected;
	if (n->setting)
		setting_show(n->setting, n->hook, &b->text);
	else if (n->header->value)
		buf_adds(&b->text, n->header->value);
	buf_release(&file);
}

void before_move(struct before *to, struct before *from)
{
	before_release(to);
	*to = *from;
	*from = (struct before){ 0 };
}

void before_release(struct before *b)
{
	buf_release(&b->text);
	b->known = false;
}

int change_back(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	struct hook_file *f = hook_file_get(clone, c->file);
	struct header *hd = c->setting ? NULL : hook_header_slot(clone, c->slot);
	if (f) {
		f->mode = c->mode;
		f->uid = c->uid;
		f->gid = c->gid;
	}
	if (hd)
		hd->protected = c->protected;
	return change_value(clone, arg, err);
}

static void roll_back(struct edit *e, const struct tree *t, const struct node *n, struct change *c)
{
	c->text = buf_str(&e->before.text);
	c->len = e->before.text.len;
	c->mode = e->before.mode;
	c->uid = e->before.uid;
	c->gid = e->before.gid;
	c->protected = e->before.protected;
	c->generated = NULL;
	c->made = false; /* an old value is not its maker's to open up */
	/* It was good before; if it cannot be saved now, what is there stays. */
	(void)t->backend.hook_change(t->backend.ctx, n->hook->id, change_back, c, NULL);
}

/* `generate` written to secret: only who can read the answer from the same open file may ask. */
static int judge_generate(struct edit *e, const struct node *n, struct change *c, struct err *err)
{
	if (!n->setting || strcmp(n->setting->name, "secret") ||
		c->len != strlen(SECRET_GENERATE) || memcmp(c->text, SECRET_GENERATE, c->len))
		return 0;
	if (!e->generated)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"the secret is shown once, to who reads it from the same open file: "
			"exec 3<>secret; echo generate >&3; cat <&3");
	buf_reset(e->generated);
	c->generated = e->generated;
	return 0;
}

int edit_judge(
	struct edit *e, const struct tree *t, const struct node *n, bool flush, struct err *err)
{
	if (e->poisoned || !e->text.len || (flush && !e->pending))
		return 0;
	const struct hook_file *was = file_of(n);
	if (n->header && e->born != (was ? was->born : 0)) {
		e->poisoned = true;
		return err_set(err, ESTALE, ERR_NO_COLUMN,
			"the header that this was opened for was removed");
	}
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	struct change c = change_of(t, n, &file);
	c.made = e->made;
	c.text = e->text.data;
	c.len = edit_text_len(e);
	const struct setting *s = n->setting;
	bool whole = flush || !s || !s->whole || s->whole(c.text, c.len);
	bool commit = whole && (flush || edit_ended(e));
	/* The last of several lines may go on with the next write. */
	const char *end = s && s->lines && !s->whole ? memrchr(c.text, '\n', c.len) : NULL;
	if (!commit && end)
		c.len = (size_t)(end - c.text);
	int r = edit_judge_bytes(n, c.text, c.len, err);
	if (!r && commit)
		r = judge_generate(e, n, &c, err);
	if (!r && !commit) {
		r = whole ? judge_only(n, &c, err) : 0;
	} else if (!r) {
		struct before old = { 0 };
		if (!e->before.known)
			before_take(&old, n);
		r = t->backend.hook_change(t->backend.ctx, n->hook->id, change_value, &c, err);
		if (!r && old.known)
			before_move(&e->before, &old);
		before_release(&old);
	}
	struct node now;
	bool there = tree_node(t, n->ino, &now) == 0;
	const struct hook_file *f = there ? file_of(&now) : NULL;
	if (r) {
		e->poisoned = true;
		/* Another's value that came in between stays. */
		if (there && e->before.known && e->written == (f ? f->written : 0))
			roll_back(e, t, &now, &c);
	} else if (commit) {
		if (c.generated)
			buf_addc(c.generated, '\n');
		e->has_generated = c.generated != NULL;
		e->committed_len = e->text.len;
		e->written = f ? f->written : 0;
	}
	e->pending = !r && !commit;
	buf_release(&file);
	return r;
}

int edit_truncate(struct edit *e, uint64_t size, struct err *err)
{
	if (size == 0) {
		buf_reset(&e->text);
		e->started = e->pending = false;
		return 0;
	}
	if (size == e->text.len || size == e->committed_len)
		return 0;
	return err_set(err, EINVAL, ERR_NO_COLUMN,
		"a value cannot be cut or stretched to %llu bytes; write it anew",
		(unsigned long long)size);
}

static int change_remove(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	if (c->setting) {
		int r = hook_store(clone, c->setting, "", 0, err);
		struct hook_file *f = hook_file_find(clone, c->file);
		if (!r && f) {
			f->mode = HOOK_MODE_UNSET;
			f->uid = f->gid = HOOK_OWNER_UNSET;
		}
		if (!r)
			(void)change_stamp(clone, c);
		return r;
	}
	struct header *hd = hook_header_slot(clone, c->slot);
	if (hd)
		hook_header_remove(clone, hd);
	return 0;
}

int edit_unlink(const struct tree *t, const struct node *n, struct err *err)
{
	if (n->kind == NODE_HOOK_FILE)
		return 0;
	if (n->kind != NODE_SETTING && n->kind != NODE_HEADER)
		return err_set(err, EPERM, ERR_NO_COLUMN, "%s belongs to the mount and stays",
			tree_name(n));
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	struct change c = change_of(t, n, &file);
	int r = t->backend.hook_change(t->backend.ctx, n->hook->id, change_remove, &c, err);
	buf_release(&file);
	return r;
}

int change_attributes(struct hook *clone, void *arg, struct err *err)
{
	const struct change *c = arg;
	if (c->mode != HOOK_MODE_UNSET) {
		int r = hook_chmod(clone, c->file, c->mode, c->young, err);
		if (r)
			return r;
	}
	if (c->uid == HOOK_OWNER_UNSET && c->gid == HOOK_OWNER_UNSET)
		return 0;
	struct hook_file *f = hook_file_get(clone, c->file);
	if (!f)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	if (c->uid != HOOK_OWNER_UNSET)
		f->uid = c->uid;
	if (c->gid != HOOK_OWNER_UNSET)
		f->gid = c->gid;
	return 0;
}

int edit_attributes(const struct tree *t, const struct node *n, mode_t mode, uint32_t uid,
	uint32_t gid, bool young, struct err *err)
{
	if (!n->hook)
		return edit_root_attributes(t, n, mode, uid, gid, err);
	struct buf file = BUF(HEADER_NAME_MAX + 16);
	struct change c = change_of(t, n, &file);
	c.mode = mode;
	c.young = young;
	c.uid = uid;
	c.gid = gid;
	int r = t->backend.hook_change(t->backend.ctx, n->hook->id, change_attributes, &c, err);
	buf_release(&file);
	return r;
}
