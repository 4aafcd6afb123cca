#!/bin/sh
# usage: sh tools/trust-build.sh COMPILER OPTIMISATION openmp|serial|odd
# Builds into a library of its own and runs the quick tests of the engine; "odd": in the C locale, from a path with spaces and
# accents, with a home that cannot be written.
set -eu
tests='^(arguments|autograd|functional-operators|image|module|optim|serialize|tensor-index|tensor-math|budgets|whole-file)$'
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
library=$work/library
[ "$3" != odd ] || library="$work/a lïbrary of my own"
mkdir "$library" "$work/home"
if [ "$3" = serial ]; then
    sh tools/special-build.sh "$library" "CC=$1 -std=gnu11" "CFLAGS=$2" SHLIB_OPENMP_CFLAGS=
else
    sh tools/special-build.sh "$library" "CC=$1 -std=gnu11" "CFLAGS=$2"
fi
if [ "$3" = odd ]; then
    chmod a-w "$work/home"
    export LC_ALL=C HOME="$work/home"
fi
R_LIBS=$library Rscript tools/test.R "$tests"
