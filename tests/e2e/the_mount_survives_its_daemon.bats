#!/usr/bin/env bats
# -o keep: the daemon is killed, upgraded, or cannot start any more; who has files open goes on.

load ../lib/common
load ../lib/flow
load ../lib/users

LIB=$BATS_TEST_DIRNAME/../lib

# The numbers of requests, for mute.so.
declare -gA REQUEST=([setattr]=4 [unlink]=10 [mkdir]=9 [rmdir]=11 [rename]=45 [open]=14 [write]=16
  [flush]=25 [create]=35)

setup() {
  prepare
  MUTE=$STATE/mute # where the daemon, confined, may look
  OPENERS=()
}

teardown() {
  end_jobs "${OPENERS[@]}"
  finish
}

keep() {
  start -o keep
}

# keep_muted: and it can be told to die before it answers.
keep_muted() {
  MUTE=$MUTE LD_PRELOAD=$(dirname "$CLOCKSTEP_SO")/mute.so \
    ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 start -o keep
}

# worker: the daemon itself, the keeper's only child.
worker() {
  cat "/proc/$DAEMON/task/$DAEMON/children" 2>/dev/null
}

# confined_of PID: each daemon is, and its keeper is not.
confined_of() {
  grep -E '^(Cap|NoNewPrivs|Seccomp:)' "/proc/${1% }/status"
}

is_another() {
  local now
  now=$(worker) && [ -n "$now" ] && [ "$now" != "$1" ]
}

# kill_worker: as the kernel does when memory is short. There is another when this returns.
kill_worker() {
  local before
  before=$(worker)
  # shellcheck disable=SC2086 # one number and a blank
  kill -KILL $before && eventually 20 is_another "$before"
}

has_mode() {
  [ "$(stat -c %a "$2")" = "$1" ]
}

# dies_before COMMAND…: of the request named first the daemon does not live to tell.
dies_before() {
  echo "${REQUEST[$1]}" >"$MUTE"
  shift
  "$@" || fail "failed: $*" || return
  [ ! -e "$MUTE" ] || fail 'no such request came'
}

