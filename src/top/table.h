#pragma once
/*
 * table: the mount as one table, for output that is no terminal.
 */
#include <stdbool.h>
#include <stdio.h>

struct err;

/* Reads what it needs and closes the root. 0 or -errno with a sentence. */
int table_print(const char *mountpoint, int root, bool utf8, FILE *out, struct err *err);
