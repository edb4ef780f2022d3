#!/usr/bin/env bats
# Protected values of every kind are marked, and hunted after everything that can happen to a hook: they are in
# STATE_DIR/hooks/NAME.json, on the wire, and nowhere else. a_protected_value_is_never_shown has the rules.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; jq has $ too
load ../lib/common
load ../lib/flow
load ../lib/users

TOKEN='t0ken-4711-"quoted"<&>%41+/=\back'
MINE='m1ne-0815-Grüße-{}[]:?#'
PLACE='p1ace-T0B1-9w8v7u6t5s4r'
QUERY='qu3ry-a1b2c3d4e5f6g7h8'
REFUSED='r3fused-z9y8x7w6v5u4t3'

setup() {
  prepare
  need_root # others may not look into the process
  mkdir "$HERE/echo" "$HERE/key"
  echo 200 >"$HERE/echo/status"
  "$BATS_TEST_DIRNAME/../lib/echo.py" "$HERE/echo" 3>&- &
  SINKS+=($!)
  eventually 10 test -s "$HERE/echo/port"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=hook \
    -keyout "$HERE/key/key" -out "$HERE/key/cert" 2>/dev/null # its first lines are public
  SECRET=whsec_$(printf 's3cret-of-32-bytes-0123456789abc' | base64)
  { printf '%s\n' "$TOKEN" "$MINE" "$PLACE" "$QUERY" "$SECRET" "$REFUSED"
    sed -n '12,20p' "$HERE/key/key"; } >"$HERE/markers"
  start
}

# a_hook NAME PORT: with all that can be protected.
a_hook() {
  make_hook "$1" "http://127.0.0.1:$2/$PLACE?key=$QUERY" completed 'deployment/*'
  chmod 600 "$MNT/hooks/$1/url"
  echo "Bearer $TOKEN" >"$MNT/hooks/$1/headers/Authorization"
  (umask 077 && echo "$MINE" >"$MNT/hooks/$1/headers/X-Mine")
  echo "$SECRET" >"$MNT/hooks/$1/secret"
  cat "$HERE/key/cert" >"$MNT/hooks/$1/tls/cert"
  cat "$HERE/key/key" >"$MNT/hooks/$1/tls/key"
}

# hunt [PLACE…]: in the mount, the state directory but for the hooks' own files, what the daemon has
# said, and what is known of its process; and there.
hunt() {
  local others process
  mapfile -t others < <(find "$STATE" -type f ! -path "$STATE/hooks/*.json" ! -name '*.json.refused')
  process=(/proc/"$DAEMON"/{cmdline,environ,comm,status,maps,stat,limits,mountinfo})
  "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$MNT" "${others[@]}" "$LOG" \
    "${process[@]}" "$@" >"$HERE/found" || fail "$(head -c 4000 "$HERE/found")"
}

status_is() {
  echo "$1" >"$HERE/echo/status.new" && mv "$HERE/echo/status.new" "$HERE/echo/status"
}

# counted KEY NUMBER
counted() {
  [ "$(count "$1")" -ge "$2" ]
}

attempted() {
  [ "$(wc -l <"$MNT/log")" -ge "$1" ]
}

# What is refused is quoted nowhere either.
refuse_all() {
  local hook=$MNT/hooks/$1
  denied '' put "whsec_$REFUSED!" "$hook/secret"
  denied '' put "http://user:$REFUSED@x/$REFUSED" "$hook/url"
  denied '' put "$REFUSED"$'\x01' "$hook/headers/Authorization"
  printf '%s\n' "-----BEGIN $REFUSED-----" >"$HERE/key/bad"
  denied '' cp "$HERE/key/bad" "$hook/tls/key" # its close fails
  denied '' put "{\"url\":\"http://x/$REFUSED\",\"headers\":[{\"key\":\"a b\",\"value\":\"$REFUSED\",\"protected\":true}]}" \
    "$hook/config.json"
  echo "{\"secret\":\"$REFUSED\"" >"$HERE/key/bad"
  denied '' cp "$HERE/key/bad" "$hook/config.json"
  denied '' put "{\"secret\":\"whsec_$REFUSED!\"}" "$hook/config.json"
}

@test 'the hunter finds every spelling' {
  local way
  for way in 'cat' 'jq -R .' 'xxd -p -c 1000' 'base64 -w 0' 'sed s/^/x/|base64 -w 0' \
    'sed s/^/xx/|base64 -w 0' 'jq -Rr @uri'; do
    printf '%s\n' "$TOKEN" | bash -c "$way" >"$HERE/place"
    denied "t0ken" "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$HERE/place" || fail "$way"
  done
  printf 's3cret-of-32-bytes-0123456789abc' >"$HERE/place"
  denied decoded "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$HERE/place"
  sed -n 14p "$HERE/key/key" >"$HERE/place"
  denied 'as it is' "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$HERE/place"
  echo harmless >"$HERE/place"
  "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$HERE/place"
}

