#!/bin/bash
# demo.sh: webhookfs at work, against a real nginx, in a private directory that is gone afterwards.
# Exits 0 only if nginx got every request that it should have got, and each one once.
#
# usage: demo.sh WEBHOOKFS
set -euo pipefail

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
  echo "usage: demo.sh WEBHOOKFS    (the program; make builds build/webhookfs)" >&2
  exit 2
fi
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
PATH=$PATH:/usr/sbin:/sbin # nginx, for a plain user

for tool in nginx jq openssl curl fusermount3; do
  if ! command -v "$tool" > /dev/null; then
    echo "demo.sh: $tool is missing; make deps installs it" >&2
    exit 2
  fi
done

if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
  bold=$'\e[1m' colour=$'\e[36m' plain=$'\e[0m'
else
  bold='' colour='' plain=''
fi

nginx_pid='' daemon_pid=''
dir=$(mktemp -d "${TMPDIR:-/tmp}/webhookfs-demo.XXXXXX")

# ---- ending

# Asks the shell, which knows its children: a pid of old may be somebody else's by now.
is_running() {
  jobs -pr | grep -qx "$1"
}

end_process() {
  local pid=$1 signal
  for signal in TERM KILL; do
    for _ in {1..80}; do
      is_running "$pid" || break 2
      [ -z "$signal" ] || kill -s "$signal" "$pid" 2> /dev/null || true
      signal=''
      sleep 0.1
    done
  done
  wait "$pid" 2> /dev/null || true
}

leave() {
  trap '' INT TERM HUP PIPE
  # Lazily: a program that still stands in the mount must not keep it.
  if [ -n "$daemon_pid" ]; then
    fusermount3 -uzq "$dir/wh" 2> /dev/null || true
    end_process "$daemon_pid"
  fi
  fusermount3 -uzq "$dir/wh" 2> /dev/null || true
  [ -z "$nginx_pid" ] || end_process "$nginx_pid"
  cd /
  rm -rf --one-file-system "$dir"
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

die() {
  echo "demo.sh: $1" >&2
  for log in webhookfs.log nginx/nginx.log; do
    [ ! -s "$log" ] || { echo "-- $log" >&2; tail -n 20 "$log" >&2; }
  done
  exit 1
}

# ---- showing

heading() {
  printf '\n%s== %s%s\n\n' "$bold" "$1" "$plain"
}

print_command() {
  printf '%s$ %s%s\n' "$colour" "$1" "$plain"
}

# A shell of its own, so that messages read as they do for a user; a mount that hangs ends it.
run_command() {
  timeout --foreground 30 bash -c "$1" 2>&1
}

show() {
  print_command "$1"
  run_command "$1" || die "this should have worked: $1"
}

show_refused() {
  local status=0
  print_command "$1"
  run_command "$1" || status=$?
  case $status in
  0) die "this should have failed: $1" ;;
  124) die "this hangs: $1" ;;
  esac
}

# ---- waiting and counting

value() {
  awk -v key="$2" '$1 == key { print $2 }' "$1"
}

# Requests in nginx's log for which a jq expression holds.
arrived() {
  jq -s "map(.body |= fromjson | select($1)) | length" nginx/requests.jsonl
}

wait_until() { # WHAT SECONDS COMMAND...
  local what=$1 limit_s=$2 end
  shift 2
  end=$((SECONDS + limit_s + 1))
  until "$@" 2> /dev/null; do
    [ $SECONDS -lt $end ] || die "after $limit_s s still not so: $what"
    sleep 0.1
  done
}

has_arrived() {
  [ "$(arrived true)" -ge "$1" ]
}

status_is() {
  [ "$(value "$1/status" "$2")" = "$3" ]
}

has_tried() {
  [ "$(value "$1/status" last_error)" != none ]
}

is_answering() {
  curl --silent --output /dev/null --cacert cert.pem "https://127.0.0.1:$https_port/answer/"
}

failures=0
check() { # WHAT EXPECTED FOUND
  if [ "$2" = "$3" ]; then
    echo "ok      $1: $3"
  else
    echo "not ok  $1: $3, and it should be $2"
    failures=$((failures + 1))
  fi
}

check_requests() { # WHAT EXPECTED EXPRESSION
  check "$1" "$2" "$(arrived "$3")"
}

# ---- the two processes

# Below the range that the kernel gives to clients.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); do
    if ! (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      echo "$port"
      return
    fi
  done
}

launch_nginx() {
  nginx -p nginx/ -c nginx.conf -e nginx.log 2> /dev/null &
  nginx_pid=$!
  until is_answering; do
    is_running "$nginx_pid" || return 1
    sleep 0.05
  done
}

start_nginx() {
  print_command 'nginx -p nginx/ -c nginx.conf -e nginx.log &'
  launch_nginx || die "nginx does not start"
}

stop_nginx() {
  print_command "kill $nginx_pid    # nginx"
  end_process "$nginx_pid"
  nginx_pid=''
}

start_webhookfs() {
  print_command 'webhookfs -f -o cacert=cert.pem state wh &'
  webhookfs -f -o cacert=cert.pem state wh 2>> webhookfs.log &
  daemon_pid=$!
  wait_until 'webhookfs is mounted' 10 is_mounted_or_gone
  is_running "$daemon_pid" || die "webhookfs does not start"
}

is_mounted_or_gone() {
  [ -r wh/status ] || has_left
}

has_left() {
  ! is_running "$daemon_pid"
}

# In one group, as the shell would tell of the killed child at any later moment.
crash_webhookfs() {
  print_command "kill -9 $daemon_pid    # webhookfs"
  { kill -9 "$daemon_pid"; wait "$daemon_pid" || true; } 2> /dev/null
  daemon_pid=''
}

# ---- the demo

