/* Pipes open on both sides of the mount point; the child always answers, or is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "intake/fifo.h"

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each test works in an empty directory where `pipe` and `file` are the only entries. */
static char dir[32];

static int enter(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/test_fifo.XXXXXX");
	return !mkdtemp(dir) || chdir(dir) < 0;
}

static int leave(void **state)
{
	(void)state;
	(void)unlink("pipe");
	(void)unlink("file");
	return chdir("/") < 0 || rmdir(dir) < 0;
}

/* What is written by name comes out, and a writer that leaves ends nothing. */
static void assert_pipe(int fd)
{
	char got[8] = "";

	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(fd, got, sizeof(got)), -1);
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < 2; i++) {
		int writer = open("pipe", O_WRONLY | O_NONBLOCK);

		assert_true(writer >= 0);
		assert_int_equal(write(writer, "line\n", 5), 5);
		assert_int_equal(close(writer), 0);
		assert_int_equal(read(fd, got, sizeof(got)), 5);
		assert_memory_equal(got, "line\n", 5);
		assert_int_equal(read(fd, got, sizeof(got)), -1);
		assert_int_equal(errno, EAGAIN);
	}
}

static void beside_makes_a_private_pipe(void **state)
{
	struct stat st;
	int fd = -1;
	bool made = false;

	(void)state;
	assert_int_equal(fifo_open_beside("pipe", &fd, &made), 0);
	assert_true(made);
	assert_int_equal(stat("pipe", &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	assert_pipe(fd);
	(void)close(fd);
}

static void beside_serves_those_who_wait_at_an_old_pipe(void **state)
{
	struct stat before, after;
	int fd = -1, status;
	bool made = true;
	pid_t writer;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(stat("pipe", &before), 0);
	writer = fork();
	if (writer == 0)
		_exit(write(open("pipe", O_WRONLY), "x", 1) != 1); /* waits in open */
	assert_true(writer > 0);
	assert_int_equal(fifo_open_beside("pipe", &fd, &made), 0);
	assert_false(made);
	assert_int_equal(waitpid(writer, &status, 0), writer);
	assert_int_equal(status, 0);
	assert_int_equal(stat("pipe", &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	(void)close(fd);
}

static void beside_refuses_what_is_no_pipe(void **state)
{
	int fd = 77;
	bool made;

	(void)state;
	(void)close(creat("file", 0600));
	assert_int_equal(fifo_open_beside("file", &fd, &made), -EEXIST);
	assert_int_equal(symlink("elsewhere", "pipe"), 0);
	assert_int_equal(fifo_open_beside("pipe", &fd, &made), -ELOOP);
	assert_int_equal(fifo_open_beside("missing/pipe", &fd, &made), -ENOENT);
	assert_int_equal(access("file", F_OK), 0);
	assert_int_equal(fd, 77);
}

static void only_the_pipe_that_was_made_is_removed(void **state)
{
	bool made;
	int fd;

	(void)state;
	assert_int_equal(fifo_open_beside("pipe", &fd, &made), 0);
	assert_int_equal(rename("pipe", "file"), 0);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	fifo_remove("pipe", fd);
	assert_int_equal(access("pipe", F_OK), 0);
	fifo_remove("file", fd);
	assert_int_equal(access("file", F_OK), -1);
	(void)close(fd);
}

static void a_handed_pipe_is_opened_anew(void **state)
{
	char *name, path[64];
	int fd = 77, handed;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	handed = open("pipe", O_RDONLY | O_NONBLOCK);
	assert_int_equal(fcntl(handed, F_SETFL, 0), 0); /* blocking, and ending with its writers */
	assert_int_equal(fifo_open_handed(handed, &fd, &name), 0);
	assert_int_equal(fcntl(handed, F_GETFD), -1);
	(void)snprintf(path, sizeof(path), "%s/pipe", dir);
	assert_string_equal(name, path);
	free(name);
	assert_pipe(fd);
	(void)close(fd);

	handed = creat("file", 0600);
	fd = 77;
	assert_int_equal(fifo_open_handed(handed, &fd, &name), -EINVAL);
	assert_int_equal(fcntl(handed, F_GETFD), 0);
	assert_int_equal(fd, 77);
	(void)close(handed);
}

/* Any directory can be cloned, by those who may; for the others -EPERM is the answer wanted. */
static int open_tree_error(void)
{
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int receive(struct fifo_opening *o, int *fd)
{
	struct pollfd wait = { .fd = o->socket, .events = POLLIN };
	pid_t child = o->child;
	int r;

	assert_int_equal(poll(&wait, 1, -1), 1);
	r = fifo_receive(o, fd);
	/* The child is reaped and the socket closed. */
	assert_int_equal(waitpid(child, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(fcntl(wait.fd, F_GETFD), r == 0 && *fd == wait.fd ? FD_CLOEXEC : -1);
	return r;
}

static const struct {
	const char *name;
	int error;
} inside[] = {
	{ "pipe", 0 },
	{ "file", -EINVAL },
	{ "missing", -ENOENT },
};

static void inside_gives_the_pipe_or_the_reason(void **state)
{
	int denied = open_tree_error();

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	(void)close(creat("file", 0600));
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
		struct fifo_opening o;
		int r, fd = -1;

		/* Where the kernel or a filter knows no open_tree that is told at once. */
		assert_int_equal(fifo_open_inside(dir, inside[i].name, &o), denied);
		if (denied)
			continue;
		r = receive(&o, &fd);
		assert_int_equal(r, inside[i].error);
		assert_int_equal(fd >= 0, r == 0);
		if (r == 0) {
			assert_pipe(fd);
			(void)close(fd);
		}
	}
}

/* An opening whose child answers with an errno, or with 0 never, and does not end. */
static void hang(struct fifo_opening *o, int answer)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	o->socket = ends[0];
	o->child = fork();
	if (o->child == 0) {
		if (answer)
			(void)send(ends[1], &answer, sizeof(answer), 0);
		for (;;)
			(void)pause();
	}
	assert_true(o->child > 0);
	(void)close(ends[1]);
}

/* It may have been stopped in between, as all of its session is by some. */
static void an_answer_is_enough(void **state)
{
	struct fifo_opening o;
	int fd = 77;

	(void)state;
	hang(&o, -ENOENT);
	assert_int_equal(receive(&o, &fd), -ENOENT);
	assert_int_equal(fd, 77);
}

static void a_killed_child_is_an_answer(void **state)
{
	struct fifo_opening o;
	int fd = 77, r;

	(void)state;
	hang(&o, 0);
	assert_int_equal(kill(o.child, SIGKILL), 0);
	r = fifo_receive(&o, &fd);
	assert_true(r < 0 && r != -EAGAIN);
	assert_int_equal(fd, 77);
}

static void nothing_yet_is_no_answer(void **state)
{
	struct fifo_opening o, before;
	int denied = open_tree_error(), fd = 77, r;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(fifo_open_inside(dir, "pipe", &o), denied);
	if (denied)
		return;
	before = o;
	assert_int_equal(kill(o.child, SIGSTOP), 0); /* perhaps too late */
	while ((r = fifo_receive(&o, &fd)) == -EAGAIN) {
		assert_int_equal(o.socket, before.socket);
		assert_int_equal(o.child, before.child);
		assert_int_equal(fd, 77);
		assert_int_equal(kill(o.child, SIGCONT), 0);
	}
	if (r == 0)
		(void)close(fd);
}

static void cancel_ends_the_child(void **state)
{
	struct fifo_opening o;

	(void)state;
	hang(&o, 0);
	fifo_cancel(&o);
	assert_int_equal(fcntl(o.socket, F_GETFD), -1);
	(void)waitpid(
		o.child, NULL, 0); /* it may be reaped already; alive, it would keep us here */
	assert_int_equal(kill(o.child, 0), -1);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(beside_makes_a_private_pipe),
		IN_DIR(beside_serves_those_who_wait_at_an_old_pipe),
		IN_DIR(beside_refuses_what_is_no_pipe),
		IN_DIR(only_the_pipe_that_was_made_is_removed),
		IN_DIR(a_handed_pipe_is_opened_anew),
		IN_DIR(inside_gives_the_pipe_or_the_reason),
		IN_DIR(an_answer_is_enough),
		IN_DIR(a_killed_child_is_an_answer),
		IN_DIR(nothing_yet_is_no_answer),
		IN_DIR(cancel_ends_the_child),
	};

	return cmocka_run_group_tests_name("fifo", tests, NULL, NULL);
}
