#!/usr/bin/env bats
# What is recorded of a receiver's answer: its headers and the beginning of its body, however much it sends
# and whatever it repeats of what it was sent.

load ../lib/common
load ../lib/flow
load ../lib/nginx

setup() { prepare; }

# hook_to PATH: whose deliveries have one attempt.
hook_to() {
  make_hook h "http://127.0.0.1:$NGINX_PORT/$1" completed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
}

# attempt STATE FILTER: what jq finds in the only attempt of the only delivery.
attempt() {
  jq -r ".attempts[0] | $2" "$MNT/hooks/h/$1"/*
}

event() {
  echo 'deployment/m/v1 completed' >"$MNT/events"
  settled
}

# serves_files: to POST, too, and those that end in .gz as what is in them.
serves_files() {
  # shellcheck disable=SC2016 # the variables are nginx's
  start_nginx '' 'error_page 405 =200 $uri;
    location ~ .gz$ { add_header Content-Encoding gzip; }'
  start
}

@test 'an attempt has the headers of its answer, names in lower case' {
  start_sink
  answer / status 503 header:Retry-After=120 header:X-Request-Id=a1 header:VIA=one header:Via=two
  start
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
  event
  [ "$(attempt failed '.headers["retry-after"]')" = 120 ]
  [ "$(attempt failed '.headers["x-request-id"]')" = a1 ]
  [ "$(attempt failed '.headers.via')" = 'one, two' ]
  [ "$(attempt failed '.headers | has("date", "connection")' | sort -u)" = false ]
  [ "$(attempt failed .http_version)" = 1.1 ]
  [ "$(attempt failed .connection)" = new ]
}

# cut_short: what arrived has a body that was kept within bounds, and was ended: the connection that it
# came over could not be used again.
cut_short() {
  local kept
  for kept in $(jq '.attempts[0].body_bytes' "$MNT"/hooks/h/delivered/*); do
    [ "$kept" -gt 15000 ] && [ "$kept" -lt 16384 ] || fail "$kept bytes" || return
  done
  [ "$(jq -r '.attempts[0].connection' "$MNT"/hooks/h/delivered/* | xargs)" = 'new new' ]
}

@test 'of a body of 1 GB as much is read as is worth it' {
  serves_files
  truncate -s 1G "$NGINX_DIR/files/large"
  hook_to large
  event
  [ "$(attempt delivered '.headers["content-length"]')" = 1073741824 ]
  event
  cut_short
}

@test 'a body that unpacks to 1 GB is unpacked no further than another is read' {
  serves_files
  truncate -s 1G "$HERE/large"
  gzip <"$HERE/large" >"$NGINX_DIR/files/bomb.gz"
  hook_to bomb.gz
  event
  [ "$(attempt delivered '.headers["content-encoding"]')" = gzip ]
  event
  cut_short
}

@test 'headers without end are a broken answer' {
  start
  python3 "$BATS_TEST_DIRNAME/../lib/headers.py" "$HERE/port" >>"$HERE/headers.log" 2>&1 3>&- &
  SINKS+=($!)
  eventually 10 test -s "$HERE/port"
  NGINX_PORT=$(cat "$HERE/port")
  hook_to
  event
  [ "$(attempt failed .outcome)" = broken ]
  [ "$(attempt failed .error)" = 'the response has too many headers' ]
}

@test 'an answer that trickles on ends with the time of the attempt' {
  start_sink
  answer / drip 50
  start
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 0 >"$MNT/hooks/h/retry"
  echo 4 >"$MNT/hooks/h/timeout"
  event
  [ "$(attempt failed .outcome)" = body_timeout ]
  [ "$(attempt failed .http_status)" = 200 ]
}

@test 'a receiver that repeats what is protected gets it into no record' {
  # shellcheck disable=SC2016 # the variables are nginx's
  start_nginx '' 'location / {
    add_header X-Got "$http_authorization for $request_uri" always;
    add_header Set-Cookie "session=c00k1e-value" always;
    return 403 "{\"bad\":\"$http_authorization\",\"at\":\"$request_uri\",\"key\":\"$http_x_open\"}";
  }'
  start
  hook_to services/T0B1/p4th-s3cret-0
  chmod 600 "$MNT/hooks/h/url"
  (umask 077 && echo 'Token h3ader-s3cret/0' >"$MNT/hooks/h/headers/Authorization")
  echo open-value >"$MNT/hooks/h/headers/X-Open"
  event
  ! echo >"$MNT/hooks/h/test" || fail 'the test arrived'
  [ "$(attempt failed '.headers["x-got"]')" = '******** for ********' ]
  [ "$(attempt failed '.headers["set-cookie"]')" = '********' ]
  [ "$(attempt failed .body)" = '{"bad":"********","at":"********","key":"open-value"}' ]
  [ "$(value "$MNT/hooks/h/test" response | jq -r "fromjson | .bad")" = "********" ]
  stop
  ! grep -raE 'h3ader-s3cret|p4th-s3cret|c00k1e-value' "$LOG" "$STATE/log.jsonl" "$STATE"/queue.db* || fail 'it is there'
}
