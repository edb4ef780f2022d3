#!/usr/bin/env bats
# poll, select and epoll on what changes by itself: who waits is woken by news, and by nothing else.

load ../lib/common
load ../lib/flow

setup() {
  prepare
  start
  WAITERS=()
}

teardown() {
  end_jobs "${WAITERS[@]}"
  finish
}

# wait_for FILE [HOW] [UNTIL] [COPIES]: in the background; what it says is in $HERE/waiter.N, N from 0.
wait_for() {
  local said=$HERE/waiter.${#WAITERS[@]}
  "$BATS_TEST_DIRNAME/../lib/waits.py" "${2:-poll}" "${3:-}" "$MNT/$1" "${4:-1}" >"$said" 2>&1 3>&- &
  WAITERS+=($!)
  eventually 20 grep -qx waits "$said" || fail "$(cat "$said")"
}

# woken N WORDS: the Nth waiter has been, and by this.
woken() {
  wait "${WAITERS[$1]}" || fail "waiter $1: $(cat "$HERE/waiter.$1")" || return
  [ "$(sed -n 2p "$HERE/waiter.$1")" = "$2" ] || fail "waiter $1: $(cat "$HERE/waiter.$1")"
}

# still_waiting N
still_waiting() {
  alive "${WAITERS[$1]}" && [ "$(cat "$HERE/waiter.$1")" = waits ] ||
    fail "waiter $1: $(cat "$HERE/waiter.$1")"
}

# last_seen N: the last line that it read.
last_seen() {
  tail -n 1 "$HERE/waiter.$1"
}

hook() {
  make_hook "$1" "$SINK_URL/$1" completed "deployment/$1"
}

# In a shell of its own: ours would be interrupted by the end of a waiter.
test_hook() {
  # shellcheck disable=SC2016 # it is that shell's
  sh -c 'echo >"$1"' sh "$MNT/hooks/$1/test"
}

event() {
  echo "deployment/$1 completed" >"$MNT/events"
}

@test 'a delivery wakes those who wait for the status, the log, the numbers and the destinations, whatever they wait with' {
  start_sink
  hook h
  # `destinations` is as before when the answer is there; what is over before somebody looks is no news.
  answer / delay 5000 status 200
  local how file n=0
  for how in poll select epoll edge; do
    for file in hooks/h/status status metrics.prom destinations log; do
      wait_for "$file" "$how"
    done
  done
  event h
  for how in poll select epoll edge; do
    for file in hooks/h/status status metrics.prom destinations; do
      woken $n 'IN PRI'
      n=$((n + 1))
    done
    woken $n IN
    [ "$(last_seen $n | jq -r .hook)" = h ]
    n=$((n + 1))
  done
}

@test 'who waits for errors is woken by a refusal, and who waits for test by its end' {
  start_sink
  hook h
  wait_for errors
  wait_for hooks/h/test epoll
  wait_for hooks/h/test edge response
  ! echo nonsense >"$MNT/hooks/h/event" || fail 'it was taken'
  woken 0 'IN PRI'
  still_waiting 1
  test_hook h
  woken 1 'IN PRI'
  woken 2 'IN PRI'
  [[ $(last_seen 2) == 'response '* ]] || fail "$(last_seen 2)"
}

@test 'who has been woken reads what is now, on the same open file, time after time' {
  start_sink
  hook h
  local how n
  for how in poll select epoll edge; do
    wait_for hooks/h/status $how 'delivered 5'
  done
  for n in 1 2 3 4 5; do
    for how in 0 1 2 3; do
      alive "${WAITERS[$how]}"
    done
    event h
    settled
  done
  for how in 0 1 2 3; do
    woken $how 'IN PRI'
  done
}

@test 'what a hook waits for, and what is set, wakes who waits for its status' {
  collecting_hook h 'deployment/*'
  wait_for hooks/h/status
  event x
  woken 0 'IN PRI'
  wait_for hooks/h/status
  echo 0 >"$MNT/hooks/h/enabled"
  woken 1 'IN PRI'
  wait_for hooks/h/status
  rm "$MNT"/hooks/h/pending/*
  woken 2 'IN PRI'
  wait_for hooks/h/status
  rm "$MNT/hooks/h/url"
  woken 3 'IN PRI'
}

@test 'a retry that begins wakes who waits for the status' {
  start_sink
  answer / times 1 status 500
  answer / hang
  hook h
  echo 10s >"$MNT/hooks/h/retry"
  event h
  eventually 10 has_last_error h
  wait_for hooks/h/status
  woken 0 'IN PRI'
  [ "$(value "$MNT/hooks/h/status" inflight)" = 1 ]
  stop_sinks # or the daemon waits for the answer
}

@test "another hook's news, and settings that the status does not show, wake nobody" {
  start_sink
  hook a
  hook b
  wait_for hooks/a/status
  wait_for hooks/a/test edge
  event b
  settled
  echo 3s >"$MNT/hooks/a/timeout"
  test_hook b
  still_waiting 0
  still_waiting 1
  # And they do wait.
  event a
  woken 0 'IN PRI'
  still_waiting 1
  test_hook a
  woken 1 'IN PRI'
}

@test 'all of fifty waiters are woken' {
  start_sink
  hook h
  local n
  for n in {0..4}; do
    wait_for hooks/h/status poll '' 5
    wait_for hooks/h/status edge '' 5
  done
  event h
  for n in {0..9}; do
    woken "$n" 'IN PRI'
    [ "$(grep -c 'IN PRI' "$HERE/waiter.$n")" = 5 ]
  done
}

@test 'a thousand open files wait, and those that have news are woken' {
  start_sink
  hook a
  hook b
  wait_for hooks/a/status epoll '' 500
  wait_for hooks/b/status epoll '' 500
  event a
  woken 0 'IN PRI'
  [ "$(grep -c 'IN PRI' "$HERE/waiter.0")" = 500 ]
  settled
  still_waiting 1
  event b
  woken 1 'IN PRI'
  [ "$(grep -c 'IN PRI' "$HERE/waiter.1")" = 500 ]
}

@test 'a waiter that is killed leaves the others waiting' {
  start_sink
  hook h
  wait_for hooks/h/status
  wait_for hooks/h/status epoll
  wait_for hooks/h/status edge
  kill -KILL "${WAITERS[1]}"
  eventually 10 gone "${WAITERS[1]}"
  event h
  woken 0 'IN PRI'
  woken 2 'IN PRI'
}

@test 'who waits for a hook that is removed is told so' {
  mkdir "$MNT/hooks/h"
  wait_for hooks/h/status
  wait_for hooks/h/test edge
  wait_for status
  rmdir "$MNT/hooks/h"
  woken 0 'IN PRI HUP'
  woken 1 'IN PRI HUP'
  woken 2 'IN PRI'
}

@test 'the end of the daemon ends all waiting' {
  local how
  for how in terminate lazily crash; do
    wait_for status
    wait_for status edge
    case $how in
    terminate) terminate ;;
    lazily) fusermount3 -uz "$MNT" && ended ;;
    crash) crash ;;
    esac
    # What woke it can be read no more.
    for how in 1 2; do
      wait "${WAITERS[-$how]}" && fail 'it found news'
      grep -q OSError "$HERE/waiter.$((${#WAITERS[@]} - how))"
    done
    start
  done
}

@test 'a mount that is waited for is busy, and stays' {
  wait_for status
  ! fusermount3 -u "$MNT" || fail 'it was unmounted'
  still_waiting 0
  mkdir "$MNT/hooks/h"
  woken 0 'IN PRI'
}

@test 'settings can be read, and events written, at once' {
  make_hook h "$NOWHERE" completed 'deployment/*'
  python3 - "$MNT" <<'END'
import os, select, sys
for name, flags, want in (("hooks/h/url", os.O_RDWR, select.POLLIN | select.POLLOUT),
                          ("hooks/h/config.json", os.O_RDONLY, select.POLLIN),
                          ("events", os.O_WRONLY, select.POLLOUT),
                          ("hooks/h/test", os.O_RDWR, select.POLLOUT)):
    poll = select.poll()
    poll.register(os.open(os.path.join(sys.argv[1], name), flags), want)
    for _ in 1, 2:
        assert poll.poll(10000)[0][1] == want, name
END
}

# watch FILE…: with inotify; $HERE/seen has what is seen, and webhookfs-inotify runs for them.
watch() {
  cd "$MNT" || return
  inotifywait -m "$@" >"$HERE/seen" 2>"$HERE/inotifywait" 3>&- &
  WAITERS+=($!)
  eventually 20 grep -q established "$HERE/inotifywait" || return
  "$BATS_TEST_DIRNAME/../../contrib/inotify/webhookfs-inotify" "$@" >"$HERE/helper" 2>&1 3>&- &
  WAITERS+=($!)
  cd - >/dev/null || return
  eventually 20 all_read "$@"
}

# The helper has read each of the files: it waits.
all_read() {
  local file
  for file; do
    grep -q "^$file ACCESS" "$HERE/seen" || return
  done
}

seen() {
  grep -qE "^$1 (MODIFY|ATTRIB)" "$HERE/seen"
}

@test 'with webhookfs-inotify, inotify sees what the daemon changes, and what changes it' {
  start_sink
  hook a
  hook b
  event a # so that the log can be read
  settled
  eventually 10 test -s "$MNT/log"
  watch hooks/a/status hooks/b/status log
  event a
  eventually 20 seen hooks/a/status
  eventually 20 seen log
  ! seen hooks/b/status || fail "$(cat "$HERE/seen")"
  rm -r "$MNT/hooks/a"
  event b
  eventually 20 seen hooks/b/status
  alive "${WAITERS[1]}"
  terminate
  eventually 10 gone "${WAITERS[1]}"
  [ ! -s "$HERE/helper" ] || fail "$(cat "$HERE/helper")"
}

@test 'touching what changes by itself changes nothing' {
  start_sink
  hook h
  event h
  settled
  local before
  before=$(stat -c '%y %s' "$MNT/hooks/h/status" "$MNT/status")
  # touch(1) and truncate(1) would open them for writing.
  python3 - "$MNT/hooks/h/status" "$MNT/status" <<'END'
import os, sys
for name in sys.argv[1:]:
    os.utime(name, (1, 1))
    os.truncate(name, 0)
END
  [ "$(stat -c '%y %s' "$MNT/hooks/h/status" "$MNT/status")" = "$before" ]
  wait_for hooks/h/status
  python3 -c 'import os, sys; os.utime(sys.argv[1])' "$MNT/hooks/h/status"
  still_waiting 0
}

# switches: how often the daemon's main thread has gone to sleep.
switches() {
  sed -n 's/^voluntary_ctxt_switches:\t//p' "/proc/$DAEMON/task/$DAEMON/status"
}

@test 'waiting costs nothing while nothing changes' {
  start_sink
  hook h
  event h
  settled
  eventually 10 test -s "$MNT/log"
  wait_for hooks/h/status poll '' 20
  wait_for destinations edge '' 20
  wait_for log epoll '' 20
  local before
  before=$(switches)
  # A wrong answer to 60 waiters would be asked again some thousand times in this.
  sleep 1
  [ $(($(switches) - before)) -lt 70 ] || fail "$before, then $(switches)"
}
