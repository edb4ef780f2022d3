#!/usr/bin/env python3
"""kill -9 at random moments under load: nothing that a write acknowledged may be lost.

    kill9.py WEBHOOKFS SINK KILLS [SEED]

Four writers append events to one mount; the daemon is killed again and again and mounted over its
dead mount point. The receiver answers its first requests with an error, so that retries wait while
that happens. At the end every acknowledged event must have arrived, with one webhook-id each, and
no more may have come twice than errors and requests in flight explain. Prints figures and TAP.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

WRITERS = 4
ERRORS = 20  # answers that are none
INFLIGHT = 64  # the default of max_inflight


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not ok - {what} did not come about in {seconds} s")
        time.sleep(0.01)


class Mount:
    def __init__(self, program, top, url):
        self.program, self.top, self.url = program, top, url
        self.mnt, self.state = f"{top}/mnt", f"{top}/state"
        os.mkdir(self.mnt)
        self.process = None

    def start(self):
        with open(f"{self.top}/stderr", "ab") as stderr:
            self.process = subprocess.Popen(
                [self.program, "-f", "-o", "grace=20", self.state, self.mnt], stderr=stderr)
        wait_for("the mount", 10, lambda: self.alive() and os.path.ismount(self.mnt))

    def alive(self):
        if self.process.poll() is not None:
            raise SystemExit("not ok - the daemon ended: " + open(f"{self.top}/stderr").read())
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)

    def clean(self):
        """Leaves nothing behind, whatever went wrong."""
        if self.process and self.process.poll() is None:
            self.kill()
        subprocess.run(["fusermount3", "-uz", self.mnt], stderr=subprocess.DEVNULL, check=False)

    def make_hook(self):
        hook = f"{self.mnt}/hooks/t"
        os.mkdir(hook)
        for name, value in (("url", self.url), ("object", "deployment/*"), ("event", "completed")):
            with open(f"{hook}/{name}", "w") as f:
                f.write(value + "\n")

    def pending(self):
        with open(f"{self.mnt}/status") as f:
            return int(dict(line.split() for line in f)["pending"])


def close_quietly(fd):
    try:
        os.close(fd)
    except OSError:
        pass  # the daemon died behind the write, which counts all the same


def writer(number, mount, acknowledged, stop):
    """Writes single lines and batches; what a write returns is acknowledged."""
    n = 0
    while not stop.is_set():
        batch = 1 if number % 2 else 20
        ids = [f"w{number}-{n + i}" for i in range(batch)]
        lines = [f"deployment/m{number}/v1 completed request_id={i}\n".encode() for i in ids]
        n += batch
        try:
            fd = os.open(f"{mount.mnt}/events", os.O_WRONLY)
            try:
                taken = os.write(fd, b"".join(lines))
            finally:
                close_quietly(fd)
        except OSError:
            time.sleep(0.02)
            continue
        for line, i in zip(lines, ids):
            taken -= len(line)
            if taken >= 0:
                acknowledged.add(i)
        time.sleep(0.001)


def torture(mount, kills, rng):
    acknowledged = [set() for _ in range(WRITERS)]
    stop = threading.Event()
    threads = [threading.Thread(target=writer, args=(i, mount, acknowledged[i], stop))
               for i in range(WRITERS)]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        time.sleep(rng.uniform(0.02, 0.3))
        mount.kill()
        mount.start()
    stop.set()
    for thread in threads:
        thread.join()
    return set().union(*acknowledged)


def judge(top, acknowledged, kills):
    arrived, good = {}, {}
    with open(f"{top}/rx/requests.jsonl") as f:
        for line in f:
            request = json.loads(line)
            body = json.loads(request["body"])
            arrived.setdefault(body["request_id"], []).append(request["headers"]["webhook-id"])
    lost = acknowledged - arrived.keys()
    changed = [i for i, ids in arrived.items() if len(set(ids)) > 1]
    repeated = sum(len(ids) - 1 for ids in arrived.values())
    print(f"# {kills} kills, {len(acknowledged)} acknowledged, {len(arrived)} arrived, "
          f"{len(lost)} lost, {repeated} repeated, {len(changed)} with another webhook-id")
    print(f"{'not ok' if lost else 'ok'} 1 - no acknowledged event is lost")
    print(f"{'not ok' if changed else 'ok'} 2 - a webhook-id never changes")
    too_many = repeated > ERRORS + kills * INFLIGHT
    print(f"{'not ok' if too_many else 'ok'} 3 - only what failed or was in flight is repeated")
    print("1..3")
    return 1 if lost or changed or too_many else 0


def main():
    program, sink, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 32)
    print(f"# seed {seed}")
    top = tempfile.mkdtemp(prefix="webhookfs-kill9.")
    os.mkdir(f"{top}/rx")
    with open(f"{top}/rx/script", "w") as script:
        script.write(f"/ times {ERRORS} status 500\n")
    receiver = subprocess.Popen([sink, f"{top}/rx"], stdout=subprocess.DEVNULL)
    mount = None
    try:
        wait_for("the receiver", 10, lambda: os.path.exists(f"{top}/rx/port"))
        with open(f"{top}/rx/port") as f:
            port = f.read().strip()
        mount = Mount(program, top, f"http://127.0.0.1:{port}/")
        mount.start()
        mount.make_hook()
        acknowledged = torture(mount, kills, random.Random(seed))
        wait_for("the end of the queue", 120, lambda: mount.pending() == 0)
        status = mount.stop()
        if status:
            raise SystemExit(f"not ok - the daemon ended with {status}")
        result = judge(top, acknowledged, kills)
    finally:
        receiver.terminate()
        receiver.wait()
        if mount:
            mount.clean()
    subprocess.run(["rm", "-rf", top], check=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
