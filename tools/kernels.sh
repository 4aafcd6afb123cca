#!/bin/sh
# Builds and runs the kernels' own check and benchmark, without R.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-cc} -std=c11 -O2 -fopenmp -Isrc tools/kernel-bench.c src/base/*.c src/kernels/*.c -o "$work/kernel-bench" -lm ${BLAS_LIBS:--lblas}
"$work/kernel-bench" check
"$work/kernel-bench" time "$@"
