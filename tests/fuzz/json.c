/*
 * json: what is plain JSON to us is JSON to jansson, which is the judge; and where values end in it is where
 * jansson has them end.
 */
#include "fuzz.h"

#include "model/json_plain.h"
#include "model/json_text.h"

#include <jansson.h>

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_DECODE_ANY)

/* Finds in the text, byte by byte, what jansson made of it. */
static void check_value(const json_t *value, struct span raw)
{
	json_t *again = json_loadb(raw.text, raw.len, FLAGS, NULL);

	CHECK(again && json_equal(again, value));
	json_decref(again);
}

static void check_members(json_t *root, struct span raw)
{
	struct span rest = { raw.text + 1, raw.len - 2 };
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(root)) {
		json_object_foreach(root, key, value) {
			struct span name = json_text_next(&rest);
			json_t *text = json_loadb(name.text, name.len, FLAGS, NULL);

			CHECK(json_is_string(text) && !strcmp(json_string_value(text), key));
			json_decref(text);
			check_value(value, json_text_next(&rest));
		}
		CHECK(!json_text_next(&rest).len);
	} else if (json_is_array(root)) {
		json_array_foreach(root, i, value)
			check_value(value, json_text_next(&rest));
		CHECK(!json_text_next(&rest).len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_copy((const char *)data, size);
	struct span whole = { text, text_utf8_check(text, size) }, rest = whole;
	bool plain = json_plain(whole);
	json_t *root = json_loadb(whole.text, whole.len, FLAGS, NULL);

	CHECK(!plain || root);
	if (root) {
		struct span raw = json_text_next(&rest);

		check_value(root, raw);
		check_members(root, raw);
	}
	json_decref(root);
	free(text);
	return 0;
}
