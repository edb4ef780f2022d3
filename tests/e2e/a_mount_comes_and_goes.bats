#!/usr/bin/env bats
# The daemon's life: started, mounted, stopped, found dead.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/users

setup() { prepare; }

# The daemon's own open files and directory.
file_of() {
  readlink "/proc/$DAEMON/$1"
}

usable() {
  [ -s "$MNT/README" ]
}

# In the foreground; SIGINT as a terminal would send it: a shell's background job ignores it.
start_with_signals() {
  env --default-signal=INT "$WEBHOOKFS" -f "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 usable
}

# listen ADDRESS: keeps what is sent to this notify socket, a line each, in $HERE/heard.
listen() {
  python3 - "$1" "$HERE/heard" 3>&- <<'PY' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\0", 1) if sys.argv[1][0] == "@" else sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as out:
    out.write("listening\n")
    line = ""
    while "FDNAME=webhookfs-memory" not in line or "FDSTOREREMOVE=1" not in line:
        line = s.recv(4096).decode()
        out.write(line + "\n")
PY
  EAR=$!
  eventually 10 heard listening
}

heard() {
  grep -qx -- "$1" "$HERE/heard" 2>/dev/null
}

@test 'it goes to the background once the mount is usable' {
  "$WEBHOOKFS" "$STATE" "$MNT" 3>&-
  mkdir "$MNT/hooks/h"
  usable
  eventually 5 one_process
  [ -d "$MNT/hooks/h" ]
}

@test 'in the background it holds neither the terminal nor a directory' {
  need_root # nobody else may look at its files
  cd "$HERE"
  start_background
  [ "$(file_of fd/0)" = /dev/null ]
  [ "$(file_of fd/1)" = /dev/null ]
  [ "$(file_of fd/2)" = /dev/null ]
  [ "$(file_of cwd)" = / ]
  [ "$(ps -o sid= -p "$DAEMON")" -ne "$(ps -o sid= -p $$)" ]
  cd /
}

@test 'a pipe behind it ends when it has gone to the background' {
  said=$(timeout 20 "$WEBHOOKFS" "$STATE" "$MNT" 2>&1 3>&- | cat)
  eventually 5 one_process
  [ -z "$said" ] || fail "$said"
}

@test '-f stays in the foreground' {
  local me=$BASHPID
  start -f
  [ "$(ps -o ppid= -p "$DAEMON")" -eq "$me" ]
  alive "$DAEMON"
  usable
}

@test '-d stays in the foreground and shows the requests' {
  "$WEBHOOKFS" -d "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 usable
  grep -q LOOKUP "$LOG"
}

@test 'its directories may be relative' {
  cd "$HERE"
  "$WEBHOOKFS" -f state mnt >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 usable
  mkdir "$MNT/hooks/h"
  [ -s "$STATE/hooks/h.json" ]
}

@test 'SIGTERM, SIGINT, fusermount3 -u and umount each end it with status 0 and leave nothing' {
  local way ways=('kill -TERM' 'kill -INT' 'fusermount3 -u')
  [ "$EUID" -ne 0 ] || ways+=(umount)
  for way in "${ways[@]}"; do
    start_with_signals
    if [[ $way == kill* ]]; then
      $way "$DAEMON"
    else
      $way "$MNT"
    fi
    ended || fail "by $way"
    left_over || fail "by $way"
    [ -z "$(ls -A "$MNT")" ] || fail "by $way"
  done
}

@test 'a daemon in the background ends as well' {
  start_background
  terminate
  start_background
  stop
}

@test 'umount is not busy though the daemon holds its own events.fifo open' {
  start
  eventually 10 test -p "$(realpath "$MNT/events.fifo")"
  echo 'deployment/m/v1 completed' >"$MNT/events.fifo"
  eventually 10 grep -qx 'accepted 1' "$MNT/status"
  fusermount3 -u "$MNT"
  ended
}

@test 'umount is busy while another has a file open, and what is written then still counts' {
  start
  mkdir "$MNT/hooks/h"
  exec 7>"$MNT/hooks/h/description"
  denied busy fusermount3 -u "$MNT"
  echo 'still here' >&7
  exec 7>&-
  [ "$(cat "$MNT/hooks/h/description")" = 'still here' ]
}

@test 'a dead mount is detached and mounted over' {
  start_background
  mkdir "$MNT/hooks/h"
  crash
  eventually 10 denied 'not connected' ls "$MNT"
  start_background
  [ -d "$MNT/hooks/h" ]
  [ "$(mounts | wc -l)" -eq 1 ]
}

@test 'a dead mount is detached in the foreground as well, with its state under it or not' {
  start
  crash
  "$WEBHOOKFS" -f "$STATE" "$MNT/" >>"$LOG" 2>&1 3>&- &
  DAEMON=$!
  eventually 20 usable
  [ "$(mounts | wc -l)" -eq 1 ]
}

