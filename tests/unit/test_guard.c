#include "http/guard.h"

#include "util/buf.h"
#include "util/err.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct guard guard_of(const char *deny, const char *allow)
{
	struct guard g = { 0 };

	if (deny)
		assert_int_equal(guard_parse_deny(&g, deny, strlen(deny), NULL), 0);
	if (allow)
		assert_int_equal(guard_parse_allow(&g, allow, strlen(allow), NULL), 0);
	return g;
}

/* Both ways to ask must say the same. */
static bool allows(const struct guard *g, const char *address, char why[GUARD_WHY_SIZE])
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_scope_id = 1 };
	const struct sockaddr *to = (struct sockaddr *)&v4;
	char other[GUARD_WHY_SIZE] = "";
	bool yes;

	why[0] = '\0';
	if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		to = (struct sockaddr *)&v6;
	}
	yes = guard_allows(g, to, why);
	assert_int_equal(guard_allows_text(g, address, other), yes);
	assert_string_equal(other, why);
	assert_int_equal(why[0] == '\0', yes);
	return yes;
}

static void assert_verdicts(const struct guard *g, const char *const addresses[], bool expected)
{
	char why[GUARD_WHY_SIZE];

	for (size_t i = 0; addresses[i]; i++)
		if (allows(g, addresses[i], why) != expected)
			fail_msg("%s: %s", addresses[i], expected ? why : "is allowed");
}

static const char *const link_local[] = { "169.254.0.0", "169.254.169.254", "169.254.255.255",
	"fe80::", "fe80::1", "febf:ffff::1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254",
	"2002:a9fe:a9fe::", "2002:a9fe:a9fe:1::1", NULL };
static const char *const metadata[] = { "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe",
	"::ffff:100.100.100.200", "64:ff9b::168.63.129.16", NULL };
