#!/usr/bin/env bats
# What an acknowledged write is worth: kill -9, stopping, a full disk.

load ../lib/common
load ../lib/flow
load ../lib/users

# events N: N lines for deployment/m, request_id from 1 on.
events() {
  seq "$1" | sed 's|.*|deployment/m completed request_id=&|'
}

arrived() {
  jq -r .body "$SINK_DIR/requests.jsonl" | jq -r .request_id | sort -nu
}

@test 'a line whose write returned is there after a kill that follows at once' {
  collecting_hook h 'deployment/*'
  python3 - "$MNT/events" "$DAEMON" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b"deployment/m completed\n")
os.kill(int(sys.argv[2]), 9)
END
  eventually 10 gone "$DAEMON"
  wait "$DAEMON" || :
  start
  [ "$(pending h)" = 1 ]
}

@test 'what is pending when the daemon is killed arrives after the next start, each once' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo paused >"$MNT/hooks/h/enabled"
  events 300 >"$MNT/events"
  crash
  start
  [ "$(pending h)" = 300 ]
  echo 1 >"$MNT/hooks/h/enabled"
  settled
  requests 300
  [ "$(arrived)" = "$(seq 300)" ]
}

@test 'a delivery that was under way when the daemon was killed comes again with its webhook-id' {
  start_sink
  answer / times 1 hang
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed request_id=1' >"$MNT/events"
  requests 1
  crash
  start
  settled
  requests 2
  [ "$(request 1 '.headers["webhook-id"] + .body')" = "$(request 2 '.headers["webhook-id"] + .body')" ]
}

@test 'what was delivered does not come again after a kill' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  events 50 >"$MNT/events"
  settled
  crash
  start
  settled
  requests 50
  [ "$(value "$MNT/hooks/h/status" delivered)" = 50 ]
}

@test 'a retry that is due later survives a kill with its count of attempts' {
  start_sink
  answer / times 1 status 500
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  crash
  start
  settled 20
  requests 2
  [ "$(jq -r .attempt "$MNT/log" | xargs)" = '1 2' ]
}

@test 'stopping waits for a transfer that ends within grace' {
  stop
  start -o grace=20
  start_sink
  answer / delay 700 status 200
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  requests 1
  terminate
  start
  [ "$(count pending)" = 0 ]
  [ "$(value "$MNT/hooks/h/status" delivered)" = 1 ]
  requests 1
}

@test 'what does not end within grace comes again after the next start' {
  stop
  start -o grace=0
  start_sink
  answer / times 1 hang
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  requests 1
  terminate
  start
  settled
  requests 2
  [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | uniq | wc -l)" = 1 ]
  [ "$(jq -r .attempt "$MNT/log" | xargs)" = 1 ]
}

# cpu: of the daemon so far, in ticks: a hundred are a second.
cpu() {
  sed 's/.*) //' "/proc/$DAEMON/stat" | awk '{ print $12 + $13 }'
}

@test 'while it stops, it sleeps' {
  stop
  start -o grace=20
  start_sink
  answer / times 1 hang
  answer / delay 300 status 200
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 2 >"$MNT/hooks/h/max_inflight"
  for _ in {1..60}; do echo 'deployment/m completed'; done >"$MNT/events"
  eventually 10 has_requests 2
  kill -TERM "$DAEMON"
  sleep 1
  before=$(cpu)
  sleep 2
  [ $(($(cpu) - before)) -lt 100 ]
  crash
}

@test 'while it stops, writers are told' {
  stop
  start -o grace=20
  start_sink
  answer / delay 1500 status 200
  make_hook h "$SINK_URL/" completed 'deployment/*'
  exec 7>"$MNT/events"
  echo 'deployment/m completed' >&7
  requests 1
  kill -TERM "$DAEMON"
  refuses() { ! bash -c 'echo "deployment/m completed request_id=late" >&7' 2>"$HERE/said"; }
  eventually 10 refuses
  exec 7>&- || :
  ended
  grep -qE 'shutdown|not connected|No such device|abort' "$HERE/said" || fail "$(cat "$HERE/said")"
  start
  [ "$(count pending)" = 0 ] || fail 'what was refused was taken'
}

@test 'no event is lost or taken twice by a writer whom stopping meets in the middle' {
  collecting_hook h 'deployment/*'
  # Counts what write(2) acknowledged.
  python3 - "$MNT/events" >"$HERE/acknowledged" 3>&- <<'END' &
import os, sys
n = 0
fd = os.open(sys.argv[1], os.O_WRONLY)
try:
    while True:
        os.write(fd, b"deployment/m completed\n")
        n += 1
except OSError:
    pass
print(n)
try:
    os.close(fd)
except OSError:
    pass
END
  local writer=$!
  some_accepted() { [ "$(count accepted)" -ge 20 ]; }
  eventually 10 some_accepted
  terminate
  wait "$writer"
  start
  [ "$(pending h)" = "$(cat "$HERE/acknowledged")" ] ||
    fail "$(pending h) pending, $(cat "$HERE/acknowledged") acknowledged"
}

# on_small_disk SIZE: where the next daemon has its state.
on_small_disk() {
  need_root
  stop
  mkdir "$HERE/small"
  mount -t tmpfs -o "size=$1,mode=700" tmpfs "$HERE/small" || skip 'tmpfs cannot be mounted here'
  STATE=$HERE/small/state
}

