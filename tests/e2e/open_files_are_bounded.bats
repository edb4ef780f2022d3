#!/usr/bin/env bats
# Many open files at once, and too many.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow
load ../lib/users

LONG=$(printf '%01000d' 0)
MANY=$BATS_TEST_DIRNAME/../lib/many.py

setup() {
  prepare
}

teardown() {
  exec 8>&-
  finish
}

# to FD FORMAT ARGUMENT…: printf, so that it can be denied.
to() {
  local fd=$1
  shift
  # shellcheck disable=SC2059 # it is a format
  printf "$@" >&"$fd"
}

# in_one_write FD TEXT: the shell's own printf writes each line by itself.
in_one_write() {
  cat <<<"$2" >&"$1"
}

# hold FILE COUNT [BYTES [UID]]: many.py until release; what it says is in $SAID.
hold() {
  mkfifo "$HERE/end"
  "$MANY" "$@" <"$HERE/end" >"$HERE/said" 3>&- &
  HOLDER=$!
  exec 8>"$HERE/end"
  eventually 60 test -s "$HERE/said" || return
  SAID=$(cat "$HERE/said")
}

release() {
  exec 8>&-
  wait "$HOLDER"
  rm "$HERE/end" "$HERE/said"
}

open_in_daemon() {
  find "/proc/$DAEMON/fd" | wc -l
}

as_before() {
  [ "$(open_in_daemon)" -eq "$before" ]
}

@test '4096 open files are read and written, all of them' {
  start
  make_hook h "$NOWHERE" completed 'deployment/*'
  before=$(open_in_daemon)
  python3 - "$MNT" <<'PY'
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (5000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
def path(name):
    return os.path.join(sys.argv[1], name)
readers = [os.open(path(n), os.O_RDONLY) for n in ("status", "hooks/h/url", "log", "hooks/h/config.json") for _ in range(512)]
events = [os.open(path("events"), os.O_WRONLY) for _ in range(1024)]
values = [os.open(path("hooks/h/description"), os.O_WRONLY) for _ in range(1024)]
for fd in events:
    assert os.write(fd, b"deployment/m comp") == 17
for fd in events:
    assert os.write(fd, b"leted\n") == 6
for i, fd in enumerate(values):
    assert os.write(fd, b"%d\n" % i)
for fd in readers[:1024] + readers[1536:]:
    assert os.read(fd, 65536)
for fd in readers + events + values:
    os.close(fd)
PY
  [ "$(count accepted)" -eq 1024 ]
  [ "$(cat "$MNT/hooks/h/description")" = 1023 ]
  eventually 10 as_before # a probe has a socket for a moment
}

@test 'beyond 65536 open files an open fails, and all is well when they are closed' {
  start
  hold "$MNT/log" 70000
  [ "$SAID" = '65536 ENFILE' ] || fail "$SAID"
  denied 'Too many open files' cat "$MNT/README"
  denied 'Too many open files' touch "$MNT/hooks/h"
  release
  has_error 'files of the mount are open'
  mkdir "$MNT/hooks/h"
  [ ! -e "$MNT/hooks/h/headers/X" ]
}

@test 'other users leave room for root and the mounting user' {
  need_root
  open_the_way
  start -o allow_other
  chmod 444 "$MNT/log"
  hold "$MNT/log" 70000 0 65534
  [ "$SAID" = '57344 ENFILE' ] || fail "$SAID"
  denied 'Too many open files' other_user cat "$MNT/README"
  has_error 'files of the mount are open'
  mkdir "$MNT/hooks/h"
  release
}

@test 'what is begun and what is shown is bounded in bytes' {
  start
  collecting_hook h 'deployment/*'
  hold "$MNT/events" 2000 1048000
  [[ $SAID =~ ^5[0-9][0-9]\ ENOMEM$ ]] || fail "$SAID"
  denied 'Cannot allocate' put "deployment/m completed error_message=$LONG" "$MNT/events"
  denied 'Cannot allocate' cat "$MNT/README"
  release
  has_error 'files of the mount are open and hold 53'
  echo "deployment/m completed error_message=$LONG" >"$MNT/events"
  [ "$(count accepted)" -eq 1 ]
  [ "$(pending h)" -eq 1 ]
}

@test 'a write for which there is no memory leaves no piece of a line or of a value' {
  local labels=a:$LONG
  start
  collecting_hook h 'deployment/*'
  exec 7>"$MNT/events" 9>"$MNT/hooks/h/labels"
  printf 'deployment/m' >&7
  printf 'one:1' >&9
  hold "$MNT/events" 2000 1048000
  denied 'Cannot allocate' to 7 ' completed error_message=%s\n' "$LONG"
  # One write, and more than there may be left behind the last file that was opened.
  denied 'Cannot allocate' in_one_write 9 "$(printf '\n%s' {a..p}"${labels:1:200}")"
  release
  # what goes on begins anew
  denied 'Invalid argument' to 7 ' completed\n'
  denied 'Invalid argument' to 9 '\n'
  exec 7>&- 9>&-
  [ "$(count accepted)" -eq 0 ]
  [ "$(cat "$MNT/hooks/h/labels")" = one:1 ] || fail "$(cat "$MNT/hooks/h/labels")"
}
