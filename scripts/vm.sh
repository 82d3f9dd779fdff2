#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Boots a guest (QEMU or User Mode Linux) on the host's own files, runs one
# command there with the module loaded, and ends with the command's status.
# Owns the boot, the time limit and the reading of the verdict; what happens
# inside, and how the verdict is reached, is selftests/qemu/guest.sh.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=$top/.build
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vdi

usage() {
	cat <<'END'
usage: vm.sh [OPTION]... -- COMMAND [ARGUMENT]...
       vm.sh [OPTION]... --shell
Runs COMMAND in a guest with the module loaded, in the current directory (in the
checkout if the guest does not have it), with the built programs and libraries in
PATH and LD_LIBRARY_PATH.  The guest sees the host's files; what it writes goes to
memory and is lost at the end, but for files put into the directory $VDI_OUT (see
--out) and into shared directories.

  --kernel NAME      6.1 (default), 6.12, 7, uml (KASAN and lockdep, one CPU), debug
                     (KASAN, lockdep, two CPUs), or kcsan (see kernel.sh)
  --cpus N           CPUs of a QEMU guest (default 2)
  --memory M         memory in MiB (default 2048)
  --timeout S        limit in seconds for everything (default 300, 0 for none)
  --out DIR          bring the files of $VDI_OUT back into DIR
  --share DIR        let the guest write to this directory of the host
  --module PARAMS    module parameters, as one word: 'a=1 b=2'
  --no-module        do not load the module
  --kcov             load a module that is built for KCOV (kernels debug and uml)
  --gcov             load a module that counts its lines (kernels debug and uml)
  --windows          load a module that sleeps where a lock is released
  --user NAME        run COMMAND as this user (vdi1 and vdi2 exist in the guest)
  --env NAME[=VALUE] pass a variable on (all VDI_* are)
  --qemu-args ARGS   more arguments for QEMU, as one word
  --append WORDS     more words for the kernel's command line
  --accel NAME       kvm or tcg (default: kvm if a short trial shows that it works)
  --no-leak-check    skip the five seconds that kmemleak needs at the end
  --console FILE     keep the kernel's messages in FILE
  --shell            an interactive shell instead of COMMAND
  --help             this text

Exit status: the command's own, if the guest also came to a clean end. Else
  124  the time limit passed
  125  the guest died, the kernel complained, something was left behind
  126  the guest was not started: wrong option, no such kernel, module not built
Kernel messages are never mixed with the command's output; the reason and the
end of them go to standard error for 124 and 125.
END
}

not_started() {
	echo "vm: $*" >&2
	exit 126
}

type='' id='' kver='' root='' image=''	# set by kernel.sh show
kernel=6.1 cpus=2 memory=2048 limit='' out='' shares=() params='' with_module=1 user=''
envs=() qemu_args='' append='' accel='' leak_check=1 console='' shell='' probe='' variant=()

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kernel|--cpus|--memory|--timeout|--out|--share|--module|--user|--env|\
		--qemu-args|--append|--accel|--console)
			[ $# -gt 1 ] || not_started "$1 needs a value (see --help)" ;;
		esac
		case $1 in
		--kernel)	kernel=$2; shift ;;
		--cpus)		cpus=$2; shift ;;
		--memory)	memory=$2; shift ;;
		--timeout)	limit=$2; shift ;;
		--out)		out=$2; shift ;;
		--share)	shares+=("$(realpath -e "$2")") ||
				not_started "no directory $2 to share"
				shift ;;
		--module)	params=$2; shift ;;
		--no-module)	with_module= ;;
		--kcov)		variant=(kcov VDI_KCOV=y) ;;
		--gcov)		variant=(gcov VDI_GCOV=y) ;;
		--windows)	variant=(windows VDI_WINDOWS=y) ;;
		--user)		user=$2; shift ;;
		--env)		envs+=("$2"); shift ;;
		--qemu-args)	qemu_args=$2; shift ;;
		--append)	append=$2; shift ;;
		--accel)	accel=$2; shift ;;
		--no-leak-check) leak_check= ;;
		--console)	console=$2; shift ;;
		--shell)	shell=1 ;;
		--help|-h)	usage; exit 0 ;;
		--)		shift; command=("$@"); return ;;
		*)		not_started "unknown option $1 (see --help)" ;;
		esac
		shift
	done
}

