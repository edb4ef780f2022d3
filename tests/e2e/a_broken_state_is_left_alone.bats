#!/usr/bin/env bats
# State directories that something has happened to: a start refuses them with a sentence that says
# what to do, and leaves them byte for byte, or it opens what may be opened.
load ../lib/common
load ../lib/flow

# A state with something in each file, and the log of a daemon that was killed.
setup() {
  prepare
  start
  make_hook good "$NOWHERE" completed 'deployment/*'
  collecting_hook h 'deployment/*'
  chmod 600 "$MNT/events"
  seq 200 | sed 's|.*|deployment/m completed request_id=&|' >"$MNT/events"
  stop
  start
  echo 'deployment/m completed' >"$MNT/events"
  crash
  fusermount3 -uz "$MNT"
  cp -a "$STATE" "$HERE/whole"
}

anew() {
  rm -rf "$STATE"
  cp -a "$HERE/whole" "$STATE"
}

# What there is, or of it what has not this word: kinds, modes, sizes and contents. The lock is made by every start.
picture() {
  (cd "$1" && find . ! -name lock -printf '%P %y %m %l\n' | sort &&
    find . -type f ! -name lock -exec sha256sum {} + | sort) | grep -v -- "${2:-nothing}"
}

# refused WORDS [EXCEPT]: the start is, with one line that has these words, and the state stays as it is.
# The database may have been opened before: its log is then in the file.
refused() {
  local before except=${2:-}
  before=$(picture "$STATE" "$except")
  run timeout 20 "$WEBHOOKFS" -f "$STATE" "$MNT" 3>&-
  [ "$status" -eq 1 ] || fail "status $status: $output" || return
  [ "${#lines[@]}" -eq 1 ] || fail "$output" || return
  [[ $output == *"$STATE/"*"$1"* ]] || fail "$output" || return
  [ -z "$(mounts)" ] || fail 'it has mounted' || return
  [ "$(picture "$STATE" "$except")" = "$before" ] || fail 'it has changed something' || return
}

@test 'a database that breaks off is refused, wherever it does' {
  local size length
  # Without its log, as a daemon that was stopped leaves it: all that is there is in the file.
  start
  stop
  rm -rf "$HERE/whole"
  cp -a "$STATE" "$HERE/whole"
  size=$(stat -c %s "$STATE/queue.db")
  for length in 1 15 16 17 99 100 101 1024 4095 4096 4097 8192 $((size / 2)) $((size - 4096)) $((size - 1)); do
    anew
    truncate -s "$length" "$STATE/queue.db"
    refused 'move it' || fail "$length of $size bytes"
  done
}

@test 'an empty database is refused where there are hooks, and made anew without them' {
  start
  stop
  : >"$STATE/queue.db"
  refused 'is empty, and there are hooks: restore it from a backup, or remove it'
  rm "$STATE/queue.db"
  start
  [ "$(pending h)" -eq 0 ]
}

@test 'a database without its log, and a log without its database' {
  rm "$STATE/queue.db-wal"
  start
  [ "$(pending h)" -ge 200 ] || fail "$(pending h)"
  stop
  anew
  rm "$STATE/queue.db"
  refused 'has no database to belong to'
}

@test 'a log whose beginning is broken is refused, not dropped' {
  [ -s "$STATE/queue.db-wal" ]
  printf 'garbage!' | dd of="$STATE/queue.db-wal" conv=notrunc status=none
  refused 'queue.db-wal is damaged'
  rm "$STATE/queue.db-wal"
  start
}

@test 'what is no regular file in the place of one is refused' {
  local name opened
  for name in queue.db queue.db-wal log.jsonl rejected.jsonl; do
    opened=
    [[ $name == queue* ]] || opened=queue.db
    anew
    rm -f "$STATE/$name"
    mkdir "$STATE/$name"
    refused 'move it away' "$opened" || fail "a directory as $name"
    anew
    mv "$STATE/$name" "$HERE/elsewhere"
    ln -s "$HERE/elsewhere" "$STATE/$name"
    refused 'move it away' "$opened" || fail "a link as $name"
    rm "$STATE/$name" "$HERE/elsewhere"
    mkfifo "$STATE/$name"
    refused 'move it away' "$opened" || fail "a pipe as $name"
  done
  anew
  rm -r "$STATE/hooks"
  echo x >"$STATE/hooks"
  refused 'hooks is no directory' queue.db
  anew
  rm "$STATE/lock"
  mkdir "$STATE/lock"
  run timeout 20 "$WEBHOOKFS" -f "$STATE" "$MNT" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *"$STATE is not writable: Is a directory"* ]] || fail "$output"
}

@test 'broken attributes stop the start, since what was closed must not open' {
  local text
  for text in '' '{' '[]' '{"events":{"mode":"nonsense"}}' '{"future":{"mode":"0600"}}' $'\xff\xfe'; do
    anew
    printf %s "$text" >"$STATE/attributes.json"
    refused 'mend it, or remove it' queue.db || fail "$text"
  done
  rm "$STATE/attributes.json"
  mkdir "$STATE/attributes.json"
  refused 'mend it, or remove it' queue.db
  rmdir "$STATE/attributes.json"
  ln -s /etc/passwd "$STATE/attributes.json"
  refused 'mend it, or remove it' queue.db
}

