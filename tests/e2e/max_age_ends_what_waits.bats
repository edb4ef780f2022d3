#!/usr/bin/env bats
# What waits for longer than max_age has failed, tried or not, whatever it waits for; only a hook that is
# held keeps it.

load ../lib/common
load ../lib/flow
load ../lib/clock

HOUR=3600

setup() {
  prepare
  slept 0
  start_with_clock
}

# slept SECONDS: so long has the machine slept by now.
slept() {
  clock "$1" "$1"
}

# hook NAME URL: for all deployments; what it gets is tried for an hour.
hook() {
  make_hook "$1" "$2" completed 'deployment/*'
  echo 1h >"$MNT/hooks/$1/max_age"
}

events() {
  seq -f 'deployment/m completed request_id=%.0f' "$1" "$2" >"$MNT/events"
}

# counts HOOK PENDING FAILED
counts() {
  [ "$(pending "$1") $(value "$MNT/hooks/$1/status" failed)" = "$2 $3" ]
}

# errors_of HOOK: of those that failed, each once with its number.
errors_of() {
  jq -r '"\(.error), \(.attempts | length > 0)"' "$MNT/hooks/$1/failed/"* | sort | uniq -c | xargs -L 1
}

# expired HOOK: the numbers of the events that the log says so of.
expired() {
  jq -r --arg hook "$1" 'select(.hook == $hook and .outcome == "expired") | .request_id' "$MNT/log" |
    sort -n | paste -sd ' '
}

# failed_at HOOK: likewise, by an attempt that was its last.
failed_at() {
  jq -r --arg hook "$1" 'select(.hook == $hook and .outcome == "failed") | .request_id' "$MNT/log" |
    sort -n | paste -sd ' '
}

# delivered HOOK: likewise.
delivered() {
  jq -r --arg hook "$1" 'select(.hook == $hook and .outcome == "delivered") | .request_id' "$MNT/log" |
    sort -n | paste -sd ' '
}

@test 'what waits for a dead receiver fails when it is too old, and younger ones wait on' {
  hook dead "$NOWHERE"
  make_hook ageless "$NOWHERE" completed 'deployment/*'
  # More than are looked at in a turn.
  events 1 600
  eventually 10 has_last_error dead
  slept $((HOUR / 2))
  events 601 610
  slept $((HOUR + 60))
  # Whatever wakes the daemon; a timer of the kernel's would, but it has not slept.
  events 611 611
  eventually 20 counts dead 11 600
  # One or two may have been on their way, or in a probe, and failed by that attempt.
  [ "$(wc -w <<<"$(failed_at dead)")" -lt 5 ]
  [ "$(printf '%s\n' $(expired dead) $(failed_at dead) | sort -n | paste -sd ' ')" = "$(seq -s ' ' 600)" ]
  [ "$(errors_of dead | grep -c -e ', false$')" -eq 1 ]
  errors_of dead | grep -q '^[0-9]* not tried within max_age, false$'
  errors_of dead | grep -q '^[0-9]* not delivered within max_age, true$'
  [ "$(errors_of dead | grep -vc -e ' connecting failed: .*, true$')" -eq 2 ]
  [ "$(count failed)" -eq 600 ]
  has_last_error dead
  counts ageless 611 0
  [ -z "$(expired ageless)" ]
  # An attempt that was not made is in no record.
  [ "$(jq -s 'map(select(.outcome == "expired" and .attempt == 0)) | length > 500' "$MNT/log")" = true ]
}

@test 'it is too old after a restart, too' {
  hook dead "$NOWHERE"
  events 1 300
  eventually 10 has_last_error dead
  stop
  slept $((HOUR + 60))
  start_with_clock
  eventually 20 counts dead 0 300
  # While the long queue is looked through, a few get an attempt.
  [ "$(expired dead | wc -w)" -gt 200 ]
}

# The clock was ahead before a boot: by half an hour, and by a day.
@test 'what waits since a time that has not come yet has waited since the start' {
  local minutes
  for minutes in 30 1440; do
    hook dead "$NOWHERE"
    events 1 10
    eventually 10 has_last_error dead
    stop
    sqlite3 "$STATE/queue.db" "UPDATE delivery SET due_ms = due_ms + $minutes * 60000 WHERE state = 0;
      UPDATE counter SET value = 1 WHERE name = 'due_boot'"
    [ "$(sqlite3 "$STATE/queue.db" 'SELECT count(*) > 0 FROM delivery WHERE state = 0')" = 1 ] ||
      fail 'all were tried'
    start_with_clock
    slept $((HOUR - 60))
    sleep 1.5
    # One that was tried may fail in a probe, since its next one would come too late.
    [ -z "$(expired dead)" ]
    [ "$(pending dead)" -ge 9 ]
    slept $((HOUR + 60))
    eventually 10 counts dead 0 10
    errors_of dead | grep -q '^[0-9]* not tried within max_age, false$'
    stop
    rm -r "$STATE"
    slept 0
    start_with_clock
  done
}

