#!/usr/bin/env bats
# A daemon without privileges, in a sandbox, serves a mount that was made for it outside: by `webhookfs -m` and
# systemd, whose part tests/lib/service.py has here, or by mount(8).
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
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
}

# The daemon may not unmount it.
teardown() {
  local bad=0
  [ -z "$DAEMON" ] || ! mounted || umount "$MNT"
  [ -z "$DAEMON" ] || ended || bad=1
  ! [ -e "$HERE/made" ] || chattr -i "$HERE/made" || : # not everywhere is there such an attribute
  finish || bad=1
  umount -l "$HERE"
  return $bad
}

# start_service [OPTIONS]
start_service() {
  python3 "$SERVICE" "$HERE/webhookfs" "$STATE" "$MNT" "$@" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 served_or_dead
  serving || fail "$(cat "$LOG")"
}

# Until the daemon is there nobody answers who looks into the mount.
served_or_dead() {
  gone "$DAEMON" || timeout 1 test -e "$MNT/README"
}

status_of() {
  sed -n "s/^$1:[[:blank:]]*//p" "/proc/$DAEMON/status"
}

@test 'a daemon without any privilege serves a mount that everybody sees' {
  start_service
  start_sink
  [ "$(status_of Uid)" = $'65534\t65534\t65534\t65534' ]
  [ "$(status_of CapBnd)" = 0000000000000000 ]
  [ "$(readlink "/proc/$DAEMON/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
  [ "$(stat -c %u "$MNT/hooks")" -eq 65534 ]
  as 12345 cat "$MNT/README" >"$HERE/out"
  make_hook h "$SINK_URL/x" completed 'deployment/*'
  echo 'deployment/m/v1 completed' >"$MNT/events"
  requests 1
  umount "$MNT"
  ended
}

@test 'without allow_other only the user of the service gets in' {
  python3 "$SERVICE" "$HERE/webhookfs" "$STATE" "$MNT" noatime >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 other_user timeout 1 test -e "$MNT/README"
  denied 'Permission denied' as 12345 ls "$MNT"
  denied 'Permission denied' ls "$MNT"
}

@test 'a daemon that may not unmount leaves that to systemd, and has it let go of the device' {
  start_service
  kill -TERM "$DAEMON"
  eventually 20 gone "$DAEMON"
  wait "$DAEMON"
  DAEMON=
  mounted
  denied 'not connected' ls "$MNT"
  start_service # what it has left there is no trouble
  kill -KILL "$DAEMON"
  eventually 20 gone "$DAEMON"
  mounted
  start_service # nor is what a killed one has
}

@test 'pipes and the device are told apart by their names' {
  mkfifo -m 622 "$HERE/pipe" # which is root's: the daemon could not open it
  FIFO=$HERE/pipe start_service
  start_sink
  make_hook h "$SINK_URL/x" completed 'deployment/*'
  echo 'deployment/m/v1 completed' >"$HERE/pipe"
  requests 1
}

@test 'the device is given to systemd, instead of one that it kept before' {
  start_service
  grep -qx 'heard: FDSTOREREMOVE=1 FDNAME=fuse' "$LOG"
  grep -qx 'heard: FDSTORE=1 FDNAME=fuse' "$LOG"
  # The barrier is behind it: who asks for it must still be there when systemd looks.
  [ "$(grep -A 1 -x 'heard: FDSTORE=1 FDNAME=fuse' "$LOG" | tail -n 1)" = 'heard: BARRIER=1' ]
}

@test '-m is refused outside of a service, and mounts nothing' {
  run env -u NOTIFY_SOCKET "$WEBHOOKFS" -m "$STATE" "$MNT"
  [ "$status" -eq 1 ]
  [[ $output == *ExecStartPre* ]] || fail "$output"
  [ -z "$(mounts)" ]
}

@test '-m refuses a mount that is alive' {
  start
  run python3 "$SERVICE" "$HERE/webhookfs" "$HERE/other" "$MNT" 3>&-
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
  DAEMON=$(processes)
  [ "$(status_of CapEff)" = 0000000000000000 ]
  [ "$(status_of NoNewPrivs)" = 1 ]
  mkdir "$MNT/hooks/h"
  umount "$MNT"
  ended
}
