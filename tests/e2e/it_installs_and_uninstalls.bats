#!/usr/bin/env bats
# make install and uninstall, and what else brings the program to people: units, packages, fstab.
load ../lib/common
load ../lib/users

setup() {
  prepare
  TREE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  unset MAKEFLAGS MAKELEVEL MFLAGS PREFIX DESTDIR
}

# The program is what is under test; make is not to build another one.
install_tree() {
  make -C "$TREE" -s B="$(dirname "$WEBHOOKFS")" DESTDIR="$HERE/dest" "$@"
}

# files: what lies in $HERE/dest, relative to it.
files() {
  (cd "$HERE/dest" && find . ! -type d | sort)
}

# A unit with a program that is there, so that systemd-analyze finds it.
unit() {
  sed "s|/usr/bin/webhookfs|$WEBHOOKFS|" "$TREE/contrib/systemd/$1"
}

@test 'make install puts everything under DESTDIR and PREFIX, and make uninstall takes just that away' {
  local file said
  install_tree install PREFIX=/opt/w
  for file in bin/webhookfs bin/webhookfs-inotify share/man/man8/webhookfs.8 share/man/man5/webhookfs.5 \
    share/man/man1/webhookfs-inotify.1 share/bash-completion/completions/webhookfs \
    share/zsh/site-functions/_webhookfs lib/systemd/system/webhookfs.service \
    lib/systemd/system/webhookfs@.service lib/systemd/system/webhookfs.socket \
    lib/systemd/system/webhookfs-metrics@.timer libexec/webhookfs/webhookfs-metrics \
    share/webhookfs/prometheus/webhookfs-rules.yml share/webhookfs/grafana/webhookfs.json \
    lib/systemd/user/webhookfs.service lib/sysusers.d/webhookfs.conf lib/tmpfiles.d/webhookfs.conf; do
    [ -s "$HERE/dest/opt/w/$file" ] || fail "no $file in: $(files)" || return
  done
  [ -x "$HERE/dest/opt/w/bin/webhookfs" ]
  [ -z "$(find "$HERE/dest" -type f -perm /022)" ]
  # Nothing lies outside of PREFIX, and no unit names a program elsewhere.
  [ -z "$(files | grep -v '^\./opt/w/')" ]
  said=$(grep -r --exclude-dir=doc '/usr/[a-z]*/webhookfs' "$HERE/dest") && fail "$said"
  grep -rq 'ExecStart=/opt/w/bin/webhookfs ' "$HERE/dest"
  echo mine >"$HERE/dest/opt/w/bin/another"
  install_tree uninstall PREFIX=/opt/w
  [ "$(files)" = ./opt/w/bin/another ] || fail "left: $(files)"
}

# lands TARGET: links from installed pages may only lead to where no user looks: source, tests, the licence.
lands() {
  case $1 in
    */src/* | */tests/* | */LICENSE | */docs/webhookfs.[58]) return 0 ;;
    */contrib/grafana/* | */contrib/prometheus/*) set -- "$HERE/dest/usr/share/webhookfs/${1#*/contrib/}" ;;
  esac
  [ -s "$1" ]
}

@test 'the pages are installed, and find each other where they are then' {
  local doc page link links=0
  install_tree install PREFIX=/usr
  doc=$HERE/dest/usr/share/doc/webhookfs
  [ -s "$doc/README.md" ]
  [ -s "$doc/docs/errors.md" ]
  [ -s "$doc/contrib/verify/verify.py" ]
  while IFS=: read -r page link; do
    links=$((links + 1))
    lands "$(realpath -m "$(dirname "$page")/$link")" || fail "$page: $link" || return
  done < <(grep -rHoE '\]\([a-zA-Z./][a-zA-Z0-9_./-]+[)#]' --include='*.md' "$doc" | sed 's/:\](/:/; s/.$//')
  [ "$links" -gt 20 ]
}

