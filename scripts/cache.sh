# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The cache of what is fetched from Debian, and the fetching.  Sourced by the
# scripts that fill it, whose names are the first word of its messages.
#
# An entry of the cache is a directory whose name says its content.  It is made
# under a temporary name and renamed when whole, so that an entry that exists is
# good.  current/NAME holds the name of the entry in use, so that only an
# explicit --refresh moves to another version.

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vdi
me=$(basename "$0" .sh)

die() {
	echo "$me: $*" >&2
	exit 1
}

# Everything half made is here, and goes away however we end.
tmp=
cleanup() {
	[ -z "$tmp" ] || rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_tmp() {
	mkdir -p "$cache/current"
	# what a killed run left (its lock is ours now, see setup.sh)
	find "$cache" -maxdepth 1 -name 'tmp.*' -mmin +240 -exec rm -rf {} + 2>/dev/null || true
	tmp=$(mktemp -d "$cache/tmp.XXXXXX")
	chmod 755 "$tmp"
}

# publish DIR ENTRY: the last step of making an entry
publish() {
	rm -rf "${cache:?}/$2"
	mv -T "$1" "$cache/$2"
}

set_current() {
	echo "$2" >"$cache/current/$1.new"
	mv "$cache/current/$1.new" "$cache/current/$1"
}

current() {
	[ -s "$cache/current/$1" ] && [ -d "$cache/$(cat "$cache/current/$1")" ] &&
		cat "$cache/current/$1"
}

apt_opts=(-qq -o DPkg::Lock::Timeout=600 -o APT::Sandbox::User=root)

# The version tables may be old or absent on a new machine; once a day is enough.
apt_update() {
	[ -z "$(find "$cache/apt-updated" -mmin -1440 2>/dev/null)" ] || return 0
	mkdir -p "$cache"
	if [ "$(id -u)" = 0 ]; then
		apt-get "${apt_opts[@]}" update
	else
		sudo apt-get "${apt_opts[@]}" update
	fi || die "apt-get update failed: check the network and the package sources"
	touch "$cache/apt-updated"
}

candidate() {
	apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p'
}

# download DIR PACKAGE...
download() {
	local dir=$1 try
	shift
	mkdir -p "$dir"
	for try in 1 2 3; do
		(cd "$dir" && apt-get "${apt_opts[@]}" download "$@") && return 0
		echo "$me: download of $* failed (try $try)" >&2
		sleep 3
	done
	die "cannot download $*: check the network and the package sources"
}
