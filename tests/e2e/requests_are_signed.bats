#!/usr/bin/env bats
# What a receiver that checks signatures says of our requests: tests/lib/verify.py, which is written
# from the specifications. tests/show/standardwebhooks.py asks the package of the same name.

load ../lib/common
load ../lib/flow

bats_require_minimum_version 1.5.0

ONE=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
TWO=whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
# The pair of the specification's ed25519 example.
PRIVATE=whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==
PUBLIC=whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=

signed_hook() {
  start_sink
  make_hook h "$SINK_URL/" completed 'deployment/*'
  echo 1 >"$MNT/hooks/h/include_result"
}

event() {
  echo '{"object":"deployment/m","status":"completed","result":{"ü":"\u0001 \"x\" €"}}' >"$MNT/events"
}

# verifies N STYLE KEY…: the Nth request.
verifies() {
  sed -n "$1p" "$SINK_DIR/requests.jsonl" | "$BATS_TEST_DIRNAME/../lib/verify.py" "${@:2}"
}

@test 'a signed request is good by its secret, and not by another' {
  signed_hook
  echo "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 1
  verifies 1 standard "$ONE"
  run ! verifies 1 standard "$TWO"
}

@test 'a request that was changed on its way is not good' {
  signed_hook
  echo "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 1
  sed -i 's/completed/kompleted/' "$SINK_DIR/requests.jsonl"
  run ! verifies 1 standard "$ONE"
}

@test 'while a secret is changed, the old one and the new one are both good' {
  signed_hook
  echo "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 1
  printf '%s\n%s\n' "$TWO" "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 2
  echo "$TWO" >"$MNT/hooks/h/secret"
  event
  requests 3
  verifies 1 standard "$ONE"
  verifies 2 standard "$ONE"
  verifies 2 standard "$TWO"
  verifies 3 standard "$TWO"
  run ! verifies 1 standard "$TWO"
  run ! verifies 3 standard "$ONE"
}

@test 'an ed25519 signature is good by the public key, beside one by HMAC' {
  signed_hook
  printf '%s\n%s\n' "$PRIVATE" "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 1
  verifies 1 standard "$PUBLIC"
  verifies 1 standard "$ONE"
  sed -i 's/completed/kompleted/' "$SINK_DIR/requests.jsonl"
  run ! verifies 1 standard "$PUBLIC"
}

@test 'a secret that was generated is the one that signs' {
  signed_hook
  exec 9<>"$MNT/hooks/h/secret"
  echo generate >&9
  local secret
  read -r secret <&9
  exec 9>&-
  event
  requests 1
  verifies 1 standard "$secret"
}

@test 'each attempt is signed anew, with the same id' {
  signed_hook
  answer / times 1 status 500
  echo 2s >"$MNT/hooks/h/retry"
  echo "$ONE" >"$MNT/hooks/h/secret"
  event
  requests 2 20
  verifies 1 standard "$ONE"
  verifies 2 standard "$ONE"
  [ "$(request 1 '.headers["webhook-id"]')" = "$(request 2 '.headers["webhook-id"]')" ]
  [ "$(request 1 '.headers["webhook-signature"]')" != "$(request 2 '.headers["webhook-signature"]')" ]
}

@test "in GitHub's and Stripe's styles a request is good for who checks those" {
  signed_hook
  echo github >"$MNT/hooks/h/signature"
  echo "It's a Secret to Everybody" >"$MNT/hooks/h/secret"
  event
  requests 1
  verifies 1 github "It's a Secret to Everybody"
  run ! verifies 1 github 'another secret'
  echo stripe >"$MNT/hooks/h/signature"
  event
  requests 2
  verifies 2 stripe "It's a Secret to Everybody"
  run ! verifies 2 stripe 'another secret'
}

@test 'the verifier itself takes the published examples' {
  SINK_DIR=$HERE
  printf '{"headers":{"x-hub-signature-256":"%s"},"body":"%s"}\n' \
    sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17 'Hello, World!' \
    >"$HERE/requests.jsonl"
  verifies 1 github "It's a Secret to Everybody"
}
