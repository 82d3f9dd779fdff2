#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The long tests, which take hours: everything that selftests can do more of than
# `make test` has time for.  Owns the list of stages and the report; what is tested
# and how much of it was reached is said by the programs.
#
# A stage that came to its end is not run again as long as what it depends on is the
# same: the module, the library, the headers of the tests, and its own files.  Its log
# is kept in .build/soak by that.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
report=$top/selftests/soak/REPORT.md

usage() {
	cat <<END
usage: soak.sh [--list] [--again] [--jobs N] [STAGE]...
Runs the stages that have not come to their end on this tree, or those named, as many
at a time as there are processors, and writes selftests/soak/REPORT.md.  Stop it at any
time; it goes on where it was.  Ends with 0 only if all stages have passed.

  --list    the stages, and what is known of them
  --again   also those that have ended
  --jobs N  at most N at a time
END
}

# NAME|SECONDS IT MAY TAKE|FIGURE of the table in selftests/README.md|ITS FILES|WHAT
stages='
integrity|7200|F7|selftests/integrity_test.c|64 devices, CRC32C and SHA-256 of all that moves, with deaths, 6.1
fuzz|21600|F4|selftests/fuzz|200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-debug|7200|F4|selftests/fuzz|the same for an hour with two processors, kernel debug
wakeups|7200|F9|selftests/wake_test.c|commands of one byte, none of whose wake-ups is lost, and 2048 waiters, 6.1
windows|7200|F2|selftests/soak selftests/race_test.c|each lock release held open while others close, abort, die
mutants|14400|F21|selftests/mutants selftests/*.c|seeded bugs in the module
coverage|7200|F16|selftests/*.c|lines and branches of the module
kcsan|7200|F6|selftests/race_test.c selftests/hammer_test.c|races and the hammer, strict KCSAN
hammer|3600|F6|selftests/hammer_test.c|any call by anybody, half an hour, debug kernel
kill-6.1|7200|F1|selftests/kill_matrix_test.c|all ways to die at all points, core dumps too, 6.1
kill-large|7200|F1|selftests/kill_matrix_test.c|SIGKILL with 512 MiB resident, 6.1
kill|3600|F1|selftests/kill_matrix_test.c|all ways to die at all points, User Mode Linux
death|1800|F1|selftests/early_death_test.c|early notice of death with 1 GiB resident, 6.1
orders|3600|F3|selftests/close_order_test.c|all orders of close in all states
faults|3600|F5|selftests/fail_nth_test.c selftests/fail_nth_node_test.c|each allocation and user copy of each call fails once
upsets|1800|-|selftests/node_upset_test.c|an error, a signal, an abort, a death at each command of a node
race|7200|F6|selftests/race_test.c|close, abort and death against calls, 2000 rounds each, 6.1
leaks|7200|F8|selftests/leak_test.c|10000 cycles and 1000 with kill -9, 6.1
pressure|3600|F11|selftests/memory_test.c|memory cgroups at all limits, 1000 rounds, debug kernel
freezes|3600|F12|selftests/freeze_test.c selftests/signal_test.c|signals, SIGSTOP, freezers: 100 freezes of the system, 6.1
unload|7200|F14|selftests/module_test.c|1000 times unloaded among others, debug kernel
stalls|3600|F15|selftests/stall_test.c selftests/poison_test.c|each pointer of each call by userfaultfd, debug kernel
debug|7200|F20|selftests/*.c|all C tests on the debug kernel
kernel-6.12|7200|F20|selftests/*.c|all C tests on 6.12
kernel-7|7200|F20|selftests/*.c|all C tests on the newest 7.x
disks|1800|-|userspace selftests/disks_test.sh|nine virtio disks
model|3600|F19|selftests/model scripts/model.sh|the model in its full size, and its mutants
'

# guest KERNEL [OPTION]... -- COMMAND...
guest() {
	local kernel=$1 more=()
	shift
	while [ "$1" != -- ]; do
		more+=("$1")
		shift
	done
	VDI_TEST_SCALE=${VDI_TEST_SCALE:-4} exec "$here/vm.sh" --kernel "$kernel" --timeout "$limit" \
		"${more[@]}" "$@"
}

# What ran when the guest died, and what came to new places, is beside the log.
fuzz_in() {
	rm -f "$dir/$1.found.txt"
	guest "$1" --kcov --share "$dir" --env "VDI_FUZZ_LAST=$dir/$1.last.txt" \
		--env "VDI_FUZZ_GROW=$dir/$1.found.txt" -- "$top/selftests/fuzz_test.sh"
}

# In a process of its own, which becomes what it runs and may take $limit seconds
run_stage() {
	local run=$top/selftests/run.sh
	case $1 in
	model)		exec timeout "$limit" "$here/model.sh" --full ;;
	windows)	guest uml --windows -- "$top/selftests/soak/windows.sh" ;;
	kill)		VDI_KILL_WAYS=all guest uml -- "$run" kill_matrix ;;
	kill-6.1)	VDI_KILL_WAYS=all guest 6.1 -- "$run" kill_matrix ;;
	kill-large)	VDI_KILL_RESIDENT=512 guest 6.1 --memory 4096 -- "$run" kill_matrix ;;
	orders)		VDI_CLOSE_STATES=all guest uml -- "$run" close_order ;;
	faults)		guest uml -- "$run" 'fail_nth*' ;;
	upsets)		VDI_NODE_UPSETS=all guest uml -- "$run" node_upset ;;
	fuzz)		VDI_FUZZ_PROGRAMS=${VDI_FUZZ_PROGRAMS:-200000} \
			VDI_FUZZ_SECONDS=${VDI_FUZZ_SECONDS:-20000} fuzz_in uml ;;
	fuzz-debug)	VDI_FUZZ_PROGRAMS=${VDI_FUZZ_PROGRAMS:-200000} \
			VDI_FUZZ_SECONDS=${VDI_FUZZ_SECONDS:-3600} fuzz_in debug ;;
	death)		VDI_DEATH_MIB=1024 guest 6.1 --memory 4096 -- "$run" early_death ;;
	race)		VDI_RACE_ROUNDS=2000 guest 6.1 -- "$run" race ;;
	hammer)		VDI_HAMMER_SECONDS=1800 guest debug -- "$run" hammer ;;
	wakeups)	VDI_WAKE_ROUNDS=10000000 VDI_WAKE_SECONDS=3000 VDI_WAKE_THREADS=32 \
			 guest 6.1 -- "$run" wake ;;
	leaks)		VDI_LEAK_ROUNDS=10000 guest 6.1 -- "$run" leak ;;
	pressure)	VDI_MEMORY_ROUNDS=1000 guest debug -- "$run" memory ;;
	freezes)	VDI_SIGNAL_COMMANDS=1000000 VDI_FREEZE_COMMANDS=1000000 \
			VDI_FREEZE_ROUNDS=100 VDI_FREEZE_SUSPENDS=100 guest 6.1 -- "$run" signal freeze ;;
	unload)		VDI_UNLOAD_ROUNDS=1000 guest debug -- "$run" module ;;
	stalls)		guest debug -- "$run" stall poison ;;
	integrity)	VDI_INTEGRITY_MIB=102400 VDI_INTEGRITY_SET=64 VDI_INTEGRITY_SECONDS=6600 \
				VDI_TEST_SCALE=8 guest 6.1 --memory 4096 -- "$run" integrity ;;
	disks)		exec timeout "$limit" "$top/selftests/qemu/nine_disks.sh" ;;
	debug)		guest debug -- "$run" '*_test' ;;
	kcsan)		VDI_RACE_ROUNDS=300 VDI_HAMMER_SECONDS=600 guest kcsan -- "$run" race hammer ;;
	kernel-*)	guest "${1#kernel-}" -- "$run" '*_test' ;;
	mutants)	exec timeout "$limit" "$here/mutants.sh" ;;
	coverage)	exec timeout "$limit" "$here/coverage.sh" --lines 95 --branches 90 --uncovered ;;
	esac
}

# content FILE...: of all that a result depends on, in one word.
content() {
	(cd "$top" && git ls-files -z -c -o --exclude-standard -- Kbuild module uapi \
		userspace/lib 'selftests/*.h' selftests/qemu "$@" |
		grep -zv '\.md$' | sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12
}

# Where the log of a stage is; its name says what it was run on.
log_of() {
	local name limit figure files what
	IFS='|' read -r name limit figure files what < <(grep "^$1|" <<<"$stages")
	# shellcheck disable=SC2086 # words and patterns, git's
	(set -f; echo "$dir/$1-$(content $files)")
}

status_of() {
	cat "${log[$1]}.status" 2>/dev/null || echo -
}

verdict() {
	case $(status_of "$1") in
	-)	echo 'not run' ;;
	0)	echo passed ;;
	124)	echo 'out of time' ;;
	*)	echo FAILED ;;
	esac
}

# The lines that say how much was reached, or the sums of a stage that has none.
figures() {
	local from=${log[$1]}.log found
	[ -e "$from" ] || return 0
	found=$(sed -nE '/^ *# (F[0-9]+: |.*reached )/s/^ *# ([a-z0-9_]+\.c:[0-9]+:[a-z_]*:)?//p' "$from")
	[ -n "$found" ] || found=$(grep -aE '^(# )?[0-9]+ passed|^(lines|branches|all) |^# mutants' \
		"$from" | tail -n 3)
	printf '%s\n' "$found" | paste -sd ';' | sed 's/;/; /g'
}

write_report() {
	local name limit figure files what
	{
		cat <<END
<!-- SPDX-License-Identifier: GPL-2.0-only -->
# What the long tests reached

Written by \`make soak\`, not by hand. Each line says on which commit and day the stage
ran; it is run again when the module, the library or the stage's own files change. The
figures are those of selftests/README.md. What was not run has not passed.

| stage | figure | what | verdict | commit | day | seconds | reached |
|---|---|---|---|---|---|---|---|
END
		while IFS='|' read -r name limit figure files what; do
			[ -n "$name" ] || continue
			echo "| $name | $figure | $what | $(verdict "$name") |" \
				"$(cat "${log[$name]}.ran" 2>/dev/null || echo '- | - | -') |" \
				"$(figures "$name") |"
		done <<<"$stages"
	} >"$report.new"
	mv "$report.new" "$report"
}

names=()
list='' again='' jobs=$(nproc)
while [ $# -gt 0 ]; do
	case $1 in
	--help|-h)	usage; exit 0 ;;
	--list)		list=1 ;;
	--again)	again=1 ;;
	--jobs)		jobs=${2:-}; shift
			[[ $jobs =~ ^[1-9][0-9]?$ ]] || { echo "soak: --jobs needs a number" >&2; exit 2; } ;;
	-*)		echo "soak: unknown option $1 (see --help)" >&2; exit 2 ;;
	*)		grep -q "^$1|" <<<"$stages" ||
				{ echo "soak: no stage $1 (see --list)" >&2; exit 2; }
			names+=("$1") ;;
	esac
	shift
done

dir=$top/.build/soak
mkdir -p "$dir"
declare -A log=() stage_of=()
while IFS='|' read -r name _; do
	[ -z "$name" ] || log[$name]=$(log_of "$name")
done <<<"$stages"

stop() {
	local p
	for p in "${!stage_of[@]}"; do
		kill "$p" 2>/dev/null || true
	done
	wait
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# In a process of its own: its status and log stay, if it comes to its end.
begin() {
	local start=$SECONDS rc=0 child commit
	commit=$(git -C "$top" describe --always --dirty --exclude '*')
	run_stage "$1" >"${log[$1]}.log" 2>&1 &
	child=$!
	# shellcheck disable=SC2064 # this process
	trap "kill $child 2>/dev/null; wait $child; exit 143" TERM
	wait "$child" || rc=$?
	trap - TERM EXIT
	echo "$commit | $(date -u +%Y-%m-%d) | $((SECONDS - start))" >"${log[$1]}.ran"
	echo "$rc" >"${log[$1]}.status"
}

bad=0
# One has ended: says so.
reap() {
	local pid='' name
	wait -n -p pid "${!stage_of[@]}" || true
	name=${stage_of[$pid]}
	unset "stage_of[$pid]"
	write_report
	echo "# $name: $(verdict "$name") $(figures "$name")"
	[ "$(status_of "$name")" = 0 ] || bad=1
}

while IFS='|' read -r name limit figure files what <&3; do
	[ -n "$name" ] || continue
	if [ -n "$list" ]; then
		printf '%-12s %-12s %s\n' "$name" "$(verdict "$name")" "$what"
		continue
	fi
	[ ${#names[@]} = 0 ] || [[ " ${names[*]} " == *" $name "* ]] || continue
	if [ -z "$again" ] && [ "$(status_of "$name")" != - ]; then
		echo "# $name: $(verdict "$name") $(figures "$name")"
		[ "$(status_of "$name")" = 0 ] || bad=1
		continue
	fi
	while [ ${#stage_of[@]} -ge "$jobs" ]; do
		reap
	done
	echo "# ---- $name: $what (${log[$name]#"$top"/}.log)"
	rm -f "${log[$name]}.status"
	begin "$name" 3<&- &
	stage_of[$!]=$name
done 3<<<"$stages"
while [ ${#stage_of[@]} -gt 0 ]; do
	reap
done
[ -n "$list" ] || write_report
exit $bad
