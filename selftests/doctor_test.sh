#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi doctor: what it finds, what it advises, and that neither it nor the library
# ever opens a disk that has the name of the node.  Loads and unloads the module,
# so it needs a guest, root, and a copy of the module.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

rule=/etc/udev/rules.d/60-vdi.rules
module=${VDI_MODULE:-}
[ -n "$module" ] || { echo "1..0 # SKIP needs a guest: no VDI_MODULE to load"; exit 4; }

# reload [PARAMETER...]: as a guest does it, with the node for the group vdi
reload() {
	local node=${*#*devname=}
	[ "$node" != "$*" ] || node=vdi
	rmmod vdi 2>/dev/null
	insmod "$module" "$@" || fail "the module does not load" || return 1
	[ ! -c "/dev/$node" ] || { chgrp vdi "/dev/$node" && chmod 660 "/dev/$node"; }
}

# Whatever a test did: the node and the parameters as they were.
restored() {
	local rc=$?
	umount /sys/module/module/parameters/sig_enforce 2>/dev/null
	rm -f "$rule" /dev/vdi /dev/vdi0
	reload
	return "$rc"
}

# problem WHAT REGEX ADVICE-REGEX: one of the lines says this
problem() {
	grep -qE "^PROBLEM +$1 +.*($2).*: .*($3)" "$out" || fail "no problem $1: $(cat "$out")"
}

problems() {
	[ "$(grep -c ^PROBLEM "$out")" = "$1" ] || fail "not $1 problems: $(cat "$out")"
}

# A block device of the node's name; qemu/nine_disks.sh has one with a disk behind.
make_disk() {
	rm -f /dev/vdi
	mknod /dev/vdi b 254 128
}

test_fine() {
	mkdir -p "${rule%/*}"
	cp "$top/scripts/packaging/60-vdi.rules" "$rule"
	run 0 vdi doctor && problems 0 || return 1
	grep -qE '^ok +node +/dev/vdi .* answers as vdi [0-9.]+' "$out" || fail "$(cat "$out")" || return 1
	run 0 setpriv --reuid vdi1 --regid vdi1 --init-groups env PATH="$PATH" \
		LD_LIBRARY_PATH="$LD_LIBRARY_PATH" vdi doctor && problems 0 || return 1
	run 0 vdi doctor --json && jq -e '.type == "vdi.doctor" and .problems == 0 and
		([.checks[].status] | unique) == ["ok"]' "$out" || return 1
	rm "$rule"
	run 0 vdi doctor || return 1		# the group does it until the next boot
	chgrp 0 /dev/vdi
	run 1 vdi doctor && problems 1 && problem rule 'for root only' 60-vdi.rules
	restored
}

test_node_missing() {
	rm /dev/vdi
	run 1 vdi doctor && problems 1 && problem node 'not there although' 'udevadm trigger'
	restored
}

test_node_is_disk() {
	make_disk || return 1
	run 1 strace -f -e trace=open,openat -o trace vdi doctor && problems 1 &&
		problem node 'is a disk .*second, has no node' 'devname=vdi0' &&
		run 1 vdi doctor --json && jq -e '.problems == 1' "$out" &&
		run 7 strace -f -e trace=open,openat -o trace2 vdi list && said 'is something else' ||
		{ restored; return 1; }
	cat trace2 >>trace
	grep -q libvdi trace || fail "strace saw nothing" || { restored; return 1; }
	! grep /dev/vdi trace || fail "the disk was opened" || { restored; return 1; }
	restored
}

test_not_permitted() {
	run 1 setpriv --reuid nobody --regid nogroup --clear-groups env PATH="$PATH" \
		LD_LIBRARY_PATH="$LD_LIBRARY_PATH" vdi doctor && problems 1 &&
		problem permission 'nobody may not open /dev/vdi \(group vdi, mode 0660\)' \
			'usermod -aG vdi nobody' || return 1
	chmod 600 /dev/vdi
	chgrp 0 /dev/vdi
	run 1 setpriv --reuid vdi1 --regid vdi1 --init-groups env PATH="$PATH" \
		LD_LIBRARY_PATH="$LD_LIBRARY_PATH" vdi doctor &&
		problem permission 'vdi1 may not' 60-vdi.rules
	restored
}

test_not_loaded() {
	rmmod vdi
	rm -f /dev/vdi
	run 1 vdi doctor && problem module 'not (installed|loaded)' modprobe &&
		problem node 'not there' 'load the module' && problems 2 || { restored; return 1; }
	make_disk && run 1 vdi doctor && problem node 'is a disk' 'devname=vdi0' && problems 2
	restored
}

test_stale_node() {		# left by a module that is gone, or of another driver
	rm /dev/vdi
	mknod /dev/vdi c 1 3
	run 1 vdi doctor && problems 1 && problem node "\(1:3\) is not the module's" 'remove it' ||
		{ restored; return 1; }
	rm /dev/vdi
	echo data >/dev/vdi
	run 1 vdi doctor && problems 1 && problem node 'is no device' 'remove it'
	restored
}

test_other_name() {
	make_disk && reload devname=vdi0 || { restored; return 1; }
	run 1 vdi doctor && problem node 'is a disk' 'VDI_DEVICE=/dev/vdi0' || { restored; return 1; }
	run 0 env VDI_DEVICE=/dev/vdi0 vdi doctor && problems 0 &&
		run 0 env VDI_DEVICE=/dev/vdi0 vdi list || { restored; return 1; }
	rm /dev/vdi
	run 1 vdi doctor && problem node "not there, the module's node is /dev/vdi0" \
		'export VDI_DEVICE=/dev/vdi0'
	restored
}

test_signature() {
	local file=/sys/module/module/parameters/sig_enforce
	[ -e "$file" ] || { echo "SKIP this kernel has no signed modules"; return 1; }
	echo Y >enforce
	mount --bind enforce "$file" || return 1
	run 0 vdi doctor && grep -q 'ok *signature *asked for' "$out" || { restored; return 1; }
	rmmod vdi
	run 1 vdi doctor && problem signature 'known key' 'mokutil --import'
	restored
}

test_limits() {
	local file=/sys/module/vdi/parameters/max_sets old
	old=$(cat "$file")
	echo 0 >"$file"
	run 1 vdi doctor && problems 1 && problem limits 'too small .* 0 sets' 'vdi\(4\)'
	local rc=$?
	echo "$old" >"$file"
	return "$rc"
}

test_version() {
	cat >other.c <<-END
		const char *vdi_version(void) { return "0.0.1"; }
	END
	gcc -shared -fPIC -o other.so other.c || return 1
	run 1 env LD_PRELOAD="$PWD/other.so" vdi doctor && problems 1 &&
		problem version 'libvdi 0\.0\.1' 'one release'
}

run_tests "$@"
