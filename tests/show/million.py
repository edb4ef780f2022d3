#!/usr/bin/env python3
"""A million deliveries through one hook: does what they take stay the same?

    million.py [DELIVERIES [EVENTS_A_SECOND [RETENTION_SECONDS]]]       1000000 2000 60

Every ten seconds a line: how many have arrived, the database with its write-ahead log, the file
`log`, the daemon's memory. Once as much is kept as there will be, database and memory may not grow any
more; and when nothing comes any more, the database becomes small again.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, wait_for  # noqa: E402

WAITING_MAX = 20000
BATCH = 200
STEP_S = 10
SMALL = 24 << 20  # 16 MiB of free pages are not given back


def size(path):
    return os.stat(path).st_size if os.path.exists(path) else 0


def main():
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    pace = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    retention = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    figures = []
    with Rig() as rig:
        sink = rig.sink("sink")
        rig.start("-o", f"retention={retention}s")
        rig.hook("h", sink.url)
        begin = look = time.monotonic()
        sent = 0
        print("seconds  delivered   a second  queue.db MiB  -wal MiB  log MiB  memory MiB")
        delivered = before = 0
        while delivered < total:
            status = rig.status()
            delivered = int(status["delivered"])
            due = min(total, int((time.monotonic() - begin) * pace))
            if due - sent >= min(BATCH, total - sent) > 0 and int(status["pending"]) < WAITING_MAX:
                rig.events(due - sent, first=sent + 1)
                sent = due
            else:
                time.sleep(0.02)
            now = time.monotonic()
            if now - look < STEP_S and delivered < total:
                continue
            os.truncate(sink.log, 0)
            database = size(f"{rig.state}/queue.db")
            memory = rig.memory_kib()
            figures.append((now - begin, database, memory))
            print(f"{now - begin:7.0f}  {delivered:9}  {(delivered - before) / (now - look):9.0f}"
                  f"  {database / 2**20:12.1f}  {size(f'{rig.state}/queue.db-wal') / 2**20:8.1f}"
                  f"  {size(f'{rig.state}/log.jsonl') / 2**20:7.1f}  {memory / 1024:10.1f}",
                  flush=True)
            look, before = now, delivered
        begin = time.monotonic()
        wait_for("a small database", 4 * retention + 60,
                 lambda: size(f"{rig.state}/queue.db") < SMALL)
        print(f"and {time.monotonic() - begin:.0f} s later {size(f'{rig.state}/queue.db') / 2**20:.1f}"
              " MiB")
        rig.stop()
    # From three retention times on: by then what is kept has been at its most once.
    steady = [f for f in figures if f[0] > 3 * retention]
    if len(steady) < 4:
        print("# too short to judge")
        return 0
    half = len(steady) // 2
    bad = 0
    for n, (name, column) in enumerate((("the database", 1), ("memory", 2)), 1):
        early, late = (max(f[column] for f in part) for part in (steady[:half], steady[half:]))
        flat = late <= early * 1.1
        bad |= not flat
        print(f"{'ok' if flat else 'not ok'} {n} - {name} does not grow: "
              f"at most {early} in the first half, {late} in the second")
    print("1..2")
    return bad


if __name__ == "__main__":
    sys.exit(main())
