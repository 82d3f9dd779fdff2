#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The ninth virtio disk is called /dev/vdi: boots a guest that has nine and runs
# selftests/disks_test.sh there.  Prints TAP; ends with the guest's status.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")

[ "${1:-}" != --help ] || { echo "usage: nine_disks.sh (KERNEL=6.1: the guest, a QEMU one)"; exit 0; }

mkdir -p "$top/.build"
dir=$(mktemp -d "$top/.build/disks.XXXXXX")
vm=
finish() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

args=()
for i in 1 2 3 4 5 6 7 8 9; do
	truncate -s 1M "$dir/$i"
	args+=(-drive "if=none,id=d$i,format=raw,file=$dir/$i" -device "virtio-blk-pci,drive=d$i")
done
"$top/scripts/vm.sh" --kernel "${KERNEL:-6.1}" --timeout 600 --qemu-args "${args[*]}" \
	--env VDI_DISKS=9 -- "$top/selftests/run.sh" disks &
vm=$!
rc=0
wait "$vm" || rc=$?
vm=
exit "$rc"
