#!/bin/sh
# Builds the kernels without R, checks and times them. Arguments go to kernel-bench time.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s -j2 -f tools/kernels.mk BUILD="$work" check
"$work/kernel-bench" time "$@"
