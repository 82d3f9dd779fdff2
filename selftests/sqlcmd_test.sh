#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vdi-sqlcmd as a program: its options, the scripts it reads, and what it says of
# each statement that it can't carry out.  What it does with a set is tested by
# sqlcmd_set_test.sh.  Needs the module loaded and root.
#
# usage: sqlcmd_test.sh [TEST]...
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"
export VDI_SQLCMD_WAIT=0	# no client is to come

# The output is exactly this.
prints() {
	[ "$(cat "$out")" = "$1" ] || fail "not '$1' but: $(cat "$out")"
}

# A directory with the database x
databases() {
	mkdir db && export VDI_SQLCMD_DATABASES=$PWD/db && sqlite3 db/x.db 'CREATE TABLE t(a)'
}

test_usage() {
	run 0 vdi-sqlcmd '-?' && grep -q '^Usage: vdi-sqlcmd' "$out" || return 1
	run 1 vdi-sqlcmd -z && said "^Sqlcmd: '-z': Unknown Option. Enter '-\\?' for help.\$" || return 1
	run 1 vdi-sqlcmd -bEz && said "^Sqlcmd: '-z': Unknown Option" || return 1
	run 1 vdi-sqlcmd -Q && said "^Sqlcmd: '-Q': Missing argument" || return 1
	run 1 vdi-sqlcmd -U -P x && said "^Sqlcmd: '-U': Missing argument" || return 1
	run 1 vdi-sqlcmd word && said "^Sqlcmd: 'word': Unexpected argument" || return 1
	run 1 vdi-sqlcmd -t soon && said "'-t': Invalid argument" || return 1
	run 1 vdi-sqlcmd -r2 && said "'-r': Invalid argument" || return 1
	run 1 vdi-sqlcmd -i none && said "'none': Invalid filename" || return 1
	run 1 vdi-sqlcmd -i none -Q x && said 'The i and the Q options are mutually exclusive' || return 1
	run 1 vdi-sqlcmd -o no/dir -Q x && said "'no/dir': Invalid filename" || return 1
	run 1 vdi-sqlcmd -v 'a b' && said 'NAME=VALUE is expected'
}

# As programs give them: in one word or two, many of no meaning here
test_options() {
	databases || return 1
	run 0 vdi-sqlcmd -S localhost,1433 -U sa -P '-pw' -d master -l 30 -h -1 -W -w 200 -s '|' \
		-x -I -C -N -a 4096 -H host -K ReadOnly -y 0 -Y 0 -X1 -k1 -j -R -b -Q "PRINT 'a'" &&
		prints a || return 1
	run 0 vdi-sqlcmd -S. -Usa -Psecret -E -l30 -h-1 -dx -w200 -No -bQ"PRINT 'a'" && prints a ||
		return 1
	run 0 vdi-sqlcmd -b -Q '' && prints '' || return 1
	run 0 vdi-sqlcmd -o out -Q "PRINT 'a'" && prints '' && [ "$(cat out)" = a ] || return 1
	run 1 vdi-sqlcmd -d nothing -Q "PRINT 'a'" &&
		grep -q 'Msg 4060.*' "$out" && grep -q 'Cannot open database "nothing"' "$out" || return 1
	run 0 vdi-sqlcmd -v a=1 b="two words" -v c='"q"' -Q "PRINT '\$(a) \$(B) \$(c) \$x'" &&
		prints "1 two words q \$x" || return 1
	run 0 vdi-sqlcmd -x -v a=1 -Q "PRINT '\$(a)'" && prints "\$(a)" || return 1
	run 1 vdi-sqlcmd -Q "PRINT '\$(nothing)'" && said "^'nothing' scripting variable not defined"
}

