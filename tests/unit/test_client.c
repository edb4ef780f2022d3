/*
 * client against a receiver in this process that misbehaves as the path says. Names are resolved by our own
 * getaddrinfo, so no test needs a network.
 */
#include "http/client.h"
#include "http/ending.h"
#include "model/verdict.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/receiver.h"

/* --- The resolver --------------------------------------------------------------------------------- */

static sem_t slow_lookup;             /* what a lookup of slow.test waits for */
static _Atomic int slow_lookups_left; /* under way */

/* In front of libc's, for libcurl too. */
int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	int (*libc)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		dlsym(RTLD_NEXT, "getaddrinfo");

	if (node && strcmp(node, "missing.test") == 0)
		return EAI_NONAME;
	if (node && strcmp(node, "slow.test") == 0) {
		sem_wait(&slow_lookup);
		slow_lookups_left--;
		return EAI_AGAIN;
	}
	return libc(node, service, hints, res);
}

/* --- Requests ------------------------------------------------------------------------------------- */

static struct request *request_of(const char *path, uint64_t tag, uint64_t timeout_ms)
{
	return request_to(
		format("http://127.0.0.1:%u%s?" SECRET, receiver.port, path), tag, timeout_ms);
}

static void assert_attempt(struct client *c, const char *path, int status)
{
	struct outcome o = attempt(c, request_of(path, 1, ENOUGH));

	assert_int_equal(o.kind, OUTCOME_RESPONSE);
	assert_int_equal(o.http_status, status);
	outcome_release(&o);
}

