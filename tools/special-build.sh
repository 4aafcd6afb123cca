#!/bin/sh
# usage: sh tools/special-build.sh LIBRARY [NAME=VALUE ...]
# Installs the package into LIBRARY, which must be there, with these variables of make (CC, CFLAGS, CPPFLAGS, LDFLAGS,
# SHLIB_OPENMP_CFLAGS ...), debugging symbols kept, without byte code and help pages.
set -eu
library=$1
shift
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for pair in "$@"; do
    printf '%s = %s\n' "${pair%%=*}" "${pair#*=}" >> "$build/Makevars"
done
touch "$build/Makevars"
(cd "$build" && R CMD build --no-build-vignettes "$OLDPWD" > build.log 2>&1) || { cat "$build/build.log"; exit 1; }
CANDELA_DEBUG=1 R_MAKEVARS_USER=$build/Makevars MAKEFLAGS=${MAKEFLAGS:--j2} R CMD INSTALL --no-docs --no-byte-compile \
    --no-test-load --library="$library" "$build"/candela_*.tar.gz > "$build/install.log" 2>&1 ||
    { tail -n 30 "$build/install.log"; exit 1; }
