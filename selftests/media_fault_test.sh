#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Media that are damaged, missing or full, and backups that end badly: nothing
# is left that looks like a good one, and nothing of it is restored.
#
# usage: media_fault_test.sh [TEST]...
set -u

# shellcheck source=selftests/media.sh
. "$(dirname "$0")/media.sh"

# One byte of a file is changed.
flip() {
	python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 0x40]))' "$1" "$2"
}

fresh() {
	rm -rf dir && cp -r good dir
}

test_missing_media() {
	some_media good || return 1
	fresh && rm dir/stripe-01-of-02.vdb
	refused dir 'medium 1 of stripe 1 is missing: nothing is restored' || return 1
	fresh && rm dir/stripe-01-of-02.002.vdb
	refused dir 'medium 2 of stripe 1 is missing' || return 1
	fresh && rm dir/stripe-02-of-02.003.vdb
	refused dir 'medium 3 of stripe 2 is missing' || return 1
	fresh && rm dir/stripe-02-of-02*
	refused dir 'stripe 2 of 2 is missing' || return 1
	refused good/stripe-01-of-02.vdb 'medium 2 of stripe 1 is missing' || return 1
	fresh && cp dir/stripe-01-of-02.002.vdb dir/stripe-01-of-02.003.vdb
	refused dir 'medium 2 of stripe 1 is there twice' || return 1
	# in which file a medium is says nothing: it knows its own number
	fresh && mv dir/stripe-01-of-02.vdb x && mv dir/stripe-02-of-02.003.vdb dir/stripe-01-of-02.vdb &&
		mv x dir/stripe-02-of-02.003.vdb && restore dir <<<'read 4096 = 0 4096 1+0:4096'
}

