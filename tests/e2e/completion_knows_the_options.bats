#!/usr/bin/env bats
# Shells complete the command line of webhookfs: what a person gets who types and presses Tab.
load ../lib/common

setup() {
  prepare
  TYPED=$(realpath "$BATS_TEST_DIRNAME/../lib/typed.py")
  SHARE=$(realpath "$BATS_TEST_DIRNAME/../../contrib/completion")
  mkdir "$HERE/bin"
  ln -s "$WEBHOOKFS" "$HERE/bin/webhookfs"
  PATH=$HERE/bin:$PATH
}

# in_bash LINE WORDS [ABSENT]: <TAB> in LINE is a Tab.
in_bash() {
  echo ". '$SHARE/webhookfs.bash'" | python3 "$TYPED" bash --norc --noprofile -i -- "$@" 3>&-
}

in_zsh() {
  echo "fpath=('$SHARE' \$fpath); autoload -Uz compinit; compinit -u -d '$HERE/zcompdump'" |
    python3 "$TYPED" zsh -f -i -- "$@" 3>&-
}

# in_fish LINE: what it offers, one a line.
in_fish() {
  HOME=$HERE XDG_CONFIG_HOME=$HERE fish --no-config -c "source '$SHARE/webhookfs.fish'; complete -C '$1'" 3>&-
}

names_of_options() {
  "$WEBHOOKFS" -h | sed -nE 's/^  ([a-z_]+)=.*/\1/p'
}

@test 'every option of -h is offered, and those of FUSE that it names' {
  local offered name
  # As bash calls it, without a terminal.
  offered=$(bash --norc -c '. "$1"
    COMP_LINE="webhookfs -o " COMP_POINT=13
    _webhookfs webhookfs; printf "%s\n" "${COMPREPLY[@]}"' - "$SHARE/webhookfs.bash")
  for name in $(names_of_options); do
    grep -qx "$name=" <<<"$offered" || fail "no $name= in: $offered" || return
  done
  grep -qx allow_other <<<"$offered"
  [ "$(wc -l <<<"$offered")" -eq $(($(names_of_options | wc -l) + 2)) ] || fail "$offered"
}

@test 'bash completes switches, the list of -o, words and directories' {
  mkdir "$HERE/d" "$HERE/d/here-it-is"
  in_bash 'webhookfs -<TAB><TAB>' '--top  -V     -d     -f     -h     -m     -o'
  in_bash 'webhookfs -o max_b<TAB>' 'webhookfs -o max_backlog=' 'max_backlog= '
  in_bash 'webhookfs -o grace=1,sync=n<TAB>' 'webhookfs -o grace=1,sync=normal'
  in_bash "webhookfs -o spool=$HERE/d/here<TAB>" "spool=$HERE/d/here-it-is/"
  in_bash "webhookfs $HERE/d/here<TAB>" "$HERE/d/here-it-is/"
}

@test 'zsh completes switches, the list of -o, words and directories' {
  mkdir "$HERE/d" "$HERE/d/here-it-is"
  in_zsh 'webhookfs -<TAB>' 'stay in the foreground'
  in_zsh 'webhookfs -o retention<TAB><TAB>' 'How long a delivery that arrived is kept'
  in_zsh 'webhookfs -o grace=1,sync=n<TAB>' 'sync=normal,'
  in_zsh "webhookfs -o spool=$HERE/d/here<TAB>" "spool=$HERE/d/here-it-is/"
  in_zsh "webhookfs $HERE/d/here<TAB>" "$HERE/d/here-it-is/"
}

@test 'fish completes the list of -o, behind what stands there' {
  command -v fish >/dev/null || skip 'no fish here'
  in_fish 'webhookfs -o max_b' | grep -q '^max_backlog='
  in_fish 'webhookfs -o grace=1,syn' | grep -q '^grace=1,sync='
}

@test 'for webhookfs-run the objects of hooks are offered, and behind -- commands' {
  start
  export WEBHOOKFS=$MNT # as webhookfs-run has it; others have mounts, too
  make_hook h http://127.0.0.1:1/ completed experiment/bert-base
  make_hook all http://127.0.0.1:1/ completed 'experiment/bert-*'
  in_bash 'webhookfs-run experiment/bert<TAB>' 'webhookfs-run experiment/bert-base'
  in_bash 'webhookfs-run experiment/x -- setpri<TAB>' '-- setpriv'
  in_zsh 'webhookfs-run experiment/bert<TAB>' 'webhookfs-run experiment/bert-base'
  in_zsh 'webhookfs-run experiment/x -- setpri<TAB>' '-- setpriv'
}