@test 'whatever happens to a hook, its secrets are in its own file' {
  local port
  port=$(cat "$HERE/echo/port")
  a_hook h "$port"
  hunt
  echo 'deployment/m completed request_id=1' >"$MNT/events"
  eventually 20 counted delivered 1
  hunt
  # retried, by a receiver that tells all; failed; tested
  status_is 500
  echo 'deployment/m completed request_id=2' >"$MNT/events"
  eventually 20 attempted 2
  denied '' put '' "$MNT/hooks/h/test"
  hunt
  status_is 200
  echo >"$MNT/hooks/h/test"
  status_is 404
  echo 0 >"$MNT/hooks/h/retry"
  echo 'deployment/m completed request_id=3' >"$MNT/events"
  eventually 20 counted failed 1
  refuse_all h
  echo 'deployment/m nonsense' >"$MNT/events.fifo"
  eventually 20 test -s "$STATE/rejected.jsonl"
  hunt
  mv "$MNT/hooks/h" "$MNT/hooks/renamed"
  cp -r "$MNT/hooks/renamed" "$HERE/copy" || : # of what may be read
  hunt "$HERE/copy"
  stop
  start
  hunt
  crash
  start
  status_is 200
  mv "$MNT"/hooks/renamed/failed/* "$MNT/hooks/renamed/pending/"
  eventually 20 counted delivered 2
  hunt
  grep -qF "$PLACE" "$STATE/hooks/renamed.json" # it is not that they were lost
  [ "$(stat -c %a "$STATE/hooks/renamed.json")" = 600 ]
  rm -r "$MNT/hooks/renamed"
  hunt "$STATE/hooks"
  stop
  "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "$STATE" || fail "$(cat "$HERE/found")"
}

@test 'what -d and the background say has none either' {
  stop
  start -d
  a_hook h "$(cat "$HERE/echo/port")"
  status_is 404
  echo 'deployment/m completed' >"$MNT/events"
  eventually 20 attempted 1
  refuse_all h
  hunt
  [ "$(grep -c WRITE "$LOG")" -gt 5 ] # it has said something
  mv "$LOG" "$HERE/said" # which is much, should this fail
}

@test 'a file of a hook that is broken, or that was put aside, is quoted nowhere' {
  a_hook h 1
  sed -i "s/\"enabled\"/\"$REFUSED/" "$STATE/hooks/h.json"
  eventually 10 has_error h.json
  hunt
  echo 5s >"$MNT/hooks/h/timeout" # keeps the broken one aside
  hunt
  jq -c '.headers[0].value = "********"' "$STATE/hooks/h.json" >"$HERE/new"
  mv "$HERE/new" "$STATE/hooks/h.json"
  eventually 10 has_error 'this is the mask'
  hunt
}

@test 'a hook that is removed leaves nothing of its secrets in memory' {
  local i
  [[ $WEBHOOKFS != */san-* ]] || skip 'a sanitizer keeps what was freed, and what is not cleared with it'
  a_hook h 1
  for i in 1 2 3; do
    echo "Bearer $TOKEN" >"$MNT/hooks/h/headers/Authorization"
    echo "${i}s" >"$MNT/hooks/h/timeout" # a clone each
    cat "$MNT/hooks/h/config.json" "$MNT/hooks/h/headers/Authorization" >/dev/null
  done
  refuse_all h
  "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "/proc/$DAEMON/mem" >"$HERE/found" &&
    fail 'it is not in memory at all: the hunt is worth nothing'
  rm -r "$MNT/hooks/h"
  : a scratch file, and what was never finished
  (umask 077 && echo "$MINE" >"$HERE/X-New")
  mkdir "$MNT/hooks/h"
  cp -p "$HERE/X-New" "$MNT/hooks/h/.X-New.tmp"
  rm -r "$MNT/hooks/h"
  hunt "/proc/$DAEMON/mem"
}

@test 'a daemon that is killed leaves no core, whatever its user allows' {
  ulimit -c unlimited 2>/dev/null || :
  stop
  cd "$HERE"
  start
  a_hook h 1
  kill -ABRT "$DAEMON"
  eventually 10 gone "$DAEMON"
  wait "$DAEMON" || :
  DAEMON=
  fusermount3 -uz "$MNT"
  [ -z "$(find "$HERE" -name 'core*')" ]
  cd /
}
