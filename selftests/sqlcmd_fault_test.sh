#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi-sqlcmd as the server of a set that comes to no good end: who fails, and how
# the others learn of it.  Needs the module loaded and root.
#
# usage: sqlcmd_fault_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
# shellcheck source=selftests/sqlcmd.sh
. "$here/sqlcmd.sh"

# The client fails a command: the devices are closed, softly.
test_errors_of_the_client() {
	databases || return 1
	client --trick code:Write:3:112 vs && sql 1 "BACKUP DATABASE x $to" 0 || return 1
	failed 3202 '^Write on "vs" failed: 112\(' && ! grep -E 'Flush|Discard' client.out || return 1
	client --features "$discard" --trick code:Write:3:112 vs one &&
		sql 1 "BACKUP DATABASE x $to, VIRTUAL_DEVICE='one'" 0 && failed 3202 '"vs" failed: 112' || return 1
	[ "$(grep -c ' Discard ' client.out)" = 2 ] && logged '^0 ClearError ' && ! grep Flush client.out ||
		return 1
	client --trick code:Flush:1:39 vs && sql 1 "BACKUP DATABASE x $to" 0 || return 1
	failed 18210 "Flush failure on backup device 'vs'\\. Operating system error 39\\(" || return 1
	client --features "$complete" --trick code:Complete:1:5 vs && sql 1 "BACKUP DATABASE x $to" 0 || return 1
	failed 18210 'Complete failure' || return 1
	client vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	client --trick code:Read:2:23 vs && sql 1 "RESTORE DATABASE y $from" 0 || return 1
	failed 3203 '^Read on "vs" failed: 23\(' && nothing_left db/y.db db/y.db.partial || return 1
	# without -b an error is no reason for another status
	client --trick code:Write:1:112 vs
	run 0 vdi-sqlcmd -Q "BACKUP DATABASE x $to" && failed 3202 112
}

# Whoever waits with a set is told why nothing comes of it.
test_refusals_reach_the_client() {
	databases || return 1
	while IFS='|' read -r statement text; do
		client vs
		sql 1 "$statement" 3 || return 1
		logged "^aborted by=server reason=.* text=.*$text" || return 1
	done <<END
BACKUP DATABASE nothing $to|Database 'nothing' does not exist
BACKUP LOG x $to|BACKUP LOG is not allowed
RESTORE LOG x $from|cannot be restored
RESTORE DATABASE x $from|The tail of the log
RESTORE DATABASE [../x] $from|does not exist
RESTORE HEADERONLY $from|HEADERONLY is not supported
BACKUP DATABASE x $to WITH FOO|'FOO' is not a recognized BACKUP option
BACKUP DATABASE x $to WITH BLOCKSIZE=1|Invalid value specified for BLOCKSIZE
BACKUP DATABASE x $to WITH SNAPSHOT|SNAPSHOT
BACKUP DATABASE x $to; FOO|near 'FOO'
FOO; BACKUP DATABASE x $to|near 'FOO'
SELECT 1; RESTORE DATABASE y $from WITH REPLACE|Statement 'SELECT' is not supported
BACKUP DATABASE x $to WITH NAME='a|Unclosed quotation mark
BACKUP DATABASE 'x' $to|near 'x'
BACKUP DATABASE x $to WITH BUFFERCOUNT=2000000000|out of memory
END
	[ "$(wc -l <client.out)" -gt 1 ] || return 1
	head -c 5000 /dev/urandom >db/bad.db
	client vs && sql 1 "BACKUP DATABASE bad $to" 3 && failed 3634 'file is not a database' &&
		logged 'text=.*file is not a database' || return 1
	mkdir db/dir.db
	client vs && sql 1 "BACKUP DATABASE dir $to" 3 && failed 3634 'is not a file'
}

# The server gives up with the set open.
test_errors_of_the_server() {
	mkdir "$work/small" && mount -t tmpfs -o size=600K small "$work/small" || return 1
	databases || return 1
	client vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	client vs
	VDI_SQLCMD_DATABASES=$work/small sql 1 "RESTORE DATABASE y $from" 3 || return 1
	failed 3634 'No space left' && logged 'text=.*No space left' &&
		nothing_left "$work/small"/y.db* || return 1
	umount "$work/small" && rmdir "$work/small"
	printf X | dd of=media/0.0.0 bs=1 seek=300000 conv=notrunc status=none
	client vs && sql 1 "RESTORE DATABASE y $from" 3 && failed 3241 'is damaged' || return 1
	client vs && sql 1 "RESTORE VERIFYONLY $from" 3 && failed 3241 'is damaged' || return 1
	truncate -s 200000 media/0.0.0
	client vs && sql 1 "RESTORE DATABASE y $from" 3 && failed 3241 'is cut off' || return 1
	nothing_left db/y.db db/y.db.partial
}

