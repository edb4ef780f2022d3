#!/usr/bin/env python3
"""Calls that fail, one after another, under a whole scenario: nothing acknowledged may be lost.

    walk.py [--short | --most N] [--call N] [--jobs N] [WALK...]

A walk is a row of WALKS: which calls of the daemon fail (faults.so), and how. It runs the scenario
again and again from the same stored state: first the first such call fails, then the second, to the
last that the scenario makes. What each step must show is in Step.run(): writers that were told
success were told the truth, the others got an errno and a sentence; nothing hangs or crashes; the
daemon goes on, or starts again, without a fault; a setting is the old or the new one; no secret is told.

--most takes so many steps of each walk at most, evenly spaced, --short those of SHORT, --call one. --jobs
takes so many side by side, for most of a step is waiting. One that went wrong is named, and can be taken
again: `walk.py --call 12 read-eio`. KEEP=FILE keeps what its daemon said. Prints figures and TAP.
"""
import argparse
import errno
import fcntl
import itertools
import json
import mmap
import multiprocessing
import os
import queue
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import BUILD, Rig, table, wait_for  # noqa: E402

NONE, SYNC, WRITE, READ, OPEN, TRUNCATE, RENAME, UNLINK, MKDIR, SOCKET, MEMORY, STAT, LOCK, CHMOD = range(14)
ONCE, FROM, EVERY = range(3)
HALF = -1  # a write that writes half of it
BIG = 16384  # memory of a user's size

# name: call, mode, errno, end of the file's name, whether it begins behind the start
WALKS = {
    "commit-eio": (SYNC, ONCE, errno.EIO, "queue.db-wal", False),
    "commit-eio-from": (SYNC, FROM, errno.EIO, "queue.db-wal", True),
    "commit-write-enospc": (WRITE, ONCE, errno.ENOSPC, "queue.db-wal", False),
    "commit-write-short": (WRITE, ONCE, HALF, "queue.db-wal", False),
    "sync-eio": (SYNC, ONCE, errno.EIO, "", False),
    "sync-enospc-from": (SYNC, FROM, errno.ENOSPC, "", True),
    "write-enospc": (WRITE, ONCE, errno.ENOSPC, "", False),
    "write-enospc-from": (WRITE, FROM, errno.ENOSPC, "", True),
    "write-enospc-every": (WRITE, EVERY, errno.ENOSPC, "", True),
    "write-edquot": (WRITE, ONCE, errno.EDQUOT, "", True),
    "write-eio": (WRITE, ONCE, errno.EIO, "", False),
    "write-short": (WRITE, ONCE, HALF, "", False),
    "read-eio": (READ, ONCE, errno.EIO, "", False),
    "open-emfile": (OPEN, ONCE, errno.EMFILE, "", False),
    "open-emfile-from": (OPEN, FROM, errno.EMFILE, "", True),
    "open-enospc": (OPEN, ONCE, errno.ENOSPC, "", True),
    "truncate-eio": (TRUNCATE, ONCE, errno.EIO, "", False),
    "rename-enospc": (RENAME, ONCE, errno.ENOSPC, "", False),
    "rename-eio-from": (RENAME, FROM, errno.EIO, "", True),
    "unlink-eio": (UNLINK, ONCE, errno.EIO, "", False),
    "unlink-eio-from": (UNLINK, FROM, errno.EIO, "", True),
    "mkdir-enospc": (MKDIR, ONCE, errno.ENOSPC, "", False),
    "stat-eio": (STAT, ONCE, errno.EIO, "", False),
    "stat-eio-from": (STAT, FROM, errno.EIO, "", True),
    "lock-enolck": (LOCK, ONCE, errno.ENOLCK, "", False),
    "lock-enolck-from": (LOCK, FROM, errno.ENOLCK, "", True),
    "chmod-eperm": (CHMOD, ONCE, errno.EPERM, "", False),
    "socket-emfile": (SOCKET, ONCE, errno.EMFILE, "", False),
    "socket-emfile-from": (SOCKET, FROM, errno.EMFILE, "", True),
    "memory": (MEMORY, ONCE, errno.ENOMEM, "", True),
    "memory-from": (MEMORY, FROM, errno.ENOMEM, "", True),
    "memory-every": (MEMORY, EVERY, errno.ENOMEM, "", True),
}
HOOKS = {"base", "flaky", "once", "kept", "paused", "leaving"}

