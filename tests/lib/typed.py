#!/usr/bin/env python3
"""typed.py SHELL... -- LINE WORDS [ABSENT]: a person types LINE into an interactive shell, TABs in it
included, and the shell must show WORDS for it; ABSENT then must not stand there.

The shell runs on a terminal of its own, and its setup is what stands on stdin. What it said is
printed where it did not say that.
"""

import os
import pty
import re
import select
import sys
import time

LIMIT_S = 30


def plain(text):
    """Without what moves the cursor or colours the text."""
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07|\r", b"", text).decode(errors="replace")


def read_until(fd, words, text=b""):
    """What the shell says until these words are there; False where they do not come."""
    end = time.monotonic() + LIMIT_S
    while words not in plain(text):
        if time.monotonic() > end or not select.select([fd], [], [], LIMIT_S)[0]:
            return text, False
        try:
            got = os.read(fd, 65536)
        except OSError:
            got = b""
        if not got:
            return text, False
        text += got
    return text, True


def main():
    at = sys.argv.index("--")
    shell, (line, words, *absent) = sys.argv[1:at], sys.argv[at + 1 :]
    setup = sys.stdin.read()
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", PS1="> ", COLUMNS="500", LINES="500")
        os.execvp(shell[0], shell)
    # Marks are put together by the shell, so that their echo is none. The second one, on the line that is
    # typed, comes when the shell has dealt with all before it.
    os.write(fd, (setup + "\nPS1='> '; echo set''up\n").encode())
    said, well = read_until(fd, "setup\n")
    if well:
        os.write(fd, line.replace("<TAB>", "\t").encode())
        said, well = read_until(fd, words)
    if well and absent:
        os.write(fd, b"\x15echo do''ne\n")
        said, well = read_until(fd, "done\n", said)
        well = well and absent[0] not in plain(said)
    if not well:
        print(f"{line!r} gave no {words!r}, but:", plain(said), sep="\n")
    os.close(fd)  # the shell is hung up
    os.waitpid(pid, 0)
    sys.exit(not well)


main()
