#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Process 1 of a guest once its root is mounted: makes the system usable, loads
# the module, runs the one command, and then judges: nothing of the command may
# run on, the module's counters are at zero, it unloads, no memory leaked, the
# kernel complained about nothing.  Only after all of that is the verdict
# written, to a channel of its own; the host (scripts/vm.sh) trusts nothing else.
# Busybox runs it with its own tools: each program taken from the host's files
# costs a tenth of a second under emulation.
#
# usage: guest.sh RUN-DIRECTORY (of vm.sh: config, command, and what comes back)
# shellcheck shell=dash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

run=$1
type='' top='' root='' kver='' module='' module_params='' need_counters=''
user='' shares='' shell='' nonce='' leak_check=''
# shellcheck disable=SC1091 # made by vm.sh: the variables above
. "$run/config"

exec </dev/console >/dev/console 2>&1
bad=0

# To the kernel's log, for the time of it; check_log knows the word in front.
say() {
	echo "vdi-mark: $*" >/dev/kmsg
}

# A reason is a line for the host's user; the first is the one to look at.
fail() {
	bad=1
	say "FAIL: $*"
	echo "reason $*" >"$verdict_dev"
}

# Without ACPI a machine cannot be switched off; QEMU ends at the restart.
power_off() {
	case $type in
	microvm) reboot -f ;;
	*)	poweroff -f ;;
	esac
}

raw() {
	stty -F "$1" raw -echo 2>/dev/null
}

# The virtio port of that name.
port() {
	local f
	f=$(grep -lx "$1" /sys/class/virtio-ports/*/name) || say "no port $1"
	f=${f%/name}
	echo "/dev/${f##*/}"
}

find_channels() {
	case $type in
	qemu|microvm)
		verdict_dev=/dev/ttyS1 out_dev=$(port vdi.out) err_dev=$(port vdi.err)
		shell_dev=/dev/hvc0 ;;
	uml)
		verdict_dev=/dev/ttyS0 out_dev=/dev/ttyS1 err_dev=/dev/ttyS2
		shell_dev=/dev/tty1
		raw "$out_dev"
		raw "$err_dev" ;;
	esac
	raw "$verdict_dev"
}

mount_all() {
	mkdir -p /dev/pts /dev/shm /dev/mqueue
	mount -t devpts -o mode=620,ptmxmode=666,gid=5 devpts /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t mqueue mqueue /dev/mqueue 2>/dev/null
	mount -t debugfs -o mode=755 debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
	ln -sfn /proc/self/fd /dev/fd
	ln -sfn /proc/self/fd/0 /dev/stdin
	ln -sfn /proc/self/fd/1 /dev/stdout
	ln -sfn /proc/self/fd/2 /dev/stderr
	chmod 666 /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx
	mkdir -p /run/lock /var/tmp
	if [ -n "$kver" ]; then
		mkdir -p "/lib/modules/$kver"
		mount --bind "$root/lib/modules/$kver" "/lib/modules/$kver"
	fi
}

# free_id FILE FIRST: a number from there that no user or group of FILE has
free_id() {
	local id=$2
	while grep -q "^[^:]*:[^:]*:$id:" "$1"; do
		id=$((id + 1))
	done
	echo "$id"
}

# add_user NAME NUMBER, if there is none of that name
add_user() {
	local id
	grep -q "^$1:" /etc/group || echo "$1:x:$(free_id /etc/group "$2"):" >>/etc/group
	id=$(grep "^$1:" /etc/group | cut -d: -f3)
	grep -q "^$1:" /etc/passwd ||
		echo "$1:x:$(free_id /etc/passwd "$2"):$id::/tmp:/bin/bash" >>/etc/passwd
}

