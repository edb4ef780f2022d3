"""Rows of the bench as they are kept, and what is told of them: figures, ratios, and whether a goal is reached.

docs/benchmarks/results.json has what ran, run by run; everything else is computed from it here, so a table
cannot say what no run said. A row's keys stand in tests/bench/README.md.
"""
import json
import os
import re
import statistics
from dataclasses import dataclass

GOAL = re.compile(r"(?:(\w+)[^≥≤]*(?=[≥≤]))?([≥≤]?) ?(\d[\d,]*(?:\.\d+)?)(?: ?(×) ?(.+)| ?(\w*).*)?")
UNITS = {"µs": 1, "ms": 1000, "s": 1000000, "B": 1, "bytes": 1, "KiB": 1024, "MiB": 1024 ** 2, "GiB": 1024 ** 3}


def load(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf8") as f:
        return json.load(f)["rows"]


def save(path, rows):
    """A line for each run, so that a diff shows what changed."""
    def dump(value, indent):
        pad = "\n" + "  " * (indent + 1)
        if isinstance(value, dict) and any(isinstance(v, (dict, list)) for v in value.values()):
            return "{" + ",".join(f"{pad}{dump(k, 0)}: {dump(v, indent + 1)}" for k, v in value.items()) + pad[:-2] + "}"
        if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value) and indent < 5:
            return "[" + ",".join(f"{pad}{dump(v, indent + 1)}" for v in value) + pad[:-2] + "]"
        return json.dumps(value, ensure_ascii=False)
    with open(f"{path}.new", "w", encoding="utf8") as f:
        f.write(dump({"rows": rows}, 0) + "\n")
    os.rename(f"{path}.new", path)


def merge(old, of, new, order):
    """The rows with those that `of` made replaced; `order` has the names of what makes rows, in order."""
    rows = [row for row in old if row["of"] != of] + new
    return sorted(rows, key=lambda row: order.index(row["of"]) if row["of"] in order else len(order))


# ---- figures

COMPUTED = {  # others are keys of a run
    "rate": lambda run: run["events"] / run["seconds"],
    "time": lambda run: run["seconds"] / run["events"],
    "cpu_us": lambda run: run["cpu_s"] / run["events"] * 1e6,
}


def figures(row):
    """What a row is about; the first of them is drawn, and compared."""
    return row.get("figures", ["rate"])


def keyed(row, quantity):
    """The figure that a goal calls by a short name: "p99" is "p99_us"."""
    found = [key for key in [*figures(row), *COMPUTED] if quantity in (None, key, key.split("_", maxsplit=1)[0])]
    if not found:
        raise Unreadable(f"{row['name']}: its goal is of {quantity}, which is no figure: {figures(row)}")
    return found[0]


def figure(run, key):
    return COMPUTED[key](run) if key in COMPUTED else run[key]


def median(row, side, quantity=None):
    return spread(row, side, keyed(row, quantity))[0]


def spread(row, side, key=None):
    """(median, least, most)"""
    values = [figure(run, key or figures(row)[0]) for run in row["sides"][side]]
    return statistics.median(values), min(values), max(values)


def is_curve(row):
    """Sides like "10 hooks" and "1,000 hooks" are points of a curve."""
    return len(row["sides"]) > 1 and all(re.match(r"\d", side) for side in row["sides"])


# ---- goals

class Unreadable(Exception):
    """A goal that speaks of what the row does not have, or is no goal."""


@dataclass
class Goal:
    text: str
    judged: str      # the side whose goal it is
    yardstick: str   # the side it is measured by, or None
    at_least: bool
    wanted: float
    quantity: str = None
    measured: float = None
    reached: bool = None


def ours(row):
    """The side that has a goal: webhookfs, or of a curve its far end, or else the first."""
    sides = list(row["sides"])
    return "webhookfs" if "webhookfs" in sides else sides[-1 if is_curve(row) else 0]


def side_named(row, name):
    """Of a row with one side besides ours that one, and of a curve its beginning, however a goal calls them."""
    sides = list(row["sides"])
    if name in sides:
        return name
    found = [side for side in sides if name.startswith(side) or side.startswith(name)]
    if len(found) != 1 and is_curve(row):
        found = sides[:1]
    elif len(found) != 1 and len(sides) == 2:
        found = [side for side in sides if side != ours(row)]
    if len(found) != 1:
        raise Unreadable(f"{row['name']}: the goal speaks of {name!r}, which is no side: {list(row['sides'])}")
    return found[0]


def goals(row):
    """Each goal of a row, judged. "≥ 0.90 × bare libcurl", "p50 ≤ 1 ms, p99 ≤ 5 ms"; a number alone is at most."""
    judged = []
    for text in filter(None, re.split(r"[;,] +(?=(?:\w+ )?[≥≤])", row.get("goal") or "")):
        found = GOAL.match(text)
        if not found:
            raise Unreadable(f"{row['name']}: no goal can be read in {text!r}")
        quantity, sign, number, factor, rest, unit = found.groups()
        quantity = quantity and quantity.lower()
        yardstick = side_named(row, rest) if factor else None
        wanted = float(number.replace(",", ""))
        if unit in UNITS and row["unit"] in UNITS:
            wanted *= UNITS[unit] / UNITS[row["unit"]]
        goal = Goal(text, ours(row), yardstick, sign == "≥", wanted, quantity)
        goal.measured = median(row, goal.judged, quantity)
        if yardstick:
            goal.measured /= median(row, yardstick, quantity)
        goal.reached = goal.measured >= goal.wanted if goal.at_least else goal.measured <= goal.wanted
        judged.append(goal)
    return judged


def ratio(row, side):
    """Ours by this side's; None for ours."""
    mine = ours(row)
    return median(row, mine) / median(row, side) if mine != side and median(row, side) else None


# ---- numbers for people

def told(value):
    """Three digits count, and all of an integer's thousands."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.{2 if abs(value) < 10 else 1}f}"


def cells(row, side):
    """What a table says of a side, under head(row)."""
    runs, of = row["sides"][side], []
    for key in figures(row):
        middle, least, most = spread(row, side, key)
        of += [told(middle), f"{told(least)} – {told(most)}"]
    cpu = [run["cpu_s"] / run["events"] * 1000 for run in runs if run.get("cpu_s")]
    memory = [run["rss_kib"] / 1024 for run in runs if run.get("rss_kib")]
    by = ratio(row, side)
    return [side, *of, told(statistics.median(cpu)) if cpu else "", told(max(memory)) if memory else "",
            f"{told(by)} ×" if by is not None else ""]


def head(row):
    """Of several figures each has its name."""
    names = [key.split("_")[0] for key in figures(row)] if len(figures(row)) > 1 else ["median"]
    return ["side", *(cell for name in names for cell in (name, "least – most")),
            "CPU s per 1,000", "peak RSS, MiB", "ratio"]


def verdict(row):
    """("0.91 ×", "yes") of all its goals; ("", "") where it has none."""
    try:
        judged = goals(row)
    except Unreadable:
        return "", "not judged"
    measured = "; ".join(f"{g.quantity + ' ' if g.quantity else ''}{told(g.measured)}{' ×' if g.yardstick else ''}"
                         for g in judged)
    return measured, ("yes" if all(g.reached for g in judged) else "no") if judged else ""
