"""The registry lies in PostgreSQL, which is killed, frozen and restored from a dump: what was accepted stays, consumers that are
connected go on, and when it is back so is everything, without a start anew. Then all is lost, and put back from a backup."""

import shutil
import signal
import subprocess
import time

from harness.load import SMALL, Load
from harness.model import judge
from harness.postgres import Postgres, copy_registry
from harness.scenario import Verdict
from harness.server import wait_for

# Clients have three seconds, and what waits for the database has some more.
LONGEST_STOP = 15


def run(context):
    server = context.server("postgres")
    postgres = Postgres(server.folder)
    try:
        move_registry(server, postgres)
        return with_postgres(context, server, postgres)
    finally:
        server.kill()
        postgres.stop()


def move_registry(server, postgres):
    """The world that `dev` made, with its registry in PostgreSQL."""
    world = server.data
    real = world.with_name("real")
    world.rename(real)
    server.configure(f'[registry]\nurl = "{postgres.url}"\n')
    # Makes the schema, in a data folder that nobody needs.
    world.mkdir()
    server.start()
    server.stop()
    shutil.rmtree(world)
    real.rename(world)
    copy_registry(world / "register.sqlite", postgres)
    for leftover in world.glob("register.sqlite*"):
        leftover.unlink()


def with_postgres(context, server, postgres):
    server.start()
    load = Load(server, senders=3, sizes=SMALL, seed=context.seed).start()
    faults, back = [], []
    try:
        for number in range(context.of(1, 20)):
            if not load.more(50):
                faults.append(f"round {number}: nothing is accepted before anything is broken")
                break
            postgres.kill()
            time.sleep(context.of(1, 2))
            postgres.start()
            back.append(until_accepted(load, faults, f"round {number}: killed and started"))
            # So slow that it does not answer at all, and then does.
            postgres.signal_all(signal.SIGSTOP)
            time.sleep(context.of(3, 10))
            postgres.signal_all(signal.SIGCONT)
            back.append(until_accepted(load, faults, f"round {number}: frozen and let go on"))
        stopped_beside_silence(server, postgres, faults)
        back.append(until_accepted(load, faults, "stopped while the database was silent"))
        if context.long:
            only_read(server, postgres, faults)
            back.append(until_accepted(load, faults, "read only for a while"))
        dump = server.folder / "dump.sql"
        postgres.dump(dump)
        load.more(20)
        server.stop()
        postgres.restore(dump)
        server.start()
        back.append(until_accepted(load, faults, "restored from a dump"))
        copies(context, server, postgres, faults)
        back.append(until_accepted(load, faults, "restored from a backup"))
        history = load.finish()
    finally:
        load.stop_sending.set()
        load.stop_receiving.set()
    counts = load.counts() | {"kills and freezes": len(back) - 1, "accepts again after, longest s": round(max(back), 1)}
    return Verdict(counts, faults + judge(history, expected_refusals=(503, 500), may_die=True))


def stopped_beside_silence(server, postgres, faults):
    """A stop does not wait for a database that does not answer."""
    postgres.signal_all(signal.SIGSTOP)
    try:
        code, took = server.stop()
        if code or took > LONGEST_STOP:
            faults.append(f"with a database that is silent a stop took {took:.1f} s and ended with {code}")
    except subprocess.TimeoutExpired:
        faults.append("with a database that is silent the server never stops")
        server.kill()
    finally:
        postgres.signal_all(signal.SIGCONT)
    server.start()


def only_read(server, postgres, faults):
    """A registry that can only be read, as that of a standby, is none: whoever watches must see it."""
    for setting, wanted in (("on", 503), ("off", 200)):
        postgres.sql(f"ALTER SYSTEM SET default_transaction_read_only = {setting};")
        postgres.sql("SELECT pg_reload_conf();")
        try:
            wait_for(lambda: server.helse()[0] == wanted, f"/helse says {wanted}", 90)
        except AssertionError as never:
            faults.append(f"default_transaction_read_only {setting}: {never}")


def copies(context, server, postgres, faults):
    """Backs up a server that serves, and one that was stopped; loses database and data folder; and restores."""
    online, copy = server.folder / "online", server.folder / "copy"
    run_command(context, faults, "backup", online, "--config", server.config)
    run_command(context, faults, "restore", "--verify", online)
    server.stop()
    run_command(context, faults, "backup", copy, "--config", server.config)
    run_command(context, faults, "restore", "--verify", copy)
    shutil.rmtree(server.data)
    # A database in use is left alone.
    said = subprocess.run(
        [context.binary, "restore", copy, "--config", server.config], capture_output=True, text=True, check=False
    )
    if said.returncode == 0 or "empty database" not in said.stderr:
        faults.append(f"a backup was put into a database that is in use: {said.stderr[-300:]}")
    postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
    run_command(context, faults, "restore", copy, "--config", server.config)
    server.start()


def run_command(context, faults, *arguments):
    said = subprocess.run([context.binary, *arguments], capture_output=True, text=True, check=False)
    if said.returncode:
        faults.append(f"{arguments[:2]} failed: {said.stderr[-300:]}")


def until_accepted(load, faults, what):
    """How long it takes until sends are accepted again."""
    begun = time.monotonic()
    before = len(load.history.accepted)
    try:
        wait_for(lambda: len(load.history.accepted) > before + 5, what, 60)
    except AssertionError as never:
        faults.append(str(never))
    return time.monotonic() - begun
