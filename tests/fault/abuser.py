#!/usr/bin/env python3
"""A random operator: whatever a program may do to files, to all files of a mount.

    abuser.py MOUNT SEED SECONDS UID SECRET...

Does one random operation after another, most of them senseless, as that user; root leaves what lies in
hooks/kept as it is. None may hang, and nothing that is read may hold a SECRET. Prints, as JSON, how
often each operation went well and ill, and what should not have been.
"""
import collections
import ctypes
import errno
import fcntl
import json
import mmap
import os
import random
import signal
import sys
import time

HANG_S = 60
MAX_LEN = 65536
libc = ctypes.CDLL(None, use_errno=True)
RENAME_FLAGS = [0, 1, 2, 4]  # NOREPLACE, EXCHANGE, WHITEOUT
AT_FDCWD = -100
FLAGS = [os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECT, os.O_SYNC, os.O_DSYNC,
         os.O_NOFOLLOW, os.O_DIRECTORY, os.O_TMPFILE, os.O_PATH, os.O_NOATIME, os.O_NOCTTY]
NAMES = ["url", "event", "object", "enabled", "retry", "timeout", "description", "labels", "secret",
         "config.json", "headers", "headers/X-A", "headers/Authorization", "pending", "failed",
         "delivered", "status", "test", "tls", "tls/key", "tls/ca", ".swp", "4913", "x~", "odd name",
         "n" * 255, "n" * 256, "\u00e9\u2028", "-rf", "a\nb", "...", ".git", "d/" * 40 + "deep"]
TOPS = ["", "hooks", "hooks/kept", "hooks/play", "hooks/other", "hooks/new"]
ROOT_FILES = ["README", "events", "events.fifo", "log", "errors", "status", "metrics.prom",
              "destinations", "nothing"]
TEXTS = [b"", b"\n", b"0\n", b"1\n", b"generate\n", b"x" * 5000, b"5s 5m\n", b"********\n",
         b"http://127.0.0.1:1/\n", b"completed\n", b"{}", b"\0\0\n", b"\xff\xfe\n", b"a: b\n",
         b'{"name":"x"}\n', b"a:b\n" * 400]


