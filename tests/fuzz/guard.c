/*
 * guard: (deny list, NUL, allow list, NUL, address). A list is shown as it is parsed, and an IPv4 address that is
 * denied is denied in each form of IPv6 that stands for it.
 */
#include "fuzz.h"

#include "http/guard.h"

#include <arpa/inet.h>

typedef int parse_fn(struct guard *g, const char *text, size_t len, struct err *err);

static bool take(
	parse_fn *parse, struct guard *g, struct guard_list *l, const char *text, size_t len)
{
	struct buf one = BUF(1 << 16), two = BUF(1 << 16);
	struct err err = { 0 };
	int r = parse(g, text, len, &err);

	if (r) {
		check_refusal(r, &err, len, NULL, 0);
		return false;
	}
	guard_show(l, &one);
	CHECK(!buf_error(&one));
	if (one.len) {
		char *shown = input_copy(one.data, one.len);

		CHECK(parse(g, shown, one.len, &err) == 0);
		guard_show(l, &two);
		CHECK(!strcmp(one.data, buf_str(&two)));
		free(shown);
	}
	buf_release(&one);
	buf_release(&two);
	return true;
}

static void check_forms(const struct guard *g, const char *address)
{
	char why[GUARD_WHY_SIZE], form[64];
	unsigned char b[4];
	bool allowed = guard_allows_text(g, address, why);

	CHECK(allowed || (*why && strlen(why) < sizeof(why)));
	if (allowed || inet_pton(AF_INET, address, b) != 1)
		return;
	(void)snprintf(form, sizeof(form), "::ffff:%s", address);
	CHECK(!guard_allows_text(g, form, why) || g->allow.count);
	(void)snprintf(form, sizeof(form), "64:ff9b::%s", address);
	CHECK(!guard_allows_text(g, form, why) || g->allow.count);
	(void)snprintf(form, sizeof(form), "2002:%02x%02x:%02x%02x::1", b[0], b[1], b[2], b[3]);
	CHECK(!guard_allows_text(g, form, why) || g->allow.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct guard g = { 0 };
	size_t deny_len, allow_len;
	char *deny = input_until(&in, '\0', &deny_len);
	char *allow = input_until(&in, '\0', &allow_len);
	char *address = input_string(&in, '\0');

	if (take(guard_parse_deny, &g, &g.deny, deny, deny_len) &&
		take(guard_parse_allow, &g, &g.allow, allow, allow_len))
		check_forms(&g, address);
	free(deny);
	free(allow);
	free(address);
	return 0;
}