# The small disk goes, whatever came of the test.
teardown() {
  local bad=0
  if mountpoint -q "$HERE/small"; then
    [ -z "$DAEMON" ] || stop || bad=1
    umount "$HERE/small" || bad=1
  fi
  finish && [ $bad -eq 0 ]
}

@test 'on a full disk a writer hears ENOSPC, and once there is space writes work again' {
  on_small_disk 3M
  start
  collecting_hook h 'deployment/*'
  head -c 1500K /dev/zero >"$HERE/small/filler"
  local taken=0
  printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 20000 '' >"$HERE/line"
  while writes "@$HERE/line" >"$HERE/said" && grep -q '^20' "$HERE/said"; do
    taken=$((taken + 1))
    [ $taken -lt 300 ] || fail 'it never got full'
  done
  [ "$(cat "$HERE/said")" = 'ENOSPC closed' ] || fail "$(cat "$HERE/said")"
  [ "$(pending h)" = $taken ]
  rm "$HERE/small/filler"
  [ "$(writes 'deployment/m completed\n')" = '23 closed' ]
  [ "$(pending h)" = $((taken + 1)) ]
  crash
  start
  [ "$(pending h)" = $((taken + 1)) ]
  stop
}

# So many long ones in one turn that the database has to write before the commit, when their lines are in
# use: each was begun by a write before.
@test 'on a full disk lines that were begun are refused whole, and nothing of them stays' {
  need_root
  stop
  mkdir "$HERE/small"
  mount -t tmpfs -o size=3M,mode=700 tmpfs "$HERE/small" || skip 'tmpfs cannot be mounted here'
  STATE=$HERE/small/state
  start
  collecting_hook h 'deployment/*'
  printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 700000 x >"$HERE/line"
  head -c 2700K /dev/zero >"$HERE/small/filler"
  local begun=@$HERE/line
  run "$BATS_TEST_DIRNAME/../lib/writers.py" begun "$DAEMON" "$MNT/events" "$begun" "$begun" "$begun" "$begun"
  echo "$output"
  [[ "$output" == *ENOSPC* ]]
  [ "$(pending h)" -eq "$(grep -o 700 <<<"$output" | wc -l)" ]
  has_error 'cannot save in queue.db: No space left on device'
  rm "$HERE/small/filler"
  [ "$(writes 'deployment/m completed\n')" = '23 closed' ]
  stop
}

# Somebody removes the hook's file, so all that was pending goes in a step of its own. There is room for the
# small change that the removal is, and none for that step.
@test 'what a removed hook leaves on a full disk goes as soon as there is space' {
  on_small_disk 6M
  start
  collecting_hook h 'deployment/*'
  printf "deployment/m completed result='\"%600s\"'\n" $(seq 300) >"$HERE/lines"
  cat "$HERE/lines" >"$MNT/events"
  [ "$(pending h)" -eq 300 ]
  head -c 6M /dev/zero >"$HERE/small/filler" || :
  rm "$STATE/hooks/h.json"
  local tries=0
  while [ -e "$MNT/hooks/h" ]; do
    [ $((tries += 1)) -lt 200 ] || fail 'it is not removed' || return
    [ $((tries % 20)) -ne 0 ] || truncate -s -8K "$HERE/small/filler"
    sleep 0.1
  done
  [ "$(count backlog_bytes)" -gt 0 ] || fail 'there was room for all of it' || return
  rm "$HERE/small/filler"
  eventually 10 eval '[ "$(count backlog_bytes)" -eq 0 ]'
  stop
}

@test 'torture: kills at random moments lose nothing' {
  TMPDIR=$HERE WEBHOOKFS=$WEBHOOKFS SINK=$SINK BUILD=${CLOCKSTEP_SO%/*} \
    run "$BATS_TEST_DIRNAME/../fault/kill9.py" 5 1
  echo "$output"
  [ "$status" -eq 0 ]
}

# As many as the receiver's window has places: what came of them is kept until it can be recorded, so none
# is sent twice.
@test 'on a full disk deliveries begin, and each is recorded, once, when there is space' {
  on_small_disk 3M
  start_sink
  start
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo paused >"$MNT/hooks/h/enabled"
  events 20 >"$MNT/events"
  head -c 3M /dev/zero >"$HERE/small/filler" || :
  printf "deployment/m completed request_id=100 metadata='{\"x\":\"%*s\"}'\n" 200000 '' >"$HERE/line"
  refused_for_space() { writes "@$HERE/line" | grep -qx 'ENOSPC closed'; }
  eventually 10 refused_for_space
  has_error 'cannot save in queue.db: No space left on device'
  # Switching the hook on needs a file of its own size.
  truncate -s -8K "$HERE/small/filler"
  echo 1 >"$MNT/hooks/h/enabled"
  head -c 8K /dev/zero >>"$HERE/small/filler" || :
  eventually 20 has_requests 1
  rm "$HERE/small/filler"
  settled 20
  requests 20
  [ "$(arrived)" = "$(seq 20)" ]
  [ "$(value "$MNT/hooks/h/status" delivered)" -eq 20 ]
  stop
}
