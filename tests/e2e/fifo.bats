#!/usr/bin/env bats
# events.fifo takes the lines of `events`, and since a pipe cannot answer, keeps those it refuses.

load ../lib/common
load ../lib/flow
load ../lib/users

# accepted N
accepted() {
  [ "$(count accepted)" -eq "$1" ]
}

rejected() {
  [ -s "$STATE/rejected.jsonl" ] && [ "$(wc -l <"$STATE/rejected.jsonl")" -ge "$1" ]
}

@test 'events.fifo is a pipe' {
  [ -p "$MNT/events.fifo" ]
}

@test 'where the kernel does not let us open it, or kills who asks, it is a link to one from the beginning' {
  local kills
  for kills in 0 1; do
    stop
    rm -r "$STATE"
    [ $kills -eq 0 ] || export NOTREE_KILLS=1
    ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$(dirname "$CLOCKSTEP_SO")/notree.so start
    [ "$(readlink "$MNT/events.fifo")" = "$STATE/events.fifo" ]
    echo 'deployment/m completed' >"$MNT/events.fifo"
    eventually 10 accepted 1
  done
}

@test 'it takes the same lines' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m/v1 completed request_id=1' >"$MNT/events.fifo"
  echo '{"object":"deployment/m","status":"completed","request_id":"2"}' >"$MNT/events.fifo"
  requests 2
  [ "$(bodies .request_id | xargs)" = '1 2' ]
}

@test 'a line may come in pieces, and many in one write' {
  exec 7>"$MNT/events.fifo"
  printf 'deployment/m/v1 comp' >&7
  printf 'leted\ndeployment/m/v2 completed\ndeployment' >&7
  eventually 10 accepted 2
  printf '/m/v3 completed\n' >&7
  exec 7>&-
  eventually 10 accepted 3
}

@test 'it stays open for the next writer' {
  local i
  for i in 1 2 3; do
    echo 'deployment/m completed' >"$MNT/events.fifo"
    eventually 10 accepted $i
  done
}

@test 'lines of several writers do not mix' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  local i pids=()
  for i in 1 2 3 4; do
    bash -c 'for n in {1..25}; do echo "deployment/m/v$1 completed request_id=$1-$n"; done > "$0"' \
      "$MNT/events.fifo" $i 3>&- &
    pids+=($!)
  done
  wait "${pids[@]}"
  eventually 10 accepted 100
  settled
  [ "$(bodies .request_id)" = "$(printf '%s\n' {1..4}-{1..25} | sort)" ]
  [ "$(count refused)" = 0 ]
}

@test 'lines longer than PIPE_BUF come whole from one writer' {
  collecting_hook h 'deployment/*'
  for i in 1 2 3; do
    printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 300000 ''
  done >"$MNT/events.fifo"
  eventually 10 accepted 3
  [ "$(count refused)" = 0 ]
}

@test 'a refused line is in errors and whole in rejected.jsonl, and those around it are taken' {
  local long
  long=$(printf 'nonsense %*s end' 3000 '')
  printf '%s\n' 'deployment/a completed' "$long" 'deployment/b completed' >"$MNT/events.fifo"
  eventually 10 accepted 2
  eventually 10 rejected 1
  [ "$(count refused)" = 1 ]
  has_error 'neither a status'
  grep -q ' events\.fifo ' "$MNT/errors"
  [ "$(jq -r .line "$STATE/rejected.jsonl")" = "$long" ]
  [ "$(jq -r .source "$STATE/rejected.jsonl")" = events.fifo ]
  [ "$(jq -r .code "$STATE/rejected.jsonl")" = EINVAL ]
  [[ $(jq -r .error "$STATE/rejected.jsonl") == *'neither a status'* ]]
  [ "$(stat -c %a "$STATE/rejected.jsonl")" = 600 ]
}

@test 'a refused line that is no text is kept byte by byte' {
  printf 'deployment/m completed \xff\0\n' >"$MNT/events.fifo"
  eventually 10 rejected 1
  [ "$(jq -r .line_hex "$STATE/rejected.jsonl")" = \
    "$(printf 'deployment/m completed \xff\0' | od -An -v -tx1 | tr -d ' \n')" ]
}

@test 'nothing of a line that is too long is lost, and the next one is taken' {
  head -c 1500000 /dev/zero | tr '\0' x >"$HERE/long"
  { cat "$HERE/long"; printf '\ndeployment/m completed\n'; } >"$MNT/events.fifo"
  eventually 10 accepted 1
  jq -jr .line "$STATE/rejected.jsonl" | cmp - "$HERE/long"
}

@test 'the pipe waits while the backlog is full, and loses nothing' {
  stop
  start -o max_backlog=1M
  collecting_hook h 'deployment/*'
  printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 600000 '' >"$HERE/big"
  cat "$HERE/big" >"$MNT/events.fifo"
  eventually 10 accepted 1
  { cat "$HERE/big"; echo 'deployment/m completed'; } >"$MNT/events.fifo"
  # What waits in the pipe comes in between two of its removals.
  eventually 10 rm -r "$MNT/hooks/h"
  eventually 10 accepted 3
  [ "$(count refused)" = 0 ]
}

@test 'lines that are in the pipe when the daemon stops are taken' {
  collecting_hook h 'deployment/*'
  exec 7>"$MNT/events.fifo"
  kill -STOP "$DAEMON"
  # Only what the shell has built in: programs ask for attributes of their output, and wait.
  printf 'deployment/m/v%s completed\n' {1..100} >&7
  printf 'deployment/m/last completed' >&7
  kill -TERM "$DAEMON"
  kill -CONT "$DAEMON"
  exec 7>&-
  ended
  start
  [ "$(pending h)" = 101 ]
}

@test 'a writer that keeps the pipe open does not keep the daemon' {
  exec 7>"$MNT/events.fifo"
  echo 'deployment/m completed' >&7
  eventually 10 accepted 1
  terminate
  run bash -c 'echo "deployment/m completed" >&7'
  [ "$status" -ne 0 ] || fail 'a line went nowhere, and its writer was not told'
  exec 7>&-
}

@test 'as a plain user it is a symbolic link to a pipe in the state directory' {
  need_root
  need_fuse_of_others
  stop
  open_the_way
  chown -R 65534:65534 "$MNT" "$STATE"
  printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %q "$@"\n' \
    "$WEBHOOKFS" >"$HERE/as_nobody"
  WEBHOOKFS=$HERE/as_nobody
  chmod +x "$WEBHOOKFS"
  # shellcheck disable=SC2317 # start calls it
  serving() { mounted && other_user test -e "$MNT/README"; } # root may not look into it
  start
  [ "$(other_user readlink "$MNT/events.fifo")" = "$STATE/events.fifo" ]
  other_user bash -c 'echo "deployment/m completed" > "$0"' "$MNT/events.fifo"
  eventually 10 other_user grep -qx 'accepted 1' "$MNT/status"
  kill -TERM "$DAEMON"
  ended
}
