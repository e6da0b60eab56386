"""The disk is filled with meldinger, the server starts anew, and then all is consumed: the room comes back each time, whatever
ended the server, whatever the size of what filled it, and also where only half of it is consumed."""

import subprocess
import time

from harness.load import Load
from harness.model import History, judge
from harness.scenario import Verdict
from scenarios.full_disk import small_disk, used_mb

SIZE_MB = 300
MIN_FREE_MB = 64
# What may be on the disk besides half of what is live, one minute after.
REST_MB = 64
# Below what lies in files of its own, above it, and both.
KINDS = {"large": [700_000], "small": [20_000], "mixed": [1_000, 20_000, 100_000, 3_000_000]}


def run(context):
    server = context.server("full-disk-restart", config=f"[lager]\nmin_free_bytes = {MIN_FREE_MB * 1024**2}\n")
    data = server.data
    whole = data.with_name("before")
    data.rename(whole)
    faults, counts, histories = [], {}, []
    # Each cycle goes on where the last one ended.
    cycles = context.of(
        [("large", "TERM", 1), ("mixed", "KILL", 2)],
        [(kind, signal, parts) for kind in KINDS for signal in ("TERM", "KILL") for parts in (1, 2, 1)],
    )
    with small_disk(data, SIZE_MB):
        subprocess.run(["cp", "-a", f"{whole}/.", data], check=True)
        server.start()
        try:
            for number, (kind, signal, parts) in enumerate(cycles):
                history = History()
                histories.append(history)
                seed = context.seed + number
                faults += fill(server, Load(server, 4, KINDS[kind], seed, receive=False, history=history).start())
                counts[f"{number + 1}: {kind}, filled"] = used_mb(data)
                end(server, signal)
                server.start()
                for part in reversed(range(parts)):
                    faults += drain(server, data, history, part / parts, counts, f"{number + 1}: SIG{signal}, {part}/{parts} left")
                    if part:
                        end(server, signal)
                        server.start()
                if faults:
                    break
        finally:
            server.kill()
    counts["accepted"] = sum(len(history.accepted) for history in histories)
    counts["lost"] = sum(len(history.missing()) for history in histories)
    counts["refused"] = sum(sum(history.refused.values()) for history in histories)
    for history in histories:
        faults += judge(history, expected_refusals=(507, 503))
    return Verdict(counts, faults)


def fill(server, load):
    """Sends until the disk is full."""
    end_at = time.monotonic() + 120
    while load.history.refused[507] < 20 and time.monotonic() < end_at:
        time.sleep(0.02)
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    if load.history.refused[507] < 20:
        return [f"the disk was not filled in two minutes: {dict(load.history.refused)}\n{server.tail(5)}"]
    return []


def end(server, signal):
    if signal == "KILL":
        server.kill()
    else:
        server.stop()


def drain(server, data, history, part_left, counts, name):
    """Consumes until `part_left` of what was accepted is left, and waits for the room."""
    faults = []
    left = int(len(history.accepted) * part_left)
    load = Load(server, senders=0, sizes=[0], prefetch=20, history=history).start()
    end_at = time.monotonic() + 120
    while len(history.missing()) > left and time.monotonic() < end_at:
        time.sleep(0.01)
    load.stop_receiving.set()
    for receiver in load.receivers:
        receiver.join()
    if len(history.missing()) > left:
        return [f"{len(history.missing())} cannot be consumed\n{server.tail(5)}"]
    # All of a kind are as large as each other, about.
    filled = SIZE_MB - MIN_FREE_MB
    live = filled * len(history.missing()) / len(history.accepted)
    bound = 1.5 * live + REST_MB
    began = time.monotonic()
    while used_mb(data) > bound and time.monotonic() < began + 60:
        time.sleep(0.2)
    counts[name] = f"{used_mb(data)} MB after {time.monotonic() - began:.0f} s"
    if used_mb(data) > bound:
        faults.append(f"{name}: {used_mb(data)} MB are still used after a minute, more than {bound:.0f}\n{server.tail(5)}")
    if not part_left and not faults:
        # There is room again.
        again = Load(server, senders=2, sizes=[1_000], history=history).start()
        if not again.more(50):
            faults.append(f"{name}: there is room again and nothing is accepted")
        again.finish()
    return faults
