# SPDX-License-Identifier: GPL-2.0-only
# The kernel's log without the data races of others: strict KCSAN finds many in the
# kernel itself.  A report is ours if it names a function of the module, or if both
# sides were called by it, be it from far: then what they touch is the module's.
# Whom a wake-up of ours meets in the kernel's own poll() is not ours.
function ours(	n, i)
{
	if (named || held !~ /BUG: KCSAN/)
		return 1
	for (i = 1; i <= sides; i++)
		n += calls[i]
	return sides > 1 && n == sides
}

function flush()
{
	if (held != "" && ours())
		printf "%s", held
	held = ""
}

/==================================================================/ {
	if (inside) {
		held = held $0 "\n"
		flush()
		inside = 0
	} else {
		held = $0 "\n"
		inside = 1
		named = sides = 0
	}
	next
}

inside {
	held = held $0 "\n"
	if (/ to 0x[0-9a-f]+ of [0-9]+ bytes by /)
		calls[++sides] = 0
	else if (/\[vdi\]/ && sides)
		calls[sides] = 1
	else if (/\[vdi\]/)
		named = 1
	next
}

{ print }

END { flush() }
