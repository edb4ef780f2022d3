#!/usr/bin/env bats
# deny=, allow= and proxy=: which addresses are called, however they are written.
load ../lib/common
load ../lib/flow

setup() { prepare; }

# denied HOOK: its test fails with EACCES, and `test` says why.
denied() {
  run bash -c 'echo >"$1"' - "$MNT/hooks/$1/test"
  [ "$status" -ne 0 ] || fail "$1 was called" || return
  [[ $output == *'Permission denied'* ]] || fail "$1: $output" || return
  grep -q 'which is not called (allow= opens exceptions)' "$MNT/hooks/$1/test" ||
    fail "$(cat "$MNT/hooks/$1/test")"
}

# hook_to NAME URL: which takes the events of deployment/NAME.
hook_to() {
  make_hook "$1" "$2" completed "deployment/$1"
}

@test 'loopback is called unless it is denied, link-local and metadata addresses are not' {
  start_sink
  start
  hook_to here "$SINK_URL/here"
  hook_to local http://169.254.169.254/latest/meta-data/
  hook_to local6 'http://[fe80::1]/'
  hook_to mapped 'http://[::ffff:169.254.169.254]/'
  hook_to number http://2852039166/
  hook_to cloud 'http://[fd00:ec2::254]/'
  echo >"$MNT/hooks/here/test"
  requests 1
  for hook in local local6 mapped number cloud; do
    denied "$hook"
  done
}

@test 'an event for a denied address is an attempt that failed, and is kept' {
  start
  hook_to h http://169.254.169.254/
  echo 'deployment/h/v1 completed' >"$MNT/events"
  eventually 10 has_last_error h
  [[ $(last_error h) == *'169.254.169.254 is a link-local address'* ]] || fail "$(last_error h)"
  [ "$(pending h)" -eq 1 ]
  jq -e '.http_status == null and (.error | contains("link-local"))' "$MNT/log"
}

@test 'deny=private refuses loopback, by number and by name' {
  start_sink
  start -o deny=private
  hook_to number "$SINK_URL/"
  hook_to name "http://localhost:${SINK_URL##*:}/"
  hook_to zero "http://0.0.0.0:${SINK_URL##*:}/"
  hook_to ten http://10.1.2.3/
  for hook in number name zero ten; do
    denied "$hook"
  done
  requests 0
}

@test 'allow= opens exceptions' {
  start_sink
  start -o deny=private,allow=127.0.0.1+10.0.0.0/30
  hook_to number "$SINK_URL/"
  hook_to two http://127.0.0.2:1/
  echo >"$MNT/hooks/number/test"
  requests 1
  denied two
}

@test 'ranges are separated by + or by commas behind a backslash' {
  start -o 'deny=127.0.0.2+127.0.0.4/31,allow=127.0.0.5\,127.0.0.9'
  hook_to two http://127.0.0.2:1/
  hook_to four http://127.0.0.4:1/
  hook_to five http://127.0.0.5:1/
  denied two
  denied four
  run bash -c 'echo >"$1"' - "$MNT/hooks/five/test"
  [[ $output == *'Connection refused'* ]] || fail "$output"
}

@test 'everything goes through proxy=, which the environment cannot change' {
  start_sink
  http_proxy=http://127.0.0.1:1/ no_proxy='*' start -o "proxy=$SINK_URL"
  hook_to h http://nowhere.invalid/path
  echo >"$MNT/hooks/h/test"
  requests 1
  [ "$(request 1 .headers.host)" = nowhere.invalid ]
}

@test 'the proxy is judged as well' {
  start_sink
  start -o "proxy=$SINK_URL,deny=loopback"
  hook_to h http://nowhere.invalid/path
  denied h
  requests 0
}

@test 'lists and proxies that are none are refused with a sentence' {
  for option in deny=everything deny=10.0.0.1/8 deny=10.0.0.0/33 allow=example.com proxy=proxy:3128 \
    proxy=http://me:s3cret@proxy:3128 proxy=http://proxy; do
    run timeout 20 "$WEBHOOKFS" "$STATE" "$MNT" -o "$option" 3>&-
    [ "$status" -eq 2 ] || fail "$option: status $status: $output"
    [ "${#lines[@]}" -eq 1 ] || fail "$option: $output"
    [[ $output != *s3cret* ]] || fail "$output"
  done
  [ ! -e "$STATE" ]
}