@test 'what a rate or an order holds back is not kept for longer' {
  start_sink
  answer /ordered hang
  hook rated "$SINK_URL/rated"
  hook ordered "$SINK_URL/ordered"
  echo 1/h >"$MNT/hooks/rated/rate"
  echo 1 >"$MNT/hooks/ordered/ordered"
  echo 30s >"$MNT/hooks/ordered/timeout"
  events 1 20
  eventually 10 counts rated 19 0
  requests 2
  slept $((HOUR + 60))
  echo 'deployment/none failed' >"$MNT/events"
  # What is under way is not touched: its attempt has an end of its own.
  eventually 20 counts ordered 1 19
  eventually 20 has_failed rated 18
  [ "$(expired ordered)" = "$(seq -s ' ' 2 20)" ]
}

has_failed() {
  [ "$(value "$MNT/hooks/$1/status" failed)" -ge "$2" ]
}

@test 'a paused hook loses nothing, and is judged when it goes on' {
  hook h "$NOWHERE"
  echo paused >"$MNT/hooks/h/enabled"
  events 1 5
  slept $((HOUR + 60))
  events 6 7
  counts h 7 0
  stop
  start_with_clock
  counts h 7 0
  echo 1 >"$MNT/hooks/h/enabled"
  eventually 20 counts h 2 5
  [ "$(expired h)" = '1 2 3 4 5' ]
}

@test 'a paused hook whose max_age is taken away sends all that it kept' {
  start_sink
  hook h "$SINK_URL/"
  echo paused >"$MNT/hooks/h/enabled"
  events 1 5
  slept $((HOUR + 60))
  rm "$MNT/hooks/h/max_age"
  echo 1 >"$MNT/hooks/h/enabled"
  settled
  requests 5
}

@test 'what is sent again has all of its time anew, and max_age that becomes shorter counts at once' {
  local name
  hook h "$NOWHERE"
  events 1 5
  eventually 10 has_last_error h
  slept $((HOUR + 60))
  events 6 6
  eventually 20 counts h 1 5
  # Not one that was tried: its age is that of its event.
  name=$(basename "$(grep -l 'not tried' "$MNT/hooks/h/failed/"* | head -n 1)")
  mv "$MNT/hooks/h/failed/$name" "$MNT/hooks/h/pending/"
  slept $((HOUR + HOUR / 2))
  events 7 7
  # A probe may have taken it, for which it is as old as its event.
  [ -e "$MNT/hooks/h/pending/$name" ] || [ "$(jq '.attempts | length' "$MNT/hooks/h/failed/$name")" -gt 0 ]
  echo 20m >"$MNT/hooks/h/max_age"
  eventually 20 counts h 1 7
  [ -e "$MNT/hooks/h/failed/$name" ]
}

@test 'one that cannot be read is passed over, and the others fail in time' {
  hook dead "$NOWHERE"
  events 1 3
  eventually 10 has_last_error dead
  stop
  sqlite3 "$STATE/queue.db" 'UPDATE event SET refs = -3 WHERE id = (SELECT min(id) FROM event)'
  slept $((HOUR + 60))
  start_with_clock
  eventually 20 counts dead 1 2
  [ "$(grep -c 'cannot be read from queue.db, and is left' "$LOG")" -eq 1 ]
  echo 'deployment/m completed' >"$MNT/events"
}

@test 'what has just failed is not sent any more' {
  start_sink
  hook rated "$SINK_URL/"
  echo 1/s >"$MNT/hooks/rated/rate"
  # The first is sent; the second is in memory already, and could start in the moment that it fails in.
  events 1 20
  eventually 10 has_requests 1
  slept $((HOUR + 60))
  events 21 22
  # Whoever looks wakes the daemon: the kernel's clock, which its timer goes by, was not set.
  settled 20
  # As many as there were seconds until then.
  local sent
  sent=$(($(value "$MNT/hooks/rated/status" delivered) - 2))
  [ "$sent" -ge 1 ]
  [ "$sent" -lt 20 ]
  requests $((sent + 2))
  [ "$(expired rated)" = "$(seq -s ' ' $((sent + 1)) 20)" ]
  [ "$(delivered rated)" = "$(seq -s ' ' "$sent") 21 22" ]
}