test_exit_status() {
	databases || return 1
	run 0 vdi-sqlcmd -Q 'FOO' && grep -q '^Msg 102, Level 15, State 1, Server .*, Line 1$' "$out" ||
		return 1
	run 1 vdi-sqlcmd -b -Q 'FOO' || return 1
	run 0 vdi-sqlcmd -b -V 16 -Q 'FOO' && run 1 vdi-sqlcmd -b -V 15 -Q 'FOO' || return 1
	run 0 vdi-sqlcmd -m 16 -Q 'FOO' && prints '' && run 1 vdi-sqlcmd -b -m16 -Q 'FOO' || return 1
	run 0 vdi-sqlcmd -r -Q "PRINT 'a' FOO" && prints '' && said '^Msg 102' || return 1
	run 0 vdi-sqlcmd -r0 -Q "PRINT 'a'" && prints a || return 1
	run 0 vdi-sqlcmd -r1 -Q "PRINT 'a'" && prints '' && said '^a$'
}

# A password is neither shown nor kept where ps can see it.
test_password() {
	mkfifo fifo
	exec 9<>fifo
	start_in fifo it vdi-sqlcmd -U sa -P verysecret -P other -Pthird
	echo "PRINT 'up'
GO" >&9
	until_true grep -q up it.out || return 1
	! tr '\0' ' ' <"/proc/$(child_of "$pid")/cmdline" | grep -E 'verysecret|other|third' ||
		fail "ps shows it" || return 1
	exec 9>&-
	ended 0 it "$pid" && ! grep -r secret it.out it.err
}

# script TEXT, then what is to be printed
script() {
	printf '%b' "$1" >script.sql
	run "${3:-0}" vdi-sqlcmd -b -i script.sql && prints "$2" || return 1
	# the same from stdin
	run_in script.sql "${3:-0}" vdi-sqlcmd -b && prints "$2"
}

test_scripts() {
	databases || return 1
	script "PRINT 'a'\nGO\nPRINT 'b'\n" $'a\nb' && script "PRINT 'a';PRINT 'b'" $'a\nb' || return 1
	script "PRINT 'a'\n  go 3  \n" $'a\na\na' && script "PRINT 'a'\r\nGO\r\n" a || return 1
	script "\xef\xbb\xbfPRINT 'a'" a && script '' '' && script "GO\nGO\n" '' || return 1
	script "/* \nGO\n/* nested */ PRINT 'b' */ PRINT 'a' -- GO\nGO" a || return 1
	script "PRINT 'a\nGO\nb'\nGO" $'a\nGO\nb' && script "PRINT 'it''s'\nGO\n" "it's" || return 1
	script "PRINT 'a'\nGO\nexit\nPRINT 'b'\n" a && script "PRINT 'a'\nquit\n" '' || return 1
	script "PRINT 'b'\n:reset\nPRINT 'a'\n" a || return 1
	script ":setvar v \"x y\"\nPRINT '\$(v)'\n" 'x y' || return 1
	script "USE [x]\nGO\nUSE master;SET NOCOUNT ON SET LANGUAGE us_english" \
		"Changed database context to 'x'.
Changed database context to 'master'." || return 1
	run 1 vdi-sqlcmd -i script.sql,none && said "'none'" || return 1
	printf ':r other\n' >bad.sql
	run 1 vdi-sqlcmd -i bad.sql && said "Syntax error at line 1 near command ':r other' in file 'bad.sql'"
}

# What follows an error: the rest of the batch never, the next batch unless -b
test_errors_in_scripts() {
	printf "PRINT 'a'\nFOO\nGO\nPRINT 'b'\n" >s.sql
	run 0 vdi-sqlcmd -i s.sql && ! grep -qx a "$out" && grep -qx b "$out" || return 1
	grep -q 'Line 2$' "$out" || fail "the wrong line" || return 1
	run 1 vdi-sqlcmd -b -i s.sql && ! grep -qx b "$out" || return 1
	printf ":on error exit\nFOO\nGO\nPRINT 'b'\n" >s.sql
	run 1 vdi-sqlcmd -i s.sql && ! grep -qx b "$out" || return 1
	printf 'PRINT \0 1' >s.sql
	run 1 vdi-sqlcmd -b -i s.sql && grep -q 'near a byte of 0' "$out"
}

