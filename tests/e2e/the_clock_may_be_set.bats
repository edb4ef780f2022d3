#!/usr/bin/env bats
# The wall clock is set while deliveries wait, or while no daemon runs: nothing is rushed, nothing is
# held up, and nothing grows old by it. A suspend is time that has passed, and a time zone is none.

load ../lib/common
load ../lib/flow
load ../lib/clock

DAY=86400

setup() {
  prepare
  clock 0
  start_with_clock
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
}

# one_waits RETRY [TIMES]: an event whose first attempt failed; so many will.
one_waits() {
  echo "$1" >"$MNT/hooks/h/retry"
  answer / times "${2:-1}" status 500
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
}

pending_is() {
  [ "$(pending h)" -eq "$1" ]
}

# next_attempt: of the one that waits, in seconds since the epoch.
next_attempt() {
  jq '.next_attempt | sub("\\.[0-9]+"; "") | fromdateiso8601' "$MNT"/hooks/h/pending/*
}

@test 'records have the new time at once' {
  clock $DAY
  # A turn reads the clock once, and the one that made the hook may still go on: this one ends in another.
  echo 'deployment/m completed' >"$MNT/events"
  settled
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(request 2 '.headers["webhook-timestamp"]')" -ge $((EPOCHSECONDS + DAY - 60)) ]
}

@test 'a clock that is set ahead rushes no retry' {
  one_waits 1h
  clock $DAY
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 pending_is 1
  requests 2
  # It is shown where the wall clock will stand then.
  [ "$(next_attempt)" -gt $((EPOCHSECONDS + DAY)) ]
}

@test 'a clock that is set back holds up no retry' {
  one_waits 2s
  clock -$DAY
  settled 20
  requests 2
}

@test 'a clock that is set while no daemon runs rushes no retry' {
  one_waits 1h
  stop
  clock $DAY
  start_with_clock
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 pending_is 1
  requests 2
  [ "$(next_attempt)" -gt $((EPOCHSECONDS + DAY)) ]
}

@test 'a clock that is set back while no daemon runs holds up no retry' {
  one_waits 2s
  crash
  clock -$DAY
  start_with_clock
  settled 20
  requests 2
}

@test 'a delivery does not grow older than it may be by a clock that is set ahead' {
  echo 12h >"$MNT/hooks/h/max_age"
  one_waits '2s 2s' 2
  clock $DAY
  settled 20
  requests 3
  [ "$(count failed)" -eq 0 ]
}

HOUR=3600

# retries N: the daemon has heard of so many.
retries() {
  [ "$(grep -c '"outcome":"retry"' "$MNT/log")" -eq "$1" ]
}

@test 'what has become due in a suspend is sent behind it, each once' {
  echo '1h' >"$MNT/hooks/h/retry"
  answer / times 20 status 500
  printf 'deployment/m completed request_id=%s\n' {1..20} >"$MNT/events"
  requests 20
  eventually 10 retries 20
  clock $((2 * HOUR)) $((2 * HOUR))
  # Whatever wakes the daemon; a timer of the kernel's would, but it has not slept.
  echo 'deployment/m completed request_id=21' >"$MNT/events"
  settled 30
  requests 41
  [ "$(bodies .request_id | uniq -c | awk '{ print $1 }' | sort | uniq -c | xargs)" = '1 1 20 2' ]
}

@test 'what has not become due in a suspend is not rushed by it' {
  one_waits 5h
  clock $((2 * HOUR)) $((2 * HOUR))
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 pending_is 1
  requests 2
}

@test 'a suspend beside a wrong clock counts as what it was' {
  one_waits 5h
  clock -$DAY $((2 * HOUR))
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 pending_is 1
  requests 2
  clock -$DAY $((8 * HOUR))
  echo 'deployment/m completed' >"$MNT/events"
  settled 30
  requests 4
}

@test 'another time zone moves nothing' {
  stop
  TZ=Asia/Tokyo start_with_clock
  answer / times 1 status 503 header:Retry-After="$(LC_ALL=C date -u -d '+3 hours' '+%a,+%d+%b+%Y+%T+GMT')"
  local today
  today=$(date -u +%Y-%m-%dT)
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  [ "$(next_attempt)" -gt $((EPOCHSECONDS + 2 * HOUR)) ]
  [ "$(next_attempt)" -lt $((EPOCHSECONDS + 4 * HOUR)) ]
  local before
  before=$(next_attempt)
  stop
  TZ=America/New_York start_with_clock
  [ "$(next_attempt)" -eq "$before" ] || [ "$(next_attempt)" -eq $((before + 1)) ] || [ "$(next_attempt)" -eq $((before - 1)) ]
  [[ $(jq -r .created "$MNT"/hooks/h/pending/*) == "$today"* || $today != "$(date -u +%Y-%m-%dT)" ]]
}
