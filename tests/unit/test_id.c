#include "util/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_named_ids_never_change(void **state)
{
	static const struct {
		const char *space, *name, *id;
	} rows[] = {
		/* As python's uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, space), name) says. */
		{ "webhookfs:default", "deployment/fraud", "347fdcda-21e6-52d1-bc47-55edb583b120" },
		{ "", "", "99454d6a-8efb-576b-96f4-fae2f0a37cde" },
		{ "demo",
			"pipeline/a-name-of-more-bytes-than-are-remembered/"
			"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
			"cfa589d3-459d-5108-942c-cc202b402714" },
	};
	char id[ID_UUID_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct id_space *s;

		assert_int_equal(id_space_new(rows[i].space, &s), 0);
		for (int again = 0; again < 2; again++) {
			id_uuid_named(s, rows[i].name, strlen(rows[i].name), id);
			assert_string_equal(id, rows[i].id);
		}
		id_space_free(s);
	}
}

/* What was asked for before changes nothing, in whatever order names come and go. */
static void test_ids_do_not_depend_on_what_is_remembered(void **state)
{
	struct id_space *used, *fresh;
	char id[ID_UUID_LEN + 1], expected[ID_UUID_LEN + 1], name[32];

	(void)state;
	assert_int_equal(id_space_new("demo", &used), 0);
	for (int i = 0; i < 2000; i++) {
		size_t len = (size_t)snprintf(name, sizeof(name), "deployment/%d", i * 7919 % 300);

		assert_int_equal(id_space_new("demo", &fresh), 0);
		id_uuid_named(fresh, name, len, expected);
		id_uuid_named(used, name, len, id);
		assert_string_equal(id, expected);
		id_space_free(fresh);
	}
	id_space_free(used);
}

static void test_random_ids_differ_and_are_version_4(void **state)
{
	char a[ID_UUID_LEN + 1], b[ID_UUID_LEN + 1];

	(void)state;
	id_uuid_random(a);
	id_uuid_random(b);
	assert_int_equal(strlen(a), ID_UUID_LEN);
	assert_int_equal(strspn(a, "0123456789abcdef-"), ID_UUID_LEN);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_string_not_equal(a, b);
}

static void test_random_hex_has_the_length_asked_for(void **state)
{
	char a[101], b[101];

	(void)state;
	for (unsigned chars = 0; chars <= 100; chars++) {
		memset(a, 'x', sizeof(a));
		id_random_hex(a, chars);
		assert_int_equal(strlen(a), chars);
		assert_int_equal(strspn(a, "0123456789abcdef"), chars);
		for (unsigned i = chars + 1; i < sizeof(a); i++)
			assert_int_equal(a[i], 'x');
	}
	id_random_hex(b, 100);
	assert_string_not_equal(a, b);
	assert_memory_not_equal(a, a + 16, 16); /* the pool is filled anew */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_ids_never_change),
		cmocka_unit_test(test_ids_do_not_depend_on_what_is_remembered),
		cmocka_unit_test(test_random_ids_differ_and_are_version_4),
		cmocka_unit_test(test_random_hex_has_the_length_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
