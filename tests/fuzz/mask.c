/* mask: lines of values up to an empty one, then a text: no value is left in it, and it grows no longer. */
#include "fuzz.h"

#include "model/hook.h"
#include "model/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	struct mask m = MASK_NONE;
	bool cut = input_byte(&in) & 1;
	char *text;
	size_t len, masked;

	for (int i = 0; in.len && i < 16; i++) {
		char *value = input_until(&in, '\n', &len);

		len = strnlen(value, len);
		mask_add(&m, value, len);
		free(value);
		if (!len)
			break;
	}
	text = input_copy(in.data, in.len);
	masked = mask_apply(&m, text, in.len, cut);
	CHECK(masked <= in.len);
	for (size_t i = 0; i < m.count; i++) {
		const struct mask_value *v = &m.values[i];

		/* One with asterisks may come to stand where a mask was put. */
		if (!memchr(v->text, '*', v->len))
			CHECK(!has(text, masked, v->text, v->len));
	}
	mask_release(&m);
	free(text);
	return 0;
}
