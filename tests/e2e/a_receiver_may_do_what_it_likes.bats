#!/usr/bin/env bats
# Each bad receiver ends in its recorded verdict, over HTTP and TLS, and harms nobody beside it.

load ../lib/common

setup() { prepare; }

@test 'what a receiver may do, and what becomes of it, is as docs/faults.md says' {
  TMPDIR=$HERE WEBHOOKFS=$WEBHOOKFS SINK=$SINK BUILD=${CLOCKSTEP_SO%/*} \
    run "$BATS_TEST_DIRNAME/../fault/receivers.py"
  echo "$output" | grep -v '^ok'
  [ "$status" -eq 0 ]
}
