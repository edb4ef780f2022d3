#!/usr/bin/env bats
# A spool in which any user may drop files, a pipe in a directory of all: what an attacker puts there gets him
# nothing that he could not have himself, and holds up nobody.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common
load ../lib/flow
load ../lib/users

setup() {
  prepare
  need_root
  open_the_way
  SPOOL=$HERE/spool
  mkdir "$SPOOL" "$HERE/private"
  chmod 1777 "$SPOOL"
  chmod 700 "$HERE/private"
  # What an attacker is after: it would be taken for an event, if it was read.
  echo 'deployment/private completed' >"$HERE/private/lines"
}

spooling() {
  start -o "spool=$SPOOL" "$@"
  collecting_hook h 'deployment/*'
}

accepted() {
  [ "$(count accepted)" -eq "$1" ]
}

rejected() {
  [ -e "$SPOOL/rejected/$1" ] || [ -L "$SPOOL/rejected/$1" ]
}

untouched() {
  [ "$(cat "$HERE/private/lines")" = 'deployment/private completed' ] || fail 'it was changed'
  [ -z "$(find "$MNT/hooks/h/pending" -type f -exec grep -l private {} +)" ] || fail 'it was read'
}

# others_are_taken: somebody's good file, in the end.
others_are_taken() {
  local before
  before=$(count accepted)
  as 4711 sh -c 'echo deployment/mine completed >"$1/.mine" && mv "$1/.mine" "$1/mine"' _ "$SPOOL"
  eventually 20 accepted $((before + 1))
}

@test 'links, pipes, sockets and directories are not opened, and hold up nobody' {
  spooling
  other_user ln -s "$HERE/private/lines" "$SPOOL/link"
  other_user ln -s "$SPOOL" "$SPOOL/loop"
  other_user ln -s /dev/zero "$SPOOL/zero"
  other_user mkfifo "$SPOOL/pipe"
  python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$SPOOL/socket"
  other_user mkdir "$SPOOL/directory"
  for name in link loop zero pipe socket; do
    eventually 20 rejected $name
  done
  others_are_taken
  untouched
  [ -L "$SPOOL/rejected/link" ] # moved, not followed
}

@test 'a name that is swapped again and again is never followed' {
  spooling
  "$BATS_TEST_DIRNAME/../lib/swap.py" 65534 "$SPOOL" "$HERE/private/lines" 1000
  others_are_taken
  untouched
}

@test "another's file cannot be dropped by a hard link, nor counts as the linker's" {
  spooling
  chmod 755 "$HERE/private" # it can be named then, and not read
  chmod 600 "$HERE/private/lines"
  if other_user ln "$HERE/private/lines" "$SPOOL/hard" 2>/dev/null; then
    skip 'this kernel lets anybody link (fs.protected_hardlinks)'
  fi
  others_are_taken
  untouched
}

@test 'what is rejected can be read by its owner only' {
  spooling
  (umask 077 && echo 'secret nonsense' >"$HERE/private/new")
  chown 4711 "$HERE/private/new"
  mv "$HERE/private/new" "$SPOOL/bad"
  eventually 20 test -e "$SPOOL/rejected/bad.reason"
  as 4711 grep -q . "$SPOOL/rejected/bad.reason"
  denied 'Permission denied' other_user cat "$SPOOL/rejected/bad.reason"
  denied 'Permission denied' other_user cat "$SPOOL/rejected/bad"
  denied 'Permission denied' other_user ls "$SPOOL/.taking"
}

@test 'odd names stand in one line of errors each' {
  local name
  spooling
  for name in $'two\nlines' $'\e[31mred' $'\x9b31m' $'\xff\xfe' $'\u202egnp.exe' 'a b' $'tab\there'; do
    other_user sh -c 'echo nonsense >"$1"' _ "$SPOOL/$name"
  done
  other_user sh -c 'echo nonsense >"$1"' _ "$SPOOL/last"
  eventually 20 rejected last
  others_are_taken
  [ "$(grep -c ' spool/' "$MNT/errors")" -eq 8 ] || fail "$(cat -A "$MNT/errors")"
  [ -z "$(LC_ALL=C tr -d '\n\040-\176' <"$MNT/errors")" ] || fail "$(cat -A "$MNT/errors")"
  [ -z "$(LC_ALL=C tr -d '\n\040-\176' <"$LOG")" ] || fail "$(cat -A "$LOG")"
}

