#include "util/mountwatch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mountwatch {
	FILE *table;
	char *line; /* getline's */
	size_t line_size;
	unsigned major, minor;
};

/* One line of the table, the part that counts here. */
struct entry {
	unsigned major, minor;
	const char *mountpoint;
};

static bool is_octal(const char *digits)
{
	for (int i = 0; i < 3; i++)
		if (digits[i] < '0' || digits[i] > '7')
			return false;
	return true;
}

/* The table writes blank, tab, newline and backslash as a backslash and three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (*from == '\\' && is_octal(from + 1)) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mount\040point rw,noatime …": proc(5). */
static bool entry_parse(struct entry *e, char *line)
{
	int at = 0;
	char *end;

	if (sscanf(line, "%*u %*u %u:%u %*s %n", &e->major, &e->minor, &at) != 2 || at == 0)
		return false;
	end = strchr(line + at, ' ');
	if (!end)
		return false;
	*end = '\0';
	unescape(line + at);
	e->mountpoint = line + at;
	return true;
}

/* 1 and the next entry, 0 at the end, -errno. */
static int next(struct mountwatch *w, struct entry *e)
{
	errno = 0;
	while (getline(&w->line, &w->line_size, w->table) >= 0)
		if (entry_parse(e, w->line))
			return 1;
	return -errno;
}

/* The newest of several mounts on top of each other is the last in the table. */
static int find_device(struct mountwatch *w, const char *mountpoint)
{
	struct entry e;
	int r, found = -ENOENT;

	while ((r = next(w, &e)) == 1) {
		if (strcmp(e.mountpoint, mountpoint) != 0)
			continue;
		w->major = e.major;
		w->minor = e.minor;
		found = 0;
	}
	return r < 0 ? r : found;
}

int mountwatch_new(const char *table, const char *mountpoint, struct mountwatch **out)
{
	struct mountwatch *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->table = fopen(table, "re");
	error = w->table ? find_device(w, mountpoint) : -errno;
	if (error) {
		mountwatch_free(w);
		return error;
	}
	*out = w;
	return 0;
}

int mountwatch_device(const char *table, const char *mountpoint, unsigned *major, unsigned *minor)
{
	struct mountwatch *w;
	int error = mountwatch_new(table, mountpoint, &w);

	if (error)
		return error;
	*major = w->major;
	*minor = w->minor;
	mountwatch_free(w);
	return 0;
}

void mountwatch_free(struct mountwatch *w)
{
	if (!w)
		return;
	if (w->table)
		(void)fclose(w->table); /* only read from */
	free(w->line);
	free(w);
}

int mountwatch_fd(const struct mountwatch *w)
{
	return fileno(w->table);
}

int mountwatch_present(struct mountwatch *w)
{
	struct entry e;
	int r;

	(void)fflush(w->table); /* or stdio would show again what it has buffered */
	rewind(w->table);
	while ((r = next(w, &e)) == 1)
		if (e.major == w->major && e.minor == w->minor)
			return 1;
	return r;
}
