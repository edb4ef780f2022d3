#include "options.h"

#include "model/url.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parse_types(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)s;
	return types_parse(&((struct options *)obj)->types, text, len, err);
}

static void show_types(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	const struct types *t = &((const struct options *)obj)->types;
	for (unsigned i = 0; i < t->count; i++)
		buf_addf(out, "%s%s", i ? ":" : "", t->name[i]);
}

static void reset_types(const struct setting *s, void *obj)
{
	(void)types_parse(&((struct options *)obj)->types, s->def, strlen(s->def),
		NULL); /* its default parses */
}

static int parse_sync(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	bool full = len == 4 && !memcmp(text, "full", 4);
	if (!full && !(len == 6 && !memcmp(text, "normal", 6)))
		return err_set(err, EINVAL, 0, "%s is full or normal", s->name);
	((struct options *)obj)->full_sync = full;
	return 0;
}

static void show_sync(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	buf_adds(out, ((const struct options *)obj)->full_sync ? "full" : "normal");
}

static void reset_sync(const struct setting *s, void *obj)
{
	(void)s;
	((struct options *)obj)->full_sync = true;
}

static int parse_deny(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)s;
	return guard_parse_deny(&((struct options *)obj)->guard, text, len, err);
}

static void show_deny(const struct setting *s, const void *obj, struct buf *out)
{
	size_t before = out->len;

	(void)s;
	guard_show(&((const struct options *)obj)->guard.deny, out);
	if (out->len == before)
		buf_adds(out, "none");
}

static void reset_deny(const struct setting *s, void *obj)
{
	(void)guard_parse_deny(&((struct options *)obj)->guard, s->def, strlen(s->def),
		NULL); /* its default parses */
}

static int parse_allow(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)s;
	return guard_parse_allow(&((struct options *)obj)->guard, text, len, err);
}

static void show_allow(const struct setting *s, const void *obj, struct buf *out)
{
	(void)s;
	guard_show(&((const struct options *)obj)->guard.allow, out);
}

static void reset_allow(const struct setting *s, void *obj)
{
	(void)s;
	((struct options *)obj)->guard.allow = (struct guard_list){ 0 };
}

/* "socks5://": its length, or 0. */
static size_t proxy_scheme(const char *text, size_t len)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (len > n && !strncasecmp(text, schemes[i], n))
			return n;
	}
	return 0;
}

/* Only judges. The sentences quote nothing: what is refused may hold a password. */
static int parse_proxy(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	size_t scheme = proxy_scheme(text, len);
	const char *host = text + scheme, *bracket, *colon;
	struct buf url = BUF(PATH_MAX);
	int r;

	(void)obj;
	if (!scheme)
		return err_set(err, EINVAL, 0,
			"%s begins with http://, https://, socks5:// or "
			"socks5h://",
			s->name);
	len -= scheme;
	if (memchr(host, '@', len))
		return err_set(err, EINVAL, scheme,
			"%s takes no user and password: all users of the host can see them in the "
			"list of processes",
			s->name);
	for (size_t i = 0; i < len; i++)
		if (strchr("/?#", host[i]))
			return err_set(err, EINVAL, scheme + i,
				"%s ends with its port: http://proxy.example:3128", s->name);
	buf_adds(&url, "http://");
	buf_add(&url, host, len);
	r = buf_error(&url);
	if (!r)
		r = url_check(url.data, url.len, err);
	buf_release(&url);
	if (r) {
		err_shift(err, scheme - strlen("http://"));
		return r;
	}
	bracket = memrchr(host, ']', len);
	colon = memrchr(host, ':', len);
	if (!colon || (bracket && colon < bracket))
		return err_set(err, EINVAL, scheme + len,
			"%s needs a port: http://proxy.example:3128", s->name);
	return 0;
}

