#!/bin/sh
# usage: sh tools/setup.sh [demo|test]
# Installs what candela needs: to be built and for its demo (default), or for its tests and vignettes as well. On Debian and
# Ubuntu these are binary packages, installed as root or through sudo, which may ask for a password in a terminal. Who
# has neither is told one line for an administrator. Nothing happens where nothing is missing.
set -eu
. tools/packages.sh

SYSTEM="r-base-core r-base-dev libpng-dev libjpeg-dev libtiff-dev pkg-config make gcc"
R_PACKAGES="R6 cli generics magrittr rlang"
OPTIONAL=
if [ "${1:-demo}" != demo ]; then
    SYSTEM="$SYSTEM pandoc"
    R_PACKAGES="$R_PACKAGES testthat"
    OPTIONAL="withr callr coro ggplot2 jsonlite knitr rmarkdown purrr bit64"
fi

missing_system() {
    for package in $SYSTEM; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

# Of all those named, where R itself is missing.
missing_r() {
    if command -v Rscript >/dev/null 2>&1; then
        Rscript -e 'cat(setdiff(commandArgs(TRUE), rownames(installed.packages())))' "$@"
    else
        echo "$*"
    fi
}

debian_names() {
    for package in "$@"; do
        printf 'r-cran-%s ' "$(printf '%s' "$package" | tr '[:upper:]' '[:lower:]')"
    done
}

# R packages go into the user's own library where there is no administrator.
from_cran() {
    echo "Installing R packages from CRAN: $*"
    Rscript tools/install-packages.R "$@"
}

# shellcheck disable=SC2086
{
    needed=$(missing_r $R_PACKAGES)
    wanted=$([ -z "$OPTIONAL" ] || missing_r $OPTIONAL)
}

if ! command -v apt-get >/dev/null 2>&1; then
    command -v Rscript >/dev/null 2>&1 || { echo "R is missing: install it from https://cran.r-project.org" >&2; exit 1; }
    # shellcheck disable=SC2086
    [ -z "$needed" ] || from_cran $needed
    exit 0
fi

system=$(missing_system)
[ -n "$system$needed$wanted" ] || exit 0
# shellcheck disable=SC2086
debian="$system$(debian_names $needed $wanted)"

if may_be_root; then
    echo "Reading the list of packages ..."
    as_root apt-get update -qq >/dev/null
    available=
    for package in $debian; do
        apt-cache show "$package" >/dev/null 2>&1 && available="$available $package"
    done
    if [ -n "$available" ]; then
        echo "Installing$available ..."
        # shellcheck disable=SC2086
        apt_install $available
    fi
elif [ -n "$system" ] || [ -z "$needed" ]; then
    # What is only wanted is done without: tests that need it are skipped.
    [ -n "$system$needed" ] || exit 0
    echo "System packages are missing. An administrator installs all that is needed with this line:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends $debian" | sed 's/ *$//' >&2
    exit 1
fi

# shellcheck disable=SC2086
needed=$(missing_r $R_PACKAGES)
# shellcheck disable=SC2086
[ -z "$needed" ] || from_cran $needed
