#!/usr/bin/env bats
# What tools make beside a hook's files: bytes with a name, until a rename makes a value of them.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common

bats_require_minimum_version 1.5.0
load ../lib/users
load ../lib/tools
load ../lib/clock

setup() {
  prepare
  start
  hook=$MNT/hooks/h
  make_hook h http://127.0.0.1:1/path/ failed deployment/m
}

# rename OLD NEW [FLAGS]: tells what renameat2 gave. 1 is RENAME_NOREPLACE, 2 RENAME_EXCHANGE.
rename() {
  python3 -c 'import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
old, new = (os.fsencode(name) for name in sys.argv[1:3])
if libc.renameat2(-100, old, -100, new, int(sys.argv[3])):
    sys.exit(errno.errorcode[ctypes.get_errno()])' "$1" "$2" "${3:-0}" 2>&1
}

stored() {
  jq -r "$1" "$STATE/hooks/h.json"
}

@test 'a scratch file is a file: bytes, mode, time, and other names' {
  local f=$hook/notes
  printf abc >"$f"
  printf def >>"$f"
  [ "$(cat "$f")" = abcdef ]
  [ "$(stat -c '%s %a' "$f")" = '6 644' ]
  printf XY | dd of="$f" bs=1 seek=2 conv=notrunc status=none
  [ "$(cat "$f")" = abXYef ]
  truncate -s 8 "$f"
  [ "$(od -An -c "$f" | tr -d ' ')" = 'abXYef\0\0' ]
  truncate -s 3 "$f"
  [ "$(cat "$f")" = abX ]
  : >"$f"
  [ "$(stat -c %s "$f")" -eq 0 ]
  chmod 640 "$f"
  touch -d 2001-02-03T04:05:06Z "$f"
  [ "$(stat -c '%a %Y' "$f")" = '640 981173106' ]
  mv "$f" "$hook/other"
  [ ! -e "$f" ]
  [ "$(stat -c '%a %Y' "$hook/other")" = '640 981173106' ]
  [ "$(find "$hook" -name other -printf %f)" = other ]
  rm "$hook/other"
  [ ! -e "$hook/other" ]
  (umask 077 && mktemp "$hook/tmp.XXXXXX" >"$HERE/name")
  [ "$(stat -c %a "$(cat "$HERE/name")")" = 600 ]
}

@test 'what is unlinked or replaced while it is open can still be read and written' {
  echo one >"$hook/a"
  exec 5<>"$hook/a"
  rm "$hook/a"
  echo two >"$hook/a"
  echo more >&5
  [ "$(cat "/proc/$$/fd/5" 2>/dev/null || cat <&5)" != two ]
  exec 5>&-
  exec 5<"$hook/a"
  echo three >"$hook/b"
  mv "$hook/b" "$hook/a"
  [ "$(cat <&5)" = two ]
  exec 5<&-
  [ "$(cat "$hook/a")" = three ]
}

@test 'it is nowhere in the configuration, nor after a restart' {
  local before
  before=$(cat "$hook/config.json" "$STATE/hooks/h.json")
  echo 'scribbled down' >"$hook/notes"
  echo 'scribbled down' >"$hook/headers/X-Plain.bak"
  [ "$(cat "$hook/config.json" "$STATE/hooks/h.json")" = "$before" ]
  [ -z "$(grep -rs 'scribbled down' "$STATE" "$MNT/log" "$MNT/errors" "$MNT/metrics.prom" "$hook/status")" ]
  stop
  start
  [ ! -e "$hook/notes" ]
  [ -z "$(ls -A "$hook/headers")" ]
  [ "$(cat "$hook/config.json")" = "$(echo "$before" | head -n "$(wc -l <"$hook/config.json")")" ]
}

