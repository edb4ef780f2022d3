#!/bin/sh
# Makes certificates for tests in DIR: a CA (ca.pem) and, signed by it, server.pem/.key for localhost and
# 127.0.0.1, expired.pem/.key likewise but out of date, wrong.pem/.key for another host, and one for each
# CLIENT.
#   certs.sh DIR [CLIENT...]
set -eu
cd "$1"
shift
exec 2>openssl.log

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=webhookfs test CA' \
  -keyout ca.key -out ca.pem

# make_certificate NAME SUBJECT_ALT_NAMES DAYS
make_certificate() {
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  printf 'subjectAltName=%s\n' "$2" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$3" \
    -extfile "$1.ext" -out "$1.pem"
}

make_certificate server 'DNS:localhost,IP:127.0.0.1' 30
make_certificate wrong 'DNS:elsewhere.example' 30
make_certificate expired 'DNS:localhost,IP:127.0.0.1' -1 || {
  # Newer openssl takes no negative number of days, but dates.
  openssl x509 -req -in expired.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
    -not_before 20200101000000Z -not_after 20200102000000Z -extfile expired.ext -out expired.pem
}

for client; do
  make_certificate "$client" "DNS:$client" 30
done
