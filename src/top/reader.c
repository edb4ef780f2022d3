#include "top/reader.h"

#include "top/mount.h"
#include "util/buf.h"
#include "util/loop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define REST_FACTOR 50      /* of what reading took */
#define AWAY_MS     1000    /* between two looks for a mount that has gone */
#define HELD_MAX    1048576 /* the daemon keeps what an open file shows: a larger one is closed */
#define LOG_FIRST \
	1048576 /* how much of the log's end is looked at first, and of what comes at most */
#define FREE_TRIES  4
#define FREE_TRY_MS 100

enum { FIXED_COUNT = READER_ERRORS + 1, SOURCES_MAX = FIXED_COUNT + 1 + READER_HOOKS_MAX };

struct source {
	enum reader_kind kind;
	char *hook; /* NULL: the mount's */
	int fd;     /* -1: to be opened */
	bool known; /* to epoll */
	bool waits; /* epoll tells of it, once */
	bool dirty; /* to be read when its rest is over */
	int64_t rest_until_ms;
	int64_t offset; /* in the log */
};

struct reader {
	pthread_t thread;
	char *mountpoint;
	int epoll_fd, wish_fd, news_fd;

	pthread_mutex_t lock; /* of the next six */
	struct reading *readings;
	char *wishes[READER_HOOKS_MAX], *log_of;
	size_t wish_count;
	bool end, ended;
	int64_t waits_since_ms; /* 0: it does not */

	/* The thread's own. */
	int root; /* -1: the mount has gone */
	struct source sources[SOURCES_MAX];
	size_t count;
	bool omits; /* metrics.prom does not tell of all hooks */
	struct buf text;
};

/* What is read, and how long it rests at least. A source of the mount stands at the place of its kind. */
static const struct {
	const char *path;
	int64_t rest_ms;
	bool polled;
} kinds[] = {
	[READER_STATUS] = { "status", 500, true },
	[READER_METRICS] = { "metrics.prom", 1000, true },
	[READER_NAMES] = { "hooks", 2000, false },
	[READER_DESTINATIONS] = { "destinations", 1000, true },
	[READER_ERRORS] = { "errors", 500, true },
	[READER_LOG] = { "log", 250, true },
	[READER_HOOK] = { NULL, 500, true },
};

/* ---- handing over */

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one)); /* it cannot be full of ones */
}

static void drain_fd(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count)); /* EAGAIN is as good */
}

static void hand_over(struct reader *r, enum reader_kind kind, const char *hook, const char *text,
	size_t len, int error)
{
	struct reading *one = calloc(1, sizeof(*one));

	if (!one)
		abort();
	one->kind = kind;
	one->hook = hook ? strdup(hook) : NULL;
	one->text = malloc(len + 1);
	if (!one->text || (hook && !one->hook))
		abort();
	memcpy(one->text, text, len);
	one->text[len] = '\0';
	one->len = len;
	one->error = error;
	one->time_ms = loop_clock_ms();
	pthread_mutex_lock(&r->lock);
	LL_APPEND(r->readings, one);
	pthread_mutex_unlock(&r->lock);
	signal_fd(r->news_fd);
}

void reading_free(struct reading *reading)
{
	if (!reading)
		return;
	free(reading->hook);
	free(reading->text);
	free(reading);
}

/* ---- sources */

static void source_close(struct source *s)
{
	if (s->fd >= 0)
		(void)close(s->fd); /* only read; epoll forgets it */
	s->fd = -1;
	s->known = s->waits = false;
}

static void leave(struct reader *r)
{
	for (size_t i = 0; i < r->count; i++) {
		source_close(&r->sources[i]);
		r->sources[i].dirty = true;
		r->sources[i].offset = -1;
		r->sources[i].rest_until_ms = 0;
	}
	if (r->root >= 0)
		(void)close(r->root);
	r->root = -1;
}

static void source_path(const struct source *s, struct buf *out)
{
	if (s->kind == READER_HOOK)
		buf_addf(out, "hooks/%s/status", s->hook);
	else
		buf_adds(out, kinds[s->kind].path);
}

