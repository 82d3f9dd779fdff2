#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Compares the errnos that the uapi header documents, ioctl by ioctl, with those
# that the tests saw: a documented one never seen is as wrong as a seen one not
# documented.  Reads the "Return:" lists and the list under "Errors common to
# every ioctl"; how the tests write their log is selftests/vdi_test.h.
#
# usage: check-errno.sh HEADER LOG...
set -eu

case ${1:-} in
--help|-h)
	sed -n '4,9s/^# \{0,1\}//p' "$0"
	exit 0 ;;
esac
[ $# -ge 2 ] || {
	echo "check-errno: give the header and at least one log (see --help)" >&2
	exit 2
}

awk '
function fail(text)
{
	print "not ok - errno " text
	bad++
}

# the header
FNR == NR && /^ \* (struct|DOC)/ { ioctl = ""; in_return = 0; in_common = 0 }
FNR == NR && match($0, /- ioctl\(VDI_IOC_[A-Z_]+\)/) {
	ioctl = substr($0, RSTART + 16, RLENGTH - 17)
	known[ioctl] = 1
	nr_ioctls++
}
FNR == NR && /Errors common to every ioctl:/ { in_common = 1; next }
FNR == NR && /^ \* Return:/ { in_return = 1 }
FNR == NR && /^ \*\// { ioctl = ""; in_return = 0; in_common = 0 }
FNR == NR && match($0, /^ \* \* -E[A-Z0-9]+/) {
	name = substr($0, 7, RLENGTH - 6)
	if (in_common) {
		common[name] = 1
		if (match($0, /\(not from [A-Z_]+\)/))
			except[substr($0, RSTART + 10, RLENGTH - 11) " " name] = 1
	}
	else if (in_return && ioctl != "")
		listed[ioctl " " name] = 1
	else
		fail("line " FNR " of the header: " name " is listed outside of a Return: list")
}
# the paragraph after the common list ends it
FNR == NR && in_common && /^ \*$/ && length(common) > 0 { in_common = 0 }
FNR == NR { next }

# the logs
NF != 2 { fail("malformed line in the log: " $0); next }
!($1 in known) { fail($1 " was seen but the header has no such ioctl"); next }
{ seen[$1 " " $2] = 1 }

END {
	if (!nr_ioctls)
		fail("the header documents no ioctl in the expected form")
	if (!length(common))
		fail("the header has no list of common errors")
	for (i in known)
		for (e in common)
			if (!((i " " e) in except))
				listed[i " " e] = 1
	for (pair in listed) {
		checked++
		if (!(pair in seen))
			fail(pair " is documented but no test saw it")
	}
	for (pair in seen) {
		split(pair, p, " ")
		# said of all calls that allocate, and met at random by fault injection
		if (!(pair in listed) && p[2] != "ENOMEM")
			fail(pair " was seen but is not documented")
	}
	if (!bad)
		printf "ok - errno %d ioctls, %d documented errnos, all of them seen, no other\n",
			nr_ioctls, checked
	exit bad != 0
}' "$@" | sort
exit "${PIPESTATUS[0]}"
