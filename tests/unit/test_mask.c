/*
 * mask: which values are found again, in which spellings, and which parts of a hook are such values.
 */
#include "model/hook.h"
#include "model/mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void assert_masked(const struct mask *m, const char *text, bool cut, const char *expected)
{
	char *copy = strdup(text);
	size_t len = mask_apply(m, copy, strlen(copy), cut);

	assert_int_equal(len, strlen(expected));
	assert_memory_equal(copy, expected, len);
	free(copy);
}

static void test_values_are_found(void **state)
{
	static const char value[] = "Token ab/cd\"efgh\\ij", other[] = "0123456789",
			  longer[] = "0123456789abc";
	static const struct {
		const char *text;
		bool cut;
		const char *expected;
	} cases[] = {
		{ "", false, "" },
		{ "Nothing of it", false, "Nothing of it" },
		{ "Token ab/cd\"efgh\\ij", false, "********" },
		{ "a Token ab/cd\"efgh\\ij b", false, "a ******** b" },
		/* in parts; those of fewer than 8 bytes are told */
		{ "ab/cd\"efgh\\ij", false, "********" },
		{ "Token is bad", false, "Token is bad" },
		{ "efgh\\ij", false, "efgh\\ij" },
		/* as JSON has it, and as those have it who escape a slash */
		{ "{\"t\":\"Token ab/cd\\\"efgh\\\\ij\"}", false, "{\"t\":\"********\"}" },
		{ "{\"t\":\"Token ab\\/cd\\\"efgh\\\\ij\"}", false, "{\"t\":\"********\"}" },
		/* two of them, and the longer one where one begins as the other */
		{ "0123456789 0123456789", false, "******** ********" },
		{ "01234567890123456789", false, "****************" },
		{ "0123456789abc", false, "********" },
		{ "0123456789ab", false, "********ab" },
		{ "00123456789", false, "0********" },
		/* a beginning counts where the text was cut */
		{ "is 01234", false, "is 01234" },
		{ "is 01234", true, "is " },
		{ "is 0123456789", true, "is " }, /* it may be the longer one's */
		{ "is Token a", true, "is " },
		{ "is Token b", true, "is Token b" },
		{ "is ab\\", true, "is " },
	};
	struct mask m = MASK_NONE;

	(void)state;
	mask_add(&m, value, strlen(value));
	mask_add(&m, other, strlen(other));
	mask_add(&m, longer, strlen(longer));
	mask_add(&m, "short", 5);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_masked(&m, cases[i].text, cases[i].cut, cases[i].expected);
	assert_masked(&m, "short", false, "short");
	mask_release(&m);
	assert_int_equal(m.count, 0);
	assert_masked(&m, value, true, value);
}

static void test_a_value_of_many_parts_is_bounded(void **state)
{
	struct mask m = MASK_NONE;
	char value[8000];

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = i % 10 == 9 ? ';' : (char)('a' + i / 10 % 26);
	mask_add(&m, value, sizeof(value));
	assert_in_range(m.count, 2, 100);
	mask_release(&m);
}

static struct hook *hook_with(const char *setting, const char *value)
{
	static struct types types = { 0 };
	struct hook *h;

	assert_int_equal(types_parse(&types, "deployment", 10, NULL), 0);
	h = hook_new("h", &types);
	assert_int_equal(hook_store(h, setting_find(hook_settings, hook_settings_count, setting),
				 value, strlen(value), NULL),
		0);
	return h;
}

static void assert_hides(const struct hook *h, const char *text, const char *expected)
{
	struct mask m = MASK_NONE;

	mask_add_hook(&m, h);
	assert_masked(&m, text, false, expected);
	mask_release(&m);
}

static void test_what_a_hook_protects(void **state)
{
	struct hook *h =
		hook_with("url", "https://hooks.example/services/T0B1/Xy12Zw34?k=0123456789");
	struct header *open, *closed;
	static const char text[] = "no /services/T0B1/Xy12Zw34?k=0123456789 at hooks.example, "
				   "nor services/T0B1/Xy12Zw34; open value, closed value";

	(void)state;
	assert_hides(h, text, text);
	assert_int_equal(hook_header_add(h, "X-Open", false, NULL, &open), 0);
	assert_int_equal(hook_header_store(h, open, "open value", 10, NULL), 0);
	assert_int_equal(hook_header_add(h, "X-Closed", true, NULL, &closed), 0);
	assert_hides(h, text, text); /* it is empty */
	closed = hook_header_find(h, "X-Closed");
	assert_int_equal(hook_header_store(h, closed, "closed value", 12, NULL), 0);
	assert_hides(h, text,
		"no /services/T0B1/Xy12Zw34?k=0123456789 at hooks.example, "
		"nor services/T0B1/Xy12Zw34; open value, ********");
	assert_int_equal(hook_chmod(h, "url", 0600, false, NULL), 0);
	assert_hides(h, text, "no ******** at hooks.example, nor ********; open value, ********");
	hook_free(h);
}

static void test_secrets_are_hidden_each(void **state)
{
	struct hook *h = hook_with("secret",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

	(void)state;
	assert_hides(h, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "********");
	assert_hides(h, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "********");
	assert_hides(h, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!", "********!");
	hook_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_found),
		cmocka_unit_test(test_a_value_of_many_parts_is_bounded),
		cmocka_unit_test(test_what_a_hook_protects),
		cmocka_unit_test(test_secrets_are_hidden_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
