#include "util/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_buf(b, expected)                                         \
	do {                                                            \
		assert_string_equal(buf_str(b), expected);              \
		assert_int_equal((b)->len, strlen(expected));           \
		assert_true(!(b)->data || (b)->data[(b)->len] == '\0'); \
		assert_true((b)->len <= (b)->max);                      \
	} while (0)

static void test_appends_bytes_strings_characters_and_formats(void **state)
{
	struct buf b = BUF(1000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, "abc", 2);
	buf_adds(&b, "cd");
	buf_addc(&b, 'e');
	buf_addf(&b, "%s-%d", "f", 7);
	assert_buf(&b, "abcdef-7");
	buf_add(&b, "x\0y", 3);
	assert_int_equal(b.len, 11);
	assert_memory_equal(b.data, "abcdef-7x\0y", 12);
	buf_release(&b);
	assert_buf(&b, "");
}

static void test_appends_numbers_in_decimal_and_bytes_in_hexadecimal(void **state)
{
	static const struct {
		uint64_t n;
		unsigned digits;
		const char *shown;
	} rows[] = {
		{ 0, 0, "0" },
		{ 0, 3, "000" },
		{ 7, 3, "007" },
		{ 10, 1, "10" },
		{ 1234, 3, "1234" },
		{ UINT64_MAX, 0, "18446744073709551615" },
		{ 1, 20, "00000000000000000001" },
	};
	struct buf b = BUF(1000);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		buf_addu(&b, rows[i].n, rows[i].digits);
		assert_buf(&b, rows[i].shown);
	}
	buf_reset(&b);
	buf_addi(&b, INT64_MIN);
	buf_addi(&b, 0);
	buf_addi(&b, INT64_MAX);
	assert_buf(&b, "-922337203685477580809223372036854775807");
	buf_reset(&b);
	buf_add_hex(&b, "\x00\x0f\xa5\xff", 4);
	assert_buf(&b, "000fa5ff");
	buf_release(&b);
}

static void test_what_is_expected_is_allocated_once_and_asks_for_nothing(void **state)
{
	struct buf b = BUF(1000);
	char *data;

	(void)state;
	buf_expect(&b, 900);
	data = b.data;
	assert_non_null(data);
	assert_buf(&b, "");
	for (int i = 0; i < 900; i++)
		buf_addc(&b, 'x');
	assert_ptr_equal(b.data, data);
	buf_expect(&b, 101);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 900);
	buf_release(&b);
}

static void test_adding_nothing_is_fine(void **state)
{
	struct buf b = BUF(0);

	(void)state;
	buf_add(&b, NULL, 0);
	buf_adds(&b, "");
	buf_addf(&b, "%s", "");
	assert_int_equal(buf_error(&b), 0);
	assert_buf(&b, "");
	buf_release(&b);
}

static void test_the_maximum_is_reached_but_never_passed(void **state)
{
	struct buf b = BUF(100);

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_addc(&b, 'x');
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.len, 100);
	assert_int_equal(b.cap, 101);
	buf_addc(&b, 'y');
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_int_equal(b.len, 100);
	assert_int_equal(strlen(b.data), 100);
	buf_release(&b);
}

static void test_an_error_sticks_and_drops_what_follows_whole(void **state)
{
	struct buf b = BUF(4);

	(void)state;
	buf_adds(&b, "abc");
	buf_adds(&b, "de");
	buf_addc(&b, 'f');
	buf_addf(&b, "%d", 1);
	buf_add_json(&b, "x", 1);
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_buf(&b, "abc");
	buf_reset(&b);
	assert_int_equal(buf_error(&b), 0);
	buf_adds(&b, "abcd");
	assert_int_equal(buf_error(&b), 0);
	assert_buf(&b, "abcd");
	buf_release(&b);
}

static void test_a_format_that_does_not_fit_leaves_no_part(void **state)
{
	struct buf b = BUF(10);

	(void)state;
	buf_adds(&b, "12345");
	buf_addf(&b, "%s", "abcdef");
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_buf(&b, "12345");
	buf_reset(&b);
	buf_addf(&b, "%010d", 7);
	assert_int_equal(buf_error(&b), 0);
	assert_buf(&b, "0000000007");
	buf_release(&b);
}

static void test_formats_grow_the_buffer(void **state)
{
	struct buf b = BUF(100000);
	char expected[1000 + 1] = "";

	(void)state;
	memset(expected, 'z', 1000);
	for (size_t i = 0; i < 50; i++) {
		buf_addf(&b, "%s", expected);
		assert_int_equal(b.len, (i + 1) * 1000);
		assert_string_equal(b.data + i * 1000, expected);
	}
	assert_int_equal(buf_error(&b), 0);
	buf_release(&b);
}

static void test_huge_lengths_do_not_wrap(void **state)
{
	struct buf b = BUF(SIZE_MAX);

	(void)state;
	buf_adds(&b, "abc");
	buf_add(&b, "x", SIZE_MAX - 2);
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_buf(&b, "abc");
	buf_release(&b);
}