# open_with PYTHON: a program that has files open; it reads what it is to do next, a line each.
open_with() {
  mkfifo "$HERE/orders.${#OPENERS[@]}"
  python3 -u -c 'import os, sys
mnt = sys.argv[1]
for line in open(sys.argv[2]):
    try:
        exec(line)
        print("did")
    except OSError as error:
        print(error.strerror)' "$MNT" "$HERE/orders.${#OPENERS[@]}" \
    >"$HERE/opener.${#OPENERS[@]}" 2>&1 3>&- &
  exec 7>"$HERE/orders.${#OPENERS[@]}"
  ORDERS=0
  OPENER=$HERE/opener.${#OPENERS[@]}
  OPENERS+=($!)
}

has_answers() {
  [ "$(wc -l <"$OPENER")" -ge "$1" ]
}

# order PYTHON ANSWER: "did", or an error.
order() {
  echo "$1" >&7
  ORDERS=$((ORDERS + 1))
  eventually 20 has_answers $ORDERS || return
  [ "$(sed -n ${ORDERS}p "$OPENER")" = "$2" ] || fail "$1: $(cat "$OPENER")"
}

@test 'the next daemon says what files are, not the kernel from memory' {
  keep
  chmod 620 "$MNT/events"
  chmod 750 "$MNT/hooks"
  rm "$STATE/attributes.json"
  kill_worker
  eventually 20 has_mode 200 "$MNT/events"
  eventually 20 has_mode 755 "$MNT/hooks"
}

@test 'a daemon that is killed is followed by another, and the mount is the same' {
  keep
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  local before confined
  before=$(grep -F " $MNT " /proc/self/mountinfo)
  confined=$(confined_of "$(worker)")
  exec 5>>"$MNT/events" 6<"$MNT/hooks/h/url"
  for i in 1 2 3; do
    kill_worker
    echo "deployment/kept completed request_id=kept$i" >&5
    echo "deployment/open completed request_id=open$i" >>"$MNT/events"
    [ "$(confined_of "$(worker)")" = "$confined" ]
  done
  requests 6
  read -r line <&6
  [ "$line" = "$SINK_URL/" ]
  exec 5>&- 6<&-
  [ "$(grep -F " $MNT " /proc/self/mountinfo)" = "$before" ]
  grep -q 'ended by signal 9, and is started anew' "$LOG"
  [ "$(worker | wc -w)" -eq 1 ]
  [ "$(cat "/proc/$DAEMON/comm")" = webhookfs-keep ]
  grep -q '^confined none' "$MNT/status" || [ "$(confined_of "$DAEMON")" != "$confined" ]
}

@test 'writers notice nothing but a pause, and no line is lost or taken twice' {
  run "$BATS_TEST_DIRNAME/../fault/keep.py" 5
  echo "$output"
  [ "$status" -eq 0 ]
}

@test 'nor do they while the program is upgraded' {
  run "$BATS_TEST_DIRNAME/../fault/keep.py" 3 upgrade
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "an upgrade executes what is the program's file then, in the same process" {
  cp "$WEBHOOKFS" "$HERE/program"
  WEBHOOKFS=$HERE/program keep
  exec 5>>"$MNT/events"
  printf '#!/bin/sh\necho upgraded >>%q\nexec %q "$@"\n' "$HERE/upgraded" "$WEBHOOKFS" >"$HERE/new"
  chmod +x "$HERE/new"
  mv "$HERE/new" "$HERE/program"
  local before
  before=$(worker)
  kill -USR2 "$DAEMON"
  eventually 20 is_another "$before"
  echo 'deployment/a completed' >&5
  exec 5>&-
  [ "$(cat "$HERE/upgraded")" = upgraded ]
  alive "$DAEMON"
  [ "$(count accepted)" -eq 1 ]
}

@test 'where there is no program any more the old one goes on' {
  cp "$WEBHOOKFS" "$HERE/program"
  WEBHOOKFS=$HERE/program keep
  rm "$HERE/program"
  local before
  before=$(worker)
  kill -USR2 "$DAEMON"
  eventually 20 is_another "$before"
  echo 'deployment/a completed' >"$MNT/events"
}

@test 'a write to events that was committed is only acknowledged again' {
  keep_muted
  collecting_hook h 'deployment/*'
  dies_before write bash -c "echo 'deployment/a completed' >'$MNT/events'"
  [ "$(pending h)" -eq 1 ]
  dies_before write bash -c "printf 'deployment/b completed\ndeployment/c comp' >'$MNT/events'" || :
  [ "$(pending h)" -eq 2 ]
  dies_before flush bash -c "printf 'deployment/d completed' >'$MNT/events'"
  [ "$(pending h)" -eq 3 ]
}

@test 'what makes, removes and renames is not refused for having been done' {
  keep_muted
  dies_before mkdir mkdir "$MNT/hooks/a"
  dies_before rename mv "$MNT/hooks/a" "$MNT/hooks/b"
  [ ! -e "$MNT/hooks/a" ]
  dies_before create bash -c "set -C; echo x >'$MNT/hooks/b/headers/X-New'"
  [ "$(cat "$MNT/hooks/b/headers/X-New")" = x ]
  dies_before unlink rm "$MNT/hooks/b/headers/X-New"
  [ ! -e "$MNT/hooks/b/headers/X-New" ]
  dies_before write bash -c "echo $NOWHERE >'$MNT/hooks/b/url'"
  [ "$(cat "$MNT/hooks/b/url")" = $NOWHERE ]
  dies_before setattr chmod 600 "$MNT/hooks/b/url"
  [ "$(stat -c %a "$MNT/hooks/b/url")" = 600 ]
  dies_before open cat "$MNT/hooks/b/status"
  dies_before rmdir rmdir "$MNT/hooks/b"
  [ ! -e "$MNT/hooks/b" ]
}

@test 'but what could not be done is refused as ever' {
  keep_muted
  mkdir "$MNT/hooks/a"
  echo "${REQUEST[rename]}" >"$MUTE"
  run mv -T "$MNT/hooks/a" "$MNT/nowhere"
  [ "$status" -ne 0 ]
  [ ! -e "$MUTE" ]
  [ -e "$MNT/hooks/a" ]
}

@test 'what kills each daemon that carries it out is given up' {
  keep_muted
  echo "${REQUEST[mkdir]} always" >"$MUTE"
  denied 'Input/output error' mkdir "$MNT/hooks/deadly"
  rm "$MUTE"
  [ "$(grep -c 'ended by signal 9' "$LOG")" -eq 3 ]
  has_error '3 daemons in a row have died while they carried this out'
  mkdir "$MNT/hooks/other"
}

@test 'a line that was begun goes on, and ends with its file' {
  keep
  collecting_hook h 'deployment/*'
  open_with
  order 'a = os.open(mnt + "/events", os.O_WRONLY); b = os.open(mnt + "/events", os.O_WRONLY)' did
  order 'os.write(a, b"deployment/a comp"); os.write(b, b"deployment/b completed")' did
  kill_worker
  order 'os.write(a, b"leted\n"); os.close(b)' did
  [ "$(pending h)" -eq 2 ]
  [ "$(value "$MNT/status" refused)" -eq 0 ]
}

@test 'a line as long as can be goes on' {
  keep
  collecting_hook h 'deployment/*'
  open_with
  order 'fd = os.open(mnt + "/events", os.O_WRONLY)' did
  order 'text = b"{\"object\":\"deployment/a\",\"status\":\"completed\",\"result\":\"" + b"x" * 1000000' did
  order 'os.write(fd, text)' did
  kill_worker
  order 'os.write(fd, b"\"}\n")' did
  [ "$(pending h)" -eq 1 ]
}

@test 'a value that was begun is not lost in silence' {
  keep
  make_hook h $NOWHERE completed 'deployment/*'
  open_with
  order 'fd = os.open(mnt + "/hooks/h/url", os.O_WRONLY)' did
  order 'os.write(fd, b"http://127.0.0.1:2/")' did
  kill_worker
  order 'os.close(fd)' 'Input/output error'
  has_error 'webhookfs was started anew while this file was being written'
  grep -q 'hooks/h/url' "$MNT/errors"
  [ "$(cat "$MNT/hooks/h/url")" = $NOWHERE ]
  # Who goes on writing to it is told as well.
  order 'fd = os.open(mnt + "/hooks/h/labels", os.O_WRONLY)' did
  order 'os.write(fd, b"a:1\n")' did
  kill_worker
  order 'os.write(fd, b"b:2\n")' 'Input/output error'
  [ "$(cat "$MNT/hooks/h/labels")" = a:1 ]
}

@test 'readers go on: the log grows, listings end, and a file is not of two states' {
  keep
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  tail -n +1 -f "$MNT/log" >"$HERE/tail" 3>&- &
  OPENERS+=($!)
  cd "$MNT/hooks/h"
  echo 'deployment/a completed request_id=one' >"$MNT/events"
  eventually 10 grep -q '"one"' "$HERE/tail"
  open_with
  order 'import itertools' did
  order 'd = os.scandir(mnt + "/hooks/h"); seen = [next(d).name]' did
  order 'fd = os.open(mnt + "/status", os.O_RDONLY); os.read(fd, 3)' did
  order 'whole = os.open(mnt + "/status", os.O_RDONLY); os.read(whole, 65536)' did
  kill_worker
  order 'seen += [e.name for e in d]; assert len(seen) == len(set(seen)) > 20, seen' did
  order 'os.read(fd, 10)' 'Input/output error'
  order 'assert os.read(whole, 10) == b""' did
  order 'os.lseek(fd, 0, 0); assert os.read(fd, 5) == b"hooks"' did
  [ "$(cat url)" = "$SINK_URL/" ]
  echo 'deployment/a completed request_id=two' >"$MNT/events"
  eventually 10 grep -q '"two"' "$HERE/tail"
  [ "$(grep -c '"one"' "$HERE/tail")" -eq 1 ]
  cd /
}

@test 'who waits for news is woken' {
  keep
  "$LIB/waits.py" poll '' "$MNT/status" >"$HERE/waiter" 2>&1 3>&- &
  OPENERS+=($!)
  eventually 20 grep -qx waits "$HERE/waiter"
  kill_worker
  eventually 20 grep -q '^IN PRI' "$HERE/waiter"
}

@test 'a scratch file is gone, and another never has its number' {
  keep
  mkdir "$MNT/hooks/h"
  open_with
  order 'fd = os.open(mnt + "/hooks/h/.old", os.O_RDWR | os.O_CREAT)' did
  order 'os.write(fd, b"secret")' did
  kill_worker
  echo other >"$MNT/hooks/h/.new"
  order 'os.read(fd, 10)' 'Stale file handle'
  order 'os.write(fd, b"x")' 'Stale file handle'
  [ ! -e "$MNT/hooks/h/.old" ]
  [ "$(cat "$MNT/hooks/h/.new")" = other ]
}

@test 'an end that was asked for is the end of both' {
  keep
  local pid
  pid=$(worker)
  terminate
  gone "$pid"
  keep
  pid=$(worker)
  stop
  gone "$pid"
  keep
  kill_worker
  pid=$(worker)
  stop
  gone "$pid"
  keep
  kill_worker
  terminate
}

@test 'it goes to the background with its keeper' {
  "$WEBHOOKFS" -o keep "$STATE" "$MNT" >>"$LOG" 2>&1 3>&-
  serving
  local pids
  pids=$(processes)
  [ "$(wc -l <<<"$pids")" -eq 2 ]
  for pid in $pids; do
    [ "$(readlink "/proc/$pid/cwd")" = / ]
    [ "$(readlink "/proc/$pid/fd/2")" = /dev/null ]
  done
  fusermount3 -u "$MNT"
  for pid in $pids; do
    eventually 20 gone "$pid"
  done
}

@test 'a daemon that cannot start is given up: unmounted, and said why' {
  keep
  chmod 755 "$STATE"
  # shellcheck disable=SC2046 # one number and a blank
  kill -KILL $(worker)
  run cat "$MNT/README"
  [ "$status" -ne 0 ]
  eventually 60 gone "$DAEMON"
  local status=0
  wait "$DAEMON" || status=$?
  DAEMON=
  [ "$status" -eq 1 ]
  [ -z "$(mounts)" ]
  grep -q 'others can read the state directory' "$LOG"
  grep -q 'ended with status 1 as soon as it was started, 9 times: .* is unmounted' "$LOG"
}

@test 'a kernel that cannot ask again: it says so, and the next daemon mounts anew' {
  MUTE_OLD=1 keep_muted
  grep -q 'this kernel cannot ask another daemon again' "$LOG"
  make_hook h $NOWHERE completed 'deployment/*'
  kill_worker
  eventually 20 serving
  [ "$(cat "$MNT/hooks/h/url")" = $NOWHERE ]
}

@test 'a start without memory for what is kept says so' {
  export MUTE_MEMORY=$HERE/memory
  touch "$MUTE_MEMORY"
  LD_PRELOAD=$(dirname "$CLOCKSTEP_SO")/mute.so ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
    run "$WEBHOOKFS" -f -o keep "$STATE" "$MNT"
  [ "$status" -eq 1 ]
  grep -qF 'no memory for open files: Cannot allocate memory' <<<"$output" || fail "$output"
  [ -z "$(mounts)" ]
}

@test 'a daemon without memory for what the last one knew says so, and mounts anew' {
  export MUTE_MEMORY=$HERE/memory
  keep_muted
  make_hook h $NOWHERE completed 'deployment/*'
  touch "$MUTE_MEMORY"
  kill_worker
  eventually 20 serving
  grep -qF 'no memory for what it knew: Cannot allocate memory' "$LOG" || fail "$(cat "$LOG")"
  [ "$(cat "$MNT/hooks/h/url")" = $NOWHERE ]
}

@test 'a plain user has it as well' {
  need_root
  need_fuse_of_others
  open_the_way
  mkdir -m 755 "$HERE/theirs"
  mkdir "$HERE/theirs/mnt"
  chown -R 65534:65534 "$HERE/theirs"
  MNT=$HERE/theirs/mnt STATE=$HERE/theirs/state
  other_user test -r "$WEBHOOKFS" || skip 'others cannot get to the program'
  setpriv --reuid 65534 --regid 65534 --clear-groups "$WEBHOOKFS" -f -o keep "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 other_user test -e "$MNT/README"
  kill_worker
  other_user mkdir "$MNT/hooks/h"
  kill_worker
  other_user fusermount3 -u "$MNT"
  ended
}

@test 'keep and auto_unmount are refused together' {
  run "$WEBHOOKFS" -f -o keep,auto_unmount "$STATE" "$MNT"
  [ "$status" -eq 2 ]
  [[ $output == *'do not go together'* ]]
}

# ---- systemd's store of descriptors; service.py is systemd

has_pending() {
  [ "$(pending h)" -eq "$1" ]
}

managed() {
  "$LIB/service.py" "$HERE" "$WEBHOOKFS" "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 test -e "$HERE/said"
  eventually 20 grep -q READY=1 "$HERE/said"
  eventually 20 serving
}

is_another_managed() {
  [ "$(cat "$HERE/pid")" != "$1" ] && [ "$(grep -c READY=1 "$HERE/said")" -ge "$2" ]
}

@test 'a service manager keeps the mount in its store' {
  mkfifo "$HERE/pipe"
  managed
  collecting_hook h 'deployment/*'
  open_with
  order 'fd = os.open(mnt + "/events", os.O_WRONLY); os.write(fd, b"deployment/a comp")' did
  local before
  before=$(cat "$HERE/pid")
  kill -KILL "$before"
  eventually 20 is_another_managed "$before" 2
  order 'os.write(fd, b"leted\n")' did
  echo 'deployment/p completed' >"$HERE/pipe"
  eventually 10 has_pending 2
  # A restart: the daemon is told to leave, and the next one goes on.
  before=$(cat "$HERE/pid")
  kill -USR2 "$before"
  eventually 20 is_another_managed "$before" 3
  order 'os.write(fd, b"deployment/b completed\n"); os.close(fd)' did
  has_pending 3
  stop
  grep -q 'FDSTOREREMOVE=1 FDNAME=webhookfs-mount' "$HERE/said"
}

@test 'a mount that has gone from the store is not gone on with' {
  managed
  local before
  before=$(cat "$HERE/pid")
  kill -STOP "$before"
  umount -l "$MNT"
  kill -KILL "$before"
  eventually 20 is_another_managed "$before" 2
  eventually 20 serving
  grep -q 'cannot be gone on with: it has been unmounted' "$LOG"
  mkdir "$MNT/hooks/h"
  before=$(cat "$HERE/pid")
  kill -KILL "$before"
  eventually 20 is_another_managed "$before" 3
  [ -d "$MNT/hooks/h" ]
}
