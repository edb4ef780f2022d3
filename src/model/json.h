#pragma once
/*
 * json: what jansson lacks: its memory is cleared when it is freed, since it may have held a protected
 * value, and a text that was read without enough of it is told from one that is no JSON.
 *
 * Not thread-safe: JSON belongs to the main thread.
 */
#include <jansson.h>

/* Once, before any JSON is read. */
void json_init(void);
/* 0; -EINVAL: it is no JSON, and *e says why; -ENOMEM. */
int json_read(const char *text, size_t len, size_t flags, json_error_t *e, json_t **out);
