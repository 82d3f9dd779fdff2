#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# PostgreSQL and MariaDB as engines, by way of nodes: their own dumps and base
# backups, written to a node as to any file, verified by their own tools and run
# again.  Owns the two servers; files and tapes are node_programs_test.sh's.
#
# usage: node_database_test.sh [TEST]...
# shellcheck disable=SC2016 # scripts for another shell
set -u

# shellcheck source=selftests/programs.sh
. "$(dirname "$0")/programs.sh"

db=$work/db
servers=()
export PGHOST=$db PGUSER=vdi2 PGDATABASE=template1

# The servers are not of one test: run_tests() ends what a test has started.
stop_servers() {
	local pid
	for pid in "${servers[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	at_exit
}
trap stop_servers EXIT

# answers COMMAND...: waits until the server does
answers() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		[ -e "/proc/$server" ] || break
		sleep 0.1
	done
	fail "no server: $(tail -n 5 "$db"/*.log)"
}

# pg_server DIRECTORY PORT: its pid is in $server
pg_server() {
	"${engine[@]}" postgres -D "$1" -p "$2" >"$db/pg.$2.log" 2>&1 9>&- &
	server=$!
	disown "$server"
	answers psql -p "$2" -c 'select 1'
}

pg_make() {
	"${engine[@]}" initdb --no-sync -A trust --wal-segsize=1 --no-locale -E UTF8 \
		-D "$db/pg" >"$db/pg.log" 2>&1 || fail "initdb: $(tail "$db/pg.log")" || return 1
	cat >>"$db/pg/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$db'
		shared_buffers = 1MB
		fsync = off
		autovacuum = off
		max_wal_senders = 2
		max_connections = 10
		jit = off
	END
	pg_server "$db/pg" 5432 && servers+=("$server") && psql -q <<-'END'
		drop database postgres;
		create table a as select i, md5(i::text) as s from generate_series(1, 40000) i;
		create table b as select * from a where i < 1000;
		checkpoint;
	END
}

# pg_sum PORT [DATABASE]: of all that is in the tables
pg_sum() {
	psql -p "$1" -Atc "select md5(string_agg(x::text, ',' order by i)) from
		(select * from a union all select * from b) x" "${2:-template1}"
}

my_server() {
	"${engine[@]}" mariadbd --defaults-file="$db/my.cnf" --datadir="$1" >>"$db/my.log" 2>&1 9>&- &
	server=$!
	disown "$server"
	answers my -e 'select 1'
}

my() {
	mariadb --no-defaults -S "$db/my.sock" -u vdi2 "$@"
}

# No more than BACKUP asks for: the system's tables and one user
my_make() {
	cat >"$db/my.cnf" <<-END
		[mysqld]
		socket = $db/my.sock
		pid-file = $db/my.pid
		tmpdir = $db
		lc-messages-dir = /usr/share/mysql
		skip-networking
		skip-name-resolve
		skip-grant-tables
		performance_schema = off
		innodb_buffer_pool_size = 8M
		innodb_buffer_pool_size_max = 16M
		innodb_log_file_size = 4M
		innodb_data_file_path = ibdata1:2M:autoextend
		innodb_temp_data_file_path = ibtmp1:1M:autoextend
		innodb_undo_tablespaces = 0
		innodb_flush_method = nosync
		innodb_use_native_aio = 0
		aria_log_file_size = 8M
	END
	mkdir -p "$db/my/mysql" "$db/my/test" && chown -R vdi2:vdi2 "$db/my" &&
		my_server "$db/my" && servers+=("$server") || return 1
	{
		cat /usr/share/mysql/mysql_system_tables.sql
		echo "insert into global_priv values
			('localhost', 'vdi2', '{\"access\":18446744073709551615}');
			flush privileges;"
	} | my mysql && my test -e "
		create table a (i int primary key, s char(32)) engine=innodb;
		insert into a select seq, md5(seq) from seq_1_to_40000"
}

my_sum() {
	my test -Ne 'checksum table a'
}

# $1 is the node, $2 the servers' directory
declare -A program=(
	[pg_dump]='exec pg_dump -Fc -Z0 >"$1"'
	[pg_basebackup]='exec pg_basebackup -D - -Ft -X fetch -c fast "${@:3}" >"$1"'
	[mariadb-backup]='cd "$2" && exec mariadb-backup --defaults-file=my.cnf --datadir="$2/my" \
		--socket="$2/my.sock" --user=vdi2 --backup --stream=xbstream \
		--target-dir="$2/stream" "${@:3}" >"$1"'
)

