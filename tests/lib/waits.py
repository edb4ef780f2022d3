#!/usr/bin/env python3
"""waits.py HOW UNTIL FILE [COPIES]: reads the file and waits for news of it.

UNTIL is what it waits for, time after time: a line that begins so; "" is any news. HOW is poll, select, epoll or edge (epoll, edge-triggered). Prints "waits" when it has read all of
the COPIES open files (1) and is going to wait, then, for each time, what woke it ("IN PRI", "IN",
"HUP", ...), once a copy, and at the end the last line of what it read then. Ends with 1, and
"nothing", where no news come within two minutes.
"""

import os
import resource
import select
import sys

LIMIT_S = 120
NAMES = [("IN", select.POLLIN), ("PRI", select.POLLPRI), ("OUT", select.POLLOUT),
         ("ERR", select.POLLERR), ("HUP", select.POLLHUP)]


def by_poll(files):
    waiter = select.poll()
    for fd in files:
        waiter.register(fd, select.POLLIN | select.POLLPRI)
    return lambda: dict(waiter.poll(LIMIT_S * 1000))


def by_epoll(files, kind=0):
    waiter = select.epoll()
    for fd in files:
        waiter.register(fd, select.EPOLLIN | select.EPOLLPRI | kind)
    return lambda: dict(waiter.poll(LIMIT_S, len(files)))


def by_select(files):
    def wait():
        readable, _, special = select.select(files, [], files, LIMIT_S)
        news = {}
        for some, bit in ((readable, select.POLLIN), (special, select.POLLPRI)):
            for fd in some:
                news[fd] = news.get(fd, 0) | bit
        return news
    return wait


def main():
    how, until, name = sys.argv[1:4]
    copies = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (copies + 64,) * 2)
    files = [os.open(name, os.O_RDONLY) for _ in range(copies)]
    is_log = os.path.basename(name) == "log"
    ends = dict.fromkeys(files, 0)
    text = b""

    def take(fd):
        """A snapshot is read from its start, the log from where the last read ended."""
        nonlocal text
        data = os.pread(fd, 1 << 20, ends[fd])
        if is_log:
            ends[fd] += len(data)
        text = data or text

    for fd in files:
        take(fd)
    wait = {"poll": by_poll, "select": by_select, "epoll": by_epoll,
            "edge": lambda some: by_epoll(some, select.EPOLLET)}[how](files)
    print("waits", flush=True)
    found = False
    while not found:
        woken = {}
        while len(woken) < copies:
            news = wait()
            if not news:
                print("nothing", flush=True)
                return 1
            for fd, bits in news.items():
                take(fd)
                if fd not in woken:
                    words = " ".join(word for word, bit in NAMES if bits & bit)
                    print(words, flush=True)
                woken[fd] = bits
        found = any(line.startswith(until) for line in text.decode().split("\n"))
    print(text.decode().rstrip("\n").rsplit("\n", 1)[-1], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
