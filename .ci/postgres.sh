#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL: .ci/postgres.sh cargo test -p knutepunkt-storage
#
# Exports TEST_STORAGE=postgres and TEST_POSTGRES_URL, whose user may create databases. Ends with the command's exit code.
# Installs Debian's postgresql if it is not there.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: $0 command [argument...]" >&2
    exit 2
fi

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" -ne 0 ]; then "$@"; else runuser -u postgres -- "$@"; fi
}

newest_bin() {
    find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1 | xargs -r dirname
}

bin=$(newest_bin)
if [ -z "$bin" ]; then
    echo "installing postgresql" >&2
    as_root apt-get update -qq >&2
    # Without this, Debian starts a server of its own at once.
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.d/none.conf >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
    bin=$(newest_bin)
fi

data=$(mktemp -d /tmp/postgres.XXXXXX)
if [ "$(id -u)" -eq 0 ]; then chown postgres "$data"; fi

stop() {
    as_postgres "$bin/pg_ctl" --pgdata="$data/db" --mode=immediate --silent stop >/dev/null 2>&1 || true
    rm -rf "$data"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cd "$data"
as_postgres "$bin/initdb" --pgdata="$data/db" --username=test --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null

# A free port may be taken by somebody else before the server takes it, so another one is tried then.
for _ in 1 2 3 4 5; do
    port=$(shuf -i 20000-29999 -n 1)
    # Nothing here outlives the run, so nothing needs to be synced.
    options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c fsync=off -c max_connections=400"
    if as_postgres "$bin/pg_ctl" --pgdata="$data/db" --log="$data/db/log" --options="$options" --wait --silent start >/dev/null; then
        started=$port
        break
    fi
done
cd "$OLDPWD"
if [ -z "${started:-}" ]; then
    echo "PostgreSQL did not start:" >&2
    tail -n 20 "$data/db/log" >&2
    exit 1
fi

export TEST_STORAGE=postgres
export TEST_POSTGRES_URL="postgres://test@127.0.0.1:$started/postgres"
"$@"
