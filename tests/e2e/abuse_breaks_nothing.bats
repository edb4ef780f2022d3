#!/usr/bin/env bats
# What programs may do to files, most of it senseless, while events flow. `make abuse` is the long form.

load ../lib/common
load ../lib/users

setup() {
  need_root
  prepare
  open_the_way
}

@test 'random operations and stressors, as root and as a stranger, break nothing' {
  TMPDIR=$HERE WEBHOOKFS=$WEBHOOKFS SINK=$SINK BUILD=${CLOCKSTEP_SO%/*} \
    run "$BATS_TEST_DIRNAME/../fault/abuse.py" 9 1
  echo "$output"
  [ "$status" -eq 0 ]
}
