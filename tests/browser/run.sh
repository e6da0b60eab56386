#!/usr/bin/env bash
# Tests the portal in a browser: run.sh <knutepunkt> <the example ekko of the Rust client> [test files]
#
# $CHROMIUM is the browser, if it is not Debian's. Pictures of every page are left in $BROWSER_OUTPUT.
set -euo pipefail

if [ $# -lt 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
    echo "usage: $0 /path/to/knutepunkt /path/to/ekko [test files]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
KNUTEPUNKT=$(realpath "$1")
EKKO=$(realpath "$2")
shift 2
CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
if [ -z "$CHROMIUM" ] || [ ! -x "$CHROMIUM" ]; then
    echo "a browser is missing: install Debian's package chromium, or name one in CHROMIUM" >&2
    exit 1
fi
BROWSER_OUTPUT=${BROWSER_OUTPUT:-$here/../../target/browser}
mkdir -p "$BROWSER_OUTPUT"
BROWSER_OUTPUT=$(realpath "$BROWSER_OUTPUT")
export KNUTEPUNKT EKKO CHROMIUM BROWSER_OUTPUT

# What is installed lies outside the checkout, beside a copy of the tests: Node looks for packages from where a file lies.
home=${KNUTEPUNKT_CI_CACHE:-$HOME/.cache/knutepunkt}/browser
mkdir -p "$home"
rm -rf "$home/lib" "$home"/*.mjs
cp -R "$here"/. "$home/"
cd "$home"
packages=$(cat package.json package-lock.json | cksum | cut -d' ' -f1)
if [ ! -e "node_modules/.complete-$packages" ]; then
    npm ci --silent --ignore-scripts
    touch "node_modules/.complete-$packages"
fi

files=("$@")
if [ ${#files[@]} -eq 0 ]; then files=(*.test.mjs); fi
node --test --test-reporter=spec --test-concurrency=2 --test-timeout=360000 "${files[@]}"
