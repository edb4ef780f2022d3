"""Ingest: how many lines a second are acknowledged, each after its commit.

What is measured is a writer's time from the first write(2) to the last answer. The hook that matches is paused
(`enabled` is `paused`): its deliveries are made, stored and queued as always, but nothing is sent, so
the receiver and the thread that sends have no part in it. A destination that is parked would be
probed meanwhile. Each of these rows has a side with delivery going on beside it, which shares two
cores with the receiver.

The yardsticks are tests/bench/nullfs.c, a filesystem with one file: alone, which is what FUSE costs, and with
an fdatasync for each write, which is what the least of all durable files costs.

How many events a commit takes stands with the side, in `configuration`. It is counted in a run of its own with
`-o keep`, since then commits have numbers; that costs a row in each.
"""
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from measure import BUILD, WARM, Daemon, beside, json_lines, program, wait_for, word_lines

BIG = ("-b", 131072)
LINES = {"json": json_lines, "words": word_lines}


def prepared(d, hook, url=None):
    """hook: paused, sends, other (there is one, which matches nothing)"""
    d.hook("h", url or "http://127.0.0.1:9/",
           object="deployment/other" if hook == "other" else "deployment/resnet")
    if hook == "paused":
        d.set("hooks/h/enabled", "paused")


def acknowledged(kind, events, writers=BIG, hook="paused", url=None, options=()):
    """A run; kind is a key of LINES, writers are the options of tests/bench/writers.c."""
    lines = LINES[kind]()
    with Daemon() as d:
        d.start("-o", "grace=0", *options)
        prepared(d, hook, url)
        d.write(lines, WARM, *BIG)
        d.begin()
        wrote = d.write(lines, events, *writers)
        run = d.end(wrote["lines"], **told(wrote))
        accepted = d.count("accepted")
        if accepted < WARM + wrote["lines"]:
            raise SystemExit(f"not ok - {accepted} of {WARM + wrote['lines']} were accepted")
        return run


def told(wrote):
    return {key: wrote[key] for key in ("seconds", "p50_us", "p99_us", "max_us")}


def commits(d):
    """Of a mount that is kept, up to its daemon's end."""
    db = sqlite3.connect(f"{d.state}/queue.db")
    try:
        row = db.execute("SELECT value FROM counter WHERE name = 'commit'").fetchone()
        return row[0] if row else 0
    finally:
        db.close()


def events_a_commit(kind, events, writers):
    """How well commits are shared."""
    with Daemon() as d:
        d.start("-o", "grace=0,keep")
        prepared(d, "paused")
        d.stop()
        before = commits(d)
        d.start("-o", "grace=0,keep")
        wrote = d.write(LINES[kind](), events, *writers)
        d.stop()
        return wrote["lines"] / (commits(d) - before)


class Null:
    """A mount of tests/bench/nullfs.c."""

    def __init__(self, synced):
        self.top = tempfile.mkdtemp(prefix="webhookfs-rig.")
        self.mnt = f"{self.top}/mnt"
        os.mkdir(self.mnt)
        scratch = [f"{self.top}/scratch"] if synced else []
        self.process = subprocess.Popen([f"{BUILD}/bench/nullfs", self.mnt, *scratch],
                                        stdout=subprocess.DEVNULL)

    def __enter__(self):
        wait_for("the mount", 20, lambda: os.path.exists(f"{self.mnt}/events"))
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.top)


def null(kind, events, writers=BIG, synced=False):
    """The same writers on an empty file."""
    with Null(synced) as n:
        wrote = program("writers", *writers, f"{n.mnt}/events", events, data=LINES[kind]())
        return {"events": wrote["lines"], **told(wrote)}


# ---- rows

FUSE_ALONE = "tests/bench/nullfs.c, which counts writes"
FUSE_SYNCED = "tests/bench/nullfs.c, one fdatasync of a scratch file for each write"


