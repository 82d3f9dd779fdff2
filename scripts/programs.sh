#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs that others wrote and that the tests of nodes use as engines, or that the
# benchmark is held against: fetches them into the cache and tells where they are.
# Owns the list; nothing is installed on the host.  A test puts the tree over /usr in
# a mount namespace of its own (selftests/programs.sh), because the programs know
# their own paths.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/cache.sh
. "$here/cache.sh"

# The programs, then the libraries that a host with setup.sh's packages may lack.
packages=(
	postgresql-15 postgresql-client-15 mariadb-server-core mariadb-client-core
	mariadb-backup pv mt-st nbdkit libnbd-bin
	libnbd0 libpq5 libmariadb3 libldap-2.5-0 libsasl2-2 libicu72 libxml2 libxslt1.1
	libuuid1
	liburing2 libnuma1 libaio1 libedit2 libbsd0 libmd0 libncurses6 libpcre2-8-0
	libgssapi-krb5-2 libkrb5-3 libkrb5support0 libk5crypto3 libkeyutils1 libcom-err2
	liblz4-1 libreadline8 tzdata
)

# What must run.
binaries=(
	usr/lib/postgresql/15/bin/{initdb,postgres,psql,pg_dump,pg_restore,pg_basebackup}
	usr/lib/postgresql/15/bin/{pg_verifybackup,pg_ctl}
	usr/sbin/mariadbd usr/bin/{mariadb,mariadb-backup,mbstream,pv,mt-st,nbdcopy}
	usr/bin/nbdkit
)

usage() {
	cat <<END
usage: programs.sh fetch [--refresh]   put the programs into the cache
       programs.sh path                print the directory that holds their usr
END
}

# unpack DIR PACKAGE...: all of it below usr, as on the host
unpack() {
	local pkg dir
	for pkg in "${@:2}"; do
		dpkg-deb -x "$pkg" "$1"
	done
	for dir in bin sbin lib lib64; do
		[ ! -d "$1/$dir" ] || { mkdir -p "$1/usr/$dir" && cp -a "$1/$dir/." "$1/usr/$dir/"; }
		rm -rf "${1:?}/$dir"
	done
}

# What the tests never use and what is large.
trim() {
	rm -rf "$1"/usr/share/{doc,man,locale,lintian,bug,bash-completion} \
		"$1"/usr/share/postgresql/15/man "$1"/usr/lib/postgresql/15/lib/bitcode \
		"$1"/usr/lib/postgresql/15/lib/llvmjit* "$1"/usr/share/zoneinfo/right
}

# Nothing that a program is linked with may be missing.
check_links() {
	local b missing
	for b in "${binaries[@]}"; do
		[ -x "$1/$b" ] || die "the packages have no $b"
		missing=$(LD_LIBRARY_PATH=$1/usr/lib/x86_64-linux-gnu ldd "$1/$b" |
			sed -n 's/^[[:space:]]*\(.*\) => not found/\1/p')
		[ -z "$missing" ] || die "$b needs ${missing//$'\n'/ }, which no package brings"
	done
}

fetch() {
	local pkg versions entry root
	if [ -z "$1" ] && current programs >/dev/null && list_is_good; then
		return
	fi
	apt_update
	versions=$(for pkg in "${packages[@]}"; do
		echo "$pkg=$(candidate "$pkg")"
	done)
	! grep '=$\|=(none)' <<<"$versions" >&2 ||
		die "no package of that name: is this Debian 12 with its security suite?"
	entry=programs-$(list_hash)-$(sha256sum <<<"$versions" | cut -c1-12)
	if [ ! -d "$cache/$entry" ]; then
		echo "programs: fetching ${packages[*]:0:9} and their libraries"
		make_tmp
		# shellcheck disable=SC2086 # words
		download "$tmp/deb" $versions
		root=$tmp/entry
		mkdir "$root"
		unpack "$root" "$tmp"/deb/*.deb
		trim "$root"
		check_links "$root"
		echo "$versions" >"$root/versions"
		chmod -R a+rX "$root"
		publish "$root" "$entry"
		cleanup
	fi
	set_current programs "$entry"
}

# Of all that decides what an entry has, but for the versions.
list_hash() {
	{ echo "${packages[@]}"; declare -f unpack trim; } | sha256sum | cut -c1-8
}

# The entry in use was made by this script.
list_is_good() {
	case $(current programs) in
	programs-"$(list_hash)"-*) return 0 ;;
	esac
	return 1
}

main() {
	case ${1:-} in
	fetch)
		case ${2:-} in
		''|--refresh)	fetch "${2:-}" ;;
		*)		usage >&2; exit 2 ;;
		esac ;;
	path)
		entry=$(current programs) || die "no programs in the cache: run scripts/setup.sh"
		echo "$cache/$entry" ;;
	--help|-h)
		usage ;;
	*)
		usage >&2
		exit 2 ;;
	esac
}

main "$@"; exit