@test 'a rename onto a control file is one write of it, with mode, owner and time' {
  echo 7s >"$hook/t"
  chmod 640 "$hook/t"
  touch -d 2001-02-03T04:05:06Z "$hook/t"
  mv "$hook/t" "$hook/timeout"
  [ "$(cat "$hook/timeout")" = 7s ]
  [ "$(stat -c '%a %Y' "$hook/timeout")" = '640 981173106' ]
  [ ! -e "$hook/t" ]
  [ "$(stored .timeout)" = 7 ]
  printf 8s >"$hook/t"
  mv "$hook/t" "$hook/timeout"
  [ "$(cat "$hook/timeout")" = 8s ]
  printf 'a:b\nc:d\n' >"$hook/t"
  mv "$hook/t" "$hook/labels"
  [ "$(cat "$hook/labels")" = $'a:b\nc:d' ]
  jq '.timeout = 9' "$hook/config.json" >"$hook/config.json.new"
  mv "$hook/config.json.new" "$hook/config.json"
  [ "$(cat "$hook/timeout")" = 9s ]
  if [ "$EUID" -eq 0 ]; then
    echo 7s >"$hook/t"
    chown 65534:12 "$hook/t"
    mv "$hook/t" "$hook/timeout"
    [ "$(stat -c %u:%g "$hook/timeout")" = 65534:12 ]
  fi
}

