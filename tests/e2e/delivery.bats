#!/usr/bin/env bats
# What a receiver sees, and what becomes of a delivery by its answer. Over https, too.

load ../lib/common
load ../lib/flow

# hook PATH: one for completed deployments, at the sink.
hook() {
  make_hook "${2:-h}" "$SINK_URL$1" completed 'deployment/*'
}

# tls NAME [OPTION…]: the daemon once more, with these options, and a sink with that certificate.
tls() {
  local name=$1
  shift
  stop
  mkdir "$HERE/certs"
  "$BATS_TEST_DIRNAME/../lib/certs.sh" "$HERE/certs"
  start "$@"
  start_sink --tls "$HERE/certs/$name.pem" "$HERE/certs/$name.key"
}

# refused_by_tls [HOST]: nothing is sent, the delivery waits and says why.
refused_by_tls() {
  make_hook h "https://${1:-127.0.0.1}:${SINK_URL##*:}/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  [ "$(request_count)" = 0 ] || fail 'it was sent' || return
  [ "$(pending h)" = 1 ] || fail "pending $(pending h)" || return
  [[ $(last_error h) == 'TLS failed: '* ]] || fail "$(last_error h)"
}

log_lines() {
  [ "$(wc -l <"$MNT/log")" -ge "$1" ]
}

@test 'a delivery is a POST with the headers of a webhook' {
  start_sink
  hook '/path?query=1'
  local before=$EPOCHSECONDS
  echo 'deployment/m completed' >"$MNT/events"
  requests 1
  [ "$(request 1 .method)" = POST ]
  [ "$(request 1 .path)" = '/path?query=1' ]
  [ "$(request 1 '.headers["content-type"]')" = application/json ]
  [[ $(request 1 '.headers["user-agent"]') =~ ^webhookfs/[0-9] ]]
  [ "$(request 1 '.headers["host"]')" = "${SINK_URL#http://}" ]
  [[ $(request 1 '.headers["webhook-id"]') =~ ^[A-Za-z0-9_-]+$ ]]
  local at
  at=$(request 1 '.headers["webhook-timestamp"]')
  [ "$at" -ge $((before - 1)) ] # a turn reads the clock once, when it begins
  [ "$at" -le "$EPOCHSECONDS" ]
  [ "$(request 1 '.headers | has("expect") or has("transfer-encoding")')" = false ]
}

@test "the hook's headers are sent, and may replace Content-Type and User-Agent" {
  start_sink
  hook /
  echo 'a b' >"$MNT/hooks/h/headers/X-One"
  (umask 077 && echo 'Token 123' >"$MNT/hooks/h/headers/Authorization")
  echo text/x >"$MNT/hooks/h/headers/content-type"
  echo me >"$MNT/hooks/h/headers/User-Agent"
  echo 'deployment/m completed' >"$MNT/events"
  requests 1
  [ "$(request 1 '[.headers["x-one", "authorization", "content-type", "user-agent"]] | join("|")')" = \
    'a b|Token 123|text/x|me' ]
}

@test 'each delivery has a webhook-id of its own' {
  start_sink
  hook / a
  hook / b
  writes 'deployment/m completed\ndeployment/m completed\n'
  settled
  requests 4
  [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" = 4 ]
}

@test 'connections are kept: many requests need few' {
  start_sink
  hook /
  yes 'deployment/m completed' | head -n 200 >"$MNT/events"
  settled
  requests 200
  local connections
  connections=$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)
  [ "$connections" -le 64 ] || fail "$connections connections"
}

@test 'a change of the url or a header concerns what is still pending' {
  start_sink
  hook /old
  echo paused >"$MNT/hooks/h/enabled"
  echo 'deployment/m completed' >"$MNT/events"
  echo "$SINK_URL/new" >"$MNT/hooks/h/url"
  echo 1 >"$MNT/hooks/h/headers/X-New"
  echo 1 >"$MNT/hooks/h/enabled"
  requests 1
  [ "$(request 1 '.path + .headers["x-new"]')" = /new1 ]
}

