#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The benchmark, host side: builds it and runs it in a guest with one CPU whose
# clock counts instructions, so that the figures do not depend on this machine's
# load.  What is measured is selftests/bench's.
#
# usage: [OUT=FILE] bench.sh [OPTION of bench]...
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

case ${1:-} in
--help|-h)
	echo "usage: [OUT=FILE] bench.sh [OPTION]...   OUT takes JSON lines; options:"
	exec sed -n 's/^"\(  --.*\)\\n".*/\1/p' "$top/selftests/bench/bench.c" ;;
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
	--timeout "${VDI_VM_TIMEOUT:-3600}" --out "$work" -- \
	"$build/bench/bench" --out /run/out/bench.jsonl "$@" || rc=$?
if [ "$rc" = 0 ] && [ -n "${OUT:-}" ]; then
	cat "$work/bench.jsonl" >"$OUT"
fi
exit "$rc"
