#!/usr/bin/env bats
# What each tool leaves in each kind of file: a good value is there with its mode, a bad one fails the
# tool and leaves the old value, an empty line puts the default back. docs/tools.md has the table as it
# comes out here; `make docs-tools` writes it there.
# shellcheck disable=SC2030,SC2031 # every test is a subshell
load ../lib/common

bats_require_minimum_version 1.5.0
load ../lib/tools

TOOLS_PAGE=$BATS_TEST_DIRNAME/../../docs/tools.md
BAD=$'a bad\001value'

setup() {
  prepare
  start
  hook=$MNT/hooks/h
  make_hook h http://127.0.0.1:1/ failed deployment/m
}

# A half of rsync may live on behind its error.
teardown() {
  eventually 20 alone
  finish
}

alone() {
  [ "$(processes)" = "$DAEMON" ]
}

# The four kinds of files. old KIND: what is in them before.
path() {
  case $1 in
    setting) echo "$hook/timeout" ;;
    header) echo "$hook/headers/X-Plain" ;;
    protected) echo "$hook/headers/X-Token" ;;
    config) echo "$hook/config.json" ;;
  esac
}

good() {
  case $1 in
    setting) echo 7s ;;
    config) echo '{"url":"http://127.0.0.1:1/","event":"deployment_request_failed","object_type":"deployment","object_name":"m","timeout":7,"headers":[{"key":"X-Plain","value":"old"},{"key":"X-Token","protected":true}]}' ;;
    *) echo 'good value' ;;
  esac
}

bad() {
  case $1 in
    config) echo '{"timeout":nonsense}' ;;
    *) echo "$BAD" ;;
  esac
}

old() {
  rm -rf "$HERE/new"
  echo 15s >"$hook/timeout"
  rm -f "$hook/headers/"* "$hook/"*.bak "$hook/"*~
  echo old >"$hook/headers/X-Plain"
  chmod 640 "$hook/timeout" "$hook/config.json" "$hook/headers/X-Plain"
  echo 'old token' >"$hook/headers/X-Token"
}

# now: the values that count, which need not be those that are shown.
now() {
  jq -r '(.headers | map({(.key): (.value // "")}) | add) as $headers |
    (.headers | map(.key) | sort | join(" ")), .url, .timeout, $headers["X-Plain"], $headers["X-Token"]
    ' "$STATE/hooks/h.json" >"$HERE/now" || return
  { read -r names && read -r url && read -r timeout && read -r plain && read -r token; } <"$HERE/now"
}

# outcome KIND VALUE STATUS: what the tool has made of good, bad or empty.
outcome() {
  local is before new default
  case $1 in
    setting) is=$timeout before=15 new=7 default=10 ;;
    config) is=$timeout before=15 new=7 default=none ;;
    header) is=$plain before=old new='good value' default= ;;
    protected) is=$token before='old token' new='good value' default= ;;
  esac
  if [ "$is" = "$before" ]; then
    [ "$3" -ne 0 ] && got=refused || got=kept
  elif [ "$3" -ne 0 ]; then
    got="changed to $is with status $3"
  elif [ "$2" = good ] && [ "$is" = "$new" ]; then
    got=new
  elif [ "$2" = empty ] && [ "$is" = "$default" ]; then
    got=default
  else
    got="changed to $is"
  fi
}

