/*
 * faults: for LD_PRELOAD: calls that fail on demand.
 *
 * The file $FAULTS is mapped and shared with whoever tests: it says what is to fail (struct plan), and is told
 * what was seen. Calls that have a file count only where it lies under plan.under, so the mount, the
 * receivers and the system's own files are left alone.
 *
 * A call that fails does nothing, except that a short write writes its first half.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The numbers are those of walk.py. */
enum call {
	CALL_NONE,
	CALL_SYNC,
	CALL_WRITE,
	CALL_READ,
	CALL_OPEN,
	CALL_TRUNCATE,
	CALL_RENAME,
	CALL_UNLINK,
	CALL_MKDIR,
	CALL_SOCKET, /* whatever makes a descriptor that is no file */
	CALL_MEMORY, /* of plan.size bytes and more */
	CALL_STAT,
	CALL_LOCK,
	CALL_CHMOD, /* and chown */
};

enum mode { MODE_ONCE, MODE_FROM, MODE_EVERY };

#define SHORT_WRITE -1 /* as plan.error */

struct plan {
	uint32_t call, mode;
	int32_t error;
	uint32_t size;
	uint64_t nth; /* counts from 1 */
	uint64_t seen, injected;
	char under[200];
	char only[56]; /* the end of the name, "" for any */
};

static struct plan *plan;

__attribute__((constructor)) static void plan_map(void)
{
	const char *name = getenv("FAULTS");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED
			  : (void *)syscall(SYS_mmap, NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
				    MAP_SHARED, fd, 0);

	if (fd >= 0)
		(void)syscall(SYS_close, fd);
	if (name && at == MAP_FAILED)
		abort();
	if (name)
		__atomic_store_n(&plan, (struct plan *)at, __ATOMIC_RELEASE);
}

/* Whether this call fails; errno is then the plan's. */
static bool fails_now(void)
{
	uint64_t n = __atomic_add_fetch(&plan->seen, 1, __ATOMIC_SEQ_CST);
	bool hit = plan->mode == MODE_ONCE ? n == plan->nth
		: plan->mode == MODE_FROM  ? n >= plan->nth
					   : n % plan->nth == 0;

	if (!hit)
		return false;
	__atomic_add_fetch(&plan->injected, 1, __ATOMIC_SEQ_CST);
	errno = plan->error;
	return true;
}

static bool is_planned(enum call call)
{
	return plan && __atomic_load_n(&plan->call, __ATOMIC_SEQ_CST) == (uint32_t)call;
}

static bool is_chosen(const char *path)
{
	size_t under = strlen(plan->under), only = strlen(plan->only), len = strlen(path);

	return !strncmp(path, plan->under, under) && len >= only &&
		!strcmp(path + len - only, plan->only);
}

static void path_of(int fd, char path[PATH_MAX])
{
	char link[40];
	ssize_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
	path[len < 0 ? 0 : len] = '\0';
}

static bool fd_fails(enum call call, int fd)
{
	char path[PATH_MAX];
	int error = errno;

	if (!is_planned(call))
		return false;
	path_of(fd, path);
	errno = error;
	return is_chosen(path) && fails_now();
}

static bool name_fails(enum call call, int dir, const char *name)
{
	char path[PATH_MAX] = "";
	size_t len = 0;
	int error = errno;

	if (!is_planned(call))
		return false;
	if (*name != '/' && dir != AT_FDCWD) {
		path_of(dir, path);
		len = strlen(path);
		path[len++] = '/';
	}
	(void)snprintf(path + len, sizeof(path) - len, "%s", name);
	errno = error;
	return is_chosen(path) && fails_now();
}

static bool fails(enum call call)
{
	return is_planned(call) && fails_now();
}

/* ---- to the disk */

