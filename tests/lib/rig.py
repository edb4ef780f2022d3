"""A mount, receivers and figures for the programs in tests/fault and tests/show.

    with Rig() as rig:
        sink = rig.sink("a")
        rig.start("-o", "retention=1m")
        rig.hook("h", sink.url)
        rig.events(1000)
        rig.wait("delivered", 1000)

The programs are $WEBHOOKFS and $SINK, by default those of build/. Everything lies in a directory of
its own, which goes with the rig, as do the daemon and the receivers.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", f"{TREE}/build")


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not ok - {what} did not come about in {seconds} s")
        time.sleep(0.01)


class Sink:
    """A scripted receiver."""

    def __init__(self, program, directory, port=0):
        self.program, self.directory = program, directory
        self.log = f"{directory}/requests.jsonl"
        self.process = None
        os.makedirs(directory, exist_ok=True)
        self.start(port)

    def start(self, port=0):
        announced = f"{self.directory}/port"
        if os.path.exists(announced):
            os.unlink(announced)
        self.process = subprocess.Popen([self.program, "--port", str(port), self.directory],
                                        stdout=subprocess.DEVNULL)
        wait_for("the receiver", 20, lambda: os.path.exists(announced))
        with open(announced, encoding="utf8") as f:
            self.port = int(f.read())
        self.url = f"http://127.0.0.1:{self.port}/"

    def script(self, text):
        """How to answer from now on; replaced as a whole, for it is read at each request."""
        with open(f"{self.directory}/script.new", "w", encoding="utf8") as f:
            f.write(text)
        os.rename(f"{self.directory}/script.new", f"{self.directory}/script")

    def requests(self):
        with open(self.log, encoding="utf8") as f:
            return [json.loads(line) for line in f]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Rig:
    def __init__(self, program=None, sink=None):
        self.program = program or os.environ.get("WEBHOOKFS", f"{BUILD}/webhookfs")
        self.sink_program = sink or os.environ.get("SINK", f"{BUILD}/sink")
        self.top = tempfile.mkdtemp(prefix="webhookfs-rig.")
        self.mnt, self.state = f"{self.top}/mnt", f"{self.top}/state"
        self.sinks = []
        self.process = None
        os.mkdir(self.mnt)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        """Leaves nothing behind, whatever went wrong."""
        for sink in self.sinks:
            sink.stop()
        if self.process and self.process.poll() is None:
            self.kill()
        subprocess.run(["fusermount3", "-uz", self.mnt], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["chattr", "-i", self.mnt], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.top)

    def sink(self, name, port=0):
        self.sinks.append(Sink(self.sink_program, f"{self.top}/{name}", port))
        return self.sinks[-1]

    # ---- the daemon

    def start(self, *options, env=None):
        self.launch(*options, env=env)
        wait_for("the mount", 20, lambda: self.alive() and self.mounted())

    def launch(self, *options, env=None):
        """Likewise, without waiting for it."""
        with open(f"{self.top}/stderr", "ab") as stderr:
            self.process = subprocess.Popen([self.program, "-f", *options, self.state, self.mnt],
                                            stderr=stderr, env=env)

    def mounted(self):
        """Of a mount whose daemon has died the kernel may still know the root for a moment, but not
        this."""
        try:
            os.statvfs(self.mnt)
        except OSError:
            return False
        return os.path.ismount(self.mnt)

    def alive(self):
        if self.process.poll() is not None:
            with open(f"{self.top}/stderr", encoding="utf8") as f:
                raise SystemExit("not ok - the daemon ended: " + f.read())
        return True

    def served_by(self):
        """Of a daemon with a keeper: the keeper's child, 0 while there is none."""
        keeper = self.process.pid
        with open(f"/proc/{keeper}/task/{keeper}/children", encoding="utf8") as f:
            return int((f.read().split() or [0])[0])

    def kill_kept(self):
        """There is another when it returns."""
        before = self.served_by()
        os.kill(before, signal.SIGKILL)
        self.wait_for_another(before)

    def wait_for_another(self, before):
        wait_for("another daemon", 20, lambda: self.alive() and self.served_by() not in (0, before))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        status = self.process.wait(timeout=120)
        if status:
            raise SystemExit(f"not ok - the daemon ended with {status}")

    def memory_kib(self, key="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="utf8") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(key))

    # ---- its files

    def set(self, path, value):
        with open(f"{self.mnt}/{path}", "w", encoding="utf8") as f:
            f.write(f"{value}\n")

    def hook(self, name, url, **settings):
        os.mkdir(f"{self.mnt}/hooks/{name}")
        for key, value in {"url": url, "object": "deployment/*", **settings,
                           "event": "completed"}.items():
            self.set(f"hooks/{name}/{key}", value)

    def status(self, hook=None):
        path = f"hooks/{hook}/status" if hook else "status"
        with open(f"{self.mnt}/{path}", encoding="utf8") as f:
            return dict(line.rstrip("\n").split(" ", 1) for line in f if " " in line)

    def count(self, key, hook=None):
        return int(self.status(hook)[key])

    def log(self):
        with open(f"{self.mnt}/log", encoding="utf8") as f:
            return [json.loads(line) for line in f]

    def events(self, count, first=1, batch=500):
        """Numbered events, in the field request_id."""
        with open(f"{self.mnt}/events", "wb", buffering=0) as f:
            for start in range(first, first + count, batch):
                end = min(start + batch, first + count)
                f.write(b"".join(b"deployment/m/v1 completed request_id=%d\n" % i
                                 for i in range(start, end)))

    def wait(self, key, value, hook=None, seconds=600):
        """Until the number in `status` is the given one."""
        wait_for(f"{key} {value}", seconds, lambda: self.count(key, hook) == value)


def table(rows, out=sys.stdout):
    """The first row is the head; numbers to the right."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(rows[0]))]
    right = [all(not isinstance(row[i], str) for row in rows[1:]) for i in range(len(rows[0]))]
    for row in texts:
        cells = [cell.rjust(width) if r else cell.ljust(width)
                 for cell, width, r in zip(row, widths, right)]
        print("  ".join(cells).rstrip(), file=out, flush=True)
