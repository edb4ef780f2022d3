#!/usr/bin/env bats
# pending/, delivered/ and failed/: what is listed, what one shows, and what mv, cp and rm do.

load ../lib/common
load ../lib/flow

bats_require_minimum_version 1.5.0

# failing_hook: everything fails at once, for good, until the receiver is told otherwise: a 404 an hour
# old would take an hour, so the schedule is one attempt.
failing_hook() {
  start_sink
  answer / status 500
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
}

healthy_hook() {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
}

events() {
  local i
  for ((i = 1; i <= $1; i++)); do echo "deployment/m/v1 completed request_id=r$i"; done >"$MNT/events"
}

files() {
  find "$MNT/hooks/h/$1" -type f | wc -l
}

has_files() {
  [ "$(files "$1")" -eq "$2" ]
}

@test 'a delivery that arrived is a JSON file with its attempts and its request' {
  healthy_hook
  events 1
  eventually 10 has_files delivered 1
  has_files pending 0
  file=$(echo "$MNT"/hooks/h/delivered/*)
  [[ ${file##*/} =~ ^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9]{8}\.json$ ]]
  [ "$(jq -r '[.state, .event, .request_id, .attempts[0].http_status, .request.method] | @tsv' "$file")" = \
    $'delivered\tdeployment_request_completed\tr1\t200\tPOST' ]
  [ "$(jq -r .id "$file")" = "$(request 1 '.headers["webhook-id"]')" ]
  [ "$(jq -c .request.body "$file")" = "$(request 1 .body | jq -c .)" ]
  [ "$(stat -c %s "$file")" -eq "$(wc -c <"$file")" ]
}

@test 'a failed delivery moved to pending is sent again under the same webhook-id' {
  failing_hook
  events 1
  eventually 10 has_files failed 1
  [ "$(jq -r '.attempts[0].http_status, .error' "$MNT"/hooks/h/failed/*)" = $'500\nHTTP status 500' ]
  answers_now_200
  mv "$MNT"/hooks/h/failed/* "$MNT/hooks/h/pending/"
  eventually 10 has_files delivered 1
  has_files failed 0
  [ "$(request 2 '.headers["webhook-id"]')" = "$(request 1 '.headers["webhook-id"]')" ]
  [ "$(jq '.attempts | length' "$MNT"/hooks/h/delivered/*)" -eq 2 ]
}

answers_now_200() {
  rm "$SINK_DIR/script"
}

@test 'all failed deliveries are sent again with one mv, while new events arrive' {
  failing_hook
  events 200
  eventually 20 has_files failed 200
  answers_now_200
  mv "$MNT"/hooks/h/failed/* "$MNT/hooks/h/pending/" &
  events 50
  wait $!
  eventually 20 has_files delivered 250
  requests 450
  [ "$(count pending)" -eq 0 ]
}

@test 'a copy of a delivered one is sent once more, and both are kept' {
  healthy_hook
  events 1
  eventually 10 has_files delivered 1
  cp "$MNT"/hooks/h/delivered/* "$MNT/hooks/h/pending/"
  requests 2
  eventually 10 has_files delivered 2
  [ "$(request 2 '.headers["webhook-id"]')" = "$(request 1 '.headers["webhook-id"]')" ]
}

@test 'rm of a pending delivery cancels it, and says so in the log' {
  start_sink
  collecting_hook h 'deployment/*'
  events 3
  has_files pending 3
  first=$(find "$MNT/hooks/h/pending" -type f | sort | head -n 1)
  rm "$first"
  has_files pending 2
  [ "$(pending h)" -eq 2 ]
  [ "$(jq -r 'select(.outcome == "dropped") | .deliveries' "$MNT/log")" -eq 1 ]
  echo "$SINK_URL/" >"$MNT/hooks/h/url"
  echo 1 >"$MNT/hooks/h/enabled"
  requests 2
}

# each under way when it is removed: one of an ordered hook too, which its failure must not block
@test 'rm of a delivery under way counts it once, whatever comes of it' {
  start_sink
  answer /fine delay 3000 status 200
  answer / delay 3000 status 500
  make_hook h "$SINK_URL/fine" completed 'deployment/*'
  events 1
  requests 1
  rm "$MNT"/hooks/h/pending/*
  [ "$(pending h)" -eq 0 ]
  eventually 10 grep -q '"outcome":"delivered"' "$MNT/log"
  [ "$(pending h)" -eq 0 ]

  echo 1 >"$MNT/hooks/h/ordered"
  echo "$SINK_URL/fails" >"$MNT/hooks/h/url"
  events 1
  requests 2
  rm "$MNT"/hooks/h/pending/*
  eventually 10 grep -q '"outcome":"failed"' "$MNT/log"
  [ "$(pending h)" -eq 0 ]
  [ "$(value "$MNT/hooks/h/status" blocked_by)" = none ]
  [ "$(count pending)" -eq 0 ]
  rmdir "$MNT/hooks/h"
}

@test 'moves that make no sense are refused with a sentence' {
  failing_hook
  mkdir "$MNT/hooks/other"
  events 1
  eventually 10 has_files failed 1
  file=$(echo "$MNT"/hooks/h/failed/*)
  run ! mv "$file" "$MNT/hooks/h/delivered/"
  has_error 'moves under its own name'
  run ! mv "$file" "$MNT/hooks/other/pending/"
  run ! mv "$file" "$MNT/hooks/h/pending/another.json"
  run ! sh -c "echo x > '$MNT/hooks/h/pending/x.json'"
  has_error "this hook's own deliveries"
  run ! sh -c "echo x > '$file'"
  has_files failed 1
}

@test 'rmdir of a hook with pending deliveries is busy, and rm -r drops them' {
  collecting_hook h 'deployment/*'
  events 5
  run ! rmdir "$MNT/hooks/h"
  [[ $output == *busy* ]]
  rm -r "$MNT/hooks/h"
  [ ! -e "$MNT/hooks/h" ]
  [ "$(count pending)" -eq 0 ]
}

@test 'what is kept survives kill -9, and is dropped when its time is over' {
  failing_hook
  events 2
  eventually 10 has_files failed 2
  crash
  start
  has_files failed 2
  rm "$MNT"/hooks/h/failed/*
  has_files failed 0
}

@test 'protected values are masked in a delivery' {
  healthy_hook
  (umask 077 && echo 'Token s3cret' >"$MNT/hooks/h/headers/Authorization")
  chmod 600 "$MNT/hooks/h/url"
  events 1
  eventually 10 has_files delivered 1
  run ! grep -r s3cret "$MNT/hooks"
  [ "$(jq -r .request.headers.Authorization "$MNT"/hooks/h/delivered/*)" = '********' ]
  [ "$(request 1 .headers.authorization)" = 'Token s3cret' ]
}

@test 'a listing of many is whole' {
  collecting_hook h 'deployment/*'
  events 3000
  has_files pending 3000
  [ "$(find "$MNT/hooks/h/pending" -type f | sort -u | wc -l)" -eq 3000 ]
}
