#!/bin/sh
# usage: sh tools/trust.sh [short]
# Tries what candela promises, and prints a table: what was tried, how many times, how many failed. The short form, for each
# change, takes two minutes; the full one hours, most of them for the fuzzers. Status 1 if anything failed.
set -eu
form=${1:-full}
table=$(mktemp)
trap 'rm -f "$table"' EXIT
say() { printf '%s\n' "$*" >&2; }
row() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >> "$table"; }

say "Fuzzing the readers of files ..."
Rscript tools/fuzz.R --seconds "$([ "$form" = short ] && echo 2 || echo 900)" --out "$table" >&2 || true

say "Kill, resume, fork, interrupts, memory ..."
Rscript tools/trust.R "$form" "$table" >&2 || row "trials of tools/trust.R" 1 1 "they ended early"

# A script of make targets that count by themselves: one trial each.
check() {
    say "$1 ..."
    status=0
    sh -c "$2" > "$table.log" 2>&1 || status=$?
    case $status in
        0) row "$1" "${3:-1}" 0 "$(grep -h '^tests:' "$table.log" | tail -1)" ;;
        77) row "$1" 0 0 "not tried: $(grep -h skipped "$table.log" | tail -1)" ;;
        *) row "$1" "${3:-1}" 1 "$(tail -1 "$table.log")" ;;
    esac
    rm -f "$table.log"
}

if [ "$form" != short ]; then
    check "tests with AddressSanitizer and UndefinedBehaviorSanitizer" "sh tools/check-sanitizers.sh"
    check "kernels against their definitions, each instruction set, 1, 2 and 4 threads" "sh tools/check-kernels.sh"
    check "kernels on ARM, emulated, 1 and 2 threads" "ARM_THREADS=2 sh tools/check-arm.sh"
    check "compiled for Windows" "sh tools/check-windows.sh"
    for build in "gcc -O0" "gcc -O3" "clang -O2"; do
        compiler=${build%% *}
        if command -v "$compiler" > /dev/null; then
            check "tests, built by $build" "sh tools/trust-build.sh $compiler ${build##* } openmp"
        else
            row "tests, built by $build" 0 0 "not tried: no $compiler"
        fi
    done
    check "tests, built without OpenMP" "sh tools/trust-build.sh gcc -O2 serial"
    check "tests in the C locale, a path with spaces and accents, a home that is read-only" \
        "sh tools/trust-build.sh gcc -O2 odd"
fi

echo "| tried | times | failed | |"
echo "|---|---:|---:|---|"
awk -F'\t' '{ printf "| %s | %s | %s | %s |\n", $1, $2, $3, $4; failed += $3 } END { exit failed > 0 }' "$table"
