#!/bin/sh
# The kernels' own check, natively: every kernel against its definition, on every instruction set of this machine.
# SANITIZE=address,undefined: with these sanitizers of the compiler.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O2 -g"
[ -z "${SANITIZE:-}" ] ||
    flags="-O1 -g1 -fsanitize=$SANITIZE -fno-sanitize=null,pointer-overflow,object-size,alignment -fno-sanitize-recover=all"
make -s -j2 -f tools/kernels.mk BUILD="$work" CC="${CC:-cc}" CFLAGS="$flags" check
