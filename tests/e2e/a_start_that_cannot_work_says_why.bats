#!/usr/bin/env bats
# Command lines, state directories and mount points that are refused: with a sentence, and with
# everything left as it was.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/users

setup() { prepare; }

# does_not_start STATUS WORDS ARGUMENT…: no mount, and stderr is one line with these words.
does_not_start() {
  local code=$1 words=$2
  shift 2
  run timeout 20 "$WEBHOOKFS" "$@" 3>&-
  [ "$status" -eq "$code" ] || fail "webhookfs $*: status $status: $output" || return
  [ "${#lines[@]}" -eq 1 ] || fail "webhookfs $* said: $output" || return
  [[ ${lines[0]} == *"$words"* ]] || fail "webhookfs $* said: $output" || return
  [ -z "$(mounts)" ] || [ -n "$DAEMON" ] || fail "webhookfs $* has mounted"
}

# The same by a user whom modes concern, with a program that this user can surely reach.
does_not_start_for_others() {
  local code=$1 words=$2 plain=()
  shift 2
  install -m 755 "$WEBHOOKFS" "$HERE/webhookfs"
  [ "$EUID" -ne 0 ] || plain=(other_user)
  run "${plain[@]}" timeout 20 "$HERE/webhookfs" "$@" 3>&-
  [ "$status" -eq "$code" ] || fail "webhookfs $*: status $status: $output" || return
  [[ $output == *"$words"* ]] || fail "webhookfs $* said: $output"
}

names_of_options() {
  "$WEBHOOKFS" -h | sed -nE 's/^  ([a-z_]+)=.*/\1/p'
}

# The default of an option as -h tells it.
default_of() {
  "$WEBHOOKFS" -h | sed -nE "/^  $1=/,/Default:/s/^ +Default: (.*)\.\$/\1/p"
}

# What must stay: the database with its log, and the hooks.
sums() {
  (cd "$STATE" && find queue.db* hooks -type f -exec sha256sum {} +) 2>/dev/null || :
}

@test '-h lists every switch, and every option with its default' {
  local option
  run "$WEBHOOKFS" -h
  [ "$status" -eq 0 ]
  for option in -f -d -m -h -V; do
    [[ $output == *$'\n'"  $option "* ]] || fail "$option is missing"
  done
  for option in project types sync retention max_backlog max_inflight grace cacert; do
    names_of_options | grep -qx "$option" || fail "$option is missing"
  done
  [ "$(default_of project)" = default ]
  [ "$(default_of types)" = deployment:pipeline:experiment ]
  [ "$(default_of sync)" = full ]
  [ "$(default_of retention)" = 7d ]
}

@test 'every default that -h lists can be given' {
  local option list=
  for option in $(names_of_options); do
    [ -n "$(default_of "$option")" ] || fail "no default for $option"
    [ "$(default_of "$option")" = none ] || list=$list,$option=$(default_of "$option")
  done
  start -o "${list#,}"
}

@test '-V tells the version' {
  run "$WEBHOOKFS" -V
  [ "$status" -eq 0 ]
  [[ $output =~ ^webhookfs\ [0-9]+\.[0-9]+ ]]
}

@test 'a wrong command line is status 2 and a sentence' {
  does_not_start 2 usage
  does_not_start 2 usage "$STATE" "$MNT" more
  does_not_start 2 -x -x "$STATE" "$MNT"
  does_not_start 2 -o "$STATE" "$MNT" -o
  does_not_start 2 project "$STATE" "$MNT" -o project
  does_not_start 2 sync "$STATE" "$MNT" -o sync=maybe
  does_not_start 2 max_inflight "$STATE" "$MNT" -o max_inflight=0
  does_not_start 2 number "$STATE" "$MNT" -o max_inflight=many
  does_not_start 2 http_threads "$STATE" "$MNT" -o http_threads=17
  does_not_start 2 max_backlog "$STATE" "$MNT" -o max_backlog=1
  does_not_start 2 duration "$STATE" "$MNT" -o retention=1fortnight
  does_not_start 2 duration "$STATE" "$MNT" -o grace=-1
  does_not_start 2 type "$STATE" "$MNT" -o types=no/type
  [ ! -e "$STATE" ]
}

