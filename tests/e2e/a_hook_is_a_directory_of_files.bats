#!/usr/bin/env bats
# The tree: what is in it, what can be made, renamed and removed, and what stays over a restart.
# shellcheck disable=SC2030,SC2031,SC2012 # every test is a subshell; ls is tried here too
load ../lib/common
load ../lib/users

# lists DIRECTORY: NAME TYPE MODE of what is in it.
lists() {
  find "$1" -mindepth 1 -maxdepth 1 -printf '%f %y %m\n'
}

# in_readme SECTION…: the names that the sections of README with these first words list.
in_readme() {
  awk -v sections="$*" '
    /^[^ ].*:$/ { wanted = 0; n = split(sections, s, "|")
                  for (i = 1; i <= n; i++) wanted += index($0, s[i]) == 1 }
    /^$/ { wanted = 0 }
    wanted && /^  [^ ]/ { print $1 }' "$MNT/README" | sort
}

# The attributes and contents of everything in hooks/ that a restart must keep.
settings() {
  find "$MNT/hooks" -printf '%P %y %m %U %G %i\n' | sort
  find "$MNT/hooks" -type f ! -path '*/headers/A*' -exec grep -H '' {} + | sort
}

# some_hook NAME: one with a value in many files.
some_hook() {
  make_hook "$1" http://127.0.0.1:1/path failed 'deployment/fraud-*/v1'
  put paused "$MNT/hooks/$1/enabled"
  put 'for people' "$MNT/hooks/$1/description"
  printf 'team:fraud\nstage:live\n' >"$MNT/hooks/$1/labels"
  put 15s "$MNT/hooks/$1/timeout"
  put plain "$MNT/hooks/$1/headers/X-Plain"
  put hidden "$MNT/hooks/$1/headers/Authorization"
}

# pend NAME: one delivery waits for the paused hook.
pend() {
  put 'deployment/fraud-1/v1 failed' "$MNT/events"
  [ "$(value "$MNT/hooks/$1/status" pending)" -eq 1 ]
}

# The newest entry of errors.
last_error() {
  awk '/^[^ ]/ { entry = "" } { entry = entry $0 "\n" } END { printf "%s", entry }' "$MNT/errors"
}

# explained WORDS FILE: the newest refusal was about this file, and its sentence has the words.
explained() {
  [[ $(last_error) == *" $2 "*"$1"* ]] || fail "errors: $(last_error)"
}

@test 'everything of the root is there with its type and mode' {
  local line pipe='events.fifo p 200'
  [ "$EUID" -eq 0 ] || pipe='events.fifo l 777'
  for line in 'README f 444' 'events f 200' "$pipe" 'log f 400' 'errors f 400' 'status f 444' \
    'hooks d 755'; do
    lists "$MNT" | grep -qx "$line" || fail "no $line in" "$(lists "$MNT")"
  done
}

@test 'everything of a hook is there with its type and mode' {
  local line
  mkdir "$MNT/hooks/h"
  for line in 'url f 644' 'event f 644' 'object f 644' 'enabled f 644' 'description f 644' \
    'labels f 644' 'include_result f 644' 'timeout f 644' 'headers d 755' 'tls d 755' 'test f 600' \
    'status f 444'; do
    lists "$MNT/hooks/h" | grep -qx "$line" || fail "no $line in" "$(lists "$MNT/hooks/h")"
  done
  [ "$(lists "$MNT/hooks/h/tls")" = $'ca f 644\ncert f 644\nkey f 600' ]
  [ -f "$MNT/hooks/h/config.json" ]
  [ -z "$(ls -A "$MNT/hooks/h/headers")" ]
}

@test 'README names every file, and every file that it names is there' {
  mkdir "$MNT/hooks/h"
  [ "$(in_readme Here)" = "$(ls "$MNT" | sort)" ] || fail "$(in_readme Here)"
  [ "$(in_readme 'In hooks/NAME')" = "$(find "$MNT/hooks/h" -mindepth 1 -printf '%P\n' | sort)" ] ||
    fail "$(in_readme 'In hooks/NAME')"
}

