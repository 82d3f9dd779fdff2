#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the initramfs of a guest: static busybox, our init, and the modules that
# reach the host's files.  Owns its content and nothing else; uncompressed,
# because that is the quickest to unpack under emulation.
#
# usage: mkinitrd.sh OUT.cpio [ROOT KERNEL-VERSION]
set -eu

out=$1 root=${2:-} kver=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
busybox=$(command -v busybox) || {
	echo "mkinitrd: no busybox: run scripts/setup.sh" >&2
	exit 1
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

d=$tmp/root
mkdir -p "$d"/{bin,dev,proc,sys,host,rw,root,hold,modules}
cp "$busybox" "$d/bin/busybox"
for a in sh mount umount insmod mkdir cat sleep echo poweroff reboot switch_root; do
	ln -s busybox "$d/bin/$a"
done
cp "$here/init" "$d/init"
chmod 755 "$d/init"

# name of a module file without its directories and endings, - and _ being the same
base() {
	local n=${1##*/}
	n=${n%%.ko*}
	echo "${n//-/_}"
}

# add MODULE: its dependencies first; depmod lists them in reverse order
seen=' '
add() {
	local want=$1 line f dep
	case $seen in
	*" $want "*) return 0 ;;
	esac
	line=$(while IFS= read -r line; do
		[ "$(base "${line%%:*}")" != "$want" ] || { echo "$line"; break; }
	done < <(grep -E "${want//_/[-_]}\.ko" "$root/lib/modules/$kver/modules.dep"))
	[ -n "$line" ] || return 0	# built in
	for dep in ${line#*:}; do
		add "$(base "$dep")"
	done
	case $seen in
	*" $want "*) return 0 ;;
	esac
	seen="$seen$want "
	f=$root/lib/modules/$kver/${line%%:*}
	case $f in
	*.xz)	xz -dc "$f" >"$d/modules/$want.ko" ;;
	*.zst)	zstd -qdc "$f" >"$d/modules/$want.ko" ;;
	*)	cp "$f" "$d/modules/$want.ko" ;;
	esac
	objcopy --strip-debug "$d/modules/$want.ko"
	echo "$want" >>"$d/modules/order"
}

: >"$d/modules/order"
if [ -n "$kver" ]; then
	for m in virtio_ring virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		add "$m"
	done
fi

(cd "$d" && find . | sort | cpio --quiet -o -H newc -R 0:0) >"$tmp/cpio"
mv "$tmp/cpio" "$out"
