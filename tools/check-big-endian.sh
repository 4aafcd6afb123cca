#!/bin/sh
# The readers of files on a big-endian machine (s390x, emulated): what they find in files must be what they find here.
# Status 77: skipped.
set -eu
. tools/packages.sh
need_or_skip s390x-linux-gnu-gcc:gcc-s390x-linux-gnu s390x-linux-gnu-gcc:libc6-dev-s390x-cross \
    qemu-s390x-static:qemu-user-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lists" "$work/lists/partial" "$work/other" "$work/files"
# Debian's image libraries for s390x, unpacked into a folder of their own.
apt="-o APT::Architecture=s390x -o APT::Architectures=s390x -o Dir::State::Lists=$work/lists -o Dir::Cache=$work
    -o Debug::NoLocking=1"
# shellcheck disable=SC2086
if apt-get $apt update -qq >/dev/null 2>&1 && (cd "$work/other" && apt-get $apt download -qq libpng-dev libpng16-16 \
    libjpeg62-turbo libjpeg62-turbo-dev zlib1g zlib1g-dev > download.log 2>&1); then
    for package in "$work"/other/*.deb; do dpkg-deb -x "$package" "$work/other"; done
else
    echo "skipped: no image libraries for s390x"
    exit 77
fi
lib=$work/other/usr/lib/s390x-linux-gnu
include="-I$work/other/usr/include/libpng16 -I$work/other/usr/include/s390x-linux-gnu -I$work/other/usr/include"
Rscript tools/sample-files.R "$work/seeds"
for file in "$work"/seeds/PNG/* "$work"/seeds/JPEG/* "$work"/seeds/safetensors/* "$work/seeds/zip .pth"/* \
    "$work/seeds/stream .pth"/*; do
    cp "$file" "$work/files/$(basename "$(dirname "$file")" | tr -d " .")-$(basename "$file")"
done
make -s -j2 -f tools/kernels.mk BUILD="$work/here" CFLAGS=-O1 read-files BLAS_LIBS=
make -s -j2 -f tools/kernels.mk BUILD="$work/there" CC=s390x-linux-gnu-gcc CFLAGS=-O1 BLAS_LIBS= \
    IMAGE_CFLAGS="$include" IMAGE_LIBS="-L$lib -L$work/other/lib/s390x-linux-gnu -lpng16 -ljpeg -lz" read-files
files=$(ls "$work"/files/*)
# shellcheck disable=SC2086
"$work/here/read-files" $files > "$work/here.txt"
# shellcheck disable=SC2086
qemu-s390x-static -L /usr/s390x-linux-gnu -E LD_LIBRARY_PATH="$lib:$work/other/lib/s390x-linux-gnu" \
    "$work/there/read-files" $files > "$work/there.txt"
diff "$work/here.txt" "$work/there.txt"
echo "$(grep -c '^==' "$work/there.txt") files read alike on s390x, $(grep -c '^tensor' "$work/there.txt") tensors," \
    "$(grep -c '^image' "$work/there.txt") pictures, $(grep -c '^refused' "$work/there.txt") refused with the same words"