test_restore_over() {
	databases && client vs && sql 0 "BACKUP DATABASE x $to" 0 && cp db/x.db db/y.db || return 1
	sqlite3 db/y.db 'PRAGMA journal_mode=DELETE; UPDATE t SET a = 0; DELETE FROM t WHERE id > 10' >/dev/null
	client vs && sql 1 "RESTORE DATABASE y $from" 3 && printed '^Msg 3159' || return 1
	[ "$(sqlite3 db/y.db 'SELECT count(*) FROM t')" = 10 ] || return 1
	mkfifo fifo
	exec 9<>fifo
	start_in fifo holder sqlite3 db/y.db
	echo 'BEGIN; SELECT count(*) FROM t;' >&9
	until_true test -s holder.out || return 1
	client vs && sql 1 "RESTORE DATABASE y $from WITH REPLACE" 3 || return 1
	failed 3101 "in use by process $(child_of "$pid")?" || return 1
	exec 9>&-
	until_true test ! -e "/proc/$pid" || return 1
	client vs && sql 0 "RESTORE DATABASE y $from WITH REPLACE, NORECOVERY" 0 && same y &&
		nothing_left db/y.db.old db/y.db.partial
}

# A limit of the size of files ends a restore as a full disk does.
test_file_size_limit() {
	databases && client vs && sql 0 "BACKUP DATABASE x $to" 0 && client vs || return 1
	run 1 bash -c 'ulimit -f 300; exec vdi-sqlcmd "$@"' '' -b -Q "RESTORE DATABASE y $from" || return 1
	ended 3 client "$client" && printed 'DATABASE is terminating abnormally' &&
		nothing_left db/y.db db/y.db.partial
}

# A client that ends without an answer, in each way; nothing is taken for a success.
test_client_dies() {
	databases || return 1
	client --trick die:Write:4 vs && sql 1 "BACKUP DATABASE x $to" 137 || return 1
	failed 18210 'Operating system error 995\(.*Cause: the backup program died \(CLIENT_DIED, pid [0-9]+, uid 0\)' ||
		return 1
	client --trick exit:Flush:1 vs && sql 1 "BACKUP DATABASE x $to" 7 && failed 18210 CLIENT_DIED || return 1
	client --trick abort:Write:4 vs && sql 1 "BACKUP DATABASE x $to" 3 || return 1
	failed 18210 'the backup program aborted \(SIGNALLED, pid [0-9]+, uid 0\): the test wants it so' || return 1
	client vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	client --trick die:Read:3 vs && sql 1 "RESTORE DATABASE y $from" 137 && failed 18210 CLIENT_DIED || return 1
	client --trick abort:Read:1 vs && sql 1 "RESTORE DATABASE y $from" 3 && failed 18210 'wants it so' ||
		return 1
	nothing_left db/y.db db/y.db.partial
}

# server STATEMENT: vdi-sqlcmd in the background, and a client that never answers
server() {
	client --trick never:Write:2 vs
	start server vdi-sqlcmd -b "${@:2}" -Q "$1"
	until_true grep -q ' Write .*bytes=0' client.out
}

test_server_dies() {
	databases && server "BACKUP DATABASE x $to" && kill -KILL "$(child_of "$pid")" || return 1
	ended 137 server "$pid" && ended 3 client "$client" && logged 'aborted by=server reason=the server died ' ||
		return 1
	server "BACKUP DATABASE x $to" && kill -TERM "$(child_of "$pid")" && ended 143 server "$pid" || return 1
	ended 3 client "$client" && logged 'text=the server was interrupted by SIGTERM' || return 1
	grep -q '^Msg 3204' server.out && grep -q '^BACKUP DATABASE is terminating abnormally' server.out ||
		fail "$(cat server.out)" || return 1
	server "BACKUP DATABASE x $to; PRINT 'next'" && kill -INT "$(child_of "$pid")" || return 1
	ended 130 server "$pid" && ! grep next server.out || return 1
	server "BACKUP DATABASE x $to" -t 1 && ended 1 server "$pid" && ended 3 client "$client" || return 1
	logged 'text=the query timeout has passed' && grep -q 'query timeout has passed' server.out
}

# The set may be made after the statement was sent; after that nobody comes.
test_waits_for_the_set() {
	databases || return 1
	start server vdi-sqlcmd -b -Q "BACKUP DATABASE x $to"
	sleep 1
	client vs
	ended 0 server "$pid" && ended 0 client "$client" || return 1
	VDI_SQLCMD_WAIT=1 run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x $to" || return 1
	failed 3201 "^Cannot open backup device 'vs'\\. Operating system error 0x80070002\\(The system cannot find the file specified\\.\\)\\.\$" ||
		return 1
	# it has a server
	server "BACKUP DATABASE x $to" || return 1
	VDI_SQLCMD_WAIT=1 run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x $to" && failed 3201 'has an engine already' ||
		return 1
	kill -KILL "$(child_of "$pid")"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
