#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs that know nothing of VDI as engines, by way of nodes: tar, mt, dd, cp,
# cat, pv and python.  What they wrote is what is read, and what was not written
# to its end is no backup.  Databases are node_database_test.sh's.
#
# usage: node_programs_test.sh [TEST]...
# shellcheck disable=SC2016 # scripts for another shell
set -u

# shellcheck source=selftests/programs.sh
. "$(dirname "$0")/programs.sh"

# $1 is the node, $2 the other file
declare -A writer=(
	[cp]='exec cp "$2" "$1"'
	[cat]='exec cat "$2" >"$1"'
	[dd]='exec dd if="$2" of="$1" bs=48K iflag=fullblock'
	[pv]='exec pv -q "$2" >"$1"'
	[python3]='exec python3 -c "import shutil, sys
shutil.copyfileobj(open(sys.argv[2], \"rb\"), open(sys.argv[1], \"wb\"))" "$1" "$2"'
	[tar]='exec tar --hard-dereference -cf "$1" -T "$2"'	# what it names
)
declare -A reader=(
	[cp]='exec cp "$1" "$2"'
	[cat]='exec cat "$1" >"$2"'
	[dd]='exec dd if="$1" of="$2" bs=100000'
	[pv]='exec pv -q "$1" >"$2"'
	[python3]='exec python3 -c "import shutil, sys; shutil.copyfile(*sys.argv[1:])" "$1" "$2"'
)

# some SIZE: bytes that no two blocks of which are the same
some() {
	seq 1000000 | head -c "$1"
}

# What a backup holds, read with a program that nothing is known against
same_as() {
	hand_out theirs/target && by 0 "${reader[cat]}" own/back && handed_out &&
		cmp "$1" own/back
}

# Each with a stripe of its own
test_copies() {
	local p names=("${!reader[@]}") stripes=${#reader[@]} stripe
	places
	some 3000001 >in
	receive theirs/target/ || return 1
	for stripe in "${!names[@]}"; do
		by 0 "${writer[${names[stripe]}]}" in || return 1
	done
	received && hand_out theirs/target/ || return 1
	for stripe in "${!names[@]}"; do
		by 0 "${reader[${names[stripe]}]}" own/back && cmp in own/back ||
			fail "${names[stripe]}" || return 1
	done
	handed_out
}

# sendfile by shutil, splice by pv, and a file of no bytes
test_copies_without_a_buffer() {
	places
	some 1000000 >in
	receive theirs/target && by 0 'exec python3 -c "import shutil, sys
shutil.copyfile(sys.argv[2], sys.argv[1])" "$1" "$2"' in && received && same_as in || return 1
	receive theirs/target --force && by 0 'exec pv -q >"$1" < <(cat "$2")' in && received &&
		same_as in || return 1
	: >in
	receive theirs/target --force --allow-empty && by 0 "${writer[cp]}" in && received && same_as in
}

# With oflag=nonblock it gives up when it would have to wait, so no more than fits
# into the buffers.
test_dd() {
	local operands file stripe stripes
	places
	some 600001 >small
	some 5000001 >large
	mapfile -t operands <<-'END'
		small bs=512
		small ibs=1000 obs=3000
		small bs=4K
		large bs=64K
		large bs=1M
		large bs=4M
		large bs=64K oflag=direct
		large bs=4M oflag=direct
		small bs=4K oflag=sync
		large bs=256K oflag=dsync
		small bs=64K oflag=append conv=notrunc
		small bs=64K oflag=nonblock
		large bs=1M conv=fsync
		small bs=512 conv=fdatasync
	END
	stripes=${#operands[@]}
	receive theirs/target/ || return 1
	for stripe in "${!operands[@]}"; do
		# shellcheck disable=SC2086 # words
		by 0 'exec dd of="$1" if="$2" "${@:3}"' ${operands[stripe]} || return 1
	done
	received && hand_out theirs/target/ || return 1
	for stripe in "${!operands[@]}"; do
		file=${operands[stripe]%% *}
		by 0 'exec cat "$1"' && cmp "$file" "$out" || fail "${operands[stripe]}" || return 1
	done
	handed_out
}

# A disk can be written in any order, and read from the middle.
test_disk() {
	places
	some 1048576 >in
	receive theirs/target --like disk && by 0 'exec dd if="$2" of="$1" bs=64K seek=2' in &&
		received || return 1
	{ head -c 131072 /dev/zero; cat in; } >moved
	same_as moved || return 1
	receive theirs/target --like disk --force && by 0 'exec python3 -c "import os, sys
data = open(sys.argv[2], \"rb\").read()
f = os.open(sys.argv[1], os.O_RDWR)
half = len(data) // 2
assert os.pwrite(f, data[half:], half) == half
assert os.pwrite(f, data[:half], 0) == half
assert os.lseek(f, 0, os.SEEK_END) == len(data)
assert os.pread(f, 4096, 65536) == data[65536:65536 + 4096]
os.fsync(f)
os.close(f)" "$1" "$2"' in && received || return 1
	same_as in || return 1
	hand_out theirs/target && by 0 'exec dd if="$1" of="$2" bs=4K skip=3' own/back &&
		handed_out && tail -c +12289 in | cmp - own/back
}

# tree DIR: files for an archive
tree() {
	mkdir -p "$1/sub/deep" && some 700000 >"$1/big" && some 5 >"$1/sub/five" &&
		ln -s ../big "$1/sub/link" && : >"$1/sub/deep/empty" && chown -R vdi2:vdi2 "$1"
}

test_tar() {
	places
	tree own/tree
	receive theirs/target && by 0 'exec tar -cf "$1" -C own/tree .' && received || return 1
	hand_out theirs/target && by 0 'exec tar -df "$1" -C own/tree' && handed_out || return 1
	mkdir own/new && chown vdi2 own/new
	hand_out theirs/target && by 0 'exec tar -xf "$1" -C own/new' && handed_out || return 1
	diff -r own/tree own/new || return 1
	echo other >>own/tree/sub/five
	hand_out theirs/target && by 1 'exec tar -df "$1" -C own/tree' && handed_out || return 1
	grep -q 'five: .*differ' "$out"
}

# Through a shell that has the node too, and whose status tells all of it
test_tar_compressed() {
	places
	tree own/tree
	receive theirs/target && by 0 'tar -cz -C own/tree . >"$1"; exit $?' && received || return 1
	mkdir own/new && chown vdi2 own/new
	hand_out theirs/target && by 0 'exec tar -xz -C own/new <"$1"' && handed_out &&
		diff -r own/tree own/new
}

# tape OPERATION...: of the host, as the engine's user
tape() {
	by 0 'exec mt -f "$@"' "$@"
}

# position FILE BLOCK
position() {
	tape status && grep -qi "file number *= *$1\b" "$out" && grep -qi "block number *= *$2\b" "$out" ||
		fail "not at $1,$2: $(cat "$out")"
}

test_tape_of_archives() {
	local n
	places
	for n in 1 2 3; do
		tree "own/$n" && echo "$n" >"own/$n/sub/five"
	done
	receive theirs/target --like tape || return 1
	for n in 1 2 3; do
		by 0 'exec tar -b 64 -cf "$1" -C "own/$2" .' "$n" && position "$n" 0 || return 1
	done
	tape rewind && position 0 0 && by 0 'exec tar -b 64 -df "$1" -C own/1' || return 1
	tape rewind && tape fsf 2 && position 2 0 && by 0 'exec tar -b 64 -df "$1" -C own/3' || return 1
	tape bsfm 2 && by 0 'exec tar -b 64 -tf "$1"' && grep -q sub/five "$out" || return 1
	# over what is there: the third archive is gone, and two more marks end the tape
	tape rewind && tape fsf 2 && tape weof 2 && tape eof 1 && tape offline && received || return 1
	mkdir own/new && chown vdi2 own/new
	hand_out theirs/target && tape fsf 1 && by 0 'exec tar -b 64 -xf "$1" -C own/new' &&
		diff -r own/2 own/new || return 1
	tape rewind && by 0 'exec tar -b 64 -df "$1" -C own/1' && tape eom && tape rewind &&
		tape fsf 5 && position 5 0 && tape offline && handed_out
}

# A change of volumes is a script of mt-st's, which can load one.
volumes() {
	printf '#!/bin/sh\nmt-st -f "%s" load\n' "${node[0]}" >own/next
	chmod 755 own/next
}

test_tape_volumes() {
	local files
	places
	tree own/tree && some 300000 >own/tree/more
	receive theirs/target/ --like tape --media-size 384K --eom-warning 64K && volumes || return 1
	by 0 'tar -cM -F own/next -f "$1" -C own/tree . && exec mt -f "$1" offline' && received ||
		return 1
	files=$(find theirs/target -name '*.vdb' | wc -l)
	[ "$files" -ge 3 ] || fail "$files volumes" || return 1
	mkdir own/new && chown vdi2 own/new
	hand_out theirs/target && volumes &&
		by 0 'tar -xM -F own/next -f "$1" -C own/new && exec mt -f "$1" offline' &&
		handed_out && diff -r own/tree own/new
}

# food NAME COUNT: so many times 300000 bytes; tar is told names
food() {
	case $1 in
	tar)	yes in | head -n "$2" ;;
	*)	some $((300000 * $2)) ;;
	esac
}

# feed_to NAME: the program has the node and waits for more from the fifo
feed_to() {
	rm -f feed && mkfifo -m 666 feed || return 1
	receive theirs/target --force && start_by "${writer[$1]}" feed && exec 9>feed || return 1
	food "$1" 1 >&9
}

test_killed() {
	local p
	some 300000 >in
	for p in "${!writer[@]}"; do
		feed_to "$p" && killed "$p" || fail "$p" || return 1
		exec 9>&-
	done
}

test_client_killed() {
	local p
	some 300000 >in
	for p in "${!writer[@]}"; do
		feed_to "$p" && client_killed || fail "$p" || return 1
		food "$p" 10 >&9
		exec 9>&-
		by_failed || fail "$p" || return 1
		grep -qi cancel by.err || fail "$p: $(cat by.err)" || return 1
	done
}

test_full() {
	local p
	some 300000 >in
	for p in "${!writer[@]}"; do
		food "$p" 10 >many
		small && receive "$work/small/target" && start_by "${writer[$p]}" many || return 1
		by_failed && grep -qi 'no space' by.err || fail "$p: $(cat by.err)" || return 1
		was_full || fail "$p" || return 1
	done
}

# The status is known of who still has the node when it exits.  Many programs
# close it before: then it must be the shell that started them.
test_failed() {
	local status name script
	some 300000 >in
	while read -r status name script; do
		receive theirs/target --force && by "$status" "exec >\"\$1\"; $script" || return 1
		died_so "$name.* exited with status $status" || fail "$script" || return 1
	done <<-'END'
		1 bash cat in nothing; exit $?
		2 bash tar -c in nothing; exit $?
		1 bash dd if=in; dd if=.; exit $?
		2 pv exec pv -q in nothing
		1 python3 exec python3 -c 'print(open("in").read()); open("nothing")'
	END
}

run_tests "$@"
