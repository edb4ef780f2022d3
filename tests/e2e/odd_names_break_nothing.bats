#!/usr/bin/env bats
# Names with every odd byte, as hooks, headers, deliveries and files.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/users

NAMES=$BATS_TEST_DIRNAME/../lib/names.py

@test 'every byte at every place of a name is taken or refused, and shown without harm' {
  "$NAMES" walk "$MNT" "$HERE/kept"
  [ "$(jq length "$HERE/kept")" -gt 250 ] # each letter, sign and digit, and UTF-8
  "$NAMES" shown "$MNT" "$HERE/kept"
  stop
  start
  "$NAMES" shown "$MNT" "$HERE/kept"
  "$NAMES" lines "$LOG"
}

@test 'files of odd names in the state directory are told of, each in its line' {
  stop
  "$NAMES" spoil "$STATE/hooks"
  start
  [ -z "$(ls "$MNT/hooks")" ]
  "$NAMES" lines "$LOG"
  "$NAMES" lines "$MNT/errors"
  grep -q 'uid=' "$MNT/errors"
  [ "$(grep -c 'is not loaded' "$LOG")" -gt 500 ]
}

@test 'a name that is too long is told to be so' {
  local name
  name=$(printf '%0256d' 0)
  denied 'too long' mkdir "$MNT/hooks/$name"
  denied 'too long' mkdir "$MNT/hooks/${name:0:65}"
  mkdir "$MNT/hooks/${name:0:64}"
  denied 'too long' touch "$MNT/hooks/${name:0:64}/headers/${name:0:129}"
  touch "$MNT/hooks/${name:0:64}/headers/${name:0:128}"
  denied 'too long' touch "$MNT/hooks/${name:0:64}/headers/$name"
  denied 'too long' stat "$MNT/hooks/$name"
  denied 'too long' stat "$MNT/$name"
  denied 'No such file' stat "$MNT/${name:0:255}"
}
