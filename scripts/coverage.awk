# SPDX-License-Identifier: GPL-2.0-only
#
# Sums up what gcov says of the module, and holds the gaps against the list of those
# that have a reason, selftests/uncovered; see coverage.sh, which runs it:
#
#	awk -f coverage.awk -v list=FILE [-v show=1] [-v lines=N] [-v branches=N]
#		[-v functions=N] [-v also=DIR] FILE.c.gcov...
#
# A gap is a line that did not run, or one that did with a side of a branch that was
# not taken.  Branches inside of an assertion are not counted: one side is a bug.
# In DIR are such files of another kernel: what ran under either of them ran.

function percent(part, all) {
	return all ? 100 * part / all : 100
}

function row(name, l, lr, b, br, f, fr) {
	printf "%-12s lines %5d of %5d %6.2f %%   branches %5d of %5d %6.2f %%   " \
	       "functions %3d of %3d\n", name, lr, l, percent(lr, l),
	       br, b, percent(br, b), fr, f
}

function plain(text) {
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

# Each key is "file function<TAB>kind text"; there may be several of a kind.
function gap(kind) {
	at[++nr_gaps] = file ":" number
	gaps[nr_gaps] = file " " name "\t" kind " " text
}

# The list: a heading "file function", lines with "=" for the reason, with "-" for
# lines that do not run, with "?" for those of which a side is not taken.
function read_list(   s, where, reason) {
	while ((getline s <list) > 0) {
		if (s ~ /^#/ || s ~ /^$/)
			continue
		if (s !~ /^\t/) {
			where = plain(s)
			reason = 0
		} else if (s ~ /^\t= /) {
			reason = 1
		} else if (s ~ /^\t[-?] /) {
			if (!where || !reason)
				wrong("no reason for: " plain(s))
			listed[where "\t" plain(s)]++
		} else {
			wrong("in " list ": " s)
		}
	}
	close(list)
}

function wrong(what) {
	print "coverage: " what >"/dev/stderr"
	failed = 1
}

# What is not in the list is an error, what is there for nothing a word.
function compare(   i, key) {
	for (i = 1; i <= nr_gaps; i++) {
		key = gaps[i]
		if (listed[key]-- > 0)
			continue
		split(key, part, "\t")
		wrong("no reason in " list " for " at[i] ", " part[1] ": " part[2])
	}
	for (key in listed)
		if (listed[key] > 0) {
			split(key, part, "\t")
			printf "stale: %s: %s\n", part[1], part[2]
		}
}

# What the other kernel has counted of this file
function read_also(   s, at, asserts, what) {
	split("", also_ran)
	split("", also_taken)
	while (also && (getline s <(also "/" file ".gcov")) > 0) {
		if (s ~ /^(function|call|unconditional) /)
			continue
		split(s, what, /[ \t]+/)
		if (what[1] == "branch") {
			if (!asserts && what[3] == "taken" && what[4] > 0)
				also_taken[at]++
			continue
		}
		split(s, what, ":")
		at = what[2] + 0
		asserts = is_assertion(s)
		gsub(/[ *]/, "", what[1])
		if (what[1] ~ /^[0-9]/)
			also_ran[at] = 1
	}
	close(also "/" file ".gcov")
}

function is_assertion(text) {
	return text ~ /lockdep_assert_held|WARN_ON(_ONCE)?\(/
}

# Which side was taken is not compared: one that has both with one of them has both.
function end_line(   n) {
	n = also_taken[number] > taken ? also_taken[number] : taken
	if (n > sides)
		n = sides
	b += sides; sb += sides
	br += n; sbr += n
	if (number && ran && n < sides)
		gap("?")
	sides = taken = number = 0
}

function end_function() {
	if (code) {
		f++; sf++
		if (called) { fr++; sfr++ } else idle = idle " " name
	}
	code = called = 0
}

function end_file() {
	end_line()
	end_function()
	if (file)
		row(file, l, lr, b, br, f, fr)
	l = lr = b = br = f = fr = 0
}

FNR == 1 {
	end_file()
	file = FILENAME
	sub(/.*[\/#]/, "", file)
	sub(/\.gcov$/, "", file)
	read_also()
	name = ""
}
/^function / { next }
/^branch / {
	if (asserts)
		next
	sides++
	taken += $3 == "taken" && $4 > 0
	next
}
/^(call|unconditional) / { next }
{
	end_line()
	count = number = text = $0
	sub(/:.*/, "", count)
	gsub(/[ *]/, "", count)
	sub(/^[^:]*: */, "", number)
	sub(/:.*/, "", number)
	sub(/^[^:]*:[^:]*:/, "", text)
	# by the source: gcov knows no function that is inlined wherever it is called
	if (text ~ /^[a-z].*[(]/ && text !~ /;$/) {
		end_function()
		name = text
		sub(/[(].*/, "", name)
		sub(/.*[ *]/, "", name)
	}
	if (count == "-" || count == "") {
		number = 0
		next
	}
	code = 1
	text = plain(text)
	asserts = is_assertion(text)
	ran = count !~ /^[#=]/ || number in also_ran
	l++; sl++
	if (ran) { lr++; slr++; called = 1 } else gap("-")
}
END {
	end_file()
	row("all", sl, slr, sb, sbr, sf, sfr)
	if (idle)
		print "functions that did not run:" idle
	if (lines || branches || functions)
		printf "# F16: reached lines %.2f %%, branches %.2f %%, functions %.2f %% " \
		       "of %d, %d, %d asked\n", percent(slr, sl), percent(sbr, sb),
		       percent(sfr, sf), lines, branches, functions
	if (100 * slr < lines * sl || 100 * sbr < branches * sb || 100 * sfr < functions * sf)
		wrong("fewer than asked ran")
	if (show)
		for (i = 1; i <= nr_gaps; i++)
			print at[i] " " substr(gaps[i], index(gaps[i], " ") + 1)
	if (lines || branches || functions) {
		read_list()
		compare()
	}
	exit failed
}
