#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The end of a backup, hurt at each of its system calls: either side is killed
# before or after the call, or the call fails.  Whatever happens, there is a
# good, complete backup with the target's name if and only if the engine was
# told so; if not, what was there before is there.  What other programs do wrong
# is complete_test.sh's, how a call is met syscall_fault.c's.
#
#	VDI_COMMIT=all		every system call of each kind of target, instead of
#				a file and those about the answer
set -u

# shellcheck source=selftests/media.sh
. "$(dirname "$0")/media.sh"

stride=11
[ "${VDI_COMMIT:-}" != all ] || stride=1
cases=0 where=

# What the engine sends: 1 device as `vdi put`, several as a script
script() {
	local i at=
	[ "$kind" != disk ] || at=@65536
	for ((i = 0; i < 4; i++)); do
		echo "dev $i"
		if [ "$1" = write ]; then
			echo "write 65536 $((i + 1)) ${at/@*/@0}"
			echo "write 65536 $((i + 11)) $at"
			[ "$kind" != tape ] || echo mark
		else
			echo "read 65536 ${at/@*/@0} = 0 65536 $((i + 1))+0:65536"
			echo "read 65536 $at = 0 65536 $((i + 11))+0:65536"
		fi
	done
	[ "$1" = write ] || return 0
	for ((i = 0; i < 4; i++)); do
		echo "dev $i"
		echo flush
	done
	for ((i = 0; i < 4; i++)); do
		echo "dev $i"
		echo complete
	done
}

engine() {
	if [ "$count" = 1 ]; then
		timeout 120 "$@" vdi put --connect-timeout 60s rt <../in >put.out 2>put.err
	else
		timeout 120 "$@" media_engine rt write <../script >put.out 2>put.err
	fi
}

# The backup is there, all of it, and can be restored
good() {
	local rc=0
	[ -e d/T ] || return 1
	[ ! -f d/T ] || ! grep -qx precious d/T || return 1
	timeout 120 vdi send rt d/T >send.out 2>send.err </dev/null &
	local send=$!
	if [ "$count" = 1 ]; then
		timeout 120 vdi get rt 2>get.err | cmp - ../in || rc=1
	else
		script read | timeout 120 media_engine rt read >get.out || rc=1
	fi
	wait "$send" && [ "$rc" = 0 ] || fail "d/T is there and is not good: $(cat send.err)"
}

# What was there before is there, and nothing else that has the target's name
as_before() {
	if [ "$old" = yes ]; then
		grep -qx precious d/T || fail "what was there is not there any more" || return 1
	else
		nothing_left d/T || return 1
	fi
	nothing_left d/T.old
}

# Who withdraws the target of one that was killed may take a moment
guarded() {
	local i
	for ((i = 0; i < 100; i++)); do
		pgrep -x -r R,S,D vdi-guard >/dev/null || return 0
		sleep 0.1
	done
	fail "a guard stays"
}

# one SIDE WHAT N: hurt at the Nth call; 0 if it was met, 1 if there was
# none, 2 if something is wrong
one() {
	local side=$1 what=$2 n=$3 recv engine_rc=0 recv_rc=0 told
	local options=(--log "$PWD/log" "${from[@]}")
	rm -rf d log
	mkdir d
	[ "$old" = no ] || echo precious >d/T
	if [ "$side" = client ]; then
		timeout 120 syscall_fault "${options[@]}" "$what" "$n" -- "${client[@]}" \
			>recv.out 2>recv.err </dev/null &
	else
		timeout 120 "${client[@]}" >recv.out 2>recv.err </dev/null &
	fi
	recv=$!
	if [ "$side" = client ]; then
		if [ "${from[0]}" = --from ] || came "$recv"; then
			engine || engine_rc=$?
		else
			engine_rc=1
		fi
		told=$engine_rc
	else
		engine syscall_fault "${options[@]}" "$what" "$n" -- || engine_rc=$?
		told=$((count - $(sed -n 's/^closed //p' log)))
	fi
	wait "$recv" || recv_rc=$?
	guarded || return 2
	where="$side $what $n ($(tr '\n' ' ' <log)): engine $engine_rc, client $recv_rc"
	judge "$side" "$what" || { fail "$where: $(cat recv.err)"; return 2; }
	cases=$((cases + 1))
	grep -q ^met log
}

