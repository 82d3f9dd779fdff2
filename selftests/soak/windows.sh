#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# F2: each place where the module releases a lock is held open in turn, 1 to 50
# ms, while path_race_test lets close, abort, death and a second call come in just
# then, and in one other program that passes it.  Only what came while somebody
# was in the window is counted.
# Needs a module with windows (vm.sh --windows), see module/window.h, and
# root.
#
# usage: windows.sh [PATTERN]: of all windows, or those whose FILE:LINE matches (grep -E)
# VDI_WINDOW_ROUNDS: rounds for each window and event (default 4)
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
tests=$top/.build/selftests
windows=/sys/kernel/debug/vdi/windows
asked=2000 rounds=${VDI_WINDOW_ROUNDS:-4} pattern=${1:-.}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Which programs there are; those that are no good for a race, but pass what else
# nobody does, come last
programs=(path_race race abort_death adopt secondary provisional node_end node_stream handle
	config set device checklist_peer)
declare -A passed=()	# of a window: who passes it, in that order

hits() {
	awk -v w="$1" '$1 == w { print $2 }' $windows
}

# run PROGRAM ROUNDS [WINDOW]
run() {
	(
		[ -z "${3:-}" ] || export VDI_WINDOW=$3
		VDI_RACE_ROUNDS=$2 timeout 900 "$tests/${1}_test" >"$out" 2>&1
	)
}

# Each program that takes a way of its own through the module, with all closed
discover() {
	local t w n us one
	local -A before=()
	echo '* 0 1' >$windows
	for t in "${programs[@]}"; do
		run "$t" 1 || { echo "Bail out! ${t}_test fails with no window open"; cat "$out"; exit 1; }
		# shellcheck disable=SC2034 # the rest of the line
		while read -r w n us one; do
			[ "${before[$w]:-0}" = "$n" ] || passed[$w]+=" $t"
			before[$w]=$n
		done <$windows
	done
}

# What goes through this window: the races first, two at the most
chosen() {
	local t n=0
	for t in ${passed[$1]}; do
		[ $((n++)) -lt 2 ] && echo "$t"
	done
}

[ -w $windows ] || { echo "1..0 # SKIP no $windows: not a module with windows"; exit 4; }
echo "TAP version 13"
discover
mapfile -t all < <(printf '%s\n' "${!passed[@]}" | grep -E -- "$pattern" | sort -V)
n=0 bad=0 made=0 us=1000
quiet=()
for w in "${all[@]}"; do
	sum=0
	for t in $(chosen "$w"); do
		n=$((n + 1))
		was=$(hits "$w")
		# who waits for somebody to be inside has to see it
		long=$us
		[ "$t" != path_race ] || long=$((20000 + us % 30000))
		echo "$w $long 1" >$windows || exit 1
		rc=0
		# race_test has five threads at each window, and forty rounds are a minute
		run "$t" "$([ "$t" = race ] && echo 2 || echo "$rounds")" "$w" || rc=$?
		open=$(($(hits "$w") - was))
		echo '* 0 1' >$windows
		if [ "$rc" = 0 ] && [ "$open" -gt 0 ]; then
			events=$(sed -n 's/.* \([0-9]*\) events in it$/\1/p' "$out" | paste -sd+)
			events=$((${events:-0}))
			sum=$((sum + events))
			echo "ok $n $w # held open $open times for $long us, $events events, $t"
		else
			bad=$((bad + 1))
			sed 's/^/# /' "$out"
			echo "not ok $n $w # status $rc, held open $open times for $long us, $t"
		fi
		us=$((us * 7 % 50000 + 1000))
	done
	made=$((made + sum))
	[ "$sum" -gt 0 ] || quiet+=("$w")
done
echo "1..$n"
[ ${#quiet[@]} = 0 ] || echo "# passed only where no event comes: ${quiet[*]}"
echo "# F2: reached $made rounds of $asked asked, in ${#all[@]} windows;" \
	"$(grep -hoE '\b(spin|mutex)_unlock\(' "$top"/module/*.c | grep -c .) places unlock," \
	"some of them inside of another lock"
[ $bad = 0 ] && { [ "$pattern" != . ] || [ "$made" -ge "$asked" ]; }
