# Users whom modes concern, for e2e files that load it behind common.
#
# shellcheck disable=SC2154 # status and output are what run of bats leaves

need_root() {
  [ "$EUID" -eq 0 ] || skip 'only root can be other users'
}

# other_user COMMAND…: neither root nor the one who mounted.
other_user() {
  setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# A plain user mounts only where the device lets him.
need_fuse_of_others() {
  other_user test -r /dev/fuse -a -w /dev/fuse || skip 'a plain user may not open /dev/fuse here'
}

# as UID[:GID,GROUP…] COMMAND…: without a group, that of the same number.
as() {
  local uid=${1%%:*} groups=${1#*:}
  shift
  setpriv --reuid "$uid" --regid "${groups%%,*}" --groups "$groups" "$@"
}

# Opens the directories of this run, and nothing above them, so that others get to $HERE.
open_the_way() {
  local top directory=$HERE
  top=$(realpath "$BATS_RUN_TMPDIR")
  while [[ $directory == "$top"* ]]; do
    chmod o+x "$directory"
    directory=$(dirname "$directory")
  done
  other_user test -x "$HERE" || skip "others cannot get to $HERE"
}

# denied WORDS COMMAND…: it fails, and says these words.
denied() {
  local words=$1
  shift
  run "$@"
  [ "$status" -ne 0 ] || fail "it was allowed: $*" || return
  [[ $output == *"$words"* ]] || fail "$* said: $output"
}

# put TEXT FILE: with a newline, as a command that can be denied.
put() {
  printf '%s\n' "$1" >"$2"
}