@test 'a new hook is incomplete, says what it lacks, and is active when it has it' {
  local status=$MNT/hooks/h/status
  mkdir "$MNT/hooks/h"
  [ "$(value "$status" state)" = incomplete ]
  [ "$(value "$status" missing)" = 'url event object' ]
  put http://127.0.0.1:1/ "$MNT/hooks/h/url"
  put deployment/m "$MNT/hooks/h/object"
  [ "$(value "$status" missing)" = event ]
  put failed "$MNT/hooks/h/event"
  [ "$(value "$status" state)" = active ]
  [ "$(value "$status" missing)" = none ]
  put paused "$MNT/hooks/h/enabled"
  [ "$(value "$status" state)" = paused ]
  put 0 "$MNT/hooks/h/enabled"
  [ "$(value "$status" state)" = disabled ]
  rm "$MNT/hooks/h/enabled" "$MNT/hooks/h/url"
  [ "$(value "$status" state)" = incomplete ]
  [ "$(value "$status" missing)" = url ]
}

@test 'config.json shows what the files show' {
  some_hook h
  [ "$(jq -r .name "$MNT/hooks/h/config.json")" = h ]
  [ "$(jq -r .url "$MNT/hooks/h/config.json")" = http://127.0.0.1:1/path ]
  [ "$(jq -r .event "$MNT/hooks/h/config.json")" = deployment_request_failed ]
  [ "$(jq -c '[.object_type, .object_name, .version]' "$MNT/hooks/h/config.json")" = \
    '["deployment","fraud-*","v1"]' ]
  [ "$(jq -r .enabled "$MNT/hooks/h/config.json")" = paused ]
  [ "$(jq -r .timeout "$MNT/hooks/h/config.json")" = 15 ]
  [ "$(jq -c .labels "$MNT/hooks/h/config.json")" = '{"team":"fraud","stage":"live"}' ]
  [ "$(jq -r '.headers[] | select(.key == "X-Plain").value' "$MNT/hooks/h/config.json")" = plain ]
}

@test 'names of hooks are up to 64 bytes of UTF-8' {
  local name long
  printf -v long '%064d' 0
  for name in a "$long" fraud_eu.v2 'café' a:b 'a@b' '~x' a-; do
    mkdir -- "$MNT/hooks/$name" || fail "$name"
    [ -f "$MNT/hooks/$name/url" ]
    rmdir -- "$MNT/hooks/$name"
  done
}

@test 'bad names are refused with a sentence, by mkdir and by mv' {
  local name words long
  printf -v long '%065d' 0
  mkdir "$MNT/hooks/good"
  while IFS='|' read -r name words; do
    printf -v name %b "$name"
    denied "$words" mkdir -- "$MNT/hooks/$name"
    [[ $(tail -n 1 "$MNT/errors") == *"a hook's name"* ]] || fail "$(cat "$MNT/errors")"
    denied '' mv -T -- "$MNT/hooks/good" "$MNT/hooks/$name"
    [ "$(ls -A "$MNT/hooks")" = good ] || fail "$name"
  done <<END
.hidden|Invalid argument
-dash|Invalid argument
a b|Invalid argument
 a|Invalid argument
a\\tb|Invalid argument
a\\nb|Invalid argument
a\\x01b|Invalid argument
a\\x7fb|Invalid argument
a\\xc2\\x85b|Invalid argument
a\\xffb|Invalid argument
$long|too long
END
}

@test 'a name in errors is one line of plain characters, whatever somebody put into it' {
  denied '' mkdir "$MNT/hooks/"$'a\n2026-01-01T00:00:00.000Z events uid=0 pid=1 EINVAL\e[2J'
  [ "$(grep -c '^[^ ]' "$MNT/errors")" -eq 1 ] || fail "$(cat "$MNT/errors")"
  [ -z "$(tr -d '\n[:print:]' <"$MNT/errors")" ]
}

@test 'a name that a hook has is not given twice' {
  some_hook a
  mkdir "$MNT/hooks/b"
  denied exists mkdir "$MNT/hooks/a"
  denied 'not empty' mv -T "$MNT/hooks/b" "$MNT/hooks/a"
  denied 'not permitted' mv "$MNT/hooks/b" "$MNT/hooks/a"
  [ "$(cat "$MNT/hooks/a/timeout")" = 15s ]
  [ -d "$MNT/hooks/b" ]
}

@test 'a renamed hook keeps settings, counters, deliveries and inode numbers' {
  local before
  some_hook old
  pend old
  chmod 600 "$MNT/hooks/old/timeout"
  before=$(cd "$MNT/hooks/old" && find . -printf '%P %i %m\n' | sort && cat timeout labels status)
  mv "$MNT/hooks/old" "$MNT/hooks/new"
  [ ! -e "$MNT/hooks/old" ]
  [ "$(cd "$MNT/hooks/new" && find . -printf '%P %i %m\n' | sort && cat timeout labels status)" = \
    "$before" ]
  [ "$(jq -r .name "$MNT/hooks/new/config.json")" = new ]
  [ "$(value "$MNT/status" pending)" -eq 1 ]
  mkdir "$MNT/hooks/old"
  stop
  start
  [ "$(cat "$MNT/hooks/new/timeout")" = 15s ]
  [ "$(value "$MNT/hooks/new/status" pending)" -eq 1 ]
  [ "$(value "$MNT/hooks/old/status" pending)" -eq 0 ]
}

@test 'a delivery that waits goes out after its hook was renamed' {
  start_sink
  make_hook old "$SINK_URL/x" failed deployment/m
  put paused "$MNT/hooks/old/enabled"
  put 'deployment/m failed' "$MNT/events"
  mv "$MNT/hooks/old" "$MNT/hooks/new"
  put 1 "$MNT/hooks/new/enabled"
  requests 1
  eventually 10 grep -qx 'delivered 1' "$MNT/hooks/new/status"
}

@test 'rmdir removes a hook, and a new one of its name starts afresh' {
  local inode
  make_hook h http://127.0.0.1:1/ failed deployment/m
  put 15s "$MNT/hooks/h/timeout"
  inode=$(stat -c %i "$MNT/hooks/h")
  rmdir "$MNT/hooks/h"
  [ ! -e "$MNT/hooks/h" ]
  [ ! -e "$STATE/hooks/h.json" ]
  mkdir "$MNT/hooks/h"
  [ "$(cat "$MNT/hooks/h/timeout")" = 10s ]
  [ "$(stat -c %i "$MNT/hooks/h")" -ne "$inode" ]
}

@test 'rmdir refuses a hook with headers, and rm -r removes it' {
  some_hook h
  denied 'not empty' rmdir "$MNT/hooks/h"
  [ "$(cat "$MNT/hooks/h/timeout")" = 15s ]
  rm -r "$MNT/hooks/h"
  [ -z "$(ls -A "$MNT/hooks")" ]
}

@test 'rmdir refuses a hook with pending deliveries, and rm -r drops them and logs it' {
  make_hook h http://127.0.0.1:1/ failed 'deployment/*'
  put paused "$MNT/hooks/h/enabled"
  pend h
  denied busy rmdir "$MNT/hooks/h"
  explained 'rm -r' hooks/h
  [ "$(value "$MNT/hooks/h/status" pending)" -eq 1 ]
  rm -r "$MNT/hooks/h"
  [ ! -e "$MNT/hooks/h" ]
  [ "$(value "$MNT/status" pending)" -eq 0 ]
  [ "$(value "$MNT/status" backlog_bytes)" -eq 0 ]
  [ "$(jq -c 'select(.outcome == "dropped") | [.hook, .deliveries]' "$MNT/log")" = '["h",1]' ]
}

@test 'inode numbers are unique, and the same after a restart' {
  local before
  some_hook a
  some_hook b
  [ -z "$(find "$MNT" -printf '%i\n' | sort | uniq -d)" ] || fail "$(find "$MNT" -printf '%i %P\n')"
  # readdir and stat agree
  [ -z "$(ls -i1 "$MNT/hooks/a" | while read -r inode name; do
    [ "$(stat -c %i "$MNT/hooks/a/$name")" = "$inode" ] || echo "$name"
  done)" ]
  before=$(find "$MNT" -printf '%i %P\n' | sort)
  stop
  start
  [ "$(find "$MNT" -printf '%i %P\n' | sort)" = "$before" ]
}

@test 'sizes are what reading gives' {
  local file checked=0
  some_hook h
  pend h
  run put nonsense "$MNT/hooks/h/event"
  mkdir "$MNT/hooks/other"
  rm -r "$MNT/hooks/h/headers/X-Plain" "$MNT/hooks/other"
  while read -r file; do
    [ "$(stat -c %s "$file")" -eq "$(wc -c < <(cat "$file"))" ] || fail "$file"
    checked=$((checked + 1))
  done < <(find "$MNT" -type f ! -name events)
  [ $checked -gt 15 ]
  [ "$(stat -c %s "$MNT/errors")" -gt 0 ]
}

@test 'a change shows at once in size and content, also through an open directory' {
  local file=$MNT/hooks/h/description i
  mkdir "$MNT/hooks/h"
  cd "$MNT/hooks/h"
  for i in a bb ccc; do
    put $i description
    [ "$(stat -c %s "$file")" -eq $((${#i} + 1)) ]
    [ "$(cat "$file")" = $i ]
  done
  cd "$HERE"
}

@test 'cat, grep -r, cp -r, tar and rsync of the hooks work and agree' {
  local copy=$HERE/copy
  some_hook h
  [ "$(cat "$MNT/hooks/h/"{url,timeout})" = $'http://127.0.0.1:1/path\n15s' ]
  [ "$(cd "$MNT" && grep -rl 'for people' hooks | sort)" = \
    $'hooks/h/config.json\nhooks/h/description' ]
  cp -r "$MNT/hooks" "$copy.cp"
  mkdir "$copy.tar"
  tar -C "$MNT" -c hooks | tar -C "$copy.tar" -x
  diff -r "$MNT/hooks" "$copy.cp"
  diff -r "$MNT/hooks" "$copy.tar/hooks"
  if type -p rsync; then
    rsync -a "$MNT/hooks" "$copy.rsync"
    diff -r "$MNT/hooks" "$copy.rsync/hooks"
  fi
}

@test 'grep -r, cp -r and tar of the whole mount pass by the named pipe' {
  some_hook h
  run timeout 20 grep -rl 'for people' "$MNT"
  [ "$status" -ne 124 ]
  [[ $output == *hooks/h/description* ]]
  run timeout 20 cp -r "$MNT" "$HERE/copy"
  [ "$status" -ne 124 ]
  diff "$MNT/hooks/h/config.json" "$HERE/copy/hooks/h/config.json"
  run timeout 20 tar -C "$MNT" -cf "$HERE/all.tar" .
  [ "$status" -ne 124 ]
  tar -tf "$HERE/all.tar" | grep -qx ./hooks/h/url
}

@test 'a write moves the time of its own file and of no other setting' {
  times() {
    find "$MNT/hooks/h" -type f ! -name config.json ! -name status ! -name test -printf '%P %T@\n' |
      sort
  }
  some_hook h
  times >"$HERE/before"
  sleep 0.02
  put 5s "$MNT/hooks/h/timeout"
  times >"$HERE/after"
  [ "$(diff "$HERE/before" "$HERE/after" | sed -n 's/^> \([^ ]*\) .*/\1/p')" = timeout ]
  sleep 0.02
  put new "$MNT/hooks/h/headers/X-Plain"
  times >"$HERE/before"
  [ "$(diff "$HERE/after" "$HERE/before" | sed -n 's/^> \([^ ]*\) .*/\1/p')" = headers/X-Plain ]
  [ "$MNT/hooks/h/config.json" -nt "$MNT/hooks/h/timeout" ]
}

@test 'a refused write moves no time' {
  some_hook h
  before=$(find "$MNT/hooks/h" -printf '%P %T@\n')
  sleep 0.02
  denied 'Invalid argument' put nonsense "$MNT/hooks/h/timeout"
  diff <(echo "$before") <(find "$MNT/hooks/h" -printf '%P %T@\n')
}

@test 'configuration and modes survive a restart' {
  local before
  some_hook a
  some_hook b
  chmod 700 "$MNT/hooks/b"
  chmod 640 "$MNT/hooks/a/timeout"
  chmod 400 "$MNT/hooks/a/description"
  chmod 750 "$MNT/hooks/a/headers"
  chmod 664 "$MNT/hooks/a/headers/X-Plain"
  before=$(settings)
  stop
  start
  [ "$(settings)" = "$before" ] || diff <(echo "$before") <(settings)
  [ "$(stat -c %a "$MNT/hooks/a/timeout")" = 640 ]
}

@test 'owners survive a restart' {
  need_root
  some_hook a
  mkdir "$MNT/hooks/b"
  chown 65534:12 "$MNT/hooks/b"
  chown 65534 "$MNT/hooks/a/timeout"
  chgrp 12 "$MNT/hooks/a/headers/X-Plain"
  before=$(settings)
  stop
  start
  [ "$(settings)" = "$before" ] || diff <(echo "$before") <(settings)
  [ "$(stat -c %u "$MNT/hooks/a/timeout")" = 65534 ]
  [ "$(stat -c %u:%g "$MNT/hooks/b")" = 65534:12 ]
}

@test 'a header is a file that can be made, written, read, renamed and removed' {
  local headers=$MNT/hooks/h/headers
  mkdir "$MNT/hooks/h"
  : >"$headers/X-Empty"
  [ "$(stat -c %s "$headers/X-Empty")" -eq 0 ]
  put one "$headers/X-One"
  [ "$(cat "$headers/X-One")" = one ]
  [ "$(stat -c '%F %a' "$headers/X-One")" = 'regular file 644' ]
  # names of headers compare without case
  [ "$(cat "$headers/x-one")" = one ]
  put two "$headers/x-ONE"
  [ "$(ls "$headers")" = $'X-Empty\nX-One' ]
  [ "$(cat "$headers/X-One")" = two ]
  mv "$headers/X-One" "$headers/X-Two"
  [ "$(cat "$headers/X-Two")" = two ]
  [ ! -e "$headers/X-One" ]
  rm "$headers/X-Two" "$headers/X-Empty"
  [ -z "$(ls -A "$headers")" ]
}

@test 'names that are no header, or owned by the sender, are refused with a sentence' {
  local name
  mkdir "$MNT/hooks/h"
  for name in 'X Y' X:Y 'X(Y' X/Y é 'X,Y' Host content-length Transfer-Encoding CONNECTION webhook-id; do
    denied '' put value "$MNT/hooks/h/headers/$name"
    [ -z "$(ls -A "$MNT/hooks/h/headers")" ] || fail "$name"
  done
  explained 'sender sets' hooks/h/headers/webhook-id
  denied 'not permitted' put value "$MNT/hooks/h/headers/Host"
  denied 'Invalid argument' put value "$MNT/hooks/h/headers/X Y"
  denied 'too long' put value "$MNT/hooks/h/headers/$(printf 'X%0128d' 0)"
}

@test 'a file of another name is refused in a hook, with a sentence' {
  mkdir "$MNT/hooks/h"
  denied 'not permitted' put value "$MNT/hooks/h/uri"
  explained 'no file of this name' hooks/h/uri
  denied 'not permitted' touch "$MNT/hooks/file"
  explained 'headers/' hooks/file
  denied 'not permitted' touch "$MNT/file"
  [ ! -e "$MNT/hooks/h/uri" ]
}

@test 'links, devices, pipes and directories elsewhere are refused' {
  local where
  mkdir "$MNT/hooks/h"
  for where in "$MNT" "$MNT/hooks" "$MNT/hooks/h" "$MNT/hooks/h/headers"; do
    denied '' ln "$MNT/README" "$where/x"
    denied '' ln -s "$MNT/README" "$where/x"
    denied '' mkfifo "$where/x"
    [ "$where" = "$MNT/hooks" ] || denied 'not permitted' mkdir "$where/x"
    [ ! -e "$where/x" ]
  done
  explained 'hooks/ only' hooks/h/headers/x
}

@test 'what belongs to the mount stays' {
  local name before
  mkdir "$MNT/hooks/h"
  before=$(ls "$MNT")
  for name in README events events.fifo log errors status; do
    denied 'not permitted' rm -f "$MNT/$name"
    denied '' mv "$MNT/$name" "$MNT/other"
    [ -e "$MNT/$name" ]
  done
  denied 'not permitted' rmdir "$MNT/hooks"
  denied '' mv "$MNT/hooks" "$MNT/other"
  denied '' mv -T "$MNT/hooks/h" "$MNT/h"
  denied '' mv "$MNT/hooks/h/url" "$MNT/hooks/h/event"
  denied '' mv "$MNT/hooks/h/status" "$MNT/hooks/h/other"
  diff <(echo "$before") <(ls "$MNT")
}

@test 'files that only tell something cannot be written, by root either' {
  local file
  mkdir "$MNT/hooks/h"
  for file in README log errors status hooks/h/status; do
    denied denied put text "$MNT/$file"
    denied denied tee -a "$MNT/$file" <<<text
  done
  denied denied cat "$MNT/events"
}

@test 'a hook that is used elsewhere cannot be moved out of the mount, but its files can be copied' {
  some_hook a
  mkdir "$MNT/hooks/b"
  cp "$MNT/hooks/a/"{url,event,object,timeout,labels} "$MNT/hooks/b/"
  cp "$MNT/hooks/a/headers/X-Plain" "$MNT/hooks/b/headers/"
  [ "$(value "$MNT/hooks/b/status" state)" = active ]
  [ "$(cat "$MNT/hooks/b/labels")" = $'team:fraud\nstage:live' ]
  [ "$(cat "$MNT/hooks/b/headers/X-Plain")" = plain ]
}

@test 'many hooks are listed once each' {
  local i
  for ((i = 0; i < 100; i++)); do
    mkdir "$MNT/hooks/hook-$i"
  done
  [ "$(ls "$MNT/hooks" | sort -u | wc -l)" -eq 100 ]
  [ "$(ls "$MNT/hooks" | wc -l)" -eq 100 ]
  [ "$(value "$MNT/status" hooks)" -eq 100 ]
  rm -r "$MNT/hooks/hook-"*5
  [ "$(ls "$MNT/hooks" | wc -l)" -eq 90 ]
}

@test 'a program that fills a hook and opens its directory for writing is told what it is' {
  python3 - "$MNT/hooks" <<'PY'
import errno, os, sys

for name in ("failed", "pending", "headers", "tls"):
    for flags, error in ((os.O_WRONLY, errno.EISDIR), (os.O_RDWR | os.O_TRUNC, errno.EISDIR),
                         (os.O_WRONLY | os.O_EXCL, errno.EEXIST)):
        hook = f"{sys.argv[1]}/{name}-{flags}"
        # As cp -a does: to such a program the hook is empty until it has filled it.
        assert not os.path.exists(hook)
        os.mkdir(hook)
        os.stat(hook)
        assert not os.path.exists(f"{hook}/{name}")
        try:
            os.open(f"{hook}/{name}", flags | os.O_CREAT, 0o644)
            sys.exit(f"{name} was opened with {flags}")
        except OSError as e:
            assert e.errno == error, f"{name}, flags {flags}: {e}"
PY
}
