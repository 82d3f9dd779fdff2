#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks the model of the protocol (selftests/model/vdi.pml) with Spin, all states of
# it, then that each of its mutants is found, and module/state.c against the table of
# what the specification allows (selftests/model/state.c).  Needs no guest.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
model=$top/selftests/model

usage() {
	cat <<END
usage: model.sh [--full] [NUMBER]...
Prints TAP.  With NUMBERs only these mutants of the model and the tables.
  --full   3 commands a device and two events instead of 2 and one: minutes, 4 GiB
END
}

commands=2
case ${1:-} in
--help|-h)	usage; exit 0 ;;
--full)		commands=3; shift ;;
-*)		echo "model: unknown option $1 (see --help)" >&2; exit 2 ;;
esac
command -v spin >/dev/null || { echo "model: no spin here: run scripts/setup.sh" >&2; exit 2; }

# NUMBER|DEFINES|what is broken.  Two threads where one would find its own work.  (11, the
# end of one device wakes nobody who waits for it, only delays: the end of the set does.)
two='-DCOMMANDS=2'
pair='-DDEVICES=1 -DTHREADS=2 -DCOMMANDS=3'	# the third is for ClearError
mutants="
1|$two|a command is queued without a look at the state
2|$two|abort forgets commands that the client has
3|$two|abort forgets commands that the client has not fetched
4|$two|a completion after the abort is accepted
5|$two|the death of the client does not abort
6|$two|the death of the server does not abort
7|$two|a reference is dropped twice
8|$two|abort wakes one sleeper, as a hand-over does
9|$two|a new command wakes nobody
10|$two|a completion wakes nobody
12|$two|the state is looked at before the lock is taken
13|$two|a device is closed before its last completion
14|$two|a death or Close aborts a set that has ended
15|$pair|a deadline that passes takes a command along
16|$two|an error leaves the queued commands to the client
17|$pair|ClearError overtakes commands that are outstanding
18|$pair|who takes one of two commands wakes nobody for the other
19|$two|the death of a secondary client with an open device counts for nothing
20|$two|a command is accepted after CloseDevice
21|$two|the end of the set wakes only who waits on the last device
22|$pair|nobody is woken for a ClearError that may go on
23|$pair|a woken thread that goes elsewhere does not pass the wake-up on
99|$two|(none: this only asks whether a good end is reached)
"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0

# explore DEFINES: all states; what pan says is in $tmp/said
explore() {
	rm -rf "${tmp:?}/run"
	mkdir "$tmp/run"
	cp "$tmp/rules" "$tmp/run/rules.h"	# is looked for beside the model
	cp "$model/vdi.pml" "$tmp/run"
	# shellcheck disable=SC2086 # words
	(cd "$tmp/run" && spin $1 -a vdi.pml >"$tmp/spin" 2>&1 &&
		gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4096 -o pan pan.c &&
		./pan -n -m1000000) >"$tmp/said" 2>&1 ||
		{ cat "$tmp/spin" "$tmp/said"; return 1; }
}

number() {
	sed -n "s/^ *\([0-9]*\) $1.*/\1/p" "$tmp/said" | head -n 1
}

whole() {		# DEFINES: no error, and nothing left out
	if explore "$1" >&2 && grep -q 'errors: 0' "$tmp/said" &&
		! grep -qE 'max search depth|out of memory|memory exceeded|aborting' "$tmp/said"; then
		echo "ok - model $1 # $(number 'states, stored') states, $(number transitions) transitions, no error"
	else
		grep -E '^pan|errors' "$tmp/said" | sed 's/^/# /'
		echo "not ok - model $1"
		bad=1
	fi
}

mutant() {		# NUMBER DEFINES TEXT
	local found
	explore "-DM=$1 $2" >&2 || true
	found=$(sed -n 's/^pan:1: *//p' "$tmp/said" | head -n 1)
	if [ -n "$found" ]; then
		echo "ok - model mutant $1: $3 # found: $found"
	else
		echo "not ok - model mutant $1: $3 # not found in $(number 'states, stored') states"
		bad=1
	fi
}

# The kernel's headers that module/state.c sees are all one: kernel.h
states() {
	local h
	mkdir -p "$tmp/shim/linux" "$tmp/shim/trace"
	: >"$tmp/shim/trace/define_trace.h"
	for h in bits bug kref list lockdep mutex spinlock uidgid wait workqueue; do
		echo '#include "kernel.h"' >"$tmp/shim/linux/$h.h"
	done
	gcc -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -std=gnu11 \
		-include "$model/kernel.h" -I"$model" -I"$tmp/shim" -I"$top/uapi" \
		-o "$tmp/state" "$model/state.c" ||
		{ echo "not ok - model state.c # module/state.c does not build in user space"; return 1; }
	"$tmp/state" "$model/table"
}

# The rules of the set for the model, from the same table: 1 where the call is allowed
rules() {
	awk '$1 == "client" || $1 == "server" {
		first = $1 == "client" ? 5 : 6	# Initializing
		printf "#define %s_%s(state) (", toupper($1), $2
		for (i = 0; i < 4; i++)
			printf "%s(state) == %d && %d", i ? " || " : "", i,
				$(first + i) ~ /^(OK|>)/
		print ")"
	}' "$model/table"
}

main() {
	local number defines text n=0
	rules >"$tmp/rules"
	if [ $# = 0 ]; then
		whole "$pair"
		whole "-DCOMMANDS=$commands"
		[ "$commands" = 2 ] || whole "-DCOMMANDS=2 -DEVENTS=2"
	fi
	while IFS='|' read -r number defines text; do
		[ -n "$number" ] || continue
		[ $# = 0 ] || [[ " $* " == *" $number "* ]] || continue
		n=$((n + 1))
		mutant "$number" "$defines" "$text"
	done <<<"$mutants"
	echo "# model: $n mutants tried, at least 10 asked"
	states || bad=1
	exit $bad
}

# Nothing is read from this file after that.
main "$@"; exit
