#!/usr/bin/env python3
"""The panels of contrib/grafana, drawn without Grafana from what a real Prometheus has scraped.

    prometheus.py [SECONDS [DATA]]     900; the answers of Prometheus go to DATA
    prometheus.py --draw DATA SVG      draws them; needs gnuplot

Debian's prometheus and prometheus-node-exporter run on ports of their own, with the rules of contrib/prometheus,
and the exporter reads a link to metrics.prom. Three hooks get some twenty events a second: `billing` has a receiver
that is well but for a pause in which nobody listens, `search` one that fails for a while and then gives up soon,
`chat` one that takes its time. At the end all is delivered or was given up, Prometheus has seen the backlog
come and go, and its alerts have fired.
"""
import json
import math
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from rig import Rig, TREE, table, wait_for  # noqa: E402

DASHBOARD = f"{TREE}/contrib/grafana/webhookfs.json"
RULES = f"{TREE}/contrib/prometheus/webhookfs-rules.yml"
SCRAPE_S = 5
# What Grafana would put in for its variables: all hosts, mounts and hooks.
VARIABLES = {"$__rate_interval": f"{6 * SCRAPE_S}s", "$instance": ".*", "$mount": ".*", "$hook": ".*"}
PANELS = ["Deliveries", "Backlog", "How long attempts take", "Attempts by duration",
          "Oldest delivery that waits", "Destinations"]
ALERTS = 'ALERTS{alertstate="firing"}'
# When the receivers of `billing` and `search` are not well, in parts of the whole.
DEAD, FAILING = (0.2, 0.65), (0.72, 0.8)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def answers(url):
    try:
        return get(url)
    except OSError:
        return None


