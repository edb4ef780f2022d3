# A fresh Debian in a chroot with a package to be installed, for scripts that source it; ended with them, whatever
# they start in it. As root; its packages come from where this machine has its own from.
#
#   root=DIRECTORY package=FILE
#   . tests/lib/chroot.sh      $root is made anew, the package is /tmp/webhookfs.deb in it
#   inside 'SCRIPT'            run by its sh, which ends with the first that fails
#   $root/tmp/receiver.pid     who stands in it is ended, too
# shellcheck shell=sh disable=SC2154,SC2317 # root and package are the sourcing script's; trap calls leave

inside() {
  chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root sh -euc "$1" </dev/null
}

# Nothing that is still mounted is gone into, and mount points are immutable.
remove() {
  ! [ -d "$root/srv/webhooks" ] || chattr -i "$root/srv/webhooks"
  grep -q " $root/" /proc/self/mounts || rm -rf --one-file-system "$root" "$root.said"
}

leave() {
  status=$?
  trap - EXIT INT TERM
  [ ! -e "$root/tmp/receiver.pid" ] || kill "$(cat "$root/tmp/receiver.pid")" 2>/dev/null
  for mounted in srv/webhooks dev/pts dev sys proc; do
    ! mountpoint -q "$root/$mounted" || umount "$root/$mounted" || umount -l "$root/$mounted"
  done
  remove
  exit "$status"
}
trap leave EXIT INT TERM

sources=/etc/apt/sources.list.d/debian.sources
mirror=$(sed -n 's/^URIs: *//p' "$sources" | head -n 1)
suite=$(sed -n 's/^Suites: *//p' "$sources" | head -n 1 | cut -d ' ' -f 1)
[ -e "$package" ] || { echo 'Bail out! no package: make deb'; exit 1; }
remove
mkdir -p "$root" || exit 1
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.said" 2>&1 ||
  { echo 'Bail out! no chroot'; tail "$root.said"; exit 1; }
cp "$sources" "$root/etc/apt/sources.list.d/"
rm -f "$root/etc/apt/sources.list"
cp /etc/resolv.conf "$root/etc/"
cp "$package" "$root/tmp/webhookfs.deb"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
