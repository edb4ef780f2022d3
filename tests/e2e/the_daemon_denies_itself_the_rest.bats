#!/usr/bin/env bats
# Once it serves, the daemon gives up what it does not need any more. What that denies it is tried from inside
# in test_confine; here is what can be seen from outside, and that all goes on.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell, on purpose; code for other shells
load ../lib/common
load ../lib/flow
load ../lib/users

setup() {
  prepare
}

# of_daemon FIELD: of /proc/PID/status.
of_daemon() {
  sed -n "s/^$1:[[:space:]]*//p" "/proc/$DAEMON/status"
}

# A build with a sanitizer's or profiler's runtime confines nothing.
has_runtime() {
  grep -Eqa '__(asan|tsan|msan)_init|__gcov_exit|__llvm_profile_write' "$WEBHOOKFS"
}

start_confined() {
  ! has_runtime || skip 'this build is not confined'
  start "$@"
  [[ $(count confined) == *capabilities*calls ]] || fail "$(cat "$MNT/status")"
}

unmounters() {
  comm -13 <(processes | sort) <(with_paths | sort)
}

has_ended() {
  [ -z "$(unmounters)" ]
}

# capabilities NUMBER…: as a mask, of those that we have ourselves.
capabilities() {
  local number mask=0 ours
  for number; do
    mask=$((mask | 1 << number))
  done
  ours=$((16#$(sed -n 's/^CapPrm:\t//p' /proc/self/status)))
  printf '%016x' $((mask & ours))
}

@test 'the kernel says so of every thread' {
  local thread
  need_root
  start_sink
  start_confined
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(of_daemon Threads)" -ge 2 ] # the one that sends is a later one
  for thread in "/proc/$DAEMON/task"/*; do
    grep -qx $'NoNewPrivs:\t1' "$thread/status"
    grep -qx $'Seccomp:\t2' "$thread/status"
    for set in CapEff CapPrm; do
      grep -qx "$set:"$'\t'"$(capabilities 1 14)" "$thread/status" || fail "$(cat "$thread/status")"
    done
    [[ $(sed -n 's/^CapBnd:\t//p' "$thread/status") == 000000000000?00? ]]
    grep -qx $'CapInh:\t0000000000000000' "$thread/status"
  done
}

@test 'a spool and a pipe of its own leave root what they need' {
  need_root
  mkdir "$HERE/spool"
  start_confined -o "spool=$HERE/spool"
  [ "$(of_daemon CapEff)" = "$(capabilities 0 1 3 14 28)" ]
  stop
  start -o "fifo=$HERE/pipe"
  [ "$(of_daemon CapEff)" = "$(capabilities 1 3 14)" ]
}

@test 'memory is locked where no limit forbids it, that of later too' {
  local before
  need_root
  start_confined
  [[ $(count confined) == *memory* ]] || skip 'this root may lock no memory'
  before=$(of_daemon VmLck)
  [ "${before% kB}" -gt 0 ]
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo >"$MNT/hooks/h/test" # makes a thread, with a stack
  [ "${before% kB}" -lt "$(of_daemon VmLck | tr -d ' kB')" ]
}

@test 'what only the start needed is not resident any more' {
  local confined
  start_confined
  confined=$(of_daemon RssFile | tr -d ' kB')
  stop
  start -o confine=0
  [ "$((2 * confined))" -lt "$(of_daemon RssFile | tr -d ' kB')" ]
}

@test 'a plain user has it all but the memory' {
  need_root
  need_fuse_of_others
  open_the_way
  chmod 1777 "$HERE"
  chmod 777 "$MNT"
  local said
  ! has_runtime || skip 'this build is not confined'
  said=$(other_user bash -c '"$1" -o confine=1 "$2/theirs" "$2/mnt" 3>&- && cat "$2/mnt/status" &&
    cat /proc/$(pgrep -u 65534 -x webhookfs -f "$2/theirs")/status; fusermount3 -u "$2/mnt"' \
    _ "$WEBHOOKFS" "$HERE" 2>&1) || :
  eventually 20 none_left
  grep -Eqx 'confined capabilities( files)? calls' <<<"$said" || fail "$said"
}

none_left() {
  [ -z "$(with_paths)" ]
}

@test 'confine=0 leaves all as it was, and it unmounts by itself' {
  start -o confine=0
  [ "$(count confined)" = none ]
  [ -z "$(unmounters)" ]
  [ "$(of_daemon Seccomp)" -eq "$(sed -n 's/^Seccomp:\t//p' /proc/self/status)" ]
  [ "$(of_daemon CapEff)" = "$(sed -n 's/^CapEff:\t//p' /proc/self/status)" ]
  terminate
  ! mounted
}

@test 'who unmounts holds nothing open, and nothing secret' {
  local pid
  need_root # nobody else may look
  start_confined
  make_hook h "$NOWHERE" completed 'deployment/*'
  (umask 077 && echo sesame-4711 >"$MNT/hooks/h/headers/X-Key")
  stop
  # from here on the secret is read at the start
  exec 7</etc/passwd
  start_confined
  exec 7<&-
  pid=$(unmounters)
  [ -n "$pid" ]
  [ "$(find "/proc/$pid/fd" -type l -printf '%l\n' | grep -cv '^socket:')" -eq 0 ] ||
    fail "$(ls -l "/proc/$pid/fd")"
  [ "$(readlink "/proc/$pid/cwd")" = / ]
  echo sesame-4711 >"$HERE/markers"
  denied sesame "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "/proc/$DAEMON/mem"
  "$BATS_TEST_DIRNAME/../lib/hunt.py" "$HERE/markers" "/proc/$pid"/{mem,environ,cmdline}
}

@test 'a signal to all its processes is one to the daemon, which unmounts' {
  start_confined
  # shellcheck disable=SC2046 # several
  kill -TERM $(unmounters) "$DAEMON"
  ended
  ! mounted || fail 'it is still mounted'
  eventually 10 has_ended
}

@test 'kill -9 of the daemon leaves the mount to the next one, and nobody waiting' {
  start_confined
  crash
  eventually 10 has_ended
  mounted
  start
  [ -e "$MNT/README" ]
}

@test 'without the one who unmounts it ends all the same, and the next start clears up' {
  start_confined
  kill -KILL "$(unmounters)"
  eventually 10 has_ended
  kill -TERM "$DAEMON"
  eventually 30 gone "$DAEMON"
  wait "$DAEMON"
  DAEMON=
  start
  [ -e "$MNT/README" ]
}

@test 'a mount that somebody else has taken off, and put another on, is left to him' {
  need_root
  start_confined
  umount "$MNT"
  mount -t tmpfs none "$MNT"
  eventually 30 gone "$DAEMON"
  wait "$DAEMON"
  DAEMON=
  [ "$(findmnt -no FSTYPE "$MNT")" = tmpfs ]
  umount "$MNT"
}

@test 'names are looked up and logs rotate all the same' {
  local i
  start_sink
  start_confined -o log_size=1K,log_keep=2
  make_hook h "http://localhost:${SINK_URL##*:}/" completed 'deployment/*'
  for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "deployment/m completed request_id=$i" >"$MNT/events"
    settled
  done
  [ -s "$STATE/log.jsonl.1" ]
  [ "$(count delivered)" -eq 12 ]
}
