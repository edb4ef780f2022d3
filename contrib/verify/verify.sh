#!/bin/sh
# verify.sh SECRETS: answers a request on stdin that is signed as Standard Webhooks say, for socat or inetd:
#
#   socat TCP-LISTEN:8080,bind=127.0.0.1,reuseaddr,fork EXEC:'./verify.sh secret'
#
# SECRETS is a file of whsec_ lines; more than one while a secret is changed. What is good goes to stderr, a body a
# line, and is answered with 204, all else with 401. Who must not do things twice remembers the webhook-id of each.
# Needs openssl, and gives it no key as an argument, which others could see: HMAC is two digests.
set -u
LC_ALL=C
export LC_ALL
TOLERANCE_S=300
BODY_MAX=4194304

answer() {
  printf 'HTTP/1.1 %s\r\nConnection: close\r\n\r\n' "$1"
  exit
}

refuse() {
  echo "refused: $1" >&2
  answer '401 Unauthorized'
}

sha256() {
  openssl dgst -sha256 -binary
}

# key SECRET: its bytes as numbers.
key() {
  printf '%s\n' "${1#whsec_}" | openssl base64 -d -A | od -An -v -tu1
}

# pad NUMBER BYTE...: the bytes xor the number, and up to 64 of it, as printf takes them.
pad() {
  number=$1 count=0 padded=''
  shift
  for byte in "$@"; do
    byte=$((byte ^ number)) count=$((count + 1))
    padded="$padded\\$((byte >> 6))$((byte >> 3 & 7))$((byte & 7))"
  done
  while [ "$count" -lt 64 ]; do
    count=$((count + 1))
    padded="$padded\\$((number >> 6))$((number >> 3 & 7))$((number & 7))"
  done
}

# signature BYTE...: of the request, by a key of at most 64 bytes.
signature() {
  pad 54 "$@" && inner=$padded
  pad 92 "$@" && outer=$padded
  # shellcheck disable=SC2059 # they are formats
  {
    printf "$outer"
    { printf "$inner" && printf '%s.%s.' "$id" "$seconds" && cat "$body"; } | sha256
  } | sha256 | openssl base64 -A
}

# The time that this takes tells nothing of where two texts part.
same() {
  [ "$(printf %s "$1" | sha256 | od -An -v -tx1)" = "$(printf %s "$2" | sha256 | od -An -v -tx1)" ]
}

cr=$(printf '\r')
id='' seconds='' signatures='' length='' expect=''
read -r method _ || exit
while IFS= read -r line && line=${line%"$cr"} && [ -n "$line" ]; do
  value=${line#*:}
  value=${value# }
  case $(printf %s "${line%%:*}" | tr '[:upper:]' '[:lower:]') in
    webhook-id) id=$value ;;
    webhook-timestamp) seconds=$value ;;
    webhook-signature) signatures=$value ;;
    content-length) length=$value ;;
    expect) expect=$value ;;
  esac
done
[ "$method" = POST ] || answer '405 Method Not Allowed'
case $length in
  '' | *[!0-9]* | ????????*) answer '411 Length Required' ;;
esac
[ "$length" -le "$BODY_MAX" ] || answer '413 Content Too Large'
[ -z "$expect" ] || printf 'HTTP/1.1 100 Continue\r\n\r\n'
body=$(mktemp) || answer '500 Internal Server Error'
trap 'rm -f "$body"' EXIT
head -c "$length" >"$body"

case $seconds in
  '' | 0* | *[!0-9]* | ????????????*) refuse 'it is not signed' ;;
esac
age=$(($(date +%s) - seconds))
[ "${age#-}" -le "$TOLERANCE_S" ] || refuse 'its timestamp is too old, or ahead'
while read -r secret || [ -n "$secret" ]; do
  case $secret in whsec_*) ;; *) continue ;; esac
  # shellcheck disable=SC2046 # words
  good=$(signature $(key "$secret"))
  # shellcheck disable=SC2086 # words
  for entry in $signatures; do
    if same "$entry" "v1,$good"; then
      { cat "$body" && echo; } >&2
      answer '204 No Content'
    fi
  done
done <"$1"
refuse 'no signature fits'
