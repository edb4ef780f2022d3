#include "model/url.h"

#include "model/hook.h"
#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void takes(void **state)
{
	static const struct {
		const char *url, *destination, *masked;
	} rows[] = {
		{ "https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com:443",
			"https://hooks.slack.com/" MASK },
		{ "http://localhost", "http://localhost:80", "http://localhost/" MASK },
		{ "HTTP://LocalHost:8080/a?b=c@d", "http://localhost:8080",
			"HTTP://LocalHost:8080/" MASK },
		{ "https://example.com?q=1", "https://example.com:443",
			"https://example.com/" MASK },
		{ "https://[2001:DB8::1]:1/x", "https://[2001:db8::1]:1",
			"https://[2001:DB8::1]:1/" MASK },
		{ "http://[::1]", "http://[::1]:80", "http://[::1]/" MASK },
		{ "http://10.0.0.1:65535/", "http://10.0.0.1:65535",
			"http://10.0.0.1:65535/" MASK },
		{ "http://my_host.local./%20", "http://my_host.local.:80",
			"http://my_host.local./" MASK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = BUF(HOOK_URL_MAX);
		struct err err = { 0 };

		if (url_check(rows[i].url, strlen(rows[i].url), &err) < 0)
			fail_msg("%s: %s", rows[i].url, err.sentence);
		url_destination(rows[i].url, &out);
		assert_string_equal(buf_str(&out), rows[i].destination);
		buf_reset(&out);
		url_masked(rows[i].url, &out);
		assert_string_equal(buf_str(&out), rows[i].masked);
		buf_release(&out);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *url;
		size_t column;
	} rows[] = {
		{ "", 0 },
		{ "example.com", 0 },
		{ "ftp://example.com", 0 },
		{ "https:/example.com", 0 },
		{ "https://", 8 },
		{ "https:///path", 8 },
		{ "http://:80/", 7 },
		{ "http://host:/", 12 },
		{ "http://host:0", 12 },
		{ "http://host:65536", 12 },
		{ "http://host:4294967376", 12 },
		{ "http://host:8o", 12 },
		{ "http://host:80:80", 12 },
		{ "http://token@host/", 7 },
		{ "http://user:secret@host/", 7 },
		{ "http://host/#part", 12 },
		{ "http://host/a b", 13 },
		{ "http://host/a\tb", 13 },
		{ "http://host/\x7f", 12 },
		{ "http://h\xc3\xb6st/", 8 },
		{ "http://ho\\st/", 9 },
		{ "http://ho*st/", 9 },
		{ "http://[::1", 7 },
		{ "http://[::1]x/", 12 },
		{ "http://[]/", 7 },
		{ "http://[1.2.3.4]/", 7 },
		{ "http://[fe80:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]/", 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { 0 };
		size_t len = strlen(rows[i].url);
		char *exact = malloc(len ? len : 1); /* no NUL behind it */

		assert_non_null(exact);
		memcpy(exact, rows[i].url, len);
		if (url_check(exact, len, &err) != -EINVAL || err.code != EINVAL ||
			err.column != rows[i].column)
			fail_msg("%s: column %zu: %s", rows[i].url, err.column, err.sentence);
		assert_null(strstr(err.sentence, "secret"));
		assert_int_equal(url_check(exact, len, NULL), -EINVAL);
		free(exact);
	}
	assert_int_equal(url_check("http://host/\0x", 14, NULL), -EINVAL);
}

/* What is no url, against all expectations, is not shown. */
static void masks_all_of_what_it_does_not_know(void **state)
{
	struct buf out = BUF(HOOK_URL_MAX);

	(void)state;
	url_masked("secret", &out);
	assert_string_equal(buf_str(&out), "/" MASK);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(masks_all_of_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
