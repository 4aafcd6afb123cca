#!/bin/sh
# Format, warnings of the compiler, structure (tools/structure.R), forbidden calls and words, ASCII,
# tabs. Exit status 1 if anything is wrong; every rule is checked either way.
set -u
failed=0
complain() {
    echo "$1"
    failed=1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if command -v clang-format >/dev/null 2>&1; then
    for file in src/*.c src/*/*.[ch]; do
        clang-format "$file" | cmp -s - "$file" || complain "$file: not formatted (clang-format -i $file)"
    done
else
    echo "clang-format is not installed: formatting not checked"
fi

# Objects, for their symbols and the compiler's warnings; without optimisation the inner kernels take minutes. A header
# that is not included shows here, before a compiler that refuses to guess meets it.
tiff=$(pkg-config --exists libtiff-4 2>/dev/null && echo "-DCD_HAVE_TIFF $(pkg-config --cflags libtiff-4)")
flags="-std=c11 -O1 -Wall -Wextra -pedantic -fopenmp -fPIC -Isrc $tiff $(R CMD config --cppflags)"
for folder in src/*/; do mkdir -p "$work/$(basename "$folder")"; done
compile() {
    # shellcheck disable=SC2016,SC2086
    ls src/*.c src/*/*.c | xargs -P 2 -n 4 sh -c '
        for file in "$@"; do
            object=$0/$(echo "$file" | sed -e "s|^src/||" -e "s|c\$|o|")
            ${CC:-cc} $FLAGS -c "$file" -o "$object"
        done' "$work"
}
warnings=$(FLAGS=$flags compile 2>&1)
[ -z "$warnings" ] || complain "$warnings"
Rscript tools/structure.R "$work" || failed=1

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
written="$all $(ls R/*.R tests/testthat/*.R bench/*.R bench/*.c tools/*.R tools/*.c) CONTRIBUTING.md README.md NEWS.md"
# shellcheck disable=SC2086
{
    forbid '#include <R(internals|_ext)?' 'only src/r includes R headers' $engine
    forbid '(^|[^a-z_])(printf|abort|exit|assert|rand|sprintf)\(' 'not in a library' $all
    forbid '#pragma omp' 'OpenMP lives in base/parallel.c' $(echo "$all" | grep -v base/parallel.c)
    forbid '	' 'tabs' $all $(ls R/*.R tests/testthat/*.R)
    LC_ALL=C forbid '[^ -~	]' 'not ASCII' $all $(ls R/*.R)
}
# shellcheck disable=SC2086
long=$(awk 'length > 120 { print FILENAME ":" FNR ": longer than 120 columns" }' $all R/*.R tests/testthat/*.R bench/*.R tools/*.R)
[ -z "$long" ] || complain "$long"

# Words that have a better one in the field: pattern, what to say, what is left alone (names of PyTorch's functions).
# shellcheck disable=SC2086
while IFS=';' read -r word instead except; do
    case $word in ''|'#'*) continue ;; esac
    found=$(grep -nEiw "$word" $written | grep -vE "${except:-^\$}")
    [ -z "$found" ] || complain "$(echo "$found" | head -n 5)
    ^ \"$word\" in $(echo "$found" | wc -l | tr -d ' ') lines: $instead"
done < tools/words

exit $failed
