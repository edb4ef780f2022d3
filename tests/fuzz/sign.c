/* sign: (style, secrets, NUL, body): what is taken signs, within the limit; what is not is never quoted. */
#include "fuzz.h"

#include "model/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	enum sign_style style = input_byte(&in) % SIGN_STYLE_COUNT;
	struct sign_keys *keys = NULL;
	struct err err = { 0 };
	struct buf value = BUF(SIGN_VALUE_MAX);
	size_t len;
	char *text = input_until(&in, '\0', &len), *body = input_copy(in.data, in.len);
	int r = sign_keys_parse(style, text, len, &err, &keys);

	if (r) {
		check_refusal(r, &err, len, text, len);
		CHECK(!keys);
	} else {
		CHECK(len <= SIGN_SECRET_MAX);
		CHECK(sign_value(keys, "msg_1", 1700000000, body, in.len, &value) == 0);
		CHECK(!buf_error(&value) && value.len);
		for (size_t i = 0; i < value.len; i++)
			CHECK(value.data[i] >= ' ' && value.data[i] <= '~');
	}
	sign_keys_free(keys);
	buf_release(&value);
	free(text);
	free(body);
	return 0;
}
