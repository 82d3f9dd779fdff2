#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tapes, disks and removable media of `vdi recv` and `vdi send`: each command,
# backup and restore.  The scripts say what must come back.  Media that fail are
# media_fault_test.sh's; bare streams and the rest of the command cli_test.sh's.
#
# usage: media_test.sh [TEST]...
set -u

# shellcheck source=selftests/media.sh
. "$(dirname "$0")/media.sh"

test_usage() {
	run 2 vdi recv --like paper rt file && line '--like paper: must be pipe, tape or disk' || return 1
	run 2 vdi recv --media-size 1M rt file && line 'add --removable' || return 1
	run 2 vdi recv --like disk --media-size 1M rt file && line 'add --removable' || return 1
	run 2 vdi recv --like tape --media-size 1K rt file && line 'must be between' || return 1
	run 2 vdi recv --like tape --eom-warning 1K rt file && line 'less than --media-size' || return 1
	run 2 vdi recv --like tape --media-size 1M --eom-warning 2M rt file && line 'less than' || return 1
	run 2 vdi recv --like tape rt null: && line 'null: takes a bare stream' || return 1
	run 2 vdi recv --like disk rt - && line '- takes a bare stream' || return 1
	run 2 vdi recv --removable rt - && line '- takes a bare stream' || return 1
	nothing_left file file.partial
}

# What a set announces, and what `vdi stat` makes of it
test_features() {
	local features kind options
	while read -r features kind options; do
		# shellcheck disable=SC2086 # options
		start recv vdi recv $options rt file
		until_true there_is rt || return 1
		[ "$(field rt .features)" = $((features)) ] || fail "$options: $(field rt .features)" || return 1
		[ "$(field rt .kind)" = "${kind%,}" ] && run 0 vdi stat rt || return 1
		grep -qE "^kind +$kind" "$out" || fail "$options: $(cat "$out")" || return 1
		vdi abort rt && ended 4 recv "$pid" || return 1
	done <<-'END'
		0x2000 pipe --like pipe
		0x2081 pipe, --removable
		0x21f3 tape, --like tape
		0x2280 disk --like disk
		0x2281 disk, --like disk --removable
	END
}

test_tape() {
	backup file --like tape <<-'END' || return 1
		write 65536 1
		getpos		= 0 16
		save a
		mark
		getpos		= 0 17
		write 4096 2
		mark
		mark
		save none
		write 8192 3
		save end
		read 4096	= 1104 0
		clear
		skipmarks -1
		read 4096	= 1101 0
		clear
		read 65536	= 1104 8192 3+0:8192
		clear
		skipmarks -9	= 1102
		clear
		getpos		= 0 0
		skipblocks -1	= 1102
		clear
		skipmarks 0
		skipblocks 0
		read 131072	= 1101 65536 1+0:65536
		clear
		read 4096	= 0 4096 2+0:4096
		setpos $a	= 0 16
		skipblocks 1	= 1101
		clear
		getpos		= 0 17
		skipblocks 1
		skipmarks 2
		skipblocks 3	= 1104
		clear
		skipblocks -1
		read 8192	= 1104 4096 3+4096:4096
		clear
		skipblocks -3	= 1101
		clear
		getpos		= 0 19
		setpos 1000	= 87
		clear
		setpos -1	= 87
		clear
		getpos		= 0 19
		rewind
		skipmarks 5	= 1104
		clear
		write 4096 4
		send 99 0	= 50
		clear
		flush
		complete
	END
	restore file <<-'END'
		load 0
		read 4096	= 0 4096 1+0:4096
		read 8192	= 0 8192 1+4096:8192
		setpos 19	= 0 19
		read 4096	= 1101 0
		clear
		read 1048576	= 1104 12288 3+0:8192 4+0:4096
		clear
		skipmarks -2
		skipblocks -1
		read 4096	= 0 4096 2+0:4096
		skipmarks -9	= 1102
		clear
		skipmarks 1
		read 65536	= 1101 4096 2+0:4096
		clear
		write 4096 9	= 19 0
		clear
		mark		= 19
		clear
		discard		= 50
		clear
		load 1		= 1112
		clear
		load 2		= 87
		clear
		flush
		rewind
		read 65536	= 0 65536 1+0:65536
	END
}

