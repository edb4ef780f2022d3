#!/usr/bin/env python3
"""Lists a directory through small getdents buffers, as no tool does any more.

    listing.py DIR [BUFFER [COMMAND]]    the names, one a line; COMMAND runs in a shell between two
                                         buffers, with N in its environment: 0, 1, 2 …
    listing.py --seek DIR                goes back to every position that the listing told, in any
                                         order, and finds there what was there: prints how many
"""
import ctypes
import os
import random
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
SYS_GETDENTS64 = {"x86_64": 217, "aarch64": 61}[os.uname().machine]


def getdents(fd, size):
    """[(name, position behind it)], empty at the end."""
    buffer = ctypes.create_string_buffer(size)
    length = libc.syscall(SYS_GETDENTS64, fd, buffer, size)
    if length < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    entries, at = [], 0
    while at < length:
        _, behind, size_here, _ = struct.unpack_from("<QqHB", buffer, at)
        name = buffer.raw[at + 19 : at + size_here].split(b"\0")[0].decode()
        entries.append((name, behind))
        at += size_here
    return entries


def listing(fd, size, between=None):
    count = 0
    while entries := getdents(fd, size):
        yield from (e for e in entries if e[0] not in (".", ".."))
        if between:
            subprocess.run(["sh", "-c", between], check=True, env={**os.environ, "N": str(count)})
        count += 1


def seek(fd):
    entries = list(listing(fd, 4096))
    places = list(zip(entries, entries[1:]))
    random.Random(1).shuffle(places)
    for (_, behind), (name, _) in places:
        os.lseek(fd, behind, os.SEEK_SET)
        found = getdents(fd, 4096)
        if not found or found[0][0] != name:
            sys.exit(f"behind {behind} is {found[:1]}, not {name}")
    return len(places)


def main():
    if sys.argv[1] == "--seek":
        print(seek(os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)))
        return
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 4096
    between = sys.argv[3] if len(sys.argv) > 3 else None
    for name, _ in listing(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), size, between):
        print(name)


main()
