#!/usr/bin/env python3
"""The scripted week for real, a day in a quarter of a minute: what a receiver was sent when.

    week.py [SECONDS_A_PHASE]       15

As week.c simulates it with the true times: a receiver is well, slow, answers 503 with Retry-After, is
gone from the network, answers 410, and is back. Its hook gets five events a second, beside a hook with a healthy
receiver and one with a dead one. The retries are shorter than the standard ones: 1s 2s 4s 8s 16s 32s.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, table  # noqa: E402

STEP_S = 5
LATEST_PROBE_S = 120
EVENTS_A_SECOND = 5
PHASES = (("200", "/ status 200"), ("200 after 1 s", "/ delay 1000 status 200"),
          ("503, Retry-After: 5", "/ status 503 header:Retry-After=5"), ("nobody listens", None),
          ("410", "/ status 410"), ("200", "/ status 200"), ("200", "/ status 200"))


class Events(threading.Thread):
    def __init__(self, rig):
        super().__init__()
        self.rig, self.count, self.over = rig, 0, threading.Event()

    def run(self):
        while not self.over.wait(1 / EVENTS_A_SECOND):
            self.count += 1
            self.rig.events(1, first=self.count)


class Week:
    def __init__(self, rig):
        self.rig = rig
        self.sink = rig.sink("scripted")
        self.port = self.sink.port
        self.rows = [("seconds", "the receiver answers", "accepted", "attempts", "delivered",
                      "waiting", "at the end")]
        self.seen = self.attempts = self.delivered = 0

    def phase(self, script):
        if script is None:
            self.sink.stop()
        else:
            self.sink.script(script + "\n")
            if not self.sink.process:
                self.sink.start(self.port)

    def row(self, since, receiver):
        log = [line for line in self.rig.log() if line["hook"] == "scripted"]
        status = self.rig.status("scripted")
        delivered, waiting = int(status["delivered"]), int(status["pending"])
        state = (status["destination"] if status["state"] == "active"
                 else f"hook {status['state']}")
        self.rows.append((since, receiver, delivered + waiting - self.seen,
                          len(log) - self.attempts, delivered - self.delivered, waiting, state))
        self.seen, self.attempts, self.delivered = delivered + waiting, len(log), delivered

    def gone(self):
        return self.rig.status("scripted")["state"] == "gone"

    def live(self, phase_s):
        begin = time.monotonic()
        since = 0
        for receiver, script in PHASES:
            self.phase(script)
            if script == PHASES[-1][1] and self.gone():
                self.rig.set("hooks/scripted/enabled", "1")
            end = since + phase_s
            # Parked as it is by then, the destination may be probed later than that.
            while since < end or (receiver == "410" and not self.gone()):
                time.sleep(max(0, begin + since + STEP_S - time.monotonic()))
                self.row(since, receiver)
                since += STEP_S
                if since > end + LATEST_PROBE_S:
                    raise SystemExit("not ok - the hook was never told 410")


def main():
    phase_s = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with Rig() as rig:
        healthy = rig.sink("healthy")
        rig.start()
        week = Week(rig)
        retry = "1s 2s 4s 8s 16s 32s"
        rig.hook("scripted", week.sink.url, retry=retry)
        rig.hook("healthy", healthy.url)
        rig.hook("dead", "http://127.0.0.1:1/", retry=retry)
        events = Events(rig)
        events.start()
        try:
            week.live(phase_s)
        finally:
            events.over.set()
            events.join()
        rig.wait("pending", 0, "scripted", seconds=60)
        rig.wait("delivered", events.count, "healthy", seconds=60)
        table(week.rows)
        print(f"\n{events.count} events; the healthy receiver was sent {len(healthy.requests())}, "
              f"the dead one {sum(line['hook'] == 'dead' for line in rig.log())} attempts, "
              f"{rig.count('pending', 'dead')} wait there")
        status = rig.status("scripted")
        good = int(status["failed"]) == 0 and int(status["delivered"]) == week.seen
        rig.stop()
    print(f"{'ok' if good else 'not ok'} 1 - all that the hook had taken was delivered\n1..1")
    return not good


if __name__ == "__main__":
    sys.exit(main())