# What is written in the middle is the end, also of what was there before.
test_tape_overwritten() {
	backup file --like tape <<-'END' || return 1
		write 65536 1
		mark
		write 65536 2
		mark
		write 5000 3
		skipmarks -2
		skipblocks -8
		write 4096 4
		read 4096	= 1104 0
		clear
		skipmarks 1	= 1104
		clear
		mark
		rewind
		complete
	END
	[ "$(stat -c %s file)" = $((4096 + 36864 + 16 + 128)) ] || fail "$(stat -c %s file)" || return 1
	restore file <<-'END'
		read 1048576	= 1101 36864 1+0:32768 4+0:4096
		clear
		read 4096	= 1104 0
		clear
	END
}

# Transfers of any size are blocks and a shorter one, where a Read ends; a stream
# comes back.
test_tape_short_blocks() {
	backup file --like tape <<-'END' || return 1
		write 100 1
		write 5000 2
		mark
		write 4096 3
		write 1 4
		write 200 5
		complete
	END
	restore file <<-'END' || return 1
		read 1000	= 0 100 1+0:100
		read 1000	= 1106 0
		clear
		read 8192	= 0 5000 2+0:5000
		read 8192	= 1101 0
		clear
		getpos		= 0 4
		read 65536	= 0 4097 3+0:4096 4+0:1
		read 65536	= 0 200 5+0:200
		read 65536	= 1104 0
		clear
		skipblocks -3
		getpos		= 0 4
		read 4096	= 0 4096 3+0:4096
		read 1		= 0 1 4+0:1
		skipblocks -4	= 1101
		clear
		skipblocks -2
		read 4096	= 0 4096 2+0:4096
	END
	seq 1 50000 >in
	start recv vdi recv --like tape rt stream
	vdi put --transfer-size 64K rt <in && ended 0 recv "$pid" || return 1
	start send vdi send rt stream
	vdi get --transfer-size 128K rt >back && ended 0 send "$pid" && cmp in back
}

test_tape_other_block_size() {
	backup file --like tape <<-'END' || return 1
		write 65536 1
		complete
	END
	start send vdi send rt file
	engine read 512 <<<'read 512' && return 1
	wait "$pid"
	cp send.err "$err" && said 'has blocks of 4096 bytes, the engine.s have 512'
}

# What was asked ahead of a filemark is not carried out: it moves nothing.
test_read_ahead_of_a_mark() {
	backup file --like tape <<-'END' || return 1
		write 8192 1
		mark
		write 65536 2
		complete
	END
	restore file <<-'END'
		queue 4096 6	= 1117 3
		clear
		getpos		= 0 3
		read 4096	= 0 4096 2+0:4096
		rewind
		queue 4096 6	= 1101 1
		clear
	END
}

test_disk() {
	backup file --like disk <<-'END' || return 1
		write 65536 1 @65536
		getpos			= 0 131072
		read 65536 @32768	= 0 65536 0:32768 1+0:32768
		write 512 2 @66048
		read 2048 @65536	= 0 2048 1+0:512 2+0:512 1+1024:1024
		setpos -512 2		= 0 130560
		setpos 512 1		= 0 131072
		setpos 100000 1		= 0 231072
		setpos -1 0		= 131
		clear
		setpos 0 3		= 87
		clear
		getpos			= 0 231072
		write 65536 3 @131072
		write 4096 4 @0
		complete
		read 65536 @131072	= 0 65536 3+0:65536
	END
	restore file <<-'END'
		read 65536 @196000	= 38 608 3+64928:608
		clear
		read 4096 @196608	= 38 0
		clear
		setpos 0 2		= 0 196608
		read 65536 @131072	= 0 65536 3+0:65536
		read 1 @0		= 0 1 4+0:1
		read 200704 @0	= 38 196608 4+0:4096 0:61440 1+0:512 2+0:512 1+1024:64512 3+0:65536
		clear
		write 512 9 @0		= 19 0
		clear
		load 1			= 50
		clear
		mark			= 50
		clear
		rewind			= 50
		clear
		skipmarks 1		= 50
		clear
		read 512 @-512		= 131 0
		clear
		read 512 @66048		= 0 512 2+0:512
	END
}

