#!/usr/bin/env bash
# Takes the pictures of the user guides: bilder.sh <knutepunkt> <the example ekko of the Rust client> [folder]
#
# They go to docs/brukerveiledning/bilder, or the folder given. $CHROMIUM is the browser, if it is not Debian's.
set -euo pipefail

if [ $# -lt 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
    echo "usage: $0 /path/to/knutepunkt /path/to/ekko [folder]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
KNUTEPUNKT=$(realpath "$1")
EKKO=$(realpath "$2")
BILDER=${3:-$here/../../docs/brukerveiledning/bilder}
mkdir -p "$BILDER"
BILDER=$(realpath "$BILDER")
CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
if [ -z "$CHROMIUM" ] || [ ! -x "$CHROMIUM" ]; then
    echo "a browser is missing: install Debian's package chromium, or name one in CHROMIUM" >&2
    exit 1
fi
export KNUTEPUNKT EKKO CHROMIUM BILDER

# What is installed lies outside the checkout, beside a copy of the script: Node looks for packages from where a file lies.
home=${KNUTEPUNKT_CI_CACHE:-$HOME/.cache/knutepunkt}/bilder
mkdir -p "$home"
rm -rf "$home/lib" "$home"/*.mjs
cp -R "$here"/. "$home/"
cd "$home"
packages=$(cat package.json package-lock.json | cksum | cut -d' ' -f1)
if [ ! -e "node_modules/.complete-$packages" ]; then
    npm ci --silent --ignore-scripts
    touch "node_modules/.complete-$packages"
fi
node bilder.mjs
