#!/usr/bin/env bats
# What README.md tells a newcomer to type is typed, from the first block to the last.
load ../lib/common

setup() {
  prepare
}

@test 'every command of the README works in its order, and shows what it is said to show' {
  local tree
  tree=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  mkdir -p "$HERE/bin"
  cd "$HERE"
  mkdir build
  ln -s "$WEBHOOKFS" build/webhookfs
  ln -s "$SINK" build/sink
  # It is built: only what is asked for has to be there.
  printf '#!/bin/sh\nls "$@"\n' > bin/make
  chmod +x bin/make
  {
    # Whatever goes wrong, nothing stays that holds up the test.
    # shellcheck disable=SC2016
    echo "trap 'fusermount3 -uzq $HERE/mnt || :; kill \$(jobs -p) 2> /dev/null || :' EXIT"
    # A reader has waited long enough when the receiver, and later the log, has something to show.
    # shellcheck disable=SC2016
    echo 'sleep() { until [ -s got/port ] && { [ ! -e mnt/log ] || [ -s mnt/log ]; }; do command sleep 0.05; done; }'
    "$tree/tests/lib/as_typed.py" "$tree/README.md"
  } > typed.sh
  grep -q 'build/webhookfs ./state mnt' typed.sh
  PATH=$HERE/bin:$PATH timeout 120 bash typed.sh > typed.out 2>&1 < /dev/null 3>&- || {
    cat typed.out
    return 1
  }
  # The event of the first hook, the header's mask, a new secret.
  [ "$(jq -r .path got/requests.jsonl)" = /alarm ]
  grep -q '"outcome":"delivered"' typed.out
  grep -qx '\*\*\*\*\*\*\*\*' typed.out
  grep -q '^whsec_' typed.out
  [ -s state/hooks/bert.json ]
}
