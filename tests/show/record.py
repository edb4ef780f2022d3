#!/usr/bin/env python3
"""README's quick start, typed into a shell on a terminal of its own, and what came of it.

    record.py CAST            types it, and writes the recording (asciinema's format, version 2)
    record.py --svg CAST SVG  makes a picture of it that plays once by itself; it depends on nothing but CAST
    record.py --commands      prints what would be typed
    record.py --typed CAST    prints what was

$BUILD is the directory of the programs. The shell stands in a directory of its own that looks like the tree.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from xml.sax.saxutils import escape

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", f"{TREE}/build"))
COLUMNS, ROWS = 100, 40
LIMIT_S = 120
# The end is a sentence there, not a line of the block.
ENDING = "fusermount3 -u mnt; kill %1"


def commands():
    with open(f"{TREE}/README.md", encoding="utf8") as f:
        blocks = re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S)
    found = [b for b in blocks if "./state mnt" in b and "mnt/events" in b]
    if not found:
        raise SystemExit("README.md has no block that mounts ./state at mnt and writes to mnt/events")
    return [*found[0].splitlines(), ENDING]


# ---- recording


class Terminal:
    def __init__(self, directory):
        self.begin, self.events = time.monotonic(), []
        ready, told = os.pipe()
        self.ready = ready
        with open(f"{directory}/.inputrc", "w", encoding="utf8") as f:
            f.write("set enable-bracketed-paste off\n")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.dup2(told, 9)
            os.chdir(directory)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {
                "PATH": os.environ["PATH"], "HOME": directory, "INPUTRC": f"{directory}/.inputrc",
                "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PS1": "$ ", "HISTFILE": "",
                "PROMPT_COMMAND": "echo >&9"})
        os.close(told)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def take(self, seconds):
        """Keeps what the terminal shows in the meantime."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            self.events.append([round(time.monotonic() - self.begin, 3), "o", data.decode()])

    def prompted(self):
        """Until the shell wants a command."""
        end = time.monotonic() + LIMIT_S
        while not select.select([self.ready], [], [], 0)[0]:
            if time.monotonic() > end:
                raise SystemExit("not ok - the shell does not come back")
            self.take(0.05)
        os.read(self.ready, 1)
        self.take(0.2)

    def type(self, line):
        for char in line:
            os.write(self.fd, char.encode())
            self.take(0.02)
        self.take(0.3)
        os.write(self.fd, b"\r")


def record(path):
    directory = tempfile.mkdtemp(prefix="webhookfs-record.")
    try:
        for name in ("Makefile", "src", "tests", "docs", "contrib"):
            os.symlink(f"{TREE}/{name}", f"{directory}/{name}")
        os.symlink(BUILD, f"{directory}/build")
        terminal = Terminal(directory)
        for line in commands():
            terminal.prompted()
            terminal.take(0.5)
            terminal.type(line)
        terminal.prompted()
        os.close(terminal.fd)  # the shell is hung up
        os.waitpid(terminal.pid, 0)
    finally:
        subprocess.run(["fusermount3", "-uzq", f"{directory}/mnt"], check=False)
        shutil.rmtree(directory)
    header = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "webhookfs, from nothing to a delivered event",
              "idle_time_limit": 1.5, "env": {"SHELL": "/bin/bash", "TERM": "xterm-256color"}}
    with open(path, "w", encoding="utf8") as f:
        for line in (header, *terminal.events):
            print(json.dumps(line, ensure_ascii=False), file=f)


# ---- drawing


class Screen:
    """What stands where since when: cells are (character, time). It grows, and never scrolls."""

    def __init__(self, columns):
        self.columns, self.rows, self.x, self.y = columns, [[]], 0, 0

    def put(self, text, at):
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.|\n", text, re.S):
            if token == "\r":
                self.x = 0
            elif token == "\n":
                self.y += 1
            elif token == "\b":
                self.x -= 1
            elif token == "\x1b[K":
                del self.row()[self.x:]
            elif token == "\a" or re.fullmatch(r"\x1b\[\?\d+[hl]|\x1b\[0?m", token):
                pass
            elif token < " ":
                raise SystemExit(f"{token!r} is nothing that this terminal knows")
            else:
                self.char(token, at)

    def row(self):
        while len(self.rows) <= self.y:
            self.rows.append([])
        return self.rows[self.y]

    def char(self, char, at):
        if self.x == self.columns:
            self.x, self.y = 0, self.y + 1
        row = self.row()
        row.extend([(" ", at)] * (self.x + 1 - len(row)))
        if row[self.x][0] != char:
            row[self.x] = (char, at)
        self.x += 1


