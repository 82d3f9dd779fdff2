#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs what the build and the tests need and fills the cache of guest kernels
# and of programs for the tests.  Owns the list of packages; the kernels are
# kernel.sh's, the programs programs.sh's.  The only script that changes the host,
# and with those two, which it calls, the only one that uses the network.  A second
# run finds everything there and does nothing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vdi

packages=(
	# build: module, user space, guest kernels
	gcc g++ make libc6-dev gcc-multilib pkg-config libsqlite3-dev libssl-dev libelf-dev
	bc flex bison cpio kmod dwarves xz-utils zstd lz4 patch perl git ca-certificates
	# boot
	qemu-system-x86 busybox-static util-linux procps iproute2
	# static checks
	sparse coccinelle clang lld llvm codespell shellcheck mandoc man-db spin
	# tests and demo
	sqlite3 python3 jq strace psmisc udev
)

usage() {
	cat <<END
usage: setup.sh [OPTION]...
Installs missing packages, fetches or builds the guest kernels, and fetches the
programs that the tests of nodes run (PostgreSQL, MariaDB, pv, mt; not installed).

  --kernel NAME    only this guest kernel; may be given again (6.1, 6.12, 7, uml,
                   debug, kcsan); default: all but kcsan
  --packages-only  no kernels and no programs
  --refresh        look for newer kernel packages than the cached ones
  --help           this text

The cache is $cache
END
}

die() {
	echo "setup: $*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "not root and no sudo: run as root: apt-get install ${missing[*]}"
	fi
}

# What dpkg does not call fully installed.
missing_packages() {
	dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null |
		sed -n 's/^ii //p' | sort -u | comm -13 - <(printf '%s\n' "${packages[@]}" | sort -u)
}

install_packages() {
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "no apt-get: this needs Debian 12; missing: ${missing[*]}"
	echo "setup: installing ${missing[*]}"
	as_root apt-get -qq -o DPkg::Lock::Timeout=600 update ||
		die "apt-get update failed: check the network and the package sources"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "${missing[@]}" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "apt-get could not install the packages named above"
	}
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -eq 0 ] || die "still missing after apt-get: ${missing[*]}"
}

kernels=()
with_kernels=1
refresh=
while [ $# -gt 0 ]; do
	case $1 in
	--kernel)	kernels+=("${2:?setup: --kernel needs a name}"); shift ;;
	--packages-only) with_kernels= ;;
	--refresh)	refresh=--refresh ;;
	--help)		usage; exit 0 ;;
	*)		die "unknown option $1 (see --help)" ;;
	esac
	shift
done
[ ${#kernels[@]} -gt 0 ] || kernels=(6.1 uml 6.12 7 debug)

mkdir -p "$cache"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# One set-up at a time: two would download and build everything twice.
exec 9>"$cache/lock"
flock -n 9 || {
	echo "setup: waiting for another setup to finish"
	flock 9
}

install_packages
[ -n "$with_kernels" ] || exit 0
for k in "${kernels[@]}"; do
	# shellcheck disable=SC2086 # empty or one word
	"$here/kernel.sh" fetch $refresh "$k" 9>&-
done
# shellcheck disable=SC2086 # empty or one word
"$here/programs.sh" fetch $refresh 9>&-
