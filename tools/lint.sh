#!/bin/sh
# Format and structure: clang-format (where installed), warnings of the compiler, objects for Windows, which folder may
# include which, cycles, forbidden calls, ASCII, tabs.
set -u
failed=0
complain() {
    echo "$1"
    failed=1
}

if command -v clang-format >/dev/null 2>&1; then
    for file in src/*.c src/*/*.[ch]; do
        clang-format "$file" | cmp -s - "$file" || complain "$file: not formatted (clang-format -i $file)"
    done
else
    echo "clang-format is not installed: formatting not checked"
fi

# A header that is not included shows here, before a compiler that refuses to guess meets it.
r_headers=$(R CMD config --cppflags)
for file in src/*.c src/*/*.c; do
    # shellcheck disable=SC2086
    warnings=$(${CC:-cc} -std=c11 -Wall -Wextra -pedantic -fopenmp -fsyntax-only -Isrc $r_headers "$file" 2>&1)
    [ -z "$warnings" ] || complain "$warnings"
done

for file in src/*/*.c; do
    object=$(echo "$file" | sed -e 's|^src/||' -e 's|c$|o|')
    grep -qw "$object" src/Makevars.win || complain "src/Makevars.win: no $object (Rscript tools/document.R)"
done

# A file and its header are one part; what a part includes comes below it.
cycles=$(grep -oE '^#include "[a-z_0-9/]+\.h"' src/*.c src/*/*.[ch] |
    sed -E 's/^src\/(.*)\.[ch]:#include "(.*)\.h"$/\1 \2/' | awk '$1 != $2' | tsort 2>&1 >/dev/null)
[ -z "$cycles" ] || complain "$cycles"

# Folder, then the folders it may include.
layers='base:base
kernels:kernels base
tensor:tensor kernels base
autograd:autograd tensor kernels base
optim:optim tensor kernels base
io:io tensor base
image:image tensor kernels base
r:r base kernels tensor autograd optim io image'
echo "$layers" | while IFS=: read -r folder allowed; do
    pattern=$(echo "$allowed" | sed 's/ /|/g')
    grep -nE '^#include "' src/"$folder"/* 2>/dev/null | grep -vE "#include \"($pattern)/" |
        sed 's/$/  <- not allowed here/'
done > "${TMPDIR:-/tmp}/candela-layers.$$"
[ -s "${TMPDIR:-/tmp}/candela-layers.$$" ] && complain "$(cat "${TMPDIR:-/tmp}/candela-layers.$$")"
rm -f "${TMPDIR:-/tmp}/candela-layers.$$"

forbid() { # pattern, reason, files...
    pattern=$1
    reason=$2
    shift 2
    found=$(grep -nE "$pattern" "$@" 2>/dev/null)
    [ -z "$found" ] || complain "$found
    ^ $reason"
}
engine=$(ls src/base/*.[ch] src/kernels/*.[ch] src/tensor/*.[ch] src/autograd/*.[ch] src/optim/*.[ch] src/io/*.[ch] src/image/*.[ch])
all=$(ls src/*.c src/*/*.[ch])
# shellcheck disable=SC2086
forbid '#include <R(internals|_ext)?' 'only src/r includes R headers' $engine
# shellcheck disable=SC2086
forbid '(^|[^a-z_])(printf|abort|exit|assert|rand|sprintf)\(' 'not in a library' $all
forbid '#pragma omp' 'OpenMP lives in base/parallel.c' $(echo "$all" | grep -v base/parallel.c)
forbid '	' 'tabs' $all $(ls R/*.R tests/testthat/*.R)
LC_ALL=C forbid '[^ -~	]' 'not ASCII' $all $(ls R/*.R)
long=$(awk 'length > 120 { print FILENAME ":" FNR ": longer than 120 columns" }' R/*.R tests/testthat/*.R)
[ -z "$long" ] || complain "$long"
exit $failed
