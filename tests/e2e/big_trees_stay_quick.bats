#!/usr/bin/env bats
# Directories of many entries: what the kernel keeps of them is never stale, and listings are exact.
#
# shellcheck disable=SC2010,SC2012,SC2016 # what ls says is the subject; a shell in between expands

load ../lib/common
load ../lib/flow

LISTING=$BATS_TEST_DIRNAME/../lib/listing.py

mtime() {
  stat -c %.Y "$1"
}

@test 'a directory that was just listed shows at once what a write to one of its files changed' {
  mkdir "$MNT/hooks/a"
  ls -l "$MNT/hooks" "$MNT/hooks/a" >"$HERE/listed" # the kernel may keep what this told it
  echo text >"$MNT/hooks/a/description"
  local now
  now=$(mtime "$MNT/hooks/a/description")
  [ "$(mtime "$MNT/hooks/a")" = "$now" ]
  [ "$(mtime "$MNT/hooks/a/headers")" = "$now" ]
}

@test 'a chmod of a hook is seen at once by everybody' {
  mkdir "$MNT/hooks/a"
  ls -l "$MNT/hooks" >"$HERE/listed"
  chmod 700 "$MNT/hooks/a"
  [ "$(stat -c %a "$MNT/hooks/a")" = 700 ]
  ls -l "$MNT/hooks" | grep '^drwx------.* a$'
}

@test 'a name that was removed, made anew or renamed means at once what it is now' {
  mkdir "$MNT/hooks/a"
  ls -lR "$MNT/hooks" >"$HERE/listed"
  local before
  before=$(stat -c %i "$MNT/hooks/a")
  rmdir "$MNT/hooks/a"
  [ ! -e "$MNT/hooks/a" ]
  mkdir "$MNT/hooks/a"
  [ "$(stat -c %i "$MNT/hooks/a")" != "$before" ]
  ls -lR "$MNT/hooks" >"$HERE/listed"
  mv "$MNT/hooks/a" "$MNT/hooks/b"
  [ ! -e "$MNT/hooks/a" ] && [ ! -e "$MNT/hooks/a/url" ] && [ -e "$MNT/hooks/b/url" ]
}

state_file() {
  stat -c '%i %.Z' "$STATE/hooks/a.json"
}

@test 'what is at its default already is removed without a write to the disk' {
  mkdir "$MNT/hooks/a"
  echo 5s >"$MNT/hooks/a/timeout"
  local before
  before=$(state_file)
  rm "$MNT/hooks/a/description" "$MNT/hooks/a/rate"
  echo 5s >"$MNT/hooks/a/timeout"
  [ "$(state_file)" = "$before" ]
  rm "$MNT/hooks/a/timeout"
  [ "$(state_file)" != "$before" ]
}

# events N: to the hook that collects them.
events() {
  for ((i = 0; i < $1; i++)); do
    echo "deployment/m/v1 completed request_id=$i"
  done >"$HERE/events"
  cat "$HERE/events" >"$MNT/events"
}

backlog_is() {
  [ "$(count backlog_bytes)" -eq "$1" ]
}

@test 'rmdir takes a hook with thousands of deliveries away at once, and their rows in steps, over a crash' {
  collecting_hook h 'deployment/*'
  events 1
  local one
  one=$(count backlog_bytes)
  events 4999
  rm "$MNT/hooks/h/url"
  rmdir "$MNT/hooks/h"
  [ ! -e "$MNT/hooks/h" ]
  [ "$(count pending)" -eq 0 ]
  collecting_hook h 'deployment/*'
  [ -z "$(ls "$MNT/hooks/h/pending")" ]
  events 1
  crash
  start
  [ "$(ls "$MNT/hooks/h/pending" | wc -l)" -eq 1 ]
  [ "$(count pending)" -eq 1 ]
  eventually 30 backlog_is "$one"
  jq -se 'map(select(.outcome == "dropped" and .hook == "h").deliveries) == [5000]' "$MNT/log"
}