static const char *const loopback[] = { "127.0.0.1", "127.255.255.255", "0.0.0.0", "::1",
	"::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "64:ff9b::127.0.0.1", "2002:7f00:1::", NULL };
static const char *const not_global[] = { "0.0.0.1", "0.255.255.255", "10.0.0.0", "10.255.255.255",
	"172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "100.64.0.0",
	"100.127.255.255", "192.0.0.1", "192.0.2.1", "198.51.100.255", "203.0.113.0", "192.88.99.1",
	"198.18.0.0", "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.0",
	"255.255.255.255", "::2", "::7f00:1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3",
	"64:ff9b:1::8.8.8.8", "64:ff9b:0:1::1", "2002:c0a8:101::1", "100::1", "fc00::1", "fdff::1",
	"fec0::1", "ff02::1", "2001::1", "2001:1ff::1", "2001:db8::1", "3fff:fff::1", "5f00::1",
	"4000::1", "1fff::1", "e000::1", NULL };
static const char *const global[] = { "1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0",
	"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
	"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255",
	"192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1",
	"2001:4860:4860::8888", "2001:db7:ffff::1", "2001:db9::1", "2a00::1", "3fff:1000::1",
	"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", NULL };

/* Which of the five kinds of addresses are allowed. */
static void test_words(void **state)
{
	static const struct {
		const char *deny, *allow;
		bool link_local, metadata, loopback, not_global;
	} cases[] = {
		{ NULL, NULL, true, true, true, true },
		{ "none", NULL, true, true, true, true },
		{ "link-local+metadata", NULL, false, false, true, true },
		{ "metadata", NULL, false, false, true, true },
		{ "loopback", NULL, false, false, false, true },
		{ "private", NULL, false, false, false, false },
		{ "loopback+private", NULL, false, false, false, false },
		{ "198.41.0.4", NULL, false, false, true, true },
		{ "private", "loopback", false, false, true, false },
		{ "private", "link-local", true, false, false, false },
		{ "private", "metadata", false, true, false, false },
		{ "private", "private", false, false, true, true },
		{ "private", "link-local+metadata+private", true, true, true, true },
		{ "private", "none", false, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct guard g = guard_of(cases[i].deny, cases[i].allow);

		assert_verdicts(&g, link_local, cases[i].link_local);
		assert_verdicts(&g, metadata, cases[i].metadata);
		assert_verdicts(&g, loopback, cases[i].loopback);
		assert_verdicts(&g, not_global, cases[i].not_global);
		assert_verdicts(&g, global, true);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		const char *deny, *allow, *address;
		bool allowed;
	} cases[] = {
		{ "198.41.0.4", NULL, "198.41.0.4", false },
		{ "198.41.0.4", NULL, "198.41.0.5", true },
		{ "198.41.0.4/31", NULL, "198.41.0.5", false },
		{ "198.41.0.4/31", NULL, "198.41.0.6", true },
		{ "198.40.0.0/13", NULL, "198.47.255.255", false },
		{ "198.40.0.0/13", NULL, "198.48.0.0", true },
		{ "0.0.0.0/0", NULL, "8.8.8.8", false },
		{ "0.0.0.0/0", NULL, "::ffff:8.8.8.8", false },
		{ "0.0.0.0/0", NULL, "64:ff9b::808:808", false },
		{ "0.0.0.0/0", NULL, "2a00::1", true },
		{ "::/0", NULL, "2a00::1", false },
		{ "::/0", NULL, "8.8.8.8", true },
		{ "2a00:1:2::/47", NULL, "2a00:1:3::1", false },
		{ "2a00:1:2::/47", NULL, "2a00:1:4::1", true },
		/* as it is written, too */
		{ "2002::/16", NULL, "2002:808:808::1", false },
		{ "64:ff9b::/96", NULL, "64:ff9b::808:808", false },
		/* of mapped addresses: IPv4 */
		{ "::ffff:10.0.0.0/104", NULL, "10.1.1.1", false },
		{ "::ffff:10.0.0.0/104", NULL, "11.1.1.1", true },
		{ "::ffff:9.9.9.9", NULL, "9.9.9.9", false },
		/* allow wins, however wide deny is and however narrow */
		{ "0.0.0.0/0+::/0", "9.9.9.0/24", "9.9.9.9", true },
		{ "0.0.0.0/0+::/0", "9.9.9.0/24", "9.9.8.9", false },
		{ "9.9.9.9", "0.0.0.0/0", "9.9.9.9", true },
		{ "private", "10.1.0.0/16", "10.1.2.3", true },
		{ "private", "10.1.0.0/16", "::ffff:10.1.2.3", true },
		{ "private", "10.1.0.0/16", "10.2.2.3", false },
		{ "link-local", "169.254.7.7", "169.254.7.7", true },
		{ "link-local", "169.254.7.7", "169.254.169.254", false },
		/* no range of IPv6 lets IPv4 addresses through */
		{ "link-local", "2000::/3", "2002:a9fe:a9fe::1", false },
		{ "link-local", "::/0", "::ffff:169.254.169.254", false },
		/* commas, as a backslash brings them through -o */
		{ "9.9.9.9,8.8.8.8", NULL, "8.8.8.8", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct guard g = guard_of(cases[i].deny, cases[i].allow);
		const char *const address[] = { cases[i].address, NULL };

		assert_verdicts(&g, address, cases[i].allowed);
	}
}

static void test_the_sentence_names_address_and_rule(void **state)
{
	static const struct {
		const char *deny, *address, *why;
	} cases[] = {
		{ "link-local", "169.254.169.254", "169.254.169.254 is a link-local address" },
		{ "link-local", "fd00:ec2::254", "fd00:ec2::254 is a metadata address" },
		{ "private", "127.0.0.1", "127.0.0.1 is a loopback address" },
		{ "private", "10.0.0.1", "10.0.0.1 is a private address" },
		{ "9.8.0.0/15", "9.9.9.9", "9.9.9.9 is in 9.8.0.0/15" },
		{ "9.9.9.9", "9.9.9.9", "9.9.9.9 is in 9.9.9.9" },
		{ "link-local", "64:ff9b::169.254.1.1",
			"64:ff9b::a9fe:101 (169.254.1.1) is a link-local address" },
		{ "2002::/16", "2002:808:808::1", "2002:808:808::1 (8.8.8.8) is in 2002::/16" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct guard g = guard_of(cases[i].deny, NULL);
		char why[GUARD_WHY_SIZE];

		assert_false(allows(&g, cases[i].address, why));
		assert_memory_equal(why, cases[i].why, strlen(cases[i].why));
		assert_string_equal(why + strlen(cases[i].why),
			", which is not called (allow= opens exceptions)");
	}
}

static void test_lists_that_are_none(void **state)
{
	static const struct {
		const char *list;
		int error;
		size_t column;
	} cases[] = {
		{ "example.com", EINVAL, 0 },
		{ "10.0.0.0/8+privat", EINVAL, 11 },
		{ "Private", EINVAL, 0 },
		{ "none+private", EINVAL, 0 },
		{ "+", EINVAL, 0 },
		{ "private+", EINVAL, 8 },
		{ "private++loopback", EINVAL, 8 },
		{ "10.0.0.0/", EINVAL, 9 },
		{ "10.0.0.0/33", EINVAL, 9 },
		{ "10.0.0.0/-1", EINVAL, 9 },
		{ "10.0.0.0/8/8", EINVAL, 9 },
		{ "10.0.0.0/18446744073709551624", EINVAL, 9 },
		{ "::/129", EINVAL, 3 },
		{ "/8", EINVAL, 0 },
		{ "10.0.0.1/8", EINVAL, 0 },
		{ "10.0.0.128/24", EINVAL, 0 },
		{ "fd00::1/64", EINVAL, 0 },
		{ "10.1/16", EINVAL, 0 },
		{ "010.0.0.0/8", EINVAL, 0 },
		{ "0x0a000000", EINVAL, 0 },
		{ "fe80::1%eth0", EINVAL, 0 },
		{ "[fe80::1]", EINVAL, 0 },
		{ " 10.0.0.0/8", EINVAL, 0 },
		{ "9.9.9.9+0000000000000000000000000000000000000000000000000000000000000000", E2BIG,
			8 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct guard g = guard_of("9.9.9.9", "8.8.8.8"), before = g;
		struct err err = { .column = 77 };
		const char *list = cases[i].list;

		assert_int_equal(guard_parse_deny(&g, list, strlen(list), &err), -cases[i].error);
		assert_int_equal(err.code, cases[i].error);
		assert_int_equal(err.column, cases[i].column);
		assert_int_equal(guard_parse_allow(&g, list, strlen(list), NULL), -cases[i].error);
		assert_memory_equal(&g, &before, sizeof(g));
	}
}

static void test_a_list_holds_so_many_and_no_more(void **state)
{
	struct buf list = BUF(4096);
	struct guard g = { 0 };
	struct err err;

	(void)state;
	for (int i = 0; i < GUARD_RANGES_MAX; i++)
		buf_addf(&list, "%s9.9.9.%d", i ? "+" : "", i);
	assert_int_equal(guard_parse_deny(&g, list.data, list.len, NULL), 0);
	assert_int_equal(g.deny.count, GUARD_RANGES_MAX);
	buf_adds(&list, "+private");
	assert_int_equal(guard_parse_deny(&g, list.data, list.len, NULL), 0);
	buf_adds(&list, "+9.9.9.99");
	assert_int_equal(guard_parse_deny(&g, list.data, list.len, &err), -E2BIG);
	buf_release(&list);
}

/* What is shown, and shown again when it is parsed. */
static void test_showing(void **state)
{
	static const char *const deny[][2] = {
		{ "none", "" },
		{ "metadata", "link-local+metadata" },
		{ "loopback", "link-local+metadata+loopback" },
		{ "private", "link-local+metadata+private" },
		{ "loopback+private+private", "link-local+metadata+private" },
		{ "9.9.9.9/32+10.0.0.0/8,::ffff:1.0.0.0/104,FD00::/8,::/0",
			"link-local+metadata+9.9.9.9+10.0.0.0/8+1.0.0.0/8+fd00::/8+::/0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(deny); i++) {
		struct guard g = guard_of(deny[i][0], "loopback"), again;
		struct buf shown = BUF(4096);

		guard_show(&g.deny, &shown);
		assert_string_equal(buf_str(&shown), deny[i][1]);
		if (shown.len) {
			again = guard_of(shown.data, "loopback");
			assert_memory_equal(&again, &g, sizeof(g));
		}
		buf_reset(&shown);
		guard_show(&g.allow, &shown);
		assert_string_equal(buf_str(&shown), "loopback");
		buf_release(&shown);
	}
}

static void test_what_is_no_address_is_not_called(void **state)
{
	static const char *const texts[] = { "", "example.com", "127.1", "/tmp/socket" };
	const struct guard open = { 0 };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	char why[GUARD_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		why[0] = '\0';
		assert_false(guard_allows_text(&open, texts[i], why));
		assert_true(why[0]);
	}
	why[0] = '\0';
	assert_false(guard_allows(&open, (struct sockaddr *)&local, why));
	assert_true(why[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_the_sentence_names_address_and_rule),
		cmocka_unit_test(test_lists_that_are_none),
		cmocka_unit_test(test_a_list_holds_so_many_and_no_more),
		cmocka_unit_test(test_showing),
		cmocka_unit_test(test_what_is_no_address_is_not_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
