#!/usr/bin/env python3
"""Swaps names in a spool as fast as it can, for one who wants a file read that he may not read.

    swap.py UID SPOOL TARGET ROUNDS

As that user. Each round drops a good file and puts a link to TARGET in its place, or the other way round.
"""
import contextlib
import errno
import os
import sys

spool, target, rounds = sys.argv[2], sys.argv[3], int(sys.argv[4])
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
name, link = os.path.join(spool, "swapped"), os.path.join(spool, ".link")
for i in range(rounds):
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    except OSError as e:
        if e.errno != errno.ELOOP:
            raise
        # A link that was swapped within the claim has been put back.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        continue
    with os.fdopen(fd, "w") as f:
        f.write("deployment/harmless completed\n")
    os.symlink(target, link)
    with contextlib.suppress(FileNotFoundError):
        os.rename(link, name)
        os.unlink(name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