const struct setting options_table[] = {
	{ .name = "project",
		.type = SETTING_TEXT,
		.offset = offsetof(struct options, project),
		.max = 64,
		.def = "default",
		.grammar = "NAME",
		.example = "vision",
		.summary = "The project named in payloads; made-up ids depend on it." },
	{ .name = "types",
		.type = SETTING_CUSTOM,
		.parse = parse_types,
		.show = show_types,
		.reset = reset_types,
		.def = TYPES_DEFAULT,
		.grammar = "TYPE[:TYPE]...",
		.example = "deployment:pipeline:experiment:backup",
		.summary = "The object types there are; each has its own TYPE_request_* events." },
	{ .name = "sync",
		.type = SETTING_CUSTOM,
		.parse = parse_sync,
		.show = show_sync,
		.reset = reset_sync,
		.def = "full",
		.grammar = "full | normal",
		.example = "normal",
		.summary =
			"Whether a write to events returns after fdatasync (full) or may be lost by a "
			"power cut, though not by a crash of the daemon (normal)." },
	{ .name = "retention",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, retention_ms),
		.min = 60 * 1000,
		.max = 3650ULL * 24 * 3600 * 1000,
		.def = "7d",
		.grammar = "DURATION",
		.example = "1d",
		.summary =
			"How long a delivery that arrived is kept, and an event's id remembered, so that "
			"the event is delivered once." },
	{ .name = "failed_retention",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, failed_retention_ms),
		.min = 60 * 1000,
		.max = 3650ULL * 24 * 3600 * 1000,
		.def = "30d",
		.grammar = "DURATION",
		.example = "90d",
		.summary = "How long a delivery that was given up is kept." },
	{ .name = "retention_bytes",
		.type = SETTING_SIZE,
		.offset = offsetof(struct options, retention_bytes),
		.max = 1ULL << 50,
		.def = "256M",
		.grammar = "SIZE",
		.example = "1G",
		.summary =
			"How much is kept of what arrived or was given up; beyond it the oldest of what "
			"arrived goes first." },
	{ .name = "max_backlog",
		.type = SETTING_SIZE,
		.offset = offsetof(struct options, max_backlog),
		.min = 1 << 20,
		.max = 1ULL << 50,
		.def = "1G",
		.grammar = "SIZE",
		.example = "100M",
		.summary = "How many bytes of events may wait; above it writes fail with ENOSPC." },
	{ .name = "max_inflight",
		.type = SETTING_UINT,
		.offset = offsetof(struct options, max_inflight),
		.min = 1,
		.max = 1000,
		.def = "128",
		.grammar = "NUMBER",
		.example = "16",
		.summary = "Requests at once, all destinations together; one alone gets half of "
			   "them." },
	{ .name = "http_threads",
		.type = SETTING_UINT,
		.offset = offsetof(struct options, http_threads),
		.min = 1,
		.max = 16,
		.def = "1",
		.grammar = "NUMBER",
		.example = "2",
		.summary = "Threads that make requests: destinations are spread over them, and one "
			   "with more than 16 requests at once has several." },
	{ .name = "grace",
		.type = SETTING_DURATION,
		.offset = offsetof(struct options, grace_ms),
		.max = 3600 * 1000,
		.def = "5s",
		.grammar = "DURATION",
		.example = "0",
		.summary =
			"How long stopping waits for requests under way; those that do not end are "
			"repeated at the next start." },
	{ .name = "cacert",
		.type = SETTING_TEXT,
		.offset = offsetof(struct options, cacert),
		.max = PATH_MAX,
		.def = "",
		.grammar = "FILE",
		.example = "/etc/ssl/our-ca.pem",
		.summary = "Certificates that https receivers are checked against, instead of the "
			   "system's." },
	{ .name = "deny",
		.type = SETTING_CUSTOM,
		.parse = parse_deny,
		.show = show_deny,
		.reset = reset_deny,
		.def = "link-local+metadata",
		.grammar = "RANGE[+RANGE]... | none",
		.example = "private+2001:db8:1::/48",
		.summary = "Addresses that are not called: 10.0.0.0/8, fd00::/8, 192.0.2.1, or the "
			   "words private, loopback, link-local, metadata; the last two are always "
			   "among them, unless the list is none." },
	{ .name = "allow",
		.type = SETTING_CUSTOM,
		.parse = parse_allow,
		.show = show_allow,
		.reset = reset_allow,
		.def = "",
		.grammar = "RANGE[+RANGE]...",
		.example = "10.1.2.0/24+loopback",
		.summary = "Addresses that are called even though deny names them." },
	{ .name = "proxy",
		.type = SETTING_TEXT,
		.offset = offsetof(struct options, proxy),
		.max = 300,
		.parse = parse_proxy,
		.def = "",
		.grammar = "http[s]://HOST:PORT | socks5[h]://HOST:PORT",
		.example = "http://proxy.example:3128",
		.summary = "The proxy that all requests go through; deny and allow then judge the "
			   "proxy's address, and the proxy decides what may be called." },
	{ .name = "spool",
		.type = SETTING_TEXT,
		.offset = offsetof(struct options, spool),
		.max = PATH_MAX - 1,
		.def = "",
		.grammar = "DIR",
		.example = "/var/spool/webhookfs",
		.summary =
			"A directory in which files of event lines are taken as soon as they are "
			"complete, each once; one with a bad line is moved to DIR/rejected." },
	{ .name = "fifo",
		.type = SETTING_TEXT,
		.offset = offsetof(struct options, fifo),
		.max = PATH_MAX - 1,
		.def = "",
		.grammar = "PATH",
		.example = "/run/webhookfs.fifo",
		.summary =
			"One more named pipe that takes the lines of events; made, for the owner "
			"alone, where it is missing, and then removed at the end." },
	{ .name = "log_size",
		.type = SETTING_SIZE,
		.offset = offsetof(struct options, log_size),
		.max = 1ULL << 50,
		.def = "64M",
		.grammar = "SIZE",
		.example = "16M",
		.summary = "How large the log grows before a new one begins; 0 is without limit." },
	{ .name = "log_keep",
		.type = SETTING_UINT,
		.offset = offsetof(struct options, log_keep),
		.max = 100,
		.def = "1",
		.grammar = "NUMBER",
		.example = "5",
		.summary =
			"How many old logs stay in the state directory, as log.jsonl.1 and so on." },
	{ .name = "confine",
		.type = SETTING_BOOL,
		.offset = offsetof(struct options, confine),
		.def = "1",
		.grammar = "0 | 1",
		.example = "0",
		.summary =
			"Whether the daemon denies itself all that it does not need once it serves." },
	{ .name = "keep",
		.type = SETTING_BOOL,
		.offset = offsetof(struct options, keep),
		.def = "0",
		.grammar = "0 | 1",
		.example = "1",
		.summary =
			"Whether a second small process keeps the mount, so that it outlives the daemon, "
			"and who writes while that is killed or upgraded waits for the next one; the word "
			"alone is 1." },
};
const size_t options_count = sizeof(options_table) / sizeof(*options_table);

