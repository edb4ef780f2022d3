/*
 * client with several threads: who gets which request cannot be told from outside but by the threads and
 * connections that there are.
 */
#include "http/client.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/receiver.h"

#define FEW 16 /* as in http/client.c, and in the manual's words on http_threads= */

/* --- Threads -------------------------------------------------------------------------------------- */

static pthread_t main_thread;
static int threads_left = -1; /* that the main thread may still make; -1: any */

/* In front of libc's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	int (*libc)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		dlsym(RTLD_NEXT, "pthread_create");

	if (pthread_equal(pthread_self(), main_thread)) {
		if (threads_left == 0)
			return EAGAIN;
		if (threads_left > 0)
			threads_left--;
	}
	return libc(thread, attr, start, arg);
}

/* The client's, by their names. */
static unsigned http_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(d);
	while ((entry = readdir(d))) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f))
			count += strcmp(name, "http\n") == 0;
		fclose(f);
	}
	closedir(d);
	return count;
}

static struct client *client_of(unsigned threads)
{
	struct client_options o = options;
	struct client *c;

	while (http_threads() > 0) /* of the test before: ended, but still shown */
		usleep(1000);
	o.threads = threads;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	assert_int_equal(http_threads(), 0);
	return c;
}

static struct request *request_of(const char *path, uint64_t tag)
{
	return request_to(
		format("http://127.0.0.1:%u%s?" SECRET, receiver.port, path), tag, ENOUGH);
}

static void send_silent(struct client *c, uint64_t first, uint64_t last)
{
	for (uint64_t tag = first; tag <= last; tag++)
		client_send(c, request_of("/silent", tag));
	receiver_await_requests((unsigned)last);
}

static void cancel(struct client *c, uint64_t tag)
{
	struct outcome o;

	client_cancel(c, tag);
	o = await(c);
	assert_int_equal(o.tag, tag);
	assert_int_equal(o.kind, OUTCOME_ABORTED);
	outcome_release(&o);
}

static int setup(void **state)
{
	(void)state;
	main_thread = pthread_self();
	receiver_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	threads_left = -1;
	receiver_stop();
	return 0;
}

/* --- Tests ---------------------------------------------------------------------------------------- */

static void test_one_after_another_is_one_connection(void **state)
{
	struct client *c = client_of(4);

	(void)state;
	for (uint64_t tag = 0; tag < 50; tag++) {
		struct outcome o = attempt(c, request_of("/ok", tag));

		assert_int_equal(o.http_status, 200);
		assert_int_equal(o.connects, tag == 0);
		outcome_release(&o);
	}
	assert_int_equal(receiver.connections, 1);
	assert_int_equal(http_threads(), 1);
	client_free(c);
}

static void test_one_destination_has_each_thread_when_there_are_many(void **state)
{
	struct client *c = client_of(3);

	(void)state;
	send_silent(c, 1, FEW);
	assert_int_equal(http_threads(), 1);
	send_silent(c, FEW + 1, 2 * FEW);
	assert_int_equal(http_threads(), 2);
	send_silent(c, 2 * FEW + 1, 3 * FEW + 9);
	assert_int_equal(http_threads(), 3);
	/* Whose room is whose is remembered behind an outcome. */
	for (uint64_t tag = 3 * FEW + 9; tag > 0; tag--)
		cancel(c, tag);
	send_silent(c, 3 * FEW + 10, 3 * FEW + 12);
	client_free(c);
}

static void test_the_room_of_one_that_ended_is_taken_again(void **state)
{
	struct client *c = client_of(2);

	(void)state;
	for (unsigned i = 0; i < 5 * FEW; i++) {
		client_send(c, request_of("/silent", i));
		receiver_await_requests(i + 1);
		if (i >= FEW - 1)
			cancel(c, i + 1 - FEW);
	}
	assert_int_equal(http_threads(), 1);
	client_free(c);
}

