#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi selftest: clients that are right pass it, and each that has one fault fails
# the one check that is about this fault.  The client with the faults to order
# is selftests/client.  Needs the module loaded.
#
# usage: selftest_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$top/.build/selftests:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

export TMPDIR=$work
scale=${VDI_TEST_SCALE:-1}

# subject 'OPTION...' [CLIENT_OPTION...]: the report on a client is in $out
subject() {
	local options=$1
	shift
	# shellcheck disable=SC2086 # words
	timeout -k 5 300 vdi selftest --size 1M --idle 200ms --connect-timeout $((20 * scale)) \
		--timeout $((20 * scale)) $options -- \
		fault_client "$@" '{direction}' '{}' '{medium}' >"$out" 2>"$err"
}

report() {
	fail "$1: $(grep -A 2 '^not ok' "$out" | head -c 600) $(head -c 300 "$err")"
}

# passes 'OPTION...' [CLIENT_OPTION...]: all checks, none of them by not running
passes() {
	subject "$@" || report "status $?, $*" || return 1
	grep -qE '^# [0-9]+ passed, 0 failed' "$out" || report "$*" || return 1
	[ "$(grep -c '^ok\|^not ok' "$out")" = "$(sed -n 's/^1\.\.//p' "$out")" ] ||
		fail "the plan is not kept: $*" || return 1
	! grep '# SKIP not reached' "$out"
}

ran() {
	grep -qE "^ok [0-9]+ $1\$" "$out" || fail "did not run: $1"
}

# fails FAULT CHECK TRIAL [CLIENT_OPTION...]: this check and no other; in
# CHECK, "|" is between those of which one may come first
fails() {
	local fault=$1 check=$2 trial=$3 n=1 seconds=$((3 * scale)) found
	shift 3
	[[ " $* " != *" -n 2 "* ]] || n=2
	case $check in
	answer|abort-end|open-devices|exit)	;;	# these wait for the limit
	*)	seconds=$((20 * scale)) ;;
	esac
	subject "--only $trial --timeout $seconds -n $n" "$@" --fault "$fault"
	found=$(sed -n 's/^not ok [0-9]* //p' "$out")
	[[ $found =~ ^$trial/($check)$ ]] ||
		report "$fault: not ok: ${found:-nothing} instead of $trial/$check" || return 1
	# and it says something about it
	grep -qE "^# $trial/($check): [^ ]" "$out" || fail "$fault: no words for it"
}

test_pipe() {
	passes "" --pipe && ran killed/durable && ran aborted/no-backup && ran errors/clear-error &&
		grep -q '^ok [0-9]* tape # SKIP the client is no tape' "$out"
}

test_pipe_4() {
	passes "-n 4 --only backup --only errors --only idle --only outstanding" \
		--pipe --shuffle -n 4 && ran idle/order && ran outstanding/end
}

test_pipe_without_complete() {
	passes "--only killed --only flushed --only load --only discard" \
		--pipe --no-complete --removable --discard && ran flushed/durable &&
		ran load/load && ran discard/discard
}

test_tape() {
	passes "--only backup --only errors --only discard --only load --only tape --only read-back" \
		--tape --discard && ran tape/filemark && ran tape/skip-marks &&
		ran load/load && ran read-back/data && ran discard/no-backup
}

test_tape_4() {
	passes "-n 4 --only backup --only tape" --tape --shuffle -n 4 && ran tape/tape-position
}

test_disk() {
	passes "--only backup --only errors --only killed --only disk --only read-back" --disk --prefix 4096 && ran disk/hole && ran disk/length && ran read-back/order
}

test_disk_4() {
	passes "-n 4 --only backup --only disk" --disk --shuffle -n 4 && ran disk/set-position
}

# The end of a medium comes when the client says so, in the middle of anything.
test_small_media() {
	passes "--size 3M --only backup --only errors --only load --only killed --only outstanding" \
		--tape --media-size 700000 && ran load/end-of-media && ran killed/durable
}

# recv and send are a client as well.
test_recv_and_send() {
	vdi selftest --size 1M -n 2 --timeout $((20 * scale)) --only backup --only errors \
		--only outstanding --only killed --only aborted --only server-dies \
		--backup 'vdi recv -q -n {n} {} {medium}' \
		--restore 'vdi send -q {} {medium}' >"$out" 2>"$err" ||
		report "status $?" || return 1
	ran backup/order && ran killed/durable && ran aborted/no-backup && ran server-dies/abort-end
}

