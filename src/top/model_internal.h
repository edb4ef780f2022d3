#pragma once
/*
 * model_internal: what the files of the model share.
 */
#include "top/model.h"
#include "util/text.h"

/* A key of a file, and where its number goes. */
struct key_number {
	const char *key;
	size_t offset;
};

char *copy_text(const char *text, size_t len);
size_t line_len(const char *text, size_t len); /* of the first line, without its newline */
bool key_value(const char *line, size_t len, struct span *key, struct span *value);
bool span_is(const struct span *s, const char *word);

void rate_look(struct model_rate *r, int64_t counter, int64_t now_ms);
/* The one of this name, made where there is none; NULL: no hook can be called so. */
struct model_hook *hook_of(struct model *m, const char *name, size_t len);
void hook_drop(struct model *m, struct model_hook *h);
