#include "util/log.h"

#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_LEN 2000 /* below PIPE_BUF: lines of several writers to one pipe do not mix */

static enum log_level most_shown = LOG_LEVEL_INFO;
static bool to_journal, to_syslog;

/* systemd names the stream that it connected by device and inode (systemd.exec(5), JOURNAL_STREAM);
 * stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char end;

	return stream && sscanf(stream, "%llu:%llu%c", &dev, &ino, &end) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_init(enum log_level most)
{
	most_shown = most;
	to_journal = stderr_is_journal();
}

void log_to_syslog(void)
{
	to_syslog = true;
	openlog("webhookfs", LOG_PID, LOG_DAEMON);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN + 2]; /* a byte beyond the cut, and the NUL */
	int saved = errno, head, n;
	size_t len;
	va_list ap;

	if (level > most_shown)
		return;
	if (to_syslog)
		head = 0;
	else if (to_journal)
		head = snprintf(line, sizeof(line), "<%d>", level);
	else
		head = snprintf(line, sizeof(line), "webhookfs: ");
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head, fmt, ap);
	va_end(ap);
	if (n < 0)
		line[head] = '\0';

	/* One call, one line: what is quoted from users must not make a second one. */
	len = text_cut(line, strlen(line), LINE_MAX_LEN);
	text_plain(line, len);
	if (to_syslog) {
		syslog(level, "%.*s", (int)len, line); /* levels are syslog's */
	} else {
		line[len++] = '\n';
		(void)!write(STDERR_FILENO, line, len); /* there is nowhere to report it */
	}
	errno = saved;
}
