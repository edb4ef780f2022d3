#include "top/cells.h"
#include "util/buf.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void is_shown(const char *text, unsigned width, bool utf8, const char *expected)
{
	struct buf out = BUF(10000);

	cells_add(&out, text, strlen(text), width, utf8);
	assert_string_equal(buf_str(&out), expected);
	buf_release(&out);
}

static void a_text_takes_its_columns_exactly(void **state)
{
	(void)state;
	is_shown("abc", 5, true, "abc  ");
	is_shown("abc", 3, true, "abc");
	is_shown("abcd", 3, true, "ab…");
	is_shown("abcd", 3, false, "ab~");
	is_shown("", 2, true, "  ");
	is_shown("abc", 0, true, "");
	is_shown("größe", 6, true, "größe ");
	is_shown("größe", 3, true, "gr…");
	is_shown("größe", 6, false, "gr??e ");
	/* Two columns each: where half of one would be left, a blank stands. */
	is_shown("漢字漢字", 8, true, "漢字漢字");
	is_shown("漢字漢字", 6, true, "漢字… ");
	is_shown("漢字漢字", 5, true, "漢字…");
}

static void nothing_acts_on_the_terminal(void **state)
{
	(void)state;
	is_shown("a\033[31mb", 8, true, "a?[31mb ");
	is_shown("a\nb\tc\x7f", 6, true, "a?b?c?");
	is_shown("\xc2\x9b"
		 "2J",
		4, true, "??2J");
	is_shown("\xff\xfe", 2, true, "??");
	is_shown("e\xcc\x81x", 3, true, "ex "); /* marks have no column */
	is_shown("a\xe2\x80\x8e"
		 "b",
		3, true, "ab "); /* nor has left-to-right */
}

static void so_many_marks_are_no_work(void **state)
{
	char marks[4001];
	struct buf out = BUF(10000);

	(void)state;
	for (size_t i = 0; i < 4000; i += 2)
		memcpy(marks + i, "\xcc\x81", 3);
	cells_add(&out, marks, 4000, 4, true);
	assert_string_equal(buf_str(&out), "…   ");
	buf_release(&out);
}

static void numbers_stay_short(void **state)
{
	char n[CELLS_NUMBER_SIZE];

	(void)state;
	assert_string_equal(cells_count(999999, n), "999999");
	assert_string_equal(cells_count(1230000, n), "1.23M");
	assert_string_equal(cells_count(4560000000, n), "4.56G");
	assert_string_equal(cells_rate(0.44, n), "0.4");
	assert_string_equal(cells_rate(1234.5, n), "1234");
	assert_string_equal(cells_bytes(1023, n), "1023");
	assert_string_equal(cells_bytes(16384, n), "16.0K");
	assert_string_equal(cells_bytes(INT64_MAX, n), "8.0E");
	assert_string_equal(cells_age(-5, n), "0s");
	assert_string_equal(cells_age(59999, n), "59s");
	assert_string_equal(cells_age(3599000, n), "59m");
	assert_string_equal(cells_age(47 * 3600 * 1000LL, n), "47h");
	assert_string_equal(cells_age(72 * 3600 * 1000LL, n), "3d");
}

static int utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_takes_its_columns_exactly),
		cmocka_unit_test(nothing_acts_on_the_terminal),
		cmocka_unit_test(so_many_marks_are_no_work),
		cmocka_unit_test(numbers_stay_short),
	};

	return cmocka_run_group_tests(tests, utf8, NULL);
}
