#!/usr/bin/env bats
# format and template: the shape of the body, and that all else goes with it: signatures, retries, the
# files of deliveries, test.
# shellcheck disable=SC2016 # {{places}} and jq's $

load ../lib/common
load ../lib/flow

bats_require_minimum_version 1.5.0

CLOUDEVENTS=$BATS_TEST_DIRNAME/../lib/cloudevents.py
VERIFY=$BATS_TEST_DIRNAME/../lib/verify.py
setup() {
  prepare
  start
  H=$MNT/hooks/h
}

# hook: a hook for everything, and its receiver.
hook() {
  start_sink
  make_hook h "$SINK_URL/" 'completed failed' 'deployment/*'
}

last() {
  tail -n 1 "$SINK_DIR/requests.jsonl" | jq -r "$1"
}

# deliver LINE: prints the body.
deliver() {
  echo "$1" >"$MNT/events"
  settled && last .body
}

# refuses FILE TEXT SENTENCE
refuses() {
  local said
  ! { printf '%s\n' "$2" >"$1"; } 2>"$HERE/said" || fail "it took: $2" || return
  said=$(cat "$HERE/said")
  [[ $said == *'Invalid argument'* ]] || fail "$said" || return
  has_error "$3"
}

@test 'a format is a word, and an unknown one is refused with the list' {
  hook
  [ "$(cat "$H/format")" = ubiops ]
  for f in slack discord teams cloudevents cloudevents-binary ubiops; do
    echo $f >"$H/format"
    [ "$(cat "$H/format")" = $f ]
    [ "$(jq -r .format "$H/config.json")" = $f ]
  done
  echo teams >"$H/format"
  refuses "$H/format" slak '"slak" is no format: there are ubiops, slack, discord, teams, cloudevents'
  [ "$(cat "$H/format")" = teams ]
  rm "$H/format"
  [ "$(cat "$H/format")" = ubiops ]
}

@test 'slack, discord and teams get a message with what failed' {
  hook
  line="deployment/m/v1 failed request_id=r1 error_message='<!here> @everyone *x*'"
  text='Deployment request r1 failed for deployment m v1 in project default'
  echo slack >"$H/format"
  [ "$(deliver "$line" | jq -r .text)" = "$text"$'\n''&lt;!here&gt; @everyone *x*' ]
  echo discord >"$H/format"
  [ "$(deliver "$line" | jq -c '[.content, .allowed_mentions.parse]')" = \
    "[\"$text\\n\`\`\`\\n<!here> @everyone *x*\\n\`\`\`\",[]]" ]
  echo teams >"$H/format"
  [ "$(deliver "$line" | jq -r '.attachments[0].content.body[].text')" = \
    "$text"$'\n''\<!here\> @everyone \*x\*' ]
  [ "$(last '.headers["content-type"]')" = application/json ]
}

@test 'the result is in the message with include_result only' {
  hook
  echo slack >"$H/format"
  line="deployment/m completed request_id=r1 result='{\"a\":1.50}'"
  deliver "$line" | jq -e '.text | contains("1.50") | not'
  echo 1 >"$H/include_result"
  deliver "$line" | jq -e '.text | endswith("\n{\"a\":1.50}")'
}

@test 'a structured CloudEvent is one by the specification' {
  hook
  echo cloudevents >"$H/format"
  echo 1 >"$H/include_result"
  deliver '{"object":"deployment/größe 1/v\"2","status":"completed","request_id":"a \"b\" 100%","result":[1.50]}'
  tail -n 1 "$SINK_DIR/requests.jsonl" | "$CLOUDEVENTS" structured >"$HERE/event"
  [ "$(last '.headers["content-type"]')" = 'application/cloudevents+json; charset=utf-8' ]
  [ "$(jq -r '.attributes | .id' "$HERE/event")" = "$(last '.headers["webhook-id"]')" ]
  [ "$(jq -r '.attributes | [.source, .type, .subject] | join(" ")' "$HERE/event")" = \
    '/default/deployment/gr%C3%B6%C3%9Fe%201/v%222 deployment_request_completed a "b" 100%' ]
  [ "$(jq -c '.data | [.event, .result]' "$HERE/event")" = '["deployment_request_completed",[1.5]]' ]
}

@test 'a binary CloudEvent is one by the specification, and says the same' {
  hook
  line='{"object":"deployment/größe 1","status":"completed","request_id":"a \"b\" 100% ☃","time":"2026-11-23T10:24:00Z"}'
  echo cloudevents >"$H/format"
  deliver "$line"
  tail -n 1 "$SINK_DIR/requests.jsonl" | "$CLOUDEVENTS" structured | jq -S 'del(.attributes.id)' >"$HERE/structured"
  echo cloudevents-binary >"$H/format"
  deliver "$line" >"$HERE/body"
  tail -n 1 "$SINK_DIR/requests.jsonl" | "$CLOUDEVENTS" binary | jq -S 'del(.attributes.id)' >"$HERE/binary"
  diff "$HERE/structured" "$HERE/binary"
  rm "$H/format"
  diff "$HERE/body" <(deliver "$line")
}

