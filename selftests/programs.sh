# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of nodes with programs of others share: the programs of
# scripts/programs.sh over /usr in a mount namespace, the client as one user and
# the engine's program as another, and the ways in which it must not go well.
# Sourced; what is a program's own is in the tests.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")

no_test() {
	echo "1..0 # SKIP $*"
	exit 4
}

# with_programs ARGUMENT...: of the test, which starts again with them in view
with_programs() {
	[ "$(id -u)" = 0 ] || no_test "must be root"
	[ -c /dev/vdi ] || no_test "no /dev/vdi: the module is not loaded"
	id vdi1 vdi2 >/dev/null 2>&1 || no_test "the users vdi1 and vdi2 do not exist"
	[ -n "${VDI_PROGRAMS:-}" ] || VDI_PROGRAMS=$("$top/scripts/programs.sh" path) ||
		no_test "no programs: run scripts/setup.sh"
	export VDI_PROGRAMS
	[ -n "${VDI_WITH_PROGRAMS:-}" ] || VDI_WITH_PROGRAMS=1 exec unshare -m "$0" "$@"
	mount -t overlay -o "lowerdir=$VDI_PROGRAMS/usr:/usr" programs /usr || exit 1
}

with_programs "$@"
export PATH=$top/.build/user/bin:/usr/lib/postgresql/15/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LC_ALL=C TZ=UTC
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

client=(setpriv --reuid vdi1 --regid vdi1 --init-groups)
engine=(setpriv --reuid vdi2 --regid vdi2 --init-groups)

# places: a directory for each of the two, in that of the test
places() {
	mkdir -p theirs own
	chown vdi1:vdi1 theirs
	chown vdi2:vdi2 own
}

# nodes_of NAME COUNT: the paths of the set's nodes, printed by its client
nodes_of() {
	local i
	for ((i = 0; i < 600; i++)); do
		mapfile -t node <"$1.out"
		[ ${#node[@]} -lt "$2" ] || return 0
		[ -e "/proc/$pid" ] || break
		sleep 0.1
	done
	fail "$1: no nodes: $(cat "$1.err")"
}

# receive TARGET [OPTION...]: a client that waits for a writer at ${node[0]}, or for
# $stripes of them
receive() {
	[ -d theirs ] || places
	: >recv.out
	start recv "${client[@]}" vdi recv nt "$1" --nodes --mode 660 --group vdi \
		-n "${stripes:-1}" "${@:2}"
	recv_pid=$pid
	nodes_of recv "${stripes:-1}"
}

received() {
	ended "${1:-0}" recv "$recv_pid"
}

# hand_out SOURCE: a client that waits for a reader
hand_out() {
	: >send.out	# that of the one before would be read
	start send "${client[@]}" vdi send nt "$1" --nodes --mode 660 --group vdi
	send_pid=$pid
	nodes_of send "${stripes:-1}"
}

handed_out() {
	ended 0 send "$send_pid"
}

# by STATUS SCRIPT [ARGUMENT...]: a shell's script by the engine's user, $1 is the
# node (that of $stripe, if there are some); with exec in front of it the program
# is the only one that has the node
by() {
	run "$1" "${engine[@]}" bash -c "$2" bash "${node[${stripe:-0}]}" "${@:3}"
}

# start_by SCRIPT [ARGUMENT...]: in the background; the pid is in $by_pid
start_by() {
	start by "${engine[@]}" bash -c "$1" bash "${node[0]}" "${@:2}"
	by_pid=$pid
}

# by_failed: it was refused what it wanted, in whatever words
by_failed() {
	local rc=0
	wait "$by_pid" || rc=$?
	case $rc in
	0)	fail "the program did not notice" ;;
	124|137) fail "the program did not end: status $rc" ;;
	esac
}

attached() {
	state_is nt active
}

# The client's line names the process, and there is nothing that looks like a backup.
died_so() {
	received 4 && cp recv.err "$err" && said "$1" && nothing_left theirs/target
}

# killed NAME: the program in the background, by the name that the kernel knows
killed() {
	local victim
	victim=$(child_of "$by_pid")
	until_true attached && kill -KILL "$victim" || return 1
	wait "$by_pid"
	died_so "$1.* was killed by signal 9"
}

# client_killed: while the program in the background writes
client_killed() {
	until_true attached && kill -KILL "$(child_of "$recv_pid")" || return 1
	wait "$recv_pid"
	nothing_left theirs/target
}

# small: a place for the client's file that is soon full
small() {
	mkdir -p "$work/small" && mount -t tmpfs -o size=512K,mode=777 small "$work/small"
}

# was_full: the client said so, and no file looks good
was_full() {
	received 3 && cp recv.err "$err" && said 'no space left' || return 1
	nothing_left "$work/small/target" && umount "$work/small"
}
