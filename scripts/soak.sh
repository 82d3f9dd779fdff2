#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The long tests, which take hours: everything that selftests can do more of than
# `make test` has time for.  Owns the list of stages and the report; what is tested
# and how much of it was reached is said by the programs.
#
# A stage that came to its end is not run again as long as what it depends on is the
# same: the module, the headers of the tests, and its own files, of which the library
# is one where it is used.  Its log is kept in .build/soak by that.  One that has passed
# is known by the report too, so that the whole may be run in parts, on more than one
# machine.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
report=$top/selftests/soak/REPORT.md

usage() {
	cat <<END
usage: soak.sh [--list] [--again] [--jobs N] [STAGE]...
Runs the stages that have not come to their end on this tree, or those named in the
order named, as many at a time as there are processors, and writes
selftests/soak/REPORT.md.  Stop it at any time; it goes on where it was.  Ends with 0
only if all stages have passed, and those of one figure together have reached it.

  --list    the stages, and what is known of them
  --again   also those that have ended
  --jobs N  at most N at a time
END
}

# NAME|SECONDS IT MAY TAKE|FIGURE of the table in selftests/README.md|ITS FILES|WHAT
stages='
integrity|5400|F7|userspace/lib selftests/integrity_test.c|64 devices, CRC32C and SHA-256 of all that moves, with deaths, an hour on 6.1
integrity-uml|7200|F7|userspace/lib selftests/integrity_test.c|the same to the amount asked, in User Mode Linux: the sums at the speed of the machine
fuzz-1|7200|F4|selftests/fuzz|50000 of 200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-2|7200|F4|selftests/fuzz|50000 of 200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-3|7200|F4|selftests/fuzz|50000 of 200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-4|7200|F4|selftests/fuzz|50000 of 200000 random programs of calls that follow KCOV, User Mode Linux
fuzz-debug|7200|F4|selftests/fuzz|the same for half an hour with two processors, kernel debug
wakeups|7200|F9|selftests/wake_test.c|commands of one byte, none of whose wake-ups is lost, and 2048 waiters, 6.1
windows|14400|F2|module/window.c module/window.h selftests/soak/windows.sh selftests/path_race_test.c selftests/race_test.c selftests/abort_death_test.c|each lock release held open while others close, abort, die, call again
windows-debug|14400|F2|module/window.c module/window.h selftests/soak/windows.sh selftests/path_race_test.c selftests/race_test.c selftests/abort_death_test.c|the same with two processors, debug kernel
windows-seeded|7200|F2|module/window.c module/window.h selftests/soak/windows.sh selftests/path_race_test.c selftests/race_test.c selftests/mutants/windows|two bugs that only an open window shows are found by that
commit-client_killed|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the end of a backup: the client killed at each system call, User Mode Linux
commit-engine_killed|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the same: the engine, User Mode Linux
commit-output_fails|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the same: each system call of the output fails, User Mode Linux
commit-target_vanishes|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the same: the target goes, User Mode Linux
commit-restore|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the end of a restore: each system call of vdi restore fails, and it is killed at each, User Mode Linux
commit-backup_command|7200|-|userspace selftests/commit_test.sh selftests/syscall_fault.c|the same for vdi backup, which is both, User Mode Linux
mutants|14400|F21|userspace/lib :(glob)selftests/mutants/*.patch TRIED|seeded bugs in the module
coverage|7200|F16|userspace/lib scripts/coverage.awk :(glob)selftests/*_test.c selftests/uncovered|lines, branches and functions of the module
kcsan|7200|F6|selftests/soak/kcsan.sh selftests/race_test.c selftests/wake_test.c|races, 60 rounds each, and wake-ups, strict KCSAN
kcsan-hammer|7200|F6|selftests/soak/kcsan.sh selftests/hammer_test.c|any call by anybody, half an hour, strict KCSAN
kcsan-seeded|7200|F6|selftests/mutants/kcsan selftests/race_test.c|a data race seeded into the module is reported by that
hammer|3600|F6|selftests/hammer_test.c|any call by anybody, half an hour, debug kernel
kill-6.1|7200|F1|selftests/kill_matrix_test.c|all ways to die at all points, core dumps too, 6.1
kill-large|7200|F1|selftests/kill_matrix_test.c|SIGKILL with 512 MiB resident, 6.1
kill-debug|7200|F1|selftests/kill_matrix_test.c|all ways to die at all points, core dumps too, debug kernel
kill-large-debug|7200|F1|selftests/kill_matrix_test.c|SIGKILL with 512 MiB resident, debug kernel
kill|3600|F1|selftests/kill_matrix_test.c|all ways to die at all points, User Mode Linux
death|1800|F1|selftests/early_death_test.c|early notice of death with 1 GiB resident, 6.1
orders|3600|F3|selftests/close_order_test.c|all orders of close in all states
orders-debug|7200|F3|selftests/close_order_test.c|all orders of close in all states, debug kernel
faults|3600|F5|selftests/fail_nth_test.c selftests/fail_nth_node_test.c|each allocation and user copy of each call fails once
upsets|1800|-|selftests/node_upset_test.c|an error, a signal, an abort, a death at each command of a node
race|7200|F6|selftests/race_test.c|close, abort and death against calls, 2000 rounds each, 6.1
leaks|7200|F8|selftests/leak_test.c|10000 cycles and 1000 with kill -9, 6.1
leaks-debug|7200|F8|selftests/leak_test.c|the same on the debug kernel
pressure|3600|F11|selftests/memory_test.c|memory cgroups at all limits, 1000 rounds, debug kernel
oom|7200|F11|selftests/oom_test.c|no memory left for anybody 100 times, and areas in the swap, 6.1
freezes|7200|F12|selftests/freeze_test.c selftests/signal_test.c|signals, SIGSTOP, freezers: 100 freezes of the system, 6.1
unload|7200|F14|selftests/module_test.c|1000 times unloaded among others, debug kernel
stalls|3600|F15|selftests/stall_test.c selftests/poison_test.c|each pointer of each call by userfaultfd, debug kernel
debug|7200|F20|userspace/lib :(glob)selftests/*_test.c|all C tests on the debug kernel
kernel-6.12|7200|F20|userspace/lib :(glob)selftests/*_test.c|all C tests on 6.12
kernel-7|7200|F20|userspace/lib :(glob)selftests/*_test.c|all C tests on the newest 7.x
programs|7200|F20|userspace :(glob)selftests/*.sh :(glob)selftests/*.c :(glob,exclude)selftests/*_test.c selftests/sdk selftests/client|all tests of programs on 6.1
bench|1800|-|selftests/bench scripts/bench.sh|instructions of EXCHANGE to those of semaphores, three boots
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
	VDI_TEST_SCALE=${VDI_TEST_SCALE:-16} exec "$here/vm.sh" --kernel "$kernel" --timeout "$limit" \
		"${more[@]}" "$@"
}

# What ran when the guest died, and what came to new places, is beside the log.
fuzz_in() {
	local name=$1 kernel=$2
	rm -f "$dir/$name.found.txt"
	guest "$kernel" --kcov --share "$dir" --env "VDI_FUZZ_LAST=$dir/$name.last.txt" \
		--env "VDI_FUZZ_GROW=$dir/$name.found.txt" -- "$top/selftests/fuzz_test.sh"
}

# In a process of its own, which becomes what it runs and may take $limit seconds
run_stage() {
	local run=$top/selftests/run.sh
	case $1 in
	model)		exec timeout "$limit" "$here/model.sh" --full ;;
	windows)	guest uml --windows -- "$top/selftests/soak/windows.sh" ;;
	windows-debug)	guest debug --windows -- "$top/selftests/soak/windows.sh" ;;
	kill)		VDI_KILL_WAYS=all guest uml -- "$run" kill_matrix ;;
	kill-6.1)	VDI_KILL_WAYS=all guest 6.1 -- "$run" kill_matrix ;;
	kill-debug)	VDI_KILL_WAYS=all guest debug -- "$run" kill_matrix ;;
	kill-large-debug) VDI_KILL_RESIDENT=512 guest debug --memory 4096 -- "$run" kill_matrix ;;
	kill-large)	VDI_KILL_RESIDENT=512 guest 6.1 --memory 4096 -- "$run" kill_matrix ;;
	orders)		VDI_CLOSE_STATES=all guest uml -- "$run" close_order ;;
	orders-debug)	VDI_CLOSE_STATES=all guest debug -- "$run" close_order ;;
	faults)		guest uml -- "$run" 'fail_nth*' ;;
	upsets)		VDI_NODE_UPSETS=all guest uml -- "$run" node_upset ;;
	fuzz-debug)	VDI_FUZZ_PROGRAMS=${VDI_FUZZ_PROGRAMS:-200000} \
			VDI_FUZZ_SECONDS=${VDI_FUZZ_SECONDS:-1800} fuzz_in "$1" debug ;;
	fuzz-*)		VDI_FUZZ_PROGRAMS=${VDI_FUZZ_PROGRAMS:-50000} \
			VDI_FUZZ_SECONDS=${VDI_FUZZ_SECONDS:-6600} VDI_SEED=${1#fuzz-} fuzz_in "$1" uml ;;
	death)		VDI_DEATH_MIB=1024 guest 6.1 --memory 4096 -- "$run" early_death ;;
	race)		VDI_TEST_SCALE=24 VDI_RACE_ROUNDS=2000 guest 6.1 -- "$run" race ;;
	hammer)		VDI_HAMMER_SECONDS=1800 guest debug -- "$run" hammer ;;
	wakeups)	VDI_WAKE_ROUNDS=10000000 VDI_WAKE_SECONDS=${VDI_WAKE_SECONDS:-6600} \
			VDI_WAKE_THREADS=32 guest 6.1 -- "$run" wake ;;
	leaks)		VDI_LEAK_ROUNDS=10000 guest 6.1 -- "$run" leak ;;
	leaks-debug)	VDI_LEAK_ROUNDS=10000 guest debug -- "$run" leak ;;
	pressure)	VDI_MEMORY_ROUNDS=1000 guest debug -- "$run" memory ;;
	oom)		VDI_OOM_ROUNDS=100 guest 6.1 --memory 512 -- "$run" oom ;;
	freezes)	VDI_SIGNAL_COMMANDS=3000000 VDI_FREEZE_COMMANDS=3000000 \
			VDI_FREEZE_ROUNDS=100 VDI_FREEZE_SUSPENDS=100 guest 6.1 -- "$run" signal freeze ;;
	unload)		VDI_UNLOAD_ROUNDS=1000 guest debug -- "$run" module ;;
	stalls)		guest debug -- "$run" stall poison ;;
	commit-*)	VDI_COMMIT=all guest uml -- "$top/selftests/commit_test.sh" \
				"${1#commit-}" ;;
	integrity)	VDI_INTEGRITY_MIB=102400 VDI_INTEGRITY_SET=64 \
				VDI_INTEGRITY_SECONDS=${VDI_INTEGRITY_SECONDS:-4200} \
				guest 6.1 --memory 4096 -- "$run" integrity ;;
	integrity-uml)	VDI_INTEGRITY_MIB=102400 VDI_INTEGRITY_SET=512 \
				VDI_INTEGRITY_SECONDS=${VDI_INTEGRITY_SECONDS:-6600} \
				guest uml --memory 4096 -- "$run" integrity ;;
	programs)	guest 6.1 -- "$run" '*_test.sh' ;;
	bench)		exec timeout "$limit" "$here/bench.sh" --gate ;;
	disks)		exec timeout "$limit" "$top/selftests/qemu/nine_disks.sh" ;;
	debug)		guest debug -- "$run" '*_test' ;;
	kcsan)		VDI_RACE_ROUNDS=60 VDI_WAKE_SECONDS=600 VDI_WAKE_THREADS=4 \
			guest kcsan -- "$top/selftests/soak/kcsan.sh" race wake ;;
	kcsan-hammer)	VDI_HAMMER_SECONDS=1800 \
			guest kcsan -- "$top/selftests/soak/kcsan.sh" hammer ;;
	kcsan-seeded)	VDI_RACE_ROUNDS=15 exec timeout "$limit" "$here/mutants.sh" --kernel kcsan ;;
	kernel-*)	guest "${1#kernel-}" -- "$run" '*_test' ;;
	windows-seeded)	exec timeout "$limit" "$here/mutants.sh" --windows ;;
	mutants)	exec timeout "$limit" "$here/mutants.sh" ;;
	# User Mode Linux has one processor, and nobody spins there.  Where the nth
	# allocation of a call fails, which one that is can differ from call to call.
	coverage)	VDI_TEST_SCALE=8 timeout "$limit" "$here/coverage.sh" --kernel debug wake exchange_wait &&
			timeout "$limit" "$here/coverage.sh" 'fail_nth*' &&
			VDI_NODE_UPSETS=all exec timeout "$limit" "$here/coverage.sh" --keep \
				--also debug --lines 95 --branches 90 --functions 100 \
				--uncovered ;;
	esac
}

# headers FILE...: of the tests, that one of these includes, or one of the headers does
headers() {
	local f
	local -A known=()
	while [ $# -gt 0 ]; do
		while IFS= read -r f; do
			[ -z "${known[$f]:-}" ] && [ -e "selftests/$f" ] || continue
			known[$f]=1
			set -- "$@" "selftests/$f"
			printf '%s\0' "selftests/$f"
		done < <(sed -n 's/^#include "\(.*\)".*/\1/p' "$1")
		shift
	done
}

