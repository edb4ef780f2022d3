#pragma once
/*
 * confine_internal: what confine.c has put together. Not for anybody else but tests.
 */
#include <stdbool.h>

struct options;

bool confine_memory(bool may);               /* confine_memory.c; may: it has CAP_IPC_LOCK */
bool confine_files(const struct options *o); /* confine_files.c; no_new_privs is set */
bool confine_calls(void);                    /* confine_calls.c; likewise */
