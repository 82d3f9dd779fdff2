#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# `vdi put --exec`: a command that fails, at whatever moment, leaves no backup.
# What put does with the bytes themselves is cli_test.sh's.
#
# usage: put_exec_test.sh [TEST]...
#
# shellcheck disable=SC2016 # what is in single quotes is for another shell
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

# put STATUS COMMAND...: into the set rt, received as file
put() {
	start recv vdi recv rt file
	until_true there_is rt && run "$1" vdi put rt --exec "${@:2}"
}

# no_backup STATUS: of the side that received
no_backup() {
	ended "$1" recv "$pid" && nothing_left file
}

# Options behind --exec are the command's, and so is stdin.
test_good() {
	seq 1 100000 >in
	start recv vdi recv rt file
	until_true there_is rt && run_in in 0 vdi put --depth 2 rt --exec cat - && [ ! -s "$err" ] &&
		ended 0 recv "$pid" || return 1
	start send vdi send rt file
	vdi get rt >back && ended 0 send "$pid" && cmp in back || return 1
	rm file
	put 0 sh -c 'echo "$#:$1:$2" --help' sh '' -q && ended 0 recv "$pid" || return 1
	start send vdi send rt file
	vdi get rt >back && ended 0 send "$pid" && [ "$(cat back)" = '2::-q --help' ]
}

test_fails() {
	put 1 sh -c 'seq 1 100000; exit 3' && line 'sh exited with status 3' && no_backup 4 &&
		grep -q 'the engine aborted .*sh exited with status 3' recv.err || return 1
	put 1 sh -c 'seq 1 100000; kill -KILL $$' && line 'sh was killed by signal 9' && no_backup 4 &&
		grep -q 'sh was killed by signal 9' recv.err || return 1
	put 1 false && line 'false exited with status 1' && no_backup 4 || return 1
	put 1 bash -o pipefail -c 'sh -c "echo 1; exit 7" | cat' && line 'bash exited with status 7' &&
		no_backup 4
}

# Its end is not the end of its output, and the other way round.
test_late() {
	put 1 sh -c 'seq 1 1000; exec >&-; sleep 2; exit 5' && line 'status 5' && no_backup 4 || return 1
	put 0 sh -c 'echo 1; (sleep 2; echo 2) &' && ended 0 recv "$pid" || return 1
	start send vdi send rt file
	vdi get rt >back && ended 0 send "$pid" && [ "$(cat back)" = $'1\n2' ]
}

command_gone() {
	! pgrep -f '^sleep 98765'
}

# What it leaves behind has the pipe open; a bad end counts all the same, and at once.
test_fails_before_its_children() {
	put 1 bash -c 'sleep 98765 & echo $! >child; exit 3' && line 'bash exited with status 3' &&
		no_backup 4 || return 1
	kill "$(cat child)" || fail "put has waited for the child" || return 1
	put 1 bash -c 'sleep 98765 & echo $! >child; kill -KILL $$' && line 'killed by signal 9' &&
		no_backup 4 && kill "$(cat child)"
}

# silent COMMAND...: too long for put, which ends it
silent() {
	start recv vdi recv rt file
	until_true there_is rt && run 5 timeout -k 1 30 vdi put --idle-timeout 1s rt --exec "$@" &&
		line "nothing came from $1 for 1 s: the backup is aborted" && until_true command_gone &&
		no_backup 4 && grep -q 'silent for 1 s' recv.err
}

test_silent() {
	silent sleep 98765 || return 1
	# at its end as well, when it prints no more
	silent bash -c 'echo 1; exec sleep 98765 >&-' || return 1
	# what is slow is not silent
	start recv vdi recv rt file
	until_true there_is rt && run 0 vdi put --idle-timeout 10s rt --exec \
		sh -c 'for i in 1 2 3 4 5 6; do sleep 2; echo $i; done' && ended 0 recv "$pid"
}

test_not_started() {
	run 2 vdi put rt --exec && line 'put: --exec needs a command' || return 1
	run 2 vdi get rt --exec cat && line 'unknown option --exec' || return 1
	put 1 ./nonsense && line './nonsense: No such file or directory' && no_backup 4 || return 1
	# nobody is there to take it, so it does not begin
	run 5 vdi put --connect-timeout 1 nobody --exec touch begun && nothing_left begun
}

test_empty() {
	put 1 true && line 'the output is empty.*--allow-empty' && no_backup 4 || return 1
	start recv vdi recv --allow-empty rt file
	until_true there_is rt && run 0 vdi put --allow-empty rt --exec true && ended 0 recv "$pid" &&
		[ -e file ]
}

# The other side ends, or this one is interrupted: the command ends too.
test_ended_from_outside() {
	local recv put
	for how in abort interrupt; do
		start recv vdi recv rt file
		recv=$pid
		until_true there_is rt || return 1
		start put vdi put rt --exec sleep 98765
		put=$pid
		until_true state_is rt active && until_true pgrep -f '^sleep 98765' || return 1
		case $how in
		abort)	vdi abort --text enough rt && ended 4 put "$put" && grep -q enough put.err ;;
		*)	kill -INT "$(child_of "$put")" && ended 130 put "$put" ;;
		esac || return 1
		until_true command_gone && ended 4 recv "$recv" && nothing_left file || return 1
	done
}

# Its status counts as well where nobody was to be told of the end of children.
test_sigchld_ignored() {
	start recv vdi recv rt file
	until_true there_is rt && run 1 bash -c 'trap "" CHLD; exec vdi put rt --exec sh -c "echo; exit 3"' &&
		line 'sh exited with status 3' && no_backup 4
}

# SIGPIPE and SIGXFSZ are as a command expects them, and it has no descriptors of ours.
test_what_it_inherits() {
	local ignored
	put 0 grep SigIgn /proc/self/status && ended 0 recv "$pid" || return 1
	start send vdi send rt file
	ignored=0x$(vdi get rt | cut -f 2) && ended 0 send "$pid" && rm file || return 1
	[ $((ignored & 1 << 12 | ignored & 1 << 24)) = 0 ] || fail "ignored: $ignored" || return 1
	put 0 bash -c 'yes | head -n 1; echo "${PIPESTATUS[0]}"; ls /proc/self/fd | wc -l' 7>&- &&
		ended 0 recv "$pid" || return 1
	start send vdi send rt file
	# 0, 1, 2, and the directory that ls reads
	vdi get rt >back && ended 0 send "$pid" && [ "$(cat back)" = $'y\n141\n4' ] || fail "$(cat back)"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
