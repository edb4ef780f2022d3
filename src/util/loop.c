/*
 * What epoll carries for a descriptor is its number and the generation it was added under, never a
 * pointer. A callback may remove any descriptor, close it and see the number again for a new one
 * while events of the same epoll_wait still name the old: their generation no longer fits and they
 * are dropped. So nothing has to be freed late.
 *
 * Waiting ends by a timerfd on CLOCK_BOOTTIME set to an absolute time, not by epoll's timeout: that
 * one stands still while the machine sleeps, and is relative to a moment that has passed.
 */
#include "util/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64 /* a turn; the rest is ready in the next */
#define NEVER      (-1)

struct watch {
	loop_ready_fn *ready; /* NULL: none is watched under this number */
	void *ctx;
	uint32_t generation;
};

struct loop {
	int epoll_fd, signal_fd, timer_fd;
	struct watch *watches; /* by descriptor */
	size_t watch_count;
	uint32_t generation; /* of the last one added */
	int64_t armed_ms;    /* due time the timer is set to, or NEVER */
	int64_t due_base_ms; /* due_ms - CLOCK_BOOTTIME, for the whole run */
	struct now now;
	loop_signal_fn *on_signal;
	void *signal_ctx;
};

/* ---- the clock */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		abort(); /* both clocks are in every kernel since 2.6.39 */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_clock_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

static void now_read(struct loop *l)
{
	l->now.real_ms = clock_ms(CLOCK_REALTIME);
	l->now.due_ms = l->due_base_ms + clock_ms(CLOCK_BOOTTIME);
}

struct now loop_now(const struct loop *l)
{
	return l->now;
}

int64_t loop_due_base(const struct loop *l)
{
	return l->due_base_ms;
}

void loop_set_due_base(struct loop *l, int64_t due_base_ms)
{
	l->due_base_ms = due_base_ms;
	now_read(l);
}

/* ---- the timer */

static int timer_arm(struct loop *l, int64_t due_ms)
{
	struct itimerspec at = { 0 }; /* all zero disarms */

	if (due_ms == l->armed_ms)
		return 0;
	if (due_ms != NEVER) {
		int64_t boot_ms = due_ms - l->due_base_ms;

		at.it_value.tv_sec = boot_ms / 1000;
		at.it_value.tv_nsec = boot_ms % 1000 * 1000000;
	}
	if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		return -errno;
	l->armed_ms = due_ms;
	return 0;
}

static void timer_ready(void *ctx, uint32_t events)
{
	struct loop *l = ctx;
	uint64_t expirations;

	(void)events;
	/* Only to make it unreadable again, and EAGAIN is as good: a turn is all it is for. */
	(void)!read(l->timer_fd, &expirations, sizeof(expirations));
	l->armed_ms = NEVER;
}

/* ---- signals */

static void signal_ready(void *ctx, uint32_t events)
{
	struct loop *l = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info))
		l->on_signal(l->signal_ctx, (int)info.ssi_signo);
}

static int signals_take(struct loop *l)
{
	sigset_t set;
	int rc;

	(void)sigemptyset(&set); /* these cannot fail for signals that exist */
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR2);
	rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (rc)
		return -rc;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return l->signal_fd < 0 ? -errno : 0;
}

/* ---- life */

int loop_new(loop_signal_fn *on_signal, void *ctx, struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->epoll_fd = l->signal_fd = l->timer_fd = -1;
	l->armed_ms = NEVER;
	l->on_signal = on_signal;
	l->signal_ctx = ctx;
	l->due_base_ms = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_BOOTTIME);
	now_read(l);

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	rc = l->epoll_fd < 0 || l->timer_fd < 0 ? -errno : signals_take(l);
	if (rc == 0)
		rc = loop_add(l, l->signal_fd, EPOLLIN, signal_ready, l);
	if (rc == 0)
		rc = loop_add(l, l->timer_fd, EPOLLIN, timer_ready, l);
	if (rc < 0) {
		loop_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	/* Nothing was written to them, so close reports nothing; -1 where it was not opened. */
	(void)close(l->timer_fd);
	(void)close(l->signal_fd);
	(void)close(l->epoll_fd);
	free(l->watches);
	free(l);
}

/* ---- watching */

/* Makes the table reach to `fd`; the kernel gives the lowest free numbers, so it stays dense. */
static int watches_reach(struct loop *l, int fd)
{
	size_t count = l->watch_count ? l->watch_count : 64;
	struct watch *watches;

	while (count <= (size_t)fd)
		count *= 2;
	if (count == l->watch_count)
		return 0;
	watches = reallocarray(l->watches, count, sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	for (size_t i = l->watch_count; i < count; i++)
		watches[i] = (struct watch){ 0 };
	l->watches = watches;
	l->watch_count = count;
	return 0;
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_ready_fn *ready, void *ctx)
{
	struct epoll_event ev = { .events = events };
	int rc;

	if (fd < 0)
		return -EBADF;
	rc = watches_reach(l, fd);
	if (rc < 0)
		return rc;
	ev.data.u64 = (uint64_t)(l->generation + 1) << 32 | (uint32_t)fd;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->watches[fd] = (struct watch){ ready, ctx, ++l->generation };
	return 0;
}

void loop_remove(struct loop *l, int fd)
{
	if (fd < 0 || (size_t)fd >= l->watch_count || !l->watches[fd].ready)
		return;
	/* EBADF where the owner has closed it already: then the kernel has forgotten it too. */
	(void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	l->watches[fd].ready = NULL;
}

/* ---- the turn */

int loop_turn(struct loop *l, int64_t until_due_ms)
{
	struct epoll_event events[EVENTS_MAX];
	bool past = until_due_ms != NEVER && until_due_ms <= l->now.due_ms;
	int rc, n;

	rc = past ? 0 : timer_arm(l, until_due_ms);
	if (rc < 0)
		return rc;
	n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, past ? 0 : -1);
	if (n < 0 && errno != EINTR)
		return -errno;
	now_read(l);

	/* After EINTR n is -1: a turn in which nothing was ready. */
	for (int i = 0; i < n; i++) {
		uint32_t fd = (uint32_t)events[i].data.u64;
		struct watch w = l->watches[fd];

		if (w.ready && w.generation == (uint32_t)(events[i].data.u64 >> 32))
			w.ready(w.ctx, events[i].events);
	}
	return 0;
}
