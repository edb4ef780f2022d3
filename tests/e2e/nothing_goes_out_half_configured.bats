#!/usr/bin/env bats
# Tools replace a file by removing it and making it anew, and copy a hook file by file. What is sent
# meanwhile has the old values or the new ones, and no event is lost.
# shellcheck disable=SC2030,SC2031 # every test is a subshell
load ../lib/common

bats_require_minimum_version 1.5.0
load ../lib/flow
load ../lib/users

setup() {
  prepare
  start
  start_sink
  hook=$MNT/hooks/h
  make_hook h "$SINK_URL/a" failed deployment/m
  echo one >"$hook/headers/X-Mark"
}

# seen FILTER: what the requests had, each once.
seen() {
  jq -r "$1" "$SINK_DIR/requests.jsonl" | sort -u | paste -sd ' '
}

# replaced COUNT FILE VALUE…: so many events came while the file was gone, and each was delivered.
replaced() {
  local count=$1 file=$2
  shift 2
  "$BATS_TEST_DIRNAME/../lib/replace.py" "$MNT" "$file" "$count" "$@" >"$HERE/ids" || return
  requests "$count" 60 || return
  diff <(sort "$HERE/ids") <(bodies .request_id)
}

@test 'a header that is being replaced is in every request' {
  replaced 60 headers/X-Mark one two
  [ "$(seen '.headers["x-mark"]')" = 'one two' ] || [ "$(seen '.headers["x-mark"]')" = two ] ||
    [ "$(seen '.headers["x-mark"]')" = one ] || fail "$(seen '.headers["x-mark"]')"
}

@test 'a url that is being replaced loses no event' {
  replaced 60 url "$SINK_URL/a" "$SINK_URL/b"
  [[ $(seen .path) =~ ^(/a /b|/a|/b)$ ]] || fail "$(seen .path)"
}

@test 'an object that is being replaced loses no event' {
  replaced 30 object deployment/m 'deployment/*'
}

@test 'the events of a hook, while they are being replaced, are not lost' {
  replaced 30 event deployment_request_failed failed
}

@test 'a hook that is off does not come on while its file is being replaced' {
  echo 0 >"$hook/enabled"
  "$BATS_TEST_DIRNAME/../lib/replace.py" "$MNT" enabled 30 0 false >"$HERE/ids"
  [ "$(value "$MNT/status" accepted)" -eq 30 ]
  [ "$(value "$hook/status" pending)" -eq 0 ]
  requests 0
}

@test 'install, mv, tar, cp and git replace files under load, and every request is whole' {
  local i value writer
  mkdir "$HERE/new"
  load() {
    local i=0
    while [ ! -e "$HERE/done" ]; do
      echo "deployment/m failed request_id=$i" >"$MNT/events" || exit
      i=$((i + 1))
    done
    echo $i >"$HERE/count"
  }
  load 3>&- &
  writer=$!
  for i in {1..12}; do
    value=$((i % 2))
    echo "mark$value" >"$HERE/new/X-Mark"
    echo "$SINK_URL/path$value" >"$HERE/new/url"
    install -m 644 "$HERE/new/X-Mark" "$hook/headers/X-Mark"
    install -m 644 "$HERE/new/url" "$hook/url"
    cp --remove-destination "$HERE/new/X-Mark" "$hook/headers/X-Mark"
    tar -C "$HERE/new" -c url | tar -C "$hook" -x
    sed -i "s/mark./mark$value/" "$hook/headers/X-Mark"
    mv "$HERE/new/X-Mark" "$hook/headers/X-Mark"
    mv "$HERE/new/url" "$hook/url"
  done
  : >"$HERE/done"
  wait "$writer"
  requests "$(cat "$HERE/count")" 120
  [ -z "$(seen 'select(.headers["x-mark"] == null)')" ]
  [[ " $(seen '.headers["x-mark"]') " == *' mark0 mark1 '* ]] || fail "$(seen '.headers["x-mark"]')"
  [[ $(seen .path) =~ ^(/a )?/path0\ /path1$ ]] || fail "$(seen .path)"
}

