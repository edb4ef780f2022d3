#!/usr/bin/env python3
"""docs/benchmarks, and a table of docs/scaling.md, are made of docs/benchmarks/results.json: no figure is typed.

    report.py           TAP: the tables are those of the JSON, the pictures were drawn from it, and each row
                        names the command that makes it
    report.py --write   writes tables and pictures; needs gnuplot
    report.py --print FILE   the tables of another such file

A table's place on the page is marked by `begin NAME` and `end NAME` in comments.
"""
import hashlib
import os
import re
import subprocess
import sys

import plots
import results

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCS = f"{TREE}/docs/benchmarks"
RESULTS = f"{DOCS}/results.json"

# The rows that say where a limit of one host is.
KNEES = {
    "delivery-http": "sending by HTTP, one thread", "delivery-https": "sending by HTTPS, one thread",
    "delivery-threads": "sending by HTTP, two threads", "cpu-http": "CPU of one delivery, all threads",
    "ingest-json": "taking JSON lines, large writes", "ingest-words": "taking lines of words, large writes",
    "ingest-writers-1": "taking single lines of one writer: flushes of the disk",
    "ingest-writers-32": "taking single lines of 32 writers, which share them",
    "fan-out": "one event for a thousand hooks", "hooks-matching": "matching, 100,000 hooks",
    "hooks-memory": "memory of a hook", "hooks-start": "starting with 100,000 hooks",
    "backlog-delivery": "delivering, a million waiting", "backlog-memory": "memory, a million waiting",
    "backlog-start": "starting, a million waiting", "kept-delivery": "delivering, a million kept",
}


def markdown(head, lines, right=()):
    rule = ["---:" if cell in right else "---" for cell in head]
    return "".join("| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in line) + " |\n"
                   for line in [head, rule, *lines])


def goals_table(rows):
    """Goals × measured, one line a row."""
    lines = []
    for row in rows:
        measured, reached = results.verdict(row)
        lines.append([f"[{row['name']}](#{row['name']})", row["what"], row.get("goal") or "", measured,
                      "**no**" if reached == "no" else reached])
    return markdown(["row", "what", "goal", "measured", "reached"], lines, ["measured"])


def machine_text(row):
    m = row["machine"]
    return f"{m['cores']} cores, kernel {m['kernel']}, {m['memory_mib'] / 1024:.1f} GiB of memory"


def runs_text(row):
    least = min(len(runs) for runs in row["sides"].values())
    return f"{least} runs of each" if least > 1 else "Measured once"


def rows_text(rows):
    """Each row with its sides, and how they were configured."""
    text = ""
    for row in rows:
        lines = [results.cells(row, side) for side in row["sides"]]
        text += f"### {row['name']}\n\n{row['what']}: {row['unit']}. {runs_text(row)}.\n\n"
        text += markdown(results.head(row), lines, results.head(row)[1:]) + "\n"
        text += f"`{row['command']}`, {row['date']}, {row['version']}, {machine_text(row)}\n\n"
        text += "".join(f"- *{side}*: {how}\n" for side, how in row.get("configuration", {}).items()) + "\n"
    return text.rstrip("\n") + "\n"


def pictures_text(rows):
    return "\n".join(f"![{words}]({name}.svg)\n" for name, (make, words) in plots.PICTURES.items() if make(rows))


def knees_table(rows):
    by_name = {row["name"]: row for row in rows}
    return markdown(["limit", "measured", "row"], [
        [limit, f"{results.told(results.median(row, results.ours(row)))} {row['unit']}",
         f"[{name}](benchmarks/README.md#{name})"]
        for name, limit in KNEES.items() if (row := by_name.get(name))], ["measured"])


PAGES = {"docs/benchmarks/README.md": {"goals": goals_table, "pictures": pictures_text, "rows": rows_text},
         "docs/scaling.md": {"knees": knees_table}}


def filled(path, rows):
    """The page as it should be."""
    page = read(f"{TREE}/{path}")
    for name, make in PAGES[path].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise SystemExit(f"not ok - {path}: no place for the table {name}")
        head, rest = page.split(begin)
        page = f"{head}{begin}\n{make(rows)}\n{end}{rest.split(end)[1]}"
    return page


def scripts(rows):
    """{NAME: (script, mark)}: the mark in a picture tells what it was drawn from."""
    made = {name: make(rows) for name, (make, _) in plots.PICTURES.items()}
    return {name: (script, f"<!-- drawn from {hashlib.sha1(script.encode()).hexdigest()} -->")
            for name, script in made.items() if script}


def read(path):
    with open(path, encoding="utf8") as f:
        return f.read()


def write():
    rows = results.load(RESULTS)
    for path in PAGES:
        page = filled(path, rows)
        with open(f"{TREE}/{path}", "w", encoding="utf8") as f:
            f.write(page)
    for name, (script, mark) in scripts(rows).items():
        drawn = subprocess.run(["gnuplot"], input=script, check=True, stdout=subprocess.PIPE, text=True).stdout
        with open(f"{DOCS}/{name}.svg", "w", encoding="utf8") as f:
            f.write("\n".join(line.rstrip() for line in drawn.splitlines()) + f"\n{mark}\n")


# ---- the check

def unlike_page(rows):
    yield from (path for path in PAGES if read(f"{TREE}/{path}") != filled(path, rows))


def unlike_pictures(rows):
    wanted = {f"{name}.svg": mark for name, (_, mark) in scripts(rows).items()}
    there = {name for name in os.listdir(DOCS) if name.endswith(".svg")}
    yield from (f"{name} is drawn of no row" for name in sorted(there - set(wanted)))
    for name, mark in wanted.items():
        if name not in there or mark not in read(f"{DOCS}/{name}"):
            yield f"{name} was not drawn from results.json"


def without_command(rows):
    import bench  # pylint: disable=import-outside-toplevel,cyclic-import
    known = bench.known()
    for row in rows:
        if not re.fullmatch(rf"make bench ROWS={re.escape(row['of'])}( RUNS=\d+)?", row.get("command", "")):
            yield f"{row['name']}: {row.get('command')!r} is no command that makes it"
        elif row["of"] not in known:
            yield f"{row['name']}: there is no row {row['of']}"


def missing(rows):
    import bench  # pylint: disable=import-outside-toplevel,cyclic-import
    yield from sorted(set(bench.known()) - {row["of"] for row in rows})


def unreadable(rows):
    for row in rows:
        try:
            results.goals(row)
        except results.Unreadable as e:
            yield str(e)


CHECKS = {"the tables of docs/benchmarks are those of its results": unlike_page,
          "the pictures of docs/benchmarks were drawn from its results": unlike_pictures,
          "each row of the results names the command that makes it": without_command,
          "each goal in the results can be judged": unreadable,
          "each row of the bench is in the results": missing}


def check():
    rows, failed = results.load(RESULTS), False
    for number, (name, finds) in enumerate(CHECKS.items(), 1):
        said = list(finds(rows))
        failed |= bool(said)
        print(f"{'not ' if said else ''}ok {number} - {name}")
        for each in said:
            print(f"# {each}")
    print(f"1..{len(CHECKS)}")
    if failed:
        print("# make docs-benchmarks puts tables and pictures right", file=sys.stderr)
    return failed


def main():
    if sys.argv[1:2] == ["--write"]:
        return write()
    if sys.argv[1:2] == ["--print"]:
        rows = results.load(sys.argv[2])
        return print("\n".join(make(rows) for page in PAGES.values() for make in page.values()), end="")
    return check()


if __name__ == "__main__":
    sys.exit(main())
