#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which lines and branches of the module the test programs run: builds the module
# with counters, runs the tests in a guest, and reads what the guest counted.  Owns
# the sums and the list; the tests are selftests/run.sh's, the guest is vm.sh's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

usage() {
	cat <<'END'
usage: coverage.sh [OPTION]... [PATTERN]...
Runs the test programs that match a PATTERN (as selftests/run.sh does; default:
all in C) with a module that counts, and prints for each source file of it how many
lines and branches ran.

  --kernel NAME     uml (default) or debug
  --keep            add to the counts of the runs before
  --uncovered       print the lines, too, that did not run
  --lines PERCENT   fail if fewer of the lines ran
  --branches PERCENT  the same for branches
  --timeout S       limit for the guest (default 3600)
  --help            this text

The counted source is left in .build/coverage.  Ends with 1 if a test failed.
END
}

die() {
	echo "coverage: $*" >&2
	exit 1
}

kernel=uml keep='' uncovered='' lines=0 branches=0 limit=3600
while [ $# -gt 0 ]; do
	case $1 in
	--kernel)	kernel=${2:?coverage: --kernel needs a name}; shift ;;
	--keep)		keep=1 ;;
	--uncovered)	uncovered=1 ;;
	--lines)	lines=${2:?coverage: --lines needs a number}; shift ;;
	--branches)	branches=${2:?coverage: --branches needs a number}; shift ;;
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
out=$build/coverage
raw=$build/coverage-raw
[ -n "$keep" ] || rm -rf "$raw"
rm -rf "$out"
mkdir -p "$raw" "$out"

# The counts are read in the guest, where the module may have gone already: the
# kernel keeps them.  A run leaves one directory of them.
run=$(mktemp -d "$raw/run.XXXXXX")
rc=0
# shellcheck disable=SC2016 # expanded in the guest
VDI_TEST_SCALE=${VDI_TEST_SCALE:-2} "$here/vm.sh" --kernel "$kernel" --gcov --out "$run" \
	--timeout "$limit" -- bash -c '
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

# Of the lines, those with code; of the branches, all but those inside of an
# assertion, of which one side is a bug.
awk -v want_lines="$lines" -v want_branches="$branches" '
function row(name, l, lr, b, br) {
	printf "%-20s lines %5d of %5d %6.2f %%   branches %5d of %5d %6.2f %%\n", name,
	       lr, l, l ? 100 * lr / l : 100, br, b, b ? 100 * br / b : 100
}
FNR == 1 {
	if (file)
		row(file, l, lr, b, br)
	file = FILENAME
	sub(/.*[\/#]/, "", file)
	sub(/\.gcov$/, "", file)
	l = lr = b = br = 0
}
/^branch / && asserts { next }
/^branch / { b++; sb++; if ($3 == "taken" && $4 > 0) { br++; sbr++ }; next }
/^(call|function|unconditional) / { next }
{
	asserts = /lockdep_assert_held|WARN_ON(_ONCE)?\(/
	count = $0
	sub(/:.*/, "", count)
	gsub(/[ *]/, "", count)
	if (count == "-" || count == "")
		next
	l++; sl++
	if (count !~ /^[#=]/) { lr++; slr++ }
}
END {
	row(file, l, lr, b, br)
	row("all", sl, slr, sb, sbr)
	if (100 * slr < want_lines * sl || 100 * sbr < want_branches * sb) {
		printf "coverage: asked are %s %% of the lines, %s %% of the branches\n",
		       want_lines, want_branches >"/dev/stderr"
		exit 1
	}
}' "$out"/*.c.gcov || rc=1

if [ -n "$uncovered" ]; then
	echo "lines that did not run:"
	grep -HE '^ *(#####|=====)' "$out"/*.c.gcov |
		sed -E 's,^.*[/#]([^/#]*)\.gcov: *[#=]+\*?: *([0-9]+):[ 	]*,\1:\2: ,'
fi
exit "$rc"
