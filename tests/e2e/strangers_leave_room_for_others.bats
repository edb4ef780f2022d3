#!/usr/bin/env bats
# What all share: one user who may write events or have hooks cannot take all of it from the others.
# open_files_are_bounded has the same of open files.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common
load ../lib/flow
load ../lib/users

setup() {
  prepare
  need_root
  open_the_way
}

# fill UID: events of 16 kB until one is refused.
fill() {
  local i
  for ((i = 0; i < 90; i++)); do
    as "$1" tee "$MNT/events" <<<"deployment/m completed result='\"$LONG\"'" \
      2>>"$HERE/full" >/dev/null || return 0
  done
  fail 'it was never full'
}

@test 'of the backlog an eighth is left to root and the mounting user' {
  LONG=$(head -c 16000 /dev/zero | tr '\0' x)
  start -o allow_other,max_backlog=1M
  collecting_hook h 'deployment/*'
  chmod 622 "$MNT/events"
  fill 65534
  grep -q 'No space' "$HERE/full" || fail "$(tail -n 3 "$HERE/full")"
  has_error 'the last eighth is for root'
  [ "$(count backlog_bytes)" -le 917504 ]
  echo 'deployment/m completed' >"$MNT/events"
  fill 0
  [ "$(count backlog_bytes)" -gt 917504 ]
  has_error 'max_backlog is 1048576'
  denied 'No space' as 65534 tee "$MNT/events" <<<'deployment/m completed'
}

@test 'a user has a thousand hooks, and others go on making theirs' {
  start -o allow_other
  chmod 1777 "$MNT/hooks"
  as 65534 sh -c 'cd "$1" && seq -f hook%g 1000 | xargs mkdir' _ "$MNT/hooks"
  denied 'quota exceeded' as 65534 mkdir "$MNT/hooks/more"
  has_error 'no more than 1000 may'
  as 4711 mkdir "$MNT/hooks/mine"
  mkdir "$MNT/hooks/roots"
  as 65534 rmdir "$MNT/hooks/hook7"
  as 65534 mkdir "$MNT/hooks/more"
}

@test 'who is refused again and again pushes nobody else out of errors' {
  local i
  start -o allow_other
  chmod 1777 "$MNT/hooks"
  denied 'Invalid argument' mkdir "$MNT/hooks/of root"
  denied 'Invalid argument' as 4711 mkdir "$MNT/hooks/of another"
  for ((i = 0; i < 50; i++)); do
    as 65534 mkdir "$MNT/hooks/no $i" 2>/dev/null || :
  done
  has_error 'of\x20root uid=0'
  has_error 'of\x20another uid=4711'
  has_error 'no\x2049 uid=65534'
  [ "$(grep -c ' uid=' "$MNT/errors")" -eq 32 ]
}

@test 'of scratch files an eighth is left to root and the mounting user' {
  start -o allow_other
  chmod 1777 "$MNT/hooks"
  as 65534 sh -c 'cd "$1" && seq -f hook%g 29 | xargs mkdir && for hook in *; do
    (cd "$hook" && seq -f .x%g.swp 32 | xargs touch 2>/dev/null); done; :' _ "$MNT/hooks"
  [ "$(find "$MNT/hooks" -name '.x*.swp' | wc -l)" -eq 896 ]
  denied 'No space' as 65534 touch "$MNT/hooks/hook29/.y.swp"
  # What an editor puts aside is one of them; this hook has none yet.
  denied 'No space' as 65534 mv "$MNT/hooks/hook9/labels" "$MNT/hooks/hook9/labels~"
  mkdir "$MNT/hooks/roots"
  touch "$MNT/hooks/roots/.y.swp"
}
