#!/usr/bin/env bash
# Fuzzes parsers of bytes from outside, each for so many seconds of one processor: fuzz/run.sh SECONDS [TARGET...]
#
# One hour each, as before a release: fuzz/run.sh 3600. Needs a C++ compiler and cargo-fuzz (cargo install cargo-fuzz --locked);
# a nightly toolchain where there is one, else the stable one is asked to take nightly's options. What was found stands in
# fuzz/artifacts; corpora grow in fuzz/corpus from the seeds of tests/parsers. With RAPPORT=docs/fuzz-report.md a row is added
# there for each target.
set -euo pipefail

if [ $# -lt 1 ]; then
    sed -n 2p "$0" >&2
    exit 2
fi
seconds=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
report=${RAPPORT:+$(realpath "$RAPPORT")}
cd "$here"
mapfile -t all < <(basename -s .rs fuzz_targets/*.rs)
targets=("${@:-${all[@]}}")

command -v cargo-fuzz > /dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2; exit 1; }
toolchain=()
if rustup toolchain list 2> /dev/null | grep -q '^nightly'; then toolchain=(+nightly); else export RUSTC_BOOTSTRAP=1; fi
commit=$(git rev-parse --short HEAD)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# add_row <target> <seconds used> <executions> <verdict>
add_row() {
    [ -n "$report" ] || return 0
    if [ ! -e "$report" ]; then
        {
            printf '# Fuzz report\n\n'
            printf 'Written by `fuzz/run.sh`, and never by hand: a row for each run of a target, from the corpus that runs before it left.\n\n'
            printf '| Target | Commit | Day | Processor, s | Executions | Edges reached | Corpus | Verdict |\n'
            printf '|---|---|---|---|---|---|---|---|\n'
        } > "$report"
    fi
    local edges
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | grep -o '[0-9]*' || echo '?')
    printf '| %s | `%s` | %s | %s | %s | %s | %s | %s |\n' \
        "$1" "$commit" "$(date -u +%F)" "$2" "$3" "$edges" "$(find "corpus/$1" -type f | wc -l)" "$4" >> "$report"
}

(cd .. && cargo run --quiet -p knutepunkt-parsers --example seeds -- "$here/corpus")
TIMEFORMAT='%U %S'
status=0
for target in "${targets[@]}"; do
    echo "--- $target, $seconds s of a processor"
    # Built beforehand, so that the compiler's time does not count.
    cargo "${toolchain[@]}" fuzz build "$target"
    used=0 executions=0 verdict='nothing found'
    # On a machine that has other work to do, an hour on the clock is less of a processor.
    while [ "$used" -lt "$seconds" ] && [ "$verdict" = 'nothing found' ]; do
        # What takes long or much for its size is a finding, too.
        took=$({ time cargo "${toolchain[@]}" fuzz run "$target" -- -max_total_time="$((seconds - used))" \
            -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 > "$log" 2>&1; } 2>&1) \
            || verdict="FOUND, see fuzz/artifacts/$target"
        used=$((used + $(awk '{ printf "%d", $1 + $2 + 1 }' <<< "$took")))
        executions=$((executions + $(awk '/stat::number_of_executed_units/ { n += $2 } END { print n + 0 }' "$log")))
    done
    tail -n 12 "$log"
    add_row "$target" "$used" "$executions" "$verdict"
    [ "$verdict" = 'nothing found' ] || status=1
done
exit "$status"
