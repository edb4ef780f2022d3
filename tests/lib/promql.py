#!/usr/bin/env python3
"""The expressions of Prometheus rules (YAML) and of a Grafana dashboard (JSON).

    promql.py --names METRICS FILE…   says, one a line, which names of metrics and labels in them the file METRICS
                                      does not have, and fails; or nothing
    promql.py --rules FILE…           prints them as a file of rules, for `promtool check rules` to parse

A name is known if METRICS, a text in the exposition format, has it, or if one of the rules records it. Labels
that Prometheus and webhookfs-metrics add are known, too. What else is wrong with an expression promtool says.
"""
import json
import re
import sys

import yaml

from prometheus import Metrics

ADDED = {"instance", "mount", "job", "le"}
# What Grafana puts in for its variables, where a parser is to take it.
FILLED = {"$__rate_interval": "1m", "$__interval": "1m", "$__range": "6h"}
WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool",
         "offset", "inf", "nan"}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\[[^]]*\]|[0-9][0-9a-z.]*|[a-zA-Z_:][a-zA-Z0-9_:]*|\S')


def filled(text):
    for name, value in FILLED.items():
        text = text.replace(name, value)
    return text


class Expression:
    """Where it stands, its text, and under what name its result is recorded, if it is."""

    def __init__(self, place, text, record=None):
        self.place, self.text, self.record = place, filled(text), record

    def names(self):
        """(metric, labels) for each metric, with the labels it is asked for; (None, labels) for lists of
        labels, as behind `by`."""
        tokens = TOKEN.findall(self.text)
        at = 0
        while at < len(tokens):
            token, following = tokens[at], (tokens[at + 1:at + 2] or [""])[0]
            if token in ("by", "without", "on", "ignoring", "group_left", "group_right"):
                if following == "(":
                    end = tokens.index(")", at)
                    yield None, [t for t in tokens[at + 2:end] if t != ","]
                    at = end
            elif (re.match("[a-zA-Z_:]", token) and token.lower() not in WORDS
                  and following not in ("(", "by", "without")):  # else a function
                labels = []
                if following == "{":
                    end = tokens.index("}", at)
                    labels = [t for t in tokens[at + 2:end] if re.match("[a-zA-Z_]", t)]
                    at = end
                yield token, labels
            at += 1


def of_rules(path):
    with open(path, encoding="utf8") as f:
        for group in yaml.safe_load(f)["groups"]:
            for rule in group["rules"]:
                name = rule.get("record") or rule["alert"]
                yield Expression(f"{path}: {name}", rule["expr"], rule.get("record"))


def of_dashboard(path):
    with open(path, encoding="utf8") as f:
        dashboard = json.load(f)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield Expression(f"{path}: {panel['title']}", target["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            metric, label = found.groups()
            yield Expression(f"{path}: ${variable['name']}", f"count by ({label}) ({metric})")


def expressions(paths):
    for path in paths:
        yield from of_dashboard(path) if path.endswith(".json") else of_rules(path)


def check_names(metrics_path, paths):
    with open(metrics_path, encoding="utf8") as f:
        metrics = Metrics(f.read())
    labels_of = {}
    for name, labels in metrics.series:
        labels_of.setdefault(name, set()).update(key for key, _ in labels)
    every = set().union(*labels_of.values()) | ADDED
    found = list(expressions(paths))
    recorded = {e.record for e in found if e.record}
    wrong = []
    for expression in found:
        for metric, labels in expression.names():
            if metric is not None and metric not in labels_of and metric not in recorded:
                wrong.append(f"{expression.place}: there is no metric {metric}")
                continue
            known = labels_of[metric] | ADDED if metric in labels_of else every
            wrong += [f"{expression.place}: {metric or 'no metric'} has no label {label}"
                      for label in labels if label not in known]
    return wrong


def main():
    if sys.argv[1] == "--names":
        wrong = check_names(sys.argv[2], sys.argv[3:])
        print("\n".join(wrong), end="\n" if wrong else "")
        sys.exit(bool(wrong))
    rules = [{"record": f"expression:{number}", "expr": e.text}
             for number, e in enumerate(expressions(sys.argv[2:]))]
    json.dump({"groups": [{"name": "all", "rules": rules}]}, sys.stdout)  # which is YAML as well


if __name__ == "__main__":
    main()
