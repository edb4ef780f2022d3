/* refusals: the file errors, whatever was refused: lines of printable ASCII or UTF-8, of known shapes. */
#include "fuzz.h"

#include "model/refusals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct refusals r;
	struct input in = INPUT(data, size);
	struct buf shown = BUF(1 << 20);

	memset(&r, 0, sizeof(r));
	while (in.len) {
		uint8_t how = input_byte(&in);
		struct who who = { .uid = how & 1 ? UID_UNKNOWN : how, .pid = how };
		struct err err = { 0 };
		size_t len;
		char *file = input_string(&in, '\0'), *sentence = input_string(&in, '\0');
		char *text = input_until(&in, '\0', &len);

		(void)err_set(
			&err, EINVAL, how & 2 ? ERR_NO_COLUMN : input_byte(&in), "%s", sentence);
		refusals_add(&r, 1000, file, who, how & 4 ? NULL : text, len, &err);
		free(file);
		free(sentence);
		free(text);
	}
	refusals_show(&r, &shown);
	CHECK(!buf_error(&shown) && text_utf8_check(buf_str(&shown), shown.len) == shown.len);
	for (size_t i = 0; i < shown.len; i++)
		CHECK((unsigned char)shown.data[i] >= ' ' || shown.data[i] == '\n');
	for (const char *line = buf_str(&shown); *line; line = strchr(line, '\n') + 1)
		CHECK(!strncmp(line, "    ", 4) || !strncmp(line, "1970-", 5));
	buf_release(&shown);
	return 0;
}
