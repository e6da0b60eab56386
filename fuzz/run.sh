#!/usr/bin/env bash
# Fuzzes parsers of bytes from outside, each for so many seconds of one processor: fuzz/run.sh SECONDS [TARGET...]
#
# One hour each, as before a release: fuzz/run.sh 3600. Needs a C++ compiler and cargo-fuzz (cargo install cargo-fuzz --locked);
# a nightly toolchain where there is one, else the stable one is asked to take nightly's options. What was found stands in
# fuzz/artifacts; corpora grow in fuzz/corpus from the seeds of tests/parsers.
set -euo pipefail

if [ $# -lt 1 ]; then
    sed -n 2p "$0" >&2
    exit 2
fi
seconds=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
mapfile -t all < <(basename -s .rs fuzz_targets/*.rs)
targets=("${@:-${all[@]}}")

command -v cargo-fuzz > /dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2; exit 1; }
toolchain=()
if rustup toolchain list 2> /dev/null | grep -q '^nightly'; then toolchain=(+nightly); else export RUSTC_BOOTSTRAP=1; fi

(cd .. && cargo run --quiet -p knutepunkt-parsers --example seeds -- "$here/corpus")
for target in "${targets[@]}"; do
    echo "--- $target, $seconds s"
    # What takes long or much for its size is a finding, too.
    cargo "${toolchain[@]}" fuzz run "$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
done
