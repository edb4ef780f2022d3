/*
 * confdir: the directory of configurations while others use it, too: (what is done, name, NUL, text, NUL) again
 * and again. What the kernel would tell of it is told here, or not at all: its inotify takes 10 ms to end. Nothing is found under a name that is no file's, each change of others is found as it is, and
 * what they put there and we have not taken is never overwritten without being put aside.
 */
#include "fuzz.h"

#include "intake/confdir.h"
#include "intake/dirwatch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOOK_JSON_MAX (1 << 20)

static char top[64], dir[80];

static void dir_empty(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			(void)(unlinkat(dirfd(d), entry->d_name, 0) &&
				unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR));
	if (d)
		(void)closedir(d);
}

static void clean(void)
{
	dir_empty();
	(void)rmdir(dir);
	(void)rmdir(top);
}

static void start(void)
{
	(void)snprintf(top, sizeof(top), "/dev/shm/fuzz-confdir.XXXXXX");
	if (!mkdtemp(top)) {
		(void)snprintf(top, sizeof(top), "/tmp/fuzz-confdir.XXXXXX");
		CHECK(mkdtemp(top));
	}
	(void)snprintf(dir, sizeof(dir), "%s/hooks", top);
	CHECK(mkdir(dir, 0700) == 0 && atexit(clean) == 0);
}

/* What is in a file, "" and false where it is none. */
static bool get(const char *name, const char *suffix, char out[4096])
{
	char path[PATH_MAX];
	struct stat st;
	int fd = -1;
	ssize_t len = 0;

	out[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix) >= (int)sizeof(path) ||
		lstat(path, &st) || !S_ISREG(st.st_mode) || (fd = open(path, O_RDONLY)) < 0)
		return false;
	len = read(fd, out, 4095);
	out[len > 0 ? len : 0] = '\0';
	(void)close(fd);
	return true;
}

/* ---- the kernel */

#define TOLD_MAX 64

struct dirwatch {
	struct told {
		enum dirwatch_event event;
		char name[NAME_MAX + 1];
	} told[TOLD_MAX];
	unsigned count;
};
static struct dirwatch watch;

int dirwatch_new(int dir_fd, struct dirwatch **out)
{
	(void)dir_fd;
	watch.count = 0;
	*out = &watch;
	return 0;
}

void dirwatch_free(struct dirwatch *w)
{
	(void)w;
}

int dirwatch_fd(const struct dirwatch *w)
{
	(void)w;
	return -1;
}

bool dirwatch_waits(const struct dirwatch *w)
{
	return w->count;
}

bool dirwatch_removed(int dir_fd)
{
	(void)dir_fd;
	return false;
}

int dirwatch_read(struct dirwatch *w, dirwatch_fn *told, void *ctx)
{
	for (unsigned i = 0; i < w->count; i++)
		told(ctx, w->told[i].event, *w->told[i].name ? w->told[i].name : NULL);
	w->count = 0;
	return 0;
}

static void tell(enum dirwatch_event event, const char *name)
{
	if (watch.count == TOLD_MAX)
		return;
	watch.told[watch.count].event = event;
	(void)snprintf(watch.told[watch.count++].name, NAME_MAX + 1, "%s", name);
}

/* ---- others */

static void others_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* What they do is told at the next hearing, unless `what` has 16; all is looked at anew where it has 32. */
static void others_do(uint8_t what, const char *name, const char *text)
{
	char entry[NAME_MAX + sizeof(".json")], to[NAME_MAX + 1], path[PATH_MAX], other[PATH_MAX];
	const char *end = what & 8 ? "" : ".json";
	bool told = !(what & 16);

	if (what & 32)
		tell(DIRWATCH_MISSED, "");
	if (strchr(name, '/') || !*name || strlen(name) + strlen(end) > NAME_MAX)
		return;
	(void)snprintf(entry, sizeof(entry), "%s%s", name, end);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, entry);
	switch (what % 5) {
	case 0:
		others_write(path, text);
		break;
	case 1:
		(void)mkdir(path, 0700);
		break;
	case 2:
		(void)!symlink("/etc/passwd", path);
		break;
	case 3:
		(void)(unlink(path) && rmdir(path));
		break;
	case 4:
		if (strchr(text, '/') || strlen(text) + strlen(".json") > NAME_MAX)
			return;
		(void)snprintf(to, sizeof(to), "%s.json", text);
		(void)snprintf(other, sizeof(other), "%s/%s", dir, to);
		(void)rename(path, other);
		if (told)
			tell(DIRWATCH_WHOLE, to);
		break;
	}
	if (told)
		tell(what % 5 > 2          ? DIRWATCH_GONE
				: what % 5 ? DIRWATCH_MADE
					   : DIRWATCH_WHOLE,
			entry);
}