make_users() {
	grep -q "^vdi:" /etc/group || echo "vdi:x:$(free_id /etc/group 900):" >>/etc/group
	add_user vdi1 1001
	add_user vdi2 1002
	# both test users may open the node
	sed -i 's/^\(vdi:[^:]*:[^:]*\):.*/\1:vdi1,vdi2/' /etc/group
	# a checkout below root's home must be readable for them too
	local d=$top
	while [ "$d" != / ]; do
		[ -n "$(find "$d" -maxdepth 0 -perm -005)" ] || chmod o+rx "$d"
		d=$(dirname "$d")
	done
}

make_system() {
	mount_all
	hostname vdi-guest
	ifconfig lo 127.0.0.1 up
	[ ! -e /proc/sys/kernel/core_pattern ] ||
		echo '/tmp/core.%e.%p' >/proc/sys/kernel/core_pattern
	echo 7 >/proc/sys/kernel/printk
	# a data race anywhere is a warning: those of others are none of ours
	[ -e "$kcsan" ] || echo 1 >/proc/sys/kernel/panic_on_warn
	ulimit -c 0
	ulimit -n 65536
	make_users
	mkdir -m 1777 /run/out
}

add_shares() {
	local i=0 dir
	for dir in $shares; do
		mkdir -p "$dir"
		case $type in
		qemu|microvm)
			mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=mmap \
				"share$i" "$dir" ;;
		uml)	mount -t hostfs -o "$dir" none "$dir" ;;
		esac || fail "cannot mount the shared directory $dir"
		i=$((i + 1))
	done
}

load_module() {
	[ -n "$module" ] || return 0
	# shellcheck disable=SC2086 # parameters are words
	insmod "$module" $module_params || {
		fail "the module does not load: $(dmesg | tail -n 1 | sed 's/^[^]]*] *//')"
		return 1
	}
	# what udev's rule does on an installed system
	[ ! -e /dev/vdi ] || { chgrp vdi /dev/vdi && chmod 660 /dev/vdi; }
}

# Every process but kernel threads (flag 0x200000), zombies, and our own.
user_processes() {
	local self p pid stat
	read -r self stat </proc/self/stat
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		case $pid in
		1|"$self"|"$cat1"|"$cat2") continue ;;
		esac
		read -r stat 2>/dev/null <"$p/stat" || continue
		# shellcheck disable=SC2086 # the fields
		set -- ${stat##*) }
		[ "$1" != Z ] && [ $(($7 & 0x200000)) = 0 ] && echo "$pid"
	done
}

# Processes of the command must die; one that does not is a hang in the kernel.
kill_leftovers() {
	local i pid pids
	for i in $(seq 200); do
		pids=$(user_processes)
		[ -n "$pids" ] || return 0
		# shellcheck disable=SC2086 # a list
		kill -9 $pids 2>/dev/null
		sleep 0.05
	done
	for pid in $pids; do
		fail "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null)) survives SIGKILL"
		cat "/proc/$pid/stack" 2>/dev/null
	done
}

kcsan=/sys/kernel/debug/kcsan

# As the kernel comes, a tenth of a millisecond for one in 4000 accesses, nothing is
# seen on emulated processors: the other one does next to nothing in that time.
watch_races() {
	echo 400 >/sys/module/kcsan/parameters/skip_watch
	echo 2000 >/sys/module/kcsan/parameters/udelay_task
	echo on >"$kcsan"
}

run_command() {
	status=0
	[ ! -e "$kcsan" ] || watch_races
	if [ -n "$shell" ]; then
		cat1='' cat2=''
		# shellcheck disable=SC2016,SC2094 # expanded there; a terminal
		setsid -c /bin/bash -c 'stty $0; exec /bin/bash "$1"' \
			"$shell" "$run/command" <"$shell_dev" >"$shell_dev" 2>&1
		status=$?
		return
	fi
	# Pipes in between: a command may reopen its output, and it is no terminal.
	mkfifo -m 622 /run/stdout /run/stderr
	cat </run/stdout >"$out_dev" &
	cat1=$!
	cat </run/stderr >"$err_dev" &
	cat2=$!
	case $user in
	'')	/usr/bin/setsid -w /bin/bash "$run/command" ;;
	*)	/usr/bin/setsid -w /usr/bin/setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
			/bin/bash "$run/command" ;;
	esac </dev/null >/run/stdout 2>/run/stderr
	status=$?
}

