#!/usr/bin/env bats
# The log grows to log_size and is begun anew; who reads it misses nothing, and nothing waits for it.

load ../lib/common
load ../lib/flow

setup() {
  prepare
  FOLLOWERS=()
}

teardown() {
  end_jobs "${FOLLOWERS[@]}"
  finish
}

# begin OPTIONS: the daemon and a hook, for which a line of the log has some 250 bytes.
begin() {
  start -o "$1"
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  SENT=0
}

# events N: that many, numbered, one after the other; each is a line of the log.
events() {
  local n
  for ((n = 0; n < $1; n++)); do
    SENT=$((SENT + 1))
    echo "deployment/m completed request_id=$SENT" >"$MNT/events"
  done
  eventually 20 delivered "$SENT"
}

delivered() {
  [ "$(count delivered)" = "$1" ] && none_pending
}

inode() {
  stat -c %i "$MNT/log"
}

# numbers FILE…: of the events in it, in a line.
numbers() {
  jq -r .request_id "$@" | sort -n | tr '\n' ' '
}

up_to() {
  seq "${2:-1}" "$1" | tr '\n' ' '
}

# follow FILE COMMAND…: in the background, what it prints goes to the file.
follow() {
  "${@:2}" >"$1" 2>"$1.err" 3>&- &
  FOLLOWERS+=($!)
}

has_lines() {
  [ "$(wc -l <"$1")" -ge "$2" ]
}

# rotates: events one by one until the log is another one.
rotates() {
  local before
  before=$(inode)
  while [ "$(inode)" = "$before" ]; do
    ((SENT < 500)) || fail 'it does not rotate' || return
    events 1 || return
  done
}

# in_the_old_one: the number of the last event in it.
in_the_old_one() {
  echo $((SENT - $(wc -l <"$MNT/log")))
}

@test 'the log is begun anew at log_size, log_keep old ones stay, and no line is missing or torn' {
  begin log_size=2K,log_keep=2
  rotates
  rotates
  [ "$(cd "$STATE" && echo log.jsonl*)" = 'log.jsonl log.jsonl.1 log.jsonl.2' ]
  [ "$(numbers "$STATE"/log.jsonl*)" = "$(up_to $SENT)" ]
  [ "$(stat -c %s "$STATE/log.jsonl.1")" -ge 2048 ]
  [ "$(stat -c %s "$STATE/log.jsonl.1")" -lt 4096 ]
  [ "$(stat -c %a "$STATE/log.jsonl" "$STATE/log.jsonl.1" | uniq)" = 600 ]
  cmp "$MNT/log" "$STATE/log.jsonl"
  rotates
  [ "$(cd "$STATE" && echo log.jsonl*)" = 'log.jsonl log.jsonl.1 log.jsonl.2' ]
}

@test 'log_size=0 is without limit, and log_keep=0 keeps no old one' {
  begin log_size=0
  local before
  before=$(inode)
  events 30
  [ "$(inode)" = "$before" ]
  [ "$(numbers "$MNT/log")" = "$(up_to 30)" ]
  stop
  start -o log_size=2K,log_keep=0
  rotates
  [ "$(cd "$STATE" && echo log.jsonl*)" = log.jsonl ]
}

@test 'a rotated log has another inode number, which stays over a restart' {
  begin log_size=2K
  local first second
  first=$(inode)
  [ "$(ls -i "$MNT/log")" = "$first $MNT/log" ]
  events 1
  [ "$(inode)" = "$first" ]
  rotates
  second=$(inode)
  [ "$second" != "$first" ]
  [ "$(ls -i "$MNT" | awk '$2 == "log" { print $1 }')" = "$second" ]
  stop
  start -o log_size=2K
  [ "$(inode)" = "$second" ]
  events 1
  crash
  start -o log_size=2K
  [ "$(inode)" = "$second" ]
  rotates
  [ "$(inode)" != "$second" ] && [ "$(inode)" != "$first" ]
}

@test 'tail -F follows over two rotations, while events flow, without losing or repeating a line' {
  begin log_size=2K,log_keep=9
  follow "$HERE/F" tail -n +1 -F -s 0.05 --max-unchanged-stats=1 "$MNT/log"
  local round
  for round in {1..10}; do
    events 3
    # It looks at the name now and then: it must have done so between two rotations.
    eventually 20 has_lines "$HERE/F" "$SENT"
  done
  [ -e "$STATE/log.jsonl.2" ] || fail 'it did not rotate twice'
  [ "$(numbers "$HERE/F")" = "$(up_to 30)" ]
  ! grep -v 'has been replaced' "$HERE/F.err" || fail "$(cat "$HERE/F.err")"
}

@test 'tail -f goes on to the end of the one it has opened' {
  begin log_size=2K,log_keep=0
  follow "$HERE/f" tail -n +1 -f -s 0.05 "$MNT/log"
  events 2
  eventually 20 has_lines "$HERE/f" 2
  rotates
  local whole
  whole=$(in_the_old_one)
  eventually 20 has_lines "$HERE/f" "$whole"
  events 2
  rotates
  alive "${FOLLOWERS[0]}"
  [ "$(numbers "$HERE/f")" = "$(up_to "$whole")" ]
  [ ! -s "$HERE/f.err" ] || fail "$(cat "$HERE/f.err")"
}

