#!/usr/bin/env bats
# The directory tls: a hook's own authority, certificate and key, against an nginx that asks for them.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common
load ../lib/flow

MASK='********'
PATH=$PATH:/usr/sbin # nginx, for a plain user

# Certificates are made once for all tests of this file: keys take their time.
setup_file() {
  CERTS=$(realpath "$BATS_FILE_TMPDIR")/certs
  export CERTS
  mkdir "$CERTS"
  "$BATS_TEST_DIRNAME/../lib/certs.sh" "$CERTS" alice bob
  # Another authority, and a key of another kind.
  openssl req -x509 -newkey ed25519 -nodes -days 30 -subj '/CN=stranger' -keyout "$CERTS/stranger.key" \
    -out "$CERTS/stranger.pem" 2>/dev/null
  openssl ecparam -genkey -name prime256v1 -out "$CERTS/ec.key"
}

setup() {
  prepare
  NGINX=$HERE/nginx
  NGINX_PID=
}

teardown() {
  if [ -n "$NGINX_PID" ]; then
    kill "$NGINX_PID"
    wait "$NGINX_PID" || :
  fi
  finish
}

# ---- the receiver

# start_nginx on|optional: it logs who has shown which certificate on which connection, a line a request.
start_nginx() {
  mkdir -p "$NGINX"
  for _ in {1..20}; do
    PORT=$((20000 + RANDOM % 10000))
    cat >"$NGINX/nginx.conf" <<END
daemon off;
master_process off;
pid nginx.pid;
events {
}
http {
  log_format who '\$status \$connection \$ssl_client_s_dn';
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:$PORT ssl http2;
    ssl_certificate $CERTS/server.pem;
    ssl_certificate_key $CERTS/server.key;
    ssl_client_certificate $CERTS/ca.pem;
    ssl_verify_client $1;
    access_log who.log who;
    location / {
      # Over HTTP/2 \`return\` would not wait for the body.
      proxy_pass http://unix:$NGINX/answer:/;
    }
  }
  server {
    listen unix:$NGINX/answer;
    return 204;
  }
}
END
    nginx -p "$NGINX" -c nginx.conf -e nginx.log 2>/dev/null 3>&- &
    NGINX_PID=$!
    eventually 10 answers_or_dead
    alive "$NGINX_PID" && break # else somebody has the port
  done
  alive "$NGINX_PID" || fail "$(cat "$NGINX/nginx.log")" || return
  URL=https://127.0.0.1:$PORT/
}

