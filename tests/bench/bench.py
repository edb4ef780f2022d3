#!/usr/bin/env python3
"""Runs rows of the bench, prints both sides of each, and keeps what they said.

    bench.py [--runs N] [--small] [--results FILE] [ROW...]
    bench.py --list

All rows, unless some are named. What is kept goes into docs/benchmarks/results.json, row by row: one that runs
again replaces what it said before, and the page is made anew (report.py). --small scales the numbers
of events down, and keeps the results in build/bench/small.json: such figures are for whoever writes a row, or
wants to know that it runs. Nothing here judges but the table; a figure never makes it fail, a row that
cannot run does.
"""
import argparse
import datetime
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import report
import results
from measure import BUILD, HERE, TREE, Nginx, machine
from rig import table

MODULES = ("delivery", "peers", "ingest", "latency", "scale", "idle")
SMALL = 40  # a small run has a fortieth of the events
RUNS = 5


class Bench:
    """What a row's function is given."""

    def __init__(self, nginx, runs, small):
        self.nginx, self.runs, self.small = nginx, runs, small

    def events(self, count):
        return max(count // SMALL, 1) if self.small else count


def known():
    """{ROW: function}, in the order of the report."""
    return {name: function for module in MODULES if os.path.exists(f"{HERE}/{module}.py")
            for name, function in importlib.import_module(module).ROWS}


def module_of(name):
    return next(module for module in MODULES if os.path.exists(f"{HERE}/{module}.py")
                and name in dict(importlib.import_module(module).ROWS))


def version():
    done = subprocess.run([f"{BUILD}/webhookfs", "-V"], check=True, stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def run_row(name, function, bench):
    """Its rows, each with what it was made by."""
    made = function(bench)
    made = made if isinstance(made, list) else [made]
    options = ("" if bench.runs == RUNS else f" RUNS={bench.runs}") + (" SMALL=1" if bench.small else "")
    return [row | {"of": name, "module": module_of(name), "command": f"make bench ROWS={name}{options}",
                   "runs": bench.runs, "date": datetime.date.today().isoformat(), "version": version(),
                   "machine": machine()} for row in made]


def show(row):
    measured, reached = results.verdict(row)
    print(f"\n# {row['name']}: {row['what']}, {row['unit']}")
    table([results.head(row)] + [results.cells(row, side) for side in row["sides"]])
    if reached:
        said = {"yes": f"{measured}, reached", "no": f"{measured}, missed"}.get(reached, reached)
        print(f"goal {row['goal']}: {said}", flush=True)


def run(names, bench, path):
    """How many rows could not run."""
    functions, failed = known(), 0
    for name in names:
        try:
            made = run_row(name, functions[name], bench)
        except (SystemExit, Exception) as e:  # pylint: disable=broad-exception-caught; the others can run
            print(f"\n# {name} did not run: {e or type(e).__name__}", flush=True)
            failed += 1
            continue
        if not made:
            print(f"\n# {name}: not with this webhookfs", flush=True)
        results.save(path, results.merge(results.load(path), name, made, list(functions)))
        for row in made:
            show(row)
    return failed


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--results")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("rows", nargs="*")
    given = parser.parse_args()
    unknown = set(given.rows) - set(known())
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(known())}")
    return given


def main():
    given = arguments()
    if given.list:
        print("\n".join(known()))
        return 0
    path = given.results or (f"{BUILD}/bench/small.json" if given.small else report.RESULTS)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it leaves nothing behind either
    directory = tempfile.mkdtemp(prefix="webhookfs-bench.")
    nginx = None
    try:
        nginx = Nginx(f"{directory}/nginx")
        failed = run(given.rows or list(known()), Bench(nginx, given.runs, given.small), path)
    finally:
        if nginx:
            nginx.stop()
        shutil.rmtree(directory)
    if path == report.RESULTS:
        report.write()
    print(f"\n# {os.path.relpath(path, TREE)} has what was measured")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