# One call of each, in which the fault surely strikes.
SHORT = {"commit-eio": 5, "stat-eio-from": 6, "commit-write-short": 7, "sync-enospc-from": 3, "write-enospc": 11,
         "read-eio": 20, "open-emfile-from": 2, "rename-enospc": 3, "unlink-eio-from": 1,
         "socket-emfile": 12, "memory": 4, "memory-every": 3}
NEVER = 1 << 60
SECRET = "s3cr3t-of-the-walk"
HANG_S = 30
OPTIONS = "grace=3,log_size=64K,log_keep=2,retention=1m,failed_retention=30d"


class Broken(Exception):
    """What should not have been."""


class Plan:
    """struct plan of faults.c."""

    FORMAT = "=IIiIQQQ200s56s"

    def __init__(self, path):
        with open(path, "wb") as f:
            f.write(bytes(struct.calcsize(self.FORMAT)))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)

    def arm(self, call, mode, error, only, nth, under):
        self.disarm()
        struct.pack_into(self.FORMAT, self.map, 0, NONE, mode, error, BIG, nth, 0, 0,
                         under.encode(), only.encode())
        struct.pack_into("=I", self.map, 0, call)

    def disarm(self):
        struct.pack_into("=I", self.map, 0, NONE)

    def seen(self):
        return struct.unpack_from(self.FORMAT, self.map, 0)[5]

    def injected(self):
        return struct.unpack_from(self.FORMAT, self.map, 0)[6]


