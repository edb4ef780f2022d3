#!/usr/bin/env bats
# The pictures in docs: what they show is so, and anything that draws SVG can draw them.

load ../lib/common

TREE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
RECORD=$TREE/tests/show/record.py

setup() {
  prepare
}

@test 'each picture is SVG that stands alone, has a title or is drawn by gnuplot, and is shown somewhere' {
  python3 - "$TREE" <<'END'
import glob, os, re, sys
import xml.etree.ElementTree as xml
tree = sys.argv[1]
pages = "".join(open(p, encoding="utf8").read() for p in glob.glob(f"{tree}/*.md") + glob.glob(f"{tree}/docs/**/*.md", recursive=True))
pictures = glob.glob(f"{tree}/docs/**/*.svg", recursive=True)
assert len(pictures) >= 4
for path in pictures:
    name = os.path.basename(path)
    root = xml.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("viewBox"), name
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "title" in tags and not tags & {"script", "foreignObject", "image"}, f"{name}: {tags}"
    text = open(path, encoding="utf8").read()
    assert not re.search(r'href=["\'](?!#)|url\((?!["\']?#)|@import', text), f"{name} refers to something else"
    assert re.search(rf"!\[[^\]]+\]\((docs/)?{name}\)", pages), f"{name} is on no page"
for page in glob.glob(f"{tree}/*.md") + glob.glob(f"{tree}/docs/**/*.md", recursive=True):
    for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", open(page, encoding="utf8").read()):
        assert os.path.exists(os.path.join(os.path.dirname(page), link)), f"{page}: {link}"
END
}

@test 'every file in docs/tree.svg is in a mount, and one who may not read or write it is not told otherwise' {
  start
  mkdir "$MNT/hooks/fraud-alarm"
  (umask 077 && echo 'Token 123' >"$MNT/hooks/fraud-alarm/headers/Authorization")
  python3 - "$TREE/docs/tree.svg" "$MNT" <<'END'
import os, stat, sys
import xml.etree.ElementTree as xml
names = []
for text in xml.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}text"):
    if text.get("class") != "file":
        continue
    names += [(span.text, span.get("class")) for span in text]
top, hook, found = sys.argv[2], f"{sys.argv[2]}/hooks/fraud-alarm", 0
at = top
for name, kind in names[1:]:
    if name == "fraud-alarm/":
        at = hook
        continue
    path = f"{at}/headers/{name}" if name == "Authorization" else f"{at}/{name.rstrip('/')}"
    mode = os.lstat(path).st_mode
    found += 1
    assert stat.S_ISDIR(mode) == (kind == "dir"), name
    if kind == "read":
        assert not mode & 0o222, f"{name} can be written to"
    elif kind in ("write", "both"):
        assert mode & 0o200, f"{name} cannot be written to"
    if kind == "both":
        assert mode & 0o400, f"{name} cannot be read"
assert found > 25, found
END
}

@test 'the recording is of what README says, in the format of asciinema, and its picture is made of it' {
  diff <("$RECORD" --commands) <("$RECORD" --typed "$TREE/docs/quickstart.cast") ||
    fail 'make docs-recording records it anew' || return
  "$RECORD" --svg "$TREE/docs/quickstart.cast" "$HERE/quickstart.svg"
  diff "$TREE/docs/quickstart.svg" "$HERE/quickstart.svg" || fail 'make docs-recording draws it anew' || return
  python3 - "$TREE/docs/quickstart.cast" <<'END'
import json, sys
header, *events = [json.loads(line) for line in open(sys.argv[1], encoding="utf8")]
assert header["version"] == 2 and header["width"] > 0 and header["height"] > 0
times = [at for at, kind, text in events]
assert times == sorted(times) and {kind for _, kind, _ in events} == {"o"}
said = "".join(text for _, _, text in events)
assert '"outcome":"delivered"' in said.replace("\r\n", "") and "rror" not in said.replace("error_message", "").replace(
    '"error":null', "")
END
}

@test 'the alerts in docs/monitoring.md are those of the rules' {
  diff <(sed -n 's/^| `\(Webhookfs[A-Za-z]*\)` | .* | \([a-z]*\) |$/\1 \2/p' "$TREE/docs/monitoring.md") \
    <(awk '/- alert:/ { name = $3 } /labels: \{severity:/ { print name, substr($3, 1, length($3) - 1) }' \
      "$TREE/contrib/prometheus/webhookfs-rules.yml")
}