/* ---- we */

struct taken {
	uint8_t how;
	unsigned found;
	char name[NAME_MAX + 1], text[4096]; /* the last that was taken */
};

static enum confdir_answer found(void *ctx, const struct confdir_file *f)
{
	struct taken *t = ctx;
	char now[4096];

	t->found++;
	CHECK(*f->name && *f->name != '.' && !strchr(f->name, '/'));
	CHECK(strlen(f->name) + strlen(".json") <= NAME_MAX);
	CHECK(!f->text == (f->error != 0));
	if (!f->text) {
		CHECK(f->error == ENOENT || f->error == E2BIG || f->error == ELOOP ||
			f->error == EISDIR || f->error == EINVAL);
		CHECK(!get(f->name, ".json", now));
		return CONFDIR_REFUSED;
	}
	CHECK(strlen(f->text) == f->len && get(f->name, ".json", now) && !strcmp(now, f->text));
	return t->how & 0x40 ? CONFDIR_REFUSED : CONFDIR_TAKEN;
}

/* Others' text is in there: then it is there still, or beside it. */
static void we_do(struct confdir *c, uint8_t what, const char *name, const char *text)
{
	struct taken t = { .how = what };
	char before[4096], after[4096];
	bool aside = false, was = get(name, ".json", before);
	int r;

	switch (what % 4) {
	case 0:
		(void)confdir_hear(c, 1000);
		confdir_find(c, what & 8 ? 1000 : 5000, 16, found, &t);
		return;
	case 1:
		r = confdir_save(c, name, text, strlen(text), &aside);
		CHECK(r <= 0);
		if (r == 0)
			CHECK(get(name, ".json", after) && !strcmp(after, text));
		else
			CHECK(was == get(name, ".json", after) && !strcmp(before, after));
		break;
	case 2:
		r = confdir_remove(c, name, &aside);
		CHECK(r <= 0);
		if (r == 0)
			CHECK(!get(name, ".json", after));
		break;
	default:
		r = confdir_rename(c, name, text);
		CHECK(r <= 0);
		if (r == 0)
			CHECK(get(text, ".json", after) == was && !strcmp(before, after));
		return;
	}
	if (aside && was)
		CHECK(get(name, ".json.refused", after) && !strcmp(before, after));
	if (*name == '.' || strchr(name, '/') || !*name)
		CHECK(r);
}

/* Nobody has heard of what others put there last: a save does not overwrite it in silence. */
static void check_unheard(struct confdir *c, const char *name)
{
	static const char theirs[] = "theirs", ours[] = "ours";
	char now[4096];
	bool aside = false;
	int r;

	if (!*name || *name == '.' || strchr(name, '/'))
		return;
	others_do(0, name, theirs);
	if (!get(name, ".json", now) || strcmp(now, theirs) != 0)
		return;
	r = confdir_save(c, name, ours, strlen(ours), &aside);
	if (r)
		CHECK(get(name, ".json", now) && !strcmp(now, theirs));
	else
		CHECK(aside && get(name, ".json.refused", now) && !strcmp(now, theirs));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct confdir *c;
	char *last = NULL;

	if (!*top)
		start();
	dir_empty();
	CHECK(confdir_open(top, &c) == 0 && confdir_watch(c) == 0);
	for (int i = 0; in.len && i < 16; i++) {
		uint8_t what = input_byte(&in);
		char *name = input_string(&in, '\0'), *text = input_string(&in, '\0');

		/* What does not fit into `get` is not compared. */
		if (strlen(text) < 4095) {
			if (what & 0x80)
				others_do(what, name, text);
			else
				we_do(c, what, name, text);
		}
		free(text);
		free(last);
		last = name;
	}
	if (last)
		check_unheard(c, last);
	free(last);
	confdir_close(c);
	return 0;
}
