#!/bin/sh
# A C compiler: Rust links with it, so it must be there before `cargo xtask` can run. Everything else is set up by xtask.
set -eu
command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 1; }
command -v cc >/dev/null && exit 0
if ! command -v apt-get >/dev/null; then
    echo "a C compiler is missing (the program 'cc'): install gcc or clang with its C library's headers" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "a C compiler is missing; run this first, then again: sudo apt-get install -y gcc libc6-dev" >&2
    exit 1
fi
echo "installing gcc and libc6-dev (a C compiler)"
$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends gcc libc6-dev