/* fstab and mount(8) put these into the list for themselves. */
static bool is_mounts_own(const char *name)
{
	static const char *const names[] = { "defaults", "auto", "noauto", "user", "nouser",
		"users", "owner", "group", "nofail", "_netdev", "rw" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "x-", 2) || !strncmp(name, "comment=", 8);
}

static int parse_one(struct options *o, char *word, struct buf *fuse, struct err *err)
{
	char *value = strchr(word, '=');
	size_t name_len = value ? (size_t)(value - word) : strlen(word);
	for (size_t i = 0; i < options_count; i++) {
		const struct setting *s = &options_table[i];
		if (strlen(s->name) != name_len || memcmp(s->name, word, name_len))
			continue;
		if (!value && s->type == SETTING_BOOL)
			return setting_store(s, o, "1", 1, err);
		if (!value)
			return err_set(err, EINVAL, ERR_NO_COLUMN, "-o %s needs a value: %s=%s",
				s->name, s->name, s->example);
		struct err why = { 0 };
		int r = setting_store(s, o, value + 1, strlen(value + 1), &why);
		return r ? err_set(err, -r, ERR_NO_COLUMN, "-o %s: %s", s->name, why.sentence) : 0;
	}
	if (!is_mounts_own(word) && *word)
		buf_addf(fuse, "%s%s", fuse->len ? "," : "", word);
	return 0;
}

/* Options are separated by commas; a backslash takes the next character literally. */
static int parse_list(struct options *o, const char *list, struct buf *fuse, struct err *err)
{
	struct buf word = BUF(PATH_MAX + 64);
	int r = 0;
	for (const char *p = list; !r; p++) {
		if (*p == '\\' && p[1]) {
			buf_addc(&word, *++p);
		} else if (*p && *p != ',') {
			buf_addc(&word, *p);
		} else {
			r = buf_error(&word);
			if (!r && word.len)
				r = parse_one(o, word.data, fuse, err);
			buf_reset(&word);
			if (!*p)
				break;
		}
	}
	buf_release(&word);
	return r;
}

static char *default_state_dir(void)
{
	char *path = NULL;
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = 0;
	if (geteuid() == 0)
		path = strdup("/var/lib/webhookfs");
	else if (xdg && *xdg == '/')
		n = asprintf(&path, "%s/webhookfs", xdg);
	else if (home && *home == '/')
		n = asprintf(&path, "%s/.local/state/webhookfs", home);
	return n < 0 ? NULL : path;
}

/* realpath() would look at a dead mount point; the daemon changes its directory, so relative is no use. */
static char *absolute(const char *path)
{
	if (*path == '/')
		return strdup(path);
	char *cwd = getcwd(NULL, 0), *whole = NULL;
	int n = cwd ? asprintf(&whole, "%s/%s", cwd, path) : -1;
	free(cwd);
	return n < 0 ? NULL : whole;
}

static int make_absolute(char **path)
{
	char *whole = *path ? absolute(*path) : NULL;
	if (*path && !whole)
		return -ENOMEM;
	free(*path);
	*path = whole;
	return 0;
}

static int parse_top(struct options *o, int argc, char **argv, struct err *err)
{
	if (argc != 1)
		return err_set(err, EINVAL, ERR_NO_COLUMN, "usage: webhookfs --top MOUNTPOINT");
	o->mountpoint = strdup(argv[0]);
	return o->mountpoint ? 0 : err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
}

