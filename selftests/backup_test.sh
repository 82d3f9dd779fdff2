#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi backup and vdi restore, with SQLite: what comes back is what was there at
# one moment, and no end but a good one leaves something that looks good.
# Needs the module loaded and root.
#
# usage: backup_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

# make_db FILE ROWS [PRAGMA]: rows of some 3 KiB
make_db() {
	sqlite3 "$1" "${3:-PRAGMA journal_mode=WAL;}
		CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b BLOB);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $2)
		INSERT INTO t SELECT i, 100, randomblob(3000) FROM c;
		CREATE INDEX x ON t(b);
		PRAGMA wal_checkpoint(TRUNCATE)" >/dev/null
}

content() {
	sqlite3 -readonly "$1" 'PRAGMA integrity_check; SELECT id, a, hex(b) FROM t' | sha256sum
}

same_content() {
	[ "$(content "$1")" = "$(content "$2")" ] || fail "$1 and $2 differ"
}

# Moves between rows; the sum of t.a never changes.  Writes how many to FILE.
writer() {
	exec python3 - "$1" "$2" <<'END'
import os, random, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
rows, = db.execute("SELECT count(*) FROM t").fetchone()
n = 0
count = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
while True:
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE t SET a = a - 7 WHERE id = ?", (random.randint(1, rows),))
    db.execute("UPDATE t SET a = a + 7, b = randomblob(3000) WHERE id = ?",
               (random.randint(1, rows),))
    db.execute("COMMIT")
    n += 1
    os.pwrite(count, b"%d\n" % n, 0)
END
}

wrote() {
	[ "$(cat count 2>/dev/null)" -gt "$1" ]
}

test_round_trip() {
	local n page before
	for page in 512 4096 65536; do
		make_db db 300 "PRAGMA page_size=$page; PRAGMA journal_mode=WAL;" || return 1
		before=$(sha256sum db)
		for n in 1 3; do
			run 0 vdi backup -n "$n" --transfer-size 64K --digests sent sqlite:db target || return 1
			run 0 vdi restore --verify full --digests back target sqlite:new.db || return 1
			same_content db new.db && cmp sent back && [ "$(wc -l <sent)" = "$n" ] || return 1
			[ "$(cut -d' ' -f3 sent | paste -sd+ | bc)" -gt "$(stat -c %s db)" ] || return 1
			rm -r target new.db* sent back
		done
		[ "$before" = "$(sha256sum db)" ] || fail "the source was written" || return 1
		rm db
	done
}

test_64_stripes() {
	make_db db 100 && run 0 vdi backup -n 64 --transfer-size 64K sqlite:db target || return 1
	[ "$(find target -name '*.vdb' | wc -l)" = 64 ] || return 1
	run 0 vdi restore target sqlite:new.db && same_content db new.db
}

test_empty_database() {
	: >db
	run 0 vdi backup sqlite:db target && run 0 vdi restore target sqlite:new.db || return 1
	[ "$(sqlite3 new.db 'PRAGMA integrity_check')" = ok ]
}

