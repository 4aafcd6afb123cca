#!/bin/sh
# ThreadSanitizer on the kernels, with 2 and 4 threads, and on reading images ahead. The OpenMP runtime must tell it of its
# barriers: clang's does, through its tool "archer". Status 77: skipped.
set -eu
. tools/packages.sh
need_or_skip clang:clang
archer=$(find /usr/lib/llvm-* -name 'libarcher.so' 2>/dev/null | head -n 1)
if [ -z "$archer" ]; then
    apt_install libomp-dev || { echo "skipped: could not install libomp-dev"; exit 77; }
    archer=$(find /usr/lib/llvm-* -name 'libarcher.so' | head -n 1)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-O1 -g1 -fsanitize=thread"
make -s -j2 -f tools/kernels.mk BUILD="$work" CC=clang CFLAGS="$flags" BLAS_LIBS= "$work/kernel-bench"
export OMP_TOOL_LIBRARIES="$archer" TSAN_OPTIONS="ignore_noninstrumented_modules=1 halt_on_error=0 exitcode=66"
"$work/kernel-bench" check "${THREADS:-2}" "${LEVELS:-best}" > "$work/log" 2>&1 || status=$?
grep -A 30 -m 3 'WARNING: ThreadSanitizer' "$work/log" || true
tail -n 1 "$work/log"
echo "data races: $(grep -c 'WARNING: ThreadSanitizer' "$work/log" || true)"
exit "${status:-0}"
