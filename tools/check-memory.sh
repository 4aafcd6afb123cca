#!/bin/sh
# usage: sh tools/check-memory.sh allocation|torture|valgrind [pattern of test files]
# The package without its pool of memory, and on it: each allocation of the package fails, in turn; garbage is collected at
# every allocation of R's; or valgrind watches the tests. Status 77: skipped.
set -eu
. tools/packages.sh
[ "$1" != valgrind ] || need_or_skip valgrind:valgrind
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/library"
sh tools/special-build.sh "$work/library" CPPFLAGS=-DCD_PLAIN_MEMORY "CFLAGS=-O1 -g1"
export R_LIBS="$work/library" R_ENABLE_JIT=0
all='arguments|autograd|autograd-second|autograd-views|functional-attention|functional-loss|functional-operators|fusion'
all="$all|image|image-tiff|kernels|layers-convolution|layers-normalisation|layers-pooling|layers-recurrent|layers-volume"
all="$all|linalg|mask-objects|mask-polygons|memory-format|module|optim|own-layouts|random|reference-operators|saved"
all="$all|serialize|tensor-.*|transform-tensor|unload|weights"
case $1 in
    allocation)
        cc -O1 -shared -fPIC -o "$work/fail-malloc.so" tools/fail-malloc.c
        LD_PRELOAD=$work/fail-malloc.so Rscript tools/each-call.R memory "^(${2:-$all})\$" ;;
    torture) Rscript tools/each-call.R torture "^(${2:-$all})\$" ;;
    valgrind)
        # Its processor has no AVX-512. R itself leaves memory to the end.
        few='autograd|functional-operators|image|image-tiff|linalg|mask-objects|optim|random|saved|tensor-index'
        NOT_CRAN=false R -d "valgrind --error-exitcode=99 --log-file=$work/valgrind.%p --trace-children=no" --vanilla \
            --no-echo -f tools/test.R --args "^(${2:-$few})\$" || status=$?
        cat "$work"/valgrind.* | grep -A 25 -E 'Invalid|uninitialised|definitely' | head -n 100 || true
        cat "$work"/valgrind.* | grep 'ERROR SUMMARY'
        exit "${status:-0}" ;;
esac
