#!/usr/bin/env bats
# Whatever is refused on any way in: whose it was, which file, the text with a caret, and why.
# shellcheck disable=SC2030,SC2031 # every test is a subshell, on purpose
load ../lib/common
load ../lib/flow
load ../lib/users

# entry: the newest entry of errors.
entry() {
  awk '/^[^ ]/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' "$MNT/errors"
}

# refused CODE FILE SENTENCE COMMAND…: it fails, and is the newest entry, with a sentence like this.
refused() {
  local code=$1 file=$2 sentence=$3 said
  shift 3
  run "$@"
  [ "$status" -ne 0 ] || fail "it was allowed: $*" || return
  said=$(entry)
  [[ $(head -n 1 <<<"$said") =~ ^20[0-9T:.-]+Z\ "$file"\ uid=$EUID\ pid=[0-9]+\ $code( times=[0-9]+)?$ ]] ||
    fail "$*: no $code of $file" "$said" || return
  [[ $(tail -n 1 <<<"$said") == '    '*"$sentence"* ]] || fail "$*: it does not say: $sentence" "$said"
}

# caret TEXT: the entry shows TEXT, and a caret below its last character.
caret() {
  local said
  said=$(entry)
  [ "$(sed -n 2p <<<"$said")" = "    $1$2" ] || fail "not this text: $1$2" "$said" || return
  [ "$(sed -n 3p <<<"$said")" = "    $(printf '%*s' $((${#1} - 1)) '')^" ] ||
    fail "not this place: ${#1}" "$said"
}

# put TEXT FILE, bytes as they are
bytes() {
  # shellcheck disable=SC2059 # it is a format
  printf "$1" >"$2"
}

setup() {
  prepare
  start
  collecting_hook h 'deployment/*'
  H=$MNT/hooks/h
}

@test 'values' {
  refused EINVAL hooks/h/timeout 'no duration' put 5x "$H/timeout"
  caret 5x ''
  refused ERANGE hooks/h/timeout '30s' put 31s "$H/timeout"
  refused EINVAL hooks/h/event 'event' put 'completed failled' "$H/event"
  caret 'completed f' ailled
  refused EINVAL hooks/h/timeout 'NUL' bytes '5\0s\n' "$H/timeout"
  refused EINVAL hooks/h/timeout 'second' bytes '5s\n6s\n' "$H/timeout"
  refused EINVAL hooks/h/timeout 'from its start' dd if=/dev/zero of="$H/timeout" bs=1 seek=5 count=1 \
    conv=notrunc
  refused E2BIG hooks/h/description '400' put "$(printf '%0401d' 0)" "$H/description"
  refused EINVAL hooks/h/timeout 'cut or stretched' perl -e \
    'open(F, "+<", $ARGV[0]) && truncate(F, 3) or exit 1' "$H/timeout"
  refused EINVAL hooks/h/secret 'shown once' put generate "$H/secret"
  refused EINVAL hooks/h/config.json 'unknown field colour' put '{"colour":1}' "$H/config.json"
  refused EINVAL hooks/h/config.json 'line 1, column' put '{"timeout":}' "$H/config.json"
  refused EINVAL hooks/h/test 'event' put nonsense "$H/test"
}

@test 'protected values, which are not quoted' {
  chmod 600 "$H/url"
  refused EPERM hooks/h/url 'protected while it has a value' chmod 644 "$H/url"
  refused EINVAL hooks/h/url '' put 'http://secret@x/' "$H/url"
  refused ERANGE hooks/h/secret '24 to 64 bytes' put 'whsec_nonsense' "$H/secret"
  [ "$(grep -c -e secret@ -e nonsense "$MNT/errors")" -eq 0 ]
  refused EPERM hooks/h/secret 'always protected' chmod 644 "$H/secret"
}

