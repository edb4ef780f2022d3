# The blocks of docs/recipes.md, and a stage to run them on, for e2e files that load it behind common and flow.
#
# A block's name stands behind its language. The stage is a mount namespace in which the mount is on
# /srv/webhooks and its state in /var/lib/webhookfs, and what is written under /etc, /usr/local, /var/lib, /srv and
# /mnt is gone afterwards: so blocks run as they stand, but for the addresses of receivers.
#
# shellcheck disable=SC2034,SC2154 # the e2e files use what is not used here

TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RECIPES=$TREE/docs/recipes.md
STAGE=
BACKGROUND=()

# block_names: of all blocks, one a line.
block_names() {
  sed -n 's/^```[a-z]\{1,\} \(.*\)/\1/p' "$RECIPES"
}

# block NAME: as it stands there.
block() {
  local text
  text=$(awk -v name="$1" '
    inside && /^```$/ { inside = 0 }
    inside { print }
    /^```[a-z]/ { inside = substr($0, index($0, " ") + 1) == name }' "$RECIPES"; echo .)
  [ "$text" != . ] || fail "docs/recipes.md has no block \"$1\"" || return
  echo "$1" >>"$BATS_FILE_TMPDIR/used"
  printf %s "${text%.}"
}

# addressed NAME: a block with RECEIVER in place of each service's address, and PORT of 8080.
addressed() {
  block "$1" >"$HERE/block" || return
  sed -E "s|https://[a-z0-9.-]+(:[0-9]+)?|$RECEIVER|g; s|\b8080\b|${PORT:-8080}|g" "$HERE/block"
}

# ---- the stage

start_stage() {
  local own=()
  [ "$EUID" -eq 0 ] || own=(--map-root-user)
  mkdir "$HERE/stage" "$HERE/desk"
  # shellcheck disable=SC2016 # it is for the shell inside
  unshare --mount --propagation slave "${own[@]}" sh -ec '
    mount -t tmpfs tmpfs "$1/stage"
    for directory in etc usr/local var/lib srv mnt; do
      mkdir -p "$1/stage/$directory/upper" "$1/stage/$directory/work"
      mount -t overlay -o "lowerdir=/$directory,upperdir=$1/stage/$directory/upper,workdir=$1/stage/$directory/work" \
        overlay "/$directory"
    done
    mkdir -p /srv/webhooks /var/lib/webhookfs /usr/local/bin /usr/local/sbin
    mount --make-shared /srv
    mount --bind "$1/mnt" /srv/webhooks
    mount --bind "$1/state" /var/lib/webhookfs
    cp "$2/contrib/webhookfs-run/webhookfs-run" /usr/local/bin/
    : >"$1/desk.ready"
    exec sleep infinity' sh "$HERE" "$TREE" >"$HERE/stage.log" 2>&1 3>&- &
  STAGE=$!
  eventually 10 stage_ready_or_dead || return
  [ -e "$HERE/desk.ready" ] || skip "no stage: $(tail -n 1 "$HERE/stage.log")"
}

stage_ready_or_dead() {
  [ -e "$HERE/desk.ready" ] || gone "$STAGE"
}

# on_stage_of PID COMMAND…: in that process's view of the files, in $DESK, by default a directory that is empty at first.
on_stage_of() {
  local pid=$1 own=()
  shift
  [ "$EUID" -eq 0 ] || own=(--user --preserve-credentials)
  # shellcheck disable=SC2016
  PATH=/usr/local/sbin:/usr/local/bin:$PATH nsenter --mount "${own[@]}" --target "$pid" \
    sh -c 'cd "$1" && shift && exec "$@"' sh "${DESK:-$HERE/desk}" "$@"
}

stage() {
  on_stage_of "$STAGE" "$@"
}

# typed NAME: a block of shell, which stops where a command fails.
typed() {
  addressed "$1" >"$HERE/typed" || return
  stage bash -eu "$HERE/typed" 3>&-
}

# saved NAME [PATH]: a block that is a file, by default the one of its name; a script can be run.
saved() {
  local path=${2:-$1}
  addressed "$1" >"$HERE/saved" || return
  # shellcheck disable=SC2016
  stage sh -ec 'mkdir -p "$(dirname "$2")" && cp "$1" "$2" && case $(head -c 2 "$2") in "#!") chmod 755 "$2" ;; esac' \
    sh "$HERE/saved" "$path"
}

# in_background COMMAND…: in a process group of its own, which the test's end ends.
in_background() {
  set -m
  "$@" 3>&- &
  BACKGROUND+=($!)
  set +m
}

end_background() {
  local pid
  for pid in "${BACKGROUND[@]}"; do
    kill -- "-$pid" 2>/dev/null || :
    wait "$pid" || :
  done
  BACKGROUND=()
}

leave_stage() {
  end_background
  [ -z "$STAGE" ] || end_jobs "$STAGE"
  STAGE=
}

# ---- who receives

# start_standin: it is the RECEIVER.
start_standin() {
  mkdir "$HERE/standin"
  in_background python3 "$TREE/tests/lib/standin.py" "$HERE/standin"
  eventually 20 test -s "$HERE/standin/port" || return
  RECEIVER=http://127.0.0.1:$(cat "$HERE/standin/port")
}

# same_ids: UUIDs differ each time.
same_ids() {
  sed -E 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/UUID/g'
}

has_shown() {
  block "$1 shows" | same_ids >"$HERE/expected" || return
  jq -rs 'last.shown' "$HERE/standin/requests.jsonl" 2>/dev/null | same_ids >"$HERE/shown"
  cmp -s "$HERE/expected" "$HERE/shown"
}

# shows NAME: what the stand-in was sent last is what the recipe says, and it took all that it was sent.
shows() {
  eventually 10 has_shown "$1" || fail "$(diff "$HERE/expected" "$HERE/shown")" || return
  ! jq -e 'select(.status >= 300)' "$HERE/standin/requests.jsonl" || fail 'the service refuses it'
}

answers() {
  (exec 4<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# choose_port: PORT is free, and none that the kernel gives away.
choose_port() {
  PORT=$((10000 + RANDOM % 20000))
  while answers "$PORT"; do PORT=$((10000 + RANDOM % 20000)); done
}