check_options() {
	local n
	for n in "$cpus" "$memory" "${limit:-0}"; do
		case $n in
		''|*[!0-9]*) not_started "'$n' is no number" ;;
		esac
	done
	if [ -n "$shell" ]; then
		[ ${#command[@]} = 0 ] || not_started "--shell takes no command"
		[ -t 0 ] && [ -t 1 ] || not_started "--shell needs a terminal"
		limit=${limit:-0}
		leak_check=
	else
		[ ${#command[@]} -gt 0 ] || not_started "no command (see --help)"
	fi
	limit=${limit:-300}
	[ -z "$out" ] || mkdir -p "$out" || not_started "cannot make $out"
}

# The guest's side reads the run directory through the shared files, so it is
# not below /tmp, which the guest hides.
make_run() {
	mkdir -p "$build/vm"
	run=$(mktemp -d "$build/vm/run.XXXXXX")
	chmod 755 "$run"
	mkdir -m 1777 "$run/out"
	touch "$run/verdict" "$run/console" "$run/stdout" "$run/stderr"
	nonce=$RANDOM$RANDOM$RANDOM
}

write_command() {
	local e
	{
		# what is below /tmp is hidden in the guest, but for the checkout
		printf 'cd %q 2>/dev/null || cd %q\n' "$PWD" "$top"
		printf 'export PATH=%q\n' \
			"$build/user/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		printf 'export LD_LIBRARY_PATH=%q\n' "$build/user/lib"
		printf 'export HOME=/tmp LANG=C.UTF-8 TERM=%q\n' "${TERM:-dumb}"
		printf 'export VDI_TOP=%q VDI_KERNEL=%q VDI_OUT=/run/out\n' "$top" "$kernel"
		printf 'export VDI_MODULE=%q\n' "$module"
		for e in "${!VDI_@}" "${envs[@]}"; do
			case $e in
			VDI_TOP|VDI_KERNEL|VDI_OUT|VDI_MODULE) ;;
			*=*)	printf 'export %s=%q\n' "${e%%=*}" "${e#*=}" ;;
			*)	[ -z "${!e+x}" ] || printf 'export %s=%q\n' "$e" "${!e}" ;;
			esac
		done
		if [ -n "$shell" ]; then
			printf '%s\n' "PS1='vdi-guest:\w\\\$ ' exec bash --norc -i"
		else
			printf '%q ' exec "${command[@]}"
			echo
		fi
	} >"$run/command"
}

write_config() {
	if [ -n "$with_module" ]; then
		module=$("$here/kernel.sh" module "$kernel" "${variant[@]}") || exit 126
	fi
	echo "$top/selftests/qemu/guest.sh" >"$run/guest"
	printf '%s\n' "$top" ${root:+"$root"} ${VDI_PROGRAMS:+"$VDI_PROGRAMS"} >"$run/keep"
	{
		printf '%s=%q\n' type "$type" top "$top" run "$run" root "$root" kver "$kver" \
			module "$module" module_params "$params" user "$user" nonce "$nonce" \
			leak_check "$leak_check" need_counters "$with_module" \
			shares "${shares[*]}" shell "${shell:+$(stty size |
				sed 's/\(.*\) \(.*\)/rows \1 cols \2/')}"
	} >"$run/config"
}

make_initrd() {
	local q=$top/selftests/qemu
	initrd=$build/initrd-$id.cpio
	mkdir -p "$build"
	if [ ! -e "$initrd" ] ||
		[ -n "$(find "$q/init" "$q/mkinitrd.sh" ${root:+"$root/version"} -newer "$initrd")" ]; then
		"$q/mkinitrd.sh" "$initrd.$$" ${root:+"$root" "$kver"} ||
			not_started "cannot make the initramfs"
		mv "$initrd.$$" "$initrd"
	fi
}

common_append='quiet loglevel=5 panic=-1 oops=panic panic_on_warn=1 log_buf_len=4M'

# Our own kernels know neither PCI nor ACPI, the stock ones nothing else.
machine_line() {
	local bus=pci i
	case $type in
	microvm)
		bus=device
		line+=(-M microvm,acpi=off -global virtio-mmio.force-legacy=off
			-chardev "file,id=console,path=$run/console" -serial chardev:console
			-chardev "file,id=verdict,path=$run/verdict"
			-device isa-serial,index=1,chardev=verdict) ;;
	*)	line+=(-M pc
			-chardev "file,id=console,path=$run/console" -serial chardev:console
			-chardev "file,id=verdict,path=$run/verdict" -serial chardev:verdict) ;;
	esac
	line+=(-device "virtio-serial-$bus,id=ports")
	add_9p host / ",readonly=on"
	add_9p run "$run" ''
	for i in "${!shares[@]}"; do
		add_9p "share$i" "${shares[i]}" ''
	done
}

