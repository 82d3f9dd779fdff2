#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which lines and branches of the module the test programs run: builds the module
# with counters, runs the tests in a guest, and reads what the guest counted.  Owns
# the run; the sums are coverage.awk's, the tests run.sh's, the guest is vm.sh's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

usage() {
	cat <<'END'
usage: coverage.sh [OPTION]... [PATTERN]...
Runs the test programs that match a PATTERN (as selftests/run.sh does; default:
all in C) with a module that counts, and prints for each source file of it how many
lines, branches and functions ran.

  --kernel NAME     uml (default) or debug
  --also NAME       what ran in the last run under that kernel has run as well
  --keep            add to the counts of the runs before
  --sum             run nothing: only sum up the runs before
  --uncovered       print the lines, too, that did not run, with a - in front, and
                    those of which a branch has a side that was not taken, with a ?
  --lines PERCENT   fail if fewer of the lines ran
  --branches PERCENT  the same for branches
  --functions PERCENT  the same for functions
  --timeout S       limit for the guest (default 3600)
  --help            this text

With a PERCENT it also fails for such a line that has no reason in
selftests/uncovered, and names the reasons there that are not needed any more.
Branches of assertions are not counted: one side of them is a bug.
The counted source is left in .build/coverage-NAME.  Ends with 1 if a test failed.
END
}

die() {
	echo "coverage: $*" >&2
	exit 1
}

kernel=uml also='' keep='' sum_up='' uncovered='' lines=0 branches=0 functions=0 limit=3600
while [ $# -gt 0 ]; do
	case $1 in
	--kernel)	kernel=${2:?coverage: --kernel needs a name}; shift ;;
	--also)		also=${2:?coverage: --also needs a name}; shift ;;
	--keep)		keep=1 ;;
	--sum)		keep=1 sum_up=1 ;;
	--uncovered)	uncovered=1 ;;
	--lines)	lines=${2:?coverage: --lines needs a number}; shift ;;
	--branches)	branches=${2:?coverage: --branches needs a number}; shift ;;
	--functions)	functions=${2:?coverage: --functions needs a number}; shift ;;
	--timeout)	limit=${2:?coverage: --timeout needs a number}; shift ;;
	--help|-h)	usage; exit 0 ;;
	-*)		usage >&2; exit 2 ;;
	*)		break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- '*_test'

module=$("$here/kernel.sh" module "$kernel" gcov VDI_GCOV=y)
dir=$(dirname "$module")
out=$build/coverage-$kernel
raw=$build/coverage-raw-$kernel
[ -z "$also" ] || [ -e "$build/coverage-$also/main.c.gcov" ] || die "nothing ran under $also"
[ -n "$keep" ] || rm -rf "$raw"
rm -rf "$out"
mkdir -p "$raw" "$out"

# The counts are read in the guest, where the module may have gone already: the
# kernel keeps them.  A run leaves one directory of them.
run_tests() {
	local run rc=0
	run=$(mktemp -d "$raw/run.XXXXXX")
	# shellcheck disable=SC2016 # expanded in the guest
	VDI_TEST_SCALE=${VDI_TEST_SCALE:-2} "$here/vm.sh" --kernel "$kernel" --gcov \
		--out "$run" --timeout "$limit" -- bash -c '
		dir=$1 rc=0
		shift
		"$VDI_TOP/selftests/run.sh" "$@" || rc=$?
		# not cp: their size is known when they are read
		for f in "/sys/kernel/debug/gcov$dir"/module/*.gcda; do
			cat "$f" >"$VDI_OUT/${f##*/}"
		done
		exit $rc' bash "$dir" "$@" || rc=$?
	[ "$rc" -le 1 ] || die "the guest ended with $rc"
	[ -s "$run/main.gcda" ] || die "the guest has counted nothing"
	return "$rc"
}

rc=0
[ -n "$sum_up" ] || run_tests "$@" || rc=$?

# The counts of several runs in one.
sum=$raw/sum
rm -rf "$sum"
for d in "$raw"/run.*; do
	if [ ! -d "$sum" ]; then
		mkdir "$sum"
		cp "$d"/*.gcda "$sum"
		continue
	fi
	mkdir "$raw/one"
	cp "$d"/*.gcda "$raw/one"
	gcov-tool merge "$sum" "$raw/one" -o "$raw/both" 2>/dev/null ||
		die "the counts of two runs do not fit together: run without --keep"
	rm -rf "$sum" "$raw/one"
	mv "$raw/both" "$sum"
done
cp "$dir"/module/*.gcno "$sum"
(cd "$out" && gcov -b -c -s "$dir" -r -o "$sum" "$sum"/*.gcda) >"$raw/log" 2>&1 ||
	die "gcov failed, see $raw/log"

awk -f "$here/coverage.awk" -v list="$top/selftests/uncovered" -v show="$uncovered" \
	-v also="${also:+$build/coverage-$also}" -v lines="$lines" -v branches="$branches" \
	-v functions="$functions" "$out"/*.c.gcov || rc=1
exit "$rc"