@test 'an open log is read to its end, whatever has become of its name' {
  begin log_size=2K,log_keep=0
  exec {old}<"$MNT/log"
  rotates
  local whole
  whole=$(in_the_old_one)
  rotates
  [ "$(stat -L -c %s "/proc/self/fd/$old")" -ge 2048 ]
  [ "$(jq -r .request_id <&$old | tr '\n' ' ')" = "$(up_to "$whole")" ]
  exec {old}<&-
}

@test 'who waits for more of a log that is rotated away is told' {
  begin log_size=2K
  cat >"$HERE/reader" <<'END'
import os, select, sys
log = os.open(sys.argv[1], os.O_RDONLY)
poll = select.poll()
poll.register(log, select.POLLIN)
size = 0
while True:
    (_, why), = poll.poll(60000)
    if why & select.POLLIN:
        size += len(os.read(log, 1 << 20))
    elif why == select.POLLHUP:
        break
print(size, os.fstat(log).st_size)
END
  follow "$HERE/said" python3 "$HERE/reader" "$MNT/log"
  rotates
  wait "${FOLLOWERS[0]}"
  read -r size all <"$HERE/said"
  [ "$size" = "$all" ]
  [ "$all" = "$(stat -c %s "$STATE/log.jsonl.1")" ]
}

@test 'so is who waits with an edge-triggered epoll, once it has read to the end' {
  begin log_size=2K
  cat >"$HERE/reader" <<'END'
import os, select, sys, time
log = os.open(sys.argv[1], os.O_RDONLY)
edge = select.epoll()
edge.register(log, select.EPOLLIN | select.EPOLLET)
print("registered", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.02)
for _ in range(2):
    for _, why in edge.poll(30):
        print("IN" if why & select.EPOLLIN else "HUP" if why & select.EPOLLHUP else why)
    while os.read(log, 1 << 20):
        pass
END
  follow "$HERE/said" python3 "$HERE/reader" "$MNT/log" "$HERE/rotated"
  eventually 10 grep -q registered "$HERE/said"
  rotates
  touch "$HERE/rotated"
  wait "${FOLLOWERS[0]}"
  [ "$(xargs <"$HERE/said")" = 'registered IN HUP' ] || fail "$(cat "$HERE/said")"
}

@test 'deliveries go on where the log cannot be rotated, which is said once' {
  mkdir -p "$STATE/log.jsonl.1"
  chmod 700 "$STATE"
  begin log_size=2K
  events 30
  [ "$(numbers "$MNT/log")" = "$(up_to 30)" ]
  [ "$(grep -c 'cannot rotate log.jsonl' "$LOG")" = 1 ]
  rmdir "$STATE/log.jsonl.1"
  events 1
  [ "$(numbers "$STATE"/log.jsonl*)" = "$(up_to 31)" ]
  [ -f "$STATE/log.jsonl.1" ]
}

@test 'deliveries go on where the log cannot be written, and its lines come later' {
  begin log_size=0
  events 1
  rm "$STATE/log.jsonl"
  mkdir "$STATE/log.jsonl"
  events 5
  [ "$(grep -c 'cannot write log.jsonl' "$LOG")" = 1 ]
  rmdir "$STATE/log.jsonl"
  events 1
  [ "$(numbers "$MNT/log")" = '2 3 4 5 6 7 ' ]
}

@test 'a log that is moved away or removed by hand is begun anew' {
  begin log_size=64M
  events 2
  mv "$STATE/log.jsonl" "$HERE/mine"
  events 2
  [ "$(numbers "$HERE/mine")" = '1 2 ' ]
  [ "$(numbers "$STATE/log.jsonl")" = '3 4 ' ]
  cmp "$MNT/log" "$STATE/log.jsonl"
  rm "$STATE/log.jsonl"
  events 1
  [ "$(numbers "$MNT/log")" = '5 ' ]
}

rejected() {
  [ "$(cat "$STATE/rejected.jsonl" 2>/dev/null | wc -l)" -ge "$1" ]
}

@test 'rejected.jsonl is never rotated, and may be moved away' {
  begin log_size=1,log_keep=0
  local n
  for n in {1..5}; do
    echo "nonsense $n" >"$MNT/events.fifo"
    eventually 10 rejected "$n"
  done
  events 2
  [ "$(cd "$STATE" && echo rejected.jsonl*)" = rejected.jsonl ]
  [ "$(jq -r .line "$STATE/rejected.jsonl" | wc -l)" = 5 ]
  mv "$STATE/rejected.jsonl" "$HERE/mine"
  echo 'nonsense 6' >"$MNT/events.fifo"
  eventually 10 rejected 1
  [ "$(jq -r .line "$STATE/rejected.jsonl")" = 'nonsense 6' ]
  [ "$(wc -l <"$HERE/mine")" = 5 ]
}
