#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The end of a backup: a failing Flush or Complete fails it on the engine's side,
# a client that can't finish fails Complete and leaves no target, Flush may come
# more than once, and what ends the client after Complete comes too late.  The
# engine that ends the set there is cli_test's (withdrawn); each system call about
# that moment is commit_test's.

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$top/.build/selftests:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

# bent NAME SED-SCRIPT: builds an example program that behaves otherwise
bent() {
	sed "$2" "$top/userspace/examples/$1.c" >"$1.c"
	! cmp -s "$1.c" "$top/userspace/examples/$1.c" || fail "$1 is not bent" || return 1
	run 0 gcc "$1.c" -o "$1" -I "$top/.build/user/include" -L "$top/.build/user/lib" -lvdi
}

# fails COMMAND CODE WORDS: a client whose answer to that command is the code
fails() {
	head -c 300000 /dev/urandom >in
	bent receive "s/^static uint32_t carry_out(.*/static uint32_t real_carry_out(const struct vdi_client_command *command);\n\
static uint32_t carry_out(const struct vdi_client_command *command)\n\
{\n\
	return command->code == $1 ? $2 : real_carry_out(command);\n\
}\n\n\
static uint32_t real_carry_out(const struct vdi_client_command *command)/" || return 1
	start receive ./receive rt
	until_true there_is rt && run_in in 1 vdi put rt && line "$3" || return 1
	# all the data had been taken: what failed is the end
	until_true gone && cmp in receive.out
}

gone() {
	! there_is rt
}

test_complete_fails() {
	fails VDI_CMD_COMPLETE VDI_CODE_DISK_FULL 'Complete on rt was answered'
}

test_flush_fails() {
	fails VDI_CMD_FLUSH VDI_CODE_DISK_FULL 'Flush on rt was answered'
}

# The target's name is taken while the stream comes: nothing is overwritten.
test_target_appears_meanwhile() {
	mkfifo stream
	exec 9<>stream
	start recv vdi recv rt file
	recv=$pid
	until_true there_is rt || return 1
	# two descriptors: the writer's end is closed for the end of the stream
	timeout 120 vdi put rt <stream >put.out 2>put.err 9>&- &
	put=$!
	children+=("$put")
	head -c 9000000 /dev/urandom >&9 && until_true moved rt 100000 || return 1
	echo precious >file
	exec 9>&-
	ended 1 put "$put" && grep -q 'Complete on rt was answered' put.err || return 1
	wait "$recv" && fail "recv succeeded"
	grep -qx precious file
}

# engine_at WORD: an engine behind the fifo "go" that has come so far in its script
engine_at() {
	[ -p go ] || mkfifo go
	exec 9<>go
	timeout 120 media_engine rt write 3<go >engine.out &
	engine=$!
	children+=("$engine")
	until_true grep -q "$1" engine.out
}

engine_goes_on() {
	echo go >&9
	exec 9>&-
	wait "$engine" || fail "$(cat engine.out)"
}

# Another one takes PATH.partial for what was left, at the moment it becomes PATH.
test_committed_while_opened() {
	preload <<-'END' || return 1
		int flock(int fd, int operation)
		{
			static int waited;

			if (!waited++) {
				close(open("at", O_WRONLY | O_CREAT, 0600));
				while (access("on", F_OK))
					usleep(10000);
			}
			return syscall(SYS_flock, fd, operation);
		}
	END
	start recv vdi recv rt file
	recv=$pid
	engine_at flushed <<-'END' || return 1
		write 65536 1
		flush
		sync flushed
		complete
	END
	start other env LD_PRELOAD="$PWD/preload.so" vdi recv --connect-timeout 2 other file
	until_true test -e at || return 1
	engine_goes_on && ended 0 recv "$recv" && touch on || return 1
	wait "$pid"
	[ "$(stat -c %s file)" -gt 65536 ] || fail "file has $(stat -c %s file) bytes" || return 1
	ended 8 other "$pid" && grep -q 'file exists: choose another name' other.err &&
		nothing_left file.partial
}

