#include "service.h"

#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HANDED_FIRST 3 /* SD_LISTEN_FDS_START */
#define FD_PREFIX    "/dev/fd/"

static int keeper = -1;

void service_keeper(int socket)
{
	keeper = socket;
}

/* ---- what was handed over */

static bool is_name(const char *name, const char *wanted)
{
	size_t len = strlen(wanted);
	return name && !strncmp(name, wanted, len) && (name[len] == ':' || !name[len]);
}

/* A descriptor that is named twice is the keeper's fault; the last counts. */
static void hand(struct handed *h, int fd, const char *name)
{
	if (is_name(name, SERVICE_MOUNT))
		h->mount = fd;
	else if (is_name(name, SERVICE_MEMORY))
		h->memory = fd;
	else
		h->pipes[h->count++] = fd;
}

static void hand_all(struct handed *h, uint64_t count, const char *name)
{
	for (int i = 0; i < HANDED_MAX && (uint64_t)i < count; i++) {
		if (fcntl(HANDED_FIRST + i, F_SETFD, FD_CLOEXEC))
			return;
		hand(h, HANDED_FIRST + i, name);
		name = name ? strchr(name, ':') : NULL;
		name = name ? name + 1 : NULL;
	}
}

static bool is_number(const char *text, uint64_t *out)
{
	return text && !text_parse_uint(text, strlen(text), NULL, out);
}

void service_handed(const char *mountpoint, struct handed *out)
{
	uint64_t number, count;
	*out = (struct handed){ .mount = -1, .memory = -1 };
	if (is_number(getenv("LISTEN_PID"), &number) && number == (uint64_t)getpid() &&
		is_number(getenv("LISTEN_FDS"), &count))
		hand_all(out, count, getenv("LISTEN_FDNAMES"));
	/* What we start is not meant. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!strncmp(mountpoint, FD_PREFIX, strlen(FD_PREFIX)) &&
		is_number(mountpoint + strlen(FD_PREFIX), &number) && number <= INT_MAX &&
		!fcntl((int)number, F_SETFD, FD_CLOEXEC))
		out->mount = (int)number;
}

/* ---- telling */

static socklen_t address(struct sockaddr_un *a)
{
	const char *path = getenv("NOTIFY_SOCKET");
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(a->sun_path))
		return 0;
	memcpy(a->sun_path, path, strlen(path));
	if (*path == '@')
		a->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
}

bool service_listens(void)
{
	struct sockaddr_un a;
	return keeper >= 0 || address(&a);
}

/* `passed` goes along; -1: nothing does. */
static int tell(const char *state, int passed)
{
	struct sockaddr_un a;
	socklen_t len = address(&a);
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec text = { (char *)state, strlen(state) };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };
	int fd = keeper;
	if (fd < 0 && !len)
		return -ENOTCONN;
	if (fd < 0) {
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		m.msg_name = &a;
		m.msg_namelen = len;
	}
	if (fd < 0)
		return -errno;
	if (passed >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed, sizeof(int));
	}
	int r = sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
	if (fd != keeper)
		close(fd);
	return r;
}

int service_tell(const char *state)
{
	return tell(state, -1);
}

int service_barrier(void)
{
	int ends[2];
	char nothing;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	int r = tell("BARRIER=1", ends[1]);
	close(ends[1]);
	if (!r && read(ends[0], &nothing, 1) < 0) /* ends when the other end is closed */
		r = -errno;
	close(ends[0]);
	return r;
}

void service_working(void)
{
	(void)service_tell("EXTEND_TIMEOUT_USEC=60000000"); /* or nobody waits */
}

int service_store(int mount, int memory)
{
	/* The mount comes last: a keeper that has it has both. */
	int r = memory < 0 ? 0 : tell("FDSTORE=1\nFDNAME=" SERVICE_MEMORY, memory);
	return r || mount < 0 ? r : tell("FDSTORE=1\nFDNAME=" SERVICE_MOUNT, mount);
}

void service_unstore(void)
{
	(void)service_tell("FDSTOREREMOVE=1\nFDNAME=" SERVICE_MOUNT); /* or there is no store */
	(void)service_tell("FDSTOREREMOVE=1\nFDNAME=" SERVICE_MEMORY);
}
