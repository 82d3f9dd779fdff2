#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmark, host side: builds it and runs it in a guest with one CPU whose
# clock counts instructions, so that the figures do not depend on this machine's
# load.  What is measured is selftests/bench's.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

usage() {
	cat <<'END'
usage: [OUT=FILE] bench.sh [OPTION]...
Boots a guest with one CPU whose clock counts instructions, and prints
instructions, system calls and context switches per command for EXCHANGE, POSIX
semaphores over shared memory, pipes and UNIX seqpacket sockets, at depth 1, 4
and 32.  Takes about a minute.  OUT takes JSON lines, one for each case.

  --rounds N      interleaved rounds, 3..15 (default 3)
  --nodes         instead, what a stream costs through a node and through a
                  pipe to cat: instructions and system calls per MiB
  --early-death   instead, what a process pays for being watched for its death
  --commands N    commands of a run, a multiple of 128 (default 4096)
  --help          this text
END
}

case ${1:-} in
--help|-h)
	usage
	exit 0 ;;
esac
if [ -n "${OUT:-}" ]; then
	: >>"$OUT" || {
		echo "bench: cannot write $OUT" >&2
		exit 2
	}
fi

"$here/setup.sh" --kernel 6.1
make -s -C "$top/selftests/bench" O="$build/bench"
mkdir -p "$build"
work=$(mktemp -d "$build/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rc=0
"$here/vm.sh" --kernel 6.1 --cpus 1 --qemu-args '-icount shift=0,sleep=off' \
	--append clocksource=tsc --no-leak-check --timeout "${VDI_VM_TIMEOUT:-900}" --out "$work" -- \
	"$build/bench/bench" --out /run/out/bench.jsonl "$@" || rc=$?
if [ "$rc" = 0 ] && [ -n "${OUT:-}" ]; then
	cat "$work/bench.jsonl" >"$OUT"
fi
exit "$rc"
