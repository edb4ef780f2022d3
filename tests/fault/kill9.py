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
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig  # noqa: E402

WRITERS = 4
ERRORS = 20  # answers that are none
INFLIGHT = 64  # the default of max_inflight


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
        mount.start("-o", "grace=20")
    stop.set()
    for thread in threads:
        thread.join()
    return set().union(*acknowledged)


def judge(requests, acknowledged, kills):
    arrived, good = {}, {}
    for request in requests:
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
    with Rig(program, sink) as rig:
        receiver = rig.sink("rx")
        receiver.script(f"/ times {ERRORS} status 500\n")
        rig.start("-o", "grace=20")
        rig.hook("t", receiver.url)
        acknowledged = torture(rig, kills, random.Random(seed))
        rig.wait("pending", 0, seconds=120)
        rig.stop()
        return judge(receiver.requests(), acknowledged, kills)


if __name__ == "__main__":
    sys.exit(main())
