/*
 * config: config.json. What is accepted is shown so that it is accepted again and is the same hook; and nothing
 * that the old hook protects is laid open by what somebody writes.
 */
#include "fuzz.h"

#include "model/hook.h"

#include <jansson.h>

#define SECRET "c0rrect-h0rse"

static struct types types;
static struct hook *old;

static void start(void)
{
	static const char text[] =
		"{\"url\": \"https://example.org/" SECRET "\", \"url_protected\": true,"
		" \"secret\": \"" SECRET SECRET "\", \"signature\": \"github\","
		" \"object_name\": \"m\", \"object_type\": \"deployment\", \"event\": \"failed\","
		" \"headers\": [{\"key\": \"Authorization\", \"value\": \"" SECRET "\","
		" \"protected\": true}, {\"key\": \"X-A\", \"value\": \"open\"}]}";
	struct err err = { 0 };

	json_object_seed(1);
	CHECK(types_parse(&types, TYPES_DEFAULT, strlen(TYPES_DEFAULT), NULL) == 0);
	if (hook_from_json("h", &types, NULL, text, strlen(text), &err, &old))
		(void)fprintf(stderr, "%s\n", err.sentence);
	CHECK(old);
}

static bool same_json(const struct hook *a, const struct hook *b, enum hook_json form)
{
	struct buf one = BUF(HOOK_JSON_MAX), two = BUF(HOOK_JSON_MAX);
	bool same;

	hook_json(a, form, &one);
	hook_json(b, form, &two);
	CHECK(!buf_error(&one));
	same = one.len == two.len && !memcmp(buf_str(&one), buf_str(&two), one.len);
	buf_release(&one);
	buf_release(&two);
	return same;
}

static void check_again(const struct hook *h, enum hook_json form)
{
	struct buf text = BUF(HOOK_JSON_MAX);
	struct err err = { 0 };
	struct hook *again = NULL;
	int r;

	hook_json(h, form, &text);
	CHECK(!buf_error(&text));
	r = hook_from_json("h", &types, form == HOOK_JSON_STORED ? NULL : h, text.data, text.len,
		&err, &again);
	if (r)
		(void)fprintf(stderr, "%s\n%s\n", err.sentence, text.data);
	CHECK(r == 0);
	CHECK(same_json(h, again, HOOK_JSON_STORED));
	hook_free(again);
	buf_release(&text);
}

/* Through the mount: `old` is there. */
static void written(const char *text, size_t len)
{
	struct buf shown = BUF(HOOK_JSON_MAX);
	struct err err = { 0 };
	struct hook *h = NULL;
	bool knows = has(text, len, SECRET, strlen(SECRET));
	int r = hook_from_json("h", &types, old, text, len, &err, &h);

	if (r) {
		check_refusal(r, &err, len, NULL, 0);
		CHECK(knows || !strstr(err.sentence, SECRET));
		return;
	}
	hook_json(h, HOOK_JSON_SHOWN, &shown);
	CHECK(knows || !has(shown.data, shown.len, SECRET, strlen(SECRET)));
	buf_release(&shown);
	check_again(h, HOOK_JSON_SHOWN);
	check_again(h, HOOK_JSON_STORED);
	hook_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_copy((const char *)data, size);
	struct err err = { 0 };
	struct hook *h = NULL;
	int r;

	if (!old)
		start();
	r = hook_from_json("h", &types, NULL, text, size, &err, &h);
	if (r)
		check_refusal(r, &err, size, NULL, 0);
	else
		check_again(h, HOOK_JSON_STORED), check_again(h, HOOK_JSON_SHOWN);
	hook_free(h);
	written(text, size);
	free(text);
	return 0;
}