/* By their names alone: nobody is called. */
static void test_destinations_are_spread(void **state)
{
	struct client *c = client_of(2);

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct outcome o =
			attempt(c, request_to(format("ftp://h%u.test/" SECRET, i), i, ENOUGH));

		assert_int_equal(o.kind, OUTCOME_LOCAL);
		outcome_release(&o);
	}
	assert_int_equal(http_threads(), 2);
	client_free(c);
}

static void test_hundreds_are_answered_once_each(void **state)
{
	enum { REQUESTS = 1000, AT_ONCE = 60, THREADS = 3 };
	struct client *c = client_of(THREADS);
	unsigned sent = 0, connects = 0, answered[REQUESTS] = { 0 };

	(void)state;
	for (unsigned done = 0; done < REQUESTS; done++) {
		struct outcome o;

		for (; sent < REQUESTS && sent - done < AT_ONCE; sent++)
			client_send(c, request_of(sent % 7 ? "/ok" : "/fail", sent));
		o = await(c);
		assert_true(o.tag < REQUESTS);
		assert_int_equal(o.http_status, o.tag % 7 ? 200 : 500);
		answered[o.tag]++;
		connects += o.connects;
		outcome_release(&o);
	}
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(answered[i], 1);
	assert_false(readable(client_fd(c), 0));
	assert_int_equal(http_threads(), THREADS);
	/* No thread ever has more than its part, but for what chance leaves open. */
	assert_true(connects <= AT_ONCE + THREADS);
	client_free(c);
}

static void test_cancelling_finds_each_thread(void **state)
{
	struct client *c = client_of(2);
	struct outcome o;

	(void)state;
	client_cancel(c, 1); /* nobody is there yet */
	send_silent(c, 1, 3 * FEW);
	cancel(c, 2);
	cancel(c, 3 * FEW - 1);
	cancel(c, FEW + 5);
	client_cancel(c, 2); /* is done */
	/* Before a thread can have started it; and with the tag of one that was cancelled. */
	client_send(c, request_of("/silent", 99));
	cancel(c, 99);
	client_send(c, request_of("/ok", 2));
	o = await(c);
	assert_int_equal(o.tag, 2);
	assert_int_equal(o.http_status, 200);
	outcome_release(&o);
	assert_false(readable(client_fd(c), 0));
	client_free(c);
}

/* Under way are responses, letters both ways, and requests that nobody has looked at. */
static void test_leaving_with_requests_in_flight(void **state)
{
	struct client *c = client_of(3);

	(void)state;
	for (uint64_t tag = 0; tag < 4 * FEW; tag++)
		client_send(c, request_of(tag % 2 ? "/silent" : "/stuck", tag));
	receiver_await_requests(4 * FEW);
	for (uint64_t tag = 100; tag < 120; tag++)
		client_send(c, request_of("/ok", tag));
	assert_true(readable(client_fd(c), ENOUGH));
	for (uint64_t tag = 200; tag < 230; tag++)
		client_send(c, request_of("/endless", tag));
	client_free(c);
}

static void test_a_thread_that_cannot_be_had_is_done_without(void **state)
{
	struct client *c = client_of(2);
	struct outcome o;

	(void)state;
	threads_left = 0;
	o = attempt(c, request_of("/ok", 1));
	assert_string_equal(outcome_name(o.kind), "memory");
	outcome_release(&o);
	threads_left = 1;
	send_silent(c, 1, 3 * FEW);
	assert_int_equal(threads_left, 0);
	assert_int_equal(http_threads(), 1);
	for (uint64_t tag = 1; tag <= 3 * FEW; tag++)
		cancel(c, tag);
	client_free(c);
}

int main(void)
{
#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RECEIVER(test_one_after_another_is_one_connection),
		WITH_RECEIVER(test_one_destination_has_each_thread_when_there_are_many),
		WITH_RECEIVER(test_the_room_of_one_that_ended_is_taken_again),
		WITH_RECEIVER(test_destinations_are_spread),
		WITH_RECEIVER(test_hundreds_are_answered_once_each),
		WITH_RECEIVER(test_cancelling_finds_each_thread),
		WITH_RECEIVER(test_leaving_with_requests_in_flight),
		WITH_RECEIVER(test_a_thread_that_cannot_be_had_is_done_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
