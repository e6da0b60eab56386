"""`knutepunkt backup` under load, a check of it, and `knutepunkt restore` into an empty place.

Nothing that was accepted before the backup began is missing after it, and what may have been handed out since comes marked. A
flipped byte in any file of the backup is refused. A backup that is killed is no backup and leaves the server as it was; a
restore that is killed starts nothing.
"""

import os
import random
import shutil
import signal
import subprocess
import time

from harness.filling import Filling
from harness.klient import Konto
from harness.load import Load
from harness.scenario import Verdict
from harness.server import wait_for

# Payloads that travel with their melding, and a few that go through Dokumentlager.
SIZES = [0] * 20 + [1_000] * 20 + [200_000] * 3 + [6_000_000]

# What changes names and waits for the disk.
OPERATIONS = "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync,ftruncate"

# A million meldinger come faster than one integrasjon may send.
UNLIMITED = "[grenser]\nkall_per_integrasjon = 0\nkall_per_organisasjon = 0\n"


def command(context, *arguments):
    return subprocess.run([context.binary, *arguments], capture_output=True, text=True, check=False)


def killed(context, after, *arguments):
    """Starts a command and kills it after a while; whether it was still at work."""
    process = subprocess.Popen([context.binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def run(context):
    count = context.of(4_000, 1_000_000)
    server = context.server("backup", config=UNLIMITED).start()
    fagsystem, arkiv = Konto(server, "klient.full"), Konto(server, "arkiv.full")
    accepted, faults = set(), []
    Filling(fagsystem, arkiv, accepted).run(count)
    load = Load(server, senders=2, sizes=SIZES, seed=context.seed, receive=False).start()
    load.more(40)

    interrupted = interrupted_backups(context, server, faults)
    before = accepted | set(load.history.accepted)
    target = server.folder / "copy"
    begun, sent = time.monotonic(), len(load.history.accepted)
    made = command(context, "backup", target, "--config", server.config)
    backup_took = time.monotonic() - begun
    during = len(load.history.accepted) - sent
    if made.returncode:
        return Verdict({"queued": len(before)}, [f"the backup failed: {made.stderr[-400:]}"])
    # Some of what the copy holds is taken before all is lost.
    taken = take_some(arkiv, 100)
    if not load.more(10):
        faults.append("nothing is accepted after the backup")
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    faults += [f"refused: {times} sends were answered with {status}" for status, times in load.history.refused.items()]
    server.kill()
    shutil.rmtree(server.data)

    begun = time.monotonic()
    verified = command(context, "restore", "--verify", target)
    verify_took = time.monotonic() - begun
    if verified.returncode:
        faults.append(f"a whole backup does not pass: {verified.stderr[-400:]}")
    flips = flipped(context, target, server, faults)
    cut_off = interrupted_restores(context, target, server, faults)

    at_operations = killed_at_operations(context, target, server, faults)
    begun = time.monotonic()
    restored = command(context, "restore", target, "--config", server.config)
    restore_took = time.monotonic() - begun
    if restored.returncode:
        return Verdict({"queued": len(before)}, [*faults, f"the restore failed: {restored.stderr[-400:]}"])
    server.start()
    lost, unmarked = drain(arkiv, before)
    if lost:
        faults.append(f"lost: {lost} of {len(before)} that were accepted before the backup")
    if unmarked:
        faults.append(f"handed out again without a mark: {unmarked}, {taken} of which had been acked")
    server.kill()
    counts = {
        "queued": len(before),
        "accepted while the backup was made": during,
        "backup, s": round(backup_took, 1),
        "check, s": round(verify_took, 1),
        "restore, s": round(restore_took, 1),
        "start after it, s": round(server.starts[-1], 1),
        "lost": lost,
        "backups killed": interrupted,
        "restores killed": cut_off,
        "restores killed at a file operation": at_operations,
        "flipped bytes refused": flips,
    }
    return Verdict(counts, faults)


def interrupted_backups(context, server, faults):
    """Kills the command at several moments: what is left says so, and the next one is not hindered by it."""
    done = 0
    for number in range(context.of(3, 20)):
        target = server.folder / f"cut-{number}"
        cut = killed(context, 0.05 + 0.15 * number, "backup", target, "--config", server.config)
        if not cut:
            shutil.rmtree(target, ignore_errors=True)
            continue
        done += 1
        # The server notices that nobody waits any more, and makes the next one.
        free = server.folder / "free"
        again = ("backup", free, "--config", server.config)
        wait_for(lambda now=again: command(context, *now).returncode == 0, "a backup after one that was killed")
        shutil.rmtree(free)
        if target.exists() and not (target / "manifest.json").exists():
            said = command(context, "restore", "--verify", target)
            if not said.returncode or "was not finished" not in said.stderr:
                faults.append(f"a backup that was cut off is not known as one: {said.stderr[-300:]}")
        shutil.rmtree(target, ignore_errors=True)
    return done


def flipped(context, target, server, faults):
    """Flips a bit in files of every kind, anywhere: neither the check nor a restore takes it."""
    choose, done = random.Random(context.seed), 0
    payloads = sorted((target / "dokumentlager" / "dokument").iterdir())
    files = [path for path in target.iterdir() if path.is_file()] + payloads[:1]
    for path in files:
        for again in range(context.of(1, 4)):
            at, bit = choose.randrange(path.stat().st_size), 1 << choose.randrange(8)
            flip(path, at, bit)
            commands = [("restore", "--verify", target)]
            if again == 0:
                commands.append(("restore", target, "--config", server.config))
            for arguments in commands:
                said = command(context, *arguments)
                done += 1
                if not said.returncode or "panicked" in said.stderr:
                    faults.append(f"{path.name} with byte {at} flipped: {arguments[:2]} said {said.stderr[-300:]}")
            if server.data.exists():
                faults.append(f"{path.name} with byte {at} flipped: something was restored")
                shutil.rmtree(server.data)
            flip(path, at, bit)
    return done


def flip(path, at, bit):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))


