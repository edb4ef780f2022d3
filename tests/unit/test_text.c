#include "util/text.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define UNTOUCHED 4711

/* A copy without a NUL behind it, so that the sanitizer sees a parser that reads too far. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

struct row {
	const char *text;
	int code;      /* 0: parses, to … */
	int64_t value; /* … this */
	size_t column; /* else the mistake is here */
};

typedef int parse_fn(const char *text, size_t len, struct err *err, int64_t *out);

static void check_rows(parse_fn *parse, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(rows[i].text);
		char *text = exact(rows[i].text, len);
		struct err err = { .code = 0 };
		int64_t value = UNTOUCHED;
		int rc = parse(text, len, &err, &value);

		if (rc != -rows[i].code || value != (rc ? UNTOUCHED : rows[i].value) ||
			err.code != rows[i].code || err.column != (rc ? rows[i].column : 0))
			fail_msg("\"%s\": %d, value %lld, column %zu: %s", rows[i].text, rc,
				(long long)value, err.column, err.sentence);
		assert_int_equal(parse(text, len, NULL, &value), rc);
		free(text);
	}
}

#define CHECK_ROWS(parse, rows) check_rows(parse, rows, sizeof(rows) / sizeof((rows)[0]))

/* The parsers of unsigned values, seen through one type. */
#define AS_PARSE_FN(name, parse)                                                     \
	static int name(const char *text, size_t len, struct err *err, int64_t *out) \
	{                                                                            \
		uint64_t value = UNTOUCHED;                                          \
		int rc = parse(text, len, err, &value);                              \
                                                                                     \
		*out = (int64_t)value;                                               \
		return rc;                                                           \
	}
AS_PARSE_FN(parse_uint, text_parse_uint)
AS_PARSE_FN(parse_duration, text_parse_duration)
AS_PARSE_FN(parse_size, text_parse_size)

static void test_uint(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0, 0 },
		{ "007", 0, 7, 0 },
		{ "18446744073709551615", 0, (int64_t)UINT64_MAX, 0 },
		{ "18446744073709551616", ERANGE, 0, 0 },
		{ "184467440737095516160", ERANGE, 0, 0 }, /* wraps, and then fits again */
		{ "", EINVAL, 0, 0 },
		{ "-1", EINVAL, 0, 0 },
		{ "+1", EINVAL, 0, 0 },
		{ " 1", EINVAL, 0, 0 },
		{ "12x", EINVAL, 0, 2 },
		{ "0x10", EINVAL, 0, 1 },
		{ "1.5", EINVAL, 0, 1 },
		{ "99999999999999999999999x", EINVAL, 0, 23 },
	};

	(void)state;
	CHECK_ROWS(parse_uint, rows);
}

static void test_bool(void **state)
{
	static const char *const yes[] = { "1", "true", "yes", "on", "TRUE", "Yes" };
	static const char *const no[] = { "0", "false", "no", "off", "OFF" };
	static const char *const bad[] = { "", "2", "10", "y", "tru", "truee", "on ", "paused" };
	struct err err;
	bool value;

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		value = false;
		assert_int_equal(text_parse_bool(yes[i], strlen(yes[i]), NULL, &value), 0);
		assert_true(value);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		value = true;
		assert_int_equal(text_parse_bool(no[i], strlen(no[i]), NULL, &value), 0);
		assert_false(value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value = true;
		assert_int_equal(text_parse_bool(bad[i], strlen(bad[i]), &err, &value), -EINVAL);
		assert_true(value);
	}
	(void)text_parse_bool("maybe", 5, &err, &value);
	assert_string_equal(err.sentence,
		"\"maybe\" is neither yes nor no: write 0, 1, true, false, yes, no, on or off");
}