cd "$dir"
mkdir bin nginx wh
ln -s "$program" bin/webhookfs
ln -s "$here/train.sh" bin/train.sh
PATH=$dir/bin:$PATH
export PATH

echo "Everything below runs in $dir, which is removed at the end."

heading 'A receiver: nginx, with a certificate made just now'
show "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \\
    -keyout key.pem -out cert.pem -subj /CN=demo -addext subjectAltName=IP:127.0.0.1 2> openssl.log"
for attempt in 1 2 3 4 5; do
  http_port=$(free_port) https_port=$(free_port)
  sed "s/@HTTP_PORT@/$http_port/; s/@HTTPS_PORT@/$https_port/" "$here/nginx.conf.in" \
    > nginx/nginx.conf
  ! launch_nginx || break
  [ "$attempt" -lt 5 ] || die "nginx does not start"
done
print_command 'nginx -p nginx/ -c nginx.conf -e nginx.log &'

heading 'The mount'
start_webhookfs
show 'ls -l wh'

heading 'A hook: what happens to a deployment, over HTTPS, with a header that nobody shall see'
show 'mkdir wh/hooks/fraud'
show "echo https://127.0.0.1:$https_port/deployments > wh/hooks/fraud/url"
show 'echo deployment/fraud > wh/hooks/fraud/object'
show 'cat wh/hooks/fraud/status'
show 'echo completed failed > wh/hooks/fraud/event'
show '(umask 077; echo "Token 5ecret" > wh/hooks/fraud/headers/Authorization)'
show 'ls -l wh/hooks/fraud wh/hooks/fraud/headers'
show 'cat wh/hooks/fraud/headers/Authorization'

heading 'A test: it returns when the answer is in'
show 'echo > wh/hooks/fraud/test && cat wh/hooks/fraud/test'
wait_until 'the test arrived' 5 has_arrived 1
show "tail -n 1 nginx/requests.jsonl | jq '.body |= fromjson'"

heading 'A value that is refused'
show_refused 'echo nonsense > wh/hooks/fraud/event'
show 'cat wh/errors'
show 'cat wh/hooks/fraud/event'

heading 'A hook: how an experiment ends, with its metrics'
show 'mkdir wh/hooks/training'
show "echo http://127.0.0.1:$http_port/experiments > wh/hooks/training/url"
show 'echo experiment/bert-base > wh/hooks/training/object'
show 'echo completed failed > wh/hooks/training/event'
show 'echo 1 > wh/hooks/training/include_result'

heading 'Two training runs, which write their own events'
show 'train.sh bert-base 0.5 wh/events'
show_refused 'train.sh bert-base 3 wh/events'
wait_until 'both runs arrived' 10 has_arrived 3
show "tail -n 2 nginx/requests.jsonl | jq '.body |= fromjson'"

heading 'What the mount shows of it all, and what not'
show 'cat wh/hooks/fraud/config.json'
show 'cat wh/hooks/training/status'
show 'cat wh/log'
show_refused 'grep -r 5ecret wh/log wh/errors wh/hooks'

heading 'An outage: the receiver goes away'
stop_nginx
show "echo 'deployment/fraud/v3 failed error_message=\"out of memory\"' > wh/events"
wait_until 'the first attempt failed' 5 has_tried wh/hooks/fraud
show 'cat wh/hooks/fraud/status'

heading 'And a crash on top of it'
crash_webhookfs
show_refused 'ls wh'
start_nginx
start_webhookfs
show 'grep -E "state|pending" wh/hooks/fraud/status'
echo
echo 'The first retry comes after 5 s, give or take a fifth.'
echo
wait_until 'the event arrived' 15 has_arrived 4
wait_until 'the delivery is recorded' 5 status_is wh/hooks/fraud pending 0
show "tail -n 1 nginx/requests.jsonl | jq '.body |= fromjson'"
show "jq -c 'select(.hook == \"fraud\") | {time, id, attempt, outcome, error}' wh/log"

heading 'All that arrived'
show "jq -r '[.scheme, .method, .path, .webhook_id, (.body | fromjson | .status)] | @tsv' \\
    nginx/requests.jsonl"
show 'cat wh/status'

heading 'Is that all that should have arrived?'
check_requests 'requests' 4 true
check_requests 'tests' 1 '.webhook_id | startswith("msg_test_")'
check_requests 'completed runs, with their metrics' 1 \
  '.path == "/experiments" and .body.status == "completed" and .body.result.epochs == 200'
check_requests 'failed runs, with their reason' 1 \
  '.path == "/experiments" and (.body.error_message // "" | startswith("loss diverged"))'
first_id=$(jq -r 'select(.outcome == "retry") | .id' wh/log)
check_requests 'failed deployments, under the id of the first attempt' 1 \
  ".path == \"/deployments\" and .body.status == \"failed\" and .webhook_id == \"$first_id\""
check_requests 'requests over HTTPS, with the protected header' 2 \
  '.scheme == "https" and .authorization == "Token 5ecret"'
check_requests 'requests without it' 2 '.scheme == "http" and .authorization == ""'
check 'events accepted' 5 "$(value wh/status accepted)"
check 'deliveries of the hook fraud' 1 "$(value wh/hooks/fraud/status delivered)"
check 'deliveries of the hook training' 2 "$(value wh/hooks/training/status delivered)"
check 'pending' 0 "$(value wh/status pending)"
check 'given up' 0 "$(value wh/status failed)"

heading 'The end'
show 'fusermount3 -u wh'
wait_until 'webhookfs left' 10 has_left
status=0
wait "$daemon_pid" || status=$?
daemon_pid=''
check 'exit status of webhookfs' 0 "$status"
stop_nginx
[ "$failures" -eq 0 ] || die "$failures of the checks failed"
echo 'Everything arrived that should have, and nothing else.'
