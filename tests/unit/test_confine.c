/*
 * What a confined process may do and may not, tried from inside: each attempt is a process of its own, which
 * confines itself first. As root and as a plain user; parts that this kernel lacks are skipped.
 */
#include "confine.h"
#include "options.h"
#include "util/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "memcheck.h"

#define CALLED(call) ((call) < 0 ? errno : 0)

static char top[64], state[80], spool[80], outside[80], name[96];

/* One buffer, for one call. */
static const char *in(const char *dir, const char *file)
{
	(void)snprintf(name, sizeof(name), "%s/%s", dir, file);
	return name;
}

static int opened(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	return fd < 0 ? errno : close(fd);
}

/* ---- attempts: 0 or an errno */

static int write_in_state(void)
{
	return opened(in(state, "new"), O_WRONLY | O_CREAT);
}

static int write_in_spool(void)
{
	return opened(in(spool, "new"), O_WRONLY | O_CREAT | O_TRUNC);
}

static int move_within(void)
{
	char from[96];

	(void)snprintf(from, sizeof(from), "%s", in(state, "there"));
	return CALLED(rename(from, in(spool, "there")));
}

static int read_etc(void)
{
	return opened("/etc/passwd", O_RDONLY);
}

static int write_null(void)
{
	return opened("/dev/null", O_WRONLY);
}

static int read_outside(void)
{
	return opened(in(outside, "there"), O_RDONLY);
}

static int write_outside(void)
{
	return opened(in(outside, "there"), O_WRONLY);
}

static int make_outside(void)
{
	return opened(in(outside, "new"), O_WRONLY | O_CREAT);
}

static int truncate_outside(void)
{
	return CALLED(truncate(in(outside, "there"), 0));
}

static int list_outside(void)
{
	return opened(outside, O_RDONLY | O_DIRECTORY);
}

static int remove_outside(void)
{
	return CALLED(unlink(in(outside, "there")));
}

static int write_etc(void)
{
	return opened("/etc/webhookfs-was-here", O_WRONLY | O_CREAT);
}

static int link_outside(void)
{
	return CALLED(symlink("/etc/passwd", in(outside, "link")));
}

static int socket_outside(void)
{
	return CALLED(mknod(in(outside, "socket"), S_IFSOCK | 0600, 0));
}

static int move_a_link(void)
{
	char from[96];

	(void)snprintf(from, sizeof(from), "%s", in(state, "link"));
	return CALLED(rename(from, in(spool, "link")));
}

static int listen_on_tcp(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return errno;
	(void)bind(fd, (struct sockaddr *)&any, sizeof(any)); /* refused too, by newer kernels */
	return CALLED(listen(fd, 1));
}

static int call_tcp(void)
{
	struct sockaddr_in nobody = {
		.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : CALLED(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)));
}

static int open_packets(void)
{
	return CALLED(socket(AF_PACKET, SOCK_RAW, 0));
}

static int open_vsock(void)
{
	return CALLED(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int execute(void)
{
	char *args[] = { (char *)"true", NULL };

	return CALLED(execv("/bin/true", args));
}

static int fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return CALLED(pid);
}

static int trace_parent(void)
{
	return CALLED(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
}

static int read_parent(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &byte, 1 };

	return CALLED(syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0));
}

static int open_parents_memory(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
	return opened(path, O_RDONLY) ? EPERM : 0; /* by Landlock or by the kernel itself */
}

static int signal_parent(void)
{
	return CALLED(kill(getppid(), 0));
}

static int mount_tmpfs(void)
{
	return CALLED(mount("none", state, "tmpfs", 0, NULL));
}

static int unmount(void)
{
	return CALLED(umount2(state, MNT_DETACH));
}

