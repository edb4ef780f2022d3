#pragma once
/*
 * url: which urls the sender takes, and what of one may be shown.
 */
#include <stddef.h>

struct buf;
struct err;

/* http or https (case ignored), a host, an optional port 1-65535; no user:password@, no fragment,
 * no blanks or control characters, ASCII only. -EINVAL with the column and what to do instead. */
int url_check(const char *text, size_t len, struct err *err);
/* Appends "https://hooks.slack.com:443", lower case, always with the port: the destination's
 * name. */
void url_destination(const char *url, struct buf *out);
/* Appends scheme and host as written, and MASK for the rest. */
void url_masked(const char *url, struct buf *out);
