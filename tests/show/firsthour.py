#!/usr/bin/env python3
"""The commands of docs/firsthour.md, typed into a bash in a fresh Debian, and what they print, put behind them.

    firsthour.py --script PAGE          a script for bash, which prints all that the commands print
    firsthour.py --fill PAGE <PRINTED   writes that into the page

A command is a line of a ```console block that begins with `$ `; what stands behind it is what it printed. A comment
`<!-- wait: COMMAND -->` is waited for, and not shown.
"""
import re
import sys

BLOCK = re.compile(r"```console\n(.*?)```\n|<!-- wait: (.*?) -->\n", re.S)
MARK = "\x01command"
WAIT = """for try in $(seq 600); do { %s; } && break; sleep 0.1; done; { %s; } || exit 1"""


def commands(block):
    return re.findall(r"^\$ (.*)$", block, re.M)


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def script(page):
    print("exec 2>&1")
    for block, wait in BLOCK.findall(page):
        if wait:
            print(WAIT % (wait, wait))
        for command in commands(block):
            print(f"echo; echo {quoted(MARK)}\neval {quoted(command)}")
    print("exit 0 # some of them are to fail")


def fill(page, printed):
    answers = iter(printed.split(f"\n{MARK}\n")[1:])

    def answered(found):
        if not found[1]:
            return found[0]
        lines = []
        for command in commands(found[1]):
            said = re.sub(r"^\S+: line \d+: ", "bash: ", next(answers), flags=re.M).strip("\n")
            lines += [f"$ {command}", *(said.splitlines() if said else [])]
        return "```console\n" + "\n".join(line.rstrip() for line in lines) + "\n```\n"

    page = BLOCK.sub(answered, page)
    if next(answers, None) is not None:
        raise SystemExit("not ok - more was printed than the page asks for")
    return page


def main():
    what, path = sys.argv[1:]
    with open(path, encoding="utf8") as f:
        page = f.read()
    if what == "--script":
        return script(page)
    page = fill(page, sys.stdin.read())
    with open(path, "w", encoding="utf8") as f:
        f.write(page)
    return None


if __name__ == "__main__":
    sys.exit(main())
