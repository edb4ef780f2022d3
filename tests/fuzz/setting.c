/*
 * setting: every control file of a hook. The input is a sequence of (row, text, NUL).
 *
 * What is taken is shown so that it can be written back and shows the same; what is refused leaves all
 * as it was, in a sentence without the value where it is protected.
 */
#include "fuzz.h"

#include "model/hook.h"

static struct types types;

/* The stored form: all there is of the hook. */
static void all_of(const struct hook *h, struct buf *out)
{
	hook_json(h, HOOK_JSON_STORED, out);
	CHECK(!buf_error(out));
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && !memcmp(buf_str(a), buf_str(b), a->len);
}

static void check_again(const struct hook *h, const struct setting *s)
{
	struct hook *clone = hook_clone(h);
	struct buf value = BUF(HOOK_JSON_MAX), again = BUF(HOOK_JSON_MAX);
	struct err err = { 0 };
	char *text;

	CHECK(clone);
	setting_show(s, h, &value);
	CHECK(text_utf8_check(buf_str(&value), value.len) == value.len);
	CHECK(s->lines || !memchr(buf_str(&value), '\n', value.len));
	text = input_copy(buf_str(&value), value.len);
	CHECK(hook_store(clone, s, text, value.len, &err) == 0);
	setting_show(s, clone, &again);
	CHECK(same(&value, &again));
	free(text);
	buf_release(&value);
	buf_release(&again);
	hook_free(clone);
}

static void store(struct hook *h, const struct setting *s, const char *text, size_t len)
{
	struct buf before = BUF(HOOK_JSON_MAX), after = BUF(HOOK_JSON_MAX),
		   shown = BUF(HOOK_JSON_MAX);
	bool protected = hook_protected(h, s->name);
	struct err err = { 0 };
	const char *start = text;
	size_t trimmed = text_trim(&start, len);
	int r;

	all_of(h, &before);
	if (s->whole)
		(void)s->whole(text, len);
	r = hook_store(h, s, text, len, &err);
	if (r) {
		all_of(h, &after);
		CHECK(same(&before, &after));
		check_refusal(r, &err, len, protected ? start : NULL, trimmed);
	} else {
		check_again(h, s);
		hook_show(h, s, &shown);
		if (protected && trimmed >= 8)
			CHECK(!has(buf_str(&shown), shown.len, start, trimmed) ||
				!strcmp(s->name, "url"));
	}
	buf_release(&before);
	buf_release(&after);
	buf_release(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct hook *h;
	struct buf missing = BUF(4096);

	if (!types.count)
		CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	h = hook_new("h", &types);
	for (int i = 0; in.len && i < 8; i++) {
		uint8_t row = input_byte(&in);
		size_t len;
		char *text = input_until(&in, '\0', &len);

		if (row & 0x80)
			(void)hook_chmod(h, "url", 0600, false, NULL);
		store(h, &hook_settings[(row & 0x7f) % hook_settings_count], text, len);
		free(text);
	}
	hook_missing(h, &missing);
	CHECK(hook_complete(h) == !missing.len);
	buf_release(&missing);
	hook_free(h);
	return 0;
}
