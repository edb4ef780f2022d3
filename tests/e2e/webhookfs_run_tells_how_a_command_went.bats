#!/usr/bin/env bats
# contrib/webhookfs-run: the command goes its way as if it were alone, and the mount hears of it.
# shellcheck disable=SC2016,SC2086 # code for other shells, and shells of two words

load ../lib/common
load ../lib/flow

bats_require_minimum_version 1.5.0

RUN=$BATS_TEST_DIRNAME/../../contrib/webhookfs-run/webhookfs-run
SHELLS=(dash bash 'busybox sh' mksh)

setup() {
  prepare
  start
  start_sink
  make_hook h "$SINK_URL/" $'started\ncompleted\nfailed' 'experiment/*'
  echo 1 >"$MNT/hooks/h/include_result"
  export WEBHOOKFS=$MNT
}

# prepare takes the program from it, so this comes after.
teardown() {
  unset WEBHOOKFS
  finish
}

# told N: N events have come; $HERE/told has their bodies, in their order.
told() {
  requests "$1" || return
  jq -r .body "$SINK_DIR/requests.jsonl" | jq -cs 'sort_by(.status != "processing") | .[]' >"$HERE/told"
}

# end FILTER: what jq finds in the last event.
end() {
  tail -n 1 "$HERE/told" | jq -r "$1"
}

# forget: what was to come has come, and does not count.
forget() {
  settled 30 && : >"$SINK_DIR/requests.jsonl"
}

# A shell in the background ignores SIGINT, nohup SIGHUP, and then so would what they run.
INTERRUPTIBLE=(env '--default-signal=HUP,INT,QUIT')

@test 'begin and end are told under one request id, with status, duration and the last lines' {
  for sh in "${SHELLS[@]}"; do
    forget
    $sh "$RUN" -n 2 experiment/bert -- printf 'one\ntwo\nthree\n' >"$HERE/out" 2>"$HERE/err"
    [ "$(cat "$HERE/out")" = $'one\ntwo\nthree' ]
    [ ! -s "$HERE/err" ]
    told 2
    [ "$(jq -r .status "$HERE/told")" = $'processing\ncompleted' ]
    [ "$(jq -r .request_id "$HERE/told" | uniq | wc -l)" -eq 1 ]
    [ "$(jq -r .deployment_version_name "$HERE/told" | uniq)" = bert ]
    [ "$(end '.result | keys | join(" ")')" = 'duration exit_status output' ]
    [ "$(end .result.output)" = $'two\nthree' ]
    end '.result.duration >= 0 and .result.exit_status == 0 and .error_message == null' | grep -qx true
  done
}

@test 'a failure has its status, and a command that is not there the one of a shell' {
  for sh in "${SHELLS[@]}"; do
    forget
    run $sh "$RUN" --request-id=r7 experiment/bert sh -c 'exit 3'
    [ "$status" -eq 3 ]
    told 2
    [ "$(end '[.status, .error_message, .request_id, .result.exit_status] | @tsv')" = \
      $'failed\texit status 3\tr7\t3' ]
    run -127 $sh "$RUN" experiment/bert -- "$HERE/nothing"
    run $sh "$RUN" experiment/bert -- /
    [ "$status" -eq 126 ]
  done
}

@test 'stdin, stdout and stderr each come and go as they are, to the byte' {
  head -c 3000000 /dev/urandom >"$HERE/in"
  for sh in "${SHELLS[@]}"; do
    $sh "$RUN" experiment/bert -- sh -c 'cat; printf "\0\377e\033[1m\"\n" >&2' \
      <"$HERE/in" >"$HERE/out" 2>"$HERE/err"
    cmp "$HERE/in" "$HERE/out"
    [ "$(od -An -tx1 "$HERE/err" | tr -d ' \n')" = 00ff651b5b316d220a ]
    # Both into one file keep their order.
    $sh "$RUN" experiment/bert -- sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done' \
      >"$HERE/both" 2>&1
    [ "$(cat "$HERE/both")" = "$(for i in {1..9}; do printf 'o%s\ne%s\n' "$i" "$i"; done)" ]
  done
  settled
}

