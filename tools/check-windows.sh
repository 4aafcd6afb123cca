#!/bin/sh
# Every file of src that includes neither R's headers nor those of image formats is compiled for Windows, without a
# warning. Status 77: skipped.
set -eu
. tools/packages.sh
need_or_skip x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=$(ls src/base/*.c src/kernels/*.c src/tensor/*.c src/autograd/*.c src/optim/*.c src/io/*.c)
echo "$files" | xargs -P 2 -n 4 sh -c '
    for file in "$@"; do
        x86_64-w64-mingw32-gcc -std=c11 -O1 -Wall -Wextra -pedantic -Werror -fopenmp -Isrc -c "$file" \
            -o "$0/$(echo "$file" | tr / _).o" || exit 1
    done' "$work"
echo "$(echo "$files" | wc -l) files compiled for Windows"
