/*
 * fs: a kernel without a mount: the input is a program of file system calls, which go to the ops of fs/ as
 * FUSE would hand them over, and a backend that keeps hooks in memory.
 *
 * Each request is answered exactly once (a request is freed by its answer). What is listed is found, and has the
 * size that reading it gives. Whatever was done to a hook, it is the same after it has been saved and loaded. A
 * protected value comes out nowhere, by no detour over scratch files, renames, modes or config.json.
 */
#include "fs_kernel.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPEN_MAX_TESTED 6
#define STEPS_MAX       64

/* ---- the kernel: calls as it makes them, each after the look-ups that it does itself */

static const char *const files[] = { "url", "event", "object", "enabled", "description", "labels",
	"retry", "rate", "secret", "signature", "config.json", "test", "status", "README",
	"headers", "tls", "pending", "failed", "delivered", "ca", "key", "X-A", "x-a",
	"Authorization", "X-Hush", ".X-A.swp", "url~", ".url.Ab12Cd", "4913", "sedXyz123",
	"timeotu", "a", "b", "new", "events", "errors", "log", "hooks", "metrics.prom", "Cookie" };
#define CONFIG                                                                                \
	"{\"url\":\"https://example.org/z\",\"headers\":[{\"key\":\"X-A\",\"value\":\"b\"}]," \
	"\"description\":\"" MASK "\"}\n"
static const char *const texts[] = { "\n", "https://example.org/x\n", "https://example.org/y",
	"failed\ncompleted\n", "deployment/*\n", "pipeline/p/1\n", "1\n", "0\n", "paused\n",
	"5s 5m\n", "10/s\n", "********", "********\n", "generate\n", "github\n", "standard\n",
	"value", "k:v\nk2:w\n", CONFIG, "{\"secret\":\"\",\"signature\":\"github\"}",
	"bad line\nbad\n", "x " MASK "y\n", "https://example.org/" MASK "/x\n",
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "!\n", "{", "X-A: 1\r\n", "\xff\xfe\n" };
static const char *const dirs[] = { "", "hooks", "hooks/a", "hooks/a/headers", "hooks/a/tls",
	"hooks/a/pending", "hooks/a/failed", "hooks/a/delivered", "hooks/b", "hooks/b/headers" };
static const mode_t modes[] = { 0600, 0644, 0640, 0400, 0666, 0000, 0755, 0444 };
#define PICK(list, byte) ((list)[(byte) % (sizeof(list) / sizeof((list)[0]))])

static struct {
	fuse_ino_t ino;
	struct fuse_file_info fi;
	bool open;
} handles[OPEN_MAX_TESTED];

/* Ends what waits for the turn's commit or for a test; then each request has had its answer. */
static void turn(bool fails)
{
	static const struct err failed = { EIO, ERR_NO_COLUMN, "it cannot be saved" };

	while (fs->for_test)
		fs_test_done(fs, fs->for_test->token, fails ? -EIO : 0);
	fs_answer(fs, fails ? &failed : NULL);
	CHECK(reply.count == 1);
}

static bool lookup(fuse_ino_t parent, const char *name)
{
	op_lookup(request(), parent, name);
	turn(false);
	return !reply.error;
}

/* 0: there is no such directory. */
static fuse_ino_t walk(const char *path)
{
	fuse_ino_t ino = TREE_ROOT_INO;
	char *copy = strdup(path), *rest = copy, *name;

	while (ino && (name = strsep(&rest, "/")) && *name)
		ino = lookup(ino, name) && S_ISDIR(reply.entry.attr.st_mode) ? reply.entry.ino : 0;
	free(copy);
	return ino;
}