@test 'whatever the output is, the result is JSON with its end' {
  for sh in "${SHELLS[@]}"; do
    forget
    $sh "$RUN" experiment/bert -- printf 'a "q" \\\\ \303\251\342\202\254\360\237\230\200 \377\300\200\355\240\200\303\n\000\001\033\177\n10%%\r100%%\r\nx\ty\n\n' >"$HERE/out"
    told 2
    [ "$(end .result.output)" = "$(printf 'a "q" \\\\ é€😀 \ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\n\ufffd\001\033\177\n100%%\nx\ty')" ]
    forget
    # A line of 1 MiB, and 200,000 lines: the end of them, whole characters, and small enough to be sent.
    $sh "$RUN" experiment/bert -- sh -c 'head -c 1048576 /dev/zero | tr "\0" "\"" ; printf "€€ end"' | tail -c 3
    $sh "$RUN" -n 99999 experiment/bert -- seq 200000 >"$HERE/out"
    told 4
    jq -r '.result.output // empty' "$HERE/told" >"$HERE/outputs"
    grep -q '"€€ end$' "$HERE/outputs"
    grep -qx 200000 "$HERE/outputs"
  done
}

@test 'TERM, INT and HUP are passed on, and the status is that of a shell' {
  for sh in "${SHELLS[@]}"; do
    for signal in TERM INT HUP; do
      forget
      rm -f "$HERE/ready"
      "${INTERRUPTIBLE[@]}" $sh "$RUN" experiment/bert -- \
        sh -c ': >"$1/ready"; while :; do sleep 0.02; done' sh "$HERE" 3>&- >/dev/null 2>"$HERE/err" &
      run_pid=$!
      eventually 20 test -e "$HERE/ready"
      kill -s $signal $run_pid
      status=0
      wait $run_pid || status=$?
      [ "$status" -eq $((128 + $(kill -l $signal))) ] || fail "$sh $signal: $status"
      [ ! -s "$HERE/err" ]
      told 2
      [ "$(end .error_message)" = "exit status $status ($signal)" ]
    done
  done
}

@test 'a command that handles a signal ends as it likes' {
  for sh in "${SHELLS[@]}"; do
    forget
    rm -f "$HERE/ready"
    "${INTERRUPTIBLE[@]}" $sh "$RUN" experiment/bert -- sh -c \
      'trap "echo caught" INT; trap "exit 5" TERM; : >"$1/ready"; while :; do sleep 0.02; done' \
      sh "$HERE" 3>&- >"$HERE/out" 2>&1 &
    run_pid=$!
    eventually 20 test -e "$HERE/ready"
    kill -INT $run_pid
    eventually 20 grep -q caught "$HERE/out"
    alive $run_pid
    kill -TERM $run_pid
    status=0
    wait $run_pid || status=$?
    [ "$status" -eq 5 ]
    told 2
    [ "$(end .result.output)" = caught ]
  done
}