answers_or_dead() {
  ! alive "$NGINX_PID" || (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

# who N: the status of the Nth request, and who sent it.
who() {
  sed -n "$1s/^\([0-9]*\) [0-9]* /\1 /p" "$NGINX/who.log"
}

# connection N: of the Nth request.
connection() {
  sed -n "$1s/^[0-9]* \([0-9]*\) .*/\1/p" "$NGINX/who.log"
}

has_who() {
  [ "$(wc -l <"$NGINX/who.log")" -ge "$1" ]
}

has_log() {
  [ "$(wc -l <"$MNT/log")" -ge "$1" ]
}

# event N: one event; N requests have come then.
event() {
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_who "$1"
}

# a_hook [NAME]: at nginx, for all.
a_hook() {
  make_hook "${1:-h}" "$URL" completed 'deployment/*'
  TLS=$MNT/hooks/${1:-h}/tls
}

# known_as NAME [HOOK]
known_as() {
  cp "$CERTS/$1.pem" "$MNT/hooks/${2:-h}/tls/cert"
  cp "$CERTS/$1.key" "$MNT/hooks/${2:-h}/tls/key"
}

send_test() {
  echo >"$MNT/hooks/h/test"
}

# denied WORDS COMMAND…: it fails, and says so.
denied() {
  local words=$1 said
  shift
  ! said=$("$@" 2>&1) || fail "this should have failed: $*" || return
  [[ $said == *"$words"* ]] || fail "$* says: $said"
}

tls_line() {
  value "$MNT/hooks/${1:-h}/status" tls
}

# ---- whom the receiver knows

@test 'a receiver that wants certificates refuses a hook without, and takes one with' {
  start_nginx on
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  event 1
  [ "$(who 1)" = '400 -' ]
  eventually 10 has_last_error h
  [ "$(last_error h)" = 'HTTP status 400' ]
  known_as alice
  [ "$(tls_line)" = "good until $(date -ud "$(openssl x509 -in "$CERTS/alice.pem" -noout -enddate |
    cut -d= -f2)" +%Y-%m-%dT%H:%M:%S.000Z)" ]
  event 2
  [ "$(who 2)" = '204 CN=alice' ]
}

@test 'another certificate counts from the next attempt on, over a connection of its own' {
  start_nginx on
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  known_as alice
  event 1
  settled # nginx says so before the daemon has read it, and the connection can be used again
  event 2
  settled
  [ "$(connection 1)" = "$(connection 2)" ]
  known_as bob
  event 3
  settled
  [ "$(who 3)" = '204 CN=bob' ]
  known_as alice
  event 4
  [ "$(who 4)" = '204 CN=alice' ]
  [ "$(connection 4)" = "$(connection 1)" ]
  settled
}

@test 'hooks that are known by different certificates never share a connection' {
  start_nginx optional
  start -o "cacert=$CERTS/ca.pem"
  a_hook a
  known_as alice a
  a_hook b
  known_as bob b
  a_hook c
  for round in 1 2 3; do
    event $((3 * round))
    settled
  done
  settled
  [ "$(cut -d' ' -f2 "$NGINX/who.log" | sort -u | wc -l)" = 3 ]
  [ "$(cut -d' ' -f2- "$NGINX/who.log" | sort -u | wc -l)" = 3 ]
  [ "$(cut -d' ' -f3 "$NGINX/who.log" | sort | uniq -c | awk '{ print $1, $2 }')" = \
    $'3 -\n3 CN=alice\n3 CN=bob' ]
}

@test 'a key of another certificate: attempts fail and say so, until it is put right' {
  start_nginx on
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  echo 1s 1s 1s 1s 1s 1s 1s 1s >"$MNT/hooks/h/retry"
  known_as alice
  cp "$CERTS/bob.key" "$TLS/key"
  [ "$(tls_line)" = 'the private key is not the one of the certificate' ]
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  [ "$(last_error h)" = 'the private key is not the one of the certificate' ]
  [ "$(pending h)" = 1 ]
  jq -e '.outcome == "retry"' <(head -1 "$MNT/log")
  denied 'Protocol error' send_test
  cp "$CERTS/alice.key" "$TLS/key"
  settled 20
  [ "$(who 1)" = '204 CN=alice' ]
}

@test 'a certificate without its key and a key without its certificate are not sent' {
  start_nginx optional
  start -o "cacert=$CERTS/ca.pem"
  a_hook a
  cp "$CERTS/alice.pem" "$TLS/cert"
  a_hook b
  cp "$CERTS/alice.key" "$TLS/key"
  [ "$(tls_line a)" = 'the certificate lacks its private key' ]
  [ "$(tls_line b)" = 'the private key lacks its certificate' ]
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error a
  eventually 10 has_last_error b
  [ "$(last_error a)" = 'the certificate lacks its private key' ]
  [ "$(last_error b)" = 'the private key lacks its certificate' ]
  [ ! -s "$NGINX/who.log" ]
}

@test "what is wrong with one hook's certificates holds up no other hook" {
  start_nginx optional
  start -o "cacert=$CERTS/ca.pem"
  a_hook wrong
  known_as alice wrong
  cp "$CERTS/stranger.pem" "$TLS/ca"
  a_hook right
  echo deployment/right >"$MNT/hooks/right/object"
  echo deployment/wrong >"$MNT/hooks/wrong/object"
  for _ in {1..30}; do
    echo 'deployment/wrong completed'
  done >"$MNT/events"
  eventually 20 has_log 30
  grep -q "^ready .*$PORT" "$MNT/destinations" || fail "$(cat "$MNT/destinations")" || return
  echo 'deployment/right completed' >"$MNT/events"
  eventually 10 has_who 1
  [ "$(pending wrong)" = 30 ]
}

accepts() {
  grep -q '^ACCEPT .*:[0-9]' "$HERE/s_server" 2>/dev/null
}

@test 'a receiver that breaks off for want of the right certificate is a matter of TLS' {
  openssl s_server -accept 127.0.0.1:0 -www -cert "$CERTS/server.pem" -key "$CERTS/server.key" \
    -CAfile "$CERTS/ca.pem" -Verify 1 -verify_return_error >"$HERE/s_server" 2>&1 3>&- &
  SINKS+=($!)
  eventually 10 accepts
  URL=https://127.0.0.1:$(sed -n 's/^ACCEPT .*://p' "$HERE/s_server" | head -1)/
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  denied 'Protocol error' send_test
  [ "$(value "$MNT/hooks/h/test" outcome)" = tls ]
  [[ $(value "$MNT/hooks/h/test" error) == 'TLS failed: '*'alert certificate required'* ]]
  known_as stranger
  denied 'Protocol error' send_test
  [ "$(value "$MNT/hooks/h/test" outcome)" = certificate ]
  [[ $(value "$MNT/hooks/h/test" error) == 'TLS failed: '*'alert unknown ca'* ]]
}

# ---- whom the hook trusts

@test "a hook's own authority counts instead of the mount's, for that hook alone" {
  start_nginx optional
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  event 1
  cp "$CERTS/stranger.pem" "$TLS/ca"
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  [[ $(last_error h) == 'TLS failed: '*certificate* ]]
  a_hook other
  event 2
  cat "$CERTS/stranger.pem" "$CERTS/ca.pem" >"$TLS/ca"
  event 3
  rm "$TLS/ca"
  event 4
}

@test "a hook's own authority is enough where the mount's does not know the receiver" {
  start_nginx optional
  start
  a_hook
  denied 'Protocol error' send_test
  cp "$CERTS/ca.pem" "$TLS/ca"
  echo >"$MNT/hooks/h/test"
  event 2
  [ "$(who 2)" = '204 -' ]
}

@test 'an expired certificate is taken, and status says since when it is none' {
  start
  mkdir "$MNT/hooks/h"
  known_as expired
  [[ $(tls_line) == 'tls/cert has expired: it was good until 20'*Z ]] || fail "$(tls_line)"
}

# ---- files

@test 'every way of writing a file does for certificates and keys' {
  start
  mkdir "$MNT/hooks/h"
  TLS=$MNT/hooks/h/tls
  cat "$CERTS/alice.pem" "$CERTS/ca.pem" >"$HERE/chain"
  # A name for each: it is called with a file and where that is to go.
  by_cp() { cp "$1" "$2"; }
  by_install() { install -m 600 "$1" "$2"; }
  by_cat() { cat "$1" >"$2"; }
  by_lines() { printf '%s\n' "$(cat "$1")" >"$2"; } # bash: a write a line
  by_append() { cat "$1" >>"$2"; }
  by_mv() { cp "$1" "$HERE/moved" && mv "$HERE/moved" "$2"; }
  by_dd() { dd if="$1" of="$2" bs=13 status=none; }
  by_dd_block() { dd if="$1" of="$2" bs=512 status=none; }
  by_tee() { tee "$2" <"$1" >/dev/null; }
  by_text() { (openssl x509 -in "$1" -text 2>/dev/null || cat "$1") | dd of="$2" bs=64 status=none; }
  by_crlf() { sed 's/$/\r/' "$1" >"$2"; }
  by_half_line() { printf %s "$(cat "$1")" >"$2"; }
  local way key
  for way in by_{cp,install,cat,lines,append,mv,dd,dd_block,tee,text,crlf,half_line}; do
    for key in alice ec; do
      rm "$TLS/key" "$TLS/cert"
      "$way" "$HERE/chain" "$TLS/cert" || fail "$way: cert" || return
      "$way" "$CERTS/$key.key" "$TLS/key" || fail "$way: $key" || return
      [ "$(cat "$TLS/key")" = "$MASK" ] || fail "$way: key is $(cat "$TLS/key")" || return
      [ "$(jq -r .tls.key "$STATE/hooks/h.json" | tr -d '\r')" = "$(cat "$CERTS/$key.key")" ] ||
        fail "$way: not $key" || return
      [ "$(grep -c 'BEGIN CERT' "$TLS/cert")" = 2 ] || [ "$way" = by_text ] ||
        fail "$way: $(cat "$TLS/cert")" || return
    done
  done
}

@test 'a directory of them is copied as a whole, and removed' {
  start
  mkdir "$MNT/hooks/h" "$MNT/hooks/i" "$HERE/tls"
  cp "$CERTS/ca.pem" "$HERE/tls/ca"
  cp "$CERTS/alice.pem" "$HERE/tls/cert"
  cp "$CERTS/alice.key" "$HERE/tls/key"
  cp -r "$HERE/tls/." "$MNT/hooks/h/tls/"
  [[ $(tls_line h) == 'good until '* ]]
  tar -C "$HERE/tls" -cf - . | tar -C "$MNT/hooks/i/tls" -xf -
  [[ $(tls_line i) == 'good until '* ]]
  cmp "$MNT/hooks/i/tls/ca" "$HERE/tls/ca"
  denied 'not empty' rmdir "$MNT/hooks/h/tls"
  rm "$MNT/hooks/h/tls/"*
  [ "$(tls_line h)" = none ]
  [ "$(ls "$MNT/hooks/h/tls")" = $'ca\ncert\nkey' ]
  rm -r "$MNT/hooks/i"
  [ "$(ls "$MNT/hooks")" = h ]
}

@test 'what is no certificate, or no key, is refused with a sentence that quotes nothing' {
  start
  mkdir "$MNT/hooks/h"
  TLS=$MNT/hooks/h/tls
  known_as alice
  local line
  # refused FILE TEXT SENTENCE
  refused() {
    "$WRITES" "$TLS/$1" "$2" | grep EINVAL || fail "$1 takes it, but: $3" || return
    has_error "$3"
  }
  refused cert "@$CERTS/alice.key" 'a private key stands where certificates are expected'
  refused ca "@$CERTS/alice.key" 'a private key stands where certificates are expected'
  refused key "@$CERTS/alice.pem" 'a certificate stands where a private key is expected'
  openssl pkey -in "$CERTS/bob.key" -aes128 -passout pass:x -out "$HERE/encrypted"
  refused key "@$HERE/encrypted" 'the key is encrypted, and there is nobody to ask'
  refused key "$MASK\\n" 'this is the mask, not the value'
  refused ca 'nonsense\n' 'there is no certificate in PEM form'
  refused ca 'nonsense' 'there is no certificate in PEM form'
  head -c 700 "$CERTS/bob.pem" >"$HERE/half"
  denied 'Invalid argument' cp "$HERE/half" "$TLS/cert"
  has_error 'what begins here breaks off or is damaged'
  [[ $(tls_line h) == 'good until '* ]]
  line=$(sed -n 2p "$CERTS/alice.key")
  run grep -F "${line:0:20}" "$MNT/errors"
  [ "$status" -eq 1 ]
}

@test 'config.json shows certificates, hides the key, and keeps it' {
  start_nginx on
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  known_as alice
  jq '.description = "new"' "$MNT/hooks/h/config.json" >"$HERE/config"
  [ "$(jq -r .tls.cert "$HERE/config")" = "$(cat "$CERTS/alice.pem")" ]
  [ "$(jq -c '[.tls.key, .tls.key_protected]' "$HERE/config")" = '[null,true]' ]
  cp "$HERE/config" "$MNT/hooks/h/config.json"
  event 1
  [ "$(who 1)" = '204 CN=alice' ]
  jq 'del(.tls)' "$HERE/config" >"$MNT/hooks/h/config.json"
  event 2
  [ "$(who 2)" = '204 CN=alice' ]
}

@test 'the key is in the file of its hook and nowhere else, and outlives a restart' {
  start_nginx on
  start -o "cacert=$CERTS/ca.pem"
  a_hook
  known_as alice
  event 1
  denied 'Invalid argument' cp "$CERTS/bob.key" "$TLS/cert"
  cp "$CERTS/bob.pem" "$TLS/cert" # an attempt that fails
  echo 'deployment/m completed' >"$MNT/events"
  eventually 10 has_last_error h
  stop
  start -o "cacert=$CERTS/ca.pem"
  [ "$(cat "$TLS/key")" = "$MASK" ]
  [ "$(stat -c %a "$STATE/hooks/h.json")" = 600 ]
  local line
  for line in $(sed -n '2p;5p;9p' "$CERTS/alice.key") $(sed -n '2p;5p' "$CERTS/bob.key"); do
    ! grep -raF -- "$line" "$MNT" || fail 'it is in the mount' || return
    ! find "$STATE" -type f ! -path "$STATE/hooks/*" -exec grep -alF -- "$line" {} + | grep . ||
      fail 'it is in the state directory' || return
    ! grep -F -- "$line" "$LOG" || fail 'the daemon says it' || return
  done
  cp "$CERTS/alice.pem" "$TLS/cert"
  event 2
  [ "$(who 2)" = '204 CN=alice' ]
}