class Step(Rig):
    """One scenario on a copy of the stored state."""

    def __init__(self, sink, template, number):
        super().__init__()
        self.receiver, self.number = sink, number
        self.plan = Plan(f"{self.top}/plan")
        shutil.copytree(f"{template}/state", self.state)
        self.spool, self.fifo = f"{self.top}/state-spool", f"{self.top}/fifo"
        os.mkdir(self.spool)
        self.told = {}  # what each attempt came to: 0 or an errno
        self.sent = []  # ids acknowledged for the hook base
        self.flaky = []  # and for flaky
        self.dropped = []  # ids that nobody acknowledged, in files or the pipe
        self.entries = {}  # the delivery that each of the moves concerns
        self.seen = receiver_size(sink)
        self.error = 0  # of the fault
        self.events_mode = 0
        self.unread = set()  # hooks that the start could not read, as it said

    def fault(self, walk, nth):
        call, mode, error, only, _ = walk
        self.plan.arm(call, mode, error, only, nth, self.state)

    # ---- the daemon

    def launch(self):
        """True: it serves. False: it has ended, with a sentence."""
        environment = {**os.environ, "LD_PRELOAD": f"{BUILD}/faults.so",
                       "FAULTS": f"{self.top}/plan"}
        with open(f"{self.top}/stderr", "ab") as stderr:
            before = stderr.tell()
            self.process = subprocess.Popen(
                [self.program, "-f", "-o", f"{OPTIONS},spool={self.spool},fifo={self.fifo}",
                 self.state, self.mnt], stderr=stderr, env=environment)
        end = time.monotonic() + HANG_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.check_refusal(before)
                return False
            if self.mounted():
                return True
            time.sleep(0.003)
        raise Broken("the start hangs")

    def check_refusal(self, before):
        with open(f"{self.top}/stderr", encoding="utf8") as f:
            f.seek(before)
            said = f.read().splitlines()
        if self.process.returncode != 1:
            raise Broken(f"the start ended with {self.process.returncode}: {said}")
        if not said or not said[-1].startswith("webhookfs: "):
            raise Broken(f"the start failed without a sentence: {said}")
        if os.path.ismount(self.mnt):
            raise Broken("the start failed and left a mount")

    def end(self, how):
        if how == "kill":
            self.kill()
            return
        if self.process.poll() is not None:
            raise Broken(f"it had ended with {self.process.returncode}")
        self.process.terminate()
        try:
            status = self.process.wait(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken("stopping hangs") from None
        if status:
            raise Broken(f"stopping ended with {status}")

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            with open(f"{self.top}/stderr", encoding="utf8") as f:
                raise Broken(f"it crashed ({status}): {f.read()[-400:]}")

    # ---- what a user does

    def attempt(self, name, action, *args):
        """Does it; true if it went well. A failure is an errno that fits, and a sentence in errors."""
        before = self.errors()
        watchdog = threading.Timer(HANG_S, self.process.kill)
        watchdog.start()
        try:
            action(*args)
            self.told[name] = 0
            return True
        except OSError as e:
            self.told[name] = e.errno
            if e.errno == errno.ENOTCONN:  # a process that dies closes its files before it is dead
                self.process.wait(timeout=HANG_S)
            self.check_alive()
            if e.errno == errno.ENOENT and self.unread:
                return False
            self.check_errno(name, e.errno)
            if before is not None and self.errors() == before:
                raise Broken(f"{name}: {e.strerror}, and errors says nothing") from None
            return False
        finally:
            watchdog.cancel()

    def errors(self):
        try:
            with open(f"{self.mnt}/errors", encoding="utf8") as f:
                return f.read()
        except OSError:
            return None  # memory for it is what fails

    def check_errno(self, name, number):
        allowed = {errno.ENOSPC: {errno.ENOSPC}, errno.EDQUOT: {errno.ENOSPC},
                   HALF: {errno.ENOSPC, errno.EIO}}
        fault = self.error
        if number not in allowed.get(fault, {fault, errno.EIO, errno.ENOMEM}):
            raise Broken(f"{name}: {errno.errorcode[number]} for {fault}")

    def write(self, path, text, mask=0o022):
        old = os.umask(mask)
        try:
            with open(f"{self.mnt}/{path}", "wb", buffering=0) as f:
                f.write(text.encode())
        finally:
            os.umask(old)

    def id(self, name):
        return f"{self.number}-{name}"

    def line(self, name, target="deployment/m/v1", pad=0):
        more = f" result='\"{'x' * pad}\"'" if pad else ""
        return f"{target} completed request_id={self.id(name)}{more}\n"

    def events(self, names, into, **how):
        """One write; what it takes is acknowledged."""
        lines = [self.line(name, **how).encode() for name in names]

        def action():
            fd = os.open(f"{self.mnt}/events", os.O_WRONLY)
            try:
                taken = os.write(fd, b"".join(lines))
                for name, line in zip(names, lines):
                    taken -= len(line)
                    if taken >= 0:
                        into.append(self.id(name))
            finally:
                os.close(fd)

        return self.attempt(f"events {names[0]}", action)

    def drop(self, name, ids):
        with open(f"{self.top}/{name}", "w", encoding="utf8") as f:
            f.writelines(self.line(i) for i in ids)
        self.dropped += [self.id(i) for i in ids]
        os.rename(f"{self.top}/{name}", f"{self.spool}/{name}")

    def pipe(self, ids):
        fd = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"nonsense\n" + "".join(self.line(i) for i in ids).encode())
        os.close(fd)
        self.dropped += [self.id(i) for i in ids]

    def first(self, hook, directory):
        try:
            return f"hooks/{hook}/{directory}/" + sorted(
                os.listdir(f"{self.mnt}/hooks/{hook}/{directory}"))[0]
        except (OSError, IndexError):
            return None

    def move(self, old, new):
        os.rename(f"{self.mnt}/{old}", f"{self.mnt}/{new}")

    def copy_in(self, old, new):
        """As cp: an open that creates, and no bytes worth anything."""
        with open(f"{self.mnt}/{old}", "rb") as f:
            data = f.read()
        with open(f"{self.mnt}/{new}", "xb", buffering=0) as f:
            f.write(data)

    def calm(self, seconds=0.15):
        """Deliveries go out, as far as the fault lets them."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.count("pending", "base") == 0:
                    return
            except (OSError, KeyError):
                pass
            time.sleep(0.005)

    def scenario(self):
        self.events(["a"], self.sent)
        self.events(["b", "c", "d"], self.sent, pad=20000)
        self.events([f"e{i}" for i in range(520)], self.sent)
        self.events(["f"], self.flaky, target="pipeline/flaky/v1")
        self.drop("one", ["g", "h"])
        self.pipe(["i", "j"])
        self.attempt("description", self.write, "hooks/base/description", "new\n")
        self.attempt("chmod", os.chmod, f"{self.mnt}/events", 0o600)
        if self.attempt("mkdir", os.mkdir, f"{self.mnt}/hooks/new"):
            self.attempt("url", self.write, "hooks/new/url", self.receiver.url + "new\n")
            self.attempt("header", self.write, "hooks/new/headers/Authorization",
                         f"Token {SECRET}\n", 0o077)
            self.attempt("config", self.write, "hooks/new/config.json", json.dumps({
                "description": "whole", "url": self.receiver.url + "new", "object_type": "pipeline",
                "object_name": "new", "event": "pipeline_request_completed", "headers": [
                    {"key": "Authorization", "protected": True}]}))
            self.attempt("rename", self.move, "hooks/new", "hooks/newer")
        self.calm()
        for name, hook, directory in (("replay", "once", "failed"), ("drop", "kept", "failed"),
                                      ("cancel", "paused", "pending"),
                                      ("repeat", "kept", "delivered")):
            entry = self.first(hook, directory)
            if not entry:
                continue
            moved = f"hooks/{hook}/pending/{os.path.basename(entry)}"
            self.entries[name] = entry
            if name == "replay":
                self.attempt(name, self.move, entry, moved)
            elif name == "repeat":
                self.attempt(name, self.copy_in, entry, moved)
            else:
                self.attempt(name, os.unlink, f"{self.mnt}/{entry}")
        self.attempt("rmdir", os.rmdir, f"{self.mnt}/hooks/leaving")
        self.drop("two", ["k"])
        self.events(["l"], self.sent)
        self.calm()
        self.check_alive()

    # ---- the oracle

    def value(self, path):
        try:
            with open(f"{self.mnt}/{path}", encoding="utf8") as f:
                return f.read().strip()
        except FileNotFoundError:
            return None

    def one_of(self, name, found, old, new):
        """The new one after a success, else the old or the new one."""
        if found != new and not (self.told.get(name) != 0 and found == old):
            raise Broken(f"{name} was {self.told.get(name)}, and there is {found!r}")

    def check_configuration(self):
        hooks = set(os.listdir(f"{self.mnt}/hooks"))
        named = HOOKS - {"leaving"}
        if not named <= hooks <= named | {"new", "newer", "leaving"}:
            raise Broken(f"hooks are {sorted(hooks)}")
        self.one_of("description", self.value("hooks/base/description"), "old", "new")
        self.one_of("chmod", os.stat(f"{self.mnt}/events").st_mode & 0o777, self.events_mode, 0o600)
        self.one_of("rmdir", "leaving" in hooks, True, False)
        if {"new", "newer"} <= hooks:
            raise Broken("the renamed hook is there twice")
        made = hooks & {"new", "newer"}
        if self.told.get("mkdir") == 0 and not made:
            raise Broken("the new hook is lost")
        if not made:
            return
        name = made.pop()
        self.one_of("rename", name, "new", "newer")
        with open(f"{self.mnt}/hooks/{name}/config.json", encoding="utf8") as f:
            config = json.load(f)
        self.one_of("url", config.get("url") or "", "", self.receiver.url + "new")
        self.one_of("header", [h["protected"] for h in config["headers"]], [], [True])
        self.one_of("config", config.get("description") or "", "", "whole")

    def check_arrivals(self):
        """Everything that was acknowledged, and what only a file or the pipe knew of."""
        rejected = self.text_of(f"{self.state}/rejected.jsonl")
        for directory in (f"{self.spool}/rejected",):
            if os.path.isdir(directory):
                rejected += "".join(self.text_of(f"{directory}/{n}") for n in os.listdir(directory))
        arrived, ids = {}, {}
        for request in requests_since(self.receiver, self.seen):
            body = json.loads(request["body"])
            arrived.setdefault(request["path"], []).append(body["request_id"])
            ids.setdefault((request["path"], body["request_id"]), set()).add(
                request["headers"]["webhook-id"])
        base = set(arrived.get("/base", []))
        lost = [i for i in self.sent if i not in base]
        if lost:
            raise Broken(f"{len(lost)} acknowledged events are lost: {lost[:5]}")
        lost = [i for i in self.dropped if i not in base and i not in rejected]
        if lost:
            raise Broken(f"dropped or piped events are lost: {lost}")
        # What was refused in a whole write may come all the same, but never as two deliveries.
        twice = [key for key, value in ids.items() if len(value) > 1]
        if twice:
            raise Broken(f"other webhook-ids: {twice[:5]}")
        waiting = {self.request_id(f"hooks/flaky/pending/{n}")
                   for n in os.listdir(f"{self.mnt}/hooks/flaky/pending")}
        lost = [i for i in self.flaky if i not in waiting]
        if lost:
            raise Broken(f"what waits for a retry is lost: {lost}")
        for name, path in (("replay", "/once"), ("repeat", "/kept")):
            if self.told.get(name) == 0 and path not in arrived:
                raise Broken(f"{name} was done, and nothing was sent")
        for name in ("drop", "cancel"):
            if self.told.get(name) == 0 and os.path.exists(f"{self.mnt}/{self.entries[name]}"):
                raise Broken(f"{name} was done, and it is still there")

    def request_id(self, path):
        with open(f"{self.mnt}/{path}", encoding="utf8") as f:
            return json.load(f)["request"]["body"]["request_id"]

    @staticmethod
    def text_of(path):
        try:
            with open(path, encoding="utf8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def check_secret(self):
        """In no file of the mount, of the state directory but the hooks' own, and not in what it said."""
        for top in (self.mnt, self.state, f"{self.top}/stderr"):
            found = subprocess.run(["grep", "-rslaF", "--exclude-dir=events.fifo", "--devices=skip",
                                    SECRET, top], stdout=subprocess.PIPE, text=True, check=False)
            for name in found.stdout.splitlines():
                if not name.startswith(f"{self.state}/hooks/"):
                    raise Broken(f"the secret is in {name}")

    def check_database(self):
        db = sqlite3.connect(f"file:{self.state}/queue.db?mode=ro", uri=True)
        try:
            found = db.execute("PRAGMA quick_check").fetchone()[0]
        finally:
            db.close()
        if found != "ok":
            raise Broken(f"queue.db: {found}")

    def goes_on(self, name, started):
        """Without a fault everything works again, within the second that it waits."""
        self.error = 0
        end = time.monotonic() + 15
        while True:
            try:
                self.write("events", self.line(name))
                self.sent.append(self.id(name))
                break
            except OSError as e:
                self.check_alive()
                if time.monotonic() > end:
                    raise Broken(f"without a fault: {e}") from None
                time.sleep(0.05)
        try:
            wait_for("the backlog", 15, lambda: self.count("pending", "base") == 0)
            wait_for("the spool", 15, lambda: not self.untaken(started))
            wait_for("the pipe", 15, lambda: not self.piped())
        except SystemExit as e:
            raise Broken(f"{e}: {self.value('status')} {self.value('errors')}") from None

    def untaken(self, started):
        """A file that has been taken and cannot be removed goes with the next start."""
        names = os.listdir(self.spool)
        if started and os.path.isdir(f"{self.spool}/.taking"):
            names += os.listdir(f"{self.spool}/.taking")
        return [n for n in names if n not in (".taking", "rejected")]

    def piped(self):
        """How many bytes nobody has read away. What could not be committed is looked at a second later."""
        fd = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
        finally:
            os.close(fd)

    def run(self, walk, nth, how):
        behind_start = walk[4]
        self.error = walk[2]
        if not behind_start:
            self.fault(walk, nth)
        if not self.launch():
            self.plan.disarm()
            if not self.launch():
                raise Broken("a start without a fault fails")
        self.events_mode = os.stat(f"{self.mnt}/events").st_mode & 0o777
        self.look_for_unread()
        if behind_start:
            self.fault(walk, nth)
        self.scenario()
        if self.unread:
            how = "stop"  # only a start reads them again
        if "base" in self.unread:
            self.sent, self.dropped = [], []
        if "flaky" in self.unread:
            self.flaky = []
        if how != "stop":
            self.plan.disarm()
            self.goes_on("y", False)  # and the pipe is empty: it is nobody's when the daemon ends
        elif walk[1] != ONCE:
            self.unpipe()
        self.end("kill" if how == "kill" else "stop")
        self.plan.disarm()
        if not self.launch():
            raise Broken("the next start fails")
        self.goes_on("z", True)
        self.check_configuration()
        self.check_arrivals()
        self.check_secret()
        self.end("stop")
        self.check_database()

    def look_for_unread(self):
        """A hook whose file cannot be read is missing, and that is told; its deliveries wait."""
        self.unread = HOOKS - set(os.listdir(f"{self.mnt}/hooks"))
        said = self.text_of(f"{self.top}/stderr")
        untold = [name for name in self.unread if f"hooks/{name}.json is not loaded" not in said]
        if untold:
            raise Broken(f"the start has lost {untold}")

    def unpipe(self):
        """What cannot be taken from a pipe goes with its daemon."""
        self.dropped = [i for i in self.dropped if i not in (self.id("i"), self.id("j"))]