@test 'the checker of CloudEvents refuses what is none' {
  hook
  echo cloudevents-binary >"$H/format"
  deliver 'deployment/m completed'
  tail -n 1 "$SINK_DIR/requests.jsonl" >"$HERE/good"
  "$CLOUDEVENTS" binary <"$HERE/good"
  for spoil in 'del(.headers["ce-id"])' '.headers["ce-source"] = "a b"' '.headers["ce-source"] = "a%20b"' \
    '.headers["ce-time"] = "now"' '.headers["ce-specversion"] = "0.3"' '.headers["ce-Bad-x"] = "y"'; do
    jq -c "$spoil" "$HERE/good" >"$HERE/bad"
    # An encoded blank is a blank, which no source has.
    run ! "$CLOUDEVENTS" binary <"$HERE/bad"
  done
  run ! "$CLOUDEVENTS" structured <"$HERE/good"
}

@test "a hook's own header takes the place of the format's" {
  hook
  echo cloudevents-binary >"$H/format"
  echo //example.com/x >"$H/headers/Ce-Source"
  echo text/plain >"$H/headers/content-type"
  echo 7 >"$H/headers/ce-partitionkey"
  deliver 'deployment/m completed'
  [ "$(last '.headers | [.["ce-source"], .["content-type"], .["ce-partitionkey"], .["ce-type"]] | join(" ")')" = \
    '//example.com/x text/plain 7 deployment_request_completed' ]
  : >"$HERE/empty"
  rm "$H/headers/content-type"
  touch "$H/headers/Content-Type" # empty: it is not sent, and stands for nothing
  deliver 'deployment/m completed'
  [ "$(last '.headers["content-type"]')" = application/json ]
}

@test 'a template is filled in by each delivery' {
  hook
  echo 1 >"$H/include_result"
  cat >"$H/template" <<'END'
{
  "topic": "runs",
  "title": "{{object}} {{status}}",
  "message": "{{error_message}}",
  "result": {{result}},
  "meta": {{metadata}}, "version": {{version}},
  "literal": "{\u007btext}}"
}
END
  [ "$(wc -l <"$H/template")" -eq 8 ]
  [ "$(deliver "deployment/m failed error_message='a \"b\"' result='[1.50]'")" = \
    '{"topic":"runs","title":"deployment/m failed","message":"a \"b\"","result":[1.50],"meta":null,"version":null,"literal":"{\u007btext}}"}' ]
  deliver 'deployment/m completed' | jq -e '.message == "" and .result == null and .literal == "{{text}}"'
}

@test 'a template that could not make JSON is refused with its place, and the old one stays' {
  hook
  echo '{"a": {{event}}}' >"$H/template"
  refuses "$H/template" '{"a": "{{evnt}}"}' '"evnt" is no field: there are event, object'
  grep -A 2 'hooks/h/template' "$MNT/errors" | grep -qF '    {"a": "{{evnt}}"}'
  echo '{"a": {{event}}' >"$HERE/half" # it might go on, so it is judged at the end of the file
  run ! cp "$HERE/half" "$H/template"
  [[ $output == *'Invalid argument'* ]]
  has_error "'}' expected"
  refuses "$H/template" '{"{{event}}": 1}' 'a place is no part of a key'
  refuses "$H/template" '"{{event}}"' 'this is no JSON object or array, line 1, column 1'
  printf '{"a": "%16384s"}' '' >"$HERE/long"
  run ! cp "$HERE/long" "$H/template"
  [[ $output == *'Argument list too long'* ]]
  [ "$(cat "$H/template")" = '{"a": {{event}}}' ]
}

@test 'template and format exclude each other, in either order and in config.json' {
  hook
  echo '[{{text}}]' >"$H/template"
  refuses "$H/format" slack 'remove template first'
  rm "$H/template"
  echo slack >"$H/format"
  refuses "$H/template" '[{{text}}]' 'remove format first'
  jq '.template = "[1]"' "$H/config.json" >"$HERE/both"
  run ! cp "$HERE/both" "$H/config.json"
  [ "$(cat "$H/format")" = slack ]
  jq '.format = null | .template = "[\n1, {{text}}]"' "$H/config.json" >"$HERE/one"
  cp "$HERE/one" "$H/config.json"
  [ "$(cat "$H/template")" = $'[\n1, {{text}}]' ]
  stop
  start
  [ "$(cat "$H/template")" = $'[\n1, {{text}}]' ]
}

