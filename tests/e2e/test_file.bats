#!/usr/bin/env bats
# hooks/NAME/test: a write sends a dummy event now, and fails as it fails.

load ../lib/common
load ../lib/flow

# hook URL [TIMEOUT]: it has a url and nothing else.
hook() {
  mkdir "$MNT/hooks/h"
  echo "$1" >"$MNT/hooks/h/url"
  echo "${2:-10}" >"$MNT/hooks/h/timeout"
}

# fails_as WORDS: the test does, and the shell says so.
fails_as() {
  run bash -c 'echo > "$0"' "$MNT/hooks/h/test"
  [ "$status" -ne 0 ] || fail 'it succeeded' || return
  [[ $output == *"$1"* ]] || fail "$output"
}

shows() {
  [ "$(value "$MNT/hooks/h/test" "$1")" = "$2" ] || fail "not $1 $2:" "$(cat "$MNT/hooks/h/test")"
}

ended_test() {
  [ "$(value "$MNT/hooks/h/test" outcome)" != running ]
}

@test 'a test that arrives succeeds' {
  start_sink
  hook "$SINK_URL/x"
  echo >"$MNT/hooks/h/test"
  requests 1
  [ "$(request 1 .method)" = POST ]
  [ "$(request 1 .path)" = /x ]
}

@test 'it has come when the write returns' {
  start_sink
  answer / delay 200 status 200
  hook "$SINK_URL/"
  echo >"$MNT/hooks/h/test"
  [ "$(request_count)" = 1 ]
  shows outcome delivered
}

@test 'a hook without a url says what to do' {
  mkdir "$MNT/hooks/h"
  fails_as 'Destination address required'
  has_error 'hooks/h/url first'
}

@test 'nobody who listens: connection refused' {
  hook "$NOWHERE"
  fails_as 'Connection refused'
  shows outcome refused
  shows error 'connecting failed: Connection refused'
}

@test 'no answer in time: timed out' {
  start_sink
  answer / hang
  hook "$SINK_URL/" 4
  fails_as 'Connection timed out'
  shows outcome timeout
}

@test 'an answer that does not end in time: timed out' {
  start_sink
  answer / drip 200
  hook "$SINK_URL/" 4
  fails_as 'Connection timed out'
  shows outcome body_timeout
}

@test 'a name that there is not: no route to host' {
  hook http://nobody.invalid/
  fails_as 'No route to host'
  shows outcome dns
}

@test 'a certificate that nobody known has signed: protocol error' {
  mkdir "$HERE/certs"
  "$BATS_TEST_DIRNAME/../lib/certs.sh" "$HERE/certs"
  start_sink --tls "$HERE/certs/server.pem" "$HERE/certs/server.key"
  hook "$SINK_URL/"
  fails_as 'Protocol error'
  shows outcome tls
  [ "$(request_count)" = 0 ]
}

@test 'any other status: remote I/O error' {
  start_sink
  answer /404 status 404
  answer /500 status 500
  answer /302 redirect "$SINK_URL/elsewhere"
  hook "$SINK_URL/404"
  for n in 404 500 302; do
    echo "$SINK_URL/$n" >"$MNT/hooks/h/url"
    fails_as 'Remote I/O error'
    shows http_status $n
  done
  requests 3
}

@test 'a connection that breaks: connection reset' {
  start_sink
  answer /close close
  answer /garbage garbage
  hook "$SINK_URL/close"
  fails_as 'Connection reset by peer'
  shows outcome broken
}

@test 'every 2xx is a success' {
  start_sink
  answer / status 204
  hook "$SINK_URL/"
  echo >"$MNT/hooks/h/test"
  shows http_status 204
}

@test 'the outcome can be read, with all its parts' {
  start_sink
  answer / body 'hello "you"'
  hook "$SINK_URL/"
  [ -z "$(cat "$MNT/hooks/h/test")" ]
  echo failed >"$MNT/hooks/h/test"
  [ "$(cut -d ' ' -f 1 "$MNT/hooks/h/test" | xargs)" = \
    'time event outcome http_status http_version connection dns_ms connect_ms tls_ms first_byte_ms total_ms error headers response' ]
  [[ $(value "$MNT/hooks/h/test" time) =~ ^20[0-9]{2}-[0-9-]+T[0-9:.]+Z$ ]]
  shows event deployment_request_failed
  shows http_status 200
  shows error none
  shows response '"hello \"you\""'
  [[ $(value "$MNT/hooks/h/test" total_ms) =~ ^[0-9]+\.[0-9]{3}$ ]]
}

@test 'only the start of a long response is shown' {
  start_sink
  answer / endless
  hook "$SINK_URL/"
  echo >"$MNT/hooks/h/test"
  [ "$(stat -c %s "$MNT/hooks/h/test")" -lt 2000 ]
  [[ $(value "$MNT/hooks/h/test" response) == '"xxx'* ]]
}

@test 'the text may be an event, short or in full, without a newline or through tee' {
  start_sink
  hook "$SINK_URL/"
  echo failed >"$MNT/hooks/h/test"
  printf pipeline_request_started >"$MNT/hooks/h/test"
  echo request_finished | tee "$MNT/hooks/h/test" >/dev/null
  [ "$(jq -r '.body | fromjson | .event' "$SINK_DIR/requests.jsonl" | xargs)" = \
    'deployment_request_failed pipeline_request_started deployment_request_finished' ]
}

