#!/usr/bin/env bats
# The daemon's calls fail, one after another: the short form of `make faults`.
load ../lib/common

setup() { prepare; }

@test 'faults at a few calls of each kind lose nothing, and each writer is told the truth' {
  [[ $WEBHOOKFS != */san-* ]] || skip 'sanitizers have an allocator of their own'
  TMPDIR=$HERE BUILD=${WEBHOOKFS%/*} run "$BATS_TEST_DIRNAME/../fault/walk.py" --short
  echo "$output"
  [ "$status" -eq 0 ]
  [ "$(grep -c '^ok ' <<<"$output")" -eq 12 ]
}
