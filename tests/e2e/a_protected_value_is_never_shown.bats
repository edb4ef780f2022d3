#!/usr/bin/env bats
# Protected values: a file that neither group nor others may read shows a mask for ever, its value is
# on the wire and in hooks/NAME.json, and nowhere else.
# shellcheck disable=SC2030,SC2031,SC2016 # every test is a subshell; code for other shells
load ../lib/common
load ../lib/users

MASK='********'
SECRET=Sesame-open-4711

# a_hook URL: complete, named h; its headers are in $HEADERS.
a_hook() {
  make_hook h "$1" failed 'deployment/*'
  HEADERS=$MNT/hooks/h/headers
}

setup() {
  prepare
  start
  a_hook http://127.0.0.1:1/
}

# masked FILE…
masked() {
  local file
  for file; do
    [ "$(cat "$file")" = "$MASK" ] || fail "$file shows $(cat "$file")" || return
    [ "$(stat -c %a "$file")" = 600 ] || fail "$file has mode $(stat -c %a "$file")" || return
  done
}

# stored NAME: the value of a header as the daemon keeps it.
stored() {
  jq -r --arg name "$1" '.headers[] | select(.key == $name).value' "$STATE/hooks/h.json"
}

# nowhere TEXT: not in the tree, not in the state directory but for the hook's own file, not in what
# the daemon said, nor in what others can know of its process.
nowhere() {
  local found
  found=$({
    grep -raF -- "$1" "$MNT" 2>/dev/null
    find "$STATE" -type f ! -path "$STATE/hooks/*" -exec grep -aF -- "$1" {} +
    grep -F -- "$1" "$LOG"
    for file in cmdline environ comm; do
      tr '\0' '\n' <"/proc/$DAEMON/$file" | grep -F -- "$1"
    done
  } || :)
  [ -z "$found" ] || fail "$1 is shown: $found"
}

@test 'headers that authorize are born protected' {
  local name
  for name in Authorization Proxy-Authorization Cookie X-Api-Key api-key X-Auth-Token authorization-2 \
    X-Amz-Security-Token X-Client-Secret X-Password; do
    echo "$SECRET" >"$HEADERS/$name"
    masked "$HEADERS/$name"
    [ "$(stored "$name")" = "$SECRET" ]
  done
  nowhere "$SECRET"
}

@test 'a header made with umask 077 is protected, one with 022 or 027 is not' {
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  masked "$HEADERS/X-Mine"
  (umask 022 && echo public >"$HEADERS/X-Public")
  [ "$(cat "$HEADERS/X-Public")" = public ]
  (umask 027 && echo group >"$HEADERS/X-Group")
  [ "$(cat "$HEADERS/X-Group")" = group ]
  nowhere "$SECRET"
}

@test 'install -m 600, mv, cp -a and tar of a private file protect as well' {
  local tool
  mkdir "$HERE/new"
  for tool in 'install -m 600' mv 'cp -a' 'cp -p --remove-destination'; do
    (umask 077 && echo "$SECRET" >"$HERE/new/X-Mine")
    # word splitting is the point
    # shellcheck disable=SC2086
    $tool "$HERE/new/X-Mine" "$HEADERS/X-Mine"
    masked "$HEADERS/X-Mine" || fail "$tool"
    [ "$(stored X-Mine)" = "$SECRET" ] || fail "$tool"
    rm "$HEADERS/X-Mine"
  done
  (umask 077 && echo "$SECRET" >"$HERE/new/X-Mine")
  tar -C "$HERE/new" -c X-Mine | tar -C "$HEADERS" -x
  masked "$HEADERS/X-Mine"
  nowhere "$SECRET"
}