# All of the module's live counters at zero; a release may still be under way.
check_counters() {
	local file=/sys/kernel/debug/vdi/counters i left
	if [ ! -e "$file" ]; then
		[ -z "$need_counters" ] || fail "$file is missing"
		return
	fi
	for i in $(seq 20); do
		left=$(awk '$1 !~ /^total_/ && $2 != 0 { printf "%s=%s ", $1, $2 }' "$file")
		[ -n "$left" ] || return 0
		sleep 0.1
	done
	fail "left behind in the module: $left"
}

unload_module() {
	# the command may have unloaded it, or loaded it itself
	[ -d /sys/module/vdi ] || return 0
	rmmod vdi || fail "the module does not unload"
	[ ! -d /sys/module/vdi ] || fail "the module is still there after rmmod"
}

kmemleak=/sys/kernel/debug/kmemleak

# What boot left is not ours.
forget_leaks() {
	[ -n "$leak_check" ] && [ -w "$kmemleak" ] || return 0
	echo scan >"$kmemleak"
	echo clear >"$kmemleak"
}

check_leaks() {
	[ -n "$leak_check" ] && [ -w "$kmemleak" ] || return 0
	sleep 5.2			# younger objects are not reported
	echo scan >"$kmemleak"
	echo scan >"$kmemleak"
	[ -s "$kmemleak" ] || [ -n "$(head -c 1 "$kmemleak")" ] || return 0
	fail "kmemleak: $(grep -c '^unreferenced' "$kmemleak") unreferenced objects"
	cat "$kmemleak"
}

check_log() {
	local splats=$top/selftests/qemu/splats first
	# What boot said is not ours; the names of tests are no messages of the kernel.
	dmesg | sed '1,/vdi-mark: up/d; /vdi-mark:/d' |
		awk -f "$top/selftests/qemu/ours.awk" >/run/dmesg
	first=$(grep -E -m 1 -f "$splats" /run/dmesg)
	if [ -n "$first" ]; then
		fail "kernel: ${first#*] }"
		grep -E -A 60 -f "$splats" /run/dmesg | head -n 120
	fi
	# 7 died, 9 warned, 14 soft lockup
	[ $(($(cat /proc/sys/kernel/tainted) & (1 << 7 | 1 << 9 | 1 << 14))) = 0 ] ||
		fail "the kernel is tainted by a warning or an oops"
	! grep -q 'debug_locks: *0' /proc/lockdep_stats 2>/dev/null ||
		fail "lockdep has turned itself off"
}

copy_back() {
	[ -n "$(ls -A /run/out)" ] || return 0
	mkdir -p /run/back
	case $type in
	qemu|microvm)
		mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 run /run/back ;;
	uml)	mount -t hostfs -o "$run" none /run/back ;;
	esac && cp -r /run/out/. /run/back/out/ && sync || fail "cannot copy results to the host"
	umount /run/back 2>/dev/null
}

trap power_off EXIT
find_channels
say up
make_system
add_shares
forget_leaks
say "system made"
if [ "$bad" = 0 ] && load_module; then
	echo "stage running" >"$verdict_dev"
	run_command
	say "the command ended with status $status"
	kill_leftovers
	say "leftovers killed"
	# shellcheck disable=SC2086 # one or none each
	wait $cat1 $cat2 2>/dev/null
	check_counters
	unload_module
	say unloaded
	check_leaks
fi
check_log
say "checked"
copy_back
if [ "$bad" = 0 ]; then
	echo "verdict $nonce $status" >"$verdict_dev"
else
	echo "verdict $nonce bad" >"$verdict_dev"
fi
[ "$type" != uml ] || raw "$verdict_dev"	# waits until it has left
exit 0
