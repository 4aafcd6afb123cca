#!/bin/sh
# usage: sh tools/fuzz.sh SECONDS [TABLE]
# Fuzzes the C readers of files, each for so long, led by what code is reached (clang's libFuzzer), with AddressSanitizer and
# UndefinedBehaviorSanitizer, 512 MB of memory and ten seconds for a file. What reaches new code is kept in the folder CORPUS
# (by default ~/.cache/candela/corpus) for the next time, and what fails beside it. Status 77: skipped.
set -eu
seconds=$1
table=${2:-/dev/null}
. tools/packages.sh
need_or_skip clang:clang
[ -n "$(find /usr/lib/llvm-* -name "libclang_rt.fuzzer-*.a" 2>/dev/null | head -n 1)" ] || apt_install libclang-rt-dev || apt_install libclang-rt-14-dev ||
    { echo "skipped: no runtime of the fuzzer"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
corpus=${CORPUS:-$HOME/.cache/candela/corpus}
mkdir -p "$corpus"
Rscript tools/sample-files.R "$work/seeds"
mkdir -p "$work/seeds/json"
cp "$work/seeds/polygons/"* "$work/seeds/json" 2>/dev/null || printf '{"a": [1, 2.5e3, null, "\\u00e9"]}' > "$work/seeds/json/1"
make -s -j2 -f tools/kernels.mk BUILD="${BUILD:-$work}" CC="${CC:-clang}" read-files BLAS_LIBS= OPENMP= KERNEL_CFLAGS=-O1 \
    CFLAGS="-O1 -g1 -DFUZZ -fsanitize=fuzzer,address,undefined -fno-sanitize=null,pointer-overflow,alignment -fno-sanitize-recover=undefined"
failed=0
# fuzz NAME READER SEEDS
fuzz() {
    found=$corpus/$1
    mkdir -p "$found" "$corpus/failed"
    READER=$2 ASAN_OPTIONS=quarantine_size_mb=8:allocator_may_return_null=1:detect_leaks=1 "${BUILD:-$work}/read-files" "$found" "$work/seeds/$3" \
        -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 -max_len=200000 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="$corpus/failed/$1-" > "$work/log" 2>&1 && bad=0 || bad=1
    failed=$((failed + bad))
    executions=$(grep -E '^(stat::number_of_executed_units|#[0-9]+)' "$work/log" | tail -n 1 | grep -oE '[0-9]+' | head -n 1)
    row="fuzzing led by coverage: $1	${executions:-0}	$bad	$seconds s, $(find "$found" -type f | wc -l) files kept"
    printf '%s\n' "$row"
    printf '%s\n' "$row" >> "$table"
    [ $bad = 0 ] || tail -n 40 "$work/log"
}
fuzz PNG image PNG
fuzz JPEG image JPEG
fuzz TIFF image TIFF
fuzz labels labels labels
fuzz safetensors safetensors safetensors
fuzz zip-pth checkpoint "zip .pth"
fuzz stream-pth checkpoint "stream .pth"
fuzz JSON json json
exit $((failed > 0))