@test 'chmod masks at once, whatever it leaves to the owner' {
  local mode
  for mode in 600 400 700 go-r; do
    echo "$SECRET" >"$HEADERS/X-Mine"
    [ "$(cat "$HEADERS/X-Mine")" = "$SECRET" ]
    chmod "$mode" "$HEADERS/X-Mine"
    [ "$(cat "$HEADERS/X-Mine")" = "$MASK" ] || fail "$mode"
    [ "$(stat -c %s "$HEADERS/X-Mine")" -eq 9 ]
    [ "$(jq -c '.headers[0]' "$MNT/hooks/h/config.json")" = \
      '{"key":"X-Mine","value":null,"protected":true}' ]
    rm "$HEADERS/X-Mine"
  done
  nowhere "$SECRET"
}

@test 'a file that only others lose is not protected' {
  echo public >"$HEADERS/X-Public"
  chmod 640 "$HEADERS/X-Public"
  [ "$(cat "$HEADERS/X-Public")" = public ]
  chmod 644 "$HEADERS/X-Public"
  [ "$(cat "$HEADERS/X-Public")" = public ]
}

@test 'protection is one way while there is a value' {
  local mode
  echo "$SECRET" >"$HEADERS/X-Mine"
  chmod 600 "$HEADERS/X-Mine"
  for mode in 644 640 604 g+r o+r 666; do
    denied 'not permitted' chmod "$mode" "$HEADERS/X-Mine"
    masked "$HEADERS/X-Mine"
  done
  tail -n 1 "$MNT/errors" | grep -q 'remove it'
  chmod 400 "$HEADERS/X-Mine"
  [ "$(cat "$HEADERS/X-Mine")" = "$MASK" ]
  stop
  start
  denied 'not permitted' chmod 644 "$HEADERS/X-Mine"
  [ "$(cat "$HEADERS/X-Mine")" = "$MASK" ]
  [ "$(stored X-Mine)" = "$SECRET" ]
  nowhere "$SECRET"
}

@test 'a born protected header is not opened by its maker either' {
  mkdir "$HERE/new"
  echo "$SECRET" >"$HERE/new/Authorization"
  run install -m 644 "$HERE/new/Authorization" "$HEADERS/Authorization"
  [ ! -e "$HEADERS/Authorization" ] || [ "$(cat "$HEADERS/Authorization")" = "$MASK" ]
  run mv "$HERE/new/Authorization" "$HEADERS/Authorization"
  [ ! -e "$HEADERS/Authorization" ] || [ "$(cat "$HEADERS/Authorization")" = "$MASK" ]
  (umask 022 && echo "$SECRET" >"$HEADERS/Authorization")
  denied 'not permitted' chmod 644 "$HEADERS/Authorization"
  nowhere "$SECRET"
}

@test 'a born protected header is not opened while it is empty, but by its word in config.json' {
  touch "$HEADERS/Authorization"
  denied 'not permitted' chmod 644 "$HEADERS/Authorization"
  grep -qF 'protected by its name' "$MNT/errors"
  echo "$SECRET" >"$HEADERS/Authorization"
  masked "$HEADERS/Authorization"
  nowhere "$SECRET"
  echo '{"headers": [{"key": "Cookie", "value": "consent=1", "protected": false}]}' >"$MNT/hooks/h/config.json"
  [ "$(cat "$HEADERS/Cookie")" = consent=1 ]
  chmod 640 "$HEADERS/Cookie"
  chmod 600 "$HEADERS/Cookie"
  masked "$HEADERS/Cookie"
  denied 'not permitted' chmod 644 "$HEADERS/Cookie"
}

@test 'a header gets another spelling over a third name, with its protected value' {
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  mv "$HEADERS/X-Mine" "$HEADERS/X-Third"
  mv "$HEADERS/X-Third" "$HEADERS/x-mine"
  [ "$(ls "$HEADERS")" = x-mine ]
  masked "$HEADERS/x-mine"
  [ "$(stored x-mine)" = "$SECRET" ]
}

