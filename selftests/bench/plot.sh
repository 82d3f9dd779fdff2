#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Draws what `make bench FULL=1 OUT=FILE` has measured: cost against depth, and against
# devices.
set -eu

[ $# = 2 ] && [ "${1:-}" != --help ] || {
	echo "usage: plot.sh FILE.json FILE.svg     (needs gnuplot, Debian: gnuplot-nox)"
	[ "${1:-}" = --help ] && exit 0
	exit 2
}
command -v gnuplot >/dev/null || { echo "plot.sh: no gnuplot: install gnuplot-nox" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# points MECHANISM FIELD WITH: "x y" of each line of a mechanism that matches
points() {
	grep "\"mechanism\":\"$1\"" "$json" | grep -E "$3" |
		sed -E "s/.*\"$2\":([0-9]+).*\"instr_per_cmd\":([0-9.]+).*/\1 \2/" | sort -nu -k1,1
}

json=$1
one='"payload":0,"devices":1,"threads":1,"data":false'
for m in exchange sem pipe stream seqpacket twin; do
	points "$m" depth "$one" >"$tmp/$m"
	[ -s "$tmp/$m" ] || { echo "plot.sh: $1 has no $m: was it FULL=1?" >&2; exit 1; }
done
for d in 1 4 32; do
	points exchange-set devices "\"depth\":$d,\"payload\":0,.*\"threads\":1,\"data\":false" \
		>"$tmp/set-$d"
	[ "$(wc -l <"$tmp/set-$d")" = 3 ] ||
		{ echo "plot.sh: $1 has not all devices at depth $d: was it FULL=1?" >&2; exit 1; }
done

gnuplot - >"$tmp/svg" <<END
set terminal svg size 900,380 font "sans-serif,12" background "white"
set multiplot layout 1,2
set logscale xy
set grid
set ylabel "instructions for a command"
set yrange [80:30000]
set key bottom left Left reverse
set xlabel "commands outstanding (depth), one device"
set xtics (1, 4, 32)
plot "$tmp/exchange" with linespoints lw 3 title "EXCHANGE", \
     "$tmp/sem" with linespoints title "POSIX semaphores", \
     "$tmp/twin" with linespoints title "futexes, nothing checked", \
     "$tmp/pipe" with linespoints title "pipe, batched", \
     "$tmp/stream" with linespoints title "UNIX stream, batched", \
     "$tmp/seqpacket" with linespoints title "UNIX seqpacket"
set xlabel "devices, one thread for all of them"
set xtics (1, 8, 64)
set key top right noreverse Right
plot "$tmp/set-1" with linespoints lw 2 title "EXCHANGE, depth 1", \
     "$tmp/set-4" with linespoints lw 2 title "depth 4", \
     "$tmp/set-32" with linespoints lw 2 title "depth 32"
END
sed "1a <!-- SPDX-License-Identifier: GPL-2.0-only -->" "$tmp/svg" >"$2"
