# What the e2e files about events and deliveries share, besides common.bash.
#
# shellcheck disable=SC2034 # the e2e files use what is not used here

WRITES=$(dirname "${BASH_SOURCE[0]}")/writes.py

# Nobody listens there: what is sent to it stays pending.
NOWHERE=http://127.0.0.1:1/

# writes PIECE…: one open of `events`; prints what each write and the close returned.
writes() {
  "$WRITES" "$MNT/events" "$@"
}

# collecting_hook NAME OBJECT [EVENT]: its events are collected as pending, and nothing is sent.
collecting_hook() {
  make_hook "$1" "$NOWHERE" "${3:-completed}" "$2" && echo paused >"$MNT/hooks/$1/enabled"
}

count() {
  value "$MNT/status" "$1"
}

# pending HOOK
pending() {
  value "$MNT/hooks/$1/status" pending
}

none_pending() {
  [ "$(count pending)" -eq 0 ]
}

# settled [SECONDS]: all that was taken has been answered with success; nothing more comes.
settled() {
  eventually "${1:-10}" none_pending
}

# has_error TEXT: the newest entry of `errors`, or one of them, says so.
has_error() {
  grep -qF -- "$1" "$MNT/errors" || fail "errors does not say: $1" "$(cat "$MNT/errors")"
}

# bodies FILTER: what jq finds in the body of each request, sorted.
bodies() {
  jq -r '.body' "$SINK_DIR/requests.jsonl" | jq -r "$1" | sort
}

# last_error HOOK
last_error() {
  value "$MNT/hooks/$1/status" last_error
}

has_last_error() {
  [ "$(last_error "$1")" != none ]
}