static int source_open(const struct reader *r, struct source *s)
{
	struct buf path = BUF(1024);

	source_path(s, &path);
	s->fd = mount_open_file(r->root, buf_str(&path));
	buf_release(&path);
	if (s->fd >= 0)
		return 0;
	int e = s->fd;
	s->fd = -1;
	return e;
}

static void log_lines(struct reader *r, const struct source *s)
{
	const char *last = memrchr(buf_str(&r->text), '\n', r->text.len);

	if (last)
		hand_over(
			r, READER_LOG, s->hook, r->text.data, (size_t)(last - r->text.data) + 1, 0);
}

/* What has come since the last time; its last part where that is much. */
static int log_read(struct reader *r, struct source *s)
{
	char piece[65536];
	struct stat st;
	int64_t from;
	ssize_t n;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	from = s->offset < 0 || st.st_size - s->offset > LOG_FIRST ? st.st_size - LOG_FIRST
								   : s->offset;
	from = from < 0 ? 0 : from;
	buf_reset(&r->text);
	while ((n = pread(s->fd, piece, sizeof(piece), from + (off_t)r->text.len)) > 0 &&
		r->text.len < 2 * LOG_FIRST)
		buf_add(&r->text, piece, (size_t)n);
	if (n < 0)
		return -errno;
	log_lines(r, s);
	const char *last = memrchr(buf_str(&r->text), '\n', r->text.len);
	s->offset = from + (last ? last - r->text.data + 1 : 0);
	return 0;
}

static int source_get(struct reader *r, struct source *s)
{
	int e;

	if (s->kind == READER_NAMES)
		return mount_list(r->root, kinds[s->kind].path, &r->text);
	e = s->fd < 0 ? source_open(r, s) : 0;
	if (e)
		return e;
	return s->kind == READER_LOG ? log_read(r, s) : mount_read(s->fd, &r->text);
}

/* Errors that tell of the mount, and not of a file. */
static bool is_gone(int error)
{
	return error == -ENOTCONN || error == -ENODEV || error == -ECONNABORTED ||
		error == -ESHUTDOWN;
}

static void understand(struct reader *r, const struct source *s)
{
	static const char omitted[] = "\nwebhookfs_hooks_omitted ";
	const char *at;

	/* What was too large to be held, could not be opened or was not there may be otherwise now. */
	for (size_t i = 0; s->kind == READER_STATUS && i < r->count; i++)
		r->sources[i].dirty |= r->sources[i].fd < 0 && i != READER_NAMES;
	if (s->kind != READER_METRICS)
		return;
	at = memmem(buf_str(&r->text), r->text.len, omitted, strlen(omitted));
	r->omits = at && at[strlen(omitted)] != '0';
	r->sources[READER_NAMES].dirty = r->omits;
}

static void source_read(struct reader *r, struct source *s)
{
	int64_t began_ms = loop_clock_ms(), took_ms;
	int e = source_get(r, s);

	s->dirty = false;
	took_ms = loop_clock_ms() - began_ms;
	s->rest_until_ms = began_ms + took_ms +
		(took_ms * REST_FACTOR > kinds[s->kind].rest_ms ? took_ms * REST_FACTOR
								: kinds[s->kind].rest_ms);
	if (is_gone(e)) {
		leave(r);
		hand_over(r, READER_GONE, NULL, "", 0, e);
		return;
	}
	if (e || s->kind != READER_LOG)
		hand_over(r, s->kind, s->hook, buf_str(&r->text), e ? 0 : r->text.len, e);
	if (e || (r->text.len > HELD_MAX && s->kind != READER_LOG)) {
		source_close(s);
		return;
	}
	understand(r, s);
	if (r->text.cap > HELD_MAX)
		buf_release(&r->text);
}

/* ---- the thread */

static struct source *source_of(struct reader *r, enum reader_kind kind, const char *name)
{
	for (size_t i = FIXED_COUNT; i < r->count; i++) {
		struct source *s = &r->sources[i];

		if (s->kind == kind && s->hook && !strcmp(s->hook, name))
			return s;
	}
	return NULL;
}

/* Who looks closely wants all of its status, not the next change. */
static void read_anew(struct reader *r, const char *name)
{
	struct source *s = source_of(r, READER_HOOK, name);

	if (s)
		s->dirty = true;
}

