#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The command `vdi`: recv, send, put, get, list, stat, abort, and what it says
# to wrong use.  backup and restore are backup_test.sh's.  Needs the module
# loaded and root, since it runs as other users as well.
#
# usage: cli_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$top/.build/selftests:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

verbs='backup restore recv send put get list stat abort doctor selftest'

# backup_stdin FILE TARGET [OPTION...]: FILE through a set into TARGET
backup_stdin() {
	start recv vdi recv "${@:3}" rt "$2"
	vdi put rt <"$1" >put.out 2>put.err || fail "put: $(cat put.err)" || return 1
	ended 0 recv "$pid"
}

# restore_stdout SOURCE FILE
restore_stdout() {
	start send vdi send rt "$1"
	vdi get rt >"$2" 2>get.err || fail "get: $(cat get.err)" || return 1
	ended 0 send "$pid"
}

random() {
	head -c "$1" /dev/urandom
}

test_help() {
	local v
	run 0 vdi help && grep -q '^Usage: vdi ' "$out" || return 1
	for v in $verbs; do
		run 0 vdi "$v" --help && [ ! -s "$err" ] || return 1
		grep -q "^Usage: vdi $v " "$out" || fail "$v: $(head -n 1 "$out")" || return 1
		cp "$out" help
		run 0 vdi help "$v" && cmp "$out" help || return 1
		vdi help | grep -q "^  vdi $v " || fail "$v is not in vdi help" || return 1
	done
}

# The manual says for each option which verbs take it, and their help says the same.
test_options_in_the_manual() {
	local v
	for v in $verbs; do
		vdi "$v" --help >"help.$v" || return 1
	done
	# shellcheck disable=SC2086 # words
	python3 - "$top/userspace/man/vdi.1" $verbs <<'END'
import re, shlex, sys

verbs = sys.argv[2:]
page = open(sys.argv[1]).read()
section = page.split(".SH OPTIONS\n")[1].split("\n.SH")[0]
said, found = {}, {}

def plain(line):
    """The line without macros; bold verbs are *verbs*."""
    line = line.replace("\\-", "-").replace("\\", "")
    bold = {".B": "BB", ".BR": "BR", ".RB": "RB"}.get(line.split()[0])
    if not bold:
        return line
    return "".join(f"*{word}*" if bold[i % 2] == "B" and word in verbs else word
                   for i, word in enumerate(shlex.split(line)[1:]))

for entry in section.split(".TP\n")[1:]:
    head, body = entry.split("\n", 1)
    text = " ".join(plain(line) for line in body.splitlines())
    lists = re.findall(r"((?:\*\w+\*(?:, | and )?)+)(?: with --nodes|as root)?[:.]", text)
    for option in re.findall(r"--[a-z-]+", head.replace("\\-", "-")):
        said.setdefault(option, set()).update(re.findall(r"\*(\w+)\*", " ".join(lists)))
said["--help"] = set(verbs)
for v in verbs:
    for option in re.findall(r"(?<![\w-])--[a-z-]+", open("help." + v).read()):
        found.setdefault(option, set()).add(v)
wrong = 0
said["--help"] = set(verbs)
for o in sorted(said | found):
    # some are the verb's arguments, and are with it
    here = said[o] if o in said else found[o] if o.replace("-", "\\-") in page else set()
    if here != found.get(o):
        print(o, "in the manual:", *sorted(here), "- in the help of:", *sorted(found.get(o, [])))
        wrong = 1
sys.exit(wrong)
END
}

test_version() {
	run 0 vdi --version && grep -qE '^vdi [0-9]+\.[0-9]+' "$out"
}

test_usage_errors() {
	local v
	run 2 vdi && line 'vdi help' || return 1
	run 2 vdi nonsense && line 'nonsense: no such verb' || return 1
	run 2 vdi help nonsense && line 'nonsense: no such verb' || return 1
	for v in $verbs; do
		run 2 vdi "$v" --nonsense && line "$v: unknown option --nonsense: see" || return 1
		run 2 vdi "$v" -Z && line "$v: unknown option -Z: see" || return 1
		run 2 vdi "$v" a b c d && line 'one argument too many: see' || return 1
		case $v in
		list|doctor) ;;
		*)	run 2 vdi "$v" && line 'missing: see' || return 1 ;;
		esac
	done
}

