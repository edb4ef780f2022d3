/*
 * confine_files: Landlock, by its system calls: which files the daemon may open from now on. What is open
 * stays open.
 *
 * Rights that a kernel does not know are left out, so an older one confines less. Before the second version
 * (Linux 5.19) no file could be moved from one directory to another, which the spool does: then there is
 * nothing.
 *
 * Rules are of directories, never of single files like /etc/resolv.conf: a rule is of an inode, and those
 * files are replaced.
 */
#include "confine_internal.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Later than the headers that this is compiled with, perhaps. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#define FS_TRUNCATE   (1ULL << 14) /* version 3 */
#define FS_IOCTL_DEV  (1ULL << 15) /* version 5 */
#define NET_BIND_TCP  (1ULL << 0)  /* version 4 */
#define SCOPE_SIGNAL  (1ULL << 1)  /* version 6; abstract sockets stay: NOTIFY_SOCKET may be one */
#define LEAST_VERSION 2

/* Of version 6; older kernels take it as long as they are not told what they do not know. */
struct ruleset {
	uint64_t fs, net, scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Of all kinds: what others have put there is moved, whatever it is, and a move makes it. */
#define MAKE                                                                  \
	(LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |          \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |  \
		LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
		LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define REMOVE (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)
#define WRITE  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)
#define OWN    (READ | WRITE | MAKE | REMOVE)
/* All that is denied where no rule allows it. */
#define HANDLED (OWN | FS_IOCTL_DEV | LANDLOCK_ACCESS_FS_EXECUTE)

/* What the C library, its modules for names, and TLS read; what is not there is passed over. */
static const char *const system_dirs[] = { "/etc", "/usr", "/lib", "/lib32", "/lib64", "/libx32",
	"/opt", "/nix/store", "/gnu/store", "/run", "/var/lib/ca-certificates", "/var/lib/sss",
	"/proc", "/sys", "/dev" };

static uint64_t known_rights(int version)
{
	return HANDLED & ~(version < 3 ? FS_TRUNCATE : 0) & ~(version < 5 ? FS_IOCTL_DEV : 0);
}

static int ruleset_new(int version)
{
	const struct ruleset r = {
		.fs = known_rights(version),
		.net = version >= 4 ? NET_BIND_TCP : 0,
		.scoped = version >= 6 ? SCOPE_SIGNAL : 0,
	};

	return (int)syscall(SYS_landlock_create_ruleset, &r, sizeof(r), 0);
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = rights };
	int r;

	beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return -errno;
	r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0
		? -errno
		: 0;
	(void)close(beneath.parent_fd); /* O_PATH */
	return r;
}

/* The directory that a path lies in: what is there may be replaced. */
static int allow_beside(int ruleset, const char *path, uint64_t rights)
{
	char *copy = path ? strdup(path) : NULL;
	int r = copy ? allow(ruleset, dirname(copy), rights) : path ? -ENOMEM : 0;

	free(copy);
	return r;
}

static int allow_all(int ruleset, const struct options *o, uint64_t known)
{
	int r = allow(ruleset, o->state_dir, OWN & known);

	if (!r && o->spool)
		r = allow(ruleset, o->spool, OWN & known);
	if (!r)
		r = allow_beside(ruleset, o->fifo, LANDLOCK_ACCESS_FS_REMOVE_FILE);
	if (!r)
		r = allow_beside(ruleset, o->cacert, READ);
	if (!r)
		r = allow(ruleset, "/dev/null",
			LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
	for (size_t i = 0; i < sizeof(system_dirs) / sizeof(*system_dirs); i++)
		(void)allow(ruleset, system_dirs[i], READ); /* mostly not there */
	return r;
}

bool confine_files(const struct options *o)
{
	int ruleset, version;
	bool done;

	version =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < LEAST_VERSION)
		return false;
	ruleset = ruleset_new(version);
	if (ruleset < 0)
		return false;
	done = !allow_all(ruleset, o, known_rights(version)) &&
		syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	(void)close(ruleset); /* in force, or given up */
	return done;
}
