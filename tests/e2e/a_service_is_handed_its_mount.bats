#!/usr/bin/env bats
# A daemon without privileges, in a sandbox, serves a mount that was made for it outside: by `webhookfs -m` and
# systemd, whose part tests/lib/service.py has here, or by mount(8).
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow
load ../lib/users

setup() {
  need_root
  prepare
  open_the_way
  # The daemon's namespace hears of what is unmounted here, as it does where systemd has started the host.
  mount --bind "$HERE" "$HERE"
  mount --make-shared "$HERE"
  install -m 755 "$WEBHOOKFS" "$HERE/webhookfs"
  SERVICE=$(realpath "$BATS_TEST_DIRNAME/../lib/service.py")
  OPENERS=()
}

teardown() {
  local bad=0
  end_jobs "${OPENERS[@]}"
  ! [ -e "$HERE/made" ] || chattr -i "$HERE/made" || : # not everywhere is there such an attribute
  finish || bad=1
  umount -l "$HERE"
  return $bad
}

# start_service [OPTIONS]
start_service() {
  rm -f "$HERE/notify" "$HERE/pid"
  "$SERVICE" "$HERE" --sandbox "$HERE/webhookfs" -o "${1:-allow_other}" "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 served_or_dead
  serving || fail "$(cat "$LOG")"
}

# Until the daemon is there nobody answers who looks into the mount.
served_or_dead() {
  gone "$DAEMON" || timeout 1 test -e "$MNT/README"
}

# daemon: the one that serves now; the service manager is $DAEMON.
daemon() {
  cat "$HERE/pid"
}

is_another() {
  [ "$(daemon)" != "$1" ] && alive "$(daemon)" && ready "$2"
}

# ready N: so many daemons were.
ready() {
  [ "$(grep -cx 'READY=1' "$HERE/said")" -ge "$1" ]
}

# end_daemon SIGNAL N: there is another when it returns, the Nth that is ready.
end_daemon() {
  local before
  before=$(daemon)
  kill "-$1" "$before"
  eventually 20 is_another "$before" "$2"
}

status_of() {
  sed -n "s/^$1:[[:blank:]]*//p" "/proc/$(daemon)/status"
}

mount_line() {
  grep -F " $MNT " /proc/self/mountinfo
}

