#!/usr/bin/env python3
"""Judges a CloudEvent, written from the specification and not from our source.

    cloudevents.py structured|binary  < REQUEST

REQUEST is a line of the sink's requests.jsonl. Prints the event as JSON, its attributes and data, if it is
a good one by https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents: spec.md, formats/json-format.md
and bindings/http-protocol-binding.md. Else it says what is wrong, status 1.
"""
import json
import re
import sys

REQUIRED = {"id", "source", "specversion", "type"}
KNOWN = REQUIRED | {"datacontenttype", "dataschema", "subject", "time"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
# RFC 3986: a URI reference has only these, and % before two hex digits.
URI_REFERENCE = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+\Z")
MEDIA_TYPE = re.compile(r"[!-~]+/[!-~]+(; *[!-~]+=[!-~]+)*\Z")


def demand(good, why):
    if not good:
        sys.exit(f"cloudevents.py: {why}")


def is_string(value):
    """A String of the type system: no control characters, surrogates or noncharacters."""
    return isinstance(value, str) and not any(
        ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F or 0xD800 <= ord(c) <= 0xDFFF
        or 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in value)


def judge(attributes):
    for name, value in attributes.items():
        demand(re.fullmatch("[a-z0-9]+", name), f"{name!r} is no name of an attribute")
        demand(is_string(value) and value, f"{name}: {value!r} is no text, or empty")
    demand(REQUIRED <= attributes.keys(), f"missing: {REQUIRED - attributes.keys()}")
    demand(attributes["specversion"] == "1.0", "specversion")
    demand(URI_REFERENCE.match(attributes["source"]), f"source: {attributes['source']!r}")
    demand(RFC3339.match(attributes.get("time", "2026-01-01T00:00:00Z")), "time")
    demand(MEDIA_TYPE.match(attributes.get("datacontenttype", "a/b")), "datacontenttype")


def decoded(name, value):
    demand(re.fullmatch(r"(?:[!#-$&-~]|%[0-9A-Fa-f]{2})*", value),
           f"{name}: {value!r} is not encoded as headers are")
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), value.encode())
    return raw.decode("utf-8")


def structured(headers, body):
    demand(re.fullmatch(r"application/cloudevents\+json(; *charset=utf-8)?", headers["content-type"]),
           f"Content-Type: {headers['content-type']}")
    event = json.loads(body)
    data = event.pop("data", None)
    return event, data


def binary(headers, body):
    demand(not headers["content-type"].startswith("application/cloudevents"), "Content-Type")
    event = {name[3:]: decoded(name, value) for name, value in headers.items()
             if name.startswith("ce-")}
    event["datacontenttype"] = headers["content-type"]
    return event, json.loads(body)


def main():
    request = json.loads(sys.stdin.readline())
    attributes, data = {"structured": structured, "binary": binary}[sys.argv[1]](
        request["headers"], request["body"])
    judge(attributes)
    print(json.dumps({"attributes": attributes, "data": data}))


if __name__ == "__main__":
    main()
