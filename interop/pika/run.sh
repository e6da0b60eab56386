#!/usr/bin/env bash
# Runs a generic AMQP client, pika, against a Knutepunkt of its own: run.sh <knutepunkt> [options]
set -euo pipefail

if [ $# -lt 1 ] || [ ! -x "$1" ]; then
    echo "usage: $0 /path/to/knutepunkt [options]" >&2
    exit 2
fi
knutepunkt=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
home=${KNUTEPUNKT_CI_CACHE:-$HOME/.cache/knutepunkt}/interop-pika
mkdir -p "$home"

# A new list of requirements gets a new environment.
venv=$home/venv-$(cksum < "$here/requirements.txt" | cut -d' ' -f1)
if [ ! -x "$venv/bin/python" ] || [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    touch "$venv/complete"
fi

log=$home/test_pika.log
if ! KNUTEPUNKT=$knutepunkt KNUTEPUNKT_LOG=$log PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/test_pika.py" "$@" 2>&1 | tee "$home/test_pika.report"; then
    echo "--- the end of the server's log ($log)" >&2
    tail -n 40 "$log" >&2
    echo "--- what failed stands above that, and in $home/test_pika.report" >&2
    exit 1
fi
