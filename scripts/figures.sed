# SPDX-License-Identifier: GPL-2.0-only
# The lines of a log that say how much was reached of a figure, see selftests/README.md
/^ *# (F[0-9]+: |.*reached )/s/^ *# ([a-z0-9_]+\.c:[0-9]+:[a-z_]*:)?//p