test_bad_values() {
	run 2 vdi recv -n 0 a b && line '-n 0: must be a number from 1 to 64' || return 1
	run 2 vdi recv -n 65 a b && line '-n 65' || return 1
	run 2 vdi recv -n 0x4 a b && line '-n 0x4' || return 1
	run 2 vdi recv -n && line '-n needs a value' || return 1
	run 2 vdi recv --mode 888 a b && line '--mode 888: must be octal' || return 1
	run 2 vdi recv --group no-such-group a b && line 'no such group' || return 1
	run 2 vdi recv --progress sometimes a b && line 'auto, always or never' || return 1
	run 2 vdi recv --idle-timeout soon a b && line 'not a time' || return 1
	run 2 vdi put --transfer-size 64X a && line 'not a size' || return 1
	run 2 vdi put --transfer-size 65537 a && line 'multiple of 64K' || return 1
	run 2 vdi put --transfer-size 128MiB a && line 'must be between' || return 1
	run 2 vdi put --transfer-size 99999999999999999999 a && line 'not a size' || return 1
	run 2 vdi put --block-size 1000 a && line 'power of two' || return 1
	run 2 vdi put --depth 0 a && line '--depth 0' || return 1
	run 2 vdi put a:1 && line 'only :0 is possible' || return 1
	run 2 vdi recv a '' && line 'the target is empty' || return 1
	run 2 vdi recv -n 2 a - && line 'stdout takes one stripe' || return 1
	run 2 vdi recv 'a/b' null: && line 'a name has 1..255 bytes' || return 1
	run 2 vdi recv -n 64 "$(printf 'x%.0s' {1..255})" null: && line 'too long for 64 devices' ||
		return 1
	run 2 vdi get a --allow-empty && line 'unknown option'
}

test_no_device() {
	local v
	random 10 >in
	for v in "recv a file" "put a" "get a" list "stat a" "abort a"; do
		# shellcheck disable=SC2086 # words
		run 7 env VDI_DEVICE=/nonexistent vdi $v || return 1
		line '/nonexistent: no such device: is the module loaded\? try: modprobe vdi' || return 1
		# shellcheck disable=SC2086
		run 7 env VDI_DEVICE=/dev/null vdi $v && line '/dev/null: is something else' || return 1
	done
	nothing_left file file.partial
}

test_no_permission() {
	local v
	chmod 777 .
	for v in "recv a $PWD/file" "put a" list "stat a"; do
		# shellcheck disable=SC2086
		run 7 setpriv --reuid nobody --regid nogroup --clear-groups vdi $v || return 1
		line '/dev/vdi: permission denied: join the group' || return 1
	done
}

# The rights of the set itself: vdi1 and vdi2 may both open the node.
test_mode_of_the_set() {
	id vdi1 vdi2 >/dev/null 2>&1 || { echo "SKIP the users vdi1 and vdi2 do not exist"; return 1; }
	local as1='setpriv --reuid vdi1 --regid vdi1 --init-groups'
	local as2='setpriv --reuid vdi2 --regid vdi2 --init-groups'
	random 1000 >in
	# shellcheck disable=SC2086
	start recv $as1 vdi recv secret null:
	until_true there_is secret || return 1
	# shellcheck disable=SC2086
	run 7 $as2 vdi put secret && line 'not permitted: see --mode and --group' || return 1
	# shellcheck disable=SC2086
	run 7 $as2 vdi stat secret && line "another user's set" || return 1
	# shellcheck disable=SC2086
	run 7 $as2 vdi abort secret && line "another user's set" || return 1
	# shellcheck disable=SC2086
	run 0 $as2 vdi list --json && [ "$(jq '.sets | length' "$out")" = 0 ] || return 1
	# shellcheck disable=SC2086
	run 0 $as1 vdi abort secret && ended 4 recv "$pid" || return 1
	# shellcheck disable=SC2086
	run 2 $as1 vdi recv --group root secret null: && line 'you are not in group' || return 1
	# shellcheck disable=SC2086
	start recv $as1 vdi recv --mode 0660 --group vdi shared null:
	# shellcheck disable=SC2086
	$as2 vdi put shared <in && ended 0 recv "$pid"
}

test_round_trip() {
	local size
	for size in 1 511 65536 65537 1048576 5000001; do
		random "$size" >in
		backup_stdin in file.vdb && restore_stdout file.vdb back || return 1
		cmp in back || fail "$size bytes" || return 1
		nothing_left file.vdb.partial file.vdb.old && rm file.vdb || return 1
	done
}

test_round_trip_small_buffers() {
	random 1000000 >in
	start recv vdi recv rt file
	vdi put --transfer-size 64K --depth 1 --block-size 512 rt <in && ended 0 recv "$pid" || return 1
	start send vdi send rt file
	vdi get --transfer-size 128KiB --depth 64 rt:0 >back && ended 0 send "$pid" && cmp in back
}

# The buffers and no more, whatever comes through them: 4 of 1 MiB, and the programs
test_memory_is_bounded() {
	local mib recv put last=''
	for mib in 64 1024; do
		peak vdi recv -q rt null: >recv.kib &
		pid=$!
		children+=("$pid")
		until_true there_is rt || return 1
		head -c "${mib}M" /dev/zero | peak vdi put -q rt >put.kib || return 1
		wait "$pid" || return 1
		recv=$(cat recv.kib) put=$(cat put.kib)
		echo "# $mib MiB: recv had $recv KiB at most, put $put KiB"
		[ "$recv" -lt 12288 ] && [ "$put" -lt 12288 ] || fail "$mib MiB: $recv and $put KiB" ||
			return 1
		[ -z "$last" ] || [ $((recv + put)) -lt $((last + 2048)) ] ||
			fail "$last KiB for 64 MiB, $((recv + put)) KiB for 1 GiB" || return 1
		last=$((recv + put))
	done
}

