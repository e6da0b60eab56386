#!/usr/bin/env bash
# Runs the official Java client against a Knutepunkt of its own, alone and together with the Rust client:
# run.sh <knutepunkt> <example ekko of sdk/fiks-io-client> [more arguments for Maven].
set -euo pipefail

if [ $# -lt 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
    echo "usage: $0 /path/to/knutepunkt /path/to/ekko [maven arguments]" >&2
    exit 2
fi
knutepunkt=$(realpath "$1")
ekko=$(realpath "$2")
shift 2
here=$(cd "$(dirname "$0")" && pwd)
target=${KNUTEPUNKT_CI_CACHE:-$HOME/.cache/knutepunkt}/interop-java
mkdir -p "$target"
rm -rf "$target/surefire-reports"
log=$target/server.log
: > "$log"

# Plugins are named in the pom with their versions, so that no short name has to be looked up.
if ! mvn --batch-mode --no-transfer-progress --file "$here/pom.xml" \
    -Dinterop.target="$target" -Dknutepunkt="$knutepunkt" -Dekko="$ekko" -Dinterop.log="$log" "$@" test; then
    echo "--- the end of the server's log ($log)" >&2
    tail -n 60 "$log" >&2
    exit 1
fi

# A skipped scenario is a failed one.
python3 - "$target/surefire-reports" <<'PY'
import pathlib, sys
import xml.etree.ElementTree as xml

suites = [xml.parse(file).getroot() for file in pathlib.Path(sys.argv[1]).glob("TEST-*.xml")]
for suite in suites:
    for case in suite.iter("testcase"):
        print(f"{float(case.get('time')):7.1f} s  {case.get('name').replace('_', ' ')}")
total = sum(int(suite.get("tests")) for suite in suites)
skipped = sum(int(suite.get("skipped")) for suite in suites)
print(f"Java: {total} scenarios run, {skipped} skipped")
sys.exit(0 if total > 0 and skipped == 0 else "a scenario was skipped, or none ran")
PY
