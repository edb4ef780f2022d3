#!/usr/bin/env python3
"""The sentences that webhookfs says, and docs/errors.md, which says what to do about each.

  tests/lib/sentences.py           TAP: each sentence has its entry, each entry its sentence
  tests/lib/sentences.py --list    all sentences, and where in the source each is made
  tests/lib/sentences.py --lacking the entries that docs/errors.md lacks, to be put there

A sentence is the format of err_set, of a log_* or of one of the forms in CALLS and FIELDS; what a conversion
puts into it is "…". A format that is nothing else passes on what another one says. An entry is an item
of a list in the page that begins with a sentence as code. So neither has a list of the other's.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs/errors.md"

# (function, first argument or None): which argument is the sentence.
CALLS = {
    ("err_set", None): 3,
    ("log_error", None): 0,
    ("log_warning", None): 0,
    ("log_info", None): 0,
    ("tell_file", None): 2,  # engine_config.c: what became of a hook's file
    ("snprintf", "why"): 2,  # http/guard.c: why an address is not called
}
# Members of tables that hold one.
FIELDS = {"sentence", "advice", "nothing"}
# Tables without names for their members: every text of several words is one.
WHOLE = {"src/http/ending.c"}
TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\w+|->|\s+|.', re.S
)
CONVERSION = re.compile(r"%(?:[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]|%)")
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(\S.*)$", re.M)


def tokens(text):
    line, found = 1, []
    for match in TOKEN.finditer(text):
        token = match[0]
        if not token.isspace() and not token.startswith(("/*", "//")):
            found.append((token, line))
        line += token.count("\n")
    return found


def literal(token):
    return token.startswith('"')


def texts(words, macros):
    """The texts that an expression may be: literals and macros beside each other, or two behind a `?`."""
    found, part = [], None
    for word in words:
        if literal(word):
            body = word[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            part = (part or "") + body
        elif word in macros:
            part = (part or "") + macros[word]
        else:
            if part is not None:
                found.append(part)
            part = None
    return found + ([part] if part is not None else [])


def sentence(text):
    plain = CONVERSION.sub(lambda m: "%" if m[0] == "%%" else "…", text)
    return re.sub("…+", "…", plain).strip()


def is_sentence(text):
    return bool(re.search(r"[A-Za-z]{2}", text))


def arguments(found, at):
    """The arguments of the call whose parenthesis is at `at`, and where it ends."""
    depth, args = 0, [[]]
    for i in range(at, len(found)):
        token = found[i][0]
        depth += token in "([{"
        depth -= token in ")]}"
        if depth == 0:
            return args, i
        if token == "," and depth == 1:
            args.append([])
        elif i > at:
            args[-1].append(token)
    return args, len(found)


def in_file(path, macros):
    """Pairs of a sentence and its line."""
    name = str(path.relative_to(ROOT))
    found = tokens(path.read_text())
    for i, (token, line) in enumerate(found):
        following = found[i + 1][0] if i + 1 < len(found) else ""
        if following == "(":
            args, _ = arguments(found, i + 1)
            first = args[0][0] if args[0] else None
            at = CALLS.get((token, None), CALLS.get((token, first)))
            if at is not None and first not in ("struct", "const"):  # no definition
                made = texts(args[at] if at < len(args) else [], macros)
                if not made:
                    sys.exit(f"{name}:{line}: {token} says something that is not in the source")
                for text in made:
                    yield text, line
        elif token in FIELDS and following == "=" and found[i - 1][0] == ".":
            end = next(j for j in range(i, len(found)) if found[j][0] in (",", "}", ";"))
            for text in texts([t for t, _ in found[i + 2 : end]], macros):
                yield text, line
        elif name in WHOLE and re.match(r'"\w.* .*\w"$|"\w+ \w+"$', token):
            yield token[1:-1], line


def in_source():
    """Each sentence, with the places that make it."""
    made, files = {}, sorted((ROOT / "src").rglob("*.[ch]"))
    defined = {path: dict(DEFINE.findall(path.read_text())) for path in files}
    shared = {k: v for path in files for k, v in defined[path].items()}
    for path in files:
        raw = {**shared, **defined[path]}
        macros = {"PRIu64": "lu", "PRId64": "ld", "WEBHOOKFS_VERSION": "%s"}
        for _ in range(3):  # a macro of macros of macros
            for key, value in raw.items():
                words = [t for t, _ in tokens(value)]
                if words and all(literal(w) or w in macros for w in words):
                    macros[key] = texts(words, macros)[0]
        for text, line in in_file(path, macros) if path.suffix == ".c" else ():
            if is_sentence(sentence(text)):
                made.setdefault(sentence(text), []).append(f"{path.relative_to(ROOT)}:{line}")
    return made


def code(text):
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def on_page():
    """The sentences of the page's entries, each as often as it stands there."""
    found = []
    for line in PAGE.read_text().split("\n"):
        match = re.match(r"- (?:`` (.*?) ``|`([^`]+)`)", line)
        if match:
            found.append(match[1] or match[2])
    return found


def errnos():
    """Those that err_set is called with by name, and what the page's table has."""
    used = set()
    for path in (ROOT / "src").rglob("*.c"):
        found = tokens(path.read_text())
        for i, (token, _) in enumerate(found[:-1]):
            if token == "err_set" and found[i + 1][0] == "(":
                args, _ = arguments(found, i + 1)
                used.update(t for t in args[1] if re.fullmatch(r"E[A-Z0-9]+", t))
    rows = re.findall(r"^\| (E[A-Z0-9, ]+) \|", PAGE.read_text(), re.M)
    return used, {name for row in rows for name in row.split(", ")}


def check():
    used, told = errnos()
    made, written = in_source(), on_page()
    tests = [
        ("docs/errors.md has each sentence of the source", [f"{made[s][0]}: {s}" for s in made if s not in written]),
        ("each entry of docs/errors.md is a sentence of the source", [s for s in written if s not in made]),
        ("no entry stands in docs/errors.md twice", sorted({s for s in written if written.count(s) > 1})),
        ("each errno of a sentence stands in the table of docs/errors.md", sorted(used - told)),
        ("there are sentences at all", [] if len(made) > 200 else [f"{len(made)}"]),
    ]
    for number, (name, wrong) in enumerate(tests, 1):
        print(f"{'not ' if wrong else ''}ok {number} - {name}")
        for each in wrong:
            print(f"# {each}")
    print(f"1..{len(tests)}")
    return any(wrong for _, wrong in tests)


if sys.argv[1:] == ["--list"]:
    for text, places in in_source().items():
        print(f"{text}\n    {' '.join(places)}")
elif sys.argv[1:] == ["--lacking"]:
    known = on_page()
    for text, places in in_source().items():
        if text not in known:
            print(f"- {code(text)}")
elif sys.argv[1:]:
    sys.exit(__doc__)
else:
    sys.exit(check())
