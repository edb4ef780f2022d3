#!/usr/bin/env python3
"""Writers of `events` who all wait for an answer at the same time.

    writers.py own|shared|begun DAEMON FILE LINES...

The daemon, a process id, stands still until a thread for each of LINES (\\n means a newline, @PATH the
content of a file) is asleep in its one write, through a descriptor of its own or one that they share; with
`begun` the line's first bytes have been written already. Then it goes on. Prints what each write returned, in the
order of LINES. A write before them, of a line that is longer, has told the kernel how long a write may be
to have company.
"""
import errno
import os
import signal
import sys
import threading
import time

WRITE = {"x86_64": 1, "aarch64": 64, "riscv64": 64}  # write(2) in /proc/TID/syscall
BEGUN = 20


class Writer(threading.Thread):
    def __init__(self, fd, text):
        super().__init__(daemon=True)
        self.fd, self.text, self.returned = fd, text, None

    def run(self):
        try:
            self.returned = str(os.write(self.fd, self.text))
        except OSError as error:
            self.returned = errno.errorcode[error.errno]

    def waits(self):
        """Asleep in it: whoever waits for another writer is that, too."""
        task = f"/proc/self/task/{self.native_id}"
        with open(f"{task}/stat", encoding="utf8") as f:
            asleep = f.read().rsplit(") ", 1)[1][0] in "SD"
        with open(f"{task}/syscall", encoding="utf8") as f:
            return asleep and f.read().split()[0] == str(WRITE[os.uname().machine])


def opened(how, file, first):
    return first if how == "shared" else os.open(file, os.O_WRONLY)


def text_of(line):
    if not line.startswith("@"):
        return line.encode().decode("unicode_escape").encode()
    with open(line[1:], "rb") as f:
        return f.read()


def main():
    how, daemon, file, *lines = sys.argv[1:]
    texts = [text_of(line) for line in lines]
    fd = os.open(file, os.O_WRONLY)
    if how != "begun":
        os.write(fd, b"deployment/m/v1 completed request_id=%s\n" % (b"x" * max(map(len, texts))))
    fds = [opened(how, file, fd) for _ in texts]
    if how == "begun":
        texts = [text[os.write(text_fd, text[:BEGUN]):] for text_fd, text in zip(fds, texts)]
    writers = [Writer(*pair) for pair in zip(fds, texts)]
    end = time.monotonic() + 60
    os.kill(int(daemon), signal.SIGSTOP)
    try:
        for writer in writers:
            writer.start()
        while not all(writer.waits() for writer in writers):
            if time.monotonic() > end:
                sys.exit("they do not all wait")
            time.sleep(0.01)
    finally:
        os.kill(int(daemon), signal.SIGCONT)
    for writer in writers:
        writer.join()
    print(*(writer.returned for writer in writers))


main()