static const char *name_of(struct input *in)
{
	static char literal[NAME_MAX + 2];
	uint8_t byte = input_byte(in);
	struct node n;
	char *own;

	if (byte < 200)
		return PICK(files, byte);
	if (byte < 220) {
		if (tree_delivery(&tree, 1 + byte % DELIVERIES, &n))
			return "none";
		(void)snprintf(literal, sizeof(literal), "%s", n.name);
		return literal;
	}
	own = input_string(in, '\0');
	(void)snprintf(literal, sizeof(literal), "%s", own);
	free(own);
	for (char *slash = literal; (slash = strchr(slash, '/'));)
		*slash = '_';
	return *literal && strcmp(literal, ".") && strcmp(literal, "..") ? literal : "empty";
}

static char *text_of(struct input *in, size_t *len)
{
	uint8_t byte = input_byte(in);
	const char *text = PICK(texts, byte);

	if (byte & 0x80)
		return input_until(in, '\0', len);
	*len = strlen(text);
	return input_copy(text, *len);
}

static void keep(fuse_ino_t ino)
{
	for (int i = 0; i < OPEN_MAX_TESTED; i++) {
		if (handles[i].open)
			continue;
		handles[i].ino = ino;
		handles[i].fi = reply.fi;
		handles[i].open = true;
		return;
	}
	op_release(request(), ino, &reply.fi);
	turn(false);
}

static void do_open(fuse_ino_t dir, const char *name, int flags, mode_t mode, bool blind)
{
	struct fuse_file_info fi = { .flags = flags };
	bool there = !blind && lookup(dir, name);

	if (there && S_ISREG(reply.entry.attr.st_mode) && !(flags & O_EXCL)) {
		fuse_ino_t ino = reply.entry.ino;

		op_open(request(), ino, &fi);
		turn(false);
		if (!reply.error)
			keep(ino);
	} else if (!there && flags & O_CREAT) {
		op_create(request(), dir, name, mode, &fi);
		turn(false);
		if (!reply.error)
			keep(reply.entry.ino);
	}
}

static void do_close(unsigned i)
{
	if (!handles[i].open)
		return;
	op_flush(request(), handles[i].ino, &handles[i].fi);
	turn(false);
	op_release(request(), handles[i].ino, &handles[i].fi);
	turn(false);
	handles[i].open = false;
}

static void do_write(unsigned i, const char *text, size_t len, uint64_t offset, bool fails)
{
	if (!handles[i].open || (handles[i].fi.flags & O_ACCMODE) == O_RDONLY)
		return;
	op_write(request(), handles[i].ino, text, len, (off_t)offset, &handles[i].fi);
	turn(fails);
}

static void do_read(unsigned i, uint64_t offset)
{
	if (!handles[i].open || (handles[i].fi.flags & O_ACCMODE) == O_WRONLY)
		return;
	op_read(request(), handles[i].ino, 4096, (off_t)offset, &handles[i].fi);
	turn(false);
}

/* Into a file that is protected whatever its mode. */
static void do_hush(fuse_ino_t dir, const char *name)
{
	struct fuse_file_info fi = { .flags = O_WRONLY };
	struct node n;
	fuse_ino_t ino;

	if (!lookup(dir, name) || tree_node(&tree, reply.entry.ino, &n) || !tree_is_protected(&n) ||
		!(n.setting || (n.header && header_born_protected(n.header->name))))
		return;
	ino = reply.entry.ino;
	op_open(request(), ino, &fi);
	turn(false);
	if (reply.error)
		return;
	fi = reply.fi;
	op_write(request(), ino, HUSH "\n", strlen(HUSH) + 1, 0, &fi);
	turn(false);
	op_release(request(), ino, &fi);
	turn(false);
}

static void do_setattr(fuse_ino_t dir, const char *name, uint8_t what, mode_t mode, unsigned i)
{
	struct stat st = { .st_mode = mode, .st_uid = what >> 6, .st_gid = what >> 6 };
	bool open = what & 0x20 && handles[i].open;
	int to_set = what &
		(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE |
			FUSE_SET_ATTR_ATIME);
	fuse_ino_t ino = handles[i].ino;

	if (!open) {
		if (!lookup(dir, name))
			return;
		ino = reply.entry.ino;
		if (S_ISDIR(reply.entry.attr.st_mode))
			to_set &= ~FUSE_SET_ATTR_SIZE;
	}
	st.st_size = mode & 7;
	op_setattr(request(), ino, &st, to_set, open ? &handles[i].fi : NULL);
	turn(false);
}