# The backup has its name, and the engine is still to abort it: engine_goes_on.
promised() {
	start recv vdi recv rt file
	engine_at completed <<-'END'
		write 65536 1
		flush
		complete
		sync completed
		abort
	END
}

# Until the engine has ended its backup may lose its name: none is replaced before.
test_replaced_before_the_end() {
	promised || return 1
	run 8 vdi recv --connect-timeout 2 --force other file &&
		line 'file is not yet settled: wait for the vdi that wrote it' || return 1
	engine_goes_on && ended 4 recv "$pid" && nothing_left file && [ -f file.partial ]
}

# A name that somebody has given to something else is not ours to take.
test_name_becomes_others() {
	promised || return 1
	echo precious >x && mv x file || return 1
	engine_goes_on && ended 4 recv "$pid" && grep -qx precious file && nothing_left file.partial
}

test_temporary_name_becomes_others() {
	start recv vdi recv rt file
	engine_at flushed <<-'END' || return 1
		write 65536 1
		flush
		sync flushed
		complete	= 1117
	END
	echo precious >x && mv x file.partial || return 1
	engine_goes_on && ended 1 recv "$pid" && nothing_left file && grep -qx precious file.partial ||
		return 1
	grep -q 'somebody has moved, removed or replaced its .partial' recv.err
}

# Three in the middle, with data after each, then as ever.
test_flush_more_than_once() {
	head -c 5000000 /dev/urandom >in
	bent serve 's/ret = carry_out(device, VDI_CMD_WRITE, offset, size);/{\
		ret = carry_out(device, VDI_CMD_WRITE, offset, size);\
		if (!ret)\
			ret = carry_out(device, VDI_CMD_FLUSH, 0, 0);\
	}/' || return 1
	start recv vdi recv rt file
	until_true there_is rt && run_in in 0 ./serve rt && ended 0 recv "$pid" || return 1
	start send vdi send rt file
	vdi get rt >back && ended 0 send "$pid" && cmp in back
}

# While a slow disk takes one stripe's Flush, no engine owes the other one a command.
test_busy_is_not_idle() {
	preload <<-'END' || return 1
		int fsync(int fd)
		{
			static int slow = 1;

			if (__sync_fetch_and_sub(&slow, 1) == 1)
				sleep(7);
			return syscall(SYS_fsync, fd);
		}
	END
	start recv env LD_PRELOAD="$PWD/preload.so" vdi recv -n 2 --idle-timeout 3s rt dir
	timeout 120 media_engine rt write >engine.out <<-'END' || fail "$(cat engine.out)" || return 1
		write 65536 1
		dev 1
		write 65536 2
		flush
		dev 0
		flush
		complete
		dev 1
		complete
	END
	ended 0 recv "$pid" && nothing_left dir.partial
}

# late HOW: the set ends when Complete was answered and no device is closed yet
late() {
	case $1 in
	interrupted)	kill -INT "$recv" ;;
	aborted)	run 0 vdi abort rt ;;
	killed)		kill -KILL "$(child_of "$recv")" ;;
	esac
}

# The engine was told of success, so there is a backup, and recv says so.
test_ended_after_complete() {
	local how engine status
	mkfifo go
	for how in interrupted aborted killed; do
		exec 9<>go
		echo precious >file
		start recv vdi recv --force rt file
		recv=$pid
		timeout 120 media_engine rt write 3<go >engine.out <<-'END' &
			write 65536 1
			flush
			complete
			sync completed
		END
		engine=$!
		until_true grep -q completed engine.out && late "$how" || return 1
		status=0
		[ "$how" != killed ] || status=137
		ended "$status" recv "$recv" || fail "$how" || return 1
		echo go >&9
		exec 9>&-
		wait "$engine" || fail "$how: the engine failed: $(cat engine.out)" || return 1
		[ "$how" = killed ] || grep -q 'told of success' recv.err ||
			fail "$how: recv says nothing: $(cat recv.err)" || return 1
		until_true nothing_left file.old file.partial || return 1
		start send vdi send rt file
		vdi get rt >back && ended 0 send "$pid" && [ "$(stat -c %s back)" = 65536 ] ||
			fail "$how: it can't be restored" || return 1
		rm file
	done
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
