#include "handover.h"

#include "fs/fs.h"
#include "fs/kept.h"
#include "options.h"
#include "startup.h"
#include "util/err.h"
#include "util/mountwatch.h"
#include "util/unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's table is asked, never the mount: nobody serves it. */
static bool is_mounted(const struct kept_mount *m)
{
	unsigned major, minor;
	return !mountwatch_device(MOUNTWATCH_TABLE, m->real, &major, &minor) && major == m->major &&
		minor == m->minor;
}

static bool is_alive(int fd)
{
	struct pollfd p = { .fd = fd };
	return poll(&p, 1, 0) == 0;
}

bool handover_is_beforehand(const struct handed *h)
{
	struct kept *k;
	if (h->mount < 0 || h->memory < 0)
		return h->mount >= 0;
	if (kept_open(h->memory, &k))
		return false;
	bool is = kept_mount(k)->beforehand;
	kept_free(k);
	return is;
}

static int set_mountpoint(struct options *o, const char *real, struct err *err)
{
	char *copy = real ? strdup(real) : NULL;
	if (!copy)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	free(o->mountpoint);
	o->mountpoint = copy;
	return 0;
}

static int judge(const struct handed *h, struct options *o, struct kept *k, struct err *why)
{
	const struct kept_mount *m = kept_mount(k);
	if (!is_alive(h->mount) || !is_mounted(m))
		return err_set(why, ESTALE, ERR_NO_COLUMN, "it has been unmounted");
	if (strcmp(m->given, o->mountpoint) != 0)
		return err_set(
			why, ESTALE, ERR_NO_COLUMN, "it is at another mount point, %s", m->given);
	return set_mountpoint(o, m->real, why);
}

/* A new sheet. */
static int begin(
	struct options *o, const char *real, bool beforehand, struct kept **out, struct err *err)
{
	struct kept *k;
	int r = kept_new(&k);
	if (r)
		return err_set(
			err, -r, ERR_NO_COLUMN, "no memory for open files: %s", strerror(-r));
	struct kept_mount *m = kept_mount(k);
	(void)snprintf(m->given, sizeof(m->given), "%s", o->mountpoint);
	(void)snprintf(m->real, sizeof(m->real), "%s", real);
	m->beforehand = beforehand;
	r = set_mountpoint(o, real, err);
	if (r)
		kept_free(k);
	else
		*out = k;
	return r;
}

/* What nobody can go on with is taken off, or the kernel would wait for its daemon. */
static void give_up(struct handed *h, struct kept *k)
{
	service_unstore();
	if (k && is_mounted(kept_mount(k)))
		(void)unmount_lazily(kept_mount(k)->real); /* the start tries it again */
	close(h->mount);
	if (h->memory >= 0)
		close(h->memory);
	h->mount = h->memory = -1;
	kept_free(k);
}

int handover_take(struct handed *h, struct options *o, struct err *why, struct kept **out)
{
	struct kept *k = NULL;
	int r;
	if (h->mount < 0)
		return -ENOENT;
	if (h->memory < 0) { /* nobody has served it yet */
		char *real = startup_path(o->mountpoint);
		r = begin(o, real ? real : o->mountpoint, true, out, why);
		free(real);
		return r;
	}
	r = kept_open(h->memory, &k);
	if (r == -EINVAL)
		(void)err_set(why, -r, ERR_NO_COLUMN, "it is of another version of webhookfs");
	else if (r)
		(void)err_set(
			why, -r, ERR_NO_COLUMN, "no memory for what it knew: %s", strerror(-r));
	else
		r = judge(h, o, k, why);
	if (r)
		give_up(h, k);
	else
		*out = k;
	return r;
}

int handover_begin(struct options *o, struct err *err, struct kept **out)
{
	char *real;
	int r = startup_mountpoint(o->mountpoint, err, &real);
	if (r)
		return r;
	r = begin(o, real, false, out, err);
	free(real);
	return r;
}

int handover_keep(const struct handed *h, struct fs *fs, struct kept *kept, struct err *err)
{
	struct kept_mount *m = kept_mount(kept);
	if (!fs_can_be_kept(fs)) {
		service_unstore(); /* of what was made beforehand */
		return err_set(err, ENOTSUP, ERR_NO_COLUMN,
			"this kernel cannot ask another daemon again (Linux 6.9 can), so the mount ends "
			"with this one");
	}
	int r = mountwatch_device(MOUNTWATCH_TABLE, m->real, &m->major, &m->minor);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "the mount is not in %s", MOUNTWATCH_TABLE);
	fs_keep(fs);
	r = h->memory < 0 ? service_store(h->mount < 0 ? fs_fd(fs) : -1, kept_fd(kept)) : 0;
	return r ? err_set(err, -r, ERR_NO_COLUMN, "who keeps it cannot be told: %s", strerror(-r))
		 : 0;
}