static void do_remove(fuse_ino_t dir, const char *name)
{
	if (!lookup(dir, name))
		return;
	if (S_ISDIR(reply.entry.attr.st_mode))
		op_rmdir(request(), dir, name);
	else
		op_unlink(request(), dir, name);
	turn(false);
}

static void do_rename(
	fuse_ino_t dir, const char *name, fuse_ino_t to, const char *new_name, unsigned flags)
{
	fuse_ino_t ino;
	mode_t type;

	if (!to || !lookup(dir, name))
		return;
	ino = reply.entry.ino;
	type = reply.entry.attr.st_mode & S_IFMT;
	if (lookup(to, new_name) &&
		(ino == reply.entry.ino || flags ||
			S_ISDIR(type) != S_ISDIR(reply.entry.attr.st_mode)))
		return;
	op_rename(request(), dir, name, to, new_name, flags);
	turn(false);
}

static void do_list(fuse_ino_t dir, bool plus)
{
	static char names[sizeof(reply.bytes) + 1];
	char *name, *rest = names;

	(plus ? op_readdirplus : op_readdir)(request(), dir, 4096, 2, NULL);
	turn(false);
	memcpy(names, reply.bytes, reply.len);
	names[reply.len] = '\0';
	while ((name = strsep(&rest, "\n")) && *name) {
		CHECK(!rest || !strstr(rest, name) || rest[0]);
		CHECK(lookup(dir, name));
	}
}

/* The size that is told is the size that is read, of what shows a value. */
static void do_check_size(fuse_ino_t dir, const char *name)
{
	struct fuse_file_info fi = { .flags = O_RDONLY };
	struct node n;
	struct stat st;

	if (!lookup(dir, name) || !S_ISREG(reply.entry.attr.st_mode))
		return;
	st = reply.entry.attr;
	if (tree_node(&tree, reply.entry.ino, &n) || !(n.setting || n.header || n.scratch))
		return;
	op_open(request(), n.ino, &fi);
	turn(false);
	CHECK(!reply.error);
	fi = reply.fi;
	op_read(request(), n.ino, 4096, 0, &fi);
	turn(false);
	CHECK(!reply.error);
	CHECK((size_t)st.st_size == reply.len || reply.len == 4096);
	op_release(request(), n.ino, &fi);
	turn(false);
}

static void step(struct input *in)
{
	uint8_t op = input_byte(in), how = input_byte(in);
	fuse_ino_t dir = walk(PICK(dirs, input_byte(in)));
	unsigned i = how % OPEN_MAX_TESTED;
	const char *name = dir ? name_of(in) : "none";
	char copy[NAME_MAX + 2], *text;
	size_t len;

	caller.pid = 1 + (op >> 4 & 3);
	caller.uid = caller.gid = op & 0x80 ? 1000 : 0;
	(void)snprintf(copy, sizeof(copy), "%s", name);
	if (!dir)
		return;
	switch (op & 15) {
	case 0:
		do_open(dir, copy, how & 0xc3, PICK(modes, how >> 2), false);
		break;
	case 1:
		do_open(dir, copy, O_CREAT | (how & 3) | (how & 4 ? O_EXCL : 0),
			PICK(modes, how >> 3), how & 0x80);
		break;
	case 2:
	case 3:
		text = text_of(in, &len);
		do_write(i, text, len, how & 0x40 ? how : 0, how == 0xff);
		free(text);
		break;
	case 4:
		do_read(i, how & 0x40 ? 7 : 0);
		break;
	case 5:
		do_close(i);
		break;
	case 6:
		do_setattr(dir, copy, how, PICK(modes, input_byte(in)), input_byte(in) % 6);
		break;
	case 7:
		do_remove(dir, copy);
		break;
	case 8:
	case 9:
		dir = walk(PICK(dirs, how));
		if (lookup(TREE_ROOT_INO, "hooks"))
			do_rename(walk(PICK(dirs, input_byte(in))), copy, dir, strdupa(name_of(in)),
				how & 0x80 ? RENAME_NOREPLACE : 0);
		break;
	case 10:
		op_mkdir(request(), dir, copy, PICK(modes, how));
		turn(false);
		break;
	case 11:
		do_list(dir, how & 1);
		break;
	case 12:
		do_hush(dir, copy);
		break;
	case 13:
		engine.now_ms += how & 0x80 ? 700000 : how * 20;
		engine.full = how == 3;
		engine.edition++;
		fs_changed(fs, TOPIC_STATE, 1);
		fs_expire(fs);
		break;
	case 14:
		do_check_size(dir, copy);
		break;
	case 15:
		if (handles[i].open) {
			op_poll(request(), handles[i].ino, &handles[i].fi,
				how & 0x80 ? malloc(1) : NULL);
			turn(false);
		}
		break;
	}
}

