#!/usr/bin/env bats
# What `events` takes, what it refuses, and what its writers hear of it.

# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow

# line BYTES: an event line of that length, and its newline.
line() {
  local head="deployment/m completed metadata='{\"x\":\"" tail="\"}'"
  printf '%s%*s%s\n' "$head" $(($1 - ${#head} - ${#tail})) '' "$tail"
}

@test 'a JSON line is taken' {
  collecting_hook h 'deployment/*'
  echo '{"object":"deployment/m/v1","status":"completed","request_id":"r","result":{"a":1}}' >"$MNT/events"
  [ "$(count accepted)" = 1 ]
  [ "$(pending h)" = 1 ]
}

@test 'a JSON line may give type, name and version apart' {
  collecting_hook h pipeline/p1/v2 failed
  echo '{"object_type":"pipeline","object_name":"p1","version":"v2","status":"failed","error_message":"x"}' >"$MNT/events"
  [ "$(pending h)" = 1 ]
}

@test 'a line of words is taken' {
  collecting_hook h 'deployment/*'
  echo "deployment/m/v1 completed request_id=42 result='{\"score\":0.9}'" >"$MNT/events"
  [ "$(pending h)" = 1 ]
}

@test 'a line without a version is taken' {
  collecting_hook h 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
}

@test 'many lines may come in one write' {
  collecting_hook h 'deployment/*'
  yes 'deployment/m/v1 completed' | head -n 500 >"$HERE/lines"
  [ "$(writes "@$HERE/lines")" = "$(stat -c %s "$HERE/lines") closed" ]
  [ "$(pending h)" = 500 ]
}

@test 'a write that took a line returns after it is counted' {
  collecting_hook h 'deployment/*'
  python3 - "$MNT" <<'END'
import os, sys
mnt = sys.argv[1]
fd = os.open(mnt + "/events", os.O_WRONLY)
for n in range(1, 21):
    os.write(fd, b"deployment/m/v1 completed\n")
    status = dict(line.rstrip("\n").split(" ", 1) for line in open(mnt + "/status"))
    assert int(status["accepted"]) == n, (n, status)
END
}

@test 'a line may be split over writes, anywhere' {
  collecting_hook h 'deployment/*'
  run writes 'depl' 'oyment/m/v1 compl' 'eted' '\ndeployment/m/v2 ' 'completed\n'
  [ "$output" = '4 17 4 17 10 closed' ]
  [ "$(pending h)" = 2 ]
}

@test 'the beginning of a line is neither taken nor refused before its end, and holds up nobody' {
  collecting_hook h 'deployment/*'
  python3 - "$MNT" <<'END'
import os, sys
events, status = (sys.argv[1] + name for name in ("/events", "/status"))
counters = lambda: dict(line.rstrip("\n").split(" ", 1) for line in open(status))
first, second = (os.open(events, os.O_WRONLY) for _ in range(2))
os.write(first, b"deployment/m/v1 comp")
assert counters()["accepted"] == "0" and counters()["refused"] == "0", counters()
os.write(second, b"deployment/m/v2 completed\n")
assert counters()["accepted"] == "1", counters()
os.write(first, b"leted\n")
assert counters()["accepted"] == "2", counters()
END
  [ "$(pending h)" = 2 ]
}

@test 'bash, dash, tee and cat write lines' {
  collecting_hook h 'deployment/*'
  bash -c 'echo "deployment/m/bash completed" > "$0"' "$MNT/events"
  dash -c 'echo "deployment/m/dash completed" > "$0"' "$MNT/events"
  bash -c 'printf "%s\n" "deployment/m/a completed" "deployment/m/b completed" >> "$0"' "$MNT/events"
  echo 'deployment/m/tee completed' | tee -a "$MNT/events" >/dev/null
  echo 'deployment/m/cat completed' | cat >"$MNT/events"
  [ "$(pending h)" = 6 ]
}

@test 'cat of a big file, whose lines do not end where its writes end, loses nothing' {
  collecting_hook h 'deployment/*'
  seq 20000 | sed 's|.*|deployment/m/v& completed request_id=&|' >"$HERE/lines"
  cat "$HERE/lines" >"$MNT/events"
  [ "$(count accepted)" = 20000 ]
  [ "$(count refused)" = 0 ]
  [ "$(pending h)" = 20000 ]
}

@test 'dd writes lines in blocks of any size' {
  collecting_hook h 'deployment/*'
  seq 200 | sed 's|.*|deployment/m/v& completed|' | dd of="$MNT/events" obs=7 status=none
  [ "$(pending h)" = 200 ]
}

@test 'a bad line fails the write' {
  run writes 'nonsense\n'
  [ "$output" = 'EINVAL closed' ]
  run bash -c 'echo nonsense > "$0"' "$MNT/events"
  [ "$status" -ne 0 ]
  [[ $output == *'Invalid argument'* ]]
  [ "$(count accepted)" = 0 ]
}

@test 'a bad line gives a short count, then the error, and the lines before it are taken once' {
  collecting_hook h 'deployment/*'
  a='deployment/m/a completed\n' b='deployment/m/b completed\n'
  run writes "$a${b}nonsense\n$a" 'nonsense\n'
  [ "$output" = '50 EINVAL closed' ]
  [ "$(count accepted)" = 2 ]
  [ "$(pending h)" = 2 ]
}

@test 'what comes behind a bad line is not taken' {
  collecting_hook h 'deployment/*'
  run dash -c 'printf "deployment/m/a completed\nnonsense\ndeployment/m/b completed\n" > "$0"' "$MNT/events"
  [ "$status" -ne 0 ]
  [ "$(pending h)" = 1 ]
}

@test 'after a bad line the same open file takes good ones' {
  collecting_hook h 'deployment/*'
  run writes 'nonsense\n' 'deployment/m/a completed\n'
  [ "$output" = 'EINVAL 25 closed' ]
  [ "$(pending h)" = 1 ]
}

@test 'a bad line split over writes fails the write that ends it, and leaves nothing behind' {
  collecting_hook h 'deployment/*'
  run writes 'deployment/m/a ' 'nonsense\n' 'deployment/m/b completed\n'
  [ "$output" = '15 EINVAL 25 closed' ]
  [ "$(pending h)" = 1 ]
}

@test 'a bad line without newline fails close' {
  run writes 'nonsense'
  [ "$output" = '8 EINVAL' ]
  has_error nonsense
}

@test 'cat reports the error of close' {
  run bash -c 'printf nonsense | cat > "$0"' "$MNT/events"
  [ "$status" -ne 0 ]
  [[ $output == *'Invalid argument'* ]]
}

@test 'a good line without newline is taken at close, once' {
  collecting_hook h 'deployment/*'
  printf 'deployment/m/a completed' >"$MNT/events"
  [ "$(pending h)" = 1 ]
  printf 'deployment/m/b completed' | cat >"$MNT/events"
  [ "$(pending h)" = 2 ]
}

@test 'a complete JSON object needs no newline, wherever it ends' {
  collecting_hook h 'deployment/*'
  printf '{"object":"deployment/m","status":"completed"}' >"$MNT/events"
  [ "$(pending h)" = 1 ]
  run writes '{"object":"deployment/m",' '"status":"completed"}' '\n' '{"object":"deployment/m",\n'
  [ "$output" = '25 21 1 EINVAL closed' ]
  [ "$(pending h)" = 2 ]
}

@test 'a complete JSON object is taken by its write, not by close' {
  collecting_hook h 'deployment/*'
  python3 - "$MNT" <<'END'
import os, sys
mnt = sys.argv[1]
fd = os.open(mnt + "/events", os.O_WRONLY)
os.write(fd, b'{"object":"deployment/m","status":"completed"}')
status = dict(line.rstrip("\n").split(" ", 1) for line in open(mnt + "/status"))
assert status["accepted"] == "1", status
END
  [ "$(pending h)" = 1 ]
}

@test 'braces within strings do not end a JSON object' {
  collecting_hook h 'deployment/*'
  run writes '{"object":"deployment/m","error_message":"}' '{\\"","status":"completed"}\n'
  [ "$output" = '43 27 closed' ]
  [ "$(pending h)" = 1 ]
}

@test 'a bad JSON object without newline fails its write' {
  run writes '{"object":"deployment/m","status":"nonsense"}'
  [ "$output" = 'EINVAL closed' ]
}

@test 'two writers whose writes interleave do not mix' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  python3 - "$MNT/events" <<'END'
import os, sys
lines = [b"deployment/m/v1 completed request_id=one-%d\n", b"deployment/m/v2 completed request_id=two-%d\n"]
fds = [os.open(sys.argv[1], os.O_WRONLY) for _ in lines]
texts = [b"".join(line % n for n in range(5)) for line in lines]
for at in range(0, len(texts[0]), 3):
    for fd, text in zip(fds, texts):
        os.write(fd, text[at:at + 3])
END
  settled
  [ "$(bodies .request_id)" = "$(printf '%s\n' one-{0..4} two-{0..4})" ]
}

@test 'a line of 1 MiB is taken, a longer one is refused' {
  collecting_hook h 'deployment/*'
  line 1048576 >"$HERE/fits"
  line 1048577 >"$HERE/too-long"
  [ "$(stat -c %s "$HERE/fits")" = 1048577 ]
  cat "$HERE/fits" >"$MNT/events"
  [ "$(writes "@$HERE/fits")" = '1048577 closed' ]
  [ "$(pending h)" = 2 ]
  run bash -c 'cat "$0" > "$1"' "$HERE/too-long" "$MNT/events"
  [ "$status" -ne 0 ]
  [ "$(pending h)" = 2 ]
  has_error 'at most 1048576 bytes'
}

@test 'a line that is too long is refused although it never ends' {
  run bash -c 'yes | tr -d "\n" | cat > "$0"' "$MNT/events"
  [ "$status" -ne 0 ]
  [[ $output == *'Argument list too long'* ]]
}

@test 'a NUL is refused, and its column shown' {
  run writes 'deployment/m/v1 \x00completed\n'
  [ "$output" = 'EINVAL closed' ]
  has_error 'NUL'
  [ "$(grep -F -A 1 'deployment/m/v1 ?completed' "$MNT/errors" | tail -n 1)" = '                    ^' ]
}

@test 'what is not UTF-8 is refused, and its column shown' {
  run writes 'deployment/m/v1 completed error_message=\xff\xfe\n'
  [ "$output" = 'EINVAL closed' ]
  has_error 'UTF-8'
  caret=$(grep -F '^' "$MNT/errors")
  [ ${#caret} -eq $((4 + 40 + 1)) ]
}

@test 'UTF-8 is taken' {
  start_sink
  make_hook h "$SINK_URL/" failed 'deployment/*'
  echo 'deployment/m/v1 failed error_message="zu heiß 🔥"' >"$MNT/events"
  settled
  [ "$(bodies .error_message)" = 'zu heiß 🔥' ]
}

@test 'an unknown field is refused by name, with the one that was meant' {
  run writes '{"object":"deployment/m","status":"completed","reqest_id":"1"}\n'
  [ "$output" = 'EINVAL closed' ]
  has_error '"reqest_id" is no field of an event: is it to be request_id?'
  run writes 'deployment/m completed resutl=1\n'
  [ "$output" = 'EINVAL closed' ]
  has_error '"resutl" is no field of an event: is it to be result?'
}

@test 'an unknown field like no other is refused with a word on metadata' {
  run writes 'deployment/m completed colour=red\n'
  [ "$output" = 'EINVAL closed' ]
  has_error '"colour" is no field of an event'
  has_error metadata
}

@test 'every way to break a line is refused' {
  while IFS= read -r bad; do
    run writes "$bad\\n"
    [ "$output" = 'EINVAL closed' ] || fail "$output for $bad"
  done <<'END'
deployment/m
completed
deployment completed
deployment/ completed
deployment/m/v1/x completed
robot/m completed
deployment/m done
deployment/m completed result={
deployment/m completed result=nonsense
deployment/m completed error_message="open
deployment/m completed metadata=1
deployment/m completed request_id=
deployment/m completed request_id=1 request_id=2
deployment/m completed time=yesterday
deployment/m completed pipeline_id=1
deployment/m pipeline_request_completed
{}
{"object":"deployment/m"}
{"status":"completed"}
{"object":"deployment/m","status":"completed"} x
{"object":"deployment/m","status":"completed","status":"failed"}
{"object":"deployment/m","version":"v1","status":"completed"}
{"object":"deployment/m","status":"failed","event":"deployment_request_completed"}
{"object":"deployment/m","status":1}
{"object":"deployment/m","status":"completed",}
["deployment/m","completed"]
END
  [ "$(count accepted)" = 0 ]
}

@test 'each status fires its events' {
  start_sink
  make_hook h "$SINK_URL/" 'started completed failed finished' 'deployment/*'
  local status
  for status in pending processing completed failed cancelled cancelled_pending; do
    echo "deployment/m/v1 $status request_id=$status" >"$MNT/events"
  done
  settled
  run bodies '[.request_id, .event, .status] | join(" ")'
  [ "$output" = "cancelled deployment_request_finished cancelled
completed deployment_request_completed completed
completed deployment_request_finished completed
failed deployment_request_failed failed
failed deployment_request_finished failed
processing deployment_request_started processing" ] || fail "$output"
  [ "$(count accepted)" = 6 ]
}

@test 'a line that names one event fires it alone' {
  start_sink
  make_hook h "$SINK_URL/" 'started completed failed finished' 'pipeline/*'
  echo 'pipeline/p started request_id=1' >"$MNT/events"
  echo 'pipeline/p pipeline_request_failed request_id=2' >"$MNT/events"
  echo '{"object":"pipeline/p","event":"pipeline_request_completed","request_id":"3"}' >"$MNT/events"
  echo '{"object":"pipeline/p","event":"finished","status":"failed","request_id":"4"}' >"$MNT/events"
  settled
  run bodies '[.request_id, .event, .status] | join(" ")'
  [ "$output" = "1 pipeline_request_started processing
2 pipeline_request_failed failed
3 pipeline_request_completed completed
4 pipeline_request_finished failed" ] || fail "$output"
}

@test 'an experiment is a version of the training deployment, in either spelling' {
  start_sink
  make_hook one "$SINK_URL/one" completed experiment/bert
  make_hook two "$SINK_URL/two" deployment_request_completed deployment/training-base-deployment/bert
  echo 'experiment/bert completed request_id=a' >"$MNT/events"
  echo 'deployment/training-base-deployment/bert completed request_id=b' >"$MNT/events"
  echo 'experiment/other completed' >"$MNT/events"
  settled
  [ "$(jq -r '.path + " " + (.body | fromjson.request_id)' "$SINK_DIR/requests.jsonl" | sort)" = \
    "$(printf '%s\n' '/one a' '/one b' '/two a' '/two b')" ]
  [ "$(bodies '[.event, .deployment_name, .deployment_version_name] | join(" ")' | uniq)" = \
    'deployment_request_completed training-base-deployment bert' ]
}

@test 'the same id is taken but not delivered twice' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed id=once request_id=1' >"$MNT/events"
  echo 'deployment/m completed id=once request_id=2' >"$MNT/events"
  echo '{"object":"deployment/m","status":"completed","id":"once","request_id":"3"}' >"$MNT/events"
  echo 'deployment/m completed id=other request_id=4' >"$MNT/events"
  [ "$(count accepted)" = 4 ]
  settled
  [ "$(bodies .request_id)" = "$(printf '%s\n' 1 4)" ]
}

@test 'the same id in one write is delivered once' {
  collecting_hook h 'deployment/*'
  writes 'deployment/m completed id=1\ndeployment/m completed id=1\n'
  [ "$(pending h)" = 1 ]
}

@test 'an id is known after it was delivered and after a restart' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed id=once' >"$MNT/events"
  settled
  stop
  start
  echo 'deployment/m completed id=once' >"$MNT/events"
  echo 'deployment/m completed id=other' >"$MNT/events"
  settled
  requests 2
}

@test 'a refused line does not use up its id' {
  collecting_hook h 'deployment/*'
  run writes 'deployment/m completed id=1 nonsense\n' 'deployment/m completed id=1\n'
  [ "$output" = 'EINVAL 28 closed' ]
  [ "$(pending h)" = 1 ]
}

@test 'metadata is carried along' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed metadata='\''{"run":{"n":[1,null]}}'\''' >"$MNT/events"
  echo '{"object":"deployment/m","status":"completed","metadata":{"run":{"n":[1,null]}}}' >"$MNT/events"
  settled
  [ "$(bodies '.metadata | tojson' | uniq -c | xargs)" = '2 {run:{n:[1,null]}}' ]
}

@test 'a request_id is made up if there is none, a UUID, another for each' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(bodies .request_id | uniq | grep -cE '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')" = 2 ]
}

@test 'all events of one request share the request_id that was made up' {
  start_sink
  make_hook h "$SINK_URL/" 'completed finished' 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events"
  settled
  [ "$(bodies .request_id | wc -l)" = 2 ]
  [ "$(bodies .request_id | uniq | wc -l)" = 1 ]
}

@test 'blank lines say nothing' {
  collecting_hook h 'deployment/*'
  run writes '\n\n  \x09 \n' '\x0d\n' '\ndeployment/m completed\x0d\n\n'
  [ "$output" = '7 2 26 closed' ]
  [ "$(count accepted)" = 1 ]
  [ "$(count refused)" = 0 ]
}

@test 'accepted and refused count lines, also those that concern no hook' {
  writes 'deployment/m completed\ndeployment/m completed\n'
  run writes 'nonsense\n'
  run writes 'deployment/m completed\nnonsense\n' 'nonsense\n'
  [ "$(count accepted)" = 3 ]
  [ "$(count refused)" = 2 ]
}

@test 'errors tells file, writer, text, caret and reason' {
  run writes 'deployment/m nonsense\n'
  [ "$(sed 1d "$MNT/errors" | head -n 2)" = "    deployment/m nonsense
                 ^" ]
  [[ $(head -n 1 "$MNT/errors") =~ ^[0-9T:.-]+Z\ events\ uid=$(id -u)\ pid=[0-9]+\ EINVAL$ ]]
  has_error 'neither a status'
}

@test 'above max_backlog a write fails with ENOSPC and nothing of it is taken' {
  stop
  start -o max_backlog=1M
  collecting_hook h 'deployment/*'
  line 600000 >"$HERE/big"
  cat "$HERE/big" >"$MNT/events"
  { echo 'deployment/m completed'; cat "$HERE/big"; } >"$HERE/more"
  [ "$(writes "@$HERE/more")" = 'ENOSPC closed' ]
  run dd if="$HERE/more" of="$MNT/events" bs=1M conv=notrunc
  [ "$status" -ne 0 ]
  [[ $output == *'No space left on device'* ]]
  [ "$(count accepted)" = 1 ]
  [ "$(pending h)" = 1 ]
  has_error max_backlog
}

@test 'when the backlog shrinks, writes are taken again' {
  stop
  start -o max_backlog=1M
  collecting_hook h 'deployment/*'
  line 900000 >"$HERE/big"
  cat "$HERE/big" >"$MNT/events"
  [ "$(writes "@$HERE/big")" = 'ENOSPC closed' ]
  rm -r "$MNT/hooks/h"
  eventually 10 backlog_empty
  [ "$(writes 'deployment/m completed\n')" = '23 closed' ]
}

backlog_empty() {
  [ "$(count backlog_bytes)" = 0 ]
}

@test 'events cannot be read' {
  run cat "$MNT/events"
  [ "$status" -ne 0 ]
  [[ $output == *'Permission denied'* ]]
  run bash -c 'exec 7<>"$0"' "$MNT/events"
  [ "$status" -ne 0 ]
}

@test '> events takes nothing and fails nothing' {
  : >"$MNT/events"
  [ "$(count accepted)" = 0 ]
  [ "$(count refused)" = 0 ]
}