static void test_durations(void **state)
{
	static const struct row rows[] = {
		{ "100ms", 0, 100, 0 },
		{ "10s", 0, 10000, 0 },
		{ "10", 0, 10000, 0 },
		{ "5m", 0, 300000, 0 },
		{ "2h", 0, 7200000, 0 },
		{ "7d", 0, 604800000, 0 },
		{ "0", 0, 0, 0 },
		{ "1.5s", 0, 1500, 0 },
		{ "1.5", 0, 1500, 0 },
		{ "0.001", 0, 1, 0 },
		{ "0.5d", 0, 43200000, 0 },
		{ "1.0ms", 0, 1, 0 },
		{ "1.50000000000000000000s", 0, 1500, 0 },
		{ "0.000000125d", EINVAL, 0, 0 },
		{ "3650d", 0, (int64_t)TEXT_DURATION_MAX, 0 },
		{ "3650.000000001d", EINVAL, 0, 0 },
		{ "3650.5d", ERANGE, 0, 0 },
		{ "3651d", ERANGE, 0, 0 },
		{ "315360000.001", ERANGE, 0, 0 },
		{ "18446744073709551615d", ERANGE, 0, 0 },
		{ "18446744073709551616ms", ERANGE, 0, 0 },
		{ "1.5ms", EINVAL, 0, 0 },
		{ "0.0001s", EINVAL, 0, 0 },
		{ "0.0000000000001d", EINVAL, 0, 0 },
		{ "", EINVAL, 0, 0 },
		{ "s", EINVAL, 0, 0 },
		{ ".5s", EINVAL, 0, 0 },
		{ "1.", EINVAL, 0, 1 },
		{ "1.s", EINVAL, 0, 1 },
		{ "1.2.3", EINVAL, 0, 3 },
		{ "10x", EINVAL, 0, 2 },
		{ "10S", EINVAL, 0, 2 },
		{ "10 s", EINVAL, 0, 2 },
		{ "10s ", EINVAL, 0, 2 },
		{ "1h30m", EINVAL, 0, 1 },
		{ "-1s", EINVAL, 0, 0 },
	};
	struct err err;
	uint64_t ms;

	(void)state;
	CHECK_ROWS(parse_duration, rows);
	(void)text_parse_duration("10x", 3, &err, &ms);
	assert_string_equal(err.sentence,
		"\"10x\" is no duration: write 100ms, 10s, 5m, 2h, 7d or a "
		"bare number of seconds");
	(void)text_parse_duration("4000d", 5, &err, &ms);
	assert_string_equal(err.sentence, "\"4000d\" is too long a time: at most 3650d");
	assert_int_equal(text_parse_duration("1s\0", 3, &err, &ms), -EINVAL);
}

static void test_sizes(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0, 0 },
		{ "16384", 0, 16384, 0 },
		{ "16K", 0, 16384, 0 },
		{ "16k", 0, 16384, 0 },
		{ "1M", 0, 1048576, 0 },
		{ "2G", 0, 2147483648, 0 },
		{ "1T", 0, 1099511627776, 0 },
		{ "16777215T", 0, (int64_t)(UINT64_C(16777215) << 40), 0 },
		{ "16777216T", ERANGE, 0, 0 },
		{ "18446744073709551616", ERANGE, 0, 0 },
		{ "", EINVAL, 0, 0 },
		{ "K", EINVAL, 0, 0 },
		{ "16KB", EINVAL, 0, 2 },
		{ "16KiB", EINVAL, 0, 2 },
		{ "1.5G", EINVAL, 0, 1 },
		{ "16 K", EINVAL, 0, 2 },
		{ "16P", EINVAL, 0, 2 },
	};

	(void)state;
	CHECK_ROWS(parse_size, rows);
}