int fsync(int fd)
{
	return fd_fails(CALL_SYNC, fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fd_fails(CALL_SYNC, fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* How much of a write is done; -1: nothing. */
static ssize_t write_len(int fd, size_t len)
{
	if (!fd_fails(CALL_WRITE, fd))
		return (ssize_t)len;
	return plan->error == SHORT_WRITE && len > 1 ? (ssize_t)(len / 2) : -1;
}

ssize_t write(int fd, const void *data, size_t len)
{
	ssize_t n = write_len(fd, len);

	return n < 0 ? -1 : syscall(SYS_write, fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	ssize_t n = write_len(fd, len);

	return n < 0 ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
	return pwrite(fd, data, len, at);
}

ssize_t read(int fd, void *data, size_t len)
{
	return fd_fails(CALL_READ, fd) ? -1 : syscall(SYS_read, fd, data, len);
}

ssize_t __read_chk(int fd, void *data, size_t len, size_t room);
ssize_t __read_chk(int fd, void *data, size_t len, size_t room)
{
	if (len > room)
		abort();
	return read(fd, data, len);
}

ssize_t pread(int fd, void *data, size_t len, off_t at)
{
	return fd_fails(CALL_READ, fd) ? -1 : syscall(SYS_pread64, fd, data, len, at);
}

ssize_t pread64(int fd, void *data, size_t len, off_t at)
{
	return pread(fd, data, len, at);
}

int ftruncate(int fd, off_t len)
{
	return fd_fails(CALL_TRUNCATE, fd) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off_t len)
{
	return ftruncate(fd, len);
}

/* ---- names */

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
	if (name_fails(CALL_OPEN, dir, name))
		return -1;
	return (int)syscall(SYS_openat, dir, name, flags, mode);
}

static mode_t mode_arg(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(function)                                       \
	int function(const char *name, int flags, ...)       \
	{                                                    \
		va_list args;                                \
		mode_t mode;                                 \
                                                             \
		va_start(args, flags);                       \
		mode = mode_arg(flags, args);                \
		va_end(args);                                \
		return open_at(AT_FDCWD, name, flags, mode); \
	}

#define OPENAT(function)                                        \
	int function(int dir, const char *name, int flags, ...) \
	{                                                       \
		va_list args;                                   \
		mode_t mode;                                    \
                                                                \
		va_start(args, flags);                          \
		mode = mode_arg(flags, args);                   \
		va_end(args);                                   \
		return open_at(dir, name, flags, mode);         \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int rename(const char *from, const char *to)
{
	return name_fails(CALL_RENAME, AT_FDCWD, from) ? -1 : (int)syscall(SYS_rename, from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (name_fails(CALL_RENAME, from_dir, from))
		return -1;
	return (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (name_fails(CALL_RENAME, from_dir, from))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int unlink(const char *name)
{
	return name_fails(CALL_UNLINK, AT_FDCWD, name) ? -1 : (int)syscall(SYS_unlink, name);
}

int unlinkat(int dir, const char *name, int flags)
{
	return name_fails(CALL_UNLINK, dir, name) ? -1
						  : (int)syscall(SYS_unlinkat, dir, name, flags);
}

int mkdir(const char *name, mode_t mode)
{
	return name_fails(CALL_MKDIR, AT_FDCWD, name) ? -1 : (int)syscall(SYS_mkdir, name, mode);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	return name_fails(CALL_MKDIR, dir, name) ? -1 : (int)syscall(SYS_mkdirat, dir, name, mode);
}

/* ---- what is known of a file */

#define STAT_OF_FD(function, type)                                                     \
	int function(int fd, struct type *st)                                          \
	{                                                                              \
		return fd_fails(CALL_STAT, fd) ? -1 : (int)syscall(SYS_fstat, fd, st); \
	}

#define STAT_OF_NAME(function, type, call)                                                        \
	int function(const char *name, struct type *st)                                           \
	{                                                                                         \
		return name_fails(CALL_STAT, AT_FDCWD, name) ? -1 : (int)syscall(call, name, st); \
	}

#define STAT_AT(function, type)                                             \
	int function(int dir, const char *name, struct type *st, int flags) \
	{                                                                   \
		if (name_fails(CALL_STAT, dir, name))                       \
			return -1;                                          \
		return (int)syscall(SYS_newfstatat, dir, name, st, flags);  \
	}

STAT_OF_FD(fstat, stat)
STAT_OF_FD(fstat64, stat64)
STAT_OF_NAME(stat, stat, SYS_stat)
STAT_OF_NAME(stat64, stat64, SYS_stat)
STAT_OF_NAME(lstat, stat, SYS_lstat)
STAT_OF_NAME(lstat64, stat64, SYS_lstat)
STAT_AT(fstatat, stat)
STAT_AT(fstatat64, stat64)

#define FCNTL(function)                                                                      \
	int function(int fd, int command, ...)                                               \
	{                                                                                    \
		va_list args;                                                                \
		void *arg;                                                                   \
                                                                                             \
		va_start(args, command);                                                     \
		arg = va_arg(args, void *);                                                  \
		va_end(args);                                                                \
		if ((command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK) && \
			fd_fails(CALL_LOCK, fd))                                             \
			return -1;                                                           \
		return (int)syscall(SYS_fcntl, fd, command, arg);                            \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

int flock(int fd, int operation)
{
	return fd_fails(CALL_LOCK, fd) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int fchmod(int fd, mode_t mode)
{
	return fd_fails(CALL_CHMOD, fd) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	return fd_fails(CALL_CHMOD, fd) ? -1 : (int)syscall(SYS_fchown, fd, uid, gid);
}

/* ---- descriptors that are no files */

int socket(int domain, int type, int protocol)
{
	return fails(CALL_SOCKET) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int pipe2(int fds[2], int flags)
{
	return fails(CALL_SOCKET) ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}

int eventfd(unsigned value, int flags)
{
	return fails(CALL_SOCKET) ? -1 : (int)syscall(SYS_eventfd2, value, flags);
}

int epoll_create1(int flags)
{
	return fails(CALL_SOCKET) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int inotify_init1(int flags)
{
	return fails(CALL_SOCKET) ? -1 : (int)syscall(SYS_inotify_init1, flags);
}

/* ---- memory */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool memory_fails(size_t size)
{
	return is_planned(CALL_MEMORY) && size >= plan->size && fails_now();
}

void *malloc(size_t size)
{
	return memory_fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return memory_fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return memory_fails(size) ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t count, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, all);
}