# contents: what is in the files of standard input, documents and comments apart
contents() {
	# shellcheck disable=SC2016 # perl's
	grep -zvE '\.(md|rst|[1-8])$' | sort -zu | perl -0 -ne '
		chomp;
		open my $f, "<", $_ or die "$_: $!\n";
		my $text = do { local $/; <$f> } // "";
		# a string stays, and so what looks like a comment in it
		if (/\.[ch]$/) {
			$text =~ s{("(?:\\.|[^"\\])*")|/\*.*?\*/|//[^\n]*}{$1 // ""}gse;
			$text =~ s/\s*\n\s*/\n/g;
		}
		print "$_\0$text\0"' | sha256sum | cut -c1-12
}

# content FILE...: of these and their headers, in one word
content() {
	local own
	mapfile -t -d '' own < <(git ls-files -z -c -o --exclude-standard -- "$@")
	{ printf '%s\0' "${own[@]}"; headers "${own[@]}"; } | contents
}

# What all results depend on
common() {
	# but windows, which no other stage builds
	(cd "$top" && git ls-files -z -c -o --exclude-standard -- Kbuild module uapi \
		selftests/qemu ':!module/window.*' | contents)
}

# What the seeded bugs are tried with: no other program is run if these see them
tried() {
	sed -n 's/^Try: *//p' "$top"/selftests/mutants/*.patch | tr ' ' '\n' | sort -u |
		sed 's|.*|selftests/&_test.c|'
}

# Where the log of a stage is; its name says what it was run on.
log_of() {
	local name limit figure files what
	IFS='|' read -r name limit figure files what < <(grep "^$1|" <<<"$stages")
	files=${files/TRIED/$(tried)}
	# shellcheck disable=SC2086 # words and patterns, git's
	(set -f; cd "$top"; echo "$dir/$1-$common-$(content $files)")
}

# The last part of that name
content_of() {
	echo "${log[$1]#"$dir/$1-"}"
}

# recall NAME: one that has passed on the same content, by the report
recall() {
	local stage figure what verdict content commit day seconds reached rest
	[ ! -e "${log[$1]}.status" ] && [ -e "$report" ] || return 0
	while IFS='|' read -r rest stage figure what verdict content commit day seconds reached rest; do
		[ "${stage// /}" = "$1" ] && [ "${verdict// /}" = passed ] &&
			[ "${content// /}" = "$(content_of "$1")" ] || continue
		sed 's/^ *//; s/ *$//' <<<"$reached" >"${log[$1]}.reached"
		sed 's/^ *//; s/ *$//' <<<"$commit|$day|$seconds" >"${log[$1]}.ran"
		echo 0 >"${log[$1]}.status"
	done <"$report"
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
	[ "$(status_of "$1")" != - ] || return 0
	[ -e "$from" ] || { cat "${log[$1]}.reached" 2>/dev/null || true; return; }
	found=$(sed -nEf "$here/figures.sed" "$from")
	[ -n "$found" ] || found=$(grep -aE '^(# )?[0-9]+ passed|^(lines|branches|all) |^# m(utants|odel)|model state' \
		"$from" | tail -n 3)
	printf '%s\n' "$found" | paste -sd ';' | sed 's/;/; /g'
}

