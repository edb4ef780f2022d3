#pragma once
/*
 * attempt: requests that unit tests put through a client, and the outcomes they wait for.
 *
 * Every request carries SECRET in its path and in a header; no outcome's error may repeat it.
 * A header of static functions: a unit test is one file.
 */
#include "http/client.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* behind what it needs */
#include <cmocka.h>

#define SECRET   "s3cret"
#define ENOUGH   20000 /* ms: more than any of this takes */
#define TOO_LONG 700   /* ms: the timeout of attempts that are to run into it */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct client_options options = { .user_agent = "test/1", .connections = 64 };

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	return text;
}

static struct request *request_to(char *url, uint64_t tag, uint64_t timeout_ms)
{
	struct request *r = request_new();

	r->tag = tag;
	r->timeout_ms = timeout_ms;
	r->url = url;
	r->body = format("{\"tag\":%llu}", (unsigned long long)tag);
	r->body_len = strlen(r->body);
	request_header(r, format("Content-Type: application/json"));
	request_header(r, format("Authorization: Token " SECRET));
	request_header(r, format("X-Third: 3"));
	return r;
}

static bool readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1;
}

/* The next outcome, which must come. */
static struct outcome await(struct client *c)
{
	struct outcome o;

	memset(&o, 0x5a, sizeof(o));
	if (client_take(c, &o) == 0) {
		assert_true(readable(client_fd(c), ENOUGH));
		assert_int_equal(client_take(c, &o), 1);
	}
	assert_null(strstr(o.error, SECRET));
	assert_true((o.kind == OUTCOME_RESPONSE) == (o.error[0] == '\0'));
	assert_true((o.body == NULL) == (o.body_len == 0));
	return o;
}

static struct outcome attempt(struct client *c, struct request *r)
{
	uint64_t tag = r->tag;
	struct outcome o;

	client_send(c, r);
	o = await(c);
	assert_int_equal(o.tag, tag);
	return o;
}
