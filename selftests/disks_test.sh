#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The ninth virtio disk, which is called /dev/vdi as well: who comes second has no
# node, vdi doctor says so, another name helps, and the library leaves the disk alone.
# Needs a guest with nine such disks, see qemu/nine_disks.sh; elsewhere it is skipped.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
[ "${VDI_DISKS:-0}" = 9 ] || { echo "1..0 # SKIP needs nine virtio disks: selftests/qemu/nine_disks.sh"; exit 4; }
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

disks_are_there() {
	[ "$(grep -cE ' vd[a-i]$' /proc/partitions)" = 9 ]
}

# How many bytes were ever read from or written to the ninth disk
touched() {
	awk '{ print $3 + $7 }' /sys/block/vdi/stat
}

# The rule for udev, with a udev of its own; other rules would read the disks
rules=/run/udev/rules.d
udevd() {
	local f
	[ ! -e /run/udev/control ] || return 0
	mkdir -p "$rules"
	for f in /lib/udev/rules.d/*.rules /usr/lib/udev/rules.d/*.rules /etc/udev/rules.d/*.rules; do
		[ ! -e "$f" ] || ln -sf /dev/null "$rules/${f##*/}"
	done
	rm -f "$rules"/60-vdi.rules
	cp "$top/scripts/packaging/60-vdi.rules" "$rules"/
	/lib/systemd/systemd-udevd --daemon >&2 && udevadm control --ping
}

# logged TEXT: in the kernel's log, by the rule
logged() {
	udevadm settle && dmesg | grep -qF "vdi: /dev/vdi is $1"
}

test_1_module_first() {
	udevd || return 1
	! logged "not a disk" || fail "it is said already" || return 1
	[ -c /dev/vdi ] || fail "no node" || return 1
	modprobe virtio_blk && until_true disks_are_there || return 1
	[ -c /dev/vdi ] || fail "the disk took the node of the module" || return 1
	logged 'not a disk, so the ninth virtio disk has no node' ||
		fail "the log does not say that the disk has no node" || return 1
	run 0 vdi list
}

test_2_disk_first() {
	local before
	rmmod vdi && rmmod virtio_blk || return 1
	until_true test ! -e /dev/vdi || return 1
	modprobe virtio_blk && until_true test -b /dev/vdi && until_true disks_are_there || return 1
	insmod "$VDI_MODULE" || fail "the module must load all the same" || return 1
	[ -b /dev/vdi ] || fail "no disk" || return 1
	logged 'a disk, so the module has no node' ||
		fail "the log does not say that the module has no node" || return 1
	before=$(touched)
	run 1 vdi doctor && grep -qE 'PROBLEM +node +/dev/vdi is a disk .*second, has no node.*devname=vdi0' \
		"$out" || fail "$(cat "$out")" || return 1
	run 7 vdi list && said 'is something else than the VDI device' || return 1
	run 7 vdi recv x null: && said 'is something else' || return 1
	[ "$(touched)" = "$before" ] || fail "the disk was read or written"
}

test_3_other_name() {
	rmmod vdi && insmod "$VDI_MODULE" devname=vdi0 || return 1
	until_true test -c /dev/vdi0 && chgrp vdi /dev/vdi0 && chmod 660 /dev/vdi0 || return 1
	[ -b /dev/vdi ] || fail "no disk" || return 1
	run 0 env VDI_DEVICE=/dev/vdi0 vdi doctor || return 1
	run 0 env VDI_DEVICE=/dev/vdi0 vdi list || return 1
	start recv env VDI_DEVICE=/dev/vdi0 vdi recv x file
	echo data | VDI_DEVICE=/dev/vdi0 vdi put x || fail "put" || return 1
	ended 0 recv "$pid"
}

test_4_as_it_was() {
	rmmod vdi && rmmod virtio_blk && until_true test ! -e /dev/vdi && insmod "$VDI_MODULE" || return 1
	until_true test -c /dev/vdi && chgrp vdi /dev/vdi && chmod 660 /dev/vdi
}

run_tests "$@"