# add_9p TAG DIRECTORY OPTIONS
add_9p() {
	line+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3"
		-device "virtio-9p-$bus,fsdev=$1,mount_tag=$1")
}

qemu_line() {
	local accel_args cpu words
	case $accel in
	kvm)	accel_args=kvm cpu=host words='' ;;
	*)	accel_args=tcg,thread=multi cpu=max,-erms,-fsrm
		words='tsc=reliable mitigations=off no_timer_check' ;;
	esac
	case $qemu_args in
	*-icount*) accel_args=tcg,thread=single ;;	# the two exclude each other
	esac
	# without ACPI only a triple fault ends the machine, and nobody tells the clock
	[ "$type" = qemu ] || words="$words reboot=t"
	# races of the boot are not ours; guest.sh begins with it
	[ "$kernel" != kcsan ] || words="$words panic_on_warn=0 kcsan.early_enable=0"
	[ "$type $accel" != "microvm tcg" ] || words="$words tsc_early_khz=2500000"
	line=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
		-m "$memory" -smp "$cpus" -accel "$accel_args" -cpu "$cpu"
		-kernel "$image" -initrd "$initrd"
		-append "console=ttyS0 $common_append nokaslr cryptomgr.notests
			watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60 $words
			vdi.type=$type vdi.run=$run $probe $append")
	machine_line
	line+=(-chardev "file,id=out,path=$run/stdout"
		-device virtserialport,bus=ports.0,nr=1,chardev=out,name=vdi.out
		-chardev "file,id=err,path=$run/stderr"
		-device virtserialport,bus=ports.0,nr=2,chardev=err,name=vdi.err)
	[ -z "$shell" ] || line+=(-chardev stdio,id=shell,signal=off
		-device virtconsole,bus=ports.0,nr=3,chardev=shell)
	# shellcheck disable=SC2206 # more words
	line+=($qemu_args)
}

uml_line() {
	line=("$image" "mem=${memory}M" "initrd=$initrd" root=/dev/ram "uml_dir=$run/"
		con0=null,fd:11 con=null ssl=null ssl0=null,fd:12 ssl1=null,fd:13 ssl2=null,fd:14)
	[ -z "$shell" ] || line+=(con1=fd:0,fd:1)
	# shellcheck disable=SC2206 # words
	line+=(console=tty0 $common_append vdi.type=uml "vdi.run=$run" $probe $append)
}

# Ends what we started, and only that.
stop_vm() {
	local p
	for p in $vm_pid "${tails[@]}"; do
		kill "$p" 2>/dev/null && wait "$p" 2>/dev/null || true
	done
	vm_pid='' tails=()
}

cleanup() {
	local rc=$?
	trap - EXIT
	trap '' INT TERM HUP	# asked twice is not a guest that is left
	stop_vm
	[ -z "$tty" ] || stty "$tty" 2>/dev/null || true
	if [ -n "$run" ]; then
		[ -z "$console" ] || cp "$run/console" "$console" || true
		rm -rf "$run"
	fi
	exit "$rc"
}

# Runs the guest to its end; rc is that of timeout, 124 when it had to step in.
run_vm() {
	local in=/dev/null log=$run/vmm mem_dir=/dev/shm
	if [ -n "$shell" ]; then
		in=/dev/stdin log=/dev/stdout
		tty=$(stty -g)
		stty raw -echo
	fi
	# UML runs from a file there
	[ -w "$mem_dir" ] && ! grep -q " $mem_dir .*noexec" /proc/mounts || mem_dir=$run
	TMPDIR=$mem_dir timeout --foreground -k 5 "$limit" "${line[@]}" <"$in" >>"$log" \
		2>>"$run/vmm" 11>>"$run/console" 12>>"$run/verdict" 13>>"$run/stdout" \
		14>>"$run/stderr" &
	vm_pid=$!
	if [ -z "$probe$shell" ]; then
		tail -q -s 0.2 -c +1 --pid="$vm_pid" -f "$run/stdout" &
		tails=($!)
		tail -q -s 0.2 -c +1 --pid="$vm_pid" -f "$run/stderr" >&2 &
		tails+=($!)
	fi
	rc=0
	{ wait "$vm_pid" || rc=$?; } 2>/dev/null	# bash would tell of its death
	vm_pid=''
	wait "${tails[@]}" || true
	tails=()
	[ -z "$tty" ] || stty "$tty"
	tty=''
}