static void watch_hook(struct reader *r, enum reader_kind kind, const char *name)
{
	if (source_of(r, kind, name))
		return;
	if (kind == READER_LOG)
		read_anew(r, name);
	for (size_t i = FIXED_COUNT; i < SOURCES_MAX; i++) {
		struct source *s = &r->sources[i];

		if (i < r->count && s->hook)
			continue;
		*s = (struct source){ .kind = kind,
			.fd = -1,
			.dirty = true,

			.offset = -1,
			.hook = strdup(name) };
		if (!s->hook)
			abort();
		r->count = i < r->count ? r->count : i + 1;
		return;
	}
}

static bool is_wanted(const struct reader *r, const struct source *s)
{
	if (s->kind == READER_LOG)
		return r->log_of && !strcmp(s->hook, r->log_of);
	for (size_t w = 0; w < r->wish_count; w++)
		if (!strcmp(s->hook, r->wishes[w]))
			return true;
	return false;
}

/* What is not wanted any more goes first, so that there is room. */
static void take_wishes(struct reader *r)
{
	drain_fd(r->wish_fd);
	for (size_t i = FIXED_COUNT; i < r->count; i++) {
		struct source *s = &r->sources[i];

		if (s->hook && is_wanted(r, s))
			continue;
		source_close(s);
		free(s->hook);
		s->hook = NULL;
		s->dirty = false;
	}
	for (size_t w = 0; w < r->wish_count; w++)
		watch_hook(r, READER_HOOK, r->wishes[w]);
	if (r->log_of)
		watch_hook(r, READER_LOG, r->log_of);
}

static bool has_to_wait(const struct source *s)
{
	return s->fd >= 0 && kinds[s->kind].polled && !s->waits;
}

/* A source that has rested: read, or waited for. */
static void source_go_on(struct reader *r, struct source *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
		.data.u64 = (uint64_t)(s - r->sources) };

	if (s->dirty) {
		source_read(r, s);
	} else if (has_to_wait(s)) {
		s->waits = !epoll_ctl(
			r->epoll_fd, s->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &event);
		s->known = true;
	}
}

/* Goes over all that may go on; how long nothing else is to be done, -1: for ever. */
static int go_on(struct reader *r)
{
	int64_t now_ms = loop_clock_ms(), wait_ms = -1;

	if (r->root < 0) {
		if (mount_open(r->mountpoint, NULL, &r->root))
			return AWAY_MS;
		r->sources[READER_NAMES].dirty = false;
	}
	for (size_t i = 0; i < r->count && r->root >= 0; i++) {
		struct source *s = &r->sources[i];
		bool works = s->dirty || has_to_wait(s);

		if (i >= FIXED_COUNT && !s->hook)
			continue;
		if (works && s->rest_until_ms <= now_ms) {
			source_go_on(r, s);
			works = s->dirty || has_to_wait(s);
		}
		if (works) {
			int64_t left_ms = s->rest_until_ms - loop_clock_ms();
			left_ms = left_ms < 0 ? 0 : left_ms;
			wait_ms = wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
		}
	}
	return r->root < 0 ? AWAY_MS : (int)(wait_ms > 60000 ? 60000 : wait_ms);
}

static void set_waiting(struct reader *r, bool waits)
{
	pthread_mutex_lock(&r->lock);
	r->waits_since_ms = waits ? loop_clock_ms() : 0;
	pthread_mutex_unlock(&r->lock);
}

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	struct epoll_event events[64];
	bool end = false;

	while (!end) {
		set_waiting(r, true);
		int wait_ms = go_on(r);
		set_waiting(r, false);
		int n = epoll_wait(r->epoll_fd, events, 64, wait_ms);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 >= SOURCES_MAX)
				continue;
			struct source *s = &r->sources[events[i].data.u64];
			s->waits = false;
			s->dirty = true;
			/* The log was rotated, or the hook is gone: what has its name is another. */
			if (events[i].events & EPOLLHUP) {
				source_close(s);
				s->offset = 0;
			}
		}
		pthread_mutex_lock(&r->lock);
		take_wishes(r);
		end = r->ended = r->end;
		pthread_mutex_unlock(&r->lock);
	}
	signal_fd(r->news_fd);
	return NULL;
}

