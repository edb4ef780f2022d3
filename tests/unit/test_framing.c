/* Lines come out whole, in order and within the limit, however the writes cut them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above it. */
#include "intake/framing.h"

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_HERE 8

/* Takes all that is complete in `data` and appends it to `got`, each line in brackets. Every piece
 * is a malloc of its own, so that a sanitizer sees a step over its end. */
static int take(struct framing *f, const char *data, size_t len, size_t *pos, struct buf *got)
{
	char *piece = malloc(len ? len : 1);
	const char *line;
	size_t line_len;
	int r;

	assert_non_null(piece);
	memcpy(piece, data, len);
	*pos = 0;
	while ((r = framing_next(f, piece, len, pos, &line, &line_len)) == 1) {
		buf_addc(got, '[');
		buf_add(got, line, line_len);
		buf_addc(got, ']');
	}
	free(piece);
	return r;
}

static void rest(const struct framing *f, struct buf *got)
{
	size_t len;
	const char *text = framing_rest(f, &len);

	assert_non_null(text);
	buf_add(got, text, len);
}

static const struct {
	const char *text, *lines;
} whole[] = {
	{ "", "" },
	{ "\n", "[]" },
	{ "\r\n", "[]" },
	{ "a\n", "[a]" },
	{ "a\nb\n", "[a][b]" },
	{ "a\r\nb\n", "[a][b]" },
	{ "a\r\r\n", "[a\r]" },
	{ "a\rb\n", "[a\rb]" },
	{ "\n\n\r\na", "[][][]a" },
	{ "a", "a" },
	{ "a\r", "a\r" },
	{ "a\nbc", "[a]bc" },
	{ "12345678\n1\n", "[12345678][1]" },
	{ "12345678\r\n1\n", "[12345678][1]" },
	{ "1\n12345678", "[1]12345678" },
};

static void lines_do_not_depend_on_how_they_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		size_t len = strlen(whole[i].text);

		for (size_t step = 1; step <= len + 1; step++) {
			struct buf got = BUF(100);
			struct framing f;

			framing_init(&f, LINE_MAX_HERE);
			for (size_t at = 0; at < len; at += step) {
				size_t n = len - at < step ? len - at : step, pos;

				assert_int_equal(take(&f, whole[i].text + at, n, &pos, &got), 0);
				assert_int_equal(pos, n);
			}
			rest(&f, &got);
			assert_string_equal(buf_str(&got), whole[i].lines);
			framing_release(&f);
			buf_release(&got);
		}
	}
}

static void a_whole_line_is_not_copied(void **state)
{
	const char data[] = "one\ntwo\n", *line;
	struct framing f;
	size_t pos = 0, len;

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(framing_next(&f, data, sizeof(data) - 1, &pos, &line, &len), 1);
	assert_ptr_equal(line, data);
	assert_int_equal(pos, 4);
	assert_int_equal(framing_next(&f, data, sizeof(data) - 1, &pos, &line, &len), 1);
	assert_ptr_equal(line, data + 4);
	assert_null(f.partial.data);
	framing_release(&f);
}

static void nul_bytes_are_bytes(void **state)
{
	struct buf got = BUF(100);
	struct framing f;
	size_t pos;

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(take(&f, "a\0", 2, &pos, &got), 0);
	assert_int_equal(take(&f, "\0b\n", 3, &pos, &got), 0);
	assert_int_equal(got.len, 6);
	assert_memory_equal(got.data, "[a\0\0b]", 6);
	framing_release(&f);
	buf_release(&got);
}

static void no_data_is_no_line(void **state)
{
	struct framing f;
	size_t pos = 0, len = 77;
	const char *line = "untouched";

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(framing_next(&f, NULL, 0, &pos, &line, &len), 0);
	assert_string_equal(line, "untouched");
	assert_int_equal(len, 77);
	assert_string_equal(framing_rest(&f, &len), "");
	assert_int_equal(len, 0);
	framing_release(&f);
}

/* `first` is taken, `second` is refused where its line begins, behind `lines`. */
static const struct {
	const char *first, *second, *lines;
	size_t pos;
} too_long[] = {
	{ "", "123456789\n", "", 0 },
	{ "", "123456789", "", 0 },
	{ "", "123456789\r\n", "", 0 },
	{ "", "12345678\rx", "", 0 },
	{ "", "1\n123456789\n2\n", "[1]", 2 },
	{ "", "1\n123456789", "[1]", 2 },
	{ "1234", "56789\n", "", 0 },
	{ "1234", "56789", "", 0 },
	{ "12345678", "9", "", 0 },
	{ "12345678\r", "9", "", 0 },
	{ "12345678\r", "\r\n", "", 0 },
	{ "1234", "5678\n123456789\n", "[12345678]", 5 },
};

