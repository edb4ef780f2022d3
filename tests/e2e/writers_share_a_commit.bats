#!/usr/bin/env bats
# Many writers of `events` at once: their lines become durable together, and each hears of its own.

load ../lib/common
load ../lib/flow

WRITERS=$BATS_TEST_DIRNAME/../lib/writers.py

setup() {
  prepare
  start -o keep # then commits that answer writers are counted
  collecting_hook h 'deployment/*'
}

# written own|shared LINES…: as tests/lib/writers.py has it.
written() {
  local how=$1 worker
  shift
  worker=$(cat "/proc/$DAEMON/task/$DAEMON/children")
  "$WRITERS" "$how" "${worker% }" "$MNT/events" "$@"
}

# commits: those that have answered a writer, of a daemon that has ended.
commits() {
  python3 -c 'import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("SELECT value FROM counter WHERE name = \"commit\"").fetchone())' \
    "$STATE/queue.db"
}

# Older ones take one writer at a time.
needs_linux_6_2() {
  [ "$(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -n 1)" = 6.2 ] || skip 'this Linux is older than 6.2'
}

line() {
  echo "deployment/m/v1 completed request_id=$1\\n"
}

@test 'writers who wait at the same time are answered by one commit' {
  needs_linux_6_2
  local lines=() n
  for n in {101..132}; do lines+=("$(line "$n")"); done
  run written own "${lines[@]}"
  [ "$output" = "$(printf '41 %.0s' {1..31})41" ]
  [ "$(pending h)" = 33 ]
  [ "$(grep -ho '"request_id": *"1[0-9]*"' "$MNT"/hooks/h/pending/* | sort -u | wc -l)" = 32 ]
  terminate
  [ "$(commits)" = 2 ] # and that of the first write
}

@test 'so are threads who share a descriptor' {
  needs_linux_6_2
  run written shared "$(line a)" "$(line b)" "$(line c)" "$(line d)"
  [ "$output" = '39 39 39 39' ]
  [ "$(pending h)" = 5 ]
  terminate
  [ "$(commits)" = 2 ]
}

@test 'a line that is refused fails its own writer alone' {
  needs_linux_6_2
  run written own "$(line a)" 'no event\n' "$(line b)" '{"object":\n' "$(line c)no event\\n$(line d)" "$(line e)"
  [ "$output" = '39 EINVAL 39 EINVAL 39 39' ]
  [ "$(pending h)" = 5 ]
  [ "$(count refused)" = 2 ]
  terminate
  [ "$(commits)" = 2 ]
}

@test 'what one has begun, another does not end' {
  needs_linux_6_2
  run written own 'deployment/m/v1 comp' 'leted request_id=a\n' "$(line b)" 'deployment/m/v1 fai'
  [ "$output" = '20 EINVAL 39 19' ]
  [ "$(pending h)" = 2 ]
}

@test 'the file is as empty as ever, and has no offsets' {
  echo 'deployment/m/v1 completed' >"$MNT/events"
  [ "$(stat -c %s "$MNT/events")" = 0 ]
  written own "$(line a)"
  [ "$(stat -c %s "$MNT/events")" = 0 ]
  python3 - "$MNT/events" <<'END'
import errno, os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b"deployment/m/v1 completed\n")
for call in (lambda: os.lseek(fd, 0, os.SEEK_CUR), lambda: os.pwrite(fd, b"\n", 7)):
    try:
        call()
    except OSError as error:
        assert error.errno == errno.ESPIPE, error
    else:
        raise SystemExit("it has an offset")
assert os.fstat(fd).st_size == 0
END
}

# A byte of it in the kernel's cache would have to be stored there by the daemon, which could wait for ever for
# somebody who reads that page ahead.
@test 'of the file nothing is in the cache, also behind a shell that opens it' {
  run "$BASH" -c 'exec 5>"$1" 6>&5 6>&- && stat --cached=always -c %s "$1"' - "$MNT/events"
  [ "$output" = 0 ]
}

@test 'what others append brings nobody to his limit for files' {
  local text
  text="deployment/m/v1 completed request_id=$(printf 'x%.0s' {1..200})"
  for _ in {1..50}; do echo "$text" >>"$MNT/events"; done
  (ulimit -f 6 && echo "$text" >>"$MNT/events")
  [ "$(pending h)" = 51 ]
}
