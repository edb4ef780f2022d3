#!/usr/bin/env bats
# metrics.prom: what it says, and that scrapers can read it.

load ../lib/common
load ../lib/flow

PROMETHEUS=$BATS_TEST_DIRNAME/../lib/prometheus.py

# metric NAME [KEY=VALUE…]
metric() {
  "$PROMETHEUS" "$MNT/metrics.prom" "$@"
}

# metric_is VALUE NAME [KEY=VALUE…]
metric_is() {
  [ "$(metric "${@:2}")" = "$1" ]
}

# is VALUE NAME [KEY=VALUE…]: says what it is, if it is not.
is() {
  metric_is "$@" || fail "$2 is $(metric "${@:2}"), not $1"
}

# well_formed: so says our own check, and Prometheus's where it is installed.
well_formed() {
  "$PROMETHEUS" "$MNT/metrics.prom" || return
  if command -v promtool >"$HERE/promtool"; then
    promtool check metrics <"$MNT/metrics.prom"
  fi
}

events() {
  local i
  for ((i = 1; i <= $1; i++)); do echo "deployment/$2/v1 completed"; done >"$MNT/events"
}

@test 'an empty mount has metrics, too' {
  well_formed
  is 0 webhookfs_hooks
}

@test 'with many hooks the file is read whole, whatever size it had before' {
  local i
  ls -l "$MNT" >"$HERE/listed"
  for ((i = 1; i <= 200; i++)); do mkdir "$MNT/hooks/h$i"; done
  cp "$MNT/metrics.prom" "$HERE/copied"
  is 200 webhookfs_hooks
  "$PROMETHEUS" "$HERE/copied"
  [ "$("$PROMETHEUS" "$HERE/copied" webhookfs_hook_state hook=h200 state=incomplete)" = 1 ]
  [ "$(stat -c %s "$MNT/metrics.prom")" = "$(wc -c <"$HERE/copied")" ]
}

@test 'what is accepted, delivered, retried and given up is counted by hook' {
  start_sink
  answer /good times 2 status 500
  answer /bad status 500
  make_hook good "$SINK_URL/good" completed deployment/good
  make_hook bad "$SINK_URL/bad" completed deployment/bad
  echo 1s 1s 1s >"$MNT/hooks/good/retry"
  echo 0 >"$MNT/hooks/bad/retry"
  make_hook idle "$SINK_URL/" completed deployment/idle
  events 3 good
  events 2 bad
  settled 20
  well_formed
  is 3 webhookfs_hooks
  is 5 webhookfs_events_accepted_total
  is 3 webhookfs_hook_accepted_total hook=good
  is 3 webhookfs_hook_delivered_total hook=good
  is 0 webhookfs_hook_failed_total hook=good
  is 2 webhookfs_hook_retried_total hook=good
  is 5 webhookfs_attempt_duration_seconds_count hook=good
  is 5 webhookfs_attempt_duration_seconds_bucket hook=good le=+Inf
  is 2 webhookfs_hook_accepted_total hook=bad
  is 0 webhookfs_hook_delivered_total hook=bad
  is 2 webhookfs_hook_failed_total hook=bad
  is 0 webhookfs_hook_retried_total hook=bad
  is 0 webhookfs_hook_last_success_timestamp_seconds hook=bad
  is 0 webhookfs_hook_accepted_total hook=idle
  is '' webhookfs_attempt_duration_seconds_count hook=idle
  is 0 webhookfs_hook_pending hook=good
  is 0 webhookfs_hook_oldest_pending_age_seconds hook=good
}

@test 'connections are counted beside the requests that went over them' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 1 >"$MNT/hooks/h/max_inflight"
  events 50 m
  settled
  is 50 webhookfs_attempt_duration_seconds_count hook=h
  is "$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" webhookfs_hook_connections_total hook=h
  is 1 webhookfs_hook_connections_total hook=h
}

@test 'a slow attempt is in the buckets of slow ones' {
  start_sink
  answer / delay 300 status 200
  make_hook h "$SINK_URL/" completed 'deployment/*'
  events 1 m
  settled
  is 0 webhookfs_attempt_duration_seconds_bucket hook=h le=0.25
  is 1 webhookfs_attempt_duration_seconds_bucket hook=h le=30
  [ "$(metric webhookfs_attempt_duration_seconds_sum hook=h | tr -d .)" -ge 3 ]
  well_formed
}

older_than_a_second() {
  [ "$(metric webhookfs_hook_oldest_pending_age_seconds hook=h | cut -d. -f1)" -ge 1 ]
}

@test 'the age of the oldest pending delivery grows until that one is gone' {
  collecting_hook h 'deployment/*'
  events 1 m
  eventually 10 older_than_a_second
  echo 'deployment/m/v1 completed request_id=second' >"$MNT/events"
  is 2 webhookfs_hook_pending hook=h
  older_than_a_second
  first=$(find "$MNT/hooks/h/pending" -name '*.json' | sort | head -1)
  rm "$first"
  is 1 webhookfs_hook_pending hook=h
  rm "$MNT"/hooks/h/pending/*
  is 0 webhookfs_hook_oldest_pending_age_seconds hook=h
}

@test 'states of hooks and of destinations are labels' {
  start_sink
  answer /gone status 410
  make_hook gone "$SINK_URL/gone" completed deployment/gone
  mkdir "$MNT/hooks/new"
  collecting_hook later deployment/later
  make_hook off "$SINK_URL/" completed deployment/off
  echo 0 >"$MNT/hooks/off/enabled"
  make_hook dead "$NOWHERE" completed deployment/dead
  events 1 gone
  events 10 dead
  eventually 10 metric_is 1 webhookfs_hook_state hook=gone state=gone
  is 1 webhookfs_hook_state hook=new state=incomplete
  is 1 webhookfs_hook_state hook=later state=paused
  is 1 webhookfs_hook_state hook=off state=disabled
  is 1 webhookfs_hook_state hook=dead state=active
  eventually 10 metric_is 1 webhookfs_destination_state destination=http://127.0.0.1:1 state=parked
  is 1 webhookfs_destination_window destination=http://127.0.0.1:1
  is 0 webhookfs_hook_retried_total hook=gone
  well_formed
}

@test 'names with quotes and backslashes are labels, too' {
  mkdir "$MNT/hooks/a\"b\\c" "$MNT/hooks/grün"
  well_formed
  is 1 webhookfs_hook_state 'hook=a\"b\\c' state=incomplete
  is 1 webhookfs_hook_state hook=grün state=incomplete
}

@test 'of very many hooks those are shown that have something to tell' {
  stop
  python3 - "$STATE/hooks" <<'END'
import json, os, sys
for i in range(10001):
    with open(os.open(f"{sys.argv[1]}/h{i}.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump({"name": f"h{i}", "url": "http://127.0.0.1:1/", "event": ["deployment_request_completed"],
                   "object_type": "deployment", "object_name": f"m{i}", "enabled": "paused"}, file)
END
  start -o sync=normal
  is 10001 webhookfs_hooks
  is 10001 webhookfs_hooks_omitted
  events 2 m10000
  is 10000 webhookfs_hooks_omitted
  is 2 webhookfs_hook_accepted_total hook=h10000
  is '' webhookfs_hook_accepted_total hook=h0
  well_formed
}
