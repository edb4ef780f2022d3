#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_MS ((int64_t)3600 * 1000)

static struct loop *loop;
static int last_signal, signal_count;

/* The loop's clocks, as a step of the wall clock and a suspend would set them. */
static int64_t wall_ahead_ms, slept_ms;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int64_t ahead_ms = clock == CLOCK_REALTIME ? wall_ahead_ms + slept_ms
		: clock == CLOCK_BOOTTIME          ? slept_ms
						   : 0;
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	ts->tv_sec += ahead_ms / 1000;
	return r;
}

static void note_signal(void *ctx, int signo)
{
	assert_ptr_equal(ctx, &last_signal);
	last_signal = signo;
	signal_count++;
}

static int setup(void **state)
{
	(void)state;
	last_signal = signal_count = 0;
	wall_ahead_ms = slept_ms = 0;
	return loop_new(note_signal, &last_signal, &loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	loop = NULL;
	return 0;
}

/* A descriptor that is ready as long as its count is not 0, and how often the loop said so. */
struct source {
	int fd;
	int calls;
	uint32_t events;
	struct source *other; /* what the callback is about */
};

static struct source source_new(uint64_t count)
{
	struct source s = { .fd = eventfd((unsigned)count, EFD_NONBLOCK | EFD_CLOEXEC) };

	assert_true(s.fd >= 0);
	return s;
}

static void count_call(void *ctx, uint32_t events)
{
	struct source *s = ctx;

	s->calls++;
	s->events = events;
}

static void drain(void *ctx, uint32_t events)
{
	struct source *s = ctx;
	uint64_t count;

	count_call(ctx, events);
	assert_int_equal(read(s->fd, &count, sizeof(count)), sizeof(count));
}

static void turn(int64_t until_due_ms)
{
	assert_int_equal(loop_turn(loop, until_due_ms), 0);
}

#define NOW 0 /* long past: do not wait */

static void test_what_is_ready_is_called_until_it_is_not(void **state)
{
	struct source s = source_new(1), idle = source_new(0);

	(void)state;
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, count_call, &s), 0);
	assert_int_equal(loop_add(loop, idle.fd, EPOLLIN, count_call, &idle), 0);
	turn(NOW);
	turn(-1);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.events, EPOLLIN);
	loop_remove(loop, s.fd);
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, drain, &s), 0);
	turn(-1);
	turn(NOW);
	assert_int_equal(s.calls, 3);
	assert_int_equal(idle.calls, 0);
	close(s.fd);
	close(idle.fd);
}

static void test_edges_are_told_once(void **state)
{
	struct source s = source_new(1);

	(void)state;
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN | EPOLLET, count_call, &s), 0);
	turn(NOW);
	turn(NOW);
	assert_int_equal(s.calls, 1);
	close(s.fd);
}

static void remove_itself(void *ctx, uint32_t events)
{
	struct source *s = ctx;

	count_call(ctx, events);
	loop_remove(loop, s->fd);
	close(s->fd);
}

static void test_a_callback_may_remove_its_own_descriptor(void **state)
{
	struct source s = source_new(1);

	(void)state;
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, remove_itself, &s), 0);
	turn(NOW);
	turn(NOW);
	assert_int_equal(s.calls, 1);
}

static void remove_other(void *ctx, uint32_t events)
{
	struct source *s = ctx;

	count_call(ctx, events);
	loop_remove(loop, s->other->fd);
	close(s->other->fd);
}

static void test_what_was_removed_in_the_same_turn_is_not_called(void **state)
{
	struct source a = source_new(1), b = source_new(1);

	(void)state;
	a.other = &b;
	b.other = &a;
	assert_int_equal(loop_add(loop, a.fd, EPOLLIN, remove_other, &a), 0);
	assert_int_equal(loop_add(loop, b.fd, EPOLLIN, remove_other, &b), 0);
	turn(NOW);
	assert_int_equal(a.calls + b.calls, 1); /* whichever came first */
	close(a.calls ? a.fd : b.fd);
}

static struct source successor;

/* Puts another, idle descriptor under the other's number. */
static void replace_other(void *ctx, uint32_t events)
{
	struct source *s = ctx;

	count_call(ctx, events);
	loop_remove(loop, s->other->fd);
	assert_int_equal(dup2(successor.fd, s->other->fd), s->other->fd);
	close(successor.fd);
	successor.fd = s->other->fd;
	assert_int_equal(loop_add(loop, successor.fd, EPOLLIN, count_call, &successor), 0);
	loop_remove(loop, s->fd);
}

static void test_a_number_used_again_in_the_same_turn_is_not_called_for_the_old_one(void **state)
{
	struct source a = source_new(1), b = source_new(1);

	(void)state;
	successor = source_new(0);
	a.other = &b;
	b.other = &a;
	assert_int_equal(loop_add(loop, a.fd, EPOLLIN, replace_other, &a), 0);
	assert_int_equal(loop_add(loop, b.fd, EPOLLIN, replace_other, &b), 0);
	turn(NOW);
	assert_int_equal(a.calls + b.calls, 1);
	assert_int_equal(successor.calls, 0);
	assert_int_equal(eventfd_write(successor.fd, 1), 0);
	turn(NOW);
	assert_int_equal(successor.calls, 1);
	close(a.fd);
	close(b.fd);
}

#define MANY 300

