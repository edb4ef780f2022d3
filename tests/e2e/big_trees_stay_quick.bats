#!/usr/bin/env bats
# Directories of many entries: what the kernel keeps of them is never stale, and listings are exact.

load ../lib/common
load ../lib/flow

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
