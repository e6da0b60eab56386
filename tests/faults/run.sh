#!/usr/bin/env bash
# Tries to break what docs/guarantees.md promises, on the release binary from outside.
#
#   tests/faults/run.sh <knutepunkt> --kort [--inspect <example>]                     minutes; a step of .ci/run
#   tests/faults/run.sh <knutepunkt> --lang --rapport docs/reliability-report.md      hours; with --bare, by parts
#
# --bare <scenario> runs one (may be given again), --seed repeats a run as far as timing allows, --behold keeps the folders.
# Needs Linux, Python 3.11, openssl, a C compiler, and for what they are named after: root, iproute2, faketime, PostgreSQL.
# What is missing is said, and counts as failed.
set -euo pipefail

if [ $# -lt 2 ] || [ ! -x "$1" ]; then
    sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
binary=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)

export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here
# Sockets of strangers and of a thousand clients.
ulimit -n "$(ulimit -Hn)"
echo "the model finds what it must find, and the report says it:"
python3 -m unittest --quiet harness.test_model harness.test_disk harness.test_report
exec python3 "$here/faults.py" "$binary" "$@"