# Flush sets the end behind the last Write; what was there before is no more.
test_disk_length() {
	backup file --like disk <<-'END' || return 1
		flush
		write 1048576 1 @0
		flush
		setpos 0 2		= 0 1048576
		write 4096 2 @8192
		setpos 0 2		= 0 1048576
		flush
		setpos 0 2		= 0 12288
		flush
		read 4096 @12288	= 38 0
		clear
		write 4096 3 @65536
		read 65536 @8192 = 38 61440 2+0:4096 0:53248 3+0:4096
		clear
		flush
		complete
	END
	[ "$(stat -c %s file)" = $((4096 + 69632 + 128)) ] || fail "$(stat -c %s file)" || return 1
	restore file <<-'END'
		read 69632 @0 = 0 69632 1+0:8192 2+0:4096 0:53248 3+0:4096
	END
}

test_beyond_4_gib() {
	backup file --like disk <<-'END' || return 1
		write 65536 1 @4294934528
		write 4096 2 @0
		setpos 4294967296 0	= 0 4294967296
		write 65536 3 @1099511627776
		getpos			= 0 1099511693312
		read 65536 @4294934528	= 0 65536 1+0:65536
		flush
		complete
	END
	[ "$(du -k file | cut -f 1)" -lt 4096 ] || fail "$(du -k file)" || return 1
	restore file <<-'END'
		read 65536 @1099511627776	= 0 65536 3+0:65536
		read 65536 @4294967296		= 0 65536 1+32768:32768 0:32768
		setpos -65536 2			= 0 1099511627776
		read 8192 @0			= 0 8192 2+0:4096 0:4096
		read 4096 @1099511693312	= 38 0
	END
}

# by_chance KIND MEDIA_SIZE WARNING SEED... -- [OPTION]...
by_chance() {
	local kind=$1 size=$2 warning=$3 seed seeds=()
	shift 3
	while [ "$1" != -- ]; do
		seeds+=("$1")
		shift
	done
	shift
	for seed in "${seeds[@]}"; do
		media_script.py "$kind" "$seed" "$size" "$warning" backup.script restore.script || return 1
		backup "target$seed" --like "$kind" "$@" <backup.script &&
			restore "target$seed" <restore.script || fail "seed $seed" || return 1
		rm -rf "target$seed"
	done
}

test_tape_by_chance() {
	by_chance tape 0 0 1 2 3 4 --
}

test_tape_media_by_chance() {
	by_chance tape 1500000 100000 5 6 7 -- --media-size 1500000 --eom-warning 100000 &&
		by_chance tape 1500000 0 8 -- --media-size 1500000 --eom-warning 0
}

test_disk_by_chance() {
	by_chance disk 0 0 9 10 11 12 --
}

test_disk_media_by_chance() {
	by_chance disk 300032 65536 13 14 15 -- --removable --media-size 300032 --eom-warning 64K &&
		by_chance disk 300032 0 16 -- --removable --media-size 300032 --eom-warning 0
}

# The first byte in the warning zone, and the last one on the medium
test_end_of_media() {
	backup dir/ --like tape --media-size 1M --eom-warning 128K <<-'END' || return 1
		write 913408 1
		write 4096 2
		write 4096 3		= 1100 4096
		clear
		write 114688 4		= 1100 114688
		clear
		write 16384 5		= 1100 12288
		clear
		write 4096 6		= 1129 0
		clear
		mark			= 1129
		clear
		load 1
		getpos			= 0 0
		write 917504 7
		mark			= 1100
		clear
		load 1
		write 1048576 8		= 1100 1048576
		clear
		flush
		complete
	END
	[ "$(cd dir && echo ./*)" = "./stripe-01-of-01.002.vdb ./stripe-01-of-01.003.vdb ./stripe-01-of-01.vdb" ] ||
		fail "$(ls dir)" || return 1
	[ "$(stat -c %s dir/stripe-01-of-01.vdb)" = $((4096 + 1048576 + 128)) ] || return 1
	restore dir <<-'END'
		load 0
		read 1048576	= 0 1048576 1+0:913408 2+0:4096 3+0:4096 4+0:114688 5+0:12288
		read 4096	= 1104 0
		clear
		load 1
		read 1048576	= 1101 917504 7+0:917504
		clear
		load 1
		rewind
		skipblocks 255
		read 65536	= 1104 4096 8+1044480:4096
		clear
		load 1		= 1112
		clear
		skipblocks -1
		read 4096	= 0 4096 8+1044480:4096
	END
}

