#!/bin/sh
# usage: sh tools/trust.sh [short] [PIECE ...]
# Tries what candela promises, and prints a table: what was tried, how many times, how many failed. The short form, for each
# change, takes a minute; the full one hours, most of them for the fuzzers. PIECE: these alone, of calls, fuzz, trials,
# sanitizers, levels, threads, allocation, torture, valgrind, protect, kernels, arm, endian, windows, builds.
# FUZZ_SECONDS: for each reader of files, 900 by default. Status 1 if anything failed.
set -eu
form=full
[ "${1:-}" != short ] || { form=short; shift; }
[ $# -gt 0 ] || set -- calls fuzz trials sanitizers levels threads allocation torture valgrind protect kernels arm endian \
    windows builds
[ $form != short ] || set -- fuzz trials
table=$(mktemp)
trap 'rm -f "$table" "$table".*' EXIT
say() { printf '%s\n' "$*" >&2; }
row() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >> "$table"; }

# check WHAT COMMAND: a trial whose last lines say how it went. What it says itself between tabs are rows of the table.
check() {
    say "$1 ..."
    status=0
    sh -c "$2" > "$table.log" 2>&1 || status=$?
    if [ $status = 77 ]; then
        row "$1" 0 0 "not tried: $(grep -h skipped "$table.log" | tail -n 1)"
    elif grep -q '	[0-9]*	[0-9]*	' "$table.log"; then
        grep '	[0-9]*	[0-9]*	' "$table.log" >> "$table"
    else
        row "$1" 1 $((status != 0)) "$(grep -h '^tests:' "$table.log" | tail -n 1 || tail -n 1 "$table.log")"
    fi
    [ $status = 0 ] || [ $status = 77 ] || tail -n 40 "$table.log" >&2
}

# One build and the quick tests for it.
build() {
    if command -v "$1" > /dev/null; then
        check "$4" "sh tools/trust-build.sh $1 $2 $3"
    else
        row "$4" 0 0 "not tried: no $1"
    fi
}

for piece in "$@"; do
    case $piece in
        calls) check "nonsense in every argument" "Rscript tools/bad-calls.R 40 | sed -n \
            's/^bad calls: \([0-9]*\) of \([0-9]*\) functions.*bare R errors: \([0-9]*\) (.*died or hung: \([0-9]*\).*/nonsense in every argument: crashed or hung	\1	\4	\2 functions and methods; \3 errors in R'\''s own words/p'" ;;
        fuzz)
            if [ $form = short ]; then
                Rscript tools/fuzz.R --seconds 1 --out "$table" >&2 || true
            else
                check "fuzzing led by coverage" "sh tools/fuzz.sh ${FUZZ_SECONDS:-900}"
                Rscript tools/fuzz.R --seconds "${FUZZ_SECONDS:-900}" --readers torch_load,polygons,runs --out "$table" >&2 || true
            fi ;;
        trials) Rscript tools/trust.R "$form" "$table" >&2 || row "trials of tools/trust.R" 1 1 "they ended early" ;;
        sanitizers) check "tests with AddressSanitizer and UndefinedBehaviorSanitizer" "sh tools/check-sanitizers.sh" ;;
        levels) check "kernels with AddressSanitizer and UndefinedBehaviorSanitizer, each instruction set" \
            "SANITIZE=address,undefined sh tools/check-kernels.sh" ;;
        threads) check "kernels with ThreadSanitizer" "sh tools/check-threads.sh" ;;
        allocation | torture | valgrind) check "$piece" "sh tools/check-memory.sh $piece" ;;
        protect) check "R objects are protected where R may collect" "Rscript tools/protect.R" ;;
        kernels) check "kernels against their definitions, each instruction set, 1, 2 and 4 threads" "sh tools/check-kernels.sh" ;;
        arm) check "kernels on ARM, emulated, 1 and 2 threads" "ARM_THREADS=2 sh tools/check-arm.sh" ;;
        endian) check "readers of files on a big-endian machine, emulated" "sh tools/check-big-endian.sh" ;;
        windows) check "compiled for Windows" "sh tools/check-windows.sh" ;;
        builds)
            build gcc -O0 openmp "tests, built by gcc -O0"
            build gcc -O3 openmp "tests, built by gcc -O3"
            build clang -O2 openmp "tests, built by clang -O2"
            build clang -O0 serial "tests, built by clang -O0 without OpenMP"
            build gcc -O2 serial "tests, built without OpenMP"
            build gcc -O2 odd "tests in the C locale, a path with spaces and accents, a home that is read-only" ;;
        *) say "no piece $piece"; exit 2 ;;
    esac
done

echo "| tried | times | failed | |"
echo "|---|---:|---:|---|"
awk -F'\t' '{ printf "| %s | %s | %s | %s |\n", $1, $2, $3, $4; failed += $3 } END { exit failed > 0 }' "$table"
