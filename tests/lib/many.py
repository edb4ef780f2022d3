#!/usr/bin/env python3
"""Holds one file open many times.

    many.py FILE COUNT [BYTES [UID]]

Opens FILE for reading, or for writing and writes BYTES bytes through each (if not 0), until there
are COUNT or one is refused. Where there is no memory for so many bytes it goes on with half of them,
down to 64. As the user UID, and in as many processes as the limit of open files asks for. Says how
many there are, and the refusal's name; holds them until its input ends."""

import errno
import os
import resource
import sys


def hold(path, count, size):
    """(opened, errno or 0), with the files still open."""
    opened = 0
    while opened < count:
        try:
            fd = os.open(path, os.O_WRONLY if size else os.O_RDONLY)
            opened += 1
            while size:
                try:
                    os.write(fd, b" " * size)
                    break
                except OSError as e:
                    if e.errno != errno.ENOMEM or size <= 64:
                        raise
                    size //= 2
        except OSError as e:
            return opened, e.errno
    return opened, 0


def child(path, count, size, told, end):
    if len(sys.argv) > 4:
        os.setgroups([])
        os.setresgid(*[int(sys.argv[4])] * 3)
        os.setresuid(*[int(sys.argv[4])] * 3)
    opened, error = hold(path, count, size)
    os.write(told, b"%d %d\n" % (opened, error))
    os.read(end, 1)
    os._exit(0)


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    share = min(hard, 20000) - 100
    end, end_writer = os.pipe()
    total = error = 0
    while total < count and not error:
        told, told_writer = os.pipe()
        if os.fork() == 0:
            os.close(end_writer)
            child(path, min(share, count - total), size, told_writer, end)
        os.close(told_writer)
        with os.fdopen(told) as report:
            opened, error = map(int, report.readline().split())
        total += opened
    print(total, errno.errorcode[error] if error else "", flush=True)
    sys.stdin.read()
    os.close(end_writer)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


main()
