#!/usr/bin/env python3
"""Hours of steady events while receivers fail: does what the daemon takes stay the same?

    longrun.py [SECONDS [EVENTS_A_SECOND [CSV]]]      3600 500, no CSV
    longrun.py --plot CSV SVG                         draws one; needs gnuplot

Each event goes to three hooks. `steady` has a receiver that is well, `shaky` one that is well for two
phases and in the third fails, resets, comes late, is gone, or has no time, and `refused` one that says
404 to each of three attempts, behind which a delivery is given up. Each ten seconds (or a hundredth of
a shorter run) a line: what waits, the daemon's memory, descriptors, threads, time of CPU, and the size
of each file that grows. At the end each acknowledged event has arrived at each receiver, and
nothing has grown from the second quarter to the last.
"""
import csv
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, table  # noqa: E402

# What `shaky` does in its bad phases; None: nobody listens.
BAD = [("failing", "/ status 500\n"), ("resetting", "/ reset\n"),
       ("late", "/ delay 1500 status 200\n"), ("gone", None),
       ("busy", "/ status 503 header:Retry-After=5\n")]
WELL = "/ status 200\n"
COLUMNS = ["seconds", "written", "phase", "steady_pending", "shaky_pending", "refused_pending",
           "rss_kib", "fds", "threads", "cpu_seconds", "database_kib", "wal_kib", "log_kib"]
SETTLED_S = 900  # from there on the second quarter has seen what will be kept
# What may not grow, and by how much it may differ: a part, and an amount in the column's unit.
FLAT = {"rss_kib": (0.10, 2048), "fds": (0, 8), "threads": (0, 1), "database_kib": (0.25, 4096),
        "wal_kib": (0.25, 8192), "log_kib": (0.10, 1024)}


class Arrivals:
    """Which numbers have come to a receiver: its record is read on, and what was read given back to
    the disk."""

    def __init__(self, sink, most):
        self.path = sink.log
        self.seen = bytearray(most + 1)
        self.at = 0

    def look(self):
        with open(self.path, "rb") as f:
            f.seek(self.at)
            text = f.read()
        text = text[:text.rfind(b"\n") + 1]
        for number in re.findall(rb'\\"request_id\\":\\"(\d+)\\"', text):
            self.seen[int(number)] = 1
        self.at += len(text)
        if self.at:
            subprocess.run(["fallocate", "-p", "-o", "0", "-l", str(self.at), self.path],
                           check=True)

    def missing(self, first, last):
        return self.seen[first:last + 1].count(0)


def kib(*paths):
    return sum(os.stat(p).st_size for p in paths if os.path.exists(p)) // 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf8") as f:
        fields = f.read().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


