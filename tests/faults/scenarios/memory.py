"""Many meldinger queued and many slow consumers in little memory, and a kill: all are there again."""

import pathlib
import resource
import time

from harness.filling import Filling
from harness.klient import Konto
from harness.scenario import Verdict

LIMIT_MB = 256
# Version 2 of control groups, and version 1.
GROUPS = (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"))
NAME = "knutepunkt-faults"


def limited(limit_mb=LIMIT_MB):
    """A prefix that holds the server to so much memory: a control group where this may make one, else address space."""
    for root, limit in GROUPS:
        # Beside version 1 the first of them is a folder like any other, and holds nothing to anything.
        if not (pathlib.Path(root) / "cgroup.procs").exists():
            continue
        group = pathlib.Path(root) / NAME
        try:
            group.mkdir(exist_ok=True)
            (group / limit).write_text(f"{limit_mb}M")
        except OSError:
            continue
        return ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh"], "a control group"
    # Threads and the allocator reserve much that they do not use, so this is no more than a stop against growth.
    return ["prlimit", f"--as={limit_mb * 16 * 1024**2}"], "nothing; it is measured"


def run(context):
    count, consumers = context.of(20_000, 1_000_000), context.of(50, 1_000)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    prefix, how = limited()
    server = context.server("memory", prefix=prefix).start()
    fagsystem, arkiv = Konto(server, "klient.full"), Konto(server, "arkiv.full")
    accepted, faults = set(), []
    filling = Filling(fagsystem, arkiv, accepted)
    begun = time.monotonic()
    filling.run(count)
    filled_in = time.monotonic() - begun
    if filling.refused:
        faults.append(f"{filling.refused} of {count} were refused")
    slow = []
    # Two on each connection, of which one organisasjon gets half of those that there is memory for.
    for _ in range(consumers // 2):
        connection = arkiv.connect()
        connection.consume(arkiv.queue, 10)
        connection.consume(arkiv.queue, 10)
        slow.append(connection)
    held_mb = server.rss_mb()
    server.kill()
    for connection in slow:
        connection.drop()
    server.start()
    restarted_in = server.starts[-1]
    lost, twice = consume_all(arkiv, accepted)
    if lost:
        faults.append(f"lost: {lost} of {len(accepted)}")
    if twice:
        faults.append(f"twice unmarked: {twice}")
    peak = max(held_mb, server.rss_mb())
    if peak > LIMIT_MB:
        faults.append(f"it used {peak} MB, more than {LIMIT_MB}")
    server.kill()
    counts = {
        "accepted": len(accepted),
        "slow consumers": consumers,
        "lost": lost,
        "accepted a second": int(count / filled_in),
        "start after kill -9, s": round(restarted_in, 2),
        "most memory, MB": peak,
        "held to it by": how,
    }
    return Verdict(counts, faults)


def consume_all(konto, accepted, patience=30):
    """Reads the queue empty. Gives how many of `accepted` did not come, and how many came twice without a mark."""
    seen, twice = set(), 0
    connection = konto.connect()
    connection.consume(konto.queue, 500)
    number = 0
    while len(seen) < len(accepted):
        delivered = connection.delivery(patience)
        if delivered is None:
            break
        number += 1
        melding_id = delivered.headers["melding-id"]
        twice += melding_id in seen and not delivered.redelivered
        seen.add(melding_id)
        if number % 100 == 0 or len(seen) >= len(accepted):
            connection.ack(delivered.tag, multiple=True)
    connection.close()
    return len(accepted - seen), twice
