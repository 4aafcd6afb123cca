#!/bin/sh
# R CMD check --as-cran on a freshly built source package; fails on any ERROR, WARNING or NOTE that is ours.
# CHECK_DIR: where to work, by default a temporary folder. Arguments go to R CMD check (--no-tests, ...).
# What it looks for is installed where that can be done; without it the check has notes that are not ours, and is skipped.
set -eu
. tools/packages.sh
need_or_skip qpdf:qpdf checkbashisms:devscripts tidy:tidy
root=$(pwd)
work=${CHECK_DIR:-$(mktemp -d)}
export MAKEFLAGS="${MAKEFLAGS:--j2}"
cd "$work"
rm -rf candela_*.tar.gz candela.Rcheck
R CMD build "$root"
set -- --as-cran "$@"
if ! command -v pdflatex >/dev/null 2>&1; then
    echo "no pdflatex: the PDF manual is not checked"
    set -- --no-manual "$@"
elif ! kpsewhich inconsolata.sty >/dev/null 2>&1; then
    export R_RD4PDF="times,hyper" # without the font that R asks for by default
fi
# Threads and questions to other machines as CRAN's servers have them.
export _R_CHECK_LIMIT_CORES_=true _R_CHECK_CRAN_INCOMING_REMOTE_=false _R_CHECK_SYSTEM_CLOCK_=false
R CMD check "$@" candela_*.tar.gz || true
log=candela.Rcheck/00check.log
grep -E '^Status:' "$log"
# "Maintainer: ..." alone is what every package gets. The size is told, and is more than 5 MB: every kernel is there for
# each instruction set, and the classes of a dozen families of models are stored with the package.
grep -A 4 'checking installed package size' "$log" || true
ours=$(grep -E '^\* checking .* \.\.\. .*(ERROR|WARNING|NOTE)$' "$log" | grep -vE 'CRAN incoming feasibility|installed package size' || true)
if [ -n "$ours" ]; then
    echo "Not clean (see $work/$log):"
    echo "$ours"
    exit 1
fi