class Run:
    def __init__(self, rig, seconds, rate):
        self.rig, self.seconds, self.rate = rig, seconds, rate
        self.step = max(1, min(10, seconds / 100))
        self.phase_s = max(2, min(60, seconds / 60))
        kept = 60
        self.steady, self.shaky = rig.sink("steady"), rig.sink("shaky")
        self.refusing = rig.sink("refusing")
        self.refusing.script("/ status 404\n")
        rig.start("-o", f"retention={kept}s,failed_retention={kept}s,log_size=16M")
        patient = "5s 10s 20s 40s 80s 160s 320s 640s"
        rig.hook("steady", self.steady.url)
        rig.hook("shaky", self.shaky.url, timeout="1s", retry=patient)
        rig.hook("refused", self.refusing.url, retry="5s 10s")
        most = int(seconds * rate) + rate
        self.arrivals = {"steady": Arrivals(self.steady, most), "shaky": Arrivals(self.shaky, most),
                         "refused": Arrivals(self.refusing, most)}
        self.sent, self.phase, self.samples = 0, "well", []
        self.begin = time.monotonic()

    def now(self):
        return time.monotonic() - self.begin

    def turn_to(self, phase, script):
        """`shaky` changes its mind."""
        if script is None:
            self.shaky.stop()
        else:
            self.shaky.script(script)
            if self.shaky.process is None:
                self.shaky.start(self.shaky.port)
        self.phase = phase

    def change(self):
        number, part = divmod(int(self.now() / self.phase_s), 3)
        phase, script = BAD[number % len(BAD)] if part == 2 else ("well", WELL)
        if phase != self.phase:
            self.turn_to(phase, script)

    def sample(self):
        rig, pid = self.rig, self.rig.process.pid
        pending = {h: rig.count("pending", h) for h in ("steady", "shaky", "refused")}
        for arrivals in self.arrivals.values():
            arrivals.look()
        self.samples.append([
            round(self.now(), 1), self.sent, self.phase, *pending.values(), rig.memory_kib(),
            len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")),
            cpu_seconds(pid), kib(f"{rig.state}/queue.db"), kib(f"{rig.state}/queue.db-wal"),
            kib(f"{rig.state}/log.jsonl", f"{rig.state}/log.jsonl.1")])
        return self.samples[-1]

    def load(self, write):
        """Events at their rate; each sample goes to `write`."""
        look = 0
        while self.now() < self.seconds:
            self.change()
            due = int(self.now() * self.rate)
            if due > self.sent:
                self.rig.events(due - self.sent, first=self.sent + 1)
                self.sent = due
            if self.now() >= look:
                write(self.sample())
                look += self.step
            time.sleep(0.02)
        self.turn_to("well", WELL)

    def judge(self):
        for hook, arrivals in self.arrivals.items():
            self.rig.wait("pending", 0, hook, seconds=1200)
            arrivals.look()
        missing = {h: a.missing(1, self.sent) for h, a in self.arrivals.items()}
        accepted = self.rig.count("accepted")
        rows = [["", "second quarter", "last quarter", "most"]]
        grown = []
        quarter = len(self.samples) // 4
        for column, (part, amount) in FLAT.items():
            values = [s[COLUMNS.index(column)] for s in self.samples]
            early, late = (statistics.median(v) for v in (values[quarter:2 * quarter],
                                                          values[-quarter:]))
            rows.append([column, early, late, max(values)])
            if late > early * (1 + part) + amount:
                grown.append(column)
        table(rows)
        print(f"# {self.sent} events in {self.seconds:.0f} s, "
              f"{self.rig.count('delivered')} deliveries, {sum(missing.values())} lost")
        lost = accepted != self.sent or any(missing.values())
        print(f"{'not ok' if lost else 'ok'} 1 - each event has arrived {missing}")
        if self.seconds < SETTLED_S:
            grown = []  # and nothing is settled yet
        print(f"{'not ok' if grown else 'ok'} 2 - nothing has grown {grown}")
        print("1..2")
        return 1 if lost or grown else 0


PLOT = """
set terminal svg size 900,900 font 'sans,11' background 'white' noenhanced
set output '{svg}'
set datafile separator ','
set key autotitle columnhead outside right top
set multiplot layout 4,1 title '{title}'
set lmargin 10
set rmargin 24
set grid
set autoscale xfix
set yrange [0:*]
set format y '%.0f'
set ylabel 'waiting'
plot for [c=4:6] '{csv}' using ($1/60):c with lines
set ylabel 'memory, MiB'
plot '{csv}' using ($1/60):($7/1024) with lines title 'resident'
set ylabel 'files, MiB'
plot '{csv}' using ($1/60):($11/1024) with lines title 'queue.db', \\
     '' using ($1/60):($12/1024) with lines title 'write-ahead log', \\
     '' using ($1/60):($13/1024) with lines title 'log and log.1'
set xlabel 'minutes'
set ylabel 'number'
plot '{csv}' using ($1/60):8 with lines title 'descriptors', \\
     '' using ($1/60):9 with lines title 'threads'
unset multiplot
"""


def plot(csv_path, svg):
    with open(csv_path, encoding="utf8", newline="") as f:
        last = list(csv.DictReader(f))[-1]
    rate = int(last["written"]) / float(last["seconds"])
    title = f"{int(last['written']):,} events, {rate:.0f} a second, to three hooks"
    subprocess.run(["gnuplot"], input=PLOT.format(csv=csv_path, svg=svg, title=title), text=True,
                   check=True)
    with open(svg, encoding="utf8") as f:
        lines = [line.rstrip() for line in f]
    with open(svg, "w", encoding="utf8") as f:
        f.write("\n".join(lines) + "\n")


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--plot"]:
        return plot(*arguments[1:])
    seconds = float(arguments[0]) if arguments else 3600
    rate = int(arguments[1]) if len(arguments) > 1 else 500
    out = open(arguments[2] if len(arguments) > 2 else os.devnull, "w", encoding="utf8",
               buffering=1, newline="")

    def write(sample):
        print(",".join(str(value) for value in sample), file=out)
        print("  ".join(f"{name} {value}" for name, value in zip(COLUMNS, sample)), flush=True)

    with out, Rig() as rig:
        print(",".join(COLUMNS), file=out)
        run = Run(rig, seconds, rate)
        run.load(write)
        return run.judge()


if __name__ == "__main__":
    sys.exit(main())