# Statement | number, level | line | text.  In a statement ~ is a new line, and
# V is VIRTUAL_DEVICE.
statements() {
	cat <<'END'
BACKUP DATABASE x TO V='s' WITH FOO|155, Level 15|1|'FOO' is not a recognized BACKUP option.
BACKUP DATABASE x TO~V='s'~WITH INIT,~ REPLACE|155, Level 15|4|'REPLACE' is not a recognized BACKUP option.
restore database y from V='s' with init|155, Level 15|1|'init' is not a recognized RESTORE option.
RESTORE VERIFYONLY FROM V='s' WITH REPLACE|155, Level 15|1|'REPLACE' is not a recognized RESTORE option.
BACKUP DATABASE x TO V='s' WITH|102, Level 15|1|Incorrect syntax: the statement is not complete.
BACKUP DATABASE x TO V='s' WITH INIT,|102, Level 15|1|Incorrect syntax: the statement is not complete.
BACKUP DATABASE x TO V='s' INIT|102, Level 15|1|Incorrect syntax near 'INIT'.
BACKUP DATABASE x TO V='s' WITH INIT FORMAT|102, Level 15|1|Incorrect syntax near 'FORMAT'.
BACKUP DATABASE x TO V='s', WITH INIT|156, Level 15|1|Incorrect syntax near the keyword 'WITH'.
BACKUP DATABASE x TO V 's'|102, Level 15|1|Incorrect syntax near 's'.
BACKUP DATABASE x TO V=s|102, Level 15|1|Incorrect syntax near 's'.
BACKUP DATABASE x TO V=@s|137, Level 15|1|Must declare the scalar variable "@s".
BACKUP DATABASE @x TO V='s'|137, Level 15|1|Must declare the scalar variable "@x".
BACKUP DATABASE x FROM V='s'|156, Level 15|1|Incorrect syntax near the keyword 'FROM'.
RESTORE DATABASE y TO V='s'|156, Level 15|1|Incorrect syntax near the keyword 'TO'.
BACKUP DATABASE TO V='s'|156, Level 15|1|Incorrect syntax near the keyword 'TO'.
BACKUP x TO V='s'|102, Level 15|1|Incorrect syntax near 'x'.
BACKUP|102, Level 15|1|Incorrect syntax: the statement is not complete.
BACKUP DATABASE 'x' TO V='s'|102, Level 15|1|Incorrect syntax near 'x'.
BACKUP DATABASE [] TO V='s'|1038, Level 15|1|An object or column name is missing or empty.
BACKUP DATABASE "" TO V='s'|1038, Level 15|1|An object or column name is missing or empty.
BACKUP DATABASE x TO DISK='/a'|3032, Level 16|1|A device of type DISK is not supported: only VIRTUAL_DEVICE is.
BACKUP DATABASE x TO MyDevice|102, Level 15|1|Incorrect syntax near 'MyDevice'.
BACKUP DATABASE x TO V='s' MIRROR TO V='t'|3032, Level 16|1|MIRROR TO is not supported.
BACKUP DATABASE x TO V='s~b|105, Level 15|1|Unclosed quotation mark after the character string 's
BACKUP DATABASE x TO V='s' /* no end|113, Level 15|1|Missing end comment mark '*/'.
~/* a ~ /* b */~*/ BACKUP DATABASE x TO V='s') -- c|102, Level 15|4|Incorrect syntax near ')'.
SELECT @@VERSION|40510, Level 16|1|Statement 'SELECT' is not supported: only BACKUP, RESTORE, USE, SET and PRINT are.
PRINT 'a';~EXEC sp_who|40510, Level 16|2|Statement 'EXEC' is not supported
FOO|102, Level 15|1|Incorrect syntax near 'FOO'.
SET FOO ON|195, Level 15|1|'FOO' is not a recognized SET option.
SET NOEXEC ON|195, Level 15|1|'NOEXEC' is not a recognized SET option.
SET NOCOUNT|102, Level 15|1|Incorrect syntax: the statement is not complete.
USE nothing|911, Level 16|1|Database 'nothing' does not exist. Make sure that the name is entered correctly.
USE x y|102, Level 15|1|Incorrect syntax near 'y'.
PRINT x|102, Level 15|1|Incorrect syntax near 'x'.
BACKUP DATABASE nothing TO V='s'|911, Level 16|1|Database 'nothing' does not exist.
~~BACKUP DATABASE nothing TO V='s'|911, Level 16|3|Database 'nothing' does not exist.
BACKUP DATABASE [../db/x] TO V='s'|911, Level 16|1|Database '../db/x' does not exist.
BACKUP DATABASE [.x] TO V='s'|911, Level 16|1|Database '.x' does not exist.
BACKUP DATABASE [a/x] TO V='s'|911, Level 16|1|Database 'a/x' does not exist.
RESTORE DATABASE [../y] FROM V='s'|911, Level 16|1|Database '../y' does not exist.
BACKUP DATABASE [a]]b] TO V='s'|911, Level 16|1|Database 'a]b' does not exist.
BACKUP DATABASE "a""b" TO V='s'|911, Level 16|1|Database 'a"b' does not exist.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=513|3217, Level 16|1|Invalid value specified for BLOCKSIZE parameter.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=256|3217, Level 16|1|Invalid value specified for BLOCKSIZE parameter.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=131072|3217, Level 16|1|Invalid value specified for BLOCKSIZE parameter.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=99999999999999999999999|3217, Level 16|1|Invalid value specified for BLOCKSIZE
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=-1|102, Level 15|1|Incorrect syntax near '-'.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE=64K|102, Level 15|1|Incorrect syntax near '64K'.
BACKUP DATABASE x TO V='s' WITH BLOCKSIZE|102, Level 15|1|Incorrect syntax: the statement is not complete.
BACKUP DATABASE x TO V='s' WITH MAXTRANSFERSIZE=0|3217, Level 16|1|Invalid value specified for MAXTRANSFERSIZE parameter.
BACKUP DATABASE x TO V='s' WITH MAXTRANSFERSIZE=100000|3217, Level 16|1|Invalid value specified for MAXTRANSFERSIZE
BACKUP DATABASE x TO V='s' WITH MAXTRANSFERSIZE=4259840|3217, Level 16|1|Invalid value specified for MAXTRANSFERSIZE
BACKUP DATABASE x TO V='s' WITH BUFFERCOUNT=0|3217, Level 16|1|Invalid value specified for BUFFERCOUNT parameter.
BACKUP DATABASE x TO V='s' WITH STATS=0|3217, Level 16|1|Invalid value specified for STATS parameter.
BACKUP DATABASE x TO V='s' WITH STATS=101|3217, Level 16|1|Invalid value specified for STATS parameter.
RESTORE DATABASE y FROM V='s' WITH FILE=0|3217, Level 16|1|Invalid value specified for FILE parameter.
BACKUP DATABASE x TO V='s' WITH INIT, NOINIT|3031, Level 16|1|Option 'NOINIT' conflicts
RESTORE DATABASE y FROM V='s' WITH RECOVERY, NORECOVERY|3031, Level 16|1|Option 'NORECOVERY' conflicts
BACKUP DATABASE x TO V='s' WITH DIFFERENTIAL|3035, Level 16|1|Cannot perform a differential backup for database "x"
BACKUP DATABASE x TO V='s' WITH SNAPSHOT|3032, Level 16|1|One or more of the options (SNAPSHOT) are not supported
BACKUP DATABASE x TO V='s' WITH PASSWORD='p'|3032, Level 16|1|One or more of the options (PASSWORD) are not supported
RESTORE DATABASE y FROM V='s' WITH MOVE 'a' TO '/b', REPLACE|3032, Level 16|1|One or more of the options (MOVE)
RESTORE DATABASE y FROM V='s' WITH MOVE 'a' '/b'|102, Level 15|1|Incorrect syntax near '/b'.
RESTORE HEADERONLY FROM V='s'|3032, Level 16|1|RESTORE HEADERONLY is not supported
RESTORE FILELISTONLY FROM V='s' WITH FILE=1|3032, Level 16|1|RESTORE FILELISTONLY is not supported
BACKUP LOG x TO V='s'|4208, Level 16|1|The statement BACKUP LOG is not allowed
BACKUP LOG nothing TO V='s'|911, Level 16|1|Database 'nothing' does not exist.
RESTORE LOG y FROM V='s'|3117, Level 16|1|The log or differential backup cannot be restored
RESTORE DATABASE x FROM V='s'|3159, Level 16|1|The tail of the log for the database "x" has not been backed up
BACKUP DATABASE x TO V=''|3044, Level 16|1|Invalid zero-length device name.
BACKUP DATABASE x TO V='s', V='s'|3032, Level 16|1|The device 's' is named twice
BACKUP DATABASE x TO V='s'|3201, Level 16|1|Cannot open backup device 's'. Operating system error 0x80070002(The system cannot find the file specified.).
backup database X to v='it''s' with format, noskip, name=N'a', description="b", stats, checksum, copy_only|911, Level 16|1|Database 'X'
backup~database~[x]~to~V~=~N'it''s'~with~format~,~noskip,name=N'a''b',medianame='m',stats=5,compression(algorithm=x);|3201, Level 16|1|Cannot open backup device 'it's'.
END
}

