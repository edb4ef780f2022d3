#!/usr/bin/env bats
# max_inflight, rate and ordered of a hook, paused and gone, as the receiver sees them and as status
# tells.

load ../lib/common
load ../lib/flow

bats_require_minimum_version 1.5.0

# hook NAME [PATH]: one for all deployments, at the sink.
hook() {
  make_hook "$1" "$SINK_URL${2:-/$1}" completed 'deployment/*'
}

# events FROM TO: each with its number as the request_id, in one write.
events() {
  seq -f 'deployment/m completed request_id=%.0f' "$1" "$2" >"$MNT/events"
}

# order PATH: the numbers of the events in the order in which they came.
order() {
  jq -r --arg path "$1" 'select(.path == $path) | .body | fromjson | .request_id' \
    "$SINK_DIR/requests.jsonl" | paste -sd ' '
}

# most_at_once: requests that were at the sink unanswered.
most_at_once() {
  jq -s 'map(.at_once) | max' "$SINK_DIR/requests.jsonl"
}

delivered() {
  [ "$(value "$MNT/hooks/$1/status" delivered)" -eq "$2" ]
}

# has_delivered HOOK COUNT: or more.
has_delivered() {
  [ "$(value "$MNT/hooks/$1/status" delivered)" -ge "$2" ]
}

# hung HOOK COUNT: so many of its requests, or more, are at the sink and get no answer, and no others.
hung() {
  local hang
  hang=$(grep -c '"answer":"hang"' "$SINK_DIR/requests.jsonl")
  [ "$hang" -ge "$2" ] && says "$1" inflight "$hang"
}

# says HOOK KEY PATTERN: in its status.
says() {
  # shellcheck disable=SC2053 # it is a pattern
  [[ $(value "$MNT/hooks/$1/status" "$2") == $3 ]]
}

oldest_pending() {
  find "$MNT/hooks/$1/pending" -type f -printf '%f\n' | sort | head -n 1
}

@test 'max_inflight is what a receiver sees at once, and not less' {
  start_sink
  answer / delay 30 status 200
  hook h
  echo 3 >"$MNT/hooks/h/max_inflight"
  events 1 60
  settled 30
  requests 60
  [ "$(most_at_once)" -eq 3 ]
}

@test 'without max_inflight the window of a healthy receiver grows beyond it' {
  start_sink
  answer / delay 30 status 200
  hook h
  events 1 60
  settled 30
  [ "$(most_at_once)" -gt 3 ]
}

@test 'max_inflight of one hook does not hold up another at the same receiver' {
  start_sink
  answer /slow hang
  hook slow
  echo 30s >"$MNT/hooks/slow/timeout"
  echo 1 >"$MNT/hooks/slow/max_inflight"
  hook fast
  events 1 40
  eventually 10 delivered fast 40
  [ "$(order /slow)" = 1 ]
}

# The same receiver under another name is another destination.
@test 'a receiver that hangs with thousands waiting does not hold up another one' {
  stop
  start -o max_inflight=16
  start_sink
  answer /hanging delay 50 status 200
  make_hook hanging "${SINK_URL/127.0.0.1/localhost}/hanging" completed 'deployment/*'
  echo 30s >"$MNT/hooks/hanging/timeout"
  # While it answers it may be sent more and more at once.
  events 1 3000
  eventually 20 has_delivered hanging 200
  echo '/hanging hang' >"$SINK_DIR/script"
  eventually 20 hung hanging 8
  hook healthy
  events 3001 3100
  eventually 20 delivered healthy 100
  # All that while the other one hung: of what it was sent nothing has failed.
  [ "$(value "$MNT/hooks/hanging/status" inflight)" -eq 8 ]
  [ "$(pending hanging)" -gt 1000 ]
  ! grep '"hook":"hanging"' "$MNT/log" | grep -qv '"outcome":"delivered"'
}

@test 'a rate lets as many start as it says, and the rest stays pending' {
  start_sink
  hook limited
  echo 1/h >"$MNT/hooks/limited/rate"
  hook free
  events 1 50
  eventually 10 delivered free 50
  eventually 10 delivered limited 1
  [ "$(order /limited)" = 1 ]
  [ "$(pending limited)" -eq 49 ]
  # One more hour's worth, not all of them: a rate that is written again starts anew.
  echo 1000/s >"$MNT/hooks/limited/rate"
  eventually 10 delivered limited 50
}

@test 'an ordered hook keeps the order of acceptance over failures' {
  start_sink
  answer /h times 2 status 500
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  echo '1s 1s 1s' >"$MNT/hooks/h/retry"
  events 1 30
  settled 20
  [ "$(order /h)" = "1 1 $(seq -s ' ' 1 30)" ]
  [ "$(most_at_once)" -eq 1 ]
}