# What is asked of several stages together: FIGURE ASKED UNIT STAGE...
sums='
F4 200000 programs fuzz-1 fuzz-2 fuzz-3 fuzz-4
F7 102400 MiB integrity integrity-uml
F9 10000000 round_trips wakeups
'

# Says of each sum how far it is; 1 if one is short.
say_sums() {
	local figure asked unit names name n part ran short=0
	while read -r figure asked unit names; do
		[ -n "$figure" ] || continue
		n=0 ran=0
		for name in $names; do
			part=$(figures "$name" | sed -nE "s/.*$figure: reached ([0-9]+) .*/\1/p")
			n=$((n + ${part:-0})) ran=$((ran + ${part:+1} + 0))
		done
		if [ "$n" -ge "$asked" ]; then
			echo "$figure: $n of $asked ${unit//_/ } asked, by $ran stages"
		else
			echo "$figure: SHORT: $n of $asked ${unit//_/ } asked, by $ran stages"
			short=1
		fi
	done <<<"$sums"
	return $short
}

write_report() {
	local name limit figure files what
	{
		cat <<END
<!-- SPDX-License-Identifier: GPL-2.0-only -->
# What the long tests reached

Written by \`make soak\`, not by hand. Each line says on which commit and day the stage
ran; it is run again when its content changes: the module, the stage's own files. The
figures are those of selftests/README.md. What was not run has not passed.

| stage | figure | what | verdict | content | commit | day | seconds | reached |
|---|---|---|---|---|---|---|---|---|
END
		while IFS='|' read -r name limit figure files what; do
			[ -n "$name" ] || continue
			echo "| $name | $figure | $what | $(verdict "$name") | $(content_of "$name") |" \
				"$(cat "${log[$name]}.ran" 2>/dev/null || echo '- | - | -') |" \
				"$(figures "$name") |"
		done <<<"$stages"
		printf '\nWhat is asked of several stages together:\n\n'
		say_sums | sed 's/^/* /'
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
			[[ " ${names[*]} " == *" $1 "* ]] || names+=("$1") ;;
	esac
	shift
done

dir=$top/.build/soak
mkdir -p "$dir"
common=$(common)
declare -A log=() stage_of=()
while IFS='|' read -r name _; do
	[ -n "$name" ] || continue
	log[$name]=$(log_of "$name")
	recall "$name"
done <<<"$stages"

stop() {
	local p
	trap '' INT TERM
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
	commit=$(git -C "$top" rev-parse --short HEAD)
	# the report itself is written by each stage
	git -C "$top" diff --quiet HEAD -- . ":!${report#"$top/"}" || commit+=-dirty
	run_stage "$1" >"${log[$1]}.log" 2>&1 &
	child=$!
	# shellcheck disable=SC2064 # this process
	trap "kill $child 2>/dev/null; wait $child; exit 143" TERM
	wait "$child" || rc=$?
	trap - TERM EXIT
	echo "$commit | $(date -u +%Y-%m-%d) | $((SECONDS - start))" >"${log[$1]}.ran"
	echo "$rc" >"${log[$1]}.status"
}

# The stages to run, in their order or in that in which they were named
asked() {
	local name
	[ ${#names[@]} -gt 0 ] || echo "$stages"
	for name in "${names[@]}"; do
		grep "^$name|" <<<"$stages"
	done
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
		printf '%-22s %-12s %s\n' "$name" "$(verdict "$name")" "$what"
		continue
	fi
	if [ -z "$again" ] && [ "$(status_of "$name")" != - ]; then
		echo "# $name: $(verdict "$name") $(figures "$name")"
		[ "$(status_of "$name")" = 0 ] || bad=1
		continue
	fi
	while [ ${#stage_of[@]} -ge "$jobs" ]; do
		reap
	done
	echo "# ---- $name: $what (${log[$name]#"$top"/}.log)"
	rm -f "${log[$name]}.status" "${log[$name]}.reached"
	begin "$name" 3<&- &
	stage_of[$!]=$name
done 3< <(asked)
while [ ${#stage_of[@]} -gt 0 ]; do
	reap
done
if [ -z "$list" ]; then
	write_report
	together=$(say_sums) || [ ${#names[@]} -gt 0 ] || bad=1
	echo "# ${together//$'\n'/$'\n'# }"
fi
exit $bad
