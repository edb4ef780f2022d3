#pragma once
/*
 * handover: the mount that this daemon is to serve: the one that was handed over to it, if it can be gone on with,
 * or a new one; and what it leaves to the next daemon.
 *
 * Both put the mount point's real path into the options. Errors: 0 or -errno, with a sentence.
 */
#include "service.h"

struct err;
struct fs;
struct kept;
struct options;

/* The mount is made and taken off by others, who keep it, too: by `webhookfs -m` and systemd, or by mount(8). */
bool handover_is_beforehand(const struct handed *h);
/* -ENOENT: none was handed over. -ESTALE and the like: it cannot be gone on with, has been given up, and is no
 * more in *h. */
int handover_take(struct handed *h, struct options *o, struct err *why, struct kept **out);
/* There may be a new one, and this is its sheet. */
int handover_begin(struct options *o, struct err *err, struct kept **out);
/* It is mounted: gives to who keeps it what he does not have yet. -ENOTSUP: the kernel is too old. */
int handover_keep(const struct handed *h, struct fs *fs, struct kept *kept, struct err *err);
