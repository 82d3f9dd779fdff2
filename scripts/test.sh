#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The whole test: static checks, the test programs in each guest, and the errnos
# that they saw against the header.  Owns the order and the sums; the checks are
# check.sh's, a guest is vm.sh's, the programs are run by selftests/run.sh.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

usage() {
	cat <<END
usage: test.sh [--quick]
Runs the static checks and the test programs in guests, as many stages at a time
as there are processors.  Prints what each says with the stage's name in front,
then how much was reached of each figure of selftests/README.md, the time that each
stage took and may take, and as the last line "N passed, N failed, N skipped".  Ends
with 0 only if something passed and nothing failed; a stage that takes longer than it
may has failed, and so has the whole if it takes more than an hour, set-up and all.

  --quick    only the test programs, only under User Mode Linux

  KERNEL='6.1 uml'   the guests; by default uml and 6.1, and for the programs that
                     selftests/smoke and selftests/debug name 6.12, 7 and debug
  TESTS='abort set*' the test programs, by default all; without static checks
                     and without the comparison of errnos, which needs them all
  VDI_PROGRAMS=K     the tests of programs (*.sh): another part of them than this
                     commit's, or all of them with VDI_PROGRAMS=all
  VDI_TIME=N         factor for the time that a stage, and the whole, may take (default 1)
  VDI_TEST_SCALE=N   factor for the time limits in tests (default 4: the guests
                     are emulated, or have a debug kernel, and share
                     the processors)
END
}

quick=
case ${1:-} in
'')		;;
--quick)	quick=1 ;;
--help|-h)	usage; exit 0 ;;
*)		echo "test.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

[[ "${VDI_PROGRAMS:-1}" =~ ^(all|[1-9][0-9]{0,5})$ ]] ||
	{ echo "test.sh: VDI_PROGRAMS is a number or all" >&2; exit 2; }

read -ra tests <<<"${TESTS:-}"
full=1
[ -z "$quick${TESTS:-}" ] || full=
kernels=${KERNEL:-} smoke='' debug=
if [ -z "$kernels" ]; then
	kernels='uml 6.1'
	[ -z "$full" ] || { smoke='6.12 7' debug=debug; }
fi
[ -z "$quick" ] || kernels=uml

mkdir -p "$build"
results=$(mktemp -d "$build/results.XXXXXX")	# another test may be running
passed=0 failed=0 skipped=0
started=$SECONDS
failures=()
running=()