# Both sides of one command, and a database of 8 MiB and of 64
test_memory_of_backup_is_bounded() {
	local mib now last=''
	for mib in 8 64; do
		rm -f db file back
		sqlite3 db "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL
			SELECT i + 1 FROM n WHERE i < $mib) INSERT INTO t SELECT zeroblob(1048576) FROM n" ||
			return 1
		peak vdi backup -q sqlite:db file >backup.kib || return 1
		peak vdi restore -q file sqlite:back >restore.kib || return 1
		now=$(($(cat backup.kib) + $(cat restore.kib)))
		echo "# $mib MiB: backup had $(cat backup.kib) KiB at most, restore $(cat restore.kib) KiB"
		[ -z "$last" ] || [ "$now" -lt $((last + 4096)) ] ||
			fail "$last KiB for 8 MiB, $now KiB for 64 MiB" || return 1
		last=$now
	done
}

test_directory_target() {
	random 100000 >in
	mkdir empty
	backup_stdin in new/ && backup_stdin in empty || return 1
	[ -f new/stripe-01-of-01.vdb ] && [ -f empty/stripe-01-of-01.vdb ] || return 1
	restore_stdout new back && cmp in back || return 1
	restore_stdout new/stripe-01-of-01.vdb back && cmp in back
}

test_bare_stream() {
	random 3000000 >in
	start recv vdi recv rt -
	vdi put rt <in && ended 0 recv "$pid" && cmp in recv.out || return 1
	vdi send rt - <in &
	vdi get rt >back && wait $! && cmp in back
}

# nonblocking stdout|stdin COMMAND...: that is a pipe with O_NONBLOCK, and the other
# end is slow
nonblocking() {
	timeout 120 python3 -c 'import os, shutil, subprocess, sys, time
out = sys.argv[1] == "stdout"
ends = os.pipe()
os.set_blocking(ends[out], False)
child = subprocess.Popen(sys.argv[2:], **{sys.argv[1]: ends[out]})
os.close(ends[out])
time.sleep(1)
with os.fdopen(ends[not out], "rb" if out else "wb") as end:
    std = sys.stdout.buffer if out else sys.stdin.buffer
    shutil.copyfileobj(*((end, std) if out else (std, end)))
sys.exit(child.wait())' "$@"
}

test_nonblocking_stdout() {
	random 3000000 >in
	nonblocking stdout vdi recv rt - >back 2>recv.err &
	pid=$!
	children+=("$pid")
	run_in in 0 vdi put rt && ended 0 recv "$pid" && cmp in back
}

test_nonblocking_stdin() {
	random 3000000 >in
	nonblocking stdin vdi send rt - <in 2>send.err &
	pid=$!
	children+=("$pid")
	vdi get rt >back 2>get.err || fail "get: $(cat get.err)" || return 1
	ended 0 send "$pid" && cmp in back
}

# What is redirected to a disk is on it before the engine is told so.
test_bare_stream_to_a_disk() {
	[ -b /dev/ram13 ] || modprobe -q brd rd_size=65536 || { echo "SKIP no RAM disk"; return 1; }
	random 3000000 >in
	preload <<-'END' || return 1
		int fsync(int fd)
		{
			syscall(SYS_write, open("synced", O_WRONLY | O_CREAT, 0600), "yes", 3);
			return syscall(SYS_fsync, fd);
		}
	END
	LD_PRELOAD=$PWD/preload.so timeout 60 vdi recv rt - >/dev/ram13 2>recv.err &
	pid=$!
	children+=("$pid")
	run_in in 0 vdi put rt && ended 0 recv "$pid" && cmp -n 3000000 in /dev/ram13 || return 1
	[ -e synced ] || fail "it was not synced"
}

test_null_target() {
	random 100000 >in
	backup_stdin in null:
}

test_allow_empty() {
	: >in
	start recv vdi recv rt file
	run 1 vdi put rt && line 'stdin is empty' || return 1
	ended 4 recv "$pid" && nothing_left file file.partial || return 1
	start recv vdi recv rt file
	run 1 vdi put --allow-empty rt && line 'Complete on rt was answered' || return 1
	ended 1 recv "$pid" && cp recv.err "$err" && line 'the stream is empty' || return 1
	nothing_left file file.partial || return 1
	start recv vdi recv --allow-empty rt file
	run 0 vdi put --allow-empty rt && ended 0 recv "$pid" || return 1
	restore_stdout file back && [ ! -s back ]
}

test_target_exists() {
	random 1000 >in
	echo precious >file
	run 8 vdi recv rt file && line 'file exists: choose another name, or replace it with --force' ||
		return 1
	# a failure with --force leaves what was there
	start recv vdi recv --force rt file
	run 1 vdi put rt && ended 4 recv "$pid" && grep -qx precious file || return 1
	backup_stdin in file --force && restore_stdout file back && cmp in back || return 1
	nothing_left file.old file.partial || return 1
	mkdir dir && echo precious >dir/letter
	run 8 vdi recv --force rt dir && line 'holds other things \(letter\)' || return 1
	run 8 vdi recv -n 2 rt file && line 'not a directory' || return 1
	run 1 vdi recv rt no/such/dir/file && line 'No such file or directory'
}

