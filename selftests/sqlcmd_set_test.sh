#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi-sqlcmd as the server of a set: with devices of every kind, simple and odd
# clients, and a writer at the same time.  Needs the module loaded and root.
#
# usage: sqlcmd_set_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
# shellcheck source=selftests/sqlcmd.sh
. "$here/sqlcmd.sh"

# backup_restore BACKUP-OPTIONS RESTORE-OPTIONS CLIENT-OPTION...: with one device
backup_restore() {
	local backup=$1 restore=$2
	shift 2
	rm -rf media && mkdir media
	client "$@" vs && sql 0 "BACKUP DATABASE x $to $backup" 0 || return 1
	client "$@" vs && sql 0 "RESTORE DATABASE y $from WITH REPLACE$restore" 0 || return 1
	same y
}

test_messages() {
	local pages
	rows=2000 databases || return 1
	pages=$(sqlite3 db/x.db 'PRAGMA page_count')
	client vs && sql 0 "BACKUP DATABASE x $to WITH STATS=10" 0 || return 1
	[ "$(head -n 10 "$out")" = "$(seq -f '%.0f percent processed.' 10 10 100)" ] ||
		fail "$(cat "$out")" || return 1
	printed "^Processed $pages pages for database 'x', file 'x' on file 1\\.\$" || return 1
	printed "^BACKUP DATABASE successfully processed $pages pages in [0-9]+\\.[0-9]{3} seconds \\([0-9]+\\.[0-9]{3} MB/sec\\)\\.\$" ||
		return 1
	[ "$(wc -l <"$out")" = 12 ] && [ ! -s "$err" ] || return 1
	client vs && sql 0 "RESTORE DATABASE y $from WITH STATS" 0 || return 1
	[ "$(head -n 10 "$out")" = "$(seq -f '%.0f percent processed.' 10 10 100)" ] || return 1
	printed "^RESTORE DATABASE successfully processed $pages pages in " && same y || return 1
	client vs && sql 0 "RESTORE VERIFYONLY $from" 0 && printed '^The backup set on file 1 is valid\.$'
}

# The parameters of the statement are those of the set, to the byte.
test_parameters() {
	databases || return 1
	backup_restore '' '' || return 1
	logged '^config devices=1 features=0x20000 prefix=0 align=512 block=512 transfer=65536 area=262144$' ||
		return 1
	backup_restore "WITH BLOCKSIZE=65536, BUFFERCOUNT=10, MAXTRANSFERSIZE=65536" \
		", BLOCKSIZE=4096, MAXTRANSFERSIZE=4194304, BUFFERCOUNT=2" || return 1
	logged 'align=4096 block=4096 transfer=4194304 area=8388608$' || return 1
	client vs && sql 0 "BACKUP DATABASE x $to WITH BLOCKSIZE=65536, BUFFERCOUNT=10" 0 || return 1
	logged '^config devices=1 features=0x10000 prefix=0 align=65536 block=65536 transfer=65536 area=655360$' ||
		return 1
	client --prefix 100 --align 8192 --features "$complete" vs &&
		sql 0 "BACKUP DATABASE x $to WITH BLOCKSIZE=2048" 0 || return 1
	logged '^config devices=1 features=0x52000 prefix=100 align=8192 block=2048 ' || return 1
	# each transfer is a multiple of the block
	[ "$(sed -n 's/^0 Write size=\([0-9]*\) .*/\1 % 2048/p' client.out | bc | sort -u)" = 0 ] ||
		fail "$(grep Write client.out)" || return 1
	client vs && sql 0 "RESTORE DATABASE y $from WITH REPLACE" 0 && same y
}

