#include "top.h"

#include "util/err.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "webhookfs-top"

/* Beside this program where it was built, else where it was installed. */
static const char *const places[] = { PROGRAM, "../libexec/webhookfs/" PROGRAM };

int top_become(const char *mountpoint, struct err *err)
{
	char self[PATH_MAX], program[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int why = len < 0 ? errno : ENOENT;

	self[len < 0 ? 0 : len] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && why == ENOENT && i < sizeof(places) / sizeof(*places); i++) {
		snprintf(program, sizeof(program), "%.*s/%s", (int)(slash - self), self, places[i]);
		(void)execl(program, PROGRAM, mountpoint, (char *)NULL);
		why = errno;
	}
	return err_set(err, why, ERR_NO_COLUMN,
		"--top needs the program " PROGRAM ", which is installed with webhookfs: %s",
		strerror(why));
}