@test 'an ordered hook says which delivery blocks it and until when' {
  start_sink
  answer /h times 1 status 500
  hook h
  says h blocked_by none
  says h blocked_until none
  echo 1 >"$MNT/hooks/h/ordered"
  echo 1h >"$MNT/hooks/h/retry"
  events 1 3
  requests 1
  eventually 10 says h blocked_by '*.json'
  says h blocked_by "$(oldest_pending h)"
  says h blocked_until '20*Z'
  [ "$(value "$MNT/hooks/h/status" blocked_until)" = \
    "$(jq -r .next_attempt "$MNT/hooks/h/pending/$(oldest_pending h)")" ]
  [ "$(pending h)" -eq 3 ]
}

@test 'when the head of an ordered hook is removed, the next one goes' {
  start_sink
  answer /h times 1 status 500
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  echo 1h >"$MNT/hooks/h/retry"
  events 1 4
  eventually 10 says h blocked_by '*.json'
  rm "$MNT/hooks/h/pending/$(value "$MNT/hooks/h/status" blocked_by)"
  settled
  [ "$(order /h)" = '1 2 3 4' ]
  says h blocked_by none
  [ "$(count delivered)" -eq 3 ]
}

@test 'when the head of an ordered hook has failed for good, the next one goes' {
  start_sink
  answer /h times 2 status 500
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  echo 1s >"$MNT/hooks/h/retry"
  events 1 4
  settled
  [ "$(order /h)" = '1 1 2 3 4' ]
  [ "$(count failed)" -eq 1 ]
}

@test 'an ordered hook keeps its order over kill -9' {
  start_sink
  answer /h times 1 status 500
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  echo 4s >"$MNT/hooks/h/retry"
  events 1 20
  eventually 10 says h blocked_by '*.json'
  crash
  start
  settled 20
  [ "$(order /h)" = "1 $(seq -s ' ' 1 20)" ]
}

@test 'a paused hook collects, over a restart too, and sends in order' {
  start_sink
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  echo paused >"$MNT/hooks/h/enabled"
  says h state paused
  events 1 20
  stop
  start
  events 21 40
  [ "$(pending h)" -eq 40 ]
  [ "$(request_count)" -eq 0 ]
  echo 1 >"$MNT/hooks/h/enabled"
  settled
  [ "$(order /h)" = "$(seq -s ' ' 1 40)" ]
}

@test 'a hook that is off does not collect' {
  start_sink
  hook h
  echo 0 >"$MNT/hooks/h/enabled"
  events 1 5
  [ "$(pending h)" -eq 0 ]
  echo 1 >"$MNT/hooks/h/enabled"
  events 6 6
  settled
  [ "$(order /h)" = 6 ]
}

@test 'Retry-After pauses the destination for all hooks at it, and status says so' {
  start_sink
  answer /h times 1 status 503 header:Retry-After=3600
  hook h
  hook other
  says h destination ready
  says h destination_until none
  events 1 1
  eventually 10 says h destination paused
  says other destination paused
  says h destination_until '20*Z'
  grep -q '^paused .* until=20' "$MNT/destinations"
  local before
  before=$(request_count)
  events 2 10
  [ "$(request_count)" -eq "$before" ]
  # A test is sent all the same: it is how one finds out.
  echo >"$MNT/hooks/other/test"
  [ "$(request_count)" -eq $((before + 1)) ]
}

# destination PATTERN: the receiver's line
destination() {
  local line
  line=$(grep -F "$SINK_URL" "$MNT/destinations") || return
  # shellcheck disable=SC2053 # a pattern
  [[ $line == $1 ]]
}

@test 'destinations says what is pending for each, of all its hooks, and how old that is' {
  start_sink
  answer / status 500
  hook h
  hook other
  echo paused >"$MNT/hooks/other/enabled"
  events 1 3
  eventually 10 destination 'ready * pending=6 oldest=[1-9]* until=- *'
  rm -r "$MNT/hooks/other"
  destination '* pending=3 oldest=[1-9]* *'
  rm "$MNT"/hooks/h/pending/*
  run ! destination '* pending=[1-9]*'
}

@test 'a dead destination is parked, spends no more attempts, and comes back by itself' {
  start_sink
  hook h
  local port=${SINK_URL##*:}
  stop_sinks
  events 1 100
  eventually 10 says h destination parked
  says h destination_until '20*Z'
  [ "$(wc -l <"$MNT/log")" -le 5 ]
  start_sink --port "$port"
  eventually 60 delivered h 100
  says h destination ready
  [ "$(request 1 .at_once)" = 1 ]
}

@test '410 switches the hook off, keeps what waits, and 1 revives it' {
  start_sink
  answer /h times 1 status 410
  hook h
  echo 1 >"$MNT/hooks/h/ordered"
  events 1 5
  eventually 10 says h state gone
  [ "$(cat "$MNT/hooks/h/enabled")" = gone ]
  says h last_error 'HTTP status 410'
  says h last_failure '20*Z'
  events 6 7
  [ "$(pending h)" -eq 5 ]
  echo 1 >"$MNT/hooks/h/enabled"
  settled
  [ "$(order /h)" = '1 1 2 3 4 5' ]
}
