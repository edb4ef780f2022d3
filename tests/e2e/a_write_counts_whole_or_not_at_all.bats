#!/usr/bin/env bats
# The write rule, over the tools that people write files with: a good value is there when the tool
# returns, a bad one fails it and leaves the old value, an empty line puts back the default.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common

bats_require_minimum_version 1.5.0
load ../lib/users
load ../lib/tools

# ---- what each must do

refused_count() {
  value "$MNT/status" refused
}

# explained FILE TEXT: errors has the text as refused for this file, a caret below it and a sentence.
explained() {
  FILE=" $1 uid=$EUID pid=" TEXT="    ${2//[^[:print:]]/?}" awk '
    index($0, ENVIRON["FILE"]) { header = NR }
    $0 == ENVIRON["TEXT"] && header == NR - 1 { text = NR }
    /^ +\^$/ && text == NR - 1 { caret = NR }
    /^    / && NF >= 4 && caret == NR - 1 { found = 1 }
    END { exit !found }' "$MNT/errors" || fail "nothing about $2 for $1" "$(cat "$MNT/errors")"
}

# explained_unseen FILE TEXT: a sentence is there, and the text, which others may not read, is not.
explained_unseen() {
  FILE=" $1 uid=$EUID pid=" awk '
    index($0, ENVIRON["FILE"]) { header = NR }
    /^    ./ && header == NR - 1 { found = 1 }
    END { exit !found }' "$MNT/errors" || fail "nothing for $1" "$(cat "$MNT/errors")"
  [ -z "$(grep -F -- "$2" "$MNT/errors")" ] || fail "errors tell $2" "$(cat "$MNT/errors")"
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
  if [ "$(stat -c %a "$file")" = 600 ]; then
    explained_unseen "hooks/h/$2" "$bad" || return
  else
    explained "hooks/h/$2" "$bad" || return
  fi

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
  done <<END
timeout|7s|7s|nonsense|10s
event|failed|deployment_request_failed|exploded|
object|deployment/m/v1|deployment/m/v1|planet/earth|
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

# ---- values, whatever writes them

@test 'every setting refuses nonsense with a sentence, and keeps what it had' {
  local name example file
  mkdir "$MNT/hooks/h"
  for_settings refuse_nonsense
}

# settings: NAME, EXAMPLE and DEFAULT of each, as README gives them, with tabs between.
settings() {
  sed -n '/^In hooks.NAME, settings/,/^$/p' "$MNT/README" | awk '
    /^  [^ ]/ { name = $1; example = "" }
    /e\.g\. echo / { example = $0; sub(/^[^\047]*\047/, "", example); sub(/\047 > .*/, "", example) }
    /^ +takes / {
      default = $0
      if (!sub(/.*; default /, "", default) || default == "empty")
        default = ""
      if (example != "") # else it is too long to stand there
        print name "\t" example "\t" default
    }'
}

# for_settings FUNCTION: all settings of h have their examples, and then FUNCTION is called with each one's
# NAME EXAMPLE DEFAULT. A format excludes a template, which goes for so long.
for_settings() {
  local name example default count=0
  while IFS=$'\t' read -r name example default; do
    [ "$name" = format ] || take_example "$name" "$example" || return
  done < <(settings)
  while IFS=$'\t' read -r name example default; do
    if [ "$name" = format ]; then
      rm "$MNT/hooks/h/template" && take_example format "$example" || return
    fi
    "$1" "$name" "$example" "$default" || return
    if [ "$name" = format ]; then
      rm "$MNT/hooks/h/format" && take_example template "$(settings | sed -n 's/^template\t\([^\t]*\)\t.*/\1/p')" || return
    fi
    count=$((count + 1))
  done < <(settings)
  [ $count -ge 8 ] || fail "README lists $count settings"
}

take_example() {
  put "$2" "$MNT/hooks/h/$1" || fail "$1 refuses its example $2"
}

refuse_nonsense() {
  local file=$MNT/hooks/h/$1 old bad
  old=$(cat "$file")
  if [ "$1" = secret ]; then
    # In the style of its example almost any line is a secret, but not a short one.
    denied 'out of range' put x "$file" || return
    [ "$(cat "$file")" = "$old" ]
    return
  fi
  for bad in $'a\001b' $'\377' $'a\nb\001'; do
    denied 'Invalid argument' put "$bad" "$file" || fail "$1" || return
    [ "$(cat "$file")" = "$old" ] || fail "$1 holds $(cat "$file")" || return
  done
  if [ "$1" != description ]; then
    denied 'Invalid argument' put nonsense! "$file" || fail "$1" || return
    explained "hooks/h/$1" nonsense! || return
  fi
  [ "$(cat "$file")" = "$old" ] || fail "$1 holds $(cat "$file")"
}

@test 'rm puts the default of every setting back' {
  mkdir "$MNT/hooks/h"
  for_settings remove
}

remove() {
  local file=$MNT/hooks/h/$1
  [ "$(cat "$file")" != "$3" ] || fail "the example of $1 is its default" || return
  rm "$file" || fail "rm $1" || return
  [ "$(cat "$file")" = "$3" ] || fail "$1 has $(cat "$file"), not $3"
}

@test 'an empty line puts the default of every setting back' {
  mkdir "$MNT/hooks/h"
  empty() {
    echo >"$MNT/hooks/h/$1"
    [ "$(cat "$MNT/hooks/h/$1")" = "$3" ] || fail "$1 has $(cat "$MNT/hooks/h/$1"), not $3"
  }
  for_settings empty
}

@test 'what every setting shows can be written back to it' {
  mkdir "$MNT/hooks/h" "$MNT/hooks/fresh"
  write_back() {
    local hook shown
    for hook in h fresh; do
      shown=$(cat "$MNT/hooks/$hook/$1")
      # A mask is no value.
      [ "$shown" != '********' ] || continue
      cat "$MNT/hooks/$hook/$1" >"$HERE/shown"
      cat "$HERE/shown" >"$MNT/hooks/$hook/$1" || fail "$1 refuses $shown" || return
      [ "$(cat "$MNT/hooks/$hook/$1")" = "$shown" ] || fail "$1: $(cat "$MNT/hooks/$hook/$1")" ||
        return
    done
  }
  for_settings write_back
}

# refuses WORDS FILE BAD…: each is refused so, and the old value stays.
refuses() {
  local words=$1 file=$MNT/hooks/h/$2 old bad
  shift 2
  old=$(cat "$file")
  for bad; do
    denied "$words" put "$bad" "$file" || return
    [ "$(cat "$file")" = "$old" ] || fail "$file holds $(cat "$file") after $bad" || return
  done
}

@test 'limits are kept by the errors that belong to them' {
  local long
  make_hook h http://127.0.0.1:1/ failed deployment/m
  refuses 'out of range' timeout 999ms 31s 0 1h 99999999999999999999
  refuses 'Invalid argument' timeout -5s 5x 's5' '5 s' 1e3 0x10
  refuses 'Invalid argument' include_result 2 ja on!
  refuses 'Invalid argument' enabled 2 pause
  refuses 'Invalid argument' url ftp://host/ http:// host/path 'http://a b/' http://u:p@host/ \
    http://host/#fragment http://host:0/ http://host:65536/ http://host:x/ 'http://[::1/' \
    http://ho!st/
  refuses 'Invalid argument' event 'failed, exploded' pipeline_request_failed request
  refuses 'Invalid argument' object deployment deployment/ /m planet/x a/b/c/d
  refuses 'Invalid argument' labels a :b ' :b' $'a:1\na:2'
  printf -v long '%0401d' 0
  refuses 'too long' description "$long"
  put "${long:1}" "$MNT/hooks/h/description"
}

@test 'values at their limits, and in all spellings, are taken' {
  local file value shown
  mkdir "$MNT/hooks/h"
  while IFS='|' read -r file value shown; do
    put "$value" "$MNT/hooks/h/$file" || fail "$file refuses $value"
    [ "$(paste -sd ' ' "$MNT/hooks/h/$file")" = "$shown" ] ||
      fail "$file shows $(cat "$MNT/hooks/h/$file") for $value"
  done <<'END'
timeout|1s|1s
timeout|30s|30s
timeout|1000ms|1s
timeout|1500ms|1500ms
timeout|7|7s
timeout|  8s  |8s
include_result|true|1
include_result|NO|0
include_result|on|1
include_result|off|0
enabled|false|0
enabled|yes|1
enabled|Paused|paused
event|request_failed|deployment_request_failed
event|failed, completed|deployment_request_completed deployment_request_failed
event|deployment_request_started finished|deployment_request_started deployment_request_finished
object|pipeline/p|pipeline/p
event|failed|pipeline_request_failed
url|HTTP://Host.example:8080|HTTP://Host.example:8080
url|https://[::1]:1/?a=b&c=%20|https://[::1]:1/?a=b&c=%20
END
}

# errno_of FILE BYTES: the name of the error that a write of these bytes gets, or none.
errno_of() {
  python3 -c 'import errno, os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
try:
    os.write(fd, eval(sys.argv[2]))
    os.close(fd)
    print("none")
except OSError as e:
    print(errno.errorcode[e.errno])' "$1" "$2"
}

@test 'the error of a bad value is that of its write' {
  make_hook h http://127.0.0.1:1/ failed deployment/m
  [ "$(errno_of "$MNT/hooks/h/url" 'b"http://host/" + 4990 * b"x" + b"\n"')" = E2BIG ]
  [ "$(errno_of "$MNT/hooks/h/url" '1000000 * b"x"')" = E2BIG ]
  [ "$(errno_of "$MNT/hooks/h/description" '401 * b"x" + b"\n"')" = E2BIG ]
  [ "$(errno_of "$MNT/hooks/h/timeout" 'b"31s\n"')" = ERANGE ]
  [ "$(errno_of "$MNT/hooks/h/timeout" 'b"x\n"')" = EINVAL ]
  [ "$(errno_of "$MNT/hooks/h/timeout" 'b"31s"')" = ERANGE ]
  [ "$(errno_of "$MNT/hooks/h/timeout" 'b"30s"')" = none ]
  [ "$(cat "$MNT/hooks/h/url")" = http://127.0.0.1:1/ ]
  [ "$(errno_of "$MNT/hooks/h/url" 'b"http://host/" + 2036 * b"x" + b"\n"')" = none ]
  [ "$(errno_of "$MNT/hooks/h/url" 'b"http://host/" + 2037 * b"x" + b"\n"')" = E2BIG ]
}

@test 'a line too many, NUL and a lone CR are refused; CRLF ends a line' {
  local file=$MNT/hooks/h/timeout bad
  mkdir "$MNT/hooks/h"
  put 7s "$file"
  for bad in '5s\n6s\n' '5s\n6s' '5s\n\n' '\n5s\n' '5s\0' '5s\0\n' '\0' '5\rs\n' '5s\n\0'; do
    denied 'Invalid argument' write_bytes "$bad" "$file" || fail "$bad"
    [ "$(cat "$file")" = 7s ] || fail "$(cat "$file") after $bad"
  done
  grep -q 'timeout takes one line' "$MNT/errors"
  grep -q 'no NUL byte' "$MNT/errors"
  write_bytes '5s\r\n' "$file"
  [ "$(od -An -c "$file" | tr -d ' ')" = '5s\n' ]
  write_bytes '6s\r' "$file"
  [ "$(cat "$file")" = 6s ]
}

write_bytes() {
  printf %b "$1" >"$2"
}

@test 'opening and truncating change nothing' {
  local file=$MNT/hooks/h/timeout
  mkdir "$MNT/hooks/h"
  put 7s "$file"
  : >"$file"
  : >>"$file"
  truncate -s 0 "$file"
  python3 -c 'import sys; open(sys.argv[1], "w").close()' "$file"
  printf '' >"$file"
  [ "$(cat "$file")" = 7s ]
  run truncate -s 1 "$file"
  [ "$(cat "$file")" = 7s ]
}

@test 'a producer that fails does not wipe the value' {
  local file=$MNT/hooks/h/url
  make_hook h http://127.0.0.1:1/ failed deployment/m
  denied '' eval 'false >"$file"'
  denied '' eval 'jq -r .missing /nonexistent >"$file" 2>&1-'
  run eval 'false | tee "$file"'
  [ "$(cat "$file")" = http://127.0.0.1:1/ ]
}

# session FILE STEP…: file handles a and b of one python, each step like aw:TEXT, ac (close),
# ap:OFFSET:TEXT (pwrite), at:SIZE (truncate), as (fsync); tells what each gave.
session() {
  python3 - "$@" <<'PY'
import errno, os, sys
handles = {}
for step in sys.argv[2:]:
    who, what, rest = step[0], step[1], step[2:].lstrip(":")
    try:
        if who not in handles:
            handles[who] = os.open(sys.argv[1], os.O_RDWR | (os.O_APPEND if who == "z" else 0))
        fd = handles[who]
        if what == "w":
            os.write(fd, rest.encode().decode("unicode_escape").encode())
        elif what == "p":
            offset, text = rest.split(":", 1)
            os.pwrite(fd, text.encode().decode("unicode_escape").encode(), int(offset))
        elif what == "t":
            os.ftruncate(fd, int(rest))
        elif what == "s":
            os.fsync(fd)
        elif what == "r":
            print(os.pread(fd, 100, 0).decode().strip(), end=" ")
            continue
        elif what == "c":
            del handles[who]
            os.close(fd)
        print("ok", end=" ")
    except OSError as e:
        print(errno.errorcode[e.errno], end=" ")
PY
}

# does RESULTS FILE STEP…
does() {
  local want=$1 got
  shift
  got=$(session "$@")
  [ "${got% }" = "$want" ] || fail "$* gave $got"
}

@test 'a value is written from its start and in one piece after the other' {
  local file=$MNT/hooks/h/timeout
  mkdir "$MNT/hooks/h"
  put 7s "$file"
  does 'EINVAL' "$file" 'ap:5:1s\n'
  does 'EINVAL' "$file" 'ap:1:1'
  does 'ok ok ok ok' "$file" aw:1 aw:5 'aw:s\n' ac
  [ "$(cat "$file")" = 15s ]
  denied Invalid eval 'echo 9s | dd of="$file" seek=1 bs=1 conv=notrunc status=none'
  [ "$(cat "$file")" = 15s ]
}

@test 'a refused write takes what its handle has not finished with it' {
  local file=$MNT/hooks/h/timeout
  mkdir "$MNT/hooks/h"
  put 7s "$file"
  does 'ok EINVAL ok' "$file" aw:15 'ap:9:s\n' ac
  [ "$(cat "$file")" = 7s ] || fail "$(cat "$file")"
  does 'ok EINVAL ok' "$file" aw:15 'aw:x' ac
  [ "$(cat "$file")" = 7s ] || fail "$(cat "$file")"
}

@test 'a value ended by a newline counts when its write returns, another at fsync or close' {
  local file=$MNT/hooks/h/timeout
  mkdir "$MNT/hooks/h"
  does 'ok 5s' "$file" 'aw:5s\n' br
  does 'ok 5s' "$file" aw:6s br
  [ "$(cat "$file")" = 6s ]
  does 'ok ok 7s' "$file" aw:7s as br
  does 'ok ok 8s' "$file" aw:8s ac br
  does 'ok ok 4s' "$file" 'aw:8s\n' 'ap:0:4s\n' br
  does 'ok ok ok 9s' "$file" 'aw:8s\n' at:0 'ap:0:9s\n' br
}

@test 'what one handle has not finished does not show in another' {
  local file=$MNT/hooks/h/description
  mkdir "$MNT/hooks/h"
  put old "$file"
  does 'ok old ok first ok second' "$file" 'aw:sec' br 'bw:first\n' cr 'aw:ond\n' dr
  does 'second ok second third' "$file" ar 'bw:third\n' ar cr
}

@test 'a good line and then a bad one through the same handle leave the value of before' {
  local file=$MNT/hooks/h/timeout
  mkdir "$MNT/hooks/h"
  put 7s "$file"
  does 'ok EINVAL' "$file" 'aw:5s\n' 'aw:6s\n'
  [ "$(cat "$file")" = 7s ]
  does 'EINVAL EINVAL' "$file" 'aw:x\n' 'aw:6s\n'
  [ "$(cat "$file")" = 7s ]
}

@test 'of writers at once one whole value wins' {
  local file=$MNT/hooks/h/description a b seen i pids=()
  mkdir "$MNT/hooks/h"
  printf -v a 'a%.0s' {1..300}
  printf -v b 'b%.0s' {1..300}
  put "$a" "$file"
  writer() {
    local i
    for i in {1..30}; do
      put "$1" "$file" || exit
    done
  }
  writer "$a" 3>&- &
  pids=($!)
  writer "$b" 3>&- &
  pids+=($!)
  for i in {1..40}; do
    seen=$(cat "$file")
    [ "$seen" = "$a" ] || [ "$seen" = "$b" ] || fail "$seen"
  done
  wait "${pids[0]}"
  wait "${pids[1]}"
  seen=$(cat "$file")
  [ "$seen" = "$a" ] || [ "$seen" = "$b" ] || fail "$seen"
}

@test 'mv of a bad file leaves both files as they were' {
  mkdir "$MNT/hooks/h"
  put 7s "$MNT/hooks/h/timeout"
  chmod 640 "$MNT/hooks/h/timeout"
  denied 'Invalid argument' with_mv nonsense "$MNT/hooks/h/timeout"
  [ "$(cat "$HERE/new/timeout")" = nonsense ]
  [ "$(cat "$MNT/hooks/h/timeout")" = 7s ]
  [ "$(stat -c %a "$MNT/hooks/h/timeout")" = 640 ]
}

@test 'modes that tools set are kept' {
  mkdir "$MNT/hooks/h"
  with_install_600 7s "$MNT/hooks/h/timeout"
  [ "$(stat -c %a "$MNT/hooks/h/timeout")" = 600 ]
  with_install_644 7s "$MNT/hooks/h/timeout"
  [ "$(stat -c %a "$MNT/hooks/h/timeout")" = 644 ]
  rm "$HERE/new/timeout"
  (umask 027 && with_mv 8s "$MNT/hooks/h/timeout")
  [ "$(stat -c %a "$MNT/hooks/h/timeout")" = 640 ]
  rm "$MNT/hooks/h/timeout"
  [ "$(stat -c %a "$MNT/hooks/h/timeout")" = 644 ]
}

@test 'headers follow the same rule' {
  local tool hook=$MNT/hooks/h
  mkdir "$hook"
  for tool in echo printf append cat tee dd cp cp_archive cp_remove install_644 mv tar; do
    "with_$tool" "value of $tool" "$hook/headers/X-New" || fail "$tool makes none"
    [ "$(cat "$hook/headers/X-New")" = "value of $tool" ] || fail "$tool"
    "with_$tool" 'another value' "$hook/headers/X-New" || fail "$tool does not write it"
    denied '' "with_$tool" $'a\001b' "$hook/headers/X-New" || fail "$tool"
    [ "$(cat "$hook/headers/X-New")" = 'another value' ] ||
      fail "$tool leaves $(cat "$hook/headers/X-New")"
    rm "$hook/headers/X-New"
  done
  denied 'Invalid argument' write_bytes 'a\nb\n' "$hook/headers/X-New"
  denied 'Invalid argument' write_bytes 'a\0b' "$hook/headers/X-New"
  denied 'too long' put "$(printf '%08193d' 0)" "$hook/headers/X-New"
  put "$(printf '%08192d' 0)" "$hook/headers/X-New"
}

@test 'a value that was acknowledged is on disk, and a refused one never was' {
  make_hook h http://127.0.0.1:1/ failed deployment/m
  put 7s "$MNT/hooks/h/timeout"
  denied Invalid put nonsense "$MNT/hooks/h/object"
  crash
  [ "$(jq .timeout "$STATE/hooks/h.json")" = 7 ]
  start_background
  [ "$(cat "$MNT/hooks/h/timeout")" = 7s ]
  [ "$(cat "$MNT/hooks/h/object")" = deployment/m ]
}

@test 'errors keeps the last 32 refusals, each with its time, file, writer, caret and reason' {
  local i
  mkdir "$MNT/hooks/h"
  for i in {1..40}; do
    put "nonsense$i" "$MNT/hooks/h/timeout" 2>/dev/null || :
  done
  [ "$(grep -c '^[^ ]' "$MNT/errors")" -eq 32 ]
  [[ $(head -n 1 "$MNT/errors") =~ ^20..-..-..T..:..:......Z\ hooks/h/timeout\ uid=$EUID\ pid=[0-9]+\ EINVAL$ ]]
  grep -qFx '    nonsense9' "$MNT/errors"
  explained hooks/h/timeout nonsense40
  denied Invalid put 'failed, exploded' "$MNT/hooks/h/event"
  [ "$(tail -n 2 "$MNT/errors" | head -n 1)" = "            ^" ]
}
