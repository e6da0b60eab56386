"""fsync fails with EIO for a while: what could not be synced is refused, nothing that was accepted is lost, and the server
comes back by itself, or ends so that a supervisor starts it. The registry takes part: large payloads have a row in it."""

import time

from harness.load import Load
from harness.model import judge
from harness.scenario import Verdict
from harness.server import wait_for

# What has more than this goes through Dokumentlager, and so does a fourth of the load.
INLINE = 20_000
SIZES = [0, 1_000, 1_000, 50_000]
KINDS = ("fsync EIO", "write EIO", "write ENOSPC", "open EMFILE")


def run(context):
    return with_faults(context, "fsync-error", KINDS[:2], context.of(1, 20))


def with_faults(context, name, kinds, rounds):
    """Makes file operations fail under load, over and over."""
    folder = context.folder / name
    control = folder / "control"
    server = context.server(name, config=f"[melding]\ninline_payload_max_bytes = {INLINE}\n")
    server.env = {
        "LD_PRELOAD": str(context.interposer()),
        "FAULTS_ROOT": str(server.data),
        "FAULTS_CONTROL": str(control),
    }
    server.start()
    load = Load(server, senders=4, sizes=SIZES, seed=context.seed).start()
    counts, faults, back, told, restarts = {}, [], [], [], 0
    try:
        for number in range(rounds * len(kinds)):
            kind = kinds[number % len(kinds)]
            if not load.more(50):
                faults.append(f"nothing more is accepted before round {number}")
                break
            control.write_text(kind)
            begun, refused = time.monotonic(), sum(load.history.refused.values())
            end = begun + 3
            said = None
            while time.monotonic() < end and server.process.poll() is None:
                if said is None and server.helse()[0] not in (200,):
                    said = time.monotonic() - begun
                time.sleep(0.02)
            control.write_text("")
            if said is not None:
                told.append(said)
            elif sum(load.history.refused.values()) > refused and kind != "open EMFILE":
                # What needs no such operation for three seconds goes on without it, and is well. Files are opened for large
                # payloads alone, and Dokumentlager is looked at twice a minute.
                faults.append(f"{kind}: sends were refused and /helse still said that all is well after 3 s")
            begun = time.monotonic()
            if server.process.poll() is not None:
                restarts += 1
                if server.process.returncode == 0:
                    faults.append(f"{kind}: the server ended with 0, so no supervisor starts it again")
                server.start()
            try:
                wait_for(server.ready, f"{kind}: comes back by itself", 60)
            except AssertionError as stuck:
                faults.append(str(stuck))
                server.kill()
                server.start()
                restarts += 1
            back.append(time.monotonic() - begun)
            # A unit of work that is rolled back for an ordinary reason must not take with it what comes behind.
            if (answer := load.arkiv.refused_change()) != 404:
                faults.append(f"{kind}: a tilgang that is not there was answered {answer} after it")
        history = load.finish()
    finally:
        control.write_text("")
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
    counts = {"rounds": len(back)} | load.counts()
    counts |= {"refused": sum(history.refused.values()), "ended and started again": restarts}
    if told:
        counts["/helse told after, longest s"] = round(max(told), 2)
    if back:
        counts["well again after, longest s"] = round(max(back), 2)
    return Verdict(counts, faults + judge(history, expected_refusals=(503, 507, 500), may_die=True))