@test 'an option that nobody knows is refused by its name' {
  run timeout 20 "$WEBHOOKFS" "$STATE" "$MNT" -o nonsense 3>&-
  [ "$status" -ne 0 ]
  [[ $output == *nonsense* ]] || fail "$output"
  run timeout 20 "$WEBHOOKFS" "$STATE" "$MNT" -o max_backlogg=1G 3>&-
  [ "$status" -ne 0 ]
  [[ $output == *max_backlogg* ]] || fail "$output"
  [ -z "$(mounts)" ]
}

@test 'the state directory is made, with its parents, for its owner alone' {
  STATE=$HERE/var/lib/state
  (umask 0; start_background)
  eventually 5 one_process
  [ "$(stat -c %a "$STATE")" = 700 ]
  [ -z "$(find "$STATE" -type f -perm /077)" ] || fail "$(ls -lR "$STATE")"
  [ -z "$(find "$STATE" -type d -perm /077)" ] || fail "$(ls -lR "$STATE")"
}

@test 'without STATE_DIR a plain user has it in XDG_STATE_HOME or ~/.local/state' {
  [ "$EUID" -ne 0 ] || open_the_way
  mkdir "$HERE/xdg" "$HERE/home" "$HERE/point"
  chmod 1777 "$HERE/xdg" "$HERE/home"
  [ "$EUID" -ne 0 ] || chown 65534 "$HERE/point"
  # Whether this user may mount or not: the directory is made before.
  HOME=$HERE/home XDG_STATE_HOME=$HERE/xdg does_not_start_for_others 1 '' -o nonsense "$HERE/point"
  [ -d "$HERE/xdg/webhookfs" ]
  [ ! -e "$HERE/home/.local" ]
  HOME=$HERE/home XDG_STATE_HOME='' does_not_start_for_others 1 '' -o nonsense "$HERE/point"
  [ -d "$HERE/home/.local/state/webhookfs" ]
}

@test 'a state directory below one in which everybody may rename is refused' {
  mkdir -p "$HERE/open/inner"
  chmod 777 "$HERE/open"
  does_not_start 1 'may rename' "$HERE/open/inner/state" "$MNT"
  does_not_start 1 "$HERE/open" "$HERE/open/inner/state" "$MNT"
  chmod 1777 "$HERE/open"
  STATE=$HERE/open/inner/state start
  stop
  # A group is one that somebody has chosen.
  chmod 775 "$HERE/open"
  STATE=$HERE/open/inner/state start
}

@test 'a state directory that others can read is refused, and stays as it is' {
  mkdir -m 755 "$STATE"
  does_not_start 1 'chmod 700' "$STATE" "$MNT"
  [ "$(stat -c %a "$STATE")" = 755 ]
  [ -z "$(ls -A "$STATE")" ]
  chmod 710 "$STATE"
  does_not_start 1 'chmod 700' "$STATE" "$MNT"
  chmod 700 "$STATE"
  start
}

@test 'a state directory of somebody else is refused, and stays as it is' {
  need_root
  mkdir -m 700 "$STATE"
  chown 65534 "$STATE"
  does_not_start 1 "$STATE" "$STATE" "$MNT"
  [ "$(stat -c '%u %a' "$STATE")" = '65534 700' ]
  [ -z "$(ls -A "$STATE")" ]
  chown 0 "$STATE"
  start
}

@test 'a state directory in use by another daemon is refused, and that one goes on' {
  start
  mkdir "$HERE/mnt2"
  does_not_start 1 'in use by another webhookfs' "$STATE" "$HERE/mnt2"
  does_not_start 1 'in use by another webhookfs' -f "$STATE" "$HERE/mnt2"
  mkdir "$MNT/hooks/h"
}

