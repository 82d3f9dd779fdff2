# SPDX-License-Identifier: GPL-2.0-only
# The kernel's log without the data races of others: strict KCSAN finds many in the
# kernel itself.  A report is ours if one of its functions is the module's.
function flush()
{
	if (held != "" && (held !~ /BUG: KCSAN/ || held ~ /\[vdi\]/))
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
	}
	next
}

inside {
	held = held $0 "\n"
	next
}

{ print }

END { flush() }