@test "a hook's file that is broken is told, and stays, and the others work" {
  local case before
  for case in empty cut binary directory link pipe long; do
    anew
    before=$(cat "$STATE/hooks/h.json")
    rm "$STATE/hooks/h.json"
    case $case in
      empty) : >"$STATE/hooks/h.json" ;;
      cut) printf %s "${before:0:60}" >"$STATE/hooks/h.json" ;;
      binary) head -c 300 /dev/urandom >"$STATE/hooks/h.json" ;;
      directory) mkdir "$STATE/hooks/h.json" ;;
      link) ln -s /etc/passwd "$STATE/hooks/h.json" ;;
      pipe) mkfifo "$STATE/hooks/h.json" ;;
      long) (echo "$before"; head -c 2M /dev/zero | tr '\0' ' ') >"$STATE/hooks/h.json" ;;
    esac
    picture "$STATE/hooks" >"$HERE/before"
    start
    [ ! -e "$MNT/hooks/h" ] || fail "$case"
    has_error hooks/h.json || fail "$case"
    [ "$(pending good)" -eq 201 ] || fail "$case"
    picture "$STATE/hooks" | cmp - "$HERE/before" || fail "$case"
    stop
    rm -rf "$STATE/hooks/h.json"
    echo "$before" >"$STATE/hooks/h.json"
    chmod 600 "$STATE/hooks/h.json"
    start
    [ "$(pending h)" -eq 201 ] || fail "$case: its deliveries have gone"
    stop
  done
}

@test 'a page of garbage is refused, or met with an error, and never ends the daemon' {
  local size page
  start
  stop
  rm -rf "$HERE/whole"
  cp -a "$STATE" "$HERE/whole"
  size=$(stat -c %s "$STATE/queue.db")
  for ((page = 1; page < size / 4096; page += size / 4096 / 6 + 1)); do
    anew
    yes 'x-garbage' | head -c 4096 |
      dd of="$STATE/queue.db" bs=4096 seek=$page conv=notrunc status=none iflag=fullblock
    "$WEBHOOKFS" -f "$STATE" "$MNT" >>"$HERE/said" 2>&1 3>&- &
    DAEMON=$!
    eventually 20 serving_or_dead
    if alive "$DAEMON"; then
      ls "$MNT/hooks/h/pending" >"$HERE/list" 2>&1 || :
      cat "$MNT"/hooks/h/pending/* "$MNT/status" >"$HERE/list" 2>&1 || :
      (echo 'deployment/m completed' >"$MNT/events") 2>"$HERE/list" || :
      terminate || fail "page $page"
    else
      wait "$DAEMON" && fail "page $page"
      DAEMON=
      grep -q 'queue.db' "$HERE/said"
      cmp <(dd if="$STATE/queue.db" bs=4096 count=1 status=none) \
        <(dd if="$HERE/whole/queue.db" bs=4096 count=1 status=none)
    fi
  done
}

# of_hook NAME: its deliveries in the database, as SQL.
of_hook() {
  echo "SELECT id FROM delivery WHERE hook_id = (SELECT id FROM hook WHERE name = '$1') ORDER BY id"
}

# said N WORDS: so many lines of the daemon have these words.
said() {
  [ "$(grep -c -- "$2" "$LOG")" -eq "$1" ] || fail "not $1 lines: $2" "$(cat "$LOG")"
}

all_but_one() {
  [ "$(pending h)" -le 1 ]
}

@test 'a delivery whose texts are damaged has failed, once, and the others go on' {
  local failed
  start_sink
  sqlite3 "$STATE/queue.db" "UPDATE delivery SET event_name = x'c3' WHERE id = ($(of_hook h) LIMIT 1)"
  start
  echo "$SINK_URL/" >"$MNT/hooks/h/url"
  echo 1 >"$MNT/hooks/h/enabled"
  settled_h() { [ "$(pending h)" -eq 0 ]; }
  eventually 20 settled_h
  said 1 'is damaged in queue.db, and has failed'
  [ "$(request_count)" -eq 200 ]
  [ "$(value "$MNT/hooks/h/status" failed)" -eq 1 ]
  failed=$(echo "$MNT"/hooks/h/failed/*)
  [ "$(jq -r '[.state, .error, .event, (.attempts | length), has("request")] | @tsv' "$failed")" = \
    $'failed\tdamaged in the database\t\t0\tfalse' ]
  jq -se 'map(select(.outcome == "failed" and .hook == "h")) | length == 1 and .[0].attempt == 0' "$STATE/log.jsonl"
  # Sent again it fails again, and it can be removed.
  mv "$failed" "$MNT/hooks/h/pending/"
  eventually 20 test -e "$failed"
  rm "$failed"
  [ -z "$(ls "$MNT/hooks/h/failed")$(ls "$MNT/hooks/h/pending")" ]
}

@test 'a delivery that cannot be counted with is left until the next start, and the others go on' {
  local id
  start_sink
  id=$(sqlite3 "$STATE/queue.db" "$(of_hook h) LIMIT 1")
  sqlite3 "$STATE/queue.db" \
    "UPDATE event SET refs = -3 WHERE id = (SELECT event_id FROM delivery WHERE id = $id)"
  start
  echo "$SINK_URL/" >"$MNT/hooks/h/url"
  echo 1 >"$MNT/hooks/h/enabled"
  eventually 20 all_but_one
  [ "$(request_count)" -eq 200 ]
  said 1 "delivery $id cannot be read from queue.db, and is left until the next start"
  said 0 'cannot send'
}
