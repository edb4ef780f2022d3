#include "util/setting.h"

#include "util/buf.h"
#include "util/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct thing {
	bool on;
	uint64_t count, wait_ms, room, optional;
	char *text, *greeting, *list;
	char letter; /* of the custom row */
};

static int letter_parse(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	struct thing *t = obj;

	if (len != 1)
		return err_set(err, EINVAL, 1, "%s is one letter", s->name);
	t->letter = *text;
	return 0;
}

static void letter_show(const struct setting *s, const void *obj, struct buf *out)
{
	const struct thing *t = obj;

	(void)s;
	buf_addc(out, t->letter);
}

static void letter_reset(const struct setting *s, void *obj)
{
	struct thing *t = obj;

	t->letter = *s->def;
}

static int greeting_judge(
	const struct setting *s, void *obj, const char *text, size_t len, struct err *err)
{
	(void)obj;
	if (memchr(text, '!', len))
		return err_set(err, EPERM, 0, "%s does not shout", s->name);
	return 0;
}

#define AT(field) offsetof(struct thing, field)

static const struct setting table[] = {
	{ .name = "on", .type = SETTING_BOOL, .offset = AT(on), .def = "1", .example = "off" },
	{ .name = "count",
		.type = SETTING_UINT,
		.offset = AT(count),
		.min = 1,
		.max = 64,
		.def = "7",
		.example = "12" },
	{ .name = "wait",
		.type = SETTING_DURATION,
		.offset = AT(wait_ms),
		.min = 1000,
		.max = 30000,
		.def = "10s",
		.example = "1.5s" },
	{ .name = "room",
		.type = SETTING_SIZE,
		.offset = AT(room),
		.min = 1024,
		.max = UINT64_MAX,
		.def = "1M",
		.example = "16K" },
	{ .name = "optional",
		.type = SETTING_UINT,
		.offset = AT(optional),
		.min = 1,
		.max = 10,
		.def = "",
		.example = "3" },
	{ .name = "text",
		.type = SETTING_TEXT,
		.offset = AT(text),
		.max = 10,
		.def = "",
		.example = "a b" },
	{ .name = "greeting",
		.type = SETTING_TEXT,
		.offset = AT(greeting),
		.min = 2,
		.max = 10,
		.def = "hello",
		.example = "hi",
		.parse = greeting_judge },
	{ .name = "list",
		.type = SETTING_TEXT,
		.offset = AT(list),
		.max = 20,
		.lines = true,
		.def = "",
		.example = "a\nb" },
	{ .name = "letter",
		.type = SETTING_CUSTOM,
		.def = "a",
		.example = "z",
		.parse = letter_parse,
		.show = letter_show,
		.reset = letter_reset },
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

static const struct setting *row(const char *name)
{
	const struct setting *s = setting_find(table, TABLE_COUNT, name);

	assert_non_null(s);
	return s;
}

static int store(struct thing *t, const char *name, const char *text, struct err *err)
{
	return setting_store(row(name), t, text, strlen(text), err);
}

static void assert_shows(const struct thing *t, const char *name, const char *expected)
{
	struct buf b = BUF(1000);

	setting_show(row(name), t, &b);
	assert_string_equal(buf_str(&b), expected);
	buf_release(&b);
}

static int setup(void **state)
{
	struct thing *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	for (size_t i = 0; i < TABLE_COUNT; i++)
		assert_int_equal(setting_reset(&table[i], t), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < TABLE_COUNT; i++)
		setting_release(&table[i], *state);
	free(*state);
	return 0;
}

static void test_defaults_are_set_on_a_zeroed_object(void **state)
{
	struct thing *t = *state;

	assert_true(t->on);
	assert_int_equal(t->count, 7);
	assert_int_equal(t->wait_ms, 10000);
	assert_int_equal(t->room, 1048576);
	assert_int_equal(t->optional, 0);
	assert_null(t->text);
	assert_string_equal(t->greeting, "hello");
	assert_null(t->list);
	assert_int_equal(t->letter, 'a');
}

static void test_every_row_takes_its_example_and_what_it_shows(void **state)
{
	struct thing *t = *state;

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct setting *s = &table[i];
		struct buf first = BUF(1000), second = BUF(1000);

		assert_int_equal(setting_store(s, t, s->example, strlen(s->example), NULL), 0);
		setting_show(s, t, &first);
		assert_true(first.len > 0);
		assert_int_equal(setting_store(s, t, first.data, first.len, NULL), 0);
		setting_show(s, t, &second);
		assert_string_equal(buf_str(&first), buf_str(&second));
		buf_release(&first);
		buf_release(&second);
	}
}

static void test_values_are_shown_as_users_write_them(void **state)
{
	struct thing *t = *state;

	assert_shows(t, "on", "1");
	assert_shows(t, "wait", "10s");
	assert_shows(t, "room", "1M");
	assert_shows(t, "optional", "");
	assert_shows(t, "text", "");
	assert_shows(t, "letter", "a");
	assert_int_equal(store(t, "on", "off", NULL), 0);
	assert_shows(t, "on", "0");
	assert_int_equal(store(t, "list", "a:1\nb:2", NULL), 0);
	assert_shows(t, "list", "a:1\nb:2");
}

static void test_an_empty_text_puts_the_default_back(void **state)
{
	struct thing *t = *state;

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		struct buf before = BUF(1000), after = BUF(1000);
		const struct setting *s = &table[i];

		setting_show(s, t, &before);
		assert_int_equal(setting_store(s, t, s->example, strlen(s->example), NULL), 0);
		assert_int_equal(setting_store(s, t, "", 0, NULL), 0);
		setting_show(s, t, &after);
		assert_string_equal(buf_str(&before), buf_str(&after));
		buf_release(&before);
		buf_release(&after);
	}
	assert_null(t->text);
}

