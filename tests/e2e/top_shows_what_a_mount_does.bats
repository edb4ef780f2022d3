#!/usr/bin/env bats
# webhookfs --top: what a person sees on a terminal, here one of tmux, and what a script gets.
load ../lib/common
load ../lib/flow

setup() {
  prepare
  TMUX_DIR=$(mktemp -d /tmp/top.XXXXXX) # a socket's path has to be short
  export TMUX_TMPDIR=$TMUX_DIR
  unset TMUX NO_COLOR
  export LC_ALL=C.UTF-8
}

teardown() {
  tmux -L top kill-server 2>/dev/null || :
  rm -rf "$TMUX_DIR"
  finish
}

# terminal COLUMNS ROWS: a shell on a terminal of its own.
terminal() {
  tmux -L top -f /dev/null new-session -d -x "$1" -y "$2" 'exec bash --norc --noprofile' 3>&-
  typed "PS1='\$ '; clear; echo mar''k" Enter
  shows mark
}

typed() {
  tmux -L top send-keys "$@"
}

screen() {
  tmux -L top capture-pane -p "$@"
}

screen_has() {
  screen | grep -qE -- "$1"
}

screen_has_not() {
  ! screen_has "$1"
}

shows() {
  eventually 10 screen_has "$1" || fail "$(screen)"
}

shows_no() {
  eventually 10 screen_has_not "$1" || fail "$(screen)"
}

# top_on_terminal [COLUMNS ROWS]
top_on_terminal() {
  terminal "${1:-120}" "${2:-30}"
  typed "'$WEBHOOKFS' --top '$MNT'; echo ended=\$?" Enter
  shows "^webhookfs $HERE"
}

# ended_clean STATUS: the shell is back, with what it showed before, and a terminal that echoes.
ended_clean() {
  shows "^ended=$1"
  shows '^mark'
  shows_no '^HOOK '
  typed 'stty -a' Enter
  shows ' icanon'
  shows ' echo '
}

failing_hook() {
  make_hook "$1" "$NOWHERE" failed 'deployment/*'
  echo 'deployment/m/v1 failed' >"$MNT/events"
  eventually 10 has_last_error "$1"
}

@test 'a pipe gets one table, with the hook that fails and why' {
  start
  failing_hook alarm
  mkdir "$MNT/hooks/unfinished"
  ! echo nonsense >"$MNT/hooks/alarm/event" || false
  run "$WEBHOOKFS" --top "$MNT"
  [ "$status" -eq 0 ]
  grep -qE '^accepted 1 ' <<<"$output"
  grep -qE '^alarm .* active +1 .*Connection refused' <<<"$output"
  grep -qE '^unfinished +incomplete ' <<<"$output"
  grep -qF ' http://127.0.0.1:1' <<<"$output"
  grep -qF '"nonsense" is no event' <<<"$output"
}

@test 'what is no mount of webhookfs is refused with a sentence' {
  run "$WEBHOOKFS" --top "$HERE"
  [ "$status" -eq 1 ]
  [ "$output" = "webhookfs: $HERE is no mount of webhookfs" ]
  run "$WEBHOOKFS" --top "$HERE/none"
  [ "$status" -eq 1 ]
  [ "$output" = "webhookfs: $HERE/none: No such file or directory" ]
  run "$WEBHOOKFS" --top "$STATE" "$MNT"
  [ "$status" -eq 2 ]
  start
  crash
  run "$WEBHOOKFS" --top "$MNT"
  [ "$status" -eq 1 ]
  [[ $output == *'the daemon of this mount is gone; mount it again' ]]
}

@test 'on a terminal it shows what changes while it looks' {
  start
  top_on_terminal
  shows '^HOOK .*LAST ERROR'
  failing_hook alarm
  shows '^alarm .* active +1 .*Connection refused'
  shows '^DESTINATIONS'
  ! echo nonsense >"$MNT/hooks/alarm/event" || false
  shows '"nonsense" is no event'
  rm -r "$MNT/hooks/alarm"
  shows_no '^alarm '
  typed q
  ended_clean 0
}

@test 'it follows the size of its terminal' {
  start
  make_hook alarm "$NOWHERE" failed 'deployment/*'
  top_on_terminal 120 30
  shows 'BUSY'
  tmux -L top resize-window -x 60 -y 12
  shows_no 'BUSY'
  shows '^q quit '
  shows '^alarm '
  [ "$(screen | grep -n '^q quit ' | cut -d: -f1)" -eq 12 ]
  tmux -L top resize-window -x 130 -y 40
  shows 'BUSY'
  typed q
  ended_clean 0
}