static int setup(void **state)
{
	struct client *c;

	receiver_start();
	assert_int_equal(client_new(&options, NULL, &c), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	client_free(*state);
	receiver_stop();
	return 0;
}

/* --- Tests ---------------------------------------------------------------------------------------- */

static void test_every_ending_has_its_kind(void **state)
{
	static const struct {
		const char *path;
		uint64_t timeout_ms;
		enum outcome_kind kind;
		int status;
		const char *body, *error, *retry_after;
	} cases[] = {
		{ "/ok", ENOUGH, OUTCOME_RESPONSE, 200, "hello", "", "" },
		{ "/empty", ENOUGH, OUTCOME_RESPONSE, 204, "", "", "" },
		{ "/fail", ENOUGH, OUTCOME_RESPONSE, 500, "", "", "" },
		{ "/later", ENOUGH, OUTCOME_RESPONSE, 503, "", "", "120" },
		{ "/moved", ENOUGH, OUTCOME_RESPONSE, 302, "", "", "" },
		{ "/chunks", ENOUGH, OUTCOME_RESPONSE, 200, "abcde", "", "" },
		{ "/early", ENOUGH, OUTCOME_RESPONSE, 201, "", "", "" },
		{ "/silent", TOO_LONG, OUTCOME_TIMEOUT, 0, "", "no response in time", "" },
		{ "/interim", TOO_LONG, OUTCOME_TIMEOUT, 0, "", "no response in time", "" },
		{ "/stuck", TOO_LONG, OUTCOME_BODY_TIMEOUT, 200, "hel",
			"the response did not end in time", "" },
		{ "/close", ENOUGH, OUTCOME_BROKEN, 0, "",
			"the connection was closed without a response", "" },
		{ "/reset", ENOUGH, OUTCOME_BROKEN, 0, "",
			"the connection was lost: Recv failure: Connection reset by peer", "" },
		{ "/cut", ENOUGH, OUTCOME_BROKEN, 200, "hel",
			"the connection was closed within the response", "" },
		{ "/garbage", ENOUGH, OUTCOME_BROKEN, 0, "",
			"the response is not HTTP: Received HTTP/0.9 when not allowed", "" },
		{ "/headers", ENOUGH, OUTCOME_BROKEN, 200, "", "the response has too many headers",
			"" },
		{ "/hints", ENOUGH, OUTCOME_BROKEN, 0, "", "the response has too many headers",
			"" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o =
			attempt(*state, request_of(cases[i].path, i, cases[i].timeout_ms));

		assert_string_equal(outcome_name(o.kind), outcome_name(cases[i].kind));
		assert_int_equal(o.http_status, cases[i].status);
		assert_string_equal(o.error, cases[i].error);
		assert_string_equal(o.retry_after, cases[i].retry_after);
		assert_int_equal(o.body_len, strlen(cases[i].body));
		if (o.body)
			assert_memory_equal(o.body, cases[i].body, o.body_len);
		outcome_release(&o);
	}
}

/* Whose sentences are curl's to choose. */
static void test_what_is_not_http_is_broken(void **state)
{
	static const char *const paths[] = { "/version", "/badchunk" };

	for (size_t i = 0; i < COUNT(paths); i++) {
		struct outcome o = attempt(*state, request_of(paths[i], i, ENOUGH));

		assert_string_equal(outcome_name(o.kind), "broken");
		outcome_release(&o);
	}
}

static void test_a_long_body_is_cut(void **state)
{
	struct outcome o = attempt(*state, request_of("/endless", 1, ENOUGH));

	assert_int_equal(o.kind, OUTCOME_RESPONSE);
	assert_int_equal(o.http_status, 200);
	assert_int_equal(o.body_len, OUTCOME_KEPT_MAX);
	assert_memory_equal(o.body, "again\nagain\n", 12);
	outcome_release(&o);
}

static void test_what_is_encoded_unasked_is_decoded(void **state)
{
	struct outcome o = attempt(*state, request_of("/zip", 1, ENOUGH));

	assert_string_equal(o.error, "");
	assert_int_equal(o.body_len, 14);
	assert_memory_equal(o.body, "hello, unasked", 14);
	outcome_release(&o);
	o = attempt(*state, request_of("/zap", 2, ENOUGH)); /* it lies */
	assert_int_equal(o.kind, OUTCOME_RESPONSE);
	assert_int_equal(o.http_status, 200);
	outcome_release(&o);
}

/* The last of them is cut off. */
static void test_nothing_protected_comes_back(void **state)
{
	static const char secret[] = "Token s3cret-and-more",
			  head[] = "x-sent: ********\n"
				   "set-cookie: ********\n"
				   "content-length: 99\n",
			  body[] = "{\"not\":\"********\",\"no\":\"";
	struct request *r = request_of("/echo", 1, ENOUGH);
	struct outcome o;

	mask_add(&r->mask, secret, strlen(secret));
	o = attempt(*state, r);
	assert_int_equal(o.http_status, 401);
	assert_int_equal(o.head_len, strlen(head));
	assert_memory_equal(o.head, head, o.head_len);
	assert_int_equal(o.body_len, strlen(body));
	assert_memory_equal(o.body, body, o.body_len);
	outcome_release(&o);
}

static void test_the_request_is_sent_as_given(void **state)
{
	struct request *r = request_of("/ok", 1, ENOUGH);
	struct outcome o;

	free(r->url);
	r->url = format("http://127.0.0.1:%u/a/../b?c/../d=%%7e", receiver.port);
	o = attempt(*state, r);
	outcome_release(&o);
	assert_ptr_equal(
		strstr(receiver.head, "POST /a/../b?c/../d=%7e HTTP/1.1\r\n"), receiver.head);
	assert_non_null(strstr(receiver.head, "\r\nAuthorization: Token " SECRET "\r\n"));
	assert_non_null(strstr(receiver.head, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(receiver.head, "\r\nX-Third: 3\r\n"));
	assert_non_null(strstr(receiver.head, "\r\nUser-Agent: test/1\r\n"));
	assert_non_null(strstr(receiver.head, "\r\nContent-Length: 9\r\n"));
	assert_null(strcasestr(receiver.head, "Accept-Encoding"));
	assert_null(strcasestr(receiver.head, "urlencoded"));
}

static void test_any_body_is_sent(void **state)
{
	static const size_t lens[] = { 0, 1, 3 * 1024 * 1024 };

	for (size_t i = 0; i < COUNT(lens); i++) {
		struct request *r = request_of("/ok", i, ENOUGH);
		struct outcome o;

		free(r->body);
		r->body_len = lens[i];
		r->body = lens[i] ? calloc(1, lens[i]) : NULL;
		o = attempt(*state, r);
		assert_int_equal(o.http_status, 200);
		assert_int_equal(receiver.body_len, lens[i]);
		assert_null(strcasestr(receiver.head, "Expect"));
		outcome_release(&o);
	}
}

static void test_connections_are_kept(void **state)
{
	struct outcome o;

	for (int i = 0; i < 50; i++)
		assert_attempt(*state, i % 2 ? "/ok" : "/fail", i % 2 ? 200 : 500);
	assert_int_equal(receiver.connections, 1);

	o = attempt(*state, request_of("/ok", 1, ENOUGH));
	assert_string_equal(outcome_connection(&o), "kept");
	assert_string_equal(o.http_version, "1.1");
	assert_int_equal(o.us.dns + o.us.connect + o.us.tls, 0);
	assert_true(o.us.first_byte > 0);
	assert_true(o.us.total >= o.us.first_byte);
	outcome_release(&o);
}

/* It is in use again and again, so it is not its idleness that ends it. */
static void test_a_connection_has_a_lifetime(void **state)
{
	struct client_options o = options;
	struct client *c;
	unsigned connects = 0;

	(void)state;
	o.lifetime_s = 1;
	assert_int_equal(client_new(&o, NULL, &c), 0);
	for (int i = 0; connects < 2; i++) {
		struct outcome out = attempt(c, request_of("/ok", 1, ENOUGH));

		assert_true(i * 5 < ENOUGH);
		assert_string_equal(outcome_connection(&out), out.connects ? "new" : "kept");
		connects += out.connects;
		outcome_release(&out);
		usleep(5000);
	}
	assert_int_equal(receiver.connections, 2);
	client_free(c);
}

static void test_a_connection_closed_while_idle_is_replaced(void **state)
{
	for (int i = 0; i < 20; i++)
		assert_attempt(*state, i % 3 ? "/last" : "/ok", 200);
	assert_true(receiver.connections > 10);
}

/* The receiver closes it at the same moment: curl's own repetition is counted for each request alone. */
static void test_a_connection_closed_under_a_request_is_replaced(void **state)
{
	for (int i = 0; i < 20; i++)
		assert_attempt(*state, "/once", 200);
	assert_int_equal(receiver.connections, 20);
	assert_int_equal(receiver.requests, 39);
}

static struct request *long_request_of(const char *path, uint64_t tag)
{
	struct request *r = request_of(path, tag, ENOUGH);

	free(r->body);
	r->body_len = 3 * 1024 * 1024;
	r->body = calloc(1, r->body_len);
	return r;
}

/* While a long request is sent: that is ours to repeat, on a connection of its own. */
static void test_a_connection_closed_within_a_request_is_replaced(void **state)
{
	for (uint64_t i = 0; i < 20; i++) {
		struct outcome o = attempt(*state, long_request_of("/shy", i));

		assert_string_equal(o.error, "");
		assert_int_equal(o.http_status, 200);
		outcome_release(&o);
	}
	assert_int_equal(receiver.connections, 20);
	assert_int_equal(receiver.requests, 20);
}

/* Where one kept connection turns out to be lost, so may be all the others: none of them is tried. */
static void test_a_lost_connection_is_replaced_by_a_new_one(void **state)
{
	enum { AT_ONCE = 8 };
	struct outcome o;

	for (uint64_t tag = 0; tag < AT_ONCE; tag++)
		client_send(*state, long_request_of("/shy", tag));
	for (unsigned i = 0; i < AT_ONCE; i++) {
		o = await(*state);
		assert_int_equal(o.http_status, 200);
		outcome_release(&o);
	}
	assert_in_range(receiver.open, 3, AT_ONCE);
	o = attempt(*state, long_request_of("/shy", AT_ONCE));
	assert_string_equal(o.error, "");
	assert_int_equal(o.http_status, 200);
	assert_int_equal(o.connects, 1);
	outcome_release(&o);
}

static void test_hundreds_are_answered_once_each(void **state)
{
	enum { REQUESTS = 500, AT_ONCE = 32 };
	unsigned sent = 0, answered[REQUESTS] = { 0 };

	for (unsigned done = 0; done < REQUESTS; done++) {
		struct outcome o;

		for (; sent < REQUESTS && sent - done < AT_ONCE; sent++)
			client_send(*state, request_of(sent % 7 ? "/ok" : "/last", sent, ENOUGH));
		o = await(*state);
		assert_int_equal(o.kind, OUTCOME_RESPONSE);
		assert_int_equal(o.http_status, 200);
		assert_true(o.tag < REQUESTS);
		answered[o.tag]++;
		outcome_release(&o);
	}
	for (unsigned i = 0; i < REQUESTS; i++)
		assert_int_equal(answered[i], 1);
	assert_false(readable(client_fd(*state), 0));
}

static void test_a_refused_port(void **state)
{
	unsigned port;
	int fd = bound_socket(&port);
	struct outcome o;

	assert_attempt(*state, "/later", 503); /* of which nothing may be left */
	o = attempt(*state, request_to(format("http://127.0.0.1:%u/" SECRET, port), 5, ENOUGH));
	assert_string_equal(outcome_name(o.kind), "refused");
	assert_int_equal(o.connects, 0);
	assert_null(outcome_connection(&o));
	assert_null(o.http_version);
	assert_string_equal(o.error, "connecting failed: Connection refused");
	assert_int_equal(o.http_status, 0);
	assert_string_equal(o.retry_after, "");
	assert_int_equal(o.us.tls, 0);
	assert_int_equal(o.us.first_byte, 0);
	close(fd);
}

static void test_an_address_that_is_none(void **state)
{
	struct outcome o =
		attempt(*state, request_to(format("http://255.255.255.255/"), 5, ENOUGH));

	assert_string_equal(outcome_name(o.kind), "connect");
	assert_ptr_equal(strstr(o.error, "connecting failed: "), o.error);
}

static void test_a_port_that_does_not_answer(void **state)
{
	unsigned port;
	int fd = bound_socket(&port), waiting[4];
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };
	struct outcome o;

	/* Its queue of connections is full. */
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < COUNT(waiting); i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(waiting[i], (struct sockaddr *)&a, sizeof(a));
	}
	o = attempt(*state, request_to(format("http://127.0.0.1:%u/" SECRET, port), 5, TOO_LONG));
	assert_string_equal(outcome_name(o.kind), "connect_timeout");
	assert_string_equal(o.error, "no connection in time");
	for (size_t i = 0; i < COUNT(waiting); i++)
		close(waiting[i]);
	close(fd);
}

static void test_urls_that_are_none(void **state)
{
	static const char *const urls[] = { "", "http://", "ftp://127.0.0.1/" SECRET,
		"file:///etc/" SECRET, "http://[::/" SECRET };

	for (size_t i = 0; i < COUNT(urls); i++) {
		struct outcome o = attempt(*state, request_to(format("%s", urls[i]), i, ENOUGH));

		assert_string_equal(outcome_name(o.kind), "local");
		assert_int_equal(o.http_status, 0);
		assert_attempt(*state, "/ok", 200);
	}
}

/* Over and over, as descriptors of lookups and of connections take each other's numbers. */
static void test_a_name_that_does_not_resolve(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct outcome o = attempt(
			*state, request_to(format("http://missing.test/" SECRET), 1, ENOUGH));

		assert_string_equal(outcome_name(o.kind), "dns");
		assert_string_equal(o.error, "the host's name was not resolved");
		o = attempt(*state, request_of(i % 2 ? "/close" : "/last", 2, ENOUGH));
		assert_int_equal(o.kind, i % 2 ? OUTCOME_BROKEN : OUTCOME_RESPONSE);
		outcome_release(&o);
	}
}

