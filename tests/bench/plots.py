"""The pictures of docs/benchmarks, as scripts for gnuplot: a function for each, None where no row has data for it.

Colours are Okabe and Ito's, which are told apart without seeing red or green; ours is blue everywhere.
"""
import math
import re

import results

OURS, OTHER, INK, FAINT = "#0072B2", "#999999", "#333333", "#dddddd"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BUCKETS = 4  # of a latency's doubling


def begin(width, height):
    return f"""\
set terminal svg size {width},{height} dynamic enhanced font "DejaVu Sans,Verdana,sans-serif,13" background "#ffffff"
set encoding utf8
set border 0
set tics nomirror scale 0 textcolor rgb "{INK}"
set xlabel textcolor rgb "{INK}"
set ylabel textcolor rgb "{INK}"
set style line 100 lc rgb "{FAINT}" lw 1
set grid back ls 100
"""


def heading(text, width):
    return f'set label {quoted(text)} at screen {16 / width:.3f}, screen 1 offset 0,-1.2 left font ",14" textcolor rgb "{INK}"\n'


def quoted(text):
    """For gnuplot's enhanced text, in double quotes."""
    return '"' + re.sub(r"([\\\"])", r"\\\1", re.sub(r"([_^@&~{}])", r"\\\1", text)) + '"'


def block(name, rows):
    return f"${name} << END\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows) + "END\n"


def bars(title, groups, xlabel, log=False):
    """Horizontal bars. groups: [(heading, [(label, value, least, most, colour, text, mark)])]; mark may be None."""
    lines, tics, headings, marks, y = [], [], [], [], 0
    for name, entries in groups:
        if name:
            headings.append((y, name))
            y -= 1
        for label, value, least, most, colour, text, mark in entries:
            lines.append((y, value, least, most, int(colour[1:], 16), quoted(text)))
            tics.append(f"{quoted(label)} {y}")
            if mark:
                marks.append((mark, y))
            y -= 1
        y -= 0.4 if name else 0
    top = max(max(line[3] for line in lines), max((x for x, _ in marks), default=0))
    low = 10 ** min(0, math.floor(math.log10(min(line[2] for line in lines)))) if log else 0
    left = 9 + 7.4 * max(len(entry[0]) for _, entries in groups for entry in entries)
    height = 120 + int(27 * -y)
    script = begin(860, height) + block("bars", lines) + (block("marks", marks) if marks else "")
    script += heading(title, 860)
    script += f"set lmargin at screen {left / 860:.3f}\nset rmargin at screen 0.97\n"
    script += f"set tmargin at screen {1 - 44 / height:.3f}\nset bmargin at screen {66 / height:.3f}\n"
    script += f"set xlabel {quoted(xlabel)}\nset format x \"%g\"\n"
    script += f"set ytics ({', '.join(tics)})\nset grid noytics\nset yrange [{y + 0.2}:0.8]\n"
    script += "set style fill solid 1 noborder\nunset key\n"
    script += (f"set logscale x\nset xrange [{low}:{top * 2.2}]\n" if log else f"set xrange [0:{top * 1.14}]\n")
    for at, name in headings:
        script += f'set label {quoted(name)} at graph 0, first {at - 0.1} left font ",13" textcolor rgb "{INK}"\n'
    parts = [f"$bars using ({low}):1:({low}):2:($1-0.36):($1+0.36):5 with boxxyerror lc rgb variable"]
    if any(line[2] != line[3] for line in lines):
        parts.append(f'$bars using 2:1:3:4 with xerrorbars pt -1 lw 1.2 lc rgb "{INK}"')
    if marks:
        parts.append(f'$marks using 1:($2-0.42):(0):(0.84) with vectors nohead lw 2.5 lc rgb "{INK}"')
    parts.append(f'$bars using 4:1:6 with labels left offset 0.7,0 textcolor rgb "{INK}"')
    return script + "plot " + ", \\\n  ".join(parts) + "\n"


def delivery(rows):
    groups = []
    for row in rows:
        if row["module"] != "delivery" or results.figures(row) != ["rate"]:
            continue
        entries = []
        for side in row["sides"]:
            middle, least, most = (value / 1000 for value in results.spread(row, side))
            colour = OURS if side == results.ours(row) else OTHER
            entries.append((side, middle, least, most, colour, results.told(middle), None))
        groups.append((row["what"], entries))
    return bars("Deliveries a second, beside senders that store nothing", groups,
                "thousand deliveries a second: median, least and most") if groups else None


def peers(rows):
    entries = []
    for row in rows:
        if row["module"] != "peers" or results.figures(row) != ["rate"]:
            continue
        goal = {g.yardstick: g.wanted for g in results.goals(row)}
        for side in row["sides"]:
            by = results.ratio(row, side)
            if by is not None:
                entries.append((side, by, by, by, OURS, f"{results.told(by)} ×", goal.get(side)))
    entries.sort(key=lambda entry: -entry[1])
    return bars("How many times the deliveries of what people use today; the dark mark is the goal",
                [("", entries)], "webhookfs, times the peer (logarithmic)", log=True) if entries else None