# ---- the receiver, one for all

def receiver_size(sink):
    return os.path.getsize(sink.log) if os.path.exists(sink.log) else 0


def requests_since(sink, offset):
    with open(sink.log, encoding="utf8") as f:
        f.seek(offset)
        return [json.loads(line) for line in f]


def make_template(rig, sink):
    """Hooks with something in each of their directories, of which some is to go by its age."""
    rig.start("-o", "grace=3")
    rig.hook("base", sink.url + "base", description="old", retry="1s 1s 1s 1s 5s 5s")
    for name, settings in {
            "flaky": {"retry": "1h"}, "once": {"retry": 0}, "kept": {"retry": 0},
            "leaving": {"retry": 0}, "paused": {"enabled": "paused"}}.items():
        rig.hook(name, sink.url + name, object=f"pipeline/{name}", **settings)
    with open(f"{rig.mnt}/events", "w", encoding="utf8") as f:
        for name in ("once", "kept", "leaving", "paused"):
            f.writelines(f"pipeline/{name}/v completed id={name}{i}\n" for i in range(3))
    rig.wait("pending", 3)
    sink.script("/flaky status 500\n/once status 404\n/leaving status 404\n")
    with open(f"{rig.mnt}/events", "w", encoding="utf8") as f:
        f.writelines(f"pipeline/kept/v completed id=more{i}\n" for i in range(3))
    rig.wait("pending", 3)
    rig.set("hooks/kept/retry", "1s 1s 1s 1s")
    rig.set("hooks/once/retry", "1s 1s 1s 1s")
    rig.stop()
    with open(f"{rig.state}/log.jsonl", "a", encoding="utf8") as f:
        f.write((json.dumps({"time": "x" * 1000}) + "\n") * 70)
    db = sqlite3.connect(f"{rig.state}/queue.db")
    db.execute("UPDATE delivery SET finished_ms = 1 WHERE state = 3 AND id % 2")
    db.execute("UPDATE seen SET accepted_ms = 1")
    db.commit()
    db.close()