class Monitoring:
    """Prometheus and the exporter, which end with it."""

    def __init__(self, rig):
        self.rig, self.processes = rig, []
        self.exporter, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        top = self.rig.top
        os.mkdir(f"{top}/text")
        os.symlink(f"{self.rig.mnt}/metrics.prom", f"{top}/text/webhookfs.prom")
        with open(f"{top}/prometheus.yml", "w", encoding="utf8") as f:
            json.dump({"global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
                       "rule_files": [RULES],
                       "scrape_configs": [{"job_name": "node", "static_configs": [
                           {"targets": [f"127.0.0.1:{self.exporter}"]}]}]}, f)
        self.launch("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                    f"--collector.textfile.directory={top}/text",
                    f"--web.listen-address=127.0.0.1:{self.exporter}")
        self.launch("prometheus", f"--config.file={top}/prometheus.yml",
                    f"--storage.tsdb.path={top}/data", f"--web.listen-address=127.0.0.1:{self.port}")
        wait_for("Prometheus", 60, lambda: answers(f"{self.url}/-/ready"))
        return self

    def launch(self, *command):
        with open(f"{self.rig.top}/{command[0]}.log", "wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def __exit__(self, kind, value, trace):
        for process in self.processes:
            process.terminate()
            process.wait()

    def range(self, expression, begin, end, step):
        """A list of (labels, [[time, value], …])."""
        query = urllib.parse.urlencode(
            {"query": expression, "start": begin, "end": end, "step": step})
        answer = json.loads(get(f"{self.url}/api/v1/query_range?{query}"))
        return [(r["metric"], [[t, float(v)] for t, v in r["values"]])
                for r in answer["data"]["result"]]


def panel(title):
    """(expression, legend) of each of its targets."""
    with open(DASHBOARD, encoding="utf8") as f:
        found = next(p for p in json.load(f)["panels"] if p["title"] == title)
    for target in found["targets"]:
        expression = target["expr"]
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        yield expression, target["legendFormat"]


def load(rig, seconds, billing, search):
    """Events for so long, some twenty a second, while receivers come and go."""
    begin, sent = time.monotonic(), 0
    due = 0.0
    last = 0.0
    while (now := time.monotonic() - begin) < seconds:
        part = now / seconds
        dead = DEAD[0] <= part < DEAD[1]
        if dead and billing.process:
            billing.stop()
        elif not dead and not billing.process:
            billing.start(billing.port)
        failing = FAILING[0] <= part < FAILING[1]
        search.script("/ chance 40 status 500\n/ delay 8 status 200\n" if failing else "/ delay 8 status 200\n")
        due += (now - last) * (20 + 8 * math.sin(part * 20))
        last = now
        if int(due) > sent:
            rig.events(int(due) - sent, first=sent + 1)
            sent = int(due)
        time.sleep(0.1)
    return sent


def collect(seconds):
    with Rig() as rig:
        billing, search, chat = (rig.sink(name) for name in ("billing", "search", "chat"))
        billing.script("/ chance 30 delay 60 status 200\n/ delay 15 status 200\n")
        chat.script("/ chance 3 delay 1500 status 200\n/ chance 40 delay 300 status 200\n/ delay 120 status 200\n")
        rig.start("-o", "max_backlog=256M")
        rig.hook("billing", billing.url, retry="5s 10s 30s 1m 1m 1m 1m 1m 1m 1m 1m 1m 1m 1m 1m")
        rig.hook("search", search.url, retry="1s 1s")
        rig.hook("chat", chat.url)
        with Monitoring(rig) as monitoring:
            wait_for("a first scrape", 60, lambda: monitoring.range("webhookfs_hooks", time.time(), time.time(), 1))
            begin = time.time()
            sent = load(rig, seconds, billing, search)
            rig.wait("pending", 0)
            end = time.time()
            answer = {"begin": begin, "end": end, "sent": sent,
                      "hook_of": {s.url.rstrip("/"): os.path.basename(s.directory) for s in rig.sinks},
                      "dead": [begin + part * seconds for part in DEAD],
                      "failing": [begin + part * seconds for part in FAILING],
                      "delivered": rig.count("delivered"), "failed": rig.count("failed"),
                      "panels": {}, "alerts": monitoring.range(ALERTS, begin, end, SCRAPE_S)}
            for title in PANELS:
                step = max(SCRAPE_S, seconds / 60) if title == "Attempts by duration" else SCRAPE_S
                answer["panels"][title] = [
                    [legend, monitoring.range(expression, begin, end, step)]
                    for expression, legend in panel(title)]
            return answer


def judge(data):
    """Has Prometheus seen what happened?"""
    backlog = {labels["hook"]: [v for _, v in values]
               for _, found in data["panels"]["Backlog"] for labels, values in found}
    fired = sorted({labels["alertname"] for labels, _ in data["alerts"]})
    table([["hook", "most that waited", "at last"]]
          + [[hook, int(max(values)), int(values[-1])] for hook, values in sorted(backlog.items())])
    print(f"# {data['sent']} events, {data['delivered']} delivered, {data['failed']} given up; alerts: {fired}")
    expected = {"WebhookfsDeliveriesFailed"}
    if (DEAD[1] - DEAD[0]) * (data["end"] - data["begin"]) > 330:  # that one waits for five minutes
        expected.add("WebhookfsDestinationParked")
    checks = [("each event was delivered to three, or given up",
               data["delivered"] + data["failed"] == 3 * data["sent"]),
              ("Prometheus has seen the backlog come", max(backlog["billing"]) > 100),
              ("and go", backlog["billing"][-1] < max(backlog["billing"]) / 10),
              ("nobody else had to wait", max(backlog["chat"]) < 100),
              ("every panel has something to show", all(found for targets in data["panels"].values()
                                                        for _, found in targets)),
              ("the alerts have fired", expected <= set(fired))]
    for number, (name, well) in enumerate(checks, 1):
        print(f"{'ok' if well else 'not ok'} {number} - {name}")
    print(f"1..{len(checks)}")
    return not all(well for _, well in checks)


# ---- drawing

HEAD = """
set terminal svg size 900,1080 font 'sans,11' background '#ffffff' dynamic
set output '{svg}'
set encoding utf8
set multiplot title '{title}' font ',13'
set grid back lc rgb '#e0e0e0' lt 1
set border 3 lc rgb '#808080'
set tics nomirror
set xrange [0:{minutes}]
set key top left horizontal
"""
COLOURS = ["#8c8c8c", "#1f6fd0", "#1a8a3c", "#e08a00", "#d0282e", "#7a3fb0"]
COLOUR_OF = {"billing": "#d0282e", "search": "#e08a00", "chat": "#1f6fd0"}
STATES = {1: "ready", 2: "paused", 3: "probing", 4: "parked"}


class Picture:
    def __init__(self, data, svg):
        self.data = data
        self.minutes = (data["end"] - data["begin"]) / 60
        title = (f"{data['sent']:,} events to three hooks, as Prometheus saw them; "
                 f"{data['delivered']:,} delivered, {data['failed']:,} given up")
        self.text = [HEAD.format(svg=svg, title=title, minutes=f"{self.minutes:.3f}")]
        self.blocks = 0
        self.rows = 4
        self.place = 0

    def x(self, seconds):
        return (seconds - self.data["begin"]) / 60

    def add(self, *lines):
        self.text.extend(lines)

    def block(self, rows):
        """An inline table; None is a gap."""
        self.blocks += 1
        name = f"$d{self.blocks}"
        self.add(f"{name} << EOD", *("" if row is None else " ".join(map(str, row)) for row in rows), "EOD")
        return name

    def begin(self, title, ylabel, wide=False):
        column, row = self.place % 2, self.place // 2
        self.place += 2 if wide else 1
        height = 0.93 / self.rows
        self.add("unset object", "unset ytics", "set ytics nomirror",
                 "set yrange [0:*]", "unset colorbox", "set format y '%g'",
                 f"set size {1 if wide else 0.5},{height:.4f}",
                 f"set origin {0.5 * column},{0.96 - (row + 1) * height:.4f}",
                 f"set title '{title}' font ',12' offset 0,-0.3",
                 f"set ylabel '{ylabel}'", f"set xlabel '{'minutes' if row == self.rows - 1 else ''}'")
        for number, (name, colour) in enumerate((("dead", "#fbe3e3"), ("failing", "#fdf0d8")), 1):
            a, b = (self.x(t) for t in self.data[name])
            self.add(f"set object {number} rect from {a:.3f},graph 0 to {b:.3f},graph 1 "
                     f"fs solid noborder fc rgb '{colour}' behind")

    def rows_of(self, values):
        """With a gap where Prometheus had nothing to say."""
        last = None
        for t, v in values:
            if last is not None and t - last > 2.5 * SCRAPE_S:
                yield None
            if not math.isnan(v):
                yield f"{self.x(t):.4f}", f"{v:.6g}"
            last = t

    def lines(self, title, ylabel, style="lines"):
        plots = []
        self.begin(title, ylabel)
        for legend, found in self.data["panels"][title]:
            for labels, values in found:
                name = re.sub(r"\{\{(\w+)\}\}", lambda m, labels=labels: labels.get(m[1], ""), legend)
                colour = COLOUR_OF.get(name, COLOURS[len(plots) % len(COLOURS)])
                block = self.block(self.rows_of(values))
                plots.append(f"{block} using 1:2 with {style} lw 1.5 lc rgb '{colour}' title '{name}'")
        self.add("set offsets 0,0,graph 0.3,0", "plot " + ", ".join(plots),
                 "set offsets 0,0,0,0")

    def heatmap(self, title):
        (_, found), = self.data["panels"][title]
        buckets = sorted(((float(labels["le"]), labels["le"], dict(map(tuple, values)))
                          for labels, values in found), key=lambda b: b[0])
        times = sorted(buckets[-1][2])
        half = (times[1] - times[0]) / 120  # in minutes
        rows = []
        for t in times:
            below = 0
            for index, (_, _, values) in enumerate(buckets):
                count = values.get(t, 0) - below
                below = values.get(t, 0)
                if count > 0.5:
                    x = self.x(t)
                    rows.append((f"{x:.3f}", index, f"{x - half:.3f}", f"{x + half:.3f}", index - 0.5,
                                 index + 0.5, f"{count:.3g}"))
        self.begin(title, "seconds, at most")
        names = ", ".join(f"'{name.replace('+Inf', 'more')}' {index}" for index, (_, name, _) in enumerate(buckets))
        self.add(f"set ytics ({names})", f"set yrange [-0.5:{len(buckets) - 0.5}]", "unset object",
                 "set palette defined (0 '#dbeafa', 1 '#9ec5f0', 8 '#1f6fd0', 20 '#08306b')",
                 f"plot {self.block(rows)} using 1:2:3:4:5:6:7 with boxxyerror fs solid noborder "
                 "lc palette notitle")

    def states(self, title):
        (_, found), = self.data["panels"][title]
        self.begin(title, "")
        plots = []
        for labels, values in sorted(found, key=lambda f: f[0]["destination"]):
            name = self.data["hook_of"].get(labels["destination"], labels["destination"])
            block = self.block(self.rows_of(values))
            plots.append(f"{block} using 1:2 with steps lw 2 lc rgb '{COLOUR_OF.get(name, COLOURS[0])}' "
                         f"title '{name}'")
        names = ", ".join(f"'{name}' {value}" for value, name in STATES.items())
        self.add(f"set ytics ({names})", "set yrange [0.5:5.5]", "plot " + ", ".join(plots))

    def alerts(self):
        self.begin("Alerts that fired", "", wide=True)
        names, plots = [], []
        for labels, values in self.data["alerts"]:
            what = labels.get("hook") or self.data["hook_of"].get(labels.get("destination")) or ""
            names.append(f"{labels['alertname'].removeprefix('Webhookfs')} {what}".strip())
            rows = [None if row is None else (row[0], len(names)) for row in self.rows_of(values)]
            plots.append(f"{self.block(rows)} using 1:2 with lines lw 9 lc rgb '#d0282e' notitle")
        ticks = ", ".join(f"'{name}' {number}" for number, name in enumerate(names, 1))
        self.add(f"set ytics ({ticks})", f"set yrange [0.3:{len(names) + 0.7}]",
                 "plot " + (", ".join(plots) or "NaN notitle"))

    def draw(self, svg):
        self.lines("Deliveries", "a second")
        self.lines("Backlog", "waiting")
        self.lines("How long attempts take", "seconds")
        self.heatmap("Attempts by duration")
        self.lines("Oldest delivery that waits", "seconds")
        self.states("Destinations")
        self.alerts()
        self.add("unset multiplot", "")
        subprocess.run(["gnuplot"], input="\n".join(self.text), text=True, check=True)
        with open(svg, encoding="utf8") as f:
            lines = [line.rstrip() for line in f]
        with open(svg, "w", encoding="utf8") as f:
            print("\n".join(lines), file=f)


def main():
    if sys.argv[1:2] == ["--draw"]:
        with open(sys.argv[2], encoding="utf8") as f:
            Picture(json.load(f), sys.argv[3]).draw(sys.argv[3])
        return 0
    data = collect(float(sys.argv[1]) if len(sys.argv) > 1 else 900)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf8") as f:
            json.dump(data, f)
    return judge(data)


if __name__ == "__main__":
    sys.exit(main())
