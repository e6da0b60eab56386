"""The power is cut: thousands of disks as they may stand after it, each opened.

A server runs under load while every file operation is recorded, and clients write down when they saw a 202, got a delivery,
sent an ack. Then disks are rebuilt for random moments (`harness.disk` says what may be on them) and opened without an
operator: by the queue log itself (`inspect`), and some by the whole server. Held at each:

* what had its 202 before the cut and was not acked is queued, with its payload, wherever that lies;
* what had been handed out comes back marked;
* the log opens: a torn end that nobody was promised stops nothing.
"""

import contextlib
import functools
import json
import pathlib
import random
import shutil
import sqlite3
import subprocess
import threading
import time
import zlib

from harness.amqp import Closed
from harness.disk import MODES, Disk, differences, inodes_below, read_recording, recorder
from harness.load import Load
from harness.scenario import Skipped, Verdict
from harness.server import Ended

# Of many disks this one is looked at by the whole server.
WHOLE_SERVER_EVERY = 50
MOST_FAULTS = 20
# Payloads need not be large to go through Dokumentlager, and small disks are rebuilt sooner.
CONFIG = "[melding]\ninline_payload_max_bytes = 200000\n[lager]\nmin_free_bytes = 0\n"


class WatchedLoad(Load):
    """Load that writes down when each thing was seen, by the clock of the recording."""

    def __init__(self, *args, acked_share=0.7, **kwargs):
        super().__init__(*args, **kwargs)
        self.accepted_at, self.delivered_at, self.acked_at = {}, {}, {}
        # What became of meldinger that were let go of too often, as their sender was told.
        self.kvittert_at = {}
        self.choose, self.acked_share = random.Random(kwargs.get("seed")), acked_share
        watched = self.history
        sent = watched.sent

        def sent_and_when(melding_id, digest):
            self.accepted_at[melding_id] = time.monotonic_ns()
            sent(melding_id, digest)

        watched.sent = sent_and_when

    @functools.cached_property
    def sums(self):
        """Length and sum of each body that was sent; to be asked for when all were."""
        return {(len(body), zlib.adler32(body)) for body in self.bodies.values()}

    def receive(self, konto, _take):
        """Takes what comes and acks most of it, so that something of everything is there at each moment."""
        # The recording ends with the server.
        with contextlib.suppress(OSError, Closed):
            while not self.stop_receiving.is_set():
                connection = konto.connect()
                connection.consume(konto.queue, 50)
                ends = time.monotonic() + 2
                while time.monotonic() < ends and not self.stop_receiving.is_set():
                    if (delivered := connection.delivery(0.1)) is not None:
                        self.see(connection, delivered)
                connection.close()

    def see(self, connection, delivered):
        melding_id = delivered.headers["melding-id"]
        self.delivered_at.setdefault(melding_id, time.monotonic_ns())
        if svar_til := delivered.headers.get("svar-til"):
            self.kvittert_at.setdefault(svar_til, time.monotonic_ns())
        if self.choose.random() < self.acked_share:
            self.acked_at.setdefault(melding_id, time.monotonic_ns())
            connection.ack(delivered.tag)


def record(context, name, seconds, sizes, seed):
    """Runs a server under load for a while. Gives the disk and what the clients saw."""
    server = context.server(name, config=CONFIG)
    base = server.folder / "base"
    shutil.copytree(server.data, base)
    if shutil.which("strace") is None:
        raise Skipped("strace is missing")
    server.prefix, server.env = recorder(server.folder, server.data, context.interposer())
    inodes = inodes_below(server.data)
    server.start()
    load = WatchedLoad(server, senders=6, sizes=sizes, seed=seed).start()
    time.sleep(seconds)
    ended_at = time.monotonic_ns()
    # Cuts lie before this. The server is then stopped in good order: killed, it would have done what it had yet to write down.
    load.stop_sending.set()
    load.stop_receiving.set()
    for thread in (*load.senders, *load.receivers):
        thread.join()
    server.stop()
    ops = read_recording(server.folder, server.data)
    disk = Disk(base, ops, inodes)
    missed = differences(disk, server.data)
    shutil.rmtree(server.data)
    (server.folder / "recording").unlink()
    server.prefix = []
    return server, load, disk, ops, ended_at, missed


def run(context):
    if context.inspect is None:
        raise Skipped("no inspect: build it with cargo build --release -p knutepunkt-broker-embedded --example inspect")
    recordings = [("mixed", context.of(3, 10), [0] * 8 + [1_000] * 8 + [100_000] * 2 + [300_000])]
    if context.long:
        recordings += [("small", 10, [0, 1_000]), ("tables", 8, [1_000, 150_000]), ("large", 8, [1_000, 300_000])]
    disks_each = context.of(100, 2_600)
    counts = {"recordings": 0, "file operations": 0, "disks": 0, "opened by the whole server": 0, "accepted": 0}
    faults = []
    for number, (name, seconds, sizes) in enumerate(recordings):
        server, load, disk, ops, ended_at, missed = record(
            context, f"power-loss-{name}", seconds, sizes, context.seed + number
        )
        faults += [f"{name}: the recording misses something: {text}" for text in missed]
        counts["recordings"] += 1
        counts["file operations"] += len(ops)
        counts["accepted"] += len(load.accepted_at)
        if len(load.accepted_at) < 50 or missed:
            faults += [] if missed else [f"{name}: too little was accepted for this to mean anything"]
            continue
        cut_disks(context, server, load, disk, (ops[0].begun, ended_at), disks_each, counts, faults)
        if len(faults) >= MOST_FAULTS:
            break
    return Verdict(counts, faults)