@test 'rm starts afresh' {
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  rm "$HEADERS/X-Mine"
  [ ! -e "$HEADERS/X-Mine" ]
  grep -qF "$SECRET" "$STATE/hooks/h.json" && fail 'it is still stored'
  echo public >"$HEADERS/X-Mine"
  [ "$(cat "$HEADERS/X-Mine")" = public ]
  [ "$(stat -c %a "$HEADERS/X-Mine")" = 644 ]
  echo "$SECRET" >"$HEADERS/Cookie"
  rm "$HEADERS/Cookie"
  echo "$SECRET" >"$HEADERS/Cookie"
  masked "$HEADERS/Cookie"
}

@test 'without a value the file can be opened up again' {
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  echo >"$HEADERS/X-Mine"
  [ -z "$(cat "$HEADERS/X-Mine")" ]
  chmod 644 "$HEADERS/X-Mine"
  echo public >"$HEADERS/X-Mine"
  [ "$(cat "$HEADERS/X-Mine")" = public ]
  nowhere "$SECRET"
}

@test 'a protected value can be written anew, and stays protected' {
  (umask 077 && echo first >"$HEADERS/X-Mine")
  echo "$SECRET" >"$HEADERS/X-Mine"
  masked "$HEADERS/X-Mine"
  [ "$(stored X-Mine)" = "$SECRET" ]
  echo "$SECRET" | tee -a "$HEADERS/X-Mine"
  masked "$HEADERS/X-Mine"
  nowhere "$SECRET"
}

@test 'a renamed header or hook stays protected' {
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  mv "$HEADERS/X-Mine" "$HEADERS/X-Yours"
  masked "$HEADERS/X-Yours"
  denied 'not permitted' chmod 644 "$HEADERS/X-Yours"
  echo public >"$HEADERS/X-Public"
  mv "$HEADERS/X-Yours" "$HEADERS/X-Public"
  [ "$(cat "$HEADERS/X-Public")" = "$MASK" ]
  echo public >"$HEADERS/X-Plain"
  mv "$HEADERS/X-Plain" "$HEADERS/Authorization"
  masked "$HEADERS/Authorization"
  mv "$MNT/hooks/h" "$MNT/hooks/g"
  masked "$MNT/hooks/g/headers/Authorization"
  nowhere "$SECRET"
  mv "$MNT/hooks/g" "$MNT/hooks/h"
}