static int unshare_user(void)
{
	return CALLED(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static int become_root(void)
{
	return CALLED(syscall(SYS_setuid, 0));
}

static int use_bpf(void)
{
	return CALLED(syscall(SYS_bpf, 0, NULL, 0));
}

static int use_keys(void)
{
	return CALLED(syscall(SYS_keyctl, 0, -3, 0, 0, 0));
}

static int type_into_terminal(void)
{
	return CALLED(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return CALLED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static void *look_up(void *result)
{
	struct addrinfo *found = NULL;

	*(int *)result = getaddrinfo("localhost", NULL, NULL, &found);
	if (found)
		freeaddrinfo(found);
	return NULL;
}

static int resolve_in_thread(void)
{
	pthread_t thread;
	int result = -1;
	int r = pthread_create(&thread, NULL, look_up, &result);

	return r ? r : pthread_join(thread, NULL) ? EIO : result ? ENOENT : 0;
}

/* ---- trying */

static const struct attempt {
	const char *what;
	int (*try)(void);
	unsigned needs; /* CONFINED_ bits */
	int expected;
} attempts[] = {
	{ "write in the state directory", write_in_state, 0, 0 },
	{ "write in the spool", write_in_spool, 0, 0 },
	{ "move from one to the other", move_within, 0, 0 },
	{ "move a link", move_a_link, 0, 0 },
	{ "read /etc", read_etc, 0, 0 },
	{ "write to /dev/null", write_null, 0, 0 },
	{ "call a receiver", call_tcp, 0, ECONNREFUSED },
	{ "resolve a name in a thread", resolve_in_thread, 0, 0 },
	{ "read elsewhere", read_outside, CONFINED_FILES, EACCES },
	{ "list elsewhere", list_outside, CONFINED_FILES, EACCES },
	{ "write elsewhere", write_outside, CONFINED_FILES, EACCES },
	{ "make a file elsewhere", make_outside, CONFINED_FILES, EACCES },
	{ "truncate elsewhere", truncate_outside, CONFINED_FILES, EACCES },
	{ "remove elsewhere", remove_outside, CONFINED_FILES, EACCES },
	{ "write in /etc", write_etc, CONFINED_FILES, EACCES },
	{ "make a link elsewhere", link_outside, CONFINED_FILES, EACCES },
	{ "make a socket's name elsewhere", socket_outside, CONFINED_FILES, EACCES },
	{ "open another's memory", open_parents_memory, CONFINED_FILES, EPERM },
	{ "listen", listen_on_tcp, CONFINED_CALLS, EPERM },
	{ "open a packet socket", open_packets, CONFINED_CALLS, EAFNOSUPPORT },
	{ "open a vsock", open_vsock, CONFINED_CALLS, EAFNOSUPPORT },
	{ "execute", execute, CONFINED_CALLS, EPERM },
	{ "fork", fork_once, CONFINED_CALLS, EPERM },
	{ "trace", trace_parent, CONFINED_CALLS, EPERM },
	{ "read another's memory", read_parent, CONFINED_CALLS, EPERM },
	{ "mount", mount_tmpfs, CONFINED_CALLS, EPERM },
	{ "unmount", unmount, CONFINED_CALLS, EPERM },
	{ "make a user namespace", unshare_user, CONFINED_CALLS, EPERM },
	{ "become another user", become_root, CONFINED_CALLS, EPERM },
	{ "use bpf", use_bpf, CONFINED_CALLS, EPERM },
	{ "use the kernel's keys", use_keys, CONFINED_CALLS, EPERM },
	{ "type into a terminal", type_into_terminal, CONFINED_CALLS, EPERM },
};

static struct options options_of_test(void)
{
	return (struct options){ .state_dir = state, .spool = spool, .confine = true };
}

/* Waits: the exit status of a child. */
static int status_of(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status)); /* nothing is killed */
	return WEXITSTATUS(status);
}

static unsigned confined_here(const struct options *o)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)confine(o));
	return (unsigned)status_of(pid);
}

static int tried(int (*try)(void), uid_t uid)
{
	const struct options o = options_of_test();
	pid_t pid = fork();

	if (pid == 0) {
		if (uid && (setgid(uid) || setuid(uid)))
			_exit(255);
		(void)confine(&o);
		_exit(try());
	}
	return status_of(pid);
}