# whole KIND: what the tool did not mean is as it was, and nothing of its own is configuration.
whole() {
  [ "$names" = 'X-Plain X-Token' ] || fail "headers: $names" || return
  [ "$1" = setting ] || [ "$1" = config ] || [ "$timeout" = 15 ] || fail "timeout: $timeout" || return
  [ "$1" = header ] || [ "$plain" = old ] || fail "X-Plain: $plain" || return
  [ "$1" = protected ] || [ "$token" = 'old token' ] || fail "X-Token: $token" || return
  [ "$url" = http://127.0.0.1:1/ ] || fail "url: $url" || return
  # A protected value stays so, whoever writes it.
  [ -z "$token" ] || [ "$(stat -c %a "$hook/headers/X-Token")" = 600 ] || fail 'X-Token is open'
}

# mode: what became of it.
mode() {
  mode=$(stat -c %a "$hook/timeout")
  [ "$mode" != 640 ] || mode=kept
}

# A tool that writes no newline writes nothing of an empty line, and what is not written changes nothing.
NO_BYTE='setting empty kept; header empty kept; protected empty kept; config empty kept;'
# It says on its screen what went wrong, and ends well.
TOLD='setting bad kept; header bad kept; protected bad kept; config bad kept; config empty kept;'

# usable PROGRAM: it is here, and so is the terminal that nano cannot do without.
usable() {
  type -p "$1" >/dev/null || return
  [ "$1" != nano ] || python3 -c 'import pty; pty.openpty()' 2>/dev/null
}

# tool NAME PROGRAM FUNCTION [EXCEPTIONS]: tries it on everything and notes what came out. An exception is
# an outcome that is not what the rule says, "KIND VALUE OUTCOME;".
tool() {
  local name=$1 with=$3 exceptions=${4:-} kind value got want cells='' mode status text
  local names url timeout plain token
  usable "$2" || echo "| $name | skipped |" >>"$BATS_FILE_TMPDIR/rows"
  need "$2"
  usable "$2" || skip "no terminal for $2 here"
  for kind in setting header protected config; do
    for value in good bad empty; do
      old
      status=0
      case $value in
        good) text=$(good $kind) want=new ;;
        bad) text=$(bad $kind) want=refused ;;
        empty)
          text='' want=default
          [ $kind != config ] || want=refused
          ;;
      esac
      "$with" "$text" "$(path $kind)" >"$HERE/said" 2>&1 || status=$?
      now
      outcome $kind $value $status
      [ "$got" = "$want" ] || [[ " $exceptions" == *" $kind $value $got;"* ]] ||
        fail "$name, $kind, $value: $got, status $status" "$(cat "$HERE/said")" || return
      whole $kind || fail "$name, $kind, $value" "$(cat "$HERE/said")" || return
      cells+=" $got |"
      [ $kind != setting ] || [ $value != good ] || mode
    done
  done
  [ -z "$(grep -rsF 'old token' "$hook" "$MNT/log" "$MNT/errors" "$LOG")" ] || fail 'the token shows' || return
  printf '%s\n' "| $name |$cells $mode |" >>"$BATS_FILE_TMPDIR/rows"
}

