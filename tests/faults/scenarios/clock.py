"""The wall clock jumps, forth and back, while timers run on: what is young does not expire, and nothing is lost."""

import glob
import time

from harness.load import SMALL, Load
from harness.model import judge
from harness.scenario import Skipped, Verdict

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = ("+3600", "-3600", "+90000", "-90000", "+600")
TTL_MS = 30 * 60 * 1000


def fake_clock(folder):
    """The environment of a server whose clock follows a file, and what sets it."""
    libraries = glob.glob(LIBRARY)
    if not libraries:
        raise Skipped("libfaketime is missing (Debian: faketime)")
    file = folder / "clock"

    def jump(offset):
        new = file.with_name("clock.new")
        new.write_text(f"{offset}\n")
        new.rename(file)

    environment = {
        "LD_PRELOAD": libraries[0],
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return environment, jump


def run(context):
    server = context.server("clock")
    server.env, jump = fake_clock(server.folder)
    jump("+0")
    server.start()
    queued = Load(server, senders=2, sizes=SMALL, seed=context.seed, receive=False, ttl=TTL_MS).start()
    queued.more(300)
    queued.stop_sending.set()
    for sender in queued.senders:
        sender.join()
    faults = []
    jumps = 0
    for offset in JUMPS * context.of(1, 10):
        jump(offset)
        time.sleep(2)
        jump("+0")
        time.sleep(0.3)
        jumps += 1
        if not server.ready():
            faults.append(f"not well after a jump of {offset} s")
    load = Load(server, senders=2, sizes=SMALL, seed=context.seed + 1, ttl=TTL_MS, history=queued.history).start()
    load.more(50)
    # Again with consumers, who hold some of it.
    for offset in JUMPS[: context.of(2, 5)]:
        jump(offset)
        time.sleep(2)
        jump("+0")
        jumps += 1
        if not load.more(20, 30):
            faults.append(f"nothing is accepted after a jump of {offset} s was taken back")
    history = load.finish()
    server.kill()
    counts = load.counts() | {"jumps": jumps, "expired": sum(len(k) for k in history.kvitteringer.values())}
    # In the jump itself the token is too old or not yet good.
    return Verdict(counts, faults + judge(history, expected_refusals=(401, 503)))
