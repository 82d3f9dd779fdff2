#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Guest kernels: fetches Debian's and builds our own into the cache, tells where
# the parts of one are, and builds the module for one.  Nothing is installed on
# the host: packages are downloaded and unpacked.  Does not boot them (vm.sh).
#
# An entry of the cache is a directory whose name says its content.  It is made
# under a temporary name and renamed when whole, so that an entry that exists is
# good.  current/NAME holds the name of the entry in use, so that only an
# explicit --refresh moves to another version.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
qemu=$top/selftests/qemu

usage() {
	cat <<END
usage: kernel.sh fetch [--refresh] NAME   put a kernel (or source) into the cache
       kernel.sh show NAME                print its parts as shell assignments
       kernel.sh module NAME [SUFFIX MAKE-ARGUMENT...]
                                          build the module for it, print the path;
                                          with SUFFIX apart, with these arguments
NAME is
  6.1, 6.12, 7   Debian's kernels; 7 is the newest of trixie-backports, with the
                 compiler of that suite in a directory tree of its own (root, or sudo)
  uml            User Mode Linux, built from 6.1's source: KASAN, lockdep
  debug          built from 6.1's source: KASAN, lockdep, kmemleak, UBSAN, fault
                 injection
  kcsan          built from 6.1's source: KCSAN, lockdep
  source         6.1's source
Of the MAKE-ARGUMENTs, VDI_KCOV=y (debug, uml) instruments the module for the fuzzer,
and VDI_GCOV=y (debug, uml) counts which of its lines run.
END
}

# shellcheck source=scripts/cache.sh
. "$here/cache.sh"

