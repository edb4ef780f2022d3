#!/usr/bin/env bats
# spool=DIR: files dropped there are taken as events, each once; what is refused lies in rejected/ with
# its reason.

load ../lib/common
load ../lib/flow
load ../lib/users

setup() {
  prepare
  SPOOL=$HERE/spool
  mkdir "$SPOOL"
}

# spooling [OPTION…]: a daemon with that spool and a hook that collects everything.
spooling() {
  start -o "spool=$SPOOL" "$@"
  [ -d "$MNT/hooks/h" ] || collecting_hook h 'deployment/*'
}

# accepted N
accepted() {
  [ "$(count accepted)" -eq "$1" ]
}

# lines N: N good ones.
lines() {
  printf 'deployment/m/v%s completed\n' $(seq "$1")
}

# drop NAME: what comes in goes there, complete from the start.
drop() {
  cat >"$SPOOL/.$1.new" && mv "$SPOOL/.$1.new" "$SPOOL/$1"
}

# is_empty: nothing is left in the spool, not even in hand.
is_empty() {
  [ -z "$(find "$SPOOL" ! -type d)" ]
}

# stays NAME
stays() {
  [ -e "$SPOOL/$1" ]
}

# rejected NAME
rejected() {
  [ -e "$SPOOL/rejected/$1" ] && [ -e "$SPOOL/rejected/$1.reason" ]
}

# taken_ids: the request ids of all events that are pending, sorted.
taken_ids() {
  sqlite3 "$STATE/queue.db" 'SELECT request_id FROM event' | sort
}

@test 'files are taken however they come, and are gone then' {
  spooling
  echo 'deployment/m completed' >"$SPOOL/written"
  eventually 10 accepted 1
  lines 3 >"$HERE/file"
  cp "$HERE/file" "$SPOOL/copied"
  eventually 10 accepted 4
  mv "$HERE/file" "$SPOOL/moved.txt"
  eventually 10 accepted 7
  printf '{"object":"deployment/m","status":"completed"}' | drop renamed.json
  eventually 10 accepted 8
  echo 'deployment/m completed' >"$HERE/linked"
  ln "$HERE/linked" "$SPOOL/linked"
  eventually 10 accepted 9
  printf 'deployment/m completed\r\n\n\ndeployment/m completed' >"$SPOOL/dos"
  eventually 10 accepted 11
  : >"$SPOOL/empty"
  eventually 10 is_empty
  [ "$(count refused)" = 0 ]
  [ "$(pending h)" = 11 ]
}

@test 'files that came while no daemon ran are taken at the start' {
  lines 2 >"$SPOOL/a"
  lines 3 >"$SPOOL/b"
  spooling
  eventually 10 accepted 5
  stop
  lines 4 >"$SPOOL/c"
  spooling
  eventually 10 accepted 9
  eventually 10 is_empty
}

@test 'names of what is not complete are passed over' {
  spooling
  local name
  local names=(.hidden a~ a.tmp a.part a.partial a.filepart .a.swp sedAbC123 4913)
  for name in "${names[@]}"; do lines 1 >"$SPOOL/$name"; done
  mkdir "$SPOOL/subdir"
  lines 1 >"$SPOOL/subdir/file"
  lines 1 >"$SPOOL/good"
  eventually 10 accepted 1
  stop
  spooling
  lines 1 >"$SPOOL/good2"
  eventually 10 accepted 2
  for name in "${names[@]}" subdir/file; do stays "$name" || fail "$name"; done
  mv "$SPOOL/a.part" "$SPOOL/a"
  eventually 10 accepted 3
}

@test 'a file that is being written is left until its writer closes it' {
  mkfifo "$HERE/gate"
  bash -c '{ echo deployment/m/v1 completed; read -r <"$1"; echo deployment/m/v2 completed; } >"$0"' \
    "$SPOOL/slow" "$HERE/gate" 3>&- &
  local writer=$!
  eventually 10 test -s "$SPOOL/slow"
  spooling
  lines 1 >"$SPOOL/quick"
  eventually 10 accepted 1
  stays slow
  echo >"$HERE/gate"
  wait $writer
  eventually 10 accepted 3
  eventually 10 is_empty
}

@test 'a file with a bad line is rejected as it is, with the reasons, and nothing of it is taken' {
  spooling
  { lines 2; echo nonsense; lines 1; echo 'deployment/m wrong'; } >"$HERE/bad"
  cp "$HERE/bad" "$SPOOL/bad"
  eventually 10 rejected bad
  cmp "$HERE/bad" "$SPOOL/rejected/bad"
  [ "$(wc -l <"$SPOOL/rejected/bad.reason")" = 2 ]
  grep -q '^line 3: ' "$SPOOL/rejected/bad.reason"
  grep -q '^line 5: .*wrong' "$SPOOL/rejected/bad.reason"
  [ "$(stat -c %a "$SPOOL/rejected/bad.reason")" = 600 ]
  has_error 'spool/bad:3 uid='
  [ "$(count refused)" = 1 ]
  [ "$(count accepted)" = 0 ]
  # Another one of that name does not take its place.
  cp "$HERE/bad" "$SPOOL/bad"
  eventually 10 rejected bad.1
  # Mended, it is dropped once more.
  grep -v -e nonsense -e wrong "$SPOOL/rejected/bad" >"$SPOOL/bad"
  eventually 10 accepted 3
}