@test 'the mask is refused as a value' {
  local file
  echo "$SECRET" >"$HEADERS/Authorization"
  for file in "$HEADERS/Authorization" "$HEADERS/X-New" "$MNT/hooks/h/url"; do
    denied 'Invalid argument' put "$MASK" "$file"
    denied 'Invalid argument' put " $MASK " "$file"
  done
  grep -q 'the mask, not the value' "$MNT/errors"
  cat "$HEADERS/Authorization" >"$HERE/shown"
  denied 'Invalid argument' cp "$HERE/shown" "$HEADERS/Authorization"
  denied 'Invalid argument' install -m 600 "$HERE/shown" "$HEADERS/Authorization"
  denied 'Invalid argument' bash -c 'cat "$1" > "$2"' - "$HERE/shown" "$HEADERS/Authorization"
  [ "$(stored Authorization)" = "$SECRET" ]
  [ "$(cat "$MNT/hooks/h/url")" = http://127.0.0.1:1/ ]
  masked "$HEADERS/Authorization"
}

@test 'nor is something put to the mask, as by who edits what is shown' {
  echo "$SECRET" >"$HEADERS/Authorization"
  chmod 600 "$MNT/hooks/h/url"
  denied 'Bad message' sed -i 's/$/ more/' "$HEADERS/Authorization"
  denied 'Bad message' sed -i 's/$/more/' "$MNT/hooks/h/url"
  denied 'Invalid argument' put "Bearer $MASK" "$HEADERS/Authorization"
  [ "$(stored Authorization)" = "$SECRET" ]
  [ "$(jq -r .url "$STATE/hooks/h.json")" = http://127.0.0.1:1/ ]
}

@test 'a copy of the hook has masks, and writing them back is refused' {
  echo "$SECRET" >"$HEADERS/Authorization"
  cp -r "$MNT/hooks/h" "$HERE/copy"
  ! grep -rF "$SECRET" "$HERE/copy" || fail 'it was copied'
  [ "$(cat "$HERE/copy/headers/Authorization")" = "$MASK" ]
  mkdir "$MNT/hooks/g"
  denied 'Invalid argument' cp "$HERE/copy/headers/Authorization" "$MNT/hooks/g/headers/"
  denied 'Invalid argument' cp "$HERE/copy/headers/Authorization" "$HEADERS/"
  [ "$(stored Authorization)" = "$SECRET" ]
}

@test 'a configuration with the mask for a value is not loaded, and stays as it is' {
  echo "$SECRET" >"$HEADERS/Authorization"
  stop
  sed -i "s/$SECRET/$MASK/" "$STATE/hooks/h.json"
  cp "$STATE/hooks/h.json" "$HERE/h.json"
  start
  [ ! -e "$MNT/hooks/h" ]
  grep -q 'hooks/h.json' "$MNT/errors"
  grep -q 'mask' "$MNT/errors"
  cmp "$STATE/hooks/h.json" "$HERE/h.json"
}

@test 'a configuration that is broken is not quoted' {
  echo "$SECRET" >"$HEADERS/Authorization"
  stop
  sed -i "s/\"$SECRET\"/\"$SECRET\" $SECRET/" "$STATE/hooks/h.json"
  start
  [ ! -e "$MNT/hooks/h" ]
  grep -q hooks/h.json "$MNT/errors"
  nowhere "$SECRET"
}

@test 'a bad value for a protected file is not quoted' {
  local text=$SECRET$'\001'
  denied 'Invalid argument' tee "$HEADERS/Authorization" <<<"$text" >/dev/null
  denied 'Invalid argument' tee -a "$HEADERS/Authorization" <<<"$text" >/dev/null
  denied 'Invalid argument' dd of="$HEADERS/Authorization" status=none <<<"$text"
  denied 'Invalid argument' put "$text" "$HEADERS/Authorization"
  denied 'Invalid argument' bash -c 'umask 077; printf "%s\n" "$1" > "$2"' - "$text" "$HEADERS/X-New"
  (umask 077 && printf '%s\n' "$text" >"$HERE/bad")
  denied 'Invalid argument' install -m 600 "$HERE/bad" "$HEADERS/X-Newer"
  denied 'Invalid argument' cp -a "$HERE/bad" "$HEADERS/X-Newest"
  echo good >"$HEADERS/X-Mine"
  chmod 600 "$HEADERS/X-Mine"
  denied 'Invalid argument' put "$text" "$HEADERS/X-Mine"
  denied 'Invalid argument' put "$SECRET"$'\n'"$SECRET" "$HEADERS/X-Mine"
  denied 'too long' put "$(printf "$SECRET%09000d" 0)" "$HEADERS/X-Mine"
  grep -q 'headers/Authorization' "$MNT/errors"
  [ "$(stored X-Mine)" = good ]
  nowhere "$SECRET"
}

@test 'a bad value that replaces a protected one leaves it, and it stays protected' {
  local tool mode
  (umask 077 && echo "$SECRET" >"$HEADERS/X-Mine")
  printf 'bad\001\n' >"$HERE/bad"
  for mode in 600 644; do
    chmod $mode "$HERE/bad"
    for tool in 'install -m 600' 'install -m 644' cp 'cp -a' 'cp --remove-destination'; do
      # shellcheck disable=SC2086
      denied 'Invalid argument' $tool "$HERE/bad" "$HEADERS/X-Mine"
      [ "$(cat "$HEADERS/X-Mine")" = "$MASK" ] || fail "$tool $mode: $(cat "$HEADERS/X-Mine")"
      [ "$(stored X-Mine)" = "$SECRET" ] || fail "$tool $mode"
    done
  done
  denied 'not permitted' chmod 644 "$HEADERS/X-Mine"
  nowhere "$SECRET"
}

@test 'a url that is chmod 600 shows scheme and host only' {
  local url=$MNT/hooks/h/url
  echo "https://hooks.example.com:8443/services/$SECRET?token=$SECRET" >"$url"
  [ "$(cat "$url")" = "https://hooks.example.com:8443/services/$SECRET?token=$SECRET" ]
  chmod 600 "$url"
  [ "$(cat "$url")" = "https://hooks.example.com:8443/$MASK" ]
  [ "$(jq -r .url "$MNT/hooks/h/config.json")" = "https://hooks.example.com:8443/$MASK" ]
  nowhere "$SECRET"
  denied 'not permitted' chmod 644 "$url"
  denied 'not permitted' chmod g+r "$url"
  # what it shows is no value
  denied 'Invalid argument' put "https://hooks.example.com:8443/$MASK" "$url"
  denied 'Invalid argument' put "https://hooks.example.com:8443/$SECRET here" "$url"
  denied 'Invalid argument' put "https://user:$SECRET@hooks.example.com/" "$url"
  nowhere "$SECRET"
  stop
  start
  [ "$(cat "$url")" = "https://hooks.example.com:8443/$MASK" ]
  [ "$(stat -c %a "$url")" = 600 ]
  [ "$(jq -r .url "$STATE/hooks/h.json")" = \
    "https://hooks.example.com:8443/services/$SECRET?token=$SECRET" ]
  rm "$url"
  echo http://127.0.0.1:1/open >"$url"
  [ "$(cat "$url")" = http://127.0.0.1:1/open ]
  [ "$(stat -c %a "$url")" = 644 ]
}

@test 'a private file installed as url is protected from the start, and so is a bad one' {
  local url=$MNT/hooks/h/url
  (umask 077 && echo "https://hooks.example.com/$SECRET" >"$HERE/url")
  install -m 600 "$HERE/url" "$url"
  [ "$(cat "$url")" = "https://hooks.example.com/$MASK" ]
  (umask 077 && echo "https://hooks.example.com/$SECRET here" >"$HERE/url")
  denied 'Invalid argument' install -m 600 "$HERE/url" "$url"
  denied 'Invalid argument' cp -a "$HERE/url" "$url"
  [ "$(cat "$url")" = "https://hooks.example.com/$MASK" ]
  [ "$(stat -c %a "$url")" = 600 ]
  nowhere "$SECRET"
}

@test 'what editors put aside of a protected url shows scheme and host, and edits of that are refused' {
  local url=$MNT/hooks/h/url shown="https://hooks.example.com/$MASK"
  echo "https://hooks.example.com/$SECRET" >"$url"
  chmod 600 "$url"
  mv "$url" "$url~"
  [ "$(cat "$url~")" = "$shown" ]
  [ "$(stat -c %a "$url~")" = 600 ]
  denied 'Bad message' sed -i.bak s/hooks/other/ "$url"
  [ "$(cat "$url.bak")" = "$shown" ]
  cp -p "$url" "$url.copy"
  denied 'Bad message' mv "$url.copy" "$url"
  denied '' vim -es -u NONE -N --cmd 'set backup backupskip= backupcopy=no undofile' \
    -c 's/hooks/other/' -c wq -c cquit "$url"
  denied '' python3 -c 'import os, shutil, sys
shutil.copy(sys.argv[1], sys.argv[1] + ".new")
os.replace(sys.argv[1] + ".new", sys.argv[1])' "$url"
  [ "$(jq -r .url "$STATE/hooks/h.json")" = "https://hooks.example.com/$SECRET" ]
  [ "$(stat -c %a "$url")" = 600 ]
  nowhere "$SECRET"
  # A new one is as protected, and what it replaced is nowhere, either.
  sed -i "s,.*,https://hooks.example.com/new$SECRET," "$url"
  [ "$(cat "$url")" = "$shown" ]
  nowhere "$SECRET"
}

@test 'others, if they get in, cannot read a protected file, and its name tells them no more' {
  need_root
  open_the_way
  stop
  start -o allow_other
  echo "$SECRET" >"$HEADERS/Authorization"
  denied 'Permission denied' other_user cat "$HEADERS/Authorization"
  [ "$(other_user jq -c '.headers[0].value' "$MNT/hooks/h/config.json")" = null ]
}

@test 'hooks/NAME.json, the database and the logs are for their owner alone' {
  echo "$SECRET" >"$HEADERS/Authorization"
  [ "$(stat -c %a "$STATE/hooks/h.json")" = 600 ]
  [ -z "$(find "$STATE" -perm /077)" ] || fail "$(ls -lR "$STATE")"
}

@test 'the value is sent, before and after a restart, and found nowhere else' {
  start_sink
  answer /fail status 500 "body $SECRET-is-not-ours"
  echo "$SINK_URL/path-$SECRET" >"$MNT/hooks/h/url"
  chmod 600 "$MNT/hooks/h/url"
  echo "Token $SECRET" >"$HEADERS/Authorization"
  (umask 077 && echo "mine $SECRET" >"$HEADERS/X-Mine")
  echo "$SECRET" >"$HEADERS/X-Api-Key"

  echo 'deployment/m/v1 failed' >"$MNT/events"
  requests 1
  echo >"$MNT/hooks/h/test"
  requests 2
  stop
  start
  echo 'deployment/m/v1 failed' >"$MNT/events"
  requests 3
  for i in 1 2 3; do
    [ "$(request $i .path)" = "/path-$SECRET" ]
    [ "$(request $i '.headers.authorization')" = "Token $SECRET" ]
    [ "$(request $i '.headers["x-mine"]')" = "mine $SECRET" ]
    [ "$(request $i '.headers["x-api-key"]')" = "$SECRET" ]
  done
  eventually 10 grep -q '^delivered 2' "$MNT/hooks/h/status"
  nowhere "$SECRET"
}

@test 'a delivery and a test that fail do not tell the value' {
  start_sink
  answer / status 500
  echo "$SINK_URL/path-$SECRET" >"$MNT/hooks/h/url"
  chmod 600 "$MNT/hooks/h/url"
  echo "$SECRET" >"$HEADERS/Authorization"
  denied '' put '' "$MNT/hooks/h/test"
  echo 'deployment/m/v1 failed' >"$MNT/events"
  requests 2
  stop_sinks
  # nobody listens, and no such host
  denied '' put '' "$MNT/hooks/h/test"
  echo "http://no-such-host.invalid/path-$SECRET" >"$MNT/hooks/h/url"
  denied '' put '' "$MNT/hooks/h/test"
  [ -s "$MNT/hooks/h/test" ]
  echo "deployment/m/v1 nonsense" >"$MNT/events.fifo"
  eventually 10 test -s "$STATE/rejected.jsonl"
  nowhere "$SECRET"
}

@test 'a refused event does not make a hook tell its values' {
  echo "$SECRET" >"$HEADERS/Authorization"
  denied 'Invalid argument' put 'deployment/m exploded' "$MNT/events"
  nowhere "$SECRET"
}

@test 'the daemon leaves no core and lets nobody look into its memory' {
  echo "$SECRET" >"$HEADERS/Authorization"
  grep -Eq '^Max core file size +0 +0 ' "/proc/$DAEMON/limits"
  # A process that can be dumped belongs to its user, another one to root.
  [ "$(stat -c %u "/proc/$DAEMON/mem")" -eq 0 ]
  if [ "$EUID" -eq 0 ]; then
    denied '' other_user head -c 1 "/proc/$DAEMON/mem"
  else
    denied 'Permission denied' head -c 1 "/proc/$DAEMON/mem"
    denied 'Permission denied' head -c 1 "/proc/$DAEMON/environ"
  fi
}