# What could not get its name in the end is refused in the beginning.
test_target_that_cannot_be_replaced() {
	local target
	random 1000 >in
	mkdir empty "$work/small" && ln -s empty link && ln -s nowhere dangling || return 1
	mount -t tmpfs small "$work/small" || return 1
	for target in link link/ dangling; do
		run 8 vdi recv --connect-timeout 1 -n 2 rt "$target" &&
			line "${target%/} is a symbolic link: name the directory itself" || return 1
	done
	for target in . .. empty/. empty/.. /; do
		run 8 vdi recv --connect-timeout 1 -n 2 rt "$target" &&
			line "$target can't be replaced: choose another name" || return 1
	done
	run 8 vdi recv --connect-timeout 1 rt "$work/small" &&
		line 'is a mount point and .* choose a name in it' || return 1
	umount "$work/small" && rmdir "$work/small" || return 1
	echo precious >file && mount --bind in file || return 1
	run 8 vdi recv --connect-timeout 1 --force rt file &&
		line 'is a mount point and .* choose another name' || { umount file; return 1; }
	umount file
	run 8 vdi recv --connect-timeout 1 rt dangling && line 'dangling exists: choose' || return 1
	nothing_left ./*.partial || return 1
	# a file takes the place of a link
	backup_stdin in dangling --force && [ ! -L dangling ] && nothing_left nowhere dangling.old
}

# What has the temporary name and was not left by an earlier one stays as it is.
test_temporary_name_is_taken() {
	mkdir dir.partial && touch dir.partial/letter dir.partial/stripe-01-of-01.vdb.partial || return 1
	run 8 vdi recv rt dir/ && line 'dir.partial is in the way and holds other things: remove it' ||
		return 1
	[ -e dir.partial/letter ] && [ -e dir.partial/stripe-01-of-01.vdb.partial ] || return 1
	mkfifo file.partial
	run 8 vdi recv rt file && line 'file.partial is not a regular file: remove it' || return 1
	[ -p file.partial ] && touch x.partial || return 1
	run 8 vdi recv rt x/ && line 'x.partial is not a directory: remove it' && [ -f x.partial ]
}

# What was left is not written again: who could read it can't read the new one.
test_left_over() {
	local as1='setpriv --reuid vdi1 --regid vdi1 --init-groups'
	local as2='setpriv --reuid vdi2 --regid vdi2 --init-groups'
	random 1000 >in
	echo left >file.partial && chmod 666 file.partial && exec 8<file.partial || return 1
	backup_stdin in file && [ "$(stat -c %a file)" = 600 ] && [ "$(cat <&8)" = left ] || return 1
	exec 8<&-
	mkdir dir.partial && touch dir.partial/stripe-01-of-01.vdb.partial || return 1
	backup_stdin in dir/ && [ "$(stat -c %a dir)" = 700 ] || return 1
	id vdi1 vdi2 >/dev/null 2>&1 || return 0
	mkdir open && chmod 1777 open || return 1
	# shellcheck disable=SC2086 # words
	(umask 0; $as2 touch open/file.partial; $as2 mkdir open/dir.partial) || return 1
	# shellcheck disable=SC2086
	run 8 $as1 vdi recv --connect-timeout 1 rt open/file &&
		line 'open/file.partial is in the way: remove it' || return 1
	# shellcheck disable=SC2086
	run 8 $as1 vdi recv --connect-timeout 1 rt open/dir/ &&
		line 'open/dir.partial is in the way: remove it'
}

test_replace_directory() {
	random 1000 >in1
	random 2000 >in2
	backup_stdin in1 dir/ || return 1
	run 8 vdi recv rt dir && line 'dir exists' || return 1
	backup_stdin in2 dir/ --force && restore_stdout dir back && cmp in2 back &&
		nothing_left dir.old dir.partial
}

test_target_is_being_written() {
	start recv vdi recv rt file
	until_true there_is rt || return 1
	run 8 vdi recv other file && line 'is being written by another vdi' || return 1
	vdi abort rt && ended 4 recv "$pid"
}

test_name_exists() {
	start recv vdi recv rt null:
	until_true there_is rt || return 1
	run 8 vdi recv rt file && line 'a set of this name exists' || return 1
	nothing_left file file.partial && vdi abort rt && ended 4 recv "$pid"
}

test_timeouts() {
	random 1000 >in
	run 5 vdi put --connect-timeout 500ms rt && line 'there is no such set' || return 1
	run 5 vdi recv --connect-timeout 500ms rt file && line 'nobody came in time' || return 1
	nothing_left file file.partial || return 1
	# an engine that falls silent
	mkfifo fifo
	exec 9<>fifo
	start recv vdi recv --idle-timeout 1 rt file
	run_in fifo 4 vdi put rt || return 1
	said 'no command came in time' || return 1
	exec 9>&-
	ended 5 recv "$pid" && cp recv.err "$err" && line 'no command came for 1 s' &&
		nothing_left file
}

# The engine's input falls silent, and it is the engine that has no patience.
test_timeout_of_stdin() {
	mkfifo fifo
	exec 9<>fifo
	start recv vdi recv rt file
	until_true there_is rt || return 1
	echo begun >&9
	run_in fifo 5 timeout -k 1 30 vdi put --idle-timeout 1s rt || return 1
	line 'nothing came from stdin for 1 s: the backup is aborted' && exec 9>&- || return 1
	ended 4 recv "$pid" && grep -q 'silent for 1 s' recv.err && nothing_left file
}

test_two_devices_want_two_streams() {
	start recv vdi recv -n 2 rt dir/
	run 1 vdi put rt && line 'has 2 devices' || return 1
	ended 4 recv "$pid" && nothing_left dir dir.partial
}

test_wrong_direction() {
	random 1000 >in
	backup_stdin in file || return 1
	start send vdi send rt file
	run_in in 4 vdi put rt && said 'aborted' || return 1
	wait "$pid" && fail "send took a backup" && return 1
	cp send.err "$err" && said 'wants to back up: use vdi recv'
}

test_disk_full() {
	mkdir "$work/small" && mount -t tmpfs -o size=1M small "$work/small" || return 1
	random 4000000 >in
	start recv vdi recv rt "$work/small/file"
	run_in in 1 vdi put --transfer-size 64K rt && line 'answered with 112' || return 1
	ended 3 recv "$pid" && cp recv.err "$err" && said 'no space left: make room' || return 1
	[ "$(wc -l <"$err")" = 2 ] && said 'file.partial holds what came' || return 1
	nothing_left "$work/small/file" && [ -e "$work/small/file.partial" ] &&
		umount "$work/small" && rmdir "$work/small"
}

# damaged PATTERN: sending the file says so, hands out nothing and makes no set
damaged() {
	run 6 vdi send --connect-timeout 1 rt file && line "$1"
}

test_damaged_stripe() {
	local size
	random 300000 >in
	backup_stdin in good || return 1
	size=$(stat -c %s good)
	head -c 3000 good >file && damaged 'too short' || return 1
	head -c 100000 good >file && damaged 'truncated' || return 1
	head -c $((size - 1)) good >file && damaged 'truncated' || return 1
	{ cat good; echo; } >file && damaged 'truncated' || return 1
	{ head -c 50000 good; tail -c +60001 good; } >file && damaged 'not as long' || return 1
	printf 'x%.0s' {1..9000} >file && damaged 'is not a VDI stripe' || return 1
	cp good file && flip 20 && damaged 'checksum of its header' || return 1
	cp good file && flip 8 && damaged 'format version' || return 1
	cp good file && flip 200000 && damaged 'stripe 1 of 1 is damaged .the checksum of its data' ||
		return 1
	cp good file && flip $((size - 100)) && damaged 'checksum of its trailer' || return 1
	run 6 vdi send rt in && line 'is not a VDI stripe' || return 1
	cp good good.partial
	run 6 vdi send rt good.partial && line 'unfinished' || return 1
	run 1 vdi send rt nothing && line 'No such file' || return 1
	mkdir nothing
	run 1 vdi send rt nothing && line 'no stripe'
}

# One byte of the file is changed.
flip() {
	local byte
	byte=$(od -An -tu1 -j "$1" -N 1 file)
	# shellcheck disable=SC2059 # an octal escape it is
	printf "\\$(printf %o $((byte ^ 0x40)))" | dd of=file bs=1 seek="$1" conv=notrunc status=none
}

# killed VICTIM SURVIVOR: by SIGKILL; the other one names it
names_the_dead() {
	cp "$1.err" "$err" && said "$2 died \\($3, pid $4, uid $(id -u)\\)"
}

test_kill_recv() {
	mkfifo fifo
	exec 9<>fifo
	start recv vdi recv rt file
	local recv=$pid victim
	start_in fifo put vdi put --transfer-size 64K rt
	random 1000000 >&9 && until_true moved rt 500000 || return 1
	victim=$(child_of "$recv")
	kill -KILL "$victim" && ended 4 put "$pid" || return 1
	names_the_dead put 'the backup program' CLIENT_DIED "$victim" || return 1
	exec 9>&-
	[ -e file.partial ] && nothing_left file && run 6 vdi send rt file.partial
}

test_kill_put() {
	mkfifo fifo
	exec 9<>fifo
	start recv vdi recv rt file
	local recv=$pid victim
	start_in fifo put vdi put --transfer-size 64K rt
	random 1000000 >&9 && until_true moved rt 500000 || return 1
	victim=$(child_of "$pid")
	kill -KILL "$victim" && ended 4 recv "$recv" || return 1
	names_the_dead recv 'the engine' SERVER_DIED "$victim" || return 1
	exec 9>&-
	[ -e file.partial ] && nothing_left file
}

# Both sides of the set rt, active, with nothing to do: $recv and $put
start_idle_pair() {
	[ -p fifo ] || mkfifo fifo
	exec 9<>fifo
	start recv vdi recv rt file
	recv=$pid
	start_in fifo put vdi put rt
	put=$pid
	until_true state_is rt active
}

test_interrupt_recv() {
	start_idle_pair || return 1
	kill -TERM "$(child_of "$recv")" && ended 143 recv "$recv" && ended 4 put "$put" || return 1
	exec 9>&-
	cp put.err "$err" && line 'interrupted by SIGTERM' && nothing_left file file.partial
}

test_interrupt_put() {
	start_idle_pair || return 1
	kill -INT "$(child_of "$put")" && ended 130 put "$put" && ended 4 recv "$recv" || return 1
	exec 9>&-
	cp recv.err "$err" && said 'interrupted by SIGINT' && nothing_left file file.partial
}

# What whoever started it had it ignore is no end; the others are.
test_ignored_signals() {
	local pids sig
	mkfifo fifo
	exec 9<>fifo
	start recv bash -c 'trap "" HUP INT; exec vdi recv rt file'
	start_in fifo put bash -c 'trap "" HUP INT; exec vdi put --transfer-size 64K rt'
	pids="${children[-2]} ${children[-1]}"
	until_true state_is rt active || return 1
	for sig in HUP INT; do
		for pid in $pids; do
			kill -"$sig" "$(child_of "$pid")" || return 1
		done
	done
	random 1000000 | tee in >&9 && until_true moved rt 900000 && exec 9>&- || return 1
	ended 0 put "${pids#* }" && ended 0 recv "${pids% *}" && [ ! -s recv.err ] && [ ! -s put.err ] ||
		return 1
	start recv bash -c 'trap "" HUP INT; exec vdi recv rt other'
	until_true there_is rt && kill -TERM "$(child_of "$pid")" && ended 143 recv "$pid"
}

test_abort_by_name() {
	local text='said "no" to \it'
	start_idle_pair || return 1
	run 0 vdi abort --json --code 42 --text "$text" rt && [ "$(jq -r .type "$out")" = vdi.abort ] ||
		return 1
	ended 4 recv "$recv" && ended 4 put "$put" || return 1
	exec 9>&-
	grep -qF "$text" recv.err && grep -qF "$text" put.err && grep -q ADMIN put.err || return 1
	run 1 vdi abort rt && line 'there is no such set: see vdi list' || return 1
	run 1 vdi stat rt && line 'there is no such set'
}

test_list_and_stat() {
	local name='a "b" ü'
	start recv vdi recv -n 3 "$name" null:
	until_true there_is "$name" || return 1
	run 0 vdi list --json && python3 - "$out" "$name" <<'END' || return 1
import json, sys, datetime
top = json.load(open(sys.argv[1]))
assert top["type"] == "vdi.list" and top["schema_version"] == 1, top
one, = [s for s in top["sets"] if s["name"] == sys.argv[2]]
assert one["devices"] == 3 and one["state"] == "configurable", one
assert one["server"] is None and one["abort"] is None and one["client"]["pid"] > 0, one
age = datetime.datetime.now(datetime.timezone.utc) - \
    datetime.datetime.strptime(one["created"], "%Y-%m-%dT%H:%M:%S.%f%z")
assert abs(age.total_seconds()) < 300, one["created"]
assert all(isinstance(one[k], int) for k in
           ("id", "bytes_written", "bytes_read", "hint_bytes", "area_bytes", "commands")), one
END
	run 0 vdi stat --json "$name" && [ "$(jq -r '.type, .name' "$out")" = "vdi.stat
$name" ] || return 1
	run 0 vdi stat "$name" && grep -q '^state *configurable' "$out" || return 1
	run 0 vdi list && grep -qF "$name" "$out" || return 1
	vdi abort "$name" && ended 4 recv "$pid" || return 1
	run 0 vdi list --json && [ "$(jq '.sets | length' "$out")" = 0 ]
}

test_progress() {
	mkfifo fifo
	exec 9<>fifo
	start recv vdi recv --progress always rt null:
	local recv=$pid
	start_in fifo put vdi put --transfer-size 64K rt
	random 1000000 >&9 && until_true moved rt 500000 || return 1
	kill -USR1 "$(child_of "$recv")" && until_true grep -q 'KiB .*iB/s  1 stripe' recv.err || return 1
	exec 9>&-
	ended 0 put "$pid" && ended 0 recv "$recv" || return 1
	grep -qE '^vdi: .*[KM]iB/s.*1 stripe' recv.err && ! grep -qE '%|ETA' recv.err
}

# Who aborted it and why can be read by a third party while the survivor lives.
test_reason_in_stat() {
	start recv vdi recv rt file
	local recv=$pid put client
	until_true there_is rt || return 1
	mkfifo fifo
	exec 9<>fifo
	start_in fifo put vdi put rt
	put=$(child_of "$pid")
	until_true state_is rt active || return 1
	client=$(child_of "$recv")
	kill -STOP "$client" && kill -KILL "$put" && until_true state_is rt aborted || return 1
	vdi stat rt >shown && grep -qE "^aborted +.*SERVER_DIED.*pid $put, uid 0" shown ||
		fail "$(cat shown)" || return 1
	[ "$(field rt '.abort.reason + " " + .abort.side + " " + (.abort.pid | tostring)')" = \
		"SERVER_DIED server $put" ] || return 1
	vdi list | grep -qE '^aborted .* rt$' || return 1
	kill -CONT "$client" && ended 4 recv "$recv" && exec 9>&- || return 1
	run 1 vdi stat rt && line "there is no such set"
}

# put and get go on to the next medium; that there is none is the end.
test_put_and_get_over_media() {
	local kind
	random 3500000 >in
	for kind in pipe tape disk; do
		start recv vdi recv --like "$kind" --removable --media-size 1M rt "$kind"
		until_true there_is rt || return 1
		run_in in 0 vdi put --transfer-size 64K rt && ended 0 recv "$pid" || return 1
		start send vdi send rt "$kind"
		until_true there_is rt || return 1
		timeout 120 vdi get --transfer-size 128K rt >back 2>get.err || fail "$(cat get.err)" ||
			return 1
		ended 0 send "$pid" && cmp in back && ! grep -q media send.err || return 1
	done
}

# The same name in two instances is two sets.
test_instances() {
	local one two
	random 300000 >in1
	random 400000 >in2
	start one vdi recv --instance PROD rt file1
	one=$pid
	start two vdi recv rt file2
	two=$pid
	until_true there_is rt && until_true vdi stat --instance PROD rt >/dev/null || return 1
	vdi list | grep -q '  PROD\\rt$' && vdi list | grep -q '  rt$' || return 1
	[ "$(vdi stat --instance PROD --json rt | jq -r .instance)" = PROD ] || return 1
	run_in in1 0 vdi put --instance PROD rt && ended 0 one "$one" || return 1
	there_is rt || return 1
	run_in in2 0 vdi put rt && ended 0 two "$two" || return 1
	start send vdi send --instance A rt file1
	until_true vdi stat --instance A rt >/dev/null || return 1
	run 1 vdi stat rt && line 'there is no such set' || return 1
	timeout 60 vdi get --instance A rt >back && cmp in1 back && ended 0 send "$pid" || return 1
	start recv vdi recv --instance A rt file3
	until_true vdi stat --instance A rt >/dev/null || return 1
	run 0 vdi abort --instance A rt && ended 4 recv "$pid" || return 1
	run 1 vdi recv --instance a/b rt file4 && line 'instance'
}

test_broken_stdout() {
	random 5000000 >in
	backup_stdin in file || return 1
	start send vdi send rt file
	timeout 60 vdi get rt 2>get.err | head -c 10 >/dev/null
	cp get.err "$err" && line 'stdout: Broken pipe' && ended 4 send "$pid"
}

# seconds BLOCKING COMMAND...: runs it, and writes to cpu what of a processor it took
seconds() {
	exec python3 -c 'import os, resource, subprocess, sys
os.set_blocking(1, sys.argv[1] == "True")
status = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(int(used.ru_utime + used.ru_stime), file=open("cpu", "w"))
sys.exit(status)' "$@"
}

# Nobody reads what get writes, and the set ends: so does get, and says why.
test_stdout_blocked() {
	local send blocking
	random 6000000 >in
	backup_stdin in file && mkfifo pipe && exec 8<>pipe || return 1
	for blocking in True False; do
		start send vdi send rt file 8>&-
		send=$pid
		until_true there_is rt || return 1
		seconds "$blocking" timeout -k 1 60 vdi get rt >pipe 2>get.err 8>&- &
		pid=$!
		children+=("$pid")
		until_true moved rt 1000000 && sleep 1 && vdi abort --text enough rt || return 1
		ended 4 get "$pid" && ended 4 send "$send" || return 1
		cp get.err "$err" && line 'aborted: somebody else .*enough' || return 1
		[ "$(cat cpu)" -lt 3 ] || fail "it took $(cat cpu) s of the processor" || return 1
		dd if=pipe of=/dev/null bs=64K count=1 status=none || return 1
	done
	exec 8>&-
}

# What a file system says only when all was written counts.
test_stdout_fails_late() {
	random 100000 >in
	backup_stdin in file || return 1
	start send vdi send rt file
	until_true there_is rt || return 1
	run 1 "$top/.build/selftests/syscall_fault" --log log --from fsync --files "$out" EIO 1 -- \
		vdi get rt && line 'stdout: Input/output error' && grep -q '^met fsync' log || return 1
	ended 4 send "$pid" && grep -q 'Input/output error' send.err || return 1
	# what knows no fsync() has no such errors
	start send vdi send rt file
	until_true there_is rt && vdi get rt >/dev/null && ended 0 send "$pid" || return 1
	start send vdi send rt file
	until_true there_is rt && vdi get rt | cmp - in && ended 0 send "$pid"
}

# What would go to, or come from, a closed descriptor is lost: that is no success.
# A set, or a file, must not be there instead.
test_closed_descriptors() {
	random 1000000 >in
	backup_stdin in file || return 1
	start send vdi send rt file
	run 1 bash -c 'vdi get rt >&-' && line 'stdout: Bad file descriptor' && ended 4 send "$pid" ||
		return 1
	start recv bash -c 'vdi recv rt - >&-'
	until_true there_is rt && run 1 bash -c 'vdi list >&-' && line "stdout can't be written" ||
		return 1
	run_in in 1 vdi put rt && ended 1 recv "$pid" && grep -q 'Bad file descriptor' recv.err ||
		return 1
	start recv vdi recv --allow-empty rt empty
	run 1 bash -c 'vdi put --allow-empty rt <&-' && line 'stdin: Bad file descriptor' || return 1
	ended 4 recv "$pid" && nothing_left empty || return 1
	# errors go nowhere, and into nothing
	start recv bash -c 'vdi recv --force -v rt file 2>&-'
	run_in in 0 bash -c 'vdi put -v rt 2>&-' && ended 0 recv "$pid" || return 1
	start send bash -c 'vdi send rt file >&- 2>&- <&-'
	vdi get rt >back && ended 0 send "$pid" && cmp in back || return 1
	run 1 bash -c 'vdi send rt nothing 2>&-' && [ ! -s "$err" ]
}

listed() {
	[ "$(vdi list | wc -c)" -gt "$1" ]
}

# What was not printed is no success, whatever could be printed later.
test_stdout_full() {
	local i v name fault=("$top/.build/selftests/syscall_fault" --log log --files "$out" ENOSPC 1 --)
	start recv vdi recv rt null:
	until_true there_is rt || return 1
	for v in list 'stat rt' doctor 'abort rt'; do
		run 1 bash -c "vdi $v --json >/dev/full" && line "stdout can't be written" || return 1
	done
	ended 4 recv "$pid" || return 1
	# more than fits into a buffer
	name=$(printf 'x%.0s' {1..240})
	for ((i = 0; i < 14; i++)); do
		start recv vdi recv "$name.$i" null:
	done
	until_true listed 4200 || return 1
	run 1 "${fault[@]}" vdi list && line "stdout can't be written" || return 1
	grep -q '^met write' log && [ -s "$out" ] || return 1
	for ((i = 0; i < 14; i++)); do
		vdi abort "$name.$i" || return 1
	done
	run 1 "${fault[@]}" vdi selftest --list && line "stdout can't be written" || return 1
	TMPDIR=$PWD run 1 "${fault[@]}" vdi selftest --size 1M --only backup/connect \
		--backup 'vdi recv -q {} {medium}' --restore 'vdi send -q {} {medium}' || return 1
	line "stdout can't be written" && grep -q ' 0 failed' "$out"
}

# The programs that the documents show work, with each other and with vdi.
test_example_programs() {
	local f
	random 3000000 >in
	for f in receive serve; do
		run 0 gcc -Wall -Werror "$top/userspace/examples/$f.c" -o "$f" \
			-I "$top/.build/user/include" -L "$top/.build/user/lib" -lvdi || return 1
	done
	start receive ./receive rt
	run_in in 0 vdi put rt && ended 0 receive "$pid" && cmp in receive.out || return 1
	start receive ./receive rt
	until_true there_is rt && run_in in 0 ./serve rt && ended 0 receive "$pid" &&
		cmp in receive.out || return 1
	start recv vdi recv rt file
	until_true there_is rt && run_in in 0 ./serve rt && ended 0 recv "$pid" || return 1
	restore_stdout file back && cmp in back
}

# An engine that fails after all was answered and before it closes: the target,
# final by then, is withdrawn, and what it replaced is back.
test_withdrawn() {
	local how
	random 3000000 >in
	sed 's/ret = vdi_server_close_device(device)/return failed("second thoughts", -EIO)/' \
		"$top/userspace/examples/serve.c" >serve.c
	run 0 gcc serve.c -o serve -I "$top/.build/user/include" -L "$top/.build/user/lib" -lvdi ||
		return 1
	echo precious >file
	for how in --force -q; do
		start recv vdi recv "$how" rt file
		until_true there_is rt && run_in in 1 ./serve rt && ended 4 recv "$pid" || return 1
		cp recv.err "$err" && said 'the engine aborted .*second thoughts' || return 1
		nothing_left file.old && [ "$(stat -c %s file.partial)" -gt 3000000 ] || return 1
		[ "$how" = -q ] || grep -qx precious file || return 1
		mv file.partial file && run 6 vdi send rt file && line 'never finished' || return 1
		rm file
	done
	start recv vdi recv rt dir/
	until_true there_is rt && run_in in 1 ./serve rt && ended 4 recv "$pid" || return 1
	nothing_left dir && [ "$(ls dir.partial)" = stripe-01-of-01.vdb.partial ]
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