fetch_source() {
	local pkg=linux-source-$1 ver entry
	apt_update
	ver=$(candidate "$pkg")
	[ -n "$ver" ] || die "no package $pkg: is this Debian 12 with its security suite?"
	entry=source-$ver-$(sha256sum <"$qemu/uml.patch" | cut -c1-8)
	if [ ! -d "$cache/$entry" ]; then
		echo "kernel: fetching $pkg $ver"
		make_tmp
		download "$tmp/deb" "$pkg"
		dpkg-deb --fsys-tarfile "$tmp"/deb/*.deb |
			tar -x -C "$tmp" --wildcards "./usr/src/$pkg.tar.xz"
		mkdir "$tmp/tree"
		tar -x -J -f "$tmp/usr/src/$pkg.tar.xz" -C "$tmp/tree" --strip-components=1
		patch -s -d "$tmp/tree" -p1 <"$qemu/uml.patch"
		publish "$tmp/tree" "$entry"
		cleanup
	fi
	set_current "source-$1" "$entry"
}

# The name of the stock kernel that a Debian series stands for now.
stock_version() {
	local meta=linux-headers-amd64
	[ "$1" = 6.1 ] || meta=linux-headers-$1-amd64
	apt-cache depends "$meta" 2>/dev/null |
		sed -n "s/^ *Depends: linux-headers-\($1\..*-amd64\|$1\..*+.*\)\$/\1/p" | head -n 1
}

fetch_stock() {
	local name=$1 kv base kbuild ver entry root pkg
	apt_update
	kv=$(stock_version "$name")
	[ -n "$kv" ] || die "no stock kernel $name in the package sources"
	case $kv in
	*-amd64) ;;
	*)	kv=$kv-amd64 ;;
	esac
	base=${kv%-amd64}
	kbuild=linux-kbuild-$base
	[ "$name" != 6.1 ] || kbuild=linux-kbuild-6.1
	ver=$(candidate "linux-headers-$kv")
	entry=stock-$kv-$ver
	if [ ! -d "$cache/$entry" ]; then
		[ -n "$(current source-6.1)" ] || fetch_source 6.1	# extract-vmlinux
		echo "kernel: fetching $kv $ver"
		make_tmp
		download "$tmp/deb" "linux-headers-$kv" "linux-headers-$base-common" "$kbuild" \
			"linux-image-$kv-unsigned"
		root=$tmp/entry
		mkdir "$root"
		for pkg in "$tmp"/deb/*.deb; do
			dpkg -x "$pkg" "$root"
		done
		rm -rf "${root:?}/usr/share" "$root"/boot/System.map*
		"$cache/$(current source-6.1)/scripts/extract-vmlinux" "$root/boot/vmlinuz-$kv" \
			>"$root/boot/vmlinux"
		depmod -b "$root" "$kv"
		# the one absolute path in the packages
		sed -i "s#include /usr/src#include $cache/$entry/usr/src#" \
			"$root/usr/src/linux-headers-$kv/Makefile"
		echo "$kv" >"$root/version"
		publish "$root" "$entry"
		cleanup
	fi
	set_current "$name" "$entry"
}

# The newest kernel of another suite, with what builds modules for it.
fetch_suite() {
	local entry kv
	[ -n "$(current source-6.1)" ] || fetch_source 6.1	# extract-vmlinux
	make_tmp
	echo "kernel: fetching the newest of trixie-backports"
	kv=$("$qemu/suite.sh" version "$tmp/apt") || die "cannot find the kernel's version"
	entry=suite-${kv/ /-}
	kv=${kv% *}
	if [ ! -d "$cache/$entry" ]; then
		"$qemu/suite.sh" make "$tmp/apt" "$tmp/entry" "$kv" ||
			die "cannot make the tree of the kernel $kv"
		mkdir -p "$tmp/entry/boot"
		"$cache/$(current source-6.1)/scripts/extract-vmlinux" \
			"$tmp/entry/usr/lib/modules/$kv/vmlinuz" >"$tmp/entry/boot/vmlinux"
		depmod -b "$tmp/entry" "$kv"
		echo "$kv" >"$tmp/entry/version"
		publish "$tmp/entry" "$entry"
	fi
	cleanup
	set_current 7 "$entry"
}

# The fragments that one of our own kernels is made of.
fragments() {
	case $1 in
	uml)	echo "$qemu/uml.config" ;;
	*)	echo "$qemu/x86.config $qemu/$1.config" ;;
	esac
}

# own_entry NAME: the name says all that the kernel is made of.  The patch is for
# User Mode Linux (and for an option's prompt), so a new one does not change others.
own_entry() {
	local src
	src=$(current source-6.1) || return 1
	src=${src#source-}
	[ "$1" = uml ] || src=${src%-*}
	# shellcheck disable=SC2046 # words
	echo "$1-$src-$(cat $(fragments "$1") "$qemu/build-kernel.sh" | sha256sum | cut -c1-12)"
}

# The source with today's patch, of the version in use if there is one.
source_is_good() {
	case $(current source-6.1) in
	*-"$(sha256sum <"$qemu/uml.patch" | cut -c1-8)") return 0 ;;
	esac
	return 1
}

fetch_own() {
	local name=$1 arch=x86 entry src TIMEFORMAT
	[ "$name" != uml ] || arch=um
	source_is_good || fetch_source 6.1
	entry=$(own_entry "$name")
	src=$cache/$(current source-6.1)
	[ ! -d "$cache/$entry" ] || return 0
	echo "kernel: building $entry (some minutes)"
	make_tmp
	TIMEFORMAT="kernel: $name took %U + %S CPU seconds, %R seconds of time"
	# shellcheck disable=SC2046 # words
	time "$qemu/build-kernel.sh" "$arch" "$src" "$tmp/entry" $(fragments "$name") \
		>"$tmp/log" 2>&1 || {
		tail -n 30 "$tmp/log" >&2
		die "building the kernel $name failed"
	}
	# objects are a gigabyte that no module build reads
	find "$tmp/entry" \( -name '*.o' -o -name '.*.cmd' \) -not -path '*/scripts/*' \
		-not -path '*/tools/*' -delete
	find "$tmp/entry" -name '*.a' -delete
	[ "$arch" = um ] || find "$tmp/entry" -name 'vmlinux*' ! -name '*.lds' -type f -delete
	publish "$tmp/entry" "$entry"
	cleanup
}

fetch() {
	local name=$1 refresh=$2
	case $name in
	source)
		[ -z "$refresh" ] && source_is_good || fetch_source 6.1 ;;
	6.1|6.12)
		[ -z "$refresh" ] && [ -n "$(current "$name")" ] || fetch_stock "$name" ;;
	7)
		[ -z "$refresh" ] && [ -n "$(current 7)" ] || fetch_suite ;;
	uml|debug|kcsan)
		[ -z "$refresh" ] || fetch_source 6.1
		fetch_own "$name" ;;
	*)	unknown "$name" ;;
	esac
}

unknown() {
	die "unknown kernel $1 (6.1, 6.12, 7, uml, debug, kcsan, source)"
}

# show NAME: id, type, kdir (to build against), image, root (of lib/modules), marg,
# and, if the module is built inside a tree of another suite, suite
show() {
	local name=$1 entry kv more
	case $name in
	source)
		entry=$(current source-6.1) || die "no kernel source: run scripts/setup.sh"
		echo "src='$cache/$entry'"
		return ;;
	uml|debug|kcsan)
		entry=$(own_entry "$name") && [ -d "$cache/$entry" ] ||
			die "no kernel $name in the cache: run scripts/setup.sh --kernel $name"
		case $name in
		uml)	more="type=uml image='$cache/$entry/linux' marg='ARCH=um" ;;
		*)	more="type=microvm image='$cache/$entry/arch/x86/boot/bzImage' marg='ARCH=x86" ;;
		esac
		echo "$more O=$cache/$entry' id='$entry'" \
			"kdir='$cache/$(current source-6.1)' root='' kver='' suite=''" ;;
	6.1|6.12)
		entry=$(current "$name") ||
			die "no kernel $name in the cache: run scripts/setup.sh --kernel $name"
		kv=$(cat "$cache/$entry/version")
		echo "type=qemu id='$kv' kdir='$cache/$entry/usr/src/linux-headers-$kv'" \
			"image='$cache/$entry/boot/vmlinux' root='$cache/$entry' kver='$kv'" \
			"marg='' suite=''" ;;
	7)
		entry=$(current 7) ||
			die "no kernel 7 in the cache: run scripts/setup.sh --kernel 7"
		kv=$(cat "$cache/$entry/version")
		echo "type=qemu id='$kv' kdir='/usr/src/linux-headers-$kv'" \
			"image='$cache/$entry/boot/vmlinux' root='$cache/$entry' kver='$kv'" \
			"marg='' suite='$cache/$entry'" ;;
	*)	unknown "$name" ;;
	esac
}

# Copies what changed of the module's source, so that each kernel has its own
# objects, and takes away what is no longer in the tree.
stage() {
	local dir=$1 f
	mkdir -p "$dir"
	(cd "$top" && find Kbuild module uapi -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild) |
		sort >"$dir/.files.new"
	if [ -f "$dir/.files" ]; then
		comm -23 "$dir/.files" "$dir/.files.new" | while IFS= read -r f; do
			rm -f "$dir/$f" "$dir/${f%.c}.o"
		done
	fi
	while IFS= read -r f; do
		cmp -s "$top/$f" "$dir/$f" && continue
		mkdir -p "$dir/$(dirname "$f")"
		cp "$top/$f" "$dir/$f"
	done <"$dir/.files.new"
	# its time changes only with the list, see build_module
	if cmp -s "$dir/.files.new" "$dir/.files"; then
		rm "$dir/.files.new"
	else
		mv "$dir/.files.new" "$dir/.files"
	fi
}

# build_module NAME [SUFFIX MAKE-ARGUMENT...]: in a directory of its own for
# each suffix; nothing is done when nothing has changed since it succeeded.
build_module() {
	local id='' kdir='' marg='' suite='' dir m
	eval "$(show "$1")"
	[ -n "$id" ] || exit 1
	dir=$top/.build/module-$id${2:+-$2}
	shift $(($# > 1 ? 2 : 1))
	mkdir -p "$dir"
	(
		flock 8
		stage "$dir"
		cd "$dir"
		if [ $# = 0 ] && [ -e .built ] && [ -e vdi.ko ] &&
			[ -z "$(find .files Kbuild module uapi -type f -newer .built \
				\( -name '*.[ch]' -o -name Kbuild -o -name .files \))" ]; then
			exit 0
		fi
		rm -f .built
		unset MAKEFLAGS MAKELEVEL MFLAGS ARCH O
		m=$dir
		[ -z "$suite" ] || m=/src
		# shellcheck disable=SC2086 # make's arguments are words
		${suite:+"$qemu/suite.sh" run "$suite" "$dir"} \
			make -s -C "$kdir" $marg M="$m" -j"${JOBS:-$(nproc)}" "$@" modules \
			>&2 2> >(grep -v 'Skipping BTF generation' >&2) || exit 1
		touch .built
	) 8>"$dir/.lock" || die "the module does not build for $id"
	echo "$dir/vdi.ko"
}

main() {
	local refresh=
	[ $# -gt 0 ] || { usage >&2; exit 2; }
	case $1 in
	--help|-h)
		usage ;;
	fetch)
		shift
		[ "${1:-}" != --refresh ] || { refresh=1; shift; }
		fetch "${1:?kernel: fetch needs a name}" "$refresh" ;;
	show)
		show "${2:?kernel: show needs a name}" ;;
	module)
		shift
		: "${1:?kernel: module needs a name}"
		build_module "$@" ;;
	*)
		usage >&2
		exit 2 ;;
	esac
}

# A build takes minutes: nothing is read from this file after that.
main "$@"; exit