@test 'no file, a line too long, no text: all are rejected' {
  spooling
  ln -s /etc/passwd "$SPOOL/link"
  mkfifo "$SPOOL/pipe"
  head -c 1100000 /dev/zero | tr '\0' x | drop long
  head -c 5000 /dev/urandom | drop binary
  local name
  for name in link pipe long binary; do eventually 10 rejected $name || fail $name; done
  [ -L "$SPOOL/rejected/link" ]
  [ -p "$SPOOL/rejected/pipe" ]
  grep -q 'at most 1048576 bytes' "$SPOOL/rejected/long.reason"
  has_error 'no regular file'
  lines 1 >"$SPOOL/good"
  eventually 10 accepted 1
}

@test 'a file larger than the memory it may take is taken in pieces' {
  spooling -o max_backlog=1G
  rmdir "$MNT/hooks/h" # only counted
  for i in {1..40}; do printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 500000 ''; done |
    drop large
  eventually 20 accepted 40
  eventually 10 is_empty
  # A long line may begin in any place.
  { lines 3; printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 1048500 ''; lines 1; } | drop odd
  eventually 20 accepted 45
  # All of it is looked at before anything is taken.
  { for i in {1..10}; do printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 500000 ''; done
    echo nonsense; } | drop large
  eventually 20 rejected large
  [ "$(count accepted)" = 45 ]
  [ "$(cut -c1-8 "$SPOOL/rejected/large.reason")" = 'line 11:' ]
}

@test 'ten thousand files at once do not hold up others, and all are taken' {
  mkdir "$HERE/files"
  (cd "$HERE/files" && lines 10000 | split -l 1 -a 4 - f)
  mv "$HERE/files" "$SPOOL.new"
  rmdir "$SPOOL"
  mv "$SPOOL.new" "$SPOOL"
  spooling
  echo 'deployment/m completed' >"$MNT/events"
  eventually 60 accepted 10001
  eventually 10 is_empty
  [ "$(count refused)" = 0 ]
}

@test 'more than the kernel keeps notes of is found all the same' {
  spooling
  local i n
  n=$(($(cat /proc/sys/fs/inotify/max_queued_events) / 2 + 500))
  [ "$n" -le 20000 ] || skip 'the kernel keeps too many'
  kill -STOP "$DAEMON"
  for ((i = 0; i < n; i++)); do : >"$SPOOL/.x$i"; done
  lines 1 >"$SPOOL/late"
  kill -CONT "$DAEMON"
  eventually 20 accepted 1
}

@test 'while the backlog is full files stay, and are taken later' {
  spooling -o max_backlog=1M
  printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 600000 '' >"$HERE/big"
  cp "$HERE/big" "$SPOOL/one"
  eventually 10 accepted 1
  cp "$HERE/big" "$SPOOL/two"
  lines 3 >"$SPOOL/three"
  echo 'deployment/m completed' >"$MNT/events"
  stop
  spooling -o max_backlog=1M
  [ "$(count accepted)" = 2 ]
  rm -r "$MNT/hooks/h"
  eventually 10 accepted 6
  eventually 10 is_empty
  [ "$(count refused)" = 0 ]
}

@test 'the owner of a file is who wrote its events' {
  need_root
  open_the_way
  chmod 1777 "$SPOOL"
  spooling
  other_user bash -c 'echo "deployment/m completed" >"$0/a"; echo nonsense >"$0/b"' "$SPOOL"
  eventually 10 accepted 1
  eventually 10 rejected b
  has_error 'spool/b:1 uid=65534'
  [ "$(stat -c %u "$SPOOL/rejected/b.reason")" = 65534 ]
  other_user cat "$SPOOL/rejected/b.reason" >/dev/null
  denied 'ermission denied' other_user ls "$SPOOL/.taking"
  stop
  [ "$(sqlite3 "$STATE/queue.db" 'SELECT uid FROM event')" = 65534 ]
}

@test 'what cannot be read or moved stays and is told, until it can be' {
  need_root
  need_fuse_of_others
  open_the_way
  mkdir -m 700 "$STATE"
  chown 65534:65534 "$MNT" "$STATE" "$SPOOL"
  printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %q "$@"\n' \
    "$WEBHOOKFS" >"$HERE/as_nobody"
  WEBHOOKFS=$HERE/as_nobody
  chmod +x "$WEBHOOKFS"
  # Root's mount it is not: all is looked at as its owner.
  "$WEBHOOKFS" -f -o "spool=$SPOOL" "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 10 other_user test -e "$MNT/README"
  (umask 077; lines 1 >"$SPOOL/secret")
  eventually 10 other_user grep -q 'spool/secret uid=0' "$MNT/errors"
  other_user grep -q 'Permission denied' "$MNT/errors"
  stays secret
  chmod 644 "$SPOOL/secret"
  eventually 10 other_user grep -qx 'accepted 1' "$MNT/status"
  kill -TERM "$DAEMON"
  ended
}

