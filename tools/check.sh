#!/bin/sh
# R CMD check --as-cran on a freshly built source package; ends with an error on any ERROR, WARNING or NOTE that is ours.
set -eu
root=$(pwd)
work=${CHECK_DIR:-$(mktemp -d)}
cd "$work"
R CMD build "$root"
manual=
command -v pdflatex >/dev/null 2>&1 || { echo "no pdflatex: the PDF manual is not checked"; manual=--no-manual; }
_R_CHECK_LIMIT_CORES_=true R CMD check --as-cran $manual candela_*.tar.gz
grep -E '^Status:' candela.Rcheck/00check.log
