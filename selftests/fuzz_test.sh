#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The fuzzer (fuzz/): its corpus again, then programs by chance.  With KCOV and a
# module built for it (vm.sh --kcov) they follow what is covered, else they are few:
# the same without sight is little use.
#
#   VDI_FUZZ_PROGRAMS=N  how many      VDI_FUZZ_SECONDS=N  and no longer
#   VDI_SEED=N           where chance begins
#   VDI_FUZZ_LAST=FILE   the program that runs is there, on a disk that stays
#   VDI_FUZZ_SLOW=FILE   those are added there whose processes had to be killed
#   VDI_FUZZ_GROW=FILE   what comes to new places is added there
set -u

here=$(cd "$(dirname "$0")" && pwd)
fuzz=$here/../.build/selftests/fuzz
corpus=$here/fuzz/corpus
seed=${VDI_SEED:-$(date +%s)}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0

check() {
	local rc=0 what=$1
	shift
	n=$((n + 1))
	"$@" || rc=$?
	if [ "$rc" = 0 ]; then
		echo "ok $n $what"
	else
		echo "not ok $n $what: status $rc"
		bad=1
	fi
}

# What is printed can be read, and says the same; a seed says what comes.
text() {
	"$fuzz" --print --seed 7 --programs 200 >"$tmp/a" &&
		"$fuzz" --print --replay "$tmp/a" >"$tmp/b" && cmp "$tmp/a" "$tmp/b" &&
		"$fuzz" --print --seed 7 --programs 200 | cmp - "$tmp/a" || return
	! "$fuzz" --print --seed 8 --programs 200 | cmp -s - "$tmp/a"
}

programs() {
	local asked=200 seconds=60
	if [ -e /sys/kernel/debug/kcov ] && grep -q __sanitizer_cov_trace_pc "${VDI_MODULE:-/dev/null}"; then
		asked=10000 seconds=150
	fi
	"$fuzz" --corpus "$corpus" --seed "$seed" --programs "${VDI_FUZZ_PROGRAMS:-$asked}" \
		--seconds "${VDI_FUZZ_SECONDS:-$seconds}" \
		${VDI_FUZZ_LAST:+--last "$VDI_FUZZ_LAST"} ${VDI_FUZZ_GROW:+--grow "$VDI_FUZZ_GROW"} \
		${VDI_FUZZ_SLOW:+--slow "$VDI_FUZZ_SLOW"}
}

echo "TAP version 13"
echo "1..2"
check "programs are what their text says" text
check "programs end, and leave nothing" programs
exit $bad