@test 'a terabyte without a line is refused as soon as it is too long' {
  spooling
  other_user truncate -s 1T "$SPOOL/huge" || skip 'no such large files here'
  eventually 60 rejected huge
  others_are_taken
  [ "$(awk '/^VmHWM/ { print $2 }' "/proc/$DAEMON/status")" -lt 100000 ]
}

@test 'a directory of the attacker: he cannot have others made or written through it' {
  mkdir "$HERE/theirs"
  chown 65534 "$HERE/theirs"
  mkdir "$HERE/private/taking"
  other_user ln -s "$HERE/private" "$HERE/theirs/rejected"
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "spool=$HERE/theirs" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it started with a link'
  rm -r "$HERE/theirs/rejected" "$HERE/theirs/.taking"
  other_user mkdir "$HERE/theirs/.taking"
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "spool=$HERE/theirs" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it started with a directory of his'
  [[ $output == *"somebody else's"* ]] || fail "$output"
  other_user rmdir "$HERE/theirs/.taking"
  start -o "spool=$HERE/theirs"
  # while it runs: ours go aside, and links take their place
  other_user mv "$HERE/theirs/rejected" "$HERE/theirs/old"
  other_user ln -s "$HERE/private" "$HERE/theirs/rejected"
  other_user sh -c 'echo nonsense >"$1/.bad" && mv "$1/.bad" "$1/bad"' _ "$HERE/theirs"
  eventually 20 test -e "$HERE/theirs/old/bad"
  [ "$(ls -A "$HERE/private")" = $'lines\ntaking' ] || fail "$(ls -A "$HERE/private")"
}

@test 'a pipe that a stranger has made for others in a directory of all is refused' {
  mkdir "$HERE/all"
  chmod 1777 "$HERE/all"
  other_user mkfifo -m 666 "$HERE/all/pipe"
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "fifo=$HERE/all/pipe" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it would read from it'
  [[ $output == *"$HERE/all/pipe"* ]] || fail "$output"
  chown 0 "$HERE/all/pipe"
  start -o "fifo=$HERE/all/pipe"
}

@test 'what takes the place of the pipe is neither read nor removed' {
  mkdir "$HERE/all"
  chmod 777 "$HERE/all"
  start -o "fifo=$HERE/all/pipe"
  collecting_hook h 'deployment/*'
  other_user rm "$HERE/all/pipe"
  other_user ln -s "$HERE/private/lines" "$HERE/all/pipe"
  stop
  [ -L "$HERE/all/pipe" ]
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "fifo=$HERE/all/pipe" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it followed a link'
  other_user rm "$HERE/all/pipe"
  mkfifo "$HERE/private/pipe"
  other_user ln -s "$HERE/private/pipe" "$HERE/all/pipe"
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "fifo=$HERE/all/pipe" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it followed a link to a pipe'
  other_user rm "$HERE/all/pipe"
  other_user touch "$HERE/all/pipe"
  run timeout -s KILL 30 "$WEBHOOKFS" -f -o "fifo=$HERE/all/pipe" "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it took a file'
  [ -f "$HERE/all/pipe" ]
  start
  untouched
}

@test 'hooks/ and what is in it are not followed, whoever put links there' {
  start
  make_hook h "$NOWHERE" completed 'deployment/*'
  echo '{"url":"http://127.0.0.1:1/"}' >"$HERE/private/good.json"
  ln -s "$HERE/private/good.json" "$STATE/hooks/link.json"
  mkfifo "$STATE/hooks/pipe.json"
  truncate -s 1T "$STATE/hooks/huge.json" || touch "$STATE/hooks/huge.json"
  eventually 20 has_error link.json
  eventually 20 has_error pipe.json
  eventually 20 has_error huge.json
  [ "$(ls "$MNT/hooks")" = h ]
  echo 5s >"$MNT/hooks/h/timeout" # it goes on
  denied '' mkdir "$MNT/hooks/link"
  stop
  rm "$STATE/hooks/"{link,pipe,huge}.json
  mv "$STATE/hooks" "$HERE/private/hooks"
  ln -s "$HERE/private/hooks" "$STATE/hooks"
  run timeout -s KILL 30 "$WEBHOOKFS" -f "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it followed the directory'
  rm "$STATE/hooks"
  rm -f "$STATE/log.jsonl"
  ln -s "$HERE/private/lines" "$STATE/log.jsonl"
  run timeout -s KILL 30 "$WEBHOOKFS" -f "$STATE" "$MNT"
  [ "$status" -eq 1 ] || fail 'it would log into another file'
  untouched_file
}

untouched_file() {
  [ "$(cat "$HERE/private/lines")" = 'deployment/private completed' ]
}
