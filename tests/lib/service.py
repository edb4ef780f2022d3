#!/usr/bin/env python3
"""service.py WEBHOOKFS STATE MNT [OPTIONS [MOUNT_OPTIONS]]: starts the daemon as systemd does from webhookfs.service.

`webhookfs -m` mounts and hands over the device; once it has ended the daemon gets that, as a user without
privileges (65534) in a mount namespace of its own, and becomes this process. Environment: FIFO, a named
pipe to hand over besides; NOTHING_KEPT, to hand over no device.
"""

import array
import os
import socket
import subprocess
import sys

NOBODY = 65534


def keep(ear, program):
    """What systemd would keep of what `program` gives it."""
    kept = []
    while True:
        try:
            text, ancillary, _, _ = ear.recvmsg(4096, socket.CMSG_SPACE(16))
        except socket.timeout:
            if program.poll() is None:
                continue
            return kept
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        words = text.decode().split("\n")
        print("heard:", " ".join(words), file=sys.stderr, flush=True)
        if "FDSTOREREMOVE=1" in words:
            kept = []
        if "FDSTORE=1" in words:
            kept += fds
        else:
            for fd in fds:  # a barrier
                os.close(fd)


def main():
    webhookfs, state, mnt, *more = sys.argv[1:]
    options = more[0] if more else "allow_other"
    os.makedirs(state, mode=0o700, exist_ok=True)
    os.chown(state, NOBODY, NOBODY)
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = state + ".notify"
    ear.bind(address)
    ear.settimeout(0.05)
    os.environ["NOTIFY_SOCKET"] = address
    mounting = subprocess.Popen([webhookfs, "-m", "-o", options, state, mnt])
    kept = keep(ear, mounting)
    os.unlink(address)
    if mounting.returncode:
        sys.exit(mounting.returncode)
    del os.environ["NOTIFY_SOCKET"]
    handed = [("fuse", fd) for fd in kept]
    if "FIFO" in os.environ:
        handed.insert(0, ("pipe", os.open(os.environ["FIFO"], os.O_RDWR | os.O_NONBLOCK)))
    spare = [(name, os.dup2(fd, 100 + i)) for i, (name, fd) in enumerate(handed)]
    for i, (_, fd) in enumerate(spare):
        os.dup2(fd, 3 + i)
    os.environ.update(
        LISTEN_PID=str(os.getpid()),
        LISTEN_FDS=str(len(handed)),
        LISTEN_FDNAMES=":".join(name for name, _ in handed),
    )
    os.closerange(3 + len(handed), 256)
    daemon = [webhookfs, "-f", "-o", options, state, mnt]
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    # The process stays the same, which LISTEN_PID names.
    os.execvp("unshare", ["unshare", "--mount", "--propagation=slave", "--"] + nobody + ["--bounding-set=-all"] + daemon)


main()