@test 'the text may be a whole event line' {
  start_sink
  hook "$SINK_URL/"
  echo 'pipeline/p/v1 failed request_id=7 error_message=x' >"$MNT/hooks/h/test"
  echo '{"object":"deployment/m","status":"completed","request_id":"8"}' >"$MNT/hooks/h/test"
  [ "$(jq -r '.body | fromjson | [.event, .pipeline_name, .deployment_name, .request_id, .error_message] | join(" ")' \
    "$SINK_DIR/requests.jsonl")" = "pipeline_request_failed p  7 x
deployment_request_completed  m 8 " ]
}

@test 'without a text it is an event that the hook waits for, of its object' {
  start_sink
  make_hook h "$SINK_URL/" failed pipeline/p/v2
  echo >"$MNT/hooks/h/test"
  [ "$(request 1 '.body | fromjson | [.event, .pipeline_name, .pipeline_version_name] | join(" ")')" = \
    'pipeline_request_failed p v2' ]
}

@test 'a text that is no event is refused, and nothing is sent' {
  start_sink
  hook "$SINK_URL/"
  run bash -c 'echo nonsense > "$0"' "$MNT/hooks/h/test"
  [ "$status" -ne 0 ]
  [[ $output == *'Invalid argument'* ]]
  run bash -c 'echo "deployment/m pending" > "$0"' "$MNT/hooks/h/test"
  [ "$status" -ne 0 ]
  [ "$(request_count)" = 0 ]
  has_error nonsense
}

@test "the hook's headers and include_result go into a test" {
  start_sink
  hook "$SINK_URL/"
  (umask 077 && echo 'Token 1' >"$MNT/hooks/h/headers/Authorization")
  echo 1 >"$MNT/hooks/h/include_result"
  echo >"$MNT/hooks/h/test"
  [ "$(request 1 .headers.authorization)" = 'Token 1' ]
  [ "$(request 1 '.body | fromjson | has("result")')" = true ]
}

@test 'a hook that is off or paused can be tested' {
  start_sink
  make_hook h "$SINK_URL/" failed 'pipeline/*'
  for state in 0 paused; do
    echo $state >"$MNT/hooks/h/enabled"
    echo >"$MNT/hooks/h/test"
  done
  requests 2
}

@test 'a test is neither stored nor counted' {
  start_sink
  answer /bad status 500
  make_hook h "$SINK_URL/good" failed 'pipeline/*'
  cp "$MNT/status" "$HERE/before"
  cp "$MNT/hooks/h/status" "$HERE/hook_before"
  echo >"$MNT/hooks/h/test"
  echo "$SINK_URL/bad" >"$MNT/hooks/h/url"
  fails_as 'Remote I/O error'
  diff "$HERE/hook_before" "$MNT/hooks/h/status"
  diff <(grep -v ^refused "$HERE/before") <(grep -v ^refused "$MNT/status")
  [ ! -s "$MNT/log" ]
  stop
  start
  [ "$(count pending)" = 0 ]
  requests 2
}

@test 'each test has a webhook-id of its own' {
  start_sink
  hook "$SINK_URL/"
  echo >"$MNT/hooks/h/test"
  echo >"$MNT/hooks/h/test"
  [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" = 2 ]
}

@test 'opened with O_NONBLOCK the write does not wait' {
  start_sink
  answer / hang
  hook "$SINK_URL/" 30
  timeout 20 python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
assert os.write(fd, b"failed\n") == 7
os.close(fd)' "$MNT/hooks/h/test"
  [ "$(value "$MNT/hooks/h/test" outcome)" = running ]
  requests 1
}

@test 'the outcome of a test that nobody waits for can be read later' {
  start_sink
  answer / status 500
  hook "$SINK_URL/"
  python3 -c '
import os, sys
os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK), b"failed\n")' "$MNT/hooks/h/test"
  eventually 10 ended_test
  shows http_status 500
}

@test 'a signal interrupts a test, and the test ends with it' {
  start_sink
  answer / hang
  hook "$SINK_URL/" 30
  # What is started in the background ignores SIGINT, as long as it does not say otherwise.
  python3 -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.write(os.open(sys.argv[1], os.O_WRONLY), b"failed\n")' "$MNT/hooks/h/test" 3>&- 2>"$HERE/said" &
  local tester=$!
  requests 1
  kill -INT "$tester"
  ! wait "$tester" || fail 'it was not interrupted'
  grep -q KeyboardInterrupt "$HERE/said"
  eventually 10 ended_test
  shows outcome aborted
}

@test 'a test that hangs holds up nothing else' {
  start_sink
  answer /hang hang
  hook "$SINK_URL/hang" 30
  make_hook good "$SINK_URL/good" completed deployment/m
  bash -c 'echo > "$0"' "$MNT/hooks/h/test" 3>&- &
  local tester=$!
  requests 1
  echo 'deployment/m completed' >"$MNT/events"
  settled
  echo >"$MNT/hooks/good/test"
  kill -INT "$tester" || :
  kill "$tester" || :
  wait "$tester" || :
}

@test 'a hook that is tested can be removed, and its tester is told how it went' {
  start_sink
  answer / delay 500 status 500
  hook "$SINK_URL/"
  bash -c 'echo > "$0"' "$MNT/hooks/h/test" 3>&- 2>"$HERE/said" &
  local tester=$! status=0
  requests 1
  rm -r "$MNT/hooks/h"
  wait "$tester" || status=$?
  [ "$status" -ne 0 ]
  grep -q 'Remote I/O error' "$HERE/said"
}

@test 'stopping interrupts a test' {
  stop
  start -o grace=0
  start_sink
  answer / hang
  hook "$SINK_URL/" 30
  bash -c 'echo > "$0"' "$MNT/hooks/h/test" 3>&- 2>"$HERE/said" &
  local tester=$! status=0
  requests 1
  terminate
  wait "$tester" || status=$?
  [ "$status" -ne 0 ]
}
