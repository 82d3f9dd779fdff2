#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `vdi recv` and `vdi send` with --nodes: what they print, say and show, and each
# example of the manual.  What a node does is node_*_test's, with programs of
# others node_programs_test.sh's.
#
# usage: node_cli_test.sh [TEST]...
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

has_lines() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

# recv COUNT TARGET [OPTION...]: the set rt, its nodes in ${node[@]}
recv() {
	start recv vdi recv --nodes -n "$1" "${@:3}" rt "$2"
	until_true has_lines recv.out "$1" && mapfile -t node <recv.out
}

# send SOURCE [OPTION...]: likewise
send() {
	: >send.out	# that of the one before would be read
	start send vdi send --nodes "${@:2}" rt "$1"
	until_true has_lines send.out 1 && mapfile -t node <send.out
}

test_usage() {
	run 2 vdi recv --block-size 4K rt file && line 'add --nodes' || return 1
	run 2 vdi recv --depth 65 --nodes rt file && line '--depth 65: must be at most 64' || return 1
	run 2 vdi recv --transfer-size 100K --nodes rt file && line 'multiple of 64K' || return 1
	run 2 vdi recv --block-size 1000 --nodes rt file && line 'power of two' || return 1
	run 1 vdi put --nodes rt </dev/null && fail 'put has nodes' && return 1
	line 'unknown option' && nothing_left file
}