test_damaged_media() {
	local size second=dir/stripe-01-of-02.002.vdb
	some_media good && some_media other || return 1
	size=$(stat -c %s good/stripe-01-of-02.vdb)
	fresh && cp other/stripe-01-of-02.002.vdb "$second"
	refused dir 'is foreign: it belongs to another backup' || return 1
	fresh && flip "$second" 5000
	refused dir 'stripe 1 of 2, medium 2: is damaged .the checksum of its data' || return 1
	fresh && flip dir/stripe-01-of-02.vdb $((size - 140))
	refused dir 'stripe-01-of-02.vdb: is damaged .its table of filemarks' || return 1
	fresh && flip "$second" 330
	refused dir 'checksum of its header' || return 1
	fresh && truncate -s -1 "$second"
	refused dir 'truncated' || return 1
	fresh && truncate -s 4096 "$second"
	refused dir 'truncated' || return 1
	fresh && flip "$second" $(($(stat -c %s "$second") - 60))
	refused dir 'checksum of its trailer' || return 1
	fresh && cat other/stripe-02-of-02.vdb good/stripe-01-of-02.002.vdb >"$second"
	refused dir 'foreign' || return 1
	fresh && head -c 3000 other/stripe-02-of-02.vdb | cat - good/stripe-01-of-02.002.vdb >"$second"
	refused dir 'checksum of its header|not as long' || return 1
	# all of them in one file is the same as each in its own
	fresh && rm dir/*01-of* && cat good/stripe-01-of-02{,.002,.003}.vdb >dir/all.vdb
	restore dir <<<'read 4096 = 0 4096 1+0:4096'
}

test_damaged_disk() {
	backup file --like disk <<-'END' || return 1
		write 65536 1 @0
		write 65536 2 @10485760
		flush
		complete
	END
	cp --sparse=always file good && flip file 5000 && refused file 'checksum of its data' || return 1
	cp good file && flip file $((4096 + 10485760 + 60000)) && refused file 'of its data' || return 1
	# in a hole
	cp good file && flip file 5000000 && refused file 'of its data' || return 1
	# one that was filled is the same
	cp --sparse=never good file && restore file <<<'read 65536 @10485760 = 0 65536 2+0:65536'
}

# A medium that comes later is changed while an earlier one is read.
test_changed_while_read() {
	some_media dir || return 1
	mkfifo go
	start send vdi send rt dir
	exec 9<>go
	media_engine rt read 3<go >engine.out <<-'END' &
		read 131072
		sync here
		load 1		= 1117
	END
	local engine=$!
	until_true grep -q here engine.out || return 1
	flip dir/stripe-01-of-02.002.vdb 5000 && echo go >&9
	exec 9>&-
	wait "$engine" || fail "$(cat engine.out)" || return 1
	ended 1 send "$pid" && cp send.err "$err" && line 'changed by somebody while it was read'
}

# Wherever it is killed: no backup is there that looks like one.
test_kill() {
	local at engine
	mkfifo go
	for at in 1 2 3; do
		exec 9<>go
		start recv vdi recv --like tape --media-size 1M rt dir/
		media_engine rt both 3<go >engine.out <<-'END' &
			write 65536 1
			mark
			sync at1
			load 1
			write 65536 2
			sync at2
			flush
			load 1
			sync at3
			complete
		END
		engine=$!
		until [ "$(tail -n 1 engine.out)" = "at$at" ]; do
			until_true grep -q '^at' engine.out || return 1
			[ "$(tail -n 1 engine.out)" = "at$at" ] || echo go >&9
			sleep 0.1
		done
		kill -KILL "$(child_of "$pid")"
		wait "$pid"
		echo go >&9
		exec 9>&-
		wait "$engine" && fail 'the engine saw nothing' && return 1
		nothing_left dir && [ -d dir.partial ] && refused dir.partial 'unfinished' || return 1
		mv dir.partial dir
		run 1 vdi send rt dir && line 'no stripe' || return 1
		# even if somebody names the files as good ones are
		for f in dir/*.partial; do
			mv "$f" "${f%.partial}"
		done
		run 6 vdi send rt dir || return 1
		rm -r dir
	done
}

# The engine aborts after all was answered: the media lose their names again.
test_withdrawn() {
	local target
	for target in dir/ file; do
		start recv vdi recv --like tape rt "$target"
		engine both <<-'END' || return 1
			write 65536 1
			load 1
			write 65536 2
			complete
			abort
		END
		ended 4 recv "$pid" && nothing_left "${target%/}" || return 1
		mv "${target%/}.partial" x
		[ -f x ] || for f in x/*.partial; do mv "$f" "${f%.partial}"; done
		run 6 vdi send rt x && rm -r x || return 1
	done
}

test_discard() {
	local target
	echo precious >file
	mkdir dir
	for target in file dir/; do
		start recv vdi recv --like tape --force rt "$target"
		engine both <<-'END' || return 1
			write 65536 1
			load 1
			write 65536 2
			discard
			write 65536 3	= 1117 0
			clear
			complete	= 1117
		END
		ended 4 recv "$pid" && cp recv.err "$err" && line 'discarded its backup: nothing is kept' ||
			return 1
		nothing_left "${target%/}.partial" "${target%/}.old" || return 1
	done
	grep -qx precious file && [ -z "$(ls dir)" ] || return 1
	# one of two devices: the other's good end does not help
	start recv vdi recv --like disk -n 2 rt two
	engine both <<-'END' || return 1
		write 65536 1 @0
		dev 1
		write 65536 1 @0
		complete
		dev 0
		discard
	END
	ended 4 recv "$pid" && nothing_left two two.partial || return 1
	# and a pipe has no such thing
	start recv vdi recv rt pipe
	engine write <<-'END' || return 1
		write 65536 1
		discard		= 50
		clear
		complete
	END
	ended 0 recv "$pid"
}

test_replace_media() {
	some_media dir || return 1
	backup dir/ --like tape --force <<-'END' || return 1
		write 4096 7
		complete
	END
	[ "$(ls dir)" = stripe-01-of-01.vdb ] && restore dir <<<'read 4096 = 0 4096 7+0:4096' || return 1
	touch dir/stripe-01-of-01.2x.vdb
	run 8 vdi recv --like tape --force rt dir && line 'holds other things .stripe-01-of-01.2x.vdb'
}

test_disk_full() {
	local kind
	mkdir "$work/small" && mount -t tmpfs -o size=1M small "$work/small" || return 1
	for kind in tape disk; do
		start recv vdi recv --like "$kind" rt "$work/small/file"
		engine both <<-'END' || return 1
			write 524288 1 @0
			write 524288 2 @524288	= 112 0
			clear
			write 4096 3 @0		= 112 0
			clear
			complete		= 112
		END
		ended 3 recv "$pid" && cp recv.err "$err" && said 'no space left: make room' || return 1
		nothing_left "$work/small/file" && rm "$work/small/file.partial" || return 1
	done
	# no room for the next medium, or for the end of the last one
	start recv vdi recv --like tape rt "$work/small/dir/"
	engine both <<-'END' || return 1
		write 1040384 1
		load 1			= 112
		clear
		complete		= 112
	END
	ended 3 recv "$pid" && nothing_left "$work/small/dir" || return 1
	# the one that was whole is none any more, whatever its name
	cp recv.err "$err"
	! grep -q 'stripe 1: Bad file' "$err" || fail "$(cat "$err")" || return 1
	cp "$work/small/dir.partial/stripe-01-of-01.vdb.partial" left
	run 6 vdi send rt left && line 'never finished' || return 1
	umount "$work/small" && rmdir "$work/small"
}

# Marks alone are no data.
test_empty() {
	start recv vdi recv --like tape rt file
	engine both <<-'END' || return 1
		mark
		complete	= 1117
	END
	ended 1 recv "$pid" && cp recv.err "$err" && said 'the stream is empty' &&
		nothing_left file file.partial || return 1
	backup file --like disk --allow-empty <<<complete &&
		restore file <<<'read 512 @0 = 38 0'
}

# An engine that knows no Complete: Flush is its last word, or there is no backup.
test_without_complete() {
	start recv vdi recv --like tape --media-size 64K rt file
	engine flush <<-'END' || return 1
		write 65536 1	= 1100 65536
		clear
		write 4096 2	= 1129 0
		clear
	END
	ended 4 recv "$pid" && cp recv.err "$err" && said 'ended without Flush: that is no backup' || return 1
	nothing_left file || return 1
	start recv vdi recv --like disk -n 2 rt two
	engine flush <<-'END' || return 1
		write 4096 1 @0
		dev 1
		write 4096 1 @0
		flush
	END
	ended 4 recv "$pid" && nothing_left two || return 1
	start recv vdi recv --like tape rt file
	engine flush <<-'END' || return 1
		write 4096 1
		flush
		write 4096 2
		flush
	END
	ended 0 recv "$pid" && restore file <<<'read 8192 = 0 8192 1+0:4096 2+0:4096'
}

# An engine that knows nothing of media gets the first; it is told that that was not all.
test_engine_without_media() {
	some_media dir || return 1
	start send vdi send rt dir
	engine read <<-'END' || return 1
		read 262144	= 1101 131072
		clear
		dev 1
		load 1
	END
	ended 0 send "$pid" && cp send.err "$err" && said 'stripe 1: .* 1 of 3 media only' &&
		said 'stripe 2: .* 2 of 3 media only'
}

run_media_tests "$@"
