#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `vdi ... --direct`: what goes past the page cache is the same, and does not stay in
# it; what can't is refused before anything has begun.
#
# usage: direct_test.sh [TEST]...

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$top/.build/selftests:$PATH:/usr/sbin:/sbin
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

# A file system that knows O_DIRECT, as directory "small" until the test ends
disk() {
	mkdir small || return 1
	[ -b /dev/ram14 ] || modprobe -q brd rd_size=65536 || { echo "SKIP no RAM disk"; return 1; }
	mkfs.ext4 -q -b 4096 /dev/ram14 40M >/dev/null 2>&1 && mount -t ext4 /dev/ram14 small ||
		{ echo "SKIP no ext4"; return 1; }
	# each test has a shell of its own
	trap 'end_children 2>/dev/null; umount small' EXIT
}

# cached FILE...: pages of them that are in the page cache
cached() {
	fincore -n -o PAGES "$@" | awk '{ n += $1 } END { print n + 0 }'
}

# All but the header, the end, and what is not a whole page
few_cached() {
	local n
	n=$(cached "$@")
	[ "$n" -le $((4 * $#)) ] || fail "$n pages of $* are in the page cache"
}

test_round_trip() {
	disk || return 1
	head -c 5000123 /dev/urandom >in
	start recv vdi recv --direct rt small/file
	until_true there_is rt && run_in in 0 vdi put rt && ended 0 recv "$pid" || return 1
	few_cached small/file || return 1
	start send vdi send --direct rt small/file
	vdi get rt >back && ended 0 send "$pid" && cmp in back && few_cached small/file || return 1
	# the same file as without
	echo 3 >/proc/sys/vm/drop_caches
	start send vdi send rt small/file
	vdi get rt >back && ended 0 send "$pid" && cmp in back || return 1
	# the test can tell the two apart
	[ "$(cached small/file)" -gt 1000 ] || fail "reading leaves nothing in the page cache"
}

test_database() {
	disk || return 1
	sqlite3 db 'CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1
		FROM n WHERE i < 3000) INSERT INTO t SELECT randomblob(1000) FROM n'
	run 0 vdi backup --direct -n 3 --transfer-size 64K sqlite:db small/target &&
		few_cached small/target/* || return 1
	run 0 vdi restore --direct --verify full small/target sqlite:new.db &&
		few_cached small/target/* || return 1
	[ "$(sqlite3 db .sha3sum)" = "$(sqlite3 new.db .sha3sum)" ] || return 1
	# damage is found by what is on the disk
	printf x | dd of=small/target/stripe-02-of-03.vdb bs=1 seek=100000 conv=notrunc 2>/dev/null
	run 6 vdi restore --direct small/target sqlite:again.db && said 'damaged'
}

# Media behind each other in a file do not begin where a page does.
test_media() {
	disk || return 1
	head -c 700000 /dev/urandom >in
	start recv vdi recv --direct --like tape --media-size 200K rt small/file
	until_true there_is rt || return 1
	media_engine rt write <<-'END' || return 1
		write 65536 12
		flush
		complete
	END
	ended 0 recv "$pid" || return 1
	start send vdi send --direct rt small/file
	until_true there_is rt || return 1
	media_engine rt read <<-'END' || return 1
		read 65536 12
	END
	ended 0 send "$pid"
}

test_disk_full() {
	disk || return 1
	head -c 60000000 /dev/zero >in
	start recv vdi recv --direct rt small/file
	until_true there_is rt && run_in in 1 vdi put rt && ended 3 recv "$pid" &&
		grep -q 'no space left' recv.err && nothing_left small/file
}

test_refused() {
	# of all file systems /proc never will
	run 2 vdi recv --direct rt - && line '--direct is for files' || return 1
	run 2 vdi recv --direct rt null: && line '--direct is for files' || return 1
	run 2 vdi send --direct rt - && line '--direct is for files' || return 1
	mkdir small && mount -t tmpfs none small || return 1
	# tmpfs knows O_DIRECT from 6.6 on
	if dd if=/dev/zero of=small/probe oflag=direct bs=4096 count=1 2>/dev/null; then
		umount small
		return 0
	fi
	run 1 vdi recv --direct rt small/file && line 'does not know --direct' &&
		nothing_left small/file small/file.partial || return 1
	start recv vdi recv rt small/file
	until_true there_is rt && echo 1 | vdi put rt && ended 0 recv "$pid" || return 1
	run 1 vdi send --direct rt small/file && line 'does not know --direct' || return 1
	umount small
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
