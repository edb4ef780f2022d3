#pragma once
/*
 * confine: what the daemon denies itself once it serves.
 *
 * By then it has opened, mounted and forked all that it ever will; what is left is to read and write
 * its state directory and spool, and to call receivers. Whoever took it over, through a library that
 * reads what strangers send, would want more than that: a shell, other programs' memory, other
 * users' files, a port to listen on. None of it is to be had then, not even by root.
 *
 *   memory        locked: no page of it goes to a swap device; code that only the start ran is let go
 *   capabilities  all given up but those that files of other users need; no program brings new ones
 *   files         Landlock: writes only beneath the state directory, the spool and, to remove the
 *                 pipe, beside it; reads only there and where systems keep programs and their
 *                 configuration; nothing is executed
 *   calls         seccomp: no new process, no tracing, no mount, no kernel's keys or modules, no
 *                 socket that listens or is no AF_UNIX, AF_INET, AF_INET6 or AF_NETLINK
 *
 * What is denied fails (EPERM, EACCES), it kills nothing. What this kernel, this machine or a build
 * with a sanitizer's or profiler's runtime cannot do is left out; the result says so.
 *
 * To be called once, by the only thread: it holds for all that come later. It cannot be undone, and
 * leaves no way to unmount: see unmounter.h.
 */
struct buf;
struct options;

enum {
	CONFINED_MEMORY = 1,
	CONFINED_CAPABILITIES = 2,
	CONFINED_FILES = 4,
	CONFINED_CALLS = 8,
};

/* What is in force then, a sum of the above; 0 with `confine` off. */
unsigned confine(const struct options *o);
/* Appends the words above of what is in force, "none" for nothing. */
void confine_show(unsigned confined, struct buf *out);