@test 'mount(8) mounts it, with options of ours, of FUSE and of its own' {
  need_root
  # A program outside the directories that mount(8) searches is named by its path, which may have no dot.
  ln -s "$WEBHOOKFS" "$HERE/webhookfs"
  mount -t "fuse.$HERE/webhookfs" "$STATE" "$MNT" 3>&- \
    -o rw,noauto,nofail,_netdev,user,x-systemd.automount,comment=ours,noatime \
    -o max_backlog=2M,allow_other,project=vision
  eventually 5 one_process
  [ "$(value "$MNT/status" backlog_limit)" -eq 2097152 ]
  [ "$(findmnt -no FSTYPE,SOURCE "$MNT" | tr -s ' ')" = "fuse.webhookfs $STATE" ]
  [[ $(findmnt -no OPTIONS "$MNT") == *noatime*allow_other* ]]
  umount "$MNT"
  ended
}

@test 'words of fstab that mean nothing to a daemon are let pass' {
  start -o defaults,rw,auto,noauto,user,nouser,users,owner,group,nofail,_netdev \
    -o x-systemd.requires=network.target,comment=ours
  usable
}

@test 'options of many -o add up, and a backslash takes a comma into a value' {
  start -o max_backlog=2M -o 'max_inflight=3,project=a\,b,types=deployment:backup'
  mkdir "$MNT/hooks/h"
  [ "$(value "$MNT/status" backlog_limit)" -eq 2097152 ]
  put backup/nightly "$MNT/hooks/h/object"
  [ "$(cat "$MNT/hooks/h/object")" = backup/nightly ]
  denied 'Invalid argument' put pipeline/p "$MNT/hooks/h/object"
}

@test 'systemd hears READY=1 when the mount is usable and STOPPING=1 at the end' {
  local address
  for address in "$HERE/notify" "@$HERE/notify"; do
    listen "$address"
    NOTIFY_SOCKET=$address "$WEBHOOKFS" -f "$STATE" "$MNT" >>"$LOG" 2>&1 3>&- &
    DAEMON=$!
    eventually 20 heard READY=1
    usable
    ! heard STOPPING=1 || fail 'too early'
    terminate
    eventually 10 heard STOPPING=1
    wait "$EAR" # until nobody is to keep anything of the mount
    rm -f "$HERE/notify" "$HERE/heard"
  done
}

@test 'with -o ro everything can be read and nothing changed' {
  start
  make_hook h http://127.0.0.1:1/ failed 'deployment/*'
  stop
  start -o ro
  [ "$(cat "$MNT/hooks/h/url")" = http://127.0.0.1:1/ ]
  denied 'Read-only' mkdir "$MNT/hooks/g"
  denied 'Read-only' put 5s "$MNT/hooks/h/timeout"
  denied 'Read-only' put 'deployment/m failed' "$MNT/events"
  denied 'Read-only' rm "$MNT/hooks/h/url"
  denied 'Read-only' chmod 600 "$MNT/hooks/h/url"
  denied 'Read-only' rmdir "$MNT/hooks/h"
}

@test 'without allow_other nobody else gets in' {
  need_root
  open_the_way
  start
  denied 'Permission denied' other_user ls "$MNT"
  denied 'Permission denied' other_user cat "$MNT/README"
}

@test 'with allow_other the modes say who may do what' {
  need_root
  open_the_way
  start -o allow_other
  make_hook h http://127.0.0.1:1/ failed 'deployment/*'
  other_user cat "$MNT/README" >"$HERE/out"
  [ "$(other_user cat "$MNT/hooks/h/url")" = http://127.0.0.1:1/ ]
  denied 'Permission denied' other_user cat "$MNT/log"
  denied 'Permission denied' other_user mkdir "$MNT/hooks/theirs"
  denied 'Permission denied' other_user rmdir "$MNT/hooks/h"
  denied 'Permission denied' other_user tee "$MNT/events" <<<'deployment/m failed'
  denied 'Permission denied' other_user tee "$MNT/hooks/h/timeout" <<<5s
  denied 'not permitted' other_user chmod 666 "$MNT/hooks/h/timeout"

  chmod 666 "$MNT/hooks/h/timeout"
  other_user tee "$MNT/hooks/h/timeout" <<<5s
  [ "$(cat "$MNT/hooks/h/timeout")" = 5s ]
  chmod 600 "$MNT/hooks/h/url"
  denied 'Permission denied' other_user cat "$MNT/hooks/h/url"
  chown 65534 "$MNT/hooks/h/description"
  other_user tee "$MNT/hooks/h/description" <<<theirs
  [ "$(cat "$MNT/hooks/h/description")" = theirs ]
}

@test 'a stop that waits for requests says so, and what did not end is there at the next start' {
  start_sink
  echo '/ hang' > "$SINK_DIR/script"
  start -o grace=1s
  make_hook h "$SINK_URL/x" deployment_request_completed 'deployment/*'
  echo 'deployment/m/v1 completed' > "$MNT/events"
  eventually 20 grep -qx 'inflight 1' "$MNT/status"
  terminate
  grep -q 'stopping waits up to 1 s for what is under way: 1 requests' "$LOG"
  rm "$SINK_DIR/script"
  start
  eventually 20 grep -qx 'delivered 1' "$MNT/status"
}
