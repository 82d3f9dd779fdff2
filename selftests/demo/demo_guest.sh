#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The demonstration, in the guest: a database that is written to all the time
# goes through /dev/vdi and back; then the backup program is killed half-way.
# Owns what is shown and the table at the end; needs the module loaded, `vdi`
# in PATH, root, and memory for three copies of the database in $TMPDIR.
#
# usage: [DB=PATH] demo_guest.sh      DB is copied, and never written
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
bank=$top/.build/demo/bank
engine=vdi1 client=vdi2 writer=nobody
mib=64 stripes=4
table=() failed=0

step() {
	echo "demo: $*"
}

# verdict WHAT COMMAND...: one line of the table
verdict() {
	local what=$1
	shift
	if "$@"; then
		table+=("PASS  $what")
	else
		table+=("FAIL  $what")
		failed=1
	fi
}

give_up() {
	echo "demo: $*" >&2
	exit 1
}

as() {
	setpriv --reuid "$1" --regid "$2" --clear-groups -- "${@:3}"
}

commits() {
	local n=''
	read -r n 2>/dev/null <"$work/count" || true
	echo "${n:-0}"
}

# The writer has its own user; the engine may read its files by their group.
start_writer() {
	as "$writer" "$engine" "$bank" write "$work/db/live.db" "$work/count" &
	writer_pid=$!
	local i
	for ((i = 0; i < 300; i++)); do
		[ "$(commits)" -eq 0 ] || return 0
		sleep 0.1
	done
	give_up "the writer does not write"
}

make_database() {
	mkdir -m 2770 "$work/db"
	chown "$writer:$engine" "$work/db"
	mkdir -m 700 "$work/target" "$work/restored"
	chown "$client" "$work/target"
	chown "$engine" "$work/restored"
	umask 007
	if [ -n "${DB:-}" ]; then
		step "copying $DB; a table of accounts is added to the copy"
		cp -- "$DB" "$work/db/live.db" || give_up "cannot copy $DB"
		chown "$writer:$engine" "$work/db/live.db"
		chmod 660 "$work/db/live.db"
		mib=1
	else
		step "making a database of $mib MiB in WAL mode"
	fi
	as "$writer" "$engine" "$bank" make "$work/db/live.db" "$mib" ||
		give_up "cannot make the database"
	umask 022
	touch "$work/count"
	chown "$writer" "$work/count"
	size=$(stat -c %s "$work/db/live.db")
}

# The user's own tables, which the writer does not touch.
user_tables() {
	sqlite3 -readonly "$1" "SELECT name FROM sqlite_schema WHERE type = 'table'
		AND name NOT LIKE 'bank\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
		AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
}

user_digest() {
	local t
	user_tables "$1" | while IFS= read -r t; do
		printf '%s ' "$t"
		sqlite3 -readonly "$1" "SELECT count(*) FROM \"${t//\"/\"\"}\""
		sqlite3 -readonly "$1" "SELECT * FROM \"${t//\"/\"\"}\"" | sha256sum
	done
}

backup_and_restore() {
	local before start
	step "backing up over $stripes devices: engine is $engine, backup program is $client," \
		"writer is $writer"
	before=$(commits)
	start=$EPOCHREALTIME
	vdi backup -v -n "$stripes" --progress always --engine-user "$engine" --client-user "$client" \
		--digests "$work/sent" "sqlite:$work/db/live.db" "$work/target/good"
	backup_rc=$?
	during=$(($(commits) - before))
	backup_s=$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $start }")
	ls -l "$work/target/good"
	step "restoring"
	vdi restore -v --engine-user "$engine" --client-user "$client" --digests "$work/back" \
		"$work/target/good" "sqlite:$work/restored/new.db"
	restore_rc=$?
	check=$("$bank" check "$work/restored/new.db" 2>&1)
	echo "$check"
}

# Only what nobody can take for a backup may be left: *.partial, all the way.
only_partial() {
	local f
	while IFS= read -r f; do
		step "left: ${f#"$work/target/"}"
		case $f in *.partial) ;; *) return 1 ;; esac
	done < <(find "$work/target" -mindepth 1 ! -path "$work/target/good*" | sort)
}

