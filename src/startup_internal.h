#pragma once
/*
 * startup_internal: what startup.c and startup_service.c share.
 */

/* Tells systemd, with a descriptor unless it is -1. -errno; -ENOTCONN: not started by systemd. */
int startup_notify(const char *state, int fd);