static void put(const char *dir, const char *file)
{
	int fd = open(in(dir, file), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	assert_true(fd >= 0);
	(void)fchmod(fd, 0666);
	assert_int_equal(close(fd), 0);
}

/* Each attempt finds what it is to spoil. */
static void try_all(uid_t uid)
{
	const struct options o = options_of_test();
	unsigned confined = confined_here(&o), failed = 0;

	skip_under_memcheck("valgrind makes calls of its own, and knows none of Landlock");
	if (!confined)
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		const struct attempt *a = &attempts[i];
		int result;

		if ((a->needs & confined) != a->needs)
			continue;
		put(state, "there");
		put(outside, "there");
		(void)unlink(in(spool, "there"));
		(void)unlink(in(spool, "link"));
		(void)unlink(in(state, "link"));
		assert_int_equal(symlink("/etc/passwd", in(state, "link")), 0);
		(void)unlink(in(state, "new"));
		(void)unlink(in(spool, "new"));
		result = tried(a->try, uid);
		if (result == a->expected)
			continue;
		print_error("uid %u, %s: %s, not %s\n", uid, a->what, strerror(result),
			strerror(a->expected));
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void root_is_confined(void **unused)
{
	(void)unused;
	if (geteuid() != 0)
		skip();
	try_all(0);
}

static void a_plain_user_is_confined(void **unused)
{
	(void)unused;
	try_all(geteuid() == 0 ? 65534 : 0);
}

/* Kernels from 6.12 and from 6.3 on: nothing is asserted of others. */
static void newer_kernels_deny_more(void **unused)
{
	const struct options o = options_of_test();
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	(void)unused;
	if (!confined_here(&o))
		skip();
	if (version >= 6)
		assert_int_equal(tried(signal_parent, 0), EPERM);
	if (version >= 6) /* so it is later than 6.3 */
		assert_int_equal(tried(make_code, 0), EACCES);
}

static void nothing_is_confined_that_is_not_asked_for(void **unused)
{
	struct options o = options_of_test();

	(void)unused;
	o.confine = false;
	assert_int_equal(confined_here(&o), 0);
	o.confine = true;
	o.state_dir =
		(char *)"/nonexistent"; /* no rule can be made, and none of the others tried */
	assert_int_equal(confined_here(&o) & CONFINED_FILES, 0);
}

static void what_is_confined_is_told_in_words(void **unused)
{
	struct buf out = BUF(100);

	(void)unused;
	confine_show(0, &out);
	assert_string_equal(buf_str(&out), "none");
	buf_reset(&out);
	confine_show(CONFINED_CAPABILITIES | CONFINED_CALLS, &out);
	assert_string_equal(buf_str(&out), "capabilities calls");
	buf_release(&out);
}

static void make_dir(char *path, size_t size, const char *dir)
{
	(void)snprintf(path, size, "%s/%s", top, dir);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_int_equal(chmod(path, 0777), 0);
}

static int make_dirs(void **unused)
{
	(void)unused;
	(void)snprintf(top, sizeof(top), "/tmp/test_confine.XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chmod(top, 0755), 0);
	make_dir(state, sizeof(state), "state");
	make_dir(spool, sizeof(spool), "spool");
	make_dir(outside, sizeof(outside), "outside");
	return 0;
}

static int remove_dirs(void **unused)
{
	static const char *const files[] = { "new", "there", "link", "socket" };
	const char *dirs[] = { state, spool, outside };

	(void)unused;
	for (size_t d = 0; d < 3; d++) {
		for (size_t f = 0; f < 4; f++)
			(void)unlink(in(dirs[d], files[f]));
		assert_int_equal(rmdir(dirs[d]), 0);
	}
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_confined),
		cmocka_unit_test(a_plain_user_is_confined),
		cmocka_unit_test(newer_kernels_deny_more),
		cmocka_unit_test(nothing_is_confined_that_is_not_asked_for),
		cmocka_unit_test(what_is_confined_is_told_in_words),
	};

	return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}
