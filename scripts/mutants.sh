#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A check of the tests: puts one seeded bug (selftests/mutants/NAME.patch) at a time
# into a copy of the module, and runs the test programs on it under User Mode Linux
# until one fails; or one that only a certain kernel sees (selftests/mutants/kcsan), on
# that, or only who holds windows open (selftests/mutants/windows).  Owns the copy and
# the table of what caught what; the guest is vm.sh's.  What was found is kept in
# .build/mutants by the content of the bug, of the module and of the tests, so that a
# run that was stopped goes on where it was.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
limit=${VDI_MUTANT_TIMEOUT:-1800}

usage() {
	cat <<END
usage: mutants.sh [--kernel kcsan|--windows] [--list] [NAME]...
Prints TAP: "ok - mutant NAME # caught by PROGRAM: WHAT", or "not ok" for one that
all C test programs let through.  A patch says in a line "Try:" which programs run
first; these must all pass on the module as it is, or nothing would be shown.
With --kernel kcsan the bugs are data races, only those programs run, and nothing but
a report of KCSAN counts.  With --windows all programs pass on them while no window is
open (module/window.h), and "Try:" is the one whose windows soak/windows.sh opens.
Ends with 0 only if each bug was caught.  The programs must be built (make selftests).
  VDI_MUTANT_TIMEOUT=S   limit for one guest (default 1800)
END
}

die() {
	echo "mutants: $*" >&2
	exit 2
}

names=()
only_list='' windows='' kernel=uml bugs=$top/selftests/mutants dir=$top/.build/mutants
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h)	usage; exit 0 ;;
	--list)		only_list=1 ;;
	--kernel)	[ "${2:-}" = kcsan ] || die "--kernel needs kcsan (see --help)"
			kernel=$2 bugs=$bugs/$2 dir=$dir-$2
			shift ;;
	--windows)	windows=1 bugs=$bugs/windows dir=$dir-windows ;;
	-*)		die "unknown option $1 (see --help)" ;;
	*)		[ -e "$bugs/$1.patch" ] || die "no mutant $1 (see --list)"
			names+=("$1") ;;
	esac
	shift
done
tree=$dir/tree
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(cd "$bugs" && printf '%s\n' *.patch | sed 's/\.patch$//')
[ -z "$only_list" ] || { printf '%s\n' "${names[@]}"; exit 0; }

guest='' found='' base=''
stop_guest() {
	[ -z "$guest" ] || { kill "$guest" 2>/dev/null && wait "$guest" 2>/dev/null; } || true
	guest=
}
trap stop_guest EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What is tried is what was there at the beginning: the tree may be worked on.
copy_tree() {
	mkdir -p "$tree/.build"
	[ -x "$top/.build/selftests/abi_test" ] || die "no test programs: run make selftests"
	rm -rf "$tree"/{scripts,selftests,.build/user,.build/selftests} "$dir/clean"
	cp -r "$top/scripts" "$top/selftests" "$tree"
	cp -a "$top/.build/user" "$top/.build/selftests" "$tree/.build"
	mkdir "$dir/clean"
	(cd "$top" && find Kbuild module uapi -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild) |
		sort >"$dir/files"
	(cd "$top" && xargs cp --parents -t "$dir/clean") <"$dir/files"
	base=$(cd "$dir/clean" && xargs cat <"$dir/files" |
		cat - "$tree"/selftests/*.[ch] "$tree"/selftests/qemu/* | sha256sum | cut -c1-16)
}

# All that an answer depends on, in one word.
content() {
	{ echo "$base"; cat -- "$@"; } | sha256sum | cut -c1-16
}

# The module as it is; files that are the same keep their time.
copy_module() {
	local f
	while IFS= read -r f; do
		cmp -s "$dir/clean/$f" "$tree/$f" && continue
		mkdir -p "$tree/$(dirname "$f")"
		cp "$dir/clean/$f" "$tree/$f"
	done <"$dir/files"
}

# first_failure PROGRAM...: runs them in one guest, in the order of run.sh, until
# something is wrong; what that was is in $found.  With windows: the pattern of those
# to be opened.
first_failure() {
	local log=$dir/log run=$tree/selftests/run.sh opens=() programs rc=0 n
	found=
	if [ -n "$windows" ]; then
		run=$tree/selftests/soak/windows.sh opens=(--windows) programs=("$@")
	else
		mapfile -t programs < <("$run" --list "$@")
	fi
	: >"$log"
	VDI_TEST_SCALE="${VDI_TEST_SCALE:-4}" "$tree/scripts/vm.sh" --kernel "$kernel" \
		"${opens[@]}" --timeout "$limit" -- "$run" "$@" >"$log" 2>"$log.err" 7>&- &
	guest=$!
	while kill -0 "$guest" 2>/dev/null && ! grep -q '^ *not ok ' "$log"; do
		sleep 0.5
	done
	n=$(grep -c '^ok ' "$log") || true
	found=$(sed -n 's/^ *not ok [0-9]* *-* *//p' "$log" | head -n 1)
	if [ -n "$found" ]; then
		stop_guest
	else
		wait "$guest" || rc=$?
		guest=
		[ "$rc" != 126 ] || { cat "$log.err" >&2; die "the guest was not started"; }
		[ "$rc" != 0 ] || return 0
		found=$(sed -n 's/^vm: //p' "$log.err" | head -n 1)
	fi
	if [ -n "$windows" ]; then
		found="an open window: ${found:-status $rc}"
	elif [ "$n" -lt "${#programs[@]}" ]; then
		found="$(basename "${programs[n]}"): ${found:-status $rc}"
	else
		found="the end of the run: ${found:-status $rc}"
	fi
}

# caught_by PROGRAM...: the same, but what fails once only was no answer to the bug
caught_by() {
	local was i
	for i in 1 2 3; do
		first_failure "$@"
		was=$found
		case $was in
		# a report of a race is one, but each run has its chance only
		''|'the end of the run'*|'an open window'*|*KCSAN*) return ;;
		esac
		first_failure "${was%%:*}"
		[ -z "$found" ] || { found=$was; return; }
		echo "# failed once, then passed: $was (run $i)"
	done
	found=
}

