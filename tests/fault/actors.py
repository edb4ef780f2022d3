"""Who uses the mount while kill9.py kills its daemon: writers of events, and operators, each a thread.

An actor does one small thing after another (step); a system call that fails is what it expects, and it
remembers what it was told: a writer which events were acknowledged, an operator which change took
effect, and which may have, because it was cut off.
"""
import collections
import json
import os
import random
import subprocess
import time


class Actor:
    """`step` does something; `problems` are what should not be."""

    def __init__(self, torture, name, pause_s):
        self.torture, self.rig, self.name, self.pause_s = torture, torture.rig, name, pause_s
        self.rng = random.Random(f"{name} {torture.rng.random()}")
        self.done, self.undone, self.problems = 0, 0, []
        self.errors = collections.Counter()

    def run(self, stop):
        self.begin()
        while not stop.is_set():
            try:
                self.step()
                self.done += 1
            except OSError as error:
                self.undone += 1
                self.errors[error.strerror] += 1
                time.sleep(0.02)
            time.sleep(self.rng.uniform(0, 2 * self.pause_s))
        self.end()

    def begin(self):
        pass

    def end(self):
        pass

    def look(self):
        """A last one, when nobody is killed any more."""


# ---- writers


class Writer(Actor):
    hooks = ("plain", "shaky", "moved", "edited")

    def __init__(self, torture, name, pause_s, lines=1, word="m"):
        super().__init__(torture, name, pause_s)
        self.lines, self.word, self.count, self.acknowledged = lines, word, 0, []

    def batch(self, extra=""):
        """Events that nobody has written yet, and their lines."""
        events = [f"{self.name}-{self.count + i}" for i in range(self.rng.randint(1, self.lines))]
        self.count += len(events)
        return events, [f"deployment/{self.word}/v1 completed request_id={e}{extra.format(e)}\n"
                        for e in events]

    def acknowledge(self, events, lines, taken):
        for event, line in zip(events, lines):
            taken -= len(line)
            if taken >= 0:
                self.acknowledged.append(event)

    def write(self, path, lines):
        """How much was taken; closing fails if the daemon died behind the write, which counts all
        the same."""
        fd = os.open(path, os.O_WRONLY)
        try:
            return os.write(fd, "".join(lines).encode())
        finally:
            try:
                os.close(fd)
            except OSError:
                pass


class FileWriter(Writer):
    def step(self):
        events, lines = self.batch()
        self.acknowledge(events, lines, self.write(f"{self.rig.mnt}/events", lines))


class HandleWriter(Writer):
    """Keeps the file open as long as it works."""
    fd = None

    def step(self):
        if self.fd is None:
            self.fd = os.open(f"{self.rig.mnt}/events", os.O_WRONLY)
        events, lines = self.batch()
        try:
            self.acknowledge(events, lines, os.write(self.fd, "".join(lines).encode()))
        except OSError:
            self.end()
            raise

    def end(self):
        fd, self.fd = self.fd, None
        if fd is not None:
            try:
                os.close(fd)
            except OSError:
                pass


class ShellWriter(Writer):
    """printf >> events, as the shell tells whether it worked."""
    LOOP = 'while read -r line; do if printf "%s\\n" "$line" >>"$1/events"; ' \
           'then echo yes; else echo no; fi; done'

    def begin(self):
        self.shell = subprocess.Popen(["sh", "-c", self.LOOP, "sh", self.rig.mnt], text=True,
                                      bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)

    def step(self):
        events, lines = self.batch()
        self.shell.stdin.write(lines[0])
        if self.shell.stdout.readline() != "yes\n":
            raise OSError
        self.acknowledged.append(events[0])

    def end(self):
        self.shell.stdin.close()
        self.shell.wait()
        self.shell.stdout.close()


class RetryingWriter(Writer):
    """Writes the same events until they are taken; their ids make them the same."""
    left = None

    def step(self):
        if not self.left:
            self.left = self.batch(" id={}")
        events, lines = self.left
        taken = self.write(f"{self.rig.mnt}/events", lines)
        self.acknowledge(events, lines, taken)
        while lines and taken >= len(lines[0]):
            taken -= len(lines.pop(0))
            events.pop(0)


class FifoWriter(Writer):
    """The pipe outlives the daemon, since we hold it, and so does what is in it. Lines that were
    taken and not yet read away are read again, hence the ids."""
    hooks = (*Writer.hooks, "replayed")

    def begin(self):
        self.torture.pipe = os.open(self.torture.fifo, os.O_RDWR)

    def step(self):
        events, lines = self.batch(" id={}")
        os.write(self.torture.pipe, "".join(lines).encode())  # at most PIPE_BUF: whole
        self.acknowledged += events


class SpoolWriter(Writer):
    def step(self):
        events, lines = self.batch()
        aside = f"{self.rig.top}/{events[0]}"
        with open(aside, "w", encoding="utf8") as f:
            f.writelines(lines)
        os.rename(aside, f"{self.torture.spool}/{events[0]}")
        self.acknowledged += events


