# The tools that people write files with: with_TOOL LINE FILE puts the line into the file, as its only
# content, the way such a tool does it. For e2e files that load it behind common.
#
# shellcheck disable=SC2016 # code for other shells

need() {
  type -p "$1" >/dev/null || skip "no $1 here"
}

# ---- shells

with_echo() { echo "$1" >"$2"; }
with_printf() { printf %s "$1" >"$2"; }
with_append() { echo "$1" >>"$2"; }
with_append_unended() { printf %s "$1" >>"$2"; }
with_read_write() { echo "$1" 1<>"$2"; }
with_cat() { echo "$1" | cat >"$2"; }
with_here_document() {
  cat >"$2" <<END
$1
END
}
with_dash() { dash -c 'echo "$0" > "$1"' "$1" "$2"; }
with_zsh() { zsh -fc 'print -r -- "$1" > "$2"' zsh "$1" "$2"; }
with_mksh() { mksh -c 'print -r -- "$1" > "$2"' mksh "$1" "$2"; }
with_busybox() { busybox sh -c 'echo "$0" > "$1"' "$1" "$2"; }

# ---- filters

with_tee() { echo "$1" | tee "$2" >/dev/null; }
with_tee_append() { echo "$1" | tee -a "$2" >/dev/null; }
with_dd() { echo "$1" | dd of="$2" status=none; }
with_dd_notrunc() { echo "$1" | dd of="$2" conv=notrunc,fsync status=none; }
with_dd_append() { echo "$1" | dd of="$2" oflag=append conv=notrunc status=none; }
with_sponge() { echo "$1" | sponge "$2"; }
with_sort() { echo "$1" | sort -o "$2"; }
with_awk() { LINE=$1 awk -v "file=$2" 'BEGIN { print ENVIRON["LINE"] > file }' </dev/null; }
with_jq() { jq -rn --arg line "$1" '$line' >"$2"; }
with_jq_mv() { jq -rn --arg line "$1" '$line' >"$2.new" && mv "$2.new" "$2"; }
with_curl() { made "$@" && curl -s -o "$2" "file://$MADE"; }
with_socat() { echo "$1" | socat -u STDIN "OPEN:$2,trunc" 2>&1; }

# ---- those that take a file: $HERE/new/NAME

made() {
  mkdir -p "$HERE/new"
  MADE=$HERE/new/${2##*/}
  printf '%s\n' "$1" >"$MADE"
}

with_cp() { made "$@" && cp "$MADE" "$2"; }
with_cp_archive() { made "$@" && cp -a "$MADE" "$2"; }
with_cp_remove() { made "$@" && cp --remove-destination "$MADE" "$2"; }
with_cp_into() { made "$@" && cp "$MADE" "${2%/*}/"; }
with_cp_backup() { made "$@" && cp --backup=simple "$MADE" "$2"; }
with_install() { made "$@" && install "$MADE" "$2"; }
with_install_600() { made "$@" && install -m 600 "$MADE" "$2"; }
with_install_644() { made "$@" && install -m 644 "$MADE" "$2"; }
with_mv() { made "$@" && mv "$MADE" "$2"; }
with_mv_force() { made "$@" && mv -f "$MADE" "$2"; }
with_tar() { made "$@" && tar -C "$HERE/new" -c "${2##*/}" | tar -C "${2%/*}" -x; }
with_tar_overwrite() {
  made "$@" && tar -C "$HERE/new" -c "${2##*/}" | tar -C "${2%/*}" --overwrite -x
}
with_rsync() { made "$@" && rsync "$MADE" "$2"; }
with_rsync_archive() { made "$@" && rsync -a "$MADE" "$2"; }
with_rsync_inplace() { made "$@" && rsync --inplace "$MADE" "$2"; }
with_rsync_archive_inplace() { made "$@" && rsync -a --inplace "$MADE" "$2"; }

# A neighbour takes the file's place.
with_mv_beside() {
  echo "$1" >"${2%/*}/.new" && mv "${2%/*}/.new" "$2"
}
with_mktemp() {
  local new
  new=$(mktemp "${2%/*}/tmp.XXXXXX") && chmod --reference="$2" "$new" && echo "$1" >"$new" &&
    mv "$new" "$2"
}
with_git() {
  local git=(git --git-dir="$HERE/git" --work-tree="$(dirname "$2")")
  [ -d "$HERE/git" ] || git init -q --bare "$HERE/git" || return
  made "$@"
  git --git-dir="$HERE/git" --work-tree="$HERE/new" add -f "${2##*/}" &&
    "${git[@]}" checkout-index -f -- "${2##*/}"
}

# ---- programs' own files

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
with_python_update() {
  python3 -c 'import sys
with open(sys.argv[2], "r+") as f:
    f.write(sys.argv[1] + "\n")
    f.truncate()' "$1" "$2"
}
with_python_replace() {
  python3 -c 'import os, shutil, sys, tempfile
fd, new = tempfile.mkstemp(dir=os.path.dirname(sys.argv[2]))
try:
    with os.fdopen(fd, "w") as f:
        f.write(sys.argv[1] + "\n")
    shutil.copymode(sys.argv[2], new)
    os.replace(new, sys.argv[2])
except OSError:
    os.unlink(new)
    raise' "$1" "$2"
}
with_perl() { perl -e 'open F, ">", $ARGV[1]; print F "$ARGV[0]\n"; close F or die "$!"' "$1" "$2"; }

# ---- editors

with_sed() { sed -i -e '1c\' -e "$1" -e '2,$d' "$2"; }
with_sed_backup() { sed -i.bak -e '1c\' -e "$1" -e '2,$d' "$2"; }
with_busybox_sed() { busybox sed -i -e '1c\' -e "$1" -e '2,$d' "$2"; }
with_perl_edit() { LINE=$1 perl -i -ne 'print "$ENV{LINE}\n" if $. == 1' "$2"; }
with_perl_backup() { LINE=$1 perl -i.bak -ne 'print "$ENV{LINE}\n" if $. == 1' "$2"; }
with_ed() { printf '%s\n' '1,$c' "$1" . w q | ed -s "$2"; }
with_patch() {
  made "$@"
  cat "$2" >"$HERE/old"
  diff -u "$HERE/old" "$MADE" | patch -s --no-backup-if-mismatch "$2"
}
# vim puts nothing aside under /tmp unless it is told to.
vim_sets() {
  made "$2" "$3"
  vim -es -u NONE -N --cmd 'set backupskip=' --cmd "set $1" -c "%!cat $MADE" -c wq -c cquit "$3"
}
with_vim() { vim_sets writebackup "$@"; }
with_vim_no_backup() { vim_sets 'nobackup nowritebackup noswapfile' "$@"; }
with_vim_copies() { vim_sets 'backup backupcopy=yes' "$@"; }
with_vim_renames() { vim_sets 'backup backupcopy=no undofile' "$@"; }
with_emacs() {
  made "$@"
  emacs -Q --batch --eval "(progn (setq create-lockfiles t)
    (find-file \"$2\") (erase-buffer) (insert-file-contents \"$MADE\") (save-buffer))" 2>&1
}
# It ends with 0, whatever happened.
with_nano() { made "$@" && "$(dirname "${BASH_SOURCE[0]}")/nano.py" "$2" "$MADE"; }
