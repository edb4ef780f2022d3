/*
 * The yardstick of intake: a filesystem with one file, `events`, that takes whatever is written.
 *
 *     nullfs MOUNTPOINT [SCRATCH]
 *
 * Each write is appended to SCRATCH and is answered after an fdatasync of it; without SCRATCH it is only
 * counted, which is what FUSE alone costs. It reads no line, and the kernel may keep all that it says of the file,
 * so an open, write and close are four requests: OPEN, WRITE, FLUSH and RELEASE. One thread, as the
 * daemon has. Ends when it is unmounted or told to, and prints a line of JSON: writes and bytes.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_INO 2
#define NAME       "events"
#define KEPT_S     3600.0

static struct {
	int scratch_fd; /* -1: only count */
	long writes;
	long long bytes;
} fs = { .scratch_fd = -1 };

static int stat_of(fuse_ino_t ino, struct stat *st)
{
	if (ino != FUSE_ROOT_ID && ino != EVENTS_INO)
		return ENOENT;
	*st = (struct stat){ .st_ino = ino,
		.st_nlink = ino == FUSE_ROOT_ID ? 2 : 1,
		.st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0200,
		.st_uid = getuid(),
		.st_gid = getgid() };
	return 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.ino = EVENTS_INO, .attr_timeout = KEPT_S, .entry_timeout = KEPT_S
	};

	if (parent != FUSE_ROOT_ID || strcmp(name, NAME) != 0 || stat_of(EVENTS_INO, &e.attr))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int error = stat_of(ino, &st);

	(void)fi;
	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_attr(req, &st, KEPT_S);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino != EVENTS_INO || (fi->flags & O_ACCMODE) != O_WRONLY) {
		fuse_reply_err(req, EACCES);
		return;
	}
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
	struct fuse_file_info *fi)
{
	(void)ino;
	(void)off;
	(void)fi;
	if (fs.scratch_fd >= 0 &&
		(write(fs.scratch_fd, data, size) != (ssize_t)size || fdatasync(fs.scratch_fd))) {
		fuse_reply_err(req, EIO);
		return;
	}
	fs.writes++;
	fs.bytes += (long long)size;
	fuse_reply_write(req, size);
}

/* Whoever must hear of a last line without a newline needs it. */
static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.write = op_write,
	.flush = op_flush,
};

static int serve(const char *mountpoint)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session;
	int r = -1;

	if (fuse_opt_add_arg(&args, "nullfs") ||
		fuse_opt_add_arg(&args, "-odefault_permissions,fsname=nullfs,subtype=nullfs"))
		return -1;
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (session && fuse_set_signal_handlers(session) == 0 &&
		fuse_session_mount(session, mountpoint) == 0) {
		r = fuse_session_loop(session);
		fuse_session_unmount(session);
	}
	if (session)
		fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: nullfs MOUNTPOINT [SCRATCH]\n");
		return 2;
	}
	if (argc == 3) {
		fs.scratch_fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (fs.scratch_fd < 0) {
			perror(argv[2]);
			return 1;
		}
	}
	if (serve(argv[1]) < 0)
		return 1;
	printf("{\"writes\": %ld, \"bytes\": %lld}\n", fs.writes, fs.bytes);
	return 0;
}
