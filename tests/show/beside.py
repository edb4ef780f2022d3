#!/usr/bin/env python3
"""A dead and a slow destination beside a healthy one: what do they cost it?

    beside.py [EVENTS [RUNS]]       10000 5

Each run sends the events twice: to a hook with a healthy receiver alone, and to that and two more,
one where nobody listens and one that takes 200 ms for an answer. The slow one has a backlog already
and holds 40 of the 128 requests that there are at once. Told is how long the healthy one took, from
the first write to its last delivery, and what the others were sent meanwhile. Writing and matching
events for three hooks is part of the time.
"""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, table, wait_for  # noqa: E402

BACKLOG = 10000  # of the slow one, before
HOLDS = 40


def measure(events, company):
    with Rig() as rig:
        healthy = rig.sink("healthy")
        rig.start("-o", "grace=0")
        if company:
            slow = rig.sink("slow")
            slow.script("/ delay 200 status 200\n")
            rig.hook("slow", slow.url)
            rig.events(BACKLOG)
            wait_for("the slow one's window", 120, lambda: rig.count("inflight", "slow") >= HOLDS)
            rig.hook("dead", "http://127.0.0.1:1/")
        rig.hook("healthy", healthy.url)
        begin = time.monotonic()
        rig.events(events)
        rig.wait("delivered", events, "healthy")
        seconds = time.monotonic() - begin
        spent = {name: sum(line["hook"] == name for line in rig.log()) for name in ("slow", "dead")}
        waiting = rig.count("pending", "dead") if company else 0
        slow_most = max(r["at_once"] for r in slow.requests()) if company else 0
        rig.stop()
    return seconds, spent["dead"], waiting, slow_most


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rows = [("run", "alone s", "beside s", "ratio", "dead: attempts", "dead: waiting",
             "slow: at once")]
    ratios, attempts = [], []
    for run in range(1, runs + 1):
        alone = measure(events, False)[0]
        beside, dead, waiting, slow = measure(events, True)
        ratios.append(beside / alone)
        attempts.append(dead)
        rows.append((run, round(alone, 2), round(beside, 2), round(beside / alone, 2), dead,
                     waiting, slow))
    table(rows)
    print(f"median ratio {statistics.median(ratios):.2f}")
    bad = max(attempts) > 10
    print(f"{'not ok' if bad else 'ok'} 1 - a dead destination is sent a few attempts, "
          f"not {events}")
    print("1..1")
    return bad


if __name__ == "__main__":
    sys.exit(main())
