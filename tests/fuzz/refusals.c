/*
 * refusals: the file errors, whatever was refused: lines of printable ASCII or UTF-8, of known shapes. Of many
 * users, whoever has the most loses his oldest, and nobody else.
 */
#include "fuzz.h"

#include "model/refusals.h"

static unsigned count_of(const struct refusals *r, uint32_t uid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->count; i++)
		n += r->list[i].who.uid == uid;
	return n;
}

static void add(struct refusals *r, const char *file, struct who who, const char *text, size_t len,
	const struct err *err)
{
	static struct refusals before;
	const struct refusal *newest;
	unsigned lost = 0, most = 0;

	memcpy(&before, r, sizeof(before));
	refusals_add(r, 1000, file, who, text, len, err);
	CHECK(r->count && r->count <= REFUSALS_MAX && r->count >= before.count);
	newest = &r->list[r->count - 1];
	CHECK(newest->who.uid == who.uid && newest->who.pid == who.pid);
	if (newest->times > 1) { /* told again */
		CHECK(r->count == before.count);
		return;
	}
	for (unsigned i = 0; i < before.count; i++)
		if (count_of(&before, before.list[i].who.uid) > most)
			most = count_of(&before, before.list[i].who.uid);
	for (unsigned i = 0; i < before.count; i++) {
		uint32_t uid = before.list[i].who.uid;
		unsigned had = count_of(&before, uid);

		if (count_of(r, uid) == had + (uid == who.uid))
			continue;
		CHECK(count_of(r, uid) + 1 == had + (uid == who.uid) && had == most);
		lost = 1;
	}
	CHECK(r->count + lost == before.count + 1 && (!lost || before.count == REFUSALS_MAX));
}

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
		for (int i = how & 8 ? how >> 4 : 0; i >= 0; i--, who.pid++)
			add(&r, file, who, how & 4 ? NULL : text, len, &err);
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
