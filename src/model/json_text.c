#include "model/json_text.h"

#include <string.h>

bool json_text_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The length of the string that s starts with, quotes included; 0 if it does not end. */
static size_t string_len(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		i += text_json_run(s.text + i, s.len - i);
		if (i < s.len && s.text[i] == '"')
			return i + 1;
		if (i < s.len && s.text[i] == '\\')
			i++;
	}
	return 0;
}

/* Likewise of a number, true, false or null: it ends where something else begins. */
static size_t scalar_len(struct span s)
{
	size_t i = 0;

	while (i < s.len && !json_text_is_blank(s.text[i]) && !memchr(",]}", s.text[i], 3))
		i++;
	return i;
}

/* Likewise of an object or array. */
static size_t nest_len(struct span s)
{
	size_t depth = 0;
	size_t i = 0;

	while (i < s.len) {
		size_t n = 1;

		switch (s.text[i]) {
		case '"':
			n = string_len((struct span){ s.text + i, s.len - i });
			if (!n)
				return 0;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (!--depth)
				return i + 1;
			break;
		default:
			break;
		}
		i += n;
	}
	return 0;
}

size_t json_text_len(struct span s)
{
	if (!s.len)
		return 0;
	switch (s.text[0]) {
	case '"':
		return string_len(s);
	case '{':
	case '[':
		return nest_len(s);
	default:
		return scalar_len(s);
	}
}

struct span json_text_next(struct span *rest)
{
	struct span found;
	size_t i = 0;

	while (i < rest->len &&
		(json_text_is_blank(rest->text[i]) || rest->text[i] == ',' || rest->text[i] == ':'))
		i++;
	found = (struct span){ rest->text + i, rest->len - i };
	found.len = json_text_len(found);
	rest->text = found.text + found.len;
	rest->len -= i + found.len;
	return found;
}