@test 'a filter leaves the hooks that have its text, and Esc brings the others back' {
  start
  mkdir "$MNT/hooks/one" "$MNT/hooks/two"
  top_on_terminal
  shows '^one '
  typed / tw
  shows '^filter: tw_'
  shows_no '^one '
  shows '^two '
  typed Enter
  shows '^filter: tw  q quit'
  typed Escape
  shows '^one '
  typed n
  shows 'by HOOK'
  [ "$(screen | grep -nE '^(one|two) ' | cut -d: -f2 | cut -c 1-3 | xargs)" = 'one two' ]
  typed r
  shows 'turned round'
  [ "$(screen | grep -nE '^(one|two) ' | cut -d: -f2 | cut -c 1-3 | xargs)" = 'two one' ]
  typed '?'
  shows '^Sorting'
  typed q
  shows '^HOOK '
  typed q
  ended_clean 0
}

@test 'Enter shows one hook, with its last attempts' {
  start
  start_sink
  make_hook alarm "$SINK_URL/x" failed 'deployment/*'
  top_on_terminal
  shows '^alarm '
  typed Enter
  shows '^state active'
  shows 'none in the last part of the log'
  echo 'deployment/m/v1 failed' >"$MNT/events"
  shows '^delivered 1'
  shows ' delivered +200 .*deployment_request_failed'
  typed Escape
  shows '^HOOK '
  typed q
  ended_clean 0
}

@test 'it stops for Ctrl-Z and is there again with fg' {
  start
  mkdir "$MNT/hooks/one"
  top_on_terminal
  shows '^one '
  typed C-z
  shows 'Stopped'
  shows '^mark'
  shows_no '^HOOK '
  typed fg Enter
  shows '^one '
  typed q
  shows_no '^HOOK '
}

@test 'Ctrl-C and SIGTERM leave the terminal as it was' {
  start
  top_on_terminal
  shows '^HOOK '
  typed C-c
  ended_clean 0
  typed "clear; echo mar''k; '$WEBHOOKFS' --top '$MNT'; echo ended=\$?" Enter
  shows '^HOOK '
  kill -TERM "$(tops)"
  ended_clean 0
}

# Its process: the daemon has the mount among its arguments, too.
tops() {
  local pid
  for pid in $(with_paths); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != webhookfs-top ] || echo "$pid"
  done
}

@test 'a mount that goes is waited for, and shown when it returns' {
  start
  mkdir "$MNT/hooks/one"
  top_on_terminal
  shows '^one '
  crash
  shows 'the mount is gone'
  fusermount3 -uz "$MNT"
  start
  shows_no 'the mount is gone'
  mkdir "$MNT/hooks/two"
  shows '^two '
  terminate
  shows 'the mount is gone'
  typed q
  ended_clean 0
}

@test 'a mount that does not answer does not hold up its keys' {
  start
  mkdir "$MNT/hooks/one"
  top_on_terminal
  shows '^one '
  typed j
  kill -STOP "$DAEMON"
  # It looks at what has never been shown, which nobody answers.
  typed Enter
  shows '^LAST ATTEMPTS'
  shows 'the mount does not answer'
  typed q
  shows '^HOOK '
  typed q
  ended_clean 0
  kill -CONT "$DAEMON"
}

@test 'names of other alphabets stand in their columns, or as question marks in ASCII' {
  start
  mkdir "$MNT/hooks/größe" "$MNT/hooks/漢字"
  run "$WEBHOOKFS" --top "$MNT"
  grep -qE '^größe    incomplete ' <<<"$output"
  grep -qE '^漢字     incomplete ' <<<"$output"
  LC_ALL=C run "$WEBHOOKFS" --top "$MNT"
  grep -qE '^gr\?\?e    incomplete ' <<<"$output"
  ! LC_ALL=C grep -q $'[\x80-\xff]' <<<"$output" || false
}

@test 'colours are there where NO_COLOR is not' {
  start
  failing_hook alarm
  top_on_terminal
  shows '^alarm .*refused'
  screen -e | grep -q $'\e\\[[0-9;]*31m'
  typed q
  ended_clean 0
  typed "export NO_COLOR=1; clear; echo mar''k; '$WEBHOOKFS' --top '$MNT'; echo ended=\$?" Enter
  shows '^alarm .*refused'
  ! screen -e | grep -q $'\e\\[[0-9;]*3[0-7]m' || false
  typed q
  ended_clean 0
}