# Boots as far as init, no further.
kvm_works() {
	local accel=kvm probe=vdi.probe limit=20 shell=''
	qemu_line
	run_vm
	grep -q '^up' "$run/verdict"
}

# KVM that is there need not work (it may hang for ever), so ask it once to boot.
choose_accel() {
	local known=$cache/accel key
	case $qemu_args in
	*-icount*) accel=tcg ;;
	esac
	[ -z "$accel" ] || return 0
	if [ ! -w /dev/kvm ]; then
		accel=tcg
		return
	fi
	key="$(uname -r) $(grep -m 1 '^model name' /proc/cpuinfo)"
	if [ "$(sed 1q "$known" 2>/dev/null)" != "$key" ]; then
		accel=tcg
		! kvm_works || accel=kvm
		printf '%s\n%s\n' "$key" "$accel" >"$known.$$"
		mv "$known.$$" "$known"
		rm -f "$run/verdict" "$run/console"
		touch "$run/verdict" "$run/console"
	fi
	accel=$(sed -n 2p "$known")
}

# What happened, in one line, and what the kernel said: from its first complaint
# after boot if it has one, else the end.
explain() {
	local lines=${VDI_CONSOLE_LINES:-40}
	echo "vm: $1" >&2
	if [ -s "$run/vmm" ]; then
		tail -n 5 "$run/vmm" | sed 's/^/vm: monitor: /' >&2
	fi
	tr -d '\r' <"$run/console" | sed '1,/vdi-mark: up/d' >"$run/said"
	[ -s "$run/said" ] || tr -d '\r' <"$run/console" >"$run/said"
	# who judges in the guest leaves out the same races
	awk -f "$top/selftests/qemu/ours.awk" "$run/said" | sed '/vdi-mark: /d' >"$run/complaint"
	if grep -qE -f "$top/selftests/qemu/splats" "$run/complaint"; then
		echo "vm: the kernel's complaint:" >&2
		grep -m 1 -E -A "$lines" -f "$top/selftests/qemu/splats" "$run/complaint"
	else
		echo "vm: the end of the guest's console:" >&2
		tail -n "$lines" "$run/said"
	fi | sed 's/^/  | /' >&2
}

# Says how the guest ended, and leaves with the status that stands for it.
judge() {
	local verdict why
	verdict=$(tr -d '\r' <"$run/verdict" | sed -n "s/^verdict $nonce //p")
	why=$(tr -d '\r' <"$run/verdict" | sed -n 's/^reason //p' | head -n 5)
	[ -z "$out" ] || cp -r "$run/out/." "$out/"
	case $verdict in
	'')
		if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
			explain "the guest ($kernel) did not end within $limit s"
			exit 124
		fi
		why=$(sed '1,/vdi-mark: up/d' "$run/console" | tr -d '\r' |
			grep -m 1 -E -f "$top/selftests/qemu/splats") || true
		[ -n "$why" ] || why=$(grep -m 1 -E 'init:|panic' "$run/console" | tr -d '\r') || true
		if grep -q '^stage running' "$run/verdict"; then
			explain "the guest ($kernel) died while the command ran: ${why:-no reason seen}"
		else
			explain "the guest ($kernel) died before the command ran: ${why:-no reason seen}"
		fi
		exit 125 ;;
	bad)
		explain "the run is bad ($kernel): ${why//$'\n'/; }"
		exit 125 ;;
	*)	exit "$verdict" ;;
	esac
}

command=() run='' module='' tty='' vm_pid='' tails=() rc=0

main() {
	parse "$@"
	check_options
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	eval "$("$here/kernel.sh" show "$kernel" || echo exit 126)"
	ulimit -c 0
	# the cache's place is the host's business
	VDI_PROGRAMS=$("$here/programs.sh" path 2>/dev/null) || VDI_PROGRAMS=
	make_run
	make_initrd
	write_config
	write_command
	case $type in
	qemu|microvm)
		choose_accel
		qemu_line ;;
	uml)	uml_line ;;
	esac
	run_vm
	judge
}

# A guest may run for long: nothing is read from this file after that.
main "$@"; exit