def take_step(sink, template, name, nth):
    """How many such calls there were, how many failed, and what went wrong."""
    how = ("go on", "stop", "kill")[nth % 3]
    with Step(sink, template, f"{name}-{nth}") as step:
        try:
            step.run(WALKS[name], nth, how)
            trouble = None
        except (Broken, OSError, SystemExit) as e:
            trouble = f"{name}, call {nth}, {how}: {e!r}"
            if "KEEP" in os.environ:
                shutil.copy(f"{step.top}/stderr", os.environ["KEEP"])
        return step.plan.seen(), step.plan.injected(), trouble


def spaced(count, most):
    """1 to count, or `most` of them from the first to the last."""
    if not most or count <= most:
        return range(1, count + 1)
    return sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})


class Lane(multiprocessing.Process):
    """Takes steps, (walk, call), one after another, beside others: with a receiver and stored state of its own."""

    def __init__(self, steps, results):
        super().__init__()
        self.steps, self.results = steps, results

    def run(self):
        with Rig() as rig:
            sink = rig.sink("rx")
            sink.script("/once status 404\n/kept times 3 status 404\n/leaving status 404\n")
            make_template(rig, sink)
            for name, nth in iter(self.steps.get, None):
                self.results.put(take_step(sink, rig.top, name, nth))


