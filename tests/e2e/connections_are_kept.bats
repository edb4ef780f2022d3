#!/usr/bin/env bats
# Requests share connections, by HTTP/2 where the receiver speaks it, and each attempt says over what it went.

load ../lib/common
load ../lib/flow
load ../lib/nginx

setup() { prepare; }

events() {
  local i
  for ((i = 1; i <= $1; i++)); do echo "deployment/m/v1 completed request_id=r$i"; done >"$MNT/events"
}

# secure_nginx LISTEN [SERVER]: with a certificate that the mount's cacert= knows.
secure_nginx() {
  mkdir "$HERE/certs"
  "$BATS_TEST_DIRNAME/../lib/certs.sh" "$HERE/certs"
  start_nginx "$1" "ssl_certificate $HERE/certs/server.pem;
    ssl_certificate_key $HERE/certs/server.key;
    ${2:-}
    location / { return 200; }" || return
  start -o "cacert=$HERE/certs/ca.pem"
  make_hook h "https://localhost:$NGINX_PORT/" completed 'deployment/*'
}

# attempts FILTER: what jq finds in each attempt of what arrived, each different answer once with its count.
attempts() {
  find "$MNT/hooks/h/delivered" -type f -exec jq -r ".attempts[] | $1" {} + | sort | uniq -c |
    awk '{ print $2, $1 }'
}

@test 'requests go over the connection of those before' {
  start_sink
  start
  make_hook h "$SINK_URL/" completed 'deployment/*'
  events 100
  settled
  [ "$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" -le 64 ]
  new=$(attempts .connection | value /dev/stdin new)
  [ "$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" -eq "$new" ] || fail "$new new ones"
  [ "$(attempts .connection | value /dev/stdin kept)" -eq $((100 - new)) ]
  [ "$(attempts .http_version)" = '1.1 100' ]
}

# of_threads FIELD: of /proc/PID/task/*/status, each different value once.
of_threads() {
  sed -n "s/^$1:\t//p" "/proc/$DAEMON/task"/*/status | sort -u
}

http_threads() {
  [ "$(grep -lx http "/proc/$DAEMON/task"/*/comm | wc -l)" -eq "$1" ]
}

@test 'a busy receiver gets its requests from several threads, each once and over kept connections' {
  start_sink
  answer / delay 20 status 200
  start -o http_threads=2
  make_hook h "$SINK_URL/" completed 'deployment/*'
  events 1
  settled
  http_threads 1
  events 1500
  eventually 20 http_threads 2
  [ "$(of_threads Seccomp | wc -l)" -eq 1 ]
  [ "$(of_threads CapEff | wc -l)" -eq 1 ]
  settled 60
  [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | wc -l)" -eq 1501 ]
  [ "$(jq -r '.headers["webhook-id"]' "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" -eq 1501 ]
  [ "$(jq .connection "$SINK_DIR/requests.jsonl" | sort -u | wc -l)" -le 66 ]
}

@test 'a receiver that speaks HTTP/2 gets hundreds of requests over a few connections' {
  secure_nginx 'ssl http2'
  echo 4 >"$MNT/hooks/h/max_inflight"
  events 300
  settled 30
  [ "$(attempts .http_version)" = '2 300' ] || fail "$(attempts .http_version)"
  eventually 10 nginx_has 300 || fail "$(nginx_field 1)"
  [ "$(nginx_field 1 | cut -d' ' -f1)" = HTTP/2.0 ] || fail "$(nginx_field 1)"
  # Here nginx answers before it has read the request. Now and then curl 7.88 loses such an answer when another
  # request has read it from their connection; then the request is made once more, over a connection of its own.
  twice=$(nginx_came 2)
  [ "$(nginx_came 1)" -eq $((300 - twice)) ] || fail 'came more than twice:' "$(nginx_field 4)"
  [ "$twice" -le 10 ] || fail "$twice came twice"
  eventually 10 nginx_connected "$(attempts .connection | value /dev/stdin new)" ||
    fail "$(nginx_connections) connections, of which our records have" "$(attempts .connection)"
  [ "$(nginx_connections)" -le $((4 + twice)) ] || fail "$(nginx_connections) connections, $twice came twice"
}

@test 'a receiver that speaks only HTTP/1.1 over TLS gets that' {
  secure_nginx ssl
  events 20
  settled
  [ "$(attempts .http_version)" = '1.1 20' ]
}

@test 'a receiver that closes its connections every now and then costs no attempt' {
  for listen in 'ssl http2' ssl; do
    secure_nginx "$listen" 'keepalive_requests 7;'
    events 300
    settled 30
    [ "$(jq -r .outcome "$MNT/log" | sort | uniq -c | xargs)" = '300 delivered' ] ||
      fail "$listen:" "$(jq -r 'select(.outcome != "delivered")' "$MNT/log")"
    [ "$(nginx_connections)" -ge 40 ]
    stop
    stop_sinks
    rm -r "$HERE/certs" "$STATE" "$NGINX_DIR"
  done
}

@test 'a receiver that leaves within a request over HTTP/2 costs no attempt either' {
  mkdir "$HERE/certs" "$HERE/leaver"
  "$BATS_TEST_DIRNAME/../lib/certs.sh" "$HERE/certs"
  python3 "$BATS_TEST_DIRNAME/../lib/leaver.py" "$HERE/leaver" "$HERE/certs/server.pem" "$HERE/certs/server.key" \
    >>"$HERE/leaver.log" 2>&1 3>&- &
  SINKS+=($!)
  eventually 10 test -s "$HERE/leaver/port" || fail "$(cat "$HERE/leaver.log")"
  start -o "cacert=$HERE/certs/ca.pem"
  make_hook h "https://localhost:$(cat "$HERE/leaver/port")/" completed 'deployment/*'
  echo 1 >"$MNT/hooks/h/ordered"
  events 4
  settled
  diff - "$HERE/leaver/requests" <<'END'
0 1 answer
0 3 close
1 1 answer
1 3 reset
2 1 answer
2 3 answer
END
  [ "$(jq -r '"\(.attempt) \(.outcome)"' "$MNT/log" | sort | uniq -c | xargs)" = '4 1 delivered' ] ||
    fail "$(cat "$MNT/log")"
}

@test 'test tells what it went over' {
  secure_nginx 'ssl http2'
  echo >"$MNT/hooks/h/test"
  [ "$(value "$MNT/hooks/h/test" http_version)" = 2 ]
  [ "$(value "$MNT/hooks/h/test" connection)" = new ]
  value "$MNT/hooks/h/test" headers | jq -e '.server | startswith("nginx")'
  echo >"$MNT/hooks/h/test"
  [ "$(value "$MNT/hooks/h/test" connection)" = kept ]
  echo "$NOWHERE" >"$MNT/hooks/h/url"
  ! echo >"$MNT/hooks/h/test" || fail 'it arrived'
  [ "$(value "$MNT/hooks/h/test" connection)" = - ]
}