@test 'echo x > f' { tool 'echo x > f' bash with_echo; }
@test 'printf %s x > f' { tool 'printf %s x > f' bash with_printf "$NO_BYTE"; }
@test 'echo x >> f' { tool 'echo x >> f' bash with_append; }
@test 'printf %s x >> f' { tool 'printf %s x >> f' bash with_append_unended "$NO_BYTE"; }
@test 'echo x 1<> f' { tool 'echo x 1<> f' bash with_read_write; }
@test 'cat > f' { tool 'cat > f' cat with_cat; }
@test 'cat > f, here document' { tool 'cat > f, here document' bash with_here_document; }
@test 'dash' { tool 'dash' dash with_dash; }
@test 'zsh' { tool 'zsh' zsh with_zsh; }
@test 'mksh' { tool 'mksh' mksh with_mksh; }
@test 'busybox sh' { tool 'busybox sh' busybox with_busybox; }
@test 'tee' { tool 'tee' tee with_tee; }
@test 'tee -a' { tool 'tee -a' tee with_tee_append; }
@test 'dd' { tool 'dd' dd with_dd; }
@test 'dd conv=notrunc,fsync' { tool 'dd conv=notrunc,fsync' dd with_dd_notrunc; }
@test 'dd oflag=append' { tool 'dd oflag=append' dd with_dd_append; }
@test 'sponge' { tool 'sponge' sponge with_sponge; }
@test 'sort -o' { tool 'sort -o' sort with_sort; }
@test 'awk print > f' { tool 'awk print > f' awk with_awk; }
@test 'jq > f' { tool 'jq > f' jq with_jq; }
@test 'jq > f.new, mv f.new f' { tool 'jq > f.new, mv f.new f' jq with_jq_mv; }
@test 'curl -o' { tool 'curl -o' curl with_curl; }
@test 'socat' { tool 'socat' socat with_socat; }
@test 'cp' { tool 'cp' cp with_cp; }
@test 'cp -a' { tool 'cp -a' cp with_cp_archive; }
@test 'cp --remove-destination' { tool 'cp --remove-destination' cp with_cp_remove; }
@test 'cp --backup' { tool 'cp --backup' cp with_cp_backup; }
@test 'install' { tool 'install' install with_install; }
@test 'install -m 600' { tool 'install -m 600' install with_install_600; }
@test 'install -m 644' { tool 'install -m 644' install with_install_644; }
@test 'mv from elsewhere' { tool 'mv from elsewhere' mv with_mv; }
@test 'mv from beside' { tool 'mv from beside' mv with_mv_beside; }
@test 'mktemp, mv' { tool 'mktemp, mv' mktemp with_mktemp; }
@test 'tar -x' { tool 'tar -x' tar with_tar; }
@test 'tar -x --overwrite' { tool 'tar -x --overwrite' tar with_tar_overwrite; }
@test 'rsync' { tool 'rsync' rsync with_rsync; }
@test 'rsync -a' { tool 'rsync -a' rsync with_rsync_archive; }
@test 'rsync --inplace' { tool 'rsync --inplace' rsync with_rsync_inplace; }
@test 'rsync -a --inplace' { tool 'rsync -a --inplace' rsync with_rsync_archive_inplace; }
@test 'git checkout' { tool 'git checkout' git with_git; }
@test 'python write' { tool 'python write' python3 with_python "$NO_BYTE"; }
@test 'python write, unbuffered' { tool 'python write, unbuffered' python3 with_python_unbuffered; }
@test 'python r+, truncate' { tool 'python r+, truncate' python3 with_python_update; }
@test 'python os.replace' { tool 'python os.replace' python3 with_python_replace; }
@test 'perl print' { tool 'perl print' perl with_perl; }
@test 'perl -i' { tool 'perl -i' perl with_perl_edit; }
@test 'perl -i.bak' { tool 'perl -i.bak' perl with_perl_backup; }
@test 'sed -i' { tool 'sed -i' sed with_sed; }
@test 'sed -i.bak' { tool 'sed -i.bak' sed with_sed_backup; }
@test 'busybox sed -i' { tool 'busybox sed -i' busybox with_busybox_sed; }
@test 'ed' { tool 'ed' ed with_ed; }
@test 'patch' { tool 'patch' patch with_patch; }
@test 'vim' { tool 'vim' vim with_vim; }
@test 'vim, no backup, no swap file' { tool 'vim, no backup, no swap file' vim with_vim_no_backup; }
@test 'vim, backupcopy=yes' { tool 'vim, backupcopy=yes' vim with_vim_copies; }
@test 'vim, backupcopy=no, undo file' { tool 'vim, backupcopy=no, undo file' vim with_vim_renames; }
@test 'nano' { tool 'nano' nano with_nano "$TOLD"; }
@test 'emacs' { tool 'emacs' emacs with_emacs; }

# ---- the page

# page_row ROW: that of the same tool in the page.
page_row() {
  awk -F ' [|] ' -v row="$1" 'BEGIN { split(row, want, " [|] ") } $1 == want[1]' "$TOOLS_PAGE"
}

# Tools that are not here keep their rows.
table() {
  local row
  echo '| tool | setting: good | bad | empty | header: good | bad | empty | protected header: good | bad | empty | config.json: good | bad | empty | mode |'
  echo '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |'
  while read -r row; do
    [[ $row != *'| skipped |' ]] || row=$(page_row "$row")
    echo "$row"
  done <"$BATS_FILE_TMPDIR/rows"
}

@test 'docs/tools.md has the table as it came out' {
  table >"$HERE/table"
  [ "$(wc -l <"$HERE/table")" -ge 40 ] || fail "$(cat "$HERE/table")"
  begin='<!-- begin tools -->' end='<!-- end tools -->' table=$HERE/table awk '
    $0 == ENVIRON["end"] { inside = 0 }
    !inside { print }
    $0 == ENVIRON["begin"] {
      inside = 1
      while ((getline line < ENVIRON["table"]) > 0)
        print line
    }' "$TOOLS_PAGE" >"$HERE/page"
  [ "${DOCS_TOOLS:-}" != write ] || cat "$HERE/page" >"$TOOLS_PAGE"
  diff -u "$TOOLS_PAGE" "$HERE/page" || fail 'make docs-tools puts it right'
}