static int parse_operands(struct options *o, int argc, char **argv, struct err *err)
{
	if (argc < 1 || argc > 2)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"usage: webhookfs [-f | -d | -m | -u] [-o OPT[,OPT...]] [STATE_DIR] MOUNTPOINT; "
			"webhookfs -h lists the options");
	o->mountpoint = absolute(argv[argc - 1]);
	o->state_dir = argc == 2 ? absolute(argv[0]) : default_state_dir();
	if (!o->state_dir)
		return err_set(err, EINVAL, ERR_NO_COLUMN,
			"no state directory: give STATE_DIR, or set HOME or XDG_STATE_HOME");
	if (!o->mountpoint)
		return err_set(err, ENOMEM, ERR_NO_COLUMN, "no memory");
	int r = make_absolute(&o->fifo);
	if (!r)
		r = make_absolute(&o->spool);
	if (r)
		return err_set(err, -r, ERR_NO_COLUMN, "no memory");
	for (size_t len = strlen(o->mountpoint); len > 1 && o->mountpoint[len - 1] == '/';)
		o->mountpoint[--len] = '\0';
	return 0;
}

static int refuse_option(int argc, char **argv, struct err *err)
{
	char word[3] = { '-', (char)optopt, '\0' };
	bool named = !optopt && optind > 0 && optind <= argc;
	return err_set(err, EINVAL, ERR_NO_COLUMN, "%s: %s; webhookfs -h lists the options",
		named ? argv[optind - 1] : word,
		optopt == 'o' ? "a list is missing" : "no such option");
}

int options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	static const struct option longer[] = { { "top", no_argument, NULL, 't' }, { 0 } };
	*o = (struct options){ 0 };
	for (size_t i = 0; i < options_count; i++)
		(void)setting_reset(
			&options_table[i], o); /* defaults parse: a unit test sees to it */
	struct buf fuse = BUF(8192);
	int c, r = 0;
	opterr = 0;
	optind =
		0; /* to glibc this is more than 1: the place within an argument is forgotten, too */
	while (!r && (c = getopt_long(argc, argv, "fdmuo:hV", longer, NULL)) != -1) {
		if (c == 'f')
			o->foreground = true;
		else if (c == 'd')
			o->foreground = o->debug = true;
		else if (c == 'o')
			r = parse_list(o, optarg, &fuse, err);
		else if (c == 'm')
			o->action = OPTIONS_MOUNT;
		else if (c == 't')
			o->action = OPTIONS_TOP;
		else if (c == 'u')
			o->action = OPTIONS_UNMOUNT;
		else if (c == 'h')
			o->action = OPTIONS_HELP;
		else if (c == 'V')
			o->action = OPTIONS_VERSION;
		else
			r = refuse_option(argc, argv, err);
	}
	if (!r && o->action == OPTIONS_TOP)
		r = parse_top(o, argc - optind, argv + optind, err);
	else if (!r && o->action <= OPTIONS_UNMOUNT)
		r = parse_operands(o, argc - optind, argv + optind, err);
	if (!r && o->keep && strstr(buf_str(&fuse), "auto_unmount"))
		r = err_set(err, EINVAL, ERR_NO_COLUMN,
			"-o keep and auto_unmount do not go together: one keeps the mount when the "
			"daemon ends, the other takes it off");
	o->fuse = strdup(buf_str(&fuse));
	buf_release(&fuse);
	return r;
}

void options_release(struct options *o)
{
	for (size_t i = 0; i < options_count; i++)
		setting_release(&options_table[i], o);
	free(o->state_dir);
	free(o->mountpoint);
	free(o->fuse);
}

void options_help(struct buf *out)
{
	buf_adds(out,
		"usage: webhookfs [-f | -d | -m | -u] [-o OPT[,OPT...]] [STATE_DIR] MOUNTPOINT\n"
		"       webhookfs --top MOUNTPOINT\n"
		"\n"
		"Mounts a directory in which every outgoing webhook is a directory of files.\n"
		"STATE_DIR keeps the hooks and the queue; its default is /var/lib/webhookfs for root,\n"
		"else $XDG_STATE_HOME/webhookfs or ~/.local/state/webhookfs.\n"
		"\n"
		"  -f              stay in the foreground\n"
		"  -d              likewise, and show FUSE's requests\n"
		"  -m              mount, and hand it to the service of systemd that starts next\n"
		"  -u              unmount behind it, unless another takes over\n"
		"  --top           show what a mount is doing, on the terminal\n"
		"  -h              this text\n"
		"  -V              the version\n"
		"\n"
		"Options of -o, besides FUSE's own (allow_other, ro, ...):\n");
	for (size_t i = 0; i < options_count; i++) {
		const struct setting *s = &options_table[i];
		buf_addf(out, "\n  %s=%s\n      %s\n      Default: %s.\n", s->name, s->grammar,
			s->summary, *s->def ? s->def : "none");
	}
}
