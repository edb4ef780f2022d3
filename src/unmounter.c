#include "unmounter.h"

#include "util/unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that are sent to all processes of a terminal or a service. */
static const int passed_over[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE,
	SIGTSTP };

static noreturn void wait_and_unmount(int socket, const char *mountpoint)
{
	ssize_t n;
	char word;

	for (size_t i = 0; i < sizeof(passed_over) / sizeof(*passed_over); i++)
		(void)signal(passed_over[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "webhookfs-umnt");
	/* It keeps nobody's pipe open, no terminal and no directory. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(socket, fd);
	if (socket != STDERR_FILENO + 1)
		(void)dup2(socket, STDERR_FILENO + 1);
	(void)syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0); /* ENOSYS before Linux 5.9 */
	(void)!chdir("/");
	while ((n = read(STDERR_FILENO + 1, &word, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		(void)unmount_lazily(mountpoint); /* who sees it mounted still can try it again */
	_exit(0);
}

int unmounter_start(const char *mountpoint, struct unmounter *u)
{
	int ends[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]); /* or it would never end */
		wait_and_unmount(ends[1], mountpoint);
	}
	error = pid < 0 ? -errno : 0;
	(void)close(ends[1]); /* the other's */
	if (error) {
		(void)close(ends[0]); /* unused */
		return error;
	}
	*u = (struct unmounter){ ends[0], pid };
	return 0;
}

void unmounter_finish(struct unmounter *u, bool mounted)
{
	if (u->socket < 0)
		return;
	if (mounted)
		(void)send(u->socket, "", 1, MSG_NOSIGNAL); /* it is gone: then nobody can */
	(void)close(u->socket);                             /* which ends it */
	while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*u = UNMOUNTER_NONE;
}
