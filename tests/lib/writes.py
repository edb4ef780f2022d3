#!/usr/bin/env python3
"""One open file, one write(2) a piece, and what each of them returned.

    writes.py FILE PIECE...

A piece is text with the escapes \\n, \\\\ and \\xHH; `@PATH` is the content of a file. Prints, on one
line, a count or an errno's name for each write, then `closed` or the errno that close(2) returned.
"""
import errno
import os
import re
import sys


def bytes_of(piece):
    if piece.startswith("@"):
        with open(piece[1:], "rb") as f:
            return f.read()
    known = {b"n": b"\n", b"\\": b"\\"}
    return re.sub(rb"\\(?:x([0-9a-f]{2})|(.))",
                  lambda m: bytes([int(m[1], 16)]) if m[1] else known[m[2]],
                  os.fsencode(piece), flags=re.DOTALL)


def outcome(call, *arguments):
    try:
        result = call(*arguments)
    except OSError as e:
        return errno.errorcode[e.errno]
    return "closed" if result is None else str(result)


def main():
    fd = os.open(sys.argv[1], os.O_WRONLY)
    said = [outcome(os.write, fd, bytes_of(piece)) for piece in sys.argv[2:]]
    print(*said, outcome(os.close, fd))


if __name__ == "__main__":
    main()
