"""Latency: from a line written to its request at the receiver, at a given rate.

tests/bench/writers.c stamps a line with the clock just before its write(2), and tests/bench/clocked.c, the receiver,
reads the clock when the request's bytes are there; so the time has in it the wait for the commit and the
way through the daemon and both sockets. There are enough writers that each line is written when its time has
come, however long the one before it takes; `rate` in a run is what came of it.

The yardstick, tests/bench/direct.c, sends by itself at once: alone, which is the time of two sockets, and after an
fdatasync of the event, which is the least for whoever loses nothing. At 20,000 a second it cannot do that,
since it shares no fdatasync.

Quantiles and the histogram of a run are over its events: [[upper bound in microseconds, count], ...]. At 10 a second
cores sleep in between and are woken for each event, several times; "cores awake" has a process of the lowest
priority (SCHED_IDLE) spin on each core, which takes time from nobody but keeps them from sleeping.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys

from measure import BUILD, WARM, Daemon, beside, cpu_s, json_lines, program

# Single lines of the warm-up, two commits each: so many that the log of the database begins anew. While it
# grows, as that of a young daemon does, an fdatasync takes twice as long as later, when its blocks are there.
SINGLE = 500

#        a second: (writers, events)
RATES = {10: (1, 100), 1000: (8, 5000), 20000: (64, 40000)}


class Clocked:
    """A receiver: tests/bench/clocked.c."""

    def __enter__(self):
        self.process = subprocess.Popen([f"{BUILD}/bench/clocked"], stdout=subprocess.PIPE)
        self.port = json.loads(self.process.stdout.readline())["port"]
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def end(self, events):
        """What it saw; each event must be among it."""
        self.process.send_signal(signal.SIGTERM)
        seen = json.loads(self.process.stdout.readline())
        self.process.wait()
        if seen["count"] != events:
            raise SystemExit(f"not ok - {seen['count']} of {events} events came to the receiver")
        return seen


def run_of(seen, wrote, **more):
    quantiles = {key: value for key, value in seen.items() if key.endswith("_us")}
    return {"events": seen["count"], "seconds": wrote["seconds"],
            "rate": round(seen["count"] / wrote["seconds"], 1), **quantiles,
            "histogram": seen["histogram"], **more}


def mounted(rate, events, writers, options=()):
    with Clocked() as receiver, Daemon() as d:
        d.start("-o", "grace=0", *options)
        d.hook("h", f"http://127.0.0.1:{receiver.port}/", object="deployment/resnet")
        d.write(json_lines(), WARM, "-b", 131072)
        d.write(json_lines(), SINGLE)
        d.wait_all("delivered", WARM + SINGLE, "h")
        d.begin()
        wrote = d.write(json_lines(stamped=True), events, "-w", writers, "-r", rate)
        d.wait_all("delivered", WARM + SINGLE + events, "h")
        cost = d.end(events)
        return run_of(receiver.end(events), wrote, cpu_s=cost["cpu_s"], rss_kib=cost["rss_kib"],
                      write_p50_us=wrote["p50_us"], write_p99_us=wrote["p99_us"])


def direct(rate, events, senders, synced=False):
    with Clocked() as receiver, Daemon() as d:  # of which only the directory is needed
        scratch = ["-s", f"{d.top}/scratch"] if synced else []
        wrote = program("direct", "-w", senders, "-r", rate, *scratch, receiver.port, events)
        return run_of(receiver.end(events), wrote)


@contextlib.contextmanager
def cores_awake():
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                                 preexec_fn=lambda: os.sched_setscheduler(
                                     0, os.SCHED_IDLE, os.sched_param(0)))
                for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def awake(run, *args):
    with cores_awake():
        return run(*args)


def row(rate):
    writers, full = RATES[rate]

    def made(bench):
        events = bench.events(full)
        sides = {
            "webhookfs": lambda: mounted(rate, events, writers),
            "direct": lambda: direct(rate, events, writers),
        }
        if rate > 10:
            sides["webhookfs, sync=normal"] = lambda: mounted(rate, events, writers,
                                                              ("-o", "sync=normal"))
        if rate < 20000:
            sides["direct, after an fdatasync"] = lambda: direct(rate, events, writers, True)
        if rate == 10:
            sides["webhookfs, cores awake"] = lambda: awake(mounted, rate, events, writers)
            sides["direct, cores awake"] = lambda: awake(direct, rate, events, writers)
        kept = f"{writers} writer{'s' * (writers > 1)} of single lines, descriptors kept"
        sent = f"{writers} kept connection{'s' * (writers > 1)}"
        return {
            "name": f"latency-{rate}",
            "what": f"From a line written to its request at the receiver, at {rate:,} events/s",
            "goal": "p50 ≤ 1,000 µs, p99 ≤ 5,000 µs" if rate == 1000 else "",
            "unit": "µs", "figures": ["p50_us", "p99_us", "rate"],  # a rate that was not held is no latency at it
            "sides": beside(bench.runs, **sides),
            "configuration": {side: kept if side.startswith("webhookfs") else sent
                              for side in sides},
        }
    return made


ROWS = [(f"latency-{rate}", row(rate)) for rate in RATES]
