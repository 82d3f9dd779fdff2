#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Who aborted a set and why: what the other side is told, what `vdi stat` says of
# it as text and as JSON, and what the tracepoints record.  Which death and Close
# aborts at all is abort_death_test's and abort_close_test's.

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export PATH=$top/.build/user/bin:$PATH
export LD_LIBRARY_PATH=$top/.build/user/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# shellcheck source=selftests/cli.sh
. "$here/cli.sh"

tracefs=/sys/kernel/tracing

# A server that holds on to its set after an abort, until its stdin ends
holder() {
	cat >holder.c <<'END'
#include <stdio.h>
#include <libvdi.h>

int main(int argc, char **argv)
{
	struct vdi_config config = { .features = VDI_FEAT_WRITE_MEDIA | VDI_FEAT_REQUEST_COMPLETE };
	struct vdi_server_device *device;
	struct vdi_server *server;

	if (argc != 2 || vdi_server_new(&server) || vdi_server_open(server, NULL, argv[1]) ||
	    vdi_server_begin_config(server, &config) || vdi_server_end_config(server) ||
	    vdi_server_open_device(server, argv[1], &device))
		return 1;
	puts("ready");
	fflush(stdout);
	getchar();
	vdi_server_free(server);
	return 0;
}
END
	run 0 gcc holder.c -o holder -I "$top/.build/user/include" -L "$top/.build/user/lib" -lvdi
}

# hold: a client `vdi recv` on the set $rt, and the server; file 9 is its life
hold() {
	rt=set-of-${FUNCNAME[1]}
	holder || return 1
	start recv vdi recv "$rt" null:
	recv=$pid
	until_true there_is "$rt" || return 1
	mkfifo life
	exec 9<>life
	start_in life holder ./holder "$rt"
	server=$pid
	until_true grep -q ready holder.out && until_true state_is "$rt" active
}

let_go() {
	echo >&9
	ended 0 holder "$server" && exec 9>&-
	until_true gone "$rt"
}

gone() {
	! vdi stat "$1"
}

is_aborted() {
	[ "$(field "$1" .abort)" != null ]
}

# told REASON SIDE PID CODE: what `vdi stat` says, in both forms
told() {
	until_true is_aborted "$rt" || return 1
	run 0 vdi stat --json "$rt" || return 1
	[ "$(jq -r '.state, .abort.reason, .abort.side, .abort.pid, .abort.uid, .abort.code' "$out" |
		tr '\n' ' ')" = "aborted $1 $2 $3 0 $4 " ] || fail "$(jq -c .abort "$out")" || return 1
	run 0 vdi stat "$rt" && grep -q '^state *aborted' "$out" && grep -q "^aborted .*$3" "$out" ||
		fail "$(cat "$out")"
}

test_by_a_third_party() {
	local admin
	hold || return 1
	vdi abort --code 42 --text 'the tape is on fire' "$rt" &
	admin=$!
	wait "$admin" || return 1
	told ADMIN other "$admin" 42 && grep -q 'the tape is on fire' "$out" || return 1
	run 0 vdi stat --json "$rt" && [ "$(jq -r .abort.text "$out")" = 'the tape is on fire' ] || return 1
	ended 4 recv "$recv" && grep -q 'the tape is on fire' recv.err || return 1
	# it has ended, but the other side still holds it
	run 0 vdi stat "$rt" && let_go
}

test_client_killed() {
	local client
	hold || return 1
	client=$(child_of "$recv")
	kill -KILL "$client" && told CLIENT_DIED client "$client" 0 && let_go
}

test_client_interrupted() {
	local client
	hold || return 1
	client=$(child_of "$recv")
	kill -INT "$client" && told SIGNALLED client "$client" "$(field "$rt" .abort.code)" && let_go
}

test_server_killed() {
	local killed
	hold || return 1
	killed=$(child_of "$server")
	# stopped, the client can't let go of the set meanwhile
	kill -STOP "$(child_of "$recv")" && kill -KILL "$killed" &&
		told SERVER_DIED server "$killed" 0 || return 1
	kill -CONT "$(child_of "$recv")" && ended 4 recv "$recv" && exec 9>&- &&
		grep -q "$killed" recv.err && until_true gone "$rt"
}

# The event of the abort: everything but the words, which the others have
test_tracepoint() {
	local admin
	[ -d "$tracefs/events/vdi" ] || mount -t tracefs nodev "$tracefs" 2>/dev/null
	[ -d "$tracefs/events/vdi" ] || { echo "SKIP the kernel has no tracing"; return 1; }
	: >"$tracefs/trace" && echo 1 >"$tracefs/events/vdi/enable" || return 1
	hold || return 1
	vdi abort --code 43 --text 'for the record' "$rt" &
	admin=$!
	wait "$admin" && ended 4 recv "$recv" && let_go || return 1
	echo 0 >"$tracefs/events/vdi/enable"
	cat "$tracefs/trace" >trace
	grep -qE "vdi_abort: set=[0-9]+ reason=8 code=43 pid=$admin uid=0 role=0 text=for the record" \
		trace || fail "$(grep vdi_abort trace || echo none)" || return 1
	grep -q 'vdi_state: .* to=5' trace && grep -q 'vdi_state: .* to=7' trace
}

[ "$(id -u)" = 0 ] || { echo "1..0 # SKIP must be root"; exit 4; }
[ -c /dev/vdi ] || { echo "1..0 # SKIP no /dev/vdi: the module is not loaded"; exit 4; }
run_tests "$@"
