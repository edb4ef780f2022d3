/*
 * response: what is kept of headers and body, in which form, and when it is enough; and the headers as
 * outcome_headers_json tells them.
 */
#include "http/response.h"
#include "model/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct response r;
static struct mask mask = MASK_NONE;

static int setup(void **state)
{
	(void)state;
	response_init(&r);
	response_begin(&r, &mask);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	response_release(&r);
	mask_release(&mask);
	return 0;
}

static void header(const char *line)
{
	assert_true(response_header(&r, line, strlen(line)));
}

static struct outcome given(void)
{
	struct outcome o = { 0 };

	response_give(&r, true, &o);
	return o;
}

static void assert_headers(const char *expected)
{
	struct outcome o = given();
	struct buf json = BUF(65536);

	outcome_headers_json(&o, &json);
	assert_string_equal(buf_str(&json), expected);
	buf_release(&json);
	outcome_release(&o);
}

static void test_headers_are_an_object(void **state)
{
	static const char *const lines[] = { "HTTP/1.1 200 OK\r\n", "Server: x\r\n",
		"VIA:  1.1 a \r\n", "Content-Type: text/plain; charset=\"utf-8\"\r\n",
		"Via: 1.1 b\r\n", "Empty:\r\n", "X-Colon: a: b\r\n", "\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		header(lines[i]);
	assert_true(r.answered);
	assert_headers("{\"server\":\"x\",\"via\":\"1.1 a, 1.1 b\","
		       "\"content-type\":\"text/plain; charset=\\\"utf-8\\\"\",\"empty\":\"\","
		       "\"x-colon\":\"a: b\"}");
}

static void test_some_headers_say_nothing(void **state)
{
	static const char *const lines[] = { "HTTP/1.1 200 OK\r\n",
		"Date: Mon, 23 Nov 2026 11:00:00 GMT\r\n", "Connection: close\r\n",
		"Keep-Alive: timeout=5\r\n", "Transfer-Encoding: chunked\r\n", "no colon\r\n",
		": no name\r\n", "no token: x\r\n", " folded: line\r\n", "\r\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		header(lines[i]);
	assert_headers("{}");
}

static void test_headers_are_those_of_the_final_response(void **state)
{
	(void)state;
	header("HTTP/1.1 103 Early Hints\r\n");
	header("Link: early\r\n");
	header("\r\n");
	header("HTTP/2 200 \r\n");
	header("x: late\r\n");
	header("\r\n");
	header("Trailer-Field: later\r\n");
	assert_headers("{\"x\":\"late\"}");
}

static void test_names_that_carry_secrets_hide_them(void **state)
{
	(void)state;
	mask_add(&mask, "0123456789", 10);
	header("HTTP/1.1 200 OK\r\n");
	header("Set-Cookie: session=1\r\n");
	header("X-Got: Token 0123456789!\r\n");
	header("\r\n");
	assert_headers("{\"set-cookie\":\"********\",\"x-got\":\"Token ********!\"}");
}

/* A value that looks like a line, colon and all. */
static void test_a_masked_line_is_still_one(void **state)
{
	(void)state;
	mask_add(&mask, "x-got: 0123456789", 17);
	header("HTTP/1.1 200 OK\r\n");
	header("x-got: 0123456789\r\n");
	header("\r\n");
	assert_headers("{\"x-got\":\"********\"}");
}

static void test_what_is_kept_is_text(void **state)
{
	(void)state;
	header("HTTP/1.1 200 OK\r\n");
	header("A: t\tab \x01 caf\xc3\xa9\r\n");
	header("B: caf\xe9\r\n");
	header("\r\n");
	assert_headers("{\"a\":\"t?ab ? caf\xc3\xa9\",\"b\":\"caf?\"}");
}

static void test_headers_take_half_at_most(void **state)
{
	static char line[OUTCOME_HEAD_MAX + 2], body[OUTCOME_KEPT_MAX];
	struct outcome o;

	(void)state;
	header("HTTP/1.1 200 OK\r\n");
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "long: ", 6);
	header(line);
	line[OUTCOME_HEAD_MAX / 2] = '\0';
	header(line);
	header("short: x\r\n");
	header(line);
	header("\r\n");
	memset(body, 'b', sizeof(body));
	for (int i = 0; i < 3; i++)
		assert_true(response_body(&r, body, sizeof(body)));
	o = given();
	assert_in_range(o.head_len, OUTCOME_HEAD_MAX / 2, OUTCOME_HEAD_MAX);
	assert_memory_equal(o.head + o.head_len - 9, "short: x\n", 9);
	assert_int_equal(o.head_len + o.body_len, OUTCOME_KEPT_MAX);
	outcome_release(&o);
}

static void test_there_are_a_hundred_headers_at_most(void **state)
{
	struct outcome o;
	size_t lines = 0;

	(void)state;
	header("HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 1000; i++)
		header("a: b\r\n");
	o = given();
	for (size_t i = 0; i < o.head_len; i++)
		lines += o.head[i] == '\n';
	assert_int_equal(lines, 100);
	outcome_release(&o);
}

static void test_headers_end_sometime(void **state)
{
	unsigned lines = 0;

	(void)state;
	assert_false(response_flooded(&r));
	/* Of interim responses, too. */
	while (response_header(&r, "HTTP/1.1 103 Early Hints\r\n", 26) &&
		response_header(&r, "\r\n", 2))
		assert_true(++lines < 100000);
	assert_true(response_flooded(&r));
	response_begin(&r, &mask);
	assert_false(response_flooded(&r));
	assert_false(r.answered);
}

static void test_a_body_is_read_for_a_while(void **state)
{
	static char body[65536];
	struct outcome o;
	size_t read = 0;

	(void)state;
	while (response_body(&r, body, sizeof(body)))
		read += sizeof(body);
	assert_in_range(read, 512 * 1024, 2 * 1024 * 1024);
	o = given();
	assert_int_equal(o.body_len, OUTCOME_KEPT_MAX);
	outcome_release(&o);
}

/* It may stand across the end of what is kept, and across that of what came. */
static void test_a_value_is_not_told_by_halves(void **state)
{
	static const char value[] = "0123456789";
	char body[OUTCOME_KEPT_MAX];
	struct outcome o = { 0 };

	(void)state;
	mask_add(&mask, value, strlen(value));
	memset(body, 'b', sizeof(body));
	assert_true(response_body(&r, body, sizeof(body) - 5));
	assert_true(response_body(&r, value, strlen(value)));
	o = given();
	assert_int_equal(o.body_len, OUTCOME_KEPT_MAX - 5);
	outcome_release(&o);

	response_begin(&r, &mask);
	assert_true(response_body(&r, "is 01234", 8));
	response_give(&r, false, &o);
	assert_int_equal(o.body_len, 3);
	outcome_release(&o);

	response_begin(&r, &mask);
	assert_true(response_body(&r, "01234", 5));
	assert_true(response_body(&r, "56789", 5));
	o = given();
	assert_int_equal(o.body_len, 8);
	assert_memory_equal(o.body, "********", 8);
	outcome_release(&o);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_headers_are_an_object),
		TEST(test_some_headers_say_nothing),
		TEST(test_headers_are_those_of_the_final_response),
		TEST(test_names_that_carry_secrets_hide_them),
		TEST(test_a_masked_line_is_still_one),
		TEST(test_what_is_kept_is_text),
		TEST(test_headers_take_half_at_most),
		TEST(test_there_are_a_hundred_headers_at_most),
		TEST(test_headers_end_sometime),
		TEST(test_a_body_is_read_for_a_while),
		TEST(test_a_value_is_not_told_by_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
