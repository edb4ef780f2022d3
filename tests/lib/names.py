#!/usr/bin/env python3
"""Every odd byte in every name that a user can give, and what shows it.

    names.py walk MNT KEEP     tries names everywhere; KEEP says the accepted hooks, JSON in hex
    names.py shown MNT KEEP    what lists these hooks lists each as it is named, and nothing else
    names.py spoil DIR         puts files of odd names, broken ones, into STATE_DIR/hooks
    names.py lines FILE        the file is UTF-8 without control characters but newlines

Ends with 1 and a sentence if something is answered that is neither success nor a refusal, or shown
in a form that breaks a line or a field."""

import errno
import json
import os
import re
import sys

ODD = [
    b"-", b".", b"..", b"-rf", b".hidden", b"a b", b" a", b"a ", b"a\nb", b"\n", b"\t", b"'a'", b'"a"', b"a\\nb",
    b"\\", b"$(id)", b"*", b"?", b"[a]", b"~", b"#", b"a;b", b"a\x7fb", b"\x1b[2J", b"caf\xc3\xa9",
    b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xc3", b"\xa9", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80",
    b"\xc2\x9b31m", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"x uid=0 pid=1 EINVAL", b"%s%n", b"{}", b"null",
    b"a" * 64, b"a" * 65, b"a" * 128, b"a" * 129, b"a" * 255, b"a" * 256, b"a" * 1000, b"a" * 5000,
    b"\xc3\xa9" * 32, b"\xc3\xa9" * 33, b"\x01" * 255, b"\xff" * 255, b".json", b"a.json", b"a.tmp",
]
ODD += [form % bytes([c]) for c in range(1, 256) if c != ord("/")
        for form in (b"%b", b"%bz", b"a%b", b"a%bz")]

REFUSALS = {errno.EINVAL, errno.ENAMETOOLONG, errno.EPERM, errno.EEXIST, errno.ENOENT, errno.ENOTEMPTY,
            errno.EBUSY, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EXDEV, errno.ENOSPC}
HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ uid=(\d+|-) pid=(\d+|-) E[A-Z0-9]+( times=\d+)?", re.ASCII)


def lines(path):
    with open(path, "rb") as f:
        text = f.read().decode()  # or it is no UTF-8
    for line in text.split("\n"):
        if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line):
            sys.exit(f"{path}: a control character in {line!r}")
    return text.split("\n")[:-1]


def errors_are_whole(mnt, name):
    said = lines(mnt + b"/errors")
    for line in said:
        if not line.startswith("    ") and not HEAD.fullmatch(line):
            sys.exit(f"after {name!r} errors has a line {line!r}")
    return said


def refused(call, *arguments):
    """The errno's name, or None; anything else that no refusal is ends it all."""
    try:
        result = call(*arguments)
    except OSError as e:
        if e.errno not in REFUSALS:
            sys.exit(f"{call.__name__}{arguments!r}: {errno.errorcode[e.errno]}")
        return errno.errorcode[e.errno]
    if isinstance(result, int) and call is os.open:
        os.close(result)
    return None


def try_hook(mnt, name):
    path = mnt + b"/hooks/" + name
    if refused(os.mkdir, path):
        return False
    if name not in os.listdir(mnt + b"/hooks"):
        sys.exit(f"{name!r} was made, and is not listed")
    if not refused(write, path + b"/timeout", b"never\n"):
        sys.exit(f"{name!r} takes nonsense")
    os.rename(path, mnt + b"/hooks/between")
    os.rename(mnt + b"/hooks/between", path)
    for file, text in ((b"url", b"http://127.0.0.1:1/\n"), (b"event", b"completed\n"),
                       (b"object", b"deployment/*\n"), (b"enabled", b"paused\n")):
        write(path + b"/" + file, text)
    return True


def write(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def try_elsewhere(mnt, name):
    hook = mnt + b"/hooks/plain"
    create = os.O_WRONLY | os.O_CREAT
    for place in (mnt, mnt + b"/hooks", hook, hook + b"/pending", hook + b"/failed"):
        for path in (place + b"/" + name,):
            refused(os.stat, path)
            if name not in (b".", b".."):
                if not refused(os.open, path, create, 0o644):
                    refused(os.unlink, path)
                refused(os.rename, hook + b"/headers/X-Plain", path)
                refused(os.rename, hook + b"/pending/" + os.listdir(hook + b"/pending")[0], path)
            if place != mnt + b"/hooks":
                refused(os.mkdir, path)
            refused(os.symlink, b"x", path)
            refused(os.mkfifo, path)
    header = hook + b"/headers/" + name
    if not refused(os.open, header, create, 0o644) and name not in (b".", b".."):
        if name not in os.listdir(hook + b"/headers"):
            sys.exit(f"header {name!r} was made, and is not listed")
        os.unlink(header)
    if not refused(os.rename, hook + b"/headers/X-Plain", header):
        os.rename(header, hook + b"/headers/X-Plain")


def walk(mnt, keep):
    accepted = []
    os.mkdir(mnt + b"/hooks/plain")
    for file, text in ((b"url", b"http://127.0.0.1:1/\n"), (b"event", b"completed\n"),
                       (b"object", b"deployment/*\n"), (b"enabled", b"paused\n")):
        write(mnt + b"/hooks/plain/" + file, text)
    os.close(os.open(mnt + b"/hooks/plain/headers/X-Plain", os.O_WRONLY | os.O_CREAT, 0o644))
    write(mnt + b"/events", b"deployment/m completed\n")
    for name in ODD:
        if name and try_hook(mnt, name):
            accepted.append(name)
        try_elsewhere(mnt, name)
        errors_are_whole(mnt, name)
    with open(keep, "w") as f:
        json.dump([name.hex() for name in accepted], f)


def shown(mnt, keep):
    with open(keep) as f:
        names = {bytes.fromhex(name).decode() for name in json.load(f)} | {"plain"}
    listed = {os.fsdecode(name) for name in os.listdir(mnt + b"/hooks")}
    if listed != names:
        sys.exit(f"hooks/ lists {listed ^ names}")
    label = re.compile(r'webhookfs_hook_pending\{hook="((?:[^"\\]|\\["\\])*)"\} [0-9]+')
    rows = [line for line in lines(mnt + b"/metrics.prom") if line.startswith("webhookfs_hook_pending{")]
    found = {re.sub(r"\\(.)", r"\1", label.fullmatch(row)[1]) for row in rows}
    if found != names or len(rows) != len(names):
        sys.exit(f"metrics.prom names {found ^ names}")
    for name in names:
        path = mnt + b"/hooks/" + name.encode()
        with open(path + b"/config.json") as f:
            if json.load(f)["name"] != name:
                sys.exit(f"{name!r} has another name in config.json")
        lines(path + b"/status")
    # What is removed leaves a line in the log.
    write(mnt + b"/events", b"deployment/m completed\n")
    for name in names:
        pending = mnt + b"/hooks/" + name.encode() + b"/pending/"
        for file in os.listdir(pending):
            with open(pending + file) as f:
                json.load(f)
            os.unlink(pending + file)
    logged = {json.loads(line)["hook"] for line in lines(mnt + b"/log")}
    if not logged >= names:
        sys.exit(f"log lacks {names - logged}")
    errors_are_whole(mnt, b"")


def spoil(directory):
    for name in ODD:
        try:
            with open(directory + b"/" + name + b".json", "x") as f:
                f.write("nonsense")
        except OSError:
            pass  # there is one, or no file can be called so


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    globals()[command](*map(os.fsencode, arguments))
