# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of tapes, disks and media share: backup and restore with
# media_engine, which does what a script says.  Sourced.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$top/.build/selftests:$here:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

# engine DIRECTION [BLOCK]: the script on standard input against the set rt
engine() {
	timeout 120 media_engine rt "$@" >engine.out 9>&- || fail "engine: $(tail -n 3 engine.out)"
}

# backup TARGET [OPTION...]: the script on standard input
backup() {
	start recv vdi recv "${@:2}" rt "$1"
	engine "${direction:-both}" && ended 0 recv "$pid" && nothing_left "$1.partial" "$1.old"
}

# restore SOURCE: likewise
restore() {
	start send vdi send rt "$1"
	engine read && ended 0 send "$pid"
}

# refused SOURCE PATTERN: sending it says why, and makes no set
refused() {
	run 6 vdi send --connect-timeout 1 rt "$1" && line "$2"
}

# Some media for the tests below: 2 stripes of 3 media in a directory
some_media() {
	backup "$1/" -n 2 --like tape --media-size 256K <<-'END'
		write 131072 1
		mark
		load 1
		dev 1
		write 65536 2
		load 1
		dev 0
		write 4096 3
		dev 1
		write 8192 4
		load 1
		write 4096 5
		dev 0
		load 1
		flush
		write 4096 6
		complete
		dev 1
		complete
	END
}

run_media_tests() {
	[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
	[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
	run_tests "$@"
}