# A receiver for each, since failures of one path slow down the others of its server; and one wait for
# them all, since the retry comes late enough to pause them before it.
@test 'whatever fails is tried again, with the same webhook-id, and succeeds' {
  local failures=('close' 'drip 200' 'garbage' 'hang' 'redirect http://127.0.0.1:1/' 'reset' 'status 404'
    'status 408' 'status 500')
  local i last=$((${#failures[@]} - 1))
  for i in $(seq 0 $last); do
    SINK_DIR=$HERE/sink-$i
    start_sink
    answer / times 1 "${failures[i]}"
    hook / "h$i"
    echo 4 >"$MNT/hooks/h$i/timeout"
    echo 15s >"$MNT/hooks/h$i/retry"
  done
  echo 'deployment/m completed request_id=r' >"$MNT/events"
  # Paused, they stay as the first attempt leaves them.
  for i in $(seq 0 $last); do
    SINK_DIR=$HERE/sink-$i eventually 10 has_requests 1
    echo paused >"$MNT/hooks/h$i/enabled"
  done
  for i in $(seq 0 $last); do
    eventually 10 has_last_error "h$i"
    [ "$(value "$MNT/hooks/h$i/status" failed)" = 0 ]
    [ "$(pending "h$i")" = 1 ]
    [ "$(value "$MNT/hooks/h$i/status" last_success)" = never ]
  done
  [ "$(last_error h1)" = 'the response did not end in time' ]
  [ "$(last_error h3)" = 'no response in time' ]
  [ "$(last_error h4)" = 'HTTP status 302' ]
  [ "$(last_error h8)" = 'HTTP status 500' ]
  for i in $(seq 0 $last); do
    echo 1 >"$MNT/hooks/h$i/enabled"
  done
  settled 40
  # The same id and body twice, and nothing else.
  for i in $(seq 0 $last); do
    SINK_DIR=$HERE/sink-$i requests 2
    [ "$(jq -r '.headers["webhook-id"] + .body' "$HERE/sink-$i/requests.jsonl" | uniq | wc -l)" = 1 ]
  done
  run jq -r '[.hook, .attempt, .outcome, .http_status] | join(" ")' "$MNT/log"
  [ "$(sort <<<"$output")" = "$(printf '%s 2 delivered 200\n' h{0..8} |
    sort - <(printf '%s 1 retry %s\n' h0 '' h1 200 h2 '' h3 '' h4 302 h5 '' h6 404 h7 408 h8 500))" ] ||
    fail "$output"
  [ "$(count delivered) $(count failed)" = '9 0' ]
  [ "$(value "$MNT/hooks/h8/status" delivered)" = 1 ]
  [ "$(value "$MNT/hooks/h8/status" last_success)" != never ]
}

@test 'an endless response does no harm' {
  start_sink
  answer /endless endless
  hook /endless
  hook /good good
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(count delivered)" = 2 ]
  [ "$(awk '/^VmHWM/ { print $2 }' "/proc/$DAEMON/status")" -lt 400000 ]
}

@test 'a status from 200 to 299 is a success' {
  start_sink
  answer / status 299
  hook /
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(jq -r .http_status "$MNT/log")" = 299 ]
}

@test 'the log has a line for each attempt' {
  start_sink
  hook /
  make_hook dead "$NOWHERE" completed 'deployment/*'
  echo 1h >"$MNT/hooks/dead/retry"
  echo 'deployment/m completed request_id="a \"b\""' >"$MNT/events"
  eventually 10 log_lines 2
  local keys='["attempt","error","event","hook","http_status","id","ms","outcome","request_id","time"]'
  [ "$(jq -c keys "$MNT/log" | uniq)" = "$keys" ]
  [ "$(jq -c 'select(.hook == "h") | [.event, .request_id, .attempt, .outcome, .http_status, .error]' "$MNT/log")" = \
    '["deployment_request_completed","a \"b\"",1,"delivered",200,null]' ]
  [ "$(jq -c 'select(.hook == "dead") | [.attempt, .outcome, .http_status, .error]' "$MNT/log")" = \
    '[1,"retry",null,"connecting failed: Connection refused"]' ]
  [ "$(jq -r 'select(.hook == "h") | .id' "$MNT/log")" = "$(request 1 '.headers["webhook-id"]')" ]
  [ "$(jq -r '.time | fromdateiso8601? // (sub("\\.[0-9]+"; "") | fromdateiso8601) | . > 1700000000' "$MNT/log" | uniq)" = true ]
  [ "$(jq '.ms | type' "$MNT/log" | uniq)" = '"number"' ]
}

@test 'the log only grows, also over a restart' {
  start_sink
  hook /
  echo 'deployment/m completed request_id=1' >"$MNT/events"
  settled
  eventually 10 log_lines 1
  cp "$MNT/log" "$HERE/before"
  stop
  start
  echo 'deployment/m completed request_id=2' >"$MNT/events"
  eventually 10 log_lines 2
  head -n 1 "$MNT/log" | cmp - "$HERE/before"
}

@test 'counters outlive a restart' {
  start_sink
  hook /
  make_hook dead "$NOWHERE" completed deployment/dead
  echo 1h >"$MNT/hooks/dead/retry"
  writes 'deployment/m completed\ndeployment/m completed\ndeployment/dead completed\n'
  eventually 10 has_last_error dead
  has_delivered() { [ "$(value "$MNT/hooks/h/status" delivered)" = "$1" ]; }
  eventually 10 has_delivered 3
  local before
  before=$(sed '/^inflight/d' "$MNT/hooks/h/status" "$MNT/hooks/dead/status")
  stop
  start
  [ "$(sed '/^inflight/d' "$MNT/hooks/h/status" "$MNT/hooks/dead/status")" = "$before" ]
  [ "$(count delivered)" = 3 ]
  [ "$(count pending)" = 1 ]
}

@test 'a slow receiver does not delay a healthy one' {
  stop
  start -o grace=0
  start_sink
  answer / hang
  hook / slow
  local slow=$SINK_DIR
  SINK_DIR=$HERE/healthy
  start_sink
  hook / healthy
  yes 'deployment/m completed' | head -n 100 >"$MNT/events"
  requests 100
  [ "$(pending slow)" = 100 ]
  [ "$(wc -l <"$slow/requests.jsonl")" -lt 100 ]
}

@test 'another path of a slow server does not delay more than its own' {
  stop
  start -o grace=0
  start_sink
  answer /slow hang
  hook /slow slow
  make_hook healthy "$SINK_URL/healthy" completed deployment/m
  make_hook dead "$NOWHERE" completed deployment/m
  echo 'deployment/m completed' >"$MNT/events"
  has_delivered() { [ "$(value "$MNT/hooks/healthy/status" delivered)" = 1 ]; }
  eventually 10 has_delivered
}

@test 'max_inflight= bounds the requests at once' {
  stop
  start -o max_inflight=1
  start_sink
  answer / delay 20 status 200
  hook /
  yes 'deployment/m completed' | head -n 20 >"$MNT/events"
  settled
  [ "$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" = 1 ]
}

@test 'a proxy in the environment is not used' {
  stop
  http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1 \
    HTTP_PROXY=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1 start
  start_sink
  hook /
  echo 'deployment/m completed' >"$MNT/events"
  settled
  requests 1
}

@test 'https is delivered where cacert= names who signed' {
  tls server -o "cacert=$HERE/certs/ca.pem"
  hook /secure
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(request 1 .path)" = /secure ]
}

@test 'https by a name that the certificate has is delivered' {
  tls server -o "cacert=$HERE/certs/ca.pem"
  make_hook h "https://localhost:${SINK_URL##*:}/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  settled
  requests 1
}

@test 'https to one whom nobody known has signed is not sent' {
  tls server
  refused_by_tls
}

@test 'https with an expired certificate is not sent' {
  tls expired -o "cacert=$HERE/certs/ca.pem"
  refused_by_tls
  [[ $(last_error h) == *expired* ]]
}

@test 'https with the certificate of another host is not sent' {
  tls wrong -o "cacert=$HERE/certs/ca.pem"
  refused_by_tls localhost
}

@test 'https to a server that speaks http only waits, and says why' {
  start_sink
  refused_by_tls
}