/* ---- life */

static void wishes_clear(struct reader *r)
{
	for (size_t i = 0; i < r->wish_count; i++)
		free(r->wishes[i]);
	r->wish_count = 0;
	free(r->log_of);
	r->log_of = NULL;
}

static void reader_release(struct reader *r)
{
	struct reading *one, *next;

	LL_FOREACH_SAFE(r->readings, one, next)
	reading_free(one);
	leave(r);
	for (size_t i = 0; i < r->count; i++)
		free(r->sources[i].hook);
	wishes_clear(r);
	buf_release(&r->text);
	(void)close(r->epoll_fd);
	(void)close(r->wish_fd);
	(void)close(r->news_fd);
	pthread_mutex_destroy(&r->lock);
	free(r->mountpoint);
	free(r);
}

/* Signals are the main thread's. */
static int start_thread(struct reader *r)
{
	sigset_t all, before;
	int e;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&r->thread, NULL, reader_run, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -e;
}

int reader_new(const char *mountpoint, int root, struct reader **out)
{
	struct epoll_event wish = { .events = EPOLLIN, .data.u64 = SOURCES_MAX };
	struct reader *r = calloc(1, sizeof(*r));
	int e = 0;

	if (!r)
		return -ENOMEM;
	buf_init(&r->text, MOUNT_FILE_MAX);
	(void)pthread_mutex_init(&r->lock, NULL);
	r->root = root;
	r->mountpoint = strdup(mountpoint);
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->wish_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned kind = 0; kind < FIXED_COUNT; kind++)
		r->sources[kind] =
			(struct source){ .kind = kind, .fd = -1, .dirty = kind != READER_NAMES };
	r->count = FIXED_COUNT;
	if (!r->mountpoint || r->epoll_fd < 0 || r->wish_fd < 0 || r->news_fd < 0 ||
		epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->wish_fd, &wish))
		e = -errno;
	if (!e)
		e = start_thread(r);
	if (e)
		reader_release(r);
	else
		*out = r;
	return e;
}

bool reader_free(struct reader *r)
{
	struct pollfd news;
	bool ended = false;

	if (!r)
		return true;
	news = (struct pollfd){ .fd = r->news_fd, .events = POLLIN };
	pthread_mutex_lock(&r->lock);
	r->end = true;
	pthread_mutex_unlock(&r->lock);
	signal_fd(r->wish_fd);
	/* Each news may be an older one: what was read meanwhile. */
	for (int tries = 0; tries < FREE_TRIES && !ended; tries++) {
		(void)poll(&news, 1, FREE_TRY_MS);
		drain_fd(r->news_fd);
		pthread_mutex_lock(&r->lock);
		ended = r->ended;
		pthread_mutex_unlock(&r->lock);
	}
	if (!ended)
		return false;
	(void)pthread_join(r->thread, NULL);
	reader_release(r);
	return true;
}

int reader_fd(const struct reader *r)
{
	return r->news_fd;
}

int64_t reader_waits_since(struct reader *r)
{
	int64_t since_ms;

	pthread_mutex_lock(&r->lock);
	since_ms = r->waits_since_ms;
	pthread_mutex_unlock(&r->lock);
	return since_ms;
}

struct reading *reader_take(struct reader *r)
{
	struct reading *all;

	drain_fd(r->news_fd);
	pthread_mutex_lock(&r->lock);
	all = r->readings;
	r->readings = NULL;
	pthread_mutex_unlock(&r->lock);
	return all;
}

void reader_watch(struct reader *r, const char *const *hooks, size_t count, const char *log_of)
{
	pthread_mutex_lock(&r->lock);
	wishes_clear(r);
	for (size_t i = 0; i < count && i < READER_HOOKS_MAX; i++) {
		r->wishes[r->wish_count] = strdup(hooks[i]);
		if (!r->wishes[r->wish_count++])
			abort();
	}
	if (log_of && !(r->log_of = strdup(log_of)))
		abort();
	pthread_mutex_unlock(&r->lock);
	signal_fd(r->wish_fd);
}
