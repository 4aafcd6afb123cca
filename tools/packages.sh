# Functions that install Debian packages, for the scripts that source this file from the project's root.

# Root, or somebody whom sudo lets, if need be after a password, for which there must be a terminal.
may_be_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null 2>&1 || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && [ -t 2 ] && sudo -v
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif may_be_root; then
        sudo "$@"
    else
        echo "This needs administrator rights. Ask for, or run:" >&2
        echo "  sudo $*" >&2
        return 1
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" \
        >/dev/null
}

# Pairs COMMAND:PACKAGE. Installs the packages of commands that are missing; where that cannot be done it says so and ends
# the script with status 77, which stands for a check that was skipped.
need_or_skip() {
    missing=
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    [ -n "$missing" ] || return 0
    echo "Installing:$missing"
    # shellcheck disable=SC2086
    if command -v apt-get >/dev/null 2>&1 && as_root apt-get update -qq && apt_install $missing >/dev/null; then
        return 0
    fi
    echo "skipped: could not install$missing"
    exit 77
}
