#!/usr/bin/env python3
"""Looks for secrets, in every spelling in which they may have got somewhere.

    hunt.py MARKERS PLACE...

MARKERS has one secret a line. Each is looked for as it is, as JSON, percent-encoded, in hexadecimal and
in base64 (wherever it begins), and what is base64 itself also as the bytes it stands for. A PLACE is a
file, a directory with all below it, or /proc/PID/mem: then all memory of that process that can be written.
Prints what is found where; fails if anything is, or if a place cannot be looked at.
"""
import base64
import json
import os
import sys
import urllib.parse

CHUNK = 1 << 20


def spellings(secret):
    raw = secret.encode()
    yield "as it is", raw
    yield "JSON", json.dumps(secret)[1:-1].encode()
    yield "percent-encoded", urllib.parse.quote(secret, safe="").encode()
    yield "hexadecimal", raw.hex().encode()
    yield "hexadecimal", raw.hex().upper().encode()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        # The ends mix with what stands beside it.
        text = text[(shift * 8 + 5) // 6:len(text) - 4]
        yield "base64", text
        yield "base64", text.translate(bytes.maketrans(b"+/", b"-_"))
    try:
        decoded = base64.b64decode(secret.split("_")[-1], validate=True)
    except ValueError:
        return
    if len(decoded) >= 16:
        yield "decoded", decoded


def files(place):
    if not os.path.isdir(place):
        yield place
    for top, _, names in os.walk(place):
        for name in names:
            yield os.path.join(top, name)


def memory(path):
    with open(os.path.join(os.path.dirname(path), "maps")) as maps, open(path, "rb", 0) as mem:
        for line in maps:
            bounds, rights = line.split()[:2]
            if rights[1] != "w":
                continue
            start, end = (int(x, 16) for x in bounds.split("-"))
            try:
                mem.seek(start)
                yield line.split()[-1], mem.read(end - start)
            except OSError:
                pass  # a guard page


def contents(path):
    if path.endswith("/mem"):
        yield from memory(path)
        return
    try:
        with open(path, "rb", 0) as f:
            text = b""
            while True:
                chunk = f.read(CHUNK)
                if not chunk:
                    break
                text += chunk
    except OSError as e:
        if not isinstance(e, PermissionError):
            raise
        return  # a file that is only written
    yield path, text


def main():
    found = False
    with open(sys.argv[1]) as f:
        markers = [(m, list(spellings(m))) for m in f.read().split("\n") if m]
    looked = 0
    for place in sys.argv[2:]:
        for path in files(place):
            if not os.path.isfile(path) and not path.startswith("/proc/"):
                continue
            for where, text in contents(path):
                looked += len(text)
                for secret, ways in markers:
                    for name, spelling in ways:
                        if spelling in text:
                            at = text.index(spelling)
                            around = text[max(0, at - 40):at + len(spelling) + 40]
                            print(f"{secret!r} {name} in {path} ({where}): {around!r}")
                            found = True
                            break
    if not looked:
        sys.exit("nothing was looked at")
    sys.exit(found)


main()