@test 'what waits is sent in the format of the time when it is sent, and the webhook-id stays' {
  hook
  answer / times 1 status 503
  echo '1s 1s' >"$H/retry"
  echo 'deployment/m failed request_id=r1' >"$MNT/events"
  eventually 10 requests_at_least 1
  echo slack >"$H/format"
  settled 20
  request 1 .body | jq -e .event
  request 2 .body | jq -e '.text and (has("event") | not)'
  [ "$(request 1 '.headers["webhook-id"]')" = "$(request 2 '.headers["webhook-id"]')" ]
}

requests_at_least() {
  [ "$(wc -l <"$SINK_DIR/requests.jsonl")" -ge "$1" ]
}

@test 'the signature is over the body as it is sent' {
  hook
  echo whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw >"$H/secret"
  for f in slack discord teams cloudevents cloudevents-binary; do
    echo $f >"$H/format"
    deliver 'deployment/m failed error_message=ö'
    tail -n 1 "$SINK_DIR/requests.jsonl" | "$VERIFY" standard whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
  done
  rm "$H/format"
  echo '[{{text}}]' >"$H/template"
  deliver 'deployment/m failed'
  tail -n 1 "$SINK_DIR/requests.jsonl" | "$VERIFY" standard whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
}

@test "a delivery's file shows the request in its format" {
  hook
  for f in cloudevents-binary cloudevents teams slack; do
    echo $f >"$H/format"
    deliver "deployment/m failed request_id=$f" >"$HERE/body"
    file=$(grep -l "\"request_id\":\"$f\"" "$H"/delivered/*)
    [ "$(jq -c .request.body "$file")" = "$(jq -c . "$HERE/body")" ]
    jq -r '.request.headers | to_entries[] | "\(.key | ascii_downcase) \(.value)"' "$file" >"$HERE/shown"
    while read -r name value; do
      [ "$(last ".headers[\"$name\"]")" = "$value" ]
    done <"$HERE/shown"
    grep -q '^content-type ' "$HERE/shown"
  done
  echo cloudevents-binary >"$H/format"
  jq -e '.request.headers["ce-id"] == .id' "$file"
  [ "$(wc -l <"$file")" -eq 1 ]
}

@test 'the dummy event of test has the format, before the hook is complete' {
  start_sink
  mkdir "$H"
  echo "$SINK_URL/" >"$H/url"
  echo discord >"$H/format"
  echo failed >"$H/test"
  last .body | jq -e '.content | contains("This is a test.")'
  rm "$H/format"
  printf '{"hook": "{{hook}}",\n "id": {{webhook_id}}}\n' >"$H/template"
  echo >"$H/test"
  [ "$(last .body)" = "{\"hook\":\"h\",\"id\":\"$(last '.headers["webhook-id"]')\"}" ]
}

@test 'a template of many lines goes through tools and comes back' {
  hook
  printf '{\n\t"a": "{{text}}",\r\n  "b": [\n    {{payload}}\n  ]\n}\n' >"$HERE/t.json"
  cp "$HERE/t.json" "$H/template"
  cmp "$HERE/t.json" "$H/template"
  { printf '{\n'; printf '"a":\n'; printf '1}\n'; } >"$H/template"
  [ "$(cat "$H/template")" = $'{\n"a":\n1}' ]
  sed -i 's/1/{{status}}/' "$H/template"
  [ "$(deliver 'deployment/m completed')" = '{"a":"completed"}' ]
  mkdir "$MNT/hooks/copy"
  cp "$H/template" "$H/format" "$MNT/hooks/copy/"
  cmp "$H/template" "$MNT/hooks/copy/template"
  echo teams >"$HERE/f"
  rm "$H/template"
  mv "$HERE/f" "$H/format"
  [ "$(cat "$H/format")" = teams ]
}

@test 'an event of the largest size goes out in every format' {
  hook
  echo 1 >"$H/include_result"
  python3 - >"$HERE/line" <<'END'
import json
e = {"object": "deployment/m", "status": "failed", "error_message": "€`&" * 800, "result": ["\U0001f600\"" * 1600]}
e["metadata"] = {"a": "\"" * 400000}
print(json.dumps(e, ensure_ascii=False))
END
  for f in slack discord teams cloudevents cloudevents-binary; do
    echo $f >"$H/format"
    cat "$HERE/line" >"$MNT/events"
    settled
    last .body | jq -e . >/dev/null
  done
  rm "$H/format"
  echo '["{{metadata}} {{payload}}"]' >"$H/template"
  cat "$HERE/line" >"$MNT/events"
  settled 20
  last .body | jq -r '.[0]' | jq -es '.[0].a | length == 400000' >/dev/null
}
