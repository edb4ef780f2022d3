#!/usr/bin/env bats
# Which hooks an event concerns. Nothing is sent here: the hooks collect.

load ../lib/common
load ../lib/flow

# collects N OBJECT EVENT LINE: a hook for object and event takes the line N times.
collects() {
  local n=$1 before accepted
  [ -d "$MNT/hooks/probe" ] || collecting_hook probe 'deployment/none'
  echo "$2" >"$MNT/hooks/probe/object"
  echo "$3" >"$MNT/hooks/probe/event"
  before=$(pending probe) accepted=$(count accepted)
  echo "$4" >"$MNT/events"
  [ "$(count accepted)" -eq $((accepted + 1)) ] || fail "not accepted: $4" || return
  [ $(($(pending probe) - before)) -eq "$n" ] ||
    fail "$2 and $3 took '$4' $(($(pending probe) - before)) times, not $n"
}

@test 'without a version all versions match, and none' {
  collects 1 deployment/m completed 'deployment/m/v1 completed'
  collects 1 deployment/m completed 'deployment/m/v2 completed'
  collects 1 deployment/m completed 'deployment/m completed'
}

@test 'with a version only that one matches' {
  collects 1 deployment/m/v1 completed 'deployment/m/v1 completed'
  collects 0 deployment/m/v1 completed 'deployment/m/v2 completed'
  collects 0 deployment/m/v1 completed 'deployment/m/v11 completed'
  collects 0 deployment/m/v1 completed 'deployment/m completed'
}

@test 'names match whole and by case' {
  collects 0 deployment/m completed 'deployment/mm completed'
  collects 0 deployment/mm completed 'deployment/m completed'
  collects 0 deployment/m completed 'deployment/M completed'
}

@test 'types are apart' {
  collects 0 deployment/x completed 'pipeline/x completed'
  collects 0 pipeline/x completed 'deployment/x completed'
  collects 1 pipeline/x completed 'pipeline/x/v1 completed'
}

@test 'names and versions may be shell patterns' {
  collects 1 'deployment/fraud-*' completed 'deployment/fraud-eu/v1 completed'
  collects 0 'deployment/fraud-*' completed 'deployment/fraud completed'
  collects 1 'deployment/*' completed 'deployment/anything completed'
  collects 1 'deployment/m?' completed 'deployment/m1 completed'
  collects 0 'deployment/m?' completed 'deployment/m12 completed'
  collects 1 'deployment/m[12]' completed 'deployment/m2 completed'
  collects 0 'deployment/m[12]' completed 'deployment/m3 completed'
  collects 1 'deployment/m/v1*' completed 'deployment/m/v1.2 completed'
  collects 0 'deployment/m/v1*' completed 'deployment/m/v2 completed'
  collects 0 'deployment/m/v?' completed 'deployment/m/v12 completed'
  collects 1 'deployment/*/v1' completed 'deployment/m/v1 completed'
  collects 0 'deployment/*/v1' completed 'deployment/m/v2 completed'
  collects 0 'deployment/*/v1' completed 'deployment/m completed'
}

@test 'a pattern in an event is no pattern' {
  collects 0 deployment/m completed 'deployment/* completed'
  collects 0 'deployment/[*]' completed 'deployment/m completed'
  collects 1 'deployment/[*]' completed 'deployment/* completed'
}

@test 'an experiment does not match other deployments' {
  collects 1 experiment/bert completed 'deployment/training-base-deployment/bert completed'
  collects 0 experiment/bert completed 'deployment/bert completed'
  collects 0 experiment/bert completed 'experiment/gpt completed'
  collects 1 'experiment/b*' completed 'experiment/bert completed'
  collects 1 deployment/training-base-deployment completed 'experiment/bert completed'
}

@test 'only the events that a hook names match' {
  collects 0 deployment/m failed 'deployment/m completed'
  collects 1 deployment/m failed 'deployment/m failed'
  collects 1 deployment/m started 'deployment/m processing'
  collects 1 deployment/m finished 'deployment/m cancelled'
  collects 0 deployment/m 'started completed failed finished' 'deployment/m pending'
  collects 0 deployment/m 'started completed failed finished' 'deployment/m cancelled_pending'
  collects 1 deployment/m deployment_request_failed 'deployment/m failed'
  collects 1 deployment/m request_failed 'deployment/m failed'
}

