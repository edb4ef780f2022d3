#!/usr/bin/env python3
"""The npm package `cloudevents` reads live deliveries in both formats of CloudEvents.

    cloudevents.py        needs node and npm, and fetches the package from its registry

The package, as a receiver would use it, must find each request to be an event, and read from both modes the
same event, whatever characters object and request have; and find none in a request of the default format.
Version 10.0.0 does not decode the percent-encoding of headers, which the HTTP binding asks of a receiver in
section 3.1.3.2: that is done here.
"""
import json
import os
import sys
from urllib.parse import unquote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from npm import ask  # noqa: E402
from rig import Rig, table, wait_for  # noqa: E402

PACKAGE = "cloudevents@10.0.0"
FORMATS = ("cloudevents", "cloudevents-binary", "ubiops")
LINES = (
    'deployment/fraud/v3 completed request_id=42 result=\'{"score":0.9}\'',
    '{"object":"deployment/größe 1%","status":"failed","request_id":"a \\"b\\" ☃","time":"2026-11-23T12:24:00+02:00"}',
)
READ = """
const { HTTP } = require('cloudevents');
const requests = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse);
console.log(JSON.stringify(requests.map(({ headers, body }) => {
  if (!HTTP.isEvent({ headers, body }))
    return null;
  const event = HTTP.toEvent({ headers, body });
  event.validate();
  return event;
})));
"""


def said(event, binary=False):
    """What must be the same in both modes; the package may give the data as text."""
    if event is None:
        return None
    if binary:
        event = {k: unquote(v) if k in ("source", "subject") else v for k, v in event.items()}
    data = event["data"] if isinstance(event["data"], dict) else json.loads(event["data"])
    return {**event, "id": None, "time": event["time"][:19], "data": data}


def main():
    with Rig() as rig:
        sink = rig.sink("sink")
        rig.start()
        rig.hook("h", sink.url)
        rig.set("hooks/h/event", "completed failed")
        rig.set("hooks/h/include_result", "1")
        for n, (form, line) in enumerate(((f, l) for f in FORMATS for l in LINES), 1):
            rig.set("hooks/h/format", form)
            with open(f"{rig.mnt}/events", "wb", buffering=0) as events:
                events.write(line.encode() + b"\n")
            wait_for("the delivery", 20, lambda: len(sink.requests()) == n)
        rig.stop()
        events = ask(PACKAGE, READ, rig.top, sink.log)
    table([("format", "type", "source", "subject"),
           *((FORMATS[i // len(LINES)], *((e["type"], e["source"], e["subject"]) if e else ("none", "", "")))
             for i, e in enumerate(events))])
    structured, binary, plain = ([said(e, i == 2) for e in events[i:i + 2]] for i in (0, 2, 4))
    right = (structured == binary and plain == [None, None]
             and [e["subject"] for e in structured] == ["42", 'a "b" ☃']
             and structured[0]["data"]["result"] == {"score": 0.9})
    for a, b in zip(structured, binary):
        if a != b:
            print(a, b, sep="\n")
    print(f"{'ok' if right else 'not ok'} 1 - {PACKAGE} reads both modes, and the same from each\n1..1")
    return not right


if __name__ == "__main__":
    sys.exit(main())
