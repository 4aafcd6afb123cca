#!/bin/sh
# usage: sh tools/install.sh [vignettes]
# Builds the source package in a temporary folder, with its vignettes if asked to and where knitr, rmarkdown and pandoc are,
# and installs it. What is installed already from the same files, for the same R, is left alone.
set -eu
root=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$(Rscript -e 'source("tools/library.R"); cat(writable_library())')
vignettes=no
if [ "${1:-}" = vignettes ]; then
    if command -v pandoc >/dev/null 2>&1 &&
        Rscript -e 'for (p in c("knitr", "rmarkdown")) loadNamespace(p)' >/dev/null 2>&1; then
        vignettes=yes
    else
        echo "Without vignettes, which need pandoc and the R packages knitr and rmarkdown (make setup installs them)."
    fi
fi
# Without .git and what is made: the sum of all files, of R, and of how to build.
stamp=$( (find DESCRIPTION NAMESPACE LICENSE NEWS.md R configure configure.win cleanup inst man src tools/makevars.sh vignettes -type f \
    ! -name '*.o' ! -name '*.so' ! -name Makevars | sort | xargs cksum; Rscript --version 2>&1; env | grep -E '^(CC|CFLAGS|PNG_|JPEG_|TIFF_|CANDELA_TIFF)' | sort) |
    cksum | cut -d' ' -f1)
installed=$(cat "$library/candela/BUILT" 2>/dev/null || true)
if [ "$installed" = "$stamp yes" ] || [ "$installed" = "$stamp $vignettes" ]; then
    echo "candela in $library is up to date."
    exit 0
fi
echo "Building candela$([ $vignettes = no ] || echo ' and its vignettes') ..."
if [ $vignettes = yes ]; then build=; else build=--no-build-vignettes; fi
# shellcheck disable=SC2086
(cd "$work" && R CMD build $build "$root" > build.log 2>&1) || { cat "$work/build.log" >&2; exit 1; }
echo "Installing candela into $library ..."
MAKEFLAGS=${MAKEFLAGS:--j2} R CMD INSTALL --library="$library" "$work"/candela_*.tar.gz > "$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2; exit 1; }
echo "$stamp $vignettes" > "$library/candela/BUILT"
