#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Test programs on the kernel with KCSAN, whose report is not wanted of a race that is
# the kernel's own although both sides come from the module: two processes with the
# same credentials make a file, and get_cred() of each, inlined in __alloc_file(),
# clears the same flag of them.  Everything else is judged as everywhere.
#
# usage: kcsan.sh [PATTERN]...
set -eu

echo '!__alloc_file' >/sys/kernel/debug/kcsan
exec "$(dirname "$0")/../run.sh" "$@"
