/* framing: the same lines come out however the bytes are split. */
#include "fuzz.h"

#include "intake/framing.h"

#define LINE_MAX_TESTED 24

/* The lines and the refusals of a stream, as text. */
static void take(struct framing *f, const char *data, size_t len, struct buf *out)
{
	size_t pos = 0;

	for (;;) {
		const char *line = NULL;
		size_t line_len = 0;
		int r = framing_next(f, data, len, &pos, &line, &line_len);

		CHECK(pos <= len);
		if (r == 0)
			break;
		if (r == 1) {
			CHECK(line_len <= LINE_MAX_TESTED);
			buf_addc(out, 'L');
			buf_add(out, line, line_len);
			buf_addc(out, '\n');
		} else {
			CHECK(r == -E2BIG);
			buf_adds(out, "TOO LONG\n");
			framing_skip(f);
		}
	}
	CHECK(pos == len);
}

static void end(struct framing *f, struct buf *out)
{
	size_t len;
	const char *rest = framing_rest(f, &len);

	buf_addc(out, 'R');
	buf_add(out, rest, len);
	framing_release(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = INPUT(data, size);
	uint32_t splits = input_number(&in);
	struct buf whole = BUF(1 << 24), parts = BUF(1 << 24);
	struct framing f;
	char *all = input_copy(in.data, in.len);

	framing_init(&f, LINE_MAX_TESTED);
	take(&f, all, in.len, &whole);
	end(&f, &whole);
	free(all);

	framing_init(&f, LINE_MAX_TESTED);
	while (in.len) {
		size_t len = 1 + (splits & 15);
		char *part;

		splits = splits >> 4 | splits << 28;
		if (len > in.len)
			len = in.len;
		part = input_copy(in.data, len);
		take(&f, part, len, &parts);
		free(part);
		in.data += len;
		in.len -= len;
	}
	end(&f, &parts);

	CHECK(whole.len == parts.len && !memcmp(buf_str(&whole), buf_str(&parts), whole.len));
	buf_release(&whole);
	buf_release(&parts);
	return 0;
}