static void test_a_slow_lookup_holds_nobody_up(void **state)
{
	struct outcome o;

	slow_lookups_left = 2;
	client_send(*state, request_to(format("http://slow.test/" SECRET), 7, TOO_LONG));
	client_send(*state, request_to(format("http://slow.test/" SECRET), 8, ENOUGH));
	assert_attempt(*state, "/ok", 200);
	o = await(*state);
	assert_int_equal(o.tag, 7);
	assert_string_equal(outcome_name(o.kind), "dns");
	assert_string_equal(o.error, "the host's name was not resolved in time");
	/* Both lookups still wait. */
	assert_attempt(*state, "/ok", 200);
	client_cancel(*state, 8);
	o = await(*state);
	assert_int_equal(o.tag, 8);
	assert_int_equal(o.kind, OUTCOME_ABORTED);
	assert_int_equal(slow_lookups_left, 2);
	sem_post(&slow_lookup);
	sem_post(&slow_lookup);
	while (slow_lookups_left > 0)
		usleep(1000);
}

/* With one attempt a delivery would else have failed without any. */
static void test_no_memory_is_no_attempt(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	ending_local(&o, CURLE_OUT_OF_MEMORY);
	assert_string_equal(outcome_name(o.kind), "memory");
	assert_int_equal(verdict_of(&o).action, VERDICT_AGAIN);
	assert_non_null(strstr(o.error, "memory"));
	ending_local(&o, CURLE_URL_MALFORMAT); /* that would not end */
	assert_string_equal(outcome_name(o.kind), "local");
	assert_int_equal(verdict_of(&o).action, VERDICT_RETRY);
}

