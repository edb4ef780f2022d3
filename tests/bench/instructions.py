#!/usr/bin/env python3
"""Where the time of one delivery goes: instructions and allocations of its steps, counted by callgrind.

    instructions.py [--write] [EVENTS]       10000

Instructions in user space, which are the same each time; what the kernel does for the daemon is not in them. A mount
takes events in writes of 128 KiB and delivers them to nginx; the first ones are not counted. Prints a
table in Markdown, and puts it into docs/benchmarks if told so.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

from measure import BUILD, TREE, WARM, Daemon, Nginx, json_lines

# A step and the functions whose calls it is, each with all that they call. Indented: a part of the one above.
STEPS = [
    ("taken: `write(2)` on `events`", ["op_write"], ["deliver_meanwhile"]),
    ("  parsed and checked", ["event_parse"], []),
    ("  rendered", ["payload_render"], []),
    ("  stored, uncommitted", ["store_event_add", "store_delivery_add"], []),
    ("started", ["store_delivery_get", "deliver_request", "client_send", "queue_next"], []),
    ("  read from the store", ["store_delivery_get"], []),
    ("  headers and body", ["deliver_request"], []),
    ("recorded", ["deliver_record"], []),
    ("  as JSON", ["outcome_json"], []),
    ("  in the store", ["store_delivery_done"], []),
    ("committed, and told", ["engine_commit"], []),
    ("  the log's line", ["logline_attempt"], []),
]
SQLITE = ["sqlite3_step", "sqlite3_reset"]
ALLOCATORS = ("malloc", "calloc", "realloc")
PAGE = f"{TREE}/docs/benchmarks/README.md"
CLONE_SUFFIX = re.compile(r"('\d+|\.(isra|part|constprop)\.\d+)+$")


class Counts:
    """Of one thread: what each function and its callees cost, and how often memory was asked for."""

    def __init__(self, path):
        self.inclusive, self.calls, self.total = collections.Counter(), collections.Counter(), 0
        names, here, called = {}, None, None
        with open(path, encoding="utf8") as f:
            for line in f:
                if match := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line):
                    kind, number, name = match.groups()
                    names[number] = names.get(number) or CLONE_SUFFIX.sub("", name)
                    here, called = (names[number], None) if kind == "fn" else (here, names[number])
                elif line.startswith("calls="):
                    self.calls[called] += int(line[6:].split()[0])
                    cost = int(next(f).split()[1])
                    if called != here:  # else its own recursion, which is in it already
                        self.inclusive[(here, called)] += cost
                elif re.match(r"[+\-*\d]", line):
                    self.total += int(line.split()[1])

    def of(self, function):
        """Whoever calls it."""
        return sum(cost for (_, called), cost in self.inclusive.items() if called == function)

    def allocations(self):
        return sum(self.calls[name] for name in ALLOCATORS)


def run(nginx, events, out):
    """{"main": Counts, "http": Counts}"""
    launcher = f"{out}.sh"
    with open(launcher, "w", encoding="utf8") as f:
        f.write(f"#!/bin/sh\nexec valgrind -q --tool=callgrind --separate-threads=yes --instr-atstart=no"
                f" --callgrind-out-file={out} {BUILD}/webhookfs \"$@\"\n")
    os.chmod(launcher, 0o755)
    with Daemon(program=launcher) as d:
        d.start("-o", "grace=0,confine=0")  # valgrind knows no Landlock
        d.hook("h", nginx.url, object="deployment/resnet")
        d.write(json_lines(), WARM, "-b", 131072)
        d.wait_all("delivered", WARM, "h")
        for switch in ("on", "off"):
            subprocess.run(["callgrind_control", "-i", switch, str(d.process.pid)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if switch == "on":
                lines = d.write(json_lines(), events, "-b", 131072)["lines"]
                d.wait_all("delivered", WARM + lines, "h")
        d.stop()
    return {"main": Counts(f"{out}-01"), "http": Counts(f"{out}-02")}, lines


def report(counts, events):
    main, http = counts["main"], counts["http"]
    yield "| step | instructions | of the thread |\n| --- | ---: | ---: |"
    for step, functions, without in STEPS:
        cost = sum(map(main.of, functions)) - sum(map(main.of, without))
        name = "&emsp;" * step.startswith("  ") + step.strip()
        yield f"| {name} | {cost / events:,.0f} | {cost / main.total:.0%} |"
    yield f"| **main thread**, {main.allocations() / events:.0f} allocations | {main.total / events:,.0f} | |"
    sqlite = sum(map(main.of, SQLITE))
    yield f"| &emsp;of it SQLite | {sqlite / events:,.0f} | {sqlite / main.total:.0%} |"
    yield f"| **HTTP thread**, {http.allocations() / events:.0f} allocations | {http.total / events:,.0f} | |"


def write(table):
    """Between its marks."""
    with open(PAGE, encoding="utf8") as f:
        head, rest = f.read().split("<!-- begin profile -->\n")
    with open(PAGE, "w", encoding="utf8") as f:
        f.write(f"{head}<!-- begin profile -->\n\n{table}\n\n<!-- end profile -->{rest.split('<!-- end profile -->')[1]}")


def main():
    words = [word for word in sys.argv[1:] if word != "--write"]
    events = int(words[0]) if words else 10000
    with tempfile.TemporaryDirectory(prefix="webhookfs-profile.") as directory:
        nginx = Nginx(f"{directory}/nginx")
        try:
            counts, events = run(nginx, events, f"{directory}/callgrind")
        finally:
            nginx.stop()
    table = "\n".join(report(counts, events))
    print(table)
    if "--write" in sys.argv:
        write(table)


if __name__ == "__main__":
    main()
