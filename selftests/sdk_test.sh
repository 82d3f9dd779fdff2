#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Client programs of the SDK (selftests/sdk) over libsqlvdi: whole backups and
# restores against `vdi put` and `vdi get`, and against a server that does what
# those do not.  What each method gives in each state is sqlvdi_test's.
#
# usage: sdk_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
sdk=$top/.build/selftests/sdk
user=$top/.build/user
export PATH=$user/bin:$PATH
export LD_LIBRARY_PATH=$user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

compilers() {
	local c
	for c in g++ clang++; do
		[ ! -d "$sdk/$c" ] || echo "$c"
	done
}

# said_by NAME REGEX: on its standard error
said_by() {
	grep -qE "$2" "$1.err" || fail "$1 did not say $2: $(cat "$1.err")"
}

# there_and_back CLIENT FILE: FILE through a client's backup and its restore.
# "single" and "handles" take the same arguments.
there_and_back() {
	start client "$1" backup s copy
	run_in "$2" 0 vdi put s && ended 0 client "$pid" || return 1
	cmp "$2" copy || return 1
	start client "$1" restore s copy
	timeout 120 vdi get s >back 2>back.err || fail "get: $(cat back.err)" || return 1
	ended 0 client "$pid" && cmp "$2" back && [ ! -s client.err ]
}

# both CLIENT ARGUMENT... -- SERVER ARGUMENT...: to the end of both, in order
both() {
	local client=()
	while [ "$1" != -- ]; do
		client+=("$1")
		shift
	done
	shift
	start client "${client[@]}"
	run 0 "$sdk/server" "$@" && ended 0 client "$pid"
}

test_single_thread() {
	local c
	head -c 3000001 /dev/urandom >data
	for c in $(compilers); do
		there_and_back "$sdk/$c/single" data || return 1
	done
	: >data
	vdi put --help | grep -q allow-empty || return 1
	start client "$sdk/g++/single" backup s copy
	run_in data 0 vdi put --allow-empty s && ended 0 client "$pid" && [ ! -s copy ]
}

# The whole of it: a program of the SDK, its sqlcmd, a database in use, and back.
test_statement() {
	local c rows writer
	command -v sqlite3 >/dev/null || { echo "SKIP no sqlite3"; return 1; }
	mkdir db
	sqlite3 db/shop.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER PRIMARY KEY, b);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO t SELECT i, randomblob(1000) FROM n;' >/dev/null || return 1
	export VDI_SQLCMD_DATABASES=$PWD/db VDI_SQLVDI_TIMEOUT_UNIT=s
	local PATH=$user/lib/vdi/sqlcmd:$PATH
	(while sqlite3 -cmd '.timeout 5000' db/shop.db 'INSERT INTO t(b) VALUES(1)'; do :; done) \
		>/dev/null 2>&1 &
	writer=$!
	children+=("$writer")
	for c in $(compilers); do
		run 0 "$sdk/$c/statement" backup DATABASE shop dump 3 'FORMAT, STATS = 25' || return 1
		grep -q '^100 percent processed\.' "$out" &&
			grep -q '^BACKUP DATABASE successfully processed [0-9]* pages' "$out" ||
			fail "$(cat "$out")" || return 1
		run 0 "$sdk/$c/statement" restore DATABASE back dump 3 REPLACE || return 1
		grep -q '^RESTORE DATABASE successfully processed' "$out" || return 1
		[ "$(sqlite3 db/back.db 'PRAGMA integrity_check')" = ok ] || return 1
		rows=$(sqlite3 db/back.db 'SELECT count(*) FROM t WHERE length(b) = 1000')
		[ "$rows" = 2000 ] || fail "$rows rows" || return 1
		# what can't be done ends both, and says why on both sides
		run 1 "$sdk/$c/statement" backup LOG shop dump && grep -q 'BACKUP LOG' "$out" &&
			said '0x80770004' || return 1
		run 1 "$sdk/$c/statement" backup DATABASE none dump &&
			grep -q '^Msg 911, ' "$out" && said "Database 'none' does not exist" || return 1
	done
	kill "$writer"
}