# The other way round: the client comes by itself, to a name that is known.
test_by_name() {
	start test vdi selftest --size 1M --connect-timeout 60 by-name
	local tester=$pid
	run 0 fault_client --disk backup by-name "$PWD/medium" || return 1
	run 0 fault_client --disk restore by-name "$PWD/medium" || return 1
	ended 0 test "$tester" && grep -q '^ok [0-9]* backup/data$' test.out &&
		grep -q '^1\.\.' test.out
}

test_faults_of_ends() {
	fails no-set connect backup && fails more-devices config backup &&
		fails opens-less open-devices backup -n 2 && fails hangs answer backup &&
		fails crashes alive backup && fails closes-early alive backup &&
		fails aborts alive backup && fails exits-wrong exit backup &&
		fails stays-on exit backup && fails leaves stays killed
}

test_faults_of_answers() {
	fails answers-twice once backup && fails completes-twice once backup &&
		fails too-many-bytes once backup && fails write-fails write backup &&
		fails wrong-count write-count backup && fails flush-fails flush backup &&
		fails complete-fails complete backup && fails read-fails read backup &&
		fails short-read read-count backup && fails ends-early end backup &&
		fails never-ends end backup
}

test_faults_of_memory() {
	fails overruns area backup && fails touches-later 'area|write-buffer' backup &&
		fails scribbles write-buffer backup
}

test_faults_of_data() {
	fails fills-nothing data backup && fails corrupts data backup &&
		fails disorders order backup && fails drops order backup &&
		fails crosses order backup -n 2
}

test_faults_of_errors() {
	fails knows-all unknown-command errors && fails refuses-clear clear-error errors &&
		fails ignores-clear answer errors && fails loses-after-error order errors
}

test_faults_of_durability() {
	fails stores-late durable killed && fails stores-late durable flushed --no-complete &&
		fails survives-abort abort-status aborted && fails keeps-aborted no-backup aborted &&
		fails hangs-aborted abort-end aborted &&
		fails survives-abort abort-status server-dies &&
		fails keeps-aborted no-backup abandoned &&
		fails keeps-discarded no-backup discard --discard
}

test_faults_of_tapes() {
	fails loses-mark filemark tape --tape && fails hides-mark filemark tape --tape &&
		fails skips-one-more skip-blocks tape --tape &&
		fails skips-marks-back skip-marks tape --tape &&
		fails no-rewind rewind tape --tape && fails wrong-position tape-position tape --tape &&
		fails forgets-position tape-position tape --tape &&
		fails no-load load load --tape && fails same-medium order load --tape &&
		fails warns-empty 'order|end' load --tape --media-size 300000
}

test_faults_of_disks() {
	fails wrong-position set-position disk --disk &&
		fails forgets-position get-position disk --disk &&
		fails wrong-length length disk --disk && fails fills-holes hole disk --disk
}

test_list() {
	local check
	run 0 vdi selftest --list && grep -qE '^  backup +a backup' "$out" || return 1
	for check in once order durable skip-marks; do
		grep -qE "^  $check +[A-Za-z]" "$out" || fail "$check is not in the list" || return 1
	done
}

test_only_one_check() {
	subject "--only errors/unknown-command" --pipe || report "status $?" || return 1
	[ "$(grep -c '^ok' "$out")" = 1 ] && ran errors/unknown-command || return 1
	# what is asked for and can't be looked at is no success
	subject "--only tape" --pipe
	[ $? = 1 ] && grep -qx 'ok 1 tape # SKIP the client is no tape' "$out"
}

test_usage() {
	run 2 vdi selftest && line 'missing: see vdi selftest --help' || return 1
	run 2 vdi selftest --backup true && line 'go together' || return 1
	run 2 vdi selftest --only nothing x && line 'no such trial or check' || return 1
	run 2 vdi selftest --seed x x && line '--seed x: not a number' || return 1
	run 2 vdi selftest --size 1 x && line 'must be between' || return 1
	run 7 env VDI_DEVICE=/nonexistent vdi selftest x && line 'no such device'
}

# What a signal ends leaves no client, no set, no file.
test_interrupted() {
	start test vdi selftest -- fault_client --fault hangs '{direction}' '{}' '{medium}'
	local tester=$pid
	until_true eval 'vdi list | grep -q vdi-' || return 1
	kill -TERM "$(child_of "$tester")"
	ended 143 test "$tester" && grep -q 'Bail out! interrupted' test.out || return 1
	! compgen -G "$work/vdi-selftest-*" || fail "files are left" || return 1
	! pgrep fault_client || fail "the client still runs"
}

run_tests "$@"