@test 'a hook that is being copied takes events when it is whole' {
  rm -r "$hook"
  # As cp does it; between two files another thread writes an event.
  python3 - "$MNT" "$SINK_URL/a" <<'PY'
import os, sys, threading
mnt, url = sys.argv[1:]
hook = mnt + "/hooks/copy"

def event():
    with open(mnt + "/events", "w") as f:
        f.write("deployment/m failed request_id=early\n")

os.path.exists(hook)
os.mkdir(hook)
os.stat(hook)
for name, value in (("url", url), ("event", "failed"), ("object", "deployment/m"),
                    ("headers", None), ("headers/X-Mark", "one")):
    if name == "headers":
        os.mkdir(hook + "/headers")
        writer = threading.Thread(target=event)
        writer.start()
        writer.join()
        continue
    fd = os.open(hook + "/" + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, value.encode() + b"\n")
    os.close(fd)
PY
  echo 'deployment/m failed request_id=late' >"$MNT/events"
  requests 1
  [ "$(bodies .request_id)" = late ]
  [ "$(seen '.headers["x-mark"]')" = one ]
}

@test 'a hook that is being extracted takes events when it is whole' {
  rm -r "$hook"
  # As tar does it, which makes the directory unseen, and removes each file that is there.
  python3 - "$MNT" "$SINK_URL/a" <<'PY'
import os, sys, threading
mnt, url = sys.argv[1:]
hook = mnt + "/hooks/copy"

def event():
    with open(mnt + "/events", "w") as f:
        f.write("deployment/m failed request_id=early\n")

os.mkdir(hook, 0o700)
for name, value in (("url", url), ("event", "failed"), ("object", "deployment/m"),
                    ("headers", None), ("headers/X-Mark", "one")):
    path = hook + "/" + name
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    if not value:
        writer = threading.Thread(target=event)
        writer.start()
        writer.join()
        continue
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        os.unlink(path)
        fd = os.open(path, flags, 0o600)
    os.write(fd, value.encode() + b"\n")
    os.fchmod(fd, 0o644)
    os.close(fd)
PY
  echo 'deployment/m failed request_id=late' >"$MNT/events"
  requests 1
  [ "$(bodies .request_id)" = late ]
  [ "$(seen '.headers["x-mark"]')" = one ]
}

@test 'a program that makes a hook and lives on has it at once' {
  rm -r "$hook"
  python3 - "$MNT" "$SINK_URL/a" <<'PY'
import os, sys, threading
mnt, url = sys.argv[1:]
hook = mnt + "/hooks/made"
os.mkdir(hook)
os.unlink(hook + "/description")
for name, value in (("url", url), ("event", "failed"), ("object", "deployment/m")):
    with open(hook + "/" + name, "w") as f:
        f.write(value + "\n")

def event():
    with open(mnt + "/events", "w") as f:
        f.write("deployment/m failed request_id=other\n")

writer = threading.Thread(target=event)
writer.start()
writer.join()
PY
  requests 1
}

@test 'rm takes effect when it returns' {
  rm "$hook/headers/X-Mark"
  echo 'deployment/m failed' >"$MNT/events"
  requests 1
  [ "$(request 1 '.headers["x-mark"]')" = null ]
  rm "$hook/object"
  echo 'deployment/m failed' >"$MNT/events"
  [ "$(value "$MNT/status" accepted)" -eq 2 ]
  [ "$(value "$hook/status" pending)" -eq 0 ]
}

@test 'who removes a file for good, and lives on, holds the hook up for seconds at most' {
  coproc HOLDER { python3 -c 'import os, sys
os.unlink(sys.argv[1])
print("gone", flush=True)
sys.stdin.read()' "$hook/headers/X-Mark" 3>&-; }
  local pid=$HOLDER_PID
  read -r _ <&"${HOLDER[0]}"
  echo 'deployment/m failed' >"$MNT/events"
  requests 1 30
  [ "$(request 1 '.headers["x-mark"]')" = null ]
  eval "exec ${HOLDER[1]}>&-"
  wait "$pid"
}
