#!/usr/bin/env bats
# STATE_DIR/hooks is watched: what editors, git and configuration managers do to the files there takes
# effect at once, and a broken file changes nothing.

load ../lib/common
load ../lib/flow

# hook_json URL [FIELD…]: a whole hook as an admin would write it.
hook_json() {
  local url=$1
  shift
  printf '{"url": "%s", "object_type": "deployment", "object_name": "m", "event": "completed"%s}\n' \
    "$url" "$(printf ', %s' "$@" | sed 's/^, $//')"
}

# conf NAME: its file.
conf() {
  echo "$STATE/hooks/$1.json"
}

# url_is NAME URL
url_is() {
  [ "$(cat "$MNT/hooks/$1/url" 2>/dev/null)" = "$2" ]
}

no_hook() {
  [ ! -e "$MNT/hooks/$1" ]
}

hook_count() {
  [ "$(value "$MNT/status" hooks)" -eq "$1" ]
}

@test 'a file that is put there is a hook in the next command' {
  hook_json "$NOWHERE" '"enabled": "paused"' >"$(conf new)"
  [ "$(cat "$MNT/hooks/new/url")" = "$NOWHERE" ]
  [ "$(value "$MNT/hooks/new/status" state)" = paused ]
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending new)" = 1 ]
}

