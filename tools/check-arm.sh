#!/bin/sh
# The kernels' own check on 64-bit ARM: cross-built, and run by an emulator, which is slow: NEON alone, on one thread, or
# as many as ARM_THREADS says. Status 77: skipped.
set -eu
. tools/packages.sh
need_or_skip aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc:libc6-dev-arm64-cross \
    qemu-aarch64-static:qemu-user-static
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s -j2 -f tools/kernels.mk BUILD="$work" CC=aarch64-linux-gnu-gcc BLAS_LIBS= CHECK="${ARM_THREADS:-1} best" \
    RUN="qemu-aarch64-static -L /usr/aarch64-linux-gnu" check
