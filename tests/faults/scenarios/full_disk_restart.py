"""A small disk is filled with meldinger until they are refused, the server ends and starts anew, and then all is consumed: the
start has the room that it needs and the room comes back each time, whatever ended the server, whatever the size of what filled
it and of the disk, and also where only half of it is consumed. And where a consumer fails with all of it, each melding comes back
until it is given up and its sender is notified, in the room that there is."""

import contextlib
import subprocess
import time

from harness.load import Load
from harness.model import History, judge
from harness.scenario import Verdict
from scenarios.full_disk import small_disk, used_mb

MIN_FREE_MB = 64
# What may be on the disk besides half of what is live, one minute after.
REST_MB = 64
# What stays of a melding that is over: its sporing, and where to find it. Live for 30 days.
RECORD = 1024
# Below what lies in files of its own, above it, both, and where there is more beside the payloads than in them.
KINDS = {"large": [700_000], "small": [20_000], "mixed": [1_000, 20_000, 100_000, 3_000_000], "tiny": [0, 300, 3_000]}


def run(context):
    verdict = Verdict({}, [])
    # On each disk, each cycle goes on where the last one ended.
    disks = context.of(
        [(300, [("large", "TERM", 1), ("mixed", "KILL", 2)]), (200, [("tiny", "KILL", 1)])],
        [(300, [(kind, signal, parts) for kind in KINDS for signal in ("TERM", "KILL") for parts in (1, 2, 1)])]
        + [(size_mb, [("tiny", signal, 1), ("mixed", signal, 2)]) for size_mb in (200, 400) for signal in ("KILL", "TERM")],
    )
    for number, (size_mb, cycles) in enumerate(disks):
        cycle(context, verdict, number, size_mb, cycles)
        if verdict.faults:
            break
    for number, (size_mb, min_free_mb) in enumerate(context.of([(160, 8)], [(160, 8), (320, 8), (420, 256), (600, 64)])):
        if not verdict.faults:
            failing_consumer(context, verdict, number, size_mb, min_free_mb)
    return verdict


def filled_by_one(min_free_mb):
    """Configuration where one organisasjon may fill all of the disk."""
    keys = ("sendte_bytes_i_ko", "mottatte_bytes_i_ko", "sporing_bytes", "sendte_bytes", "mottatte_bytes")
    unbounded = "".join(f"{key}_per_organisasjon = {1 << 40}\n" for key in keys)
    return f"[lager]\nmin_free_bytes = {min_free_mb * 1024**2}\n[grenser]\n{unbounded}"


def failing_consumer(context, verdict, number, size_mb, min_free_mb):
    """Fills a disk with small meldinger, and nacks each of them until it is given up."""
    server = context.server(f"full-disk-nacked-{number}", config=filled_by_one(min_free_mb))
    data, at = server.data, f"{size_mb} MB, nacked"
    whole = data.with_name("before")
    data.rename(whole)
    faults, counts, history = verdict.faults, verdict.counts, History()
    with small_disk(data, size_mb):
        subprocess.run(["cp", "-a", f"{whole}/.", data], check=True)
        server.start()
        try:
            load = Load(server, 8, [0], context.seed, receive=False, history=history).start()
            faults += fill(server, load)
            most, nacked = used_mb(data), 0
            with contextlib.closing(load.arkiv.connect()) as connection:
                connection.consume(load.arkiv.queue, 2000)
                while (delivered := connection.delivery(10)) is not None:
                    connection.nack(delivered.tag, True)
                    nacked += 1
                    if nacked % 1_000 == 0:
                        most = max(most, used_mb(data))
            counts[at] = f"{len(history.accepted)} of them, {most} MB at most"
            with contextlib.closing(load.fagsystem.connect()) as connection:
                notified = connection.count(load.fagsystem.queue)
            if (nacked, notified) != (3 * len(history.accepted), len(history.accepted)):
                faults.append(f"{at}: of {len(history.accepted)} accepted came {nacked} deliveries and {notified} serverfeil\n{server.tail(5)}")
            faults += end_and_start(server, "TERM") or end_and_start(server, "KILL")
        except Exception as ended:  # pylint: disable=broad-except
            faults.append(f"{at}: after {used_mb(data)} MB of {size_mb}: {ended!r}\n{server.tail(5)}")
        finally:
            server.kill()
            counts["accepted"] = counts.get("accepted", 0) + len(history.accepted)


def cycle(context, verdict, disk, size_mb, cycles):
    """Fills and empties one disk, again and again."""
    name = f"full-disk-restart-{disk}"
    server = context.server(name, config=filled_by_one(MIN_FREE_MB))
    data = server.data
    whole = data.with_name("before")
    data.rename(whole)
    faults, counts, histories = verdict.faults, verdict.counts, []
    with small_disk(data, size_mb):
        subprocess.run(["cp", "-a", f"{whole}/.", data], check=True)
        server.start()
        try:
            for number, (kind, signal, parts) in enumerate(cycles):
                history = History()
                histories.append(history)
                seed = context.seed + number
                at = f"{size_mb} MB, {number + 1}: {kind}, SIG{signal}"
                faults += fill(server, Load(server, 4, KINDS[kind], seed, receive=False, history=history).start())
                counts[f"{at}, filled"] = f"{used_mb(data)} MB with {len(history.accepted)}"
                faults += end_and_start(server, signal)
                for part in reversed(range(parts)):
                    if faults:
                        return
                    faults += drain(server, data, histories, KINDS[kind], part / parts, counts, f"{at}, {part}/{parts} left")
                    if part:
                        faults += end_and_start(server, signal)
                if faults:
                    return
        finally:
            server.kill()
            for key, count in (
                ("accepted", sum(len(history.accepted) for history in histories)),
                ("lost", sum(len(history.missing()) for history in histories)),
                ("refused", sum(sum(history.refused.values()) for history in histories)),
            ):
                counts[key] = counts.get(key, 0) + count
            for history in histories:
                faults += judge(history, expected_refusals=(507, 503))


def fill(server, load):
    """Sends until the disk is full."""
    end_at = time.monotonic() + 600
    while load.history.refused[507] < 20 and time.monotonic() < end_at:
        time.sleep(0.02)
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    if load.history.refused[507] < 20:
        return [f"the disk was not filled in ten minutes: {dict(load.history.refused)}\n{server.tail(5)}"]
    return []


def end_and_start(server, signal):
    """Ends the server while it refuses, and starts it in the room that there is."""
    if signal == "KILL":
        server.kill()
    else:
        server.stop()
    try:
        server.start()
    except Exception as ended:  # pylint: disable=broad-except
        return [f"SIG{signal} while the disk was full, and it does not start again: {ended}\n{server.tail(5)}"]
    return []


def drain(server, data, histories, sizes, part_left, counts, name):
    """Consumes until `part_left` of what was accepted is left, and waits for the room."""
    faults = []
    history = histories[-1]
    left = int(len(history.accepted) * part_left)
    load = Load(server, senders=0, sizes=[0], prefetch=200 if max(sizes) < 10_000 else 20, history=history).start()
    end_at = time.monotonic() + 120
    while len(history.missing()) > left and time.monotonic() < end_at:
        time.sleep(0.01)
    load.stop_receiving.set()
    for receiver in load.receivers:
        receiver.join()
    if len(history.missing()) > left:
        return [f"{len(history.missing())} cannot be consumed\n{server.tail(5)}"]
    # All of a kind are as large as each other, about.
    live = len(history.missing()) * sum(sizes) / len(sizes) + RECORD * sum(len(one.accepted) for one in histories)
    bound = 1.5 * live / 1024**2 + REST_MB
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