@test 'a terminal stays a terminal, and Ctrl-C comes once' {
  cat >"$HERE/terminal.py" <<'END'
import os, pty, signal, sys
# Runs argv[1:] on a terminal of its own, types what stdin has as soon as it says "ready", prints all.
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell ignores it for what it runs in the background
    os.execvp(sys.argv[1], sys.argv[1:])
keys, seen = sys.stdin.buffer.read(), b""
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if keys and b"ready" in seen:
        os.write(fd, keys)
        keys = b""
print(seen.decode().replace("\r", ""), "status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
  for sh in "${SHELLS[@]}"; do
    forget
    printf '\003' | python3 "$HERE/terminal.py" $sh "$RUN" experiment/bert -- sh -c '
      test -t 0 && test -t 1 && test -t 2 && echo a terminal
      count=0
      trap "count=\$((count + 1)); echo caught \$count" INT
      echo ready
      tries=0
      until [ $count -gt 0 ] && [ $tries -gt 20 ]; do sleep 0.02; tries=$((tries + 1)); done
      exit 4' >"$HERE/out" 3>&-
    grep -qx 'a terminal' "$HERE/out"
    grep -qE '(\^C)?caught 1' "$HERE/out"
    ! grep -q 'caught 2' "$HERE/out" || fail "$sh: twice" || return
    grep -q 'status 4' "$HERE/out"
    told 2
    [ "$(end '.result | has("output")')" = false ]
  done
  forget
  python3 "$HERE/terminal.py" "$RUN" -o experiment/bert -- echo hello </dev/null >"$HERE/out" 3>&-
  told 2
  [ "$(end .result.output)" = hello ]
}

@test 'the command runs where there is no mount, one that is dead, refuses, or hangs' {
  mkdir "$HERE/empty"
  for sh in "${SHELLS[@]}"; do
    run $sh "$RUN" -m "$HERE/empty" experiment/bert -- sh -c 'echo fine; exit 6'
    [ "$status" -eq 6 ]
    [[ $output == *'not reported that it has begun: there is no '*'is webhookfs mounted there?'* ]]
    [[ $output == *$'\nfine\n'* ]]
    [ -z "$(ls "$HERE/empty")" ]
    run $sh "$RUN" -q -m "$HERE/empty" experiment/bert -- echo fine
    [ "$output" = fine ]
    run $sh "$RUN" nonsense -- sh -c 'exit 6'
    [ "$status" -eq 6 ]
    [[ $output == *"not reported that it has begun"*"$MNT/errors"* ]]
    TMPDIR=$HERE/nowhere run $sh "$RUN" experiment/bert -- echo fine
    [ "$status" -eq 0 ]
    [[ $output == *'no place for temporary files'*fine* ]]
  done
  kill -STOP "$DAEMON"
  run dash "$RUN" experiment/bert -- sh -c 'exit 6'
  kill -CONT "$DAEMON"
  [ "$status" -eq 6 ]
  [[ $output == *'does not answer'* ]]
  crash
  run dash "$RUN" experiment/bert -- sh -c 'exit 6'
  [ "$status" -eq 6 ]
  [[ $output == *'not reported that it has begun'* ]]
}

@test 'a caller with set -e, a pipe that closes, and one in the other' {
  run dash -ec '"$1" experiment/bert -- true; "$1" experiment/bert -- sh -c "exit 9"; echo not here' sh "$RUN"
  [ "$status" -eq 9 ]
  [ -z "$output" ]
  [ "$("$RUN" experiment/bert -- seq 1000000 | head -n 1)" = 1 ]
  [ "$("$RUN" -i outer experiment/bert -- \
    sh -c 'echo $WEBHOOKFS_REQUEST_ID; "$1" -i inner experiment/bert -- sh -c "echo \$WEBHOOKFS_REQUEST_ID"' sh "$RUN")" = \
    $'outer\ninner' ]
  settled
  [ "$(bodies 'select(.request_id == "outer" or .request_id == "inner") | "\(.request_id) \(.status)"')" = \
    $'inner completed\ninner processing\nouter completed\nouter processing' ]
  # Who is left behind goes on writing.
  "$RUN" experiment/bert -- sh -c '(sleep 8; echo late) & echo soon' >"$HERE/out" 2>"$HERE/err"
  grep -q 'has left something running' "$HERE/err"
  eventually 20 grep -qx late "$HERE/out"
}

@test 'what is closed hurts nobody' {
  for sh in "${SHELLS[@]}"; do
    [ "$(timeout 60 $sh "$RUN" experiment/bert -- sh -c 'echo fine; exit 2' <&- 2>&1)" = fine ]
    status=0
    timeout 60 $sh "$RUN" experiment/bert -- sh -c 'exit 3' >&- 2>&- || status=$?
    [ "$status" -eq 3 ]
  done
  settled
}

@test 'wrong usage says so before anything runs' {
  for arguments in '' '-x a -- b' '-n few experiment/a true' 'experiment/a' 'experiment/a --' '-m'; do
    run "$RUN" $arguments
    [ "$status" -eq 2 ]
    [[ $output == *'usage: webhookfs-run'* ]]
  done
}
