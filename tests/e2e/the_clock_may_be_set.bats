#!/usr/bin/env bats
# The wall clock is set while deliveries wait, or while no daemon runs: nothing is rushed, nothing is
# held up, and nothing grows old by it.

load ../lib/common
load ../lib/flow

DAY=86400

setup() {
  prepare
  clock 0
  start_with_clock
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
}

# clock SECONDS: ahead of the true one from now on.
clock() {
  echo "$1" >"$HERE/ahead.new"
  mv "$HERE/ahead.new" "$HERE/ahead"
}

start_with_clock() {
  CLOCKSTEP=$HERE/ahead LD_PRELOAD=$CLOCKSTEP_SO \
    ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 start -o confine=0 # it reads that file
}

# one_waits RETRY: an event whose first attempt failed.
one_waits() {
  echo "$1" >"$MNT/hooks/h/retry"
  answer / times 1 status 500
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
}

# next_attempt: of the one that waits, in seconds since the epoch.
next_attempt() {
  jq '.next_attempt | sub("\\.[0-9]+"; "") | fromdateiso8601' "$MNT"/hooks/h/pending/*
}

@test 'records have the new time at once' {
  clock $DAY
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(request 1 '.headers["webhook-timestamp"]')" -ge $((EPOCHSECONDS + DAY - 60)) ]
}

@test 'a clock that is set ahead rushes no retry' {
  one_waits 1h
  clock $DAY
  echo 'deployment/m completed' >"$MNT/events"
  requests 2
  [ "$(pending h)" -eq 1 ]
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
  requests 2
  [ "$(pending h)" -eq 1 ]
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
  one_waits 2s
  clock $DAY
  answer / times 1 status 500
  echo '2s 2s' >"$MNT/hooks/h/retry"
  settled 20
  requests 3
  [ "$(count failed)" -eq 0 ]
}
