#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs the test programs, here, with the module loaded: normally in a guest that
# scripts/test.sh started.  Owns the time limit, the counting and the look at
# the kernel's log after each program; what is tested is the programs' own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
dir=$top/.build/selftests
counters=/sys/kernel/debug/vdi/counters

usage() {
	cat <<END
usage: run.sh [--list] [--part K/N] [--sample|--rest] [--smoke] [--debug] [PATTERN]...
Runs the programs of $dir
and selftests/*_test.sh whose name matches a PATTERN (shell wildcards), or all,
and prints TAP, their own lines indented.  A program is given the seconds that
selftests/settings says, times \$VDI_TEST_SCALE.  A program fails if one of its
tests does, if it ends with a status that its lines do not explain, runs out of
time, prints no plan or fewer results than planned, leaves something in the
module or makes the kernel complain.  Status 4 is a skip, its last line says why.
If \$VDI_OUT is set, the sums go to \$VDI_OUT/counts: passed failed skipped.

  --list      only say which programs
  --part K/N  only each Nth of them, beginning with the Kth
  --sample    the tests of programs that selftests/sample names, no others
  --rest      those that it does not name
  --smoke     the programs that selftests/smoke names, for a further kernel
  --debug     the programs that selftests/debug names, for the debug kernel
END
}

list() {
	local f n=0
	for f in "$dir"/*_test "$dir"/m32/*_test "$here"/*_test.sh; do
		# a program whose source is gone is of an older build
		[ -x "$f" ] && { [ -e "$here/${f##*/}.c" ] || [ -e "$here/${f##*/}" ]; } || continue
		matches "$f" || continue
		[ -z "$sample" ] || [ -n "$(chosen "$f")" ] || continue
		n=$((n + 1))
		[ -z "$part" ] || [ $((n % ${part#*/})) = $((${part%/*} % ${part#*/})) ] || continue
		echo "$f"
	done
}

# The tests of a program that are in the sample, or those that are not.
chosen() {
	local in_sample t
	in_sample=" $(sed -n "s/^${1##*/}: *//p" "$here/sample") "
	if [ "$sample" = sample ]; then
		[ "$in_sample" = "  " ] || echo "$in_sample"
		return
	fi
	while read -r t; do
		[ "${in_sample/ $t /}" != "$in_sample" ] || echo "$t"
	done < <(sed -n 's/^test_\([a-z0-9_]*\)() .*/\1/p' "$1")
}

# Sets name: what a program is called here.
name_of() {
	name=${1##*/}
	[ "${1%/m32/*}" = "$1" ] || name=m32/$name
}

matches() {
	local p name
	[ ${#patterns[@]} -gt 0 ] || return 0
	name_of "$1"
	for p in "${patterns[@]}"; do
		# shellcheck disable=SC2254 # a pattern it is
		case $name in
		$p|${p}_test|${p}_test.sh|m32/${p}_test) return 0 ;;
		esac
	done
	return 1
}

mark() {
	echo "vdi-mark: $1" >/dev/kmsg 2>/dev/null || true
}

# What the kernel has complained about since the mark of this program.  Not cut out of
# the log by bash, which takes an hour for a log of megabytes.
splat() {
	local log
	log=$(dmesg 2>/dev/null | awk -v mark="vdi-mark: $1 begins" '
		index($0, mark)	{ n = 0; next }
		!/vdi-mark:/	{ line[n++] = $0 }
		END		{ for (i = 0; i < n; i++) print line[i] }')
	[ -n "$log" ] || return 1	# nothing but marks, as nearly always
	awk -f "$here/qemu/ours.awk" <<<"$log" | grep -E -m 1 -f "$here/qemu/splats"
}

left_behind() {
	local left name count tries=10
	[ -r "$counters" ] || return 0
	while [ $((tries -= 1)) -ge 0 ]; do
		left=
		while read -r name count; do
			[ "${name#total_}" != "$name" ] || [ "$count" = 0 ] || left+=" $name=$count"
		done <"$counters"
		[ -n "$left" ] || return 0
		nap
	done
	echo "$left"
}

# A tenth of a second, without starting a program, which takes an emulated processor
# longer than that.  Descriptor 8 never has anything to read; if it had, that would end us.
nap() {
	! read -r -t 0.1 -u 8
}

# runs PID: has it not ended?  By its state: bash may not have taken note of its end, for
# with `read -t` and many processes it was seen to leave SIGCHLD blocked.
runs() {
	local key state
	while read -r key state; do
		[ "$key" != State: ] || [ "${state#[ZX]}" = "$state" ] || return 1
		[ "$key" != State: ] || return 0
	done 2>/dev/null <"/proc/$1/status"
	return 1
}

# Prints what the program $pid writes into a file as it comes, for the case that the
# kernel dies in the middle.
follow() {
	local line part='' alive=1
	while [ -n "$alive" ]; do
		nap
		runs "$pid" || alive=
		while IFS= read -r line; do
			printf '    %s\n' "$part$line"
			part=
		done
		part+=$line
	done <"$1"
	[ -z "$part" ] || printf '    %s\n' "$part"
}

# judge NAME STATUS OUTPUT: sets pass, fail, skip and why of one program
judge() {
	local name=${1//\//.} status=$2 out=$3 plan='' left first line
	pass=0 skip=0 fail=0
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		'ok '*'# SKIP'*) skip=$((skip + 1)) ;;
		'ok '*)		pass=$((pass + 1)) ;;
		'not ok '*)	fail=$((fail + 1)) ;;
		1..[0-9]*)	plan=${line#1..} plan=${plan%%[!0-9]*} ;;
		esac
	done <"$out"
	why=
	if [ "$status" = 4 ] && [ $((pass + fail)) = 0 ]; then
		why="# SKIP $(tail -n 1 "$out" | sed 's/^.*# SKIP *//')"
		[ "$skip" -gt 0 ] || skip=1
		return
	fi
	case $status in
	0)	;;
	124|137) why="ran out of time" ;;
	*)	[ "$fail" -gt 0 ] || why="ended with status $status" ;;
	esac
	[ -n "$why" ] || [ -n "$plan" ] || why="printed no plan"
	[ -n "$why" ] || [ "$plan" = $((pass + fail + skip)) ] ||
		why="reported $((pass + fail + skip)) of $plan tests"
	left=$(left_behind)
	[ -n "$why" ] || [ -z "$left" ] || why="left in the module:$left"
	if [ -z "$why" ] && first=$(splat "$name"); then
		why="kernel: ${first#*] }"
	fi
	[ -z "$why" ] || fail=$((fail + 1))
}

run_one() {
	local prog=$1 name start status=0
	name_of "$prog"
	start=$SECONDS
	mark "${name//\//.} begins"
	: >"$out"
	[ -z "$is_uml" ] || [ "${name#m32/}" = "$name" ] || prog=$skip_32
	# shellcheck disable=SC2046 # the names of tests
	timeout -k 10 "$limit" "$prog" ${sample:+$(chosen "$prog")} >"$out" 2>&1 </dev/null 8<&- &
	pid=$!
	follow "$out"
	wait "$pid" || status=$?
	pid=
	judge "$name" "$status" "$out"
	mark "${name//\//.} ends"
	n=$((n + 1))
	if [ "$fail" = 0 ]; then
		echo "ok $n $name ${why:-# $pass passed, $skip skipped, $((SECONDS - start)) s}"
	else
		echo "not ok $n $name # ${why:-$fail failed}, $((SECONDS - start)) s"
	fi
	passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
}

patterns=()
only_list='' part='' sample=''
while [ $# -gt 0 ]; do
	case $1 in
	--list)		only_list=1 ;;
	--part)		part=${2:-}; shift
			[[ $part =~ ^[1-9][0-9]?/[1-9][0-9]?$ ]] ||
				{ echo "run.sh: --part needs K/N" >&2; exit 2; } ;;
	--sample|--rest)
			sample=${1#--} ;;
	--smoke|--debug)
		mapfile -t -O ${#patterns[@]} patterns < <(grep -v '^#' "$here/${1#--}") ;;
	--help|-h)	usage; exit 0 ;;
	-*)		echo "run.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
	*)		patterns+=("$1") ;;
	esac
	shift
