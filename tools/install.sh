#!/bin/sh
# Builds the source package in a temporary folder and installs it.
set -eu
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$(Rscript -e 'source("tools/library.R"); cat(writable_library())')
(cd "$work" && R CMD build --no-build-vignettes "$root" > build.log 2>&1) || { cat "$work/build.log" >&2; exit 1; }
echo "Installing candela into $library"
MAKEFLAGS=${MAKEFLAGS:--j2} R CMD INSTALL --library="$library" "$work"/candela_*.tar.gz > "$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2; exit 1; }