# Only what the device's kind allows is sent, in the right order.
test_kinds() {
	databases || return 1
	backup_restore '' '' || return 1
	! grep -vE '^(created|config |0 (Read|end=VD_E_CLOSE) )' client.out || return 1
	client vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	! grep -vE '^(created|config |0 (Write|Flush|end=VD_E_CLOSE) )' client.out &&
		[ "$(tail -n 2 client.out | head -n 1 | cut -d' ' -f2)" = Flush ] || return 1
	client --features "$complete" vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	[ "$(tail -n 3 client.out | cut -d' ' -f2 | tr '\n' ' ' | cut -c1-15)" = 'Flush Complete ' ] ||
		fail "$(cat client.out)" || return 1
	# each byte has its place
	backup_restore '' '' --features "$disk" && logged '^0 Read size=65536 position=131072 ' || return 1
	client --features "$disk" vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	logged '^0 Write size=65536 position=65536 ' || return 1
	backup_restore 'WITH FORMAT' '' --features "$tape" && logged '^0 Rewind ' || return 1
	! logged 'WriteMark' 2>/dev/null >&2 || return 1
	client --features "$tape" vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	! grep Rewind client.out && logged '^0 WriteMark '
}

# The rest of what is on a tape is not looked at.
test_files_on_a_tape() {
	databases || return 1
	client --features "$tape" vs && sql 0 "BACKUP DATABASE x $to" 0 || return 1
	cp media/0.0.0 keep
	mv media/0.0.0 media/0.0.2
	head -c 200000 /dev/urandom | tee media/0.0.0 media/0.0.1 >media/0.0.3
	client --features "$tape" vs && sql 0 "RESTORE DATABASE y $from WITH FILE=3" 0 && same y || return 1
	logged '^0 SkipMarks size=2 ' && printed "on file 3\\.\$" || return 1
	client --features "$tape" vs && sql 1 "RESTORE DATABASE z $from WITH FILE=9" 0 || return 1
	failed 4038 "^Cannot find file ID 9 on device 'vs'" || return 1
	# behind the end of a pipe, too
	rm media/* && cat keep /dev/zero | head -c 3000000 >media/0.0.0
	client vs && sql 1 "RESTORE DATABASE z $from" 3 && failed 3241 'has data after its end' &&
		nothing_left db/z.db db/z.db.partial
}

test_many_devices() {
	local i names=(vs 'another one' "it's" d3) list='' restore=''
	databases || return 1
	for i in "${names[@]}"; do
		list+="${list:+, }VIRTUAL_DEVICE='${i//\'/\'\'}'"
	done
	for i in 0 $disk $((tape | complete)); do
		rm -f media/*
		client --features "$i" "${names[@]}" &&
			sql 0 "BACKUP DATABASE x TO $list WITH INIT, BUFFERCOUNT=5" 0 || return 1
		logged '^config devices=4 .* area=327680$' && [ "$(grep -c end=VD_E_CLOSE client.out)" = 4 ] ||
			return 1
		client --features "$i" "${names[@]}" &&
			sql 0 "RESTORE DATABASE y FROM $list WITH REPLACE" 0 && same y || return 1
	done
	# in another order they are no backup
	client "${names[@]}" && restore=${list/\'another one\'/\'d3\'} &&
		sql 1 "RESTORE DATABASE z FROM ${restore%\'d3\'}'another one'" 3 || return 1
	failed 3241 'is on the wrong device' && nothing_left db/z.db
	client "${names[@]}"
	sql 1 "BACKUP DATABASE x TO VIRTUAL_DEVICE='vs', VIRTUAL_DEVICE='two'" 3 || return 1
	failed 3201 'the set has 4 devices, and the statement names 2' &&
		logged 'text=the set has 4 devices, and the statement names 2'
}

test_64_devices() {
	local names=(vs) list="VIRTUAL_DEVICE='vs'" i
	rows=50 databases || return 1
	for ((i = 1; i < 64; i++)); do
		names+=("n $i")
		list+=",VIRTUAL_DEVICE='n $i'"
	done
	client "${names[@]}" && sql 0 "BACKUP DATABASE x TO $list" 0 || return 1
	client "${names[@]}" && sql 0 "RESTORE DATABASE y FROM $list" 0 && same y
}

# Clients answer a Read short, with and without the code for it.
test_short_reads() {
	local features
	databases || return 1
	for features in 0 $disk $tape; do
		backup_restore 'WITH INIT' ', BUFFERCOUNT=1' --features "$features" --short || return 1
		backup_restore 'WITH INIT' ', BUFFERCOUNT=9' --features "$features" --cut 20000 || return 1
	done
}

# Media that end are followed by others, and nothing is lost between them.
test_end_of_media() {
	local features
	databases || return 1
	for features in $removable $((disk | removable)) $tape $((tape | complete)); do
		backup_restore 'WITH INIT' '' --features "$features" --size 262144 || return 1
		logged '^0 Load size=1 ' || return 1
		backup_restore 'WITH INIT, BUFFERCOUNT=1' ', BUFFERCOUNT=1' --features "$features" \
			--size 100000 --partial || return 1
		[ "$(find media -name '0.*.0' | wc -l)" -gt 3 ] || return 1
	done
	# without an end in sight the statement ends
	client --features "$removable" --size 400 --partial vs
	sql 1 "BACKUP DATABASE x $to" 0 && failed 3202 'Write \(nothing fits on the medium\) on "vs" failed' ||
		return 1
	client --size 100000 vs && sql 1 "BACKUP DATABASE x $to" 0 && failed 3202 '^Write on "vs" failed: 1100'
}

# Several batches, each with a set of its own, by the name that clients start
test_sqlcmd_by_path() {
	databases || return 1
	cat >s.sql <<END
USE master
GO
BACKUP DATABASE x TO VIRTUAL_DEVICE='one'
GO
BACKUP DATABASE x TO VIRTUAL_DEVICE='two' WITH STATS=50
GO
END
	client one
	start second media_client two
	PATH=$top/.build/user/lib/vdi/sqlcmd:$PATH run 0 sh -c 'sqlcmd -U sa -Psecret -b -i s.sql 2>&1' || return 1
	ended 0 client "$client" && ended 0 second "$pid" || return 1
	[ "$(grep -c '^BACKUP DATABASE successfully' "$out")" = 2 ] && ! grep -q secret "$out"
}

# Our own clients, which also know what a good end is
test_with_vdi() {
	databases || return 1
	start recv vdi recv -n 2 vs target
	run 0 vdi-sqlcmd -b -Q "BACKUP DATABASE x $to, VIRTUAL_DEVICE='vs.1' WITH STATS" &&
		ended 0 recv "$pid" || return 1
	start send vdi send vs target
	run 0 vdi-sqlcmd -b -Q "RESTORE DATABASE y $from, VIRTUAL_DEVICE='vs.1'" && ended 0 send "$pid" &&
		same y || return 1
	start recv vdi recv vs other
	run 1 vdi-sqlcmd -b -Q "BACKUP LOG x $to" && ended 4 recv "$pid" || return 1
	grep -q 'aborted: the engine aborted .*BACKUP LOG is not allowed' recv.err && nothing_left other
}

# Moves between rows: the sum stays.
writer() {
	exec python3 - <<'END'
import os, random, sqlite3
db = sqlite3.connect("db/x.db", timeout=60, isolation_level=None)
n = 0
while True:
    db.execute("BEGIN IMMEDIATE")
    for step in -7, 7:
        db.execute("UPDATE t SET a = a + ?, b = randomblob(3000) WHERE id = ?",
                   (step, random.randint(1, 1000)))
    db.execute("COMMIT")
    n += 1
    with open("count", "w") as f:
        print(n, file=f)
END
}

wrote() {
	[ "$(cat count 2>/dev/null || echo 0)" -gt "$1" ]
}

test_live_writer() {
	local before
	rows=1000 databases || return 1
	writer &
	children+=($!)
	until_true wrote 5 || return 1
	# the writer may be about to write it
	until before=$(cat count) && [ -n "$before" ]; do :; done
	client --features "$complete" vs two
	sql 0 "BACKUP DATABASE x $to, VIRTUAL_DEVICE='two' WITH BUFFERCOUNT=2" 0 || return 1
	until_true wrote "$before" || return 1
	client vs two && sql 0 "RESTORE DATABASE y $from, VIRTUAL_DEVICE='two'" 0 || return 1
	[ "$(sqlite3 db/y.db 'PRAGMA integrity_check; SELECT sum(a), count(*) FROM t')" = 'ok
100000|1000' ] || fail "the sum is wrong"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