class Operator:
    def __init__(self, mount, rng, uid, secrets):
        self.mount, self.rng, self.uid, self.secrets = mount, rng, uid, secrets
        self.operations = {name[3:]: getattr(self, name) for name in dir(self) if name.startswith("do_")}
        self.counts = collections.defaultdict(collections.Counter)
        self.problems = []

    def path(self, change=False):
        """Any; for a change by root none of what is to be kept."""
        rng = self.rng
        while True:
            top = rng.choice(TOPS)
            path = rng.choice(ROOT_FILES) if not top else \
                rng.choice([top, f"{top}/{rng.choice(NAMES)}", f"{top}/{rng.choice(NAMES)}"])
            if rng.random() < 0.1:
                path = self.existing(top) or path
            if not (change and self.uid == 0 and "kept" in path):
                return f"{self.mount}/{path}"

    def existing(self, top):
        path = f"{top}/{self.rng.choice(['', 'pending', 'delivered', 'failed', 'headers'])}"
        names = os.listdir(f"{self.mount}/{path}")
        return f"{path}/{self.rng.choice(names)}" if names else None

    def text(self):
        if self.rng.random() < 0.2:
            return self.rng.randbytes(self.rng.randint(0, 300))
        return self.rng.choice(TEXTS)

    def open(self, change=False):
        """With odd flags; never waits for a pipe's other end."""
        rng = self.rng
        flags = rng.choice([os.O_WRONLY, os.O_RDWR]) if change else os.O_RDONLY
        for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
            flags |= rng.choice(FLAGS)
        if not change:
            flags &= ~(os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY))
        return os.open(self.path(change), flags | os.O_NONBLOCK, rng.choice([0o600, 0o644, 0o7777, 0]))

    def look(self, data):
        for secret in self.secrets:
            if secret in data:
                self.problems.append(f"{secret.decode()} was read in {self.last}")

    def step(self):
        name = self.rng.choice(list(self.operations))
        self.last = name
        signal.alarm(HANG_S)
        try:
            self.operations[name]()
            self.counts[name]["well"] += 1
        except OSError as e:
            self.counts[name][errno.errorcode.get(e.errno, str(e.errno))] += 1
            if e.errno in (errno.ENOTCONN, errno.EIO, errno.ECONNABORTED):
                self.problems.append(f"{name}: {e}")
        except (ValueError, OverflowError, UnicodeError):
            self.counts[name]["senseless"] += 1
        finally:
            signal.alarm(0)

    # ---- reading

    def do_read(self):
        fd = self.open()
        try:
            self.look(os.pread(fd, MAX_LEN, self.rng.choice([0, 0, 0, 1, 4096, 1 << 40])))
        finally:
            os.close(fd)

    def do_mmap(self):
        fd = self.open()
        try:
            with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
                self.look(m[:MAX_LEN])
        finally:
            os.close(fd)

    def do_mmap_write(self):
        fd = self.open(change=True)
        try:
            with mmap.mmap(fd, 4096) as m:
                m[:4] = b"1\n\n\n"
        finally:
            os.close(fd)

    def do_list(self):
        os.listdir(self.path())

    def do_stat(self):
        path = self.path()
        self.rng.choice([os.stat, os.lstat, os.statvfs, os.readlink])(path)

    def do_access(self):
        os.access(self.path(), self.rng.randint(0, 7))

    def do_seek(self):
        fd = self.open()
        try:
            os.lseek(fd, self.rng.choice([0, 1, -1, 1 << 62]),
                     self.rng.choice([os.SEEK_SET, os.SEEK_END, os.SEEK_DATA, os.SEEK_HOLE]))
            self.look(os.read(fd, 4096))
        finally:
            os.close(fd)

    def read_through_pipe(self, into):
        fd, (r, w) = self.open(), os.pipe()
        try:
            into(fd, w)
            os.close(w)
            w = None
            self.look(os.read(r, 4096))
        finally:
            for each in (fd, r, w):
                if each is not None:
                    os.close(each)

    def do_sendfile(self):
        self.read_through_pipe(lambda fd, w: os.sendfile(w, fd, 0, 4096))

    def do_splice(self):
        self.read_through_pipe(lambda fd, w: os.splice(fd, w, 4096, flags=2))

    # ---- writing

    def do_write(self):
        fd = self.open(change=True)
        try:
            os.pwrite(fd, self.text(), self.rng.choice([0, 0, 0, 0, 7, 1 << 33]))
        finally:
            os.close(fd)

    def do_splice_in(self):
        fd, (r, w) = self.open(change=True), os.pipe()
        try:
            os.write(w, self.text()[:4096])
            os.close(w)
            w = None
            os.splice(r, fd, 4096, flags=2)
        finally:
            for each in (fd, r, w):
                if each is not None:
                    os.close(each)

    def do_copy_range(self):
        a, b = self.open(), None
        try:
            b = self.open(change=True)
            os.copy_file_range(a, b, 4096)
        finally:
            for each in (a, b):
                if each is not None:
                    os.close(each)

    def do_fallocate(self):
        fd = self.open(change=True)
        try:
            result = libc.fallocate(fd, self.rng.choice([0, 1, 3, 8, 16, 32, 64]), ctypes.c_long(0),
                                    ctypes.c_long(self.rng.choice([1, 4096, 1 << 40])))
            self.result(result)
        finally:
            os.close(fd)

    def do_truncate(self):
        os.truncate(self.path(change=True), self.rng.choice([0, 1, 4096, 1 << 40]))

    def do_sync(self):
        fd = self.open(change=self.rng.random() < 0.5)
        try:
            self.rng.choice([os.fsync, os.fdatasync])(fd)
        finally:
            os.close(fd)

    # ---- names

    def result(self, value):
        if value < 0:
            e = ctypes.get_errno()
            raise OSError(e, os.strerror(e))

    def do_rename(self):
        a, b = (os.fsencode(self.path(change=True)) for _ in range(2))
        self.result(libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, self.rng.choice(RENAME_FLAGS)))

    def do_link(self):
        os.link(self.path(change=True), self.path(change=True))

    def do_symlink(self):
        os.symlink(self.rng.choice(["/etc/passwd", "../..", "x" * 4000]), self.path(change=True))

    def do_mknod(self):
        os.mknod(self.path(change=True), self.rng.choice([0o100600, 0o010600, 0o020600, 0o140600]))

    def do_mkdir(self):
        os.mkdir(self.path(change=True), self.rng.choice([0o700, 0o777, 0]))

    def do_unlink(self):
        os.unlink(self.path(change=True))

    def do_rmdir(self):
        path = self.path(change=True)
        if os.path.basename(path) not in ("play", "hooks"):
            os.rmdir(path)

    # ---- attributes

    def inner(self):
        """Not hooks itself, where it would be root's good right to close all of it."""
        path = self.path(change=True)
        while os.path.basename(path) in ("hooks", "play", "events"):
            path = self.path(change=True)
        return path

    def do_chmod(self):
        os.chmod(self.inner(), self.rng.choice([0o600, 0o644, 0o777, 0o4755, 0]))

    def do_chown(self):
        os.chown(self.inner(), self.rng.choice([-1, 0, 65534]), self.rng.choice([-1, 0, 65534]),
                 follow_symlinks=False)

    def do_utime(self):
        os.utime(self.path(change=True), (self.rng.choice([0, 1 << 33]), 1))

    def do_xattr(self):
        name = self.rng.choice(["user.a", "trusted.a", "security.selinux",
                                "system.posix_acl_access", "x" * 300])
        if self.rng.random() < 0.5:
            os.setxattr(self.path(change=True), name, b"v" * self.rng.choice([0, 8, 65536]))
        else:
            self.look(os.getxattr(self.path(), name))
            os.listxattr(self.path())

    def do_lock(self):
        fd = self.open(change=self.rng.random() < 0.5)
        try:
            fcntl.flock(fd, self.rng.choice([fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN]) |
                        fcntl.LOCK_NB)
            fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(fd)

    def do_lease(self):
        fd = self.open()
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, self.rng.choice([fcntl.F_RDLCK, fcntl.F_WRLCK,
                                                              fcntl.F_UNLCK]))
        finally:
            os.close(fd)

    def do_ioctl(self):
        fd = self.open()
        try:
            fcntl.ioctl(fd, self.rng.choice([0x5401, 0x541b, 0x80086601, 0x40086602, 0x80081270,
                                             0xc020660b, self.rng.getrandbits(31)]), bytes(64))
        finally:
            os.close(fd)


def main():
    mount, seed, seconds, uid = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    secrets = [s.encode() for s in sys.argv[5:]]
    if uid:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    operator = Operator(mount, random.Random(f"{seed} {uid}"), uid, secrets)

    def hangs(*_):
        raise SystemExit(f"{operator.last} hangs")

    signal.signal(signal.SIGALRM, hangs)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        operator.step()
    json.dump({"counts": operator.counts, "problems": operator.problems[:20]}, sys.stdout)


if __name__ == "__main__":
    main()