@test 'a changed file changes the whole hook, whichever way it is changed' {
  mkdir "$MNT/hooks/h"
  hook_json http://a.example/1 '"timeout": 7' '"description": "d"' >"$(conf h)"
  url_is h http://a.example/1
  [ "$(cat "$MNT/hooks/h/timeout")" = 7s ]
  sed -i 's|a.example/1|a.example/2|' "$(conf h)"
  url_is h http://a.example/2
  hook_json http://a.example/3 >"$HERE/next"
  cp "$HERE/next" "$(conf h)"
  url_is h http://a.example/3
  [ "$(cat "$MNT/hooks/h/timeout")" = 10s ]
  [ -z "$(cat "$MNT/hooks/h/description")" ]
  hook_json http://a.example/4 >"$STATE/hooks/.ansible_tmp1234h.json"
  mv "$STATE/hooks/.ansible_tmp1234h.json" "$(conf h)"
  url_is h http://a.example/4
  perl -pi -e 's|example/4|example/5|' "$(conf h)"
  url_is h http://a.example/5
  rsync -qc "$HERE/next" "$(conf h)"
  url_is h http://a.example/3
  install -m 644 <(hook_json http://a.example/6) "$(conf h)"
  eventually 10 url_is h http://a.example/6
  vim -es -u NONE -c '%s#example/6#example/7#' -c wq "$(conf h)" </dev/null >/dev/null
  url_is h http://a.example/7
  vim -es -u NONE -c 'set backup writebackup backupcopy=no' -c '%s#example/7#example/8#' -c wq \
    "$(conf h)" </dev/null >/dev/null
  eventually 10 url_is h http://a.example/8
  [ "$(count refused)" = 0 ] || fail "$(cat "$MNT/errors")"
  ! grep -v -e ' was changed$' -e events.fifo "$LOG" | grep -q 'hooks/' || fail "$(cat "$LOG")"
}

@test 'what the kernel keeps of directories is never older than the files' {
  [ -z "$(ls "$MNT/hooks")" ]
  no_hook h
  hook_json http://a.example/ >"$(conf h)"
  [ "$(ls "$MNT/hooks")" = h ]
  [ -z "$(ls "$MNT/hooks/h/headers")" ]
  [ ! -e "$MNT/hooks/h/headers/X-A" ]
  hook_json http://a.example/ '"headers": [{"key": "X-A", "value": "v", "protected": false}]' \
    '"files": {"": {"mode": "0700"}, "url": {"mode": "0600"}}' >"$(conf h)"
  [ "$(ls "$MNT/hooks/h/headers")" = X-A ]
  [ "$(cat "$MNT/hooks/h/headers/X-A")" = v ]
  [ "$(stat -c %a "$MNT/hooks/h" "$MNT/hooks/h/url" | xargs)" = '700 600' ]
  rm "$(conf h)"
  eventually 10 no_hook h
  [ -z "$(ls "$MNT/hooks")" ]
}

@test 'a hook keeps its deliveries and counters when its file is replaced or made anew' {
  collecting_hook h 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  cp "$(conf h)" "$HERE/h.json"
  rm "$(conf h)"
  sed 's|"timeout": 10|"timeout": 9|' "$HERE/h.json" >"$(conf h)"
  [ "$(cat "$MNT/hooks/h/timeout")" = 9s ]
  [ "$(pending h)" = 1 ]
  mv "$(conf h)" "$STATE/hooks/h.json~"
  cp "$HERE/h.json" "$(conf h)"
  [ "$(cat "$MNT/hooks/h/timeout")" = 10s ]
  [ "$(pending h)" = 1 ]
}

@test 'a removed file removes its hook, and what it drops is in the log' {
  collecting_hook h 'deployment/*'
  mkdir "$MNT/hooks/other"
  echo 'deployment/m completed' >"$MNT/events"
  rm "$(conf h)"
  eventually 10 no_hook h
  [ -d "$MNT/hooks/other" ]
  grep -q '"hook":"h","outcome":"dropped","deliveries":1' "$MNT/log"
  grep -q 'hooks/h.json was removed: 1 pending deliveries are dropped' "$LOG"
  [ "$(count pending)" = 0 ]
  stop
  start
  no_hook h
  [ "$(count pending)" = 0 ]
}

@test 'a hook whose file has just been removed is changed no more, and goes' {
  collecting_hook h 'deployment/*'
  # In one process: a second later it has gone.
  python3 - "$(conf h)" "$MNT/hooks" <<'PY'
import errno, os, sys
conf, hooks = sys.argv[1:]
def refused(does, *wanted):
    try:
        does()
    except OSError as e:
        assert e.errno in wanted, e
    else:
        raise AssertionError("it was done")
fd = os.open(f"{hooks}/h/timeout", os.O_WRONLY | os.O_TRUNC)
os.unlink(conf)
refused(lambda: os.rename(f"{hooks}/h", f"{hooks}/i"), errno.EBUSY)
refused(lambda: os.write(fd, b"5s\n"), errno.EBUSY)
PY
  has_error 'has just been removed in the state directory; try again'
  eventually 10 no_hook h
  no_hook i
  [ -z "$(ls -A "$STATE/hooks")" ]
}

@test 'a broken file is told with its place, and the last good hook stays until it is mended' {
  collecting_hook h 'deployment/*'
  echo 's3cret-token' >"$MNT/hooks/h/headers/Authorization" 2>/dev/null ||
    echo 's3cret-token' >"$MNT/hooks/h/headers/Authorization"
  cp "$(conf h)" "$HERE/h.json"
  sed 's|"event"|event"|' "$HERE/h.json" >"$(conf h)"
  eventually 10 has_error 'this is no JSON, line'
  grep -q ' hooks/h.json uid=' "$MNT/errors"
  url_is h "$NOWHERE"
  sed 's|"timeout": 10|"timeout": 99|' "$HERE/h.json" >"$(conf h)"
  eventually 10 has_error 'timeout'
  sed 's|"timeout": 10|"tiemout": 10|' "$HERE/h.json" >"$(conf h)"
  eventually 10 has_error 'tiemout'
  [ "$(cat "$MNT/hooks/h/timeout")" = 10s ]
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
  sed 's|"timeout": 10|"timeout": 11|' "$HERE/h.json" >"$(conf h)"
  [ "$(cat "$MNT/hooks/h/timeout")" = 11s ]
  [ "$(pending h)" = 1 ]
  ! grep -q s3cret "$MNT/errors" "$LOG"
}

@test 'a hook that was broken at the start comes back with its deliveries when it is mended' {
  collecting_hook h 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  stop
  cp "$(conf h)" "$HERE/h.json"
  echo '{' >"$(conf h)"
  start
  no_hook h
  run mkdir "$MNT/hooks/h"
  [[ $output == *exists* ]] || fail "$output"
  has_error 'broken'
  cp "$HERE/h.json" "$(conf h)"
  [ "$(pending h)" = 1 ]
  [ "$(ls "$MNT/hooks/h/pending" | wc -l)" = 1 ]
  echo '{' >"$(conf h)"
  stop
  start
  rm "$(conf h)"
  eventually 10 grep -q 'hooks/h.json was removed: 1 pending' "$LOG"
  mkdir "$MNT/hooks/h"
}

@test 'a change through the mount keeps a broken file aside' {
  collecting_hook h 'deployment/*'
  echo '{ "url": unfinished' >"$(conf h)"
  eventually 10 has_error 'this is no JSON'
  echo 9s >"$MNT/hooks/h/timeout"
  [ "$(cat "$(conf h).refused")" = '{ "url": unfinished' ]
  has_error 'h.json.refused'
  [ "$(jq .timeout "$(conf h)")" = 9 ]
  stop
  start
  [ "$(cat "$MNT/hooks/h/timeout")" = 9s ]
}

@test 'a file and a write through the mount in one script both take effect' {
  mkdir "$MNT/hooks/h"
  local i
  for i in {11..30}; do # not the default, which need not be written
    hook_json "http://a.example/$i" >"$(conf h)"
    echo "${i}s" >"$MNT/hooks/h/timeout"
    [ "$(jq -r '.url, .timeout' "$(conf h)" | xargs)" = "http://a.example/$i $i" ]
    url_is h "http://a.example/$i"
  done
  [ ! -e "$(conf h).refused" ]
  [ "$(count refused)" = 0 ]
}

# waits PID: it has asked the mount, and gets no answer.
waits() {
  local stat
  read -r stat <"/proc/$1/stat"
  [[ $stat == *'(cat) S '* || $stat == *'(tee) S '* ]]
}

@test 'files come before requests that were made after them, and the one that is written before all others' {
  mkdir "$MNT/hooks/h"
  local i reader early writer
  kill -STOP "$DAEMON"
  cat "$MNT/README" >/dev/null 3>&- &
  early=$!
  eventually 10 waits $early
  hook_json http://a.example/new >"$(conf new)"
  for i in {1..500}; do hook_json http://a.example/1 >"$(conf "x$i")"; done
  hook_json http://a.example/file >"$(conf h)"
  cat "$MNT/hooks/new/url" >"$HERE/read" 3>&- &
  reader=$!
  tee "$MNT/hooks/h/timeout" <<<3s >/dev/null 3>&- &
  writer=$!
  eventually 10 waits $reader
  eventually 10 waits $writer
  kill -CONT "$DAEMON"
  wait $early $reader $writer
  [ "$(cat "$HERE/read")" = http://a.example/new ]
  [ "$(jq -r '.url, .timeout' "$(conf h)" | xargs)" = 'http://a.example/file 3' ]
  [ ! -e "$(conf h).refused" ]
  eventually 10 hook_count 502
}

@test 'a file that is put there while others ask the mount is seen by who put it there' {
  local walkers=() i
  for i in 1 2; do
    until [ -e "$HERE/enough" ]; do find "$MNT" -size +0; done >/dev/null 2>&1 3>&- &
    walkers+=($!)
  done
  python3 - "$STATE/hooks/h.json" "$MNT/hooks/h/url" <<'END' >"$HERE/stale" 2>&1 || :
import os, sys
config, url = sys.argv[1:]
for i in range(500):
    with open(config + ".new", "w") as f:
        f.write('{"url": "http://a.example/%d"}' % i)
    os.rename(config + ".new", config)
    with open(url) as f:
        text = f.read()
    if text != f"http://a.example/{i}\n":
        print(f"not {i}, but {text}")
END
  touch "$HERE/enough"
  wait "${walkers[@]}" || : # they meet what has just been replaced
  [ ! -s "$HERE/stale" ] || fail "$(head -n 5 "$HERE/stale")"
}

@test 'our own writes are no news' {
  collecting_hook h 'deployment/*'
  local i
  for i in {1..20}; do echo "${i}s" >"$MNT/hooks/h/timeout"; done
  mv "$MNT/hooks/h" "$MNT/hooks/i"
  rmdir "$MNT/hooks/i"
  mkdir "$MNT/hooks/h"
  rmdir "$MNT/hooks/h"
  ! grep -q 'hooks/' "$LOG" || fail "$(cat "$LOG")"
  ls -A "$STATE/hooks"
  [ -z "$(ls -A "$STATE/hooks")" ]
}

@test 'git pull of fifty files: new, changed and removed hooks' {
  local i
  export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a \
    GIT_COMMITTER_EMAIL=a@b
  git init -q -b main "$HERE/origin"
  for i in {1..50}; do hook_json "http://a.example/$i" >"$HERE/origin/h$i.json"; done
  git -C "$HERE/origin" add .
  git -C "$HERE/origin" commit -qm one
  stop
  rmdir "$STATE/hooks"
  git clone -q "$HERE/origin" "$STATE/hooks"
  chmod 700 "$STATE/hooks"
  start
  hook_count 50
  for i in {1..20}; do hook_json "http://b.example/$i" >"$HERE/origin/h$i.json"; done
  for i in {21..30}; do git -C "$HERE/origin" rm -q "h$i.json"; done
  for i in {51..70}; do hook_json "http://b.example/$i" >"$HERE/origin/h$i.json"; done
  git -C "$HERE/origin" add .
  git -C "$HERE/origin" commit -qm two
  git -C "$STATE/hooks" pull -q
  eventually 10 hook_count 60
  for i in {1..20} {51..70}; do url_is "h$i" "http://b.example/$i" || fail "h$i"; done
  for i in {21..30}; do no_hook "h$i" || fail "h$i"; done
  [ "$(count refused)" = 0 ] || fail "$(cat "$MNT/errors")"
  # What users changed through the mount is seen by git.
  echo 3s >"$MNT/hooks/h1/timeout"
  git -C "$STATE/hooks" diff --name-only | grep -qx h1.json
}

@test 'more at once than the kernel keeps notes of is found all the same' {
  mkdir "$MNT/hooks/gone"
  kill -STOP "$DAEMON"
  local i n
  n=$(($(cat /proc/sys/fs/inotify/max_queued_events) / 2 + 500))
  [ "$n" -le 20000 ] || skip 'the kernel keeps too many'
  rm "$(conf gone)"
  for ((i = 0; i < n; i++)); do echo >"$STATE/hooks/x$i"; done
  hook_json "$NOWHERE" >"$(conf late)"
  kill -CONT "$DAEMON"
  eventually 20 url_is late "$NOWHERE"
  eventually 20 no_hook gone
}

@test 'names that no hook can have, and what is no file, are told' {
  hook_json "$NOWHERE" >"$STATE/hooks/two words.json"
  eventually 10 has_error 'name'
  ln -s /etc/passwd "$(conf link)"
  eventually 10 has_error 'cannot be read: Too many levels of symbolic links'
  mkdir "$(conf dir)"
  eventually 10 has_error 'cannot be read: Is a directory'
  mkfifo "$(conf pipe)"
  eventually 10 grep -q ' hooks/pipe.json ' "$MNT/errors"
  hook_count 0
  rm -r "$(conf link)" "$(conf dir)" "$(conf pipe)"
  hook_json "$NOWHERE" >"$(conf link)"
  url_is link "$NOWHERE"
}

@test 'the directory may go, and hooks stay as they are' {
  collecting_hook h 'deployment/*'
  rm -r "$STATE/hooks"
  eventually 10 grep -q 'hooks was moved or removed' "$LOG"
  url_is h "$NOWHERE"
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
  run put_timeout
  [ "$status" -ne 0 ]
  has_error 'cannot save hooks/h.json'
  mkdir -m 700 "$STATE/hooks"
}

put_timeout() {
  echo 9s >"$MNT/hooks/h/timeout"
}

@test 'an open header file does not come to mean another header' {
  make_hook h "$NOWHERE" completed 'deployment/*'
  echo one >"$MNT/hooks/h/headers/X-One"
  stop
  start # nothing is known of the header but its place
  exec 7>"$MNT/hooks/h/headers/X-One"
  jq '.headers = [{"key": "X-Two", "value": "two", "protected": false}]' "$(conf h)" >"$HERE/next"
  cp "$HERE/next" "$(conf h)"
  [ "$(cat "$MNT/hooks/h/headers/X-Two")" = two ]
  ! echo stale >&7 || fail 'it was taken'
  exec 7>&-
  [ "$(cat "$MNT/hooks/h/headers/X-Two")" = two ]
  [ ! -e "$MNT/hooks/h/headers/X-One" ]
}
