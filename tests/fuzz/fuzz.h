#pragma once
/*
 * fuzz: what the fuzz targets share: the entry point, an input taken apart, and what must hold of every
 * refusal.
 *
 * A target is one file: LLVMFuzzerTestOneInput takes any bytes, and CHECK ends the process when a
 * property does not hold. Built with libFuzzer it looks for such bytes; built with replay.c it runs over
 * those that are kept in corpus/TARGET.
 *
 * Parts of an input are copies of exactly their length, so that a sanitizer sees a parser that reads
 * behind what it was given.
 */
#include "util/buf.h"
#include "util/err.h"
#include "util/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			(void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, \
				#condition);                                                   \
			abort();                                                               \
		}                                                                              \
	} while (0)

/* What is left of an input. */
struct input {
	const char *data;
	size_t len;
};
#define INPUT(data, size) ((struct input){ (const char *)(data), (size) })

static inline uint8_t input_byte(struct input *in)
{
	if (!in->len)
		return 0;
	in->len--;
	return (uint8_t)*in->data++;
}

static inline uint32_t input_number(struct input *in)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 8 | input_byte(in);
	return n;
}

/* A copy; free it. No bytes are a copy of no bytes, not NULL. */
static inline char *input_copy(const char *data, size_t len)
{
	char *copy = calloc(len ? len : 1, 1);

	CHECK(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

/* The bytes up to the next `end`, which goes too; free them. */
static inline char *input_until(struct input *in, char end, size_t *len)
{
	const char *stop = in->len ? memchr(in->data, end, in->len) : NULL;
	char *copy;

	*len = stop ? (size_t)(stop - in->data) : in->len;
	copy = input_copy(in->data, *len);
	in->data += *len + (stop != NULL);
	in->len -= *len + (stop != NULL);
	return copy;
}

/* The same as a string: a NUL byte ends it early. */
static inline char *input_string(struct input *in, char end)
{
	size_t len;
	char *part = input_until(in, end, &len), *string = strndup(part, len);

	CHECK(string);
	free(part);
	return string;
}

static inline bool has(const char *text, size_t len, const char *part, size_t part_len)
{
	return part_len && len >= part_len && memmem(text, len, part, part_len);
}

/*
 * A refusal says in one printable line of UTF-8 what is wrong, with a column in the text. `secret`, if it
 * is not NULL, is not in it. libFuzzer soon finds words of the sentences to try as secrets, so those count
 * that have a 77, which no sentence has of itself.
 */
static inline void check_refusal(
	int r, const struct err *err, size_t len, const char *secret, size_t secret_len)
{
	size_t said = strnlen(err->sentence, sizeof(err->sentence));

	CHECK(r < 0 && err->code == -r);
	CHECK(said > 0 && said < sizeof(err->sentence));
	CHECK(err->column == ERR_NO_COLUMN || err->column <= len);
	CHECK(text_utf8_check(err->sentence, said) == said);
	for (size_t i = 0; i < said; i++)
		CHECK((unsigned char)err->sentence[i] >= ' ' && err->sentence[i] != 0x7f);
	if (secret && secret_len >= 8 && has(secret, secret_len, "77", 2))
		CHECK(!has(err->sentence, said, secret, secret_len));
}