static void test_json_strings_are_escaped(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *json;
	} rows[] = {
		{ "", 0, "\"\"" },
		{ "plain", 5, "\"plain\"" },
		{ "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
		{ "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", 3, "\"\\u0001\\u001F\\u007F\"" },
		{ "\xc2\x9b\xc2\xa0\xc2", 5, "\"\\u009B\xc2\xa0\xc2\"" },
		{ "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf", 12,
			"\"\xe2\x80\xa7\\u2028\\u202E\xe2\x80\xaf\"" },
		{ "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", 12,
			"\"\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa\"" },
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "h\xc3\xa9 \xf0\x9f\x98\x80/", 9, "\"h\xc3\xa9 \xf0\x9f\x98\x80/\"" },
		{ "\"", 1, "\"\\\"\"" },
		{ "end\n", 4, "\"end\\n\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = BUF(100);

		buf_add_json(&b, rows[i].text, rows[i].len);
		assert_int_equal(buf_error(&b), 0);
		assert_buf(&b, rows[i].json);
		buf_release(&b);
	}
}

static void test_consume_and_cut(void **state)
{
	struct buf b = BUF(100);

	(void)state;
	buf_consume(&b, 5);
	buf_cut(&b, 0);
	buf_adds(&b, "0123456789");
	buf_consume(&b, 3);
	assert_buf(&b, "3456789");
	buf_cut(&b, 4);
	assert_buf(&b, "3456");
	buf_cut(&b, 40);
	assert_buf(&b, "3456");
	buf_consume(&b, 0);
	assert_buf(&b, "3456");
	buf_consume(&b, 40);
	assert_buf(&b, "");
	buf_adds(&b, "again");
	assert_buf(&b, "again");
	buf_release(&b);
}

static void test_a_failed_append_can_be_undone(void **state)
{
	struct buf b = BUF(10);

	(void)state;
	buf_adds(&b, "0123");
	buf_adds(&b, "4567");
	buf_adds(&b, "89x");
	assert_int_equal(buf_error(&b), -E2BIG);
	buf_undo(&b, 4);
	assert_int_equal(buf_error(&b), 0);
	buf_adds(&b, "456789");
	assert_buf(&b, "0123456789");
	buf_release(&b);
}

static void test_detach_hands_the_bytes_over_once(void **state)
{
	struct buf b = BUF(100);
	char *text;

	(void)state;
	assert_null(buf_detach(&b));
	buf_adds(&b, "mine");
	text = buf_detach(&b);
	assert_string_equal(text, "mine");
	assert_buf(&b, "");
	assert_null(buf_detach(&b));
	free(text);
	buf_adds(&b, "usable");
	assert_buf(&b, "usable");
	buf_release(&b);
}

static void test_detach_gives_nothing_after_an_error(void **state)
{
	struct buf b = BUF(3);

	(void)state;
	buf_adds(&b, "abc");
	buf_adds(&b, "d");
	assert_null(buf_detach(&b)); /* and has freed them: nothing to release */
	assert_int_equal(buf_error(&b), -E2BIG);
	assert_null(b.data);
}

static void test_release_keeps_what_the_buffer_is(void **state)
{
	struct buf b = BUF_SECRET(5);

	(void)state;
	buf_adds(&b, "123456");
	buf_release(&b);
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(b.max, 5);
	assert_true(b.wipe);
	buf_init(&b, 7);
	assert_int_equal(b.max, 7);
	assert_false(b.wipe);
}

static void test_secrets_survive_growth_and_leave_nothing_behind_the_text(void **state)
{
	struct buf b = BUF_SECRET(10000);
	char *text;
	size_t cap;

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 3000);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_cut(&b, 3);
	cap = b.cap;
	text = buf_detach(&b);
	assert_string_equal(text, "abc");
	for (size_t i = 3; i < cap; i++)
		assert_int_equal(text[i], 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends_bytes_strings_characters_and_formats),
		cmocka_unit_test(test_appends_numbers_in_decimal_and_bytes_in_hexadecimal),
		cmocka_unit_test(test_what_is_expected_is_allocated_once_and_asks_for_nothing),
		cmocka_unit_test(test_adding_nothing_is_fine),
		cmocka_unit_test(test_the_maximum_is_reached_but_never_passed),
		cmocka_unit_test(test_an_error_sticks_and_drops_what_follows_whole),
		cmocka_unit_test(test_a_format_that_does_not_fit_leaves_no_part),
		cmocka_unit_test(test_formats_grow_the_buffer),
		cmocka_unit_test(test_huge_lengths_do_not_wrap),
		cmocka_unit_test(test_json_strings_are_escaped),
		cmocka_unit_test(test_consume_and_cut),
		cmocka_unit_test(test_a_failed_append_can_be_undone),
		cmocka_unit_test(test_detach_hands_the_bytes_over_once),
		cmocka_unit_test(test_detach_gives_nothing_after_an_error),
		cmocka_unit_test(test_release_keeps_what_the_buffer_is),
		cmocka_unit_test(test_secrets_survive_growth_and_leave_nothing_behind_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
