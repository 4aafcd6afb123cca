#!/bin/sh
# The kernels' own check, natively: every kernel against its definition, on every instruction set of this machine.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s -j2 -f tools/kernels.mk BUILD="$work" CC="${CC:-cc}" check