test_statements() {
	local statement number line text n=0
	databases || return 1
	while IFS='|' read -r statement number line text; do
		n=$((n + 1))
		run 1 vdi-sqlcmd -b -Q "${statement//\~/$'\n'}" || return 1
		grep -qE "^Msg $number.*, Line $line\$" "$out" && grep -qF "$text" "$out" ||
			fail "$statement: $(cat "$out")" || return 1
		# only one that was begun is also "terminating abnormally"
		case $number in
		*15) [ "$(grep -c '^Msg' "$out")" = 1 ] || fail "$statement: too many" || return 1 ;;
		esac
	done < <(statements | sed -E 's/\bV\b/VIRTUAL_DEVICE/g; s/\bv\b/virtual_device/g')
	[ "$n" -gt 70 ] || fail "only $n statements"
}

test_too_many_devices() {
	local list='' i
	databases || return 1
	for ((i = 0; i < 64; i++)); do
		list+="${list:+,}VIRTUAL_DEVICE='d$i'"
	done
	run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x TO $list" && grep -q '^Msg 3201' "$out" || return 1
	run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x TO $list,VIRTUAL_DEVICE='e'" &&
		grep -q '^Msg 3205' "$out" &&
		grep -q 'Too many backup devices specified for backup or restore; only 64 are allowed.' "$out" ||
		return 1
	run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE [$(printf 'n%.0s' {1..129})] TO VIRTUAL_DEVICE='s'" &&
		grep -q "^Msg 103, Level 15" "$out" || return 1
	run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x TO VIRTUAL_DEVICE='$(printf 'n%.0s' {1..256})'" &&
		grep -q "^Msg 3058" "$out"
}

# Names are as in the statement, whatever is in them.
test_names() {
	local name
	databases || return 1
	for name in 'a b' "o'clock" 'x]y' 'säulen' 'with' '-'; do
		cp db/x.db "db/$name.db"
		run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE [${name//]/]]}] TO VIRTUAL_DEVICE='s'" &&
			grep -q '^Msg 3201' "$out" || return 1
	done
	export VDI_SQLCMD_DATABASES=$PWD/no
	run 1 vdi-sqlcmd -b -Q "BACKUP DATABASE x TO VIRTUAL_DEVICE='s'" && grep -q '^Msg 911' "$out"
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