static void test_more_than_a_turn_takes_is_served_in_the_next(void **state)
{
	struct source s[MANY];
	int served;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		s[i] = source_new(1);
		assert_int_equal(loop_add(loop, s[i].fd, EPOLLIN, drain, &s[i]), 0);
	}
	do {
		served = 0;
		turn(NOW);
		for (int i = 0; i < MANY; i++)
			served += s[i].calls;
	} while (served < MANY);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(s[i].calls, 1);
		loop_remove(loop, s[i].fd);
		close(s[i].fd);
	}
}

static void test_what_cannot_be_watched_is_refused(void **state)
{
	struct source s = source_new(1);
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	assert_int_equal(loop_add(loop, -1, EPOLLIN, count_call, &s), -EBADF);
	assert_int_equal(loop_add(loop, 999999, EPOLLIN, count_call, &s), -EBADF);
	assert_int_equal(loop_add(loop, fileno(file), EPOLLIN, count_call, &s), -EPERM);
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, count_call, &s), 0);
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, drain, &s), -EEXIST);
	turn(NOW);
	assert_int_equal(s.calls, 1);
	loop_remove(loop, -1);
	loop_remove(loop, 12345678);
	loop_remove(loop, fileno(file));
	loop_remove(loop, s.fd);
	loop_remove(loop, s.fd);
	turn(NOW);
	assert_int_equal(s.calls, 1);
	fclose(file);
	close(s.fd);
}

static void test_waiting_ends_when_it_is_due(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		int64_t due = loop_now(loop).due_ms + 5;

		turn(due);
		assert_true(loop_now(loop).due_ms >= due);
	}
}

static void test_the_wait_can_be_changed_and_given_up(void **state)
{
	struct source s = source_new(1);
	int64_t due;

	(void)state;
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, drain, &s), 0);
	turn(loop_now(loop).due_ms + 1000000000);
	assert_int_equal(s.calls, 1);
	due = loop_now(loop).due_ms + 5; /* sooner than the timer stands at */
	turn(due);
	assert_true(loop_now(loop).due_ms >= due);
	assert_int_equal(eventfd_write(s.fd, 1), 0);
	turn(-1);
	assert_int_equal(s.calls, 2);
	close(s.fd);
}

static struct now seen;

static void see_now(void *ctx, uint32_t events)
{
	drain(ctx, events);
	seen = loop_now(loop);
}

static void test_a_turn_has_one_time(void **state)
{
	struct source s = source_new(1);
	struct now before = loop_now(loop);

	(void)state;
	assert_true(before.real_ms > 0);
	assert_int_equal(loop_add(loop, s.fd, EPOLLIN, see_now, &s), 0);
	turn(-1);
	assert_true(seen.due_ms >= before.due_ms);
	assert_int_equal(seen.due_ms, loop_now(loop).due_ms);
	assert_int_equal(seen.real_ms, loop_now(loop).real_ms);
	close(s.fd);
}

static void test_a_step_of_the_wall_clock_moves_no_wait(void **state)
{
	static const int64_t steps[] = { 24 * HOUR_MS, -24 * HOUR_MS };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct now before = loop_now(loop), after;

		wall_ahead_ms += steps[i];
		turn(before.due_ms); /* past: only the clocks are read */
		after = loop_now(loop);
		assert_true(after.due_ms >= before.due_ms);
		assert_true(after.due_ms - before.due_ms < HOUR_MS);
		assert_true(after.real_ms - before.real_ms - steps[i] < HOUR_MS);
		assert_true(after.real_ms - before.real_ms - steps[i] > -HOUR_MS);
		/* And what people read of a wait goes with the wall clock. */
		assert_int_equal(now_due_real(&after, after.due_ms + 5), after.real_ms + 5);
		turn(after.due_ms + 5);
		assert_true(loop_now(loop).due_ms >= after.due_ms + 5);
	}
}

static void test_waits_go_on_through_a_suspend(void **state)
{
	struct now before = loop_now(loop);

	(void)state;
	slept_ms = 3 * HOUR_MS;
	turn(before.due_ms);
	assert_true(loop_now(loop).due_ms >= before.due_ms + 3 * HOUR_MS);
	assert_true(loop_now(loop).real_ms >= before.real_ms + 3 * HOUR_MS);
}

static void test_signals_arrive_in_a_turn(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(kill(getpid(), signals[i]), 0);
		turn(-1);
		assert_int_equal(last_signal, signals[i]);
		assert_int_equal(signal_count, i + 1);
	}
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	turn(-1);
	assert_int_equal(signal_count, 5);
	turn(NOW);
	assert_int_equal(signal_count, 5);
}

static void test_a_broken_pipe_is_an_error_and_no_signal(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
}

static void test_freeing_nothing_is_fine(void **state)
{
	(void)state;
	loop_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_ready_is_called_until_it_is_not),
		TEST(test_edges_are_told_once),
		TEST(test_a_callback_may_remove_its_own_descriptor),
		TEST(test_what_was_removed_in_the_same_turn_is_not_called),
		TEST(test_a_number_used_again_in_the_same_turn_is_not_called_for_the_old_one),
		TEST(test_more_than_a_turn_takes_is_served_in_the_next),
		TEST(test_what_cannot_be_watched_is_refused),
		TEST(test_waiting_ends_when_it_is_due),
		TEST(test_the_wait_can_be_changed_and_given_up),
		TEST(test_a_turn_has_one_time),
		TEST(test_a_step_of_the_wall_clock_moves_no_wait),
		TEST(test_waits_go_on_through_a_suspend),
		TEST(test_signals_arrive_in_a_turn),
		TEST(test_a_broken_pipe_is_an_error_and_no_signal),
		cmocka_unit_test(test_freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
