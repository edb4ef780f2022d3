#!/usr/bin/env bats
# The write rule, over the tools that people write files with: a good value is there when the tool
# returns, a bad one fails it and leaves the old value, an empty line puts back the default.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common
load ../lib/users

# ---- the tools: each writes the line $1 to the file $2

with_echo() { echo "$1" >"$2"; }
with_printf() { printf %s "$1" >"$2"; }
with_append() { echo "$1" >>"$2"; }
with_append_unended() { printf %s "$1" >>"$2"; }
with_read_write() { echo "$1" 1<>"$2"; }
with_cat() { echo "$1" | cat >"$2"; }
with_dash() { dash -c 'echo "$0" > "$1"' "$1" "$2"; }
with_tee() { echo "$1" | tee "$2" >/dev/null; }
with_tee_append() { echo "$1" | tee -a "$2" >/dev/null; }
with_dd() { echo "$1" | dd of="$2" status=none; }
with_dd_notrunc() { echo "$1" | dd of="$2" conv=notrunc,fsync status=none; }
with_dd_append() { echo "$1" | dd of="$2" oflag=append conv=notrunc status=none; }

# Those that take a file: $HERE/new/NAME.
made() {
  mkdir -p "$HERE/new"
  MADE=$HERE/new/${2##*/}
  echo "$1" >"$MADE"
}

with_cp() { made "$@" && cp "$MADE" "$2"; }
with_cp_archive() { made "$@" && cp -a "$MADE" "$2"; }
with_cp_remove() { made "$@" && cp --remove-destination "$MADE" "$2"; }
with_cp_into() { made "$@" && cp "$MADE" "${2%/*}/"; }
with_install_600() { made "$@" && install -m 600 "$MADE" "$2"; }
with_install_644() { made "$@" && install -m 644 "$MADE" "$2"; }
with_mv() { made "$@" && mv "$MADE" "$2"; }
with_mv_force() { made "$@" && mv -f "$MADE" "$2"; }
with_tar() { made "$@" && tar -C "$HERE/new" -c "${2##*/}" | tar -C "${2%/*}" -x; }
with_tar_overwrite() {
  made "$@" && tar -C "$HERE/new" -c "${2##*/}" | tar -C "${2%/*}" --overwrite -x
}
with_rsync_inplace() { made "$@" && rsync --inplace "$MADE" "$2"; }
with_rsync_archive_inplace() { made "$@" && rsync -a --inplace "$MADE" "$2"; }

with_python() {
  python3 -c 'import sys
with open(sys.argv[2], "w") as f:
    f.write(sys.argv[1])' "$1" "$2"
}
with_python_unbuffered() {
  python3 -c 'import sys
with open(sys.argv[2], "wb", buffering=0) as f:
    f.write(sys.argv[1].encode() + b"\n")' "$1" "$2"
}
with_perl() { perl -e 'open F, ">", $ARGV[1]; print F "$ARGV[0]\n"; close F or die "$!"' "$1" "$2"; }

need() {
  type -p "$1" >/dev/null || skip "no $1 here"
}

# ---- what each must do

refused_count() {
  value "$MNT/status" refused
}

# The last entry of errors.
last_error() {
  awk '/^[^ ]/ { entry = "" } { entry = entry $0 "\n" } END { printf "%s", entry }' "$MNT/errors"
}

# explained FILE: the last refusal is about the file, with a caret and a sentence below it.
explained() {
  local entry
  entry=$(last_error)
  [[ ${entry%%$'\n'*} == *" $1 uid=$EUID pid="* ]] || fail "errors: $entry" || return
  [ "$(sed -n 2p <<<"$entry")" != '' ] || fail "errors: $entry" || return
  [[ $(sed -n 3p <<<"$entry") =~ ^\ +\^$ ]] || fail "no caret: $entry" || return
  [ "$(sed -n 4p <<<"$entry" | wc -w)" -ge 4 ] || fail "no sentence: $entry"
}

# obeys TOOL FILE GOOD SHOWN BAD DEFAULT
obeys() {
  local tool=$1 file=$MNT/hooks/h/$2 good=$3 shown=$4 bad=$5 default=$6 before
  "$tool" "$good" "$file" || fail "$tool: $2 refuses $good" || return
  [ "$(cat "$file")" = "$shown" ] || fail "$tool: $2 shows $(cat "$file")" || return

  before=$(refused_count)
  run "$tool" "$bad" "$file"
  [ "$status" -ne 0 ] || fail "$tool: $2 takes $bad" || return
  [ -n "$output" ] || fail "$tool: no word about $bad" || return
  [ "$(cat "$file")" = "$shown" ] || fail "$tool: $2 holds $(cat "$file") after $bad" || return
  [ "$(refused_count)" -gt "$before" ] || fail "$tool: $bad is not counted" || return
  explained "hooks/h/$2" || return

  # The last write counts, and it may be good again.
  "$tool" "$good" "$file" || fail "$tool: $2 refuses $good after $bad" || return
  "$tool" '' "$file" || fail "$tool: $2 refuses an empty line" || return
}

# rule TOOL: over files of all kinds.
rule() {
  local file good shown bad default hook=$MNT/hooks/h
  mkdir "$hook"
  while IFS='|' read -r file good shown bad default; do
    printf -v bad %b "$bad"
    obeys "$1" "$file" "$good" "$shown" "$bad" || return
    case $1 in
      # Without a newline an empty line is no write at all.
      with_printf | with_append_unended | with_python) rm "$hook/$file" ;;
    esac
    [ "$(cat "$hook/$file")" = "$default" ] || fail "$1: $file has $(cat "$hook/$file")" || return
    [ "$(jq -r .name "$STATE/hooks/h.json")" = h ]
  done <<END
timeout|7s|7s|nonsense|10s
timeout|2000ms|2s|31s|10s
event|failed|deployment_request_failed|exploded|
object|deployment/m/v1|deployment/m/v1|planet/earth|
include_result|yes|1|maybe|0
enabled|paused|paused|perhaps|1
description|two words|two words|a\\001b|
labels|team:fraud|team:fraud|teamfraud|
END
}

@test 'echo' { rule with_echo; }
@test 'printf without a newline' { rule with_printf; }
@test '>>' { rule with_append; }
@test '>> without a newline' { rule with_append_unended; }
@test '<>' { rule with_read_write; }
@test 'cat' { rule with_cat; }
@test 'dash' { need dash && rule with_dash; }
@test 'tee' { rule with_tee; }
@test 'tee -a' { rule with_tee_append; }
@test 'dd' { rule with_dd; }
@test 'dd that neither truncates nor leaves before fsync' { rule with_dd_notrunc; }
@test 'dd that appends' { rule with_dd_append; }
@test 'cp' { rule with_cp; }
@test 'cp -a' { rule with_cp_archive; }
@test 'cp --remove-destination' { rule with_cp_remove; }
@test 'cp into the directory' { rule with_cp_into; }
@test 'install -m 600' { rule with_install_600; }
@test 'install -m 644' { rule with_install_644; }
@test 'mv from elsewhere' { rule with_mv; }
@test 'mv -f from elsewhere' { rule with_mv_force; }
@test 'tar -x' { rule with_tar; }
@test 'tar -x --overwrite' { rule with_tar_overwrite; }
@test 'rsync --inplace' { need rsync && rule with_rsync_inplace; }
@test 'rsync -a --inplace' { need rsync && rule with_rsync_archive_inplace; }
@test 'python' { need python3 && rule with_python; }
@test 'python without a buffer' { need python3 && rule with_python_unbuffered; }
@test 'perl' { need perl && rule with_perl; }