test_thread_per_device() {
	local c
	for c in $(compilers); do
		mkdir "$c"
		both "$sdk/$c/threads" backup s "$c" 5 -- -n 5 s write:9 flush &&
			both "$sdk/$c/threads" restore s "$c" 5 -- -n 5 -m r s read:3 readall ||
			return 1
		[ "$(grep -c ': 589824$' "$out")" = 5 ] || fail "$(cat "$out")" || return 1
	done
}

# All that a set can have; the backup and the restore see the same bytes.
test_64_devices() {
	mkdir d
	both "$sdk/g++/threads" backup s d 64 -- -n 64 s write:1 flush &&
		both "$sdk/g++/threads" restore s d 64 -- -n 64 -m r s readall
}

test_process_per_device() {
	local c
	for c in $(compilers); do
		mkdir "$c"
		both "$sdk/$c/processes" backup s "$c" 4 -- -n 4 s write:6 flush &&
			both "$sdk/$c/processes" restore s "$c" 4 -- -n 4 -m r s readall ||
			return 1
	done
}

# A secondary that dies is an abort, with a reason, for everybody (T23).
test_killed_secondary() {
	local client server
	mkdir d
	start client "$sdk/g++/processes" backup s d 3
	client=$pid
	start server "$sdk/server" -n 3 s aborted
	server=$pid
	# all have joined by then: who joins a set that is over is told so, not why
	until_true state_is s active || return 1
	kill -KILL "$(child_of "$(child_of "$client")")"
	ended 0 server "$server" && grep -q 'died' server.out &&
		ended 1 client "$client" && said_by client 'Desc=.* died.*VD_E_ABORT'
}

test_random_access() {
	local c
	for c in $(compilers); do
		both "$sdk/$c/disk" s file -- -m rw s writeat:65536:65536 writeat:512:1048576 \
			writeat:4096:0 readat:512:1048576 setposition:0:4096=0@4096 \
			setposition:1:512=0@4608 getposition=0@4608 writeat:65536:131072 flush ||
			return 1
		# Flush is the end of the file: where the last write ended
		[ "$(stat -c %s file)" = 196608 ] || fail "$(stat -c %s file) bytes" || return 1
		both "$sdk/$c/disk" s file -- -m r s readat:4096:0 readat:65536:131072 \
			readat:65536:65536 rewind=50 clearerror readat:4096:196608=38 || return 1
	done
}

test_handles_across_processes() {
	local c
	head -c 1000001 /dev/urandom >data
	for c in $(compilers); do
		there_and_back "$sdk/$c/handles" data || return 1
	done
}

# Short timeouts, many commands at once, answers in another order.
test_polls() {
	local c
	for c in $(compilers); do
		both "$sdk/$c/polls" s copy -- s sleep:200 write:4 burst:20 sleep:200 write:4 flush ||
			return 1
		[ "$(sed -n 's/^polls: //p' client.out)" -ge 4 ] || fail "$(cat client.out)" || return 1
		[ "$(stat -c %s copy)" = 524288 ] || return 1
	done
}

test_unknown_commands() {
	both "$sdk/g++/single" backup s copy -- s write:1 rewind=50 clearerror geterror=50 \
		clearerror write:1 complete
}

# goes HOW STATUS REASON: the client leaves at its fourth command
goes() {
	local c
	for c in $(compilers); do
		start client "$sdk/$c/leaves" s 3 "$1"
		run 0 "$sdk/server" s write:3 write:1=995 aborted && ended 0 client "$pid" || return 1
		grep -qE "$2" "$out" || fail "$1: the server heard $(cat "$out")" || return 1
	done
}