tries() {
	local name
	for name; do
		sed -n 's/^Try: *//p' "$bugs/$name.patch"
	done | tr ' ' '\n' | sort -u
}

# What passes on the module as it is can show something by failing on another.
control() {
	local programs file
	mapfile -t programs < <(tries "$@")
	file=$dir/control-$(echo "${programs[*]}" | content -)
	if [ ! -e "$file" ]; then
		copy_module
		caught_by "${programs[@]}"
		if [ -n "$found" ]; then
			echo "not ok - mutant none # without a bug: $found"
			return 1
		fi
		touch "$file"
	fi
	echo "ok - mutant none # without a bug these pass: ${programs[*]}"
}

# What catches the bug is in $found, empty if nothing does, and kept in a file.
try() {
	local patch=$bugs/$1.patch file all first seen
	file=$dir/$1-$(content "$patch")
	if [ -e "$file" ]; then
		found=$(cat "$file")
		return
	fi
	copy_module
	patch -s -p1 -d "$tree" <"$patch" >&2 || die "$1.patch does not apply: make it anew"
	"$tree/scripts/kernel.sh" module "$kernel" >/dev/null || die "with $1.patch nothing builds"
	mapfile -t first < <(tries "$1")
	caught_by "${first[@]}"
	if [ -n "$windows" ]; then
		# else it says nothing of the windows
		seen=$found
		windows='' caught_by race path_race
		[ -z "$found" ] || die "$1: without a window as well: $found"
		found=$seen
	elif [ "$kernel" = kcsan ]; then
		# a test that fails for another reason shows nothing of what it can see
		[[ $found == *KCSAN* ]] || found=
	elif [ -z "$found" ]; then
		all=("$tree"/selftests/*_test.c)
		all=("${all[@]##*/}")
		caught_by "${all[@]%.c}"
	fi
	# what KCSAN sees is chance: not seen is no answer for ever
	[ "$kernel$found" = kcsan ] || echo "$found" >"$file"
}

main() {
	local name caught=0 n=0 asked=
	mkdir -p "$dir"
	exec 7>"$dir/lock"
	flock -n 7 || die "another run is at work in $dir"
	copy_tree
	control "${names[@]}" || exit 1
	for name in "${names[@]}"; do
		n=$((n + 1))
		try "$name"
		if [ -n "$found" ]; then
			caught=$((caught + 1))
			echo "ok - mutant $name # caught by $found"
		else
			echo "not ok - mutant $name # lived through all programs"
		fi
	done
	[ "$kernel$windows" != uml ] || asked='at least 15'
	echo "# mutants: $caught of $n caught, ${asked:-all} asked"
	[ "$caught" = "$n" ]
}

# This takes an hour: nothing is read from this file after that.
main; exit