static void test_limits(void **state)
{
	static const struct {
		const char *name, *text;
		int code;
	} rows[] = {
		{ "count", "1", 0 },
		{ "count", "64", 0 },
		{ "count", "0", ERANGE },
		{ "count", "65", ERANGE },
		{ "count", "99999999999999999999999", ERANGE },
		{ "wait", "1s", 0 },
		{ "wait", "30s", 0 },
		{ "wait", "999ms", ERANGE },
		{ "wait", "30.001s", ERANGE },
		{ "wait", "4000d", ERANGE },
		{ "room", "1K", 0 },
		{ "room", "1023", ERANGE },
		{ "room", "18446744073709551615", 0 },
		{ "room", "18446744073709551616", ERANGE },
		{ "optional", "0", ERANGE },
		{ "text", "1234567890", 0 },
		{ "text", "12345678901", E2BIG },
		{ "greeting", "h", ERANGE },
		{ "greeting", "ho", 0 },
	};
	struct thing *t = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { .code = 0 };
		int rc = store(t, rows[i].name, rows[i].text, &err);

		if (rc != -rows[i].code || err.code != rows[i].code)
			fail_msg("%s %s: %d %s", rows[i].name, rows[i].text, rc, err.sentence);
	}
}

static void test_sentences_show_the_limits_in_the_users_units(void **state)
{
	static const struct {
		const char *name, *text, *sentence;
	} rows[] = {
		{ "count", "65", "\"65\" is out of range: count takes 1 to 64" },
		{ "wait", "60", "\"60\" is out of range: wait takes 1s to 30s" },
		{ "wait", "4000d", "\"4000d\" is out of range: wait takes 1s to 30s" },
		{ "room", "1", "\"1\" is out of range: room takes at least 1K" },
		{ "room", "99999999T", "\"99999999T\" is too large a size: at most 16777215T" },
		{ "wait", "10x",
			"\"10x\" is no duration: write 100ms, 10s, 5m, 2h, 7d or a bare number of "
			"seconds" },
		{ "text", "12345678901", "text is too long: 11 bytes, at most 10 are taken" },
		{ "greeting", "x", "greeting is too short: 1 bytes, at least 2 are needed" },
		{ "greeting", "hey!", "greeting does not shout" },
		{ "letter", "ab", "letter is one letter" },
	};
	struct thing *t = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err;

		assert_true(store(t, rows[i].name, rows[i].text, &err) < 0);
		assert_string_equal(err.sentence, rows[i].sentence);
	}
}

static void test_a_bad_value_leaves_the_old_one(void **state)
{
	static const char *const bad[] = { "nonsense\x01", "\xff", "99999999999999999999999" };
	struct thing *t = *state;

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct setting *s = &table[i];

		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			struct buf before = BUF(1000), after = BUF(1000);

			if (s->type == SETTING_CUSTOM && strlen(bad[j]) == 1)
				continue;
			setting_show(s, t, &before);
			assert_true(setting_store(s, t, bad[j], strlen(bad[j]), NULL) < 0);
			setting_show(s, t, &after);
			assert_string_equal(buf_str(&before), buf_str(&after));
			buf_release(&before);
			buf_release(&after);
		}
	}
	assert_int_equal(store(t, "greeting", "hey!", NULL), -EPERM);
	assert_shows(t, "greeting", "hello");
}

static void test_text_is_one_line_of_utf8(void **state)
{
	static const struct {
		const char *name, *text;
		size_t len;
		int code;
		size_t column;
	} rows[] = {
		{ "text", "h\xc3\xa9", 3, 0, 0 },
		{ "text", "a\nb", 3, EINVAL, 1 },
		{ "text", "ab\t", 3, EINVAL, 2 },
		{ "text", "a\0b", 3, EINVAL, 1 },
		{ "text", "\x7f", 1, EINVAL, 0 },
		{ "text", "ab\xc3", 3, EINVAL, 2 },
		{ "text", "a\n\xff", 3, EINVAL, 1 },
		{ "list", "a\nb", 3, 0, 0 },
		{ "list", "a\nb\r", 4, EINVAL, 3 },
		{ "text", "123456789\xc3\xa9", 11, E2BIG, 10 },
	};
	struct thing *t = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { .code = 0 };
		int rc = setting_store(row(rows[i].name), t, rows[i].text, rows[i].len, &err);

		if (rc != -rows[i].code || err.column != rows[i].column)
			fail_msg("row %zu: %d, column %zu: %s", i, rc, err.column, err.sentence);
	}
}

static void test_sentences_never_quote_text(void **state)
{
	static const char *const secrets[] = { "hunter2 hunter2", "hunter2\n", "hunter2\xff" };
	struct thing *t = *state;

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		struct err err;

		assert_true(store(t, "text", secrets[i], &err) < 0);
		assert_null(strstr(err.sentence, "hunter"));
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_ptr_equal(setting_find(table, TABLE_COUNT, "on"), &table[0]);
	assert_ptr_equal(setting_find(table, TABLE_COUNT, "letter"), &table[TABLE_COUNT - 1]);
	assert_null(setting_find(table, TABLE_COUNT, ""));
	assert_null(setting_find(table, TABLE_COUNT, "O"));
	assert_null(setting_find(table, 0, "on"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults_are_set_on_a_zeroed_object),
		TEST(test_every_row_takes_its_example_and_what_it_shows),
		TEST(test_values_are_shown_as_users_write_them),
		TEST(test_an_empty_text_puts_the_default_back),
		TEST(test_limits),
		TEST(test_sentences_show_the_limits_in_the_users_units),
		TEST(test_a_bad_value_leaves_the_old_one),
		TEST(test_text_is_one_line_of_utf8),
		TEST(test_sentences_never_quote_text),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
