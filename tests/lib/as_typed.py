#!/usr/bin/env python3
"""as_typed.py PAGE: what a reader of the page would type, as a script for bash.

Blocks of `sh` stand in it as they are. In one of `console` the lines that begin with `$ ` are typed, and what
follows each is what must be shown, but for times, process and user numbers, and what "..." stands for.
"""
import re
import sys

SHOWN = r"""
shown() { # EXPECTED: the file `said` has these lines
  python3 - "$1" said <<'PYTHON'
import re, sys
expected, said = sys.argv[1], open(sys.argv[2]).read()
said = re.sub(r"^\S+: line \d+: ", "bash: ", said, flags=re.M)
pattern = re.escape(expected.rstrip("\n"))
pattern = re.sub(r"\d{4}\\-\d\d\\-\d\dT[\d:\\.]+Z", r"\\S+Z", pattern)
pattern = re.sub(r"(uid|pid)=\d+", r"\1=\\d+", pattern).replace(r"\.\.\.", ".*")
if not re.fullmatch(pattern, said.rstrip("\n")):
    sys.exit(f"the page shows\n{expected}\nand this was said:\n{said}")
PYTHON
}
"""


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def main():
    with open(sys.argv[1], encoding="utf8") as f:
        page = f.read()
    print("set -e" + SHOWN)
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```$", page, re.M | re.S):
        if kind == "sh":
            print(block)
            continue
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, expected = part.partition("\n")
            print(f"{{ {command}; }} > said 2>&1 || :\nshown {quoted(expected)}")


if __name__ == "__main__":
    main()