# As long as it takes the writer makes hundreds of commits; one moment is seen.
test_busy_writer() {
	local before
	make_db db 2000 || return 1
	writer db count &
	children+=($!)
	until_true wrote 20 || return 1
	before=$(cat count)
	run 0 vdi backup -n 4 --transfer-size 64K --depth 1 sqlite:db target || return 1
	wrote "$before" || fail "the writer stood still" || return 1
	run 0 vdi restore target sqlite:new.db || return 1
	[ "$(sqlite3 new.db 'PRAGMA integrity_check; SELECT sum(a), count(*) FROM t')" = 'ok
200000|2000' ] || fail "the sum is wrong"
}

test_rollback_journal() {
	make_db db 100 'PRAGMA journal_mode=DELETE;' && run 0 vdi backup sqlite:db target &&
		run 0 vdi restore target sqlite:new.db && same_content db new.db
}

test_not_a_database() {
	run 1 vdi backup sqlite:db target && line 'engine: db: No such file' || return 1
	head -c 10000 /dev/urandom >db
	run 1 vdi backup sqlite:db target && line 'db: read: file is not a database' || return 1
	mkdir dir
	run 1 vdi backup sqlite:dir target && line 'is not a file' || return 1
	run 2 vdi backup pg:x target && line 'pg:x: not a database; write sqlite:PATH' || return 1
	run 2 vdi backup sqlite: target && line 'a path must follow' || return 1
	nothing_left target target.partial
}

test_targets_that_are_refused() {
	make_db db 10 || return 1
	touch target
	run 8 vdi backup sqlite:db target && line 'client: target exists' || return 1
	run 2 vdi restore - sqlite:new.db && line 'vdi send and get' || return 1
	run 0 vdi backup sqlite:db good || return 1
	touch new.db
	run 8 vdi restore good sqlite:new.db && line 'engine: new.db exists: .*--force' || return 1
	rm new.db
	touch new.db-wal
	run 8 vdi restore good sqlite:new.db && line 'new.db-wal exists' || return 1
	run 1 vdi restore good sqlite:no/such/dir/db && line 'No such file' || return 1
	run 1 vdi restore nothing sqlite:x.db && line 'client: nothing: No such file' || return 1
	nothing_left new.db new.db.partial x.db x.db.partial
}

# The log of the old database must not be played into the new one.
test_force_with_a_stale_log() {
	make_db db 50 && run 0 vdi backup sqlite:db target || return 1
	make_db old 80 || return 1
	sqlite3 old 'UPDATE t SET a = 0' '.shell cp old victim; cp old-wal victim-wal' >/dev/null
	[ -s victim-wal ] || return 1
	run 0 vdi restore --force target sqlite:victim || return 1
	nothing_left victim-wal victim.old victim.old-wal victim.partial && same_content db victim
}

test_force_while_in_use() {
	make_db db 50 && run 0 vdi backup sqlite:db target && make_db old 10 || return 1
	mkfifo fifo
	exec 9<>fifo
	start_in fifo holder sqlite3 old
	echo "BEGIN; SELECT count(*) FROM t;" >&9
	until_true test -s holder.out || return 1
	run 8 vdi restore --force target sqlite:old && line "old is in use by process $(child_of "$pid")" ||
		return 1
	exec 9>&-
	ended 0 holder "$pid" && [ "$(sqlite3 old 'SELECT count(*) FROM t')" = 10 ] || return 1
	run 0 vdi restore --force target sqlite:old && same_content db old
}

# A connection that does nothing has no lock.
test_force_while_open() {
	make_db db 20 && run 0 vdi backup sqlite:db target || return 1
	make_db old 10 'PRAGMA journal_mode=DELETE;' || return 1
	exec 9<old
	run 8 vdi restore --force target sqlite:old && line "old is open in another process" || return 1
	exec 9<&-
	[ "$(sqlite3 old 'SELECT count(*) FROM t')" = 10 ] && nothing_left old.partial || return 1
	run 0 vdi restore --force target sqlite:old && same_content db old
}

# Small rows and indexes: SQLite takes a while to check them.
make_slow_db() {
	sqlite3 "$1" "PRAGMA synchronous=OFF; CREATE TABLE t(a, b, c);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000)
		INSERT INTO t SELECT i, i * 7919 % 100003, i * 104729 % 100003 FROM c;
		CREATE INDEX x ON t(b); CREATE INDEX y ON t(c); CREATE INDEX z ON t(b, c, a)"
}

whole() {
	[ "$(stat -c %s "$1" 2>/dev/null)" = "$(stat -c %s db)" ]
}

# start_checking: a restore over old that has all its data; $pid
start_checking() {
	make_slow_db db && run 0 vdi backup sqlite:db target || return 1
	make_db old 10 'PRAGMA journal_mode=DELETE;' || return 1
	start side vdi restore --force --name checking --verify full target sqlite:old
	until_true whole old.partial
}

old_is_there() {
	[ "$(sqlite3 old 'SELECT count(*) FROM t')" = 10 ] && nothing_left old.partial old.old
}

# Who ends the restore in its last moment has the old database.
test_abort_while_checking() {
	start_checking && run 0 vdi abort checking && ended 4 side "$pid" || return 1
	old_is_there
}

test_interrupt_while_checking() {
	start_checking && kill -INT "$(child_of "$pid")" && ended 130 side "$pid" || return 1
	old_is_there
}

test_opened_while_checking() {
	start_checking || return 1
	exec 9<old
	ended 8 side "$pid" || return 1
	exec 9<&-
	old_is_there
}

test_path_with_two_slashes() {
	make_db db 20 && run 0 vdi backup sqlite:db target || return 1
	run 0 vdi restore --verify quick target "sqlite:/$PWD/new.db" && same_content db new.db
}

# As nohup(1) leaves it; to the client and the engine the same is said.
test_hangup_that_is_ignored() {
	make_db db 20 'PRAGMA journal_mode=DELETE;' || return 1
	mkfifo fifo
	exec 9<>fifo
	start_in fifo holder sqlite3 db
	local holder=$pid
	echo "BEGIN EXCLUSIVE; SELECT 1;" >&9
	until_true test -s holder.out || return 1
	start side bash -c 'trap "" HUP; exec vdi backup sqlite:db target'
	until_true pgrep -f 'vdi backup sqlite:db target' >/dev/null && sleep 0.5 || return 1
	pkill -HUP -f 'vdi backup sqlite:db target'
	sleep 0.5
	exec 9>&-
	ended 0 holder "$holder" && ended 0 side "$pid" && [ -s target ]
}

# The signal that asks for a line ends nothing, however early it comes.
usr1_at_once() {
	local said='' i
	for ((i = 0; i < 5; i++)); do
		: >side.err
		said=''
		start side "$@" || return 1
		until [[ $said == *"engine is process"* ]]; do
			read -r said <side.err
		done
		[[ $said =~ client\ is\ process\ ([0-9]+) ]] || fail "no process: $said" || return 1
		kill -USR1 "${BASH_REMATCH[1]}" && ended 0 side "$pid" || return 1
	done
}

test_usr1_at_once() {
	make_db db 20 && usr1_at_once vdi backup -v --force sqlite:db target &&
		usr1_at_once vdi restore -v --force target sqlite:new.db
}

# A user id alone is not half of a user and group.
test_engine_user_without_a_group() {
	make_db db 2
	run 2 vdi backup --engine-user 1000: sqlite:db target && line 'no such user' &&
		run 2 vdi backup --engine-user 1000:x sqlite:db target
}

# refused PATTERN: by the client, and no database is there
refused() {
	run 6 vdi restore target sqlite:new.db && line "client: .*($1)" &&
		nothing_left new.db new.db.partial
}

test_damaged_stripes() {
	make_db db 200 && run 0 vdi backup -n 3 sqlite:db target || return 1
	run 0 vdi backup -n 3 sqlite:db other && run 0 vdi backup sqlite:db single || return 1
	local two=target/stripe-02-of-03.vdb
	cp "$two" keep
	rm "$two" && refused 'target: stripe 2 of 3 is missing' || return 1
	cp other/stripe-02-of-03.vdb "$two" && refused 'is foreign' || return 1
	cp target/stripe-01-of-03.vdb "$two" && refused 'stripe 1 of 3 is there twice' || return 1
	cp single "$two" && refused 'is foreign' || return 1
	head -c 100000 keep >"$two" && refused 'truncated' || return 1
	head -c 20000 /dev/urandom >"$two" && refused "$two: is not a VDI stripe" || return 1
	cp keep "$two"
	printf X | dd of="$two" bs=1 seek=50000 conv=notrunc status=none
	refused 'stripe 2 of 3 is damaged' || return 1
	rm target/stripe-0[23]*
	refused 'stripe 2, 3 of 3 are missing' || return 1
	run 6 vdi restore other/stripe-02-of-03.vdb sqlite:new.db && line 'stripe 1, 3 of 3 are missing'
}

# A good container whose content the engine did not write
test_foreign_content() {
	head -c 100000 /dev/urandom >in
	start recv vdi recv rt target
	vdi put rt <in && ended 0 recv "$pid" || return 1
	run 6 vdi restore target sqlite:new.db && said 'engine: stream 1 is not a stream of this engine' ||
		return 1
	nothing_left new.db new.db.partial
}

test_disk_full() {
	mkdir "$work/small" && mount -t tmpfs -o size=300K small "$work/small" || return 1
	make_db db 300 || return 1
	run 3 vdi backup --transfer-size 64K sqlite:db "$work/small/target" || return 1
	said 'client: .*no space left: make room' && said 'answered with 112' || return 1
	nothing_left "$work/small/target" || return 1
	rm -f "$work/small/target.partial"
	run 0 vdi backup sqlite:db target || return 1
	run 1 vdi restore target sqlite:"$work/small/new.db" && said 'engine: .*make room' || return 1
	nothing_left "$work/small/new.db" "$work/small/new.db.partial" && umount "$work/small" &&
		rmdir "$work/small"
}

# A limit of the size of files is an error like a full disk, on both sides.
test_file_size_limit() {
	make_db db 300 || return 1
	run 3 bash -c 'ulimit -f 300; exec vdi backup --transfer-size 64K sqlite:db target' || return 1
	said 'client: .*no space left: make room' && said 'answered with 112' &&
		nothing_left target || return 1
	rm target.partial
	run 0 vdi backup sqlite:db target || return 1
	run 1 bash -c 'ulimit -f 300; exec vdi restore target sqlite:new.db' &&
		said 'engine: .*(make room|File too large)' && nothing_left new.db new.db.partial
}

# What is not durable is not restored, whichever process makes it so
test_restore_fsync_fails() {
	local child met=''
	make_db db 10 && run 0 vdi backup sqlite:db target || return 1
	for child in 1 2; do
		"$top/.build/selftests/syscall_fault" --log log --child "$child" --from fsync EIO 1 -- \
			vdi restore target sqlite:new.db >"$out" 2>"$err"
		local rc=$?
		if grep -q '^met fsync' log; then
			met=1
			[ "$rc" = 1 ] && said 'new.db.partial: Input/output error' &&
				nothing_left new.db new.db.partial || return 1
		fi
		rm -f new.db
	done
	[ -n "$met" ] || fail "nobody calls fsync()"
}

# Who started it may ignore the signal by which a process hears of its children.
test_sigchld_ignored() {
	make_db db 10 &&
		run 0 timeout -k 1 30 bash -c 'trap "" CHLD; exec vdi backup sqlite:db target' &&
		run 0 timeout -k 1 30 bash -c 'trap "" CHLD; exec vdi restore target sqlite:new.db' &&
		same_content db new.db
}

# The list of digests is whole or as it was, and never in the place of the backup.
test_digests() {
	local lost='the list of digests could not be written:'
	make_db db 10 && echo precious >sent && touch target || return 1
	run 8 vdi backup --digests sent sqlite:db target && grep -qx precious sent && rm target || return 1
	run 1 vdi backup --digests no/such/dir sqlite:db target &&
		line 'no/such/dir: No such file or directory' && nothing_left target || return 1
	run 1 vdi backup --digests /dev/full sqlite:db target || return 1
	line "/dev/full: $lost No space left on device; the backup itself is good" || return 1
	run 1 vdi restore --digests /dev/full target sqlite:new.db || return 1
	line "$lost No space .*; the database itself is good" && same_content db new.db || return 1
	rm target
	run 1 vdi backup --digests target sqlite:db target && line "target: $lost File exists" || return 1
	run 0 vdi restore --force target sqlite:new.db || return 1
	ln -s sent link
	chmod 600 sent
	run 0 vdi backup --force --digests link sqlite:db target && [ -L link ] || return 1
	run 0 vdi restore --force --digests /dev/stdout target sqlite:new.db && cmp "$out" sent || return 1
	nothing_left sent.* link.* target.*
}

# Stops the client, so that what is done to it comes half-way: $client, $engine.
# Only the shell's own means, for a backup may take less than a process does.
start_half_way() {
	local said='' i
	sqlite3 db 'CREATE TABLE t(a, b); WITH RECURSIVE c(i) AS
		(SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40)
		INSERT INTO t SELECT i, zeroblob(1000000) FROM c' || return 1
	mkfifo silent
	exec 8<>silent
	: >side.err
	start side vdi backup -v -n 2 --name half --transfer-size 64K --depth 1 sqlite:db target
	for ((i = 0; i < 100000; i++)); do
		read -r said <side.err && [[ $said == *"engine is process"* ]] && break
		read -r -t 0.001 <&8
	done
	[[ $said =~ client\ is\ process\ ([0-9]+).*engine\ is\ process\ ([0-9]+) ]] ||
		fail "no process: $said" || return 1
	client=${BASH_REMATCH[1]} engine=${BASH_REMATCH[2]}
	for ((i = 0; i < 1000; i++)); do
		kill -STOP "$client" || fail "it ended before" || return 1
		! moved half 1000000 2>/dev/null || return 0
		kill -CONT "$client"
		read -r -t 0.002 <&8
	done
	return 1
}

only_partial() {
	nothing_left target || return 1
	[ -z "$(find target.partial -mindepth 1 ! -name '*.partial' 2>/dev/null)" ] ||
		fail "left: $(find target.partial)"
}

test_kill_client() {
	start_half_way || return 1
	kill -KILL "$client" && ended 4 side "$pid" && cp side.err "$err" || return 1
	said "engine: aborted: the backup program died \\(CLIENT_DIED, pid $client, uid 0\\)" || return 1
	said "client's process $client was killed by signal 9" && only_partial || return 1
	run 6 vdi restore target.partial sqlite:new.db && line 'unfinished' && nothing_left new.db
}

test_kill_engine() {
	start_half_way || return 1
	kill -KILL "$engine" && kill -CONT "$client" && ended 4 side "$pid" || return 1
	cp side.err "$err"
	said "client: aborted: the engine died \\(SERVER_DIED, pid $engine, uid 0\\)" || return 1
	said "engine's process $engine was killed by signal 9" && only_partial
}

test_interrupt() {
	start_half_way || return 1
	kill -INT "$(child_of "$pid")" && kill -CONT "$client" && ended 130 side "$pid" || return 1
	cp side.err "$err"
	said 'client: interrupted by SIGINT' && said 'engine: aborted: .*interrupted by SIGINT' &&
		only_partial
}

gone() {
	! kill -0 "$1"
}

# The command itself dies: both sides end, and say why.
test_kill_parent() {
	start_half_way || return 1
	kill -KILL "$(child_of "$pid")" || return 1
	# the kernel does so too, for an orphaned group: it may be over already
	kill -CONT "$client"
	wait "$pid"
	until_true gone "$client" && until_true gone "$engine" || return 1
	cp side.err "$err"
	# the parent's death and the orphaned group of a stopped process both signal it
	said 'interrupted by SIG(TERM|HUP)' && only_partial
}

test_two_users() {
	id vdi1 vdi2 >/dev/null 2>&1 || { echo "SKIP the users vdi1 and vdi2 do not exist"; return 1; }
	chmod 711 "$work" .
	mkdir db target new
	chmod 755 db
	make_db db/db 100 'PRAGMA journal_mode=DELETE;'
	chown vdi1 db db/db new
	chown vdi2 target
	run 0 vdi backup --engine-user vdi1 --client-user vdi2 "sqlite:$PWD/db/db" "$PWD/target/it" ||
		return 1
	[ "$(stat -c %U:%a target/it)" = vdi2:600 ] || return 1
	run 0 vdi restore --engine-user vdi1 --client-user vdi2 "$PWD/target/it" "sqlite:$PWD/new/db" ||
		return 1
	[ "$(stat -c %U new/db)" = vdi1 ] && same_content db/db new/db || return 1
	run 2 vdi backup --engine-user nonsense sqlite:db/db x && line 'no such user' || return 1
	run 2 setpriv --reuid vdi1 --regid vdi1 --init-groups vdi backup --client-user vdi2 \
		sqlite:db/db x && line 'only root can'
}

test_progress_with_a_total() {
	make_db db 2000 && run 0 vdi backup --progress always sqlite:db target || return 1
	said 'client: [0-9.]+ MiB / [0-9.]+ MiB  100%  [0-9.]+ .iB/s  1 stripe$' || return 1
	run 0 vdi restore -q target sqlite:new.db && [ ! -s "$err" ]
}

# The examples of the manual are what they say they are; those with nodes are
# node_cli_test.sh's.
test_examples() {
	local page=$top/userspace/man/vdi.1
	[ -f "$page" ] || { echo "SKIP the manual is not here"; return 1; }
	make_db shop.db 50
	sed -n '/^\.SH EXAMPLES/,/^\.SS With nodes/s/^# \(.*\)/\1/p' "$page" |
		sed "s/\\\\-/-/g; s/\\\\(aq/'/g" >examples
	[ "$(grep -c . examples)" -ge 6 ] || fail "there are none" || return 1
	run 0 bash -eux -o pipefail examples || { cat "$out" "$err"; return 1; }
	same_content shop.db restored.db
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
