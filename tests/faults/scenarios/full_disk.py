"""The disk is full, on a small file system of its own: new meldinger are refused, what was accepted stays, and when there is
room again it goes on by itself. Afterwards the disk follows what is still there."""

import contextlib
import os
import subprocess
import time

from harness.load import Load
from harness.model import History, judge
from harness.scenario import Skipped, Verdict

SIZE_MB = 384
MIN_FREE_MB = 64
# What may be on the disk one minute after all was consumed.
REST_MB = 64
# All of them go with the queue. A payload in Dokumentlager is live for as long as its melding might be, and a day: receivers
# fetch it again after they acked.
SIZES = [1_000, 100_000, 300_000, 3_000_000]


@contextlib.contextmanager
def small_disk(folder, size_mb):
    """A file system of that size at `folder`."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skipped("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)


def used_mb(folder):
    stat = os.statvfs(folder)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize // 1024**2


def run(context):
    # One organisasjon is to fill all of it.
    keys = ("sendte_bytes_i_ko", "mottatte_bytes_i_ko", "sporing_bytes", "sendte_bytes", "mottatte_bytes")
    unbounded = "".join(f"{key}_per_organisasjon = {1 << 40}\n" for key in keys)
    lager = f"[lager]\nmin_free_bytes = {MIN_FREE_MB * 1024**2}\n"
    server = context.server("full-disk", config=f"{lager}[grenser]\n{unbounded}")
    data = server.data
    whole = data.with_name("before")
    data.rename(whole)
    faults, counts = [], {}
    with small_disk(data, SIZE_MB):
        subprocess.run(["cp", "-a", f"{whole}/.", data], check=True)
        server.start()
        history = History()
        try:
            for number in range(context.of(1, 5)):
                load = Load(server, senders=4, sizes=SIZES, seed=context.seed + number, receive=False, history=history)
                faults += fill_and_empty(server, load.start(), data, number, counts)
                if faults:
                    break
        finally:
            load.stop_sending.set()
            server.kill()
    counts = load.counts() | counts | {"refused": sum(history.refused.values())}
    return Verdict(counts, faults + judge(history, expected_refusals=(507, 503)))


def fill_and_empty(server, load, data, number, counts):
    """Fills the disk by meldinger and then by something else, gives room again, and consumes all."""
    faults = []
    end = time.monotonic() + 120
    already = load.history.refused[507]
    while load.history.refused[507] < already + 20 and time.monotonic() < end:
        time.sleep(0.02)
    if load.history.refused[507] < already + 20:
        faults.append("the disk is full and nothing was refused with 507")
    # To the last byte, as a neighbour on the same disk may do.
    hog = data / "hog"
    with contextlib.suppress(OSError), hog.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    time.sleep(2)
    hog.unlink()
    if server.process.poll() is not None:
        if server.process.returncode == 0:
            faults.append("the server ended with 0 when the disk was full")
        counts["ended and started again"] = counts.get("ended and started again", 0) + 1
        server.start()
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    # Full, with nothing but settlements to write.
    drain = Load(server, senders=0, sizes=SIZES, prefetch=100, history=load.history).start()
    end = time.monotonic() + 120
    while load.history.missing() and time.monotonic() < end:
        time.sleep(0.05)
    if load.history.missing():
        faults.append(f"{len(load.history.missing())} cannot be consumed when the disk is full\n{server.tail(5)}")
    end = time.monotonic() + 60
    while used_mb(data) > REST_MB and time.monotonic() < end:
        time.sleep(0.2)
    counts[f"MB on the disk one minute after drain {number + 1}"] = used_mb(data)
    if used_mb(data) > REST_MB:
        faults.append(f"{used_mb(data)} MB are still used a minute after all was consumed, more than {REST_MB}")
    drain.stop_receiving.set()
    for receiver in drain.receivers:
        receiver.join()
    # There is room again: it takes more without being started anew.
    again = Load(server, senders=2, sizes=[1_000], seed=number + 7, history=load.history).start()
    if not again.more(50):
        faults.append("there is room again and nothing is accepted")
    again.finish()
    return faults