@test 'names' {
  touch "$H/headers/X-A"
  refused EINVAL 'hooks/a\x20b' 'no blanks' mkdir "$MNT/hooks/a b"
  refused ENAMETOOLONG "hooks/$(printf '%065d' 0)" 'at most 64' mkdir "$MNT/hooks/$(printf '%065d' 0)"
  refused EPERM new 'hooks/ only' mkdir "$MNT/new"
  refused EINVAL hooks/h/headers/X:Y 'header' touch "$H/headers/X:Y"
  refused EPERM hooks/h/headers/Host 'sender' touch "$H/headers/Host"
  refused EPERM new 'hooks/NAME/headers/' touch "$MNT/new"
  refused EINVAL hooks/h 'no blanks' mv -T "$H" "$MNT/hooks/a b"
  mkdir "$MNT/hooks/other"
  refused ENOTEMPTY hooks/h 'already' mv -T "$H" "$MNT/hooks/other"
  refused EPERM hooks/h 'renamed' mv -T "$H" "$MNT/h"
  refused EPERM README 'renamed' mv "$MNT/README" "$MNT/other"
  refused EINVAL hooks/h/headers/X-A '' mv "$H/headers/X-A" "$H/headers/a b"
  refused EINVAL hooks/h 'change places' perl -e \
    'syscall(316, -100, $ARGV[0], -100, $ARGV[1], 2) == 0 or exit 1' "$H" "$MNT/hooks/other"
}

@test 'what cannot be removed' {
  touch "$H/headers/X-A"
  echo 'deployment/m completed' >"$MNT/events"
  refused EPERM README 'stays' rm -f "$MNT/README"
  refused EPERM hooks 'stays' rmdir "$MNT/hooks"
  refused ENOTEMPTY hooks/h/headers '1 header' rmdir "$H/headers"
  refused ENOTEMPTY hooks/h/pending 'deliveries' rmdir "$H/pending"
  refused EBUSY hooks/h '1 deliveries' rmdir "$H"
  rm "$H"/pending/*
  refused ENOTEMPTY hooks/h '1 headers' rmdir "$H"
}

@test 'kinds of files that are not made' {
  local where
  for where in '' hooks/ hooks/h/headers/ hooks/h/pending/; do
    refused EPERM "${where}x" 'no links' ln -s y "$MNT/${where}x"
    refused EPERM "${where}x" 'no links' ln "$H/url" "$MNT/${where}x"
    refused EPERM "${where}x" 'no pipes' mkfifo "$MNT/${where}x"
  done
}

@test 'opening what is only read, or only written' {
  need_root # others are stopped by the modes
  refused EACCES status 'only read' put x "$MNT/status"
  refused EACCES hooks/h/status 'only read' put x "$H/status"
  refused EACCES events 'only written' cat "$MNT/events"
}

@test 'modes' {
  refused EPERM events 'no program' chmod 755 "$MNT/events"
  refused EPERM . 'setuid' chmod 4755 "$MNT"
}

@test 'deliveries' {
  local file
  echo 'deployment/m completed' >"$MNT/events"
  file=$(ls "$H/pending")
  refused EPERM hooks/h/pending/x 'own deliveries' touch "$H/pending/x"
  refused EPERM "hooks/h/pending/$file" 'under its own name' mv "$H/pending/$file" "$H/pending/x"
  refused EPERM "hooks/h/pending/$file" 'under its own name' mv "$H/pending/$file" "$H/failed/"
  refused EPERM "hooks/h/pending/$file" 'of its directory' chmod 444 "$H/pending/$file"
}

@test 'events' {
  refused EINVAL events '' put 'deployment/m failled' "$MNT/events"
  caret 'deployment/m f' ailled
  refused EINVAL events '' put '{"object":}' "$MNT/events"
  caret '{"object":}' ''
  refused EINVAL events '' bytes 'deployment/m completed\0\n' "$MNT/events"
  refused EINVAL events '' cp <(printf 'no newline') "$MNT/events"
  refused E2BIG events '1048576' cp <(head -c 1100000 /dev/zero | tr '\0' x) "$MNT/events"
}

@test 'events beyond the limit' {
  yes "deployment/m completed result='\"$(printf '%015000d' 0)\"'" | head -n 100 >"$HERE/lines"
  stop
  start -o max_backlog=1M
  refused ENOSPC events 'max_backlog' cp "$HERE/lines" "$MNT/events"
}

@test 'lines of a pipe, whose writer is unknown' {
  echo 'deployment/m failled' >"$MNT/events.fifo"
  eventually 10 grep -q ' events.fifo uid=- pid=- EINVAL$' "$MNT/errors"
  caret 'deployment/m f' ailled
}

@test 'files of the state directory' {
  stop
  echo '{"timeout":}' >"$STATE/hooks/broken.json"
  start
  [[ $(entry) =~ ^20[0-9T:.-]+Z\ hooks/broken.json\ uid=$EUID\ pid=[0-9]+\ EINVAL ]] || fail "$(entry)"
  [[ $(entry) == *'line 1, column'* ]] || fail "$(entry)"
}