# Also when we are stopped in the middle: the last line is the result.
finish() {
	local rc=$? f
	trap - EXIT
	trap '' INT TERM
	set +e
	for f in "${running[@]}"; do
		kill "$f" 2>/dev/null
	done
	wait
	if [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
		failures+=("the test itself ended with status $rc")
		failed=1
	fi
	for f in "${failures[@]}"; do
		echo "# FAILED: $f"
	done
	rm -rf "$build/results"
	mv -T "$results" "$build/results"
	echo "# all of it took $((SECONDS - started)) s; logs are in .build/results"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ] && exit 0
	exit 1
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# add PASSED FAILED SKIPPED
add() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# Counts the ok and "not ok" lines of a part that has no sums of its own.
add_lines() {
	add "$(grep '^ok ' "$1" | grep -vc '# SKIP' || true)" "$(grep -c '^not ok ' "$1" || true)" \
		"$(grep -c '^ok .*# SKIP' "$1" || true)"
}

# add_death STATUS FILE WHAT: a part that ended badly without saying "not ok", or
# that said nothing at all, has failed too.
add_death() {
	if grep -q '^not ok ' "$2" || { [ "$1" = 0 ] && grep -q '^ok ' "$2"; }; then
		return
	fi
	add 0 1 0
	failures+=("$3 ended with status $1 before the end")
}

build_all() {
	local k
	make -s -j2 -C "$top" lib cli && make -s -j2 -C "$top" selftests
	for k in $kernels $smoke $debug; do
		"$here/kernel.sh" module "$k" >/dev/null
	done
}

# share N: K/N, which of N parts of the tests of programs this commit runs
share() {
	local k=${VDI_PROGRAMS:-}
	[ "$k" != all ] || { echo 1/1; return; }
	[ -n "$k" ] || k=$(git -C "$top" rev-list --count HEAD 2>/dev/null || echo 0)
	echo "$((k % $1 + 1))/$1"
}

# One line a stage: NAME SECONDS check|bench, or NAME SECONDS KERNEL CPUS LIST, LIST the
# programs that run.sh is asked for.  The tests of programs (*.sh) start many
# processes and take an hour in an emulated guest: User Mode Linux, which sees more
# where things go wrong, has a sample of them, and an emulated one the rest.  A commit
# runs a part of both, the next commit the next part; soak.sh has a stage for all.
plan() {
	local k limit=1200
	[ "${VDI_PROGRAMS:-}" != all ] || limit=7200
	for k in $kernels; do
		if [ -z "$full" ]; then
			echo "$k 7200 $k 2 ${tests[*]}"
			continue
		fi
		echo "$k 1800 $k 2 *_test"
		if [ "$k" = uml ]; then
			echo "$k-programs $limit $k 1 --sample --part $(share 2) *_test.sh"
		else
			echo "$k-programs $limit $k 1 --rest --part $(share 6) *_test.sh"
		fi
	done
	[ -z "$debug" ] || echo "debug 1800 debug 2 --debug"
	for k in $smoke; do
		echo "$k 900 $k 2 --smoke"
	done
	# random programs, with a module that tells which of its code they come to
	[ -z "$full" ] || [ "${kernels#*uml}" = "$kernels" ] || echo "fuzz 600 uml 1 fuzz_test.sh"
	[ -z "$full" ] || echo "bench 300 bench"
	[ -z "$full" ] || echo "checks 1200 check"
}

# amounts STAGE: what is asked of it where its programs, which run in several of them,
# do less by themselves.  See selftests/README.md; what the caller has set counts.
amounts() {
	local v name
	[ -n "$full" ] || return 0
	for v in $(case $1 in
		uml)	echo VDI_WAKE_SECONDS=90 ;;
		6.1)	echo VDI_WAKE_SECONDS=240 VDI_INTEGRITY_MIB=1024 VDI_INTEGRITY_SECONDS=400 \
				VDI_SIGNAL_COMMANDS=200000 VDI_FREEZE_COMMANDS=200000 ;;
		debug)	echo VDI_HAMMER_SECONDS=60 ;;
		fuzz)	echo VDI_FUZZ_SECONDS=400 ;;
		esac); do
		name=${v%%=*}
		[ -n "${!name:-}" ] || echo "$v"
	done
}

# Each stage in a process of its own; what it leaves in its directory is counted
# by stage_end.  Told to stop, it stops what it runs.
run_stage() {
	local name=$1 limit=$2 kernel=$3 rc=0 more=()
	local dir=$results/$name begin=$SECONDS
	shift 3
	if [ "$kernel" = check ]; then
		timeout -k 10 "$limit" "$here/check.sh" > >(tee "$dir/log") &
	elif [ "$kernel" = bench ]; then
		OUT='' HOST='' FULL='' timeout -k 10 "$limit" "$here/bench.sh" --check > >(tee "$dir/log") &
	else
		local cpus=$1
		shift
		# what ran when the guest died is in the shared directory
		[ "$name" != fuzz ] || more=(--kcov --share "$dir" --env "VDI_FUZZ_LAST=$dir/last.txt")
		# two nodes of memory
		[ "$*" != --smoke ] || more=(--append numa=fake=2)
		local asked
		mapfile -t asked < <(amounts "$name")
		env "${asked[@]}" VDI_TEST_SCALE="${VDI_TEST_SCALE:-4}" VDI_ERRNO_LOG=/run/out/errno.log \
			"$here/vm.sh" --kernel "$kernel" --cpus "$cpus" --timeout "$limit" "${more[@]}" \
			--out "$dir" --console "$dir/console" -- \
			"$top/selftests/run.sh" "$@" > >(tee "$dir/log") \
			2> >(tee "$dir/stderr" >&2) &
	fi
	# shellcheck disable=SC2064 # this process
	trap "kill $! 2>/dev/null; wait $!" EXIT
	wait $! || rc=$?
	trap - EXIT
	echo "$rc" >"$dir/status"
	echo $((SECONDS - begin)) >"$dir/seconds"
}

