/* attributes: attributes.json: what is accepted is shown so that it is accepted again and is the same. */
#include "fuzz.h"

#include "model/attributes.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct attributes a, b;
	char *text = input_copy((const char *)data, size);
	struct buf one = BUF(ATTRIBUTES_JSON_MAX), two = BUF(ATTRIBUTES_JSON_MAX);
	struct err err = { 0 };
	int r;

	json_object_seed(1);
	a = b = (struct attributes){ 0 };
	r = attributes_from_json(text, size, &err, &a);
	if (r) {
		check_refusal(r, &err, size, NULL, 0);
	} else {
		CHECK(a.count <= ATTRIBUTES_MAX);
		attributes_json(&a, &one);
		CHECK(!buf_error(&one));
		CHECK(attributes_from_json(one.data, one.len, &err, &b) == 0);
		attributes_json(&b, &two);
		CHECK(!strcmp(buf_str(&one), buf_str(&two)));
	}
	buf_release(&one);
	buf_release(&two);
	free(text);
	return 0;
}