static void test_durations_and_sizes_show_the_largest_unit_that_divides(void **state)
{
	static const struct {
		void (*add)(struct buf *b, uint64_t value);
		parse_fn *parse;
		uint64_t value;
		const char *shown;
	} rows[] = {
		{ text_add_duration, parse_duration, 0, "0s" },
		{ text_add_duration, parse_duration, 1, "1ms" },
		{ text_add_duration, parse_duration, 1500, "1500ms" },
		{ text_add_duration, parse_duration, 10000, "10s" },
		{ text_add_duration, parse_duration, 90000, "90s" },
		{ text_add_duration, parse_duration, 300000, "5m" },
		{ text_add_duration, parse_duration, 7200000, "2h" },
		{ text_add_duration, parse_duration, 86400000, "1d" },
		{ text_add_size, parse_size, 0, "0" },
		{ text_add_size, parse_size, 1000, "1000" },
		{ text_add_size, parse_size, 16384, "16K" },
		{ text_add_size, parse_size, 1536, "1536" },
		{ text_add_size, parse_size, 1048576, "1M" },
		{ text_add_size, parse_size, UINT64_C(3) << 40, "3T" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = BUF(100);
		int64_t back = 0;

		rows[i].add(&b, rows[i].value);
		assert_string_equal(buf_str(&b), rows[i].shown);
		assert_int_equal(rows[i].parse(buf_str(&b), b.len, NULL, &back), 0);
		assert_int_equal(back, rows[i].value);
		buf_release(&b);
	}
}

static void test_times_parse(void **state)
{
	static const struct row rows[] = {
		{ "1970-01-01T00:00:00Z", 0, 0, 0 },
		{ "2026-11-23T10:24:00Z", 0, 1795429440000, 0 },
		{ "2026-11-23t10:24:00z", 0, 1795429440000, 0 },
		{ "2026-11-23 10:24:00Z", 0, 1795429440000, 0 },
		{ "2026-11-23T10:24:00.123Z", 0, 1795429440123, 0 },
		{ "2026-11-23T10:24:00.1Z", 0, 1795429440100, 0 },
		{ "2026-11-23T10:24:00.123999999999999Z", 0, 1795429440123, 0 },
		{ "2026-11-23T11:24:00+01:00", 0, 1795429440000, 0 },
		{ "2026-11-23T04:54:00-05:30", 0, 1795429440000, 0 },
		{ "2024-02-29T00:00:00Z", 0, 1709164800000, 0 },
		{ "2000-02-29T00:00:00Z", 0, 951782400000, 0 },
		{ "2016-12-31T23:59:60Z", 0, 1483228800000, 0 },
		{ "1969-12-31T23:59:59.999Z", 0, -1, 0 },
		{ "0000-01-01T00:00:00Z", 0, -62167219200000, 0 },
		{ "9999-12-31T23:59:59Z", 0, 253402300799000, 0 },
		{ "", EINVAL, 0, 0 },
		{ "yesterday", EINVAL, 0, 0 },
		{ "2026", EINVAL, 0, 4 },
		{ "26-11-23T10:24:00Z", EINVAL, 0, 2 },
		{ "2026-13-23T10:24:00Z", EINVAL, 0, 5 },
		{ "2026-00-23T10:24:00Z", EINVAL, 0, 5 },
		{ "2026-11-31T10:24:00Z", EINVAL, 0, 8 },
		{ "2023-02-29T10:24:00Z", EINVAL, 0, 8 },
		{ "1900-02-29T10:24:00Z", EINVAL, 0, 8 },
		{ "2026-11-23", EINVAL, 0, 10 },
		{ "2026-11-23T24:00:00Z", EINVAL, 0, 11 },
		{ "2026-11-23T10:60:00Z", EINVAL, 0, 14 },
		{ "2026-11-23T10:24Z", EINVAL, 0, 16 },
		{ "2026-11-23T10:24:61Z", EINVAL, 0, 17 },
		{ "2026-11-23T10:24:00", EINVAL, 0, 19 },
		{ "2026-11-23T10:24:00.Z", EINVAL, 0, 20 },
		{ "2026-11-23T10:24:00+0100", EINVAL, 0, 22 },
		{ "2026-11-23T10:24:00+24:00", EINVAL, 0, 20 },
		{ "2026-11-23T10:24:00Zulu", EINVAL, 0, 20 },
	};

	(void)state;
	CHECK_ROWS(text_parse_time, rows);
	assert_int_equal(
		text_parse_time("2026-11-23T10:24:00\0", 20, NULL, &(int64_t){ 0 }), -EINVAL);
}

static void test_times_show_and_parse_back(void **state)
{
	static const struct {
		int64_t ms;
		const char *shown;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1795429440123, "2026-11-23T10:24:00.123Z" },
		{ 7, "1970-01-01T00:00:00.007Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -1000, "1969-12-31T23:59:59.000Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = BUF(100);
		int64_t back = UNTOUCHED;

		text_add_time(&b, rows[i].ms);
		assert_string_equal(buf_str(&b), rows[i].shown);
		assert_int_equal(text_parse_time(buf_str(&b), b.len, NULL, &back), 0);
		assert_int_equal(back, rows[i].ms);
		buf_release(&b);
	}
}

/* Against the C library, through leap years, centuries and both ends. */
static void test_every_day_has_its_date(void **state)
{
	(void)state;
	for (int64_t day = -800000; day < 3000000; day += 17) {
		int64_t ms = day * 86400000 + (day & 0xffff) * 1317 + 3;
		time_t seconds = ms / 1000 - (ms % 1000 < 0);
		char expected[64], date[32];
		struct buf b = BUF(100);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(date, sizeof(date), "%m-%dT%H:%M:%S", &tm);
		snprintf(expected, sizeof(expected), "%04d-%s.%03dZ", tm.tm_year + 1900, date,
			(int)(ms - seconds * 1000));
		text_add_time(&b, ms);
		assert_string_equal(buf_str(&b), expected);
		buf_release(&b);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct buf b = BUF(100);

		text_add_time(&b, i ? INT64_MAX : INT64_MIN);
		assert_string_equal(buf_str(&b),
			i ? "292278994-08-17T07:12:55.807Z" : "-292275055-05-16T16:47:04.192Z");
		buf_release(&b);
	}
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t good;
	} rows[] = {
		{ "", 0 },
		{ "plain", 5 },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9 },
		{ "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 18 },
		{ "\xed\x9f\xbf\xee\x80\x80", 6 }, /* around the surrogates */
		{ "a\x80", 1 },
		{ "ab\xc3", 2 },
		{ "\xc3(", 0 },
		{ "\xc0\xaf", 0 },         /* overlong */
		{ "\xc1\xbf", 0 },         /* overlong */
		{ "\xe0\x9f\xbf", 0 },     /* overlong */
		{ "\xf0\x8f\xbf\xbf", 0 }, /* overlong */
		{ "\xed\xa0\x80", 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
		{ "x\xe2\x82", 1 },
		{ "x\xe2\x82z", 1 },
		{ "x\xf0\x9f\x98", 1 },
		{ "x\xf0\x9f\x98z", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *text = exact(rows[i].text, len);

		if (text_utf8_check(text, len) != rows[i].good)
			fail_msg("row %zu: %zu", i, text_utf8_check(text, len));
		free(text);
	}
	assert_int_equal(text_utf8_check("a\0b", 3), 3);
}

static void test_tokens(void **state)
{
	(void)state;
	assert_true(text_is_token("X-Api_Key.1", 11));
	assert_true(text_is_token("!#$%&'*+-.^_`|~", 15));
	assert_false(text_is_token("", 0));
	assert_false(text_is_token("a b", 3));
	assert_false(text_is_token("a:", 2));
	assert_false(text_is_token("a\0", 2));
	assert_false(text_is_token("h\xc3\xa9", 3));
	assert_false(text_is_token("(a)", 3));
}

static void test_quotes_are_bounded_and_printable(void **state)
{
	static const char long_text[] = "123456789 123456789 123456789 123456789 123456789 12345678"
					"\xe2\x82\xac and more";
	char out[TEXT_QUOTE_SIZE];

	(void)state;
	assert_string_equal(text_quote("abc", 3, out), "abc");
	assert_string_equal(text_quote("", 0, out), "");
	assert_string_equal(text_quote("a\nb\0c\x7f", 6, out), "a?b?c?");
	assert_string_equal(text_quote("\xc3\xa9\xff\xc3z", 5, out), "\xc3\xa9??z");
	assert_string_equal(text_quote(long_text, strlen(long_text), out),
		"123456789 123456789 123456789 123456789 123456789 12345678...");
	assert_string_equal(text_quote(long_text + 1, strlen(long_text) - 1, out),
		"23456789 123456789 123456789 123456789 123456789 12345678\xe2\x82\xac...");
	assert_string_equal(text_quote(long_text, 60, out) + 58, "??"); /* half a character */
}

static void test_words_of_strangers_are_escaped(void **state)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{ "", "" },
		{ "hooks/a-b_c.\"'", "hooks/a-b_c.\"'" },
		{ "a b\tc", "a\\x20b\\x09c" },
		{ "\n\r\x1b[2J\x7f", "\\x0a\\x0d\\x1b[2J\\x7f" },
		{ "\\x0a", "\\x5cx0a" },
		{ "\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac" },
		{ "\xc3", "\\xc3" },
		{ "\xff\xc0\xaf", "\\xff\\xc0\\xaf" },
		{ "\xc2\x9b"
		  "1m",
			"\\xc2\\x9b"
			"1m" }, /* a terminal's CSI */
		{ "\xc2\xa0", "\xc2\xa0" },
		{ "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6",
			"\\xe2\\x80\\xa8\\xe2\\x80\\xae\\xe2\\x81\\xa6" },
		{ "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa", "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = BUF(100);

		text_add_word(&b, rows[i].text, strlen(rows[i].text));
		assert_string_equal(buf_str(&b), rows[i].word);
		buf_release(&b);
	}
}

static void test_plain_text_commands_no_terminal(void **state)
{
	char text[] = "a\n\x1b\x7f\xff\xc2\x9b\xc3\xa9 \xe2\x82";

	(void)state;
	text_plain(text, strlen(text));
	assert_string_equal(text, "a??????\xc3\xa9 ??");
}

static void test_cuts_go_round_characters(void **state)
{
	static const char text[] = "a\xf0\x9f\x98\x80z";

	(void)state;
	assert_int_equal(text_cut(text, 6, 10), 6);
	assert_int_equal(text_cut(text, 6, 6), 6);
	assert_int_equal(text_cut(text, 6, 5), 5);
	for (size_t max = 1; max <= 4; max++)
		assert_int_equal(text_cut(text, 6, max), 1);
	assert_int_equal(text_cut(text, 6, 0), 0);
	assert_int_equal(text_cut("\x80\x80\x80", 3, 2), 0);
}

static void test_words(void **state)
{
	static const struct {
		const char *line;
		const char *words; /* each followed by a '|' */
	} rows[] = {
		{ "", "" },
		{ " \t ", "" },
		{ "one", "one|" },
		{ "  one\ttwo  three ", "one|two|three|" },
		{ "result='{\"a\": 1}' x", "result={\"a\": 1}|x|" },
		{ "error=\"out of \\\"memory\\\"\"", "error=out of \"memory\"|" },
		{ "a\\ b \\'c \\\\", "a b|'c|\\|" },
		{ "'it'\\''s' fine", "it's|fine|" },
		{ "'' \"\" x''y", "||xy|" },
		{ "'\\' \"'\" '\"'", "\\|'|\"|" },
		{ "h\xc3\xa9 \\\xc3\xa9", "h\xc3\xa9|\xc3\xa9|" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].line), pos = 0;
		char *line = exact(rows[i].line, len);
		struct buf b = BUF(100);

		while (text_next_word(line, len, &pos, &b, NULL) == 1)
			buf_addc(&b, '|');
		assert_string_equal(buf_str(&b), rows[i].words);
		assert_int_equal(pos, len);
		buf_release(&b);
		free(line);
	}
}