# A line for each, and no more of stdout: what reads it is at its end.
test_paths() {
	local n i
	mkfifo paths
	# by itself: `timeout` would hold the pipe too
	vdi recv --nodes -n 3 rt dir/ >paths 2>recv.err &
	pid=$!
	children+=("$pid")
	mapfile -t node <paths
	[ ${#node[@]} = 3 ] || fail "${node[*]}" || return 1
	n=${node[0]#/dev/vdi-}
	for i in 0 1 2; do
		[ "${node[i]}" = "/dev/vdi-$((n + i))" ] && [ -c "${node[i]}" ] || return 1
		echo "$i" >"${node[i]}"
	done
	ended 0 recv "$pid" && nothing_left "${node[@]}" && send dir || return 1
	[ ${#node[@]} = 3 ] && [ "$(cat "${node[@]}")" = $'0\n1\n2' ] && ended 0 send "$pid"
}

# Not among the data, if that goes to stdout
test_paths_and_a_bare_stream() {
	start recv vdi recv --nodes rt -
	until_true has_lines recv.err 1 && grep -qE '^/dev/vdi-[0-9]+$' recv.err || return 1
	seq 1 10000 >in
	cp in "$(cat recv.err)" && ended 0 recv "$pid" && cmp in recv.out || return 1
	start_in in send vdi send --nodes rt -
	until_true has_lines send.out 1 || return 1
	cat "$(cat send.out)" >back && ended 0 send "$pid" && cmp in back
}

test_no_way_to_say_the_paths() {
	vdi recv --nodes rt file >/dev/full 2>"$err"
	[ $? = 1 ] && line 'the paths of the nodes can.t be written' && nothing_left file file.partial
}

test_stat_and_list() {
	recv 2 dir/ || return 1
	printf '["%s","%s"]\n' "${node[@]}" >want
	vdi stat --json rt | jq -c .nodes | cmp - want || return 1
	vdi list --json | jq -c '.sets[] | select(.name == "rt") | .nodes' | cmp - want || return 1
	vdi stat rt | grep -qx "nodes      ${node[0]} to ${node[1]}" || fail "$(vdi stat rt)" || return 1
	echo a >"${node[0]}"
	# the set is the engine's that opened its first node, and that is the kernel
	run_in /etc/hostname 8 vdi put --connect-timeout 1 rt && line 'rt: the set has an engine already' || return 1
	echo b >"${node[1]}"
	ended 0 recv "$pid" && start recv vdi recv rt file && until_true there_is rt || return 1
	[ "$(vdi stat --json rt | jq -c .nodes)" = '[]' ] && ! vdi stat rt | grep nodes || return 1
	vdi abort rt && ended 4 recv "$pid"
}

test_mode_and_group() {
	recv 1 file --mode 0620 --group vdi || return 1
	[ "$(stat -c '%a %U %G' "${node[0]}")" = '620 root vdi' ] || fail "$(ls -l "${node[0]}")" || return 1
	# vdi1 is in the group, which may write only
	run 1 setpriv --reuid vdi1 --regid vdi1 --init-groups cat "${node[0]}" || return 1
	run 0 setpriv --reuid vdi1 --regid vdi1 --init-groups \
		sh -c "seq 1 1000 >${node[0]}" && ended 0 recv "$pid"
}

# What the kernel configures is what was asked for.
test_sizes() {
	recv 1 file --block-size 8K --transfer-size 64K --depth 2 || return 1
	head -c 1000000 /dev/zero >"${node[0]}" && ended 0 recv "$pid" || return 1
	[ "$(od -A n -t u4 -j 40 -N 4 file | tr -d ' ')" = 8192 ] || return 1
	recv 1 two || return 1
	exec 8>"${node[0]}"
	until_true state_is rt active && [ "$(field rt .area_bytes)" -ge $((4 * 256 * 1024)) ] ||
		fail "$(field rt .area_bytes)" || return 1
	echo >&8 && exec 8>&- && ended 0 recv "$pid" || return 1
	[ "$(od -A n -t u4 -j 40 -N 4 two | tr -d ' ')" = 512 ]
}

# Writers that did not do it: who it was, and no backup
test_writer_fails() {
	recv 1 file || return 1
	run 3 sh -c 'exec >"$1"; seq 1 100000; exit 3' failing "${node[0]}" && ended 4 recv "$pid" &&
		grep -qE '^vdi: aborted: the engine failed \(SERVER_DIED, pid [0-9]+, uid 0\): sh exited with status 3 with vdi-[0-9]+ open$' \
		recv.err && nothing_left file || { cat recv.err; return 1; }
	recv 1 file || return 1
	run 137 sh -c 'exec >"$1"; seq 1 100000; kill -KILL $$' '' "${node[0]}" && ended 4 recv "$pid" &&
		grep -qE ': the engine died \(.*: sh was killed by signal 9 with vdi-[0-9]+ open$' recv.err && nothing_left file ||
		{ cat recv.err; return 1; }
	recv 1 file || return 1
	run 1 bash -o pipefail -c 'bash -o pipefail -c "false | cat" >"$1"' '' "${node[0]}" &&
		ended 4 recv "$pid" && grep -q 'bash exited with status 1' recv.err && nothing_left file
}

# An empty stream is refused, and the writer is told by close(2).
test_empty() {
	recv 1 file || return 1
	run 1 cp /dev/null "${node[0]}" && said 'rror|annot' && ended 1 recv "$pid" || return 1
	grep -q 'the stream is empty.*--allow-empty' recv.err && nothing_left file || return 1
	recv 1 file --allow-empty && run 0 cp /dev/null "${node[0]}" && ended 0 recv "$pid" && [ -e file ]
}

test_wrong_direction() {
	recv 1 file || return 1
	cat "${node[0]}" >back 2>&1
	ended 1 recv "$pid" && grep -q 'use vdi send' recv.err && nothing_left file || return 1
	recv 1 file && seq 1 10 >"${node[0]}" && ended 0 recv "$pid" && send file || return 1
	run 1 sh -c "seq 1 10 >${node[0]}"
	ended 1 send "$pid" && grep -q 'use vdi recv' send.err
}

# Who has read what he wanted leaves.
test_reader_leaves() {
	local kind
	for kind in pipe disk; do
		recv 1 file --like "$kind" && seq 1 300000 >"${node[0]}" && ended 0 recv "$pid" || return 1
		send file && [ "$(head -n 2 "${node[0]}")" = $'1\n2' ] || return 1
		ended 0 send "$pid" && [ ! -s send.err ] || { cat send.err; return 1; }
		rm file
	done
	# of several, each for itself
	recv 2 dir/ && seq 1 300000 | tee "${node[0]}" >"${node[1]}" && ended 0 recv "$pid" || return 1
	send dir || return 1
	[ "$(head -n 2 "${node[0]}")" = $'1\n2' ] && cat "${node[1]}" >back && ended 0 send "$pid" &&
		seq 1 300000 | cmp - back
}

# A disk: in any order, with holes
test_disk() {
	recv 1 file --like disk || return 1
	run_in /dev/stdin 0 python3 - "${node[0]}" in <<-'END' || return 1
		import os, random, sys
		node, copy = (os.open(p, os.O_RDWR | os.O_CREAT) for p in sys.argv[1:3])
		for i in random.sample(range(50), 40) + [50]:
		    for fd in node, copy:
		        os.pwrite(fd, b"%5d" % i * 3000, i * 20000)
		os.close(node)
	END
	ended 0 recv "$pid" && send file || return 1
	dd if="${node[0]}" of=back bs=48K 2>/dev/null && ended 0 send "$pid" && cmp in back
}

# Files on a tape with blocks of several lengths; read with the blocks that it has
test_tape() {
	recv 1 file --like tape --block-size 32K || return 1
	seq 1 30000 >in
	dd if=in of="${node[0]}" bs=10000 2>dd.err || { cat dd.err; return 1; }
	dd if=in of="${node[0]}" bs=32K 2>dd.err || { cat dd.err; return 1; }
	mt -f "${node[0]}" offline && ended 0 recv "$pid" || { cat recv.err; return 1; }
	run 2 vdi send --nodes --block-size 16K rt file && line 'the tape has blocks of 32768 bytes' || return 1
	send file || return 1
	dd if="${node[0]}" of=one bs=32K count=1 2>dd.err && [ "$(stat -c %s one)" = 10000 ] &&
		cmp -n 10000 in one || { cat dd.err; return 1; }
	mt -f "${node[0]}" rewind && dd if="${node[0]}" of=one bs=64K 2>dd.err && cmp in one ||
		{ cat dd.err; return 1; }
	dd if="${node[0]}" of=two bs=64K 2>dd.err && cmp in two || { cat dd.err; return 1; }
	mt -f "${node[0]}" offline && ended 0 send "$pid" || { cat send.err; return 1; }
	# a stream, for who knows nothing of blocks
	recv 1 stream --like tape && dd if=in of="${node[0]}" bs=1000 2>dd.err &&
		mt -f "${node[0]}" offline && ended 0 recv "$pid" || return 1
	start send vdi send rt stream
	vdi get --block-size 64K --transfer-size 64K rt >back && ended 0 send "$pid" && cmp in back
}

test_nobody_comes() {
	run 5 vdi recv --nodes --connect-timeout 1 rt file && said 'nobody came in time' || return 1
	recv 2 dir/ --idle-timeout 1 && echo >"${node[0]}" && ended 5 recv "$pid" || return 1
	grep -q 'no command came' recv.err && nothing_left dir
}

test_interrupted() {
	recv 1 file && exec 8>"${node[0]}" && until_true state_is rt active || return 1
	kill -INT "$(child_of "$pid")" && ended 130 recv "$pid" || return 1
	! echo x 2>/dev/null >&8 || fail 'the writer is not told' || return 1
	exec 8>&-
	nothing_left file "${node[0]}"
}

# An engine of the other kind has the set: no node of it opens.
test_real_server() {
	recv 1 file || return 1
	mkfifo life
	exec 9<>life
	start_in life put vdi put rt
	local put=$pid
	until_true state_is rt active || return 1
	run 2 sh -c "echo >${node[0]}" && said '[Bb]usy' || return 1
	echo x >&9
	exec 9>&-
	ended 0 put "$put" && ended 0 recv "${children[0]}"
}

examples() {
	local page=$top/userspace/man/vdi.1
	[ -f "$page" ] || { echo "SKIP the manual is not here"; return 1; }
	sed -n '/^\.SS With nodes/,/^\.SH NOTES/s/^[#>] \(.*\)/\1/p' "$page" |
		sed "s/\\\\-/-/g; s/\\\\(aq/'/g" >all
	[ "$(grep -c nodes all)" -ge 10 ] || fail "there are none"
}

test_examples() {
	examples || return 1
	head -c 100000 /dev/urandom >shop.db
	grep -v 'pg_' all >examples
	run 0 bash -eux -o pipefail examples || { cat "$out" "$err"; return 1; }
	grep -qx etc/os-release "$out" && grep -qx 1536 "$out" || { cat "$out"; return 1; }
	send node-gz.vdb && gzip -dc "${node[0]}" | tar tf - | grep -qx etc/hostname && ended 0 send "$pid"
}

database() {
	setpriv --reuid vdi1 --regid vdi1 --init-groups "$@" >db.out 2>&1 || { cat db.out; return 1; }
}

test_example_of_a_database() {
	local rc=0
	PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
	command -v initdb pg_dump >/dev/null || { echo "SKIP no PostgreSQL here"; return 1; }
	examples || return 1
	grep -E 'pipefail$|pg_' all >examples
	export PGHOST=$PWD/pg PGUSER=vdi1 LC_ALL=C
	mkdir pg && chown vdi1 pg && chmod 755 . &&
		database initdb -N -D "$PWD/pg/data" -A trust &&
		database pg_ctl -w -t 120 -D "$PWD/pg/data" -l "$PWD/pg/log" \
			-o "-F -k $PWD/pg -h ''" start || return 1
	psql -qd postgres -c 'CREATE DATABASE shop' -c 'CREATE DATABASE copy' &&
		psql -qd shop -c 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS a' &&
		run 0 bash -eux -o pipefail examples &&
		[ "$(psql -Atd copy -c 'SELECT sum(a) FROM t')" = 12502500 ] || { cat "$err"; rc=1; }
	database pg_ctl -D "$PWD/pg/data" -m immediate stop
	return "$rc"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
