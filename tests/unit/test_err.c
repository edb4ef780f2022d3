#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_fills_all_and_returns_the_negative_code(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(&err, EINVAL, 7, "%s is no %s", "x", "y"), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_int_equal(err.column, 7);
	assert_string_equal(err.sentence, "x is no y");
	assert_int_equal(err_set(NULL, EPERM, 0, "nobody wants to know"), -EPERM);
}

static void test_a_sentence_may_quote_the_one_it_replaces(void **state)
{
	struct err err = { .sentence = "too long" };

	(void)state;
	(void)err_set(&err, E2BIG, 0, "header X: %s", err.sentence);
	assert_string_equal(err.sentence, "header X: too long");
}

static void test_a_long_sentence_is_cut_on_a_character(void **state)
{
	/* Two, three and four bytes, each so that the limit falls on every byte of it. */
	static const char *const characters[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t width = strlen(characters[i]);

		for (size_t first = 0; first <= width; first++) {
			char ascii[ERR_SENTENCE_MAX] = "";
			struct err err;

			memset(ascii, 'a', ERR_SENTENCE_MAX - 1 - first);
			(void)err_set(
				&err, EINVAL, 0, "%s%s%s", ascii, characters[i], characters[i]);
			assert_int_equal(strlen(err.sentence),
				ERR_SENTENCE_MAX - 1 - first + (first == width ? width : 0));
		}
	}
}

static void test_what_a_sentence_quotes_is_plain(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, EINVAL, 0, "no option -- '%s'", "\x8f\n\x1b[2J caf\xc3\xa9");
	assert_string_equal(err.sentence, "no option -- '???[2J caf\xc3\xa9'");
}

static void test_shift_moves_a_column_if_there_is_one(void **state)
{
	struct err err = { .column = 3 };

	(void)state;
	err_shift(&err, 4);
	assert_int_equal(err.column, 7);
	err.column = ERR_NO_COLUMN;
	err_shift(&err, 4);
	assert_true(err.column == ERR_NO_COLUMN);
	err_shift(NULL, 4);
}

static void test_what_is_quoted_can_be_taken_out(void **state)
{
	static const char *const rows[][2] = {
		{ "\"nonsense\" is no duration", "this is no duration" },
		{ "\"\" is no duration", "this is no duration" },
		{ "a header \"a\"b\" is none: there is one",
			"a header this is none: there is one" },
		{ "\"cut off somewhe", "this" },
		{ "there is a template", "there is a template" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err err;

		(void)err_set(&err, EINVAL, 0, "%s", rows[i][0]);
		err_unquote(&err);
		assert_string_equal(err.sentence, rows[i][1]);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(err_name(EINVAL), "EINVAL");
	assert_string_equal(err_name(ESHUTDOWN), "ESHUTDOWN");
	assert_string_equal(err_name(99999), "E?");
	assert_string_equal(err_name(-1), "E?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_all_and_returns_the_negative_code),
		cmocka_unit_test(test_a_sentence_may_quote_the_one_it_replaces),
		cmocka_unit_test(test_a_long_sentence_is_cut_on_a_character),
		cmocka_unit_test(test_what_a_sentence_quotes_is_plain),
		cmocka_unit_test(test_shift_moves_a_column_if_there_is_one),
		cmocka_unit_test(test_what_is_quoted_can_be_taken_out),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