def big(kind, hook, goal, count):
    """One writer with as many lines a write as fit into 128 KiB."""
    def row(bench):
        events = bench.events(count)
        sides = {
            "webhookfs": lambda: acknowledged(kind, events, hook=hook),
            "FUSE alone": lambda: null(kind, events),
        }
        told_of = {"webhookfs": "the hook is paused" if hook == "paused" else
                                "one hook, which does not match",
                   "FUSE alone": FUSE_ALONE}
        if hook == "paused":
            sides["webhookfs, delivering"] = lambda: acknowledged(
                kind, events, hook="sends", url=bench.nginx.url)
            told_of["webhookfs, delivering"] = "nginx on the same two cores takes the requests"
        return {
            "name": f"ingest-{kind}" + ("" if hook == "paused" else "-unmatched"),
            "what": f"One writer of {'JSON lines' if kind == 'json' else 'lines of words'}, "
                    f"128 KiB a write, {'one' if hook == 'paused' else 'no'} hook matching",
            "goal": f"≥ {goal:,}/s", "unit": "events/s",
            "sides": beside(bench.runs, **sides), "configuration": told_of,
        }
    return row


def single(writers, count, goal=""):
    """Writers of single lines on one file, each with a descriptor that it keeps."""
    def row(bench):
        events = bench.events(count)
        options = ("-w", writers)
        sides = {
            "webhookfs": lambda: acknowledged("json", events, options),
            "webhookfs, delivering": lambda: acknowledged("json", events, options, "sends",
                                                          bench.nginx.url),
        }
        told_of = {"webhookfs, delivering": "nginx on the same two cores takes the requests"}
        if writers == 1:  # there is no fdatasync to be shared
            sides["FUSE and an fdatasync"] = lambda: null("json", events, options, True)
            told_of["FUSE and an fdatasync"] = FUSE_SYNCED
        sides = beside(bench.runs, **sides)
        shared = events_a_commit("json", events, options)
        told_of["webhookfs"] = f"the hook is paused; {shared:.1f} events a commit"
        return {
            "name": f"ingest-writers-{writers}",
            "what": f"{writers} writer{'s' * (writers > 1)} of single JSON lines on one file",
            "goal": goal, "unit": "events/s", "sides": sides, "events_a_commit": round(shared, 1),
            "configuration": told_of,
        }
    return row


def echo(bench):
    """`echo line > events`: open, write, close."""
    events = bench.events(4000)
    options = ("-c",)
    return {
        "name": "ingest-echo",
        "what": "Open, write a line of words, close, as `echo line >events` does",
        "goal": "time ≤ 1.3 × FUSE and an fdatasync", "unit": "events/s",
        "sides": beside(
            bench.runs,
            **{"webhookfs": lambda: acknowledged("words", events, options),
               "FUSE and an fdatasync": lambda: null("words", events, options, True),
               "FUSE alone": lambda: null("words", events, options)}),
        "configuration": {"webhookfs": "the hook is paused",
                          "FUSE and an fdatasync": FUSE_SYNCED, "FUSE alone": FUSE_ALONE},
    }


def append(bench):
    """A file that is appended to is locked by the kernel while one write is under way."""
    sides = {}
    for writers, count in ((1, 4000), (32, 40000)):
        for sign, flag in ((">", ()), (">>", ("-a",))):
            events = bench.events(count if sign == ">" else 4000)
            options = ("-w", writers, *flag)
            sides[f"{sign}, {writers} writer{'s' * (writers > 1)}"] = \
                lambda events=events, options=options: acknowledged("words", events, options)
    return {
        "name": "ingest-append",
        "what": "What `>>` costs: single lines of words, descriptors kept, with and without O_APPEND",
        "goal": "", "unit": "events/s",
        "sides": beside(bench.runs, **sides),
        "configuration": {name: "the hook is paused" for name in sides},
    }


ROWS = [
    ("ingest-json", big("json", "paused", 90000, 100000)),
    ("ingest-words", big("words", "paused", 150000, 200000)),
    ("ingest-json-unmatched", big("json", "other", 115000, 100000)),
    ("ingest-words-unmatched", big("words", "other", 500000, 500000)),
    ("ingest-writers-1", single(1, 4000)),
    ("ingest-writers-8", single(8, 20000)),
    ("ingest-writers-32", single(32, 40000, "≥ 55,000/s")),
    ("ingest-writers-64", single(64, 40000)),
    ("ingest-echo", echo),
    ("ingest-append", append),
]
