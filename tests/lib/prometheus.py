#!/usr/bin/env python3
"""Judges a text in Prometheus's exposition format, strictly, and prints one of its values.

    prometheus.py FILE                    says what is wrong, one a line, and fails; or nothing
    prometheus.py FILE NAME [KEY=VALUE…]  the value of that series, nothing if there is none

Like `promtool check metrics`, it wants each metric described and its series together, names by the rules
(counters end in _total and nothing else does), and histograms that add up.
"""
import re
import sys

HELP = re.compile(r"# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
TYPE = re.compile(r"# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9]+(?:\.[0-9]+)?)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


class Metrics:
    def __init__(self, text):
        self.wrong = []
        self.types = {}  # by metric, in the order they come
        self.series = {}  # (name, labels) -> value
        self.described = None  # the metric whose HELP was last
        if not text.endswith("\n"):
            self.wrong.append("the last line has no end")
        for number, line in enumerate(text.splitlines(), 1):
            problem = self.line(line)
            if problem:
                self.wrong.append(f"line {number}: {problem}: {line[:120]}")
        self.histograms()

    def line(self, line):
        found = HELP.fullmatch(line)
        if found:
            self.described = found[1]
            return "described before" if found[1] in self.types else None
        found = TYPE.fullmatch(line)
        if found:
            name, kind = found.groups()
            known = name in self.types
            self.types[name] = kind
            if name != self.described or known:
                return "a type without a description right before it"
            if (kind == "counter") != name.endswith("_total"):
                return "counters, and only they, end in _total"
            if kind != "histogram" and re.search("_(bucket|count|sum)$", name):
                return "only a histogram's series end so"
            if re.search("_(ms|millis|milliseconds|minutes|hours|kb|mb|bits)(_|$)", name):
                return "the unit is not a base unit"
            return None
        found = SAMPLE.fullmatch(line)
        return self.sample(*found.groups()) if found else "neither description nor sample"

    def sample(self, name, labels, value):
        pairs = LABEL.findall(labels or "")
        if "".join(f'{k}="{v}",' for k, v in pairs).rstrip(",") != (labels or ""):
            return "bad labels"
        metric = self.metric_of(name)
        if not self.types or metric != list(self.types)[-1]:
            return "not together with its metric"
        if len(dict(pairs)) != len(pairs):
            return "a label twice"
        key = (name, frozenset(pairs))
        if key in self.series:
            return "a series twice"
        self.series[key] = float(value)
        return None

    def metric_of(self, name):
        base = re.sub("_(bucket|count|sum)$", "", name)
        return base if self.types.get(base) == "histogram" else name

    def histograms(self):
        for name in (n for n, kind in self.types.items() if kind == "histogram"):
            buckets = {}
            for (series, labels), value in self.series.items():
                if series == name + "_bucket":
                    rest = frozenset(p for p in labels if p[0] != "le")
                    buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
            for labels, ends in buckets.items():
                counts = [count for _, count in sorted(ends)]
                if counts != sorted(counts):
                    self.wrong.append(f"{name} {dict(labels)}: the buckets do not add up")
                if sorted(ends)[-1][0] != float("inf"):
                    self.wrong.append(f"{name} {dict(labels)}: no bucket of all")
                elif counts[-1] != self.series.get((name + "_count", labels)):
                    self.wrong.append(f"{name} {dict(labels)}: the count is another")
                if (name + "_sum", labels) not in self.series:
                    self.wrong.append(f"{name} {dict(labels)}: no sum")


def main():
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        metrics = Metrics(file.read())
    if len(sys.argv) == 2:
        print("\n".join(metrics.wrong), end="\n" if metrics.wrong else "")
        sys.exit(bool(metrics.wrong))
    labels = frozenset(tuple(pair.split("=", 1)) for pair in sys.argv[3:])
    value = metrics.series.get((sys.argv[2], labels))
    if value is not None:
        print(f"{value:g}")


if __name__ == "__main__":
    main()