class Lanes:
    def __init__(self, count):
        self.steps, self.results = multiprocessing.Queue(), multiprocessing.Queue()
        self.lanes = [Lane(self.steps, self.results) for _ in range(count)]
        for lane in self.lanes:
            lane.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in self.lanes:
            self.steps.put(None)
        for lane in self.lanes:
            lane.join()

    def take(self, name, calls):
        """What each step came to, as they end."""
        calls, under_way = iter(calls), 0
        for nth in itertools.islice(calls, len(self.lanes)):
            self.steps.put((name, nth))
            under_way += 1
        while under_way:
            yield self.result()
            nth = next(calls, None)
            if nth is None:
                under_way -= 1
            else:
                self.steps.put((name, nth))

    def result(self):
        while True:
            try:
                return self.results.get(timeout=1)
            except queue.Empty:
                if not all(lane.is_alive() for lane in self.lanes):
                    raise SystemExit("not ok - a lane has ended") from None


def walk(lanes, name, most, picks):
    """The figures of one walk: steps, faults, and how many went wrong."""
    steps = faults = wrong = 0
    if not picks:
        ((count, _, trouble),) = lanes.take(name, [NEVER])
        picks = spaced(count, most)
        if trouble:
            wrong += 1
            print(f"# {trouble}", flush=True)
    taken = lanes.take(name, itertools.takewhile(lambda _: wrong < 20, picks))
    for _, injected, trouble in taken:
        steps += 1
        faults += injected
        if trouble:
            wrong += 1
            print(f"# {trouble}", flush=True)
    if not faults:
        wrong += 1
        print(f"# {name}: nothing has failed", flush=True)
    return steps, faults, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--call", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("walks", nargs="*", choices=[[], *WALKS])
    args = parser.parse_args()
    rows, bad = [("walk", "steps", "faults", "wrong")], 0
    with Lanes(args.jobs) as lanes:
        for name in args.walks or (SHORT if args.short else WALKS):
            picks = [args.call] if args.call else [SHORT[name]] if args.short else None
            steps, faults, wrong = walk(lanes, name, args.most, picks)
            rows.append((name, steps, faults, wrong))
            bad += wrong
            print(f"{'not ok' if wrong else 'ok'} {len(rows) - 1} - {name}: {faults} faults in "
                  f"{steps} steps", flush=True)
    print(f"1..{len(rows) - 1}")
    rows.append(("all", *(sum(row[i] for row in rows[1:]) for i in (1, 2, 3))))
    table(rows)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