@test 'a file that cannot be moved stays and is told once, until it can be' {
  need_root
  lines 1 >"$SPOOL/fixed"
  chattr +i "$SPOOL/fixed" || skip 'no file can be fixed here'
  spooling
  eventually 10 has_error 'spool/fixed uid='
  lines 2 >"$SPOOL/good"
  eventually 10 accepted 2
  [ "$(grep -c 'spool/fixed' "$MNT/errors")" = 1 ]
  chattr -i "$SPOOL/fixed"
  eventually 20 accepted 3
  eventually 10 is_empty
}

@test 'where rejected/ cannot be written the bad file stays and is told' {
  need_root
  mkdir "$SPOOL/rejected"
  mount -t tmpfs -o size=4k,nr_inodes=1,mode=755 none "$SPOOL/rejected" || skip 'no tmpfs here'
  spooling
  echo nonsense >"$SPOOL/bad"
  eventually 10 has_error 'cannot be moved to rejected'
  eventually 10 stays bad
  lines 1 >"$SPOOL/good"
  eventually 10 accepted 1
  stop
  umount "$SPOOL/rejected"
}

@test 'a full disk takes nothing, and loses nothing' {
  need_root
  mkdir -m 700 "$STATE"
  mount -t tmpfs -o size=3m,mode=700 none "$STATE" || skip 'no tmpfs here'
  spooling
  dd if=/dev/zero of="$STATE/filler" bs=4k 2>/dev/null || :
  for i in {1..20}; do
    printf "deployment/m completed request_id=$i metadata='{\"x\":\"%*s\"}'\n" 20000 ''
  done >"$HERE/lines"
  split -l 1 "$HERE/lines" "$SPOOL/f"
  eventually 20 grep -q 'cannot save' "$LOG"
  rm "$STATE/filler"
  eventually 20 accepted 20
  eventually 10 is_empty
  stop
  [ "$(taken_ids)" = "$(seq 20 | sort)" ]
  umount "$STATE"
}

@test 'each file is taken once, whenever the daemon is killed' {
  spooling
  local round i=0
  for round in {1..8}; do
    (for n in {1..25}; do
      echo "deployment/m completed request_id=$round-$n" | drop "f$round-$n"
    done) 3>&- &
    local writer=$!
    sleep "0.0$((RANDOM % 10))"
    crash
    wait $writer
    spooling
  done
  # One that takes several turns, and is cut in the middle of them.
  for i in {1..2000}; do
    printf "deployment/m completed request_id=large-$i metadata='{\"x\":\"%*s\"}'\n" 1500 ''
  done | drop large
  for round in 1 2 3; do
    sleep "0.0$((RANDOM % 10))"
    crash
    spooling
  done
  eventually 60 is_empty
  [ "$(count refused)" = 0 ]
  stop
  { for round in {1..8}; do printf "$round-%s\n" {1..25}; done; printf 'large-%s\n' {1..2000}; } |
    sort >"$HERE/sent"
  taken_ids | diff - "$HERE/sent"
}

@test 'a file that was committed and not yet removed is not taken again' {
  spooling
  lines 1 >"$SPOOL/one"
  eventually 10 accepted 1
  stop
  # As a crash leaves it: the serial of what was taken last, with a file of that serial.
  local serial
  serial=$(sqlite3 "$STATE/queue.db" "SELECT value FROM counter WHERE name LIKE 'spool_serial%'")
  lines 1 >"$SPOOL/.taking/$serial-one"
  lines 2 >"$SPOOL/.taking/$((serial + 1))-two"
  spooling
  eventually 10 accepted 3
  eventually 10 is_empty
  lines 1 >"$SPOOL/three"
  eventually 10 accepted 4
}

@test 'a directory that cannot serve is refused at the start' {
  local bad
  touch "$HERE/file"
  mkdir "$HERE/theirs"
  ln -s "$HERE" "$HERE/theirs/.taking"
  for bad in "$HERE/missing" "$HERE/file" "$MNT" "$MNT/x" "$HERE/theirs"; do
    run "$WEBHOOKFS" -o "spool=$bad" "$STATE" "$MNT" 3>&-
    [ "$status" -eq 1 ] || fail "$bad: status $status"
    [[ $output == *"spool=$bad"* ]] || fail "$bad: $output"
  done
  run "$WEBHOOKFS" -o "spool=$HERE/missing" "$STATE" "$MNT" 3>&-
  [[ $output == *'mkdir it first'* ]] || fail "$output"
  mkdir "$HERE/mnt2"
  start -o "spool=$SPOOL"
  run "$WEBHOOKFS" -o "spool=$SPOOL" "$HERE/state2" "$HERE/mnt2" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *'in use by another webhookfs'* ]] || fail "$output"
}

@test 'the directory may go' {
  spooling
  mv "$SPOOL" "$SPOOL.old"
  eventually 10 grep -q 'was moved or removed' "$LOG"
  lines 1 >"$SPOOL.old/a"
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(count accepted)" = 1 ]
}