# Neither what is left as it is, nor a copy of it under the name of a backup.
refuses_leftovers() {
	local rc
	[ -e "$work/target/killed.partial" ] || return 0
	cp -r "$work/target/killed.partial" "$work/disguised"
	for f in "$work"/disguised/*.partial; do
		mv "$f" "${f%.partial}"
	done
	for f in "$work/target/killed.partial" "$work/disguised"; do
		vdi restore "$f" "sqlite:$work/restored/bad.db"
		rc=$?
		[ "$rc" -ne 0 ] && ! [ -e "$work/restored/bad.db" ] || return 1
	done
}

bytes_so_far() {
	vdi stat --json demo-kill 2>/dev/null | jq .bytes_written || true
}

# Lets the client run in short slices, so that it is killed half-way for sure.
# Only the shell's own means, for a fast machine needs no tenth of a second.
kill_half_way() {
	local bytes='' slices=0 said='' vdi_pid
	step "backing up again; the client is killed half-way"
	mkfifo "$work/silent"
	exec 8<>"$work/silent"
	: >"$work/killed.log"
	vdi backup -v -n "$stripes" --name demo-kill --engine-user "$engine" --client-user "$client" \
		"sqlite:$work/db/live.db" "$work/target/killed" 2>"$work/killed.log" &
	vdi_pid=$!
	killed_pid='' kill_ns=0
	while [ -z "$killed_pid" ] && kill -0 $vdi_pid 2>/dev/null; do
		read -r said <"$work/killed.log" && [[ $said =~ client\ is\ process\ ([0-9]+) ]] &&
			killed_pid=${BASH_REMATCH[1]}
	done
	while kill -STOP "$killed_pid" 2>/dev/null && [ $((slices += 1)) -lt 3000 ]; do
		bytes=$(bytes_so_far)
		[ "${bytes:-0}" -lt $((size / 4)) ] || break
		kill -CONT "$killed_pid"
		read -r -t 0.01 <&8
	done
	killed_bytes=${bytes:-0}
	kill_ns=$("$bank" kill "${killed_pid:-0}")
	wait $vdi_pid
	killed_rc=$?
	sed 's/^/demo: | /' "$work/killed.log"
	abort=$(sed -n 's/^vdi: engine: abort: //p' "$work/killed.log")
	told=$(sed -n 's/.*time_ns=\([0-9]*\).*/\1/p' <<<"$abort")
	seen=$(sed -n 's/.*seen_ns=\([0-9]*\).*/\1/p' <<<"$abort")
	told_ms=$(awk "BEGIN { printf \"%.1f\", (${told:-0} - ${kill_ns:-0}) / 1e6 }")
	seen_ms=$(awk "BEGIN { printf \"%.1f\", (${seen:-0} - ${kill_ns:-0}) / 1e6 }")
}

abort_names_client() {
	[[ $abort == *"reason=CLIENT_DIED"*"side="*"pid=$killed_pid uid=$(id -u "$client") "* ]]
}

told_at_once() {
	awk "BEGIN { exit !($seen_ms > 0 && $seen_ms < 1000) }"
}

# And loaded again: who called this may want to go on.
module_unloads() {
	[ "$(vdi list --json | jq '.sets | length')" = 0 ] || return 1
	rmmod vdi || return 1
	[ ! -e /sys/module/vdi ] || return 1
	insmod "$top/.build/module-$(uname -r)/vdi.ko"
}

[ "$(id -u)" = 0 ] || give_up "must be root"
[ -e /sys/module/vdi ] || give_up "the module is not loaded"
[ -x "$bank" ] || give_up "$bank is missing: run make demo"
work=$(mktemp -d) || exit 1
chmod 711 "$work"
trap 'kill ${writer_pid:-} 2>/dev/null; wait; rm -rf "$work"' EXIT

make_database
start_writer
backup_and_restore
verdict "backup of $((size >> 20)) MiB over $stripes devices, $backup_s s" [ "$backup_rc" = 0 ]
verdict "the writer committed meanwhile: $during times" [ "$during" -gt 0 ]
verdict "vdi restore" [ "$restore_rc" = 0 ]
verdict "integrity_check of the restored database" grep -qx 'integrity ok' <<<"$check"
verdict "its accounts: $(sed -n 's/^sum //p' <<<"$check")" \
	grep -qE '^sum ([0-9]+) expected \1$' <<<"$check"
if [ -n "${DB:-}" ]; then
	user_digest "$DB" >"$work/user.source"
	user_digest "$work/restored/new.db" >"$work/user.restored"
	verdict "rows of the $(user_tables "$DB" | wc -l) tables of $DB" \
		cmp "$work/user.source" "$work/user.restored"
fi
cat "$work/sent"
verdict "SHA-256 of the $(wc -l <"$work/sent") streams, sent and returned" \
	cmp "$work/sent" "$work/back"

kill_half_way
verdict "client $killed_pid killed after $((killed_bytes >> 20)) of $((size >> 20)) MiB: vdi ends with $killed_rc" \
	[ "$killed_rc" = 4 ]
verdict "the engine was told who and why: ${abort:-nothing}" abort_names_client
verdict "told after $seen_ms ms (the set was aborted after $told_ms ms)" told_at_once
verdict "nothing is left that looks like a backup" only_partial
verdict "vdi restore refuses what is left" refuses_leftovers
kill "$writer_pid"
verdict "the module unloads" module_unloads

echo
printf '%s\n' "${table[@]}"
[ $failed = 0 ] && echo "demo: all is well" || echo "demo: FAILED"
exit $failed