@test 'what takes long to go says how far it is' {
  collecting_hook h 'deployment/*'
  events 60000
  rm "$MNT/hooks/h/url"
  rmdir "$MNT/hooks/h"
  eventually 60 backlog_is 0
  grep -q '^.*[0-9]*00 deliveries of removed hooks are out of queue.db, and more are to go$' "$LOG" || fail "$(cat "$LOG")"
  eventually 10 grep -q 'all deliveries of removed hooks are out of queue.db$' "$LOG"
}

# exactly_once NAMES LISTED: each of the names is in the list, and nothing is in it twice.
exactly_once() {
  [ -z "$(sort "$2" | uniq -d)" ] || fail 'twice:' "$(sort "$2" | uniq -d | head)" || return
  [ -z "$(sort "$2" | comm -23 <(sort "$1") -)" ] ||
    fail 'missing:' "$(sort "$2" | comm -23 <(sort "$1") - | head)"
}

@test 'a hook that stays is listed exactly once, whatever comes, goes and is renamed meanwhile' {
  local i
  for i in {100..249}; do # side by side, in the order in which they are listed
    mkdir "$MNT/hooks/"{stay,go,move}-$i
  done
  ls "$MNT/hooks" | grep stay >"$HERE/stay"
  cd "$MNT/hooks"
  "$LISTING" . 1000 'i=$((N + 100))
    [ $i -lt 250 ] || exit 0
    mkdir new-$N; rmdir go-$i go-$((349 - i)) 2>/dev/null; mv move-$i moved-$i' >"$HERE/listed"
  cd "$HERE"
  exactly_once "$HERE/stay" "$HERE/listed"
  # They did come, go and move, behind the place of the listing and before it.
  grep -q new "$HERE/listed"
  [ -e "$MNT/hooks/moved-100" ]
  [ ! -e "$MNT/hooks/go-249" ]
  # One that moved is the same hook: under one name of the two.
  [ -z "$(grep move "$HERE/listed" | tr -d d | sort | uniq -d)" ]
}

@test 'a delivery that stays is listed exactly once, whatever comes, goes and moves meanwhile' {
  collecting_hook h 'deployment/*'
  events 1500
  local h=$MNT/hooks/h
  ls "$h/pending" >"$HERE/all"
  awk 'NR % 3' "$HERE/all" >"$HERE/stay"
  awk 'NR % 3 == 0' "$HERE/all" >"$HERE/go"
  cd "$h/pending"
  HERE=$HERE MNT=$MNT "$LISTING" . 2000 'i=$((N + 1))
    [ $i -lt 30 ] || exit 0 # or what it adds would never end
    first=$(sed -n ${i}p "$HERE/go") last=$(tail -n $i "$HERE/go" | head -n 1)
    rm -f "$first" "$last"
    echo "deployment/m/v1 completed" > "$MNT/events"' >"$HERE/listed"
  cd "$HERE"
  exactly_once "$HERE/stay" "$HERE/listed"
  [ "$(comm -13 <(sort "$HERE/all") <(sort "$HERE/listed") | wc -l)" -gt 0 ] # new ones came
  [ ! -e "$h/pending/$(head -n 1 "$HERE/go")" ]
  [ ! -e "$h/pending/$(tail -n 1 "$HERE/go")" ]
}

@test 'a program can go back to any place of a listing' {
  mkdir "$MNT/hooks/h"{100..399}
  [ "$("$LISTING" --seek "$MNT/hooks")" -eq 299 ]
  collecting_hook h 'deployment/*'
  events 300
  [ "$("$LISTING" --seek "$MNT/hooks/h/pending")" -eq 299 ]
  [ "$("$LISTING" --seek "$MNT/hooks/h")" -gt 20 ]
}

@test 'two thousand hooks are to ls, find, tar and rm what the same directories on tmpfs are' {
  [ -d /dev/shm ] || skip 'no tmpfs to compare with'
  mkdir "$HERE/show"
  TMPDIR=$HERE/show WEBHOOKFS=$WEBHOOKFS "$BATS_TEST_DIRNAME/../show/bigtree.py" --check
}