# The set has been made, or its client is dead
came() {
	until_true eval "there_is rt || ! kill -0 $1" && kill -0 "$1" 2>/dev/null
}

judge() {
	if [ "$2" = remove ]; then
		# after the rename it is the user who removes a good backup
		[ "$told" != 0 ] || grep -q ^renamed log || fail "the engine was told of success"
		return
	fi
	if [ "$told" = 0 ]; then
		good && nothing_left d/T.partial || return 1
		# what can't be removed is kept, and that is said
		grep -q 'is kept as' recv.err || nothing_left d/T.old
		return
	fi
	[ "$engine_rc" != 0 ] || fail "the engine ends with 0" || return 1
	as_before || return 1
	# who was not killed says why
	[ "$1" = server ] || [ "$2" = enter ] || [ "$2" = leave ] ||
		{ [ "$recv_rc" != 0 ] && grep -q '^vdi: ' recv.err; } ||
		fail "the client says nothing of it"
}

# sweep FIRST LAST SIDE WHAT...: each of them at each call; with a stride one of
# them in turn, at the first call, from FIRST to LAST, and then at one of $stride
sweep() {
	local first=$1 last=$2 side=$3 n rc what met turn i=0
	shift 3
	[ "$stride" != 1 ] || first=2
	for ((n = 1; ; n = n < first ? first : n < last ? n + 1 : n + stride)); do
		turn=("$@")
		[ "$stride" = 1 ] || turn=("${@:$((i++ % $# + 1)):1}")
		met=
		for what in "${turn[@]}"; do
			rc=0
			one "$side" "$what" "$n" || rc=$?
			[ "$rc" != 2 ] || return 1
			[ "$rc" != 0 ] || met=1
		done
		[ -n "$met" ] || break
	done
	[ "$n" -gt 1 ] || fail "no call was met"
}

# each KIND COUNT OLD COMMAND...: the rest is a sweep
each() {
	kind=$1 count=$2 old=$3
	shift 3
	client=(vdi recv -q -n "$count" --like "$kind")
	[ "$old" = no ] || client+=(--force)
	client+=(rt "$PWD/w/d/T")
	mkdir -p w && cd w && script write >../script && "$@"
	local rc=$?
	cd ..
	rm -rf w
	return "$rc"
}

# variants COMMAND...: of a target; without VDI_COMMIT=all the plainest
variants() {
	local kind count
	head -c 200000 /dev/urandom >in
	each pipe 1 yes "$@" || return 1
	if [ "$stride" = 1 ]; then
		each pipe 1 no "$@" || return 1
		for kind in pipe tape disk; do
			[ "$kind" = pipe ] || each "$kind" 1 no "$@" || return 1
			each "$kind" 4 no "$@" || return 1
		done
	fi
	reached
}

# The sum of a test, past what is kept for a failure
reached() {
	echo "# commit: reached $cases cases, one system call of $stride" >&3
}

test_client_killed() {
	from=(--from fsync)
	variants sweep 6 10 client enter leave
}

test_engine_killed() {
	from=(--from flush)
	variants sweep 2 6 server enter leave
}

test_output_fails() {
	from=(--files "$PWD/w/d")
	[ "$stride" = 1 ] || stride=4
	variants sweep 2 2 client EIO ENOSPC EDQUOT
}

test_target_vanishes() {
	from=(--files "$PWD/w/d")
	[ "$stride" = 1 ] || stride=7
	variants sweep 2 2 client remove
}

