"""`knutepunkt backup` under load, and `knutepunkt restore` of what it made into an empty place: nothing that was accepted
before the backup began is missing, and what comes again comes marked."""

import shutil
import subprocess
import time

from harness.filling import Filling
from harness.klient import Konto
from harness.load import SMALL, Load
from harness.scenario import Skipped, Verdict
from scenarios.memory import consume_all

# What a restore of a million may take.
RESTORE_SECONDS = 60


def command(context, *arguments):
    return subprocess.run([context.binary, *arguments], capture_output=True, text=True, check=False)


def run(context):
    if command(context, "backup", "--help").returncode:
        raise Skipped("this binary has no command backup")
    count = context.of(20_000, 1_000_000)
    server = context.server("backup").start()
    fagsystem, arkiv = Konto(server, "klient.full"), Konto(server, "arkiv.full")
    accepted, faults = set(), []
    Filling(fagsystem, arkiv, accepted).run(count)
    load = Load(server, senders=2, sizes=[*SMALL, 6_000_000], seed=context.seed, receive=False).start()
    load.more(50)
    before = accepted | set(load.history.accepted)
    target = server.folder / "backup"
    begun = time.monotonic()
    made = command(context, "backup", str(target), "--config", str(server.config))
    backup_took = time.monotonic() - begun
    if made.returncode:
        faults.append(f"the backup failed: {made.stderr[-400:]}")
    if not load.more(20):
        faults.append("nothing is accepted after the backup")
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    server.kill()
    if faults:
        return Verdict({"queued": len(before)}, faults)
    shutil.rmtree(server.data)
    begun = time.monotonic()
    restored = command(context, "restore", str(target), "--config", str(server.config))
    if restored.returncode:
        return Verdict({"queued": len(before)}, [f"the restore failed: {restored.stderr[-400:]}"])
    server.start()
    restore_took = time.monotonic() - begun
    lost, twice = consume_all(Konto(server, "arkiv.full"), before)
    server.kill()
    if lost:
        faults.append(f"lost: {lost} of {len(before)} that were accepted before the backup")
    if twice:
        faults.append(f"twice unmarked: {twice}")
    if restore_took > RESTORE_SECONDS:
        faults.append(f"the restore took {restore_took:.0f} s")
    counts = {
        "queued": len(before),
        "backup, s": round(backup_took, 1),
        "restore until ready, s": round(restore_took, 1),
        "lost": lost,
    }
    return Verdict(counts, faults)
