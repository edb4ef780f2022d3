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
