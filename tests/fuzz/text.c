/* text: the small values users write, and how a stranger's text is shown: what is shown is read back. */
#include "fuzz.h"

#include <jansson.h>

static void check_numbers(const char *text, size_t len)
{
	struct buf b = BUF(64);
	struct err err = { 0 };
	uint64_t n, again;
	int64_t t, time;
	bool flag;
	int r = text_parse_duration(text, len, &err, &n);

	if (r) {
		check_refusal(r, &err, len, NULL, 0);
	} else {
		CHECK(n <= TEXT_DURATION_MAX);
		text_add_duration(&b, n);
		CHECK(text_parse_duration(b.data, b.len, NULL, &again) == 0 && again == n);
		buf_reset(&b);
	}
	if (text_parse_size(text, len, NULL, &n) == 0) {
		text_add_size(&b, n);
		CHECK(text_parse_size(b.data, b.len, NULL, &again) == 0 && again == n);
		buf_reset(&b);
	}
	if (text_parse_time(text, len, NULL, &t) == 0) {
		text_add_time(&b, t);
		if (text_parse_time(b.data, b.len, NULL, &time) == 0)
			CHECK(time == t);
		else
			CHECK(t < -62135596800000 || t > 253402300799999);
	}
	(void)text_parse_uint(text, len, NULL, &n);
	(void)text_parse_bool(text, len, NULL, &flag);
	buf_release(&b);
}

static void check_shown(const char *text, size_t len)
{
	char quoted[TEXT_QUOTE_SIZE], *plain = input_copy(text, len);
	struct buf word = BUF(1 << 20), json = BUF(1 << 20);
	size_t cut = text_cut(text, len, 10), good = text_utf8_check(text, len);

	CHECK(cut <= len && cut <= 10 && good <= len);
	text_plain(plain, len);
	CHECK(text_utf8_check(plain, len) == len);
	for (size_t i = 0; i < len; i++)
		CHECK((unsigned char)plain[i] >= ' ' && plain[i] != 0x7f);
	(void)text_quote(text, len, quoted);
	CHECK(strlen(quoted) < sizeof(quoted));
	CHECK(text_utf8_check(quoted, strlen(quoted)) == strlen(quoted));
	text_add_word(&word, text, len);
	CHECK(!len || !strpbrk(buf_str(&word), " \t\n\r\x7f"));
	CHECK(text_utf8_check(buf_str(&word), word.len) == word.len);
	buf_add_json(&json, text, good);
	if (!buf_error(&json)) {
		json_t *parsed =
			json_loadb(json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		CHECK(json_is_string(parsed) && json_string_length(parsed) == good &&
			!memcmp(json_string_value(parsed), text, good));
		json_decref(parsed);
	}
	buf_release(&word);
	buf_release(&json);
	free(plain);
}

static void check_words(const char *text, size_t len)
{
	struct buf word = BUF(1 << 20);
	struct err err = { 0 };
	size_t pos = 0, before = 0;
	int r;

	while ((r = text_next_word(text, len, &pos, &word, &err)) == 1) {
		CHECK(pos > before && pos <= len);
		before = pos;
	}
	if (r < 0)
		check_refusal(r, &err, len, NULL, 0);
	buf_release(&word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = input_copy((const char *)data, size);

	check_numbers(text, size);
	check_shown(text, size);
	check_words(text, size);
	(void)text_is_token(text, size);
	free(text);
	return 0;
}
