#pragma once
/*
 * loop: the one epoll, the signals, the timer and the clock.
 *
 * The main thread's only place to wait, and the only place in the program that reads a clock. A
 * turn is: the wait, the clock, the callbacks of what is ready, and whatever the caller does behind
 * them. Owns its epoll, signalfd and timerfd; watched descriptors belong to who added them.
 *
 * Errors: 0 or -errno.
 */
#include "util/now.h"

#include <stdint.h>

struct loop;

typedef void loop_ready_fn(void *ctx, uint32_t events);
typedef void loop_signal_fn(void *ctx, int signo);

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR2 and reads them from a signalfd; ignores SIGPIPE. */
int loop_new(loop_signal_fn *on_signal, void *ctx, struct loop **out);
void loop_free(struct loop *l);

/* `events` as for epoll_ctl, level-triggered unless EPOLLET is given. Once a descriptor is removed
 * its callback is not called again, not even for what was ready in the same turn: callbacks may
 * remove, close and add as they like. Remove before closing. */
int loop_add(struct loop *l, int fd, uint32_t events, loop_ready_fn *ready, void *ctx);
void loop_remove(struct loop *l, int fd);

/* Waits until something is ready or until `until_due_ms` (-1: for ever; past: not at all), takes
 * the time, then calls what is ready. A signal that stops and continues the process ends the wait
 * early, like any spurious wake-up. */
int loop_turn(struct loop *l, int64_t until_due_ms);
struct now loop_now(const struct loop *l); /* of this turn */

/* What due_ms is ahead of CLOCK_BOOTTIME: with that of an earlier loop of the same boot, this one goes on
 * with its clock. Before any wait. */
int64_t loop_due_base(const struct loop *l);
void loop_set_due_base(struct loop *l, int64_t due_base_ms);

/* For a thread that has no loop: milliseconds of CLOCK_BOOTTIME. */
int64_t loop_clock_ms(void);
