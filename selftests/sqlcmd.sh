# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of vdi-sqlcmd with a set share: databases, media_client as the
# client, statements and what they print.  Sourced, with $here and $top set.

export PATH=$top/.build/user/bin:$top/.build/selftests:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"
export VDI_SQLCMD_WAIT=60

tape=0x173 disk=0x200 removable=0x1 discard=0x80 complete=0x2000

# A directory with the database x: $rows (300) rows of some 3 KiB
databases() {
	mkdir db media && export VDI_SQLCMD_DATABASES=$PWD/db || return 1
	sqlite3 db/x.db "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, a, b);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${rows:-300})
		INSERT INTO t SELECT i, 100, randomblob(3000) FROM c;
		PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
}

content() {
	sqlite3 -readonly "$1" 'PRAGMA integrity_check; SELECT id, a, hex(b) FROM t' | sha256sum
}

same() {
	[ "$(content db/x.db)" = "$(content "db/$1.db")" ] || fail "x and $1 differ"
}

# client OPTION...: in the background: $client, its log is client.out
client() {
	start client media_client --dir media "$@"
	client=$pid
}

# sql STATUS STATEMENT, and then its client's status
sql() {
	run "$1" vdi-sqlcmd -b -Q "$2" || fail "$(cat "$out")" || return 1
	[ -z "${3:-}" ] || ended "$3" client "$client" || fail "$(tail -n 3 client.out)"
}

# What the client, or the statement, has printed
logged() {
	grep -qE "$1" client.out || fail "not in the client's log: $1: $(tail -n 20 client.out)"
}

printed() {
	grep -qE "$1" "$out" || fail "not printed: $1: $(cat "$out")"
}

failed() {
	printed "^Msg $1, Level 16, State 1, Server [^,]+, Line 1\$" && printed "$2" &&
		printed '^Msg 3013, ' && printed 'DATABASE is terminating abnormally\.$'
}

to="TO VIRTUAL_DEVICE='vs'" from="FROM VIRTUAL_DEVICE='vs'"
