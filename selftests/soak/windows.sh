#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# F2: each place where the module releases a lock is held open in turn, 1 to 50
# ms, while race_test lets close, abort, death and a second call come in between.
# Needs a module with windows (vm.sh --windows), see module/window.h, and
# root.
#
# usage: windows.sh; VDI_WINDOW_ROUNDS: rounds for each window and event (default 5)
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
tests=$top/.build/selftests
windows=/sys/kernel/debug/vdi/windows
asked=2000 events=7 rounds=${VDI_WINDOW_ROUNDS:-5}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

declare -A program=()	# of a window: the first that passes it

hits() {
	awk -v w="$1" '$1 == w { print $2 }' $windows
}

# run PROGRAM ROUNDS
run() {
	VDI_RACE_ROUNDS=$2 timeout 600 "$tests/${1}_test" >"$out" 2>&1
}

# Each program that takes a way of its own through the module, with all closed
discover() {
	local t w n us one
	local -A before=()
	echo '* 0 1' >$windows
	for t in race adopt secondary provisional node_end handle config set device; do
		run "$t" 1 || { echo "Bail out! ${t}_test fails with no window open"; cat "$out"; exit 1; }
		# shellcheck disable=SC2034 # the rest of the line
		while read -r w n us one; do
			[ "${before[$w]:-0}" = "$n" ] || : "${program[$w]:=$t}"
			before[$w]=$n
		done <$windows
	done
}

[ -w $windows ] || { echo "1..0 # SKIP no $windows: not a module with windows"; exit 4; }
echo "TAP version 13"
discover
mapfile -t all < <(printf '%s\n' "${!program[@]}" | sort -V)
n=0 bad=0 made=0 us=1000
for w in "${all[@]}"; do
	n=$((n + 1))
	t=${program[$w]}
	was=$(hits "$w")
	echo "$w $us 1" >$windows || exit 1
	if run "$t" "$rounds"; then
		echo "ok $n $w # $(($(hits "$w") - was)) times $us us, $t"
		[ "$t" != race ] || made=$((made + rounds * events))
		[ "$t" = race ] || made=$((made + $(grep -c '^ok ' "$out")))
	else
		bad=$((bad + 1))
		sed 's/^/# /' "$out"
		echo "not ok $n $w # $us us, $t"
	fi
	us=$((us * 7 % 50000 + 1000))
done
echo '* 0 1' >$windows
echo "1..$n"
echo "# F2: $made rounds of $asked asked, in $n windows"
[ $bad = 0 ]
