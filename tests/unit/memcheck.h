#pragma once
/*
 * memcheck: what a test asks for that valgrind has not, or is too slow for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* behind what it needs */
#include <cmocka.h>

/* tests/lib/memcheck says so to what it runs. */
static inline void skip_under_memcheck(const char *why)
{
	if (!getenv("UNDER_MEMCHECK"))
		return;
	print_message("not under memcheck: %s\n", why);
	skip();
}
