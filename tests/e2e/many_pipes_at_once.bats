#!/usr/bin/env bats
# fifo=PATH and the pipes of systemd's ListenFIFO= take events beside events.fifo.

load ../lib/common
load ../lib/flow

setup() {
  prepare
  FIFO=$HERE/our.fifo
  HANDED=$HERE/handed.fifo
}

# accepted N
accepted() {
  [ "$(count accepted)" -eq "$1" ]
}

rejected() {
  [ -s "$STATE/rejected.jsonl" ]
}

# hand_over: from now on the daemon is started as systemd does it, with HANDED as descriptor 3. The
# pipe is kept open by this shell, as it is by systemd.
hand_over() {
  [ -p "$HANDED" ] || mkfifo "$HANDED"
  exec 8<>"$HANDED"
  cat >"$HERE/launch" <<PY
#!/usr/bin/env python3
import os, sys
fd = os.open("$HANDED", os.O_RDWR | os.O_NONBLOCK)
if fd != 3:
    os.dup2(fd, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="events")
os.execv("$WEBHOOKFS", ["$WEBHOOKFS"] + sys.argv[1:])
PY
  chmod +x "$HERE/launch"
  WEBHOOKFS=$HERE/launch
}

@test 'a pipe named by fifo= is made for its owner alone, takes events, and is removed at the end' {
  start -o "fifo=$FIFO"
  [ -p "$FIFO" ]
  [ "$(stat -c %a "$FIFO")" = 600 ]
  echo 'deployment/m completed' >"$FIFO"
  eventually 10 accepted 1
  stop
  [ ! -e "$FIFO" ]
}

@test 'a pipe that is there is used as it is, and stays' {
  mkfifo -m 620 "$FIFO"
  start -o "fifo=$FIFO"
  echo 'deployment/m completed' >"$FIFO"
  eventually 10 accepted 1
  stop
  [ -p "$FIFO" ]
  [ "$(stat -c %a "$FIFO")" = 620 ]
}

@test 'a relative path is taken from where the command was given' {
  cd "$HERE"
  start_background -o fifo=our.fifo
  [ -p "$FIFO" ]
  echo 'deployment/m completed' >"$FIFO"
  eventually 10 accepted 1
  stop
  [ ! -e "$FIFO" ]
}

@test 'what is no pipe is refused and left alone, and so is a path under the mount point' {
  local bad
  echo precious >"$HERE/file"
  ln -s "$HERE/file" "$HERE/link"
  for bad in "$HERE/file" "$HERE/link" "$HERE" "$HERE/missing/fifo" "$MNT/x" "$MNT/events.fifo"; do
    run "$WEBHOOKFS" -o "fifo=$bad" "$STATE" "$MNT" 3>&-
    [ "$status" -eq 1 ] || fail "$bad: status $status"
    [[ $output == *"fifo=$bad"* ]] || fail "$bad: $output"
  done
  [ "$(cat "$HERE/file")" = precious ]
  [ -z "$(mounts)" ]
  run "$WEBHOOKFS" -o "fifo=$HERE/file" "$STATE" "$MNT" 3>&-
  [[ $output == *'no named pipe'* ]] || fail "$output"
}

@test 'a start that fails leaves no pipe of its own behind' {
  mkdir "$HERE/other"
  start
  run "$WEBHOOKFS" -o "fifo=$FIFO" "$STATE" "$HERE/other" 3>&-
  [ "$status" -eq 1 ]
  [ ! -e "$FIFO" ]
}

@test 'all of them take events at once, and a refused line says where it came from' {
  hand_over
  start -o "fifo=$FIFO"
  local i pipe pids=()
  for pipe in "$MNT/events.fifo" "$FIFO" "$HANDED"; do
    bash -c 'for n in {1..50}; do echo "deployment/m completed" > "$0"; done' "$pipe" 3>&- &
    pids+=($!)
  done
  for i in {1..50}; do echo 'deployment/m completed' >"$MNT/events"; done
  wait "${pids[@]}"
  eventually 10 accepted 200
  [ "$(count refused)" = 0 ]
  echo 'nonsense' >"$HANDED"
  eventually 10 rejected
  [ "$(jq -r .source "$STATE/rejected.jsonl")" = "$HANDED" ]
  has_error "$HANDED uid="
  echo 'more nonsense' >"$FIFO"
  eventually 10 has_error "$FIFO uid="
}

@test 'lines that wait in a pipe of systemd are taken by the next daemon' {
  hand_over
  printf 'deployment/m/v%s completed\n' {1..20} >&8
  start
  eventually 10 accepted 20
  stop
  printf 'deployment/m/v%s completed\n' {1..20} >&8
  start
  eventually 10 accepted 40
}

# at_least N
at_least() {
  [ "$(count accepted)" -ge "$1" ]
}

# Killed between the commit and reading the pipe empty it takes lines once more; it never loses one.
@test 'kill -9 loses no line of a pipe of systemd' {
  hand_over
  start
  collecting_hook h 'deployment/*'
  bash -c 'for n in {1..3000}; do echo "deployment/m completed request_id=$n"; done >"$0"' \
    "$HANDED" 3>&- &
  local round writer=$!
  for round in 1 2 3 4; do
    crash
    start
  done
  wait $writer
  eventually 20 at_least 3000
  [ "$(count refused)" = 0 ]
  stop
  [ "$(sqlite3 "$STATE/queue.db" 'SELECT count(DISTINCT request_id) FROM event')" = 3000 ]
}

@test 'a pipe of systemd waits while the backlog is full, across restarts' {
  hand_over
  start -o max_backlog=1M
  collecting_hook h 'deployment/*'
  # No line is longer than PIPE_BUF: each is in the pipe as a whole or not at all.
  printf "deployment/m completed metadata='{\"x\":\"%*s\"}'\n" 3900 '' >"$HERE/line"
  bash -c 'line=$(cat "$0"); for n in {1..600}; do echo "$line"; done >"$1"' \
    "$HERE/line" "$HANDED" 3>&- &
  local writer=$!
  eventually 10 at_least 200
  crash
  start
  wait $writer
  eventually 10 at_least 600
  [ "$(count refused)" = 0 ]
}

@test 'what is handed over and is no pipe is refused' {
  hand_over
  rm "$HANDED"
  mkdir "$HERE/pipes"
  sed -i "s|^fd = .*|fd = os.open('$HERE/pipes', os.O_RDONLY)|" "$HERE/launch"
  run "$WEBHOOKFS" "$STATE" "$MNT" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *'no named pipe'*'ListenFIFO='* ]] || fail "$output"
}

@test 'descriptors that were meant for another process are left alone' {
  hand_over
  sed -i 's/LISTEN_PID=str(os.getpid())/LISTEN_PID="1"/' "$HERE/launch"
  start
  echo 'deployment/m completed' >"$MNT/events.fifo"
  eventually 10 accepted 1
  printf 'deployment/m completed\n' >&8
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(count accepted)" = 2 ]
}

@test 'a JSON object needs no newline in a pipe either' {
  start
  printf '{"object":"deployment/m","status":"completed"}' >"$MNT/events.fifo"
  eventually 10 accepted 1
  printf '\ndeployment/m completed\n' >"$MNT/events.fifo"
  eventually 10 accepted 2
  [ "$(count refused)" = 0 ]
}
