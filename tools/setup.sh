#!/bin/sh
# Installs what candela needs and what its tests and demo use: system libraries, R, R packages.
# On Debian and Ubuntu with apt-get, as root or through sudo; otherwise it says what is missing and stops.
set -eu
. tools/packages.sh

SYSTEM="r-base-core r-base-dev libpng-dev libjpeg-dev libtiff-dev pkg-config make gcc pandoc"
R_PACKAGES="R6 cli generics magrittr rlang coro ggplot2 jsonlite knitr purrr raster rmarkdown testthat withr bit64"

missing_system() {
    for package in $SYSTEM; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

missing_r() {
    Rscript -e 'cat(setdiff(commandArgs(TRUE), rownames(installed.packages())))' $R_PACKAGES
}

debian_name() {
    printf 'r-cran-%s' "$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')"
}

if ! command -v apt-get >/dev/null 2>&1; then
    command -v Rscript >/dev/null 2>&1 || { echo "R is missing: install it from https://cran.r-project.org" >&2; exit 1; }
    packages=$(missing_r)
    [ -z "$packages" ] || { echo "Missing R packages, install them in R: install.packages(c($(printf '"%s",' $packages | sed 's/,$//')))" >&2; exit 1; }
    exit 0
fi

system=$(missing_system)
updated=no
if [ -n "$system" ]; then
    echo "Installing system packages: $system"
    as_root apt-get update -qq
    updated=yes
    # shellcheck disable=SC2086
    apt_install $system
fi

packages=$(missing_r)
if [ -n "$packages" ]; then
    echo "Installing R packages: $packages"
    if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
        [ "$updated" = yes ] || as_root apt-get update -qq
        for package in $packages; do
            name=$(debian_name "$package")
            if apt-cache show "$name" >/dev/null 2>&1; then
                apt_install "$name"
            fi
        done
    fi
fi

packages=$(missing_r)
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086
    Rscript tools/install-packages.R $packages
fi
