#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Test programs on the kernel with KCSAN, whose report is not wanted of a race that is
# the kernel's own although the module is on both stacks: two processes with the same
# credentials make a file, and get_cred() of each, inlined in __alloc_file(), clears the
# same flag of them; two that map one area note the time in its inode without a lock, as
# all of the kernel does (file_accessed() in shmem's mmap); and a call of ours that sleeps
# until a deadline, or is interrupted by a timer, meets the timer's own code on the other
# processor; and what is inside of the kernel's sleeping locks, which spin on each other
# (those of an mm are fought for).  Everything else is judged as everywhere.
#
# usage: kcsan.sh [PATTERN]...
set -eu

# The functions of kernel/locking, as far as this kernel has them
locks() {
	awk '$2 ~ /^[tT]$/ && NF == 3 &&
		$3 ~ /^(osq_|rwsem_|mutex_|__mutex_|(__)?(down|up)_(read|write))/ { print $3 }' \
		/proc/kallsyms | sort -u
}

for f in __alloc_file touch_atime atime_needs_update inode_update_time generic_update_time \
	__mark_inode_dirty hrtimer_wakeup schedule_hrtimeout_range_clock hrtimer_active \
	__hrtimer_run_queues $(locks); do
	echo "!$f" >/sys/kernel/debug/kcsan
done
exec "$(dirname "$0")/../run.sh" "$@"