static void a_line_that_is_too_long_is_refused_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(too_long) / sizeof(*too_long); i++) {
		const char *second = too_long[i].second;
		struct buf got = BUF(100);
		struct framing f;
		size_t pos;

		framing_init(&f, LINE_MAX_HERE);
		assert_int_equal(
			take(&f, too_long[i].first, strlen(too_long[i].first), &pos, &got), 0);
		assert_int_equal(take(&f, second, strlen(second), &pos, &got), -E2BIG);
		assert_int_equal(pos, too_long[i].pos);
		rest(&f, &got); /* nothing: the begun line is gone */
		assert_string_equal(buf_str(&got), too_long[i].lines);

		buf_reset(&got);
		assert_int_equal(take(&f, "next\n", 5, &pos, &got), 0);
		assert_string_equal(buf_str(&got), "[next]");
		framing_release(&f);
		buf_release(&got);
	}
}

static void a_skipped_line_ends_at_its_newline(void **state)
{
	struct buf got = BUF(100);
	struct framing f;
	size_t pos;

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(take(&f, "1234", 4, &pos, &got), 0);
	assert_int_equal(take(&f, "56789", 5, &pos, &got), -E2BIG);
	framing_skip(&f);
	assert_int_equal(take(&f, "56789", 5, &pos, &got), 0);
	assert_int_equal(pos, 5);
	assert_int_equal(take(&f, "more than the limit again", 25, &pos, &got), 0);
	rest(&f, &got);
	assert_string_equal(buf_str(&got), "");
	assert_int_equal(take(&f, "end\na\nb", 7, &pos, &got), 0);
	rest(&f, &got);
	assert_string_equal(buf_str(&got), "[a]b");
	framing_release(&f);

	buf_reset(&got);
	framing_init(&f, LINE_MAX_HERE);
	framing_skip(&f);
	assert_int_equal(take(&f, "end\n", 4, &pos, &got), 0);
	assert_int_equal(take(&f, "a\n", 2, &pos, &got), 0);
	assert_string_equal(buf_str(&got), "[a]");
	framing_release(&f);
	buf_release(&got);
}

static void drop_forgets_what_was_begun(void **state)
{
	struct buf got = BUF(100);
	struct framing f;
	size_t pos;

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(take(&f, "begun", 5, &pos, &got), 0);
	framing_drop(&f);
	assert_int_equal(take(&f, "a\n", 2, &pos, &got), 0);
	framing_skip(&f);
	framing_drop(&f);
	assert_int_equal(take(&f, "b\n", 2, &pos, &got), 0);
	assert_string_equal(buf_str(&got), "[a][b]");
	framing_release(&f);
	buf_release(&got);
}

static void a_begun_line_is_no_rest_once_it_was_given(void **state)
{
	const char *line;
	struct framing f;
	size_t pos = 0, len;

	(void)state;
	framing_init(&f, LINE_MAX_HERE);
	assert_int_equal(framing_next(&f, "be", 2, &pos, &line, &len), 0);
	assert_string_equal(framing_rest(&f, &len), "be");
	assert_int_equal(len, 2);
	pos = 0;
	assert_int_equal(framing_next(&f, "gun\n", 4, &pos, &line, &len), 1);
	assert_memory_equal(line, "begun", len);
	(void)framing_rest(&f, &len);
	assert_int_equal(len, 0);
	assert_int_equal(framing_next(&f, "gun\n", 4, &pos, &line, &len), 0);
	assert_null(f.partial.data); /* an idle writer holds no memory */
	framing_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_do_not_depend_on_how_they_are_cut),
		cmocka_unit_test(a_whole_line_is_not_copied),
		cmocka_unit_test(nul_bytes_are_bytes),
		cmocka_unit_test(no_data_is_no_line),
		cmocka_unit_test(a_line_that_is_too_long_is_refused_at_once),
		cmocka_unit_test(a_skipped_line_ends_at_its_newline),
		cmocka_unit_test(drop_forgets_what_was_begun),
		cmocka_unit_test(a_begun_line_is_no_rest_once_it_was_given),
	};

	return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
