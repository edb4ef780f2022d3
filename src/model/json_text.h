#pragma once
/*
 * json_text: where values end in JSON that is known to be valid.
 *
 * A value is passed on as the bytes that it came in, so that numbers and the order of keys arrive as they
 * were sent; all that takes is to know where it ends. Judging and decoding are jansson's. Pure;
 * spans borrow from the text.
 */
#include "util/text.h"

bool json_text_is_blank(char c);
/* The length of the value that the text starts with; 0 for a string, object or array that does not end. */
size_t json_text_len(struct span s);
/* Takes the next key or value off the inside of an object or array, and what separates it from the one
 * before; empty at the end. */
struct span json_text_next(struct span *rest);
