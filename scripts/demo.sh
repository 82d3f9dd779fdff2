#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demonstration, host side: installs and builds what is missing, and runs
# selftests/demo/demo_guest.sh in a guest.  What is shown, and the table at the
# end, is that script's.
#
# usage: [DB=PATH] demo.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build

case ${1:-} in
'')	;;
--help|-h)
	echo "usage: [DB=PATH] demo.sh   back up and restore a live SQLite database in a guest"
	exit 0 ;;
*)	echo "demo: unknown argument $1 (see --help)" >&2; exit 2 ;;
esac

db=
if [ -n "${DB:-}" ]; then
	db=$(realpath -e "$DB" 2>/dev/null) || {
		echo "demo: no such file: $DB" >&2
		exit 2
	}
	[ "$(head -c 15 "$db")" = "SQLite format 3" ] || {
		echo "demo: $DB is not a SQLite database" >&2
		exit 2
	}
fi

"$here/setup.sh" --kernel 6.1
echo "demo: building"
make -s -C "$top" lib cli
if [ -e "$top/selftests/demo/Makefile" ]; then
	make -s -C "$top/selftests/demo" O="$build/demo" LIBVDI="$build/user"
fi
"$here/kernel.sh" module 6.1 >/dev/null
echo "demo: starting the guest"

# A database of the user's is only read, and lies where the guest can see it.
mkdir -p "$build"
work=$(mktemp -d "$build/demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -n "$db" ]; then
	command -v sqlite3 >/dev/null
	# a consistent copy even while somebody writes to it
	sqlite3 -readonly "$db" "VACUUM INTO '$work/user.db'" || {
		echo "demo: cannot read $DB" >&2
		exit 2
	}
	db=$work/user.db
fi
memory=4096
if [ -n "$db" ]; then
	# source, two copies and the streams are in the guest's memory
	memory=$((memory + 6 * $(stat -c %s "$db") / 1048576))
fi
rc=0
"$here/vm.sh" --kernel 6.1 --cpus 2 --memory "$memory" --timeout "${VDI_VM_TIMEOUT:-1200}" \
	--env DB="$db" -- "$top/selftests/demo/demo_guest.sh" || rc=$?
# 0 and 1 are the demonstration's own results; the rest vm.sh has explained
[ "$rc" -le 1 ] || rc=1
exit "$rc"