static void test_cancelling(void **state)
{
	struct outcome o;

	for (uint64_t tag = 1; tag <= 3; tag++)
		client_send(*state, request_of("/silent", tag, ENOUGH));
	receiver_await_requests(3);
	client_cancel(*state, 2);
	client_cancel(*state, 99);
	o = await(*state);
	assert_int_equal(o.tag, 2);
	assert_string_equal(outcome_name(o.kind), "aborted");
	client_cancel(*state, 2); /* is done */
	/* Before the thread can have started it. */
	client_send(*state, request_of("/silent", 4, ENOUGH));
	client_cancel(*state, 4);
	o = await(*state);
	assert_int_equal(o.tag, 4);
	assert_int_equal(o.kind, OUTCOME_ABORTED);
	assert_attempt(*state, "/ok", 200);
	assert_false(readable(client_fd(*state), 0));
}

/* Teardown frees the client: under way are a response, a lookup that hangs, and letters both ways. */
static void test_leaving_with_requests_in_flight(void **state)
{
	for (uint64_t tag = 0; tag < 8; tag++)
		client_send(*state, request_of(tag % 2 ? "/silent" : "/stuck", tag, ENOUGH));
	receiver_await_requests(8);
	client_send(*state, request_of("/ok", 8, ENOUGH));
	assert_true(readable(client_fd(*state), ENOUGH));
	for (uint64_t tag = 9; tag < 20; tag++)
		client_send(*state, request_of("/endless", tag, ENOUGH));
}

