#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds one guest kernel out of tree: tinyconfig plus the given fragments.
# Owns the recipe only; where the source comes from and where the result is
# kept is scripts/kernel.sh, which uses the text of this file as part of the
# key of the cache, so a change here builds the kernel again.
#
# usage: build-kernel.sh ARCH SOURCE OUT FRAGMENT...
set -eu

arch=$1 src=$2 out=$3
shift 3

export KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=vdi KBUILD_BUILD_HOST=vdi
unset MAKEFLAGS MAKELEVEL MFLAGS

case $arch in
um)	targets='linux modules' ;;
*)	targets='bzImage modules' ;;
esac

kmake() {
	make -s ARCH="$arch" -C "$src" O="$out" "$@"
}

mkdir -p "$out"
kmake tinyconfig >/dev/null 2>&1
cat "$@" >>"$out/.config"		# of two lines for one option the later wins
kmake olddefconfig 2>/dev/null

# A fragment that silently loses an option would turn a test into nothing.
lost=0
while IFS= read -r line; do
	opt=${line%%=*}
	case $line in
	*=n)	grep -q "^$opt=" "$out/.config" || continue ;;
	*)	! grep -qxF "$line" "$out/.config" || continue ;;
	esac
	echo "build-kernel: lost $line ($(grep -E "^$opt=|# $opt is not" "$out/.config" ||
		echo absent))" >&2
	lost=1
done < <(grep -hE '^CONFIG_' "$@")
[ "$lost" = 0 ] || exit 1
[ -z "${CONFIG_ONLY:-}" ] || exit 0

# shellcheck disable=SC2086 # the targets are words
kmake -j"${JOBS:-$(nproc)}" $targets
