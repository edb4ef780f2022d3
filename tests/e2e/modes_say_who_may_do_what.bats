#!/usr/bin/env bats
# Mode, owner and group of all there is in a mount that several users share.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow
load ../lib/users

ALICE=1001
BOB=1002
BUILDERS=1010

setup() {
  need_root
  prepare
  open_the_way
  start -o allow_other
}

# here PATH…: mode, owner and group.
here() {
  (cd "$MNT" && stat -c '%a %u:%g' "$@")
}

is() {
  [ "$(here "$1")" = "$2" ] || fail "$1 is $(here "$1"), not $2"
}

# hooks/ as /tmp is: everybody makes hooks, and nobody touches another's.
share_hooks() {
  chmod 1777 "$MNT/hooks"
}

one_pending() {
  [ "$(pending h)" -eq 1 ]
}

# errors_tell FILE UID CODE
errors_tell() {
  grep -q -- " $1 uid=$2 pid=[0-9]* $3\$" "$MNT/errors" ||
    fail "no $3 of $1 by $2 in errors" "$(cat "$MNT/errors")"
}

@test 'what lies in the root has attributes, and keeps them' {
  local before
  chmod 750 "$MNT"
  chown :$BUILDERS "$MNT"
  chmod 440 "$MNT/README"
  chgrp $BUILDERS "$MNT/events" "$MNT/log" "$MNT/errors"
  chmod 620 "$MNT/events"
  chmod 440 "$MNT/log" "$MNT/errors"
  chown $ALICE:$BUILDERS "$MNT/events.fifo"
  chmod 640 "$MNT/events.fifo"
  chmod g-r,o-r "$MNT/status"
  chown $BOB "$MNT/metrics.prom"
  chmod 400 "$MNT/destinations"
  chmod 3771 "$MNT/hooks"
  before=$(here . README events events.fifo log errors status metrics.prom destinations hooks)
  [ "$before" = "750 0:$BUILDERS
440 0:0
620 0:$BUILDERS
640 $ALICE:$BUILDERS
440 0:$BUILDERS
440 0:$BUILDERS
400 0:0
444 $BOB:0
400 0:0
3771 0:0" ] || fail "$before"
  stop
  start -o allow_other
  diff <(echo "$before") \
    <(here . README events events.fifo log errors status metrics.prom destinations hooks)
}

@test 'attributes are kept across kill -9, in a file for people' {
  chmod 620 "$MNT/events"
  chgrp $BUILDERS "$MNT/events"
  crash
  [ "$(stat -c %a "$STATE/attributes.json")" = 600 ]
  [ "$(jq -c . "$STATE/attributes.json")" = "{\"events\":{\"mode\":\"0620\",\"gid\":$BUILDERS}}" ]
  start -o allow_other
  is events "620 0:$BUILDERS"
}

@test 'the mode of a new mount is that of before: others read, and only the owner sends' {
  [ "$(here . README events events.fifo log errors status metrics.prom destinations hooks | cut -d' ' -f1 | tr '\n' ' ')" = \
    '755 444 200 200 400 400 444 444 444 755 ' ]
}

@test 'no mode makes a program, a setuid or a directory that is one' {
  local mode
  for mode in 755 4644 2644 1644 700; do
    denied 'not permitted' chmod $mode "$MNT/status"
    is status '444 0:0'
  done
  errors_tell status 0 EPERM
  denied 'not permitted' chmod 4755 "$MNT/hooks"
  denied 'not permitted' chmod u+s "$MNT"
  is hooks '755 0:0'
  has_error 'mode 4755 has more than 3777'
  [ ! -e "$STATE/attributes.json" ]
}

@test 'events can be opened to a group' {
  collecting_hook h 'deployment/*'
  denied 'Permission denied' as $ALICE:$ALICE,$BUILDERS tee "$MNT/events" <<<'deployment/m completed'
  chgrp $BUILDERS "$MNT/events"
  chmod 620 "$MNT/events"
  # by the first group and by a supplementary one
  as $ALICE:$BUILDERS tee "$MNT/events" <<<'deployment/m completed'
  as $BOB:$BOB,4,$BUILDERS tee "$MNT/events" <<<'deployment/m completed'
  denied 'Permission denied' as $BOB:$BOB tee "$MNT/events" <<<'deployment/m completed'
  denied 'Permission denied' as $ALICE:$BUILDERS cat "$MNT/events"
  [ "$(pending h)" -eq 2 ]
}

@test 'so can events.fifo' {
  denied 'Permission denied' as $ALICE:$BUILDERS tee "$MNT/events.fifo" <<<'deployment/m completed'
  chgrp $BUILDERS "$MNT/events.fifo"
  chmod 620 "$MNT/events.fifo"
  as $ALICE:$ALICE,$BUILDERS tee "$MNT/events.fifo" <<<'deployment/m completed'
  eventually 10 grep -qx 'accepted 1' "$MNT/status"
  denied 'Permission denied' as $BOB tee "$MNT/events.fifo" <<<'deployment/m completed'
}

@test 'log, errors and counters can be opened and closed' {
  denied 'Permission denied' as $ALICE cat "$MNT/errors"
  chmod 444 "$MNT/errors"
  chmod 400 "$MNT/metrics.prom" "$MNT/destinations"
  chgrp $BUILDERS "$MNT/log"
  chmod 440 "$MNT/log"
  as $ALICE cat "$MNT/errors"
  denied 'Permission denied' as $ALICE cat "$MNT/metrics.prom"
  denied 'Permission denied' as $ALICE cat "$MNT/log"
  as $ALICE:$BUILDERS cat "$MNT/log"
}

@test 'a closed root keeps everybody else out' {
  chmod 750 "$MNT"
  chgrp $BUILDERS "$MNT"
  as $ALICE:$ALICE,$BUILDERS cat "$MNT/README" >/dev/null
  denied 'Permission denied' as $BOB cat "$MNT/README"
  denied 'Permission denied' as $BOB ls "$MNT"
}

@test 'only the owner may chmod, and only root gives away' {
  denied 'not permitted' as $ALICE chmod 666 "$MNT/events"
  denied 'not permitted' as $ALICE chgrp $ALICE "$MNT/events"
  chown $ALICE "$MNT/events"
  as $ALICE chmod 600 "$MNT/events"
  denied 'not permitted' as $ALICE chown $BOB "$MNT/events"
  denied 'not permitted' as $ALICE chgrp $BUILDERS "$MNT/events"
  as $ALICE:$ALICE,$BUILDERS chgrp $BUILDERS "$MNT/events"
  is events "600 $ALICE:$BUILDERS"
}

@test 'a hook belongs to who makes it, and other users read it only' {
  share_hooks
  as $ALICE mkdir "$MNT/hooks/hers"
  as $ALICE tee "$MNT/hooks/hers/url" <<<"$NOWHERE"
  is hooks/hers "755 $ALICE:$ALICE"
  is hooks/hers/url "644 $ALICE:$ALICE"
  is hooks/hers/pending "700 $ALICE:$ALICE"
  [ "$(as $BOB cat "$MNT/hooks/hers/url")" = "$NOWHERE" ]
  denied 'Permission denied' as $BOB tee "$MNT/hooks/hers/url" <<<http://127.0.0.1:2/
  denied 'Permission denied' as $BOB tee "$MNT/hooks/hers/test" <<<failed
  denied 'Permission denied' as $BOB tee "$MNT/hooks/hers/config.json" <<<'{}'
  denied 'Permission denied' as $BOB rm -f "$MNT/hooks/hers/url"
  denied 'Permission denied' as $BOB touch "$MNT/hooks/hers/headers/X-His"
  denied 'not permitted' as $BOB chmod 777 "$MNT/hooks/hers"
  denied 'not permitted' as $BOB rmdir "$MNT/hooks/hers"
  denied 'not permitted' as $BOB mv "$MNT/hooks/hers" "$MNT/hooks/his"
  denied '' as $BOB rm -rf "$MNT/hooks/hers"
  [ "$(cat "$MNT/hooks/hers/url")" = "$NOWHERE" ]
  as $ALICE mv "$MNT/hooks/hers" "$MNT/hooks/still-hers"
  as $ALICE rmdir "$MNT/hooks/still-hers"
}

@test 'a hook that is closed shows nothing to others, and everything to root' {
  local file
  share_hooks
  (umask 077 && as $ALICE mkdir "$MNT/hooks/hers")
  is hooks/hers "700 $ALICE:$ALICE"
  as $ALICE tee "$MNT/hooks/hers/description" <<<mine
  denied 'Permission denied' as $BOB ls "$MNT/hooks/hers"
  for file in description url config.json status test headers pending; do
    denied 'Permission denied' as $BOB cat "$MNT/hooks/hers/$file"
  done
  [ "$(cat "$MNT/hooks/hers/description")" = mine ]
  stop
  start -o allow_other
  is hooks/hers "700 $ALICE:$ALICE"
  is hooks/hers/description "644 $ALICE:$ALICE"
  denied 'Permission denied' as $BOB cat "$MNT/hooks/hers/description"
}

@test 'config.json is for who may read all that it shows' {
  mkdir "$MNT/hooks/h"
  echo v >"$MNT/hooks/h/headers/X-V"
  is hooks/h/config.json '644 0:0'
  chmod 600 "$MNT/hooks/h/description" # no value that is masked
  is hooks/h/config.json '600 0:0'
  denied 'Permission denied' as $ALICE cat "$MNT/hooks/h/config.json"
  rm "$MNT/hooks/h/description"
  is hooks/h/config.json '644 0:0'
  chmod 640 "$MNT/hooks/h/headers/X-V"
  is hooks/h/config.json '640 0:0'
  # a group that is not the hook's
  chgrp $BUILDERS "$MNT/hooks/h/headers/X-V"
  is hooks/h/config.json '600 0:0'
  # one that is protected is null there
  chmod 600 "$MNT/hooks/h/headers/X-V"
  is hooks/h/config.json '644 0:0'
  [ "$(as $ALICE jq -c '.headers[0].value' "$MNT/hooks/h/config.json")" = null ]
  # what was said of it itself counts
  chmod 400 "$MNT/hooks/h/timeout"
  chmod 664 "$MNT/hooks/h/config.json"
  is hooks/h/config.json '664 0:0'
}

@test 'without the sticky bit who may write in hooks/ may rename and remove in it' {
  chmod 777 "$MNT/hooks"
  as $ALICE mkdir "$MNT/hooks/hers"
  as $BOB mv "$MNT/hooks/hers" "$MNT/hooks/his"
  as $BOB rmdir "$MNT/hooks/his"
}

@test 'a setgid hooks/ gives its group to the hooks made in it' {
  chgrp $BUILDERS "$MNT/hooks"
  chmod 2775 "$MNT/hooks"
  (umask 002 && as $ALICE:$ALICE,$BUILDERS mkdir "$MNT/hooks/ours")
  is hooks/ours "775 $ALICE:$BUILDERS"
  is hooks/ours/url "644 $ALICE:$BUILDERS"
  as $ALICE chmod g+w "$MNT/hooks/ours/url"
  as $BOB:$BOB,$BUILDERS tee "$MNT/hooks/ours/url" <<<"$NOWHERE"
  denied 'Permission denied' as $BOB tee "$MNT/hooks/ours/url" <<<"$NOWHERE"
}

@test 'the umask of who makes a hook or a header counts' {
  local mask
  for mask in 000:777:644 022:755:644 027:750:640 077:700:600; do
    IFS=: read -r mask dir file <<<"$mask"
    (
      umask "$mask"
      mkdir "$MNT/hooks/h$mask"
      echo v >"$MNT/hooks/h$mask/headers/X-V"
    )
    is "hooks/h$mask" "$dir 0:0"
    [ "$mask" = 000 ] && file=666
    is "hooks/h$mask/headers/X-V" "$file 0:0"
  done
}

@test 'a header belongs to who made it, in a hook that a group shares' {
  mkdir "$MNT/hooks/h"
  chgrp $BUILDERS "$MNT/hooks/h/headers"
  chmod 775 "$MNT/hooks/h/headers"
  as $ALICE:$BUILDERS tee "$MNT/hooks/h/headers/X-Hers" <<<v
  is hooks/h/headers/X-Hers "644 $ALICE:$BUILDERS"
  denied 'Permission denied' as $BOB:$BUILDERS tee "$MNT/hooks/h/headers/X-Hers" <<<w
  stop
  start -o allow_other
  is hooks/h/headers/X-Hers "644 $ALICE:$BUILDERS"
}

@test 'deliveries are for who may look into their directory' {
  local file
  share_hooks
  as $ALICE mkdir "$MNT/hooks/hers"
  as $ALICE bash -c 'cd "$1" && echo "$2" >url && echo completed >event &&
    echo "deployment/*" >object && echo paused >enabled' - "$MNT/hooks/hers" "$NOWHERE"
  echo 'deployment/m completed' >"$MNT/events"
  file=$(ls "$MNT/hooks/hers/pending")
  is "hooks/hers/pending/$file" "400 $ALICE:$ALICE"
  as $ALICE jq -e . "$MNT/hooks/hers/pending/$file" >/dev/null
  denied 'Permission denied' as $BOB cat "$MNT/hooks/hers/pending/$file"
  denied 'Permission denied' as $BOB rm -f "$MNT/hooks/hers/pending/$file"

  # opened to a group: it reads, and removes only where it may write
  as $ALICE:$ALICE,$BUILDERS chgrp $BUILDERS "$MNT/hooks/hers/pending"
  as $ALICE chmod 750 "$MNT/hooks/hers/pending"
  is "hooks/hers/pending/$file" "440 $ALICE:$BUILDERS"
  as $BOB:$BUILDERS jq -e . "$MNT/hooks/hers/pending/$file" >/dev/null
  denied 'Permission denied' as $BOB:$BUILDERS rm -f "$MNT/hooks/hers/pending/$file"
  denied 'Permission denied' as $BOB:$BUILDERS cp "$MNT/hooks/hers/pending/$file" \
    "$MNT/hooks/hers/pending/20260101T000000.000Z-00000099.json"
  denied 'Permission denied' as $BOB:$BUILDERS mv "$MNT/hooks/hers/pending/$file" \
    "$MNT/hooks/hers/failed/"
  denied 'Permission denied' as $BOB cat "$MNT/hooks/hers/pending/$file"
  [ "$(pending hers)" -eq 1 ]
  as $ALICE chmod 770 "$MNT/hooks/hers/pending"
  as $BOB:$BUILDERS rm -f "$MNT/hooks/hers/pending/$file"
  [ "$(pending hers)" -eq 0 ]
}

@test 'chown -R and chmod -R hand a whole hook over, deliveries and all' {
  local file
  collecting_hook h 'deployment/*'
  echo v >"$MNT/hooks/h/headers/X-V"
  echo 'deployment/m completed' >"$MNT/events"
  file=pending/$(ls "$MNT/hooks/h/pending")
  chown -R $ALICE:$BUILDERS "$MNT/hooks/h"
  [ "$(cd "$MNT/hooks/h" && find . -printf '%U:%G\n' | sort -u)" = $ALICE:$BUILDERS ]
  chmod -R go-rwx "$MNT/hooks/h"
  [ -z "$(find "$MNT/hooks/h" -perm /077)" ]
  chmod -R u=rwX,g=rX,o= "$MNT/hooks/h/pending"
  is "hooks/h/$file" "440 $ALICE:$BUILDERS"
  # but it has no mode of its own
  denied 'not permitted' chmod 444 "$MNT/hooks/h/$file"
  has_error 'read bits of its directory'
  chmod 640 "$MNT/hooks/h/$file"
  is "hooks/h/$file" "440 $ALICE:$BUILDERS"
}

@test 'install gives owner, group and mode, and they stay' {
  mkdir "$MNT/hooks/h"
  echo 5s >"$HERE/value"
  install -o $ALICE -g $BUILDERS -m 640 "$HERE/value" "$MNT/hooks/h/timeout"
  install -o $ALICE -g $BUILDERS -m 660 "$HERE/value" "$MNT/hooks/h/headers/X-Made"
  is hooks/h/timeout "640 $ALICE:$BUILDERS"
  is hooks/h/headers/X-Made "660 $ALICE:$BUILDERS"
  [ "$(as $BOB:$BUILDERS cat "$MNT/hooks/h/timeout")" = 5s ]
  denied 'Permission denied' as $BOB cat "$MNT/hooks/h/timeout"
  stop
  start -o allow_other
  is hooks/h/timeout "640 $ALICE:$BUILDERS"
  is hooks/h/headers/X-Made "660 $ALICE:$BUILDERS"
}

@test 'cp -p by root keeps the owner of the copied file' {
  mkdir "$MNT/hooks/h"
  echo 5s >"$HERE/value"
  chown $ALICE:$BUILDERS "$HERE/value"
  chmod 640 "$HERE/value"
  cp -p "$HERE/value" "$MNT/hooks/h/timeout"
  cp -p "$HERE/value" "$MNT/hooks/h/headers/X-Copied"
  is hooks/h/timeout "640 $ALICE:$BUILDERS"
  is hooks/h/headers/X-Copied "640 $ALICE:$BUILDERS"
}

@test 'rm puts the owner and the mode back as well, and who makes a file anew owns it' {
  mkdir "$MNT/hooks/h"
  chown $ALICE "$MNT/hooks/h/timeout"
  chmod 600 "$MNT/hooks/h/timeout"
  rm "$MNT/hooks/h/timeout"
  is hooks/h/timeout '644 0:0'
  chmod 777 "$MNT/hooks/h"
  echo 5s >"$HERE/value"
  chmod 644 "$HERE/value"
  as $BOB install -m 640 "$HERE/value" "$MNT/hooks/h/timeout"
  is hooks/h/timeout "640 $BOB:$BOB"
}

@test 'what README says of modes can be done' {
  local line count=0
  mkdir "$MNT/hooks/slack"
  while read -r line; do
    line=${line//builders/$BUILDERS}
    (cd "$MNT/hooks" && { [[ $line == *pending* ]] && cd slack || cd ..; } && eval "$line") ||
      fail "$line" || return
    count=$((count + 1))
  done < <(grep -E '^  (chgrp|chmod) ' "$MNT/README" | sed "s/ops/$BUILDERS/")
  [ $count -eq 4 ]
  is events "620 0:$BUILDERS"
  is hooks '1777 0:0'
  is hooks/slack '700 0:0'
  is hooks/slack/pending "750 0:$BUILDERS"
}

@test 'a mount that is read-only changes no attributes' {
  chmod 444 "$MNT/errors"
  stop
  start -o allow_other,ro
  is errors '444 0:0'
  denied 'Read-only' chmod 400 "$MNT/errors"
  denied 'Read-only' chown $ALICE "$MNT/hooks"
  as $ALICE cat "$MNT/errors"
}

@test 'there are no access control lists' {
  mkdir "$MNT/hooks/h"
  local file
  for file in events hooks hooks/h hooks/h/url; do
    denied 'not supported' setfacl -m u:$ALICE:rwx "$MNT/$file"
    denied 'not supported' python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.x", b"y")' \
      "$MNT/$file"
  done
  getfacl -p "$MNT/hooks/h/url" | grep -qx 'other::r--'
}

@test 'an event is of who opened the file, whoever writes through it' {
  collecting_hook h 'deployment/*'
  chmod 622 "$MNT/events"
  as $ALICE tee "$MNT/events" <<<'deployment/m completed'
  # opened by root, and inherited
  as $BOB bash -c 'echo "deployment/m completed" >&9' 9>"$MNT/events"
  as $BOB bash -c 'printf "deployment/m completed" >&9' 9>"$MNT/events"
  [ "$(jq .uid "$MNT"/hooks/h/pending/* | tr '\n' ' ')" = "$ALICE 0 0 " ]
  denied 'Invalid argument' as $BOB bash -c 'echo nonsense >&9' 9>"$MNT/events"
  errors_tell events 0 EINVAL
  denied 'Invalid argument' as $BOB bash -c 'echo nonsense >"$0"' "$MNT/events"
  errors_tell events $BOB EINVAL
  stop
  start -o allow_other
  [ "$(jq .uid "$MNT"/hooks/h/pending/* | tr '\n' ' ')" = "$ALICE 0 0 " ]
}

@test 'a line that its writer leaves behind is of who opened the file, too' {
  collecting_hook h 'deployment/*'
  chmod 622 "$MNT/events"
  # killed, so that nothing flushes; a last close tells no user
  as $ALICE perl -e 'open(F, ">", $ARGV[0]); syswrite(F, "deployment/m completed"); kill 9, $$' \
    "$MNT/events" || :
  eventually 10 one_pending
  [ "$(jq .uid "$MNT"/hooks/h/pending/*)" = $ALICE ]
}

@test 'of what came through the pipe nobody knows whose it is' {
  collecting_hook h 'deployment/*'
  echo 'deployment/m completed' >"$MNT/events.fifo"
  eventually 10 grep -qx 'accepted 1' "$MNT/status"
  [ "$(jq 'has("uid")' "$MNT"/hooks/h/pending/*)" = false ]
  echo nonsense >"$MNT/events.fifo"
  eventually 10 grep -q ' events.fifo uid=- pid=- EINVAL$' "$MNT/errors"
}

@test 'a refusal tells whose it was' {
  share_hooks
  denied 'Invalid argument' as $ALICE mkdir "$MNT/hooks/a b"
  errors_tell 'hooks/a\\x20b' $ALICE EINVAL
  as $ALICE mkdir "$MNT/hooks/hers"
  denied 'Invalid argument' as $ALICE tee "$MNT/hooks/hers/timeout" <<<nonsense
  errors_tell hooks/hers/timeout $ALICE EINVAL
}

@test 'su and runuser see what their users see' {
  id nobody >/dev/null || skip 'no user nobody'
  local uid gid
  uid=$(id -u nobody) gid=$(id -g nobody)
  denied 'Permission denied' su -s /bin/sh nobody -c "echo deployment/m completed >'$MNT/events'"
  chgrp "$gid" "$MNT/events"
  chmod 620 "$MNT/events"
  su -s /bin/sh nobody -c "echo deployment/m completed >'$MNT/events'"
  [ "$(count accepted)" -eq 1 ]
  denied 'Permission denied' runuser -u nobody -- cat "$MNT/log"
  share_hooks
  runuser -u nobody -- mkdir "$MNT/hooks/theirs"
  is hooks/theirs "755 $uid:$gid"
}

@test 'attributes that cannot be understood stop the start, with what to do' {
  local text
  chmod 440 "$MNT/log"
  stop
  for text in '{"log":{"mode":"0440"}' '{"lgo":{"mode":"0440"}}' '{"log":{"mode":"0755"}}' \
    '{"log":{"mode":440}}' '{"log":{"uid":-1}}' '{"log":{"own":1}}' '[]' ''; do
    printf %s "$text" >"$STATE/attributes.json"
    run "$WEBHOOKFS" "$STATE" "$MNT" 3>&-
    [ "$status" -eq 1 ] || fail "it started with $text"
    [[ $output == *"$STATE/attributes.json: "*'mend it, or remove it'* ]] || fail "$output"
  done
  rm "$STATE/attributes.json"
  start -o allow_other
  is log '400 0:0'
}

@test 'attributes that cannot be saved are refused, and stay as they were' {
  chmod 440 "$MNT/log"
  mkdir "$STATE/.attributes.json.tmp" # no file can be made there
  denied 'Input/output error' chmod 444 "$MNT/log"
  is log '440 0:0'
  has_error 'attributes.json'
  rmdir "$STATE/.attributes.json.tmp"
  chmod 444 "$MNT/log"
  is log '444 0:0'
}
