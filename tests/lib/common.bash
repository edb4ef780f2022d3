# What every e2e file loads: a daemon on a mount of its own, a receiver, and a teardown that forgives
# nothing.
#
#   load ../lib/common
#
#   @test 'a line becomes a request' {
#     start_sink
#     make_hook h "$SINK_URL/x" deployment_request_completed 'deployment/*'
#     echo 'deployment/m/v1 completed' > "$MNT/events"
#     requests 1
#     [ "$(request 1 .path)" = /x ]
#   }
#
# A file that starts the daemon itself, with options or not at once, has `setup() { prepare; }`.
#
# $WEBHOOKFS and $SINK are the programs, by default those in $BUILD, by default build/ of this tree.
# For a test: $HERE its directory, $MNT the mount point, $STATE the state directory, $LOG what the
# daemon says, $DAEMON its process; $SINK_DIR the receiver's directory, $SINK_URL its address.
#
# Waiting has a limit and no fixed length: see eventually. All limits are three times as long as they
# stand there, for busy machines, or PATIENCE=N times, for a program under valgrind; TRACE=1 tells which lines of which functions failed.
#
# shellcheck disable=SC2034,SC2119,SC2120 # the e2e files use and pass what is not used here

setup() {
  prepare
  start
}

teardown() {
  finish
}

fail() {
  printf '%s\n' "$@" >&2
  return 1
}

prepare() {
  local build tree
  tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  build=${BUILD:-$tree/build}
  WEBHOOKFS=${WEBHOOKFS:-$build/webhookfs}
  SINK=${SINK:-$build/sink}
  CLOCKSTEP_SO=$build/clockstep.so
  HERE=$(realpath "$BATS_TEST_TMPDIR")
  # bats traces each command of each function, for which a test needs twice the time: so it says the line
  # of the test that failed, but not the one in a function that the test has called.
  [ -n "${TRACE:-}" ] || set +T
  MNT=$HERE/mnt
  STATE=$HERE/state
  LOG=$HERE/log
  SINK_DIR=$HERE/sink
  DAEMON=
  SINKS=()
  # A daemon in the background has no stderr any more: its sanitizers write here.
  export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$HERE/sanitizer/report"
  export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$HERE/sanitizer/report:print_stacktrace=1"
  export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$HERE/sanitizer/report"
  export VALGRIND_OPTS="${VALGRIND_OPTS:+$VALGRIND_OPTS }--log-file=$HERE/sanitizer/report.%p"
  mkdir "$MNT"
  mkdir -m 1777 "$HERE/sanitizer" # a daemon may be another user's
  [ -c /dev/fuse ] || fail 'no /dev/fuse: these tests need it'
  [ -x "$WEBHOOKFS" ] || fail "no program $WEBHOOKFS"
}

# ---- waiting

# eventually SECONDS COMMAND…: tries until it succeeds.
eventually() {
  local end=$((SECONDS + $1 * ${PATIENCE:-3} + 1))
  shift
  until "$@"; do
    ((SECONDS < end)) || fail "in vain: $*" || return 1
    sleep 0.02
  done
}