@test 'a state directory under the mount point is refused' {
  does_not_start 1 'under the mount point' "$MNT/state" "$MNT"
  does_not_start 1 'under the mount point' "$MNT" "$MNT"
  mkdir -m 700 "$MNT/inner"
  ln -s "$MNT/inner" "$STATE"
  does_not_start 1 'under the mount point' "$STATE" "$MNT"
  ln -s "$MNT" "$HERE/link"
  does_not_start 1 'under the mount point' "$MNT/inner" "$HERE/link"
  does_not_start 1 'under the mount point' "$HERE/link/inner" "$MNT"
  [ -z "$(ls -A "$MNT/inner")" ]
}

@test 'a mount point inside the state directory does not matter' {
  mkdir -m 700 "$STATE"
  rmdir "$MNT"
  MNT=$STATE/mnt
  mkdir "$MNT"
  start
  mkdir "$MNT/hooks/h"
}

@test 'a state directory that cannot be written or made, or is a file, is refused' {
  [ "$EUID" -ne 0 ] || open_the_way
  mkdir -m 500 "$STATE" "$HERE/point"
  [ "$EUID" -ne 0 ] || chown 65534 "$STATE" "$HERE/point"
  does_not_start_for_others 1 'not writable' "$STATE" "$HERE/point"
  does_not_start_for_others 1 "$STATE/deeper" "$STATE/deeper" "$HERE/point"
  echo precious >"$HERE/file"
  chmod 600 "$HERE/file"
  does_not_start 1 "$HERE/file" "$HERE/file" "$MNT"
  does_not_start 1 "$HERE/file" "$HERE/file/state" "$MNT"
  [ "$(cat "$HERE/file")" = precious ]
}

@test 'a broken queue.db is refused and stays byte for byte' {
  local case before
  start
  mkdir "$MNT/hooks/h"
  stop
  cp "$STATE/queue.db" "$HERE/good.db"
  for case in text zeros short header; do
    case $case in
      text) echo 'this is no database' >"$STATE/queue.db" ;;
      zeros) head -c 8192 /dev/zero >"$STATE/queue.db" ;;
      short) head -c 5000 "$HERE/good.db" >"$STATE/queue.db" ;;
      header)
        cp "$HERE/good.db" "$STATE/queue.db"
        dd if=/dev/zero of="$STATE/queue.db" bs=100 count=1 conv=notrunc status=none
        ;;
    esac
    before=$(sums)
    [ -n "$before" ]
    does_not_start 1 queue.db "$STATE" "$MNT" || fail "$case"
    [ "$(sums)" = "$before" ] || fail "$case"
  done
  cp "$HERE/good.db" "$STATE/queue.db"
  start
  [ -d "$MNT/hooks/h" ]
}

@test 'the queue.db of another program, or of a newer version, is refused and stays byte for byte' {
  local sql before
  for sql in 'CREATE TABLE cats (name TEXT)' \
    'CREATE TABLE cats (name TEXT); PRAGMA application_id = 12345' \
    'CREATE TABLE meta (tag TEXT); PRAGMA application_id = 2003330675; PRAGMA user_version = 99'; do
    rm -rf "$STATE"
    mkdir -m 700 "$STATE"
    sqlite3 "$STATE/queue.db" "$sql"
    before=$(sums)
    [ -n "$before" ]
    does_not_start 1 queue.db "$STATE" "$MNT" || fail "$sql"
    [ "$(sums)" = "$before" ] || fail "$sql"
  done
}

@test 'a mount point that is missing, a file or a mount already is refused' {
  does_not_start 1 mkdir "$STATE" "$HERE/missing"
  touch "$HERE/file"
  does_not_start 1 'no directory' "$STATE" "$HERE/file"
  [ ! -e "$STATE" ]
  start
  does_not_start 1 already "$HERE/state2" "$MNT"
  ln -s "$MNT" "$HERE/link"
  does_not_start 1 already "$HERE/state2" "$HERE/link"
  [ ! -e "$HERE/state2" ]
  mkdir "$MNT/hooks/h"
}