# It would open a path twice.
test_pg_dump() {
	receive theirs/target && by 0 "${program[pg_dump]}" && received || return 1
	hand_out theirs/target && by 0 'createdb -T template0 copy && exec pg_restore -d copy <"$1"' &&
		handed_out || return 1
	[ "$(pg_sum 5432 copy)" = "$(pg_sum 5432)" ] && run 0 dropdb copy
}

# The new server is another one, on what pg_verifybackup has found good.
test_pg_basebackup() {
	local sum
	places
	mkdir -m 700 own/new && chown vdi2 own/new
	sum=$(pg_sum 5432)
	receive theirs/target && by 0 "${program[pg_basebackup]}" "$db" && received || return 1
	hand_out theirs/target && by 0 'exec tar -xf "$1" -C own/new' && handed_out || return 1
	run 0 pg_verifybackup own/new || return 1
	pg_server "$PWD/own/new" 5433 && children+=("$server") || return 1
	[ -n "$sum" ] && [ "$(pg_sum 5433)" = "$sum" ] || fail "other tables: $(pg_sum 5433)"
}

test_mariadb() {
	local sum
	places
	mkdir own/new && chown vdi2 own/new
	sum=$(my_sum)
	receive theirs/target && by 0 "${program[mariadb-backup]}" "$db" && received || return 1
	hand_out theirs/target && by 0 'exec mbstream -x -C own/new <"$1"' && handed_out || return 1
	run 0 "${engine[@]}" mariadb-backup --prepare --target-dir=own/new || return 1
	sed "s|$db/my|&.new|" "$db/my.cnf" >new.cnf
	grep -q completed "$err" || return 1
	"${engine[@]}" mariadbd --defaults-file="$PWD/new.cnf" --datadir="$PWD/own/new" >my.log 2>&1 &
	server=$!
	children+=("$server")
	answers mariadb --no-defaults -S "$db/my.new.sock" -u vdi2 -e 'select 1' || return 1
	[ -n "$sum" ] && [ "$(mariadb --no-defaults -S "$db/my.new.sock" -u vdi2 test \
		-Ne 'checksum table a')" = "$sum" ]
}

# pg_kill CONDITION
pg_kill() {
	psql -Atc "select pg_terminate_backend(pid) from pg_stat_activity
		where pid <> pg_backend_pid() and $1" | grep -q t
}

# slowly NAME: starts the program so that it does not get to its end: it waits for
# a lock, reads slowly, or is stopped
slowly() {
	local args=()
	case $1 in
	pg_dump)
		start lock psql -c 'begin; lock table b; select pg_sleep(100)'
		until_true psql -c "do 'begin assert exists(select from pg_stat_activity
			where wait_event = ''PgSleep''); end'" || return 1 ;;
	pg_basebackup)
		args=(--max-rate=1M) ;;
	mariadb-backup)
		args=(--throttle=1) ;;
	esac
	receive theirs/target --force && start_by "${program[$1]}" "$db" "${args[@]}" || return 1
	[ "$1" = pg_dump ] || until_true moved nt 0 || return 1
	[ "$1" != mariadb-backup ] || kill -STOP "$(child_of "$by_pid")"
}

let_go() {
	case $1 in
	pg_dump)	pg_kill "wait_event = 'PgSleep'" ;;
	mariadb-backup)	kill -CONT "$(child_of "$by_pid")" ;;
	esac
}

# drop NAME: its server ends the connection
drop() {
	case $1 in
	mariadb-backup)
		my -Ne "select concat('kill ', id, ';') from information_schema.processlist
			where user = 'vdi2' and id <> connection_id()" >kills
		[ -s kills ] && my <kills ;;
	*)
		pg_kill "application_name = '$1'" ;;
	esac
}

test_killed() {
	local p
	for p in "${!program[@]}"; do
		slowly "$p" && killed "$p" || fail "$p" || return 1
		[ "$p" = mariadb-backup ] || let_go "$p" || return 1
	done
}

test_failed() {
	local p
	for p in "${!program[@]}"; do
		slowly "$p" && until_true drop "$p" && let_go "$p" && by_failed &&
			died_so "$p.* exited with status 1" ||
			fail "$p: $(tail -n 3 by.err)" || return 1
	done
}

test_client_killed() {
	local p
	for p in "${!program[@]}"; do
		slowly "$p" && client_killed && let_go "$p" && by_failed ||
			fail "$p: $(tail -n 3 by.err)" || return 1
	done
}

test_full() {
	local p
	for p in "${!program[@]}"; do
		small && receive "$work/small/target" && start_by "${program[$p]}" "$db" || return 1
		by_failed && was_full || fail "$p: $(tail -n 3 by.err)" || return 1
	done
}

mkdir "$db" && chown vdi2:vdi2 "$db" && pg_make && my_make || exit 1
run_tests "$@"