static void test_leaving_at_once(void **state)
{
	struct client *c;

	(void)state;
	assert_int_equal(client_new(&options, NULL, &c), 0);
	client_free(c);
	client_free(NULL);
	request_free(NULL);
	request_free(request_to(format("http://127.0.0.1/"), 1, 1));
}

static void test_the_environments_proxy_is_not_used(void **state)
{
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("all_proxy", "http://127.0.0.1:1/", 1);
	assert_attempt(*state, "/ok", 200);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

/* Would end this process if the client's thread took it. */
static void test_signals_are_the_main_threads(void **state)
{
	struct client *c;
	struct outcome o;
	sigset_t usr1, before;
	int signo;

	(void)state;
	assert_int_equal(client_new(&options, NULL, &c), 0);
	o = attempt(
		c, request_to(format("http://missing.test/"), 1, ENOUGH)); /* now the thread runs */
	assert_int_equal(o.kind, OUTCOME_DNS);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, &before);
	assert_false(sigismember(&before, SIGUSR1));
	kill(getpid(), SIGUSR1);
	assert_int_equal(sigwait(&usr1, &signo), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	client_free(c);
}

/* A receiver that never shakes hands. */
static void test_tls_with_nobody(void **state)
{
	unsigned port;
	int fd = bound_socket(&port);
	struct outcome o;

	assert_int_equal(listen(fd, 8), 0);
	o = attempt(*state, request_to(format("https://127.0.0.1:%u/" SECRET, port), 5, TOO_LONG));
	assert_string_equal(outcome_name(o.kind), "connect_timeout");
	assert_string_equal(o.error, "no connection in time");
	close(fd);
}

int main(void)
{
#define WITH_RECEIVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RECEIVER(test_every_ending_has_its_kind),
		WITH_RECEIVER(test_what_is_not_http_is_broken),
		WITH_RECEIVER(test_a_long_body_is_cut),
		WITH_RECEIVER(test_what_is_encoded_unasked_is_decoded),
		WITH_RECEIVER(test_nothing_protected_comes_back),
		WITH_RECEIVER(test_the_request_is_sent_as_given),
		WITH_RECEIVER(test_any_body_is_sent),
		WITH_RECEIVER(test_connections_are_kept),
		WITH_RECEIVER(test_a_connection_has_a_lifetime),
		WITH_RECEIVER(test_a_connection_closed_while_idle_is_replaced),
		WITH_RECEIVER(test_a_connection_closed_under_a_request_is_replaced),
		WITH_RECEIVER(test_a_connection_closed_within_a_request_is_replaced),
		WITH_RECEIVER(test_a_lost_connection_is_replaced_by_a_new_one),
		WITH_RECEIVER(test_hundreds_are_answered_once_each),
		WITH_RECEIVER(test_a_refused_port),
		WITH_RECEIVER(test_an_address_that_is_none),
		WITH_RECEIVER(test_a_port_that_does_not_answer),
		WITH_RECEIVER(test_urls_that_are_none),
		WITH_RECEIVER(test_a_name_that_does_not_resolve),
		WITH_RECEIVER(test_a_slow_lookup_holds_nobody_up),
		WITH_RECEIVER(test_no_memory_is_no_attempt),
		WITH_RECEIVER(test_cancelling),
		WITH_RECEIVER(test_leaving_with_requests_in_flight),
		WITH_RECEIVER(test_the_environments_proxy_is_not_used),
		WITH_RECEIVER(test_tls_with_nobody),
		cmocka_unit_test(test_leaving_at_once),
		cmocka_unit_test(test_signals_are_the_main_threads),
	};

	sem_init(&slow_lookup, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
