#include "model/hook.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct types types;
static struct err last;

static int setup(void **state)
{
	(void)state;
	return types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL);
}

/* ---- names */

static void header_names(void **state)
{
	static const char *const good[] = { "X-A", "Content-Type", "user-agent", "Authorization",
		"webhook", "Tea", "X-Host", "!#$%&'*+-.^_`|~9" };
	static const char *const owned[] = { "Host", "HOST", "content-length", "Transfer-Encoding",
		"connection", "Keep-Alive", "upgrade", "TE", "Trailer", "Expect",
		"Proxy-Connection", "HTTP2-Settings", "webhook-id", "Webhook-Signature",
		"WEBHOOK-X" };
	static const char *const bad[] = { "", "a b", "a:", "a/b", "h\xc3\xb6", "a\n" };
	static const char *const born[] = { "Authorization", "authorization", "Proxy-Authorization",
		"Cookie", "X-Api-Key", "x-apikey", "X-Auth-Token", "X-Gitlab-Token",
		"Client-Secret", "Ocp-Apim-Subscription-Key" };
	static const char *const open[] = { "Content-Type", "X-Team", "Accept", "Idempotency-Key" };
	char long_name[HEADER_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(header_name_check(good[i], strlen(good[i]), NULL), 0);
	for (size_t i = 0; i < COUNT(owned); i++) {
		assert_int_equal(header_name_check(owned[i], strlen(owned[i]), &last), -EPERM);
		assert_non_null(strstr(last.sentence, owned[i]));
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(header_name_check(bad[i], strlen(bad[i]), &last), -EINVAL);
	for (size_t i = 0; i < COUNT(born); i++)
		assert_true(header_born_protected(born[i]));
	for (size_t i = 0; i < COUNT(open); i++)
		assert_false(header_born_protected(open[i]));
	memset(long_name, 'n', sizeof(long_name));
	assert_int_equal(header_name_check(long_name, HEADER_NAME_MAX, NULL), 0);
	assert_int_equal(header_name_check(long_name, HEADER_NAME_MAX + 1, NULL), -ENAMETOOLONG);
}

/* ---- headers */

static void header_shows(const struct hook *h, const char *name, const char *text)
{
	struct buf out = BUF(HEADER_VALUE_MAX);
	struct header *hd = hook_header_find(h, name);

	assert_non_null(hd);
	hook_header_show(hd, &out);
	assert_string_equal(buf_str(&out), text);
	buf_release(&out);
}

static struct header *header_make(
	struct hook *h, const char *name, bool protected, const char *value)
{
	struct header *hd;

	assert_int_equal(hook_header_add(h, name, protected, NULL, &hd), 0);
	assert_int_equal(hook_header_store(h, hd, value, strlen(value), NULL), 0);
	return hd;
}

static void header_values(void **state)
{
	static const struct {
		const char *value;
		size_t column;
	} bad[] = { { "a\r\nb", 1 }, { " a\n", 2 }, { "a\x01", 1 }, { "a\x7f", 1 }, { "\xff", 0 } };
	struct hook *h = hook_new("h", &types);
	char *many = calloc(1, HEADER_VALUE_MAX + 2);
	struct header *hd = header_make(h, "X-A", false, " \ttoken\t123 ");

	(void)state;
	assert_non_null(many);
	header_shows(h, "x-a", "token\t123");
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(
			hook_header_store(h, hd, bad[i].value, strlen(bad[i].value), &last),
			-EINVAL);
		assert_int_equal(last.column, bad[i].column);
	}
	assert_int_equal(hook_header_store(h, hd, "a\0b", 3, &last), -EINVAL);
	memset(many, 'v', HEADER_VALUE_MAX + 1);
	assert_int_equal(hook_header_store(h, hd, many, HEADER_VALUE_MAX + 1, &last), -E2BIG);
	assert_null(strstr(last.sentence, "vv"));
	header_shows(h, "X-A", "token\t123");
	assert_int_equal(hook_header_store(h, hd, many, HEADER_VALUE_MAX, &last), 0);
	assert_int_equal(hook_header_store(h, hd, "  ", 2, &last), 0);
	assert_null(hd->value);
	free(many);
	hook_free(h);
}

static void headers_keep_their_slots(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct header *hd;
	char name[16];
	uint8_t slot;

	(void)state;
	for (int i = 0; i < HOOK_HEADERS_MAX; i++) {
		snprintf(name, sizeof(name), "X-%d", i);
		header_make(h, name, false, name);
	}
	assert_int_equal(hook_header_add(h, "x-5", false, &last, &hd), -EEXIST);
	assert_int_equal(hook_header_add(h, "Y", false, &last, &hd), -ENOSPC);
	slot = hook_header_find(h, "X-63")->slot;
	hook_header_remove(h, hook_header_find(h, "X-7"));
	assert_null(hook_header_find(h, "X-7"));
	assert_string_equal(hook_header_slot(h, slot)->value, "X-63");
	header_make(h, "Y", false, "y");
	for (size_t i = 0; i < h->header_count; i++)
		assert_ptr_equal(hook_header_slot(h, h->headers[i].slot), &h->headers[i]);
	assert_null(hook_header_slot(h, UINT8_MAX));
	hook_free(h);
}

/* ---- protection */

static int chmod_to(struct hook *h, const char *file, mode_t mode)
{
	last = (struct err){ 0 };
	return hook_chmod(h, file, mode, false, &last);
}

static void modes_protect_headers(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	header_make(h, "X-A", false, "value");
	assert_int_equal(chmod_to(h, "headers/X-A", 0640), 0);
	header_shows(h, "X-A", "value");
	assert_int_equal(hook_file_find(h, "headers/X-A")->mode, 0640);
	assert_int_equal(chmod_to(h, "headers/x-a", 0620), 0);
	header_shows(h, "X-A", MASK);
	assert_true(hook_protected(h, "headers/X-A"));
	assert_int_equal(hook_file_find(h, "headers/X-A")->mode, 0600);
	assert_int_equal(chmod_to(h, "headers/X-A", 0400), 0);

	assert_int_equal(chmod_to(h, "headers/X-A", 0444), -EPERM);
	assert_int_equal(last.code, EPERM);
	assert_int_equal(chmod_to(h, "headers/X-A", 0604), -EPERM);
	assert_int_equal(hook_file_find(h, "headers/X-A")->mode, 0400);
	header_shows(h, "X-A", MASK);

	/* Rewriting keeps it protected; without a value it follows its mode again. */
	assert_int_equal(hook_header_store(h, hook_header_find(h, "X-A"), "new", 3, NULL), 0);
	header_shows(h, "X-A", MASK);
	assert_int_equal(hook_header_store(h, hook_header_find(h, "X-A"), "", 0, NULL), 0);
	header_shows(h, "X-A", "");
	assert_int_equal(chmod_to(h, "headers/X-A", 0644), 0);
	assert_false(hook_protected(h, "headers/X-A"));

	/* Removing it starts afresh. */
	assert_int_equal(chmod_to(h, "headers/X-A", 0600), 0);
	hook_header_remove(h, hook_header_find(h, "X-A"));
	assert_null(hook_file_find(h, "headers/X-A"));
	header_make(h, "X-A", false, "open");
	header_shows(h, "X-A", "open");
	assert_int_equal(chmod_to(h, "headers/none", 0600), -ENOENT);
	hook_free(h);
}

/* As install and mv make files: 0600 first, the mode that is meant at the end. */
static void makers_open_their_files_up(void **state)
{
	struct hook *h = hook_new("h", &types);

	(void)state;
	header_make(h, "X-A", true, "value");
	assert_int_equal(hook_chmod(h, "headers/X-A", 0644, true, NULL), 0);
	header_shows(h, "X-A", "value");
	header_make(h, "Authorization", true, "Token 123");
	assert_int_equal(hook_chmod(h, "headers/Authorization", 0644, true, NULL), -EPERM);
	header_shows(h, "Authorization", MASK);
	hook_free(h);
}

static void born_protected_headers(void **state)
{
	struct hook *h = hook_new("h", &types);
	struct header *hd;

	(void)state;
	assert_true(hook_protected(h, "headers/Authorization")); /* not there yet */
	assert_false(hook_protected(h, "headers/X-Team"));
	header_make(h, "Authorization", true, "Token 123");
	header_shows(h, "Authorization", MASK);
	assert_int_equal(chmod_to(h, "headers/Authorization", 0644), -EPERM);
	header_shows(h, "Authorization", MASK);
	assert_int_equal(hook_header_add(h, "Cookie", true, NULL, &hd), 0);
	/* An empty one neither, or the next value would be shown. */
	assert_int_equal(chmod_to(h, "headers/Cookie", 0644), -EPERM);
	assert_int_equal(hook_chmod(h, "headers/Cookie", 0644, true, NULL), -EPERM);
	hd = hook_header_find(h, "Cookie");
	assert_int_equal(hook_header_store(h, hd, "a=b", 3, NULL), 0);
	header_shows(h, "Cookie", MASK);
	/* Unless it was opened by its word, in config.json. */
	hd->protected = false;
	assert_int_equal(chmod_to(h, "headers/Cookie", 0644), 0);
	header_shows(h, "Cookie", "a=b");
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_names),
		cmocka_unit_test(header_values),
		cmocka_unit_test(headers_keep_their_slots),
		cmocka_unit_test(modes_protect_headers),
		cmocka_unit_test(makers_open_their_files_up),
		cmocka_unit_test(born_protected_headers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
