#!/usr/bin/env python3
"""A receiver comes back, and a daemon starts, with a large backlog: is there a stampede?

    return.py [BACKLOG]       100000

One hook collects the backlog while nobody listens; then the receiver is there, 20 ms an answer.
Likewise with a daemon that was stopped in between, and, third, with 200 destinations that all have
retries overdue when the daemon starts: those are 200 names of one receiver, hN.localhost. The tables
say for each moment how many requests the receiver had at once, and how many it was sent.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, table, wait_for  # noqa: E402

STEPS_MS = (0, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 40000, 80000, 160000)
WINDOW_START, WINDOW_MAX = 2, 64


def over_time(requests, steps=STEPS_MS):
    """Of each span, counted from the first request: how many came, and the most there were at once."""
    first = requests[0]["time"]
    rows = []
    for begin, end in zip(steps, steps[1:]):
        span = [r["at_once"] for r in requests if begin <= r["time"] - first < end]
        if span:
            rows.append((f"{begin / 1000:g} to {end / 1000:g} s", len(span), max(span)))
    return rows


def comes_back(backlog, restart):
    with Rig() as rig:
        sink = rig.sink("sink")
        port = sink.port
        sink.stop()
        rig.start()
        rig.hook("h", sink.url)
        rig.events(backlog)
        wait_for("parked", 60, lambda: rig.status("h")["destination"] in ("parked", "probing"))
        if restart:
            rig.stop()
        sink.script("/ delay 20 status 200\n")
        sink.start(port)
        if restart:
            rig.start()
        rig.wait("pending", 0, "h", seconds=3600)
        requests = sink.requests()
        rig.stop()
    return requests


def overdue(hooks):
    """Each hook at a destination of its own, with one retry that falls due while no daemon runs."""
    with Rig() as rig:
        sink = rig.sink("sink")
        sink.script("/ status 500\n")
        rig.start()
        for n in range(hooks):
            rig.hook(f"h{n}", f"http://h{n}.localhost:{sink.port}/", retry="1s 1s")
        rig.events(1)
        wait_for("an attempt of each", 60, lambda: len(rig.log()) >= hooks)
        rig.stop()
        sink.script("/ delay 20 status 200\n")
        os.truncate(sink.log, 0)
        time.sleep(8)  # well overdue: later than the 1 s of the schedule and the 5 s of the release
        rig.start()
        rig.wait("pending", 0)
        requests = sink.requests()
        rig.stop()
    return requests


def main():
    backlog = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    head = ("since the first request", "requests", "most at once")
    bad = 0
    for n, (name, requests) in enumerate((
            ("the receiver comes back", comes_back(backlog, False)),
            ("the daemon starts", comes_back(backlog, True))), 1):
        print(f"{name}, with {backlog} waiting:")
        table([head, *over_time(requests)])
        start = max(r["at_once"] for r in requests[:WINDOW_START + 1])
        most = max(r["at_once"] for r in requests)
        good = start <= WINDOW_START + 1 and most <= WINDOW_MAX and len(requests) >= backlog
        bad |= not good
        print(f"{'ok' if good else 'not ok'} {n} - it begins with {start} at once and "
              f"has never more than {WINDOW_MAX}\n", flush=True)
    requests = overdue(200)
    rows = over_time(requests, range(0, 7000, 500))
    print("the daemon starts, with an overdue retry at each of 200 destinations:")
    table([head, *rows])
    good = max(row[1] for row in rows) <= 60 and sum(row[1] for row in rows) == 200
    bad |= not good
    print(f"{'ok' if good else 'not ok'} 3 - they come one after the other\n1..3")
    return bad


if __name__ == "__main__":
    sys.exit(main())
