# shellcheck shell=bash
# Sourced by ./run and ./test: says what is done, and installs what the build needs where it is
# missing. Without the rights to install, it names what is missing and the command that brings it.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() {
    printf '\033[31merror:\033[0m %s\n' "$*" >&2
    exit 1
}
# Colours are for people.
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then
    say() { printf '==> %s\n' "$*"; }
    fail() {
        printf 'error: %s\n' "$*" >&2
        exit 1
    }
fi

# The commands that run with a system's package manager, and what each need is called there.
package_manager() {
    local manager
    for manager in apt-get dnf pacman apk zypper brew; do
        if command -v "$manager" >/dev/null 2>&1; then
            echo "$manager"
            return
        fi
    done
}

# package_of MANAGER NEED
package_of() {
    case "$1:$2" in
    apt-get:cc) echo build-essential ;;
    apt-get:boost) echo libboost-dev ;;
    apt-get:venv) echo python3-venv ;;
    dnf:cc) echo gcc-c++ make ;;
    dnf:boost) echo boost-devel ;;
    apk:boost) echo boost-dev ;;
    pacman:cc) echo gcc make ;;
    pacman:boost | brew:boost) echo boost ;;
    pacman:python3) echo python ;;
    apk:cc) echo g++ make musl-dev linux-headers ;;
    zypper:cc) echo gcc-c++ make ;;
    zypper:boost) echo libboost_headers-devel ;;
    brew:cc) echo llvm ;;
    # Elsewhere venv is a part of Python.
    *:venv) echo python3 ;;
    *) echo "$2" ;;
    esac
}

has() {
    case "$1" in
    cc) command -v c++ >/dev/null 2>&1 && command -v cc >/dev/null 2>&1 && command -v make >/dev/null 2>&1 ;;
    boost)
        local cxx=(c++)
        if command -v brew >/dev/null 2>&1; then
            cxx+=("-I$(brew --prefix)/include")
        fi
        echo '#include <boost/multi_index_container.hpp>' | "${cxx[@]}" -E -x c++ - >/dev/null 2>&1
        ;;
    venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

describe() {
    case "$1" in
    cc) echo "a C and C++ compiler and make" ;;
    boost) echo "the Boost headers" ;;
    venv) echo "Python's venv" ;;
    *) echo "$1" ;;
    esac
}

# install_command MANAGER PACKAGE...
install_command() {
    local manager=$1
    shift
    case "$manager" in
    apt-get) echo "apt-get install -y --no-install-recommends $*" ;;
    dnf) echo "dnf install -y $*" ;;
    pacman) echo "pacman -S --needed --noconfirm $*" ;;
    apk) echo "apk add $*" ;;
    zypper) echo "zypper --non-interactive install $*" ;;
    brew) echo "brew install $*" ;;
    esac
}

# as_root COMMAND: runs it with the rights to install; 126 where there are none.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        sh -c "$1"
    elif command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo sh -c "$1"
    else
        return 126
    fi
}

# need THING...: installs those that are missing.
need() {
    local missing=() packages=() thing manager command status=0
    for thing in "$@"; do
        has "$thing" || missing+=("$thing")
    done
    [ ${#missing[@]} -eq 0 ] && return 0

    manager=$(package_manager)
    local names=""
    for thing in "${missing[@]}"; do
        names+="${names:+, }$(describe "$thing")"
        # A need may be several packages.
        # shellcheck disable=SC2207
        [ -n "$manager" ] && packages+=($(package_of "$manager" "$thing"))
    done
    [ -n "$manager" ] || fail "missing: $names. Install them with your system's package manager, then start this again."
    command=$(install_command "$manager" "${packages[@]}")
    say "Missing: $names. Installing: $command"
    case "$manager" in
    brew) sh -c "$command" || status=$? ;;
    apt-get)
        as_root "DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive $command >/dev/null" </dev/null || status=$?
        ;;
    *) as_root "$command" || status=$? ;;
    esac
    [ "$status" -eq 126 ] && fail "missing: $names, and no right to install them. As root, run
    $command
then start this again."
    [ "$status" -eq 0 ] || fail "\`$command\` failed (status $status). Install $names by hand, then start this again."
    for thing in "${missing[@]}"; do
        has "$thing" || fail "$(describe "$thing") is still missing after \`$command\`."
    done
}

# Rust comes by rustup, which reads rust-toolchain.toml and gets the pinned version by itself.
need_rust() {
    if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    fi
    command -v cargo >/dev/null 2>&1 || fail "Rust is missing. Get rustup from https://rustup.rs, then start this again."
    say "Rust: $(cargo --version)"
}

# Where cargo writes, unless told otherwise.
target_dir() { echo "${CARGO_TARGET_DIR:-$PWD/target}"; }

# What building takes, said before it starts.
announce_build() {
    if [ "$1" = kernel ] && ! find "$(target_dir)/debug/build" -maxdepth 6 -name 'libbitcoinkernel.a' -print -quit 2>/dev/null | grep -q .; then
        say "Building. The first time takes about 15 minutes on 2 cores; half of it is Bitcoin Core's consensus engine in C++ (about 440 CPU-seconds). Later builds take seconds."
    else
        say "Building."
    fi
}