def histogram(runs):
    """{bucket: share} of all the runs' pairs (upper bound in µs, count)."""
    counts = {}
    for run in runs:
        for bound, count in run["histogram"]:
            bucket = math.ceil(round(math.log2(bound) * BUCKETS, 3))
            counts[bucket] = counts.get(bucket, 0) + count
    total = sum(counts.values())
    return {b: 100 * counts.get(b, 0) / total for b in range(min(counts) - 1, max(counts) + 2)}


def latency(rows):
    lines = [(row, side) for row in rows for side in row["sides"]
             if side == results.ours(row) and all(run.get("histogram") for run in row["sides"][side])]
    if not lines:
        return None
    script, parts, top = begin(860, 380), [], 0
    for i, (row, side) in enumerate(lines):
        shares = histogram(row["sides"][side])
        top = max(top, *shares.values())
        script += block(f"h{i}", [(2 ** ((b - 0.5) / BUCKETS) / 1000, share) for b, share in shares.items()])
        parts.append(f"$h{i} using 1:2 with filledcurves y1=0 fs transparent solid 0.15 lc rgb \"{LINES[i % len(LINES)]}\" notitle")
        parts.append(f"$h{i} using 1:2 with lines lw 2.5 lc rgb \"{LINES[i % len(LINES)]}\" title {quoted(row['what'].split(', ')[-1])}")
    script += heading("From the write of a line to its request at the receiver", 860)
    script += "set tmargin at screen 0.87\nset logscale x\n"
    script += 'set xlabel "milliseconds (logarithmic)"\nset ylabel "events, % of each bucket"\nset format x "%g"\n'
    script += f'set key top right reverse Left samplen 2\nset yrange [0:{1.2 * top:.4g}]\nset xrange [*:*] noextend\nset grid noxtics\n'
    return script + "plot " + ", \\\n  ".join(parts) + "\n"


def curves(rows, wanted):
    """[(title, x, y, [(position, median, least, most)])]: those that rows give, and the cost of each row that is a
    curve of sides. `wanted` says by the name of y which."""
    found = []
    for row in rows:
        if "curves" in row:
            found += [(row["name"], curve["x"], curve["y"],
                       [(f"{x:,}", y, y, y) for x, y in curve["points"]])
                      for curve in row["curves"].values() if curve["points"]]
        elif results.is_curve(row) and all(run.get("cpu_s") for runs in row["sides"].values() for run in runs):
            found.append((row["name"], re.sub(r"^[0-9,.]+ *", "", results.ours(row)), "µs of CPU for each",
                          [(re.match(r"[0-9,.]+", side)[0], *results.spread(row, side, "cpu_us"))
                           for side in row["sides"]]))
    return [curve for curve in found if wanted(curve[2])]


def panels(title, found):
    """Three stand beside each other. An axis has steps, since 0 has no place on a logarithmic one."""
    if not found:
        return None
    height = 44 + 230 * math.ceil(len(found) / 3)
    script = begin(960, height) + "unset key\nset offsets 0.3,0.3,0,0\nset grid noxtics\n"
    script += heading(title, 960) + "set multiplot\n"
    for i, (name, x, y, points) in enumerate(found):
        left, top = 0.065 + 0.33 * (i % 3), 1 - (88 + 230 * (i // 3)) / height
        script += block(f"c{i}", [(at, *point[1:]) for at, point in enumerate(points)])
        script += f"set lmargin at screen {left:.3f}\nset rmargin at screen {left + 0.245:.3f}\n"
        script += f"set tmargin at screen {top:.3f}\nset bmargin at screen {top - 116 / height:.3f}\n"
        tics = ", ".join(f"{quoted(point[0])} {at}" for at, point in enumerate(points))
        script += f"set xtics ({tics})\nset xlabel {quoted(x)} offset 0,0.3\n"
        script += f'set title "{quoted(name)[1:-1]}\\n{quoted(y)[1:-1]}" offset 0,-0.4 textcolor rgb "{INK}"\n'
        top = 1.3 * max(point[3] for point in points) or 1
        script += f"set yrange [0:{top:.4g}]\nset ytics {step(top)}\n"
        script += f"plot $c{i} using 1:2:3:4 with yerrorbars pt -1 lw 1.2 lc rgb \"{INK}\", "
        script += f'$c{i} using 1:2 with linespoints pt 7 ps 0.6 lw 2.5 lc rgb "{OURS}"\nunset label\n'
    return script + "unset multiplot\n"


def step(top):
    """Some four between 0 and the top."""
    power = 10 ** math.floor(math.log10(top / 4))
    return f"{power * min((1, 2, 5, 10), key=lambda by: abs(by * power - top / 4)):.4g}"


def costs(y):
    return y.startswith("µs of CPU")


def scale(rows):
    return panels("What one event or delivery costs, by what there is beside it", curves(rows, costs))


def sizes(rows):
    return panels("Memory, and what takes time, by what there is",
                  curves(rows, lambda y: not costs(y) and not y.endswith("/s")))


# What each shows, in words, for the page.
PICTURES = {
    "delivery": (delivery, "deliveries a second of webhookfs, bare libcurl and HTTP by hand, over HTTP and HTTPS"),
    "peers": (peers, "how many times the deliveries of curl, xargs, python, BullMQ, SQLite and undici"),
    "latency": (latency, "histograms of the time from a line's write to its request, at each rate"),
    "scale": (scale, "CPU for each event or delivery against the number of hooks, of waiting deliveries and of records kept"),
    "sizes": (sizes, "memory, starts and listings against the same numbers"),
}