test_client_aborts() {
	goes abort "aborted by a party: SignalAbort by leaves, code 0" && [ ! -s client.err ]
}

test_client_closes_early() {
	goes close "the client closed early" && said_by client 'Loc=.*Close.*VD_E_OPEN'
}

# with an object in static storage, which exit() destroys
test_client_exits_without_close() {
	goes exit "the client closed early"
}

test_client_crashes() {
	goes crash "the client died" && [ ! -s client.err ]
}

# An error is no abort: the server clears it and goes on, or closes in order.
test_client_has_an_error() {
	both "$sdk/g++/leaves" s 2 full -- s write:2 write:1=112 clearerror flush &&
		both "$sdk/g++/leaves" s 0 full -- s write:1=112
}

# ends HOW REASON: the server's end comes in the middle
ends() {
	local c
	for c in $(compilers); do
		start client "$sdk/$c/single" backup s copy
		timeout 120 "$sdk/server" s write:2 "$1" 2>server.err
		ended 1 client "$pid" && said_by client "$2" || return 1
		said_by client '^client: GetCommand: 0x80770004' || return 1
		[ "$(grep -c '^SQLVDI: ' client.err)" = 1 ] || fail "$(cat client.err)" || return 1
	done
}

test_server_aborts() {
	ends abort:77 "Desc=aborted by a party: server .* says 'the test's server gives up', code 77"
}

test_server_dies() {
	ends die "Desc=the server died: server \(pid [0-9]+, uid 0\)"
}

test_server_leaves() {
	ends leave "Desc=the server died: server"
}

test_admin_aborts() {
	start client "$sdk/g++/single" backup s copy
	until_true there_is s && run 0 vdi abort --text 'maintenance' s || return 1
	ended 1 client "$pid" && said_by client "Desc=aborted by name: .*'maintenance'"
}

# A pause longer than GetCommand's timeout: the client gives up, unless it means
# seconds (spec 2.6-i).
test_timeout_unit() {
	start client "$sdk/g++/single" backup s copy 90
	run 0 "$sdk/server" s write:1 aborted && grep -q 'closed early' "$out" || return 1
	ended 1 client "$pid" && said_by client '^client: GetCommand: 0x80770003' || return 1
	start client env VDI_SQLVDI_TIMEOUT_UNIT=s "$sdk/g++/single" backup s copy 90
	run 0 "$sdk/server" s write:1 sleep:3000 write:1 complete && ended 0 client "$pid"
}

# Other users: the group of the set, and nothing else, decides.
test_engine_of_another_user() {
	local as1=(setpriv --reuid vdi1 --regid vdi1 --init-groups)
	local as2=(setpriv --reuid vdi2 --regid vdi2 --init-groups)
	id vdi1 >/dev/null 2>&1 || { echo "SKIP no users vdi1 and vdi2 (they are the guest's)"; return 1; }
	head -c 200000 /dev/urandom >data
	chmod 755 .
	mkdir -m 777 theirs
	umask 077
	start client "${as1[@]}" "$sdk/g++/single" backup s theirs/copy
	until_true there_is s
	run_in data 7 "${as2[@]}" env PATH="$PATH" vdi put s || return 1
	vdi abort s
	ended 1 client "$pid" || return 1
	start client "${as1[@]}" env VDI_SQLVDI_GROUP=vdi "$sdk/g++/single" backup s theirs/copy
	until_true there_is s
	run_in data 0 "${as2[@]}" env PATH="$PATH" vdi put s && ended 0 client "$pid" || return 1
	cmp data theirs/copy
}

# What the original needed: neither umask nor /dev/shm matter.
test_without_dev_shm() {
	# shellcheck disable=SC2016 # expanded there
	unshare -m bash -c 'umask 777; mount -t tmpfs -o size=4k,mode=000 none /dev/shm &&
		{ head -c 8192 /dev/zero >/dev/shm/full; umask 077; exec "$0" single_thread; }' \
		"$here/sdk_test.sh" >nested 2>&1 && grep -q '^ok 1 single_thread' nested ||
		fail "$(cat nested)"
}