@test 'there is one delivery for each event name that matches' {
  collects 2 deployment/m 'completed finished' 'deployment/m completed'
  collects 2 deployment/m 'started completed failed finished' 'deployment/m failed'
  collects 1 deployment/m 'started finished' 'deployment/m failed'
  collects 1 deployment/m 'finished' 'deployment/m deployment_request_finished'
  collects 0 deployment/m 'completed' 'deployment/m deployment_request_finished'
}

@test 'there is one delivery for each hook that matches' {
  collecting_hook a deployment/m
  collecting_hook b 'deployment/*'
  collecting_hook c deployment/m/v1 'completed finished'
  collecting_hook d deployment/other
  echo 'deployment/m/v1 completed' >"$MNT/events"
  [ "$(pending a) $(pending b) $(pending c) $(pending d)" = '1 1 2 0' ]
  [ "$(count pending)" = 4 ]
}

@test 'a hundred hooks each get what is theirs' {
  for i in {1..100}; do
    collecting_hook "h$i" "deployment/m$i"
  done
  seq 100 | sed 's|.*|deployment/m& completed|' >"$MNT/events"
  run bash -c 'cat "$0"/hooks/*/status | grep -c "^pending 1$"' "$MNT"
  [ "$output" = 100 ]
}

@test 'a hook that is off does not match' {
  collecting_hook h deployment/m
  echo 0 >"$MNT/hooks/h/enabled"
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending h)" = 0 ]
  [ "$(value "$MNT/hooks/h/status" state)" = disabled ]
  echo 1 >"$MNT/hooks/h/enabled"
  [ "$(pending h)" = 0 ]
}

@test 'a paused hook collects, and sends when it is enabled' {
  start_sink
  make_hook h "$SINK_URL/" completed deployment/m
  echo paused >"$MNT/hooks/h/enabled"
  make_hook witness "$SINK_URL/witness" finished deployment/m
  echo 'deployment/m completed request_id=1' >"$MNT/events"
  requests 1
  [ "$(request 1 .path)" = /witness ]
  [ "$(pending h)" = 1 ]
  [ "$(value "$MNT/hooks/h/status" state)" = paused ]
  echo 1 >"$MNT/hooks/h/enabled"
  requests 2
  settled
  [ "$(request 2 .path)" = / ]
}

@test 'what a paused hook collected outlives a restart, and the pause too' {
  start_sink
  make_hook h "$SINK_URL/" completed deployment/m
  echo paused >"$MNT/hooks/h/enabled"
  echo 'deployment/m completed' >"$MNT/events"
  stop
  start
  [ "$(pending h)" = 1 ]
  echo 1 >"$MNT/hooks/h/enabled"
  settled
  requests 1
}

@test 'an incomplete hook does not match' {
  collecting_hook h deployment/m
  local file
  for file in url event object; do
    cp "$MNT/hooks/h/$file" "$HERE/kept"
    rm "$MNT/hooks/h/$file"
    [ "$(value "$MNT/hooks/h/status" state)" = incomplete ]
    echo 'deployment/m completed' >"$MNT/events"
    [ "$(pending h)" = 0 ] || fail "it matched without $file"
    cat "$HERE/kept" >"$MNT/hooks/h/$file"
  done
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
}

@test 'a change of a hook concerns the next write' {
  collecting_hook h deployment/m
  echo 'deployment/n completed' >"$MNT/events"
  echo deployment/n >"$MNT/hooks/h/object"
  [ "$(pending h)" = 0 ]
  echo 'deployment/n completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
}

@test 'types= adds a type with events of its own' {
  stop
  start -o types=deployment:pipeline:experiment:backup
  start_sink
  make_hook h "$SINK_URL/" 'backup_request_failed completed' 'backup/*'
  echo 'backup/home failed request_id=1 error_message="disk full" backup_id=7' >"$MNT/events"
  settled
  [ "$(request 1 '.body | fromjson | [.event, .backup_name, .backup_id] | join(" ")')" = \
    'backup_request_failed home 7' ]
}

@test 'a type that types= does not name is refused' {
  run writes 'backup/home failed\n'
  [ "$output" = 'EINVAL closed' ]
  has_error '"backup" is no object type'
}
