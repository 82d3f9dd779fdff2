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
Prints TAP and, as the last line, "N passed, N failed, N skipped".  Ends with 0
only if something passed and nothing failed.

  --quick    only the test programs, only under User Mode Linux

  KERNEL='6.1 uml'   the guests, by default uml and 6.1
  TESTS='abort set*' the test programs, by default all; without static checks
                     and without the comparison of errnos, which needs them all
  VDI_VM_TIMEOUT=S   limit for one guest (default 3600)
  VDI_TEST_SCALE=N   factor for the time limits in tests (default 2: the guests
                     are emulated or have a debug kernel)
END
}

quick=
case ${1:-} in
'')		;;
--quick)	quick=1 ;;
--help|-h)	usage; exit 0 ;;
*)		echo "test.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

kernels=${KERNEL:-}
[ -n "$kernels" ] || kernels='uml 6.1'
[ -z "$quick" ] || kernels=uml
read -ra tests <<<"${TESTS:-}"
full=1
[ -z "$quick${TESTS:-}" ] || full=

mkdir -p "$build"
results=$(mktemp -d "$build/results.XXXXXX")	# another test may be running
passed=0 failed=0 skipped=0
started=$SECONDS
failures=()

# Also when we are stopped in the middle: the last line is the result.
finish() {
	local rc=$? f
	trap - EXIT
	set +e
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

stage() {
	echo "# ---- $1"
	stage_start=$SECONDS
}

stage_end() {
	echo "# ---- $1: $((SECONDS - stage_start)) s"
}

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
	stage build
	make -s -j2 -C "$top" lib cli && make -s -j2 -C "$top" selftests
	for k in $kernels; do
		"$here/kernel.sh" module "$k" >/dev/null
	done
	stage_end build
}

static_checks() {
	stage "static checks"
	local rc=0
	"$here/check.sh" | tee "$results/check" || rc=$?
	add_lines "$results/check"
	add_death "$rc" "$results/check" "the static checks"
	mapfile -t -O "${#failures[@]}" failures < <(sed -n 's/^not ok - */check: /p' "$results/check")
	stage_end "static checks"
}

run_guest() {
	local kernel=$1 out=$results/$1 rc=0
	stage "tests on $kernel"
	mkdir -p "$out"
	VDI_TEST_SCALE=${VDI_TEST_SCALE:-2} VDI_ERRNO_LOG=/run/out/errno.log \
		"$here/vm.sh" --kernel "$kernel" --cpus 2 --timeout "${VDI_VM_TIMEOUT:-3600}" \
		--out "$out" --console "$out/console" -- \
		"$top/selftests/run.sh" "${tests[@]}" 2> >(tee "$out/stderr" >&2) |
		tee "$out/log" || rc=$?
	if [ -s "$out/counts" ]; then
		# shellcheck disable=SC2046 # three numbers
		add $(cat "$out/counts")
	fi
	mapfile -t -O "${#failures[@]}" failures < <(grep -h '^ *not ok ' "$out/log" |
		sed "s/^ */$kernel: /")
	# 1: tests failed and are counted; anything else is the guest's own trouble
	case $rc in
	0)	;;
	1)	[ -s "$out/counts" ] || { add 0 1 0; failures+=("$kernel: no result"); } ;;
	*)	add 0 1 0
		failures+=("$kernel: vm.sh ended with $rc: $(sed -n 's/^vm: //p' "$out/stderr" |
			head -n 1)") ;;
	esac
	stage_end "tests on $kernel"
}

check_errnos() {
	local logs=() rc=0
	stage errnos
	mapfile -t logs < <(find "$results" -name errno.log)
	if [ ${#logs[@]} = 0 ]; then
		echo "not ok - errno no test has logged any"
	else
		"$here/check-errno.sh" "$top/uapi/linux/vdi.h" "${logs[@]}"
	fi >"$results/errno" 2>&1 || rc=$?
	cat "$results/errno"
	add_lines "$results/errno"
	add_death "$rc" "$results/errno" "the comparison of errnos"
	mapfile -t -O "${#failures[@]}" failures < <(sed -n 's/^not ok - */check: /p' "$results/errno")
	stage_end errnos
}

main() {
	local kernel
	build_all
	[ -z "$full" ] || static_checks
	for kernel in $kernels; do
		run_guest "$kernel"
	done
	[ -z "$full" ] || check_errnos
}

# This takes minutes: nothing is read from this file after that.
main; exit
