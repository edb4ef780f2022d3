#!/usr/bin/env python3
"""kill -9 of a daemon whose mount is kept: its writers notice nothing but a pause.

    keep.py KILLS [upgrade] [SEED]

Writers write lines without a rest, half of them through descriptors that stay open, half with an
open for each line, and two of them lines in pieces that end anywhere; half of them with O_APPEND, which lets
nobody else write meanwhile, the others side by side. Meanwhile the daemon is killed again
and again, or the keeper is told to execute its program anew. No call of theirs may fail; each line
must arrive, and none may have been taken twice (with another webhook-id); a delivery is repeated only
where one was in flight. Prints the longest pause, figures and TAP.
"""
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig  # noqa: E402

WRITERS = 8
INFLIGHT = 64  # the default of max_inflight
LIFE_S = 0.6  # above the keeper's, which gives up a daemon that lives shorter again and again


class Writer(threading.Thread):
    def __init__(self, number, path, stop):
        super().__init__()
        self.number, self.path, self.stop = number, path, stop
        self.acknowledged, self.errors, self.longest = [], [], 0

    def line(self, fd, text):
        """Some write each line in pieces, whose ends no daemon lives to see."""
        begun = time.monotonic()
        cut = random.randrange(1, len(text)) if self.number % 4 == 3 else len(text)
        for piece in (text[:cut], text[cut:]):
            if piece and os.write(fd, piece) != len(piece):
                raise OSError("a short count")
        self.longest = max(self.longest, time.monotonic() - begun)

    def run(self):
        keeps = self.number % 2
        flags = os.O_WRONLY | (os.O_APPEND if self.number < WRITERS // 2 else 0)
        fd = os.open(self.path, flags) if keeps else None
        n = 0
        while not self.stop.is_set():
            name = f"w{self.number}-{n}"
            n += 1
            text = f"deployment/m/v1 completed request_id={name}\n".encode()
            try:
                if not keeps:
                    fd = os.open(self.path, flags)
                self.line(fd, text)
                if not keeps:
                    os.close(fd)
                self.acknowledged.append(name)
            except OSError as error:
                self.errors.append(f"{name}: {error}")
            time.sleep(0.001)
        if keeps:
            os.close(fd)


def disturb(rig, times, upgrade, rng):
    for _ in range(times):
        time.sleep(LIFE_S + rng.uniform(0, 0.3))
        if upgrade:
            before = rig.served_by()
            rig.process.send_signal(signal.SIGUSR2)
            rig.wait_for_another(before)
        else:
            rig.kill_kept()


def judge(requests, writers, times):
    arrived = {}
    for request in requests:
        name = json.loads(request["body"])["request_id"]
        arrived.setdefault(name, []).append(request["headers"]["webhook-id"])
    acknowledged = {name for w in writers for name in w.acknowledged}
    errors = [e for w in writers for e in w.errors]
    lost = acknowledged - arrived.keys()
    twice = [n for n, ids in arrived.items() if len(set(ids)) > 1]
    repeated = sum(len(ids) - len(set(ids)) for ids in arrived.values())
    print(f"# {times} ends, {len(acknowledged)} lines acknowledged, {len(lost)} lost, "
          f"{len(twice)} taken twice, {repeated} deliveries repeated, {len(errors)} errors, "
          f"longest write {max(w.longest for w in writers) * 1000:.0f} ms")
    for error in errors[:10]:
        print(f"# {error}")
    good = [not errors, not lost, not twice, repeated <= times * INFLIGHT]
    for i, what in enumerate(("no call of a writer failed", "no acknowledged line is lost",
                              "no line was taken twice", "only what was in flight is repeated")):
        print(f"{'ok' if good[i] else 'not ok'} {i + 1} - {what}")
    print(f"1..{len(good)}")
    return 0 if all(good) else 1


def main():
    arguments = sys.argv[1:]
    times = int(arguments[0])
    upgrade = "upgrade" in arguments
    seed = int(arguments[-1]) if len(arguments) > 1 and arguments[-1].isdigit() else \
        random.randrange(1 << 32)
    print(f"# seed {seed}")
    with Rig() as rig:
        receiver = rig.sink("rx")
        rig.start("-o", "keep,grace=1")
        rig.hook("t", receiver.url)
        stop = threading.Event()
        writers = [Writer(i, f"{rig.mnt}/events", stop) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            disturb(rig, times, upgrade, random.Random(seed))
        finally:
            stop.set()
            for writer in writers:
                writer.join()
        rig.wait("pending", 0, seconds=120)
        rig.process.terminate()
        rig.process.wait()
        return judge(receiver.requests(), writers, times)


if __name__ == "__main__":
    sys.exit(main())