def cut_disks(context, server, load, disk, between, how_many, counts, faults):
    """Rebuilds disks for moments in order and looks at each."""
    choose = random.Random(context.seed)
    shared_memory = pathlib.Path("/dev/shm")
    room = (shared_memory if shared_memory.is_dir() else context.folder) / f"faults-{server.folder.name}-{context.seed}"
    shutil.rmtree(room, ignore_errors=True)
    inspect = subprocess.Popen(
        [context.inspect], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    first = min(load.accepted_at.values())
    # Most cuts in the time of the load, and some in the start.
    cuts = sorted(choose.randrange(between[0] if i % 20 == 0 else first, between[1]) for i in range(how_many))
    try:
        for number, cut in enumerate(cuts):
            mode = choose.choice(MODES)
            target = room / str(number)
            lot = f"{context.seed}-{number}"
            disk.build(cut, mode, random.Random(lot), target)
            what = f"{server.folder.name}, seed {context.seed}, disk {number}, {mode}"
            counts["disks"] += 1
            before = len(faults)
            if number % WHOLE_SERVER_EVERY == WHOLE_SERVER_EVERY - 1:
                counts["opened by the whole server"] += 1
                faults += [f"{what}: {text}" for text in whole_server(server, target, load, cut)]
            else:
                print(target / "ko", file=inspect.stdin, flush=True)
                faults += [f"{what}: {text}" for text in look(inspect.stdout.readline(), target, load, cut)]
            if len(faults) > before:
                # As it was before it was opened.
                disk.build(cut, mode, random.Random(lot), context.folder / "kept" / f"{server.folder.name}-{number}")
            shutil.rmtree(target, ignore_errors=True)
            if len(faults) >= MOST_FAULTS:
                break
    finally:
        inspect.stdin.close()
        inspect.wait()
        shutil.rmtree(room, ignore_errors=True)


def look(line, target, load, cut):
    """What is wrong with a disk that `inspect` opened."""
    if not line:
        return ["inspect ended"]
    found = json.loads(line)
    if "error" in found:
        return [f"does not open: {found['error']}"]
    queued = {melding_id: rest for melding_id, *rest in found["queued"]}
    faults = [f"queued twice: {len(found['queued']) - len(queued)}"] if len(queued) < len(found["queued"]) else []
    dokumenter = kept_dokumenter(target)
    for melding_id, (marked, size, checksum, dokument) in queued.items():
        if load.delivered_at.get(melding_id, cut) < cut and not marked:
            faults.append(f"twice unmarked: {melding_id}")
        accepted = load.accepted_at.get(melding_id, cut) < cut
        if dokument and accepted:
            faults += [f"payload lost: {melding_id}: {text}" for text in look_at_payload(target, dokument, dokumenter, load)]
        elif not dokument and (size, checksum) not in load.sums:
            faults.append(f"altered: {melding_id}")
    return faults + lost(set(queued) | set(found["dead"]), load, cut)


def lost(there, load, cut):
    return [
        f"lost: {melding_id}, its 202 was seen {(cut - at) / 1e6:.1f} ms before the cut"
        for melding_id, at in load.accepted_at.items()
        if at < cut and melding_id not in there and load.acked_at.get(melding_id, cut) >= cut
    ]


def kept_dokumenter(target):
    """The dokumenter that the registry knows; a fault of its own where it cannot be read."""
    with sqlite3.connect(target / "register.sqlite") as registry:
        ids = [row[0] for row in registry.execute("SELECT id FROM dokument")]
        return {each.hex() if isinstance(each, bytes) else each.replace("-", "") for each in ids}


def look_at_payload(target, dokument, dokumenter, load):
    if dokument.replace("-", "") not in dokumenter:
        return ["the registry does not know its dokument"]
    file = next((target / "dokumentlager").rglob(dokument), None)
    if file is None:
        return ["its file is missing"]
    content = file.read_bytes()
    if (len(content), zlib.adler32(content)) not in load.sums:
        return [f"its file has {len(content)} other bytes"]
    return []


def whole_server(server, target, load, cut):
    """What is wrong with a disk that the server itself starts on, seen through its clients."""
    server.data, server.env = target, {}
    server.configure(CONFIG)
    try:
        server.start()
    except Ended as ended:
        return [f"does not start: {ended}"]
    drain = Load(server, senders=0, sizes=load.sizes, prefetch=200)
    ready = threading.Event()
    faults, digests = [], set(load.digests.values())
    expected = {
        melding_id
        for melding_id, at in load.accepted_at.items()
        if at < cut and load.acked_at.get(melding_id, cut) >= cut
    }
    drain.start()
    end = time.monotonic() + 60
    while not expected <= set(drain.history.deliveries) and time.monotonic() < end:
        ready.wait(0.02)
    drain.stop_receiving.set()
    for receiver in drain.receivers:
        receiver.join()
    server.kill()
    for melding_id, (first, *_) in drain.history.deliveries.items():
        if load.delivered_at.get(melding_id, cut) < cut and not first.redelivered:
            faults.append(f"twice unmarked: {melding_id}")
        if first.digest not in digests:
            faults.append(f"altered: {melding_id}")
    there = set(drain.history.deliveries) | set(drain.history.kvitteringer)
    # Dead letters whose kvittering was read and acked before the cut: nothing of them comes any more.
    there |= {melding_id for melding_id, at in load.kvittert_at.items() if at < cut}
    return faults + drain.history.faults + lost(there, load, cut)
