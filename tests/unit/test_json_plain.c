#include "model/json_plain.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_DECODE_ANY)

static bool plain(const char *text)
{
	return json_plain((struct span){ text, strlen(text) });
}

static bool taken_by_jansson(const char *text)
{
	json_t *root = json_loads(text, FLAGS, NULL);

	json_decref(root);
	return root;
}

static void test_what_programs_write_is_plain(void **state)
{
	static const char *const texts[] = {
		"{}",
		" [ ] ",
		"\t{\"a\" : [ 1 , {\"b\":null}, [], true, false ] ,\r\n \"c\":\"\"}\n",
		"{\"a\":1,\"ab\":2,\"b\":{\"a\":3},\"\":4}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uD7FF\\uE000\\uffff\"",
		"\"\x7f cl\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80\"",
		"[0,-0,7,-12,0.5,1.25e3,1E+9,2e-99,99e99,0e0]",
		"12345678901234567890123456789012345678e9",
		"[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!plain(texts[i]))
			fail_msg("%s", texts[i]);
		assert_true(taken_by_jansson(texts[i]));
	}
}

static void test_what_is_left_to_jansson(void **state)
{
	static const char *const texts[] = {
		"\"\\ud83d\\ude00\"",
		"{\"\\u0061\":1}",
		"1e100",
		"1e-100",
		"1e001",
		"123456789012345678901234567890123456789e1",
		"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
	};
	char many[1024] = "{";

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (plain(texts[i]))
			fail_msg("%s", texts[i]);
		assert_true(taken_by_jansson(texts[i]));
	}
	for (int i = 0; i < 33; i++) {
		char *end = many + strlen(many);

		snprintf(end, sizeof(many) - (size_t)(end - many), "\"k%d\":%d}", i, i);
		assert_int_equal(plain(many), i < 32);
		assert_true(taken_by_jansson(many));
		many[strlen(many) - 1] = ',';
	}
}

static void test_what_is_no_json_is_not_plain(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[",
		"\"",
		"\"a",
		"\"a\\",
		"\"a\\\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u12g4\"",
		"\"\\u123",
		"\"\\ud83d\"",
		"\"\\ude00\"",
		"\"a\nb\"",
		"\"a\tb\"",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{1:1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"a\":2}",
		"[{\"b\":{\"a\":1,\"c\":2,\"a\":3}}]",
		"[1,]",
		"[,1]",
		"[1 2]",
		"[1}",
		"{\"a\":1]",
		"01",
		"-",
		"+1",
		".5",
		"1.",
		"1.e5",
		"1e",
		"1e+",
		"0x10",
		"1e999",
		"NaN",
		"Infinity",
		"tru",
		"truex",
		"True",
		"nullnull",
		"null null",
		"{} {}",
		"{}]",
		"'a'",
		"\v1",
		"/**/1",
		"\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (plain(texts[i]))
			fail_msg("%s", texts[i]);
		assert_false(taken_by_jansson(texts[i]));
	}
	assert_false(json_plain((struct span){ "\"a\0b\"", 5 }));
	assert_false(json_plain((struct span){ "1\0", 2 }));
}

/* Nothing is read behind the end: a sanitizer sees it. */
static void test_every_part_of_a_text_ends_where_it_ends(void **state)
{
	static const char text[] = "{\"a\":[1.5e-3,\"\\u00e9\\n\",true,false,null,{}],\"b\":-0}";

	(void)state;
	for (size_t len = 0; len <= strlen(text); len++) {
		char *part = malloc(len ? len : 1);

		memcpy(part, text, len);
		assert_int_equal(json_plain((struct span){ part, len }), len == strlen(text));
		free(part);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_programs_write_is_plain),
		cmocka_unit_test(test_what_is_left_to_jansson),
		cmocka_unit_test(test_what_is_no_json_is_not_plain),
		cmocka_unit_test(test_every_part_of_a_text_ends_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
