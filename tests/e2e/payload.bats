#!/usr/bin/env bats
# The body of a request, to the byte.

load ../lib/common
load ../lib/flow

# deliver LINE: through one hook for everything; prints the body.
deliver() {
  [ -e "$SINK_DIR/port" ] || start_sink
  [ -d "$MNT/hooks/h" ] || make_hook h "$SINK_URL/" "${EVENT:-completed failed}" "${OBJECT:-deployment/*}"
  echo "$1" >"$MNT/events"
  settled && tail -n 1 "$SINK_DIR/requests.jsonl" | jq -jr .body
}

@test 'the body has these keys in this order' {
  deliver 'deployment/fraud/v3 completed request_id=42 deployment_id=d1 deployment_version_id=d2' >"$HERE/body"
  [ "$(cat "$HERE/body")" = '{"event":"deployment_request_completed","deployment_id":"d1",'`
    `'"deployment_name":"fraud","deployment_version_id":"d2","deployment_version_name":"v3",'`
    `'"request_id":"42","status":"completed","text":"Deployment request 42 finished for '`
    `'deployment fraud v3 in project default"}' ]
}

@test 'the body of a pipeline has its own keys, and optional ones have their place' {
  OBJECT='pipeline/*'
  deliver '{"metadata":{"a":1},"error_message":"out of memory","result":[1],"object":"pipeline/p",'`
    `'"time":"2026-11-23T10:24:00Z","pipeline_id":"p1","request_id":"7","status":"failed"}' >"$HERE/first"
  echo 1 >"$MNT/hooks/h/include_result"
  deliver '{"metadata":{"a":1},"error_message":"out of memory","result":[1],"object":"pipeline/p",'`
    `'"time":"2026-11-23T10:24:00Z","pipeline_id":"p1","request_id":"7","status":"failed"}' >"$HERE/body"
  [ "$(cat "$HERE/body")" = '{"event":"pipeline_request_failed","pipeline_id":"p1","pipeline_name":"p",'`
    `'"pipeline_version_id":null,"pipeline_version_name":null,"request_id":"7","status":"failed",'`
    `'"result":[1],"error_message":"out of memory","metadata":{"a":1},"time":"2026-11-23T10:24:00Z",'`
    `'"text":"Pipeline request 7 failed for pipeline p in project default"}' ] || fail "$(cat "$HERE/body")"
  [ "$(cat "$HERE/first")" = "$(sed 's/"result":\[1],//' "$HERE/body")" ]
}

@test 'the text tells what happened' {
  EVENT='started completed failed finished' deliver 'deployment/m processing request_id=1' >/dev/null
  for status in completed failed cancelled; do
    deliver "deployment/m $status request_id=1" >/dev/null
  done
  [ "$(bodies .text | uniq)" = \
    "$(for verb in failed finished started 'was cancelled'; do
      echo "Deployment request 1 $verb for deployment m in project default"
    done)" ]
}

@test 'the body is exactly as long as it says, and is JSON whatever is in it' {
  deliver 'deployment/m failed error_message="quote \" backslash \\ snow ☃ tab	bell'$'\a"' >"$HERE/body"
  [ "$(jq -r .error_message "$HERE/body")" = $'quote " backslash \\ snow ☃ tab\tbell\a' ]
  [ "$(tail -n 1 "$SINK_DIR/requests.jsonl" | jq -r '.headers["content-length"]')" = \
    "$(stat -c %s "$HERE/body")" ]
}

@test 'ids that are not given are UUIDs made of project and name, the same on every mount' {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  writes 'deployment/m/v1 completed\ndeployment/m/v2 completed\ndeployment/n/v1 completed\n'
  settled
  ids() {
    bodies '[.deployment_name, .deployment_version_name, .deployment_id, .deployment_version_id] | join(" ")'
  }
  ids >"$HERE/here"
  [ "$(grep -cE '( [0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}){2}$' "$HERE/here")" = 3 ]
  [ "$(cut -d ' ' -f 3 "$HERE/here" | sort -u | wc -l)" = 2 ] # m and n
  [ "$(cut -d ' ' -f 4 "$HERE/here" | sort -u | wc -l)" = 3 ] # three versions
  stop
  STATE=$HERE/state2
  SINK_DIR=$HERE/sink2
  start
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  writes 'deployment/m/v1 completed\ndeployment/m/v2 completed\ndeployment/n/v1 completed\n'
  settled
  ids >"$HERE/there"
  diff "$HERE/here" "$HERE/there"
}

@test 'project= names the project and goes into the ids' {
  deliver 'deployment/m completed request_id=1' >"$HERE/default"
  stop
  start -o project=vision
  deliver 'deployment/m completed request_id=1' >"$HERE/vision"
  [ "$(jq -r .text "$HERE/vision")" = 'Deployment request 1 finished for deployment m in project vision' ]
  [ "$(jq -r .deployment_id "$HERE/vision")" != "$(jq -r .deployment_id "$HERE/default")" ]
}

@test 'the result is left out unless the hook wants it' {
  deliver 'deployment/m completed result=1' >"$HERE/body"
  [ "$(jq 'has("result")' "$HERE/body")" = false ]
  echo 1 >"$MNT/hooks/h/include_result"
  deliver 'deployment/m completed result=1' >"$HERE/body"
  [ "$(jq .result "$HERE/body")" = 1 ]
  deliver 'deployment/m completed' >"$HERE/body"
  [ "$(jq 'has("result")' "$HERE/body")" = false ]
}

@test 'a result of 16384 bytes is included, one of 16385 is not' {
  deliver 'deployment/m completed' >/dev/null
  echo 1 >"$MNT/hooks/h/include_result"
  deliver "$(printf "deployment/m completed result='\"%*s\"'" 16382 '')" >"$HERE/fits"
  [ "$(jq '.result | length' "$HERE/fits")" = 16382 ]
  deliver "$(printf "deployment/m completed result='\"%*s\"'" 16383 '')" >"$HERE/long"
  [ "$(jq 'has("result")' "$HERE/long")" = false ]
}

@test 'numbers and the order of keys in a result arrive as they were sent' {
  local result='{"z":1.10,"a":123456789012345678901234567890,"b":{"y":-0,"x":[]}, "s":"é\u00e9\/"}'
  deliver 'deployment/m completed' >/dev/null
  echo 1 >"$MNT/hooks/h/include_result"
  deliver '{"object":"deployment/m","status":"completed","result":'"$result"'}' >"$HERE/json"
  deliver "deployment/m completed result='$result'" >"$HERE/words"
  grep -qF "\"result\":$result,\"text\"" "$HERE/json" || fail "$(cat "$HERE/json")"
  grep -qF "\"result\":$result,\"text\"" "$HERE/words" || fail "$(cat "$HERE/words")"
}

@test 'an error message goes with the event, also when it is finished' {
  EVENT='failed finished' deliver 'deployment/m failed error_message="out of memory"' >/dev/null
  [ "$(bodies '[.event, .error_message] | join(" ")')" = "deployment_request_failed out of memory
deployment_request_finished out of memory" ]
}
