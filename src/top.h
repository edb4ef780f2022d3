#pragma once
/*
 * top: what --top does: the process becomes webhookfs-top.
 */
struct err;

/* Only returns where that program cannot be started: -errno with a sentence. */
int top_become(const char *mountpoint, struct err *err);