# Nothing is refused without a warning before, however short that is to be.
test_end_of_media_is_always_told() {
	backup file --like tape --media-size 128K --eom-warning 0 <<-'END' || return 1
		write 122880 1
		write 4096 2		= 1100 4096
		clear
		write 4090 3		= 1129 0
		clear
		mark			= 1100
		clear
		load 1
		write 131072 4		= 1100 131072
		clear
		mark			= 1129
		clear
		complete
	END
	backup disk --like disk --removable --media-size 100000 --eom-warning 1 <<-'END' || return 1
		write 94208 1 @0
		write 4096 2 @94208	= 1100 4096
		clear
		write 4096 3 @98304	= 1129 0
		clear
		complete
	END
}

# A stream ends with a medium: the filemark behind it goes to the next.
test_streams_that_fill_media() {
	local block options
	head -c 2M /dev/urandom >in
	while read -r block options; do
		# shellcheck disable=SC2086 # options
		start recv vdi recv $options rt target
		run_in in 0 vdi put --block-size "$block" --transfer-size 64K rt || return 1
		ended 0 recv "$pid" || fail "$block $options" || return 1
		start send vdi send rt target
		timeout 120 vdi get --block-size "$block" --transfer-size 64K rt >back 2>get.err ||
			fail "$block $options: $(cat get.err)" || return 1
		ended 0 send "$pid" && cmp in back && rm target || fail "$block $options" || return 1
	done <<-'END'
		4096 --like tape --media-size 1M
		4096 --like tape --media-size 1M --eom-warning 0
		4096 --like pipe --removable --media-size 1M --eom-warning 0
		4096 --like disk --removable --media-size 1M --eom-warning 0
		65536 --like tape --media-size 100000
		65536 --like pipe --removable --media-size 100000
	END
}

# Media in one file; pipes and disks have them too.
test_media_in_a_file() {
	local kind direction
	for kind in pipe tape disk; do
		# a pipe can't be read back
		direction=both
		[ "$kind" != pipe ] || direction='write'
		backup file --like "$kind" --removable --media-size 128K --force <<-'END' || return 1
			write 114688 1
			load 1
			load 0
			write 4096 2
			load 0
			load 1
			write 65536 3
			complete
		END
		restore file <<-'END' || fail "$kind" || return 1
			read 114688	= 0 114688 1+0:114688
			load 1
			read 4096	= 0 4096 2+0:4096
			load 1
			load 1
			read 65536	= 0 65536 3+0:65536
			load 1		= 1112
			clear
		END
	done
}

test_stripes_and_media() {
	some_media dir || return 1
	[ "$(find dir -name 'stripe-0[12]-of-02*.vdb' | wc -l)" = 6 ] || return 1
	restore dir <<-'END' || return 1
		dev 1
		read 65536	= 0 65536 2+0:65536
		load 1
		dev 0
		read 262144	= 1101 131072 1+0:131072
		clear
		load 1
		load 1
		read 4096	= 0 4096 6+0:4096
		dev 1
		load 1
		read 4096	= 0 4096 5+0:4096
		load 1		= 1112
		clear
	END
	# four at once, by two engines' worth of data each
	backup four/ -n 4 --like tape --media-size 128K <<-'END' || return 1
		write 65536 1
		dev 1
		write 65536 2
		dev 2
		write 65536 3
		dev 3
		write 65536 4
		load 1
		write 65536 8
		dev 2
		load 1
		write 65536 7
		dev 1
		load 1
		write 65536 6
		dev 0
		load 1
		write 65536 5
		complete
		dev 1
		complete
		dev 3
		complete
		dev 2
		complete
	END
	[ "$(find four -name '*.002.vdb' | wc -l)" = 4 ] || return 1
	restore four <<-'END'
		load 1
		read 131072	= 1104 65536 5+0:65536
		clear
		dev 3
		read 65536	= 0 65536 4+0:65536
		load 1
		read 32768	= 0 32768 8+0:32768
		dev 2
		load 1
		read 65536	= 0 65536 7+0:65536
		dev 1
		read 65536	= 0 65536 2+0:65536
	END
}

run_media_tests "$@"
