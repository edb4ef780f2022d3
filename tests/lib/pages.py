#!/usr/bin/env python3
"""TAP: what the pages of the tree point to is there.

A relative link in a .md file leads to a file, and its #anchor to a heading of that, as GitHub names
headings. A path of the tree that stands as code in a page, `docs/services.md` say, is there, too.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:docs|src|tests|contrib)/[A-Za-z0-9_./-]*[A-Za-z0-9])`")


def pages():
    # Another program's build leaves pages of its own there.
    return sorted(p for p in ROOT.rglob("*.md") if "build" not in p.relative_to(ROOT).parts)


def without_code(text):
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
    return text, re.sub(r"(`+)[^`].*?\1", "", text)


def anchors(path):
    """GitHub's: lower case, blanks as hyphens, without punctuation; a second one has -1 behind it."""
    seen, found = {}, set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", without_code(path.read_text())[0], re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def wrong(page):
    blocks_gone, code_gone = without_code(page.read_text())
    for link in LINK.findall(code_gone):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{link}: no such heading"
    for path in PATH.findall(blocks_gone):
        stands_for_many = re.search(r"(?:^|[_/])[A-Z]{3,}(?:[./]|$)", path)
        if not stands_for_many and not (ROOT / path).exists():
            yield f"{path}: no such file"


def untold():
    """The files of src/ that the tour does not name: as `fs/edit.c`, or in util/ as `buf`."""
    told = re.findall(r"`(?:[a-z]+/)*([a-z_]+)(?:\.c)?`", (ROOT / "docs/HACKING.md").read_text())
    return [f"{p.relative_to(ROOT)}: not named" for p in sorted((ROOT / "src").rglob("*.c")) if p.stem not in told]


failed = False
for number, page in enumerate(pages(), 1):
    said = list(wrong(page))
    failed |= bool(said)
    print(f"{'not ' if said else ''}ok {number} - what {page.relative_to(ROOT)} points to is there")
    for each in said:
        print(f"# {each}")
said = untold()
failed |= bool(said)
print(f"{'not ' if said else ''}ok {len(pages()) + 1} - docs/HACKING.md names each file of src/")
for each in said:
    print(f"# {each}")
print(f"1..{len(pages()) + 1}")
raise SystemExit(failed)