/* As a restart would find it. */
static void check_saved(void)
{
	for (struct hook *h = NULL; (h = registry_next(registry, h ? h->id : 0));) {
		struct buf one = BUF(HOOK_JSON_MAX), two = BUF(HOOK_JSON_MAX),
			   shown = BUF(HOOK_JSON_MAX);
		struct err err = { 0 };
		struct hook *again = NULL;

		hook_json(h, HOOK_JSON_STORED, &one);
		hook_json(h, HOOK_JSON_SHOWN, &shown);
		CHECK(!has(shown.data, shown.len, HUSH, strlen(HUSH)));
		if (hook_from_json(h->name, &types, NULL, one.data, one.len, &err, &again))
			(void)fprintf(stderr, "%s\n%s\n", err.sentence, one.data);
		CHECK(again);
		hook_json(again, HOOK_JSON_STORED, &two);
		CHECK(!strcmp(one.data, two.data));
		hook_free(again);
		buf_release(&one);
		buf_release(&two);
		buf_release(&shown);
	}
}

static void start(void)
{
	struct err err = { 0 };

	if (!types.count) {
		CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
		engine.log = memfd_create("log", MFD_CLOEXEC);
		CHECK(write(engine.log, "{}\n", 3) == 3);
	}
	registry = registry_new();
	attributes = (struct attributes){ 0 };
	engine.now_ms = 1700000000000;
	engine.next_id = 0;
	engine.full = false;
	for (int64_t i = 0; i < DELIVERIES; i++) {
		engine.dropped[i] = i == DELIVERIES - 1;
		engine.deliveries[i] = (struct delivery_entry){ i + 1, 1,
			(enum delivery_state)(i % 3), engine.now_ms, engine.now_ms };
	}
	tree = (struct tree){ .registry = registry,
		.types = &types,
		.scratches = scratches_new(),
		.backend = backend,
		.attributes = &attributes,
		.start_ms = engine.now_ms };
	fs = calloc(1, sizeof(*fs));
	CHECK(fs);
	fs->tree = &tree;
	fs->log_page_size = 4096;
	fs->log_page = malloc(fs->log_page_size);
	fs->open = calloc(KEPT_FILES_MAX, sizeof(struct handle *));
	CHECK(fs->open && kept_new(&fs->kept) == 0);
	CHECK(hook_make(NULL, "a", 0755, (struct who){ 0 }, &err) == 0);
	CHECK(hook_make(NULL, "b", 0755, (struct who){ 0 }, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);

	/* Who knows the value may write it anywhere. */
	if (has((const char *)data, size, HUSH, strlen(HUSH)))
		return 0;
	start();
	for (int i = 0; in.len && i < STEPS_MAX; i++)
		step(&in);
	for (unsigned i = 0; i < OPEN_MAX_TESTED; i++)
		do_close(i);
	engine.full = false;
	check_saved();
	struct kept *kept = fs->kept;
	fs_unmount(fs);
	kept_free(kept);
	scratches_free(tree.scratches);
	registry_free(registry);
	return 0;
}
