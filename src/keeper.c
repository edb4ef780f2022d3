#include "keeper.h"

#include "startup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_MS     500 /* who has lived longer was not broken from the start */
#define MESSAGE_MAX 256

/* Before each new start of a daemon that did not live. Behind the last it is given up. */
static const int pauses_ms[] = { 0, 50, 100, 200, 500, 1000, 2000, 5000 };
#define SHORT_LIVES_MAX (sizeof(pauses_ms) / sizeof(*pauses_ms))

/* The daemon's life, as far as it is of interest. */
struct life {
	pid_t pid;
	int socket, signals;
	int status;
	bool ended, lived, stopping, renewing;
};

static void signals_of(sigset_t *set)
{
	static const int all[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD };
	(void)sigemptyset(set); /* these cannot fail for signals that exist */
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		(void)sigaddset(set, all[i]);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- what the daemon says */

static void store(struct keeper *k, const char *text, int fd)
{
	int *place = strstr(text, "FDNAME=" SERVICE_MOUNT) ? &k->handed.mount
		: strstr(text, "FDNAME=" SERVICE_MEMORY)   ? &k->handed.memory
							   : NULL;
	if (!place) {
		close_fd(&fd);
		return;
	}
	close_fd(place);
	*place = fd;
}

static void heed(struct keeper *k, const char *text, int fd)
{
	if (!strncmp(text, "FDSTORE", strlen("FDSTORE"))) { /* or FDSTOREREMOVE, without one */
		store(k, text, fd);
		return;
	}
	close_fd(&fd);
	k->served |= strcmp(text, "READY=1") == 0;
	if (k->served && k->background) {
		startup_leave_terminal();
		k->background = false;
	}
	service_tell(text);
}

/* False: there is nothing, or nobody. */
static bool hear(struct keeper *k, int socket)
{
	char text[MESSAGE_MAX];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return false;
	text[n] = '\0';
	int fd = -1;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	heed(k, text, fd);
	return true;
}

static void signals_take(struct life *l)
{
	struct signalfd_siginfo info;
	while (read(l->signals, &info, sizeof(info)) == sizeof(info)) {
		int signo = (int)info.ssi_signo;
		if (signo == SIGCHLD)
			continue;
		l->stopping |= signo == SIGTERM || signo == SIGINT;
		l->renewing |= signo == SIGUSR2;
		if (l->pid > 0)
			(void)kill(l->pid, signo); /* it may have ended just now */
	}
	if (l->pid > 0 && waitpid(l->pid, &l->status, WNOHANG) == l->pid)
		l->ended = true;
}

static void watch(struct keeper *k, struct life *l)
{
	struct pollfd p[] = { { .fd = l->signals, .events = POLLIN },
		{ .fd = l->socket, .events = POLLIN } };
	while (!l->ended) {
		if (!poll(p, 2, l->lived ? -1 : LIFE_MS))
			l->lived = true;
		if (p[1].revents && !hear(k, l->socket))
			p[1].fd = -1; /* only its end is left to come */
		signals_take(l);
	}
	while (hear(k, l->socket))
		;
}

/* ---- the program anew */

/* sd_listen_fds(3) wants them from 3 on. False: there are too many. */
static bool arrange(struct keeper *k)
{
	int *all[HANDED_MAX + 2], count = 0;
	for (int i = 0; i < k->handed.count; i++)
		all[count++] = &k->handed.pipes[i];
	all[count++] = &k->handed.mount;
	all[count++] = &k->handed.memory;
	for (int i = 0; i < count; i++) {
		int high = fcntl(*all[i], F_DUPFD_CLOEXEC, 3 + count);
		if (high < 0)
			return false;
		close(*all[i]);
		*all[i] = high;
	}
	char text[16], names[HANDED_MAX * 5 + 64] = "";
	for (int i = 0; i < count; i++) {
		(void)dup2(*all[i], 3 + i); /* both are there */
		close(*all[i]);
		*all[i] = 3 + i;
		if (i < k->handed.count)
			(void)strncat(names, "pipe:", sizeof(names) - strlen(names) - 1);
	}
	(void)strncat(names, SERVICE_MOUNT ":" SERVICE_MEMORY, sizeof(names) - strlen(names) - 1);
	(void)snprintf(text, sizeof(text), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", text, 1);
	(void)snprintf(text, sizeof(text), "%d", count);
	(void)setenv("LISTEN_FDS", text, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
	return true;
}

/* Returns only if that cannot be done: then this program goes on. */
static void renew(struct keeper *k, const char *program)
{
	if (access(program, X_OK) || !arrange(k))
		return;
	execv(program, k->argv);
	service_handed("", &k->handed);
}

/* ---- coming and going */

/* 1 in the daemon, 0 in the keeper, -errno. */
static int start(struct keeper *k, struct life *l)
{
	int ends[2];
	sigset_t set;
	signals_of(&set);
	*l = (struct life){ .socket = -1 };
	l->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signals < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	l->pid = fork();
	if (l->pid < 0)
		return -errno;
	if (l->pid == 0) {
		close(ends[0]);
		close(l->signals);
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
		(void)prctl(PR_SET_NAME, "webhookfs");
		k->socket = ends[1];
		return 1;
	}
	(void)prctl(PR_SET_NAME, "webhookfs-keep");
	close(ends[1]);
	l->socket = ends[0];
	close_fd(k->ready);
	k->starts++;
	return 0;
}

/* With no descriptor left the mount is dead, if the daemon has not unmounted it. */
static void end(struct keeper *k)
{
	close_fd(&k->handed.mount);
	close_fd(&k->handed.memory);
	startup_detach(k->mountpoint);
}

static void note_end(struct keeper *k, const struct life *l)
{
	k->status = WIFEXITED(l->status) ? WEXITSTATUS(l->status) : 1;
	if (WIFSIGNALED(l->status))
		(void)snprintf(
			k->how, sizeof(k->how), "was ended by signal %d", WTERMSIG(l->status));
	else
		(void)snprintf(k->how, sizeof(k->how), "ended with status %d", k->status);
}

/* Whether, and after how long, there is a next one. */
static bool again(struct keeper *k, struct life *l, unsigned *short_lives)
{
	note_end(k, l);
	/* Where the kernel is too old the mount is dead, and the next daemon makes another. */
	bool wanted = k->handed.mount >= 0 || (k->served && WIFSIGNALED(l->status));
	if (!wanted || l->stopping) {
		bool told = l->stopping && WIFSIGNALED(l->status) && /* before it could listen */
			(WTERMSIG(l->status) == SIGTERM || WTERMSIG(l->status) == SIGINT);
		if (told)
			k->status = 0;
		else if (WIFSIGNALED(l->status))
			(void)err_set(&k->err, EIO, ERR_NO_COLUMN, "the daemon %s", k->how);
		return false;
	}
	*short_lives = l->lived || l->renewing ? 0 : *short_lives + 1;
	if (*short_lives > SHORT_LIVES_MAX) {
		k->status = 1;
		(void)err_set(&k->err, EIO, ERR_NO_COLUMN,
			"the daemon %s as soon as it was started, %u times: %s is unmounted",
			k->how, *short_lives, k->mountpoint);
		return false;
	}
	struct pollfd p = { .fd = l->signals, .events = POLLIN };
	l->pid = 0;
	if (*short_lives && poll(&p, 1, pauses_ms[*short_lives - 1]) == 1)
		signals_take(l);
	if (l->stopping)
		k->status = 0;
	return !l->stopping;
}

bool keeper_run(struct keeper *k)
{
	char program[PATH_MAX];
	unsigned short_lives = 0;
	sigset_t set;
	signals_of(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[n < 0 ? 0 : n] = '\0';
	for (;;) {
		struct life l;
		int r = start(k, &l);
		if (r == 1)
			return true;
		if (r) {
			k->status = 1;
			(void)err_set(&k->err, -r, ERR_NO_COLUMN, "no daemon can be started: %s",
				strerror(-r));
			end(k);
			return false;
		}
		watch(k, &l);
		bool more = again(k, &l, &short_lives);
		close(l.socket);
		close(l.signals);
		if (!more) {
			end(k);
			return false;
		}
		if (l.renewing && k->handed.mount >= 0)
			renew(k, program);
	}
}
