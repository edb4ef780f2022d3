#!/usr/bin/env bats
# contrib/verify: each of the receivers takes what we sign, and nothing that was changed, is old, or
# was signed by another. Each is started as docs/recipes.md says.
# shellcheck disable=SC2016 # code for other shells

load ../lib/common
load ../lib/flow
load ../lib/recipes
load ../lib/clock

bats_require_minimum_version 1.5.0

ONE=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
TWO=whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD

setup() {
  prepare
  clock 0
  start_with_clock
  start_sink
}

teardown() {
  end_background
  finish
}

# told STATUS: an event is delivered to the receiver, which answers so.
told() {
  local before
  before=$(grep -c '"hook":"h"' "$MNT/log") || :
  echo 'deployment/m failed error_message="größer"' >"$MNT/events"
  eventually 20 log_has "$((before + 1))" || return
  [ "$(grep '"hook":"h"' "$MNT/log" | tail -n 1 | jq .http_status)" = "$1" ] ||
    fail "not $1: $(tail -n 1 "$MNT/log")" "$(cat "$HERE/printed")"
}

log_has() {
  [ "$(grep -c '"hook":"h"' "$MNT/log")" -ge "$1" ]
}

# sent_again STATUS SED: the request that the sink got comes once more, with this done to each of its headers and to
# its body.
sent_again() {
  local request status
  request=$(tail -n 1 "$SINK_DIR/requests.jsonl")
  jq -j .body <<<"$request" | sed "$2" >"$HERE/body"
  jq -r '.headers | to_entries[] | select(.key | startswith("webhook-") or . == "content-type") | "header = \"\(.key): \(.value)\""' \
    <<<"$request" | sed "$2" >"$HERE/headers"
  status=$(curl -s -o "$HERE/answer" -w '%{http_code}' -K "$HERE/headers" --data-binary "@$HERE/body" "http://127.0.0.1:$PORT/")
  [ "$status" = "$1" ] || fail "$2: $status, not $1" "$(cat "$HERE/headers" "$HERE/printed")"
}

# checks LANGUAGE: all of it, in one go, since some of them are slow to start.
checks() {
  local accepted
  choose_port
  echo "$ONE" >"$HERE/secret"
  addressed "verify in $1" | sed "s|secret\b|$HERE/secret|" >"$HERE/receiver"
  in_background sh -c 'cd "$1" && exec sh "$2"' sh "$TREE" "$HERE/receiver" >"$HERE/printed" 2>&1
  eventually 100 answers "$PORT"
  make_hook h "http://127.0.0.1:$PORT/" failed 'deployment/*'
  make_hook sink "$SINK_URL/" failed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
  told 401 # not signed at all
  echo "$ONE" | tee "$MNT/hooks/h/secret" >"$MNT/hooks/sink/secret"
  told 204
  grep -q '"error_message":"größer"' "$HERE/printed"
  accepted=$(grep -c '"event"' "$HERE/printed")
  settled
  sent_again 204 ''
  accepted=$((accepted + 1))
  sent_again 401 s/größer/kleiner/
  sent_again 401 '$s/$/ /'
  sent_again 401 's/^header = "webhook-id: msg_/&1/'
  sent_again 401 's/^header = "webhook-signature: v1,/&x/'
  sent_again 401 's/^header = "webhook-signature: v1,/header = "webhook-signature: v1a,/'
  sent_again 401 '/webhook-signature/d'
  sent_again 401 '/webhook-timestamp/d'
  sent_again 401 's/^header = "webhook-timestamp: .*/header = "webhook-timestamp: soon"/'
  sent_again 204 's/^header = "webhook-signature: /&v1,AAAA v1a,BBBB /'
  accepted=$((accepted + 1))
  echo "$TWO" >"$MNT/hooks/h/secret"
  told 401
  printf '%s\n' "$TWO" "$ONE" >"$MNT/hooks/h/secret" # while it is changed
  told 204
  accepted=$((accepted + 1))
  # Signed as it should be, but long ago by the receiver's clock, or not yet.
  clock -400
  told 401
  clock 400
  told 401
  clock 0
  told 204
  accepted=$((accepted + 1))
  [ "$(grep -c '"event"' "$HERE/printed")" -eq "$accepted" ] || fail "$(cat "$HERE/printed")"
}

@test 'in Python' {
  checks python
}

@test 'in sh, and the secret is in no command line' {
  # A key that gets to openssl as an argument would be seen there, by all users.
  mkdir "$HERE/bin"
  printf '#!/bin/sh\necho "$*" >>"%s"\nexec %s "$@"\n' "$HERE/arguments" "$(command -v openssl)" >"$HERE/bin/openssl"
  chmod 755 "$HERE/bin/openssl"
  PATH=$HERE/bin:$PATH checks sh
  [ -s "$HERE/arguments" ]
  hex=$(echo "${ONE#whsec_}" | openssl base64 -d | od -An -v -tx1 | tr -d ' \n')
  run ! grep -qiF -e "${ONE#whsec_}" -e "$hex" "$HERE/arguments"
}

@test 'in Node' {
  command -v node >/dev/null || skip 'no node'
  checks node
}

@test 'in Go' {
  command -v go >/dev/null || skip 'no go'
  checks go
}