static void test_words_keep_a_nul(void **state)
{
	struct buf b = BUF(100);
	size_t pos = 0;

	(void)state;
	assert_int_equal(text_next_word("a\0b", 3, &pos, &b, NULL), 1);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 3);
	buf_release(&b);
}

static void test_open_quotes_are_refused_where_they_open(void **state)
{
	static const struct {
		const char *line;
		size_t column;
	} rows[] = {
		{ "a 'b c", 2 },
		{ "a b\"c d", 3 },
		{ "a 'x' \"y'z", 6 },
		{ "a \"b\\\"", 2 },
		{ "a b\\", 3 },
		{ "a \"b\\", 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].line), pos = 0, before;
		char *line = exact(rows[i].line, len);
		struct buf b = BUF(100);
		struct err err;
		int rc;

		do {
			buf_reset(&b);
			buf_adds(&b, "kept");
			before = pos;
			rc = text_next_word(line, len, &pos, &b, &err);
		} while (rc == 1);
		assert_int_equal(rc, -EINVAL);
		assert_int_equal(err.column, rows[i].column);
		assert_int_equal(pos, before);
		assert_string_equal(buf_str(&b), "kept");
		buf_release(&b);
		free(line);
	}
}

static void test_trim(void **state)
{
	static const struct {
		const char *text;
		size_t start, len;
	} rows[] = {
		{ "", 0, 0 },
		{ "x", 0, 1 },
		{ " \tx y\t ", 2, 3 },
		{ "   ", 3, 0 },
		{ "x\n ", 0, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *start = rows[i].text;

		assert_int_equal(text_trim(&start, strlen(rows[i].text)), rows[i].len);
		assert_int_equal(start - rows[i].text, rows[i].start);
	}
}

static void test_bytes_that_a_json_string_holds_as_they_are(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

		for (size_t at = 0; at < 20; at++) {
			char text[20];

			memset(text, '~', sizeof(text));
			text[at] = (char)c;
			assert_int_equal(text_json_run(text, sizeof(text)), plain ? 20 : at);
			assert_int_equal(text_utf8_check(text, sizeof(text)), c < 0x80 ? 20 : at);
		}
	}
	assert_int_equal(text_json_run("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uint),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations_and_sizes_show_the_largest_unit_that_divides),
		cmocka_unit_test(test_times_parse),
		cmocka_unit_test(test_times_show_and_parse_back),
		cmocka_unit_test(test_every_day_has_its_date),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_bytes_that_a_json_string_holds_as_they_are),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_quotes_are_bounded_and_printable),
		cmocka_unit_test(test_words_of_strangers_are_escaped),
		cmocka_unit_test(test_plain_text_commands_no_terminal),
		cmocka_unit_test(test_cuts_go_round_characters),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_keep_a_nul),
		cmocka_unit_test(test_open_quotes_are_refused_where_they_open),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