done
mapfile -t programs < <(list)
[ ${#programs[@]} -gt 0 ] || {
	echo "run.sh: no test program matches: ${patterns[*]:-any} (is selftests built?)" >&2
	exit 1
}
if [ -n "$only_list" ]; then
	printf '%s\n' "${programs[@]}"
	exit 0
fi

out=$(mktemp)
# stands in for a 32-bit program where the kernel has no such system calls
skip_32=$(mktemp)
printf '#!/bin/sh\necho "1..0 # SKIP User Mode Linux runs no 32-bit programs"\nexit 4\n' >"$skip_32"
chmod +x "$skip_32"
is_uml=$(sed -n '/User Mode Linux/p' /proc/cpuinfo)
limit=$(($(sed -n 's/^timeout=//p' "$here/settings") * ${VDI_TEST_SCALE:-1}))
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -f "$out" "$skip_32"' EXIT
exec 8<> <(:)			# never has anything to read
trap 'exit 130' INT
trap 'exit 143' TERM
n=0 passed=0 failed=0 skipped=0
if [ -n "${VDI_ERRNO_LOG:-}" ]; then
	touch "$VDI_ERRNO_LOG"
	chmod 666 "$VDI_ERRNO_LOG"	# tests append as other users too
fi
echo "TAP version 13"
echo "1..${#programs[@]}"
for prog in "${programs[@]}"; do
	run_one "$prog"
done
echo "# $passed passed, $failed failed, $skipped skipped"
[ -z "${VDI_OUT:-}" ] || echo "$passed $failed $skipped" >"$VDI_OUT/counts"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