@test 'a bad one fails with EBADMSG, and both files stay' {
  local bad
  echo 15s >"$hook/timeout"
  chmod 640 "$hook/timeout"
  for bad in nonsense 99s '5s\n6s' '' "$(printf '%070000d' 0)"; do
    printf "$bad" >"$hook/t"
    [ "$(rename "$hook/t" "$hook/timeout")" = EBADMSG ] || fail "$bad"
    [ "$(cat "$hook/timeout")" = 15s ]
    [ "$(stat -c %a "$hook/timeout")" = 640 ]
    [ -e "$hook/t" ]
  done
  echo nonsense >"$hook/t"
  denied 'Bad message' mv "$hook/t" "$hook/timeout"
  [ "$(tail -n 4 "$MNT/errors" | head -n 1 | cut -d' ' -f2,5)" = 'hooks/h/timeout EBADMSG' ] ||
    fail "$(tail -n 4 "$MNT/errors")"
  [ "$(tail -n 3 "$MNT/errors" | head -n 1)" = '    nonsense' ]
  echo '{"url":1}' >"$hook/t"
  denied 'Bad message' mv "$hook/t" "$hook/config.json"
  [ "$(cat "$hook/url")" = http://127.0.0.1:1/path/ ]
}

@test 'a file without a byte replaces no value, and leaves an empty one alone' {
  : >"$hook/t"
  denied 'Bad message' mv "$hook/t" "$hook/url"
  denied 'Bad message' mv "$hook/t" "$hook/timeout"
  denied 'Bad message' mv "$hook/t" "$hook/config.json"
  mv "$hook/t" "$hook/description"
  [ ! -e "$hook/t" ]
  [ "$(cat "$hook/url")" = http://127.0.0.1:1/path/ ]
  : >"$hook/headers/.t"
  mv "$hook/headers/.t" "$hook/headers/X-Empty"
  [ "$(stored '.headers[0].key')" = X-Empty ]
}

@test 'RENAME_NOREPLACE and RENAME_EXCHANGE' {
  echo 7s >"$hook/t"
  echo 8s >"$hook/u"
  [ "$(rename "$hook/t" "$hook/timeout" 1)" = EEXIST ]
  [ "$(rename "$hook/t" "$hook/u" 1)" = EEXIST ]
  [ "$(rename "$hook/t" "$hook/timeout" 2)" = EINVAL ]
  [ "$(rename "$hook/timeout" "$hook/t" 2)" = EINVAL ]
  [ "$(cat "$hook/timeout" "$hook/t" "$hook/u")" = $'10s\n7s\n8s' ]
  [ -z "$(rename "$hook/t" "$hook/v" 1)" ]
  [ "$(cat "$hook/v")" = 7s ]
}

@test 'what it cannot become' {
  local name
  echo x >"$hook/t"
  for name in status test headers pending; do
    [ -n "$(rename "$hook/t" "$hook/$name")" ] || fail "$name"
  done
  denied 'not permitted' mv "$hook/t" "$MNT/hooks/t"
  denied 'not permitted' mv "$hook/t" "$MNT/README"
  [ "$(cat "$hook/t")" = x ]
  # To another hook mv copies.
  mkdir "$MNT/hooks/other"
  echo 7s >"$hook/t"
  mv "$hook/t" "$MNT/hooks/other/timeout"
  [ "$(cat "$MNT/hooks/other/timeout")" = 7s ]
  [ ! -e "$hook/t" ]
  denied 'not permitted' mkdir "$hook/directory"
  denied 'not permitted' mv "$hook/timeout" "$hook/description"
}

@test 'a control file that is put aside is copied and stays' {
  chmod 640 "$hook/url"
  mv "$hook/url" "$hook/url~"
  [ "$(cat "$hook/url" "$hook/url~")" = $'http://127.0.0.1:1/path/\nhttp://127.0.0.1:1/path/' ]
  [ "$(stat -c %a "$hook/url" "$hook/url~")" = $'640\n640' ]
  [ "$(value "$hook/status" state)" = active ]
  echo http://127.0.0.1:1/new >"$hook/url"
  mv "$hook/url~" "$hook/url"
  [ "$(cat "$hook/url")" = http://127.0.0.1:1/path/ ]
  [ ! -e "$hook/url~" ]
  # vim that could not write puts it back, and asks if others have changed it meanwhile.
  touch -d 2001-02-03T04:05:06Z "$hook/url"
  mv "$hook/url" "$hook/url~"
  rm "$hook/url"
  mv "$hook/url~" "$hook/url"
  [ "$(stat -c '%a %Y' "$hook/url")" = '640 981173106' ]
  echo plain >"$hook/headers/X-Plain"
  mv "$hook/headers/X-Plain" "$hook/headers/X-Plain.bak"
  [ "$(stored '.headers | map(.key) | join(" ")')" = X-Plain ]
  # Another header's name is a rename, as ever.
  mv "$hook/headers/X-Plain" "$hook/headers/X-Other"
  [ "$(stored '.headers | map(.key) | join(" ")')" = X-Other ]
}

@test 'a copy of a protected value shows the mask, and gives the value back unseen' {
  local headers=$hook/headers
  (umask 077 && echo 'Token s3cret' >"$headers/X-Mine")
  chmod 600 "$hook/url"
  mv "$headers/X-Mine" "$headers/X-Mine~"
  mv "$hook/url" "$hook/url~"
  [ "$(cat "$headers/X-Mine~")" = '********' ]
  [ "$(stat -c %a "$headers/X-Mine~" "$hook/url~")" = $'600\n600' ]
  [ -z "$(grep path "$hook/url~")" ]
  # The mask itself is no value,
  cp "$headers/X-Mine~" "$headers/.copy"
  denied 'Bad message' mv "$headers/.copy" "$headers/X-Mine"
  denied 'Bad message' mv "$headers/X-Mine~" "$headers/X-Other"
  # but what it stands for comes back: after a change,
  echo other >"$headers/X-Mine"
  [ "$(stored '.headers[0].value')" = other ]
  mv "$headers/X-Mine~" "$headers/X-Mine"
  [ "$(stored '.headers[0] | .value, .protected')" = $'Token s3cret\ntrue' ]
  [ "$(cat "$headers/X-Mine")" = '********' ]
  # after an rm,
  mv "$headers/X-Mine" "$headers/X-Mine~"
  rm "$headers/X-Mine"
  mv "$headers/X-Mine~" "$headers/X-Mine"
  [ "$(stored '.headers[0] | .value, .protected')" = $'Token s3cret\ntrue' ]
  [ "$(stat -c %a "$headers/X-Mine")" = 600 ]
  # and not once somebody has written to the copy.
  mv "$hook/url" "$hook/url~"
  echo >>"$hook/url~"
  denied 'Bad message' mv "$hook/url~" "$hook/url"
  [ "$(stored .url)" = http://127.0.0.1:1/path/ ]
  [ -z "$(grep -rs s3cret "$MNT/errors" "$MNT/log" "$LOG" "$hook")" ]
}

@test 'opening up a copy opens up nothing' {
  echo 'Token s3cret' >"$hook/headers/Authorization"
  mv "$hook/headers/Authorization" "$hook/headers/Authorization~"
  chmod 644 "$hook/headers/Authorization~"
  [ "$(cat "$hook/headers/Authorization~")" = '********' ]
  mv "$hook/headers/Authorization~" "$hook/headers/Authorization"
  [ "$(cat "$hook/headers/Authorization")" = '********' ]
  [ "$(stat -c %a "$hook/headers/Authorization")" = 600 ]
}

@test 'a rename takes the mode of its file, but what is protected by its name stays so' {
  local headers=$hook/headers
  echo value >"$headers/.t" && chmod 600 "$headers/.t"
  mv "$headers/.t" "$headers/X-Plain"
  [ "$(cat "$headers/X-Plain")" = '********' ]
  echo value >"$headers/.t" && chmod 600 "$headers/.t"
  echo plain >"$headers/X-Other"
  mv "$headers/.t" "$headers/X-Other"
  [ "$(cat "$headers/X-Other")" = '********' ]
  echo 'Token s3cret' >"$headers/.t"
  mv "$headers/.t" "$headers/Authorization"
  [ "$(cat "$headers/Authorization")" = '********' ]
  [ "$(stat -c %a "$headers/Authorization")" = 600 ]
  # Nor does an empty one open it up for the next value.
  echo >"$headers/.t"
  mv "$headers/.t" "$headers/Authorization"
  [ "$(stat -c %a "$headers/Authorization")" = 600 ]
  echo whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw >"$hook/t"
  mv "$hook/t" "$hook/secret"
  [ "$(stat -c %a "$hook/secret")" = 600 ]
  [ "$(cat "$hook/secret")" = '********' ]
  [ -z "$(grep s3cret "$MNT/errors")" ]
}

@test 'a text that only its owner may read is quoted nowhere' {
  (umask 077 && echo "s3cret"$'\001' >"$hook/headers/.t")
  echo plain >"$hook/headers/X-Plain"
  denied 'Bad message' mv "$hook/headers/.t" "$hook/headers/X-Plain"
  grep -q 'X-Plain.*EBADMSG' "$MNT/errors"
  [ -z "$(grep s3cret "$MNT/errors")" ]
}

@test 'who may not read a scratch file makes no value of it' {
  need_root
  stop
  start -o allow_other
  open_the_way
  local headers=$hook/headers
  chmod 777 "$hook" "$headers"
  as 7001:7100 bash -c 'umask 077; echo s3cret >"$1/.Authorization.Ab12Cd"' - "$headers"
  denied 'Permission denied' as 7002:7100 mv "$headers/.Authorization.Ab12Cd" "$hook/description"
  denied 'Permission denied' as 7002:7100 mv "$headers/.Authorization.Ab12Cd" "$headers/X-New"
  [ -z "$(grep -s s3cret "$hook/config.json" "$MNT/errors")" ]
  chmod 640 "$headers/.Authorization.Ab12Cd"
  denied 'Permission denied' as 7002:7200 mv "$headers/.Authorization.Ab12Cd" "$hook/description"
  as 7002:7200,7100 mv "$headers/.Authorization.Ab12Cd" "$hook/description"
  [ "$(cat "$hook/description")" = s3cret ]
  # Its own tools do, and root may.
  as 7001:7100 bash -c 'umask 077; echo 7s >"$1/t" && mv "$1/t" "$1/timeout"' - "$hook"
  [ "$(cat "$hook/timeout")" = 7s ]
  as 7001:7100 bash -c 'umask 077; echo 8s >"$1/t"' - "$hook"
  mv "$hook/t" "$hook/timeout"
  [ "$(cat "$hook/timeout")" = 8s ]
}

@test 'among headers only what tools make is scratch' {
  local headers=$hook/headers name
  for name in .X.Ab12Cd X~ '#X#' 4913 X.bak X.swp X.orig X.o1b2c3d; do
    echo value >"$headers/$name"
  done
  mktemp "$headers/headerXXXXXX" >/dev/null
  [ "$(stored '.headers | length')" = 0 ]
  echo value >"$headers/X-Real"
  [ "$(stored '.headers | map(.key) | join(" ")')" = X-Real ]
  [ "$(ls -A "$headers" | wc -l)" -eq 10 ]
  # Who makes one to read and write it, for all to see, is not mkstemp.
  python3 -c 'import sys
with open(sys.argv[1], "x+") as f:
    f.write("Token s3cret\n")' "$headers/Authorization"
  [ "$(cat "$headers/Authorization")" = '********' ]
  [ "$(stored '.headers | map(.key) | join(" ")')" = 'X-Real Authorization' ]
}

@test 'a slip of a name is refused, and says what there is' {
  local name
  for name in uri Url ulr rul urll timeot timeuot TIMEOUT evnet objects enable; do
    denied 'not permitted' touch "$hook/$name" || fail "$name"
  done
  grep -q 'there is timeout' "$MNT/errors"
  echo x >"$hook/t"
  denied 'not permitted' mv "$hook/t" "$hook/uri"
  for name in tmp new url2 url.new xyz tmpurl url~; do
    touch "$hook/$name" || fail "$name"
  done
}

@test 'number and size are limited, and a limit is no obstacle to configuration' {
  local i
  for i in {1..32}; do
    : >"$hook/f$i"
  done
  denied 'No space left' touch "$hook/f33"
  grep -q 'at most 32 scratch files' "$MNT/errors"
  echo 7s >"$hook/timeout"
  mkdir "$MNT/hooks/other"
  : >"$MNT/hooks/other/f"
  rm "$hook/f1"
  denied 'File too large' dd if=/dev/zero of="$hook/f2" bs=1M count=2 status=none
  [ "$(stat -c %s "$hook/f2")" -eq 1048576 ]
  rm -r "$hook" "$MNT/hooks/other"
  [ -z "$(ls "$MNT/hooks")" ]
}

@test 'what nobody uses goes after a while, and what was meant to be a setting is told' {
  stop
  clock 0
  start_with_clock
  echo 'what is this?' >"$hook/notes"
  echo tool >"$hook/.url.swp"
  echo open >"$hook/open"
  exec 5<"$hook/open"
  clock 601
  eventually 10 test ! -e "$hook/notes"
  [ ! -e "$hook/.url.swp" ]
  [ "$(cat "$hook/open")" = open ]
  exec 5<&-
  grep -q ' hooks/h/notes .*ENOENT' "$MNT/errors"
  grep -q 'it was a scratch file, and went unused' "$MNT/errors"
  ! grep -q 'swp\|what is this' "$MNT/errors" || fail "$(cat "$MNT/errors")"
}

@test 'it goes with its hook' {
  echo x >"$hook/f"
  exec 5<"$hook/f"
  rmdir "$hook"
  mkdir "$hook"
  [ ! -e "$hook/f" ]
  exec 5<&-
}

@test 'cp -a, cp -r, mv, install -D and tar make a hook from a template' {
  local name
  echo 15s >"$hook/timeout"
  echo 'for people' >"$hook/description"
  echo plain >"$hook/headers/X-Plain"
  chmod 640 "$hook/timeout"
  cp -a "$hook" "$HERE/template"
  cp -a "$HERE/template" "$MNT/hooks/archived"
  cp -r "$hook" "$MNT/hooks/copied"
  cp -a "$HERE/template" "$HERE/moved"
  mv "$HERE/moved" "$MNT/hooks/"
  mkdir "$MNT/hooks/extracted"
  tar -C "$HERE/template" --exclude status --exclude test -c . | tar -C "$MNT/hooks/extracted" -x
  install -D -m 644 "$HERE/template/config.json" "$MNT/hooks/installed/config.json"
  for name in archived copied moved extracted installed; do
    [ "$(value "$MNT/hooks/$name/status" state)" = active ] || fail "$name"
    [ "$(cd "$MNT/hooks/$name" && cat url event object timeout description headers/X-Plain)" = \
      "$(cd "$hook" && cat url event object timeout description headers/X-Plain)" ] || fail "$name"
  done
  for name in archived moved; do
    [ "$(stat -c %a "$MNT/hooks/$name/timeout")" = 640 ] || fail "$name"
  done
  # It was no test, and nothing was written to the template.
  [ "$(cat "$MNT/hooks/archived/test")" = "$(cat "$hook/test")" ]
  if type -p rsync; then
    rsync -a --exclude status --exclude test "$HERE/template/" "$MNT/hooks/synced/"
    [ "$(value "$MNT/hooks/synced/status" state)" = active ]
    rsync -a --inplace --exclude status --exclude test "$HERE/template/" "$MNT/hooks/inplace/"
    [ "$(value "$MNT/hooks/inplace/status" state)" = active ]
    rsync -a --delete --exclude status --exclude test "$HERE/template/" "$MNT/hooks/deleted/"
    [ "$(value "$MNT/hooks/deleted/status" state)" = active ]
  fi
}

@test 'a copy of a hook lacks what is protected, and says so' {
  echo 'Token s3cret' >"$hook/headers/Authorization"
  echo plain >"$hook/headers/X-Plain"
  denied 'Invalid argument' cp -a "$hook" "$MNT/hooks/copy"
  [ "$(cat "$MNT/hooks/copy/headers/X-Plain")" = plain ]
  [ "$(jq -r '.headers[] | select(.key == "Authorization") | .value // ""' "$STATE/hooks/copy.json")" = '' ]
  [ -z "$(grep -F '********' "$STATE/hooks/copy.json")" ]
}

@test 'who only makes a hook sees all of it at once' {
  python3 -c 'import os, sys
for check in (False, True):
    hook = sys.argv[1] + "/" + str(check)
    if check and os.path.exists(hook):
        sys.exit(1)
    os.mkdir(hook)
    open(hook + "/status").read()
    os.stat(hook + "/url")
    fd = os.open(hook + "/timeout", os.O_WRONLY)
    os.write(fd, b"7s\n")
    os.close(fd)' "$MNT/hooks"
  [ "$(cat "$MNT/hooks/True/timeout")" = 7s ]
}

@test 'who has removed a file does not find it in a list' {
  python3 -c 'import os, sys
os.unlink(sys.argv[1] + "/timeout")
print(*os.listdir(sys.argv[1]), sep="\n")' "$hook" >"$HERE/list"
  ! grep -qx timeout "$HERE/list" || fail 'it is there'
  grep -qx url "$HERE/list"
  ls "$hook" | grep -qx timeout
}

@test 'git checks hooks out, and its own directory stays outside' {
  need git
  local git=(git --git-dir="$HERE/git" --work-tree="$MNT/hooks" -c user.name=n -c user.email=e)
  git init -q --bare "$HERE/git"
  mkdir "$HERE/tree"
  cp -a "$hook" "$HERE/tree/h"
  (cd "$HERE/tree/h" && rm -r status test pending delivered failed config.json)
  git --git-dir="$HERE/git" --work-tree="$HERE/tree" -c user.name=n -c user.email=e add -f .
  "${git[@]}" commit -qm one
  rm -r "$hook"
  "${git[@]}" checkout -qf HEAD -- .
  [ "$(value "$hook/status" state)" = active ]
  echo 7s >"$HERE/tree/h/timeout"
  git --git-dir="$HERE/git" --work-tree="$HERE/tree" add -f .
  "${git[@]}" commit -qm two
  "${git[@]}" checkout -qf HEAD -- .
  [ "$(cat "$hook/timeout")" = 7s ]
  [ "$(cat "$hook/url")" = http://127.0.0.1:1/path/ ]
  denied '' git init -q "$MNT/hooks"
  [ "$(ls -A "$MNT/hooks")" = h ]
}

@test 'vim that cannot write a protected file leaves what was there' {
  need vim
  echo 'Token s3cret' >"$hook/headers/Authorization"
  printf 'no\001value\n' >"$HERE/bad"
  local how
  for how in backupcopy=no backupcopy=yes nowritebackup; do
    run vim -es -u NONE -N --cmd 'set backup backupskip=' --cmd "set $how" -c "%!cat $HERE/bad" \
      -c wq -c cquit "$hook/headers/Authorization"
    [ "$status" -ne 0 ]
    [ "$(stored '.headers[] | [.key, .value, .protected] | join(" ")')" = \
      'Authorization Token s3cret true' ] || fail "$how: $(stored .headers)"
  done
}
