#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A directory tree of another Debian suite, for kernels whose module build needs
# the compiler and the C library of that suite.  Owns how it is resolved (an apt
# with lists, status and cache of its own), unpacked (no maintainer script runs)
# and entered (in mounts of its own, nothing to clean up; as root or with sudo).  Where it
# is kept is scripts/kernel.sh's.
#
# usage: suite.sh version APT-DIRECTORY          print the kernel and its version
#        suite.sh make APT-DIRECTORY TREE KERNEL
#        suite.sh run TREE DIRECTORY COMMAND...  with DIRECTORY as /src
set -eu

suite=trixie

# The machine's own mirror, by whatever name it has.
mirror() {
	sed -n 's,^\(URIs: *\|deb  *\(\[.*\] *\)\?\)\(https\?://[^/ ]*\).*,\3,p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null | head -n 1
}

# with_apt DIRECTORY PROGRAM ARGUMENT...
with_apt() {
	local d=$1 program=$2
	shift 2
	"$program" -qq -o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$d/lists" \
		-o Dir::State::status="$d/status" -o Dir::Cache::archives="$d/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Install-Recommends=0 -o APT::Default-Release=$suite \
		-o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

version() {
	local d m key=/usr/share/keyrings/debian-archive-keyring.gpg s
	mkdir -p "$1/lists/partial" "$1/archives/partial"
	d=$(realpath "$1")
	m=$(mirror)
	[ -n "$m" ] || { echo "suite: no mirror in the package sources of this machine" >&2; return 1; }
	for s in "debian $suite" "debian-security $suite-security" "debian $suite-backports"; do
		echo "deb [signed-by=$key] $m/${s% *} ${s#* } main"
	done >"$d/sources.list"
	: >"$d/status"
	with_apt "$d" apt-get update >&2
	with_apt "$d" apt-cache show "linux-headers-amd64/$suite-backports" |
		awk '/^Version:/ && !v { v = $2 }
		     match($0, /linux-headers-[0-9][^ ,]*-amd64/) && !k {
			k = substr($0, RSTART + 14, RLENGTH - 14) }
		     END { if (k == "" || v == "") exit 1; print k, v }'
}

make_tree() {
	local d t=$2 kv=$3 l f
	d=$(realpath "$1")
	with_apt "$d" apt-get -y -d install -t $suite-backports dash bash coreutils sed grep \
		gawk findutils make binutils gcc-14 perl-base pahole \
		"linux-headers-$kv/$suite-backports" "linux-binary-$kv/$suite-backports" \
		"linux-modules-$kv/$suite-backports" >&2
	mkdir -p "$t"/usr/{bin,sbin,lib,lib64} "$t"/{proc,dev,tmp,src,etc}
	for l in bin sbin lib lib64; do
		ln -s usr/$l "$t/$l"
	done
	for f in "$d"/archives/*.deb; do
		case $f in
		*/linux-image-*) continue ;;
		esac
		dpkg-deb --fsys-tarfile "$f" | tar -x -C "$t" --keep-directory-symlink \
			--exclude=./usr/share/{doc,man,locale}
	done
	[ -e "$t/bin/sh" ] || ln -s dash "$t/bin/sh"
	ln -sf gawk "$t/usr/bin/awk"
}

run() {
	local t=$1 dir=$2
	shift 2
	local sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	# objtool reads /proc
	# shellcheck disable=SC2016 # expanded there
	exec $sudo unshare -m sh -c 't=$1 dir=$2 user=$3; shift 3
		mount -t proc proc "$t/proc" && mount --bind /dev "$t/dev" &&
		mount --bind "$dir" "$t/src" && cd / || exit 1
		PATH=/usr/sbin:/usr/bin exec timeout 600 chroot --userspec="$user" "$t" "$@"' \
		sh "$t" "$dir" "$(id -u):$(id -g)" "$@"
}

case ${1:-} in
version|run)	"$@" ;;
make)		shift; make_tree "$@" ;;
*)		sed -n 's/^# *\(usage:.*\|  *suite.sh.*\)/\1/p' "$0" >&2; exit 2 ;;
esac