def interrupted_restores(context, target, server, faults):
    """Kills a restore at several moments: nothing starts from what it leaves, and it can be done again."""
    done = 0
    for number in range(context.of(3, 20)):
        if not killed(context, 0.05 + context.of(0.15, 1.0) * number, "restore", target, "--config", server.config):
            shutil.rmtree(server.data, ignore_errors=True)
            continue
        done += 1
        if not server.data.exists() or not any(server.data.iterdir()):
            continue
        said = subprocess.run(
            ["timeout", "20", context.binary, "serve", "--config", server.config],
            capture_output=True, text=True, check=False,
        )
        if said.returncode in (0, 124) or "knutepunkt:" not in said.stderr + said.stdout:
            faults.append(f"a restore that was cut off was started: {said.returncode} {said.stderr[-300:]}")
            shutil.rmtree(server.data)
        elif "knutepunkt restore again" not in said.stderr + said.stdout:
            faults.append(f"a restore that was cut off does not say so: {said.stderr[-300:]}")
            shutil.rmtree(server.data)
        elif any(path.name.startswith("ko") for path in server.data.iterdir()):
            # Its parts had begun to get their names; the operator was told to remove them.
            shutil.rmtree(server.data)
    return done


def killed_at_operations(context, target, server, faults):
    """Kills a restore at its first file operation, at its second, and so on: whatever is left is known for what it is."""
    done, missing = 0, server.data / "below"
    config = server.folder / "below.toml"
    config.write_text(server.config.read_text().replace(f'"{server.data}"', f'"{missing}"'))
    for number in range(1, context.of(16, 10_000)):
        shutil.rmtree(server.data, ignore_errors=True)
        traced = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={OPERATIONS}"]
        traced += ["-e", f"inject={OPERATIONS}:signal=SIGKILL:when={number}"]
        restore = [context.binary, "restore", target, "--config", config]
        if subprocess.run([*traced, *restore], capture_output=True, check=False).returncode == 0:
            return done
        done += 1
        left = sorted(path.name for path in server.folder.glob(f"{server.data.name}*"))
        if not left:
            continue
        serve = ["timeout", "5", context.binary, "serve", "--config", config]
        said = subprocess.run(serve, capture_output=True, text=True, check=False)
        if said.returncode != 1 or "knutepunkt restore again" not in said.stderr:
            faults.append(f"a restore killed at operation {number} left {left}: {said.returncode} {said.stderr[-300:]}")
        again = subprocess.run(restore, capture_output=True, text=True, check=False)
        if again.returncode and "remove what it has left" not in again.stderr:
            faults.append(f"a restore killed at operation {number} is not done again: {again.stderr[-300:]}")
        for path in server.folder.glob(f"{server.data.name}.*"):
            faults.append(f"a restore killed at operation {number} left {path.name} for good")
            shutil.rmtree(path)
    shutil.rmtree(server.data, ignore_errors=True)
    return done


def take_some(konto, count):
    """Acks some meldinger. Gives how many."""
    connection = konto.connect()
    connection.consume(konto.queue, 50)
    for _ in range(count):
        delivered = connection.delivery(10)
        if delivered is None:
            break
        connection.ack(delivered.tag)
    connection.close()
    return count


def drain(konto, expected, patience=30):
    """Reads the queue empty. Gives how many of `expected` did not come, and how many came without a mark."""
    left, unmarked, number = set(expected), 0, 0
    connection = konto.connect()
    connection.consume(konto.queue, 500)
    while left:
        delivered = connection.delivery(patience if number == 0 else 10)
        if delivered is None:
            break
        number += 1
        unmarked += not delivered.redelivered
        left.discard(delivered.headers["melding-id"])
        if number % 50 == 0:
            connection.ack(delivered.tag, multiple=True)
    connection.close()
    return len(left), unmarked