stage_end() {
	local name=$1 limit=$2 kernel=$3 dir=$results/$1 rc
	rc=$(cat "$dir/status" 2>/dev/null) || rc=255
	mapfile -t -O "${#failures[@]}" failures < <(grep -h '^ *not ok ' "$dir/log" |
		sed "s/^ */$name: /")
	table+=("$(printf '%-16s %5s s of %5s s' "$name" "$(cat "$dir/seconds" 2>/dev/null || echo '?')" \
		"$limit")")
	if [ "$kernel" = check ] || [ "$kernel" = bench ]; then
		add_lines "$dir/log"
		add_death "$rc" "$dir/log" "$name"
		return
	fi
	if [ -s "$dir/counts" ]; then
		# shellcheck disable=SC2046 # three numbers
		add $(cat "$dir/counts")
	fi
	# 1: tests failed and are counted; anything else is the guest's own trouble
	case $rc in
	0)	;;
	1)	# also when all was skipped: a stage in which nothing passed is no pass
		[ "$(cut -d' ' -f2 "$dir/counts" 2>/dev/null || echo 0)" -gt 0 ] ||
			{ add 0 1 0; failures+=("$name: nothing passed"); } ;;
	124)	add 0 1 0
		failures+=("$name: took longer than $limit s; its last line:$(tail -n 1 "$dir/log")") ;;
	*)	add 0 1 0
		failures+=("$name: vm.sh ended with $rc: $(sed -n 's/^vm: //p' "$dir/stderr" |
			head -n 1)") ;;
	esac
}

# The longest first is the order of the plan; as many at a time as can run.
run_stages() {
	local line words pid done_pid i factor=${VDI_TIME:-1} max
	local -A stage_of=()
	max=$(nproc)
	running=()
	mapfile -t lines < <(plan)
	set -f			# the plan's patterns are run.sh's
	for line in "${lines[@]}" ''; do
		while [ ${#running[@]} -ge "$max" ] || { [ -z "$line" ] && [ ${#running[@]} -gt 0 ]; }; do
			done_pid=
			wait -n -p done_pid "${running[@]}" || true
			# shellcheck disable=SC2086 # words
			stage_end ${stage_of[$done_pid]}
			for i in "${!running[@]}"; do
				[ "${running[i]}" != "$done_pid" ] || unset "running[i]"
			done
		done
		[ -n "$line" ] || break
		read -ra words <<<"$line"
		words[1]=$((words[1] * factor))
		mkdir -p "$results/${words[0]}"
		echo "# ---- ${words[0]}: begins, may take ${words[1]} s"
		run_stage "${words[@]}" > >(sed -u "s/^/${words[0]}: /") 2>&1 &
		pid=$!
		running+=("$pid")
		stage_of[$pid]=${words[*]:0:3}
	done
	set +f
}

check_errnos() {
	local logs=() rc=0
	mapfile -t logs < <(find "$results" -name errno.log)
	if [ ${#logs[@]} = 0 ]; then
		echo "not ok - errno no test has logged any"
	else
		"$here/check-errno.sh" "$top/uapi/linux/vdi.h" "${logs[@]}"
	fi >"$results/errno" 2>&1 || rc=$?
	cat "$results/errno"
	add_lines "$results/errno"
	add_death "$rc" "$results/errno" "the comparison of errnos"
	mapfile -t -O "${#failures[@]}" failures < <(sed -n 's/^not ok - */errnos: /p' "$results/errno")
}

# How much was reached of the figures of selftests/README.md
figures() {
	local log name
	for log in "$results"/*/log; do
		name=${log%/log}
		sed -nEf "$here/figures.sed" "$log" | sed "s/^/# figure: ${name##*/}: /"
	done
}

main() {
	local begin=$SECONDS whole most=$((3600 * ${VDI_TIME:-1})) before=0
	[ -z "${VDI_BEGUN:-}" ] || before=$(($(date +%s) - VDI_BEGUN))
	build_all
	table=("$(printf '%-16s %5s s' set-up "$before")"
		"$(printf '%-16s %5s s' build $((SECONDS - begin)))")
	[ -z "$full" ] || echo "# parts of the tests of programs: $(share 2) of the sample," \
		"$(share 6) of the rest; all with VDI_PROGRAMS=all"
	run_stages
	[ -z "$full" ] || check_errnos
	figures
	whole=$((before + SECONDS - started))
	table+=("$(printf '%-16s %5s s of %5s s' all "$whole" "$most")")
	printf '# time: %s\n' "${table[@]}"
	[ -z "$full" ] || [ "$whole" -le "$most" ] || {
		add 0 1 0
		failures+=("all of it took longer than $most s")
	}
}

# This takes minutes: nothing is read from this file after that.
main; exit