WIDE, HIGH, EDGE = 8.0, 17, 14
STYLE = """  <style>
    .screen { fill: #0d1117; stroke: #444c56 }
    text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #adbac7; white-space: pre }
    .typed { fill: #f0f6fc; font-weight: bold }
    .said { animation: appear 1ms backwards }
    .cover { fill: #0d1117; transform: scaleX(0); transform-origin: 100% 50%; transform-box: fill-box;
      animation: uncover 1s backwards }
    @keyframes appear { from { opacity: 0 } to { opacity: 1 } }
    @keyframes uncover { from { transform: scaleX(1) } to { transform: scaleX(0) } }
    @media (prefers-reduced-motion: reduce) { .said, .cover { animation: none } }
  </style>
"""


def read_cast(path):
    """(header, [(time, text)…]), with the waits as short as the header wants them."""
    with open(path, encoding="utf8") as f:
        header, *events = (json.loads(line) for line in f)
    at = last = 0.0
    shown = []
    for when, kind, text in events:
        at += min(when - last, header["idle_time_limit"])
        last = when
        if kind == "o":
            shown.append((at, text))
    return header, shown


def text_of(row):
    return "".join(char for char, _ in row).rstrip()


def read_rows(cast):
    """(header, rows of the screen at the end)"""
    header, events = read_cast(cast)
    screen = Screen(header["width"])
    for at, text in events:
        screen.put(text, at)
    rows = screen.rows
    while rows and not text_of(rows[-1]).strip("$"):
        rows.pop()
    return header, rows


def draw(cast, svg):
    header, rows = read_rows(cast)
    width, height = header["width"] * WIDE + 2 * EDGE, len(rows) * HIGH + 2 * EDGE
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" '
           f'height="{height}" role="img" aria-labelledby="title">\n  <title id="title">{escape(header["title"])}'
           f'</title>\n{STYLE}  <rect class="screen" x=".5" y=".5" width="{width - 1:g}" height="{height - 1}" '
           'rx="8"/>\n']
    for number, row in enumerate(rows):
        text = text_of(row)
        if not text:
            continue
        y = EDGE + number * HIGH
        typed = text.startswith("$ ")
        begin, end = row[0][1], row[len(text) - 1][1]
        out.append(f'  <text xml:space="preserve" class="{"typed" if typed else "said"}" x="{EDGE}" y="{y + 13}" '
                   f'textLength="{len(text) * WIDE:g}"'
                   + (f' style="animation-delay: {begin:.2f}s"' if not typed else "")
                   + f'>{escape(text)}</text>\n')
        if typed:
            count = len(text) - 2
            first = row[2][1]
            out.append(f'  <rect class="cover" x="{EDGE + 2 * WIDE:g}" y="{y}" width="{count * WIDE:g}" height="{HIGH}" '
                       f'style="animation-delay: {first:.2f}s; animation-duration: {max(end - first, 0.01):.2f}s; '
                       f'animation-timing-function: steps({count})"/>\n')
            if number:
                out.append(f'  <rect class="cover" x="{EDGE}" y="{y}" width="{2 * WIDE:g}" height="{HIGH}" '
                           f'style="animation-delay: {begin:.2f}s; animation-duration: 1ms"/>\n')
    out.append("</svg>\n")
    with open(svg, "w", encoding="utf8") as f:
        f.write("".join(out))


def main():
    if sys.argv[1:] == ["--commands"]:
        print("\n".join(commands()))
    elif sys.argv[1] == "--typed":
        print("\n".join(text[2:] for text in map(text_of, read_rows(sys.argv[2])[1]) if text.startswith("$ ")))
    elif sys.argv[1] == "--svg":
        draw(*sys.argv[2:])
    else:
        record(sys.argv[1])


if __name__ == "__main__":
    main()
