#pragma once
/*
 * mask: protected values that must not come back in what a receiver says.
 *
 * A receiver may repeat what it was sent: the header that it did not like, the path that it does not
 * have. A mask holds the values of one request, and puts MASK in their place. It finds a value as a
 * whole and in its parts, between blanks and between punctuation, so that `Token` may be told and what
 * stands behind it not; and as JSON writes it, with backslashes. Values and parts of fewer than
 * MASK_VALUE_MIN bytes are no secrets and would be found everywhere. A receiver that encodes what it
 * repeats in another way (base64, say) gets round it.
 *
 * Owns copies, which are cleared before they are freed. Life cycle: MASK_NONE, mask_add, mask_apply,
 * mask_release. Small allocations that fail abort.
 */
#include <stdbool.h>
#include <stddef.h>

struct hook;

#define MASK_VALUE_MIN 8 /* the mask's own length: masking never makes a text longer */

struct mask_value {
	char *text;
	size_t len;
};
struct mask {
	struct mask_value *values;
	size_t count;
};
#define MASK_NONE ((struct mask){ NULL, 0 })

/* The value, which has no NUL byte, and its parts. */
void mask_add(struct mask *m, const char *text, size_t len);
/* What is protected of a hook: headers, its secrets, the part of its url behind the host. */
void mask_add_hook(struct mask *m, const struct hook *h);
void mask_release(struct mask *m);

/* Masks in place and returns the new length. Of a text that was `cut`, an end with which a value may have
 * begun goes too. */
size_t mask_apply(const struct mask *m, char *text, size_t len, bool cut);
