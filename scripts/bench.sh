#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmark, host side: builds it and runs it in a guest with one CPU whose
# clock counts instructions, so that the figures do not depend on this machine's
# load; or on this machine.  What is measured is selftests/bench's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

usage() {
	cat <<'END'
usage: [OUT=FILE] [FULL=1] [HOST=1] bench.sh [OPTION]...
Boots a guest with one CPU whose clock counts instructions, and prints
instructions, system calls, wake-ups and context switches per command for
EXCHANGE, POSIX semaphores over shared memory, pipes and UNIX sockets, at depth 1,
4 and 32, without and with data, and for many devices and threads.  Takes two
minutes, with --full more.  OUT takes JSON lines, one for each case.

  --full          FULL=1: all sizes of data, all depths with many devices
  --host          HOST=1: no guest: on this machine, where the module must be
                  loaded; as root.  Tells times, too
  --twin          on this machine, without the module: a model of EXCHANGE in user
                  space and its rivals, with times
  --check         only what is the same in each boot, against the budget
  --gate          the instructions of EXCHANGE, the median of three boots, against
                  selftests/bench/baseline and a tenth
  --rounds N      interleaved rounds, 3..15 (default 3)
  --commands N    commands of a run without data (default 4096)
  --nodes         instead, what a stream costs through a node and through a
                  pipe to cat: instructions and system calls per MiB
  --streams       instead, what vdi and other ways to carry a file use: instructions,
                  system calls and copies
  --early-death   instead, what a process pays for being watched for its death
  --locks         instead, how long and how often the lock of a set is held, on the
                  debug kernel, which counts that
  --help          this text
END
}

args=() host=${HOST:-} gate='' twin='' kernel=6.1
for arg; do
	case $arg in
	--help|-h)	usage; exit 0 ;;
	--host)		host=1 ;;
	--twin)		host=1 twin=1 args+=("$arg") ;;
	--gate)		gate=1 ;;
	--locks)	kernel=debug args+=("$arg") ;;
	*)		args+=("$arg") ;;
	esac
done
[ -z "${FULL:-}" ] || args+=(--full)
if [ -n "${OUT:-}" ]; then
	: >>"$OUT" || {
		echo "bench: cannot write $OUT" >&2
		exit 2
	}
fi

if [ -n "$host" ]; then
	[ -c /dev/vdi ] || [ -n "$twin" ] || {
		echo "bench: no /dev/vdi on this machine: load the module, or leave HOST=1 away" >&2
		exit 2
	}
	args+=(--host)
else
	"$here/setup.sh" --kernel "$kernel"
	[[ " ${args[*]} " != *' --streams '* ]] || make -s -C "$top" cli
fi
make -s -C "$top/selftests/bench" O="$build/bench"
mkdir -p "$build"
work=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

in_guest() {
	"$here/vm.sh" --kernel "$kernel" --cpus 1 --qemu-args '-icount shift=0,sleep=off' \
		--append "clocksource=tsc tsc_early_khz=1000000" --no-leak-check --timeout "${VDI_VM_TIMEOUT:-3600}" \
		--out "$work" -- "$@"
}

# Prints TAP, a line for each depth.
judge() {
	awk -v baseline="$top/selftests/bench/baseline" '
	/"mechanism":"exchange"/ && /"payload":0,"devices":1,"threads":1,"data":false/ {
		match($0, /"depth":[0-9]+/)
		depth = substr($0, RSTART + 8, RLENGTH - 8)
		match($0, /"to_sem":[0-9.]+/)
		seen[depth] = seen[depth] " " substr($0, RSTART + 9, RLENGTH - 9)
	}
	END {
		while ((getline line <baseline) > 0) {
			if (line ~ /^#/)
				continue
			split(line, want, " ")
			n = split(seen[want[1]], v, " ")
			if (n != 3) {
				print "not ok - bench gate: " n " boots have told of depth " want[1]
				bad = 1
				continue
			}
			median = v[1] + v[2] + v[3]
			median -= (v[1] > v[2] ? (v[1] > v[3] ? v[1] : v[3]) : (v[2] > v[3] ? v[2] : v[3]))
			median -= (v[1] < v[2] ? (v[1] < v[3] ? v[1] : v[3]) : (v[2] < v[3] ? v[2] : v[3]))
			ok = median <= want[2] * 1.1
			bad = bad || !ok
			printf "# bench: reached %.3f of the instructions of semaphores at depth %d, " \
			       "%.2f asked%s; the gate is %.2f and a tenth, boots%s\n", median, want[1],
			       want[3], (median > want[3] ? " (why: selftests/bench/README.md)" : ""),
			       want[2], seen[want[1]]
			printf "%s - bench gate: depth %d\n", ok ? "ok" : "not ok", want[1]
			depths++
		}
		exit bad || !depths
	}' "$@"
}

if [ -n "$gate" ]; then
	for boot in 1 2 3; do
		in_guest "$build/bench/bench" --out /run/out/bench.jsonl "${args[@]}" >&2
		mv "$work/bench.jsonl" "$work/boot$boot"
	done
	judge "$work"/boot[123]
	exit
fi
rc=0
if [ -n "$host" ]; then
	"$build/bench/bench" --out "$work/bench.jsonl" "${args[@]}" || rc=$?
else
	programs=$("$here/programs.sh" path 2>/dev/null) || programs=/nowhere
	in_guest env PATH="$build/user/bin:$PATH:$programs/usr/bin" \
		LD_LIBRARY_PATH="$build/user/lib" \
		"$build/bench/bench" --out /run/out/bench.jsonl "${args[@]}" || rc=$?
fi
if [ "$rc" = 0 ] && [ -n "${OUT:-}" ]; then
	cat "$work/bench.jsonl" >"$OUT"
fi
exit "$rc"
