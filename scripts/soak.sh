#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The long tests, which take hours: everything that selftests can do more of than
# `make test` has time for.  Owns the list of stages and the report; what is tested
# and how much of it was reached is said by the programs.
#
# A stage that came to its end is not run again on the same tree: its log is kept in
# .build/soak, by the content of all files but the report.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
report=$top/selftests/soak/REPORT.md

usage() {
	cat <<END
usage: soak.sh [--list] [--again] [STAGE]...
Runs the stages that have not come to their end on this tree, or those named, and
writes selftests/soak/REPORT.md.  Stop it at any time; it goes on where it was.
Ends with 0 only if all stages have passed.

  --list    the stages, and what is known of them
  --again   also those that have ended
END
}

# NAME|SECONDS IT MAY TAKE|FIGURE of the table in selftests/README.md|WHAT
stages='
model|3600|F19|the model in its full size, and its mutants
windows|7200|F2|each lock release held open while others close, abort, die
kill|3600|F1|all ways to die at all points, User Mode Linux
kill-6.1|7200|F1|the same on 6.1 with two processors, core dumps too
kill-large|7200|F1|SIGKILL with 512 MiB resident, 6.1
orders|3600|F3|all orders of close in all states
faults|3600|F5|each allocation and user copy of each call fails once
upsets|1800|-|an error, a signal, an abort, a death at each command of a node
fuzz|21600|F4|200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-debug|7200|F4|the same for an hour with two processors, kernel debug
death|1800|F1|early notice of death with 1 GiB resident, 6.1
race|7200|F6|close, abort and death against calls, 2000 rounds each, 6.1
hammer|3600|F6|any call by anybody, half an hour, debug kernel
wakeups|7200|F9|commands of one byte, none of whose wake-ups is lost, and 2048 waiters, 6.1
leaks|7200|F8|10000 cycles and 1000 with kill -9, 6.1
pressure|3600|F11|memory cgroups at all limits, 1000 rounds, debug kernel
freezes|3600|F12|signals, SIGSTOP, freezers: 100 freezes of the system, 6.1
unload|7200|F14|1000 times unloaded among others, debug kernel
stalls|3600|F15|each pointer of each call by userfaultfd, debug kernel
commit|14400|-|each system call of the end of a backup is killed or fails, 6.1
integrity|7200|F7|64 devices, CRC32C and SHA-256 of all that moves, with deaths, 6.1
disks|1800|-|nine virtio disks
kernel-6.12|7200|F20|all C tests on 6.12
kernel-7|7200|F20|all C tests on the newest 7.x
mutants|14400|F21|seeded bugs in the module
coverage|7200|F16|lines and branches of the module
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
	commit)		VDI_COMMIT=all VDI_TEST_SCALE=16 guest 6.1 -- "$run" commit ;;
	integrity)	VDI_INTEGRITY_MIB=102400 VDI_INTEGRITY_SET=64 VDI_INTEGRITY_SECONDS=6600 \
				VDI_TEST_SCALE=8 guest 6.1 --memory 4096 -- "$run" integrity ;;
	disks)		exec timeout "$limit" "$top/selftests/qemu/nine_disks.sh" ;;
	kernel-*)	guest "${1#kernel-}" -- "$run" '*_test' ;;
	mutants)	exec timeout "$limit" "$here/mutants.sh" ;;
	coverage)	exec timeout "$limit" "$here/coverage.sh" ;;
	esac
}

# All that a result depends on, in one word.
content() {
	(cd "$top" && git ls-files -z -c -o --exclude-standard |
		grep -zvxF selftests/soak/REPORT.md | sort -z | xargs -0 sha256sum) |
		sha256sum | cut -c1-16
}

status_of() {
	cat "$dir/$1.status" 2>/dev/null || echo -
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
	local log=$dir/$1.log found
	[ -e "$log" ] || return 0
	found=$(sed -nE '/^ *# (F[0-9]+: |.*reached )/s/^ *# ([a-z0-9_]+\.c:[0-9]+:[a-z_]*:)?//p' "$log")
	[ -n "$found" ] || found=$(grep -aE '^(# )?[0-9]+ passed|^(lines|branches|all) ' "$log" |
		tail -n 3)
	printf '%s\n' "$found" | paste -sd ';' | sed 's/;/; /g'
}

write_report() {
	local name limit figure what
	{
		cat <<END
<!-- SPDX-License-Identifier: GPL-2.0-only -->
# What the long tests reached

Written by \`make soak\`, not by hand, on $(date -u +%Y-%m-%d) on the tree after commit
$(git -C "$top" log -1 --format=%h), content $key. The figures are those of
selftests/README.md. What was not run has not passed.

| stage | figure | what | verdict | seconds | reached |
|---|---|---|---|---|---|
END
		while IFS='|' read -r name limit figure what; do
			[ -n "$name" ] || continue
			echo "| $name | $figure | $what | $(verdict "$name") |" \
				"$(cat "$dir/$name.seconds" 2>/dev/null || echo -) | $(figures "$name") |"
		done <<<"$stages"
	} >"$report.new"
	mv "$report.new" "$report"
}

names=()
list='' again=''
for arg; do
	case $arg in
	--help|-h)	usage; exit 0 ;;
	--list)		list=1 ;;
	--again)	again=1 ;;
	-*)		echo "soak: unknown option $arg (see --help)" >&2; exit 2 ;;
	*)		grep -q "^$arg|" <<<"$stages" ||
				{ echo "soak: no stage $arg (see --list)" >&2; exit 2; }
			names+=("$arg") ;;
	esac
done

key=$(content)
dir=$top/.build/soak/$key
mkdir -p "$dir"
child=
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; } 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# begin NAME: its status and log stay, if it comes to its end
begin() {
	local start=$SECONDS rc=0
	echo "# ---- $1: $what"
	run_stage "$1" > >(tee "$dir/$1.log") 2>&1 &
	child=$!
	wait "$child" || rc=$?
	child=
	echo $((SECONDS - start)) >"$dir/$1.seconds"
	echo "$rc" >"$dir/$1.status"
	write_report
}

bad=0
while IFS='|' read -r name limit figure what <&3; do
	[ -n "$name" ] || continue
	if [ -n "$list" ]; then
		printf '%-12s %-12s %s\n' "$name" "$(verdict "$name")" "$what"
		continue
	fi
	[ ${#names[@]} = 0 ] || [[ " ${names[*]} " == *" $name "* ]] || continue
	if [ -n "$again" ] || [ "$(status_of "$name")" = - ]; then
		begin "$name"
	fi
	[ "$(status_of "$name")" = 0 ] || bad=1
	echo "# $name: $(verdict "$name") $(figures "$name")"
done 3<<<"$stages"
exit $bad