class FewWriter(FileWriter):
    hooks = (*Writer.hooks, "ordered", "cancelled")


def writers(torture):
    shells = [ShellWriter(torture, "shell", 0.03)] if torture.closed else []
    return [*shells, FileWriter(torture, "file", 0.1, lines=20),
            HandleWriter(torture, "handle", 0.02), HandleWriter(torture, "handles", 0.02),
            RetryingWriter(torture, "retry", 0.05, lines=4),
            FifoWriter(torture, "fifo", 0.03, lines=3, word="fifo"),
            SpoolWriter(torture, "spool", 0.1, lines=10),
            FewWriter(torture, "few", 0.5, word="few")]


# ---- operators


class Editor(Actor):
    """config.json as a whole, with a version in four places; or one file with the next version. What
    is there is what was last told to be, or what was cut off."""

    def begin(self):
        self.hook = f"{self.rig.mnt}/hooks/edited"
        self.version, self.may_be = 0, None

    def read(self):
        with open(f"{self.hook}/config.json", encoding="utf8") as f:
            config = json.load(f)
        headers = {h["key"]: h["value"] for h in config["headers"]}
        return config, (config["description"], config["labels"].get("version", ""),
                        headers.get("X-Version", ""), config["timeout"])

    def look(self):
        config, found = self.read()
        if self.may_be is not None and found not in self.may_be:
            self.problems.append(f"{found} is none of {self.may_be}")
        self.may_be = {found}
        return config, found

    def step(self):
        config, found = self.look()
        self.version += 1
        v = str(self.version)
        if self.rng.random() < 0.7:
            seconds = 10 + self.version % 20
            new = (v, v, v, seconds)
            config.update(description=v, labels={"version": v}, timeout=seconds,
                          headers=[{"key": "X-Version", "value": v}])
            path, text = "config.json", json.dumps(config)
        else:
            new = (v, *found[1:])
            path, text = "description", v
        self.may_be = {found, new}
        with open(f"{self.hook}/{path}", "w", encoding="utf8") as f:
            f.write(f"{text}\n")
        self.may_be = {new}


class Mover(Actor):
    """A hook goes to and fro between two names; it never has both, or none."""
    NAMES = ("moved-a", "moved-b")

    def begin(self):
        self.may_be = {self.NAMES[0]}

    def look(self):
        there = [n for n in os.listdir(f"{self.rig.mnt}/hooks") if n in self.NAMES]
        if len(there) != 1 or there[0] not in self.may_be:
            self.problems.append(f"hooks are {there}, not one of {self.may_be}")
        return there[0]

    def step(self):
        name = self.look()
        other = self.NAMES[1 - self.NAMES.index(name)]
        self.may_be = {name, other}
        os.rename(f"{self.rig.mnt}/hooks/{name}", f"{self.rig.mnt}/hooks/{other}")
        self.may_be = {other}


class Maker(Actor):
    """Hooks come and go; an acknowledged mkdir and rmdir is known after any kill."""

    def begin(self):
        self.path, self.may_be = f"{self.rig.mnt}/hooks/made", {False}

    def look(self):
        there = "made" in os.listdir(f"{self.rig.mnt}/hooks")
        if there not in self.may_be:
            self.problems.append(f"the hook made is {'' if there else 'not '}there")
        self.may_be = {there}
        return there

    def step(self):
        there = self.look()
        self.may_be = {True, False}
        (os.rmdir if there else os.mkdir)(self.path)
        self.may_be = {not there}


class Replayer(Actor):
    """mv failed/X pending/ of some."""

    def step(self):
        self.move(lambda names: self.rng.sample(names, min(len(names), 20)))

    def move(self, choose):
        top = f"{self.rig.mnt}/hooks/replayed"
        for name in choose(sorted(os.listdir(f"{top}/failed"))):
            os.rename(f"{top}/failed/{name}", f"{top}/pending/{name}")

    def all(self):
        try:
            self.move(lambda names: names)
        except FileNotFoundError:
            pass  # nobody else moves them; but a list may be older than what it lists


class Canceller(Actor):
    """rm of some that wait at a paused hook."""

    def begin(self):
        self.cancelled, self.touched = set(), set()  # for certain, and perhaps: it was cut off

    def step(self):
        top = f"{self.rig.mnt}/hooks/cancelled/pending"
        names = os.listdir(top)
        if not names:
            return
        path = f"{top}/{self.rng.choice(names)}"
        with open(path, encoding="utf8") as f:
            event = json.load(f)["request_id"]
        self.touched.add(event)
        os.unlink(path)
        self.cancelled.add(event)


def operators(torture):
    return {"edit": Editor(torture, "edit", 0.05), "move": Mover(torture, "move", 0.05),
            "make": Maker(torture, "make", 0.05), "replay": Replayer(torture, "replay", 0.1),
            "cancel": Canceller(torture, "cancel", 1)}