@test 'a daemon without any privilege serves a mount that everybody sees' {
  start_service
  start_sink
  [ "$(status_of Uid)" = $'65534\t65534\t65534\t65534' ]
  [ "$(status_of CapBnd)" = 0000000000000000 ]
  [ "$(readlink "/proc/$(daemon)/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
  [ "$(stat -c %u "$MNT/hooks")" -eq 65534 ]
  as 12345 cat "$MNT/README" >"$HERE/out"
  make_hook h "$SINK_URL/x" completed 'deployment/*'
  echo 'deployment/m/v1 completed' >"$MNT/events"
  requests 1
  umount "$MNT"
  ended
}

@test 'without allow_other only the user of the service gets in' {
  "$SERVICE" "$HERE" --sandbox "$HERE/webhookfs" -o noatime "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 other_user timeout 1 test -e "$MNT/README"
  denied 'Permission denied' as 12345 ls "$MNT"
  denied 'Permission denied' ls "$MNT"
  umount "$MNT"
  ended
}

@test 'the service is stopped: -u takes the mount off, and systemd lets go of what it kept' {
  start_service
  kill -TERM "$(daemon)"
  ended
  [ "$(grep -A 2 -x STOPPING=1 "$HERE/said" | tr '\n' ' ')" = \
    'STOPPING=1 FDSTOREREMOVE=1 FDNAME=webhookfs-mount FDSTOREREMOVE=1 FDNAME=webhookfs-memory ' ]
  start_service
  kill -TERM "$(daemon)"
  ended
}

# goes_on SIGNAL: who has files open, or wants to open one, waits and goes on.
goes_on() {
  local before confined
  start_service
  collecting_hook h 'deployment/*'
  before=$(mount_line) confined=$(status_of Seccomp)
  exec 5>>"$MNT/events"
  for i in 2 3 4; do
    end_daemon "$1" $i
    echo 'deployment/a completed' >&5
    echo 'deployment/b completed' >"$MNT/events"
  done
  exec 5>&-
  [ "$(mount_line)" = "$before" ] || fail "$before" "$(mount_line)"
  [ "$(pending h)" -eq 6 ] || fail "$(cat "$MNT/status")"
  [ "$(status_of CapBnd)" = 0000000000000000 ]
  [ "$(status_of Seccomp)" = "$confined" ]
  kill -TERM "$(daemon)"
  ended
}

@test 'it goes on behind a daemon that was killed' {
  goes_on KILL
}

@test 'it goes on when the service is restarted' {
  goes_on USR2
  [ "$(grep -c 'goes on' "$LOG")" -eq 3 ]
}

@test 'who waits when the next one cannot start is told, and -u takes the mount off' {
  start_service
  exec 5>>"$MNT/events"
  chmod 755 "$STATE"
  kill -KILL "$(daemon)"
  denied 'write error' bash -c 'echo x >&5'
  exec 5>&-
  eventually 20 gone "$DAEMON"
  wait "$DAEMON" || [ $? -eq 1 ]
  DAEMON=
  [ -z "$(of_webhookfs)" ]
  grep -q 'others can read the state directory' "$LOG"
}

# of_webhookfs: the mounts of this test that are webhookfs's.
of_webhookfs() {
  grep -F 'fuse.webhookfs' /proc/self/mountinfo | grep -F " $HERE/"
}

@test 'what a service has left dead is replaced' {
  start_service
  kill -KILL "$DAEMON" # with the store
  kill -KILL "$(daemon)"
  eventually 20 gone "$DAEMON"
  wait "$DAEMON" || :
  eventually 20 denied 'not connected' ls "$MNT"
  mv "$STATE" "$HERE/moved" # or its lock might be the last to go
  start_service
  [ "$(of_webhookfs | wc -l)" -eq 1 ]
}

@test 'where the kernel is too old a killed daemon has another mount' {
  install -m 755 "$(dirname "$CLOCKSTEP_SO")/mute.so" "$HERE/mute.so"
  ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$HERE/mute.so MUTE_OLD=1 start_service
  end_daemon KILL 2
  eventually 20 served_or_dead
  mkdir "$MNT/hooks/h"
  [ "$(of_webhookfs | wc -l)" -eq 1 ]
}

@test '-u leaves the mount to the next daemon of one that was killed or has left it, and of no other' {
  start_service
  leave() {
    env NOTIFY_SOCKET="$HERE/nobody" "$@" "$WEBHOOKFS" -u "$MNT"
    [ -n "$(of_webhookfs)" ]
  }
  leave SERVICE_RESULT=signal EXIT_CODE=killed EXIT_STATUS=KILL
  leave SERVICE_RESULT=core-dump EXIT_CODE=dumped EXIT_STATUS=SEGV
  leave SERVICE_RESULT=oom-kill EXIT_CODE=killed EXIT_STATUS=KILL
  leave SERVICE_RESULT=success EXIT_CODE=exited EXIT_STATUS=3
  # There was no daemon: it is somebody else's.
  leave SERVICE_RESULT=exit-code
  run "$WEBHOOKFS" -u "$MNT"
  [ "$status" -eq 1 ]
  [[ $output == *ExecStopPost* ]] || fail "$output"
  SERVICE_RESULT=timeout EXIT_CODE=killed EXIT_STATUS=KILL "$WEBHOOKFS" -u "$MNT"
  [ -z "$(of_webhookfs)" ]
  ended
}

@test 'pipes and the device are told apart by their names' {
  mkfifo -m 622 "$HERE/pipe" # which is root's: the daemon could not open it
  start_service
  start_sink
  make_hook h "$SINK_URL/x" completed 'deployment/*'
  echo 'deployment/m/v1 completed' >"$HERE/pipe"
  requests 1
  umount "$MNT"
  ended
}

@test 'the device is given to systemd, instead of one that it kept before' {
  start_service
  [ "$(head -n 5 "$HERE/said" | tr '\n' ' ')" = "FDSTOREREMOVE=1 FDNAME=webhookfs-mount \
FDSTOREREMOVE=1 FDNAME=webhookfs-memory BARRIER=1 FDSTORE=1 FDNAME=webhookfs-mount BARRIER=1 " ]
  # The barrier is behind it: who asks for it must still be there when systemd looks.
  umount "$MNT"
  ended
}

@test '-m is refused outside of a service, and mounts nothing' {
  run env -u NOTIFY_SOCKET "$WEBHOOKFS" -m "$STATE" "$MNT"
  [ "$status" -eq 1 ]
  [[ $output == *ExecStartPre* ]] || fail "$output"
  [ -z "$(mounts)" ]
}

@test '-m refuses a mount that is alive' {
  start
  run "$SERVICE" "$HERE" --sandbox "$WEBHOOKFS" "$HERE/other" "$MNT" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *'mounted on'*already* ]] || fail "$output"
}

@test 'a mount point that -m makes takes no file while nothing is mounted' {
  MNT=$HERE/made
  start_service
  umount "$MNT"
  ended
  lsattr -d "$MNT" | grep -q '^[^ ]*i' || skip 'this file system has no such attribute'
  denied 'not permitted' touch "$MNT/events"
  chattr -i "$MNT"
}

@test 'mount(8) starts a daemon without privileges with drop_privileges' {
  install -d -m 700 "$STATE"
  mount -t "fuse.$HERE/webhookfs" "$STATE" "$MNT" -o drop_privileges,allow_other,project=vision 3>&-
  eventually 5 one_process
  echo "$DAEMON" >"$HERE/pid"
  [ "$(status_of CapEff)" = 0000000000000000 ]
  [ "$(status_of NoNewPrivs)" = 1 ]
  mkdir "$MNT/hooks/h"
  umount "$MNT"
  ended
}