# A zombie is not alive: a daemon's new parent may take its time. One whose threads still end is, for they hold its
# files: the device, the lock.
#
# In a trap a bare `return` gives the status from before the trap, and a skipped test ends in one: so what teardown
# calls says `return 1`.
alive() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  [[ ${stat##*) } != Z* ]] && return
  local tasks=("/proc/$1/task/"*)
  ((${#tasks[@]} > 1))
}

gone() {
  ! alive "$1"
}

# ---- the daemon

# mounts: the mount points in this test's directory, one a line, the last mounted first.
mounts() {
  local point list=
  while read -r _ _ _ _ point _; do
    printf -v point %b "$point" # blanks are \040 there
    [[ $point == "$HERE"/* ]] && list=$point$'\n'$list
  done < <(cat /proc/self/mountinfo) # at once: between two reads others come and go
  printf %s "$list"
}

mounted() {
  mounts | grep -qxF "$MNT"
}

# start [OPTION…]: in the foreground, as a child.
start() {
  "$WEBHOOKFS" -f "$@" "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 serving_or_dead || return 1
  # Not by the table of mounts again: while others mount, a line of it may be missed.
  alive "$DAEMON" || fail 'the daemon ended before it had mounted' "$(cat "$LOG")"
}

# A mount that a killed daemon left is in the table too, but answers nothing.
serving() {
  mounted && [ -e "$MNT/README" ]
}

serving_or_dead() {
  serving || gone "$DAEMON"
}

# start_background [OPTION…]: as a user does. The mount must be there when it returns.
start_background() {
  "$WEBHOOKFS" "$@" "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- || return 1
  serving || fail 'it went to the background without a mount' || return 1
  eventually 5 one_process || fail "not one process: $DAEMON"
}

# A process that unmounts is known by its name, which it takes when it runs for the first time.
one_process() {
  DAEMON=$(processes)
  [[ $DAEMON =~ ^[0-9]+$ ]]
}

# stop: unmounts, and the daemon ends well.
stop() {
  fusermount3 -u "$MNT" || fail 'it cannot be unmounted' || return 1
  ended
}

# terminate: the same by signal.
terminate() {
  kill -TERM "$DAEMON" || return 1
  ended
}

# ended: the daemon is told to end; it does, with status 0.
ended() {
  local pid=$DAEMON status=0
  eventually 30 gone "$pid" || return 1
  DAEMON=
  wait "$pid" || status=$?
  # 127: it was no child of ours (start_background), so nobody can tell.
  [ "$status" -eq 0 ] || [ "$status" -eq 127 ] || fail "the daemon ended with $status" || return 1
  ! mounted || fail 'the daemon left its mount behind'
}

# crash: kill -9. The dead mount stays, as it would.
crash() {
  local pid=$DAEMON
  kill -KILL "$pid" || return 1
  eventually 10 gone "$pid" || return 1
  DAEMON=
  wait "$pid" || : # 137, that was the wish
}

# ---- hooks

# make_hook NAME URL EVENT OBJECT
make_hook() {
  mkdir "$MNT/hooks/$1" &&
    echo "$2" >"$MNT/hooks/$1/url" &&
    echo "$3" >"$MNT/hooks/$1/event" &&
    echo "$4" >"$MNT/hooks/$1/object"
}

# value FILE KEY: of a file of `KEY VALUE` lines, like status.
value() {
  sed -n "s/^$2 //p" "$1"
}

# ---- the receiver

# start_sink [OPTION…]: another one needs another SINK_DIR first.
start_sink() {
  local scheme=http
  [[ " $* " != *' --tls '* ]] || scheme=https
  mkdir -p "$SINK_DIR"
  rm -f "$SINK_DIR/port"
  "$SINK" "$@" "$SINK_DIR" >>"$HERE/sink.log" 2>&1 3>&- &
  SINKS+=($!)
  eventually 10 test -s "$SINK_DIR/port" || fail "$(cat "$HERE/sink.log")" || return 1
  SINK_URL=$scheme://127.0.0.1:$(cat "$SINK_DIR/port")
}

# end_jobs PID...: what the test has started in the background.
end_jobs() {
  local pid
  for pid in "$@"; do
    ! alive "$pid" || kill "$pid"
    wait "$pid" || : # by our signal
  done
}

stop_sinks() {
  end_jobs "${SINKS[@]}"
  SINKS=()
}

# answer PATHPREFIX ACTION: from now on; the first line that matches counts.
answer() {
  echo "$*" >>"$SINK_DIR/script"
}

request_count() {
  [ ! -e "$SINK_DIR/requests.jsonl" ] || wc -l <"$SINK_DIR/requests.jsonl"
}

has_requests() {
  [ "$(request_count)" -ge "$1" ] 2>/dev/null
}

# requests N [SECONDS]: N have come, and not one more.
requests() {
  eventually "${2:-10}" has_requests "$1" || return 1
  [ "$(request_count)" -eq "$1" ] || fail "$(request_count) requests, not $1"
}

# request N FILTER: what jq finds in the Nth one.
request() {
  sed -n "$1p" "$SINK_DIR/requests.jsonl" | jq -r "$2"
}

# ---- the end of every test

# with_paths: the processes with a path of this test among their arguments.
with_paths() {
  local directory argument
  for directory in /proc/[0-9]*; do
    while IFS= read -r -d '' argument; do
      if [[ $argument == "$HERE"/* ]]; then
        echo "${directory#/proc/}"
        break
      fi
    done 2>/dev/null <"$directory/cmdline" || :
  done
}

# Each daemon has one, which ends with it.
is_unmounter() {
  [ "$(cat "/proc/$1/comm" 2>/dev/null)" = webhookfs-umnt ]
}

# processes: with_paths, but for unmounters.
processes() {
  local pid
  for pid in $(with_paths); do
    is_unmounter "$pid" || echo "$pid"
  done
}

no_unmounter() {
  [ "$(with_paths)" = "$(processes)" ]
}

left_over() {
  local bad=0 pid point
  eventually 10 no_unmounter || bad=1
  for pid in $(with_paths); do
    echo "left over: process $pid, $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    kill -KILL "$pid" || : # ended by itself just now
    bad=1
  done
  while read -r point; do
    echo "left over: mount $point"
    fusermount3 -uz "$point" || umount -l "$point"
    bad=1
  done < <(mounts)
  return $bad
}

trouble() {
  local file bad=0
  for file in "$LOG" "$HERE"/sanitizer/*; do
    [ -e "$file" ] || continue
    if grep -E -q 'Sanitizer|runtime error:|[Aa]ssertion|stack smashing|free\(\)|corrupt|ERROR SUMMARY: [1-9]' "$file"; then
      echo "trouble in ${file##*/}:"
      cat "$file"
      bad=1
    fi
  done
  return $bad
}

# The mount that a crash left is expected to be there, and goes first.
finish() {
  local bad=0
  if [ -n "$DAEMON" ]; then
    stop || bad=1
  elif mounted; then
    fusermount3 -uz "$MNT" || bad=1
  fi
  stop_sinks
  left_over || bad=1
  trouble || bad=1
  if [ -z "${BATS_TEST_COMPLETED:-}" ] || [ $bad -ne 0 ]; then
    [ ! -s "$LOG" ] || sed 's/^/daemon: /' "$LOG"
  fi
  return $bad
}
