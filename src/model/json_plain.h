#pragma once
/*
 * json_plain: texts that are JSON beyond doubt.
 *
 * jansson is the judge of JSON, and says what is wrong with what is none. But it builds a tree to say so, which
 * costs 200 instructions a byte, and of an event's line nothing is made of the tree: values are passed on as the
 * bytes that they came in. So this looks first. It says yes, and then jansson says so, too (tests/fuzz/json.c
 * looks for a text of which that is not true); or it does not know, which is no judgement. It does not
 * know objects of many members, deep nesting, numbers that may be too large for a double, characters
 * beyond U+FFFF as escapes, and keys with escapes: all that would need more than one look at each byte.
 */
#include "util/text.h"

/* The text is UTF-8. True: it is one JSON value, with blanks around it at most, in which no object has a key
 * twice. */
bool json_plain(struct span text);
