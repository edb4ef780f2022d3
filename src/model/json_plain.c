#include "model/json_plain.h"

#include "model/json_text.h"

#include <string.h>

/* Each key is compared with those before it, which are kept on the stack, a list a level. */
#define DEPTH_MAX 16
#define KEYS_MAX  32

/* No number of so few characters with so short an exponent is beyond a double, which ends at 1e308. */
#define NUMBER_MAX   40
#define EXPONENT_MAX 2

struct rest {
	const char *at, *end;
};

static bool take(struct rest *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static void take_blanks(struct rest *r)
{
	while (r->at < r->end && json_text_is_blank(*r->at))
		r->at++;
}

/* How many there were. */
static size_t take_digits(struct rest *r)
{
	const char *start = r->at;

	while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
		r->at++;
	return (size_t)(r->at - start);
}

static bool take_number(struct rest *r)
{
	const char *start = r->at;
	size_t digits;

	(void)take(r, '-'); /* or there is none, here and below */
	if (!take(r, '0') && !take_digits(r))
		return false;
	if (take(r, '.') && !take_digits(r))
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '-'))
			(void)take(r, '+');
		digits = take_digits(r);
		if (!digits || digits > EXPONENT_MAX)
			return false;
	}
	return r->at - start <= NUMBER_MAX;
}

static bool take_word(struct rest *r, const char *word, size_t len)
{
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len))
		return false;
	r->at += len;
	return true;
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* What follows a backslash. The halves of pairs, U+D800 to U+DFFF, are left to jansson. */
static bool take_escape(struct rest *r)
{
	int point = 0;

	if (r->at == r->end)
		return false;
	if (*r->at != 'u')
		return *r->at && strchr("\"\\/bfnrt", *r->at++);
	if (r->end - r->at < 5)
		return false;
	for (int i = 1; i <= 4; i++) {
		int digit = hex_value(r->at[i]);

		if (digit < 0)
			return false;
		point = point << 4 | digit;
	}
	r->at += 5;
	return point < 0xd800 || point > 0xdfff;
}

static bool take_string(struct rest *r, bool escapes)
{
	if (!take(r, '"'))
		return false;
	while (r->at < r->end) {
		unsigned char c;

		r->at += text_json_run(r->at, (size_t)(r->end - r->at));
		if (r->at == r->end)
			return false;
		c = (unsigned char)*r->at++;
		if (c == '"')
			return true;
		if (c < ' ' || (c == '\\' && !(escapes && take_escape(r))))
			return false;
	}
	return false;
}

static bool take_value(struct rest *r, unsigned depth);

static bool take_key(struct rest *r, struct span keys[KEYS_MAX], size_t *count)
{
	struct span key = { r->at, 0 };

	if (*count == KEYS_MAX || !take_string(r, false))
		return false;
	key.len = (size_t)(r->at - key.text);
	for (size_t i = 0; i < *count; i++)
		if (keys[i].len == key.len && !memcmp(keys[i].text, key.text, key.len))
			return false;
	keys[(*count)++] = key;
	take_blanks(r);
	return take(r, ':');
}

/* Behind the brace. */
static bool take_members(struct rest *r, unsigned depth)
{
	struct span keys[KEYS_MAX];
	size_t count = 0;

	take_blanks(r);
	if (take(r, '}'))
		return true;
	do {
		take_blanks(r);
		if (!take_key(r, keys, &count) || !take_value(r, depth))
			return false;
	} while (take(r, ','));
	return take(r, '}');
}

/* Behind the bracket. */
static bool take_items(struct rest *r, unsigned depth)
{
	take_blanks(r);
	if (take(r, ']'))
		return true;
	do {
		if (!take_value(r, depth))
			return false;
	} while (take(r, ','));
	return take(r, ']');
}

/* With the blanks around it. */
static bool take_value(struct rest *r, unsigned depth)
{
	bool taken;

	take_blanks(r);
	if (r->at == r->end || !depth)
		return false;
	switch (*r->at) {
	case '"':
		taken = take_string(r, true);
		break;
	case '{':
		r->at++;
		taken = take_members(r, depth - 1);
		break;
	case '[':
		r->at++;
		taken = take_items(r, depth - 1);
		break;
	case 't':
		taken = take_word(r, "true", 4);
		break;
	case 'f':
		taken = take_word(r, "false", 5);
		break;
	case 'n':
		taken = take_word(r, "null", 4);
		break;
	default:
		taken = take_number(r);
	}
	take_blanks(r);
	return taken;
}

bool json_plain(struct span text)
{
	struct rest r = { text.text, text.text + text.len };

	return take_value(&r, DEPTH_MAX) && r.at == r.end;
}