# Both sides of one command: the engine reads a database
test_backup_command() {
	local n what child where rc kinds="enter leave"
	[ "$stride" = 1 ] || stride=7 kinds=leave
	old=no count=1 from=()
	sqlite3 db 'CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000))' || return 1
	for child in 1 2; do
		for ((n = 1; ; n += stride)); do
			for what in $kinds; do
				rm -rf d log
				mkdir d
				rc=0
				timeout 120 syscall_fault --log log --child "$child" \
					--from "$([ "$child" = 1 ] && echo flush || echo fsync)" \
					"$what" "$n" -- vdi backup -q sqlite:db d/T >o 2>e || rc=$?
				where="backup: child $child $what $n: $(tr '\n' ' ' <log)"
				backup_judge "$rc" || fail "$where: $(cat e)" || return 1
				cases=$((cases + 1))
				grep -q ^met log || break 2
			done
		done
		[ "$n" -gt 1 ] || fail "no call was met: $where" || return 1
	done
	reached
}

# Who runs the command knows its status
backup_judge() {
	if [ "$1" != 0 ]; then
		nothing_left d/T
		return
	fi
	rm -f back
	vdi restore -q d/T sqlite:back && [ "$(sqlite3 back 'SELECT length(x) FROM t')" = 100000 ]
}

# Either side of vdi restore, and whoever writes: where it is hurt, at each call that can
# change a file there, is the database of before, or the whole new one
test_restore() {
	local n what process met some=0 rc where olds="yes no" kinds="enter leave EIO ENOSPC EDQUOT"
	[ "$stride" = 1 ] || stride=13 olds=yes kinds="leave EIO"
	sqlite3 db 'CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000))' &&
		sqlite3 before 'CREATE TABLE old(x)' && vdi backup -q sqlite:db source || return 1
	for old in $olds; do
		for process in 0 1 2; do
			for ((n = 1; ; n += stride)); do
				met=
				for what in $kinds; do
					restore_once || return 1
					! grep -q ^met log || met=1
				done
				[ -n "$met" ] || break
				some=$((some + 1))
			done
		done
	done
	[ "$some" -gt 1 ] || fail "$some calls were met" || return 1
	reached
}

# $what at call $n of $process, 0 being the command itself
restore_once() {
	local force=() which=()
	rm -rf d log
	mkdir d
	[ "$old" = no ] || { cp before d/db && force=(--force); }
	[ "$process" = 0 ] || which=(--child "$process")
	rc=0
	timeout 120 syscall_fault --log log "${which[@]}" --files "$PWD/d" "$what" "$n" -- \
		vdi restore -q "${force[@]}" source "sqlite:$PWD/d/db" >o 2>e || rc=$?
	where="restore over $old: process $process, $what $n ($(tr '\n' ' ' <log)): $rc"
	restore_judge || fail "$where: $(cat e)" || return 1
	# what is left is not in the way; what was replaced is not thrown away
	[ ! -e d/db.old ] || { cmp before d/db.old && rm d/db.old; } || fail "$where: db.old" || return 1
	vdi restore -q --force source "sqlite:$PWD/d/db" 2>e || fail "$where; and again: $(cat e)" ||
		return 1
	cases=$((cases + 1))
}

restore_judge() {
	local new=
	[ "$(sqlite3 "file:d/db?mode=ro" 'SELECT length(x) FROM t' 2>/dev/null)" != 100000 ] || new=1
	if [ "$rc" = 0 ]; then
		[ -n "$new" ] || fail "it says that it is done" || return 1
	elif [ -n "$new" ]; then
		# it may have failed after that
		grep -q ^renamed log || fail "the new one is there too early" || return 1
	elif [ "$old" = yes ]; then
		cmp before d/db || fail "what was there is not there any more" || return 1
	else
		nothing_left d/db || return 1
	fi
	# who was not killed says why
	[ "$rc" = 0 ] || [ "$what" = enter ] || [ "$what" = leave ] || grep -q '^vdi: ' e ||
		fail "it says nothing of it"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
exec 3>&1
run_tests "$@"