# The library.

symbols="
_ZN19ClientVirtualDevice10GetCommandElPP11VDC_Command
_ZN19ClientVirtualDevice15CompleteCommandEP11VDC_Commandiml
_ZN19ClientVirtualDeviceC1Ev
_ZN19ClientVirtualDeviceC2Ev
_ZN19ClientVirtualDeviceD1Ev
_ZN19ClientVirtualDeviceD2Ev
_ZN22ClientVirtualDeviceSet10OpenDeviceEPcPP19ClientVirtualDevice
_ZN22ClientVirtualDeviceSet11SignalAbortEv
_ZN22ClientVirtualDeviceSet15GetBufferHandleEPhPj
_ZN22ClientVirtualDeviceSet15MapBufferHandleEiPPh
_ZN22ClientVirtualDeviceSet15OpenInSecondaryEPc
_ZN22ClientVirtualDeviceSet16GetConfigurationElP8VDConfig
_ZN22ClientVirtualDeviceSet20RegisterDeviceClosedEv
_ZN22ClientVirtualDeviceSet5CloseEv
_ZN22ClientVirtualDeviceSet6CreateEPcP8VDConfig
_ZN22ClientVirtualDeviceSetC1Ev
_ZN22ClientVirtualDeviceSetC2Ev
_ZN22ClientVirtualDeviceSetD1Ev
_ZN22ClientVirtualDeviceSetD2Ev"

exported() {
	nm -D --defined-only "$1" | awk '{ print $NF }' | LC_ALL=C sort
}

# Exactly the published symbols, and those a compiler makes of the classes.
test_symbols() {
	exported "$user/lib/libsqlvdi.so" >ours
	echo "$symbols" | sed 1d | diff - ours || fail "not the published ones" || return 1
	exported "$sdk/other/libsqlvdi.so" | diff - ours || fail "not what a compiler makes"
}

test_soname_and_needs() {
	readelf -d "$user/lib/libsqlvdi.so" >dynamic
	grep -q 'SONAME.*\[libsqlvdi.so\]' dynamic && grep -q 'FLAGS_1.*NODELETE' dynamic ||
		fail "$(cat dynamic)" || return 1
	sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' dynamic | grep -vE '^(libc\.so\.6|ld-linux.*)$' &&
		fail "it needs more than libc"
	return 0
}

# Linked elsewhere, to another library of the name; run with ours.
test_binary_from_elsewhere() {
	head -c 300000 /dev/urandom >data
	LD_LIBRARY_PATH=$sdk/other run 1 "$sdk/g++/foreign" backup s copy || return 1
	there_and_back "$sdk/g++/foreign" data
}

# The program's own functions are not called by the library.
test_no_interposition() {
	head -c 300000 /dev/urandom >data
	nm -D --defined-only "$sdk/g++/interposed" | grep -q ' vdi_client_create_ex$' ||
		fail "it exports nothing" || return 1
	there_and_back "$sdk/g++/interposed" data
}

# As sqlvdi(7) says: by pkg-config, or by the options that the SDK's makefiles have.
test_build() {
	local flags
	flags=$(PKG_CONFIG_PATH=$user/lib/pkgconfig pkg-config --cflags --libs sqlvdi) || return 1
	# shellcheck disable=SC2086 # options
	run 0 g++ -std=c++11 -o built "$here/sdk/single.cpp" $flags || return 1
	head -c 100000 /dev/urandom >data
	there_and_back ./built data || return 1
	# C sees the structures
	echo '#include "vdi.h"
		int size[sizeof(struct VDConfig) == 44 ? 1 : -1];' >c.c
	run 0 gcc -std=c99 -Wall -Wextra -Werror -I"$user/include/sqlvdi" -c c.c
}

run_tests "$@"
