#pragma once
/*
 * libc: what glibc has and musl lacks, or got late. Elsewhere it is empty.
 */
#include <stdio.h> /* which says whose it is, and declares renameat2 */

#ifndef __GLIBC__
#include <linux/fs.h> /* RENAME_NOREPLACE */
#include <sys/syscall.h>
#include <unistd.h>

/* By a name of its own, since the newest have it. */
#define renameat2 libc_renameat2

static inline int libc_renameat2(
	int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}
#endif
