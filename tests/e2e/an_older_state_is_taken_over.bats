#!/usr/bin/env bats
# Upgrades: what an older version left is brought up to date, and all of it is delivered; what a
# newer one left is refused, and stays.
load ../lib/common
load ../lib/flow

DATA=$BATS_TEST_DIRNAME/../data

setup() { prepare; }

# take STATE: a copy of it, as if written today, with hooks that lead to the sink.
take() {
  local now
  now=$(date +%s000)
  rm -rf "$STATE"
  cp -r "$DATA/$1" "$STATE"
  chmod -R go= "$STATE"
  sed -i "s|http://127.0.0.1:1/|$SINK_URL/|" "$STATE"/hooks/*.json
  sqlite3 "$STATE/queue.db" "UPDATE event SET accepted_ms = $now"
  [ "$1" = state-1 ] ||
    sqlite3 "$STATE/queue.db" "UPDATE delivery SET finished_ms = $now WHERE state > 1"
}

version() {
  sqlite3 "$STATE/queue.db" 'PRAGMA user_version'
}

# Of the requests to a hook: their request_ids.
ids() {
  jq -r "select(.path == \"/$1\") | .body" "$SINK_DIR/requests.jsonl" | jq -r .request_id | sort | xargs
}

arrived() {
  [ "$(ids "$1")" = "$2" ]
}

@test 'what each older version left is there, and is delivered' {
  local state tag
  for state in "$DATA"/state-*; do
    rm -rf "$SINK_DIR"
    start_sink
    take "${state##*/}"
    tag=$(sqlite3 "$STATE/queue.db" 'SELECT tag FROM meta')
    start
    [ "$(echo "$MNT"/hooks/*)" = "$(printf "$MNT/hooks/%s " delivered failed paused retried | xargs)" ]
    [ "$(count accepted)" -eq 12 ]
    [ "$(value "$MNT/hooks/delivered/status" delivered)" -eq 3 ]
    [ "$(ls "$MNT/hooks/failed/failed" | wc -l)" -eq 3 ]
    [ "$(cat "$MNT/hooks/paused/labels")" = team:a ]
    # What waited for a retry goes, and what was paused once it is not.
    eventually 20 arrived retried 'later-1 later-2 later-3'
    [ "$(pending paused)" -eq 3 ]
    echo 1 >"$MNT/hooks/paused/enabled"
    eventually 20 arrived paused 'paused-1 paused-2 paused-3'
    # What had failed is sent again.
    mv "$MNT"/hooks/failed/failed/* "$MNT/hooks/failed/pending/"
    eventually 20 arrived failed 'refused-1 refused-2 refused-3'
    settled
    [ "$(request_count)" -eq 9 ]
    [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | grep -c "_${tag}_")" -eq 9 ]
    [ "$(jq -r 'select(.path == "/paused") | .headers.authorization' "$SINK_DIR/requests.jsonl" |
      sort -u)" = "Token of-version-${state##*-}" ]
    stop
    [ "$(version)" -eq 3 ]
    [ "$(sqlite3 "$STATE/queue.db" 'PRAGMA integrity_check')" = ok ]
    stop_sinks
  done
}

@test 'an upgrade is told, once' {
  start_sink
  take state-1
  start
  grep -q 'queue.db is brought from format 1 to 3' "$LOG"
  grep -q 'queue.db is up to date' "$LOG"
  stop
  : >"$LOG"
  start
  ! grep -q 'queue.db is' "$LOG"
}

# In the copy a row stands in the way of a step; in the file, before and after, the same bytes.
@test 'an upgrade that cannot be done leaves the old state as it was, and says what to do' {
  start_sink
  take state-1
  sqlite3 "$STATE/queue.db" 'ALTER TABLE delivery ADD COLUMN list BLOB'
  local before
  before=$(sha256sum "$STATE"/queue.db*)
  run timeout 20 "$WEBHOOKFS" -f "$STATE" "$MNT" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *'queue.db is damaged'*'restore it from a backup, or move it'* ]] || fail "$output"
  [ "$(sha256sum "$STATE"/queue.db*)" = "$before" ]
  [ "$(version)" -eq 1 ]
}

@test 'a hook that a newer version wrote is refused with its field, and its file and deliveries stay' {
  start
  collecting_hook h 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  stop
  jq '. + {"quantum": true}' "$STATE/hooks/h.json" >"$HERE/h.json"
  cp "$HERE/h.json" "$STATE/hooks/h.json"
  start
  [ ! -e "$MNT/hooks/h" ]
  has_error 'unknown field quantum; this is webhookfs'
  ! mkdir "$MNT/hooks/h" || fail 'there is another one'
  cmp "$HERE/h.json" "$STATE/hooks/h.json"
  stop
  jq 'del(.quantum)' "$HERE/h.json" >"$STATE/hooks/h.json"
  start
  [ "$(pending h)" -eq 1 ]
}