@test 'the rpm package has all that is installed, and asks for nothing else' {
  local spec=$TREE/contrib/rpm/webhookfs.spec file pattern has=0 patterns=()
  install_tree install PREFIX=/usr
  while read -r pattern; do
    patterns+=("$pattern")
    # shellcheck disable=SC2086 # a pattern, and rpm's are those of a shell
    ls -d "$HERE/dest"$pattern >/dev/null || return
  done < <(rpmspec -P --define '_unitdir /usr/lib/systemd/system' --define '_userunitdir /usr/lib/systemd/user' \
    --define '_sysusersdir /usr/lib/sysusers.d' --define '_tmpfilesdir /usr/lib/tmpfiles.d' \
    --define '_docdir /usr/share/doc' "$spec" | sed -n '/^%files/,/^%changelog/s/^\(%doc \)\{0,1\}\(\/\)/\2/p')
  [ "${#patterns[@]}" -gt 10 ]
  while read -r file; do
    has=0
    for pattern in "${patterns[@]}"; do
      # shellcheck disable=SC2053 # patterns
      [[ /$file != $pattern && /$file != $pattern/* ]] || has=$((has + 1))
    done
    [ "$has" -eq 1 ] || fail "/$file: in $has of the spec's lines" || return
  done < <(files | sed 's|^\./||')
}

@test 'what is installed runs' {
  install_tree install PREFIX=/usr
  WEBHOOKFS=$HERE/dest/usr/bin/webhookfs
  start
  [ -s "$MNT/README" ]
}

@test 'make takes CFLAGS, CPPFLAGS and LDFLAGS from outside besides its own' {
  local said
  said=$(make -C "$TREE" -n V=1 B="$HERE/build" CFLAGS='-O1 -DMINE' CPPFLAGS=-DOURS LDFLAGS=-Wl,--as-needed)
  grep -q -- '-fPIE.*-O1 -DMINE' <<<"$said"
  grep -q -- '-DOURS' <<<"$said"
  grep -q -- '-pie.*-Wl,--as-needed' <<<"$said"
}

@test 'systemd finds no fault in the units' {
  local name said
  mkdir "$HERE/units"
  for name in webhookfs.service webhookfs@.service webhookfs.socket webhookfs@.socket; do
    unit "$name" >"$HERE/units/$name"
  done
  cd "$HERE/units"
  said=$(systemd-analyze verify --man=no ./webhookfs.service ./webhookfs@vision.service ./webhookfs.socket \
    ./webhookfs@vision.socket 2>&1) || fail "$said"
  [ -z "$(grep -F webhookfs <<<"$said")" ] || fail "$said"
  unit user/webhookfs.service >"$HERE/units/mine.service"
  said=$(XDG_RUNTIME_DIR=$HERE systemd-analyze verify --user --man=no ./mine.service 2>&1) || fail "$said"
  [ -z "$(grep -F mine <<<"$said")" ] || fail "$said"
}

@test 'the service is hardened: systemd-analyze security is at most 2.0' {
  local name
  for name in webhookfs.service webhookfs@.service; do
    systemd-analyze security --offline=true --threshold=20 --no-pager "$TREE/contrib/systemd/$name" >"$HERE/said" ||
      fail "$(tail -n 1 "$HERE/said")" || return
  done
}

@test 'the units for several mounts are those for one, with @NAME behind each name' {
  local kind
  for kind in service socket; do
    diff <(grep -v -e '^#' "$TREE/contrib/systemd/webhookfs.$kind") \
      <(grep -v -e '^#' "$TREE/contrib/systemd/webhookfs@.$kind" | sed 's/@%i//g; s/, %i$//')
  done
}

@test 'the mount unit of docs/services.md is one that systemd takes' {
  awk '/^    \[Unit\]$/ { go = 1 } /^[^ ]/ { go = 0 } go' "$TREE/docs/services.md" | sed 's/^    //' \
    >"$HERE/srv-webhooks.mount"
  grep -qx 'Type=fuse.webhookfs' "$HERE/srv-webhooks.mount"
  systemd-analyze verify --man=no "$HERE/srv-webhooks.mount"
}

@test 'a line of fstab mounts it' {
  need_root
  ln -s "$WEBHOOKFS" "$HERE/webhookfs"
  install -d -m 700 "$STATE"
  echo "$STATE $MNT fuse.$HERE/webhookfs _netdev,nofail,x-systemd.automount,allow_other,project=vision 0 0" >"$HERE/fstab"
  mount -a -T "$HERE/fstab" 3>&-
  eventually 5 one_process
  [ "$(findmnt -no FSTYPE,SOURCE "$MNT" | tr -s ' ')" = "fuse.webhookfs $STATE" ]
  mount -a -T "$HERE/fstab" 3>&- # what is mounted stays as it is
  [ "$(mounts | wc -l)" -eq 1 ]
  umount "$MNT"
  ended
}

@test 'the packages have the version of the Makefile, and their files are well-formed' {
  local version
  version=$(sed -n 's/^VERSION := //p' "$TREE/Makefile")
  [ "$("$WEBHOOKFS" -V)" = "webhookfs $version" ]
  [ "$(rpmspec -q --qf '%{VERSION}' "$TREE/contrib/rpm/webhookfs.spec")" = "$version" ]
  rpmspec -P "$TREE/contrib/rpm/webhookfs.spec" >/dev/null
  rpmlint "$TREE/contrib/rpm/webhookfs.spec" >"$HERE/said" || fail "$(cat "$HERE/said")"
  grep -q '0 errors' "$HERE/said"
  # shellcheck disable=SC1091,SC2154 # it is a shell script that sets these
  (
    . "$TREE/contrib/alpine/APKBUILD"
    [ "$pkgver" = "$version" ]
    for name in pkgname pkgdesc url arch license depends makedepends source; do
      [ -n "${!name}" ] || fail "no $name"
    done
    declare -F build package _inotify >/dev/null
  )
  sh -n "$TREE/contrib/alpine/APKBUILD"
}

@test "Debian's package is built with the unit tests alone: a build has no right to mount" {
  mkdir "$HERE/debian"
  cp "$TREE/contrib/debian/control" "$TREE/contrib/debian/changelog" "$HERE/debian"
  printf 'test check unit:\n\t@echo $@ >>ran\n' >"$HERE/Makefile"
  (cd "$HERE" && make -s -f "$TREE/contrib/debian/rules" override_dh_auto_test)
  [ "$(cat "$HERE/ran")" = unit ] || fail "ran: $(cat "$HERE/ran")"
}

@test 'every library is in each of the packages' {
  local library
  # What pkg-config calls it, and what Debian's and Alpine's packages do.
  while read -r library debian alpine; do
    grep -q "^[A-Z_]*LIBS := .*\<$library\>" "$TREE/Makefile" || fail "$library" || return
    grep -qx "BuildRequires: *pkgconfig($library)" "$TREE/contrib/rpm/webhookfs.spec" || fail "rpm: $library" || return
    grep -q "$debian" "$TREE/contrib/debian/control" || fail "deb: $library" || return
    grep -qx "	$alpine" "$TREE/contrib/alpine/APKBUILD" || fail "apk: $library" || return
  done <<END
fuse3 libfuse3-dev fuse3-dev
libcurl libcurl4-openssl-dev curl-dev
jansson libjansson-dev jansson-dev
sqlite3 libsqlite3-dev sqlite-dev
libcrypto libssl-dev openssl-dev
ncursesw libncurses-dev ncurses-dev
END
  [ "$(sed -n 's/^\(TOP_\)\{0,1\}LIBS := //p' "$TREE/Makefile" | tr ' ' '\n' | sort -u | wc -l)" -eq 6 ]
}
