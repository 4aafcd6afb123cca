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
printf 'CC = %s -std=gnu11\nCFLAGS = %s\n' "$1" "$2" > "$work/Makevars"
[ "$3" != serial ] || printf 'SHLIB_OPENMP_CFLAGS =\n' >> "$work/Makevars"
(cd "$work" && R CMD build --no-build-vignettes "$OLDPWD" > build.log 2>&1) || { cat "$work/build.log"; exit 1; }
R_MAKEVARS_USER=$work/Makevars MAKEFLAGS=-j2 R CMD INSTALL --no-docs --no-byte-compile --library="$library" \
    "$work"/candela_*.tar.gz > "$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
if [ "$3" = odd ]; then
    chmod a-w "$work/home"
    export LC_ALL=C HOME="$work/home"
fi
R_LIBS=$library Rscript tools/test.R "$tests"
