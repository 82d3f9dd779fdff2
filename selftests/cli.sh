# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of the command share: TAP, running `vdi` with an expected
# status, waiting for things.  Sourced; the tests are functions test_*.

work=$(mktemp -d) || exit 1
chmod 755 "$work"
out=$work/.out err=$work/.err
children=()

end_children() {
	local pid
	for pid in "${children[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait
	children=()
}

at_exit() {
	end_children
	mountpoint -q "$work/small" && umount "$work/small"
	rm -rf "$work"
}
trap at_exit EXIT

fail() {
	echo "$*"
	return 1
}

# run STATUS COMMAND...: its output is in $out and $err
run() {
	local want=$1 rc=0
	shift
	timeout 120 "$@" >"$out" 2>"$err" <"${stdin:-/dev/null}" 9>&- || rc=$?
	[ "$rc" = "$want" ] || fail "$*: status $rc instead of $want: $(head -c 300 "$err")"
}

# run_in FILE STATUS COMMAND...: with FILE as stdin
run_in() {
	local stdin=$1
	shift
	run "$@"
}

# The one line on stderr, whole, matches an extended regular expression.
line() {
	[ "$(wc -l <"$err")" = 1 ] || fail "not one line: $(cat "$err")" || return 1
	grep -qE "^vdi: .*($1)" "$err" || fail "not in the line: $1: $(cat "$err")"
}

said() {
	grep -qE "$1" "$err" || fail "not said: $1: $(cat "$err")"
}

# start NAME COMMAND...: in the background; its pid is in $pid, files NAME.*
start() {
	start_in /dev/null "$@"
}

# start_in FILE NAME COMMAND...: with FILE as stdin
start_in() {
	local in=$1 name=$2
	shift 2
	# 9 is the test's own end of a fifo, which must not live on in others
	timeout 120 "$@" >"$name.out" 2>"$name.err" <"$in" 9>&- &
	pid=$!
	children+=("$pid")
}

# ended STATUS NAME PID: waits for the end
ended() {
	local rc=0
	wait "$3" || rc=$?
	[ "$rc" = "$1" ] || fail "$2: status $rc instead of $1: $(head -c 300 "$2.err")"
}

# until_true COMMAND...: tries for a minute
until_true() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" 2>/dev/null && return 0
		sleep 0.1
	done
	fail "never true: $*"
}

# field NAME FILTER: of `vdi stat`
field() {
	vdi stat --json "$1" 2>/dev/null | jq -r "$2"
}

state_is() {
	[ "$(field "$1" .state)" = "$2" ]
}

moved() {
	[ "$(field "$1" '.bytes_written + .bytes_read')" -gt "$2" ]
}

# A set that is not over; one that is can be seen until its last handle goes.
there_is() {
	vdi stat "$1" | grep -qE '^state +(configurable|connected|configuring|initializing|active)'
}

# The process that `timeout` in front of a command starts, perhaps any moment
child_of() {
	local child tries=100
	while [ $((tries -= 1)) -ge 0 ]; do
		child=$(pgrep -P "$1" | head -n 1)
		[ -z "$child" ] || break
		sleep 0.1
	done
	echo "$child"
}

# Builds preload.so: the functions on standard input in front of the C library's
preload() {
	{
		printf '#include <%s.h>\n' errno fcntl stdlib sys/stat sys/syscall time unistd
		cat
	} | gcc -D_GNU_SOURCE -Wall -Werror -Wno-unused-result -shared -fPIC -x c -o preload.so -
}

nothing_left() {
	local f
	for f in "$@"; do
		[ ! -e "$f" ] || fail "$f is there" || return 1
	done
}

# Each test in a directory and a shell of its own, so that what it exports or
# limits ends with it; its output, and the last commands that it ran, only if it
# failed.
run_tests() {
	local t n=0 bad=0 rc start log=$work/.log
	echo "TAP version 13"
	for t in $(compgen -A function test_ | sort); do
		[ $# = 0 ] || [[ " $* " == *" ${t#test_} "* ]] || continue
		n=$((n + 1))
		start=$SECONDS
		mkdir "$work/$t"
		cd "$work/$t" || exit 1
		exec 7>"$work/.trace"
		BASH_XTRACEFD=7
		set -x
		rc=0
		(
			rc=0
			"$t" >"$log" 2>&1 || rc=$?
			{ set +x; } 2>/dev/null
			end_children 2>/dev/null
			exit $rc
		) || rc=$?
		{ set +x; } 2>/dev/null
		exec 7>&-
		if [ "$rc" = 0 ]; then
			echo "ok $n ${t#test_} # $((SECONDS - start)) s"
		elif grep -q '^SKIP ' "$log"; then
			echo "ok $n ${t#test_} # $(grep -m 1 '^SKIP ' "$log")"
		else
			bad=1
			sed 's/^/# /' "$log"
			tail -n 12 "$work/.trace" | cut -c 1-200 | sed 's/^/# trace: /'
			echo "not ok $n ${t#test_}"
		fi
		cd "$work" || exit 1
		rm -rf "${work:?}/$t"
	done
	echo "1..$n"
	exit $bad
}
