#!/usr/bin/env bats
# Bytes that a terminal or a reader of lines takes for more than text, by every way in: events, names, settings,
# files from outside, answers of receivers. What is shown has one line for each thing, and nothing that acts.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow

# Newline, return, escape, bell, DEL, C1 in UTF-8, right to left, line separator, no UTF-8.
EVIL=$'A\r\e[2J\a\x7f\xc2\x9b31m\xe2\x80\xae\xe2\x80\xa8\xff\nwebhookfs: forged'

# harmless FILE…: text of lines; nothing that acts on a terminal, and no forged line.
harmless() {
  python3 - "$@" <<'PY' || fail "$(for file; do echo "$file:"; cat -A "$file"; done | cut -c1-400 | tail -n 40)"
import sys, unicodedata
for name in sys.argv[1:]:
    text = open(name, "rb").read().decode()  # it is UTF-8
    for line in text.split("\n"):
        assert not line.startswith(("webhookfs: forged", "forged")), (name, line)
        for c in line:
            assert unicodedata.category(c) not in ("Cc", "Zl", "Zp"), (name, line)
            assert unicodedata.bidirectional(c) not in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"), (name, line)
PY
}

# all_harmless: whatever there is to read, and what the daemon said.
all_harmless() {
  local files
  mapfile -t files < <(find "$MNT" "$STATE" -type f ! -name events ! -name 'queue.db*' ! -name lock ! -size 0)
  harmless "${files[@]}" "$LOG"
  jq -e . "$MNT/log" >/dev/null 2>&1 || [ ! -s "$MNT/log" ]
}

# tell BYTES FILE: by one write, whatever comes of it.
tell() {
  printf %s "$1" | dd of="$2" bs=64K status=none 2>/dev/null || :
}

@test 'events of the file and of the pipe' {
  collecting_hook h 'deployment/*'
  tell "deployment/$EVIL completed"$'\n' "$MNT/events"
  tell "$EVIL"$'\n' "$MNT/events"
  tell "deployment/m completed request_id=$'$EVIL'"$'\n' "$MNT/events"
  tell '{"object":"deployment/m\u001b[2J\u202e","status":"completed"}'$'\n' "$MNT/events"
  tell '{"object":"deployment/m","status":"completed","request_id":"\u001b[2J\u202e\u2028\r\n","metadata":{"\u001b":"\u009b"}}'$'\n' \
    "$MNT/events"
  tell "$EVIL"$'\n' "$MNT/events.fifo"
  tell "deployment/m $EVIL"$'\n' "$MNT/events.fifo"
  eventually 10 test -s "$STATE/rejected.jsonl"
  all_harmless
  jq -e . "$STATE/rejected.jsonl" >/dev/null
}

@test 'names and settings' {
  local file
  make_hook h "$NOWHERE" completed 'deployment/*'
  mkdir "$MNT/hooks/$EVIL" 2>/dev/null || :
  touch "$MNT/hooks/h/$EVIL" "$MNT/hooks/h/headers/$EVIL" "$MNT/$EVIL" 2>/dev/null || :
  for file in "$MNT"/hooks/h/* "$MNT/hooks/h/headers/X-Evil"; do
    [ -d "$file" ] || tell "$EVIL"$'\n' "$file"
  done
  tell "http://x/$EVIL" "$MNT/hooks/h/url"
  tell "{\"url\":\"http://x/\",\"description\":\"\\u001b[2J\\u202e\\r\\n\",\"$EVIL\":1}" \
    "$MNT/hooks/h/config.json"
  tell '{"labels":{"a\u001b":"\u202e\n"}}' "$MNT/hooks/h/config.json"
  # a scratch file is its user's own text, and is shown as it was written
  rm -f "$MNT"/hooks/h/"$EVIL"
  all_harmless
}

@test 'files of the state directory' {
  printf %s "$EVIL" >"$STATE/hooks/a.json"
  printf '{"url":"%s"}' "$EVIL" >"$STATE/hooks/b.json"
  printf '{"description":"\\u001b[2J","headers":[{"key":"a\\r\\nb","value":"c\\r\\nd"}]}' >"$STATE/hooks/c.json"
  printf '{}' >"$STATE/hooks/$EVIL.json"
  eventually 10 has_error a.json
  eventually 10 has_error b.json
  eventually 10 has_error c.json
  rm "$STATE/hooks/"*
  all_harmless
  stop
  printf '{"%s":{"mode":"0440"}}' "$EVIL" >"$STATE/attributes.json"
  run "$WEBHOOKFS" "$STATE" "$MNT" 3>&-
  [ "$status" -eq 1 ] || fail 'it started'
  printf '%s' "$output" >"$HERE/said"
  harmless "$HERE/said"
  rm "$STATE/attributes.json"
}

@test 'answers of a receiver' {
  # says EVIL in the status, in headers, in the body
  python3 - "$HERE" <<'PY' 3>&- &
import os, socket, sys
s = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + "/port.new", "w") as f:
    f.write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
evil = b"\x1b[2J\x07\x7f\xc2\x9b31m\xe2\x80\xae\xe2\x80\xa8\xff"
while True:
    c, _ = s.accept()
    with c:
        c.recv(65536)
        body = evil + b"\r\nwebhookfs: forged\n"
        c.sendall(b"HTTP/1.1 404 " + evil + b"\r\nX-Evil: " + evil + b"\r\nX-" + evil + b": 1\r\nRetry-After: " + evil +
                  b"\r\nContent-Type: " + evil + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
PY
  SINKS+=($!)
  eventually 10 test -s "$HERE/port"
  make_hook h "http://127.0.0.1:$(cat "$HERE/port")/" completed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 test -s "$MNT/log"
  eventually 10 sh -c 'test -n "$(ls "$0")"' "$MNT/hooks/h/failed"
  tell '' "$MNT/hooks/h/test"
  echo >"$MNT/hooks/h/test" || :
  has_last_error h
  all_harmless
  [ "$(wc -l <"$MNT/log")" -ge 1 ]
  jq -e . "$MNT"/hooks/h/failed/* >/dev/null
}
